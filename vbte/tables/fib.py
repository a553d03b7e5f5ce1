"""Written tables as forwarding arrays: what the walk looks things up in. ``fib_reader`` fills them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from vbte.topology import BoolArray, FloatArray, IntArray

Positions = NDArray[np.int64]


class HopKind(IntEnum):
    """What a next hop does; BROKEN: it names a link the device does not have."""

    LINK = 0
    SEGMENTS = 1
    LOCAL = 2
    BROKEN = 3


class SidKind(IntEnum):
    """What a local SID does."""

    NODE = 0
    ADJACENCY = 1
    TENANT = 2


@dataclass(frozen=True, eq=False)
class Fib:
    """All devices' tables; devices, egresses and links are positions in the topology, names are codes.

    Next hop h has ``hop_kind``, ``hop_link`` (-1 for none) and labels ``label[label_start[h]:label_start[h + 1]]``,
    outermost first. Group g has members ``member_start[g]:member_start[g + 1]`` with ``member_hop``, ``member_share``
    and ``member_limit_gbps``, inf for no limit. Members that failed are left out, or their backup stands in
    ``member_hop``; a group with none left is a dead end.
    Routes and local SIDs are columns of one length each; -1 stands for null.
    """

    has_table: BoolArray
    hop_kind: Positions
    hop_link: Positions
    label_start: Positions
    label: Positions
    member_start: Positions
    member_hop: Positions
    member_share: FloatArray
    member_limit_gbps: FloatArray
    route_device: Positions
    route_instance: Positions
    route_table: Positions
    route_label: Positions
    route_egress: Positions
    route_group: Positions
    route_tenant: Positions
    route_service_label: Positions
    route_admitted_share: FloatArray
    sid_device: Positions
    sid_kind: Positions
    sid_label: Positions
    sid_link: Positions
    sid_instance: Positions
    table_of_class: Positions
    instance_of_tenant: Positions
    default_instance: int


@dataclass(frozen=True, eq=False)
class Groups:
    """Next-hop groups as they are written, whatever has failed; groups and next hops are those of the ``Fib``.

    Group g has members ``member_start[g]:member_start[g + 1]`` with ``member_hop``, the integer ``member_weight``, the
    next hop ``member_backup`` that stands in while ``member_hop`` is down, -1 for none, and ``member_limit_gbps``.
    ``backup[g]`` takes over from it, -1 for none, when any member is down (``backup_is_early``) or when all are, their
    own backups too.
    Next hop h fails with any of the links ``hop_links[hop_start[h]:hop_start[h + 1]]``, in the order visited.
    """

    member_start: Positions
    member_hop: Positions
    member_weight: Positions
    member_backup: Positions
    member_limit_gbps: FloatArray
    backup: Positions
    backup_is_early: BoolArray
    hop_start: Positions
    hop_links: Positions


class PrefixRoutes:
    """The routes of a ``Fib`` that lead from prefixes, to be found by device, network instance, table and egress.

    Of several with one key the first stands. Keys that are asked for may hold -1, for what is not there.
    """

    def __init__(self, fib: Fib) -> None:
        self._n_nodes = len(fib.has_table)
        known = (fib.route_instance.max(initial=0), fib.instance_of_tenant.max(initial=0))
        self._n_instances = int(max(known)) + 1
        self._n_tables = int(max(fib.table_of_class.max(initial=0), fib.route_table.max(initial=0))) + 1
        rows = np.flatnonzero((fib.route_label < 0) & (fib.route_egress >= 0))
        key = self._key(fib.route_device[rows], fib.route_instance[rows], fib.route_table[rows], fib.route_egress[rows])
        self._keys, first = np.unique(key, return_index=True)
        self._rows = rows[first]

    def _key(
        self, device: Positions | IntArray, instance: Positions, table: Positions, egress: Positions | IntArray
    ) -> Positions:
        code = (device.astype(np.int64) * self._n_instances + instance) * self._n_tables + table
        return np.asarray(code * self._n_nodes + egress)

    def find(
        self, device: Positions | IntArray, instance: Positions, table: Positions, egress: Positions | IntArray
    ) -> Positions:
        """Return the route of each key, -1 for none; all arrays have one length."""
        found = value_at(self._keys, self._rows, self._key(device, instance, table, egress))
        return np.where((instance >= 0) & (table >= 0), found, -1)


def value_at(keys: Positions, values: Positions | IntArray, wanted: Positions) -> Positions:
    """Return the value of each wanted key, -1 for none; ``keys`` are sorted."""
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], -1)
