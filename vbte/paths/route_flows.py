"""Cheapest ways to keep one unit of traffic alive whatever single thing fails, for many pairs of nodes at once.

A flow of value F none of whose risks carries more than r delivers F - r whichever of them fails. For r = 1 it is a
mixture of whole flows, that is of sets of h routes of which no two share a risk, each worth h - 1 (multiroute flows:
Kishimoto 1996; Aggarwal and Orlin, Networks 39, 2002). So the cheapest unit is the cheapest set of h disjoint routes
over h - 1, for the best h: successive shortest paths (Suurballe 1974) find the sets one h after the other. What can't
fail may be shared; a route of nothing else is worth 1 by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.topology import BoolArray, FloatArray, IntArray

#: Entries of a (pairs x arcs) array worked on at once.
BLOCK_ENTRIES = 1 << 20

#: Arcs cost this much more, as a share of the dearest, so that no circle is free. It is taken off the price again.
NUDGE_SHARE = 1e-11

#: Distances within this share of the dearest arc are the same.
_EQUAL_SHARE = 1e-13


@dataclass(frozen=True, eq=False)
class RiskGraph:
    """Arcs between ``n_vertices``, each of which falls with its risk; all arcs of a risk join the same two vertices.

    ``risk`` (M,) is -1 for what can't fail, ``link`` (M,) the link of an arc, -1 for none.
    """

    n_vertices: int
    tail: IntArray
    head: IntArray
    risk: IntArray
    link: IntArray

    @property
    def n_risks(self) -> int:
        """Number of risks."""
        return int(self.risk.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class RouteFlows:
    """The cheapest unit for each pair: ``price`` (K,), inf where there is none, and a flow that has it.

    ``flow`` (K, M) counts the routes on each arc, ``worth`` (K,) is what the flow delivers whatever fails.
    """

    price: FloatArray
    worth: IntArray
    flow: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Who asks: vertices ``source`` and ``target`` (K,), and what of the risks doesn't count for whom, (K, n_risks)."""

    source: IntArray
    target: IntArray
    exempt: BoolArray

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, chosen: slice | NDArray[np.intp]) -> Pairs:
        return Pairs(self.source[chosen], self.target[chosen], self.exempt[chosen])


def cheapest_units(graph: RiskGraph, weight: FloatArray, pairs: Pairs) -> RouteFlows:
    """Return the cheapest unit of each pair under ``weight`` (K, M), 0 or more.

    Prices are bounds from below, short of the flow's own cost by rounding only.
    """
    step = max(1, BLOCK_ENTRIES // max(2 * len(graph.tail), 1))
    parts = [
        _Search(graph, weight[first : first + step], pairs[first : first + step]).run()
        for first in range(0, len(pairs), step)
    ]
    if not parts:
        return RouteFlows(np.empty(0), np.empty(0, np.int32), np.empty((0, len(graph.tail)), np.int8))
    return RouteFlows(
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.worth for part in parts]),
        np.concatenate([part.flow for part in parts]),
    )


