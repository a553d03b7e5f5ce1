"""Sums along the repair graph, for many scenarios at once: a column each.

Downhill, traffic is pushed from the states where it enters; uphill, a figure of what lies ahead is gathered at every
state. Both take the graph's levels one after the other. Where tables lead round in circles they go round, as packets
do, until a packet's time to live is over.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.failover.graph import RepairGraph
from vbte.topology import FloatArray

Positions = NDArray[np.int64]

#: Links that a packet passes before it is dropped: IPv4's largest time to live.
TIME_TO_LIVE = 255


class Push:
    """Passes over a graph; ``share`` has shape (E, B) throughout, figures of states (S, B)."""

    def __init__(self, graph: RepairGraph) -> None:
        self._graph = graph
        self._edges = graph.edges
        # Where no state follows, position -1 reads the row of zeros that figures of states have below the others.
        self._head = graph.edges.head

    @cached_property
    def by_tail(self) -> csr_array:
        """Sums edges by the state that they leave, shape (S, E)."""
        return _selector(self._edges.tail, self._graph.n_states)

    @cached_property
    def _into(self) -> list[tuple[slice, Positions, csr_array]]:
        """Per level: its edges, the states they lead to, and the sums of edges by those states."""
        return [self._arrivals(level) for level in self._graph.levels]

    def _arrivals(self, level: slice) -> tuple[slice, Positions, csr_array]:
        head = self._edges.head[level]
        states, row = np.unique(head[head >= 0], return_inverse=True)
        at = np.flatnonzero(head >= 0)
        shape = (len(states), len(head))
        return level, states, csr_array((np.ones(len(at)), (row.reshape(-1), at)), shape=shape)

    @cached_property
    def _leaving(self) -> list[tuple[slice, Positions, Positions]]:
        """Per level: its edges, the states they leave, and where each state's edges begin within the level."""
        found = []
        for level in (*self._graph.levels, *self._knots):
            states, first = np.unique(self._edges.tail[level], return_index=True)
            found.append((level, states, first))
        return found

    @property
    def _knots(self) -> list[slice]:
        knot = self._graph.knot
        return [knot] if knot.stop > knot.start else []

    def flows(self, entering: FloatArray, share: FloatArray, passed: FloatArray | None = None) -> FloatArray:
        """Return what each edge takes on, (E, B), when ``entering`` (S, B) comes in.

        ``passed`` (E, B) is the share of it that gets to the edge's end, all of it if not stated.
        """
        mass, flow = entering.copy(), np.zeros_like(share)
        for level, states, arrivals in self._into:
            flow[level] = mass[self._edges.tail[level]] * share[level]
            mass[states] += arrivals @ (flow[level] if passed is None else flow[level] * passed[level])
        for knot in self._knots:
            self._go_round(knot, mass, flow, (share[knot], None if passed is None else passed[knot]))
        return flow

    def _go_round(
        self, knot: slice, mass: FloatArray, flow: FloatArray, shares: tuple[FloatArray, FloatArray | None]
    ) -> None:
        _, states, arrivals = self._arrivals(knot)
        share, passed = shares
        current = mass
        for _ in range(TIME_TO_LIVE):
            moved = current[self._edges.tail[knot]] * share
            if not moved.any():
                return
            flow[knot] += moved
            current = np.zeros_like(mass)
            current[states] = arrivals @ (moved if passed is None else moved * passed)

    def ahead(self, share: FloatArray, on_edge: FloatArray) -> FloatArray:
        """Return for each state the mean, by ``share``, of ``on_edge`` (E, B) summed along the way from there."""
        figure = np.zeros((self._graph.n_states + 1, share.shape[1]))
        for level, states, first in reversed(self._leaving):
            for _ in range(self._rounds(level)):
                found = np.add.reduceat(share[level] * (on_edge[level] + figure[self._head[level]]), first, axis=0)
                if np.array_equal(found, figure[states]):
                    break
                figure[states] = found
        return figure[:-1]

    def farthest(self, used: NDArray[np.bool_], on_edge: FloatArray) -> FloatArray:
        """Return for each state the largest sum of ``on_edge`` (E,) along any way over ``used`` (E, B) edges."""
        figure = np.zeros((self._graph.n_states + 1, used.shape[1]))
        for level, states, first in reversed(self._leaving):
            for _ in range(self._rounds(level)):
                reach = np.where(used[level], on_edge[level, None] + figure[self._head[level]], 0.0)
                found = np.maximum.reduceat(reach, first, axis=0)
                if np.array_equal(found, figure[states]):
                    break
                figure[states] = found
        return figure[:-1]

    def _rounds(self, level: slice) -> int:
        return TIME_TO_LIVE if level == self._graph.knot else 1


def _selector(row: Positions, n_rows: int) -> csr_array:
    return csr_array((np.ones(len(row)), (row, np.arange(len(row)))), shape=(n_rows, len(row)))
