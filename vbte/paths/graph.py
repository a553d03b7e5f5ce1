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
        sources = np.arange(self.n_nodes, dtype=np.int32) if sources is None else np.asarray(sources, dtype=np.int32)
        _, _, head, row_start = self._bundles
        cost, link = self.cheapest_parallel(weight)
        matrix = csr_array((cost, head, row_start), shape=(self.n_vertices, self.n_vertices))
        distance, predecessor = dijkstra(matrix, indices=self.start_vertex[sources], return_predecessors=True)
        distance = np.asarray(distance[:, : self.n_nodes])
        # A doubled source reaches itself by starting there, not by the copy.
        distance[np.arange(len(sources)), sources] = 0.0
        return ShortestPaths(self, sources, distance, predecessor.astype(np.int32), link)

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
        row = np.asarray(row)
        vertex = np.asarray(destination, dtype=np.int32).copy()
        origin = self.graph.start_vertex[self.sources[row]]
        active = np.flatnonzero(np.isfinite(self.distance[row, vertex]) & (self.sources[row] != vertex))
        owners, links = [], []
        while len(active):
            before = self.predecessor[row[active], vertex[active]]
            key = before.astype(np.int64) * self.graph.n_vertices + vertex[active]
            links.append(self.bundle_link[np.searchsorted(self.graph._bundle_key, key)])
            owners.append(active)
            vertex[active] = before
            active = active[before != origin[active]]
        return _rows_from_steps(owners, links, len(row))


def _rows_from_steps(
    owners: list[NDArray[np.int64]], links: list[IntArray], n_paths: int
) -> tuple[NDArray[np.int64], IntArray]:
    """Turn links collected from the destinations backwards into compressed rows read forwards."""
    if not owners:
        return np.zeros(n_paths + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    owner, link = np.concatenate(owners), np.concatenate(links)
    step = np.repeat(np.arange(len(owners)), [len(o) for o in owners])
    order = np.lexsort((-step, owner))
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n_paths))]).astype(np.int64)
    return start, link[order].astype(np.int32)


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
