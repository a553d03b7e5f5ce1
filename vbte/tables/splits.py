"""Which paths a head end holds, and with which weights: the plan's shares within what devices can hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.device_limits import DeviceLimits
from vbte.oracle import Positions, select_paths, sorted_rows
from vbte.paths.igp import IgpRouting, ecmp_flows
from vbte.plan import PathSet, Plan
from vbte.protection.pair_rows import joined_pairs
from vbte.quantise import Weights, quantise
from vbte.tables.commodities import BPS_PER_GBPS
from vbte.tables.fallback import igp_serves
from vbte.tables.segments import SegmentLists, segment_lists
from vbte.tolerance import DUST_SHARE
from vbte.topology import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PathBackups:
    """A backup for each of P paths, empty for none: ``deep`` (P,) marks those that no table can hold."""

    paths: PathSet
    segments: SegmentLists
    deep: BoolArray

    @cached_property
    def held(self) -> BoolArray:
        """Which paths have a backup in the tables, shape (P,)."""
        return np.asarray((self.paths.hops > 0) & ~self.deep)


@dataclass(frozen=True, eq=False)
class Splits:
    """The paths of a plan that carry flow, and what became of them in the tables.

    ``share`` (P,) is each path's share of its commodity's admitted volume.
    ``deep`` and ``crowded`` (P,) mark paths that no table can hold. A table row is a held path or, ``row_path`` -1,
    the IGP's own way to the egress; rows have shape (R,) and are sorted by commodity. ``error`` (K,) is the
    quantisation error of each commodity's group. ``backups`` are those of the paths, ``reserved_gbps`` (P,) the most
    that each may carry at its commodity's peak, inf for no limit, None where the plan reserves nothing.
    """

    plan: Plan
    paths: PathSet
    segments: SegmentLists
    share: FloatArray
    deep: BoolArray
    crowded: BoolArray
    row_path: IntArray
    row_commodity: IntArray
    row_weight: Weights
    error: FloatArray
    backups: PathBackups
    reserved_gbps: FloatArray | None

    @cached_property
    def admitted_share(self) -> FloatArray:
        """Share of each commodity that is let in, at most 1, shape (K,)."""
        with_rows = np.bincount(self.row_commodity, minlength=self.plan.instance.n_commodities) > 0
        return np.asarray(np.where(with_rows, np.minimum(self.plan.admitted_share, 1.0), 0.0))

    @cached_property
    def row_share(self) -> FloatArray:
        """Share of its commodity's admitted volume that each row gets, shape (R,)."""
        total = np.bincount(self.row_commodity, weights=self.row_weight, minlength=self.plan.instance.n_commodities)
        return np.asarray(self.row_weight / total[self.row_commodity])

    @property
    def has_limits(self) -> bool:
        """Whether members have limits."""
        return self.reserved_gbps is not None

    @cached_property
    def row_limit_bps(self) -> NDArray[np.int64]:
        """The most that each row may carry, whole bit/s, -1 for no limit, shape (R,)."""
        if self.reserved_gbps is None or not len(self.paths):
            return np.full(len(self.row_path), -1)
        admitted_gbps = (self.admitted_share * self.plan.instance.peak_gbps)[self.row_commodity]
        limit_gbps = np.maximum(self.reserved_gbps[self.row_path], self.row_share * admitted_gbps)
        limited = (self.row_path >= 0) & np.isfinite(limit_gbps)
        limit_bps = np.ceil(np.where(limited, limit_gbps, 0.0) * BPS_PER_GBPS)
        return np.where(limited, limit_bps, -1).astype(np.int64)

    def link_load_gbps(self, routing: IgpRouting) -> FloatArray:
        """Return the link loads that the rows bring about, shape (T, n_links)."""
        instance = self.plan.instance
        held = np.flatnonzero(self.row_path >= 0)
        path, commodity = self.row_path[held], self.row_commodity[held]
        share = np.zeros(len(self.paths))
        share[path] = self.row_share[held] * self.admitted_share[commodity]
        loads = []
        for volume in instance.volume_gbps:
            flow = np.repeat(share * volume[self.paths.commodity], self.paths.hops)
            load = np.bincount(self.paths.links, weights=flow, minlength=len(instance.topology.links))
            loads.append(load + self._igp_load(routing, self.admitted_share * volume))
        return np.stack(loads)

    def _igp_load(self, routing: IgpRouting, admitted_gbps: FloatArray) -> FloatArray:
        """Load of the commodities that were left to the IGP."""
        commodity = self.row_commodity[self.row_path < 0]
        n_links, n_nodes = len(routing.topology.links), len(routing.distance)
        if not len(commodity):
            return np.zeros(n_links)
        entering = np.zeros((n_nodes, n_nodes))
        ends = self.plan.instance.source[commodity], self.plan.instance.destination[commodity]
        np.add.at(entering, ends, admitted_gbps[commodity] * self.row_share[self.row_path < 0])
        flows = ecmp_flows(routing, entering)
        return np.bincount(flows.link, weights=flows.flow_gbps, minlength=n_links).astype(np.float64)


