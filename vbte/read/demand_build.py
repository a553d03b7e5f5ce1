"""From columns to a ``DemandMatrix``: ids become numbers, self-demands go, figures are checked at their lines."""

from __future__ import annotations

import ipaddress
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vbte.demands import AttributeColumn, DemandMatrix
from vbte.errors import InputError, InputWarning
from vbte.read.fields import reciprocal
from vbte.topology import FloatArray, IntArray
from vbte.units import format_gbps, gbps_factor

_LARGEST = {"dscp": 63, "vlan": 4095}
_NO_LINES: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class DemandColumns:
    """Demands as read: positions in ``node_ids``, Gbit/s, attributes as text ('' where not stated)."""

    node_ids: tuple[str, ...]
    source: IntArray
    destination: IntArray
    volume_gbps: FloatArray
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    line: NDArray[np.int64] = field(default_factory=lambda: _NO_LINES)


def demand_matrix(columns: DemandColumns, *, origin: str, name: str = "") -> DemandMatrix:
    """Return the matrix of ``columns`` without self-demands; one InputWarning counts those.

    Raises InputError, with the line where there is one, for volumes and attributes that can't be.
    """
    _check_volumes(columns, origin)
    coded = {key: _attribute(key, cells, columns.line, origin) for key, cells in columns.attributes.items()}
    kept = columns.source != columns.destination
    if not kept.all():
        report_self_demands(int((~kept).sum()), float(columns.volume_gbps[~kept].sum()), origin)
    return DemandMatrix(
        columns.node_ids,
        columns.source[kept],
        columns.destination[kept],
        columns.volume_gbps[kept],
        {key: AttributeColumn(c.codes[kept], c.values) for key, c in coded.items() if c.values not in ((), ("",))},
        name,
        origin,
        columns.line[kept] if len(columns.line) else _NO_LINES,
    )


def report_self_demands(count: int, volume_gbps: float, origin: str) -> None:
    """Warn that demands from a node to itself were dropped."""
    what = "1 demand from a node to itself was" if count == 1 else f"{count} demands from a node to itself were"
    warnings.warn(f"{origin}: {what} dropped ({format_gbps(volume_gbps)})", InputWarning, stacklevel=3)


def encode(cells: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and distinct values of a column, in order of appearance, blanks around values stripped."""
    positions = {cell: position for position, cell in enumerate(dict.fromkeys(cells))}
    raw = np.fromiter(map(positions.__getitem__, cells), np.int32, len(cells))
    stripped: dict[str, int] = {}
    merged = np.array([stripped.setdefault(cell.strip(), len(stripped)) for cell in positions], dtype=np.int32)
    return (merged[raw] if len(merged) else raw), tuple(stripped)


def encode_ends(sources: Sequence[str], destinations: Sequence[str]) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Return node ids and the two ends as positions in them."""
    source, source_ids = encode(sources)
    destination, destination_ids = encode(destinations)
    positions = {node: position for position, node in enumerate(source_ids)}
    moved = [positions.setdefault(node, len(positions)) for node in destination_ids]
    return tuple(positions), source, np.array(moved, dtype=np.int32)[destination] if moved else destination


def numbers(cells: Sequence[str], line: NDArray[np.int64], origin: str, what: str) -> FloatArray:
    """Return a column of numbers. Raises InputError at the line of the first cell that is none."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        for row, cell in enumerate(cells):
            if not _is_number(cell):
                fault = f"{what} is {cell.strip()[:40]!r}" if cell.strip() else f"{what} is missing"
                raise InputError(fault, place=place_at(origin, line, row), remedy="a number is needed") from None
        raise


def to_gbps(figures: FloatArray, factor: float) -> FloatArray:
    """Return ``figures * factor``, rounded once: by division where the factor is a reciprocal."""
    divisor = reciprocal(factor)
    return figures / divisor if divisor else figures * factor


def bandwidth_factor(unit: str | float, *, place: str = "") -> float:
    """Return the factor from ``unit`` to Gbit/s; a number, or text that is one, is itself the factor.

    Raises InputError for an unknown unit and for a factor that is not positive.
    """
    factor = float(unit) if not isinstance(unit, str) or _is_number(unit) else gbps_factor(unit, place=place)
    if not 0 < factor < math.inf:
        raise InputError(f"unit factor is {factor}", place=place, remedy="Gbit/s per unit, above 0, is needed")
    return factor


def no_unit(what: str, place: str) -> InputError:
    """Return the error for volumes whose unit is stated nowhere."""
    return InputError(f"{what} has no unit", place=place, remedy="state it: unit='Gbps' (--volume-unit Gbps)")


def place_at(origin: str, line: NDArray[np.int64], row: int) -> str:
    """Return ``'demands.csv:17'``, or the origin alone where lines are not known."""
    return f"{origin}:{line[row]}" if len(line) else origin


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_volumes(columns: DemandColumns, origin: str) -> None:
    wrong = np.flatnonzero(~(np.isfinite(columns.volume_gbps) & (columns.volume_gbps >= 0)))
    if len(wrong):
        row = int(wrong[0])
        ends = (columns.node_ids[columns.source[row]], columns.node_ids[columns.destination[row]])
        raise InputError(
            f"demand {ends[0]} -> {ends[1]} has volume {columns.volume_gbps[row]:g} Gbit/s",
            place=place_at(origin, columns.line, row),
            remedy="a volume is 0 or more",
        )


def _attribute(key: str, cells: Sequence[str], line: NDArray[np.int64], origin: str) -> AttributeColumn:
    codes, values = encode(cells)
    checked = []
    for code, value in enumerate(values):
        try:
            checked.append(_checked_attribute(key, value))
        except ValueError as error:
            row = int(np.flatnonzero(codes == code)[0])
            raise InputError(f"{key} is {value!r}", place=place_at(origin, line, row), remedy=str(error)) from None
    return AttributeColumn(codes, tuple(checked))


def _checked_attribute(key: str, value: str) -> str:
    if value and key in _LARGEST:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) <= _LARGEST[key]):
            raise ValueError(f"a whole number from 0 to {_LARGEST[key]} is needed")
        return str(int(value))
    if value and key.endswith("_prefix"):
        ipaddress.ip_network(value)
    return value
