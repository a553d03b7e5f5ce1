"""What hop-by-hop tables hold for local repair: detours as backup groups, and the SIDs that their labels need."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vbte.paths.igp import igp_next_hops
from vbte.tables.breaks import Breaks
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.detours import find_detours
from vbte.tables.drafts import DeviceDraft, device_limits, profile_of
from vbte.tables.hops import Hops
from vbte.tables.labels import label_plan
from vbte.tables.schema import Backup, CannotRealise
from vbte.tables.segment_hops import SegmentHops, segment_words
from vbte.tables.segments import segment_lists
from vbte.tables.sids import SidWriter, ending_tenants, limit_equal_cost


class HopRepairs:
    """Writes detours, device by device. Raises InputError when SIDs clash."""

    def __init__(self, hops: Hops, breaks: Breaks) -> None:
        self._hops, self._words = hops, CommodityWords(hops.instance, hops.admitted_share)
        instance = hops.instance
        limits = device_limits(instance.topology, instance.model)
        routing = limit_equal_cost(igp_next_hops(instance.topology), limits.max_group_members)
        self._labels = label_plan(instance.topology, instance.tenants)
        self._sids = SidWriter(routing, self._labels, ending_tenants(instance))
        self._detours = find_detours(hops, breaks)
        self._segments = segment_lists(self._detours.paths, routing)
        words = segment_words(instance.topology, self._labels)
        self._spelt = SegmentHops(words, self._detours.paths, self._segments)
        # A tenant's label takes one place of the stack.
        room = limits.max_segments[hops.dag.state_node[self._detours.state]] - any(instance.tenants)
        self._deep = self._segments.depth > np.maximum(room, 1)
        self._detour_of = np.full(len(hops.dag.state_node), -1)
        self._detour_of[self._detours.state] = np.where(self._deep, -1, np.arange(len(self._detours.state)))

    def service_label(self, commodity: int) -> int | None:
        """Return the label that tells the egress the tenant of a commodity, below those of a detour."""
        return self._labels.tenant.get(self._words.tenant[commodity])

    def add_sids(self, draft: DeviceDraft, node: int) -> None:
        """Add what a device has to hold for others' detours."""
        self._sids.add(draft, node)

    def backup(self, draft: DeviceDraft, state: int) -> Backup | None:
        """Return the backup of a state's group, None for none; what it needs is added to the draft."""
        at = int(self._detour_of[state])
        if at < 0:
            return None
        (hop,) = self._spelt.of(np.array([at], dtype=np.int32))
        draft.next_hops[hop["id"]] = hop
        return {"group": draft.use_backup([hop["id"]]), "when": "all-members-down"}

    def refused(self) -> Iterator[tuple[int, CannotRealise]]:
        """Yield each device and what it can't repair: its labels are too many."""
        dag, instance = self._hops.dag, self._hops.instance
        passing = np.bincount(dag.tail, weights=dag.flow_gbps, minlength=len(dag.state_node))
        for at in np.flatnonzero(self._deep).tolist():
            state = int(self._detours.state[at])
            node, commodity = int(dag.state_node[state]), int(self._detours.paths.commodity[at])
            limit = profile_of(instance.topology.nodes[node], instance.model).max_segments
            besides = " and a tenant's label" if any(instance.tenants) else ""
            entry: CannotRealise = {
                "object": {
                    "kind": "group",
                    "egress": self._words.egress[commodity],
                    "class": self._words.class_name[commodity],
                    "tenant": "",
                    "links": [instance.topology.links[link].id for link in self._detours.paths[at].tolist()],
                },
                "reason": "segment-depth",
                "detail": f"the detour needs {self._segments.depth[at]} segments{besides}, the device pushes {limit}",
                "substitute": "none: what comes here is dropped while no next hop is left",
                "bps_at_stake": bps(float(passing[state])),
            }
            yield node, entry
