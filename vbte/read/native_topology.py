"""Native topologies (``vbte.topology/1``): YAML, JSON, or a mapping in memory; see ``schemas/topology-1.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, link_draft
from vbte.read.defaults import TopologyDefaults
from vbte.read.fields import LINK_FIELDS, NODE_FIELDS, SRLG_FIELDS, UNDERLAY_FIELDS, Field, Kind, Units
from vbte.read.native import NativeFile, check_top, records, stated_name
from vbte.read.places import Place
from vbte.read.underlay import Ridden
from vbte.topology import Node, RiskGroup, Topology, check_time_down

SCHEMA = "vbte.topology/1"
_TOP_KEYS = ("schema", "name", "units", "nodes", "links", "srlgs", "underlay")
_ID = Field("id", Kind.TEXT)


def read_native_topology(
    file: NativeFile, defaults: TopologyDefaults, *, name: str = "", fallback_name: str = ""
) -> Topology:
    """Return the topology in ``file``. Raises InputError with file, line and key path."""
    units = check_top(file, SCHEMA, _TOP_KEYS, defaults.units)
    nodes = []
    for position, facts in enumerate(records(file, "nodes", NODE_FIELDS, units, scalar=_ID)):
        if "id" not in facts:
            raise InputError("id is missing", place=file.place("nodes", position), remedy="state the node's id")
        nodes.append(Node(**facts))
    drafts = [
        link_draft(facts, Place(file.origin, ("links", position), file.lines))
        for position, facts in enumerate(records(file, "links", LINK_FIELDS, units))
    ]
    return assemble(
        nodes,
        drafts,
        defaults,
        origin=file.origin,
        name=name or stated_name(file) or fallback_name,
        risk_groups=_risk_groups(file, units, drafts),
        segments=_segments(file, units),
    )


def _risk_groups(file: NativeFile, units: Units, drafts: Sequence[LinkDraft]) -> list[RiskGroup]:
    """Return what the file says of its SRLGs. Raises InputError for one said twice, or that nothing is in."""
    groups: dict[str, RiskGroup] = {}
    known = {name for draft in drafts for name in draft.facts.get("srlgs", ())}
    known |= {name for facts in _listed(file, "underlay", UNDERLAY_FIELDS, units) for name in facts.get("srlgs", ())}
    for position, facts in enumerate(_listed(file, "srlgs", SRLG_FIELDS, units)):
        place = file.place("srlgs", position)
        group = RiskGroup(**facts)
        if group.id in groups:
            raise InputError(f"SRLG {group.id!r} appears twice", place=place, remedy="state each group once")
        if group.id not in known:
            raise InputError(
                f"no link is in SRLG {group.id!r}", place=place, remedy="mend the name, or name it in srlgs"
            )
        check_time_down(group, place)
        groups[group.id] = group
    return list(groups.values())


def _segments(file: NativeFile, units: Units) -> list[Ridden]:
    """Return what links may ride on without being planned over themselves."""
    seen: set[str] = set()
    segments = []
    for position, facts in enumerate(_listed(file, "underlay", UNDERLAY_FIELDS, units)):
        place = file.place("underlay", position)
        if facts["id"] in seen:
            raise InputError(f"{facts['id']!r} appears twice", place=place, remedy="ids are unique")
        seen.add(facts["id"])
        segments.append(Ridden((facts["id"],), facts, place))
    return segments


def _listed(file: NativeFile, key: str, fields: Mapping[str, Kind], units: Units) -> Iterator[dict[str, Any]]:
    """Yield the records under a key that may be missing. Raises InputError for one without an id."""
    if key not in file.data:
        return
    for position, facts in enumerate(records(file, key, fields, units, scalar=_ID)):
        if "id" not in facts:
            raise InputError("id is missing", place=file.place(key, position), remedy="state its id")
        yield facts
