"""Candidate paths: the k shortest, or as many link- or SRLG-disjoint ones as there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import yen

from vbte.paths.graph import LinkGraph
from vbte.topology import FloatArray, Topology

Path = tuple[int, ...]

Admits = Callable[[Path], bool]

#: How many of the shortest paths are looked at when not all of them will do.
POOL = 64


class CandidatePaths:
    """Candidate paths in one graph by one ``weight`` (n_links of the topology,), parallel links told apart."""

    def __init__(self, graph: LinkGraph, weight: FloatArray) -> None:
        self._graph = graph
        self._weight = weight
        edges, self._link_at, size = _without_parallels(graph, weight)
        tails, heads = [edge[0] for edge in edges], [edge[1] for edge in edges]
        costs = np.array([edge[2] for edge in edges])
        # scipy reads a stored zero as "no edge" in places: zero weights become a share of the least positive one.
        least = costs[costs > 0].min() if (costs > 0).any() else 1.0
        costs = np.where(costs > 0, costs, least * 1e-9)
        self._matrix = csr_array((costs, (tails, heads)), shape=(size, size))
        self._matrix.indices = self._matrix.indices.astype(np.int32)
        self._matrix.indptr = self._matrix.indptr.astype(np.int32)

    def k_shortest(self, source: int, destination: int, k: int, admits: Admits | None = None) -> list[Path]:
        """Return up to ``k`` simple paths, cheapest first (Yen 1971).

        With ``admits``, only paths that it accepts, among the first ``POOL``.
        """
        start = int(self._graph.start_vertex[source])
        wanted = k if admits is None else max(k, POOL)
        _, predecessors = yen(self._matrix, start, destination, wanted, return_predecessors=True)
        paths = [self._links(row.tolist(), start, destination) for row in np.atleast_2d(predecessors)]
        return [path for path in paths if path and (admits is None or admits(path))][:k]

    def disjoint(
        self,
        source: int,
        destination: int,
        k: int,
        risks: Sequence[frozenset[str]],
        admits: Admits | None = None,
    ) -> list[Path]:
        """Return up to ``k`` paths no two of which share a risk (``risks[link]``), as many as can be found.

        Disjoint paths through shared risks are NP-hard to find in general (Hu 2003). Each of the shortest paths is
        tried as the first of a greedy choice; the largest set wins, then the cheapest. Without ``admits`` the next
        path is the shortest around all that is taken, with it the next of the pool.
        """
        pool = self.k_shortest(source, destination, POOL, admits)
        best: list[Path] = []
        for first in pool:
            if admits is None:
                chosen = self._greedy(source, destination, k, risks, first)
            else:
                chosen = _compatible(first, pool, k, risks)
            if (-len(chosen), self._cost(chosen)) < (-len(best), self._cost(best)):
                best = chosen
            if len(best) == k:
                break
        return sorted(best, key=lambda path: (float(self._weight[list(path)].sum()), path))

    def _greedy(
        self, source: int, destination: int, k: int, risks: Sequence[frozenset[str]], first: Path
    ) -> list[Path]:
        """Return disjoint paths found by removing all that the paths so far put at risk."""
        chosen = [first]
        while len(chosen) < k:
            taken = frozenset().union(*(risks[link] for path in chosen for link in path))
            weight = np.where([bool(risk & taken) for risk in risks], np.inf, self._weight)
            row = self._graph.shortest(weight, np.array([source], dtype=np.int32))
            if not np.isfinite(row.distance[0, destination]):
                break
            _, links = row.paths(np.array([0], dtype=np.int32), np.array([destination], dtype=np.int32))
            chosen.append(tuple(links.tolist()))
        return chosen

    def _cost(self, paths: list[Path]) -> float:
        return float(sum(self._weight[list(path)].sum() for path in paths))

    def _links(self, predecessor: list[int], start: int, destination: int) -> Path:
        links, vertex = [], destination
        while vertex != start:
            before = predecessor[vertex]
            link = self._link_at[before, vertex]
            if link >= 0:
                links.append(link)
            vertex = before
        return tuple(reversed(links))


def _compatible(first: Path, pool: list[Path], k: int, risks: Sequence[frozenset[str]]) -> list[Path]:
    """Return ``first`` and the paths of the pool, in its order, that share no risk with those taken before."""
    chosen, taken = [first], frozenset().union(*(risks[link] for link in first))
    for path in pool:
        mine = frozenset().union(*(risks[link] for link in path))
        if len(chosen) < k and not mine & taken:
            chosen.append(path)
            taken |= mine
    return chosen


def link_risks(topology: Topology, *, srlgs: bool) -> list[frozenset[str]]:
    """Return what each link shares fate with: its cable, and its SRLGs when ``srlgs``."""
    return [
        frozenset({f"cable:{link.cable or link.id}"} | ({f"srlg:{g}" for g in link.srlgs} if srlgs else set()))
        for link in topology.links
    ]


def _without_parallels(
    graph: LinkGraph, weight: FloatArray
) -> tuple[list[tuple[int, int, float]], dict[tuple[int, int], int], int]:
    """Return edges of a simple graph: the second and further links of a parallel bundle get a vertex in between."""
    edges: list[tuple[int, int, float]] = []
    link_at: dict[tuple[int, int], int] = {}
    size = graph.n_vertices
    for link, tail, head in zip(graph.links.tolist(), graph.tail.tolist(), graph.head.tolist(), strict=True):
        cost = float(weight[link])
        if (tail, head) not in link_at:
            edges.append((tail, head, cost))
            link_at[tail, head] = link
            continue
        middle, size = size, size + 1
        edges += [(tail, middle, cost / 2), (middle, head, cost / 2)]
        link_at[tail, middle] = link
        link_at[middle, head] = -1
    return edges, link_at, size
