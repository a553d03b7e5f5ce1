"""What groups that stay as they are still carry once devices have dropped the members that are down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.oracle import merged_paths
from vbte.plan import PathSet
from vbte.tables import Tables
from vbte.tables.labels import group_id
from vbte.tables.schema import NextHop, NextHopGroup
from vbte.topology import FloatArray

#: Ways of one commodity that are followed at most.
_MOST_WAYS = 1000


@dataclass(frozen=True, eq=False)
class Ways:
    """Ways of a commodity by its written groups: positions of links, and the share of the traffic that goes there."""

    links: tuple[tuple[int, ...], ...]
    share: tuple[float, ...]


def with_ways(flows: tuple[PathSet, FloatArray], more: Iterable[tuple[int, Ways, float]]) -> tuple[PathSet, FloatArray]:
    """Return path flows with those of commodities that share their volume by their groups' own weights."""
    rows = [
        (k, links, gbps * share) for k, ways, gbps in more for links, share in zip(ways.links, ways.share, strict=True)
    ]
    start = np.concatenate([[0], np.cumsum([len(links) for _, links, _ in rows])]).astype(np.int64)
    paths = PathSet(
        start,
        np.array([link for _, links, _ in rows for link in links], dtype=np.int32),
        np.array([k for k, _, _ in rows], dtype=np.int32),
    )
    flow = np.concatenate([flows[1], [gbps for *_, gbps in rows]])
    order = np.argsort(np.concatenate([flows[0].commodity, paths.commodity]), kind="stable")
    return merged_paths([flows[0], paths]), flow[order]


def crossings(ways: Ways) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the links that ways cross, and the share of the traffic on each."""
    found: dict[int, float] = {}
    for links, share in zip(ways.links, ways.share, strict=True):
        for link in links:
            found[link] = found.get(link, 0.0) + share
    return np.array(list(found), dtype=np.intp), np.array(list(found.values()))


class Untouched:
    """Follows the written groups of commodities past what is ``down``, positions of links."""

    def __init__(self, tables: Tables, instance: Instance, down: Collection[int]) -> None:
        self._instance = instance
        self._by_segments = tables.manifest["realisation"] == "source-routed"
        self._tables = tables
        self._down = frozenset(down)
        self._device: dict[str, tuple[dict[str, NextHopGroup], dict[str, NextHop]]] = {}

    def group(self, commodity: int) -> str:
        """Return the id of a commodity's group, at its head end or at every device."""
        instance = self._instance
        egress = instance.topology.nodes[instance.destination[commodity]].id
        tenant = instance.tenants[instance.tenant_index[commodity]]
        name = instance.rules[instance.class_index[commodity]].policy.name
        return group_id(egress, name, tenant if self._by_segments else None)

    def devices(self, commodity: int) -> Sequence[str]:
        """Return the devices that may hold a commodity's group."""
        if self._by_segments:
            return (self._instance.topology.nodes[self._instance.source[commodity]].id,)
        return tuple(self._tables.devices)

    def ways(self, commodity: int) -> Ways | None:
        """Return what a commodity's groups do with it by themselves, None unless all of it arrives.

        None also where a group has a backup, whose part is told by ``vbte.failover.repair``, leaves the way to the
        IGP, or splits again and again.
        """
        nodes = self._instance.topology.nodes
        start, egress = nodes[self._instance.source[commodity]].id, nodes[self._instance.destination[commodity]].id
        found: list[tuple[tuple[int, ...], float]] = []
        waiting: list[tuple[str, tuple[int, ...], float]] = [(start, (), 1.0)]
        group = self.group(commodity)
        while waiting:
            device, links, share = waiting.pop()
            steps = [((), 1.0, None)] if device == egress else self._steps(device, group)
            if steps is None or len(found) + len(waiting) > _MOST_WAYS:
                return None
            for more, part, onward in steps:
                if onward is None:
                    found.append((links + more, share * part))
                elif len(links) < len(nodes):
                    waiting.append((onward, links + more, share * part))
                else:
                    return None
        found.sort()
        return Ways(tuple(links for links, _ in found), tuple(share for _, share in found))

    def _steps(self, device: str, group: str) -> list[tuple[tuple[int, ...], float, str | None]] | None:
        """Return links, share and next device (None: there) of a group's living members; None if it can't be told."""
        groups, hops = self._held(device)
        held = groups.get(group)
        if held is None or held["backup"] is not None:
            return None
        alive = list(self._alive(held, hops))
        if not alive or any(links is None for links, _, _ in alive):
            return None
        total = sum(weight for _, weight, _ in alive)
        return [(links or (), weight / total, onward) for links, weight, onward in alive]

    def _alive(
        self, group: NextHopGroup, hops: dict[str, NextHop]
    ) -> Iterator[tuple[tuple[int, ...] | None, int, str | None]]:
        index = self._instance.topology.link_index
        for member in group["members"]:
            hop = hops[member["next_hop"]]
            links = tuple(index[name] for name in hop["links"])
            if not links:
                yield None, member["weight"], None
            elif self._down.isdisjoint(links):
                yield links, member["weight"], None if self._by_segments else hop["node"]

    def _held(self, device: str) -> tuple[dict[str, NextHopGroup], dict[str, NextHop]]:
        if device not in self._device:
            table = self._tables.devices[device]
            self._device[device] = (
                {group["id"]: group for group in table["next_hop_groups"]},
                {hop["id"]: hop for hop in table["next_hops"]},
            )
        return self._device[device]
