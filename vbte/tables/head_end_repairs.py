"""What source-routed head ends hold for local repair: paths that stand by, as backup groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vbte.device_limits import DeviceLimits, profile_of
from vbte.paths.igp import IgpRouting
from vbte.plan import PathSet
from vbte.policy import DeviceProfile
from vbte.tables.breaks import Breaks
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.drafts import DeviceDraft
from vbte.tables.schema import Backup, CannotRealise
from vbte.tables.segment_hops import SegmentHops, SegmentWords
from vbte.tables.segments import SegmentLists, segment_lists
from vbte.tables.splits import PathBackups, Splits, too_deep
from vbte.tables.standby import find_standby

Positions = NDArray[np.int64]


def standby_paths(splits: Splits, routing: IgpRouting, limits: DeviceLimits, breaks: Breaks) -> PathBackups:
    """Return the paths that stand by, with the segments that pin them, sorted by commodity."""
    paths = find_standby(splits, breaks)
    segments = segment_lists(paths, routing)
    return PathBackups(paths, segments, too_deep(splits.plan, paths, segments, limits))


def no_standby() -> PathBackups:
    """Return no paths at all."""
    none, nowhere = np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64)
    paths = PathSet(nowhere, none, none)
    return PathBackups(paths, SegmentLists(nowhere, np.empty(0, dtype=np.bool_), none), np.empty(0, dtype=np.bool_))


class HeadEndRepairs:
    """Writes standby paths, commodity by commodity."""

    def __init__(self, standby: PathBackups, words: CommodityWords, spelling: SegmentWords) -> None:
        self._standby, self._words, self._spelling = standby, words, spelling
        self._hops = SegmentHops(spelling, standby.paths, standby.segments)
        every = np.arange(words.instance.n_commodities + 1)
        self._start = np.searchsorted(standby.paths.commodity, every)

    def _of(self, commodity: int) -> Positions:
        return np.arange(self._start[commodity], self._start[commodity + 1])

    def backup(self, draft: DeviceDraft, commodity: int) -> Backup | None:
        """Return the backup of a commodity's group, None for none; what it needs is added to the draft."""
        paths = self._of(commodity)
        paths = paths[~self._standby.deep[paths]][: self._limits(commodity).max_group_members]
        if not len(paths):
            return None
        hops = list(self._hops.of(paths.astype(np.int32)))
        draft.next_hops.update((hop["id"], hop) for hop in hops)
        return {"group": draft.use_backup(sorted(hop["id"] for hop in hops)), "when": "all-members-down"}

    def _limits(self, commodity: int) -> DeviceProfile:
        instance = self._words.instance
        return profile_of(instance.topology.nodes[instance.source[commodity]], instance.model)

    def refused(self, commodities: Positions) -> Iterator[CannotRealise]:
        """Yield an entry for every path of these commodities that would stand by, were it not for the device."""
        standby = self._standby
        for commodity in commodities[np.diff(self._start)[commodities] > 0].tolist():
            limits, paths = self._limits(commodity), self._of(commodity)
            besides = " and the tenant's label" if self._words.tenant[commodity] else ""
            for path in paths[standby.deep[paths]].tolist():
                depth = standby.segments.depth[path]
                detail = f"to stand by it needs {depth} segments{besides}, the device pushes {limits.max_segments}"
                yield self._refusal(commodity, path, "segment-depth", detail)
            for path in paths[~standby.deep[paths]][limits.max_group_members :].tolist():
                detail = f"a group holds {limits.max_group_members} members, and others stand by already"
                yield self._refusal(commodity, path, "group-size", detail)

    def _refusal(
        self, commodity: int, path: int, reason: Literal["segment-depth", "group-size"], detail: str
    ) -> CannotRealise:
        words, instance = self._words, self._words.instance
        return {
            "object": {
                "kind": "path",
                "egress": words.egress[commodity],
                "class": words.class_name[commodity],
                "tenant": words.tenant[commodity],
                "links": [self._spelling.link_ids[link] for link in self._standby.paths[path].tolist()],
            },
            "reason": reason,
            "detail": detail,
            "substitute": "none: what no other path carries is dropped while the planned ones are down",
            "bps_at_stake": bps(words.admitted_share[commodity] * instance.peak_gbps[commodity]),
        }
