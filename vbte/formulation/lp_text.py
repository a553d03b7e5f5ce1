r"""A stage's program as text in CPLEX LP format, for people and for other solvers.

The solver gets volumes divided by the mean demand and costs of order 1; the text is the same program in true units
(Gbit/s, and the objective in the stage's own unit), with names that say what a column or row stands for. Terms stand
in order of columns, figures have 12 significant digits: the same program gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array

from vbte.bounds import StageProblem
from vbte.formulation.layout import Layout, LinkFlowBlock
from vbte.formulation.program import stage_costs
from vbte.plan import Certificate, PathSet
from vbte.policy import PathFigure, StageKind
from vbte.solve import LinearProgram
from vbte.topology import FloatArray
from vbte.units import format_gbps

#: Columns after which a line is broken.
WIDTH = 110

#: LP readers disagree about other characters, and "-", ":" and "<" are operators.
_UNSAFE = re.compile(r"[^A-Za-z0-9._]")

_COLUMN_FAMILIES = {
    "admitted": "admitted(class,source,destination)   volume carried, Gbit/s",
    "U": "U   share of its capacity that any link may carry",
    "lambda": "lambda   common scale of all demands; 0 outside a concurrent stage",
    "excess": "excess   share by which class limits are exceeded; 0 in a plan",
    "flow": "flow(class,destination,link)   flow of all sources towards a destination, Gbit/s",
    "path": "path(class,source,destination,nodes between)   flow on one path, Gbit/s",
}
_ROW_FAMILIES = {
    "capacity": "capacity(link)   what a link carries, Gbit/s",
    "class_limit": "class_limit(class,link)   what one class puts on a link, Gbit/s",
    "conserve": "conserve(class,destination,node)   what leaves a node is what enters and what starts there, Gbit/s",
    "demand": "demand(class,source,destination)   the paths of a demand carry what is admitted, Gbit/s",
    "hold": "hold(stage)   an earlier stage keeps its level, in that stage's unit",
}
_PATH_UNITS = {PathFigure.LATENCY: "ms", PathFigure.METRIC: "IGP metric", PathFigure.HOPS: "hops"}


@dataclass(frozen=True, eq=False)
class SolvedStage:
    """A stage and the value it reached, in true units."""

    problem: StageProblem
    value: float


def program_text(
    program: LinearProgram,
    layout: Layout,
    paths: PathSet,
    stages: Sequence[SolvedStage],
    hold_rows: Mapping[int, tuple[int, float]],
) -> str:
    """Return the program of the last of ``stages`` in CPLEX LP format; the earlier ones stand in comments.

    ``program`` is what the solver has: ``layout``'s rows and columns, then the columns of ``paths`` and the rows that
    hold earlier stages, where ``hold_rows`` maps the index of a certificate to (row, scale of the row). Rows without
    terms and columns that stand in no row are left out. Raises ValueError for a program with integers.
    """
    if program.integer is not None and program.integer.any():
        raise ValueError("a program with integers has no text form")
    columns = column_labels(layout, paths)
    rows = row_labels(layout, {row: stages[-1].problem.holds[index] for index, (row, _) in hold_rows.items()})
    true = true_units(program, layout, stages[-1].problem, paths, hold_rows)
    standing = [columns[column] for column in np.flatnonzero(_stands(true))]
    return "\n".join(
        [
            *_heading(layout),
            *_meanings("Columns", _COLUMN_FAMILIES, standing),
            *_meanings("Rows", _ROW_FAMILIES, rows),
            *_history(layout, paths, columns, stages, hold_rows),
            "Minimize",
            *_wrapped(" objective:", _terms(true.cost, np.arange(true.n_columns), columns)),
            "Subject To",
            *_row_lines(true, columns, rows),
            "Bounds",
            *_bound_lines(true, columns),
            "End",
            "",
        ]
    )


def column_labels(layout: Layout, paths: PathSet) -> list[str]:
    """Return a name for every column, all different: ``'flow(gold,east,west_north)'``."""
    instance = layout.problem.instance
    ends = [_ends(layout, commodity) for commodity in layout.commodities.tolist()]
    labels = [f"admitted({end})" for end in ends] + ["U", "lambda", "excess"]
    for block in layout.link_flows:
        labels += _link_flow_labels(layout, block)
    head = instance.topology.head
    for path, commodity in enumerate(paths.commodity.tolist()):
        between = [_safe(instance.topology.nodes[head[link]].id) for link in paths[path][:-1]]
        labels.append(f"path({_ends(layout, commodity)},{'.'.join(between) or 'direct'})")
    return _distinct(labels)


def row_labels(layout: Layout, holds: Mapping[int, Certificate]) -> list[str]:
    """Return a name for every row, all different; ``holds`` maps rows behind the layout's to what they hold."""
    instance = layout.problem.instance
    labels = _per_link(layout, "capacity", [])
    for class_index in layout.limited_classes:
        labels += _per_link(layout, "class_limit", [_safe(instance.rules[class_index].policy.name)])
    for block in layout.link_flows:
        labels += _conservation_labels(layout, block)
    labels += [f"demand({_ends(layout, int(layout.commodities[local]))})" for local in layout.path_commodities]
    labels += [f"hold({_hold_name(holds[row])})" for row in range(layout.n_rows, layout.n_rows + len(holds))]
    return _distinct(labels)


