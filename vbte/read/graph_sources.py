"""Where graphs come from: networkx in memory, node-link mappings and JSON, GML, topohub."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vbte.errors import InputError
from vbte.read.graphs import Edge, GraphFacts, node_names
from vbte.read.json_text import load_json
from vbte.read.places import NO_LINES, Lines, Place
from vbte.read.source import Document

if TYPE_CHECKING:
    import networkx

TOPOHUB_PREFIX = "topohub:"
_TOPOHUB_KEY = re.compile(r"(?!.*\.\.)[\w.-]+(?:/[\w.-]+)+")


def is_node_link(data: Mapping[str, Any]) -> bool:
    """True for a mapping that looks like networkx's node-link data rather than a native file."""
    return "schema" not in data and "nodes" in data and not {"edges", "directed", "multigraph"}.isdisjoint(data)


def from_networkx(graph: networkx.Graph[Any], origin: str, *, label: str | None = None) -> GraphFacts:
    """Return a networkx graph; ``label`` is the node attribute that names nodes, if any does."""
    names = node_names(
        list(graph.nodes),
        [attributes.get(label) for _, attributes in graph.nodes(data=True)] if label else [],
        Place(origin, ("nodes",), NO_LINES),
    )
    edges = [
        Edge(source, target, facts, Place(f"{origin}: edge {source} -> {target}", (), NO_LINES), graph.is_directed())
        for source, target, facts in graph.edges(data=True)
    ]
    attributes = [attributes for _, attributes in graph.nodes(data=True)]
    return GraphFacts(origin, names, attributes, edges, graph.graph)


def from_node_link(
    data: Mapping[str, Any], origin: str, *, lines: Lines = NO_LINES, label: str | None = None
) -> GraphFacts:
    """Return node-link data (``nodes`` with ``id``; ``edges`` or ``links`` with ``source`` and ``target``)."""
    edges_key = "edges" if "edges" in data else "links"
    nodes = _mappings(data, "nodes", origin, lines, ("id",))
    edges = _mappings(data, edges_key, origin, lines, ("source", "target"))
    keys = [_hashable(node["id"], Place(origin, ("nodes", n), lines)) for n, node in enumerate(nodes)]
    labels = [node.get(label) for node in nodes] if label else []
    directed = data.get("directed", False)
    if not isinstance(directed, bool):
        raise InputError(
            f"directed is {directed!r}", place=str(Place(origin, ("directed",), lines)), remedy="true or false"
        )
    attributes = data.get("graph", {})
    return GraphFacts(
        origin,
        node_names(keys, labels, Place(origin, ("nodes",), lines)),
        nodes,
        [_edge(edge, Place(origin, (edges_key, n), lines), directed) for n, edge in enumerate(edges)],
        attributes if isinstance(attributes, Mapping) else {},
        lines,
    )


def from_node_link_json(document: Document) -> GraphFacts:
    """Return a node-link JSON file. Raises InputError with file, line and key path."""
    data, lines = load_json(document.text, document.origin)
    if not isinstance(data, dict):
        raise InputError("no JSON object at the top", place=document.origin, remedy="node-link data is needed")
    return from_node_link(data, document.origin, lines=lines)


def from_gml(document: Document) -> GraphFacts:
    """Return a GML file; nodes are named by their labels where those are unique, else by their ids."""
    return from_networkx(_parsed_gml(document), document.origin, label="label")


def from_topohub(source: str) -> GraphFacts:
    """Return a network of the topohub package, nodes named where it has unique names.

    Raises InputError if the package is not installed or has no such network.
    """
    try:
        import topohub
    except ImportError:
        raise InputError(
            "topohub is not installed", place=source, remedy="install it: pip install 'vbte[topohub]'"
        ) from None
    key = source.removeprefix(TOPOHUB_PREFIX)
    try:
        if not _TOPOHUB_KEY.fullmatch(key):
            raise KeyError(key)
        with warnings.catch_warnings():
            # topohub leaves closing its data file to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            network = topohub.get(key)
    except (KeyError, OSError, ValueError):
        raise InputError("topohub has no such network", place=source, remedy="e.g. topohub:sndlib/germany50") from None
    return from_node_link(network, source, label="name")


def _parsed_gml(document: Document) -> networkx.Graph[Any]:
    import networkx

    text = document.text.encode("ascii", "xmlcharrefreplace").decode("ascii")
    if not re.search(r"\bmultigraph\s+1\b", text):
        # Without the flag networkx refuses parallel edges, which many files hold without announcing them.
        text = re.sub(r"^(\s*graph\s*\[)", r"\1 multigraph 1 ", text, count=1, flags=re.MULTILINE)
    try:
        graph: networkx.Graph[Any] = networkx.parse_gml(text.split("\n"), label="id")
    except Exception as error:  # networkx raises all kinds on damaged files
        fault = " ".join(str(error).split()) or type(error).__name__
        line = re.search(r"at \((\d+), \d+\)", fault)
        place = f"{document.origin}:{line.group(1)}" if line else document.origin
        raise InputError(f"broken GML: {fault[:200]}", place=place) from None
    return graph


def _mappings(
    data: Mapping[str, Any], key: str, origin: str, lines: Lines, needed: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    entries = data.get(key)
    if not isinstance(entries, list | tuple):
        raise InputError(
            f"{key} is no list", place=str(Place(origin, (key,), lines)), remedy=f"a list of {key} is needed"
        )
    for position, entry in enumerate(entries):
        place = Place(origin, (key, position), lines)
        if not isinstance(entry, Mapping):
            raise InputError("not an object", place=str(place), remedy=f"{' and '.join(needed)} are needed")
        for name in needed:
            if name not in entry:
                raise InputError(f"{name} is missing", place=str(place), remedy="state it")
    return list(entries)


def _edge(entry: Mapping[str, Any], place: Place, directed: bool) -> Edge:
    return Edge(_hashable(entry["source"], place), _hashable(entry["target"], place), entry, place, directed)


def _hashable(value: Any, place: Place) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(
            f"node id {str(value)[:40]!r} is no text", place=str(place), remedy="use text or a whole number"
        )
    return value
