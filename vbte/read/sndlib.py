"""SNDlib networks, native and XML alike, once parsed: what their figures mean here.

Links of SNDlib are undirected: each becomes two links of one cable, either with the full capacity. Capacity is the
pre-installed one; where that is 0 the largest module that may be installed; where there is none the default. Costs
and admissible paths are not read. A demand is taken in the direction it is written, its volume is the demand value
times its routing unit. The unit is the one the file states under META, else the caller's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, geographic, without_coordinates
from vbte.read.defaults import TopologyDefaults
from vbte.read.demand_build import DemandColumns, bandwidth_factor, demand_matrix, encode_ends, no_unit, to_gbps
from vbte.read.fields import scaled
from vbte.topology import Node, Topology


@dataclass(frozen=True, slots=True)
class SndlibLink:
    """A link as written; ``place`` is for messages."""

    id: str
    source: str
    target: str
    installed: float
    modules: tuple[float, ...]
    place: str


@dataclass(frozen=True, slots=True)
class SndlibDemand:
    """A demand as written; ``line`` is 0 where lines are not known."""

    source: str
    destination: str
    routing_unit: float
    value: float
    line: int


@dataclass(frozen=True)
class SndlibNetwork:
    """A parsed network file; ``unit`` is what META says, ``pixels`` that coordinates are drawing positions."""

    origin: str
    nodes: list[Node] = field(default_factory=list)
    links: list[SndlibLink] = field(default_factory=list)
    demands: list[SndlibDemand] = field(default_factory=list)
    unit: str | None = None
    pixels: bool = False


def sndlib_topology(network: SndlibNetwork, defaults: TopologyDefaults, *, name: str) -> Topology:
    """Return the topology of a parsed network. Raises InputError if a capacity has no unit."""
    unit = sndlib_unit(network.unit) or defaults.capacity_unit
    drafts = []
    for link in network.links:
        capacity = link.installed or max(link.modules, default=0.0)
        facts: dict[str, object] = {"id": link.id}
        if capacity:
            if unit is None:
                remedy = "state it: TopologyDefaults(capacity_unit='Mbps') (--capacity-unit Mbps)"
                raise InputError("link capacities have no unit", place=link.place, remedy=remedy)
            facts["capacity_gbps"] = scaled(capacity, bandwidth_factor(unit))
        drafts.append(LinkDraft(link.source, link.target, facts, link.place, both_ways=True))
    nodes = without_coordinates(network.nodes) if network.pixels else geographic(network.nodes, network.origin)
    return assemble(nodes, drafts, defaults, origin=network.origin, name=name)


def sndlib_demands(network: SndlibNetwork, *, unit: str | None, name: str) -> DemandMatrix:
    """Return the demands of a parsed network. Raises InputError if they have no unit or there is no section."""
    if not network.demands:
        raise InputError("no demands", place=network.origin, remedy="a DEMANDS section is needed")
    stated = sndlib_unit(network.unit) or unit
    if stated is None:
        raise no_unit("demand values", network.origin)
    node_ids, source, destination = encode_ends(
        [d.source for d in network.demands], [d.destination for d in network.demands]
    )
    values = np.array([d.value * d.routing_unit for d in network.demands], dtype=np.float64)
    line = np.array([d.line for d in network.demands if d.line], dtype=np.int64)
    columns = DemandColumns(node_ids, source, destination, to_gbps(values, bandwidth_factor(stated)), line=line)
    return demand_matrix(columns, origin=network.origin, name=name)


def sndlib_unit(stated: str | None) -> str | None:
    """Return SNDlib's spelling of a unit (``MBITPERSEC``) in ours (``Mbps``), other spellings unchanged."""
    match = re.fullmatch(r"([KMGT]?)BIT_?PER_?SEC(?:OND)?", (stated or "").strip(), re.IGNORECASE)
    return f"{match.group(1)}bps" if match else (stated or "").strip() or None
