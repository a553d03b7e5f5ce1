"""One program over a few free commodities, all others held at what they carry.

What held commodities carry is deducted from the room. The program's prices tell what the held ones lose by being held,
and which paths the free ones lack: it grows by the worst of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from vbte.allocate.columns import appended, path_keys
from vbte.allocate.exact import Tools
from vbte.allocate.priced.fill import Crossings, fill, fit
from vbte.allocate.priced.pricing import Pricing
from vbte.oracle import select_paths
from vbte.plan import PathSet
from vbte.solve import Algorithm, Backend, LinearProgram, SolverProfile, open_session
from vbte.topology import BoolArray, FloatArray

IndexArray = NDArray[np.intp]

#: Columns of a program beyond which it takes longer than looking closer.
MOST_COLUMNS = 30_000

#: Commodities freed in a round at most, and the share of all that held ones lose which may stay with them.
MORE_FREE, LEFT_HELD = 1000, 0.02

#: Prices closer than this share of the highest worth are the same.
SAME_PRICE = 1e-7

#: Held loads give way until this share of the room is left for the free ones.
_GIVE_WAY = 1e-3


@dataclass(frozen=True, eq=False)
class Start:
    """Paths with what they carry (P,), those that are ``usable`` (P,): others carry nothing and get no column."""

    paths: PathSet
    flow: FloatArray
    usable: BoolArray
    cross: Crossings


class Restricted:
    """Held and free commodities, and the program over the free ones.

    ``flow`` (P,) is what held commodities carry on ``paths``, 0 for free ones; ``load`` (n_slots,) is the sum.
    Column i carries ``column_flow[i]`` on path i of ``columns``, which stands in ``paths`` at ``origin[i]``, -1 where
    it is new.
    """

    def __init__(self, tools: Tools, pricing: Pricing, start: Start) -> None:
        self.tools, self.pricing = tools, pricing
        self.paths, self.usable, self.cross = start.paths, start.usable, start.cross
        self.flow = start.flow.copy()
        self.load = self.cross.load(self.flow)
        self.held = np.ones(pricing.instance.n_commodities, dtype=np.bool_)
        self.columns = select_paths(self.paths, np.empty(0, dtype=np.intp))
        self.origin, self.column_flow = np.empty(0, dtype=np.intp), np.empty(0)
        self._column_cross = pricing.crossings(self.columns)
        self._distance = np.full(len(self.held), np.inf)

    @property
    def n_free(self) -> int:
        """Number of free commodities."""
        return int((~self.held).sum())

    @property
    def value(self) -> float:
        """What held and free commodities carry, in the market's worth."""
        return self.pricing.worth(self.paths, self.flow) + self.pricing.worth(self.columns, self.column_flow)

    def free(self, commodities: IndexArray) -> None:
        """Give commodities columns of their own: the usable paths that they have."""
        self.held[commodities] = False
        fresh = np.zeros_like(self.held)
        fresh[commodities] = True
        mine = np.flatnonzero(fresh[self.paths.commodity] & self.usable)
        self.columns = appended(self.columns, select_paths(self.paths, mine))
        self.origin = np.concatenate([self.origin, mine])
        self.column_flow = np.concatenate([self.column_flow, self.flow[mine]])
        self.load = np.maximum(self.load - self.cross.select(mine).load(self.flow[mine]), 0.0)
        self.flow[mine] = 0.0

    def give_way(self) -> None:
        """Free the largest of those that are held on links which they overload."""
        room = self.pricing.room
        while (self.load > room).any():
            over = np.where(self.load > room, self.load - room * (1.0 - _GIVE_WAY), 0.0)
            at = np.flatnonzero((over > 0)[self.cross.slot])
            path, slot = np.searchsorted(self.cross.start, at, side="right") - 1, self.cross.slot[at]
            order = np.lexsort((path, -self.flow[path], slot))
            path, slot = path[order], slot[order]
            before = np.cumsum(self.flow[path]) - self.flow[path]
            before -= before[np.searchsorted(slot, slot)]
            leaves = (before < over[slot]) & (self.flow[path] > 0)
            if not leaves.any():
                # Nothing is held there: what is left is rounding.
                return
            self.free(np.unique(self.paths.commodity[path[leaves]]).astype(np.intp))

    def fill_up(self) -> None:
        """Give held commodities what is left of the room on usable paths."""
        short = np.maximum(self.pricing.found.volume - self.pricing.carried(self.paths, self.flow), 0.0)
        short[~self.held] = 0.0
        ways = np.bincount(self.paths.commodity[self.usable], minlength=len(short))
        more = np.where(self.usable, (short / np.maximum(ways, 1))[self.paths.commodity], 0.0)
        at = np.flatnonzero(more > 0)
        if not len(at):
            return
        taken = self.load + self.pricing.crossings(self.columns).load(self.column_flow)
        room = np.maximum(self.pricing.room - taken, 0.0)
        self.flow[at] += fill(self.cross.select(at), np.zeros(len(at)), more[at], room, 1e-6)
        self.load = self.cross.load(self.flow)

    def solve(self) -> FloatArray | None:
        """Solve the program over the free commodities; return its prices (R, n_links), None if there is no answer.

        For every slot, sum of column flow through it <= room left by the held ones; for every free commodity, sum of
        its column flow <= its volume: maximise the sum of worth x column flow.
        """
        if len(self.columns) > MOST_COLUMNS:
            return None
        found = self.pricing.found
        self._column_cross = self.pricing.crossings(self.columns)
        commodity, left = self.columns.commodity, np.maximum(self.pricing.room - self.load, 0.0)
        # Limits that columns can't reach are no limits.
        limits = np.flatnonzero(self._column_cross.load(found.volume[commodity]) > left)
        many = np.bincount(commodity, minlength=len(self.held)) > 1
        sums = np.flatnonzero(many)
        row = np.full(len(self.held), -1)
        row[sums] = len(limits) + np.arange(len(sums))
        shared = np.flatnonzero(many[commodity])
        shape = (len(limits) + len(sums), len(commodity))
        of_commodity = coo_array((np.ones(len(shared)), (row[commodity[shared]], shared)), shape=shape)
        unit = float(found.volume[self.pricing.commodities].mean())
        program = LinearProgram(
            cost=-found.worth[commodity],
            lower=np.zeros(len(commodity)),
            # With a single column the sum is a bound.
            upper=np.where(many[commodity], np.inf, found.volume[commodity] / unit),
            matrix=csc_array(csc_array(of_commodity) + self._column_cross.rows(limits, shape[0])),
            row_lower=np.full(shape[0], -np.inf),
            row_upper=np.concatenate([left[limits], found.volume[sums]]) / unit,
        )
        solution = open_session(program, _interior(self.tools.profile), self.tools.deadline).solve()
        if solution.primal is None or solution.row_dual is None:
            return None
        self.column_flow = np.maximum(solution.primal, 0.0) * unit
        prices = np.zeros(found.room.size)
        # The dual of a "<=" row of a minimisation is 0 or less.
        prices[limits] = np.maximum(-solution.row_dual[: len(limits)], 0.0)
        return prices.reshape(found.room.shape)

    def prove(self, prices: FloatArray) -> float:
        """Return the bound that ``prices`` prove on all worth, and keep the distances that go with them."""
        self._distance = self.pricing.distance(prices)
        return self.pricing.bound(prices, self._distance)

    def grow(self, prices: FloatArray) -> bool:
        """Free those who lose most under the prices proven last, and give free ones the paths that they lack.

        Returns False if there is nothing to do.
        """
        losers = self._losers(prices)
        cost = self._column_cross.cost(prices.reshape(-1))
        best = np.full(len(self.held), np.inf)
        np.minimum.at(best, self.columns.commodity, cost)
        self.free(losers)
        self.give_way()
        worth = self.pricing.found.worth
        affordable = np.minimum(best, worth) - SAME_PRICE * float(worth.max())
        lacking = np.flatnonzero(~self.held & (self._distance < affordable))
        if not len(lacking):
            return bool(len(losers))
        new, n_links = self.pricing.cheapest(prices, lacking), self.pricing.found.n_links
        known = np.isin(path_keys(new, n_links), path_keys(self.columns, n_links))
        new = select_paths(new, np.flatnonzero(~known))
        self.columns = appended(self.columns, new)
        self.origin = np.concatenate([self.origin, np.full(len(new), -1)])
        self.column_flow = np.concatenate([self.column_flow, np.zeros(len(new))])
        return bool(len(losers) or len(new))

    def _losers(self, prices: FloatArray) -> IndexArray:
        """Return the held commodities that lose nearly all of what held ones lose under ``prices``."""
        worth = self.pricing.found.worth
        net = worth[self.paths.commodity] - self.cross.cost(prices.reshape(-1))
        could = np.maximum(worth - self._distance, 0.0) * self.pricing.found.volume
        loses = np.where(self.held, np.maximum(could - self.pricing.carried(self.paths, self.flow * net), 0.0), 0.0)
        order = self.pricing.commodities[np.argsort(-loses[self.pricing.commodities], kind="stable")[:MORE_FREE]]
        left = float(loses.sum()) - np.cumsum(loses[order])
        order = order[: int((left > LEFT_HELD * loses.sum()).sum()) + 1]
        return np.asarray(order[loses[order] > 0])

    def result(self) -> tuple[PathSet, FloatArray]:
        """Return all paths and flows, held and free, cut down to the room where the solver's rounding exceeds it."""
        known = self.origin >= 0
        paths, flow, cross = self.paths, self.flow.copy(), self.cross
        flow[self.origin[known]] = self.column_flow[known]
        new = np.flatnonzero(~known & (self.column_flow > 0))
        if len(new):
            new = new[np.argsort(self.columns.commodity[new], kind="stable")]
            at = np.searchsorted(paths.commodity, self.columns.commodity[new], side="right")
            paths = _inserted(paths, select_paths(self.columns, new), at)
            flow = np.insert(flow, at, self.column_flow[new])
            cross = self.pricing.crossings(paths)
        total, volume = self.pricing.carried(paths, flow), self.pricing.found.volume
        flow *= np.divide(volume, total, out=np.ones_like(total), where=total > volume)[paths.commodity]
        return paths, fit(cross, flow, self.pricing.room)


def _inserted(paths: PathSet, new: PathSet, at: IndexArray) -> PathSet:
    """Return the paths with new ones before positions ``at``, in order: a few among many, without sorting them all."""
    links = np.insert(paths.links, np.repeat(paths.start[at], new.hops), new.links)
    hops = np.insert(paths.hops, at, new.hops)
    start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
    return PathSet(start, links, np.insert(paths.commodity, at, new.commodity))


def _interior(profile: SolverProfile) -> SolverProfile:
    """Return the profile with an interior point method, left where it ends.

    Of many optima a simplex goes from vertex to vertex; and prices from the middle of them say better what is missing.
    """
    if profile.backend is not Backend.HIGHS:
        return profile
    options = {"run_crossover": "off", **profile.options}
    return profile.model_copy(update={"algorithm": Algorithm.IPM, "options": options})
