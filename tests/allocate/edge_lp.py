"""An oracle for the optimum over all paths: link flows aggregated by source, solved by scipy's own solver.

Written from the textbook (Ahuja, Magnanti and Orlin 1993, chapter 17) and with nothing of vbte's formulations:
flow conservation per source and node, all in one ``linprog`` call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EdgeLp:
    """``tail``, ``head`` and ``capacity`` by link; ``volume[s, t]`` is what s sends to t. x[s, e] is s's flow on e."""

    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    capacity: FloatArray
    volume: FloatArray

    @cached_property
    def n_nodes(self) -> int:
        return len(self.volume)

    @cached_property
    def n_flows(self) -> int:
        return self.n_nodes * len(self.tail)

    @cached_property
    def arriving(self) -> csr_array:
        """Row (s, v): flow of s into v less flow of s out of v, for v other than s."""
        one = np.arange(len(self.tail))
        blocks = coo_array(
            (np.repeat([1.0, -1.0], len(one)), (np.concatenate([self.head, self.tail]), np.tile(one, 2))),
            shape=(self.n_nodes, len(one)),
        ).tocsr()
        rows = [
            coo_array((part.data, (part.row, part.col + s * len(one))), shape=(self.n_nodes - 1, self.n_flows))
            for s in range(self.n_nodes)
            for part in [blocks[np.delete(np.arange(self.n_nodes), s)].tocoo()]
        ]
        return csr_array(_stacked(rows))

    @cached_property
    def wanted(self) -> FloatArray:
        """What should arrive in each row of ``arriving``."""
        return np.concatenate([np.delete(row, s) for s, row in enumerate(self.volume)])

    @cached_property
    def load(self) -> csr_array:
        """Row e: flow of all sources on e."""
        column = np.arange(self.n_flows)
        shape = (len(self.tail), self.n_flows)
        return csr_array((np.ones(self.n_flows), (column % len(self.tail), column)), shape=shape)

    def least_mlu(self) -> float:
        """Carry everything: the least utilisation of the busiest link."""
        return self._solved(_beside(self.arriving, None), self.wanted, -self.capacity, np.zeros(len(self.tail)), 1.0)

    def largest_scale(self) -> float:
        """The largest share of itself that every demand gets at once."""
        arriving = _beside(self.arriving, -self.wanted)
        return -self._solved(arriving, np.zeros(len(self.wanted)), np.zeros(len(self.tail)), self.capacity, -1.0)

    def most_admitted(self) -> float:
        """The most that can be carried in all."""
        demand = np.flatnonzero(self.wanted > 0)
        shape = (len(self.wanted), len(demand))
        shares = coo_array((-np.ones(len(demand)), (demand, np.arange(len(demand)))), shape=shape)
        cost = np.concatenate([np.zeros(self.n_flows), -np.ones(len(demand))])
        upper = np.concatenate([np.full(self.n_flows, np.inf), self.wanted[demand]])
        answer = linprog(
            cost,
            A_ub=csr_array(hstack([self.load, csr_array((len(self.tail), len(demand)))])),
            b_ub=self.capacity,
            A_eq=csr_array(hstack([self.arriving, shares])),
            b_eq=np.zeros(len(self.wanted)),
            bounds=np.stack([np.zeros(len(upper)), upper], axis=1),
        )
        return -float(answer.fun)

    def _solved(
        self, arriving: csr_array, wanted: FloatArray, last_column: FloatArray, room: FloatArray, last_cost: float
    ) -> float:
        """Minimise ``last_cost`` times one more variable, which stands in the capacity rows as ``last_column``."""
        cost = np.zeros(self.n_flows + 1)
        cost[-1] = last_cost
        load = _beside(self.load, last_column)
        return float(linprog(cost, A_ub=load, b_ub=room, A_eq=arriving, b_eq=wanted).fun)


def _beside(matrix: csr_array, column: FloatArray | None) -> csr_array:
    extra = np.zeros(matrix.shape[0]) if column is None else column
    return csr_array(hstack([matrix, csr_array(extra[:, None])]))


def _stacked(parts: list[coo_array]) -> coo_array:
    height = parts[0].shape[0]
    return coo_array(
        (
            np.concatenate([part.data for part in parts]),
            (
                np.concatenate([part.row + i * height for i, part in enumerate(parts)]),
                np.concatenate([part.col for part in parts]),
            ),
        ),
        shape=(height * len(parts), parts[0].shape[1]),
    )
