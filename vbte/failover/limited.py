"""Re-plans that change at most so many next-hop groups.

First only those are planned anew that lost something, as many as may change; everything else is load that stays where
it is. Then those others are released that stand most in the way, by the link prices of the narrower plan, until the
limit is used up. How many groups differ is counted on the tables, every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.around import against, allocate_around
from vbte.bounds import link_weights, stage_problem, stage_sequence
from vbte.delta import GroupChanges, keep_groups
from vbte.errors import InfeasibleError, InputError, SolverError
from vbte.failover.untouched import Untouched, Ways, crossings, with_ways
from vbte.instance import commodity_positions
from vbte.oracle import PathOracle, select_paths
from vbte.plan import Certificate, PathSet, Plan, Prices
from vbte.policy import VOLUME_STAGES, Admission, CapacityRule, StageKind
from vbte.solve import SolverProfile
from vbte.tables import Publication, Tables, build_tables
from vbte.tolerance import DUST_SHARE, OPTIMALITY_GAP_SHARE
from vbte.topology import BoolArray, FloatArray

#: Plans that are tried at most after the first.
MOST_ROUNDS = 24

#: Benefit below this share of what a stage reaches is rounding.
_BENEFIT_SHARE = 1e-7

Units = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Limited:
    """A plan, its tables, and how many groups they change; ``narrow`` proves it among those that could be planned."""

    plan: Plan
    tables: Tables
    groups: GroupChanges
    narrow: tuple[Certificate, ...] = ()


def next_tables(plan: Plan, base: Tables) -> Tables:
    """Return a re-plan's tables, the next of the base in sequence, with nothing kept of the base yet."""
    manifest = base.manifest
    return build_tables(plan, publication=Publication(manifest["plan"], manifest["sequence"] + 1))


def limited_replan(
    before: Plan, base: Tables, best: Plan, down: BoolArray, limit: int, profile: SolverProfile
) -> Limited:
    """Return a re-plan of which at most ``limit`` groups differ from the ``base`` tables of the plan in force.

    ``best`` is the re-plan without a limit; it is the answer where it changes no more, and its prices prove how far the
    answer can be from the best of all. Raises InfeasibleError when all has to be carried and no plan was found that
    does so within the limit, InputError where classes are protected, whose reservations are planned together.
    """
    tables, groups = keep_groups(base, next_tables(best, base), unused=True)
    if groups.total <= limit:
        return Limited(best, tables, groups)
    if any(rules.policy.protection is not None for rules in best.instance.rules):
        raise InputError(
            f"the re-plan changes {groups.total} groups, and protected classes are planned as a whole or not at all",
            place="max_changed_groups", remedy="allow as many, or plan without the limit",
        )  # fmt: skip
    return _Search(before, base, best, down, limit, profile).run()


