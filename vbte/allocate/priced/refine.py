"""The end game: one program over the few commodities that still have to move, all others held where they are.

Routes that come from smooth prices are wrong in few places: some links are a little too full, others have room left.
To mend that it takes as many commodities as there are such links and some more, not all of them. So commodities are
either *held*, what they carry being deducted from the room, or *free*, with path columns in a linear program. Its
prices say what is still lost, exactly: paths that free commodities lack are added (column generation, Ford and
Fulkerson 1958), and the held commodities that lose most by being held are freed. When nothing is lost any more, the
routes are optimal over all paths of all commodities, and the prices prove it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from vbte.allocate.exact import Tools, appended, path_keys
from vbte.allocate.priced.fill import Crossings, crossings, fit
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.primal import Routes
from vbte.instance import Instance
from vbte.oracle import merged_paths, select_paths
from vbte.plan import PathSet
from vbte.policy import Split
from vbte.solve import Algorithm, Backend, LinearProgram, SolverProfile, open_session
from vbte.topology import BoolArray, FloatArray

IndexArray = NDArray[np.intp]

#: Commodities free from the start, the largest ones, and how many more are freed in a round at most.
FIRST_FREE, MORE_FREE = 1500, 1000

#: Of all that held commodities lose, this share may stay with them for a round.
LEFT_HELD = 0.02

#: Rounds, and columns of a program, beyond which the rest is left to the fill.
ROUNDS, MOST_COLUMNS = 25, 60_000

#: Prices closer than this share of the highest worth are the same.
_SAME_PRICE = 1e-7

#: Held loads give way until this share of the room is left for the free ones.
_GIVE_WAY = 1e-3


@dataclass(frozen=True, eq=False)
class Refined:
    """Routes that fit, and the prices (R, n_links) of the last program; ``lost`` bounds what better ones could gain."""

    routes: Routes
    prices: FloatArray
    lost: float


def refinable(found: Market, instance: Instance) -> bool:
    """Tell whether a market can be refined: nothing but room counts, and commodities may split as they like."""
    scope = np.concatenate([group.commodities for group in found.groups])
    policies = [instance.rules[c].policy for c in np.unique(instance.class_index[scope]).tolist()]
    free_split = all(one.split is not Split.SINGLE_PATH and one.max_paths is None for one in policies)
    return free_split and not found.least.any() and not found.base[(found.room[0] > 0)].any()


def refined(tools: Tools, found: Market, routes: Routes, guide: FloatArray | None, enough: float) -> Refined | None:
    """Return routes that lose no more than ``enough`` against the best, in the market's worth; None if none was found.

    ``guide`` (R, n_links) are prices at which the market is known to clear: they tell who is admitted, and which paths
    are cheapest. Without them the routes are taken as they come.
    """
    work = _Restricted(tools, found, routes, guide)
    prices, lost = None, np.inf
    for round_ in range(ROUNDS):
        work.give_way()
        solved = work.solve()
        if solved is None:
            break
        prices = solved
        lost = min(lost, work.price(prices))
        tools.progress(f"refined {round_ + 1}: {work.n_free} commodities free, {lost:.2e} may be lost")
        if lost <= enough or not work.grow(prices):
            break
    return None if prices is None else Refined(work.result(prices), prices, lost)


class _Restricted:
    """Held and free commodities, and the program over the free ones."""

    def __init__(self, tools: Tools, found: Market, routes: Routes, guide: FloatArray | None) -> None:
        self.tools, self.found = tools, found
        self.instance = tools.oracle.instance
        self.commodities = np.sort(np.concatenate([group.commodities for group in found.groups]))
        self.row = np.zeros(self.instance.n_commodities, dtype=np.intp)
        for group in found.groups:
            self.row[group.commodities] = group.row
        self.room = np.maximum(found.room.reshape(-1), 0.0)
        self.paths, self.flow = routes.paths, routes.flow
        self.tie_break = routes.prices.sum(axis=0) + 1e-3 * max(float(routes.prices.max()), 1e-300)
        self.bound = np.inf
        first = found.volume if guide is None else self._tidy_up(guide)
        self.cross = self._crossings(self.paths)
        self.held = np.ones(self.instance.n_commodities, dtype=np.bool_)
        self.columns = select_paths(self.paths, np.empty(0, dtype=np.intp))
        self.column_flow = np.empty(0)
        self._free(self.commodities[np.argsort(-first[self.commodities], kind="stable")[:FIRST_FREE]])

    @property
    def n_free(self) -> int:
        return int((~self.held).sum())

    def _crossings(self, paths: PathSet) -> Crossings:
        return crossings(paths, self.row[paths.commodity], len(self.found.room), self.found.n_links)

    def _sum(self, paths: PathSet, amount: FloatArray) -> FloatArray:
        total = np.bincount(paths.commodity, weights=amount, minlength=self.instance.n_commodities)
        return total.astype(np.float64)

    def _weights(self, prices: FloatArray) -> FloatArray:
        """Return what a unit of each class pays on each link, shape (n_classes, n_links)."""
        weights = np.zeros((len(self.instance.rules), self.found.n_links))
        for group in self.found.groups:
            for c in np.unique(self.instance.class_index[group.commodities]).tolist():
                weights[c] = self.found.weight(group, prices)
        return weights

    def _cheapest(self, prices: FloatArray, commodities: IndexArray) -> PathSet:
        """Return a cheapest path of each commodity; among equals, the one that the routes' own prices prefer."""
        return self.tools.oracle.cheapest(self._weights(prices), commodities, tie_break=self.tie_break).paths

    def _prices_of(self, prices: FloatArray) -> FloatArray:
        price = np.full(self.instance.n_commodities, np.inf)
        price[self.commodities] = self.tools.oracle.prices(self._weights(prices), self.commodities)
        return price

    def _dual(self, prices: FloatArray, price: FloatArray) -> float:
        """Return what ``prices`` prove at most to be worth, ``price`` (K,) being the cheapest path's."""
        limited = np.isfinite(self.room)
        gain = np.maximum(self.found.worth - price, 0.0) * self.found.volume
        return float(prices.reshape(-1)[limited] @ self.room[limited]) + float(gain[self.commodities].sum())

    def _tidy_up(self, guide: FloatArray) -> FloatArray:
        """Bring routes to what exact prices say: cheapest paths only, in full or not at all but at the margin.

        Return the volumes of those that can pay the prices, (K,), 0 for the others.
        """
        found = self.found
        price = self._prices_of(guide)
        self.bound = self._dual(guide, price)
        same = _SAME_PRICE * float(found.worth.max())
        inside, can_pay = price < found.worth - same, price <= found.worth + same
        cost = self._crossings(self.paths).cost(guide.reshape(-1))
        tight = np.flatnonzero((cost <= price[self.paths.commodity] + same) & can_pay[self.paths.commodity])
        paths, flow = select_paths(self.paths, tight), self.flow[tight]
        carried = self._sum(paths, flow)
        without = self.commodities[inside[self.commodities] & (carried[self.commodities] <= 0)]
        if len(without):
            new = self._cheapest(guide, without)
            order = np.argsort(np.concatenate([paths.commodity, new.commodity]), kind="stable")
            paths = merged_paths([paths, new])
            flow = np.concatenate([flow, found.volume[new.commodity]])[order]
            carried = self._sum(paths, flow)
        wanted = np.where(inside, found.volume, np.minimum(carried, found.volume))
        scale = np.divide(wanted, carried, out=np.zeros_like(carried), where=carried > 0)
        self.paths, self.flow = paths, flow * scale[paths.commodity]
        return np.where(can_pay, found.volume, 0.0)

    def _free(self, commodities: IndexArray) -> None:
        """Give commodities columns of their own: the paths that they have."""
        self.held[commodities] = False
        fresh = np.zeros_like(self.held)
        fresh[commodities] = True
        mine = np.flatnonzero(fresh[self.paths.commodity])
        self.columns = appended(self.columns, select_paths(self.paths, mine))
        self.column_flow = np.concatenate([self.column_flow, self.flow[mine]])
        self.flow = self.flow.copy()
        self.flow[mine] = 0.0
        self.load = self.cross.load(self.flow)

    def give_way(self) -> None:
        """Free the largest of those that are held on links which they overload."""
        while True:
            over = self.load - self.room * (1.0 - _GIVE_WAY)
            over[self.load <= self.room] = 0.0
            if not (over > 0).any():
                return
            at = np.flatnonzero((over > 0)[self.cross.slot])
            path = np.searchsorted(self.cross.start, at, side="right") - 1
            slot, flow = self.cross.slot[at], self.flow[path]
            order = np.lexsort((path, -flow, slot))
            path, slot, flow = path[order], slot[order], flow[order]
            first = np.searchsorted(slot, slot)
            before = np.cumsum(flow) - flow
            leaves = (before - before[first] < over[slot]) & (flow > 0)
            if not leaves.any():
                return
            self._free(np.unique(self.paths.commodity[path[leaves]]).astype(np.intp))

    def solve(self) -> FloatArray | None:
        """Solve the program over the free commodities; return its prices (R, n_links), None if there is no answer."""
        if len(self.columns) > MOST_COLUMNS:
            return None
        self._column_cross = self._crossings(self.columns)
        commodity = self.columns.commodity
        unit = float(self.found.volume[self.commodities].mean())
        limits = _limits(self._column_cross, self.found.volume[commodity], self.room - self.load)
        many = np.bincount(commodity, minlength=len(self.held)) > 1
        of_commodity = np.flatnonzero(many)
        row = np.full(len(self.held), -1)
        row[of_commodity] = len(limits) + np.arange(len(of_commodity))
        shared = np.flatnonzero(many[commodity])
        demand = (np.ones(len(shared)), (row[commodity[shared]], shared))
        shape = (len(limits) + len(of_commodity), len(commodity))
        matrix = csc_array(coo_array(demand, shape=shape)) + self._column_cross.rows(limits, shape[0])
        upper = np.concatenate([(self.room - self.load)[limits], self.found.volume[of_commodity]]) / unit
        program = LinearProgram(
            cost=-self.found.worth[commodity],
            lower=np.zeros(len(commodity)),
            upper=np.where(many[commodity], np.inf, self.found.volume[commodity] / unit),
            matrix=csc_array(matrix),
            row_lower=np.full(shape[0], -np.inf),
            row_upper=np.maximum(upper, 0.0),
        )
        solution = open_session(program, _interior(self.tools.profile), self.tools.deadline).solve()
        if solution.primal is None or solution.row_dual is None:
            return None
        self.column_flow = np.maximum(solution.primal, 0.0) * unit
        prices = np.zeros(len(self.room))
        prices[limits] = np.maximum(-solution.row_dual[: len(limits)], 0.0)
        return prices.reshape(self.found.room.shape)

    def price(self, prices: FloatArray) -> float:
        """Return what may be lost at most, and note what each held commodity loses under ``prices``."""
        slot_price = prices.reshape(-1)
        self.best_price = self._prices_of(prices)
        self.bound = min(self.bound, self._dual(prices, self.best_price))
        worth, volume = self.found.worth, self.found.volume
        has = self._sum(self.paths, self.flow * (worth[self.paths.commodity] - self.cross.cost(slot_price)))
        loses = np.maximum(worth - self.best_price, 0.0) * volume - has
        self.loses = np.where(self.held, np.maximum(loses, 0.0), 0.0)
        value = float(self.flow @ worth[self.paths.commodity]) + float(self.column_flow @ worth[self.columns.commodity])
        return self.bound - value

    def grow(self, prices: FloatArray) -> bool:
        """Free those who lose most, and give free ones the paths they lack; False if there is nothing to do."""
        least = _SAME_PRICE * float(self.found.worth.max())
        order = self.commodities[np.argsort(-self.loses[self.commodities], kind="stable")[:MORE_FREE]]
        left = float(self.loses.sum()) - np.cumsum(self.loses[order])
        fresh = order[: int((left > LEFT_HELD * self.loses.sum()).sum()) + 1]
        fresh = fresh[self.loses[fresh] > 0]
        cost = self._column_cross.cost(prices.reshape(-1))
        best = np.full(len(self.held), np.inf)
        np.minimum.at(best, self.columns.commodity, cost)
        self._free(fresh)
        free = np.flatnonzero(~self.held)
        lacking = free[self.best_price[free] < np.minimum(best, self.found.worth)[free] - least]
        if len(lacking):
            new = self._cheapest(prices, lacking)
            n_links = self.found.n_links
            new = select_paths(
                new, np.flatnonzero(~np.isin(path_keys(new, n_links), path_keys(self.columns, n_links)))
            )
            self.columns = appended(self.columns, new)
            self.column_flow = np.concatenate([self.column_flow, np.zeros(len(new))])
            lacking = lacking[: len(new)]
        return bool(len(fresh) or len(lacking))

    def result(self, prices: FloatArray) -> Routes:
        """Return all routes, held and free, cut down to the room where the solver's rounding exceeds it."""
        kept = np.flatnonzero(self.flow > 0)
        columns = np.flatnonzero(self.column_flow > 0)
        parts = [select_paths(self.paths, kept), select_paths(self.columns, columns)]
        flow = np.concatenate([self.flow[kept], self.column_flow[columns]])
        order = np.argsort(np.concatenate([part.commodity for part in parts]), kind="stable")
        paths, flow = merged_paths(parts), flow[order]
        total, volume = self._sum(paths, flow), self.found.volume
        flow = flow * np.divide(volume, total, out=np.ones_like(total), where=total > volume)[paths.commodity]
        return Routes(paths, fit(self._crossings(paths), flow, self.found.room.reshape(-1)), prices)


def _limits(cross: Crossings, most: FloatArray, room: FloatArray) -> IndexArray:
    """Return the slots that columns of at most ``most`` (P,) could fill."""
    return np.flatnonzero(cross.load(most) > np.maximum(room, 0.0))


def _interior(profile: SolverProfile) -> SolverProfile:
    """Return the profile with an interior point method: there are many ties, and prices in the middle of them serve.

    A simplex would go through the vertices of the whole set of optima.
    """
    if profile.backend is not Backend.HIGHS:
        return profile
    return profile.model_copy(
        update={"algorithm": Algorithm.IPM, "options": {"run_crossover": "off", **profile.options}}
    )
