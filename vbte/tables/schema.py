"""The words of schema ``vbte.tables/1``: documents as typed dictionaries, and the names that both ends rely on.

``schemas/tables-1.json`` is the published form and says what each field means; ``README.md`` shows an example.
Keys stand in the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, TypedDict

SCHEMA: Final = "vbte.tables/1"

#: Name of the table that holds label routes, beside one table per class.
SID_TABLE = "sids"

#: Id of the group and next hop that deliver at the egress itself.
LOCAL = "local"

#: Keys of a manifest that publication fills in; the plan id does not cover them.
UNHASHED = ("plan", "parent", "sequence", "validity", "guardrails", "approvals")

RealisationName = Literal["source-routed", "hop-by-hop"]


def network_instance(tenant: str) -> str:
    """Return the network instance of a tenant; the prefix keeps a tenant named ``default`` apart."""
    return f"tenant-{tenant}" if tenant else "default"


class Segment(TypedDict):
    """One segment of a source route."""

    kind: Literal["node", "adjacency"]
    node: str
    link: str | None
    label: int


class NextHop(TypedDict):
    """One way out of the device."""

    id: str
    kind: Literal["link", "segments", "local"]
    node: str | None
    interface: str | None
    gateway: str | None
    labels: list[int]
    segments: list[Segment]
    links: list[str]
    latency_us: int | None


class Member(TypedDict):
    """A next hop's part in a group; left out, ``backup`` and ``limit_bps`` are null."""

    next_hop: str
    weight: int
    planned_share: float
    backup: NotRequired[str | None]
    limit_bps: NotRequired[int | None]


class Backup(TypedDict):
    """The group that takes over, and when."""

    group: str
    when: Literal["any-member-down", "all-members-down"]


class NextHopGroup(TypedDict):
    """Next hops that share traffic by weight."""

    id: str
    members: list[Member]
    backup: Backup | None
    quantisation_error: float


class RouteDemands(TypedDict):
    """What enters the network at a device for one route."""

    count: int
    offered_bps: int
    admitted_bps: int
    admitted_share: float


Route = TypedDict(
    "Route",
    {
        "network_instance": str,
        "table": str,
        "prefixes": list[str],
        "label": int | None,
        "egress": str,
        "class": str | None,
        "tenant": str | None,
        "group": str | None,
        "service_label": int | None,
        "demands": RouteDemands | None,
    },
)
Route.__doc__ = "Where traffic to one egress, or with one label, goes."

Steering = TypedDict("Steering", {"id": str, "match": dict[str, list[Any]] | None, "class": str, "table": str})
Steering.__doc__ = "How packets find their table."


class LocalSid(TypedDict):
    """A label the device itself answers to."""

    id: str
    kind: Literal["node", "adjacency", "tenant"]
    label: int
    link: str | None
    interface: str | None
    gateway: str | None
    network_instance: str | None


class Drain(TypedDict):
    """Something kept free of traffic."""

    kind: Literal["node", "link"]
    id: str


Concern = TypedDict(
    "Concern",
    {"kind": Literal["path", "demand", "group"], "egress": str, "class": str, "tenant": str, "links": list[str]},
)
Concern.__doc__ = "What a ``cannot_realise`` entry is about."


class CannotRealise(TypedDict):
    """A wish that the tables of a device can't carry out."""

    object: Concern
    reason: Literal[
        "segment-depth", "group-size", "latency-bound", "hop-bound", "must-pass", "path-count", "protection"
    ]
    detail: str
    substitute: str
    bps_at_stake: int


class Limits(TypedDict):
    """What the device was assumed to hold."""

    max_weight: int
    max_group_members: int
    max_segments: int


class DeviceTable(TypedDict):
    """``devices/NAME.json``."""

    schema: Literal["vbte.tables/1"]
    document: Literal["device"]
    device: str
    realisation: RealisationName
    limits: Limits
    next_hops: list[NextHop]
    next_hop_groups: list[NextHopGroup]
    routes: list[Route]
    steering: list[Steering]
    local_sids: list[LocalSid]
    drains: list[Drain]
    cannot_realise: list[CannotRealise]


class Validity(TypedDict):
    """RFC 3339 times, None for open."""

    not_before: str | None
    not_after: str | None


class Inputs(TypedDict):
    """Hashes of what was read."""

    topology: str
    model: str
    demands: list[str]


class Solver(TypedDict):
    """How the plan was found."""

    engine: str
    solver: str
    reason: str
    limit: str


class StageProof(TypedDict):
    """One stage's certificate in short."""

    stage: str
    value: float
    bound: float | None
    gap: float | None


class Totals(TypedDict):
    """Sum of the devices' ``cannot_realise``."""

    count: int
    bps_at_stake: int


class DeviceFile(TypedDict):
    """A device and its file."""

    device: str
    file: str
    sha256: str


class Step(TypedDict):
    """One step of the installation."""

    position: int
    device: str
    action: Literal["replace"]
    role: Literal["transit", "head-end"]


class ManifestHead(TypedDict):
    """What a manifest says of its tables as a whole."""

    schema: Literal["vbte.tables/1"]
    document: Literal["manifest"]
    plan: str
    parent: str | None
    sequence: int
    validity: Validity
    guardrails: list[dict[str, Any]]
    approvals: list[dict[str, Any]]
    realisation: RealisationName
    origin: Literal["plan", "igp"]
    model: str
    classes: list[str]
    tenants: list[str]
    inputs: Inputs
    allocation: str | None
    solver: Solver | None
    gap: float | None
    certificates: list[StageProof]
    max_quantisation_error: float
    max_link_error_bps: int
    link_error_bps: dict[str, int]
    cannot_realise: Totals


class Manifest(ManifestHead):
    """``manifest.json``."""

    devices: list[DeviceFile]
    steps: list[Step]


Devices = Mapping[str, DeviceTable]
