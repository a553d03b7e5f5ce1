"""Prices of pairs whose backups share capacity: the primary pays everywhere, the backup where its scenarios need it.

With ``Y`` the whole price of a link and ``y[q]`` the part that scenario q pays, a pair of primary p and backup b costs
Y(p) + sum of y[q](b) over the scenarios q that take p down. Were there a backup for each scenario, b would cost the
cheapest way around q, D[q], and p could be priced link by link: a bound from below, and the order in which primaries
are tried. ``models/README.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.oracle import Positions, keeps_bounds
from vbte.paths.candidates import CandidatePaths, Path
from vbte.plan import PathSet, SharingPrices
from vbte.protection.backups import PRIMARIES_TRIED, Backups, nudged
from vbte.protection.pair_rows import CheapestPairs, path_set
from vbte.topology import FloatArray

#: Relative difference below which a pair is as cheap as its bound.
_CLOSED = 1e-9


@dataclass(frozen=True, eq=False)
class ScenarioPrices:
    """What ``scenarios`` (Q,) pay on each link in each matrix for one class: ``price`` (Q, T, n_links)."""

    backups: Backups
    scenarios: NDArray[np.int64]
    price: FloatArray

    def weights(self, commodities: Positions, share: FloatArray) -> FloatArray:
        """Return what each commodity's backup pays on each link, (n, n_links); ``share`` (n, Q) says how often."""
        ratio = self.backups.oracle.instance.load_ratio[:, commodities]
        total = np.zeros((len(commodities), self.price.shape[2]))
        for matrix, of_commodity in enumerate(ratio):
            total += of_commodity[:, None] * (share @ self.price[:, matrix])
        return total

    def ways_around(self, commodities: Positions) -> FloatArray:
        """Return the price of each commodity's cheapest path around each scenario, paid to it, (n, Q).

        0 where nothing is promised: an end is down, or the commodity goes without a backup.
        """
        survival, oracle = self.backups.survival, self.backups.oracle
        price = np.zeros((len(commodities), len(self.scenarios)))
        own = self.backups.own_ends[commodities][:, self.scenarios].toarray() > 0
        asked = ~own & ~self.backups.without[commodities][:, None]
        failed = survival.link_hits[self.scenarios].toarray() > 0
        for at in range(len(self.scenarios)):
            some = np.flatnonzero(asked[:, at])
            if not len(some):
                continue
            if oracle.instance.n_matrices == 1:
                weight = np.zeros((len(oracle.instance.rules), failed.shape[1]))
                weight[self.backups.class_index] = np.where(failed[at], np.inf, self.price[at, 0])
                price[some, at] = oracle.prices_by_class(weight, commodities[some])
            else:
                one = np.zeros((len(some), len(self.scenarios)))
                one[:, at] = 1.0
                weight = np.where(failed[at], np.inf, self.weights(commodities[some], one))
                price[some, at] = oracle.prices_each(weight, commodities[some])
        return price


def scenario_prices(
    backups: Backups, sharing: SharingPrices | None, capacity: FloatArray, class_limit: Mapping[int, FloatArray]
) -> ScenarioPrices:
    """Return the class's prices by scenario; a file may say anything.

    ``capacity`` and ``class_limit[c]`` (T, n_links) are the whole prices, of which scenarios can't have more.
    """
    n_matrices, n_links = capacity.shape
    n_scenarios = len(backups.survival.scenarios)
    if sharing is None:
        return ScenarioPrices(backups, np.empty(0, dtype=np.int64), np.zeros((0, n_matrices, n_links)))
    known = (sharing.price > 0) & (sharing.matrix < n_matrices) & (sharing.link < n_links)
    known &= sharing.scenario < n_scenarios
    scenarios = np.unique(sharing.scenario[known])
    price = np.zeros((len(scenarios), n_matrices, n_links))
    for owner, whole in ((-1, capacity), (backups.class_index, class_limit.get(backups.class_index))):
        mine = known & (sharing.class_index == owner)
        if whole is None or not mine.any():
            continue
        part = np.zeros_like(price)
        place = (np.searchsorted(scenarios, sharing.scenario[mine]), sharing.matrix[mine], sharing.link[mine])
        np.add.at(part, place, sharing.price[mine])
        total = part.sum(axis=0)
        price += part * np.divide(whole, total, out=np.ones_like(total), where=total > whole)
    return ScenarioPrices(backups, scenarios, price)


