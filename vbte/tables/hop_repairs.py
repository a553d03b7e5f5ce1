"""What hop-by-hop tables hold for local repair: detours as backup groups, and the SIDs that their labels need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from vbte.device_limits import device_limits, profile_of
from vbte.paths.igp import igp_next_hops
from vbte.plan import PathSet
from vbte.tables.breaks import Breaks
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.detours import Positions, find_detours
from vbte.tables.drafts import DeviceDraft
from vbte.tables.hops import Hops
from vbte.tables.labels import label_plan
from vbte.tables.schema import Backup, CannotRealise
from vbte.tables.segment_hops import SegmentHops, segment_words
from vbte.tables.segments import segment_lists
from vbte.tables.sids import SidWriter, ending_tenants, limit_equal_cost
from vbte.topology import IntArray

RefusalReason = Literal["segment-depth", "group-size", "path-count"]


class HopRepairs:
    """Writes detours, device by device. Raises InputError when SIDs clash."""

    def __init__(self, hops: Hops, breaks: Breaks) -> None:
        self._hops, self._words = hops, CommodityWords(hops.instance, hops.admitted_share)
        instance = hops.instance
        limits = device_limits(instance.topology, instance.model)
        routing = limit_equal_cost(igp_next_hops(instance.topology), limits.max_group_members)
        self._labels = label_plan(instance.topology, instance.tenants)
        self._sids = SidWriter(routing, self._labels, ending_tenants(instance))
        self._detours = detours = find_detours(hops, breaks)
        self._max_members = limits.max_group_members
        # Detours first, then what stands in place of edges.
        self._ways = _with_more(detours.ways, list(detours.pinned.values()))
        self._segments = segment_lists(self._ways, routing)
        self._spelt = SegmentHops(segment_words(instance.topology, self._labels), self._ways, self._segments)
        self._edges = np.array(list(detours.pinned), dtype=np.int64)
        self._state = np.concatenate([detours.state, hops.dag.tail[self._edges]])
        self._node = hops.dag.state_node[self._state]
        # A tenant's label takes one place of the stack.
        self._deep = self._segments.depth > np.maximum(limits.max_segments[self._node] - any(instance.tenants), 1)
        self._bounds = np.searchsorted(detours.state, np.arange(len(hops.dag.state_node) + 1))
        numbered = zip(self._edges.tolist(), range(len(detours.state), len(self._state)), strict=True)
        self._pin_of = {edge: way for edge, way in numbered if not self._deep[way]}

    def service_label(self, commodity: int) -> int | None:
        """Return the label that tells the egress the tenant of a commodity, below those of a detour."""
        return self._labels.tenant.get(self._words.tenant[commodity])

    def add_sids(self, draft: DeviceDraft, node: int) -> None:
        """Add what a device has to hold for others' detours."""
        self._sids.add(draft, node)

    def pin(self, draft: DeviceDraft, edge: int) -> str | None:
        """Return the id of the next hop that stands in place of an edge of the DAG, None for none, adding it."""
        way = self._pin_of.get(edge)
        return None if way is None else self._use(draft, [way])[0]

    def backup(self, draft: DeviceDraft, state: int) -> Backup | None:
        """Return the backup of a state's group, None for none; what it needs is added to the draft."""
        ways = self._fitting(state)[: self._max_members[self._hops.dag.state_node[state]]]
        return {"group": draft.use_backup(self._use(draft, ways)), "when": "all-members-down"} if ways else None

    def _fitting(self, state: int) -> list[int]:
        """Return the detours of a state whose labels are not too many."""
        return [way for way in range(self._bounds[state], self._bounds[state + 1]) if not self._deep[way]]

    def _use(self, draft: DeviceDraft, ways: list[int]) -> list[str]:
        hops = list(self._spelt.of(np.array(ways, dtype=np.int32)))
        draft.next_hops.update((hop["id"], hop) for hop in hops)
        return sorted(hop["id"] for hop in hops)

    def refused(self) -> Iterator[tuple[int, CannotRealise]]:
        """Yield each device and what it can't repair: its labels are too many, or ways too many to pin them."""
        dag, instance = self._hops.dag, self._hops.instance
        besides = " and a tenant's label" if any(instance.tenants) else ""
        for way in np.flatnonzero(self._deep).tolist():
            limit = profile_of(instance.topology.nodes[self._node[way]], instance.model).max_segments
            detail = f"the detour needs {self._segments.depth[way]} segments{besides}, the device pushes {limit}"
            yield self._refusal(int(self._state[way]), self._ways[way], "segment-depth", detail)
        several = np.flatnonzero(np.diff(self._bounds) > 1)
        for state in several.tolist():
            most = int(self._max_members[dag.state_node[state]])
            for way in self._fitting(state)[most:]:
                detail = f"a group holds {most} members, and other detours are there already"
                yield self._refusal(state, self._ways[way], "group-size", detail)
        for edge in self._detours.blind:
            detail = "the next device may be left without a way, and several lead on from it: none can be pinned"
            yield self._refusal(int(dag.tail[edge]), dag.link[edge : edge + 1], "path-count", detail)

    def _refusal(
        self, state: int, links: IntArray | Positions, reason: RefusalReason, detail: str
    ) -> tuple[int, CannotRealise]:
        dag, commodity = self._hops.dag, int(self._detours.speaker[state])
        entry: CannotRealise = {
            "object": {
                "kind": "group",
                "egress": self._words.egress[commodity],
                "class": self._words.class_name[commodity],
                "tenant": "",
                "links": [self._hops.instance.topology.links[link].id for link in links.tolist()],
            },
            "reason": reason,
            "detail": detail,
            "substitute": "none: what comes here is dropped while no next hop is left",
            "bps_at_stake": bps(float(dag.flow_gbps[dag.tail == state].sum())),
        }
        return int(dag.state_node[state]), entry


def _with_more(paths: PathSet, more: list[IntArray]) -> PathSet:
    """Return the paths, and more behind them."""
    hops = np.concatenate([paths.hops, np.array([len(way) for way in more], dtype=np.int64)])
    start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
    commodity = np.concatenate([paths.commodity, np.zeros(len(more), dtype=np.int32)])
    return PathSet(start, np.concatenate([paths.links, *more]), commodity)
