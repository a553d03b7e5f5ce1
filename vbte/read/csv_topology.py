"""CSV topologies: ``links.csv``, one row a link, and optionally ``nodes.csv`` beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, link_draft
from vbte.read.csv_table import Table, missing_column, read_table
from vbte.read.defaults import TopologyDefaults
from vbte.read.fields import LINK_FIELDS, NODE_FIELDS, Field, Kind, Units, field_of, text_value
from vbte.read.source import Document, open_document
from vbte.topology import Node, Topology

_LINK_COLUMNS: Mapping[str, Kind] = {**LINK_FIELDS, "direction": Kind.TEXT, "one_way": Kind.FLAG}


def read_csv_topology(links: Document, defaults: TopologyDefaults, name: str = "") -> Topology:
    """Return the topology of a links file and of the nodes file that belongs to it.

    That is the file beside it with ``nodes`` for ``links`` in its name; without one, nodes are the ends of the links
    in order of appearance. A row is one direction unless column ``direction`` says ``both`` (or ``bidirectional``
    true, or ``one_way`` false). Raises InputError with file and line.
    """
    table = read_table(links)
    wanted = missing_column(table, {"source": "the link's first node", "target": "the link's second node"})
    if wanted:
        raise wanted
    drafts = [_draft(facts, place) for facts, place in _records(table, _LINK_COLUMNS, defaults.units)]
    nodes_file = _nodes_file(links)
    nodes = _nodes(nodes_file) if nodes_file else _ends(drafts)
    return assemble(nodes, drafts, defaults, origin=links.origin, name=name or links.stem)


def links_file_in(directory: Path) -> Path:
    """Return ``directory/links.csv``. Raises InputError if it is missing."""
    path = directory / "links.csv"
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where it may not look
        raise InputError("is a directory without links.csv", place=str(directory), remedy="name the topology file")
    return path


def _nodes_file(links: Document) -> Document | None:
    if links.path is None or "links" not in links.path.name:
        return None
    path = links.path.with_name("nodes".join(links.path.name.rsplit("links", 1)))
    return open_document(path) if os.path.isfile(path) else None  # noqa: PTH113 - see above


def _nodes(document: Document) -> list[Node]:
    table = read_table(document)
    wanted = missing_column(table, {"id": "the node's name"})
    if wanted:
        raise wanted
    nodes: dict[str, Node] = {}
    for facts, place in _records(table, NODE_FIELDS, Units()):
        if "id" not in facts:
            raise InputError("id is blank", place=place, remedy="state the node's name")
        if facts["id"] in nodes:
            raise InputError(f"node id {facts['id']!r} appears twice", place=place, remedy="node ids are unique")
        nodes[facts["id"]] = Node(**facts)
    return list(nodes.values())


def _ends(drafts: list[LinkDraft]) -> list[Node]:
    return [Node(end) for end in dict.fromkeys(end for draft in drafts for end in (draft.source, draft.target))]


def _draft(facts: dict[str, Any], place: str) -> LinkDraft:
    direction = facts.pop("direction", None)
    one_way = facts.pop("one_way", None)
    if direction is not None:
        if direction not in ("both", "one-way"):
            raise InputError(f"direction is {direction!r}", place=place, remedy="write both or one-way")
        facts["bidirectional"] = direction == "both"
    elif one_way is not None:
        facts["bidirectional"] = not one_way
    return link_draft(facts, place)


def _records(table: Table, fields: Mapping[str, Kind], units: Units) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each row's stated facts and place; blank cells state nothing."""
    columns = [(field, cells) for field, cells in _columns(table, fields, units) if field is not None]
    for row in range(len(table.line)):
        facts: dict[str, Any] = {}
        for field, cells in columns:
            if cells[row].strip():
                try:
                    facts[field.name] = text_value(cells[row], field)
                except InputError as error:
                    raise error.at(table.place(row)) from None
        yield facts, table.place(row)


def _columns(table: Table, fields: Mapping[str, Kind], units: Units) -> Iterator[tuple[Field | None, Any]]:
    seen: set[str] = set()
    for name, cells in zip(table.header, table.columns, strict=True):
        try:
            field = field_of(name, fields, units)
        except InputError as error:
            raise error.at(table.header_place) from None
        if field is not None and field.name in seen:
            raise InputError(f"{field.name} has two columns", place=table.header_place, remedy="keep one of them")
        seen.add(field.name if field else "")
        yield field, cells
