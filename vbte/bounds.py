"""Bounds that hold over all admissible paths, from link prices alone (Lagrangian duality).

Any prices of 0 or more prove a bound, whatever algorithm found them: relax the capacity rows and the rows that hold
earlier stages, and what is left is one cheapest-path question per commodity. The optimiser calls this with the
prices of its solver; the checker calls it again with the prices on file. ``models/README.md`` has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.fair_shares import fair_shares
from vbte.instance import Instance
from vbte.oracle import PathOracle, link_figure
from vbte.plan import NO_SURVIVAL_PRICES, Certificate, Plan, Prices
from vbte.policy import (
    VOLUME_STAGES,
    Admission,
    CapacityRule,
    Coupling,
    PathFigure,
    PlanningModel,
    Protection,
    Stage,
    StageKind,
)
from vbte.protection.availability import availabilities, available_unit_prices, most_spared
from vbte.protection.backups import backups_of, cheapest_pairs, is_dedicated
from vbte.protection.reservations import class_link_committed_gbps, class_link_most_gbps
from vbte.protection.route_sets import route_sets
from vbte.protection.sharing import cheapest_sharing_pairs, scenario_prices
from vbte.protection.survival import robust_unit_prices, survivals
from vbte.tolerance import DEMAND_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray, Topology

#: A stage as it is solved: the stage, the priority in its label, the priorities planned together with it.
StageEntry = tuple[Stage, int | None, tuple[int, ...]]

#: A hold this close to the whole volume, as a share, means that everything is admitted.
FULL_SHARE = 1.0 - 1e-9

#: Commodities priced at once where each has its own price of every link.
_COMMODITIES_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class StageProblem:
    """What one stage optimises and what it must respect, in Gbit/s and objective units.

    ``scope`` (K,) marks the commodities planned, ``background_gbps`` (T, n_links) what others already use. Admitted
    flow of commodity k lies in ``[least_gbps[k], most_gbps[k]]`` at its peak volume. ``utilization_cap`` (inf: none)
    limits every link. ``holds`` maps the index of an earlier certificate to it. ``growth``, 1 or more, is the scale
    an earlier stage wants kept possible: capacity left and class limits are divided by it. Of classes planned in part
    ``class_background_gbps`` has what their other commodities use, (T, n_links) each.
    """

    instance: Instance
    kind: StageKind
    figure: PathFigure
    priority: int | None
    scope: BoolArray
    background_gbps: FloatArray
    least_gbps: FloatArray
    most_gbps: FloatArray
    utilization_cap: float
    holds: dict[int, Certificate] = field(default_factory=dict)
    growth: float = 1.0
    class_background_gbps: dict[int, FloatArray] = field(default_factory=dict)

    def class_limit(self, class_index: int) -> float:
        """Return the share of each link that a class may fill, kept free for growth where that is asked."""
        limit = self.instance.rules[class_index].policy.utilization_limit
        return (1.0 if limit is None else limit) / self.growth

    @property
    def protection(self) -> Protection | None:
        """What the classes planned are promised: those of one priority have the same protection."""
        planned = np.unique(self.instance.class_index[self.scope]).tolist()
        return self.instance.rules[planned[0]].policy.protection if planned else None

    @property
    def label(self) -> str:
        """Name of the stage in reports: kind, and the priority it speaks of."""
        return str(self.kind) if self.priority is None else f"{self.kind}[{self.priority}]"

    def price_rows(self) -> dict[int, Certificate]:
        """Return the holds that are rows with a price of their own: the others became bounds on flow or load."""
        return {i: held for i, held in self.holds.items() if not _is_bound(self, held)}

    def admitted_weight(self, priority: int | None) -> FloatArray:
        """Return what a unit of peak flow adds to the admitted volume of a priority, shape (K,)."""
        of_priority = self.instance.priority == priority if priority is not None else np.ones_like(self.scope)
        return np.where(of_priority & self.scope, self.instance.weight * self.mean_ratio, 0.0)

    @property
    def mean_ratio(self) -> FloatArray:
        """Mean over the matrices of volume to peak volume, shape (K,); 1 with one matrix."""
        return np.asarray(self.instance.load_ratio.mean(axis=0))


def stage_figure(topology: Topology, kind: StageKind, figure: PathFigure) -> FloatArray:
    """Return what a unit of flow adds to the objective on each link, shape (n_links,): 0 unless latency or cost."""
    if kind is StageKind.LATENCY:
        return link_figure(topology, figure)
    return topology.cost_per_gbps if kind is StageKind.COST else np.zeros(len(topology.links))


def stage_sequence(instance: Instance) -> list[StageEntry]:
    """Return the stages in the order they are solved: (stage, its priority label, priorities planned with it).

    ``admitted`` and ``max_min`` are solved once per class priority. ``coupling: sequential`` runs all stages for one
    priority, then the next; ``joint`` plans all classes together. Priorities without demands need no stage; without
    any demand there is nothing to decide.
    """
    model = instance.model
    priorities = tuple(np.unique(instance.priority).tolist())
    if not priorities:
        return []
    if model.coupling is Coupling.SEQUENTIAL:
        return [(stage, priority, (priority,)) for priority in priorities for stage in model.stages]
    return [
        (stage, priority, priorities)
        for stage in model.stages
        for priority in (priorities if stage.kind in (StageKind.ADMITTED, StageKind.MAX_MIN) else (None,))
    ]


def stage_problem(
    instance: Instance,
    entry: StageEntry,
    earlier: tuple[Certificate, ...],
    class_load_gbps: FloatArray,
    released: BoolArray | None = None,
) -> StageProblem:
    """Return the problem that a stage solves, given the certificates of the stages before it.

    ``class_load_gbps`` (T, n_classes, n_links) is read for the classes already planned (sequential coupling only);
    ``loads_before`` has them. Where only some commodities are ``released`` (K,), all of it is what the others use.
    """
    stage, priority, planned = entry
    model = instance.model
    scope = np.isin(instance.priority, planned)
    before = [rules.policy.priority < min(planned) for rules in instance.rules]
    most = np.where(scope, instance.peak_gbps, 0.0)
    least = most.copy() if model.admission is Admission.ALL else np.zeros_like(most)
    problem = StageProblem(
        instance=instance,
        kind=stage.kind,
        figure=stage.figure,
        priority=priority,
        scope=scope,
        background_gbps=np.asarray(class_load_gbps[:, before].sum(axis=1)),
        least_gbps=least,
        most_gbps=most,
        utilization_cap=_capacity_cap(model),
    )
    if released is not None:
        problem = _around(problem, released, class_load_gbps)
    for index, held in enumerate(earlier):
        if model.coupling is Coupling.JOINT or held.priority == priority:
            problem = _with_hold(problem, index, held)
    return problem


def loads_before(plan: Plan, entry: StageEntry) -> FloatArray:
    """Return the link loads by class that a stage has to take as they are, (T, n_classes, n_links).

    Protected classes see what others have reserved, the rest see what they send: what is kept for failures may be
    used meanwhile.
    """
    protected = any(
        rules.policy.protection is not None and rules.policy.priority in entry[2] for rules in plan.instance.rules
    )
    return class_link_committed_gbps(plan) if protected else plan.class_link_load_gbps


def _around(problem: StageProblem, released: BoolArray, class_load_gbps: FloatArray) -> StageProblem:
    """Return the problem of the released commodities alone; what others load beyond a limit leaves nothing over."""
    capacity, cap = problem.instance.topology.capacity_gbps, problem.utilization_cap
    load = np.asarray(class_load_gbps.sum(axis=1))
    limits = {c: rules.policy.utilization_limit for c, rules in enumerate(problem.instance.rules)}
    return replace(
        problem,
        scope=problem.scope & released,
        background_gbps=np.minimum(load, cap * capacity) if np.isfinite(cap) else load,
        least_gbps=np.where(released, problem.least_gbps, 0.0),
        most_gbps=np.where(released, problem.most_gbps, 0.0),
        class_background_gbps={
            c: np.minimum(class_load_gbps[:, c], limit * capacity) for c, limit in limits.items() if limit is not None
        },
    )


def _capacity_cap(model: PlanningModel) -> float:
    return model.utilization_limit if model.capacity is CapacityRule.HARD else np.inf


def _with_hold(problem: StageProblem, index: int, held: Certificate) -> StageProblem:
    """Return the problem with one earlier stage held at its level."""
    problem = replace(problem, holds={**problem.holds, index: held})
    if held.kind is StageKind.MAX_UTILIZATION:
        return replace(problem, utilization_cap=min(problem.utilization_cap, held.held_at))
    if held.kind is StageKind.CONCURRENT:
        least = np.maximum(problem.least_gbps, min(1.0, held.held_at) * problem.most_gbps)
        # A scale above 1 is headroom for growth: load * growth + background <= limit * capacity.
        growth = max(1.0, held.held_at)
        return replace(
            problem,
            least_gbps=least,
            growth=growth,
            utilization_cap=problem.utilization_cap / growth,
            background_gbps=problem.background_gbps / growth,
        )
    if held.kind is StageKind.MAX_MIN:
        return replace(problem, least_gbps=np.maximum(problem.least_gbps, held_volumes(problem, held)))
    if held.kind is StageKind.ADMITTED and _is_bound(problem, held):
        mine = problem.instance.priority == held.priority
        return replace(problem, least_gbps=np.where(mine & problem.scope, problem.most_gbps, problem.least_gbps))
    return problem


def held_volumes(problem: StageProblem, held: Certificate) -> FloatArray:
    """Return what a max_min stage's commodities keep in later stages, Gbit/s at their peak, shape (K,), else 0.

    Whoever is in full stays so; the others may lose the stage's tolerance.
    """
    least = np.zeros(problem.instance.n_commodities)
    if held.fairness is not None:
        shares = fair_shares(problem.instance, problem.scope & (problem.instance.priority == held.priority))
        volume, tolerance = held.fairness.volume_gbps, problem.instance.model.stage(StageKind.MAX_MIN).tolerance
        if len(volume) != len(shares.commodities):
            # A plan file may say anything; the check finds fault with that elsewhere.
            return least
        least[shares.commodities] = np.where(shares.in_full(volume), volume, volume * (1.0 - tolerance))
    return least


def _is_bound(problem: StageProblem, held: Certificate) -> bool:
    """True when a hold is expressed by bounds on flows or loads and needs no row."""
    if held.kind is StageKind.ADMITTED:
        whole = float(problem.admitted_weight(held.priority) @ problem.most_gbps)
        return held.held_at >= FULL_SHARE * whole
    return held.kind in (StageKind.MAX_UTILIZATION, StageKind.CONCURRENT, StageKind.MAX_MIN)


def lagrangian_bound(problem: StageProblem, prices: Prices, oracle: PathOracle) -> float | None:
    """Return the bound that ``prices`` prove on the stage's objective, None when they prove nothing.

    It is a lower bound for ``max_utilization``, ``latency`` and ``cost``, an upper bound for ``admitted``,
    ``concurrent`` and ``max_min``, there on the level that all can have. Negative prices are read as 0.
    """
    if problem.kind is StageKind.MAX_MIN:
        price, room = priced_room(problem, prices, oracle)
        shares = fair_shares(instance := problem.instance, problem.scope & (instance.priority == problem.priority))
        return shares.highest_level(price[shares.commodities], room) if np.isfinite(room) else None
    prices = _clipped(prices)
    instance, commodities = problem.instance, np.flatnonzero(problem.scope)
    proven = [
        bound
        for unit_price, spared in _unit_prices(problem, prices, oracle, commodities)
        if (bound := _bound(problem, prices, _by_commodity(instance, commodities, unit_price), spared)) is not None
    ]
    tightest = min if problem.kind in VOLUME_STAGES else max
    return tightest(proven) if proven else None


def _by_commodity(instance: Instance, commodities: NDArray[np.intp], unit_price: FloatArray) -> FloatArray:
    price = np.full(instance.n_commodities, np.inf)
    price[commodities] = unit_price
    return price


def _bound(problem: StageProblem, prices: Prices, price: FloatArray, spared: float) -> float | None:
    """Return the bound where a unit of each commodity pays at least ``price`` (K,), all of them ``spared`` less."""
    instance = problem.instance
    commodities = np.flatnonzero(problem.scope)
    gain = np.zeros(instance.n_commodities)
    rhs = 0.0
    for index, held in problem.price_rows().items():
        multiplier = prices.held.get(index, 0.0)
        if held.kind is StageKind.ADMITTED:
            gain += multiplier * problem.admitted_weight(held.priority)
            rhs += multiplier * held.held_at
        else:
            rhs -= multiplier * held.held_at
    capacity = instance.topology.capacity_gbps
    priced_capacity = float((prices.capacity * capacity).sum())
    rhs += float((prices.capacity * problem.background_gbps).sum())
    for position, limit_prices in prices.class_limit.items():
        rhs -= float((limit_prices * capacity).sum()) * problem.class_limit(position)
    if problem.kind is StageKind.CONCURRENT:
        return _concurrent_bound(problem, price, priced_capacity, rhs, spared)
    if problem.kind is StageKind.ADMITTED:
        gain += problem.admitted_weight(problem.priority)
    reduced = price[commodities] - gain[commodities]
    least, most = problem.least_gbps[commodities], problem.most_gbps[commodities]
    # A commodity that need not be carried and has no path adds nothing; inf * 0 must not become nan.
    flow = np.where(reduced < 0, most, least)
    carried = flow > 0
    total = float((reduced[carried] * flow[carried]).sum()) - spared + rhs
    if problem.kind is StageKind.MAX_UTILIZATION:
        return total / priced_capacity if priced_capacity > 0 and np.isfinite(total) else None
    if priced_capacity > 0:
        total -= problem.utilization_cap * priced_capacity
    if not np.isfinite(total):
        return None
    # Adding 0 turns -0.0 into 0.0.
    return (-total if problem.kind is StageKind.ADMITTED else total) + 0.0


def _unit_prices(
    problem: StageProblem, prices: Prices, oracle: PathOracle, commodities: NDArray[np.intp]
) -> list[tuple[FloatArray, float]]:
    """Return what a unit of each commodity pays at least, (len(commodities),), and what may be off for all together.

    That is the price of its cheapest admissible path, or of all that its class's protection reserves; where there are
    several, each proves a bound.
    """
    if problem.protection is not None:
        return _protected_unit_prices(problem, prices, oracle, commodities)
    if problem.instance.n_matrices == 1:
        return [(oracle.prices(link_weights(problem, prices, commodities), commodities), 0.0)]
    # With several matrices every commodity sees prices of its own; not all of them fit into memory.
    price = np.empty(len(commodities))
    for first in range(0, len(commodities), _COMMODITIES_AT_ONCE):
        some = commodities[first : first + _COMMODITIES_AT_ONCE]
        price[first : first + len(some)] = oracle.prices(link_weights(problem, prices, some), some)
    return [(price, 0.0)]


def _protected_unit_prices(
    problem: StageProblem, prices: Prices, oracle: PathOracle, commodities: NDArray[np.intp]
) -> list[tuple[FloatArray, float]]:
    instance = problem.instance
    asked = prices.survival or NO_SURVIVAL_PRICES
    price = np.empty(len(commodities))
    for survival in survivals(oracle).values():
        mine = np.flatnonzero(instance.class_index[commodities] == survival.class_index)
        if len(mine):
            weight = weights_each(problem, prices, commodities[mine])
            if survival.class_index in (sets := route_sets(oracle)):
                price[mine] = sets[survival.class_index].cheapest(weight, commodities[mine]).price
                continue
            price[mine] = robust_unit_prices(survival, weight, asked, commodities[mine])
    for backups in backups_of(oracle).values():
        of_class = np.flatnonzero(instance.class_index[commodities] == backups.class_index)
        shared = scenario_prices(backups, prices.sharing, prices.capacity, prices.class_limit)
        for first in range(0, len(of_class), _COMMODITIES_AT_ONCE):
            mine = of_class[first : first + _COMMODITIES_AT_ONCE]
            weight = weights_each(problem, prices, commodities[mine])
            if backups.is_shared:
                price[mine] = cheapest_sharing_pairs(shared, weight, commodities[mine]).lower
            else:
                price[mine] = cheapest_pairs(backups, weight, commodities[mine]).lower
    together, spared = price.copy(), 0.0
    has_common = False
    for c, availability in availabilities(oracle).items():
        mine = np.flatnonzero(instance.class_index[commodities] == c)
        if len(mine):
            weight = weights_each(problem, prices, commodities[mine])
            price[mine], together[mine], worth = available_unit_prices(availability, weight, asked, commodities[mine])
            if availability.is_common:
                has_common = True
                by_state = csr_array((problem.most_gbps[commodities[mine]] @ worth)[None, :])
                spare = availability.spare[commodities[mine[:1]]]
                spared += float(most_spared(by_state, availability.probability, spare)[0])
    return [(price, 0.0), (together, spared)] if has_common else [(price, 0.0)]


def weights_each(problem: StageProblem, prices: Prices, commodities: NDArray[np.intp]) -> FloatArray:
    """Return what a unit of each commodity's peak flow pays on each link, (len(commodities), n_links)."""
    weight = link_weights(problem, prices, commodities)
    return weight if problem.instance.n_matrices > 1 else weight[problem.instance.class_index[commodities]]


