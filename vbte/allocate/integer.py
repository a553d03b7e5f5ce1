"""Splits that need integers: single paths, at most n paths, n equal bundles.

The linear relaxation over all admissible paths is solved first; it gives the bound and the columns. When its
solution already keeps the split rules it is the answer. Otherwise a MILP chooses among the columns found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array

from vbte.allocate.exact import StagedProgram, StageOutcome
from vbte.allocate.forms import Forms
from vbte.bounds import StageProblem
from vbte.formulation.constraints import Terms, joined, matrix_of
from vbte.formulation.layout import IndexArray, Layout
from vbte.formulation.program import stage_costs
from vbte.plan import Reason, Termination
from vbte.policy import Split, StageKind, TrafficClass
from vbte.solve import LinearProgram, solve
from vbte.tolerance import DUST_SHARE
from vbte.topology import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Choices:
    """Integer columns behind the program's: ``paths`` they speak of, their meaning, and upper bounds.

    ``unit`` (n,) is the flow that 1 stands for, in program units; ``exact`` marks bundles, whose flow is that many
    units, against choices, whose flow is at most that.
    """

    paths: IndexArray
    unit: FloatArray
    exact: BoolArray
    upper: FloatArray


def solve_with_integers(
    program: StagedProgram, relaxed: StageOutcome, forms: Forms, earlier: Sequence[StageOutcome] = ()
) -> StageOutcome:
    """Return the outcome of a stage under its classes' split rules; the relaxed outcome when none applies.

    ``earlier`` are the outcomes of the stages before: the last one is where the search may start.
    """
    if relaxed.primal is None or not forms.integer_classes:
        return relaxed
    problem = relaxed.problem
    most = _most_flow(program.layout, relaxed)
    if _keeps_splits(program, forms, relaxed.primal, most):
        return relaxed
    choices = _choices(program, most, problem.most_gbps[program.layout.commodities] / program.layout.unit_gbps)
    program.tools.progress(f"{problem.label}: integer program with {len(choices.paths)} choices")
    integer_program = _integer_program(program, choices)
    start = best_start(program, choices, relaxed, earlier)
    solution = solve(integer_program, program.tools.profile, program.tools.deadline, start=start)
    found = [point for point in (solution.primal, start) if point is not None]
    if not found:
        # The relaxation's prices still prove a bound; its flows are no plan.
        return replace(relaxed, value=None, primal=None, termination=solution.termination)
    best = min(found, key=lambda point: float(integer_program.cost @ point))
    termination = solution.termination
    if solution.primal is None:
        termination = Termination(Reason.FEASIBLE, termination.limit)
    primal = _rounded(program, choices, best)
    mip_bound = _mip_bound(program, problem, choices, solution.bound)
    value = program.value(problem, primal)
    return replace(relaxed, value=value, primal=primal, termination=termination, mip_bound=mip_bound)


def _most_flow(layout: Layout, relaxed: StageOutcome) -> FloatArray:
    """Return the most flow each commodity can have, by column order, in program units."""
    most = relaxed.problem.most_gbps[layout.commodities] / layout.unit_gbps
    if relaxed.problem.kind is StageKind.CONCURRENT and relaxed.primal is not None:
        return np.asarray(most * max(1.0, float(relaxed.primal[layout.scale_column])))
    return most


def _path_limit(policy: TrafficClass) -> int | None:
    return 1 if policy.split is Split.SINGLE_PATH else policy.max_paths


def _policies(program: StagedProgram) -> list[TrafficClass]:
    """Return the policy of each path column's class."""
    instance = program.layout.problem.instance
    return [instance.rules[c].policy for c in instance.class_index[program.paths.commodity]]


