"""Ways to spread traffic over near-shortest paths: over all of them by elimination, or over a fixed set of links.

Both answer the same question (``Routing``), so that the search for prices need not know which it works with.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.market import Group
from vbte.paths.elimination import Float32Array, SmoothDistances
from vbte.topology import FloatArray


class Spread(Protocol):
    """Traffic under one set of link prices: ``distance`` (G,) is each commodity's smoothed price of a path."""

    distance: Float32Array

    def link_loads(self, flow: Float32Array) -> FloatArray:
        """Return the load of each link (n_links,) when commodities send ``flow`` (G,)."""
        ...


class Routing(Protocol):
    """A set of paths for one group."""

    group: Group

    def spread(self, weight: FloatArray, temperature: float) -> Spread:
        """Return how traffic spreads under link prices ``weight`` (n_links,)."""
        ...


class AllPaths:
    """All paths of a group, by elimination."""

    def __init__(self, group: Group) -> None:
        self.group = group
        place = group.order.vertex
        self._cell = place[group.source] * len(place) + place[group.destination]
        taken = np.zeros(len(place) ** 2, dtype=np.bool_)
        taken[self._cell] = True
        self._alone = int(np.count_nonzero(taken)) == len(self._cell)

    def spread(self, weight: FloatArray, temperature: float) -> AllPathsSpread:
        """Return how traffic spreads over all paths."""
        distances = self.group.order.distances(weight, temperature)
        return AllPathsSpread(distances, self._cell, len(weight), alone=self._alone)


class AllPathsSpread:
    """Smoothed distances of all pairs, looked up for a group's commodities in the ``cell`` of each.

    ``alone``: no two commodities share a cell.
    """

    def __init__(self, distances: SmoothDistances, cell: NDArray[np.intp], n_links: int, *, alone: bool) -> None:
        self.distances = distances
        self.distance: Float32Array = distances.matrix.reshape(-1)[cell]
        self._cell = cell
        self._n_links = n_links
        self._alone = alone

    def link_loads(self, flow: Float32Array) -> FloatArray:
        """Return the load of each link, shape (n_links,)."""
        shape = self.distances.matrix.shape
        if self._alone:
            traffic = np.zeros(shape[0] * shape[1], dtype=np.float32)
            traffic[self._cell] = flow
        else:
            traffic = np.bincount(self._cell, weights=flow, minlength=shape[0] * shape[1]).astype(np.float32)
        loads = np.zeros(self._n_links)
        found = self.distances.link_loads(traffic.reshape(shape))
        loads[: len(found)] = found
        return loads

    def from_to(self) -> Float32Array:
        """Return distances between vertices in the graph's own numbering, shape (n_vertices, n_vertices)."""
        place = self.distances.order.vertex
        return self.distances.matrix[np.ix_(place, place)]
