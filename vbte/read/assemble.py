"""From what a reader found to a ``Topology``: defaults, both directions, ids, cables. Used by every reader."""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vbte.errors import InputError, InputWarning
from vbte.read.defaults import TopologyDefaults
from vbte.read.places import Place
from vbte.read.underlay import Ridden, inherit_srlgs
from vbte.topology import Link, Node, RiskGroup, Topology
from vbte.units import MS_PER_KM_OF_FIBRE

_LOG = logging.getLogger(__name__)
_EARTH_RADIUS_KM = 6371.0
_DEFAULTED = ("capacity_gbps", "metric", "latency_ms")


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """A link as read: ``facts`` are stated fields of ``Link``; ``place`` is for messages.

    ``both_ways`` makes two links of it; ``reverse`` holds what differs in the other direction.
    """

    source: str
    target: str
    facts: Mapping[str, Any]
    place: str | Place
    both_ways: bool = False
    reverse: Mapping[str, Any] = field(default_factory=dict)


def link_draft(facts: dict[str, Any], place: str | Place) -> LinkDraft:
    """Return a draft of ``facts`` as converted from one record. Raises InputError if an end is missing."""
    for end in ("source", "target"):
        if end not in facts:
            raise InputError(f"{end} is missing", place=str(place), remedy=f"state the link's {end} node")
    reverse = {_reversed_name(name): facts.pop(name) for name in list(facts) if "_reverse" in name}
    both_ways = facts.pop("bidirectional", False)
    if reverse and not both_ways:
        raise InputError(
            "a _reverse figure on a one-way link", place=str(place), remedy="state that it is bidirectional"
        )
    return LinkDraft(facts.pop("source"), facts.pop("target"), facts, place, both_ways, reverse)


def _reversed_name(name: str) -> str:
    return name.replace("_reverse", "")


def assemble(
    nodes: Sequence[Node],
    drafts: Iterable[LinkDraft],
    defaults: TopologyDefaults,
    *,
    origin: str,
    name: str,
    risk_groups: Sequence[RiskGroup] = (),
    segments: Sequence[Ridden] = (),
) -> Topology:
    """Return the topology of ``nodes`` and ``drafts``.

    Links that ride on others, or on ``segments``, inherit their SRLGs.

    Both-way drafts become two links, ids and cables are given where none are stated, and defaults fill the gaps (an
    InputWarning says so where only part of the links state a capacity). Raises InputError at the draft's place.
    """
    by_id = _nodes_by_id(nodes, origin)
    directed = list(_both_directions(drafts))
    for draft in directed:
        _check_ends(draft, by_id)
    _fill_cables(directed)
    _fill_ids(directed)
    inherit_srlgs([*segments, *(_ridden(link) for link in directed)])
    _report_defaults(directed, defaults, origin)
    links = tuple(_link(draft, by_id, defaults) for draft in directed)
    return Topology(tuple(nodes), links, name=name, origin=origin, risk_groups=tuple(risk_groups))


def _ridden(link: _Directed) -> Ridden:
    return Ridden((link.facts["id"], link.facts["cable"]), link.facts, link.place)


def _nodes_by_id(nodes: Sequence[Node], origin: str) -> dict[str, Node]:
    by_id = {node.id: node for node in nodes}
    if not nodes:
        raise InputError("no nodes", place=origin, remedy="a topology has at least one node")
    if len(by_id) != len(nodes):
        twice = Counter(node.id for node in nodes).most_common(1)[0][0]
        raise InputError(f"node id {twice!r} appears twice", place=origin, remedy="node ids are unique")
    return by_id


@dataclass(slots=True)
class _Directed:
    """One direction of a draft; ``twin`` numbers both-way drafts, so that their two directions stay together."""

    source: str
    target: str
    facts: dict[str, Any]
    place: str | Place
    twin: int | None


def _both_directions(drafts: Iterable[LinkDraft]) -> Iterable[_Directed]:
    for number, draft in enumerate(drafts):
        twin = number if draft.both_ways else None
        yield _Directed(draft.source, draft.target, dict(draft.facts), draft.place, twin)
        if draft.both_ways:
            back = {name: fact for name, fact in draft.facts.items() if name not in ("id", "interface", "gateway")}
            if "id" in draft.facts:
                back["id"] = f"{draft.facts['id']}:reverse"
            yield _Directed(draft.target, draft.source, back | dict(draft.reverse), draft.place, twin)


def _check_ends(link: _Directed, by_id: Mapping[str, Node]) -> None:
    for end in (link.source, link.target):
        if end not in by_id:
            raise InputError(f"unknown node {end!r}", place=str(link.place), remedy="list the node or mend the name")
    if link.source == link.target:
        raise InputError(f"link joins {link.source!r} to itself", place=str(link.place), remedy="remove the self-loop")


