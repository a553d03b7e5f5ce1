"""The walk through source-routed tables: head ends push labels, and every device acts on the outermost one.

All traffic moves in step: a *row* is some traffic of one demand, at one device, with what is left of its labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.tables.faults import FaultKind
from vbte.tables.fib import Fib, HopKind, PrefixRoutes, SidKind
from vbte.tables.offered import Offered
from vbte.tables.ranges import ranges
from vbte.tables.tally import Tally
from vbte.tables.walk_rows import Rows, joined, merged
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

Positions = NDArray[np.int64]


def walk_labels(fib: Fib, topology: Topology, offered: Offered, tally: Tally) -> None:
    """Push the offered traffic through source-routed tables and add up what happens in ``tally``."""
    engine = _LabelWalk(fib, topology, offered, tally)
    engine.run(engine.enter())


@dataclass(frozen=True, eq=False)
class Pushed:
    """Traffic that devices push labels onto, arrays of one length: of a demand, at a device, by a next hop.

    ``service`` is the tenant's label that goes below, -1 for none.
    """

    demand: Positions
    gbps: FloatArray
    device: Positions
    hop: Positions
    service: Positions


def follow_labels(fib: Fib, topology: Topology, offered: Offered, tally: Tally, pushed: Pushed) -> None:
    """Follow traffic from where labels are pushed onto it to where they end, and add up what happens in ``tally``."""
    zero = np.zeros(len(pushed.gbps), dtype=np.int64)
    first, last = fib.label_start[pushed.hop], fib.label_start[pushed.hop + 1]
    rows = Rows(pushed.demand, pushed.gbps, pushed.device, first, last, pushed.service, zero)
    _LabelWalk(fib, topology, offered, tally).run(rows)


class _Action(IntEnum):
    """What a device does with the outermost label."""

    NONE = 0
    POP = 1
    FORWARD = 2
    POP_AND_FORWARD = 3
    TENANT = 4
    SPREAD = 5


class _LabelWalk:
    """One step of all rows at a time."""

    def __init__(self, fib: Fib, topology: Topology, offered: Offered, tally: Tally) -> None:
        self._fib, self._topology, self._offered, self._tally = fib, topology, offered, tally
        known = [fib.sid_label, fib.route_label, fib.route_service_label, fib.label]
        self._codes = np.unique(np.concatenate(known))
        self._label = np.searchsorted(self._codes, fib.label)
        self._action, self._argument = self._tables()

    def run(self, rows: Rows) -> None:
        """Move rows until all have arrived or are lost."""
        start = len(rows.gbps)
        while len(rows.gbps):
            rows = self.step(rows)
            if len(rows.gbps) > 2 * start + 1000:
                rows = merged(rows)

    def _tables(self) -> tuple[NDArray[np.int8], IntArray]:
        """Return action and its argument (link, network instance or group) by device and label code."""
        fib = self._fib
        shape = (len(self._topology.nodes), len(self._codes))
        action, argument = np.zeros(shape, dtype=np.int8), np.full(shape, -1, dtype=np.int32)
        rows = np.flatnonzero((fib.route_label >= 0) & (fib.route_group >= 0))
        cell = fib.route_device[rows], np.searchsorted(self._codes, fib.route_label[rows])
        group = fib.route_group[rows]
        # Behind the last member stands the broken next hop: with everything down there is no member at all.
        member_hop = np.append(fib.member_hop, 0)
        hop = member_hop[fib.member_start[group]]
        lone = (np.diff(fib.member_start)[group] == 1) & (fib.hop_kind[hop] == HopKind.LINK)
        action[cell] = np.where(lone, _Action.FORWARD, _Action.SPREAD)
        argument[cell] = np.where(lone, fib.hop_link[hop], group)
        cell = fib.sid_device, np.searchsorted(self._codes, fib.sid_label)
        acts = {SidKind.NODE: _Action.POP, SidKind.ADJACENCY: _Action.POP_AND_FORWARD, SidKind.TENANT: _Action.TENANT}
        action[cell] = np.array([acts[kind] for kind in SidKind], dtype=np.int8)[fib.sid_kind]
        argument[cell] = np.where(fib.sid_kind == SidKind.TENANT, fib.sid_instance, fib.sid_link)
        return action, argument

    def _routes(self) -> Positions:
        """Return the head end's route of each demand, -1 for none."""
        fib, offered = self._fib, self._offered
        table = fib.table_of_class[offered.ingress, offered.class_index]
        return PrefixRoutes(fib).find(
            offered.ingress, fib.instance_of_tenant[offered.tenant_index], table, offered.egress
        )

    def enter(self) -> Rows:
        """Return the rows that head ends let in, with their labels."""
        fib, offered = self._fib, self._offered
        route = self._routes()
        found = np.flatnonzero(route >= 0)
        gbps = offered.gbps.astype(np.float64)
        gbps[found] *= fib.route_admitted_share[route[found]]
        self._tally.admit(offered.class_index, gbps)
        lost = np.flatnonzero((route < 0) & (gbps > 0))
        for detail, there in (("no route", True), ("no table for the device", False)):
            here = lost[fib.has_table[offered.ingress[lost]] == there]
            self._lose(detail, offered.ingress[here], gbps[here], here)
        found = found[gbps[found] > 0]
        self._check_tenants(found, route[found], gbps[found])
        nowhere = fib.route_group[route[found]] < 0
        here = found[nowhere]
        self._lose("no next-hop group", offered.ingress[here], gbps[here], here)
        found = found[~nowhere]
        zero = np.zeros(len(found), dtype=np.int64)
        service = fib.route_service_label[route[found]]
        rows = Rows(found, gbps[found], offered.ingress[found].astype(np.int64), zero, zero, service, zero)
        rows, member = self._members(rows, fib.route_group[route[found]])
        return self._push_labels(self._policed(rows, member, route), fib.member_hop[member])

    def _policed(self, rows: Rows, member: Positions, route: Positions) -> Rows:
        """Return the rows after head ends have cut each route's traffic to what its group's members may carry."""
        limit_gbps = self._fib.member_limit_gbps
        if not np.isfinite(limit_gbps[member]).any():
            return rows
        _, first, lane = np.unique(
            np.stack([route[rows.demand], member]), axis=1, return_index=True, return_inverse=True
        )
        sent = np.bincount(lane.reshape(-1), weights=rows.gbps)
        kept = np.divide(
            limit_gbps[member[first]], sent, out=np.ones_like(sent), where=sent > limit_gbps[member[first]]
        )
        gbps = rows.gbps * kept[lane.reshape(-1)]
        self._tally.police(self._offered.class_index[rows.demand], rows.gbps - gbps)
        return replace(rows, gbps=gbps)

    def _check_tenants(self, demand: Positions, route: Positions, gbps: FloatArray) -> None:
        leaks = self._fib.route_tenant[route] != self._offered.tenant_index[demand]
        device = self._offered.ingress[demand[leaks]]
        self._tally.fault(FaultKind.TENANT_LEAK, "route of another tenant", device, gbps[leaks], demand[leaks])

    def _lose(self, detail: str, device: Positions | IntArray, gbps: FloatArray, demand: Positions) -> None:
        self._tally.fault(FaultKind.BLACK_HOLE, detail, device, gbps, demand)

    def _members(self, rows: Rows, group: Positions | IntArray) -> tuple[Rows, Positions]:
        """Divide each row over its next-hop group: the new rows, and the group member of each."""
        fib = self._fib
        first, last = fib.member_start[group], fib.member_start[group + 1]
        empty = first == last
        self._lose("no next hop left", rows.device[empty], rows.gbps[empty], rows.demand[empty])
        member = ranges(first, last)
        rows = rows[np.repeat(np.arange(len(group)), last - first)]
        return replace(rows, gbps=rows.gbps * fib.member_share[member]), member

    def _push_labels(self, rows: Rows, hop: Positions) -> Rows:
        """Return the rows with the labels of their next hops; next hops that are links are passed at once."""
        fib, kind = self._fib, self._fib.hop_kind[hop]
        pushed = kind == HopKind.SEGMENTS
        stacked = replace(rows[pushed], at=fib.label_start[hop[pushed]], end=fib.label_start[hop[pushed] + 1])
        return joined([stacked, self._pass_links(rows[~pushed], hop[~pushed])])

    def _pass_links(self, rows: Rows, hop: Positions) -> Rows:
        """Return the rows after passing their next hops, which have to be links."""
        good = self._fib.hop_kind[hop] == HopKind.LINK
        bad = ~good
        self._lose("next hop is no link of the device", rows.device[bad], rows.gbps[bad], rows.demand[bad])
        return self._move(rows[good], self._fib.hop_link[hop[good]])

    def _move(self, rows: Rows, link: Positions | IntArray) -> Rows:
        """Return the rows after passing a link."""
        self._tally.carry(self._offered.class_index[rows.demand], link.astype(np.int64), rows.gbps)
        return replace(rows, device=self._topology.head[link].astype(np.int64), moves=rows.moves + 1)

    def step(self, rows: Rows) -> Rows:
        """Return the rows after every device has acted on the outermost label; what has arrived drops out."""
        stacked = rows.at < rows.end
        bare = ~stacked & (rows.service < 0)
        if bare.any():
            instance = np.full(int(bare.sum()), self._fib.default_instance)
            self._arrive(rows[bare], instance)
            rows, stacked = rows[~bare], stacked[~bare]
        code = np.searchsorted(self._codes, rows.service)
        code[stacked] = self._label[rows.at[stacked]]
        action, argument = self._action[rows.device, code], self._argument[rows.device, code]
        lost = action == _Action.NONE
        for detail, there in (("label unknown", True), ("no table for the device", False)):
            here = lost & (self._fib.has_table[rows.device] == there)
            self._lose(detail, rows.device[here], rows.gbps[here], rows.demand[here])
        arrived = action == _Action.TENANT
        self._arrive(rows[arrived], argument[arrived])
        popped = _popped(rows, stacked)
        leaving, forwarded, spread = (
            np.flatnonzero(action == wanted) for wanted in (_Action.POP_AND_FORWARD, _Action.FORWARD, _Action.SPREAD)
        )
        parts = [popped[action == _Action.POP], self._move(popped[leaving], argument[leaving])]
        parts.append(self._move(rows[forwarded], argument[forwarded]))
        if len(spread):
            shared, member = self._members(rows[spread], argument[spread])
            parts.append(self._pass_links(shared, self._fib.member_hop[member]))
        return self._without_loops(joined(parts))

    def _without_loops(self, rows: Rows) -> Rows:
        """Report and drop what has passed more links on one label than there are devices."""
        endless = rows.moves > len(self._topology.nodes)
        if not endless.any():
            return rows
        caught = rows[endless]
        label = np.where(caught.at < caught.end, self._fib.label[np.minimum(caught.at, len(self._fib.label) - 1)],
                         caught.service)  # fmt: skip
        for wanted in np.unique(label).tolist():
            component = self._circles(int(np.searchsorted(self._codes, wanted)))
            same = caught[label == wanted]
            circle = component[same.device]
            for one in np.unique(circle).tolist():
                devices = tuple(np.flatnonzero(component == one).tolist())
                here = circle == one
                gbps, demand = float(same.gbps[here].sum()), int(same.demand[here][0])
                self._tally.fault_at(FaultKind.LOOP, f"label {wanted} leads round in a circle", devices, gbps, demand)
        return rows[~endless]

    def _circles(self, code: int) -> IntArray:
        """Return which devices pass a label among each other: the strongly connected component of each device."""
        fib, n_nodes = self._fib, len(self._topology.nodes)
        action, argument = self._action[:, code], self._argument[:, code]
        single, spread = np.flatnonzero(action == _Action.FORWARD), np.flatnonzero(action == _Action.SPREAD)
        first, last = fib.member_start[argument[spread]], fib.member_start[argument[spread] + 1]
        hop_link = fib.hop_link[fib.member_hop[ranges(first, last)]]
        link = np.concatenate([argument[single], hop_link])
        device = np.concatenate([single, np.repeat(spread, last - first)])[link >= 0]
        ahead = self._topology.head[link[link >= 0]]
        graph = csr_array((np.ones(len(device)), (device, ahead)), shape=(n_nodes, n_nodes))
        return np.asarray(connected_components(graph, directed=True, connection="strong")[1])

    def _arrive(self, rows: Rows, instance: Positions | IntArray) -> None:
        """Deliver rows at their device, in a network instance each."""
        offered = self._offered
        astray = rows.device != offered.egress[rows.demand]
        self._tally.fault(
            FaultKind.WRONG_EGRESS, "delivered here", rows.device[astray], rows.gbps[astray], rows.demand[astray]
        )
        home = self._fib.instance_of_tenant[offered.tenant_index[rows.demand]]
        leaks = instance != home
        detail = "delivered in another network instance"
        self._tally.fault(FaultKind.TENANT_LEAK, detail, rows.device[leaks], rows.gbps[leaks], rows.demand[leaks])
        right = ~astray & ~leaks
        self._tally.deliver(offered.class_index[rows.demand[right]], rows.gbps[right])


def _popped(rows: Rows, stacked: BoolArray) -> Rows:
    """Return the rows without their outermost label: one of the stack, or the tenant's below it."""
    return replace(
        rows,
        at=rows.at + stacked,
        service=np.where(stacked, rows.service, -1),
        moves=np.zeros_like(rows.moves),
    )
