"""The price-directed engine: certified plans at sizes that no program can be written out for.

1. Descend on the smoothed dual, warm or at a high temperature, until the links that matter stand out.
2. Solve the stages exactly on the network where all other links are contracted: prices and bounds.
3. Descend again from there at a lower temperature; keep the near-shortest links towards each destination, bring the
   flows on them to the room there is, cut them into paths; refine these, or fit and fill.
4. Prove what came out. Go on at 2. with less slack and lower temperature until the gap is what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vbte.allocate.exact import Tools
from vbte.allocate.fallback import shortest_path_flows
from vbte.allocate.priced.contraction import dearest
from vbte.allocate.priced.descent import Descent, descend, traffic
from vbte.allocate.priced.exchange import FIGURE_SHARE, exact_prices, last_priced, market_prices
from vbte.allocate.priced.level import asks_for_level, at_level, level_market, paying_share, start_prices
from vbte.allocate.priced.market import Group, Market, build_groups
from vbte.allocate.priced.outlook import FLOW_KINDS, Outlook, look_out, market
from vbte.allocate.priced.primal import NearShortest, Routes, cut, fitted, near_shortest
from vbte.allocate.priced.proofs import Proofs, limit_struck
from vbte.allocate.priced.refine import firmly_ordered, refinable, refined
from vbte.allocate.priced.routing import AllPaths
from vbte.allocate.priced.warm import carried_over
from vbte.allocate.settle import settle
from vbte.bounds import FULL_SHARE, StageEntry, lagrangian_bound, stage_problem
from vbte.errors import SolverError
from vbte.oracle import merged_paths, select_paths
from vbte.plan import Certificate, Limit, PathSet, Plan, Prices, Reason, Termination
from vbte.policy import Admission, CapacityRule, StageKind
from vbte.tolerance import CAPACITY_SLACK_SHARE
from vbte.topology import FloatArray


@dataclass(frozen=True)
class Level:
    """How closely to look: temperatures are for shortest paths of one link, and divided by their mean length."""

    temperature: float
    barrier: float
    iterations: int
    dag_iterations: int


#: The first descents, which only have to show which links matter. Starting hot is what makes networks converge where
#: thousands of links have a price; where few have, the first or second shows them all.
SCOUTS = (Level(0.5, 1e-2, 30, 20), Level(0.22, 5e-3, 40, 30), Level(0.11, 3e-3, 60, 40))

#: Where not all has to be carried, an earlier plan without this share of its traffic says little about who is admitted
#: now, and over which links: looking afresh is faster than mending it.
TOO_MUCH_LOST = 0.02

#: What follows, until the gap is small enough.
LEVELS = (
    Level(0.044, 1e-3, 40, 30),
    Level(0.022, 7e-4, 60, 40),
    Level(0.011, 4e-4, 100, 60),
    Level(0.005, 2e-4, 150, 80),
    Level(0.002, 1e-4, 150, 100),
    Level(0.001, 5e-5, 150, 100),
)

#: The same for stages that ask for a level: hot prices find flows that fit as well as cold ones do, and sooner.
LEVEL_SCOUTS = (Level(0.5, 1e-2, 30, 0), Level(0.22, 5e-3, 40, 0))
LEVEL_LOOKS = (
    Level(0.11, 2e-3, 300, 150),
    Level(0.044, 1e-3, 200, 150),
    Level(0.022, 7e-4, 200, 150),
    Level(0.011, 4e-4, 200, 150),
    Level(0.005, 2e-4, 200, 150),
    Level(0.002, 1e-4, 200, 150),
)

#: Padding of links there, in temperatures: the less traffic strays, the more of it the near-shortest links can carry.
LEVEL_PADDING = 4.0

#: Descents end when loads miss the room by this share of the gap asked for: over all paths, and over the near-shortest
#: links that the plan is made from.
ALL_PATHS_MISFIT, DAG_MISFIT = 0.5, 0.1

#: Padding of links, in temperatures, beyond that at which walks of any length would be as good as none.
WALK_MARGIN = 0.5

#: Leftovers up to this share of the gap asked for are left at that.
LEFT_OVER = 0.1

#: Traffic that misses the room by more than this times the gap asked for is not made into a plan.
WORTH_CUTTING = 10.0

#: Goals below this are reached by the end game, which is worth trying on traffic that misses the room by this share.
REFINED_BELOW, WORTH_REFINING = 1.0, 0.03

#: An earlier plan that comes out with more than this times the gap asked for says nothing about which links matter now.
NEAR_ENOUGH = 10.0

#: The first look where thousands of links have a price and the contracted network can't show them: hotter and longer.
WIDE = (Level(0.06, 2e-3, 60, 60), *LEVELS[1:])

#: The looks there where admitted volume is all that counts. The scouts' traffic is as good as any; what takes time are
#: prices that prove it.
PROVING = (Level(0.03, 1e-3, 40, 30), Level(0.012, 4e-4, 70, 40), *LEVELS[3:])

#: For smaller gaps the end game follows there, too: it takes a while where thousands of links have a price.
PROVED_ABOVE = 1e-3

#: Traffic is not made into a plan when prices prove no more than this times the gap asked for, if nothing were lost.
NEAR_PROOF = 0.9

#: Links kept in the contracted network: this many at first, twice as many when too many of them get a price.
ACTIVE_LINKS = 200

#: Link flows of a contracted program beyond which it is left alone.
CONTRACTED_COLUMNS = 120_000


def plan_by_prices(
    tools: Tools,
    plan: Plan,
    entries: Sequence[StageEntry],
    shortest: PathSet,
    *,
    gap: float,
    previous: Plan | None = None,
) -> Plan:
    """Return the plan with flows and proven certificates added for the stages of classes that are planned together.

    Stops when every stage's gap is ``gap`` or less, at the deadline, or when looking closer no longer helps. Starts
    from the paths and prices of a ``previous`` plan, if there is one. Raises SolverError when no plan was found that
    carries what has to be carried.
    """
    search = _Search(tools, plan, entries, shortest, gap)
    search.run(previous)
    if search.best is None:
        raise SolverError("no plan was found that carries all demands within the limits")
    return search.best


@dataclass(frozen=True, eq=False)
class Fullest:
    """Prices (R, n_links) of a market, the level that led to them, and the worth of what is carried; NaN: unknown."""

    market: Market
    prices: FloatArray
    level: Level
    carried: float = np.nan


class _Search:
    """One run of the engine over the stages of classes planned together."""

    def __init__(self, tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet, gap: float) -> None:
        self.tools, self.before, self.entries, self.shortest, self.goal = tools, plan, list(entries), shortest, gap
        self.loads = plan.class_link_load_gbps
        self.first = stage_problem(plan.instance, entries[0], plan.certificates, self.loads)
        self.groups: tuple[Group, ...] = build_groups(self.first, tools.oracle)
        self.all_paths = [AllPaths(group) for group in self.groups]
        # Where paths cost little of what volume is worth, a small error in the whole is a large one in them.
        costs = any(stage.kind in FLOW_KINDS for stage, _, _ in entries)
        self.precision = gap * (FIGURE_SHARE if costs and plan.instance.model.admission is Admission.PARTIAL else 1.0)
        self.levels_only = len(entries) == 1 and asks_for_level(self.first)
        self.n_active = ACTIVE_LINKS
        self.best: Plan | None = None
        self.best_gap = np.inf
        self.fullest: Fullest | None = None
        # Admitted volume is all that counts, at a gap that fitting alone can reach; and many links have a price.
        alone = len(entries) == 1 and self.first.kind is StageKind.ADMITTED
        self.traffic_counts, self.proving = alone and gap >= PROVED_ABOVE, False
        self.proofs = Proofs(tools.oracle, tools.deadline, plan, self.entries)
        # Levels of utilisation and scale that descents proved best, and the prices that did.
        self.levels: dict[str, tuple[float, Prices]] = {}

    def run(self, previous: Plan | None) -> None:
        """Search until the goal is reached, the deadline has come or the levels are used up."""
        deadline = self.tools.deadline
        if deadline.remaining_s <= 0:
            self.best = self._shortest_paths()
            return
        start = None if previous is None else self._replanned(previous)
        if self.best is None or (self.best_gap > self.goal and not self._must_stop()):
            self._search(start)
        if self.best is not None:
            self.best = self._settled(self.best)
        elif self._must_stop():
            # Stopped before any prices were worth a plan.
            self.best = self._shortest_paths()

    def _search(self, start: tuple[Outlook, FloatArray] | None) -> None:
        """Look closer and closer, from an outlook and its prices or from nothing."""
        if self.levels_only:
            self._search_level()
            return
        few_priced = True
        if start is not None:
            outlook, prices = start
        elif asks_for_level(self.first):
            found, prices = self._levelled()
            outlook = self._sharpened(self._look_out(prices.sum(axis=0)), found, prices)
        else:
            outlook, prices, few_priced = self._scouted()
        self.proving = self.traffic_counts and not few_priced
        for level in LEVELS if few_priced else PROVING if self.proving else WIDE:
            found, prices = self._look(outlook, prices, level, last=level is LEVELS[-1])
            if self.best_gap <= self.goal or self._must_stop():
                break
            if not self.proving:
                outlook = self._sharpened(self._look_out(prices.sum(axis=0)), found, prices)

    def _search_level(self) -> None:
        """Look closer and closer where nothing but a level is asked for, with elastic room."""
        found, prices = self._levelled()
        for level in LEVEL_LOOKS:
            prices = self._descend(found, prices, level)
            outlook = self._sharpened(self._look_out(prices.sum(axis=0)), found, prices)
            last = level is LEVEL_LOOKS[-1]
            near = self._near_shortest(Fullest(found, prices, level), refines=self._refines(found), must_cut=last)
            if near is not None:
                smooth = [(found, prices), (found, near.prices)]
                reached, share = at_level(outlook, found.level(near.prices), self._slack())
                room = market(reached, self.groups, self._slack(), FIGURE_SHARE)
                routes = cut(found, near)
                routes = replace(routes, flow=share * routes.flow)
                # A leftover is next to nothing of all volume, but may be much of what sets the level.
                plain = fitted(self.before.instance, self.tools.oracle, room, routes, 0.0)
                self._keep(self._candidate(plain, outlook), outlook, smooth)
                self.tools.progress(f"a plan: gap {self.best_gap:.2e}")
                if self.best_gap > self.goal and not self._must_stop():
                    self._keep_refined(routes, outlook, smooth)
            if self.best_gap <= self.goal or self._must_stop():
                break
            found, prices = self._rescaled(found, prices, level)

    def _keep_refined(self, routes: Routes, outlook: Outlook, smooth: list[tuple[Market, FloatArray]]) -> None:
        """Keep what the end game makes of routes in the room that the outlook promises, where it can do that."""
        room = market(outlook, self.groups, self._slack(), FIGURE_SHARE)
        if not self._refines(room):
            return
        better = refined(self.tools, room, routes, None, self._may_be_lost(room, outlook))
        if better is not None:
            routes = better.routes
            if not better.done:
                routes = fitted(self.before.instance, self.tools.oracle, room, routes, 0.0)
            self._keep(self._candidate(routes, outlook), outlook, [*smooth, (room, routes.prices)])
            self.tools.progress(f"a plan: gap {self.best_gap:.2e}")

    def _levelled(self) -> tuple[Market, FloatArray]:
        """Return the market of elastic room and the prices that rough descents lead to."""
        utilization = self._plain_utilization()
        # Somewhere between what the mean link and the busiest one would need.
        level = max(float(np.sqrt(utilization.mean() * utilization.max())), 1e-300)
        found = level_market(self.first, self.groups, level, 1.0)
        prices = start_prices(found, utilization)
        for scout in LEVEL_SCOUTS:
            prices = self._descend(found, prices, scout)
            found, prices = self._rescaled(found, prices, scout)
        return found, prices

    def _rescaled(self, found: Market, prices: FloatArray, level: Level) -> tuple[Market, FloatArray]:
        """Return the market for the level that prices ask for, those who pay paying 1 on average, and its prices."""
        assert found.elastic is not None
        reached = found.level(prices)
        mean_price = paying_share(found, self.all_paths, prices, self._step(found, level))
        prices = prices * (mean_price / found.elastic.paid(prices))
        return level_market(self.first, self.groups, reached, mean_price), prices

    def _scouted(self) -> tuple[Outlook, FloatArray, bool]:
        """Return the outlook and prices of rough descents, and whether few links have a price."""
        utilization = self._plain_utilization()
        outlook = self._look_out(utilization)
        found = market(_doubted(outlook, self.goal), self.groups, self._slack(), FIGURE_SHARE)
        prices = self._start(found, outlook, utilization)
        few_priced = False
        for scout in SCOUTS:
            prices = self._descend(found, prices, scout, closely=self._only_admits(found))
            self._fullest(found, prices, scout)
            outlook = self._sharpened(self._look_out(prices.sum(axis=0)), found, prices)
            few_priced = outlook.trusted and self._proves_more(outlook, found, prices)
            found = market(outlook, self.groups, self._slack(), FIGURE_SHARE)
            # Whether everything fits is seen late: prices have to rise for a while before they deny it.
            refuses = any(worth < found.forced_worth for worth in found.multiplier.values())
            fits_by_itself = refuses and not found.least.any()
            if self._must_stop() or (few_priced and fits_by_itself):
                break
        if few_priced:
            # The next descent starts from exact prices, and comes closer than any scout.
            self.fullest = None
        return outlook, prices, few_priced

    def _look(self, outlook: Outlook, prices: FloatArray, level: Level, *, last: bool) -> tuple[Market, FloatArray]:
        """Look closer once, keep the plan if it is the best, and return the market looked at and its prices."""
        found = market(outlook, self.groups, self._slack(), FIGURE_SHARE)
        prices = self._descend(found, self._restart(found, outlook, prices, self._step(found, level)), level)
        # The end game makes up for what traffic lacks, and wants it cold.
        refines = not self.proving and self._refines(found)
        fullest = Fullest(found, prices, level) if refines else self._fullest(found, prices, level)
        must_cut = last or self._must_stop()
        if not must_cut and not self._near_proof(outlook, found, prices, fullest):
            self._keep(None, outlook, [(found, prices)])
            return found, prices
        self.fullest = None
        near = self._near_shortest(fullest, refines=refines, must_cut=must_cut)
        if near is None:
            return found, prices
        smooth = [(found, prices), (fullest.market, near.prices)]
        routes = cut(fullest.market, near)
        firm = firmly_ordered(found, self.before.instance)
        # Too many links may have a price for the contracted network to show them all.
        trusted = refines and outlook.trusted and self._proves_more(outlook, found, prices)
        guide = exact_prices(found, outlook) if trusted else None
        better = refined(self.tools, firm, routes, guide, self._may_be_lost(firm, outlook)) if refines else None
        if better is not None:
            routes = better.routes
            smooth.append((firm, routes.prices))
        if better is None or not better.done:
            # Leftovers count against what is carried, which may be next to nothing of what is asked for. Where all has
            # to be carried they go on the paths at hand, which full links may not bear.
            all_of_it = self.before.instance.model.admission is Admission.ALL
            enough = 0.0 if all_of_it else LEFT_OVER * self.precision * min(1.0, _carried(near))
            routes = fitted(self.before.instance, self.tools.oracle, found, routes, enough)
        self._keep(self._candidate(routes, outlook), outlook, smooth)
        self.tools.progress(f"a plan: gap {self.best_gap:.2e}")
        return found, prices

    def _refines(self, found: Market) -> bool:
        return self.goal < REFINED_BELOW and refinable(found, self.before.instance)

    def _near_shortest(self, at: Fullest, *, refines: bool, must_cut: bool) -> NearShortest | None:
        """Return traffic on near-shortest links, None where it is not worth a plan and another look follows."""
        step = self._step(at.market, at.level)
        stop = partial(self._fits, 1.5 * step.barrier + DAG_MISFIT * self.precision)
        dag_step = replace(step, iterations=at.level.dag_iterations)
        near = near_shortest(at.market, self.all_paths, at.prices, dag_step, stop)
        carried = _carried(near)
        # What the barrier keeps free will be filled.
        misfit = near.misfit - step.barrier
        worth_cutting = max(WORTH_REFINING if refines else 0.0, WORTH_CUTTING * self.goal)
        if misfit > worth_cutting * carried and not must_cut and not self._must_stop():
            self.tools.progress(f"not worth a plan yet: off by {misfit / carried:.2e}")
            return None
        return near

    def _may_be_lost(self, found: Market, outlook: Outlook) -> float:
        """Return what may be lost of a market's worth so that each stage's gap is half of the goal or less."""
        if self.before.instance.model.admission is Admission.ALL:
            return max(1e-9, 1e-5 * self.goal) * found.forced_worth
        scale = max(float(self.first.most_gbps.sum()), 1e-300)
        worths = [
            found.multiplier[one.priority] * one.held_at / scale
            for one in outlook.certificates
            if one.kind is StageKind.ADMITTED and one.priority in found.multiplier
        ]
        return 0.5 * self.goal * min((worth for worth in worths if worth > 0), default=0.0)

    def _fullest(self, found: Market, prices: FloatArray, level: Level) -> Fullest:
        """Return where most is carried since the last plan was made, overload counted off at what links cost.

        Only where volume admitted is all that counts; elsewhere the present prices are as good as any.
        """
        here = Fullest(found, prices, level)
        if not self._only_admits(found):
            return here
        spread = traffic(found, self.all_paths, prices, self._step(found, level))
        here = replace(here, carried=spread.worth_carried(found, prices))
        # Colder traffic is on fewer links, which is less work.
        if self.fullest is None or here.carried >= (1.0 - LEFT_OVER * self.goal) * self.fullest.carried:
            self.fullest = here
        return self.fullest

    def _only_admits(self, found: Market) -> bool:
        worth = found.multiplier.get(self.first.priority, np.inf)
        return self.traffic_counts and not found.least.any() and worth < found.forced_worth

    def _near_proof(self, outlook: Outlook, found: Market, prices: FloatArray, fullest: Fullest) -> bool:
        """True when a plan of what is carried would have a gap good enough, or nothing is known of that."""
        if not np.isfinite(fullest.carried):
            return True
        problem = outlook.problems[0]
        bound = lagrangian_bound(problem, market_prices(problem, found, prices, outlook), self.tools.oracle)
        carried = fullest.carried * float(self.first.most_gbps.sum()) / found.multiplier[problem.priority]
        if bound is None:
            return False
        # Never below what the contracted network comes to, which is proven as well when there is a plan.
        bound = float(np.nanmin([bound, outlook.certificates[0].held_at]))
        gap = (bound - carried) / bound if bound > 0 else 0.0
        self.tools.progress(f"prices prove a plan to about {gap:.2e}")
        return gap <= NEAR_PROOF * self.goal

    def _replanned(self, previous: Plan) -> tuple[Outlook, FloatArray] | None:
        """Keep the plan that follows from an earlier one; return where to go on, None if it says too little."""
        earlier = carried_over(previous, self.before.instance)
        partial = self.before.instance.model.admission is Admission.PARTIAL
        if not earlier.price.any() or (partial and earlier.lost_share > TOO_MUCH_LOST):
            return None
        self.before = replace(self.before, engine=replace(self.before.engine, from_previous=True))
        # Links that had no price come after those that had, the fuller ones first.
        utilization = self._plain_utilization()
        outlook = self._look_out(earlier.price + 1e-3 * utilization / max(float(utilization.max()), 1e-300))
        found = market(outlook, self.groups, self._slack(), FIGURE_SHARE)
        exact = exact_prices(found, outlook)
        prices = np.zeros_like(found.room) if exact is None else exact
        mine = np.flatnonzero(self.first.scope[earlier.paths.commodity])
        scale = float(self.first.most_gbps.sum())
        routes = Routes(select_paths(earlier.paths, mine), earlier.flow_gbps[mine] / scale, prices)
        firm = firmly_ordered(found, self.before.instance)
        guide = exact if outlook.trusted else None
        refines = refinable(found, self.before.instance)
        better = refined(self.tools, firm, routes, guide, self._may_be_lost(firm, outlook)) if refines else None
        if better is None:
            routes = fitted(self.before.instance, self.tools.oracle, found, routes, LEFT_OVER * self.precision)
            smooth = [(found, prices)]
        else:
            routes, smooth = better.routes, [(firm, better.routes.prices)]
        self._keep(self._candidate(routes, outlook), outlook, smooth)
        self.tools.progress(f"paths of the previous plan: gap {self.best_gap:.2e}")
        near = exact is not None and outlook.trusted and self.best_gap <= NEAR_ENOUGH * self.goal
        return (outlook, prices) if near else None

    def _must_stop(self) -> bool:
        return self.tools.deadline.remaining_s <= 0

    def _fits(self, allowed: float, misfit: float) -> bool:
        return self._must_stop() or misfit <= allowed

    def _slack(self) -> float:
        return 0.5 * self.goal

    def _step(self, found: Market, level: Level) -> Descent:
        step = Descent.at(level.temperature / found.mean_hops, level.barrier, level.iterations)
        # Where nodes have many neighbours there are more walks to and fro, and each has to be less worth its while.
        least = step.padding if found.elastic is None else LEVEL_PADDING * step.temperature
        return replace(step, padding=np.maximum(least, step.temperature * (np.log(found.ways) + WALK_MARGIN)))

    def _descend(self, found: Market, prices: FloatArray, level: Level, *, closely: bool = False) -> FloatArray:
        step = self._step(found, level)
        allowed = 2.0 * step.barrier + ALL_PATHS_MISFIT * self.precision
        if closely:
            allowed = 1.5 * step.barrier + DAG_MISFIT * self.precision
        stop = partial(self._fits, allowed)
        return descend(found, self.all_paths, prices, step, stop)

    def _plain_utilization(self) -> FloatArray:
        """Return how full links would be if all demands took paths of few links, shape (n_links,)."""
        load = np.zeros(len(self.first.instance.topology.links))
        for routing in self.all_paths:
            spread = routing.spread(np.ones(len(load)), 0.05)
            load += spread.link_loads(self.first.most_gbps[routing.group.commodities].astype(np.float32))
        capacity = self.first.instance.topology.capacity_gbps
        load += self.first.background_gbps[0]
        return np.divide(load, capacity, out=np.zeros_like(load), where=capacity > 0)

    def _look_out(self, ranking: FloatArray) -> Outlook:
        """Return the outlook with enough active links that few of them get a price, as far as programs stay small."""
        while True:
            active = dearest(ranking, self.n_active)
            outlook = look_out(
                self.tools, self.entries, self.before.certificates, self.loads, active, most_columns=CONTRACTED_COLUMNS
            )
            priced, n_active = int(outlook.priced.sum()), int(active.sum())
            self.tools.progress(f"{n_active} links looked at, {priced} of them priced")
            if outlook.trusted or n_active < self.n_active or self.n_active >= len(ranking) or not outlook.solved:
                return outlook
            self.n_active *= 2

    def _sharpened(self, outlook: Outlook, found: Market, prices: FloatArray) -> Outlook:
        """Return the outlook with levels of utilisation and scale as a descent's prices prove them, where they do.

        Where more links have a price than the contracted network keeps, it promises too much, and the room for what
        has to be carried would be too small; or all seems to be admitted at last, and prices rise until they deny it.
        """
        certificates = list(outlook.certificates)
        sharper = False
        for index, one in enumerate(certificates):
            if one.kind not in (StageKind.MAX_UTILIZATION, StageKind.CONCURRENT) and not _admits_all(outlook, index):
                continue
            problem = outlook.problems[index]
            smooth = market_prices(problem, found, prices, outlook)
            bound = lagrangian_bound(problem, smooth, self.tools.oracle)
            sign = 1.0 if one.kind is StageKind.MAX_UTILIZATION else -1.0
            known = self.levels.get(problem.label)
            if bound is not None and (known is None or sign * bound > sign * known[0]):
                known = self.levels[problem.label] = (bound, smooth)
            if known is not None and not sign * (known[0] - one.held_at) <= 1e-6 * known[0]:
                level, proof = known
                certificates[index] = replace(one, value=level, reached=level, held_at=level, prices=proof)
                sharper = True
        if not sharper:
            return outlook
        before = self.before.certificates
        problems = tuple(
            stage_problem(self.before.instance, entry, (*before, *certificates[:index]), self.loads)
            for index, entry in enumerate(self.entries)
        )
        return replace(outlook, problems=problems, certificates=tuple(certificates), solved=False)

    def _proves_more(self, outlook: Outlook, found: Market, prices: FloatArray) -> bool:
        """True when the contracted network's prices prove at least as much as those of a descent."""
        index = last_priced(outlook)
        if index is None:
            return False
        problem, exact = outlook.problems[index], outlook.certificates[index].prices
        assert exact is not None
        smooth = market_prices(problem, found, prices, outlook)
        bounds = [lagrangian_bound(problem, one, self.tools.oracle) for one in (exact, smooth)]
        if bounds[0] is None or bounds[1] is None:
            return bounds[1] is None
        sign = -1.0 if problem.kind in (StageKind.ADMITTED, StageKind.CONCURRENT) else 1.0
        return sign * (bounds[0] - bounds[1]) >= -1e-6 * abs(bounds[0])

    def _start(self, found: Market, outlook: Outlook, utilization: FloatArray) -> FloatArray:
        """Return prices to start with: high where shortest paths would overload a link, low elsewhere."""
        prices = np.full((len(found.room), found.n_links), 0.03 / found.mean_hops)
        limit = outlook.problems[-1].utilization_cap
        if np.isfinite(limit):
            prices[:, utilization > limit] = 1.0 / found.mean_hops
        exact = exact_prices(found, outlook)
        return prices if exact is None else np.maximum(prices, exact)

    def _restart(self, found: Market, outlook: Outlook, prices: FloatArray, step: Descent) -> FloatArray:
        """Return the exact prices, and elsewhere those of the descent as far as the temperature explains."""
        exact = exact_prices(found, outlook) if outlook.trusted else None
        if exact is None or not self._proves_more(outlook, found, prices):
            # Too many links have a price for the contracted network to show them all.
            return prices
        return np.where(exact > 0, exact, np.minimum(prices, step.temperature))

    def _shortest_paths(self) -> Plan:
        """Return the plan of a run that has no time at all."""
        limit = Limit.INTERRUPT if self.tools.deadline.interrupted else Limit.TIME
        termination = Termination(Reason.ERROR, limit)
        flow = shortest_path_flows(self.first, self.shortest, termination)
        certificates = [
            Certificate(p.label, p.kind, p.figure, p.priority, np.nan, None, np.nan, np.nan, None, termination)
            for p in (stage_problem(self.before.instance, e, (), self.loads) for e in self.entries)
        ]
        plan = self._with_flows(self.shortest, flow)
        return replace(plan, certificates=(*self.before.certificates, *certificates))

    def _candidate(self, routes: Routes, outlook: Outlook) -> Plan | None:
        """Return the plan that carries the routes, not proven yet; None if it does not keep the limits."""
        flow = routes.flow * float(self.first.most_gbps.sum())
        scales = [one.held_at for one in outlook.certificates if one.kind is StageKind.CONCURRENT]
        # Links keep room for all to grow by the common scale: who misses a part of its volume can be given it.
        growth = max(1.0, (1.0 - self.goal) * float(np.nanmax(scales))) if np.isfinite(scales).any() else 1.0
        if growth > 1.0 or self.before.instance.model.admission is Admission.ALL:
            plan = self._with_flows(routes.paths, flow, growth)
        else:
            # Settling takes time; the plan that is kept in the end gets it.
            plan = self._joined(routes.paths, flow)
        return plan if _keeps_limits(plan) else None

    def _with_flows(self, paths: PathSet, flow: FloatArray, growth: float = 1.0) -> Plan:
        """Return the plan with flows settled: dust gone, whole where all but whole, in order."""
        instance = self.before.instance
        carried = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities).astype(np.float64)
        most = self.first.most_gbps
        whole = growth * carried > most * (1.0 - 1e-9)
        if instance.model.admission is Admission.ALL:
            whole[:] = True
        return self._joined(*settle(self.tools.oracle, paths, flow, np.where(whole, most, carried)))

    def _joined(self, paths: PathSet, flow: FloatArray) -> Plan:
        """Return the plan with the paths of this search beside those planned before."""
        order = np.argsort(np.concatenate([self.before.paths.commodity, paths.commodity]), kind="stable")
        flows = np.concatenate([self.before.flow_gbps, flow])[order]
        return replace(self.before, paths=merged_paths([self.before.paths, paths]), flow_gbps=flows)

    def _settled(self, plan: Plan) -> Plan:
        """Return a kept plan with its flows settled; its certificates stay, for the values hardly move."""
        mine = np.flatnonzero(self.first.scope[plan.paths.commodity])
        settled = self._with_flows(select_paths(plan.paths, mine), plan.flow_gbps[mine])
        # A search that was stopped may have been so after this plan was proven.
        limit = Limit.NONE if self.best_gap <= self.goal else limit_struck(self.tools.deadline)
        open_again = [
            replace(one, reached=np.nan, held_at=np.nan, termination=_stopped(one.termination, limit))
            for one in plan.certificates[len(self.before.certificates) :]
        ]
        return replace(settled, certificates=(*self.before.certificates, *open_again))

    def _keep(self, plan: Plan | None, outlook: Outlook, smooth: list[tuple[Market, FloatArray]]) -> None:
        """Keep the better of a plan and the best so far, both proven with the prices now at hand."""
        for one in (plan, self.best):
            if one is None:
                continue
            proven = self.proofs.certified(one, outlook, smooth)
            gap = np.inf if proven.max_gap is None else proven.max_gap
            if self.best is None or gap < self.best_gap or one is self.best:
                self.best, self.best_gap = proven, gap


