"""Ways round what has failed, for devices that are left without a next hop: hop-by-hop tables.

Where one protected failure takes all next hops of a device, the device pushes labels that lead to the egress itself
by the shortest way that is left (TI-LFA's post-convergence path, RFC 9855, with the egress as its end). Such a way
never comes back to a table that could send it round: it is pinned link by link, and avoids what failed. Before it
packets follow the planned next hops, which have no circles. Together no packet can go round.

A device may have no way left where those before it have one (they may not be passed: leaves of a fabric). Those
before it then push labels in place of that next hop, so that they know the whole way and what fails on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.paths.graph import link_graph
from vbte.plan import PathSet
from vbte.tables.breaks import Breaks, Ways
from vbte.tables.hops import Hops
from vbte.tables.ranges import ranges
from vbte.topology import BoolArray, IntArray

Positions = NDArray[np.int64]

#: States, links of each and all links of some ways.
Found = tuple[Positions, Positions, IntArray]


@dataclass(frozen=True, eq=False)
class Detours:
    """What devices need besides their planned next hops.

    Detour i leaves the device of ``state[i]`` (sorted; a state may have several) for its egress by ``ways[i]``.
    ``pinned`` gives for edges of the DAG the way that the device pins in their place, from its own link on. ``blind``
    are edges that should be pinned but lead to several ways. ``speaker`` (S,) is some commodity of each state's key.
    """

    state: Positions
    ways: PathSet
    pinned: dict[int, IntArray]
    blind: tuple[int, ...]
    speaker: Positions


def find_detours(hops: Hops, breaks: Breaks) -> Detours:
    """Return a detour for every state that one break leaves without a next hop, where there is any.

    It avoids the cable that all next hops share and, where nodes are protected, the node they all lead to; where no way
    avoids both, there is one for each that can be avoided.
    """
    search = _Search(hops, breaks)
    found, helpless = search.by_trees()
    pinned, blind = search.pinned(helpless)
    special = search.special(pinned)
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)), *found]
    state, length, links = (np.concatenate([part[column] for part in parts]) for column in range(3))
    ordinary = np.flatnonzero(~np.isin(state, special))
    first = np.cumsum(length) - length
    links = links[ranges(first[ordinary], first[ordinary] + length[ordinary])]
    one_by_one = search.one_by_one(special, pinned)
    state = np.concatenate([state[ordinary], [state for state, _ in one_by_one]]).astype(np.int64)
    length = np.concatenate([length[ordinary], [len(way) for _, way in one_by_one]]).astype(np.int64)
    links = np.concatenate([links, *(way for _, way in one_by_one)]).astype(np.int32)
    order, first = np.argsort(state, kind="stable"), np.cumsum(length) - length
    links = links[ranges(first[order], first[order] + length[order])]
    start = np.concatenate([[0], np.cumsum(length[order])]).astype(np.int64)
    ways = PathSet(start, links, search.speaker[state[order]].astype(np.int32))
    return Detours(state[order], ways, pinned, blind, search.speaker)


class _Search:
    """Who is left stranded by what, and one shortest-path search for all that avoid the same.

    ``speaker`` (S,) is some commodity of each state's key. Columns of ``exposed`` are (state, rules of its class, the
    cable or -1, the node or -1).
    """

    def __init__(self, hops: Hops, breaks: Breaks) -> None:
        self._hops, self._breaks, self._instance = hops, breaks, hops.instance
        of_key = np.zeros(int(hops.commodity_key.max(initial=-1)) + 1, dtype=np.int64)
        of_key[hops.commodity_key] = np.arange(self._instance.n_commodities)
        self.speaker = of_key[hops.dag.state_key]
        self._ways = [Ways(self._instance, rules, breaks) for rules in self._instance.rules]
        by_tail = np.argsort(hops.dag.tail, kind="stable")
        bounds = np.searchsorted(hops.dag.tail[by_tail], np.arange(len(self.speaker) + 1))
        self._out = by_tail, bounds
        self._exposed = self._find_exposed()

    @property
    def _class(self) -> IntArray:
        return self._instance.class_index[self.speaker]

    def _egress(self, state: Positions) -> IntArray:
        return self._instance.destination[self.speaker[state]]

    def _find_exposed(self) -> Positions:
        dag, instance, (order, bounds) = self._hops.dag, self._instance, self._out
        state = np.flatnonzero(np.diff(bounds))
        cable = _common(self._breaks.cable[dag.link[order]], bounds[state])
        node = _common(instance.topology.head[dag.link[order]].astype(np.int64), bounds[state])
        node[(not self._breaks.with_nodes) | (node == self._egress(state))] = -1
        masks = [(one.link_allowed.tobytes(), one.transit.tobytes()) for one in instance.rules]
        alike = np.array([masks.index(mask) for mask in masks], dtype=np.int64)
        return np.stack([state, alike[self._class[state]], cable, node])[:, (cable >= 0) | (node >= 0)]

    def _has_to_pass(self, state: Positions) -> BoolArray:
        return np.array([ways.has_to_pass for ways in self._ways])[self._class[state]]

    def by_trees(self) -> tuple[list[Found], Positions]:
        """Return the detours of all whose class has nothing to pass, and columns (state, break) that none survives."""
        exposed = self._exposed[:, ~self._has_to_pass(self._exposed[0])]
        # Those that have to pass something are looked at one by one: all may be helpless.
        bound = self._exposed[:, self._has_to_pass(self._exposed[0])]
        around, left = self._detours(exposed)
        both = left[:, (left[2] >= 0) & (left[3] >= 0)]
        none = np.full((1, both.shape[1]), -1)
        around_cable, no_cable = self._detours(np.concatenate([both[:3], none]))
        around_node, no_node = self._detours(np.concatenate([both[:2], none, both[3:]]))
        alone = left[:, (left[2] < 0) | (left[3] < 0)]
        lost = np.concatenate([alone, no_cable, no_node, bound], axis=1)
        state, _, cable, node = lost
        helpless = [
            np.stack([state, cable])[:, cable >= 0],
            np.stack([state, self._breaks.n_cables + node])[:, node >= 0],
        ]
        return [*around, *around_cable, *around_node], np.concatenate(helpless, axis=1)

    def _detours(self, exposed: Positions) -> tuple[list[Found], Positions]:
        """Return the detours that there are, search by search, and the columns of those who have none."""
        state, rules, cable, node = exposed
        code = (rules * (self._breaks.n_cables + 1) + cable + 1) * (len(self._instance.topology.nodes) + 1) + node + 1
        found = [self._round(exposed[:, group]) for group in _groups(code)]
        served = np.concatenate([part[0] for part in found] or [np.empty(0, dtype=np.int64)])
        return found, exposed[:, ~np.isin(state, served)]

    def _round(self, jobs: Positions) -> Found:
        topology, breaks, state = self._instance.topology, self._breaks, jobs[0]
        rules, cable, node = jobs[1:, 0].tolist()
        allowed = self._instance.rules[rules].link_allowed.copy()
        if cable >= 0:
            allowed &= ~breaks.down(cable)
        if node >= 0:
            allowed &= ~breaks.down(breaks.n_cables + node)
        graph = link_graph(topology, allowed, self._instance.rules[rules].transit)
        devices, row = np.unique(self._hops.dag.state_node[state], return_inverse=True)
        shortest = graph.shortest(topology.metric, devices.astype(np.int32))
        start, links = shortest.paths(row.reshape(-1).astype(np.int32), self._egress(state))
        length = np.diff(start)
        return state[length > 0], length[length > 0], links

    def pinned(self, helpless: Positions) -> tuple[dict[int, IntArray], tuple[int, ...]]:
        """Return the ways that devices pin in place of edges to helpless states, and edges where they can't."""
        pinned: dict[int, IntArray] = {}
        blind: list[int] = []
        for edge in self._told(helpless).tolist():
            way = self._sole_way(edge)
            if way is None:
                blind.append(edge)
            else:
                pinned[edge] = way
        return pinned, tuple(blind)

    def _told(self, helpless: Positions) -> Positions:
        """Return the edges whose tails have a way round where their heads, or those behind them, are helpless."""
        dag, cable = self._hops.dag, self._breaks.cable
        if self._mutual():
            helpless = helpless[:, self._has_to_pass(helpless[0])]
        by_head = np.argsort(dag.head, kind="stable")
        bounds = np.searchsorted(dag.head[by_head], np.arange(len(self.speaker) + 1))
        told = [np.empty(0, dtype=np.int64)]
        while helpless.shape[1]:
            state, break_ = helpless
            edge = by_head[ranges(bounds[state], bounds[state + 1])]
            break_ = np.repeat(break_, bounds[state + 1] - bounds[state])
            tail = dag.tail[edge]
            # A device knows its own links, and nothing helps where it is the device that failed.
            aware = (cable[dag.link[edge]] == break_) | (break_ == self._breaks.n_cables + dag.state_node[tail])
            edge, break_, tail = edge[~aware], break_[~aware], tail[~aware]
            joined = self._joined(tail, break_)
            told.append(edge[joined])
            helpless = np.unique(np.stack([tail[~joined], break_[~joined]]), axis=1)
        return np.unique(np.concatenate(told))

    def _mutual(self) -> bool:
        """Return whether every way on can be gone back: then nobody has a way round that the next device lacks."""
        topology, cable = self._instance.topology, self._breaks.cable
        for rules in self._instance.rules:
            links = np.flatnonzero(rules.link_allowed)
            there = {
                *zip(topology.tail[links].tolist(), topology.head[links].tolist(), cable[links].tolist(), strict=True)
            }
            if not rules.transit.all() or any((head, tail, name) not in there for tail, head, name in there):
                return False
        return True

    def _joined(self, state: Positions, break_: Positions) -> BoolArray:
        """Return which states' devices still have a way to their egress after a break."""
        joined, node = np.zeros(len(state), dtype=np.bool_), self._hops.dag.state_node[state].astype(np.int32)
        for group in _groups(break_ * len(self._ways) + self._class[state]):
            ways = self._ways[int(self._class[state[group[0]]])]
            joined[group] = ways.joins(int(break_[group[0]]), node[group], self._egress(state[group]))
        return joined

    def _sole_way(self, edge: int) -> IntArray | None:
        """Return the links from an edge on to the egress, None where there are several ways."""
        dag, (order, bounds) = self._hops.dag, self._out
        links = [int(dag.link[edge])]
        state = int(dag.head[edge])
        while bounds[state + 1] > bounds[state]:
            if bounds[state + 1] - bounds[state] > 1:
                return None
            edge = int(order[bounds[state]])
            links.append(int(dag.link[edge]))
            state = int(dag.head[edge])
        return np.array(links, dtype=np.int32)

    def special(self, pinned: dict[int, IntArray]) -> Positions:
        """Return the states whose detours are searched one by one: of pinned edges, and that have to pass something."""
        bound = self._exposed[0][self._has_to_pass(self._exposed[0])]
        return np.union1d(bound, self._hops.dag.tail[np.array(list(pinned), dtype=np.int64)])

    def one_by_one(self, states: Positions, pinned: dict[int, IntArray]) -> list[tuple[int, IntArray]]:
        """Return (state, links) of detours of which one survives each break that takes all ways out of the state."""
        found: list[tuple[int, IntArray]] = []
        for state in states.tolist():
            fatal = np.array(sorted(self._fatal(state, pinned)), dtype=np.int64)
            fatal = fatal[self._joined(np.full(len(fatal), state), fatal)]
            ends = int(self._hops.dag.state_node[state]), int(self._egress(np.array([state]))[0])
            ways = self._ways[int(self._class[state])].covering(*ends, fatal.tolist())
            found.extend((state, way) for way in ways)
        return found

    def _fatal(self, state: int, pinned: dict[int, IntArray]) -> set[int]:
        """Return the breaks that take all ways out of a state."""
        dag, head, (order, bounds) = self._hops.dag, self._instance.topology.head, self._out
        egress, hits = int(self._egress(np.array([state]))[0]), list[set[int]]()
        for edge in order[bounds[state] : bounds[state + 1]].tolist():
            links = pinned.get(edge, dag.link[edge : edge + 1])
            hit = {*self._breaks.cable[links].tolist()}
            if self._breaks.with_nodes:
                hit |= {self._breaks.n_cables + node for node in head[links].tolist() if node != egress}
            hits.append(hit)
        return set.intersection(*hits)


def _groups(code: Positions) -> list[Positions]:
    """Return the positions of each distinct code."""
    order = np.argsort(code, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else []


def _common(figure: Positions, first: Positions) -> Positions:
    """Return the figure that all of a group, which begin at ``first``, have in common, -1 where they differ."""
    if not len(figure):
        return figure.astype(np.int64)
    least = np.minimum.reduceat(figure, first)
    return np.where(least == np.maximum.reduceat(figure, first), least, -1)
