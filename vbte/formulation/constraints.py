"""Constraint families: one function each, coefficients as arrays (rows, columns, values)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array

from vbte.bounds import StageProblem, stage_figure
from vbte.formulation.layout import IndexArray, Layout, LinkFlowBlock
from vbte.plan import Certificate, PathSet
from vbte.policy import StageKind
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class Terms:
    """Matrix entries: ``values[i]`` at (``rows[i]``, ``columns[i]``)."""

    rows: IndexArray
    columns: IndexArray
    values: FloatArray


def conservation(layout: Layout, block: LinkFlowBlock) -> Terms:
    """Flow conservation: what leaves a vertex is what enters it and what starts there.

    For every destination t and vertex v other than t: flow out of v towards t - flow into v towards t
    = admitted[v -> t] + volume[v -> t] * lambda.
    """
    graph, n_groups = block.graph, len(block.destinations)
    column = block.first_column + np.arange(block.n_columns)
    group = np.repeat(np.arange(n_groups), len(graph.links))
    base = block.first_row + group * graph.n_vertices
    tail, head = np.tile(graph.tail, n_groups), np.tile(graph.head, n_groups)
    target = np.repeat(block.destinations, len(graph.links))
    instance, local = layout.problem.instance, layout.local[block.commodities]
    vertex = graph.start_vertex[instance.source[block.commodities]]
    demand_row = block.first_row + block.group * graph.n_vertices + vertex
    out_terms = Terms((base + tail)[tail != target], column[tail != target], np.ones(int((tail != target).sum())))
    in_terms = Terms((base + head)[head != target], column[head != target], -np.ones(int((head != target).sum())))
    return joined([out_terms, in_terms, _demand_side(layout, demand_row, local)])


def path_demand(layout: Layout) -> Terms:
    """Demand by paths: for every commodity k, sum of flow[p] over its paths = admitted[k] + volume[k] * lambda."""
    return _demand_side(layout, layout.path_row[layout.path_commodities], layout.path_commodities)


def _demand_side(layout: Layout, rows: IndexArray, local: IndexArray) -> Terms:
    """Return - admitted[k] - volume[k] * lambda at each commodity's row."""
    volume = layout.problem.instance.peak_gbps[layout.commodities[local]] / layout.unit_gbps
    scale = np.full(len(local), layout.scale_column)
    return Terms(
        np.concatenate([rows, rows]), np.concatenate([local, scale]), -np.concatenate([np.ones(len(local)), volume])
    )


def link_capacity(layout: Layout) -> Terms:
    """Link capacity: for every matrix t and link e, sum of flow through e <= capacity[e] * U (background deducted).

    U is a column: fixed at the utilisation limit, or minimised by a ``max_utilization`` stage. With several
    matrices only path columns stand in these rows, each times its volume in t over its peak volume.
    """
    capacity = layout.problem.instance.topology.capacity_gbps / layout.unit_gbps
    n_links, n_matrices = layout.n_links, layout.n_matrices
    parts = [
        Terms(
            np.arange(n_matrices * n_links),
            np.full(n_matrices * n_links, layout.utilization_column),
            np.tile(-capacity / layout.mean_capacity, n_matrices),
        )
    ]
    parts += [_block_loads(block, 0) for block in layout.link_flows]
    return joined(parts)


def class_limits(layout: Layout) -> Terms:
    """Class limit: for every class c with a limit and link e, sum of flow of c through e <= limit[c] * capacity[e].

    The search for a feasible start may exceed all of them by one common share, the elastic column.
    """
    capacity = layout.problem.instance.topology.capacity_gbps / layout.unit_gbps
    size = layout.n_matrices * layout.n_links
    parts = []
    for position, class_index in enumerate(layout.limited_classes):
        first = layout.class_limit_row(position)
        elastic = np.full(size, layout.elastic_column)
        limit = layout.problem.class_limit(class_index)
        elasticity = np.tile(-limit * capacity / layout.mean_capacity, layout.n_matrices)
        parts.append(Terms(first + np.arange(size), elastic, elasticity))
        parts += [_block_loads(block, first) for block in layout.link_flows if block.class_index == class_index]
    return joined(parts)


