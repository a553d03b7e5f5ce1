"""CSV: a links file with its nodes file, and long-form demands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from vbte.demands import ATTRIBUTES, DemandMatrix
from vbte.topology import Link, Node, Topology
from vbte.write.tables import demand_rows, facts_in_use, stated_facts

_LINK_ORDER = ("id", "source", "target")


def links_csv(topology: Topology) -> bytes:
    """Return the links, one row a direction."""
    used = facts_in_use(topology.links)
    columns = [*_LINK_ORDER, *(name for name in used if name not in _LINK_ORDER)] if used else [*_LINK_ORDER]
    return _table(columns, map(_cells, topology.links))


def nodes_csv(topology: Topology) -> bytes:
    """Return the nodes."""
    return _table(facts_in_use(topology.nodes), map(_cells, topology.nodes))


def demands_csv(demands: DemandMatrix) -> bytes:
    """Return long-form demands, one row each."""
    columns = ["source", "destination", "volume_gbps", *(name for name in ATTRIBUTES if name in demands.attributes)]
    return _table(columns, demand_rows(demands))


def _cells(item: Node | Link) -> dict[str, Any]:
    return {name: _cell(value) for name, value in stated_facts(item).items()}


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(value)
    return str(value).lower() if isinstance(value, bool) else value


def _table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return out.getvalue().encode()
