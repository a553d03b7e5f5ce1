"""Topology: nodes and directed links, frozen facts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Node:
    """One router, site or switch.

    ``transit`` False: traffic may start and end here but not pass through (a site, a server).
    ``drained`` True: the same, by operator's wish. ``prefixes`` are the IP prefixes reached at this node;
    ``sid`` its segment-routing node index, ``device_profile`` what its tables can hold.
    """

    id: str
    latitude: float | None = None
    longitude: float | None = None
    region: str | None = None
    transit: bool = True
    drained: bool = False
    prefixes: tuple[str, ...] = ()
    sid: int | None = None
    device_profile: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One directed link; the two directions of a cable are two links with the same ``cable``.

    ``metric`` is the IGP metric, ``cost_per_gbps`` a price in the user's currency, ``interface`` the name of the
    outgoing interface at ``source`` and ``gateway`` the IP address of the far end of the link. ``unavailability`` is
    the share of time that the link is down, or mean times say as much: between failures, from repair to failure, and
    to repair.
    """

    id: str
    source: str
    target: str
    capacity_gbps: float
    metric: float = 1.0
    latency_ms: float = 0.0
    cost_per_gbps: float = 0.0
    srlgs: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    encrypted: bool = False
    drained: bool = False
    cable: str | None = None
    interface: str | None = None
    gateway: str | None = None
    unavailability: float | None = None
    mtbf_hours: float | None = None
    mttr_hours: float | None = None

    @property
    def share_down(self) -> float | None:
        """Share of time that the link is down, as stated or by its mean times; None where neither is stated."""
        return _share_down(self)


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """How often a shared-risk link group fails, whatever else its links do: figures as those of a link."""

    id: str
    unavailability: float | None = None
    mtbf_hours: float | None = None
    mttr_hours: float | None = None

    @property
    def share_down(self) -> float | None:
        """Share of time that the group is down, as stated or by its mean times; None where neither is stated."""
        return _share_down(self)


def _share_down(stated: Link | RiskGroup) -> float | None:
    if stated.mtbf_hours is None or stated.mttr_hours is None:
        return stated.unavailability
    return stated.mttr_hours / (stated.mtbf_hours + stated.mttr_hours)


@dataclass(frozen=True, eq=False)
class Topology:
    """A network snapshot: ``nodes`` and directed ``links``, each in the order given.

    ``risk_groups`` say how often SRLGs fail; links name their groups, with figures or without.

    Array attributes are indexed by link (shape ``(n_links,)``) or node (``(n_nodes,)``) position.
    Raises InputError on duplicate ids, unknown end points, self-loops, and figures that are negative or not finite.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    name: str = ""
    origin: str = field(default="topology", repr=False)
    risk_groups: tuple[RiskGroup, ...] = ()

    def __post_init__(self) -> None:
        index = {node.id: position for position, node in enumerate(self.nodes)}
        if len(index) != len(self.nodes):
            raise InputError(f"node id {_first_repeated(self.nodes)!r} appears twice", place=self.origin)
        if len({link.id for link in self.links}) != len(self.links):
            raise InputError(f"link id {_first_repeated(self.links)!r} appears twice", place=self.origin)
        if not self.nodes:
            raise InputError("no nodes", place=self.origin, remedy="a topology has at least one node")
        for link in self.links:
            _check_link(link, index, self.origin)
        if len({group.id for group in self.risk_groups}) != len(self.risk_groups):
            raise InputError(f"SRLG {_first_repeated(self.risk_groups)!r} appears twice", place=self.origin)
        for group in self.risk_groups:
            check_time_down(group, f"{self.origin}: SRLG {group.id!r}")

    @cached_property
    def node_index(self) -> dict[str, int]:
        """Node id -> position."""
        return {node.id: position for position, node in enumerate(self.nodes)}

    @cached_property
    def link_index(self) -> dict[str, int]:
        """Link id -> position."""
        return {link.id: position for position, link in enumerate(self.links)}

    @cached_property
    def tail(self) -> IntArray:
        """Position of each link's source node."""
        return np.array([self.node_index[link.source] for link in self.links], dtype=np.int32)

    @cached_property
    def head(self) -> IntArray:
        """Position of each link's target node."""
        return np.array([self.node_index[link.target] for link in self.links], dtype=np.int32)

    @cached_property
    def capacity_gbps(self) -> FloatArray:
        """Capacity of each link, Gbit/s."""
        return np.array([link.capacity_gbps for link in self.links], dtype=np.float64)

    @cached_property
    def metric(self) -> FloatArray:
        """IGP metric of each link."""
        return np.array([link.metric for link in self.links], dtype=np.float64)

    @cached_property
    def latency_ms(self) -> FloatArray:
        """One-way latency of each link, ms."""
        return np.array([link.latency_ms for link in self.links], dtype=np.float64)

    @cached_property
    def cost_per_gbps(self) -> FloatArray:
        """Price of one Gbit/s on each link."""
        return np.array([link.cost_per_gbps for link in self.links], dtype=np.float64)

    @cached_property
    def usable(self) -> BoolArray:
        """True where a link may carry traffic: not drained and capacity above zero."""
        return np.array([not link.drained and link.capacity_gbps > 0 for link in self.links], dtype=np.bool_)

    @cached_property
    def transit(self) -> BoolArray:
        """True where traffic may pass through a node, shape (n_nodes,)."""
        return np.array([node.transit and not node.drained for node in self.nodes], dtype=np.bool_)


def _first_repeated(items: tuple[Node, ...] | tuple[Link, ...] | tuple[RiskGroup, ...]) -> str:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            return item.id
        seen.add(item.id)
    return ""


def _check_link(link: Link, index: dict[str, int], origin: str) -> None:
    place = f"{origin}: link {link.id!r}"
    for end in (link.source, link.target):
        if end not in index:
            raise InputError(f"unknown node {end!r}", place=place, remedy="list the node or mend the name")
    if link.source == link.target:
        raise InputError("joins a node to itself", place=place, remedy="remove the self-loop")
    for name in ("capacity_gbps", "metric", "latency_ms", "cost_per_gbps"):
        figure = getattr(link, name)
        if not math.isfinite(figure) or figure < 0:
            raise InputError(f"{name} is {figure}", place=place, remedy="a figure of 0 or more is needed")
    check_time_down(link, place)


def check_time_down(part: Link | RiskGroup, place: str) -> None:
    """Raise InputError for what a link or group can't say of its failures: a share of time, or two mean times."""
    share, means = part.unavailability, (part.mtbf_hours, part.mttr_hours)
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"unavailability is {share}", place=place, remedy="a share of time from 0 to 1 is needed")
    stated = [mean for mean in means if mean is not None]
    if not stated:
        return
    if len(stated) == 1 or share is not None:
        remedy = "state mtbf_hours and mttr_hours, or unavailability alone"
        raise InputError("mean times to failure and repair go together", place=place, remedy=remedy)
    if not all(0 <= mean < math.inf for mean in stated) or sum(stated) == 0:
        fault = f"mtbf_hours is {means[0]} and mttr_hours is {means[1]}"
        raise InputError(fault, place=place, remedy="figures of 0 or more are needed, one of them above 0")
