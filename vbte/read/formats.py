"""The file formats vbte reads and writes, and how a file's format is found from its first bytes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from vbte.errors import InputError
from vbte.read.source import Document


class TopologyFormat(StrEnum):
    """Formats of topologies; ``networkx`` is a graph in memory, ``topohub`` a network of that package by name."""

    YAML = "yaml"
    JSON = "json"
    CSV = "csv"
    SNDLIB = "sndlib"
    SNDLIB_XML = "sndlib-xml"
    REPETITA = "repetita"
    GRAPHML = "graphml"
    GML = "gml"
    NODE_LINK = "node-link"
    TOPOHUB = "topohub"
    NETWORKX = "networkx"


class DemandFormat(StrEnum):
    """Formats of demands; ``csv`` has one demand a row, ``matrix`` is square, ``series`` has a whole matrix a line."""

    YAML = "yaml"
    JSON = "json"
    CSV = "csv"
    MATRIX = "matrix"
    SERIES = "series"
    SNDLIB = "sndlib"
    SNDLIB_XML = "sndlib-xml"
    REPETITA = "repetita"
    NODE_LINK = "node-link"
    TOPOHUB = "topohub"
    NETWORKX = "networkx"


AnyFormat = TypeVar("AnyFormat", TopologyFormat, DemandFormat)

#: How much of a file detection looks at, bytes.
_HEAD_BYTES = 65536

_COMMENT_LINE = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)+")
_YAML_KEY = re.compile(r"^(?:---|%YAML|[A-Za-z_][\w-]*[ \t]*:(?:\s|\Z))", re.MULTILINE)
_SNDLIB = re.compile(r"\A\?SNDlib|^\s*(?:NODES|LINKS|DEMANDS|META)\s*\(", re.MULTILINE)
_REPETITA_GRAPH = re.compile(r"\A\s*NODES(?:[ \t]+\w+)?[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_REPETITA_DEMANDS = re.compile(r"\A\s*DEMANDS(?:[ \t]+\w+)?[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_GML = re.compile(r"^\s*graph\s*\[|\A\s*Creator\b", re.MULTILINE)
_XML_ROOT = re.compile(r"<(?![?!])(?:[\w.-]+:)?([\w.-]+)")


def chosen_format(formats: type[AnyFormat], wanted: AnyFormat | str | None) -> AnyFormat | None:
    """Return ``wanted`` as a member of ``formats``, None for None. Raises InputError for an unknown name."""
    if wanted is None:
        return None
    try:
        return formats(str(wanted))
    except ValueError:
        raise InputError(f"unknown format {str(wanted)!r}", remedy=f"use one of {', '.join(formats)}") from None


def detect_topology_format(document: Document) -> TopologyFormat:
    """Return the format of a topology file, by content first and by file name where content is silent.

    Raises InputError naming the formats tried.
    """
    head = _head(document)
    if head.startswith("<"):
        return _xml_format(head, {"graphml": TopologyFormat.GRAPHML, "network": TopologyFormat.SNDLIB_XML}, document)
    if head.startswith("{") and document.suffix not in (".yaml", ".yml"):
        return TopologyFormat.NODE_LINK if _looks_node_link(head) else TopologyFormat.JSON
    for pattern, found in (
        (_SNDLIB, TopologyFormat.SNDLIB),
        (_REPETITA_GRAPH, TopologyFormat.REPETITA),
        (_GML, TopologyFormat.GML),
    ):
        if pattern.search(head):
            return found
    if _cells(head) & {"source", "target"}:
        return TopologyFormat.CSV
    if _YAML_KEY.search(head) or head.startswith("{"):
        return TopologyFormat.YAML
    return _by_suffix(TopologyFormat, document)


def detect_demand_format(document: Document) -> DemandFormat:
    """Return the format of a demand file, by content first and by file name where content is silent.

    Raises InputError naming the formats tried.
    """
    head = _head(document)
    if head.startswith("<"):
        return _xml_format(head, {"network": DemandFormat.SNDLIB_XML}, document)
    if head.startswith("{") and document.suffix not in (".yaml", ".yml"):
        return DemandFormat.NODE_LINK if _looks_node_link(head) else DemandFormat.JSON
    if _SNDLIB.search(head):
        return DemandFormat.SNDLIB
    if _REPETITA_DEMANDS.search(head):
        return DemandFormat.REPETITA
    cells = _cells(head)
    if cells & {"source", "destination"}:
        return DemandFormat.CSV
    if _YAML_KEY.search(head) or head.startswith("{"):
        return DemandFormat.YAML
    if len(cells) > 1 and (document.suffix in (".csv", ".tsv", "") or "" in cells):
        return DemandFormat.MATRIX
    return _by_suffix(DemandFormat, document)


def _head(document: Document) -> str:
    """First part of the text, without byte-order mark, comments and blank lines. Raises InputError for binary junk."""
    data = document.data[:_HEAD_BYTES]
    if data.lstrip().startswith(b"<"):
        return data.decode("latin-1").lstrip()
    text = document.text[:_HEAD_BYTES]
    if not text.strip():
        raise InputError("the file is empty", place=document.origin)
    return _COMMENT_LINE.sub("", text).lstrip("\r\n \f\v") if not text.startswith("?SNDlib") else text


def _looks_node_link(head: str) -> bool:
    native = re.search(r'"schema"\s*:\s*"vbte\.', head)
    return not native and bool(re.search(r'"(?:directed|multigraph|edges)"\s*:', head))


def _cells(head: str) -> set[str]:
    """Cells of the first line, lower case, cut at whichever of comma, semicolon and tab occurs most."""
    line = head.partition("\n")[0].strip("\r")
    delimiter = max(",;\t", key=line.count)
    return {cell.strip().strip('"').lower() for cell in line.split(delimiter)} if delimiter in line else set()


def _xml_format(head: str, roots: dict[str, AnyFormat], document: Document) -> AnyFormat:
    match = _XML_ROOT.search(re.sub(r"<!--.*?(?:-->|\Z)", "", head, flags=re.DOTALL))
    root = match.group(1) if match else ""
    if root not in roots:
        raise InputError(
            f"XML with root element {root!r} is no format vbte knows" if root else "XML without a root element",
            place=document.origin,
            remedy=f"expected <{'> or <'.join(roots)}>",
        )
    return roots[root]


_SUFFIXES = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".xml": "sndlib-xml",
    ".graph": "repetita",
    ".demands": "repetita",
    ".graphml": "graphml",
    ".gml": "gml",
}


def _by_suffix(formats: type[AnyFormat], document: Document) -> AnyFormat:
    try:
        return formats(_SUFFIXES[document.suffix])
    except (KeyError, ValueError):
        tried = ", ".join(f.value for f in formats if f.value not in ("topohub", "networkx"))
        raise InputError(
            f"no known format (tried {tried})", place=document.origin, remedy="state it with format= (--format)"
        ) from None