def _choices(program: StagedProgram, most: FloatArray, volume: FloatArray) -> Choices:
    """Return the integer columns: one choice per path where paths are limited, one bundle count per path.

    Bundles are parts of the demand itself, so a common scale stops at 1 where there are any.
    """
    rows: list[tuple[int, float, bool, float]] = []
    local = program.layout.local[program.paths.commodity]
    for path, policy in enumerate(_policies(program)):
        if _path_limit(policy) is not None:
            rows.append((path, float(most[local[path]]), False, 1.0))
        if policy.bundles is not None:
            rows.append((path, float(volume[local[path]]) / policy.bundles, True, float(policy.bundles)))
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return Choices(
        np.array(columns[0], dtype=np.intp),
        np.array(columns[1], dtype=np.float64),
        np.array(columns[2], dtype=np.bool_),
        np.array(columns[3], dtype=np.float64),
    )


def _integer_program(program: StagedProgram, choices: Choices) -> LinearProgram:
    """Split rules, added to the stage's program.

    Choice: flow[p] <= volume[k] * chosen[p], sum of chosen[p] over the paths of k <= n.
    Bundles: flow[p] = volume[k] / n * bundles[p], sum of bundles[p] over the paths of k <= n.
    """
    base, layout = program.session.program, program.layout
    n_new, n_rows = len(choices.paths), base.n_rows
    wide = base.with_columns(
        np.zeros(n_new), np.zeros(n_new), choices.upper, csc_array((n_rows, n_new), dtype=np.float64)
    )
    own_row, new_column = np.arange(n_new), base.n_columns + np.arange(n_new)
    link = joined(
        [
            Terms(own_row, layout.n_columns + choices.paths, np.ones(n_new)),
            Terms(own_row, new_column, -choices.unit),
        ]
    )
    wide = wide.with_rows(
        matrix_of(link, n_new, wide.n_columns), np.where(choices.exact, 0.0, -np.inf), np.zeros(n_new)
    )
    commodity = program.paths.commodity[choices.paths].astype(np.intp)
    counted, row = np.unique(commodity * 2 + choices.exact, return_inverse=True)
    first = np.array([int(np.flatnonzero(row == r)[0]) for r in range(len(counted))], dtype=np.intp)
    policies = _policies(program)
    most = [
        float(
            (policies[choices.paths[i]].bundles if choices.exact[i] else _path_limit(policies[choices.paths[i]])) or 1
        )
        for i in first
    ]
    wide = wide.with_rows(
        matrix_of(Terms(row, new_column, np.ones(n_new)), len(counted), wide.n_columns),
        np.full(len(counted), -np.inf),
        np.array(most),
    )
    integer = np.zeros(wide.n_columns, dtype=np.bool_)
    integer[new_column] = True
    return replace(wide, integer=integer)


def best_start(
    program: StagedProgram, choices: Choices, relaxed: StageOutcome, earlier: Sequence[StageOutcome]
) -> FloatArray | None:
    """Return a point of the integer program to start from, None when none is found.

    Two supports are tried: each commodity's fullest paths in the relaxation, and the paths of the last stage that had
    an integer answer. With the paths settled what is left is a linear program.
    """
    supports = []
    if relaxed.primal is not None and not choices.exact.any():
        supports.append(_fullest(program, relaxed.primal))
    solved = [outcome.primal for outcome in earlier if outcome.primal is not None]
    if solved:
        flow = np.zeros(len(program.paths))
        known = solved[-1][program.layout.n_columns :][: len(flow)]
        flow[: len(known)] = known
        supports.append(flow > 0)
    points = [_restricted(program, choices, support) for support in supports]
    found = [point for point in points if point is not None]
    cost = program.session.program.cost
    return min(found, key=lambda point: float(cost @ point[: len(cost)])) if found else None


def _fullest(program: StagedProgram, primal: FloatArray) -> BoolArray:
    """Return for each path whether it is among the fullest that its class's path limit allows, shape (P,)."""
    flow = primal[program.layout.n_columns :][: len(program.paths)]
    order = np.lexsort((-flow, program.paths.commodity))
    commodity = program.paths.commodity[order]
    first = np.searchsorted(commodity, commodity)
    limit = np.array([_path_limit(policy) or len(program.paths) for policy in _policies(program)])
    kept = np.zeros(len(program.paths), dtype=np.bool_)
    kept[order] = np.arange(len(order)) - first < limit[order]
    return kept


