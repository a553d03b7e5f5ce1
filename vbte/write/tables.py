"""What of a topology or demand matrix is worth writing: facts that differ from their default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from vbte.demands import DemandMatrix
from vbte.topology import Link, Node, RiskGroup, Topology

#: What a format holds that says how often SRLGs fail.
RISK_FIGURES = "figures of srlgs"

#: Always written, so that a reader's defaults and guesses never come into it.
_ALWAYS = {"id", "source", "target", "capacity_gbps", "metric", "latency_ms", "cable"}


def stated_facts(item: Node | Link | RiskGroup) -> dict[str, Any]:
    """Return the fields of a node or link that are not at their default, in order of declaration."""
    facts = {}
    for field in fields(item):
        value = getattr(item, field.name)
        if value is not None and (field.name in _ALWAYS or value != field.default):
            facts[field.name] = list(value) if isinstance(value, tuple) else value
    return facts


def facts_in_use(items: Sequence[Node] | Sequence[Link]) -> list[str]:
    """Return the fields that at least one node or link states, in order of declaration."""
    used = {name for item in items for name in stated_facts(item)}
    return [field.name for field in fields(items[0]) if field.name in used] if items else []


def lost_facts(topology: Topology, *, held: frozenset[str]) -> tuple[str, ...]:
    """Return the fields that ``topology`` states and a format that holds only ``held`` loses."""
    used = dict.fromkeys([*facts_in_use(topology.nodes), *facts_in_use(topology.links)])
    lost = [name for name in used if name not in held]
    return (*lost, *([RISK_FIGURES] if topology.risk_groups and RISK_FIGURES not in held else []))


def demand_rows(demands: DemandMatrix) -> Iterator[dict[str, Any]]:
    """Yield one record a demand: source, destination, volume_gbps and the attributes it states."""
    columns = {name: (column.codes.tolist(), column.values) for name, column in demands.attributes.items()}
    ends = zip(demands.source.tolist(), demands.destination.tolist(), demands.volume_gbps.tolist(), strict=True)
    for position, (source, destination, volume) in enumerate(ends):
        row: dict[str, Any] = {
            "source": demands.node_ids[source],
            "destination": demands.node_ids[destination],
            "volume_gbps": volume,
        }
        for name, (codes, values) in columns.items():
            if value := values[codes[position]]:
                row[name] = value
        yield row
