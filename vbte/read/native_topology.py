"""Native topologies (``vbte.topology/1``): YAML, JSON, or a mapping in memory; see ``schemas/topology-1.json``."""

from __future__ import annotations

from vbte.errors import InputError
from vbte.read.assemble import assemble, link_draft
from vbte.read.defaults import TopologyDefaults
from vbte.read.fields import LINK_FIELDS, NODE_FIELDS, Field, Kind
from vbte.read.native import NativeFile, check_top, records, stated_name
from vbte.read.places import Place
from vbte.topology import Node, Topology

SCHEMA = "vbte.topology/1"
_TOP_KEYS = ("schema", "name", "units", "nodes", "links")
_NODE_ID = Field("id", Kind.TEXT)


def read_native_topology(
    file: NativeFile, defaults: TopologyDefaults, *, name: str = "", fallback_name: str = ""
) -> Topology:
    """Return the topology in ``file``. Raises InputError with file, line and key path."""
    units = check_top(file, SCHEMA, _TOP_KEYS, defaults.units)
    nodes = []
    for position, facts in enumerate(records(file, "nodes", NODE_FIELDS, units, scalar=_NODE_ID)):
        if "id" not in facts:
            raise InputError("id is missing", place=file.place("nodes", position), remedy="state the node's id")
        nodes.append(Node(**facts))
    drafts = [
        link_draft(facts, Place(file.origin, ("links", position), file.lines))
        for position, facts in enumerate(records(file, "links", LINK_FIELDS, units))
    ]
    return assemble(nodes, drafts, defaults, origin=file.origin, name=name or stated_name(file) or fallback_name)
