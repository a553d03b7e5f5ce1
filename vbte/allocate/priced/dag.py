"""Near-shortest links towards every destination, as one acyclic network that traffic flows down.

For each destination a link is kept if it comes nearer and gets a fair share of what passes its tail. Prices may then
move a little: links stay, shares follow. Since nothing flows in circles, flows can be cut into paths.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.market import Group
from vbte.paths.elimination import UNREACHABLE, Float32Array
from vbte.topology import FloatArray

IndexArray = NDArray[np.intp]

#: Price in place of an infinite one, see ``UNREACHABLE``.
_FAR = float(UNREACHABLE)


class DestinationDag:
    """Arcs (link, destination) of one group, ordered so that all arcs into a cell come before those out of it.

    A *cell* is (vertex, destination); arc a leads from ``tail[a]`` to ``head[a]`` over ``link[a]``. Arcs come in waves:
    those of one wave can be worked on at once. Within a wave arcs of the same tail stand together.
    """

    def __init__(self, group: Group, distance: Float32Array, weight: FloatArray, temperature: float) -> None:
        self.group = group
        self.destinations, column = np.unique(group.destination, return_inverse=True)
        self._width = len(self.destinations)
        self.n_cells = group.graph.n_vertices * self._width
        self.source_cell = group.source.astype(np.intp) * self._width + column
        self._arrange(*self._near(distance[:, self.destinations], weight, temperature))

    def spread(self, weight: FloatArray, temperature: float) -> DagSpread:
        """Return how traffic spreads over the arcs under link prices ``weight`` (n_links,)."""
        return DagSpread(self, weight, temperature)

    @cached_property
    def arrival_cell(self) -> IndexArray:
        """Cell of each destination itself, shape (n_destinations,)."""
        return self.destinations.astype(np.intp) * self._width + np.arange(self._width)

    def _near(
        self, distance: Float32Array, weight: FloatArray, temperature: float
    ) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Return (tail cell, head cell, link) of the arcs worth keeping, sorted by tail cell."""
        graph = self.group.graph
        before, after = distance[graph.tail], distance[graph.head]
        excess = weight[graph.links].astype(np.float32)[:, None] + after - before
        near = (after < before) & (before < 0.5 * _FAR)
        # Each temperature that a link costs more than the best makes it e times less likely.
        near &= excess <= np.float32(-np.log(LEAST_SHARE) * temperature)
        near &= self.destinations[None, :] != graph.tail[:, None]
        position, column = np.nonzero(near)
        tail = graph.tail[position].astype(np.intp) * self._width + column
        head = graph.head[position].astype(np.intp) * self._width + column
        order = np.argsort(tail, kind="stable")
        return tail[order], head[order], graph.links[position[order]].astype(np.intp)

    def _arrange(self, tail: IndexArray, head: IndexArray, link: IndexArray) -> None:
        """Put arcs into waves: a cell's turn comes when all arcs into it have had theirs (Kahn 1962)."""
        first = np.searchsorted(tail, np.arange(self.n_cells + 1))
        ways = np.diff(first)
        missing = np.bincount(head, minlength=self.n_cells)
        cells = np.flatnonzero((missing == 0) & (ways > 0))
        waves: list[IndexArray] = []
        while len(cells):
            arcs = _ranges(first[cells], ways[cells])
            waves.append(arcs)
            reached = head[arcs]
            np.subtract.at(missing, reached, 1)
            cells = np.unique(reached[missing[reached] == 0])
            cells = cells[ways[cells] > 0]
        order = np.concatenate(waves) if waves else np.empty(0, dtype=np.intp)
        self.tail, self.head, self.link = tail[order], head[order], link[order]
        self.wave = np.concatenate([[0], np.cumsum([len(arcs) for arcs in waves])]).astype(np.intp)
        opens = np.ones(len(order), dtype=np.bool_)
        opens[1:] = self.tail[1:] != self.tail[:-1]
        self.run = np.concatenate([np.flatnonzero(opens), [len(order)]])
        self.wave_run = np.searchsorted(self.run, self.wave)

    @property
    def n_waves(self) -> int:
        """Number of waves."""
        return len(self.wave) - 1


#: Arcs that would get less than this share of what passes their tail are left out.
LEAST_SHARE = 0.02


class DagSpread:
    """Shares of the arcs under given prices; ``value`` (n_cells,) is the smoothed price from a cell to its end."""

    def __init__(self, dag: DestinationDag, weight: FloatArray, temperature: float) -> None:
        self.dag = dag
        self.value = np.full(dag.n_cells, _FAR)
        self.value[dag.arrival_cell] = 0.0
        self.share = np.ones(len(dag.link))
        self._n_links = len(weight)
        price = weight[dag.link]
        for wave in reversed(range(dag.n_waves)):
            a, b = dag.wave[wave], dag.wave[wave + 1]
            run = dag.run[dag.wave_run[wave] : dag.wave_run[wave + 1]] - a
            ahead = price[a:b] + self.value[dag.head[a:b]]
            if len(run) == b - a:
                self.value[dag.tail[a:b]] = ahead
                continue
            repeats = np.diff(np.append(run, b - a))
            least = np.minimum.reduceat(ahead, run)
            share = np.exp((np.repeat(least, repeats) - ahead) / temperature)
            total = np.add.reduceat(share, run)
            self.value[dag.tail[a + run]] = least - temperature * np.log(total)
            self.share[a:b] = share / np.repeat(total, repeats)
        self.distance: Float32Array = self.value[dag.source_cell].astype(np.float32)

    def arc_flow(self, flow: Float32Array) -> FloatArray:
        """Return the flow on each arc when commodities send ``flow`` (G,)."""
        dag = self.dag
        passing = np.bincount(dag.source_cell, weights=flow, minlength=dag.n_cells)
        on_arc = np.empty(len(dag.link))
        for a, b in zip(dag.wave[:-1], dag.wave[1:], strict=True):
            amount = passing[dag.tail[a:b]] * self.share[a:b]
            on_arc[a:b] = amount
            np.add.at(passing, dag.head[a:b], amount)
        return on_arc

    def link_loads(self, flow: Float32Array) -> FloatArray:
        """Return the load of each link, shape (n_links,)."""
        loads = np.bincount(self.dag.link, weights=self.arc_flow(flow), minlength=self._n_links)
        return loads.astype(np.float64)


def _ranges(first: IndexArray, count: IndexArray) -> IndexArray:
    """Return first[0], first[0] + 1, ... (count[0] of them), first[1], ..."""
    ends = np.cumsum(count)
    return np.repeat(first - (ends - count), count) + np.arange(int(ends[-1]) if len(ends) else 0)