def _concurrent_bound(
    problem: StageProblem, price: FloatArray, priced_capacity: float, rhs: float, spared: float
) -> float | None:
    """Every unit of the common scale costs at least sum d_k dist(k); the priced capacity is all there is to spend."""
    cost_of_scale = float((problem.most_gbps[problem.scope] * price[problem.scope]).sum()) - spared
    if not cost_of_scale > 0 or not np.isfinite(cost_of_scale):
        return None
    return (problem.utilization_cap * priced_capacity - rhs) / cost_of_scale


def priced_room(problem: StageProblem, prices: Prices, oracle: PathOracle) -> tuple[FloatArray, float]:
    """Return what a unit of each commodity of a max_min stage's priority pays at least, (K,), and what it can spend.

    However the volumes F are routed within the limits, the sum of price x F over the priority is at most the second:
    all the priced capacity, without what the background and the other priorities' least volumes pay. Prices and room
    are not finite where a commodity has no path.
    """
    prices = _clipped(prices)
    capacity = problem.instance.topology.capacity_gbps
    commodities = np.flatnonzero(problem.scope)
    price = np.zeros(problem.instance.n_commodities)
    price[commodities] = _unit_prices(problem, prices, oracle, commodities)[0][0]
    room = problem.utilization_cap * float((prices.capacity * capacity).sum())
    room -= float((prices.capacity * problem.background_gbps).sum())
    for position, limit_prices in prices.class_limit.items():
        room += float((limit_prices * capacity).sum()) * problem.class_limit(position)
    before = problem.least_gbps > 0
    before &= problem.instance.priority != problem.priority
    return price, room - float(price[before] @ problem.least_gbps[before])