def _restricted(program: StagedProgram, choices: Choices, support: BoolArray) -> FloatArray | None:
    """Return the best point whose limited commodities use only the paths in ``support`` (P,), with its choices."""
    session, first = program.session, program.layout.n_columns
    lower, upper = session.program.lower, session.program.upper
    barred = np.zeros(len(program.paths), dtype=np.bool_)
    barred[choices.paths] = True
    closed = upper.copy()
    closed[first:][barred & ~support] = 0.0
    session.set_column_bounds(lower, closed)
    solution = session.solve()
    session.set_column_bounds(lower, upper)
    if solution.primal is None:
        return None
    flow = solution.primal[first:][choices.paths]
    counts = np.where(choices.exact, np.round(flow / choices.unit), flow > 0)
    if choices.exact.any() and np.abs(counts * choices.unit - flow)[choices.exact].max() > DUST_SHARE:
        return None
    return np.concatenate([solution.primal, counts])


def _keeps_splits(program: StagedProgram, forms: Forms, primal: FloatArray, most: FloatArray) -> bool:
    """True when a relaxed solution already keeps every split rule."""
    layout = program.layout
    flow = primal[layout.n_columns : layout.n_columns + len(program.paths)]
    local = layout.local[program.paths.commodity]
    used = np.bincount(local[flow > DUST_SHARE * most[local]], minlength=len(layout.commodities))
    instance = layout.problem.instance
    for c in forms.integer_classes:
        policy = instance.rules[c].policy
        mine = instance.class_index[layout.commodities] == c
        limit = _path_limit(policy)
        if limit is not None and used[mine].max(initial=0) > limit:
            return False
        if policy.bundles is not None:
            of_class = mine[local]
            bundles = flow[of_class] / most[local[of_class]] * policy.bundles
            if np.abs(bundles - np.round(bundles)).max(initial=0.0) > DUST_SHARE:
                return False
    return True


def _rounded(program: StagedProgram, choices: Choices, primal: FloatArray) -> FloatArray:
    """Return the primal with integers taken as such: no flow on paths not chosen, whole bundles, totals to match."""
    layout = program.layout
    primal = primal.copy()
    counts = np.round(primal[len(primal) - len(choices.paths) :])
    primal = primal[: len(primal) - len(choices.paths)]
    column = layout.n_columns + choices.paths
    primal[column[~choices.exact & (counts == 0)]] = 0.0
    primal[column[choices.exact]] = (counts * choices.unit)[choices.exact]
    flow = primal[layout.n_columns :]
    total = np.bincount(layout.local[program.paths.commodity], weights=flow, minlength=len(layout.commodities))
    if primal[layout.scale_column] == 0.0:
        primal[layout.path_commodities] = total[layout.path_commodities]
    return primal


def _mip_bound(
    program: StagedProgram, problem: StageProblem, choices: Choices, objective: float | None
) -> float | None:
    """Return the solver's bound on the stage's value, None where it has none to offer."""
    if objective is None or not np.isfinite(objective):
        return None
    if problem.kind is StageKind.CONCURRENT and choices.exact.any():
        # Bundles stop the scale at 1, and the finished plan may well have room to grow beyond that.
        return None
    return in_true_units(program, problem, objective)


def in_true_units(program: StagedProgram, problem: StageProblem, objective: float) -> float:
    """Return the solver's bound on its objective as a bound on the stage's value."""
    layout = program.layout
    if problem.kind is StageKind.MAX_UTILIZATION:
        return objective / layout.n_links / layout.mean_capacity
    costs, factor = stage_costs(layout, problem, program.paths)
    if problem.kind is StageKind.CONCURRENT:
        return objective / float(costs[layout.scale_column])
    return abs(objective) * factor * layout.unit_gbps
