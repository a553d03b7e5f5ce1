"""Hop-by-hop tables: every device on a path holds, per egress and class, weighted next hops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vbte.instance import Instance
from vbte.plan import Plan
from vbte.tables.commodities import CommodityWords
from vbte.tables.drafts import SHARE_DECIMALS, DeviceDraft
from vbte.tables.hops import Hops, igp_hops, plan_hops
from vbte.tables.labels import group_id, link_order
from vbte.tables.lost_rules import lost_rules
from vbte.tables.realised import Realised
from vbte.tables.schema import Member


def hop_by_hop(plan: Plan) -> Realised:
    """Return what every device holds when each splits by egress and class.

    Rules that bind single sources may be lost: what does not hold any more stands in ``cannot_realise``.
    """
    hops = plan_hops(plan)
    drafts = _drafts(hops, even=False)
    for node, entry in lost_rules(hops):
        drafts[node].cannot_realise.append(entry)
    return Realised(drafts, hops.link_load_gbps, float(hops.error.max(initial=0.0)))


def plain_igp(instance: Instance) -> Realised:
    """Return what every device holds under plain IGP routing."""
    hops = igp_hops(instance)
    return Realised(_drafts(hops, even=True), hops.link_load_gbps, 0.0)


def _drafts(hops: Hops, *, even: bool) -> list[DeviceDraft]:
    """Return the drafts with groups and routes; ``even`` names groups by their links, as the IGP has them."""
    instance, dag = hops.instance, hops.dag
    drafts = [DeviceDraft(node.id) for node in instance.topology.nodes]
    words = CommodityWords(instance, hops.admitted_share)
    group_of = _add_groups(hops, drafts, even=even)
    own = _own_commodities(hops)
    states, tenants = np.nonzero(hops.reached)
    spokesman = _any_commodity(hops)
    for state, tenant in zip(states.tolist(), tenants.tolist(), strict=True):
        mine = own.pop((state, tenant), None)
        commodity = spokesman[int(dag.state_key[state]), tenant] if mine is None else mine
        route = words.route(commodity, group=group_of[state], own_demand=mine is not None)
        drafts[dag.state_node[state]].routes.append(route)
    # What is left found no admitted traffic of its tenant at its source.
    for commodity in own.values():
        drafts[instance.source[commodity]].routes.append(words.route(commodity, group=None))
    return drafts


def _own_commodities(hops: Hops) -> dict[tuple[int, int], int]:
    """Return commodities by the (state, tenant) where they enter; those without a state by (-1 - commodity, tenant)."""
    found: dict[tuple[int, int], int] = {}
    columns = zip(hops.commodity_state.tolist(), hops.instance.tenant_index.tolist(), strict=True)
    for commodity, (state, tenant) in enumerate(columns):
        found[state if state >= 0 else -1 - commodity, tenant] = commodity
    return found


def _any_commodity(hops: Hops) -> dict[tuple[int, int], int]:
    """Return one commodity of every (key, tenant), whose words serve transit routes."""
    columns = zip(hops.commodity_key.tolist(), hops.instance.tenant_index.tolist(), strict=True)
    return {pair: commodity for commodity, pair in enumerate(columns)}


def _add_groups(hops: Hops, drafts: Sequence[DeviceDraft], *, even: bool) -> list[str | None]:
    """Add a group for every state that traffic reaches, and return the group's id by state."""
    dag, links = hops.dag, hops.instance.topology.links
    keys = _key_names(hops)
    order = np.lexsort((link_order(hops.instance.topology)[dag.link], dag.tail))
    bounds = np.searchsorted(dag.tail[order], np.arange(len(dag.state_node) + 1)).tolist()
    edge_link, weight = dag.link[order].tolist(), hops.weight[order].tolist()
    planned = np.round(hops.planned_share[order], SHARE_DECIMALS).tolist()
    error = np.round(hops.error, SHARE_DECIMALS).tolist()
    group_of: list[str | None] = [None] * len(dag.state_node)
    for state in np.flatnonzero(hops.reached.any(axis=1)).tolist():
        draft, edges = drafts[dag.state_node[state]], range(bounds[state], bounds[state + 1])
        used = [links[edge_link[edge]] for edge in edges]
        if not used:
            group_of[state] = draft.use_local()
        elif even:
            group_of[state] = draft.use_links(used)
        else:
            name = group_of[state] = keys[dag.state_key[state]]
            members: list[Member] = [
                {"next_hop": draft.use_link(link), "weight": weight[edge], "planned_share": planned[edge]}
                for edge, link in zip(edges, used, strict=True)
            ]
            draft.groups[name] = {
                "id": name, "members": members, "backup": None, "quantisation_error": error[state]
            }  # fmt: skip
    return group_of


def _key_names(hops: Hops) -> list[str]:
    """Return the group id of each key."""
    instance = hops.instance
    names: dict[int, str] = {}
    for commodity, key in enumerate(hops.commodity_key.tolist()):
        if key not in names:
            egress = instance.topology.nodes[instance.destination[commodity]].id
            names[key] = group_id(egress, instance.rules[instance.class_index[commodity]].policy.name)
    return [names[key] for key in range(len(names))]
