"""Device documents in the making, and the sections that both realisations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vbte.device_limits import device_limits
from vbte.policy import PlanningModel
from vbte.tables.labels import link_group_id, spelt
from vbte.tables.schema import (
    LOCAL,
    SCHEMA,
    CannotRealise,
    DeviceTable,
    Drain,
    Limits,
    LocalSid,
    NextHop,
    NextHopGroup,
    RealisationName,
    Route,
    Steering,
)
from vbte.topology import Link, Topology

#: Decimals of shares in the tables: few enough to hide summation order.
SHARE_DECIMALS = 9

#: Decimals of admitted shares, which rates are multiplied by.
ADMITTED_DECIMALS = 12


@dataclass(eq=False)
class DeviceDraft:
    """What has been collected for one device so far; ids are keys so that nothing is written twice."""

    device: str
    next_hops: dict[str, NextHop] = field(default_factory=dict)
    groups: dict[str, NextHopGroup] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    local_sids: list[LocalSid] = field(default_factory=list)
    cannot_realise: list[CannotRealise] = field(default_factory=list)

    def use_links(self, links: Sequence[Link]) -> str:
        """Return the id of the group that splits evenly over links sorted by id, adding it where it is new."""
        name = link_group_id([link.id for link in links])
        if name not in self.groups:
            share = round(1.0 / len(links), SHARE_DECIMALS)
            self.groups[name] = {
                "id": name,
                "members": [{"next_hop": self.use_link(link), "weight": 1, "planned_share": share} for link in links],
                "backup": None,
                "quantisation_error": 0.0,
            }
        return name

    def use_link(self, link: Link) -> str:
        """Return the id of the next hop that leaves by a link, adding it where it is new."""
        name = f"link:{spelt(link.id)}"
        if name not in self.next_hops:
            self.next_hops[name] = {
                "id": name,
                "kind": "link",
                "node": link.target,
                "interface": link.interface,
                "gateway": link.gateway,
                "labels": [],
                "segments": [],
                "links": [link.id],
                "latency_us": round(link.latency_ms * 1000),
            }
        return name

    def use_backup(self, hops: Sequence[str]) -> str:
        """Return the id of the group that splits evenly over next hops when others are down, adding it where new."""
        name = f"backup:{'+'.join(hops)}"
        share = round(1.0 / len(hops), SHARE_DECIMALS)
        self.groups[name] = {
            "id": name,
            "members": [{"next_hop": hop, "weight": 1, "planned_share": share} for hop in hops],
            "backup": None,
            "quantisation_error": 0.0,
        }
        return name

    def use_local(self) -> str:
        """Return the id of the group that delivers here, adding it where it is new."""
        if LOCAL not in self.groups:
            self.next_hops[LOCAL] = {
                "id": LOCAL,
                "kind": "local",
                "node": self.device,
                "interface": None,
                "gateway": None,
                "labels": [],
                "segments": [],
                "links": [],
                "latency_us": 0,
            }
            self.groups[LOCAL] = {
                "id": LOCAL,
                "members": [{"next_hop": LOCAL, "weight": 1, "planned_share": 1.0}],
                "backup": None,
                "quantisation_error": 0.0,
            }
        return LOCAL


def documents(
    drafts: Iterable[DeviceDraft], topology: Topology, model: PlanningModel, realisation: RealisationName
) -> Iterator[DeviceTable]:
    """Yield the finished document of each draft, everything in it sorted."""
    limits, steering, drained = device_limits(topology, model), steering_section(model), _drained_links(topology)
    for draft in drafts:
        position = topology.node_index[draft.device]
        held: Limits = {
            "max_weight": int(limits.max_weight[position]),
            "max_group_members": int(limits.max_group_members[position]),
            "max_segments": int(limits.max_segments[position]),
        }
        yield {
            "schema": SCHEMA,
            "document": "device",
            "device": draft.device,
            "realisation": realisation,
            "limits": held,
            "next_hops": [draft.next_hops[name] for name in sorted(draft.next_hops)],
            "next_hop_groups": [draft.groups[name] for name in sorted(draft.groups)],
            "routes": sorted(draft.routes, key=_route_order),
            "steering": steering,
            "local_sids": sorted(draft.local_sids, key=lambda sid: sid["id"]),
            "drains": _drains(topology, draft.device, drained),
            "cannot_realise": sorted(draft.cannot_realise, key=_concern_order),
        }


def by_device(topology: Topology) -> list[int]:
    """Return the positions of all nodes, sorted by node id: the order in which devices are written."""
    return sorted(range(len(topology.nodes)), key=lambda node: topology.nodes[node].id)


def _route_order(route: Route) -> tuple[str, str, int, str]:
    label = route["label"]
    return route["network_instance"], route["table"], -1 if label is None else label, route["egress"]


def _concern_order(entry: CannotRealise) -> tuple[str, str, str, str, list[str]]:
    concern = entry["object"]
    return concern["egress"], concern["class"], concern["tenant"], entry["reason"], concern["links"]


def steering_section(model: PlanningModel) -> list[Steering]:
    """Return the classes' match rules in the order in which they are tried, the fallback last."""
    section: list[Steering] = []
    for traffic_class in model.classes:
        for position, rule in enumerate(traffic_class.match, start=1):
            stated = {name: sorted(getattr(rule, name)) for name in type(rule).model_fields if getattr(rule, name)}
            section.append(_steer(f"{traffic_class.name}/{position}", stated, traffic_class.name))
        if not traffic_class.match and traffic_class.name != model.fallback_class:
            # Its demands name it; no packet field leads to its table.
            section.append(_steer(f"{traffic_class.name}/0", {"class": [traffic_class.name]}, traffic_class.name))
    section.append(_steer("default", None, model.fallback_class))
    return section


def _steer(name: str, match: dict[str, list[object]] | None, class_name: str) -> Steering:
    return {"id": name, "match": match, "class": class_name, "table": class_name}


def _drained_links(topology: Topology) -> dict[str, list[str]]:
    drained: dict[str, list[str]] = {}
    for link in topology.links:
        if link.drained:
            drained.setdefault(link.source, []).append(link.id)
    return drained


def _drains(topology: Topology, device: str, drained_links: dict[str, list[str]]) -> list[Drain]:
    section: list[Drain] = []
    if topology.nodes[topology.node_index[device]].drained:
        section.append({"kind": "node", "id": device})
    section.extend({"kind": "link", "id": name} for name in sorted(drained_links.get(device, [])))
    return section
