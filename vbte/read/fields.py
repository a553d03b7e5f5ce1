"""The fields of nodes, links and demands: what each is called, its kind, and how a value becomes that kind.

Bandwidths and times carry their unit in the key (``capacity_mbps``, ``latency_us``), or take the unit stated for the
whole input. Keys that start with ``x_`` are the user's own and are skipped; any other unknown key is an error.
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from vbte.errors import InputError
from vbte.units import GBPS_PER_UNIT, MS_PER_UNIT, gbps_factor, ms_factor


class Kind(Enum):
    """What a field holds."""

    TEXT = auto()
    NAMES = auto()
    FIGURE = auto()
    INTEGER = auto()
    FLAG = auto()
    LATITUDE = auto()
    LONGITUDE = auto()
    POSITION = auto()
    GBPS = auto()
    MS = auto()


NODE_FIELDS: Mapping[str, Kind] = {
    "id": Kind.TEXT,
    "latitude": Kind.LATITUDE,
    "longitude": Kind.LONGITUDE,
    "region": Kind.TEXT,
    "transit": Kind.FLAG,
    "drained": Kind.FLAG,
    "prefixes": Kind.NAMES,
    "sid": Kind.INTEGER,
    "device_profile": Kind.TEXT,
}

#: Facts that hold for one direction of a link; the other direction has its own under ``NAME_reverse``.
_DIRECTED_FIELDS: Mapping[str, Kind] = {
    "capacity": Kind.GBPS,
    "metric": Kind.FIGURE,
    "latency": Kind.MS,
    "cost_per_gbps": Kind.FIGURE,
    "interface": Kind.TEXT,
    "gateway": Kind.TEXT,
}

LINK_FIELDS: Mapping[str, Kind] = {
    "id": Kind.TEXT,
    "source": Kind.TEXT,
    "target": Kind.TEXT,
    **_DIRECTED_FIELDS,
    "srlgs": Kind.NAMES,
    "underlay": Kind.NAMES,
    "admin_groups": Kind.NAMES,
    "encrypted": Kind.FLAG,
    "drained": Kind.FLAG,
    "cable": Kind.TEXT,
    "unavailability": Kind.FIGURE,
    "mtbf_hours": Kind.FIGURE,
    "mttr_hours": Kind.FIGURE,
    "bidirectional": Kind.FLAG,
    **{f"{name}_reverse": kind for name, kind in _DIRECTED_FIELDS.items()},
}

#: How often a shared-risk link group fails.
SRLG_FIELDS: Mapping[str, Kind] = {
    "id": Kind.TEXT,
    "unavailability": Kind.FIGURE,
    "mtbf_hours": Kind.FIGURE,
    "mttr_hours": Kind.FIGURE,
}

#: What links ride on without being planned over themselves.
UNDERLAY_FIELDS: Mapping[str, Kind] = {"id": Kind.TEXT, "srlgs": Kind.NAMES, "underlay": Kind.NAMES}

DEMAND_FIELDS: Mapping[str, Kind] = {
    "source": Kind.TEXT,
    "destination": Kind.TEXT,
    "volume": Kind.GBPS,
    "class": Kind.TEXT,
    "tenant": Kind.TEXT,
    "dscp": Kind.TEXT,
    "vlan": Kind.TEXT,
    "application": Kind.TEXT,
    "tags": Kind.NAMES,
    "source_prefix": Kind.TEXT,
    "destination_prefix": Kind.TEXT,
}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_UNIT_OPTIONS = {"capacity": "--capacity-unit", "capacity_reverse": "--capacity-unit", "volume": "--volume-unit"}


@dataclass(frozen=True, slots=True)
class Units:
    """Units of figures whose key carries none; None where not stated. Raises InputError for an unknown unit."""

    bandwidth: str | None = None
    time: str | None = None

    def __post_init__(self) -> None:
        if self.bandwidth is not None:
            gbps_factor(self.bandwidth)
        if self.time is not None:
            ms_factor(self.time)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the input: the fact it states (``capacity_gbps``), its kind, and the factor to our unit."""

    name: str
    kind: Kind
    factor: float = 1.0


def field_of(key: str, fields: Mapping[str, Kind], units: Units) -> Field | None:
    """Return the field that ``key`` states; None for the user's own ``x_`` keys.

    Raises InputError for an unknown key (with a suggestion) and for a figure without a unit.
    """
    kind = fields.get(key)
    if kind not in (Kind.GBPS, Kind.MS):
        if kind is not None:
            return Field(key, kind)
        base, _, unit = key.rpartition("_")
        kind = fields.get(base)
        if kind is Kind.GBPS and unit in GBPS_PER_UNIT:
            return Field(f"{base}_gbps", kind, GBPS_PER_UNIT[unit])
        if kind is Kind.MS and unit in MS_PER_UNIT:
            return Field(f"{base}_ms", kind, MS_PER_UNIT[unit])
        if key.startswith("x_"):
            return None
        raise unknown_key(key, fields)
    if kind is Kind.GBPS:
        return Field(f"{key}_gbps", kind, _stated_factor(key, units))
    if units.time is None:
        raise InputError(f"{key} has no unit", remedy=f"write {key}_ms, or state the unit (units, --latency-unit)")
    return Field(f"{key}_ms", kind, ms_factor(units.time))


def _stated_factor(key: str, units: Units) -> float:
    if units.bandwidth is None:
        option = _UNIT_OPTIONS.get(key, "--capacity-unit")
        raise InputError(f"{key} has no unit", remedy=f"write {key}_gbps, or state the unit (units, {option})")
    return gbps_factor(units.bandwidth)