def cheapest_sharing_pairs(
    scenarios: ScenarioPrices,
    weight: FloatArray,
    commodities: Positions,
    *,
    worth: FloatArray | None = None,
    tie_break: FloatArray | None = None,
) -> CheapestPairs:
    """Return the cheapest pair of each commodity of the class; ``weight`` (n, n_links) is what primaries pay.

    With ``worth`` (n,), any pairs that are cheaper will do, and primaries are tried only where there are none at hand
    and the bound allows one. Commodities that have to go without a backup get their cheapest path.
    """
    backups, oracle = scenarios.backups, scenarios.backups.oracle
    share = backups.survival.hit_share[scenarios.scenarios]
    guide = weight + scenarios.ways_around(commodities) @ share.toarray()
    first = oracle.cheapest_each(guide if tie_break is None else nudged(guide, tie_break), commodities)
    found = CheapestPairs(commodities, first.price, np.full(len(commodities), np.inf), {})
    place = {int(k): at for at, k in enumerate(commodities.tolist())}
    at = np.array([place[k] for k in first.paths.commodity.tolist()], dtype=np.intp)
    prices, rows = _completed(scenarios, weight[at], first.paths, tie_break)
    for one, price, row in zip(at.tolist(), prices.tolist(), rows, strict=True):
        if row:
            found.price[one], found.rows[one] = price, row
    open_ = found.price > found.lower + _CLOSED * np.abs(found.price)
    open_ |= ~np.isfinite(found.price)
    open_ &= np.isfinite(found.lower)
    enough = np.full(len(commodities), -np.inf) if worth is None else worth
    if worth is not None:
        open_ &= (found.lower < worth) & ~(found.price < worth).any()
    for one in np.flatnonzero(open_).tolist():
        _try(scenarios, found, one, guide[one], weight[one], float(enough[one]), tie_break)
    return found


def _completed(
    scenarios: ScenarioPrices, weight: FloatArray, primaries: PathSet, tie_break: FloatArray | None
) -> tuple[FloatArray, list[Path]]:
    """Return price and links of each primary with its cheapest backup, inf and empty where it has none."""
    backups, oracle = scenarios.backups, scenarios.backups.oracle
    commodities = primaries.commodity.astype(np.intp)
    hits = backups.hits(primaries)
    protected = (np.diff(hits.indptr) > 0) & ~backups.without[commodities]
    price = np.array([weight[at, primaries[at]].sum() for at in range(len(primaries))])
    rows: list[Path] = [tuple(primaries[at].tolist()) for at in range(len(primaries))]
    some = np.flatnonzero(protected)
    paid = scenarios.weights(commodities[some], hits[some][:, scenarios.scenarios].toarray())
    asked = paid if tie_break is None else nudged(paid, tie_break)
    failed = (hits[some] @ backups.survival.link_hits).toarray() > 0
    partners: dict[int, Path] = {}
    for at, primary in enumerate(some.tolist()):
        one = oracle.cheapest_each(np.where(failed[at], np.inf, asked[at])[None, :], commodities[primary : primary + 1])
        if np.isfinite(one.price[0]) and len(one.paths):
            partners[at] = tuple(one.paths.links.tolist())
    for at, primary in enumerate(some.tolist()):
        partner = partners.get(at, ())
        price[primary] = price[primary] + paid[at, list(partner)].sum() if partner else np.inf
        rows[primary] = (*rows[primary], *partner) if partner else ()
    return price, rows


def _try(
    scenarios: ScenarioPrices,
    found: CheapestPairs,
    at: int,
    guide: FloatArray,
    weight: FloatArray,
    enough: float,
    tie_break: FloatArray | None,
) -> None:
    """Try primaries in the order of their bounds until the next one's is no better than the best pair, or enough."""
    commodity = found.commodities[at : at + 1]
    backups, instance = scenarios.backups, scenarios.backups.oracle.instance
    rules, k = backups.rules, int(commodity[0])
    paths = CandidatePaths(backups.oracle.graphs[backups.class_index], guide)
    best, row, done, bound = float(found.price[at]), found.rows.get(at, ()), 0, float(found.lower[at])
    closed = exhausted = False
    for size in PRIMARIES_TRIED:
        listed = paths.k_shortest(int(instance.source[k]), int(instance.destination[k]), size)
        for path in listed[done:]:
            bound = max(bound, float(guide[list(path)].sum()))
            closed = bound >= best - _CLOSED * abs(best) or best < enough
            if closed:
                break
            one = path_set([path], commodity)
            if rules.depends_on_path and not keeps_bounds(rules, instance.topology, one)[0]:
                continue
            prices, rows = _completed(scenarios, weight[None, :], one, tie_break)
            if rows[0] and prices[0] < best:
                best, row = float(prices[0]), rows[0]
        exhausted = not closed and len(listed) < size
        if closed or exhausted:
            break
        done = len(listed)
    found.lower[at] = best if exhausted else min(best, bound)
    if row:
        found.price[at], found.rows[at] = best, row
