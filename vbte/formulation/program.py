"""The program of a stage, put together from its constraint families."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array

from vbte.bounds import StageProblem
from vbte.formulation.constraints import (
    Terms,
    class_limits,
    conservation,
    flow_figures,
    joined,
    link_capacity,
    matrix_of,
    path_columns,
    path_demand,
    scaled_figure,
)
from vbte.formulation.layout import Layout
from vbte.plan import PathSet, Prices
from vbte.policy import StageKind
from vbte.protection.availability import is_available
from vbte.protection.survival import is_robust
from vbte.solve import LinearProgram
from vbte.topology import FloatArray

NO_PATHS = PathSet(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))


def build_program(layout: Layout, paths: PathSet = NO_PATHS, worth: FloatArray | None = None) -> LinearProgram:
    """Return the program without what differs between stages: objective 0 and no rows that hold earlier stages.

    A unit of each path column admits ``worth`` (P,), one unit where that is None.
    """
    families = [link_capacity(layout), class_limits(layout), path_demand(layout)]
    families += [conservation(layout, block) for block in layout.link_flows]
    base = matrix_of(joined(families), layout.n_rows, layout.n_columns)
    lower, upper = column_bounds(layout, layout.problem)
    row_lower, row_upper = row_bounds(layout, layout.problem)
    program = LinearProgram(np.zeros(layout.n_columns), lower, upper, base, row_lower, row_upper)
    if not len(paths):
        return program
    n_paths = len(paths)
    columns = matrix_of(path_columns(layout, paths, worth), layout.n_rows, n_paths)
    return program.with_columns(np.zeros(n_paths), np.zeros(n_paths), np.full(n_paths, np.inf), columns)


def row_bounds(layout: Layout, problem: StageProblem) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds of all rows but the holds for one stage."""
    instance = problem.instance
    lower, upper = np.zeros(layout.n_rows), np.zeros(layout.n_rows)
    size = layout.n_matrices * layout.n_links
    inequalities = size * (1 + len(layout.limited_classes))
    lower[:inequalities] = -np.inf
    upper[:size] = -problem.background_gbps.reshape(-1) / layout.unit_gbps
    capacity = instance.topology.capacity_gbps / layout.unit_gbps
    for position, class_index in enumerate(layout.limited_classes):
        first = layout.class_limit_row(position)
        upper[first : first + size] = np.tile(problem.class_limit(class_index) * capacity, layout.n_matrices)
        if class_index in problem.class_background_gbps:
            used = problem.class_background_gbps[class_index] / (problem.growth * layout.unit_gbps)
            upper[first : first + size] = np.maximum(upper[first : first + size] - used.reshape(-1), 0.0)
    if is_robust(problem.protection) or is_available(problem.protection):
        # More may be reserved than is admitted.
        upper[layout.path_row[layout.path_commodities]] = np.inf
    return lower, upper


def column_bounds(layout: Layout, problem: StageProblem, n_paths: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds of all columns for one stage.

    Admitted flow within the problem's least and most; U fixed at the cap, free below it in a ``max_utilization``
    stage; lambda free in a ``concurrent`` stage, which scales whole demands and so admits nothing beside it.
    """
    lower = np.zeros(layout.n_columns + n_paths)
    upper = np.full(layout.n_columns + n_paths, np.inf)
    n = len(layout.commodities)
    lower[:n] = problem.least_gbps[layout.commodities] / layout.unit_gbps
    upper[:n] = problem.most_gbps[layout.commodities] / layout.unit_gbps
    concurrent = problem.kind is StageKind.CONCURRENT
    if concurrent:
        lower[:n] = upper[:n] = 0.0
    cap = problem.utilization_cap * layout.mean_capacity
    upper[layout.utilization_column] = cap
    if problem.kind is not StageKind.MAX_UTILIZATION and np.isfinite(cap):
        lower[layout.utilization_column] = cap
    upper[layout.scale_column] = np.inf if concurrent else 0.0
    upper[layout.elastic_column] = 0.0
    for block in layout.link_flows:
        # Flow out of the destination could only come back to it.
        leaves = (block.graph.tail[None, :] == block.destinations[:, None]).reshape(-1)
        upper[block.first_column : block.first_column + block.n_columns][leaves] = 0.0
    return lower, upper


def stage_costs(layout: Layout, problem: StageProblem, paths: PathSet) -> tuple[FloatArray, float]:
    """Return the objective of a stage (to be minimised) and the factor from solver prices to true ones.

    Costs are scaled so that prices are of order 1, where the solver's absolute dual tolerance makes sense.
    """
    costs = np.zeros(layout.n_columns + len(paths))
    if problem.kind is StageKind.MAX_UTILIZATION:
        costs[layout.utilization_column] = float(layout.n_links)
        return costs, 1.0
    if problem.kind is StageKind.CONCURRENT:
        costs[layout.scale_column] = -float((problem.most_gbps[layout.commodities]).sum() / layout.unit_gbps)
        return costs, 1.0
    if problem.kind is StageKind.ADMITTED:
        costs[: len(layout.commodities)] = -problem.admitted_weight(problem.priority)[layout.commodities]
        return costs, 1.0
    figure, scale = scaled_figure(problem, problem)
    return flow_figures(layout, figure / scale, paths), scale


def feasibility_costs(layout: Layout, problem: StageProblem, n_paths: int) -> FloatArray:
    """Return the objective of the search for a feasible start: utilisation, where it is capped, and class excess."""
    costs = np.zeros(layout.n_columns + n_paths)
    costs[layout.elastic_column] = float(layout.n_links)
    # Without a cap any utilisation will do, and none may be bought with an excess of a class.
    costs[layout.utilization_column] = float(layout.n_links) if np.isfinite(problem.utilization_cap) else 0.0
    return costs


def prices_from_duals(
    layout: Layout, problem: StageProblem, row_dual: FloatArray, factor: float, hold_rows: dict[int, tuple[int, float]]
) -> Prices:
    """Return link prices from row duals. ``hold_rows`` maps certificate index to (row, scale of that row)."""
    shape = (layout.n_matrices, layout.n_links)
    size = shape[0] * shape[1]

    def block(first: int) -> FloatArray:
        # A binding <= row of a minimisation has a dual of 0 or less.
        return np.maximum(-row_dual[first : first + size], 0.0).reshape(shape) * factor

    return Prices(
        capacity=block(0),
        class_limit={c: block(layout.class_limit_row(i)) for i, c in enumerate(layout.limited_classes)},
        held={
            index: abs(float(row_dual[row])) * factor / scale
            for index, (row, scale) in hold_rows.items()
            if index in problem.price_rows()
        },
    )


def new_path_columns(
    layout: Layout,
    paths: PathSet,
    hold_figures: list[tuple[int, FloatArray]],
    n_rows: int,
    more: Sequence[Terms] = (),
    worth: FloatArray | None = None,
) -> csc_array[np.float64]:
    """Return path columns for a program that already has ``n_rows`` rows, holds included.

    ``hold_figures`` lists (row, per-link figure in the row's scale) of the holds that sum over flows, ``more`` are
    entries of rows that a run has added.
    """
    terms = [path_columns(layout, paths, worth), *more]
    for row, figure in hold_figures:
        values = paths.sums(figure) * layout.problem.mean_ratio[paths.commodity]
        terms.append(Terms(np.full(len(paths), row), np.arange(len(paths)), values))
    return matrix_of(joined(terms), n_rows, len(paths))