def split(plan: Plan, routing: IgpRouting, limits: DeviceLimits) -> Splits:
    """Return which paths are held and their weights.

    A path whose segment list is deeper than its head end pushes, or that is not among the largest that fit a group,
    gives its share to the commodity's other paths in proportion; where none is left the IGP's way is taken if the
    class may use it, and else nothing is admitted.
    """
    chosen, share = flowing(plan)
    paths = select_paths(plan.paths, chosen)
    segments = segment_lists(paths, routing)
    deep, crowded = _refused(plan, paths, segments, share, limits)
    n_commodities = plan.instance.n_commodities
    held = np.where(deep | crowded, 0.0, share)
    left = np.bincount(paths.commodity, weights=held, minlength=n_commodities)
    lost = np.flatnonzero((np.bincount(paths.commodity, minlength=n_commodities) > 0) & (left <= 0)).astype(np.int32)
    lost = lost[igp_serves(routing, plan.instance, lost)]
    kept = np.flatnonzero(held > 0).astype(np.int32)
    row_commodity = np.concatenate([paths.commodity[kept], lost])
    order = np.argsort(row_commodity, kind="stable")
    row_path = np.concatenate([kept, np.full(len(lost), -1, dtype=np.int32)])[order]
    row_commodity = row_commodity[order]
    aim = np.concatenate([held[kept] / left[paths.commodity[kept]], np.ones(len(lost))])[order]
    owner, start = np.unique(row_commodity, return_index=True)
    start = np.append(start, len(row_commodity)).astype(np.int64)
    weight, group_error = quantise(aim, start, limits.max_weight[plan.instance.source[owner]])
    error = np.zeros(n_commodities)
    error[owner] = group_error
    used = weight > 0
    return Splits(
        plan, paths, segments, share, deep, crowded, row_path[used], row_commodity[used], weight[used], error,
        _backups(plan, chosen, routing, limits), _reserved(plan, chosen),
    )  # fmt: skip


def _backups(plan: Plan, chosen: Positions, routing: IgpRouting, limits: DeviceLimits) -> PathBackups:
    """Return the backups of the paths at these positions of the plan."""
    nothing = PathSet(np.zeros(len(plan.paths) + 1, np.int64), np.empty(0, np.int32), plan.paths.commodity)
    paths = select_paths(plan.backup_paths or nothing, chosen)
    segments = segment_lists(paths, routing)
    return PathBackups(paths, segments, too_deep(plan, paths, segments, limits))


def _reserved(plan: Plan, chosen: Positions) -> FloatArray | None:
    """Return what the paths at these positions of the plan may carry; paths listed twice add up, inf for no limit.

    Where the model promises something, classes less important than all that are promised anything have no limit:
    strict priority keeps what they send from doing harm, and room that is left is theirs.
    """
    if plan.reserved_gbps is None:
        return None
    reserved = _merge_repeated(plan, plan.reserved_gbps)[chosen]
    promised = [rules.policy.priority for rules in plan.instance.rules if rules.policy.protection is not None]
    if promised:
        reserved[plan.instance.priority[plan.paths.commodity[chosen]] > max(promised)] = np.inf
    return reserved


def with_flow(plan: Plan) -> tuple[PathSet, FloatArray]:
    """Return the paths that carry flow, each once, and their shares of the admitted volume, which sum to 1."""
    chosen, share = flowing(plan)
    return select_paths(plan.paths, chosen), share


def flowing(plan: Plan) -> tuple[Positions, FloatArray]:
    """Return the positions of the paths that carry flow, each path once, and their shares of the admitted volume."""
    share = _merge_repeated(plan, plan.path_share)
    total = np.bincount(plan.paths.commodity, weights=share, minlength=plan.instance.n_commodities)
    # What is admitted of a commodity as numerical dust is not admitted at all.
    total = np.where(total > DUST_SHARE, total, np.inf)
    share = share / total[plan.paths.commodity]
    used = np.flatnonzero(share > DUST_SHARE)
    commodity = plan.paths.commodity[used]
    kept = np.bincount(commodity, weights=share[used], minlength=plan.instance.n_commodities)
    return used, np.asarray(share[used] / kept[commodity])


def _merge_repeated(plan: Plan, share: FloatArray) -> FloatArray:
    """Give a path that is listed twice all of its flow at its first place, none at the second.

    A path may stand twice with two backups: each then has the share that its backup has room for.
    """
    paths = plan.paths if plan.backup_paths is None else joined_pairs(plan.paths, plan.backup_paths)
    several = np.flatnonzero(np.bincount(paths.commodity)[paths.commodity] > 1)
    order, is_first = sorted_rows(select_paths(paths, several))
    place = several[order[is_first]][np.cumsum(is_first) - 1]
    repeated = ~is_first
    merged = share.copy()
    np.add.at(merged, place[repeated], share[several[order[repeated]]])
    merged[several[order[repeated]]] = 0.0
    return merged


def _refused(
    plan: Plan, paths: PathSet, segments: SegmentLists, share: FloatArray, limits: DeviceLimits
) -> tuple[BoolArray, BoolArray]:
    """Return which paths are too deep for their head end, and which are one too many for a group."""
    head_end, deep = plan.instance.source[paths.commodity], too_deep(plan, paths, segments, limits)
    order = np.lexsort((-share, deep, paths.commodity))
    rank = np.empty(len(paths), dtype=np.int64)
    begin = np.searchsorted(paths.commodity, paths.commodity)
    rank[order] = np.arange(len(paths)) - begin[order]
    return deep, ~deep & (rank >= limits.max_group_members[head_end])


def too_deep(plan: Plan, paths: PathSet, segments: SegmentLists, limits: DeviceLimits) -> BoolArray:
    """Return which paths need more labels than their head end pushes, shape (P,)."""
    instance = plan.instance
    has_tenant = np.array([bool(name) for name in instance.tenants])[instance.tenant_index[paths.commodity]]
    # The tenant's label takes one place of the stack.
    return np.asarray(
        segments.depth > np.maximum(limits.max_segments[instance.source[paths.commodity]] - has_tenant, 1)
    )
