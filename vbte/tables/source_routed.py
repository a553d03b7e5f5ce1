"""Source-routed tables: head ends hold weighted segment lists, transit devices hold SIDs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vbte.paths.igp import IgpRouting, igp_next_hops
from vbte.plan import Plan
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.drafts import SHARE_DECIMALS, DeviceDraft, device_limits, profile_of
from vbte.tables.fallback import igp_way
from vbte.tables.labels import LabelPlan, group_id, label_plan, spelt
from vbte.tables.realised import Realised
from vbte.tables.schema import CannotRealise, Member, NextHop, Segment
from vbte.tables.sids import add_sids, limit_equal_cost
from vbte.tables.splits import Splits, split
from vbte.topology import Topology


def source_routed(plan: Plan) -> Realised:
    """Return what every device holds when head ends steer by segment lists.

    Raises InputError when SIDs clash.
    """
    instance = plan.instance
    limits = device_limits(instance.topology, instance.model)
    routing = limit_equal_cost(igp_next_hops(instance.topology), limits.max_group_members)
    labels = label_plan(instance.topology, instance.tenants)
    splits = split(plan, routing, limits)
    words = CommodityWords(instance, splits.admitted_share)
    drafts = [DeviceDraft(node.id) for node in instance.topology.nodes]
    next_hops = _next_hops(splits, routing, labels)
    _add_routes(drafts, splits, words, labels, next_hops)
    _add_refusals(drafts, splits, words)
    add_sids(drafts, routing, labels, _ending_tenants(words, len(drafts)))
    return Realised(drafts, splits.link_load_gbps(routing), float(splits.error.max(initial=0.0)))


def _add_routes(
    drafts: Sequence[DeviceDraft],
    splits: Splits,
    words: CommodityWords,
    labels: LabelPlan,
    next_hops: Sequence[NextHop],
) -> None:
    """Add a route for every commodity, and a group where something of it is admitted."""
    n_commodities = words.instance.n_commodities
    bounds = np.searchsorted(splits.row_commodity, np.arange(n_commodities + 1)).tolist()
    weights = splits.row_weight.tolist()
    planned = np.where(splits.row_path >= 0, splits.share[splits.row_path] if len(splits.share) else 0.0, 0.0)
    shares = np.round(planned, SHARE_DECIMALS).tolist()
    errors = np.round(splits.error, SHARE_DECIMALS).tolist()
    for commodity, source in enumerate(words.instance.source.tolist()):
        draft, tenant = drafts[source], words.tenant[commodity]
        first, last = bounds[commodity], bounds[commodity + 1]
        group = None
        if first < last:
            group = group_id(words.egress[commodity], words.class_name[commodity], tenant)
            members: list[Member] = [
                {"next_hop": next_hops[row]["id"], "weight": weights[row], "planned_share": shares[row]}
                for row in range(first, last)
            ]
            if len(members) > 1:
                members.sort(key=_member_order)
            for row in range(first, last):
                draft.next_hops[next_hops[row]["id"]] = next_hops[row]
            draft.groups[group] = {
                "id": group, "members": members, "backup": None, "quantisation_error": errors[commodity]
            }  # fmt: skip
        draft.routes.append(words.route(commodity, group=group, service_label=labels.tenant.get(tenant)))


def _member_order(member: Member) -> str:
    return member["next_hop"]


def _next_hops(splits: Splits, routing: IgpRouting, labels: LabelPlan) -> list[NextHop]:
    """Return one next hop per row of the splits."""
    topology = routing.topology
    objects, names = _segment_words(topology, labels)
    code = np.where(splits.segments.is_node, 0, len(topology.nodes)) + splits.segments.position
    segments = [objects[at] for at in code.tolist()]
    spellings = [names[at] for at in code.tolist()]
    links = [topology.links[at].id for at in splits.paths.links.tolist()]
    latency_us = np.rint(splits.paths.sums(topology.latency_ms) * 1000).astype(np.int64).tolist()
    segment_start, link_start = splits.segments.start.tolist(), splits.paths.start.tolist()
    first_links = splits.paths.links[splits.paths.start[:-1]].tolist()
    made: list[NextHop] = []
    for path, commodity in zip(splits.row_path.tolist(), splits.row_commodity.tolist(), strict=True):
        if path < 0:
            made.append(_igp_next_hop(splits, routing, commodity, objects, names))
            continue
        chosen = slice(segment_start[path], segment_start[path + 1])
        first = topology.links[first_links[path]]
        made.append(
            {
                "id": "segments:" + ",".join(spellings[chosen]),
                "kind": "segments",
                "node": first.target,
                "interface": first.interface,
                "gateway": first.gateway,
                "labels": [segment["label"] for segment in segments[chosen]],
                "segments": segments[chosen],
                "links": links[link_start[path] : link_start[path + 1]],
                "latency_us": latency_us[path],
            }
        )
    return made


def _segment_words(topology: Topology, labels: LabelPlan) -> tuple[list[Segment], list[str]]:
    """Return the segment and its spelling for every node, then for every link."""
    objects: list[Segment] = [
        {"kind": "node", "node": node.id, "link": None, "label": label}
        for node, label in zip(topology.nodes, labels.node.tolist(), strict=True)
    ]
    objects += [
        {"kind": "adjacency", "node": link.source, "link": link.id, "label": label}
        for link, label in zip(topology.links, labels.adjacency.tolist(), strict=True)
    ]
    names = [spelt(node.id) for node in topology.nodes] + [f"[{spelt(link.id)}]" for link in topology.links]
    return objects, names


def _igp_next_hop(
    splits: Splits, routing: IgpRouting, commodity: int, objects: Sequence[Segment], names: Sequence[str]
) -> NextHop:
    """Return the way to a commodity's egress by its node SID alone."""
    topology, instance = routing.topology, splits.plan.instance
    source, egress = int(instance.source[commodity]), int(instance.destination[commodity])
    way = igp_way(routing, source, egress)
    pinned = [topology.links[link] for link in way.links] if way.is_single else []
    first_link = int(routing.sole_next_hop[source, egress])
    first = topology.links[first_link] if first_link >= 0 else None
    return {
        "id": f"segments:{names[egress]}",
        "kind": "segments",
        "node": first.target if first else None,
        "interface": first.interface if first else None,
        "gateway": first.gateway if first else None,
        "labels": [objects[egress]["label"]],
        "segments": [objects[egress]],
        "links": [link.id for link in pinned],
        "latency_us": round(sum(link.latency_ms for link in pinned) * 1000) if pinned else None,
    }