def true_units(
    program: LinearProgram,
    layout: Layout,
    problem: StageProblem,
    paths: PathSet,
    hold_rows: Mapping[int, tuple[int, float]],
) -> LinearProgram:
    """Return the same program in Gbit/s, its objective in the stage's own unit (negative where more is better)."""
    of_column = _column_scale(layout, len(paths))
    of_row = np.full(program.n_rows, layout.unit_gbps)
    for row, scale in hold_rows.values():
        of_row[row] *= scale
    matrix = diags_array(of_row) @ program.matrix @ diags_array(1.0 / of_column)
    return replace(
        program,
        cost=_true_costs(layout, problem, paths),
        lower=program.lower * of_column,
        upper=program.upper * of_column,
        matrix=csc_array(matrix),
        row_lower=program.row_lower * of_row,
        row_upper=program.row_upper * of_row,
    )


def _column_scale(layout: Layout, n_paths: int) -> FloatArray:
    """Return what 1 in the solver's column is in true units, shape (n_columns,)."""
    scale = np.full(layout.n_columns + n_paths, layout.unit_gbps)
    scale[[layout.utilization_column, layout.elastic_column]] = 1.0 / layout.mean_capacity
    scale[layout.scale_column] = 1.0
    return scale


def _true_costs(layout: Layout, problem: StageProblem, paths: PathSet) -> FloatArray:
    costs, factor = stage_costs(layout, problem, paths)
    costs = costs / _column_scale(layout, len(paths))
    if problem.kind in (StageKind.MAX_UTILIZATION, StageKind.CONCURRENT):
        # One column alone stands in these objectives, with a coefficient that only helps the solver.
        return np.sign(costs)
    return np.asarray(costs * (factor * layout.unit_gbps))


def _ends(layout: Layout, commodity: int) -> str:
    instance = layout.problem.instance
    nodes = instance.topology.nodes
    names = [
        instance.rules[instance.class_index[commodity]].policy.name,
        instance.tenants[instance.tenant_index[commodity]],
        nodes[instance.source[commodity]].id,
        nodes[instance.destination[commodity]].id,
    ]
    return ",".join(_safe(name) for name in names if name)


def _link_flow_labels(layout: Layout, block: LinkFlowBlock) -> list[str]:
    topology = layout.problem.instance.topology
    links = [_safe(topology.links[link].id) for link in block.graph.links]
    return [f"flow({group},{link})" for group in _groups(layout, block) for link in links]


def _conservation_labels(layout: Layout, block: LinkFlowBlock) -> list[str]:
    topology = layout.problem.instance.topology
    vertices = [_safe(node.id) for node in topology.nodes]
    doubled = {int(vertex): node for node, vertex in enumerate(block.graph.start_vertex) if vertex != node}
    vertices += [f"{vertices[doubled[v]]}.start" for v in range(len(topology.nodes), block.graph.n_vertices)]
    return [f"conserve({group},{vertex})" for group in _groups(layout, block) for vertex in vertices]


def _groups(layout: Layout, block: LinkFlowBlock) -> list[str]:
    """Return class and destination of each group of link flows."""
    instance = layout.problem.instance
    name = _safe(instance.rules[block.class_index].policy.name)
    return [f"{name},{_safe(instance.topology.nodes[node].id)}" for node in block.destinations]


def _per_link(layout: Layout, family: str, before: list[str]) -> list[str]:
    """Return one name per link, and per matrix where there are several."""
    links = [_safe(link.id) for link in layout.problem.instance.topology.links]
    matrices = [[f"matrix_{t + 1}"] for t in range(layout.n_matrices)] if layout.n_matrices > 1 else [[]]
    return [f"{family}({','.join([*before, link, *matrix])})" for matrix in matrices for link in links]


def _hold_name(held: Certificate) -> str:
    return _safe(str(held.kind)) if held.priority is None else f"{_safe(str(held.kind))},{held.priority}"


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name)


def _distinct(labels: list[str]) -> list[str]:
    """Return the labels with ~2, ~3, ... behind those that repeat; no label has a ~ of its own."""
    seen: dict[str, int] = {}
    distinct = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        distinct.append(label if seen[label] == 1 else f"{label}~{seen[label]}")
    return distinct


def _heading(layout: Layout) -> Iterator[str]:
    instance = layout.problem.instance
    topology = instance.topology
    volume = " and ".join(format_gbps(float(matrix.sum())) for matrix in instance.volume_gbps)
    size = f"{len(topology.nodes)} nodes, {len(topology.links)} directed links"
    yield f"\\ Model {instance.model.name}: {instance.model.description}".rstrip(": ")
    yield f"\\ Network {topology.name or 'without a name'}: {size}; {instance.n_commodities} demands, {volume}"
    yield "\\ The solver gets this program with volumes divided by the mean demand."
    yield "\\"