def _block_loads(block: LinkFlowBlock, first_row: int) -> Terms:
    columns = block.first_column + np.arange(block.n_columns)
    return Terms((first_row + block.column_link).astype(np.intp), columns, np.ones(block.n_columns))


def hold_row(layout: Layout, held: Certificate, paths: PathSet) -> tuple[Terms, float, float]:
    """Hold: an earlier stage keeps its level. Returns the row's terms (row 0) and its lower and upper bound.

    ``admitted``: sum of weight[k] * admitted[k] >= level. ``latency``, ``cost``: sum of figure * flow <= level.
    """
    if held.kind is StageKind.ADMITTED:
        weight = layout.problem.admitted_weight(held.priority)[layout.commodities]
        columns = np.flatnonzero(weight)
        terms = Terms(np.zeros(len(columns), dtype=np.intp), columns, weight[columns])
        return terms, held.held_at / layout.unit_gbps, np.inf
    figure, scale = scaled_figure(layout.problem, held)
    values = flow_figures(layout, figure / scale, paths)
    columns = np.flatnonzero(values)
    terms = Terms(np.zeros(len(columns), dtype=np.intp), columns, values[columns])
    return terms, -np.inf, held.held_at / (layout.unit_gbps * scale)


def scaled_figure(problem: StageProblem, stage: StageProblem | Certificate) -> tuple[FloatArray, float]:
    """Return the per-link figure of a stage and its mean over the links where it is not 0."""
    figure = stage_figure(problem.instance.topology, stage.kind, stage.figure)
    positive = figure[figure > 0]
    return figure, float(positive.mean()) if len(positive) else 1.0


def flow_figures(layout: Layout, figure: FloatArray, paths: PathSet) -> FloatArray:
    """Return what a unit of each column adds to a sum of ``figure`` (n_links,) over flows, for all columns."""
    values = np.zeros(layout.n_columns + len(paths))
    for block in layout.link_flows:
        values[block.first_column : block.first_column + block.n_columns] = figure[block.column_link]
    values[layout.n_columns :] = paths.sums(figure) * layout.problem.mean_ratio[paths.commodity]
    return values


def path_columns(layout: Layout, paths: PathSet, worth: FloatArray | None = None) -> Terms:
    """Return the entries of path columns (column 0 is the first path) in capacity, class-limit and demand rows.

    A unit of each column admits ``worth`` (P,), one unit where that is None.
    """
    instance = layout.problem.instance
    column = np.repeat(np.arange(len(paths)), paths.hops)
    commodity = paths.commodity[column]
    parts = []
    for matrix in range(layout.n_matrices):
        ratio = instance.load_ratio[matrix, commodity]
        parts.append(Terms(matrix * layout.n_links + paths.links.astype(np.intp), column, ratio))
        for position, class_index in enumerate(layout.limited_classes):
            mine = instance.class_index[commodity] == class_index
            first = layout.class_limit_row(position) + matrix * layout.n_links
            parts.append(Terms(first + paths.links[mine].astype(np.intp), column[mine], ratio[mine]))
    demand_rows = layout.path_row[layout.local[paths.commodity]]
    parts.append(Terms(demand_rows, np.arange(len(paths)), np.ones(len(paths)) if worth is None else worth))
    return joined(parts)


def joined(parts: list[Terms]) -> Terms:
    """Return the entries of several families together."""
    if not parts:
        return Terms(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0))
    return Terms(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def matrix_of(terms: Terms, n_rows: int, n_columns: int) -> csc_array[np.float64]:
    """Return the entries as a sparse matrix with 32-bit indices, zeros dropped, rows sorted within columns."""
    kept = terms.values != 0
    coordinates = (terms.rows[kept], terms.columns[kept])
    matrix = csc_array(coo_array((terms.values[kept], coordinates), shape=(n_rows, n_columns)))
    matrix.sum_duplicates()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix
