"""Shortest-path trees from all nodes at once, and what flows up and down them, in numpy without a loop over pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer]


class Arcs:
    """A directed graph without parallel arcs; ``tail`` and ``head`` have shape (n_arcs,)."""

    def __init__(self, n_nodes: int, tail: IntArray, head: IntArray) -> None:
        self.n_nodes, self.n_arcs = n_nodes, len(tail)
        self._order = np.lexsort((head, tail))
        ordered_tail = tail[self._order]
        self._head = head[self._order].astype(np.int32)
        self._row_start = np.searchsorted(ordered_tail, np.arange(n_nodes + 1)).astype(np.int32)
        self._key = ordered_tail.astype(np.int64) * n_nodes + self._head
        if (np.diff(self._key) == 0).any():
            raise ValueError("parallel arcs: merge them first")

    def matrix(self, weight: FloatArray) -> csr_array[np.float64]:
        """Return ``weight`` (n_arcs,) as the matrix that scipy's graph routines take."""
        return csr_array((weight[self._order], self._head, self._row_start), shape=(self.n_nodes, self.n_nodes))

    def trees(self, weight: FloatArray, sources: IntArray | None = None) -> Trees:
        """Return a cheapest path from each of ``sources`` (default: every node) to every node; weights above 0."""
        sources = np.arange(self.n_nodes) if sources is None else np.asarray(sources)
        distance, before = dijkstra(self.matrix(weight), indices=sources, return_predecessors=True)
        return Trees(self, sources, distance, before)

    def between(self, tail: IntArray, head: IntArray) -> NDArray[np.int32]:
        """Return the arc from each of ``tail`` to each of ``head``; all of them have to be there."""
        return self._table[tail.astype(np.int64) * self.n_nodes + head]

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        """The arc of every pair of nodes: large, but looked up at once."""
        table = np.full(self.n_nodes**2, -1, dtype=np.int32)
        table[self._key] = self._order
        return table


@dataclass(frozen=True)
class Trees:
    """Cheapest paths from ``sources`` (S,): ``distance`` and the node ``before`` each node, both (S, n_nodes)."""

    arcs: Arcs
    sources: IntArray
    distance: FloatArray
    before: NDArray[np.int32]

    @cached_property
    def _levels(self) -> list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]]:
        """For each number of hops from 1: cells (flat positions of row and node), cells before them, arcs between."""
        shape = self.before.shape
        row = (np.arange(shape[0], dtype=np.int32) * shape[1])[:, None]
        cells = np.arange(self.before.size, dtype=np.int32).reshape(shape)
        inner = self.before >= 0
        jump = np.where(inner, row + self.before, cells).ravel()
        first_jump, hops = jump, inner.ravel().astype(np.int32)
        # Pointer doubling: after k rounds a cell knows its ancestor 2^k hops up and how many hops that was.
        while True:
            further = hops + hops[jump]
            if np.array_equal(further, hops):
                break
            hops, jump = further, jump[jump]
        order = np.argsort(hops.astype(np.uint16), kind="stable")
        borders = np.searchsorted(hops[order], np.arange(1, int(hops.max(initial=0)) + 2))
        arc = np.zeros(self.before.size, dtype=np.int32)
        known = order[borders[0] :] if len(borders) else order[:0]
        arc[known] = self.arcs.between(first_jump[known] % shape[1], known % shape[1])
        return [
            (level, first_jump[level], arc[level])
            for low, high in pairwise(borders.tolist())
            for level in (order[low:high],)
        ]

    def loads(self, volume: FloatArray) -> FloatArray:
        """Return the load of each arc by source, (S, n_arcs), when ``volume`` (S, n_nodes) takes these paths."""
        passing = np.array(volume, dtype=np.float64).ravel()
        load = np.zeros((len(self.sources), self.arcs.n_arcs))
        flat = load.ravel()
        for level, above, arc in reversed(self._levels):
            amount = passing[level]
            flat[level // volume.shape[1] * self.arcs.n_arcs + arc] += amount
            np.add.at(passing, above, amount)
        return load

    def total(self, volume: FloatArray) -> FloatArray:
        """Return the load of each arc, (n_arcs,), when ``volume`` (S, n_nodes) takes these paths."""
        passing = np.array(volume, dtype=np.float64).ravel()
        load = np.zeros(self.arcs.n_arcs)
        for level, above, arc in reversed(self._levels):
            amount = passing[level]
            load += np.bincount(arc, weights=amount, minlength=self.arcs.n_arcs)
            np.add.at(passing, above, amount)
        return load

    def least(self, figure: FloatArray) -> FloatArray:
        """Return the least of ``figure`` (n_arcs,) along the path to each node, (S, n_nodes), inf at the source."""
        found = np.full(self.before.size, np.inf)
        for level, above, arc in self._levels:
            found[level] = np.minimum(found[above], figure[arc])
        return found.reshape(self.before.shape)

    def paths(self, row: IntArray, destination: IntArray) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the path to each (row, destination) in compressed rows: ``start`` (P + 1,) and arcs, source first."""
        node = np.array(destination)
        active = np.flatnonzero(self.before[row, node] >= 0)
        owners, arcs = [], []
        while len(active):
            previous = self.before[row[active], node[active]]
            owners.append(active)
            arcs.append(self.arcs.between(previous, node[active]))
            node[active] = previous
            active = active[self.before[row[active], previous] >= 0]
        if not owners:
            return np.zeros(len(row) + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
        length = np.zeros(len(row), dtype=np.int64)
        for owner in owners:
            length[owner] += 1
        start = np.concatenate([[0], np.cumsum(length)])
        found = np.empty(start[-1], dtype=np.int32)
        for step, (owner, arc) in enumerate(zip(owners, arcs, strict=True)):
            found[start[owner + 1] - 1 - step] = arc
        return start, found
