"""Native topologies (``vbte.topology/1``): YAML, JSON, or a mapping in memory; see ``schemas/topology-1.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, link_draft
from vbte.read.defaults import TopologyDefaults
from vbte.read.fields import LINK_FIELDS, NODE_FIELDS, Field, Kind, typed_value
from vbte.read.native import NativeFile, Record, check_top, records
from vbte.topology import Node, Topology

SCHEMA = "vbte.topology/1"
_TOP_KEYS = ("schema", "name", "units", "nodes", "links")
_NODE_ID = Field("id", Kind.TEXT)


def read_native_topology(
    file: NativeFile, defaults: TopologyDefaults, *, name: str = "", fallback_name: str = ""
) -> Topology:
    """Return the topology in ``file``. Raises InputError with file, line and key path."""
    units = check_top(file, SCHEMA, _TOP_KEYS, defaults.units)
    nodes = [_node(record) for record in records(file, "nodes", NODE_FIELDS, units, scalar=_NODE_ID)]
    drafts = [_draft(record) for record in records(file, "links", LINK_FIELDS, units)]
    return assemble(nodes, drafts, defaults, origin=file.origin, name=name or _name(file) or fallback_name)


def _node(record: Record) -> Node:
    if "id" not in record.facts:
        raise InputError("id is missing", place=str(record.place), remedy="state the node's id")
    return Node(**record.facts)


def _draft(record: Record) -> LinkDraft:
    return link_draft(record.facts, record.place)


def _name(file: NativeFile) -> str:
    data: Mapping[str, Any] = file.data
    if "name" not in data:
        return ""
    try:
        return str(typed_value(data["name"], Field("name", Kind.TEXT)))
    except InputError as error:
        raise error.at(file.place("name")) from None