def link_weights(problem: StageProblem, prices: Prices, commodities: NDArray[np.intp]) -> FloatArray:
    """Return what a unit of peak flow pays on each link.

    Shape (n_classes, n_links), or (len(commodities), n_links) when the instance has several matrices.
    """
    instance, topology = problem.instance, problem.instance.topology
    figure = stage_figure(topology, problem.kind, problem.figure)
    for index, held in problem.price_rows().items():
        if held.kind in (StageKind.LATENCY, StageKind.COST):
            figure = figure + prices.held.get(index, 0.0) * stage_figure(topology, held.kind, held.figure)
    per_class = np.stack(
        [prices.capacity + prices.class_limit.get(c, 0.0) for c in range(len(instance.rules))]
    )  # (n_classes, T, n_links)
    if instance.n_matrices == 1:
        return np.asarray(per_class[:, 0] + figure)
    weights = np.empty((len(commodities), len(topology.links)))
    for position, of_class in enumerate(per_class):
        mine = instance.class_index[commodities] == position
        weights[mine] = instance.load_ratio[:, commodities[mine]].T @ of_class
    return np.asarray(weights + problem.mean_ratio[commodities, None] * figure)


def _clipped(prices: Prices) -> Prices:
    return Prices(
        capacity=np.maximum(prices.capacity, 0.0),
        class_limit={c: np.maximum(p, 0.0) for c, p in prices.class_limit.items()},
        held={i: max(p, 0.0) for i, p in prices.held.items()},
        survival=prices.survival,
        sharing=prices.sharing,
    )


