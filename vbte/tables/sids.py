"""What every device holds for source routing: its own SIDs, and routes to all other nodes' SIDs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from vbte.instance import Instance
from vbte.paths.igp import IgpRouting
from vbte.quantise import Weights
from vbte.tables.drafts import DeviceDraft
from vbte.tables.labels import LabelPlan, link_order, spelt
from vbte.tables.schema import SID_TABLE, LocalSid, Route, network_instance
from vbte.topology import Link, Topology


def limit_equal_cost(routing: IgpRouting, max_group_members: Weights) -> IgpRouting:
    """Return the routing with equal-cost groups cut to what devices hold, first links by id kept."""
    topology = routing.topology
    full = np.argwhere(routing.next_hop_count > max_group_members[:, None])
    if not len(full):
        return routing
    tight = routing.tight.copy()
    by_id = np.argsort(link_order(topology))
    for node, destination in full.tolist():
        leaving = by_id[(topology.tail[by_id] == node) & tight[by_id, destination]]
        tight[leaving[max_group_members[node] :], destination] = False
    return replace(routing, tight=tight)


def ending_tenants(instance: Instance) -> list[set[str]]:
    """Return the tenants whose traffic ends at each node."""
    ending: list[set[str]] = [set() for _ in instance.topology.nodes]
    code = np.unique(instance.destination.astype(np.int64) * len(instance.tenants) + instance.tenant_index)
    for pair in code.tolist():
        node, tenant = divmod(pair, len(instance.tenants))
        ending[node].add(instance.tenants[tenant])
    return ending


class SidWriter:
    """Writes local SIDs, and a label route to every other node that can be reached, device by device.

    ``tenants`` names the tenants whose traffic ends at each node.
    """

    def __init__(self, routing: IgpRouting, labels: LabelPlan, tenants: Sequence[set[str]]) -> None:
        self._routing, self._labels, self._tenants = routing, labels, tenants
        self._outgoing, self._place = _outgoing(routing.topology), link_order(routing.topology)
        self._by_label = np.argsort(labels.node)
        self._names = [routing.topology.nodes[node].id for node in self._by_label.tolist()]
        self._label_row: list[int] = labels.node[self._by_label].tolist()

    def add(self, draft: DeviceDraft, node: int) -> None:
        """Add to the draft of a node."""
        labels, topology = self._labels, self._routing.topology
        draft.local_sids.append(_sid("node", "node", int(labels.node[node])))
        for at in self._outgoing[node]:
            link, label = topology.links[at], int(labels.adjacency[at])
            draft.local_sids.append(_sid(f"link:{spelt(link.id)}", "adjacency", label, link=link))
        draft.local_sids.extend(
            _sid(f"tenant:{spelt(name)}", "tenant", labels.tenant[name], instance=network_instance(name))
            for name in self._tenants[node]
            if name
        )
        self._add_label_routes(draft, node)

    def _add_label_routes(self, draft: DeviceDraft, node: int) -> None:
        """Add one route per reachable node SID; SIDs with the same next hops share a group."""
        links = self._routing.topology.links
        leaving = sorted(self._outgoing[node], key=self._place.__getitem__)
        tight = self._routing.tight[leaving][:, self._by_label]
        if not tight.any():
            return
        # One bytes object per destination says which links are next hops: equal bytes, same group.
        packed = np.ascontiguousarray(np.packbits(tight, axis=0).T)
        keys: list[bytes] = packed.view(f"V{packed.shape[1]}").ravel().tolist()
        groups: dict[bytes, str | None] = {}
        for column in dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True)).values():
            members = [links[leaving[row]] for row in np.flatnonzero(tight[:, column]).tolist()]
            groups[keys[column]] = draft.use_links(members) if members else None
        draft.routes.extend(
            _label_route(label, name, group)
            for label, name, key in zip(self._label_row, self._names, keys, strict=True)
            if (group := groups[key]) is not None
        )


def _outgoing(topology: Topology) -> list[list[int]]:
    outgoing: list[list[int]] = [[] for _ in topology.nodes]
    for link in np.flatnonzero(topology.usable).tolist():
        outgoing[topology.tail[link]].append(link)
    return outgoing


def _sid(
    name: str,
    kind: Literal["node", "adjacency", "tenant"],
    label: int,
    *,
    link: Link | None = None,
    instance: str | None = None,
) -> LocalSid:
    return {
        "id": name,
        "kind": kind,
        "label": label,
        "link": link.id if link else None,
        "interface": link.interface if link else None,
        "gateway": link.gateway if link else None,
        "network_instance": instance,
    }


def _label_route(label: int, egress: str, group: str) -> Route:
    return {
        "network_instance": network_instance(""),
        "table": SID_TABLE,
        "prefixes": [],
        "label": label,
        "egress": egress,
        "class": None,
        "tenant": None,
        "group": group,
        "service_label": None,
        "demands": None,
    }
