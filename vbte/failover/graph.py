"""Written tables as one graph of everything that traffic may do, backups included, before anything fails.

A *state* is where a packet's way on is decided: a device's route for an egress, class and network instance, or a
device's next hops for a node's label. An *edge* is one member of a next-hop group: it crosses links and then leads to
a state, or ends. Which edges live, and how a state's traffic is shared among them, is what a scenario decides
(``repair``); nothing here has been shared out yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.failover.lookup import Lookup, StateCodes
from vbte.instance import Instance
from vbte.tables import Tables, offered_traffic
from vbte.tables.fib import Fib, Groups, HopKind
from vbte.tables.fib_reader import read_groups
from vbte.tables.files import no_cycle_search
from vbte.tables.ranges import ranges
from vbte.topology import BoolArray, FloatArray, Topology

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Edges:
    """Ways out of states, arrays of one length, E.

    ``head`` is -1 where no state follows; ``delivers`` tells that the traffic then is where it belongs. Edge e crosses
    ``links[start[e]:start[e + 1]]`` and fails with any of them. ``is_backup`` marks members of the group that takes
    over from the state's own. ``stands_in_for`` is the edge in whose place an edge comes while that one is down, -1
    for edges that are nobody's backup. ``limit_gbps`` is the most that a head end sends over it, inf for no limit.
    """

    tail: Positions
    head: Positions
    weight: Positions
    is_backup: BoolArray
    delivers: BoolArray
    stands_in_for: Positions
    limit_gbps: FloatArray
    start: Positions
    links: Positions

    def __len__(self) -> int:
        return len(self.tail)

    def sorted_by(self, order: Positions) -> Edges:
        """Return the edges in another order."""
        length = np.diff(self.start)[order]
        at = ranges(self.start[:-1][order], self.start[1:][order])
        start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        primary = self.stands_in_for[order]
        return Edges(
            self.tail[order], self.head[order], self.weight[order], self.is_backup[order], self.delivers[order],
            np.where(primary >= 0, place[primary], -1), self.limit_gbps[order], start, self.links[at],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RepairGraph:
    """All that local repair has to know of written tables.

    Edges are sorted so that every state's incoming edges stand before its outgoing ones: ``levels`` are slices that
    need not wait for each other, ``knot`` the edges at the end that lie on circles or behind them, none in tables that
    can't lead round. ``state_class`` (S,) is a state's class, ``has_backup`` and ``backup_is_early`` (S,) say whether
    another group takes over and when. ``entry`` (K,) is the state where each commodity enters, -1 where its source has
    no route for it; ``admitted_share`` (K,) what is let in there.
    """

    instance: Instance
    edges: Edges
    levels: tuple[slice, ...]
    knot: slice
    state_class: Positions
    has_backup: BoolArray
    backup_is_early: BoolArray
    entry: Positions
    admitted_share: FloatArray

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.state_class)

    @property
    def topology(self) -> Topology:
        """The topology of the instance."""
        return self.instance.topology

    @cached_property
    def crossing(self) -> csr_array:
        """How often each edge crosses each link, shape (E, n_links)."""
        return _incidence(self.edges.start, self.edges.links, len(self.topology.links))

    @cached_property
    def columns(self) -> Positions:
        """Class and link of each crossing as one number, class * n_links + link, beside ``edges.links``."""
        of_class = np.repeat(self.state_class[self.edges.tail], np.diff(self.edges.start))
        return np.asarray(of_class * len(self.topology.links) + self.edges.links)

    @cached_property
    def class_crossing(self) -> csr_array:
        """How often each edge crosses each link as traffic of its class, shape (E, n_classes * n_links)."""
        return _incidence(self.edges.start, self.columns, len(self.topology.links) * len(self.instance.rules))


def _incidence(start: Positions, columns: Positions, n_columns: int) -> csr_array:
    # Summing sorts each row in place: what is handed in has to keep the order in which links are crossed.
    graph = csr_array((np.ones(len(columns)), columns.copy(), start), shape=(len(start) - 1, n_columns))
    graph.sum_duplicates()
    return graph


def repair_graph(tables: Tables, instance: Instance) -> RepairGraph:
    """Return the graph of written tables for the commodities of an instance.

    Raises InputError when a table belongs to no node of the topology, and for segment lists that say neither their
    links nor lead to their egress by its node's label alone.
    """
    offered = offered_traffic(instance)
    with no_cycle_search():
        fib, groups = read_groups(tables.devices, instance.topology, offered.classes, offered.tenants)
    lookup = Lookup(fib, instance, hop_by_hop=tables.manifest["realisation"] == "hop-by-hop")
    explored = _explore(_Expander(fib, groups, lookup, instance.topology), lookup.entries())
    route = explored.route_of(lookup)
    entry = explored.position(lookup.entries())
    has_route = (entry >= 0) & (route[entry] >= 0) if len(route) else np.zeros(len(entry), dtype=np.bool_)
    share = np.ones(len(entry))
    share[has_route] = fib.route_admitted_share[route[entry[has_route]]]
    edges, levels, knot = _in_levels(explored.edges, len(explored.codes))
    group = explored.group
    backup = np.where(group >= 0, groups.backup[group], -1) if len(groups.backup) else np.full(len(group), -1)
    early = groups.backup_is_early[group] & (group >= 0) if len(groups.backup) else np.zeros(len(group), dtype=np.bool_)
    return RepairGraph(
        instance, edges, levels, knot, lookup.class_of(explored.codes), backup >= 0, early,
        np.where(has_route, entry, -1), share,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Explored:
    """States met from the entries on: sorted ``codes`` (S,), each with its ``group``, -1 for none, and all edges."""

    codes: Positions
    group: Positions
    edges: Edges

    def position(self, codes: Positions) -> Positions:
        """Return where states stand, -1 for codes below 0."""
        return _positions(self.codes, codes)

    def route_of(self, lookup: Lookup) -> Positions:
        return lookup.routes(self.codes)


def _positions(codes: Positions, wanted: Positions) -> Positions:
    if not len(codes):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[at] == wanted, at, -1)


def _explore(expander: _Expander, entries: Positions) -> _Explored:
    """Follow all edges from the entries, a layer of states at a time."""
    seen = np.empty(0, dtype=np.int64)
    front = np.unique(entries[entries >= 0])
    found_codes, found_groups, found_edges = [seen], [seen], [expander.no_edges()]
    while len(front):
        group, edges = expander.ways_out(front)
        found_codes.append(front)
        found_groups.append(group)
        found_edges.append(edges)
        seen = np.union1d(seen, front)
        ahead = np.unique(edges.head[edges.head >= 0])
        front = ahead[_positions(seen, ahead) < 0]
    codes = np.concatenate(found_codes)
    order = np.argsort(codes)
    codes = codes[order]
    edges = _joined(found_edges)
    tail, head = _positions(codes, edges.tail), _positions(codes, edges.head)
    return _Explored(codes, np.concatenate(found_groups)[order], replace(edges, tail=tail, head=head))


def _joined(parts: Sequence[Edges]) -> Edges:
    first = np.cumsum([0, *(len(part) for part in parts)])
    primary = [np.where(p.stands_in_for >= 0, p.stands_in_for + at, -1) for p, at in zip(parts, first, strict=False)]
    return Edges(
        np.concatenate([part.tail for part in parts]),
        np.concatenate([part.head for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.is_backup for part in parts]),
        np.concatenate([part.delivers for part in parts]),
        np.concatenate(primary),
        np.concatenate([part.limit_gbps for part in parts]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.start) for part in parts]))]).astype(np.int64),
        np.concatenate([part.links for part in parts]),
    )


class _Expander:
    """Gives the ways out of states, which it takes and returns as codes."""

    def __init__(self, fib: Fib, groups: Groups, lookup: Lookup, topology: Topology) -> None:
        self._fib, self._groups, self._lookup, self._topology = fib, groups, lookup, topology

    def no_edges(self) -> Edges:
        """Return no edges at all."""
        none, no = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
        return Edges(none, none, none, no, no, none, np.empty(0), np.zeros(1, dtype=np.int64), none)

    def ways_out(self, codes: Positions) -> tuple[Positions, Edges]:
        """Return the next-hop group of each state, -1 for none, and the members of groups and backups as edges."""
        lookup, groups = self._lookup, self._groups
        group = lookup.group(codes)
        own = np.flatnonzero(group >= 0)
        backup = groups.backup[group[own]] if len(own) else own
        spare = own[backup >= 0]
        state = np.concatenate([own, spare])
        of_group = np.concatenate([group[own], backup[backup >= 0]])
        first, last = groups.member_start[of_group], groups.member_start[of_group + 1]
        member, owner = ranges(first, last), np.repeat(np.arange(len(state)), last - first)
        doubled = np.flatnonzero(groups.member_backup[member] >= 0)
        primary = np.concatenate([np.full(len(member), -1), doubled])
        hop = np.concatenate([groups.member_hop[member], groups.member_backup[member[doubled]]])
        member, owner = (np.concatenate([column, column[doubled]]) for column in (member, owner))
        edges = self._edges(lookup.split(codes)[state[owner]], codes[state[owner]], hop)
        edges = replace(
            edges, weight=groups.member_weight[member], is_backup=owner >= len(own), stands_in_for=primary,
            limit_gbps=groups.member_limit_gbps[member] if lookup.is_source_routed else np.full(len(member), np.inf),
        )  # fmt: skip
        return group, _joined([edges, self._arrivals(codes[lookup.ends_here(codes)])])

    def _arrivals(self, codes: Positions) -> Edges:
        """Return the edge of each state that is the arrival of a label where it belongs."""
        n_edges = len(codes)
        none, yes = np.full(n_edges, -1), np.ones(n_edges, dtype=np.bool_)
        return Edges(
            codes, none, np.ones(n_edges, dtype=np.int64), ~yes, yes, none, np.full(n_edges, np.inf),
            np.zeros(n_edges + 1, dtype=np.int64), np.empty(0, dtype=np.int64),
        )  # fmt: skip

    def _edges(self, at: StateCodes, tail: Positions, hop: Positions) -> Edges:
        """Return where next hops lead from the states that they are used in, whatever the groups say of them."""
        fib, groups, lookup, topology = self._fib, self._groups, self._lookup, self._topology
        kind = fib.hop_kind[hop]
        by_link = kind == HopKind.LINK
        # Where a head end steers by labels: source-routed tables, before the first label is looked up.
        steers = ~at.by_label if lookup.is_source_routed else np.zeros(len(hop), dtype=np.bool_)
        # Hop by hop, detours are segment lists too; by label nothing is pushed on top.
        segments = (kind == HopKind.SEGMENTS) & ~at.by_label
        pinned = segments & (np.diff(groups.hop_start)[hop] > 0)
        by_label = segments & ~pinned
        onward = by_link & ~steers
        used = by_link | pinned
        length = np.where(used, np.diff(groups.hop_start)[hop], 0)
        first = groups.hop_start[hop]
        links = groups.hop_links[ranges(first, first + length)]
        start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        delivers = (kind == HopKind.LOCAL) & (at.device == at.egress) & ~steers & ~at.by_label
        last = np.maximum(start[1:] - 1, 0)
        arrives = np.zeros(len(hop), dtype=np.bool_)
        if len(links):
            arrives = used & (topology.head[links[last]] == at.egress)
        head = np.full(len(hop), -1)
        head[onward] = lookup.moved(at[onward], topology.head[fib.hop_link[hop[onward]]].astype(np.int64))
        head[by_label] = lookup.labelled(at[by_label], hop[by_label])
        delivers |= arrives & ~onward
        none = np.empty(0, dtype=np.int64)
        return Edges(tail, head, none, np.empty(0, dtype=np.bool_), delivers, none, np.empty(0), start, links)


def _in_levels(edges: Edges, n_states: int) -> tuple[Edges, tuple[slice, ...], slice]:
    """Sort edges topologically (Kahn), by tail within a level; those on circles and behind them come last."""
    by_tail = np.argsort(edges.tail, kind="stable")
    bounds = np.searchsorted(edges.tail[by_tail], np.arange(n_states + 1))
    waiting = np.bincount(edges.head[edges.head >= 0], minlength=n_states)
    ready = np.flatnonzero(waiting == 0)
    placed = np.zeros(len(edges), dtype=np.bool_)
    parts: list[Positions] = []
    while len(ready):
        chosen = by_tail[ranges(bounds[ready], bounds[ready + 1])]
        placed[chosen] = True
        parts.append(chosen)
        ahead = edges.head[chosen]
        states, arrived = np.unique(ahead[ahead >= 0], return_counts=True)
        waiting[states] -= arrived
        ready = states[waiting[states] == 0]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    levels = tuple(slice(end - len(part), end) for part, end in zip(parts, ends, strict=True) if len(part))
    left = by_tail[~placed[by_tail]]
    order = np.concatenate([*parts, left]).astype(np.int64)
    return edges.sorted_by(order), levels, slice(len(order) - len(left), len(order))
