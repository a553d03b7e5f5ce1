"""Hop-by-hop tables: every device on a path holds, per egress and class, weighted next hops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vbte.instance import Instance
from vbte.plan import Plan
from vbte.tables.breaks import breaks_of
from vbte.tables.commodities import CommodityWords
from vbte.tables.drafts import SHARE_DECIMALS, DeviceDraft, by_device
from vbte.tables.hop_repairs import HopRepairs
from vbte.tables.hops import Hops, igp_hops, plan_hops
from vbte.tables.labels import group_id, link_order
from vbte.tables.lost_rules import lost_protection, lost_rules
from vbte.tables.ranges import positions_of
from vbte.tables.realised import Realised
from vbte.tables.schema import CannotRealise, Member


def hop_by_hop(plan: Plan) -> Realised:
    """Return what every device holds when each splits by egress and class.

    Rules that bind single sources may be lost: what does not hold any more stands in ``cannot_realise``. With local
    protection devices hold SIDs too. Raises InputError when those clash.
    """
    hops, breaks = plan_hops(plan), breaks_of(plan.instance)
    repairs = None if breaks is None else HopRepairs(hops, breaks)
    lost: dict[int, list[CannotRealise]] = {}
    found = [*lost_rules(hops), *lost_protection(plan, hops.admitted_share)]
    for node, entry in [*found, *(repairs.refused() if repairs else ())]:
        lost.setdefault(node, []).append(entry)
    drafts = _drafts(hops, lost, repairs, even=False)
    return Realised(drafts, hops.link_load_gbps, float(hops.error.max(initial=0.0)))


def plain_igp(instance: Instance) -> Realised:
    """Return what every device holds under plain IGP routing."""
    hops = igp_hops(instance)
    return Realised(_drafts(hops, {}, None, even=True), hops.link_load_gbps, 0.0)


def _drafts(
    hops: Hops, lost: Mapping[int, list[CannotRealise]], repairs: HopRepairs | None, *, even: bool
) -> Iterator[DeviceDraft]:
    """Yield the draft of every device, sorted by device; ``even`` names groups by their links, as the IGP has them."""
    topology = hops.instance.topology
    devices = _Devices(hops, repairs, even=even)
    for node in by_device(topology):
        draft = DeviceDraft(topology.nodes[node].id)
        devices.add_routes(draft, node)
        draft.cannot_realise.extend(lost.get(node, []))
        if repairs is not None:
            repairs.add_sids(draft, node)
        yield draft


class _Devices:
    """Writes groups and routes device by device."""

    def __init__(self, hops: Hops, repairs: HopRepairs | None, *, even: bool) -> None:
        self._hops, self._repairs, self._even = hops, repairs, even
        instance, dag = hops.instance, hops.dag
        self._words = CommodityWords(instance, hops.admitted_share)
        self._keys = _key_names(hops)
        order = np.lexsort((link_order(instance.topology)[dag.link], dag.tail))
        self._bounds = np.searchsorted(dag.tail[order], np.arange(len(dag.state_node) + 1))
        self._edge, self._link, self._weight = order, dag.link[order], hops.weight[order]
        self._planned = np.round(hops.planned_share[order], SHARE_DECIMALS)
        self._error = np.round(hops.error, SHARE_DECIMALS)
        n_nodes, n_tenants = len(instance.topology.nodes), len(instance.tenants)
        # What comes past each state, by device, as codes state * n_tenants + tenant.
        past = np.flatnonzero(hops.reached)
        self._past = [past[at] for at in positions_of(dag.state_node[past // n_tenants], n_nodes)]
        state, tenant, every = hops.commodity_state, instance.tenant_index, np.arange(instance.n_commodities)
        # One commodity of every key and tenant, whose words serve transit routes: the last.
        self._spokesman = np.full(len(self._keys) * n_tenants, -1)
        np.maximum.at(self._spokesman, hops.commodity_key * n_tenants + tenant, every)
        routed = (state >= 0) & hops.reached[state, tenant] if len(dag.state_node) else np.zeros(len(every), np.bool_)
        own = every[routed]
        code = state[own] * n_tenants + tenant[own]
        order = np.argsort(code)
        self._own_code, self._own = code[order], own[order]
        # These found no admitted traffic of their tenant at their source.
        left = every[~routed]
        self._left = [left[at] for at in positions_of(instance.source[left], n_nodes)]

    def add_routes(self, draft: DeviceDraft, node: int) -> None:
        """Add the groups of all states at the node, and the routes that lead to them."""
        n_tenants, words, past = len(self._hops.instance.tenants), self._words, self._past[node]
        state = past // n_tenants
        entering = np.searchsorted(self._own_code, past)
        enters = entering < len(self._own_code)
        enters[enters] = self._own_code[entering[enters]] == past[enters]
        commodity = self._spokesman[self._hops.dag.state_key[state] * n_tenants + past % n_tenants]
        commodity[enters] = self._own[entering[enters]]
        groups: dict[int, str] = {}
        for one, speaker, own_demand in zip(state.tolist(), commodity.tolist(), enters.tolist(), strict=True):
            if one not in groups:
                groups[one] = self._add_group(draft, one)
            label = self._repairs.service_label(speaker) if self._repairs else None
            draft.routes.append(words.route(speaker, group=groups[one], own_demand=own_demand, service_label=label))
        draft.routes.extend(words.route(one, group=None) for one in self._left[node].tolist())

    def _add_group(self, draft: DeviceDraft, state: int) -> str:
        """Add the group of a state that traffic reaches, and return its id."""
        edges = slice(self._bounds[state], self._bounds[state + 1])
        used = [self._hops.instance.topology.links[link] for link in self._link[edges].tolist()]
        if not used:
            return draft.use_local()
        if self._even:
            return draft.use_links(used)
        name: str = self._keys[self._hops.dag.state_key[state]]
        pins = [self._repairs.pin(draft, edge) if self._repairs else None for edge in self._edge[edges].tolist()]
        columns = zip(used, pins, self._weight[edges].tolist(), self._planned[edges].tolist(), strict=True)
        members: list[Member] = [
            {"next_hop": pin or draft.use_link(link), "weight": weight, "planned_share": planned}
            for link, pin, weight, planned in columns
        ]
        if any(pins):
            members.sort(key=lambda member: member["next_hop"])
        backup = self._repairs.backup(draft, state) if self._repairs else None
        draft.groups[name] = {
            "id": name, "members": members, "backup": backup, "quantisation_error": self._error.item(state)
        }  # fmt: skip
        return name


def _key_names(hops: Hops) -> list[str]:
    """Return the group id of each key."""
    instance = hops.instance
    names: dict[int, str] = {}
    for commodity, key in enumerate(hops.commodity_key.tolist()):
        if key not in names:
            egress = instance.topology.nodes[instance.destination[commodity]].id
            names[key] = group_id(egress, instance.rules[instance.class_index[commodity]].policy.name)
    return [names[key] for key in range(len(names))]
