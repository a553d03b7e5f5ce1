"""GraphML files; values stay text here, ``loose_value`` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vbte.errors import InputError
from vbte.read.graphs import Edge, GraphFacts, node_names
from vbte.read.places import NO_LINES, Place
from vbte.read.source import Document
from vbte.read.xml_text import children, descendants, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True, slots=True)
class _Key:
    """A declared attribute: what it belongs to (``node``, ``edge``, ``graph``, ``all``), its name and default."""

    domain: str
    name: str
    default: str | None


def from_graphml(document: Document) -> GraphFacts:
    """Return the graph of a GraphML file; nodes are named by their ids.

    Raises InputError on broken XML, document types, hyperedges, nested graphs and undeclared attributes.
    """
    root = parse_xml(document)
    origin = document.origin
    graph = next(children(root, "graph"), None)
    if graph is None:
        raise InputError("no <graph>", place=origin, remedy="a GraphML file holds one")
    for unwanted in ("hyperedge", "graph"):
        if any(inner is not graph for inner in descendants(root, unwanted)):
            raise InputError(f"more than plain nodes and edges: <{unwanted}>", place=origin, remedy="flatten the graph")
    keys = {key.get("id", ""): _key(key) for key in children(root, "key")}
    nodes = list(children(graph, "node"))
    ids = [_required(node, "id", origin) for node in nodes]
    return GraphFacts(
        origin,
        node_names(ids, [], Place(origin, ("nodes",), NO_LINES)),
        [_data(node, "node", keys, origin) for node in nodes],
        [_edge(edge, graph, keys, origin) for edge in children(graph, "edge")],
        _data(graph, "graph", keys, origin),
    )


def _key(element: Element) -> _Key:
    default = next((inner.text for inner in children(element, "default")), None)
    return _Key(element.get("for") or "all", element.get("attr.name") or element.get("id") or "", default)


def _required(element: Element, attribute: str, origin: str) -> str:
    value = element.get(attribute)
    if not value:
        what = element.tag.rpartition("}")[2]
        raise InputError(f"<{what}> without {attribute}", place=origin, remedy="give it one")
    return value


def _edge(element: Element, graph: Element, keys: Mapping[str, _Key], origin: str) -> Edge:
    source, target = _required(element, "source", origin), _required(element, "target", origin)
    place = f"{origin}: edge {source} -> {target}"
    attributes = _data(element, "edge", keys, place)
    if element.get("id"):
        attributes.setdefault("id", element.get("id", ""))
    fallback = graph.get("edgedefault", "undirected") == "directed"
    stated = element.get("directed")
    directed = fallback if stated is None else stated in ("true", "1")
    return Edge(source, target, attributes, Place(place, (), NO_LINES), directed)


def _data(element: Element, domain: str, keys: Mapping[str, _Key], place: str) -> dict[str, str]:
    values = {key.name: key.default for key in keys.values() if key.domain in (domain, "all")}
    found = {name: value for name, value in values.items() if value is not None}
    return found | dict(_stated(element, keys, place))


def _stated(element: Element, keys: Mapping[str, _Key], place: str) -> Iterator[tuple[str, str]]:
    for data in children(element, "data"):
        key = keys.get(data.get("key", ""))
        if key is None:
            raise InputError(f"undeclared attribute {data.get('key')!r}", place=place, remedy="declare it with <key>")
        if data.text and data.text.strip():
            yield key.name, data.text.strip()