def unknown_key(key: str, known: Iterable[str], *, noun: str = "key") -> InputError:
    """Return the error for a key that is not one of ``known``, with the nearest known one as suggestion."""
    near = difflib.get_close_matches(key, [*known, "capacity_gbps", "latency_ms", "volume_gbps"], n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return InputError(f"unknown {noun} {key!r}", remedy=remedy)


def scaled(figure: float, factor: float) -> float:
    """Return ``figure * factor``, rounded once: by division where the factor is a reciprocal (9920000 kbit/s)."""
    divisor = reciprocal(factor)
    return figure / divisor if divisor else figure * factor


def reciprocal(factor: float) -> int:
    """Return n where ``factor`` is 1/n for a whole n above 1, else 0: 1e-3 has no exact double, 1000 has."""
    divisor = round(1 / factor) if 0 < factor < 1 else 0
    return divisor if divisor * factor == 1 else 0


def typed_value(value: Any, field: Field) -> Any:
    """Return a YAML, JSON or Python value as ``field``'s kind. Raises InputError without a place."""
    return _TYPED[field.kind](value, field)


def text_value(cell: str, field: Field) -> Any:
    """Return a cell of text as ``field``'s kind. Raises InputError without a place."""
    return _FROM_TEXT[field.kind](cell.strip(), field)


def loose_value(value: Any, field: Field) -> Any:
    """Return a value as ``field``'s kind where files of other programs may hold numbers and flags as text."""
    if isinstance(value, str):
        return text_value(value, field)
    if field.kind is Kind.FLAG and isinstance(value, int) and value in (0, 1):
        return bool(value)
    return typed_value(value, field)


def as_text(value: Any, field: Field) -> str:
    """Return text; whole numbers are taken as ids. Raises InputError for everything else and for empty text."""
    if not isinstance(value, str):
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return str(int(value))
        raise InputError(f"{field.name} is {_shown(value)}", remedy="text is needed; quote it")
    if not value.strip():
        raise InputError(f"{field.name} is empty", remedy="text is needed")
    if _UNPRINTABLE.search(value):
        raise InputError(f"{field.name} is {_shown(value)}", remedy="text without control characters is needed")
    return value


def _as_names(value: Any, field: Field) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{field.name} is {_shown(value)}", remedy="a list of names is needed")
    return tuple(as_text(item, field) for item in value)


def _as_number(value: Any, field: Field) -> float:
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{field.name} is {_shown(value)}", remedy="a number is needed")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_figure(value: Any, field: Field) -> float:
    figure = _as_number(value, field)
    if not 0 <= figure < math.inf:
        raise InputError(f"{field.name} is {value}", remedy="a figure of 0 or more is needed")
    return figure if field.factor == 1.0 else scaled(figure, field.factor)


def _as_integer(value: Any, field: Field) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise InputError(f"{field.name} is {_shown(value)}", remedy="a whole number of 0 or more is needed")
    return int(value)


def _as_flag(value: Any, field: Field) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{field.name} is {_shown(value)}", remedy="true or false is needed")
    return value


def _as_latitude(value: Any, field: Field) -> float:
    return _within(_as_number(value, field), 90.0, field)


def _as_longitude(value: Any, field: Field) -> float:
    return _within(_as_number(value, field), 180.0, field)


def _within(degrees: float, limit: float, field: Field) -> float:
    if not abs(degrees) <= limit:
        raise InputError(f"{field.name} is {degrees}", remedy=f"degrees from -{limit:g} to {limit:g} are needed")
    return degrees


def _as_position(value: Any, field: Field) -> float:
    number = _as_number(value, field)
    if not math.isfinite(number):
        raise InputError(f"{field.name} is {number}", remedy="a finite number is needed")
    return number


def _number_in(cell: str, field: Field) -> float:
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"{field.name} is {_shown(cell)}", remedy="a number is needed") from None


def _integer_in(cell: str, field: Field) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
        raise InputError(f"{field.name} is {_shown(cell)}", remedy="a whole number of 0 or more is needed")
    return int(cell)


_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _flag_in(cell: str, field: Field) -> bool:
    try:
        return _FLAGS[cell.lower()]
    except KeyError:
        raise InputError(f"{field.name} is {_shown(cell)}", remedy="true or false is needed") from None


def _names_in(cell: str, _: Field) -> tuple[str, ...]:
    return tuple(name for part in cell.split(";") if (name := part.strip()))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_Converter = Callable[[Any, Field], Any]

_TYPED: Mapping[Kind, _Converter] = {
    Kind.TEXT: as_text,
    Kind.NAMES: _as_names,
    Kind.FIGURE: _as_figure,
    Kind.INTEGER: _as_integer,
    Kind.FLAG: _as_flag,
    Kind.LATITUDE: _as_latitude,
    Kind.LONGITUDE: _as_longitude,
    Kind.POSITION: _as_position,
    Kind.GBPS: _as_figure,
    Kind.MS: _as_figure,
}

_FROM_TEXT: Mapping[Kind, _Converter] = {
    Kind.TEXT: as_text,
    Kind.NAMES: _names_in,
    Kind.FIGURE: lambda cell, field: _as_figure(_number_in(cell, field), field),
    Kind.INTEGER: _integer_in,
    Kind.FLAG: _flag_in,
    Kind.LATITUDE: lambda cell, field: _as_latitude(_number_in(cell, field), field),
    Kind.LONGITUDE: lambda cell, field: _as_longitude(_number_in(cell, field), field),
    Kind.POSITION: lambda cell, field: _as_position(_number_in(cell, field), field),
    Kind.GBPS: lambda cell, field: _as_figure(_number_in(cell, field), field),
    Kind.MS: lambda cell, field: _as_figure(_number_in(cell, field), field),
}