def _add_refusals(drafts: Sequence[DeviceDraft], splits: Splits, words: CommodityWords) -> None:
    """Add a ``cannot_realise`` entry for every path that no table holds."""
    instance, links = words.instance, words.instance.topology.links
    on_igp = set(splits.row_commodity[splits.row_path < 0].tolist())
    served = set(splits.row_commodity.tolist())
    planned_gbps = (splits.plan.admitted_share * instance.peak_gbps)[splits.paths.commodity] * splits.share
    for path in np.flatnonzero(splits.deep | splits.crowded).tolist():
        commodity = int(splits.paths.commodity[path])
        egress = words.egress[commodity]
        if commodity in on_igp:
            substitute = f"the IGP's way to {egress}"
        elif commodity in served:
            substitute = "the group's other paths, in proportion"
        else:
            substitute = "none: nothing is admitted, since the class may not use the IGP's way"
        entry: CannotRealise = {
            "object": {
                "kind": "path",
                "egress": egress,
                "class": words.class_name[commodity],
                "tenant": words.tenant[commodity],
                "links": [links[link].id for link in splits.paths[path].tolist()],
            },
            "reason": "segment-depth" if splits.deep[path] else "group-size",
            "detail": _refusal(splits, words, path),
            "substitute": substitute,
            "bps_at_stake": bps(planned_gbps[path]),
        }
        drafts[instance.source[commodity]].cannot_realise.append(entry)


def _refusal(splits: Splits, words: CommodityWords, path: int) -> str:
    commodity = splits.paths.commodity[path]
    node = splits.plan.instance.topology.nodes[splits.plan.instance.source[commodity]]
    limits = profile_of(node, splits.plan.instance.model)
    if splits.crowded[path]:
        return f"a group holds {limits.max_group_members} members, and the others are larger"
    besides = " and the tenant's label" if words.tenant[commodity] else ""
    return f"needs {splits.segments.depth[path]} segments{besides}, the device pushes {limits.max_segments}"


def _ending_tenants(words: CommodityWords, n_nodes: int) -> list[set[str]]:
    """Return the tenants whose traffic ends at each node."""
    ending: list[set[str]] = [set() for _ in range(n_nodes)]
    if any(words.instance.tenants):
        for destination, tenant in zip(words.instance.destination.tolist(), words.tenant, strict=True):
            ending[destination].add(tenant)
    return ending
