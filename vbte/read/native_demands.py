"""Native demands (``vbte.demands/1``): YAML, JSON, or a mapping in memory; see ``schemas/demands-1.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbte.demands import ATTRIBUTES, DemandMatrix
from vbte.errors import InputError
from vbte.read.demand_build import DemandColumns, demand_matrix, encode_ends
from vbte.read.fields import DEMAND_FIELDS, Units
from vbte.read.native import NativeFile, check_top, records, stated_name
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
    facts = list(records(file, "demands", DEMAND_FIELDS, units))
    _check_complete(file, facts)
    name = name or stated_name(file)
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


def _check_complete(file: NativeFile, facts: Sequence[dict[str, Any]]) -> None:
    for position, stated in enumerate(facts):
        for key in _NEEDED:
            if key not in stated:
                place = file.place("demands", position)
                raise InputError(f"{key} is missing", place=place, remedy="state it for every demand")


def _column(facts: Sequence[dict[str, Any]], key: str) -> list[str]:
    values = [f.get(key, "") for f in facts]
    return [";".join(value) if isinstance(value, tuple) else value for value in values]


def _lines(file: NativeFile, count: int) -> NDArray[np.int64]:
    if not len(file.lines):
        return _NO_LINES
    return np.array([file.lines["demands", position] for position in range(count)], dtype=np.int64)
