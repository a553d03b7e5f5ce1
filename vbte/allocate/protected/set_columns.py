"""Columns that are sets of disjoint routes, by which robust classes survive every scenario of a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.columns import path_keys
from vbte.allocate.protected.promise import Asked, Kept, Rows
from vbte.allocate.protected.reserve import reserve
from vbte.formulation.layout import Layout
from vbte.oracle import Cheapest, PathOracle, merged_paths, select_paths
from vbte.plan import PathSet, Prices
from vbte.protection.route_sets import RouteSets, split_route_sets, worth_of
from vbte.topology import FloatArray


@dataclass(eq=False)
class SetColumns:
    """Sets of routes, a unit of flow on each route of a column: no rows beyond those of any path."""

    layout: Layout
    oracle: PathOracle
    sets: Mapping[int, RouteSets]

    @property
    def rows(self) -> Rows | None:
        """None: whatever fails, a set delivers what it is worth."""
        return None

    def first_columns(self, shortest: PathSet) -> PathSet:
        """Return the set of least latency of each commodity."""
        latency = self.layout.problem.instance.topology.latency_ms
        commodities = np.unique(shortest.commodity).astype(np.intp)
        weight = np.tile(latency + max(float(latency.mean()), 1.0) * 1e-3, (len(commodities), 1))
        return self._cheapest(commodities, weight, lambda _: np.inf).paths

    def loading(self, columns: PathSet) -> PathSet:
        """Return the columns: every route of a set is reserved."""
        return columns

    def worth(self, columns: PathSet) -> FloatArray | None:
        """Return what a unit on each route delivers whatever fails, (P,)."""
        return worth_of(self.oracle, columns)

    def sound(self, prices: Prices, _weight: FloatArray, _commodities: NDArray[np.intp], /) -> Prices:
        """Return the prices: whatever they are, the cheapest set is looked for again."""
        return prices

    def keys(self, columns: PathSet) -> NDArray[np.uint64]:
        """Return a number for each set; sets of the same links deliver the same."""
        return path_keys(columns, self.layout.n_links)

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest set of each commodity that is worth it, with the price of a unit of what it delivers."""
        worth = dict(zip(asked.commodities.tolist(), asked.worth.tolist(), strict=True))
        return self._cheapest(asked.commodities, asked.weight, worth.__getitem__)

    def _cheapest(self, commodities: NDArray[np.intp], weight: FloatArray, worth: Callable[[int], float]) -> Cheapest:
        class_index = self.layout.problem.instance.class_index[commodities]
        price = np.full(len(commodities), np.inf)
        parts: list[PathSet] = []
        for c, sets in self.sets.items():
            mine = np.flatnonzero(class_index == c)
            found = sets.cheapest(weight[mine], commodities[mine])
            price[mine] = found.price
            # Sets are put together one by one: only those that will become columns.
            better = found.price < np.array([worth(k) for k in commodities[mine].tolist()])
            found.worth[~better] = 0
            parts.append(sets.columns(found, commodities[mine]))
        return Cheapest(price, merged_paths(parts))

    def kept(self, _oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        """Return paths, flows and reservations that keep the promise to the last digit."""
        routes, column = split_route_sets(self.oracle, columns)
        order = np.argsort(routes.commodity, kind="stable")
        survivals = [sets.survival for sets in self.sets.values()]
        paths, flow = select_paths(routes, order), flow_gbps[column][order]
        return Kept(*reserve(self.layout.problem, survivals, paths, flow, admitted_gbps))
