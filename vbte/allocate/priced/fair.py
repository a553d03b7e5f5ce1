"""Max-min fair plans at sizes that no program can be written out for.

1. Climb: caps go up level by level, prices say who is left behind (``climb``).
2. Route what all have got, by prices again, near-shortest links and paths cut out of flows, as the engine does.
3. Fill the paths level by level (``ladder``): who has least is served first.
4. Prove: for each of a row of levels, the prices under which those short of it could have gained least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.exact import Tools
from vbte.allocate.priced.climb import KEPT_WORTH, Climb, Climber, step_of
from vbte.allocate.priced.descent import descend
from vbte.allocate.priced.exchange import market_prices
from vbte.allocate.priced.ladder import Ladder
from vbte.allocate.priced.market import BLOCKED_PRICE, build_groups
from vbte.allocate.priced.outlook import Outlook, figure_base
from vbte.allocate.priced.primal import Routes, crossings_of, cut, near_shortest
from vbte.allocate.priced.routing import AllPaths
from vbte.allocate.priced.tiers import FORCED_WORTH, TieredMarket, stage_prices, tiered_market, tiered_traffic
from vbte.allocate.settle import settle
from vbte.bounds import StageEntry, StageProblem, lagrangian_bound, priced_room, stage_problem, stage_value
from vbte.fair_proof import lowest_short_level, prove_fairness, shares_of, step_factor
from vbte.fair_shares import FairShares
from vbte.oracle import merged_paths, select_paths
from vbte.plan import Certificate, Fairness, FairStep, Limit, PathSet, Plan, Prices, Reason, Termination
from vbte.policy import StageKind
from vbte.topology import FloatArray

#: Ratio of one level to the next unless the model says otherwise.
DEFAULT_RATIO = 1.2

#: Temperatures, barriers and iterations of the descents that route what all have got, the last one over near-shortest
#: links.
ROUTING = ((0.08, 4e-3, 60), (0.04, 2e-3, 300))

#: Descents that route end when loads miss the room by this many barriers.
ROUTED = 2.0

#: Share of what all have got that may turn out not to fit.
MISFIT = 0.05

#: Paths are filled in rungs this share apart.
RUNG = 0.03

#: Who has no open path left gets this many more, until it has this share less than what it climbed to.
DETOURS, NEARLY = 2, 0.01

#: Ratio of one level of the proof to the next.
STEP = 1.03

#: Levels of the proof at most, prices around a level that are tried for it, and factors on them.
MOST_STEPS, NEAR, SCALES = 500, 3, (1.0, 1.03)


@dataclass(frozen=True, eq=False)
class _Fair:
    """A max_min stage: its problem and shares, and how its commodities climbed."""

    problem: StageProblem
    shares: FairShares
    climb: Climb


def plan_fairly(tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet) -> Plan:
    """Return the plan with flows and proven certificates for max_min stages and those after them."""
    return _FairPlan(tools, plan, entries, shortest).run()


class _FairPlan:
    """One run over the stages of classes planned together."""

    def __init__(self, tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet) -> None:
        self.tools, self.before, self.entries, self.shortest = tools, plan, list(entries), shortest
        self.loads = plan.class_link_load_gbps
        self.first = stage_problem(plan.instance, entries[0], plan.certificates, self.loads)
        self.groups = build_groups(self.first, tools.oracle)
        self.target = np.zeros(plan.instance.n_commodities)
        ratio = plan.instance.model.stage(StageKind.MAX_MIN).level_ratio
        self.ratio = max(DEFAULT_RATIO if ratio is None else ratio, 1.0 + 1e-3)

    def run(self) -> Plan:
        """Climb priority by priority, route, fill and prove."""
        # In this order: each priority leaves the earlier ones what they have got.
        fair = [self._climbed(entry) for entry in self.entries if entry[0].kind is StageKind.MAX_MIN]
        routes, market, smooth = self._routed()
        paths, flow = self._filled(routes, market, fair)
        instance = self.before.instance
        carried = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities).astype(np.float64)
        whole = carried > self.first.most_gbps * (1.0 - 1e-9)
        paths, flow = settle(self.tools.oracle, paths, flow, np.where(whole, self.first.most_gbps, carried))
        order = np.argsort(np.concatenate([self.before.paths.commodity, paths.commodity]), kind="stable")
        flows = np.concatenate([self.before.flow_gbps, flow])[order]
        plan = replace(self.before, paths=merged_paths([self.before.paths, paths]), flow_gbps=flows)
        return self._proven(plan, fair, market, smooth)

    def _climbed(self, entry: StageEntry) -> _Fair:
        """Let one priority climb, the earlier ones keeping what they have got."""
        problem = stage_problem(self.before.instance, entry, self.before.certificates, self.loads)
        problem = replace(problem, least_gbps=np.where(problem.scope, self.target, 0.0))
        shares = shares_of(problem)
        competing = problem.scope & (problem.instance.priority <= (entry[1] or 0))
        groups = build_groups(replace(problem, scope=competing), self.tools.oracle)
        climb = Climber(self.tools, problem, groups, shares).climb(self.ratio)
        self.target[shares.commodities] = climb.volume_gbps
        return _Fair(problem, shares, climb)

    def _routed(self) -> tuple[Routes, TieredMarket, list[FloatArray]]:
        """Return paths that carry what all have got, the market of it, and prices (R, n_links) found on the way."""
        tiers = [((1.0 - MISFIT) * self.target, FORCED_WORTH), (MISFIT * self.target, KEPT_WORTH)]
        outlook = self._outlook(())
        market = tiered_market(self.first, self.groups, tiers, figure_base(outlook, self.groups, 1.0))
        prices = np.full_like(market.room, 0.03 / market.mean_hops)
        routings = [AllPaths(group) for group in self.groups]
        for level in ROUTING:
            step = step_of(market, *level)
            stop = partial(self._fits, ROUTED * step.barrier)
            prices = descend(market, routings, prices, step, stop, tiered_traffic)
        near = near_shortest(market, routings, prices, step, stop, tiered_traffic)
        self.tools.progress(f"routed: loads miss the room by {near.misfit:.2e}")
        return cut(market, near), market, [prices, near.prices]

    def _fits(self, allowed: float, misfit: float) -> bool:
        return self.tools.deadline.remaining_s <= 0 or misfit <= allowed

    def _filled(self, routes: Routes, market: TieredMarket, fair: list[_Fair]) -> tuple[PathSet, FloatArray]:
        """Return paths and flows, Gbit/s, filled from the lowest level up, important priorities first.

        Who has no open path left before it has what it climbed to gets another one over links with room.
        """
        ladder = self._ladder(market, routes.paths, np.maximum(routes.flow, 1e-12), np.zeros(len(routes.paths)))
        # Room only gets less: who finds no way now will not find one later.
        hopeless = np.zeros(len(self.target), dtype=np.bool_)
        for one in fair:
            for rung in self._rungs(one):
                ladder.serve(rung)
                wanted = np.minimum(rung, (1.0 - NEARLY) * self.target)
                for _ in range(DETOURS):
                    stuck = np.flatnonzero(ladder.stuck(wanted) & ~hopeless)
                    if not len(stuck):
                        break
                    ladder, without = self._with_detours(ladder, market, routes.prices, stuck)
                    hopeless[without] = True
                    ladder.serve(rung)
        return ladder.paths, ladder.flow

    def _ladder(self, market: TieredMarket, paths: PathSet, split: FloatArray, flow: FloatArray) -> Ladder:
        cross = crossings_of(self.before.instance, market, paths)
        usable = np.isfinite(market.room) | (market.base < FORCED_WORTH)
        room = (np.where(usable, market.room, 0.0) * (float(self.target.sum()) or 1.0)).reshape(-1)
        return Ladder(cross, paths, split, room, flow, np.maximum(room - cross.load(flow), 0.0))

    def _with_detours(
        self, ladder: Ladder, market: TieredMarket, prices: FloatArray, stuck: NDArray[np.intp]
    ) -> tuple[Ladder, NDArray[np.intp]]:
        """Return the ladder with a path over links with room for each of ``stuck``, and those who have none."""
        instance = self.before.instance
        full = ladder.full.reshape(market.room.shape)
        weights = np.full((len(instance.rules), market.n_links), BLOCKED_PRICE)
        for group in market.groups:
            blocked = full[0] | full[group.row]
            weight = np.where(blocked, BLOCKED_PRICE, market.weight(group, prices, 1e-6))
            weights[np.unique(instance.class_index[group.commodities])] = weight
        found = self.tools.oracle.cheapest(weights, stuck)
        price = np.full(instance.n_commodities, np.inf)
        price[stuck] = found.price
        extra = select_paths(found.paths, np.flatnonzero(price[found.paths.commodity] < BLOCKED_PRICE))
        without = stuck[found.price >= BLOCKED_PRICE]
        if not len(extra):
            return ladder, without
        paths, order = merged_paths([ladder.paths, extra]), ladder.order_with(extra)
        whole = np.bincount(ladder.commodity, weights=ladder.split, minlength=instance.n_commodities)
        split = np.concatenate([ladder.split, np.maximum(whole[extra.commodity], 1e-12)])[order]
        flow = np.concatenate([ladder.flow, np.zeros(len(extra))])[order]
        return self._ladder(market, paths, split, flow), without

    def _rungs(self, one: _Fair) -> list[FloatArray]:
        """Return the volumes of a row of levels, (K,) each, 0 for other priorities; the last one is all in full."""
        shares = one.shares
        lowest = one.climb.levels[0] if one.climb.levels else shares.top
        count = int(np.ceil(np.log(shares.top / lowest) / np.log(1.0 + RUNG))) if lowest > 0 else 0
        rungs = []
        for level in (lowest * (shares.top / lowest) ** (np.arange(count + 1) / max(count, 1))).tolist():
            rung = np.zeros(self.before.instance.n_commodities)
            rung[shares.commodities] = shares.volume_gbps(level)
            rungs.append(rung)
        return rungs

    def _outlook(self, certificates: tuple[Certificate, ...]) -> Outlook:
        """Return the stages' problems in the form that shares of latency and cost are reckoned from."""
        held = (*self.before.certificates, *certificates)
        before = len(self.before.certificates)
        problems = tuple(
            stage_problem(self.before.instance, entry, held[: before + index], self.loads)
            for index, entry in enumerate(self.entries)
        )
        nothing = np.zeros(len(self.before.instance.topology.links), dtype=np.bool_)
        return Outlook(problems, certificates, nothing, nothing, solved=False)

    def _proven(self, plan: Plan, fair: list[_Fair], market: TieredMarket, smooth: list[FloatArray]) -> Plan:
        """Return the plan with a certificate for each stage."""
        climbs = {one.problem.label: one for one in fair}
        termination = Termination(Reason.FEASIBLE, self._limit())
        mine: list[Certificate] = []
        for entry in self.entries:
            problem = stage_problem(plan.instance, entry, (*self.before.certificates, *mine), self.loads)
            value = stage_value(problem, plan)
            one = Certificate(
                problem.label,
                problem.kind,
                problem.figure,
                problem.priority,
                value,
                None,
                value,
                value,
                None,
                termination,
            )
            if problem.kind is StageKind.MAX_MIN:
                one = self._fair_certificate(one, problem, climbs[problem.label], plan, market)
            else:
                outlook = self._outlook(tuple(mine))
                at_hand = [market_prices(problem, market, prices, outlook) for prices in smooth]
                one = self._bounded(one, problem, [Prices(np.zeros_like(self.loads[:, 0])), *at_hand])
            mine.append(one)
        return replace(plan, certificates=(*self.before.certificates, *mine))

    def _bounded(self, one: Certificate, problem: StageProblem, at_hand: Sequence[Prices]) -> Certificate:
        """Return the certificate of a latency or cost stage with the prices that prove most."""
        for prices in at_hand:
            bound = lagrangian_bound(problem, prices, self.tools.oracle)
            if bound is not None and (one.bound is None or bound > one.bound):
                one = replace(one, prices=prices, bound=bound)
        return one

    def _fair_certificate(
        self, one: Certificate, problem: StageProblem, fair: _Fair, plan: Plan, market: TieredMarket
    ) -> Certificate:
        """Return the certificate of a max_min stage: steps from the lowest level that anybody is short of upwards."""
        shares = fair.shares
        carried = plan.admitted_share * plan.instance.peak_gbps
        mine = np.minimum(carried[shares.commodities], shares.full_gbps)
        at_hand = [Prices(np.zeros_like(self.loads[:, 0]))]
        at_hand += [stage_prices(problem, market, prices) for prices in fair.climb.prices]
        cuts = []
        for prices in at_hand:
            price, room = priced_room(problem, prices, self.tools.oracle)
            cuts.append((price[shares.commodities], room))
        bounds = [shares.highest_level(price, room) for price, room in cuts]
        tightest = int(np.argmin(bounds))
        steps = _steps(shares, mine, cuts, np.array([0.0, *fair.climb.levels]), at_hand)
        known = replace(one, prices=at_hand[tightest], bound=bounds[tightest])
        fairness = prove_fairness(problem, Fairness(mine, steps=steps), carried, self.tools.oracle)
        level = shares.common_level(mine)
        return replace(known, fairness=fairness, value=level, reached=level, held_at=level)

    def _limit(self) -> Limit:
        if self.tools.deadline.interrupted:
            return Limit.INTERRUPT
        return Limit.TIME if self.tools.deadline.remaining_s <= 0 else Limit.NONE


