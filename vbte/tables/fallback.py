"""The IGP's own way to an egress, for demands none of whose planned paths a device can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.instance import ClassRules, Instance
from vbte.oracle import Positions
from vbte.paths.igp import IgpRouting
from vbte.plan import PathSet
from vbte.tables.ranges import ranges
from vbte.tolerance import PATH_BOUND_SLACK_SHARE
from vbte.topology import BoolArray, IntArray

#: Entries of a (ways x nodes) array worked on at once.
_BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True, eq=False)
class IgpWays:
    """The ways of commodities from source to egress by equal-cost shortest paths.

    ``links`` has one row per way, its commodity in ``commodity``: all links met, those nearest to the source first.
    ``is_single`` (W,) tells where they are one path; a way without links leads nowhere.
    """

    links: PathSet
    is_single: BoolArray


def igp_ways(routing: IgpRouting, instance: Instance, commodities: IntArray) -> IgpWays:
    """Return the equal-cost links met between the ends of each commodity."""
    n_nodes = len(routing.distance)
    at_once = max(1, _BLOCK_ENTRIES // n_nodes)
    owners, links = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    n_seen = np.ones(len(commodities), dtype=np.int64)
    for first in range(0, len(commodities), at_once):
        some = commodities[first : first + at_once]
        owner, link, seen = _met(routing, instance.source[some], instance.destination[some])
        owners.append(owner + first)
        links.append(link)
        n_seen[first : first + len(some)] = seen
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    hops = np.bincount(owner, minlength=len(commodities))
    start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
    met = PathSet(start, np.concatenate(links)[order].astype(np.int32), commodities)
    # As many links as nodes left behind: every node has one way on.
    return IgpWays(met, (hops > 0) & (hops == n_seen - 1))


def _met(routing: IgpRouting, source: IntArray, egress: IntArray) -> tuple[Positions, Positions, Positions]:
    """Return the links met between sources and egresses, each with its way, and how many nodes each way meets.

    All ways are followed at once, a link further each time.
    """
    topology = routing.topology
    by_tail = np.argsort(topology.tail, kind="stable")
    bounds = np.searchsorted(topology.tail[by_tail], np.arange(len(topology.nodes) + 1))
    seen = np.zeros((len(source), len(topology.nodes)), dtype=np.bool_)
    way, node = np.arange(len(source)), source.astype(np.int64)
    seen[way, node] = True
    owners, links = [way[:0]], [way[:0]]
    while len(way):
        link = by_tail[ranges(bounds[node], bounds[node + 1])]
        owner = np.repeat(way, bounds[node + 1] - bounds[node])
        kept = routing.tight[link, egress[owner]]
        owner, link = owner[kept], link[kept]
        owners.append(owner)
        links.append(link)
        ahead = np.unique(owner * len(topology.nodes) + topology.head[link])
        way, node = np.divmod(ahead, len(topology.nodes))
        fresh = ~seen[way, node]
        seen[way[fresh], node[fresh]] = True
        fresh &= node != egress[way]
        way, node = way[fresh], node[fresh]
    return np.concatenate(owners), np.concatenate(links), np.count_nonzero(seen, axis=1)


def igp_serves(routing: IgpRouting, instance: Instance, commodities: IntArray) -> BoolArray:
    """Return which commodities may take the IGP's way, the rules of their class holding on every path of it, (W,).

    Classes with rules on whole paths, or on their number, are only given a single path.
    """
    ways = igp_ways(routing, instance, commodities)
    serves = ways.links.hops > 0
    class_index = instance.class_index[commodities]
    for position in np.unique(class_index).tolist():
        serves &= (class_index != position) | _suits(ways, instance, instance.rules[position])
    return np.asarray(serves)


def _suits(ways: IgpWays, instance: Instance, rules: ClassRules) -> BoolArray:
    """Return which ways keep the rules of a class, shape (W,)."""
    topology, links, policy = instance.topology, ways.links, rules.policy
    source, egress = instance.source[links.commodity], instance.destination[links.commodity]
    suits = ~links.visiting(~rules.link_allowed)
    for block in links.blocks():
        link, owner = links.visits(block)
        head = topology.head[link]
        suits[block.start + owner[~rules.transit[head] & (head != egress[block][owner])]] = False
    if not rules.depends_on_path and not policy.needs_integers:
        return suits
    suits &= ways.is_single
    if policy.latency_bound_ms is not None:
        suits &= links.sums(topology.latency_ms) <= policy.latency_bound_ms * (1 + PATH_BOUND_SLACK_SHARE)
    if policy.hop_bound is not None:
        suits &= links.hops <= policy.hop_bound
    for node in rules.must_nodes:
        suits &= links.visiting(topology.head == node) | (source == node) | (egress == node)
    for must_link in rules.must_links:
        suits &= links.visiting(np.arange(len(topology.links)) == must_link)
    return np.asarray(suits)
