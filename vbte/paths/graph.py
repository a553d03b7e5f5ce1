"""The directed multigraph that one class may use, in the form scipy's shortest-path code wants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from vbte.topology import BoolArray, FloatArray, IntArray, Topology


@dataclass(frozen=True, eq=False)
class LinkGraph:
    """Links that may be used, with nodes that may not be passed split in two.

    A node where traffic may start and end but not pass is doubled: its outgoing links leave from a copy that nothing
    enters. Every path in the doubled graph is then admissible, and nothing downstream needs a special case.
    ``links`` are positions in the topology; ``tail`` and ``head`` are vertices; vertex v < n_nodes is node v.
    """

    n_nodes: int
    n_vertices: int
    links: IntArray
    tail: IntArray
    head: IntArray
    start_vertex: IntArray

    @cached_property
    def _bundles(self) -> tuple[NDArray[np.int64], NDArray[np.int64], IntArray, IntArray]:
        """Links sorted by (tail, head), where each parallel bundle begins, and the CSR structure over bundles."""
        order = np.lexsort((np.arange(len(self.links)), self.head, self.tail))
        tail, head = self.tail[order], self.head[order]
        first = np.flatnonzero(np.r_[True, (np.diff(tail) != 0) | (np.diff(head) != 0)]) if len(order) else order
        row_start = np.searchsorted(tail[first], np.arange(self.n_vertices + 1)).astype(np.int32)
        return order, first, head[first].astype(np.int32), row_start

    @cached_property
    def _bundle_key(self) -> NDArray[np.int64]:
        order, first, head, _ = self._bundles
        return self.tail[order][first].astype(np.int64) * self.n_vertices + head

    def cheapest_parallel(self, weight: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return per bundle the least of ``weight`` (n_links of the topology,) and the link that has it."""
        order, first, _, _ = self._bundles
        ordered = weight[self.links[order]]
        if len(first) == len(order):
            return ordered, self.links[order].astype(np.int32)
        bundle = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(order)]))
        by_weight = np.lexsort((ordered, bundle))[first]
        return ordered[by_weight], self.links[order][by_weight].astype(np.int32)

    def shortest(self, weight: FloatArray, sources: IntArray | None = None) -> ShortestPaths:
        """Return cheapest paths under ``weight`` (n_links of the topology,), all 0 or more, from ``sources``.

        Sources are node positions (default: all nodes). Dijkstra, one run per source.
        """
        sources = self._sources(sources)
        matrix, link = self._priced(weight)
        distance, predecessor = dijkstra(matrix, indices=self.start_vertex[sources], return_predecessors=True)
        return ShortestPaths(self, sources, self._to_nodes(distance, sources), predecessor.astype(np.int32), link)

    def distances(self, weight: FloatArray, sources: IntArray | None = None) -> FloatArray:
        """Return the ``distance`` that ``shortest`` finds, shape (len(sources), n_nodes), without the paths."""
        sources = self._sources(sources)
        return self._to_nodes(dijkstra(self._priced(weight)[0], indices=self.start_vertex[sources]), sources)

    def _sources(self, sources: IntArray | None) -> IntArray:
        return np.arange(self.n_nodes, dtype=np.int32) if sources is None else np.asarray(sources, dtype=np.int32)

    def _priced(self, weight: FloatArray) -> tuple[csr_array, IntArray]:
        """Return the graph with the price of each bundle's cheapest link, and that link."""
        _, _, head, row_start = self._bundles
        cost, link = self.cheapest_parallel(weight)
        return csr_array((cost, head, row_start), shape=(self.n_vertices, self.n_vertices)), link

    def _to_nodes(self, distance: FloatArray, sources: IntArray) -> FloatArray:
        distance = np.asarray(distance[:, : self.n_nodes])
        # A doubled source reaches itself by starting there, not by the copy.
        distance[np.arange(len(sources)), sources] = 0.0
        return distance

    def reversed(self) -> LinkGraph:
        """Return the graph with every link turned round, whose nodes are this graph's vertices."""
        every = np.arange(self.n_vertices, dtype=np.int32)
        return LinkGraph(self.n_vertices, self.n_vertices, self.links, self.head, self.tail, every)


