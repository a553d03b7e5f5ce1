"""Long-form CSV demands: one demand a row, ``source,destination,volume_UNIT`` and any attribute columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.csv_table import Table, missing_column, read_table
from vbte.read.demand_build import DemandColumns, bandwidth_factor, demand_matrix, encode, encode_ends, numbers, to_gbps
from vbte.read.fields import DEMAND_FIELDS, Kind, Units, field_of
from vbte.read.source import Document
from vbte.topology import BoolArray, IntArray

_COLUMNS = {**DEMAND_FIELDS, "matrix": Kind.TEXT}


@dataclass(frozen=True)
class LongDemands:
    """All demands of a file; ``matrix`` tells the matrix of each row by position in ``matrix_names``."""

    columns: DemandColumns
    matrix: IntArray
    matrix_names: tuple[str, ...]


def read_csv_demands(document: Document, *, unit: str | float | None = None, name: str = "") -> DemandMatrix:
    """Return the one matrix of a long-form file. Raises InputError with file and line, also if it holds several."""
    table = _long(document, unit)
    if len(table.matrix_names) > 1:
        raise InputError(
            f"holds {len(table.matrix_names)} matrices", place=document.origin, remedy="read it with read_demand_series"
        )
    return demand_matrix(table.columns, origin=document.origin, name=name or (table.matrix_names or ("",))[0])


def read_csv_series(document: Document, *, unit: str | float | None = None) -> list[DemandMatrix]:
    """Return the matrices of a long-form file by column ``matrix``, in order of appearance."""
    table = _long(document, unit)
    return [
        demand_matrix(_rows(table.columns, table.matrix == number), origin=document.origin, name=name)
        for number, name in enumerate(table.matrix_names)
    ]


def _rows(columns: DemandColumns, chosen: BoolArray) -> DemandColumns:
    positions: list[int] = np.flatnonzero(chosen).tolist()
    return replace(
        columns,
        source=columns.source[chosen],
        destination=columns.destination[chosen],
        volume_gbps=columns.volume_gbps[chosen],
        attributes={key: [cells[p] for p in positions] for key, cells in columns.attributes.items()},
        line=columns.line[chosen],
    )


def _long(document: Document, unit: str | float | None) -> LongDemands:
    table = read_table(document)
    wanted = missing_column(table, {"source": "where the demand starts", "destination": "where it ends"})
    if wanted:
        raise wanted
    cells: dict[str, Sequence[str]] = {}
    factor = 0.0
    for header, column in zip(table.header, table.columns, strict=True):
        found = _column(header, table, unit)
        if found is None:
            continue
        key, factor = found[0], found[1] or factor
        if key in cells:
            raise InputError(f"{key} has two columns", place=table.header_place, remedy="keep one of them")
        cells[key] = column
    if "volume" not in cells:
        raise InputError("no volume column", place=table.header_place, remedy="add volume_gbps (or volume_mbps, ...)")
    return _converted(table, cells, factor)


def _column(header: str, table: Table, unit: str | float | None) -> tuple[str, float] | None:
    if header == "volume" and unit is not None:
        return "volume", bandwidth_factor(unit)
    try:
        field = field_of(header, _COLUMNS, Units())
    except InputError as error:
        raise error.at(table.header_place) from None
    if field is None:
        return None
    return ("volume", field.factor) if field.kind is Kind.GBPS else (field.name, 0.0)


def _converted(table: Table, cells: dict[str, Sequence[str]], factor: float) -> LongDemands:
    node_ids, source, destination = encode_ends(cells.pop("source"), cells.pop("destination"))
    if "" in node_ids:
        blank = node_ids.index("")
        row = int(np.flatnonzero((source == blank) | (destination == blank))[0])
        raise InputError("source or destination is blank", place=table.place(row), remedy="name a node")
    volume = to_gbps(numbers(cells.pop("volume"), table.line, table.origin, "volume"), factor)
    matrix, names = encode(cells.pop("matrix", ()))
    columns = DemandColumns(node_ids, source, destination, volume, cells, table.line)
    return LongDemands(columns, matrix if names else np.zeros(len(volume), np.int32), names or ("",))
