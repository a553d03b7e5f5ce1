"""Runs a planning model's stages and proves the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from vbte.allocate.exact import Progress, StagedProgram, StageOutcome, Tools, path_flows
from vbte.allocate.fallback import guessed_prices, shortest_path_flows
from vbte.allocate.forms import Forms, all_paths, choose_forms, distinct_paths, first_paths
from vbte.allocate.integer import solve_with_integers
from vbte.allocate.max_min import solve_max_min, with_fairness
from vbte.allocate.settle import settle
from vbte.bounds import (
    FULL_SHARE,
    StageEntry,
    StageProblem,
    lagrangian_bound,
    stage_problem,
    stage_sequence,
    stage_value,
)
from vbte.formulation.layout import build_layout
from vbte.formulation.program import NO_PATHS
from vbte.instance import Instance
from vbte.oracle import PathOracle, merged_paths, routable
from vbte.plan import Certificate, EngineReport, Limit, PathSet, Plan, Reason, Termination
from vbte.policy import VOLUME_STAGES, Admission, CapacityRule, StageKind
from vbte.solve import Deadline, SolverProfile
from vbte.tolerance import OPTIMALITY_GAP_SHARE


def allocate(
    instance: Instance, profile: SolverProfile, *, progress: Progress | None = None, deadline: Deadline | None = None
) -> Plan:
    """Return a plan for the instance with a certificate for every stage.

    Raises InputError for demands no path can serve, InfeasibleError when demands and limits clash, SolverError when
    the solver gives nothing usable.
    """
    oracle, shortest = routable(instance)
    tools = Tools(oracle, profile, deadline or Deadline(profile.time_limit_s), progress or (lambda _: None))
    plan = _empty_plan(oracle.instance, profile)
    for _, entries in groupby(stage_sequence(oracle.instance), key=lambda entry: entry[2]):
        plan = _plan_together(tools, plan, list(entries), shortest)
    certificates = _certified(plan, oracle)
    return replace(plan, certificates=certificates, termination=_overall(certificates))


def _empty_plan(instance: Instance, profile: SolverProfile) -> Plan:
    solver = profile.solver or str(profile.backend)
    report = EngineReport("exact", solver, forms={}, rows=0, columns=0)
    return Plan(instance, NO_PATHS, np.empty(0), (), Termination(Reason.ERROR), report)


def _plan_together(tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet) -> Plan:
    """Solve the stages of classes that are planned together; return the plan with their flows and holds added."""
    instance, loads = plan.instance, plan.class_link_load_gbps
    problem = stage_problem(instance, entries[0], plan.certificates, loads)
    forms = choose_forms(problem, tools.oracle)
    program = _program(tools, problem, forms, shortest)
    if _may_not_fit(problem):
        program.require_feasible(problem)
    reference = None if program.generates else _reference(tools, problem, program.paths, shortest)
    held = list(plan.certificates)
    outcomes: list[StageOutcome] = []
    for entry in entries:
        stage = stage_problem(instance, entry, tuple(held), loads)
        if outcomes and outcomes[-1].value is None:
            outcomes.append(StageOutcome(stage, None, None, None, outcomes[-1].termination))
        else:
            tools.progress(f"stage {stage.label}")
            solved = solve_max_min(program, stage) if stage.kind is StageKind.MAX_MIN else program.solve_stage(stage)
            outcome = solve_with_integers(program, solved, forms, outcomes)
            if reference is not None and outcome.value is not None and outcome.fairness is None:
                outcome = replace(outcome, prices=reference.solve_stage(stage).prices)
            outcomes.append(outcome)
        held.append(_held(stage, outcomes[-1], entry[0].tolerance))
    plan = _with_flows(tools, plan, program, outcomes, shortest)
    return replace(plan, certificates=tuple(held), engine=_reported(plan, program, forms))


def _program(tools: Tools, problem: StageProblem, forms: Forms, shortest: PathSet) -> StagedProgram:
    layout = build_layout(problem, tools.oracle, forms.path_classes)
    tools.progress(f"{layout.n_rows} rows, {layout.n_columns} columns")
    return StagedProgram(tools, layout, first_paths(problem, tools.oracle, shortest, forms), forms.generated)


def _reference(tools: Tools, problem: StageProblem, candidates: PathSet, shortest: PathSet) -> StagedProgram:
    """Return the program over all admissible paths, where a candidate set gets the prices that prove its bound.

    It starts from the candidates as well: what they can carry it must be able to carry.
    """
    return _program(tools, problem, all_paths(problem, tools.oracle), distinct_paths([shortest, candidates]))


def _may_not_fit(problem: StageProblem) -> bool:
    """True when every demand has to be carried within limits that may be too small."""
    model = problem.instance.model
    limited = any(rules.policy.utilization_limit is not None for rules in problem.instance.rules)
    return model.admission is Admission.ALL and (model.capacity is CapacityRule.HARD or limited)


def _held(problem: StageProblem, outcome: StageOutcome, tolerance: float) -> Certificate:
    """Return a certificate that is good for holding the stage; its bound is proven when the plan is done."""
    value = level = np.nan if outcome.value is None else outcome.value
    level *= 1.0 - tolerance if problem.kind in VOLUME_STAGES else 1.0 + tolerance
    if problem.kind is StageKind.ADMITTED:
        whole = float(problem.admitted_weight(problem.priority) @ problem.most_gbps)
        level = whole if value >= FULL_SHARE * whole else level
    return Certificate(
        problem.label, problem.kind, problem.figure, problem.priority, value, None, value, level,
        outcome.prices, outcome.termination, outcome.mip_bound, outcome.fairness,
    )  # fmt: skip


def _with_flows(
    tools: Tools, plan: Plan, program: StagedProgram, outcomes: Sequence[StageOutcome], shortest: PathSet
) -> Plan:
    """Return the plan with the flows of the last stage that gave any, or of shortest paths when none did."""
    problem = outcomes[0].problem
    solved = [outcome for outcome in outcomes if outcome.primal is not None]
    if solved:
        paths, flow = path_flows(program, solved[-1])
        admitted = program.admitted_gbps(solved[-1])
    else:
        tools.progress("the solver gave nothing: shortest paths take its place")
        paths, flow = shortest, shortest_path_flows(problem, shortest, outcomes[0].termination)
        admitted = np.bincount(paths.commodity, weights=flow, minlength=plan.instance.n_commodities).astype(np.float64)
    paths, flow = settle(tools.oracle, paths, flow, np.where(problem.scope, admitted, 0.0))
    order = np.argsort(np.concatenate([plan.paths.commodity, paths.commodity]), kind="stable")
    flows = np.concatenate([plan.flow_gbps, flow])[order]
    return replace(plan, paths=merged_paths([plan.paths, paths]), flow_gbps=flows)


def _reported(plan: Plan, program: StagedProgram, forms: Forms) -> EngineReport:
    before, size = plan.engine, program.session.program
    return replace(
        before,
        forms={**before.forms, **forms.names(plan.instance, program.layout.problem.scope)},
        rows=max(before.rows, size.n_rows),
        columns=max(before.columns, size.n_columns),
        columns_generated=before.columns_generated + program.columns_generated,
    )


def _certified(plan: Plan, oracle: PathOracle) -> tuple[Certificate, ...]:
    """Return the certificates: values read off the finished plan, bounds proven by the stages' prices.

    A stage the solver did not finish gets the best bound that guessed prices prove.
    """
    loads = plan.class_link_load_gbps
    certificates: list[Certificate] = []
    for entry, known in zip(stage_sequence(plan.instance), plan.certificates, strict=True):
        problem = stage_problem(plan.instance, entry, tuple(certificates), loads)
        value = stage_value(problem, plan)
        prices = known.prices
        bound = lagrangian_bound(problem, prices, oracle) if prices is not None else None
        if bound is None:
            prices, bound = guessed_prices(problem, plan, oracle)
        if np.isnan(known.reached):
            known = replace(known, reached=value, held_at=value)
        if problem.kind is StageKind.MAX_MIN:
            known = with_fairness(problem, known, plan, oracle)
        certificates.append(replace(known, value=value, bound=bound, prices=prices))
    return tuple(certificates)


def _overall(certificates: Sequence[Certificate]) -> Termination:
    """Return optimal only when every stage is proven to be; the limit is the first that struck."""
    limits = [c.termination.limit for c in certificates if c.termination.limit is not Limit.NONE]
    proven = all(c.gap is not None and c.gap <= OPTIMALITY_GAP_SHARE for c in certificates)
    return Termination(Reason.OPTIMAL if proven else Reason.FEASIBLE, limits[0] if limits else Limit.NONE)
