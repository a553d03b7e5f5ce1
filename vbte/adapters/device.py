"""One device's tables as typed records: what adapters read of schema ``vbte.tables/1``.

Fields that no adapter needs are left out; README.md of ``vbte.tables`` tells what all of them mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec

from vbte.errors import InputError

SCHEMA = "vbte.tables/1"

Dscp = Annotated[int, msgspec.Meta(ge=0, le=63)]


class NextHop(msgspec.Struct, frozen=True):
    """One way out: over the first of ``links``, into a segment list, or ``local`` delivery."""

    id: str
    kind: Literal["link", "segments", "local"]
    interface: str | None
    gateway: str | None
    links: tuple[str, ...]


class Member(msgspec.Struct, frozen=True):
    """A next hop's share of a group: ``weight`` over the sum of weights.

    ``backup`` is the next hop that stands in while it is down, ``limit_bps`` the most that may go over it.
    """

    next_hop: str
    weight: Annotated[int, msgspec.Meta(ge=1)]
    backup: str | None = None
    limit_bps: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Group(msgspec.Struct, frozen=True):
    """Next hops that share traffic; ``backup`` is not None where another group takes over."""

    id: str
    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1)]
    backup: Any = None


class Route(msgspec.Struct, frozen=True):
    """Where traffic to ``egress`` goes in one table; group None: it is discarded."""

    network_instance: str
    table: str
    prefixes: tuple[str, ...]
    label: int | None
    egress: str
    group: str | None


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions that all hold; a list matches any of its values, an empty one is no condition.

    ``classes`` stands for traffic that is said to be of a class by other means than a mark of its own.
    """

    classes: tuple[str, ...] = msgspec.field(name="class", default=())
    dscp: tuple[Dscp, ...] = ()
    vlan: tuple[int, ...] = ()
    application: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source_prefix: tuple[str, ...] = ()
    destination_prefix: tuple[str, ...] = ()


class Steering(msgspec.Struct, frozen=True):
    """Packets that match (None: all that are left) look their destination up in ``table``."""

    id: str
    match: Match | None
    table: str


class Device(msgspec.Struct, frozen=True, dict=True):
    """A device document."""

    schema: Literal["vbte.tables/1"]
    document: Literal["device"]
    device: str
    realisation: Literal["source-routed", "hop-by-hop"]
    next_hops: tuple[NextHop, ...]
    next_hop_groups: tuple[Group, ...]
    routes: tuple[Route, ...]
    steering: tuple[Steering, ...]

    @property
    def place(self) -> str:
        """How errors name the device."""
        return f"device {self.device!r}"

    @cached_property
    def next_hop_by_id(self) -> dict[str, NextHop]:
        """Next hop id -> next hop."""
        return {next_hop.id: next_hop for next_hop in self.next_hops}

    @cached_property
    def group_by_id(self) -> dict[str, Group]:
        """Group id -> group."""
        return {group.id: group for group in self.next_hop_groups}

    def ways(self, group_id: str) -> list[tuple[NextHop, int]]:
        """Return the next hops of a group with their weights. Raises InputError where the document has no such id."""
        group = self.group_by_id.get(group_id)
        if group is None:
            raise InputError(f"there is no group {group_id!r}", place=self.place, remedy="write the tables again")
        for member in group.members:
            if member.next_hop not in self.next_hop_by_id:
                raise InputError(
                    f"there is no next hop {member.next_hop!r}",
                    place=f"{self.place}: group {group_id!r}",
                    remedy="write the tables again",
                )
        return [(self.next_hop_by_id[member.next_hop], member.weight) for member in group.members]


def read_device(document: Mapping[str, Any]) -> Device:
    """Return a device document as records. Raises InputError naming the key that breaks the schema."""
    try:
        return msgspec.convert(document, type=Device)
    except msgspec.ValidationError as fault:
        name = document.get("device") if isinstance(document, Mapping) else None
        raise InputError(str(fault), place=f"device {name!r}", remedy=f"a device document of schema {SCHEMA}") from None