def stage_value(problem: StageProblem, plan: Plan) -> float:
    """Return what a plan reaches: admitted Gbit/s (weighted), MLU, scale, level, Gbit/s * ms, or cost.

    Values are means over the matrices for volumes, latency and cost, the worst case for utilisation and scale.
    """
    scope = problem.scope
    flow = plan.admitted_share * plan.instance.peak_gbps
    if problem.kind is StageKind.ADMITTED:
        return float(problem.admitted_weight(problem.priority) @ flow)
    if problem.kind is StageKind.CONCURRENT:
        return concurrent_scale(problem, plan)
    if problem.kind is StageKind.MAX_MIN:
        shares = fair_shares(plan.instance, scope & (plan.instance.priority == problem.priority))
        return shares.common_level(flow[shares.commodities])
    mine = scope[plan.paths.commodity]
    if problem.kind is StageKind.MAX_UTILIZATION:
        return _utilization_up_to(problem, plan)
    figure = stage_figure(plan.instance.topology, problem.kind, problem.figure)
    per_unit = plan.paths.sums(figure)
    if plan.backup_paths is not None:
        # Capacity that waits for one path alone is its own; shared room is nobody's.
        dedicated = is_dedicated(problem.protection)
        per_unit = per_unit + (plan.backup_paths.sums(figure) if dedicated else 0.0)
    per_unit = per_unit * problem.mean_ratio[plan.paths.commodity]
    return float((per_unit * plan.committed_gbps)[mine].sum())


