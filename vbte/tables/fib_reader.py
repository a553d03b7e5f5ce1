"""Fills forwarding arrays from device documents. Knows the schema, not how tables are built."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Sequence

import numpy as np

from vbte.errors import InputError
from vbte.tables.fib import Fib, Groups, HopKind, Positions, SidKind
from vbte.tables.ranges import ranges
from vbte.tables.schema import Devices, DeviceTable, network_instance
from vbte.topology import FloatArray, Topology
from vbte.units import GBPS_PER_UNIT

GBPS_PER_BPS = GBPS_PER_UNIT["bps"]


def read_groups(
    devices: Devices, topology: Topology, classes: Sequence[str], tenants: Sequence[str]
) -> tuple[Fib, Groups]:
    """Return the forwarding arrays with nothing failed, and the groups behind them. Errors as in ``read_fib``."""
    reader = _reader(devices, topology, tenants, frozenset(), with_groups=True)
    return reader.finish(classes, tenants), reader.groups()


def read_fib(
    devices: Devices,
    topology: Topology,
    classes: Sequence[str],
    tenants: Sequence[str],
    failed_links: Collection[str] = (),
) -> Fib:
    """Return the forwarding arrays; ``table_of_class`` (n_nodes, n_classes) and ``instance_of_tenant`` (n_tenants,).

    A next hop fails when one of its links does; groups then share among the rest, or fall back on their backup.
    Raises InputError when a table belongs to no node of the topology.
    """
    return _reader(devices, topology, tenants, frozenset(failed_links)).finish(classes, tenants)


def _reader(
    devices: Devices, topology: Topology, tenants: Sequence[str], failed: frozenset[str], *, with_groups: bool = False
) -> _Reader:
    reader = _Reader(topology, tenants, failed, with_groups=with_groups)
    for name in sorted(devices):
        if name not in topology.node_index:
            raise InputError(f"tables for device {name!r}, which the topology does not have", place=topology.origin)
        reader.add(topology.node_index[name], devices[name])
    return reader


class _Reader:
    """Collects columns device by device; next hop 0 is the broken one that dangling ids lead to."""

    def __init__(
        self, topology: Topology, tenants: Sequence[str], failed: frozenset[str], *, with_groups: bool
    ) -> None:
        self._topology = topology
        self._failed = failed
        self._with_groups = with_groups
        self._instances: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        self._tenants = {name: code for code, name in enumerate(tenants)}
        self._has_table = np.zeros(len(topology.nodes), dtype=np.bool_)
        # Packed numbers: as Python objects they would take several times the memory of all tables' files.
        self._hop_kind, self._hop_link, self._hop_lives = _packed(HopKind.BROKEN), _packed(-1), _packed(True)
        self._labels, self._label_count = _packed(), _packed(0)
        self._hop_links, self._hop_link_count = _packed(), _packed(0)
        self._member_hop, self._member_weight, self._member_count = _packed(), _packed(), _packed()
        self._member_backup, self._member_limit_gbps = _packed(), array("d")
        self._backup, self._backup_is_early = _packed(), _packed()
        self._route = tuple(_packed() for _ in range(8))
        self._admitted_share = array("d")
        self._sid = tuple(_packed() for _ in range(5))
        self._steering: dict[tuple[int, str], int] = {}

    def add(self, device: int, table: DeviceTable) -> None:
        """Take in one device's document."""
        self._has_table[device] = True
        hops = {hop["id"]: code for code, hop in enumerate(table["next_hops"], start=len(self._hop_kind))}
        groups = {group["id"]: code for code, group in enumerate(table["next_hop_groups"], start=len(self._backup))}
        self._add_hops(device, table)
        self._add_groups(table, hops, groups)
        self._add_routes(device, table, groups)
        self._add_sids(device, table)
        for entry in table["steering"]:
            code = self._tables.setdefault(entry["table"], len(self._tables))
            self._steering.setdefault((device, entry["class"]), code)

    def _add_hops(self, device: int, table: DeviceTable) -> None:
        kinds = {"link": HopKind.LINK, "segments": HopKind.SEGMENTS, "local": HopKind.LOCAL}
        failed, known = self._failed, self._topology.link_index
        for hop in table["next_hops"]:
            links, labels = hop["links"], hop["labels"]
            code, link = kinds.get(hop["kind"], HopKind.BROKEN), -1
            if code == HopKind.LINK:
                link = self._own_link(device, links[0] if links else None)
                code = code if link >= 0 else HopKind.BROKEN
            self._hop_kind.append(code)
            self._hop_link.append(link)
            self._hop_lives.append(not failed or failed.isdisjoint(links))
            self._labels.extend(labels)
            self._label_count.append(len(labels))
            if self._with_groups:
                found = [known[name] for name in links if name in known]
                self._hop_links.extend(found)
                self._hop_link_count.append(len(found))

    def _own_link(self, device: int, name: str | None) -> int:
        """Return the position of a link that leaves the device, -1 for any other."""
        link = self._topology.link_index.get(name or "", -1)
        return link if link >= 0 and self._topology.tail[link] == device else -1

    def _add_groups(self, table: DeviceTable, hops: dict[str, int], groups: dict[str, int]) -> None:
        for group in table["next_hop_groups"]:
            members, backup = group["members"], group["backup"]
            self._member_count.append(len(members))
            for member in members:
                self._member_hop.append(hops.get(member["next_hop"], 0))
                self._member_weight.append(member["weight"])
                backup_hop, limit_bps = member.get("backup"), member.get("limit_bps")
                self._member_backup.append(-1 if backup_hop is None else hops.get(backup_hop, 0))
                self._member_limit_gbps.append(math.inf if limit_bps is None else limit_bps * GBPS_PER_BPS)
            self._backup.append(groups.get(backup["group"], -1) if backup else -1)
            self._backup_is_early.append(backup is not None and backup["when"] == "any-member-down")

    def _add_routes(self, device: int, table: DeviceTable, groups: dict[str, int]) -> None:
        # One pass per column: rows as tuples would keep the garbage collector busy.
        routes, known = table["routes"], self._instances
        nodes, tenants = self._topology.node_index, self._tenants
        found = (
            [device] * len(routes),
            [known.setdefault(route["network_instance"], len(known)) for route in routes],
            [self._tables.setdefault(route["table"], len(self._tables)) for route in routes],
            [-1 if (label := route["label"]) is None else label for route in routes],
            [nodes.get(route["egress"], -1) for route in routes],
            [-1 if (group := route["group"]) is None else groups.get(group, -1) for route in routes],
            [-1 if (tenant := route["tenant"]) is None else tenants.get(tenant, -1) for route in routes],
            [-1 if (label := route["service_label"]) is None else label for route in routes],
        )
        for column, values in zip(self._route, found, strict=True):
            column.extend(values)
        self._admitted_share.extend(
            1.0 if (demands := route["demands"]) is None else demands["admitted_share"] for route in routes
        )

    def _add_sids(self, device: int, table: DeviceTable) -> None:
        kinds = {"node": SidKind.NODE, "adjacency": SidKind.ADJACENCY, "tenant": SidKind.TENANT}
        for sid in table["local_sids"]:
            if sid["link"] in self._failed:
                continue
            link, instance = self._own_link(device, sid["link"]), sid["network_instance"]
            code = -1 if instance is None else self._instances.setdefault(instance, len(self._instances))
            row = (device, kinds[sid["kind"]], sid["label"], link, code)
            for column, value in zip(self._sid, row, strict=True):
                column.append(value)

    def finish(self, classes: Sequence[str], tenants: Sequence[str]) -> Fib:
        """Return everything as arrays."""
        n_nodes = len(self._topology.nodes)
        member_start, member_hop, member_share, member_limit_gbps = self._living()
        table_of_class = [[self._steering.get((node, name), -1) for name in classes] for node in range(n_nodes)]
        return Fib(
            has_table=self._has_table,
            hop_kind=_integers(self._hop_kind),
            hop_link=_integers(self._hop_link),
            label_start=_starts(self._label_count),
            label=_integers(self._labels),
            member_start=member_start,
            member_hop=member_hop,
            member_share=member_share,
            member_limit_gbps=member_limit_gbps,
            route_device=_integers(self._route[0]),
            route_instance=_integers(self._route[1]),
            route_table=_integers(self._route[2]),
            route_label=_integers(self._route[3]),
            route_egress=_integers(self._route[4]),
            route_group=_integers(self._route[5]),
            route_tenant=_integers(self._route[6]),
            route_service_label=_integers(self._route[7]),
            route_admitted_share=np.array(self._admitted_share, dtype=np.float64),
            sid_device=_integers(self._sid[0]),
            sid_kind=_integers(self._sid[1]),
            sid_label=_integers(self._sid[2]),
            sid_link=_integers(self._sid[3]),
            sid_instance=_integers(self._sid[4]),
            table_of_class=np.array(table_of_class, dtype=np.int64).reshape(n_nodes, len(classes)),
            instance_of_tenant=_integers([self._instances.get(network_instance(name), -1) for name in tenants]),
            default_instance=self._instances.get(network_instance(""), -2),
        )

    def groups(self) -> Groups:
        """Return the groups as written."""
        return Groups(
            member_start=_starts(self._member_count),
            member_hop=_integers(self._member_hop),
            member_weight=_integers(self._member_weight),
            member_backup=_integers(self._member_backup),
            member_limit_gbps=np.array(self._member_limit_gbps, dtype=np.float64),
            backup=_integers(self._backup),
            backup_is_early=np.array(self._backup_is_early, dtype=np.bool_),
            hop_start=_starts(self._hop_link_count),
            hop_links=_integers(self._hop_links),
        )

    def _living(self) -> tuple[Positions, Positions, FloatArray, FloatArray]:
        """Return the groups with their living members, after backups took over: starts, next hops, shares, limits."""
        start, hop_lives = _starts(self._member_count), np.array(self._hop_lives, dtype=np.bool_)
        hop, spare = _integers(self._member_hop), _integers(self._member_backup)
        hop = np.where(~hop_lives[hop] & (spare >= 0), spare, hop)
        lives = hop_lives[hop]
        size = np.diff(start)
        living = np.bincount(np.repeat(np.arange(len(size)), size)[lives], minlength=len(size))
        backup, is_early = _integers(self._backup), np.array(self._backup_is_early, dtype=np.bool_)
        takes_over = (backup >= 0) & np.where(is_early, living < size, living == 0)
        group = np.where(takes_over, backup, np.arange(len(size)))
        at = ranges(start[group], start[group + 1])
        owner = np.repeat(np.arange(len(size)), size[group])[lives[at]]
        at = at[lives[at]]
        weight = _integers(self._member_weight)[at].astype(np.float64)
        total = np.bincount(owner, weights=weight, minlength=len(size))
        member_start = _starts(np.bincount(owner, minlength=len(size)))
        limit_gbps = np.array(self._member_limit_gbps, dtype=np.float64)[at]
        return member_start, hop[at], np.asarray(weight / total[owner]), limit_gbps


def _packed(*values: int) -> array[int]:
    return array("q", values)


def _integers(values: Sequence[int] | array[int]) -> Positions:
    return np.array(values, dtype=np.int64)


def _starts(counts: array[int] | Positions) -> Positions:
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)
