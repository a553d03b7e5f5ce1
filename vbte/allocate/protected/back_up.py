"""Columns that are pairs of a path and its backup, each dedicated or sharing its room with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.columns import path_keys
from vbte.allocate.protected.promise import Asked, Kept, Rows
from vbte.allocate.protected.shared_rows import SharedRows
from vbte.allocate.protected.weigh import Loads, share_that_fits, weighed
from vbte.allocate.settle import settle
from vbte.bounds import StageProblem
from vbte.errors import InputError
from vbte.formulation.layout import Layout
from vbte.oracle import Cheapest, PathOracle, merged_paths, select_paths
from vbte.plan import PathSet, Prices
from vbte.policy import Admission
from vbte.protection.backups import Backups, backups_of, cheapest_pairs
from vbte.protection.pair_rows import order_pairs, split_pairs
from vbte.protection.reservations import committed_gbps
from vbte.protection.sharing import cheapest_sharing_pairs, scenario_prices
from vbte.protection.survival import first_severed, parts_of
from vbte.tolerance import DUST_SHARE
from vbte.topology import FloatArray


@dataclass(eq=False)
class DedicatedPairs:
    """Pairs each of which has capacity of its own on both paths: no rows beyond those of any path."""

    layout: Layout
    backups: Mapping[int, Backups]

    @property
    def rows(self) -> Rows | None:
        """None: the links' own rows say it all."""
        return None

    def first_columns(self, shortest: PathSet) -> PathSet:
        """Return the pair of least latency of each commodity."""
        instance = self.layout.problem.instance
        latency = instance.topology.latency_ms
        commodities = np.unique(shortest.commodity).astype(np.intp)
        parts = []
        for c, backups in self.backups.items():
            mine = commodities[instance.class_index[commodities] == c]
            weight = np.tile(latency + max(float(latency.mean()), 1.0) * 1e-3, (len(mine), 1))
            parts.append(order_pairs(cheapest_pairs(backups, weight, mine).columns(), instance, latency))
        return merged_paths(parts)

    def loading(self, columns: PathSet) -> PathSet:
        """Return the columns: both paths of each are kept free."""
        return columns

    def worth(self, _columns: PathSet, /) -> FloatArray | None:
        """None: a unit of a pair admits a unit."""
        return None

    def sound(self, prices: Prices, _weight: FloatArray, _commodities: NDArray[np.intp], /) -> Prices:
        """Return the prices: whatever they are, the cheapest pair is looked for again."""
        return prices

    def keys(self, columns: PathSet) -> NDArray[np.uint64]:
        """Return a number for each pair, whichever of its paths comes first."""
        return path_keys(columns, self.layout.n_links)

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest pair of each commodity."""
        commodities = asked.commodities
        class_index = self.layout.problem.instance.class_index[commodities]
        price = np.full(len(commodities), np.inf)
        parts = []
        for c, backups in self.backups.items():
            mine = np.flatnonzero(class_index == c)
            found = cheapest_pairs(
                backups, asked.weight[mine], commodities[mine], worth=asked.worth[mine], tie_break=asked.tie_break
            )
            price[mine] = found.price
            parts.append(found.columns())
        return Cheapest(price, merged_paths(parts))

    def kept(self, oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        """Return primaries, the way of less latency of each pair, with their backups; flows are the reservations."""
        columns = order_pairs(columns, oracle.instance, oracle.instance.topology.latency_ms)
        return self._settled(oracle, columns, flow_gbps, admitted_gbps)

    def _settled(self, oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        total = np.bincount(
            columns.commodity, np.where(flow_gbps > DUST_SHARE * admitted_gbps[columns.commodity], flow_gbps, 0.0),
            oracle.instance.n_commodities,
        )  # fmt: skip
        # A commodity whose flow the solver's rounding swallowed whole gets its first pair.
        commodity, first = np.unique(columns.commodity, return_index=True)
        swallowed = (total[commodity] <= 0) & (admitted_gbps[commodity] > 0)
        flow_gbps = flow_gbps.copy()
        flow_gbps[first[swallowed]] = admitted_gbps[commodity[swallowed]]
        pairs, flow = self._by_weights(*settle(oracle, columns, flow_gbps, admitted_gbps))
        primaries, backups = split_pairs(oracle.instance, pairs)
        return Kept(primaries, flow, flow, backups)

    def _by_weights(self, pairs: PathSet, flow_gbps: FloatArray) -> tuple[PathSet, FloatArray]:
        """Return pairs and flows (P,) that integer weights split, a little less where these would not fit.

        Where all has to be admitted and would not fit, splits stay as they are.
        """
        problem = self.layout.problem
        admitted = np.bincount(pairs.commodity, flow_gbps, problem.instance.n_commodities)
        share = weighed(problem, pairs, flow_gbps / np.maximum(admitted[pairs.commodity], 1e-300), least=0)
        kept = np.flatnonzero(share > 0)
        chosen, aim = select_paths(pairs, kept), share[kept] * admitted[pairs.commodity[kept]]
        fits = share_that_fits(problem, chosen, aim, self._loads(chosen))
        if problem.instance.model.admission is Admission.ALL and (fits < 1.0).any():
            return pairs, flow_gbps
        return chosen, aim * fits[chosen.commodity]

    def _loads(self, pairs: PathSet) -> Loads | None:
        """Return None: pairs load all their links always."""


@dataclass(eq=False)
class SharedPairs(DedicatedPairs):
    """Pairs whose backups share capacity."""

    @cached_property
    def rows(self) -> SharedRows:
        """The rows by which backups have room in every scenario."""
        return SharedRows(self.layout, next(iter(self.backups.values())))

    def loading(self, columns: PathSet) -> PathSet:
        """Return the primaries."""
        return split_pairs(self.layout.problem.instance, columns)[0]

    def keys(self, columns: PathSet) -> NDArray[np.uint64]:
        """Return a number for each pair, another one when its paths change places."""
        n_links, primaries = self.layout.n_links, self.loading(columns)
        owner = np.repeat(np.arange(len(columns)), columns.hops)
        in_backup = np.arange(len(columns.links)) >= (columns.start[:-1] + primaries.hops)[owner]
        marked = (columns.links + n_links * in_backup).astype(np.int32)
        return path_keys(replace(columns, links=marked), 2 * n_links)

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest pair of each commodity, as far as it could be worth it."""
        commodities, prices = asked.commodities, asked.prices
        class_index = self.layout.problem.instance.class_index[commodities]
        price = np.full(len(commodities), np.inf)
        parts = []
        for c, backups in self.backups.items():
            mine = np.flatnonzero(class_index == c)
            by_scenario = scenario_prices(backups, prices.sharing, prices.capacity, prices.class_limit)
            found = cheapest_sharing_pairs(
                by_scenario, asked.weight[mine], commodities[mine], worth=asked.worth[mine], tie_break=asked.tie_break
            )
            price[mine] = found.price
            parts.append(found.columns())
        return Cheapest(price, merged_paths(parts))

    def _loads(self, pairs: PathSet) -> Loads | None:
        """Return what links come to carry in their worst scenarios."""
        instance, parts = self.layout.problem.instance, split_pairs(self.layout.problem.instance, pairs)

        def loads(share: FloatArray) -> tuple[FloatArray, FloatArray]:
            one = partial(committed_gbps, instance, self.backups, parts, share)
            return one(together=True), one(together=False)

        return loads

    def kept(self, oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        """Return primaries with their backups; flows are the reservations."""
        return self._settled(oracle, columns, flow_gbps, admitted_gbps)


def pairs_for(problem: StageProblem, layout: Layout, oracle: PathOracle) -> DedicatedPairs | None:
    """Return what backups ask of a program; None where the classes planned have none.

    Raises InputError for a commodity without a pair, unless its class is ``exempt``.
    """
    planned = set(np.unique(problem.instance.class_index[problem.scope]).tolist())
    backups = {c: one for c, one in backups_of(oracle).items() if c in planned}
    if not backups:
        return None
    for one in backups.values():
        _reject_unpaired(one)
    shared = next(iter(backups.values())).is_shared
    return SharedPairs(layout, backups) if shared else DedicatedPairs(layout, backups)


def _reject_unpaired(backups: Backups) -> None:
    instance, survival = backups.oracle.instance, backups.survival
    lost = np.flatnonzero(backups.without)
    if backups.protection.where_impossible == "exempt" or not len(lost):
        return
    mine, n_scenarios = int(survival.is_mine.sum()), len(survival.scenarios)
    severed = first_severed(survival, instance)
    if severed is None:
        commodity, why = int(lost[0]), "every two paths that were tried share something that one scenario takes"
    else:
        commodity, scenario, affected = severed
        why = (
            f"no path is left when {parts_of(scenario)} is down, which is a bridge for {affected} of {mine} commodities"
        )
    raise InputError(
        f"{instance.describe(commodity)}: no path has a backup: {why}; {len(lost)} of {mine} have none",
        place=f"model {instance.model.name!r}: class {instance.rules[backups.class_index].policy.name!r}: protection",
        remedy=f"`where_impossible: exempt` backs up the other {mine - len(lost)}; `kind: robust` with it promises "
        f"these, too, all of the {n_scenarios} scenarios but those that cut them off",
    )
