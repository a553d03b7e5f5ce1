"""Square matrices: CSV with one row a source, and series of matrices with one matrix a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.csv_table import read_columns
from vbte.read.demand_build import (
    DemandColumns,
    bandwidth_factor,
    demand_matrix,
    no_unit,
    place_at,
    report_self_demands,
    to_gbps,
)
from vbte.read.source import Document
from vbte.topology import FloatArray, Topology

_VOLUME_UNIT = re.compile(r"volume_(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Square:
    node_ids: tuple[str, ...]
    cells: list[Sequence[str]]
    line: NDArray[np.int64]
    unit: str | None


def read_matrix(
    document: Document, topology: Topology | None, *, unit: str | float | None = None, name: str = ""
) -> DemandMatrix:
    """Return a square matrix: row = source, column = destination, zeros are no demand.

    With node names in the first row and column (their corner may state the unit: ``volume_gbps``), or without any,
    in the order of ``topology``'s nodes. Raises InputError with file and line.
    """
    square = _named(document) or _unnamed(document, topology)
    stated = square.unit or unit
    if stated is None:
        raise no_unit("the matrix", document.origin)
    figures = _figures(square, document.origin)
    factor = bandwidth_factor(stated, place=document.origin)
    columns = _columns(square.node_ids, to_gbps(figures, factor), square.line)
    return demand_matrix(columns, origin=document.origin, name=name or document.stem)


def _named(document: Document) -> _Square | None:
    columns, line = read_columns(document)
    first = [column[0].strip() for column in columns]
    if all(_number(cell) is not None for cell in first):
        return None
    node_ids = tuple(first[1:])
    rows = tuple(cell.strip() for cell in columns[0][1:])
    if rows != node_ids:
        at = next((n for n, pair in enumerate(zip(rows, node_ids, strict=False)) if pair[0] != pair[1]), None)
        place = f"{document.origin}:{line[at + 1] if at is not None else line[-1]}"
        raise InputError(
            f"rows are {_shown(rows)}, columns {_shown(node_ids)}",
            place=place,
            remedy="rows and columns name the same nodes in the same order",
        )
    if len(set(node_ids)) != len(node_ids) or "" in node_ids:
        raise InputError("a node name is blank or repeats", place=f"{document.origin}:{line[0]}")
    unit = _VOLUME_UNIT.fullmatch(first[0])
    return _Square(node_ids, [column[1:] for column in columns[1:]], line[1:], unit.group(1) if unit else None)


def _shown(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''} ({len(names)})"


def _unnamed(document: Document, topology: Topology | None) -> _Square:
    columns, line = read_columns(document)
    if topology is None:
        raise InputError("a matrix without node names", place=document.origin, remedy="give the topology too")
    count = len(topology.nodes)
    if len(line) != count or len(columns) != count:
        raise InputError(
            f"{len(line)} rows of {len(columns)} figures for {count} nodes",
            place=document.origin,
            remedy=f"{count} x {count} figures are needed",
        )
    return _Square(tuple(node.id for node in topology.nodes), list(columns), line, None)


def _figures(square: _Square, origin: str) -> FloatArray:
    """The matrix as numbers, shape (n, n); a blank on the diagonal counts as 0."""
    figures = np.zeros((len(square.node_ids), len(square.node_ids)))
    for column, cells in enumerate(square.cells):
        for row, cell in enumerate(cells):
            number = 0.0 if row == column and not cell.strip() else _number(cell)
            if number is None:
                place = place_at(origin, square.line, row)
                raise InputError(f"{cell.strip()[:40]!r} is no number", place=place, remedy="a volume is needed")
            figures[row, column] = number
    return figures


def _columns(node_ids: tuple[str, ...], volume_gbps: FloatArray, line: NDArray[np.int64]) -> DemandColumns:
    source, destination = np.nonzero(volume_gbps)
    lines = line[source] if len(line) else line
    volume = volume_gbps[source, destination]
    return DemandColumns(node_ids, source.astype(np.int32), destination.astype(np.int32), volume, {}, lines)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def read_series(document: Document, topology: Topology, *, unit: str | float | None) -> Iterator[DemandMatrix]:
    """Yield the matrices of a text with one square matrix a line, source-major, cut by blanks or commas.

    Node order is that of ``topology``. Self-demands are dropped with one InputWarning for the whole series. Raises
    InputError with file and line.
    """
    if unit is None:
        raise no_unit("the series", document.origin)
    factor = bandwidth_factor(unit, place=document.origin)
    node_ids = tuple(node.id for node in topology.nodes)
    dropped = [0, 0.0]
    for number, text in enumerate(document.text.split("\n"), start=1):
        if text.strip() and not text.lstrip().startswith("#"):
            volume = to_gbps(_line_figures(text, len(node_ids), f"{document.origin}:{number}"), factor)
            dropped[0] += np.count_nonzero(np.diagonal(volume))
            dropped[1] += float(np.trace(volume))
            np.fill_diagonal(volume, 0.0)
            columns = _columns(node_ids, volume, np.empty(0, dtype=np.int64))
            yield demand_matrix(columns, origin=f"{document.origin}:{number}", name=f"line {number}")
    if dropped[0]:
        report_self_demands(int(dropped[0]), dropped[1], document.origin)


def _line_figures(text: str, count: int, place: str) -> FloatArray:
    cells = text.replace(",", " ").split()
    if len(cells) != count * count:
        remedy = f"{count} x {count} figures are needed"
        raise InputError(f"{len(cells)} figures for {count} nodes", place=place, remedy=remedy)
    try:
        figures = np.array(cells, dtype=np.float64).reshape(count, count)
    except ValueError:
        wrong = next(cell for cell in cells if _number(cell) is None)
        raise InputError(f"{wrong[:40]!r} is no number", place=place, remedy="volumes are needed") from None
    if not (np.isfinite(figures) & (figures >= 0)).all():
        raise InputError("a volume is negative or not finite", place=place, remedy="a volume is 0 or more")
    return figures
