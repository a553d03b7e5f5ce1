"""Formats of other programs: REPETITA, SNDlib native, node-link JSON, GraphML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import orjson

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.topology import Link, Node, Topology
from vbte.write.figures import plain
from vbte.write.tables import facts_in_use, stated_facts

_KBPS_SHIFT = 6
_MBPS_SHIFT = 3
_US_SHIFT = 3

_GRAPHML_TYPES = {bool: "boolean", int: "int", float: "double"}


def repetita_graph(topology: Topology) -> bytes:
    """Return a REPETITA ``.graph``; labels have blanks replaced, nodes without coordinates stand at 0 0."""
    labels = _labels([node.id for node in topology.nodes], r"\s", "REPETITA")
    link_labels = _labels([link.id for link in topology.links], r"\s", "REPETITA")
    lines = [f"NODES {len(topology.nodes)}", "label x y"]
    lines += [f"{labels[node.id]} {plain(node.longitude or 0)} {plain(node.latitude or 0)}" for node in topology.nodes]
    lines += ["", f"EDGES {len(topology.links)}", "label src dest weight bw delay"]
    for link in topology.links:
        ends = f"{topology.node_index[link.source]} {topology.node_index[link.target]}"
        figures = f"{plain(link.metric)} {plain(link.capacity_gbps, shift=_KBPS_SHIFT)}"
        lines.append(f"{link_labels[link.id]} {ends} {figures} {plain(link.latency_ms, shift=_US_SHIFT)}")
    return _text(lines)


def repetita_demands(demands: DemandMatrix, topology: Topology) -> bytes:
    """Return REPETITA ``.demands`` with node numbers of ``topology``."""
    source, destination = demands.aligned(topology)
    lines = [f"DEMANDS {len(demands)}", "label src dest bw"]
    rows = zip(source.tolist(), destination.tolist(), demands.volume_gbps.tolist(), strict=True)
    lines += [f"demand_{n} {a} {b} {plain(volume, shift=_KBPS_SHIFT)}" for n, (a, b, volume) in enumerate(rows)]
    return _text(lines)


def sndlib_network(topology: Topology) -> bytes:
    """Return an SNDlib network without demands, capacities in Mbit/s as pre-installed ones.

    SNDlib links are undirected. Raises InputError for a link whose cable is not two equal opposite links.
    """
    labels = _labels([node.id for node in topology.nodes], r"[\s()#]", "SNDlib")
    link_labels = _labels([link.id for link in topology.links], r"[\s()#]", "SNDlib")
    lines = [*_SNDLIB_HEAD, "NODES ("]
    lines += [f"  {labels[node.id]}{_coordinates(node)}" for node in topology.nodes]
    lines += [")", "", "LINKS ("]
    for link in _undirected(topology):
        ends = f"( {labels[link.source]} {labels[link.target]} )"
        lines.append(f"  {link_labels[link.id]} {ends} {plain(link.capacity_gbps, shift=_MBPS_SHIFT)} 0 0 0 ( )")
    return _text([*lines, ")"])


def sndlib_demands(demands: DemandMatrix) -> bytes:
    """Return SNDlib demands in Mbit/s, without the network."""
    labels = _labels(list(demands.node_ids), r"[\s()#]", "SNDlib")
    lines = [*_SNDLIB_HEAD, "DEMANDS ("]
    rows = zip(demands.source.tolist(), demands.destination.tolist(), demands.volume_gbps.tolist(), strict=True)
    for number, (a, b, volume) in enumerate(rows):
        ends = f"( {labels[demands.node_ids[a]]} {labels[demands.node_ids[b]]} )"
        lines.append(f"  D{number} {ends} 1 {plain(volume, shift=_MBPS_SHIFT)} UNLIMITED")
    return _text([*lines, ")"])


_SNDLIB_HEAD = (
    "?SNDlib native format; type: network; version: 1.0",
    "",
    "META (",
    "  unit = MBITPERSEC",
    ")",
    "",
)


def node_link(topology: Topology) -> bytes:
    """Return networkx's node-link data of a directed multigraph, keyed by link id."""
    record = {
        "directed": True,
        "multigraph": True,
        "graph": {"name": topology.name} if topology.name else {},
        "nodes": [stated_facts(node) for node in topology.nodes],
        "edges": [{"key": link.id, **stated_facts(link)} for link in topology.links],
    }
    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def graphml(topology: Topology) -> bytes:
    """Return a directed GraphML graph with all facts as attributes, lists cut by semicolons."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    keys: list[tuple[str, str, Sequence[Node] | Sequence[Link]]] = []
    keys += [("node", name, topology.nodes) for name in facts_in_use(topology.nodes) if name != "id"]
    keys += [("edge", name, topology.links) for name in facts_in_use(topology.links) if name not in _ENDS]
    for kind, name, items in keys:
        declared = _GRAPHML_TYPES.get(_type_of(items, name), "string")
        lines.append(f'  <key id="{kind}-{name}" for="{kind}" attr.name="{name}" attr.type="{declared}"/>')
    if topology.name:
        lines.append('  <key id="graph-name" for="graph" attr.name="name" attr.type="string"/>')
    lines.append('  <graph edgedefault="directed">')
    if topology.name:
        lines.append(f'    <data key="graph-name">{_xml(topology.name)}</data>')
    for node in topology.nodes:
        lines += _element(f"node id={_attribute(node.id)}", "node", stated_facts(node), {"id"})
    for link in topology.links:
        ends = f"edge source={_attribute(link.source)} target={_attribute(link.target)}"
        lines += _element(ends, "edge", stated_facts(link), _ENDS)
    return _text([*lines, "  </graph>", "</graphml>"])


_ENDS = {"source", "target"}


def _element(start: str, kind: str, facts: Mapping[str, Any], skipped: Iterable[str]) -> list[str]:
    data = [
        f'      <data key="{kind}-{name}">{_xml(_graphml_value(value))}</data>'
        for name, value in facts.items()
        if name not in skipped
    ]
    return [f"    <{start}>", *data, f"    </{start.partition(' ')[0]}>"]


def _graphml_value(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_of(items: Sequence[Node] | Sequence[Link], name: str) -> type:
    return next(type(value) for item in items if (value := getattr(item, name)) is not None)


def _xml(text: str) -> str:
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text):
        raise InputError(f"{text!r} has characters that XML can't hold", remedy="choose another format")
    return escape(text)


def _attribute(text: str) -> str:
    _xml(text)
    return quoteattr(text)


def _labels(ids: list[str], forbidden: str, what: str) -> dict[str, str]:
    """Id -> the label that stands for it. Raises InputError if two ids would get the same label."""
    labels = {node: re.sub(forbidden, "_", node) for node in ids}
    if len(set(labels.values())) != len(labels):
        raise InputError(f"ids that differ in blanks alone can't be told apart in {what}", remedy="rename one of them")
    return labels


def _coordinates(node: Node) -> str:
    if node.longitude is None or node.latitude is None:
        return ""
    return f" ( {plain(node.longitude)} {plain(node.latitude)} )"


def _undirected(topology: Topology) -> list[Link]:
    """One link of every cable. Raises InputError for a cable that is not two equal opposite links."""
    cables: dict[str, list[Link]] = {}
    for link in topology.links:
        cables.setdefault(link.cable or link.id, []).append(link)
    for links in cables.values():
        first = links[0]
        twins = len(links) == 2 and (first.source, first.target) == (links[1].target, links[1].source)
        if not twins or first.capacity_gbps != links[1].capacity_gbps:
            raise InputError(
                f"link {first.id!r} has no equal link in the other direction, which SNDlib can't hold",
                remedy="choose another format",
            )
    return [links[0] for links in cables.values()]


def _text(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
