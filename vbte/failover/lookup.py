"""Which route, label or device comes next: states of the repair graph as numbers, looked up in written tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError
from vbte.instance import Instance
from vbte.tables.fib import Fib, PrefixRoutes, SidKind, value_at
from vbte.topology import BoolArray

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StateCodes:
    """States taken apart, arrays of one length.

    ``key`` is egress, class and network instance as one number; ``by_label`` tells that the way on is looked up by the
    egress's node label rather than by a route of that key.
    """

    key: Positions
    device: Positions
    egress: Positions
    by_label: BoolArray

    def __getitem__(self, chosen: BoolArray | Positions) -> StateCodes:
        return StateCodes(self.key[chosen], self.device[chosen], self.egress[chosen], self.by_label[chosen])


class Lookup:
    """Codes of states, and what the tables hold for them.

    The code of a state is ((by label or not, class, network instance, egress), device) as one number.
    """

    def __init__(self, fib: Fib, instance: Instance, *, hop_by_hop: bool) -> None:
        self._fib, self._instance, self._prefix_routes = fib, instance, PrefixRoutes(fib)
        self.is_source_routed = not hop_by_hop
        self._n_nodes, self._n_classes = len(instance.topology.nodes), len(instance.rules)
        self._n_instances = int(max(fib.route_instance.max(initial=0), fib.instance_of_tenant.max(initial=0))) + 1
        self._n_keys = self._n_classes * self._n_instances * self._n_nodes

    def entries(self) -> Positions:
        """Return the state where each commodity enters, shape (K,); -1 where its tenant has no network instance."""
        instance = self._instance
        of_tenant = self._fib.instance_of_tenant[instance.tenant_index]
        key = (instance.class_index.astype(np.int64) * self._n_instances + of_tenant) * self._n_nodes
        return np.where(of_tenant >= 0, (key + instance.destination) * self._n_nodes + instance.source, -1)

    def split(self, codes: Positions) -> StateCodes:
        """Return the parts of states."""
        key = codes // self._n_nodes
        return StateCodes(key % self._n_keys, codes % self._n_nodes, key % self._n_nodes, key >= self._n_keys)

    def class_of(self, codes: Positions) -> Positions:
        """Return the class of each state."""
        return self.split(codes).key // self._n_nodes // self._n_instances

    def routes(self, codes: Positions) -> Positions:
        """Return the route that a state stands for, -1 for none, and for states by label."""
        at = self.split(codes)
        class_index = at.key // self._n_nodes // self._n_instances
        table = self._fib.table_of_class[at.device, class_index]
        found = self._prefix_routes.find(at.device, at.key // self._n_nodes % self._n_instances, table, at.egress)
        return np.where(at.by_label, -1, found)

    def group(self, codes: Positions) -> Positions:
        """Return the next-hop group of each state, -1 for none."""
        at, route = self.split(codes), self.routes(codes)
        keys, rows = self._label_routes
        of_label = value_at(keys, rows, at.device * self._n_nodes + at.egress)
        route = np.where(at.by_label, np.where(at.device == at.egress, -1, of_label), route)
        return np.where(route >= 0, self._fib.route_group[route], -1) if len(self._fib.route_group) else route

    @cached_property
    def _label_routes(self) -> tuple[Positions, Positions]:
        """Sorted keys (device, node that a label belongs to) of the routes that lead from labels, and the routes."""
        fib = self._fib
        rows = np.flatnonzero(fib.route_label >= 0)
        owner = self._owners(fib.route_label[rows])
        rows, owner = rows[owner >= 0], owner[owner >= 0]
        keys, first = np.unique(fib.route_device[rows] * self._n_nodes + owner, return_index=True)
        return keys, rows[first]

    def _owners(self, labels: Positions) -> Positions:
        """Return the node that each label is the node SID of, -1 for none."""
        fib = self._fib
        sids = np.flatnonzero(fib.sid_kind == SidKind.NODE)
        order = sids[np.argsort(fib.sid_label[sids], kind="stable")]
        return value_at(fib.sid_label[order], fib.sid_device[order], labels)

    def ends_here(self, codes: Positions) -> Positions:
        """Return which states are the arrival of a label at the node that it belongs to."""
        at = self.split(codes)
        return np.flatnonzero(at.by_label & (at.device == at.egress))

    def moved(self, at: StateCodes, device: Positions) -> Positions:
        """Return the states of the same key at other devices."""
        return (at.key + np.where(at.by_label, self._n_keys, 0)) * self._n_nodes + device

    def labelled(self, at: StateCodes, hop: Positions) -> Positions:
        """Return the states in which next hops without links leave traffic: at the same device, by a label.

        Raises InputError where the labels are not the egress's node label alone.
        """
        fib = self._fib
        first, count = fib.label_start[hop], np.diff(fib.label_start)[hop]
        owner = np.full(len(hop), -1)
        alone = count == 1
        owner[alone] = self._owners(fib.label[first[alone]])
        wrong = np.flatnonzero(owner != at.egress)
        if len(wrong):
            nodes = self._instance.topology.nodes
            device, egress = nodes[at.device[wrong[0]]].id, nodes[at.egress[wrong[0]]].id
            raise InputError(
                f"a segment list to {egress!r} names no links and is not its node label alone",
                place=f"tables of device {device!r}",
                remedy="name the links that it crosses, so that it is known what it fails with",
            )
        return (at.key + self._n_keys) * self._n_nodes + at.device