def _loads_up_to(problem: StageProblem, plan: Plan) -> FloatArray:
    """Return the load of the stage's own commodities and those planned before them, (T, n_links)."""
    instance = plan.instance
    latest = instance.priority[problem.scope].max(initial=0)
    counted = [rules.policy.priority <= latest for rules in instance.rules]
    loads = plan.class_link_load_gbps if problem.protection is None else class_link_committed_gbps(plan)
    return np.asarray(loads[:, counted].sum(axis=1))


def _utilization_up_to(problem: StageProblem, plan: Plan) -> float:
    load, capacity = _loads_up_to(problem, plan), plan.instance.topology.capacity_gbps
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(load > 0, load / capacity, 0.0).max(initial=0.0))


def concurrent_scale(problem: StageProblem, plan: Plan) -> float:
    """Return the scale at which every demand of the stage is carried at once by the plan's splits.

    Below 1 it is the least admitted share; when all is admitted, but for a solver's rounding, the plan can grow until
    its fullest link is full.
    """
    share = float(plan.admitted_share[problem.scope].min(initial=1.0))
    if share < 1.0 - DEMAND_SLACK_SHARE:
        return share
    load = _loads_up_to(problem, plan) - problem.background_gbps
    room = problem.instance.model.utilization_limit * plan.instance.topology.capacity_gbps - problem.background_gbps
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(load > 1e-12, room / load, np.inf)
    planned = set(plan.instance.priority[problem.scope].tolist())
    most = plan.class_link_load_gbps if problem.protection is None else class_link_most_gbps(plan)
    for position, rules in enumerate(plan.instance.rules):
        limit = rules.policy.utilization_limit
        if limit is not None and rules.policy.priority in planned:
            of_class = most[:, position]
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(of_class > 1e-12, limit * plan.instance.topology.capacity_gbps / of_class, np.inf)
            growth = np.minimum(growth, ratio)
    return share * max(1.0, float(growth.min(initial=np.inf)))