class _Search:
    """Looks for the commodities whose groups may change; a unit is what shares a group, one commodity or more."""

    def __init__(
        self, before: Plan, base: Tables, best: Plan, down: BoolArray, limit: int, profile: SolverProfile
    ) -> None:
        self._base, self._best, self._limit, self._profile = base, best, limit, profile
        self._instance = instance = best.instance
        position = commodity_positions(instance, before.instance.commodity_columns)
        owner = position[before.paths.commodity]
        hit = before.paths.visiting(down) & (before.path_share > DUST_SHARE)
        self._unit = self._units()
        lost = np.isin(self._unit, self._unit[owner[hit & (owner >= 0)]])
        lost_gbps = np.bincount(owner[hit & (owner >= 0)], weights=before.flow_gbps[hit & (owner >= 0)],
                                minlength=instance.n_commodities).astype(np.float64)  # fmt: skip
        self._before_gbps = np.bincount(owner[owner >= 0], weights=before.flow_gbps[owner >= 0],
                                        minlength=instance.n_commodities)  # fmt: skip
        stays = np.flatnonzero((owner >= 0) & ~lost[owner])
        kept = select_paths(before.paths, stays)
        kept = PathSet(kept.start, kept.links, owner[stays].astype(np.int32))
        order = np.argsort(kept.commodity, kind="stable")
        self._kept = select_paths(kept, order), before.flow_gbps[stays][order]
        self._lost = np.flatnonzero(lost)
        self._untouched = Untouched(base, instance, np.flatnonzero(down).tolist())
        self._ways = self._repaired()
        self._losers = self._worst_first(lost_gbps)
        hurt = [k for k in self._lost.tolist() if k not in self._ways]
        self._served = np.setdiff1d(self._unit[self._lost], self._unit[hurt])

    def _units(self) -> NDArray[np.intp]:
        instance = self._instance
        if self._base.manifest["realisation"] == "source-routed":
            return np.arange(instance.n_commodities, dtype=np.intp)
        keys = instance.destination.astype(np.int64) * len(instance.rules) + instance.class_index
        return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.intp)

    def _repaired(self) -> dict[int, Ways]:
        """Return the ways of commodities that lost something and still arrive in full without a change."""
        found = {k: self._untouched.ways(k) for k in self._lost.tolist() if self._before_gbps[k] > 0}
        return {k: ways for k, ways in found.items() if ways is not None}

    def _worst_first(self, lost_gbps: FloatArray) -> Units:
        """Return the units that lost something: the most important, those that nothing serves, the largest first."""
        rows = sorted(
            (int(self._instance.priority[k]), k in self._ways, -float(lost_gbps[k]), int(self._unit[k]))
            for k in self._lost.tolist()
        )
        return np.array(list(dict.fromkeys(unit for *_, unit in rows)), dtype=np.intp)

    def run(self) -> Limited:
        """Return the best plan met within the limit."""
        unserved = self._losers[~np.isin(self._losers, self._served)]
        starts = [self._losers[: self._limit], unserved[: self._limit]]
        found = [self._grown(start) for start in (starts[:1] if np.array_equal(starts[0], starts[1]) else starts)]
        answers = [one for one in found if one is not None]
        if not answers:
            raise InfeasibleError(f"no re-plan was found that changes at most {self._limit} groups")
        return answers[-1] if len(answers) > 1 and _better(answers[1].plan, answers[0].plan) else answers[0]

    def _grown(self, chosen: Units) -> Limited | None:
        """Return the best plan met from a choice of units on, None where none is within the limit."""
        found, chosen = self._start(chosen)
        if found is None:
            return None
        batch = self._limit
        for _ in range(MOST_ROUNDS):
            wanted = self._in_the_way(found, chosen)
            batch = min(batch, self._limit - found.groups.total, len(wanted))
            if batch < 1 or _is_best(found.plan):
                break
            more = np.concatenate([chosen, wanted[:batch]])
            tried = self._tried(more)
            if tried is not None and tried.groups.total <= self._limit and not _better(found.plan, tried.plan):
                found, chosen = tried, more
            else:
                batch //= 2
        return found

    def _start(self, chosen: Units) -> tuple[Limited | None, Units]:
        """Return a plan in which these units change, or as many of them as may."""
        while True:
            tried = self._tried(chosen)
            if tried is not None and tried.groups.total <= self._limit:
                return tried, chosen
            if not len(chosen):
                return None, chosen
            chosen = chosen[: len(chosen) // 2]

    def _tried(self, chosen: Units) -> Limited | None:
        """Return the plan in which these units are planned anew, None where they can't be."""
        released = np.isin(self._unit, chosen)
        filler = {k: ways for k, ways in self._ways.items() if not released[k]}
        everything = self._instance.model.admission is Admission.ALL
        if everything and any(not released[k] and k not in filler for k in self._lost.tolist()):
            return None
        fixed = self._fixed(released)
        if everything:
            fixed = with_ways(fixed, [(k, ways, float(self._instance.peak_gbps[k])) for k, ways in filler.items()])
        try:
            narrow = allocate_around(self._best, fixed, released, self._profile)
        except (InfeasibleError, SolverError):
            return None
        if not everything:
            paths, flow = with_ways((narrow.paths, narrow.flow_gbps), self._fill(narrow, filler))
            narrow = replace(narrow, paths=paths, flow_gbps=flow)
        plan = against(narrow, self._best)
        stay: dict[str, set[str]] = {}
        for k in filler:
            for device in self._untouched.devices(k):
                stay.setdefault(device, set()).add(self._untouched.group(k))
        tables, groups = keep_groups(self._base, next_tables(plan, self._base), unused=True, untouched=stay)
        return Limited(plan, tables, groups, narrow.certificates)

    def _fixed(self, released: BoolArray) -> tuple[PathSet, FloatArray]:
        paths, flow = self._kept
        chosen = np.flatnonzero(~released[paths.commodity])
        return select_paths(paths, chosen), flow[chosen]

    def _fill(self, plan: Plan, filler: dict[int, Ways]) -> Iterator[tuple[int, Ways, float]]:
        """Yield what head ends may let in of those that keep their groups, in what room is left, by priority."""
        instance = self._instance
        capacity, model = instance.topology.capacity_gbps, instance.model
        load, of_class = plan.link_load_gbps.copy(), plan.class_link_load_gbps.copy()
        for k in sorted(filler, key=lambda k: (int(instance.priority[k]), k)):
            links, share = crossings(filler[k])
            use = instance.load_ratio[:, k, None] * share
            c = int(instance.class_index[k])
            rooms = []
            if model.capacity is CapacityRule.HARD:
                rooms.append(model.utilization_limit * capacity[links] - load[:, links])
            if (limit := instance.rules[c].policy.utilization_limit) is not None:
                rooms.append(limit * capacity[links] - of_class[:, c][:, links])
            with np.errstate(divide="ignore"):
                most = min((float(np.where(use > 0, room / use, np.inf).min()) for room in rooms), default=np.inf)
            gbps = min(float(self._before_gbps[k]), max(most, 0.0))
            if gbps > DUST_SHARE * float(instance.peak_gbps[k]):
                load[:, links] += gbps * use
                of_class[:, c, links] += gbps * use
                yield k, filler[k], gbps

    def _in_the_way(self, found: Limited, chosen: Units) -> Units:
        """Return units that are not planned anew yet, those first that could gain most at the prices of the plan.

        What counts is the first stage that is not proven to be the best and can gain anything.
        """
        for stage, (proof, narrow) in enumerate(zip(found.plan.certificates, found.narrow, strict=True)):
            if _proven(proof):
                continue
            if narrow.prices is None:
                # Nothing was planned anew, so that nothing has a price.
                wanted = self._losers[~np.isin(self._losers, chosen)]
            else:
                benefit = self._benefit(found.plan, stage, narrow.prices)
                benefit[chosen] = 0.0
                order = np.argsort(-benefit, kind="stable").astype(np.intp)
                wanted = order[benefit[order] > _BENEFIT_SHARE * max(abs(proof.value), 1e-9)]
            if len(wanted):
                return wanted
        return np.empty(0, dtype=np.intp)

    def _benefit(self, plan: Plan, stage: int, prices: Prices) -> FloatArray:
        """Return what each unit would gain a stage if prices stayed: what it pays now less the least it could pay."""
        instance = self._instance
        entry = stage_sequence(instance)[stage]
        problem = stage_problem(instance, entry, plan.certificates[:stage], plan.class_link_load_gbps)
        every = np.flatnonzero(problem.scope)
        weight = link_weights(problem, prices, every)
        cheapest = PathOracle(instance).prices(weight, every)
        admitting = problem.kind is StageKind.ADMITTED
        gain = problem.admitted_weight(problem.priority)[every] * admitting
        for index, held in problem.price_rows().items():
            if held.kind is StageKind.ADMITTED:
                gain = gain + prices.held.get(index, 0.0) * problem.admitted_weight(held.priority)[every]
        carried = plan.admitted_share[every] * instance.peak_gbps[every]
        reduced = np.where(np.isfinite(cheapest), cheapest - gain, 0.0)
        least = problem.least_gbps[every] if admitting else carried
        best = np.where(reduced < 0, reduced * problem.most_gbps[every], reduced * least)
        gained = np.maximum(_paid(plan, weight, every) - gain * carried - best, 0.0)
        n_units = int(self._unit.max(initial=-1)) + 1
        return np.bincount(self._unit[every], weights=gained, minlength=n_units).astype(np.float64)


def _paid(plan: Plan, weight: FloatArray, commodities: Units) -> FloatArray:
    """Return what the flows of commodities pay at the link weights, by class or by commodity; shape (n,)."""
    paths, instance = plan.paths, plan.instance
    row = np.full(instance.n_commodities, -1)
    row[commodities] = np.arange(len(commodities)) if instance.n_matrices > 1 else instance.class_index[commodities]
    owner = np.repeat(paths.commodity, paths.hops)
    counted = row[owner] >= 0
    flow = np.repeat(plan.flow_gbps, paths.hops)[counted]
    price = weight[row[owner[counted]], paths.links[counted]]
    total = np.bincount(owner[counted], weights=flow * price, minlength=instance.n_commodities)
    return np.asarray(total[commodities])


def _proven(proof: Certificate) -> bool:
    return proof.gap is not None and proof.gap <= OPTIMALITY_GAP_SHARE


def _is_best(plan: Plan) -> bool:
    return all(_proven(proof) for proof in plan.certificates)


def _better(one: Plan, other: Plan) -> bool:
    """Return whether the first plan is the better one by the stages in their order."""
    for mine, theirs in zip(one.certificates, other.certificates, strict=True):
        slack = OPTIMALITY_GAP_SHARE * max(abs(mine.value), abs(theirs.value), 1e-9)
        if abs(mine.value - theirs.value) > slack:
            return (mine.value > theirs.value) == (mine.kind in VOLUME_STAGES)
    return False
