"""Runs a planning model's stages and proves the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from vbte.allocate.certify import certified, overall
from vbte.allocate.exact import Progress, StagedProgram, StageOutcome, Tools, path_flows
from vbte.allocate.fallback import shortest_path_flows
from vbte.allocate.forms import Forms, all_paths, choose_forms, distinct_paths, first_paths
from vbte.allocate.integer import solve_with_integers
from vbte.allocate.max_min import solve_max_min
from vbte.allocate.priced.engine import plan_by_prices
from vbte.allocate.priced.fair import plan_fairly
from vbte.allocate.priced.scope import n_link_flows, unsupported
from vbte.allocate.protected.available_sets import solve_with_states
from vbte.allocate.protected.promise import Kept
from vbte.allocate.settle import settle
from vbte.bounds import FULL_SHARE, StageEntry, StageProblem, loads_before, stage_problem, stage_sequence
from vbte.errors import InputError, SolverError
from vbte.formulation.layout import build_layout
from vbte.formulation.program import NO_PATHS
from vbte.instance import Instance
from vbte.oracle import joined_rows, routable, select_paths, without_links
from vbte.plan import Certificate, EngineReport, PathSet, Plan, Reason, Termination
from vbte.policy import VOLUME_STAGES, Admission, CapacityRule, StageKind
from vbte.solve import Deadline, Engine, SolverProfile

#: Link flows beyond which one program for all demands takes minutes, and link prices take over (see bench/README.md).
EXACT_LINK_FLOWS = 120_000

#: The same for max_min stages, which take a program for each level.
EXACT_FAIR_LINK_FLOWS = 20_000


def allocate(
    instance: Instance,
    profile: SolverProfile,
    *,
    progress: Progress | None = None,
    deadline: Deadline | None = None,
    previous: Plan | None = None,
) -> Plan:
    """Return a plan for the instance with a certificate for every stage.

    The price-directed engine starts from the paths and prices of a ``previous`` plan, if there is one.

    Raises InputError for demands no path can serve and for models that the engine asked for can't do, InfeasibleError
    when demands and limits clash, SolverError when the solver gives nothing usable.
    """
    oracle, shortest = routable(instance)
    tools = Tools(oracle, profile, deadline or Deadline(profile.time_limit_s), progress or (lambda _: None))
    plan = empty_plan(oracle.instance, profile)
    for _, grouped in groupby(stage_sequence(oracle.instance), key=lambda entry: entry[2]):
        entries = list(grouped)
        problem = stage_problem(plan.instance, entries[0], plan.certificates, loads_before(plan, entries[0]))
        if by_prices(problem, tools):
            plan = _plan_by_prices(tools, plan, entries, shortest, previous)
        else:
            if previous is not None:
                tools.progress("the exact engine starts afresh: the previous plan is not used")
            plan = plan_together(tools, plan, entries, shortest)
    certificates = certified(plan, oracle)
    return replace(plan, certificates=certificates, termination=overall(certificates))


def by_prices(problem: StageProblem, tools: Tools) -> bool:
    """Tell whether the price-directed engine plans the stages of classes planned together.

    Raises InputError if it was asked for and can't.
    """
    engine = tools.profile.engine
    if engine is Engine.EXACT:
        return False
    lacking = unsupported(problem)
    if engine is Engine.AUTO:
        fair = any(stage.kind is StageKind.MAX_MIN for stage in problem.instance.model.stages)
        most = EXACT_FAIR_LINK_FLOWS if fair else EXACT_LINK_FLOWS
        return lacking is None and n_link_flows(problem, tools.oracle) > most
    if lacking is not None:
        raise InputError(
            f"the price-directed engine can't do this: {lacking}",
            place=f"solver profile {tools.profile.name!r}",
            remedy="say `engine: exact` or `engine: auto` (or --engine), or change the model",
        )
    return True


def _plan_by_prices(
    tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet, previous: Plan | None
) -> Plan:
    """Plan by link prices. What has to be carried in full, and could not be, is left to the exact engine."""
    try:
        if any(stage.kind is StageKind.MAX_MIN for stage, _, _ in entries):
            plan = plan_fairly(tools, plan, entries, shortest)
        else:
            plan = plan_by_prices(tools, plan, entries, shortest, gap=tools.profile.gap, previous=previous)
    except SolverError as error:
        if tools.deadline.remaining_s <= 0:
            raise
        tools.progress(f"{error}: the exact engine takes over")
        return plan_together(tools, plan, entries, shortest)
    instance = plan.instance
    present = np.unique(instance.class_index[np.isin(instance.priority, entries[0][2])]).tolist()
    forms = {instance.rules[c].policy.name: "near-shortest links by destination" for c in present}
    report = replace(
        plan.engine,
        engine=str(Engine.PRICE_DIRECTED),
        forms={**plan.engine.forms, **forms},
        gap=tools.profile.gap,
    )
    return replace(plan, engine=report)


def empty_plan(instance: Instance, profile: SolverProfile) -> Plan:
    """Return a plan that carries nothing yet."""
    solver = profile.solver or str(profile.backend)
    report = EngineReport(str(Engine.EXACT), solver, forms={}, rows=0, columns=0)
    return Plan(instance, NO_PATHS, np.empty(0), (), Termination(Reason.ERROR), report)


def plan_together(tools: Tools, plan: Plan, entries: Sequence[StageEntry], shortest: PathSet) -> Plan:
    """Solve the stages of classes that are planned together; return the plan with their flows and holds added."""
    instance, loads = plan.instance, loads_before(plan, entries[0])
    problem = stage_problem(instance, entries[0], plan.certificates, loads, tools.released)
    forms = choose_forms(problem, tools.oracle)
    program = _program(tools, problem, forms, shortest)
    if _may_not_fit(problem):
        program.require_feasible(problem)
    reference = None if program.generates else _reference(tools, problem, program.paths, shortest)
    held = list(plan.certificates)
    outcomes: list[StageOutcome] = []
    for entry in entries:
        stage = stage_problem(instance, entry, tuple(held), loads, tools.released)
        if outcomes and outcomes[-1].value is None:
            outcomes.append(StageOutcome(stage, None, None, None, outcomes[-1].termination))
        else:
            tools.progress(f"stage {stage.label}")
            solved = solve_max_min(program, stage) if stage.kind is StageKind.MAX_MIN else program.solve_stage(stage)
            outcome = solve_with_integers(program, solve_with_states(program, solved), forms, outcomes)
            if reference is not None and outcome.value is not None and outcome.fairness is None:
                outcome = replace(outcome, prices=reference.solve_stage(stage).prices)
            outcomes.append(outcome)
        held.append(_held(stage, outcomes[-1], entry[0].tolerance))
    plan = _with_flows(tools, plan, program, outcomes, shortest)
    return replace(plan, certificates=tuple(held), engine=_reported(plan, program, forms))


def _program(tools: Tools, problem: StageProblem, forms: Forms, shortest: PathSet) -> StagedProgram:
    layout = build_layout(problem, tools.oracle, forms.path_classes)
    tools.progress(f"{layout.n_rows} rows, {layout.n_columns} columns")
    first = first_paths(problem, tools.oracle, shortest, forms)
    return StagedProgram(tools, layout, first, forms.generated)


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
        paths = shortest if program.promise is None else program.first
        flow = shortest_path_flows(problem, paths, outcomes[0].termination)
        admitted = np.bincount(paths.commodity, weights=flow, minlength=plan.instance.n_commodities).astype(np.float64)
    admitted = np.where(problem.scope, admitted, 0.0)
    if program.promise is not None:
        return _added(plan, program.promise.kept(tools.oracle, paths, flow, admitted))
    paths, flow = settle(tools.oracle, paths, flow, admitted)
    return _added(plan, Kept(paths, flow, flow))


def _added(plan: Plan, kept: Kept) -> Plan:
    """Return the plan with paths, flows, reservations and backups of classes planned together added."""
    order = np.argsort(np.concatenate([plan.paths.commodity, kept.paths.commodity]), kind="stable")
    backups = None
    if plan.backup_paths is not None or kept.backups is not None:
        both = (plan.backup_paths or without_links(plan.paths), kept.backups or without_links(kept.paths))
        backups = select_paths(joined_rows(both), order)
    return replace(
        plan,
        paths=select_paths(joined_rows([plan.paths, kept.paths]), order),
        flow_gbps=np.concatenate([plan.flow_gbps, kept.flow_gbps])[order],
        reserved_gbps=np.concatenate([plan.committed_gbps, kept.reserved_gbps])[order] if _is_protected(plan) else None,
        backup_paths=backups,
    )


def _is_protected(plan: Plan) -> bool:
    """True when any class of the model is protected: paths then have reservations of their own."""
    return any(rules.policy.protection is not None for rules in plan.instance.rules)


def _reported(plan: Plan, program: StagedProgram, forms: Forms) -> EngineReport:
    before, size = plan.engine, program.session.program
    return replace(
        before,
        forms={**before.forms, **forms.names(plan.instance, program.layout.problem.scope)},
        rows=max(before.rows, size.n_rows),
        columns=max(before.columns, size.n_columns),
        columns_generated=before.columns_generated + program.columns_generated,
    )
