"""Graphs with attributes: networkx graphs, node-link JSON, GraphML, GML and topohub networks come through here.

Attributes are looked for under the names of native files (``capacity_gbps``, ``latency_us``, ``srlgs``, ...) and
under a few that other programs write: ``bandwidth`` and ``bw`` for capacity, ``LinkSpeedRaw`` (bit/s), ``delay`` for
latency, ``weight`` for the metric, ``dist`` (km of fibre), ``lat``/``lon``, ``Latitude``/``Longitude``, ``pos``
(longitude, latitude). All others are skipped. Undirected edges become both directions of one cable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, geographic, link_draft
from vbte.read.defaults import TopologyDefaults
from vbte.read.fields import LINK_FIELDS, NODE_FIELDS, Field, Kind, Units, field_of, loose_value
from vbte.read.places import NO_LINES, Lines, Place
from vbte.topology import Node, Topology
from vbte.units import GBPS_PER_UNIT, MS_PER_KM_OF_FIBRE, MS_PER_UNIT

_LINK_ALIASES = {"bandwidth": "capacity", "bw": "capacity", "delay": "latency", "weight": "metric"}
_NODE_ALIASES = {"lat": "latitude", "lon": "longitude", "lng": "longitude"}
_SPECIAL = {
    "linkspeedraw": Field("capacity_gbps", Kind.GBPS, GBPS_PER_UNIT["bps"]),
    "dist": Field("latency_ms", Kind.MS, MS_PER_KM_OF_FIBRE),
}
_OWN_KEYS = {"id", "source", "target"}


@dataclass(frozen=True)
class Edge:
    """An edge between two node keys; ``place`` is for messages. An edge that is not directed has both ways."""

    source: Any
    target: Any
    attributes: Mapping[str, Any]
    place: Place
    directed: bool


@dataclass(frozen=True)
class GraphFacts:
    """A graph as read: ``names`` maps node keys to node ids, in order."""

    origin: str
    names: Mapping[Any, str]
    node_attributes: Sequence[Mapping[str, Any]]
    edges: Sequence[Edge]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    lines: Lines = field(default_factory=lambda: NO_LINES)


def graph_topology(graph: GraphFacts, defaults: TopologyDefaults, *, name: str) -> Topology:
    """Return the topology of a graph. Raises InputError naming the node or edge at fault."""
    raw = [
        _node(node_id, attributes, Place(graph.origin, ("nodes", position), graph.lines))
        for position, (node_id, attributes) in enumerate(zip(graph.names.values(), graph.node_attributes, strict=True))
    ]
    nodes = geographic(raw, graph.origin)
    on_map = any(node.latitude is not None for node in nodes)
    keys = _Keys(defaults.units, {}, distances=on_map and defaults.latency_ms is None)
    with_ids = _ids_are_usable(graph.edges)
    drafts = [_draft(edge, graph, keys, with_ids) for edge in graph.edges]
    return assemble(nodes, drafts, defaults, origin=graph.origin, name=name)


def node_names(keys: Sequence[Any], labels: Sequence[Any], place: Place) -> dict[Any, str]:
    """Return node key -> id: the labels where every node has one and none repeats, else the keys.

    Raises InputError for a key that is neither text nor a whole number, and for repeated keys.
    """
    texts = [str(label).strip() if isinstance(label, str | int) else "" for label in labels]
    usable = all(texts) and len(set(texts)) == len(texts) and len(texts) == len(keys)
    names: dict[Any, str] = {}
    for position, key in enumerate(keys):
        try:
            text = loose_value(key, Field("node id", Kind.TEXT))
            if key in names:
                raise InputError(f"node id {key!r} appears twice", remedy="node ids are unique")
        except InputError as error:
            raise error.at(str(Place(place.origin, (*place.path, position), place.lines))) from None
        names[key] = texts[position] if usable else text
    if len(set(names.values())) != len(names):
        raise InputError("two node ids read the same as text", place=place.origin, remedy="rename one of the nodes")
    return names


@dataclass(frozen=True)
class _Keys:
    """The fields that edge attributes state, looked up once per attribute."""

    units: Units
    known: dict[str, Field | None]
    distances: bool

    def field(self, key: str) -> Field | None:
        if key not in self.known:
            self.known[key] = self._looked_up(key)
        return self.known[key]

    def _looked_up(self, key: str) -> Field | None:
        lower = key.lower()
        if lower in _SPECIAL:
            return _SPECIAL[lower] if lower != "dist" or self.distances else None
        canonical = _canonical(lower)
        return field_of(canonical, LINK_FIELDS, self.units) if canonical else None


def _canonical(key: str) -> str | None:
    """Native name of an edge attribute, None for one that means nothing here."""
    if key in LINK_FIELDS or key in _LINK_ALIASES:
        return _LINK_ALIASES.get(key, key)
    base, _, unit = key.rpartition("_")
    base = _LINK_ALIASES.get(base, base)
    stated = LINK_FIELDS.get(base)
    known = (stated is Kind.GBPS and unit in GBPS_PER_UNIT) or (stated is Kind.MS and unit in MS_PER_UNIT)
    return f"{base}_{unit}" if known else None


def _draft(edge: Edge, graph: GraphFacts, keys: _Keys, with_ids: bool) -> LinkDraft:
    facts: dict[str, Any] = {}
    weak: dict[str, Any] = {}
    for key, value in edge.attributes.items():
        if key in _OWN_KEYS or value is None:
            continue
        try:
            found = keys.field(str(key))
            if found is not None:
                (weak if str(key).lower() in _SPECIAL else facts)[found.name] = loose_value(value, found)
        except InputError as error:
            raise error.at(str(edge.place)) from None
    facts = weak | facts
    if with_ids:
        facts["id"] = str(edge.attributes["id"])
    if not edge.directed:
        facts["bidirectional"] = True
    for end, key in (("source", edge.source), ("target", edge.target)):
        if key not in graph.names:
            raise InputError(f"unknown node {key!r}", place=str(edge.place), remedy="list the node or mend the name")
        facts[end] = graph.names[key]
    return link_draft(facts, edge.place)


def _ids_are_usable(edges: Sequence[Edge]) -> bool:
    ids = [edge.attributes.get("id") for edge in edges]
    texts = {str(value) for value in ids if isinstance(value, str | int) and str(value).strip()}
    return len(texts) == len(edges)


def _node(node_id: str, attributes: Mapping[str, Any], place: Place) -> Node:
    facts: dict[str, Any] = {}
    for key, value in attributes.items():
        name = _NODE_ALIASES.get(str(key).lower(), str(key).lower())
        if name == "id" or name not in NODE_FIELDS or value is None:
            continue
        kind = NODE_FIELDS[name]
        # Coordinates may be drawing positions here, so degrees are not insisted on yet.
        kind = Kind.POSITION if kind in (Kind.LATITUDE, Kind.LONGITUDE) else kind
        try:
            facts[name] = loose_value(value, Field(name, kind))
        except InputError as error:
            raise error.at(str(place)) from None
    position = attributes.get("pos")
    if "latitude" not in facts and hasattr(position, "__len__") and not isinstance(position, str):
        facts |= _position(position, place)
    return Node(node_id, **facts)


def _position(pair: Any, place: Place) -> dict[str, float]:
    """Longitude and latitude from a pair of them (a list, or an array as networkx layouts give)."""
    try:
        longitude, latitude = (loose_value(part, Field("pos", Kind.POSITION)) for part in pair)
    except InputError as error:
        raise error.at(str(place)) from None
    except (TypeError, ValueError):
        fault = "pos is no pair of numbers"
        raise InputError(fault, place=str(place), remedy="longitude and latitude are needed") from None
    return {"longitude": longitude, "latitude": latitude}
