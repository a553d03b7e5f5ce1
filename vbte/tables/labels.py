"""Who answers to which SR-MPLS label, and how ids are spelt.

node label       16000 + the node's ``sid``, or its position among the sorted node ids
adjacency label  24000 + position among the sorted ids of the device's outgoing links; local to the device
tenant label     900000 + position among the sorted tenant names

The node named by a label pops it; there is no penultimate-hop popping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vbte.errors import InputError
from vbte.topology import IntArray, Topology

NODE_LABEL_BASE = 16_000
ADJACENCY_LABEL_BASE = 24_000
TENANT_LABEL_BASE = 900_000

#: Characters that join ids into longer ids, and how they are spelt inside one.
_SPELLING = str.maketrans({mark: f"%{ord(mark):02X}" for mark in "%/,+[]"})


@lru_cache(maxsize=1 << 16)
def spelt(name: str) -> str:
    """Return a node, link, class or tenant name as part of a longer id, unambiguous."""
    return name.translate(_SPELLING)


def group_id(egress: str, class_name: str, tenant: str | None = None) -> str:
    """Return ``EGRESS/CLASS/TENANT``, or ``EGRESS/CLASS`` where tenants share a group."""
    parts = (egress, class_name) if tenant is None else (egress, class_name, tenant)
    return "/".join(map(spelt, parts))


def link_group_id(links: Sequence[str]) -> str:
    """Return the id of the group that splits evenly over sorted links: ``links:LINK+LINK``."""
    return "links:" + "+".join(map(spelt, links))


def link_order(topology: Topology) -> IntArray:
    """Return each link's place when links are sorted as their ids are spelt, shape (n_links,)."""
    spellings = [spelt(link.id) for link in topology.links]
    place = np.empty(len(spellings), dtype=np.int32)
    place[sorted(range(len(spellings)), key=spellings.__getitem__)] = np.arange(len(spellings))
    return place


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """Label of every node, shape (n_nodes,), link, shape (n_links,), and tenant (by name; none for the empty one)."""

    node: IntArray
    adjacency: IntArray
    tenant: dict[str, int]


def label_plan(topology: Topology, tenants: Sequence[str]) -> LabelPlan:
    """Assign all labels. Raises InputError when two nodes get one label or a node's falls outside its range."""
    node = _node_labels(topology)
    adjacency = np.empty(len(topology.links), dtype=np.int32)
    outgoing: dict[str, list[str]] = {}
    for link in topology.links:
        outgoing.setdefault(link.source, []).append(link.id)
    for links in outgoing.values():
        for position, name in enumerate(sorted(links)):
            adjacency[topology.link_index[name]] = ADJACENCY_LABEL_BASE + position
    named = sorted(name for name in tenants if name)
    return LabelPlan(node, adjacency, {name: TENANT_LABEL_BASE + at for at, name in enumerate(named)})


def _node_labels(topology: Topology) -> IntArray:
    by_id = {name: position for position, name in enumerate(sorted(topology.node_index))}
    labels = np.empty(len(topology.nodes), dtype=np.int32)
    owner: dict[int, str] = {}
    for position, node in enumerate(topology.nodes):
        sid = by_id[node.id] if node.sid is None else node.sid
        place = f"{topology.origin}: node {node.id!r}"
        if not 0 <= sid < ADJACENCY_LABEL_BASE - NODE_LABEL_BASE:
            raise InputError(f"sid {sid} is outside 0 to {ADJACENCY_LABEL_BASE - NODE_LABEL_BASE - 1}", place=place)
        if sid in owner:
            raise InputError(f"sid {sid} belongs to node {owner[sid]!r} too", place=place, remedy="give each its own")
        owner[sid] = node.id
        labels[position] = NODE_LABEL_BASE + sid
    return labels
