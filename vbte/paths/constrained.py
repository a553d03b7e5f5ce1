"""Cheapest simple path under bounds on latency and hops, through required nodes and links.

Best-first search over partial simple paths. The queue is ordered by cost so far plus the cost of the cheapest
unconstrained way on, a lower bound, so the first complete path taken from it is the cheapest one, and the
head of the queue bounds the answer from below at any moment (Hart, Nilsson and Raphael 1968; Handler and Zang 1980
for the constrained problem). Branches that can't keep a bound even at their best are cut.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace

import numpy as np

from vbte.paths.graph import LinkGraph
from vbte.tolerance import PATH_BOUND_SLACK_SHARE
from vbte.topology import FloatArray

#: Partial paths examined for one pair before the search settles for its lower bound.
SEARCH_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class PathBounds:
    """What a path must keep: ``latency_ms`` and ``hops`` at most, all of ``nodes`` and ``links`` passed."""

    latency_ms: float = np.inf
    hops: float = np.inf
    nodes: frozenset[int] = frozenset()
    links: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ConstrainedPath:
    """``lower_bound`` on the cost of any path that keeps the bounds (inf: there is none), and the cheapest such path.

    ``links`` is None when there is no path, or when the search was cut short; the bound holds in either case.
    """

    lower_bound: float
    links: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class _Label:
    """A partial path: where it stands, what it has spent, which required things it has yet to pass."""

    vertex: int
    cost: float
    latency_ms: float
    links: tuple[int, ...]
    missing: frozenset[int]


class ConstrainedSearch:
    """Constrained cheapest paths in one graph under one ``weight`` (n_links of the topology,), 0 or more."""

    def __init__(self, graph: LinkGraph, weight: FloatArray, latency_ms: FloatArray) -> None:
        self._graph = graph
        self._reversed = graph.reversed()
        self._figures = (weight, latency_ms, np.ones(len(weight)))
        self._weight, self._latency = weight.tolist(), latency_ms.tolist()
        self._pushed = itertools.count()
        self._ways_on: dict[int, tuple[list[float], list[float], list[float]]] = {}
        self._out: list[list[tuple[int, int]]] = [[] for _ in range(graph.n_vertices)]
        for link, tail, head in zip(graph.links.tolist(), graph.tail.tolist(), graph.head.tolist(), strict=True):
            self._out[tail].append((link, head))
        self._ends = {link: (t, h) for t, out in enumerate(self._out) for link, h in out}

    def cheapest(self, source: int, destination: int, bounds: PathBounds) -> ConstrainedPath:
        """Return the cheapest simple path from ``source`` to ``destination`` that keeps ``bounds``."""
        bounds = replace(bounds, nodes=bounds.nodes - {source, destination})
        # Required nodes and links share one numbering: node v is v, link e is -1 - e.
        required = bounds.nodes | frozenset(-1 - link for link in bounds.links)
        first = _Label(int(self._graph.start_vertex[source]), 0.0, 0.0, (), required)
        queue: list[tuple[float, int, _Label]] = []
        seen: dict[int, list[_Label]] = {}
        self._push(queue, seen, first, destination, bounds)
        for _ in range(SEARCH_LIMIT):
            if not queue:
                return ConstrainedPath(np.inf, None)
            bound, _, label = heapq.heappop(queue)
            if label.vertex == destination and label.links:
                if label.missing:
                    continue
                return ConstrainedPath(bound, label.links)
            for longer in self._extensions(label, source, simple=bool(required)):
                self._push(queue, seen, longer, destination, bounds)
        return ConstrainedPath(queue[0][0] if queue else np.inf, None)

    def _extensions(self, label: _Label, source: int, *, simple: bool) -> list[_Label]:
        """Return the label's extensions by one link; ``simple`` forbids nodes already visited.

        Without required things the check is not needed: a cycle never lowers cost, latency or hops.
        """
        visited = {self._ends[link][1] for link in label.links} | {source} if simple else {source}
        return [
            _Label(
                head,
                label.cost + self._weight[link],
                label.latency_ms + self._latency[link],
                (*label.links, link),
                label.missing - {head, -1 - link} if label.missing else label.missing,
            )
            for link, head in self._out[label.vertex]
            if head not in visited
        ]

    def _push(
        self,
        queue: list[tuple[float, int, _Label]],
        seen: dict[int, list[_Label]],
        label: _Label,
        destination: int,
        bounds: PathBounds,
    ) -> None:
        """Queue a label unless it can't keep the bounds or another one is at least as good in everything."""
        cost, latency_ms, hops = self._least_to_go(label, destination)
        slack = 1.0 + PATH_BOUND_SLACK_SHARE
        if (
            not np.isfinite(label.cost + cost)
            or label.latency_ms + latency_ms > bounds.latency_ms * slack
            or len(label.links) + hops > bounds.hops
        ):
            return
        # Dominance is sound only for walks; with required things two labels have different futures.
        if not bounds.nodes and not bounds.links:
            rivals = seen.setdefault(label.vertex, [])
            if any(
                rival.cost <= label.cost
                and rival.latency_ms <= label.latency_ms
                and len(rival.links) <= len(label.links)
                for rival in rivals
            ):
                return
            rivals.append(label)
        # The running number keeps the order of equal costs fixed and labels from being compared.
        heapq.heappush(queue, (label.cost + cost, next(self._pushed), label))

    def _least_to_go(self, label: _Label, destination: int) -> tuple[float, float, float]:
        """Return lower bounds on cost, latency and hops from a label to the destination past what is missing."""
        least = [table[label.vertex] for table in self._ways(destination)]
        for thing in label.missing:
            tail, head = (thing, thing) if thing >= 0 else self._ends.get(-1 - thing, (-1, -1))
            if tail < 0:
                return np.inf, np.inf, np.inf
            before, after = self._ways(tail), self._ways(destination)
            out_of = int(self._graph.start_vertex[thing]) if thing >= 0 else head
            across = (0.0, 0.0, 0.0) if thing >= 0 else (self._weight[-1 - thing], self._latency[-1 - thing], 1.0)
            for i in range(3):
                least[i] = max(least[i], before[i][label.vertex] + across[i] + after[i][out_of])
        return least[0], least[1], least[2]

    def _ways(self, target: int) -> tuple[list[float], list[float], list[float]]:
        """Return least cost, latency and hops from every vertex to ``target``, computed once per target."""
        if target not in self._ways_on:
            cost, latency_ms, hops = (
                self._reversed.shortest(figure, np.array([target], dtype=np.int32)).distance[0].tolist()
                for figure in self._figures
            )
            self._ways_on[target] = (cost, latency_ms, hops)
        return self._ways_on[target]