def _steps(
    shares: FairShares,
    carried: FloatArray,
    cuts: Sequence[tuple[FloatArray, float]],
    levels: FloatArray,
    at_hand: Sequence[Prices],
) -> tuple[FairStep, ...]:
    """Return steps from what those have who are short up to the last of them, each with the prices that prove most."""
    short = ~shares.in_full(carried)
    if not short.any():
        return ()
    highest = float(shares.level_of(carried)[short].max())
    level = lowest_short_level(shares, carried)
    steps: list[FairStep] = []
    while level <= highest and len(steps) < MOST_STEPS:
        level, below = level * STEP, level
        near = int(np.searchsorted(levels, level))
        tried = sorted({0, *range(max(near - NEAR, 0), min(near + NEAR + 1, len(cuts)))})
        best: tuple[float, int, float] | None = None
        for position in tried:
            price, room = cuts[position]
            for scale in SCALES if position else SCALES[:1]:
                factor = step_factor(shares, carried, level, below, (scale * price, scale * room))
                if factor is not None and (best is None or factor < best[0]):
                    best = (factor, position, scale)
        factor, position, scale = best or (None, 0, 1.0)
        steps.append(FairStep(level, factor, _scaled(at_hand[position], scale)))
    return tuple(steps)


def _scaled(prices: Prices, scale: float) -> Prices:
    return Prices(scale * prices.capacity, {c: scale * limit for c, limit in prices.class_limit.items()})
