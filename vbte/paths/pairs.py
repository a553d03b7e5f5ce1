"""Cheapest pairs of disjoint paths: two paths at least total price that no cable, or no node between, takes together.

Suurballe 1974, with the reduced prices of Suurballe and Tarjan 1984: a shortest path, then a shortest path where the
first one's links may be given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from vbte.paths.graph import LinkGraph
from vbte.topology import BoolArray, FloatArray, IntArray

Path = tuple[int, ...]

#: Steps from vertex to vertex: head, and the link, -1 for the way through a node.
Steps = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True, eq=False)
class DisjointPairs:
    """Pairs in one graph: of links of one ``cable`` (n_links of the topology,) only one is used, either direction.

    All links of a cable have to join the same two nodes. With ``by_node`` the paths share no node but their ends;
    cables then count for nothing. Links of ``free`` (n_links of the topology,) may be on both paths.
    """

    graph: LinkGraph
    cable: IntArray
    by_node: bool = False
    free: BoolArray | None = None

    @property
    def _size(self) -> int:
        return self.graph.n_vertices * (2 if self.by_node else 1)

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Sorted codes of all arcs (tail * size + head), turned round ones included."""
        tail, head = self._ends
        return np.unique(np.concatenate([tail * self._size + head, head * self._size + tail]))

    @cached_property
    def _ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tails and heads of the graph's links, then of the ways through nodes: in at v, out at v + n_vertices."""
        tail, head = self.graph.tail.astype(np.int64), self.graph.head.astype(np.int64)
        if not self.by_node:
            return tail, head
        every = np.arange(self.graph.n_vertices)
        return np.concatenate([tail + len(every), every]), np.concatenate([head, every + len(every)])

    @cached_property
    def _arcs(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Tail and head of each arc, the row starts, and the arc that runs the other way."""
        tail, head = self._keys // self._size, self._keys % self._size
        start = np.searchsorted(tail, np.arange(self._size + 1)).astype(np.int32)
        back = np.searchsorted(self._keys, head * self._size + tail)
        return tail, head.astype(np.int32), start, back

    def cheapest(self, weight: FloatArray, source: int, destinations: Sequence[int]) -> list[tuple[Path, Path] | None]:
        """Return the cheapest pair to each destination under ``weight`` (n_links,), 0 or more; None where none is."""
        tail, head, _, _ = self._arcs
        first, second = self._two_cheapest(weight)
        start = int(self.graph.start_vertex[source]) + (self.graph.n_vertices if self.by_node else 0)
        distance, before = self._tree(first[0], start)
        with np.errstate(invalid="ignore"):
            rise = distance[tail] - distance[head]
            reduced = [np.where(np.isfinite(cost[0] + rise), np.maximum(cost[0] + rise, 0.0), np.inf)
                       for cost in (first, second)]  # fmt: skip
        found: list[tuple[Path, Path] | None] = []
        for destination in destinations:
            if destination == source or not np.isfinite(distance[destination]):
                found.append(None)
                continue
            found.append(self._pair(start, destination, before, reduced, (first[1], second[1])))
        return found

    def _two_cheapest(self, weight: FloatArray) -> tuple[tuple[FloatArray, IntArray], tuple[FloatArray, IntArray]]:
        """Return price and link of each arc's cheapest link, and of its cheapest link on another cable."""
        tail, head = self._ends
        n, links = len(self.graph.links), self.graph.links
        arc = np.searchsorted(self._keys, tail * self._size + head)
        order = np.lexsort((weight[links], arc[:n]))
        arcs, at = np.unique(arc[:n][order], return_index=True)
        best = self._filled(arcs, weight[links[order[at]]], links[order[at]])
        own = self.cable[np.maximum(best[1], 0)]
        # Of parallel links of one cable only the cheapest is of use.
        other = order[self.cable[links[order]] != own[arc[:n][order]]] if not self.by_node else order
        if self.by_node:
            other = np.setdiff1d(order, order[at], assume_unique=True)
            other = other[np.lexsort((weight[links[other]], arc[other]))]
        arcs, at = np.unique(arc[other], return_index=True)
        next_best = self._filled(arcs, weight[links[other[at]]], links[other[at]])
        if self.free is not None:
            both = (best[1] >= 0) & self.free[np.maximum(best[1], 0)]
            next_best[0][both], next_best[1][both] = best[0][both], best[1][both]
        best[0][arc[n:]] = 0.0
        return best, next_best

    def _filled(self, arcs: NDArray[np.int64], price: FloatArray, link: IntArray) -> tuple[FloatArray, IntArray]:
        prices, links = np.full(len(self._keys), np.inf), np.full(len(self._keys), -1, dtype=np.int32)
        prices[arcs], links[arcs] = price, link
        return prices, links

    def _tree(self, price: FloatArray, start: int) -> tuple[FloatArray, IntArray]:
        _, head, row_start, _ = self._arcs
        matrix = csr_array((price, head, row_start), shape=(self._size, self._size))
        distance, before = dijkstra(matrix, indices=np.array([start]), return_predecessors=True)
        return distance[0], before[0].astype(np.int32)

    def _pair(
        self,
        start: int,
        destination: int,
        before: IntArray,
        reduced: list[FloatArray],
        links: tuple[IntArray, IntArray],
    ) -> tuple[Path, Path] | None:
        back = self._arcs[3]
        once = self._way(start, destination, before)
        price = reduced[0].copy()
        price[once] = reduced[1][once]
        price[back[once]] = 0.0
        distance, before = self._tree(price, start)
        if not np.isfinite(distance[destination]):
            return None
        again = self._way(start, destination, before)
        given_back = np.isin(back[again], once)
        kept = once[~np.isin(once, back[again])]
        steps: Steps = {}
        twice = np.isin(again[~given_back], once)
        arcs = np.concatenate([kept, again[~given_back]])
        used = np.concatenate(
            [links[0][kept], np.where(twice, links[1][again[~given_back]], links[0][again[~given_back]])]
        )
        for arc, link in zip(arcs.tolist(), used.tolist(), strict=True):
            steps.setdefault(int(self._keys[arc] // self._size), []).append((int(self._keys[arc] % self._size), link))
        return _walk(steps, start, destination), _walk(steps, start, destination)

    def _way(self, start: int, destination: int, before: IntArray) -> NDArray[np.int64]:
        """Return the arcs on the way that a tree's predecessors show."""
        code, vertex = [], destination
        while vertex != start:
            code.append(int(before[vertex]) * self._size + vertex)
            vertex = int(before[vertex])
        return np.searchsorted(self._keys, np.array(code, dtype=np.int64))


def _walk(steps: Steps, start: int, destination: int) -> Path:
    """Use up steps on a way to the destination; return its links, cycles left out."""
    way: list[int] = []
    vertex, at = start, {start: 0}
    while vertex != destination:
        vertex, link = steps[vertex].pop()
        if vertex in at:
            # A cycle costs nothing here, or the pair would not be the cheapest.
            del way[at[vertex] :]
            at = {seen: place for seen, place in at.items() if place <= len(way)}
            continue
        way.append(link)
        at[vertex] = len(way)
    return tuple(link for link in way if link >= 0)
