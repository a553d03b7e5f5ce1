"""The words of schema ``vbte.delta/1``, in the order in which they are written; ``schemas/delta-1.json`` explains."""

from __future__ import annotations

from typing import Any, Final, Literal, TypedDict

from vbte.tables.schema import ManifestHead

SCHEMA: Final = "vbte.delta/1"

#: Directory of the deltas within a plan's directory, and the file that lists them.
DIRECTORY: Final = "failover"
INDEX_FILE: Final = "index.json"
MANIFEST_FILE: Final = "manifest.json"


class Section(TypedDict):
    """What changes in one section of a device's tables: whole entries, and keys of those that go."""

    add: list[Any]
    change: list[Any]
    remove: list[Any]


class Steering(Section):
    """The same for steering, whose order counts: ``order`` has all ids where adding at the end is not enough."""

    order: list[str] | None


class DeviceDelta(TypedDict):
    """``devices/NAME.json``: ``base`` and ``result`` are the hashes of the device's file before and after."""

    schema: Literal["vbte.delta/1"]
    document: Literal["device"]
    device: str
    base: str
    result: str
    next_hops: Section
    next_hop_groups: Section
    routes: Section
    steering: Steering
    local_sids: Section
    drains: Section
    cannot_realise: Section


class Part(TypedDict):
    """Something that is down, by kind and name."""

    kind: Literal["cable", "node", "srlg", "link"]
    name: str


class ScenarioFacts(TypedDict):
    """The scenario: what is down by name, and which links that takes."""

    name: str
    probability: float | None
    down: list[Part]
    links: list[str]


class Groups(TypedDict):
    """Next-hop groups of the plan, those of the IGP left out: how many the delta touches, and of how many."""

    added: int
    changed: int
    removed: int
    limit: int | None
    of: int


class Planned(TypedDict):
    """What a demand matrix brings in the re-plan: admitted by class and load by link, those without any left out."""

    admitted_bps: dict[str, int]
    link_load_bps: dict[str, int]


class Result(ManifestHead):
    """The manifest of the tables that come out, without its lists of devices and steps."""


class DeltaFile(TypedDict):
    """A device that changes, its delta's file and that file's hash."""

    device: str
    file: str
    sha256: str


class DeltaStep(TypedDict):
    """One step of the installation."""

    position: int
    device: str
    action: Literal["change"]
    role: Literal["transit", "head-end"]


class DeltaManifest(TypedDict):
    """``manifest.json``: ``delta`` is a hash over everything else in it, ``base`` the id of the plan it starts from."""

    schema: Literal["vbte.delta/1"]
    document: Literal["manifest"]
    delta: str
    base: str
    scenario: ScenarioFacts
    groups: Groups
    planned: list[Planned]
    result: Result
    devices: list[DeltaFile]
    steps: list[DeltaStep]


class IndexEntry(TypedDict):
    """A scenario: its directory and the hash of the manifest there, or why there is no re-plan (``fault``)."""

    scenario: str
    directory: str | None
    sha256: str | None
    result: str | None
    fault: str | None


class Index(TypedDict):
    """``index.json``: all scenarios that were re-planned, in their order."""

    schema: Literal["vbte.delta/1"]
    document: Literal["index"]
    base: str
    scenarios: list[IndexEntry]