def _fill_cables(links: Sequence[_Directed]) -> None:
    """Name cables: the i-th u->v link and the i-th v->u link share ``u|v#i``; the two ways of one draft always do."""
    taken = {link.facts["cable"] for link in links if "cable" in link.facts}
    pairs_made: Counter[tuple[str, str]] = Counter()
    unpaired: dict[tuple[str, str], tuple[list[_Directed], list[_Directed]]] = {}
    half_done: dict[int, str] = {}
    for link in links:
        if "cable" in link.facts:
            continue
        pair = (min(link.source, link.target), max(link.source, link.target))
        if link.twin is None:
            unpaired.setdefault(pair, ([], []))[link.source != pair[0]].append(link)
        elif link.twin in half_done:
            link.facts["cable"] = half_done.pop(link.twin)
        else:
            link.facts["cable"] = half_done[link.twin] = _free_cable(pair, pairs_made, taken)
    for pair, (forward, backward) in unpaired.items():
        for position in range(max(len(forward), len(backward))):
            cable = _free_cable(pair, pairs_made, taken)
            for link in (*forward[position : position + 1], *backward[position : position + 1]):
                link.facts["cable"] = cable


def _free_cable(pair: tuple[str, str], pairs_made: Counter[tuple[str, str]], taken: set[str]) -> str:
    while True:
        pairs_made[pair] += 1
        cable = f"{pair[0]}|{pair[1]}#{pairs_made[pair]}"
        if cable not in taken:
            taken.add(cable)
            return cable


def _fill_ids(links: Sequence[_Directed]) -> None:
    """Name links ``SRC>DST``, and ``SRC>DST#2`` onwards for parallel ones; reject ids stated twice."""
    taken: set[str] = set()
    for link in links:
        stated = link.facts.get("id")
        if stated in taken:
            raise InputError(f"link id {stated!r} appears twice", place=str(link.place), remedy="link ids are unique")
        if stated is not None:
            taken.add(stated)
    used: Counter[str] = Counter()
    for link in links:
        base = f"{link.source}>{link.target}"
        while "id" not in link.facts:
            used[base] += 1
            candidate = base if used[base] == 1 else f"{base}#{used[base]}"
            if candidate not in taken:
                taken.add(candidate)
                link.facts["id"] = candidate


def _report_defaults(links: Sequence[_Directed], defaults: TopologyDefaults, origin: str) -> None:
    missing = {name: sum(name not in link.facts for link in links) for name in _DEFAULTED}
    for name, count in missing.items():
        if count:
            _LOG.info("%s: %d of %d links state no %s; default used", origin, count, len(links), name)
    if defaults.capacity_gbps is not None and 0 < missing["capacity_gbps"] < len(links):
        warnings.warn(
            f"{origin}: {missing['capacity_gbps']} of {len(links)} links state no capacity; "
            f"the default of {defaults.capacity_gbps:g} Gbit/s is used for them",
            InputWarning,
            stacklevel=2,
        )


def _link(draft: _Directed, by_id: Mapping[str, Node], defaults: TopologyDefaults) -> Link:
    facts = draft.facts
    if "capacity_gbps" not in facts:
        if defaults.capacity_gbps is None:
            raise InputError(
                f"link {draft.source} -> {draft.target} states no capacity",
                place=str(draft.place),
                remedy="state it, or give a default capacity (--default-capacity)",
            )
        facts["capacity_gbps"] = defaults.capacity_gbps
    facts.setdefault("metric", defaults.metric)
    if "latency_ms" not in facts:
        facts["latency_ms"] = _default_latency_ms(by_id[draft.source], by_id[draft.target], defaults)
    return Link(source=draft.source, target=draft.target, **facts)


def _default_latency_ms(one: Node, other: Node, defaults: TopologyDefaults) -> float:
    if defaults.latency_ms is not None:
        return defaults.latency_ms
    return great_circle_km(one, other) * MS_PER_KM_OF_FIBRE


def great_circle_km(one: Node, other: Node) -> float:
    """Return the distance between two nodes on a sphere, km (haversine); 0 where one has no coordinates."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return 0.0
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def without_coordinates(nodes: Sequence[Node]) -> list[Node]:
    """Return ``nodes`` without coordinates; for files whose coordinates are drawing positions, not degrees."""
    return [replace(node, latitude=None, longitude=None) for node in nodes]


def geographic(nodes: Sequence[Node], origin: str) -> list[Node]:
    """Return ``nodes``, without coordinates if any of them is no degree or all nodes share one place.

    Some formats hold drawing positions in the same columns; an InputWarning says when they are ignored.
    """
    places = {(node.latitude, node.longitude) for node in nodes}
    if len(places) == 1 and len(nodes) > 1:
        return without_coordinates(nodes)
    degrees = all(abs(lat or 0) <= 90 and abs(lon or 0) <= 180 for lat, lon in places)
    if degrees:
        return list(nodes)
    warnings.warn(
        f"{origin}: coordinates are not degrees and are ignored; latencies do not follow from them",
        InputWarning,
        stacklevel=2,
    )
    return without_coordinates(nodes)
