"""Native demands (``vbte.demands/1``): YAML, JSON, or a mapping in memory; see ``schemas/demands-1.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbte.demands import ATTRIBUTES, DemandMatrix
from vbte.errors import InputError
from vbte.read.demand_build import DemandColumns, demand_matrix, encode_ends
from vbte.read.fields import DEMAND_FIELDS, Field, Kind, Units, typed_value
from vbte.read.native import NativeFile, Record, check_top, records
from vbte.topology import Topology

SCHEMA = "vbte.demands/1"
_TOP_KEYS = ("schema", "name", "units", "demands")
_NEEDED = ("source", "destination", "volume_gbps")
_NO_LINES: NDArray[np.int64] = np.empty(0, dtype=np.int64)


def read_native_demands(
    file: NativeFile, topology: Topology | None = None, *, unit: str | None = None, name: str = ""
) -> DemandMatrix:
    """Return the demands in ``file``. Raises InputError with file, line and key path; ``topology`` as a check too."""
    units = check_top(file, SCHEMA, _TOP_KEYS, Units(bandwidth=unit))
    facts = [_checked(record).facts for record in records(file, "demands", DEMAND_FIELDS, units)]
    name = name or _name(file)
    try:
        return _matrix(file, facts, topology, name, _NO_LINES)
    except InputError:
        # The lines of all demands cost a second pass over the text, which only a message is worth.
        return _matrix(file, facts, topology, name, _lines(file, len(facts)))


def _matrix(
    file: NativeFile, facts: Sequence[dict[str, Any]], topology: Topology | None, name: str, line: NDArray[np.int64]
) -> DemandMatrix:
    node_ids, source, destination = encode_ends([f["source"] for f in facts], [f["destination"] for f in facts])
    volume = np.array([f["volume_gbps"] for f in facts], dtype=np.float64)
    stated = [key for key in ATTRIBUTES if any(key in f for f in facts)]
    attributes = {key: _column(facts, key) for key in stated}
    columns = DemandColumns(node_ids, source, destination, volume, attributes, line)
    demands = demand_matrix(columns, origin=file.origin, name=name)
    if topology is not None:
        demands.aligned(topology)
    return demands


def _checked(record: Record) -> Record:
    for key in _NEEDED:
        if key not in record.facts:
            raise InputError(f"{key} is missing", place=str(record.place), remedy="state it for every demand")
    return record


def _column(facts: Sequence[dict[str, Any]], key: str) -> list[str]:
    values = [f.get(key, "") for f in facts]
    return [";".join(value) if isinstance(value, tuple) else value for value in values]


def _lines(file: NativeFile, count: int) -> NDArray[np.int64]:
    if not len(file.lines):
        return _NO_LINES
    return np.array([file.lines["demands", position] for position in range(count)], dtype=np.int64)


def _name(file: NativeFile) -> str:
    if "name" not in file.data:
        return ""
    try:
        return str(typed_value(file.data["name"], Field("name", Kind.TEXT)))
    except InputError as error:
        raise error.at(file.place("name")) from None
