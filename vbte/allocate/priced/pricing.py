"""What prices mean to a market's commodities: what their cheapest paths cost, and what can be admitted at most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.fill import Crossings, crossings
from vbte.allocate.priced.market import Market
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.topology import FloatArray

IndexArray = NDArray[np.intp]


class Pricing:
    """A market and the oracle that knows its paths.

    ``commodities`` are the market's (positions in the instance, sorted), ``row`` (K,) the row of room of each one's
    own, 0 for none; ``room`` (n_slots,) is the market's, by slot of ``Crossings``, never less than 0. ``tie_break``
    (n_links,) says which of several cheapest paths to take.
    """

    def __init__(self, oracle: PathOracle, found: Market, tie_break: FloatArray) -> None:
        self.oracle, self.found, self.tie_break = oracle, found, tie_break
        self.instance = oracle.instance
        self.commodities = np.sort(np.concatenate([group.commodities for group in found.groups]))
        self.row = np.zeros(self.instance.n_commodities, dtype=np.intp)
        for group in found.groups:
            self.row[group.commodities] = group.row
        self.room = np.maximum(found.room.reshape(-1), 0.0)

    def crossings(self, paths: PathSet) -> Crossings:
        """Return what the paths cross of the market's room."""
        return crossings(paths, self.row[paths.commodity], len(self.found.room), self.found.n_links)

    def carried(self, paths: PathSet, flow: FloatArray) -> FloatArray:
        """Return what path flows (P,) come to for each commodity, shape (K,)."""
        total = np.bincount(paths.commodity, weights=flow, minlength=self.instance.n_commodities)
        return total.astype(np.float64)

    def worth(self, paths: PathSet, flow: FloatArray) -> float:
        """Return what path flows (P,) are worth in all."""
        return float(flow @ self.found.worth[paths.commodity])

    def cheapest(self, prices: FloatArray, commodities: IndexArray) -> PathSet:
        """Return a cheapest path of each commodity under ``prices`` (R, n_links)."""
        return self.oracle.cheapest(self._weights(prices), commodities, tie_break=self.tie_break).paths

    def distance(self, prices: FloatArray) -> FloatArray:
        """Return what each commodity's cheapest path costs under ``prices`` (R, n_links), (K,), inf outside."""
        distance = np.full(self.instance.n_commodities, np.inf)
        distance[self.commodities] = self.oracle.prices(self._weights(prices), self.commodities)
        return distance

    def bound(self, prices: FloatArray, distance: FloatArray) -> float:
        """Return what ``prices`` (R, n_links), with the ``distance`` (K,) that goes with them, prove on all worth."""
        limited = np.isfinite(self.room)
        gain = np.maximum(self.found.worth - distance, 0.0) * self.found.volume
        return float(prices.reshape(-1)[limited] @ self.room[limited]) + float(gain[self.commodities].sum())

    def _weights(self, prices: FloatArray) -> FloatArray:
        """Return what a unit of each class pays on each link, shape (n_classes, n_links)."""
        weights = np.zeros((len(self.instance.rules), self.found.n_links))
        for group in self.found.groups:
            for c in np.unique(self.instance.class_index[group.commodities]).tolist():
                weights[c] = self.found.weight(group, prices)
        return weights