class _Search:
    """Successive shortest paths for a block of pairs, all of them a step at a time."""

    def __init__(self, graph: RiskGraph, weight: FloatArray, pairs: Pairs) -> None:
        self.graph, self.pairs = graph, pairs
        self.nudge = NUDGE_SHARE * weight.max(axis=1, initial=0.0)
        self.nudge[self.nudge == 0] = NUDGE_SHARE
        self.weight = weight + self.nudge[:, None]
        self.counts = (
            (graph.risk >= 0) & ~pairs.exempt[:, np.maximum(graph.risk, 0)]
            if graph.n_risks
            else np.zeros(weight.shape, dtype=np.bool_)
        )
        # Residual arcs, forward and back, in order of the vertex they lead to.
        into = np.concatenate([graph.head, graph.tail])
        self.order = np.argsort(into, kind="stable")
        self.into, self.begin = np.unique(into[self.order], return_index=True)
        self.out_of = np.concatenate([graph.tail, graph.head])[self.order]

    def run(self) -> RouteFlows:
        """Return the best of all numbers of routes for each pair."""
        n_pairs, n_arcs = self.weight.shape
        best = RouteFlows(np.full(n_pairs, np.inf), np.zeros(n_pairs, np.int32), np.zeros((n_pairs, n_arcs), np.int8))
        every = np.arange(n_pairs)
        safe = np.zeros((n_pairs, n_arcs), np.int8)
        found, _ = self._augment(every, safe, only_safe=True)
        self._keep(best, every[found], safe[found], 1)
        flow = np.zeros((n_pairs, n_arcs), np.int8)
        going, routes = every, 0
        while len(going):
            part = flow[going]
            found, _ = self._augment(going, part, only_safe=False)
            going, part = going[found], part[found]
            flow[going] = part
            routes += 1
            if routes > 1:
                going = going[self._keep(best, going, part, routes - 1)]
        return best

    def _keep(self, best: RouteFlows, pairs: NDArray[np.intp], flow: NDArray[np.int8], worth: int) -> BoolArray:
        """Take over the flows that are cheaper a unit than the best so far; return which are."""
        used = flow.sum(axis=1)
        cost = (flow * (self.weight[pairs] - self.nudge[pairs, None])).sum(axis=1)
        # What the nudges may have led astray is taken off, so that no cheaper unit is left unseen.
        price = np.maximum(cost - used * self.nudge[pairs], 0.0) / worth
        better = price < best.price[pairs]
        chosen = pairs[better]
        best.price[chosen], best.worth[chosen], best.flow[chosen] = price[better], worth, flow[better]
        return np.asarray(better)

    def _augment(
        self, pairs: NDArray[np.intp], flow: NDArray[np.int8], *, only_safe: bool
    ) -> tuple[BoolArray, FloatArray]:
        """Add a cheapest further route to each flow (in place); return where there is one, and its length."""
        cost = self._residual(pairs, flow, only_safe=only_safe)
        distance, came = self._distances(pairs, cost)
        target = self.pairs.target[pairs]
        rows = np.arange(len(pairs))
        length = distance[rows, target]
        found = np.isfinite(length)
        self._push(np.flatnonzero(found), pairs, flow, came)
        return np.asarray(found), length

    def _residual(self, pairs: NDArray[np.intp], flow: NDArray[np.int8], *, only_safe: bool) -> FloatArray:
        """Return what residual arcs cost, sorted by where they lead, (len(pairs), 2 M); inf for those in use."""
        weight, counts = self.weight[pairs], self.counts[pairs]
        if only_safe:
            taken = counts
        else:
            taken = np.zeros_like(counts)
            if self.graph.n_risks:
                used = np.zeros((len(pairs), self.graph.n_risks), dtype=np.bool_)
                row, arc = np.nonzero(flow)
                risky = self.graph.risk[arc] >= 0
                used[row[risky], self.graph.risk[arc[risky]]] = True
                taken = counts & used[:, np.maximum(self.graph.risk, 0)]
        ahead = np.where(taken, np.inf, weight)
        back = np.where(flow > 0, -weight, np.inf)
        return np.concatenate([ahead, back], axis=1)[:, self.order]

    def _distances(self, pairs: NDArray[np.intp], cost: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return distances from the sources and the residual arc by which each vertex was reached (Bellman-Ford)."""
        n_vertices = self.graph.n_vertices
        distance = np.full((len(pairs), n_vertices), np.inf)
        rows = np.arange(len(pairs))
        distance[rows, self.pairs.source[pairs]] = 0.0
        came = np.full((len(pairs), n_vertices), -1, dtype=np.int32)
        equal = _EQUAL_SHARE * self.weight[pairs].max(axis=1, initial=0.0)[:, None]
        open_rows = rows
        for _ in range(n_vertices):
            reach = distance[open_rows][:, self.out_of] + cost[open_rows]
            least = np.minimum.reduceat(reach, self.begin, axis=1)
            with np.errstate(invalid="ignore"):
                better = least < distance[open_rows][:, self.into] - equal[open_rows]
            row, vertex = np.nonzero(better)
            if not len(row):
                break
            arc = self._arcs_of(reach, least, row, vertex)
            at = open_rows[row], self.into[vertex]
            distance[at], came[at] = least[row, vertex], arc
            open_rows = open_rows[np.unique(row)]
        return distance, came

    def _arcs_of(
        self, reach: FloatArray, least: FloatArray, row: NDArray[np.intp], vertex: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Return the first arc into a vertex that has its least distance."""
        begin = self.begin[vertex]
        end = np.append(self.begin[1:], len(self.order))[vertex]
        arc = begin.copy()
        left = np.flatnonzero(reach[row, arc] != least[row, vertex])
        while len(left):
            arc[left] += 1
            assert (arc[left] < end[left]).all()
            left = left[reach[row[left], arc[left]] != least[row[left], vertex[left]]]
        return arc

    def _push(self, rows: NDArray[np.intp], pairs: NDArray[np.intp], flow: NDArray[np.int8], came: IntArray) -> None:
        """Send one more route along the arcs by which the targets were reached, in place."""
        at, source = self.pairs.target[pairs][rows], self.pairs.source[pairs][rows]
        n_arcs = len(self.graph.tail)
        while len(rows):
            residual = came[rows, at]
            arc = self.order[residual]
            back = arc >= n_arcs
            flow[rows[~back], arc[~back]] += 1
            flow[rows[back], arc[back] - n_arcs] -= 1
            at = self.out_of[residual]
            going = at != source
            rows, at, source = rows[going], at[going], source[going]


def routes(graph: RiskGraph, flow: NDArray[np.int8], source: int, target: int) -> Iterator[list[int]]:
    """Yield the routes of one flow (M,) from ``source`` to ``target``, each as its links in order."""
    left = flow.astype(np.int64)
    leaving: dict[int, list[int]] = {}
    for arc in np.flatnonzero(left)[::-1].tolist():
        leaving.setdefault(int(graph.tail[arc]), []).extend([arc] * int(left[arc]))
    while leaving.get(source):
        at, links = source, []
        while at != target:
            arc = leaving[at].pop()
            if graph.link[arc] >= 0:
                links.append(int(graph.link[arc]))
            at = int(graph.head[arc])
        yield links
