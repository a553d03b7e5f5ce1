"""Splits that need integers: single paths, at most n paths, n equal bundles.

The linear relaxation over all admissible paths is solved first; it gives the bound and the columns. When its
solution already keeps the split rules it is the answer. Otherwise a MILP chooses among the columns found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array

from vbte.allocate.exact import StagedProgram, StageOutcome
from vbte.allocate.forms import Forms
from vbte.bounds import StageProblem
from vbte.formulation.constraints import Terms, joined, matrix_of
from vbte.formulation.layout import IndexArray, Layout
from vbte.formulation.program import stage_costs
from vbte.policy import Split, StageKind, TrafficClass
from vbte.solve import LinearProgram, solve
from vbte.tolerance import DUST_SHARE
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class Choices:
    """Integer columns behind the program's: ``paths`` they speak of, their meaning, and upper bounds.

    ``unit`` (n,) is the flow that 1 stands for, in program units; ``exact`` marks bundles, whose flow is that many
    units, against choices, whose flow is at most that.
    """

    paths: IndexArray
    unit: FloatArray
    exact: np.ndarray[tuple[int], np.dtype[np.bool_]]
    upper: FloatArray


def solve_with_integers(program: StagedProgram, relaxed: StageOutcome, forms: Forms) -> StageOutcome:
    """Return the outcome of a stage under its classes' split rules; the relaxed outcome when none applies."""
    if relaxed.primal is None or not forms.integer_classes:
        return relaxed
    layout, problem = program.layout, relaxed.problem
    most = _most_flow(layout, relaxed)
    choices = _choices(program, most)
    if _keeps_splits(program, forms, relaxed.primal, most):
        return relaxed
    program.tools.progress(f"{problem.label}: integer program with {len(choices.paths)} choices")
    solution = solve(_integer_program(program, choices), program.tools.profile, program.tools.deadline)
    if solution.primal is None:
        # The relaxation's prices still prove a bound; its flows are no plan.
        return replace(relaxed, value=None, primal=None, termination=solution.termination)
    primal = _rounded(program, choices, solution.primal)
    value = program.value(problem, primal)
    mip_bound = None if solution.bound is None else _in_true_units(layout, problem, program, solution.bound)
    return replace(relaxed, value=value, primal=primal, termination=solution.termination, mip_bound=mip_bound)


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


def _choices(program: StagedProgram, most: FloatArray) -> Choices:
    """Return the integer columns: one choice per path where paths are limited, one bundle count per path."""
    rows: list[tuple[int, float, bool, float]] = []
    local = program.layout.local[program.paths.commodity]
    for path, policy in enumerate(_policies(program)):
        if _path_limit(policy) is not None:
            rows.append((path, float(most[local[path]]), False, 1.0))
        if policy.bundles is not None:
            rows.append((path, float(most[local[path]]) / policy.bundles, True, float(policy.bundles)))
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


def _in_true_units(layout: Layout, problem: StageProblem, program: StagedProgram, objective: float) -> float:
    """Return the solver's bound on its objective as a bound on the stage's value."""
    if problem.kind is StageKind.MAX_UTILIZATION:
        return objective / layout.n_links / layout.mean_capacity
    costs, factor = stage_costs(layout, problem, program.paths)
    if problem.kind is StageKind.CONCURRENT:
        return objective / float(costs[layout.scale_column])
    return abs(objective) * factor * layout.unit_gbps
