"""Source-routed tables: head ends hold weighted segment lists, transit devices hold SIDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from vbte.device_limits import device_limits, profile_of
from vbte.oracle import Positions
from vbte.paths.igp import IgpRouting, igp_next_hops
from vbte.plan import PathSet, Plan
from vbte.policy import DeviceProfile
from vbte.tables.breaks import breaks_of
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.drafts import SHARE_DECIMALS, DeviceDraft, by_device
from vbte.tables.fallback import igp_ways
from vbte.tables.head_end_repairs import HeadEndRepairs, no_standby, standby_paths
from vbte.tables.labels import LabelPlan, group_id, label_plan
from vbte.tables.ranges import positions_of, ranges
from vbte.tables.realised import Realised
from vbte.tables.schema import CannotRealise, Member, NextHop
from vbte.tables.segment_hops import SegmentHops, segment_words
from vbte.tables.sids import SidWriter, ending_tenants, limit_equal_cost
from vbte.tables.splits import PathBackups, Splits, split
from vbte.topology import IntArray, Topology


def source_routed(plan: Plan) -> Realised:
    """Return what every device holds when head ends steer by segment lists.

    A path's backup becomes its member's ``backup``, its reservation the member's ``limit_bps``, which is never below
    what the weights send over the member while all is up: a policer is there for failures, not for rounding. Raises
    InputError when SIDs clash.
    """
    instance = plan.instance
    limits = device_limits(instance.topology, instance.model)
    routing = limit_equal_cost(igp_next_hops(instance.topology), limits.max_group_members)
    labels = label_plan(instance.topology, instance.tenants)
    splits = split(plan, routing, limits)
    words = CommodityWords(instance, splits.admitted_share)
    breaks = breaks_of(instance)
    standby = standby_paths(splits, routing, limits, breaks) if breaks else no_standby()
    head_ends = _HeadEnds(splits, standby, words, routing, labels)
    sids = SidWriter(routing, labels, ending_tenants(instance))
    return Realised(
        _drafts(instance.topology, head_ends, sids),
        splits.link_load_gbps(routing),
        float(splits.error.max(initial=0.0)),
    )


def _drafts(topology: Topology, head_ends: _HeadEnds, sids: SidWriter) -> Iterator[DeviceDraft]:
    """Yield the draft of every device, sorted by device."""
    for node in by_device(topology):
        draft = DeviceDraft(topology.nodes[node].id)
        head_ends.add_routes(draft, node)
        head_ends.add_refusals(draft, node)
        sids.add(draft, node)
        yield draft


class _HeadEnds:
    """Writes what head ends hold for the traffic that enters there, device by device."""

    def __init__(
        self, splits: Splits, standby: PathBackups, words: CommodityWords, routing: IgpRouting, labels: LabelPlan
    ) -> None:
        self._splits, self._words, self._routing, self._labels = splits, words, routing, labels
        instance, topology = words.instance, routing.topology
        self._commodities = positions_of(instance.source, len(topology.nodes))
        self._row_start = np.searchsorted(splits.row_commodity, np.arange(instance.n_commodities + 1))
        planned = np.where(splits.row_path >= 0, splits.share[splits.row_path] if len(splits.share) else 0.0, 0.0)
        self._planned = np.round(planned, SHARE_DECIMALS)
        self._error = np.round(splits.error, SHARE_DECIMALS)
        self._spelling = segment_words(topology, labels)
        self._primaries = SegmentHops(self._spelling, splits.paths, splits.segments)
        self._backups = SegmentHops(self._spelling, splits.backups.paths, splits.backups.segments)
        self._standby = HeadEndRepairs(standby, words, self._spelling)
        refused = np.flatnonzero(splits.deep | splits.crowded)
        head_end = instance.source[splits.paths.commodity[refused]]
        self._refused = [refused[at] for at in positions_of(head_end, len(topology.nodes))]
        unbacked = np.flatnonzero(splits.backups.deep & ~splits.deep & ~splits.crowded)
        head_end = instance.source[splits.paths.commodity[unbacked]]
        self._unbacked = [unbacked[at] for at in positions_of(head_end, len(topology.nodes))]

    def add_routes(self, draft: DeviceDraft, node: int) -> None:
        """Add a route for every commodity of the node, and a group where something of it is admitted."""
        commodities, words = self._commodities[node], self._words
        begin, end = self._row_start[commodities], self._row_start[commodities + 1]
        rows = ranges(begin, end)
        members = self._members(draft, rows)
        last = np.cumsum(end - begin)
        bounds = zip(commodities.tolist(), (last - (end - begin)).tolist(), last.tolist(), strict=True)
        for commodity, first, stop in bounds:
            tenant, group = words.tenant[commodity], None
            if first < stop:
                group = group_id(words.egress[commodity], words.class_name[commodity], tenant)
                held = members[first:stop]
                if len(held) > 1:
                    held.sort(key=_member_order)
                backup = self._standby.backup(draft, commodity)
                draft.groups[group] = {
                    "id": group, "members": held, "backup": backup, "quantisation_error": self._error.item(commodity)
                }  # fmt: skip
            service_label = self._labels.tenant.get(tenant)
            draft.routes.append(words.route(commodity, group=group, service_label=service_label))

    def _members(self, draft: DeviceDraft, rows: Positions) -> list[Member]:
        """Add the next hops of rows of the splits, and return the group member that each row is."""
        splits = self._splits
        path = splits.row_path[rows]
        planned, by_igp = self._primaries.of(path[path >= 0]), self._igp_next_hops(splits.row_commodity[rows[path < 0]])
        columns = zip(path.tolist(), splits.row_weight[rows].tolist(), self._planned[rows].tolist(), strict=True)
        members: list[Member] = []
        for held, weight, share in columns:
            hop = next(planned if held >= 0 else by_igp)
            draft.next_hops[hop["id"]] = hop
            members.append({"next_hop": hop["id"], "weight": weight, "planned_share": share})
        self._protect(draft, rows, members)
        return members

    def _protect(self, draft: DeviceDraft, rows: Positions, members: list[Member]) -> None:
        """Add to the members that rows of the splits became what the plan says of their backups and limits."""
        splits, path = self._splits, self._splits.row_path[rows]
        backed = np.flatnonzero(splits.backups.held[path] & (path >= 0)) if len(splits.paths) else path[:0]
        for at, hop in zip(backed.tolist(), self._backups.of(path[backed]), strict=True):
            draft.next_hops[hop["id"]] = hop
            members[at]["backup"] = hop["id"]
        for at, limit_bps in enumerate(splits.row_limit_bps[rows].tolist() if splits.has_limits else ()):
            if limit_bps >= 0:
                members[at]["limit_bps"] = limit_bps

    def _igp_next_hops(self, commodities: IntArray) -> Iterator[NextHop]:
        """Yield the way to each commodity's egress by its node SID alone."""
        topology, instance = self._routing.topology, self._words.instance
        ways = igp_ways(self._routing, instance, commodities)
        first_link = self._routing.sole_next_hop[instance.source[commodities], instance.destination[commodities]]
        columns = zip(instance.destination[commodities].tolist(), first_link.tolist(), strict=True)
        for at, (egress, leaving) in enumerate(columns):
            pinned = [topology.links[link] for link in ways.links[at].tolist()] if ways.is_single[at] else []
            first = topology.links[leaving] if leaving >= 0 else None
            yield {
                "id": f"segments:{self._spelling.names[egress]}",
                "kind": "segments",
                "node": first.target if first else None,
                "interface": first.interface if first else None,
                "gateway": first.gateway if first else None,
                "labels": [self._spelling.objects[egress]["label"]],
                "segments": [self._spelling.objects[egress]],
                "links": [link.id for link in pinned],
                "latency_us": round(sum(link.latency_ms for link in pinned) * 1000) if pinned else None,
            }

    def add_refusals(self, draft: DeviceDraft, node: int) -> None:
        """Add a ``cannot_realise`` entry for every path from the node that no table holds."""
        splits = self._splits
        for path in self._refused[node].tolist():
            reason: Literal["segment-depth", "group-size"] = "segment-depth" if splits.deep[path] else "group-size"
            substitute = self._substitute(int(splits.paths.commodity[path]))
            self._refuse(draft, path, splits.paths, reason, _refusal(splits, self._words, path), substitute)
        for path in self._unbacked[node].tolist():
            detail = f"the backup {_too_deep(splits, self._words, path, int(splits.backups.segments.depth[path]))}"
            substitute = "none: while the path is down, the group's other paths share"
            self._refuse(draft, path, splits.backups.paths, "segment-depth", detail, substitute)
        draft.cannot_realise.extend(self._standby.refused(self._commodities[node]))

    def _refuse(
        self, draft: DeviceDraft, path: int, paths: PathSet, reason: Literal["segment-depth", "group-size"],
        detail: str, substitute: str,
    ) -> None:  # fmt: skip
        splits, words, commodity = self._splits, self._words, int(self._splits.paths.commodity[path])
        planned_gbps = splits.plan.admitted_share[commodity] * words.instance.peak_gbps[commodity]
        entry: CannotRealise = {
            "object": {
                "kind": "path",
                "egress": words.egress[commodity],
                "class": words.class_name[commodity],
                "tenant": words.tenant[commodity],
                "links": [self._spelling.link_ids[link] for link in paths[path].tolist()],
            },
            "reason": reason,
            "detail": detail,
            "substitute": substitute,
            "bps_at_stake": bps(planned_gbps * splits.share[path]),
        }
        draft.cannot_realise.append(entry)

    def _substitute(self, commodity: int) -> str:
        """Return what serves a commodity in place of a path that no table holds."""
        rows = self._splits.row_path[self._row_start[commodity] : self._row_start[commodity + 1]]
        if (rows < 0).any():
            return f"the IGP's way to {self._words.egress[commodity]}"
        if len(rows):
            return "the group's other paths, in proportion"
        return "none: nothing is admitted, since the class may not use the IGP's way"


def _member_order(member: Member) -> str:
    return member["next_hop"]


def _refusal(splits: Splits, words: CommodityWords, path: int) -> str:
    if splits.crowded[path]:
        limits = _limits_at_source(splits, path)
        return f"a group holds {limits.max_group_members} members, and the others are larger"
    return _too_deep(splits, words, path, int(splits.segments.depth[path]))


def _too_deep(splits: Splits, words: CommodityWords, path: int, depth: int) -> str:
    besides = " and the tenant's label" if words.tenant[splits.paths.commodity[path]] else ""
    return f"needs {depth} segments{besides}, the device pushes {_limits_at_source(splits, path).max_segments}"


def _limits_at_source(splits: Splits, path: int) -> DeviceProfile:
    instance = splits.plan.instance
    return profile_of(instance.topology.nodes[instance.source[splits.paths.commodity[path]]], instance.model)
