"""The walk through hop-by-hop tables: a packet's way on depends on device, egress, class and tenant alone.

A *key* is an egress, class and tenant; a *state* is a device's route for a key. All keys are walked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.tables.faults import FaultKind
from vbte.tables.fib import Fib, HopKind
from vbte.tables.offered import Offered
from vbte.tables.ranges import ranges
from vbte.tables.tally import Tally
from vbte.tables.walk_labels import Pushed, follow_labels
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

Positions = NDArray[np.int64]

#: Links that a packet passes before it is dropped: IPv4's largest time to live.
_TIME_TO_LIVE = 255

#: What is left of traffic that goes round and round is given up below this.
_NOTHING_GBPS = 1e-15


def walk_hops(fib: Fib, topology: Topology, offered: Offered, tally: Tally) -> None:
    """Push the offered traffic through hop-by-hop tables and add up what happens in ``tally``."""
    graph = _Graph(fib, topology, offered)
    entering = graph.enter(tally)
    flow, mass = graph.push(entering, tally)
    graph.settle(flow, mass, tally)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Ways out of states, sorted by state: one per group member; ``head`` is -1 where no state follows."""

    tail: Positions
    hop: Positions
    share: FloatArray
    head: Positions


class _Graph:
    """Routes as a graph over (key, device)."""

    def __init__(self, fib: Fib, topology: Topology, offered: Offered) -> None:
        self._fib, self._topology, self._offered = fib, topology, offered
        n_classes, n_tenants = len(offered.classes), len(offered.tenants)
        code = (offered.egress.astype(np.int64) * n_classes + offered.class_index) * n_tenants + offered.tenant_index
        codes, self._example, self._demand_key = np.unique(code, return_index=True, return_inverse=True)
        self._key_tenant = codes % n_tenants
        self._key_class = codes // n_tenants % n_classes
        self._key_egress = codes // n_tenants // n_classes
        self._state_code, self._route = self._states()

    @cached_property
    def _key(self) -> Positions:
        return self._state_code // len(self._topology.nodes)

    @cached_property
    def _device(self) -> Positions:
        return self._state_code % len(self._topology.nodes)

    def _states(self) -> tuple[Positions, Positions]:
        """Return the sorted codes key * n_nodes + device that have a route, and the route."""
        fib, n_classes = self._fib, len(self._offered.classes)
        n_instances = int(fib.route_instance.max(initial=-1)) + 2
        wanted = self._key_egress * n_classes + self._key_class
        instance = fib.instance_of_tenant[self._key_tenant]
        wanted = np.where(instance >= 0, wanted * n_instances + instance, -1)
        order = np.argsort(wanted, kind="stable")
        codes, routes = [], []
        for class_index in range(n_classes):
            table = fib.table_of_class[fib.route_device, class_index]
            rows = np.flatnonzero((fib.route_label < 0) & (fib.route_egress >= 0) & (fib.route_table == table))
            offers = (fib.route_egress[rows] * n_classes + class_index) * n_instances + fib.route_instance[rows]
            at = np.minimum(np.searchsorted(wanted[order], offers), len(order) - 1)
            match = wanted[order[at]] == offers
            codes.append(order[at[match]] * len(self._topology.nodes) + fib.route_device[rows[match]])
            routes.append(rows[match])
        states, first = np.unique(np.concatenate(codes), return_index=True)
        return states, np.concatenate(routes)[first]

    def _state(self, key: Positions, device: Positions | IntArray) -> Positions:
        """Return the state of each (key, device), -1 for none."""
        code = key * len(self._topology.nodes) + device
        if not len(self._state_code):
            return np.full(len(code), -1)
        at = np.minimum(np.searchsorted(self._state_code, code), len(self._state_code) - 1)
        return np.where(self._state_code[at] == code, at, -1)

    @cached_property
    def _group(self) -> Positions:
        return self._fib.route_group[self._route]

    @cached_property
    def _edges(self) -> _Edges:
        fib = self._fib
        tail = np.flatnonzero(self._group >= 0)
        first, last = fib.member_start[self._group[tail]], fib.member_start[self._group[tail] + 1]
        member, tail = ranges(first, last), np.repeat(tail, last - first)
        hop = fib.member_hop[member]
        forwards = fib.hop_kind[hop] == HopKind.LINK
        head = np.full(len(hop), -1)
        device = self._topology.head[fib.hop_link[hop[forwards]]]
        head[forwards] = self._state(self._key[tail[forwards]], device)
        return _Edges(tail, hop, fib.member_share[member], head)

    def enter(self, tally: Tally) -> FloatArray:
        """Return what head ends let in at each state, Gbit/s."""
        offered = self._offered
        state = self._state(self._demand_key.astype(np.int64), offered.ingress)
        share = np.where(state >= 0, self._fib.route_admitted_share[self._route[state]] if len(self._route) else 1, 1.0)
        gbps = np.asarray(offered.gbps * share)
        tally.admit(offered.class_index, gbps)
        lost = np.flatnonzero((state < 0) & (gbps > 0))
        self._no_route(offered.ingress[lost], gbps[lost], lost, tally)
        known = np.flatnonzero(state >= 0)
        entering = np.bincount(state[known], weights=gbps[known], minlength=len(self._state_code))
        return entering.astype(np.float64)

    def _no_route(self, device: Positions | IntArray, gbps: FloatArray, demand: Positions, tally: Tally) -> None:
        has_table = self._fib.has_table[device]
        for detail, here in (("no route", has_table), ("no table for the device", ~has_table)):
            tally.fault(FaultKind.BLACK_HOLE, detail, device[here], gbps[here], demand[here])

    def push(self, entering: FloatArray, tally: Tally) -> tuple[FloatArray, FloatArray]:
        """Return the flow of each edge and what comes past each state; loops are reported."""
        edges, mass, flow = self._edges, entering.copy(), np.zeros(len(self._edges.tail))
        bounds = np.searchsorted(edges.tail, np.arange(len(mass) + 1))
        reached = self._reach(entering > 0, bounds)
        inner = np.flatnonzero(reached[edges.tail] & (edges.head >= 0))
        waiting = np.bincount(edges.head[inner], minlength=len(mass))
        ready = np.flatnonzero(reached & (waiting == 0))
        open_states = reached.copy()
        while len(ready):
            open_states[ready] = False
            out = ranges(bounds[ready], bounds[ready + 1])
            flow[out] = mass[edges.tail[out]] * edges.share[out]
            out = out[edges.head[out] >= 0]
            np.add.at(mass, edges.head[out], flow[out])
            states, arrived = np.unique(edges.head[out], return_counts=True)
            waiting[states] -= arrived
            ready = states[waiting[states] == 0]
        if open_states.any():
            self._go_round(open_states, mass, flow, tally)
        return flow, mass

    def _reach(self, start: BoolArray, bounds: Positions) -> BoolArray:
        reached, front, head = start.copy(), np.flatnonzero(start), self._edges.head
        while len(front):
            found = head[ranges(bounds[front], bounds[front + 1])]
            front = np.unique(found[(found >= 0)])
            front = front[~reached[front]]
            reached[front] = True
        return reached

    def _go_round(self, left: BoolArray, mass: FloatArray, flow: FloatArray, tally: Tally) -> None:
        """Push on where states wait for each other: report the loops, then go round until all has left or given up."""
        edges = self._edges
        out = np.flatnonzero(left[edges.tail])
        inner = out[edges.head[out] >= 0]
        size = len(mass)
        graph = csr_array((np.ones(len(inner)), (edges.tail[inner], edges.head[inner])), shape=(size, size))
        _, component = connected_components(graph, directed=True, connection="strong")
        looping = left & (np.bincount(component)[component] > 1)
        outside = inner[component[edges.tail[inner]] != component[edges.head[inner]]]
        current = np.where(left, mass, 0.0)
        met = np.bincount(component, weights=np.where(looping, current, 0.0)).astype(np.float64)
        rounds = 0
        while current.any():
            if rounds == _TIME_TO_LIVE:
                current[looping] = 0.0
            rounds += 1
            moved = np.zeros(len(flow))
            moved[out] = current[edges.tail[out]] * edges.share[out]
            flow += moved
            np.add.at(met, component[edges.head[outside]], moved[outside])
            current = np.zeros(size)
            np.add.at(current, edges.head[inner], moved[inner])
            current[current < _NOTHING_GBPS] = 0.0
            mass += current
        self._report_loops(looping, component, met, tally)

    def _report_loops(self, looping: BoolArray, component: IntArray, met: FloatArray, tally: Tally) -> None:
        states = np.flatnonzero(looping)
        for loop in np.unique(component[states]).tolist():
            members = states[component[states] == loop]
            devices = tuple(np.unique(self._device[members]).tolist())
            example = int(self._example[self._key[members[0]]])
            tally.fault_at(FaultKind.LOOP, "next hops lead round in a circle", devices, float(met[loop]), example)

    def settle(self, flow: FloatArray, mass: FloatArray, tally: Tally) -> None:
        """Add up loads and deliveries, and report where traffic ended wrongly."""
        fib, edges = self._fib, self._edges
        kind, key = fib.hop_kind[edges.hop], self._key[edges.tail]
        device, demand = self._device[edges.tail], self._example[key]
        used = flow > 0
        ahead = np.flatnonzero(used & (kind == HopKind.LINK))
        tally.carry(self._key_class[key[ahead]], fib.hop_link[edges.hop[ahead]], flow[ahead])
        lost = ahead[edges.head[ahead] < 0]
        arrived = self._topology.head[fib.hop_link[edges.hop[lost]]]
        self._no_route(arrived, flow[lost], demand[lost], tally)
        self._follow_detours(np.flatnonzero(used & (kind == HopKind.SEGMENTS)), flow, tally)
        astray = np.flatnonzero(used & (kind == HopKind.BROKEN))
        tally.fault(
            FaultKind.BLACK_HOLE, "next hop is no link of the device", device[astray], flow[astray], demand[astray]
        )
        leaks = self._report_states(mass, tally)
        here = used & (kind == HopKind.LOCAL)
        wrong = np.flatnonzero(here & (device != self._key_egress[key]))
        tally.fault(FaultKind.WRONG_EGRESS, "delivered here", device[wrong], flow[wrong], demand[wrong])
        right = np.flatnonzero(here & (device == self._key_egress[key]) & ~leaks[edges.tail])
        tally.deliver(self._key_class[key[right]], flow[right])

    def _follow_detours(self, edges: Positions, flow: FloatArray, tally: Tally) -> None:
        """Follow what devices push labels onto; they lead to the egress itself, where nothing is looked up any more."""
        if not len(edges):
            return
        tail = self._edges.tail[edges]
        service = self._fib.route_service_label[self._route[tail]]
        pushed = Pushed(
            self._example[self._key[tail]], flow[edges], self._device[tail], self._edges.hop[edges], service
        )
        follow_labels(self._fib, self._topology, self._offered, tally, pushed)

    def _report_states(self, mass: FloatArray, tally: Tally) -> BoolArray:
        """Report routes that discard or belong to another tenant; the latter are returned."""
        fib, group, demand = self._fib, self._group, self._example[self._key]
        size = np.where(group >= 0, np.diff(fib.member_start)[group] if len(fib.member_start) > 1 else 0, 0)
        for detail, where in (("no next-hop group", group < 0), ("no next hop left", (group >= 0) & (size == 0))):
            dead = np.flatnonzero(where & (mass > 0))
            tally.fault(FaultKind.BLACK_HOLE, detail, self._device[dead], mass[dead], demand[dead])
        leaks = fib.route_tenant[self._route] != self._key_tenant[self._key]
        met = np.flatnonzero(leaks & (mass > 0))
        detail = "route of another tenant"
        tally.fault(FaultKind.TENANT_LEAK, detail, self._device[met], mass[met], demand[met])
        return np.asarray(leaks)
