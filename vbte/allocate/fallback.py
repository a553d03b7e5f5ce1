"""What to return when the solver was stopped before it had anything: a plain plan and an honest gap."""

from __future__ import annotations

import numpy as np

from vbte.bounds import StageProblem, lagrangian_bound
from vbte.errors import SolverError
from vbte.oracle import PathOracle
from vbte.plan import PathSet, Plan, Prices, Termination
from vbte.policy import VOLUME_STAGES, Admission, CapacityRule, StageKind
from vbte.topology import FloatArray

#: Steepness of the price guesses: price of a link grows as exp(steepness * utilisation).
STEEPNESS = (0.0, 1.0, 4.0, 16.0, 64.0)

#: Scales tried for prices where their size matters (admitted volume).
PRICE_SCALES = (0.0, 0.1, 0.3, 0.5, 1.0)


def shortest_path_flows(problem: StageProblem, shortest: PathSet, termination: Termination) -> FloatArray:
    """Return the flow of each path of ``shortest`` (one per commodity) that keeps every hard limit, in Gbit/s.

    Higher priorities go first; a demand gets the least share that fits on its path. Raises SolverError when all
    demands must be carried within hard limits, since nothing then says that they would fit.
    """
    model = problem.instance.model
    limited = any(rules.policy.utilization_limit is not None for rules in problem.instance.rules)
    if model.admission is Admission.ALL:
        if model.capacity is CapacityRule.HARD or limited:
            raise SolverError(f"the solver stopped with no plan in hand ({termination.reason}, {termination.limit})")
        return np.where(problem.scope, problem.most_gbps, 0.0)[shortest.commodity]
    return _fitted(problem, shortest)


def _fitted(problem: StageProblem, shortest: PathSet) -> FloatArray:
    """Scale all demands of one priority by the largest common share that fits on each path."""
    instance = problem.instance
    capacity = instance.topology.capacity_gbps
    room = problem.utilization_cap * capacity - problem.background_gbps
    flow = np.zeros(len(shortest))
    class_of = instance.class_index[shortest.commodity]
    owner = np.repeat(np.arange(len(shortest)), shortest.hops)
    for priority in instance.priorities:
        mine = (instance.priority[shortest.commodity] == priority) & problem.scope[shortest.commodity]
        wanted = np.where(mine, problem.most_gbps[shortest.commodity], 0.0)
        share = np.ones(len(shortest))
        limits = [(np.ones(len(shortest), dtype=np.bool_), room)]
        for position, rules in enumerate(instance.rules):
            if rules.policy.utilization_limit is not None:
                of_class = np.tile(rules.policy.utilization_limit * capacity, (instance.n_matrices, 1))
                limits.append((class_of == position, of_class))
        for counted, available in limits:
            link_share = _least_link_share(problem, shortest, wanted * counted, available)
            path_share = np.ones(len(shortest))
            np.minimum.at(path_share, owner, link_share[shortest.links])
            share = np.where(counted, np.minimum(share, path_share), share)
        flow += wanted * share
        room = np.maximum(room - _loads(problem, shortest, wanted * share), 0.0)
    return flow


def _loads(problem: StageProblem, paths: PathSet, flow: FloatArray) -> FloatArray:
    n_links = len(problem.instance.topology.links)
    owner = np.repeat(np.arange(len(paths)), paths.hops)
    rows = [
        np.bincount(paths.links, weights=(flow * ratio[paths.commodity])[owner], minlength=n_links)
        for ratio in problem.instance.load_ratio
    ]
    return np.stack(rows)


def _least_link_share(problem: StageProblem, paths: PathSet, wanted: FloatArray, available: FloatArray) -> FloatArray:
    """Return per link the share of the wanted load that fits in every matrix, shape (n_links,)."""
    load = _loads(problem, paths, wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(load > 0, np.maximum(available, 0.0) / load, 1.0)
    return np.asarray(np.minimum(share, 1.0).min(axis=0))


def guessed_prices(problem: StageProblem, plan: Plan, oracle: PathOracle) -> tuple[Prices | None, float | None]:
    """Return prices guessed from a plan's utilisations and the best bound they prove.

    For stages that the solver did not finish: any prices prove a bound, these are merely not the best ones.
    """
    capacity = np.where(plan.instance.topology.capacity_gbps > 0, plan.instance.topology.capacity_gbps, np.inf)
    utilization = plan.utilization / max(plan.max_utilization, 1e-12)
    best: tuple[Prices | None, float | None] = (None, None)
    more_is_better = problem.kind in VOLUME_STAGES
    scales = PRICE_SCALES if problem.kind is StageKind.ADMITTED else (1.0,)
    for steepness in STEEPNESS:
        shape = np.exp(steepness * (utilization - 1.0))
        for scale in scales:
            per_link = shape if problem.kind is StageKind.ADMITTED else shape / capacity
            prices = Prices(capacity=np.zeros_like(shape) if _flow_stage(problem) else scale * per_link)
            bound = lagrangian_bound(problem, prices, oracle)
            if bound is not None and (best[1] is None or (bound < best[1] if more_is_better else bound > best[1])):
                best = (prices, bound)
    return best


def _flow_stage(problem: StageProblem) -> bool:
    """True for stages where free links already give a bound: every demand on its best path."""
    return problem.kind in (StageKind.LATENCY, StageKind.COST)