@dataclass(frozen=True, eq=False)
class ShortestPaths:
    """Cheapest paths from ``sources`` (S,) to every node: ``distance`` (S, n_nodes), inf where there is none."""

    graph: LinkGraph
    sources: IntArray
    distance: FloatArray
    predecessor: IntArray
    bundle_link: IntArray

    def paths(self, row: IntArray, destination: IntArray) -> tuple[NDArray[np.int64], IntArray]:
        """Return one cheapest path for each (row of ``sources``, destination): ``start`` (P + 1,) and ``links``.

        Unreachable pairs give an empty path.
        """
        size = np.int64(self.predecessor.shape[1])
        cell = np.asarray(row, dtype=np.int64) * size + destination
        hops = self._hops.ravel()[cell]
        start = np.concatenate([[0], np.cumsum(hops, dtype=np.int64)])
        links = np.empty(int(start[-1]), dtype=np.int32)
        # Longest first: those still under way are always the first so many.
        order = np.argsort(-hops, kind="stable")
        cell, place = cell[order], start[1:][order]
        under_way = len(cell) - np.cumsum(np.bincount(hops, minlength=1))
        step, before = self._step.ravel(), self._before.ravel()
        for active in under_way[under_way > 0].tolist():
            cell, place = cell[:active], place[:active] - 1
            links[place] = step[cell]
            cell = before[cell]
        return start, links

    @cached_property
    def _before(self) -> NDArray[np.int64]:
        """Place in the flattened table of each (source, vertex)'s predecessor; its own where it has none."""
        size = self.predecessor.shape[1]
        own = np.arange(self.predecessor.size).reshape(self.predecessor.shape)
        before = np.where(self.predecessor >= 0, own - np.arange(size) + self.predecessor, own)
        # A doubled source may come round to itself: the way there is no path to ask for.
        rows = np.arange(len(self.sources))
        before[rows, self.sources] = own[rows, self.sources]
        return before

    @cached_property
    def _step(self) -> IntArray:
        """Last link on the way to each (source, vertex), shape of ``predecessor``; undefined where there is none."""
        vertex = np.arange(self.predecessor.shape[1])
        key = self.predecessor.astype(np.int64) * self.graph.n_vertices + vertex
        if not len(self.bundle_link):
            return self.predecessor
        bundle = np.minimum(np.searchsorted(self.graph._bundle_key, key), len(self.bundle_link) - 1)
        return np.asarray(self.bundle_link[bundle])

    @cached_property
    def _hops(self) -> IntArray:
        """Number of links on the way to each (source, vertex), 0 where there is none (pointer doubling)."""
        before = self._before.ravel()
        hops = (before != np.arange(len(before))).astype(np.int32)
        while True:
            further = hops[before]
            if not further.any():
                return np.asarray(hops.reshape(self.predecessor.shape))
            hops, before = hops + further, before[before]


def link_graph(topology: Topology, allowed: BoolArray | None = None, transit: BoolArray | None = None) -> LinkGraph:
    """Return the graph of the links in ``allowed`` (n_links,) whose paths pass only nodes in ``transit`` (n_nodes,).

    Defaults: the topology's usable links and transit nodes.
    """
    allowed = topology.usable if allowed is None else allowed
    transit = topology.transit if transit is None else transit
    n_nodes = len(topology.nodes)
    start_vertex = np.arange(n_nodes, dtype=np.int32)
    closed = np.flatnonzero(~transit)
    start_vertex[closed] = n_nodes + np.arange(len(closed), dtype=np.int32)
    links = np.flatnonzero(allowed).astype(np.int32)
    return LinkGraph(
        n_nodes=n_nodes,
        n_vertices=n_nodes + len(closed),
        links=links,
        tail=start_vertex[topology.tail[links]],
        head=topology.head[links].astype(np.int32),
        start_vertex=start_vertex,
    )
