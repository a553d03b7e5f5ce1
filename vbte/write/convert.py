"""``write_topology`` and ``write_demands``: any format that others read, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from vbte.demands import DemandMatrix
from vbte.errors import InputError, UsageError
from vbte.read.formats import DemandFormat, TopologyFormat, chosen_format
from vbte.topology import Link, Node, Topology
from vbte.write.atomic import write_file
from vbte.write.csv_text import demands_csv, links_csv, nodes_csv
from vbte.write.interchange import (
    graphml,
    node_link,
    repetita_demands,
    repetita_graph,
    sndlib_demands,
    sndlib_network,
)
from vbte.write.native_text import as_json, as_yaml, demands_record, topology_record
from vbte.write.tables import RISK_FIGURES, lost_facts

_ALL_FACTS = frozenset(field.name for field in (*fields(Node), *fields(Link)))
_NATIVE_FACTS = _ALL_FACTS | {RISK_FIGURES}
_PLACES = frozenset(("id", "source", "target", "latitude", "longitude", "capacity_gbps"))

_TOPOLOGY_WRITERS: Mapping[TopologyFormat, tuple[Callable[[Topology], bytes], frozenset[str]]] = {
    TopologyFormat.YAML: (lambda topology: as_yaml(topology_record(topology)), _NATIVE_FACTS),
    TopologyFormat.JSON: (lambda topology: as_json(topology_record(topology)), _NATIVE_FACTS),
    TopologyFormat.CSV: (links_csv, _ALL_FACTS),
    TopologyFormat.REPETITA: (repetita_graph, _PLACES | {"metric", "latency_ms", "cable"}),
    TopologyFormat.SNDLIB: (sndlib_network, _PLACES | {"cable"}),
    TopologyFormat.NODE_LINK: (node_link, _ALL_FACTS),
    TopologyFormat.GRAPHML: (graphml, _ALL_FACTS),
}

#: Formats ``write_topology`` knows, and those ``write_demands`` does.
WRITABLE_TOPOLOGIES = tuple(_TOPOLOGY_WRITERS)
WRITABLE_DEMANDS = (
    DemandFormat.YAML,
    DemandFormat.JSON,
    DemandFormat.CSV,
    DemandFormat.REPETITA,
    DemandFormat.SNDLIB,
)


def write_topology(topology: Topology, path: str | os.PathLike[str], format: TopologyFormat | str) -> tuple[str, ...]:
    """Write ``topology`` and return the names of its facts that the format can't hold.

    CSV is a pair of files: ``path`` is a directory, which gets ``links.csv`` and ``nodes.csv``, or a file with
    ``links`` in its name, beside which its nodes file is written. Raises UsageError for a format that is not
    written, InputError for a topology the format can't hold at all and for a place that can't be written.
    """
    chosen = chosen_format(TopologyFormat, format)
    if chosen is None or chosen not in _TOPOLOGY_WRITERS:
        raise UsageError(f"topologies are not written as {format}; use one of {', '.join(WRITABLE_TOPOLOGIES)}")
    writer, held = _TOPOLOGY_WRITERS[chosen]
    if chosen is TopologyFormat.CSV:
        _write_csv_pair(topology, Path(path))
    else:
        write_file(path, writer(topology))
    return lost_facts(topology, held=held)


def write_demands(
    demands: DemandMatrix,
    path: str | os.PathLike[str],
    format: DemandFormat | str,
    *,
    topology: Topology | None = None,
) -> tuple[str, ...]:
    """Write ``demands`` and return the names of their attributes that the format can't hold.

    REPETITA numbers nodes and needs ``topology``. Raises UsageError for a format that is not written.
    """
    chosen = chosen_format(DemandFormat, format)
    match chosen:
        case DemandFormat.YAML:
            data = as_yaml(demands_record(demands))
        case DemandFormat.JSON:
            data = as_json(demands_record(demands))
        case DemandFormat.CSV:
            data = demands_csv(demands)
        case DemandFormat.REPETITA:
            if topology is None:
                raise InputError("REPETITA demands use node numbers", remedy="give the topology too")
            data = repetita_demands(demands, topology)
        case DemandFormat.SNDLIB:
            data = sndlib_demands(demands)
        case _:
            raise UsageError(f"demands are not written as {format}; use one of {', '.join(WRITABLE_DEMANDS)}")
    write_file(path, data)
    holds_attributes = chosen in (DemandFormat.YAML, DemandFormat.JSON, DemandFormat.CSV)
    return () if holds_attributes else tuple(demands.attributes)


def _write_csv_pair(topology: Topology, path: Path) -> None:
    if path.suffix != ".csv":
        path.mkdir(parents=True, exist_ok=True)
        path = path / "links.csv"
    if "links" not in path.name:
        raise UsageError(f"{path}: a CSV topology is a directory, or a file with 'links' in its name")
    # Nodes first: until the links file appears, no reader takes the pair for a topology.
    write_file(path.with_name("nodes".join(path.name.rsplit("links", 1))), nodes_csv(topology))
    write_file(path, links_csv(topology))