def _admits_all(outlook: Outlook, index: int) -> bool:
    """True for the last stage that admits, where the contracted network admits everybody there is."""
    one, problem = outlook.certificates[index], outlook.problems[index]
    if one.kind is not StageKind.ADMITTED or problem.instance.model.admission is Admission.ALL:
        return False
    later = any(other.kind is StageKind.ADMITTED for other in outlook.certificates[index + 1 :])
    whole = float(problem.admitted_weight(one.priority) @ problem.most_gbps)
    return not later and one.held_at >= FULL_SHARE * whole


def _doubted(outlook: Outlook, share: float) -> Outlook:
    """Return the outlook with a ``share`` refused where the contracted network admits everybody.

    If that proves false, prices that were to make room for everybody at any cost would be no start for others.
    """
    return replace(
        outlook,
        certificates=tuple(
            replace(one, held_at=(1.0 - share) * one.held_at) if _admits_all(outlook, index) else one
            for index, one in enumerate(outlook.certificates)
        ),
    )


def _carried(near: NearShortest) -> float:
    """Return which share of all volume the traffic carries."""
    return float(sum(flow.sum(dtype=np.float64) for flow in near.traffic.flows))


def _stopped(termination: Termination, limit: Limit) -> Termination:
    """Return how a stage ended that the search was still working on when it was stopped."""
    if termination.reason is Reason.OPTIMAL or limit is Limit.NONE:
        return termination
    return Termination(termination.reason, limit)


def _keeps_limits(plan: Plan) -> bool:
    """True when no link carries more than a hard limit allows, nor more of a class than the class may put on it."""
    model, capacity = plan.instance.model, plan.instance.topology.capacity_gbps * (1.0 + CAPACITY_SLACK_SHARE)
    kept = model.capacity is not CapacityRule.HARD or (plan.link_load_gbps <= model.utilization_limit * capacity).all()
    for position, rules in enumerate(plan.instance.rules):
        limit = rules.policy.utilization_limit
        if limit is not None:
            kept &= (plan.class_link_load_gbps[:, position] <= limit * capacity).all()
    return bool(kept)