def _meanings(title: str, families: Mapping[str, str], labels: Iterable[str]) -> Iterator[str]:
    used = {label.partition("(")[0] for label in labels}
    yield f"\\ {title}:"
    yield from (f"\\   {meaning}" for family, meaning in families.items() if family in used)
    yield "\\"


def _history(
    layout: Layout,
    paths: PathSet,
    columns: list[str],
    stages: Sequence[SolvedStage],
    hold_rows: Mapping[int, tuple[int, float]],
) -> Iterator[str]:
    """Yield what each stage minimised, what it reached, and how later stages hold it."""
    holds = {held.stage: (index in hold_rows, held) for index, held in stages[-1].problem.holds.items()}
    for index, stage in enumerate(stages):
        last = index == len(stages) - 1
        problem = stage.problem
        yield f"\\ Stage {index + 1} of {len(stages)}: {problem.label}" + (", the program below" if last else "")
        if problem.kind is StageKind.MAX_MIN:
            yield "\\   raised all demands together, then those not stopped by full links, and so on"
        elif not last:
            costs = _true_costs(layout, problem, paths)
            terms = _terms(costs, np.arange(len(costs)), columns)
            yield from (f"\\ {line}" for line in _wrapped("  minimised", terms or ["0"]))
        yield f"\\   reached {stage.value:.12g}{_unit(problem)}"
        if problem.label in holds:
            is_row, held = holds[problem.label]
            how = f"row hold({_hold_name(held)})" if is_row else "bounds on columns"
            yield f"\\   held by {how} at {held.held_at:.12g}"
    yield "\\"


def _unit(problem: StageProblem) -> str:
    """Return the unit of a stage's value, with a blank before it; shares have none."""
    units = {
        StageKind.ADMITTED: " Gbit/s, weighted",
        StageKind.LATENCY: f" Gbit/s x {_PATH_UNITS[problem.figure]}",
        StageKind.COST: " Gbit/s x price",
        StageKind.MAX_MIN: ", the level that all have",
    }
    return units.get(problem.kind, "")


def _stands(program: LinearProgram) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True for columns that stand in a row or in the objective, shape (n_columns,)."""
    return np.asarray((np.diff(program.matrix.indptr) > 0) | (program.cost != 0))


def _terms(coefficients: FloatArray, columns: Iterable[int], labels: list[str]) -> list[str]:
    """Return ``['+ 2 x', '- y']``; terms that are 0 are left out."""
    terms = []
    for coefficient, column in zip(coefficients.tolist(), columns, strict=True):
        if coefficient:
            figure = f"{abs(coefficient):.12g}"
            sign = "-" if coefficient < 0 else "+"
            terms.append(f"{sign} {labels[column]}" if figure == "1" else f"{sign} {figure} {labels[column]}")
    return terms


def _wrapped(start: str, words: Iterable[str]) -> Iterator[str]:
    """Yield ``start`` and the words, lines broken after ``WIDTH`` columns."""
    line = start
    for word in words:
        if len(line) + 1 + len(word) > WIDTH and line.strip():
            yield line
            line = "   "
        line += f" {word}"
    yield line


def _row_lines(program: LinearProgram, columns: list[str], rows: list[str]) -> Iterator[str]:
    matrix = csr_array(program.matrix)
    matrix.sort_indices()
    for row, label in enumerate(rows):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = _terms(matrix.data[span], matrix.indices[span].tolist(), columns)
        if terms:
            sense = _sense(float(program.row_lower[row]), float(program.row_upper[row]))
            yield from _wrapped(f" {label}:", [*terms, sense])


def _sense(lower: float, upper: float) -> str:
    """Return ``'<= 4'``, ``'>= 4'`` or ``'= 4'``: no family has rows with two different finite bounds."""
    if lower == upper:
        return f"= {_figure(upper)}"
    return f"<= {_figure(upper)}" if np.isinf(lower) else f">= {_figure(lower)}"


def _bound_lines(program: LinearProgram, columns: list[str]) -> Iterator[str]:
    """Yield the bounds that differ from LP format's own, 0 to infinity."""
    for column in np.flatnonzero(_stands(program)).tolist():
        label, lower, upper = columns[column], float(program.lower[column]), float(program.upper[column])
        if lower == upper:
            yield f" {label} = {_figure(lower)}"
        elif lower != 0 and np.isfinite(upper):
            yield f" {_figure(lower)} <= {label} <= {_figure(upper)}"
        elif lower != 0:
            yield f" {label} >= {_figure(lower)}"
        elif np.isfinite(upper):
            yield f" {label} <= {_figure(upper)}"


def _figure(value: float) -> str:
    # Adding 0 turns -0 into 0.
    return f"{value + 0.0:.12g}"
