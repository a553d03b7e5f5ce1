"""The graph of steps without all that neither splits, nor drops, nor changes: what rounds of congestion run on.

Traffic passes most nodes whole. Only nodes where it is split, where a scenario changes how it is shared, or whose
link may drop some, are kept; an edge leads from one of them to the next, and adds up the latency of what lies
between. Over them traffic is pushed, for a block of scenarios at once, as often as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.failover.deltas import Delta, Deltas
from vbte.failover.graph import RepairGraph
from vbte.failover.steps import Steps
from vbte.tables.ranges import ranges
from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]

#: Items that are looked at first for the longest way.
_AT_FIRST = 1024


@dataclass(frozen=True, eq=False)
class Items:
    """What enters the contracted graph, sorted by class: I items.

    Each comes to node ``node`` after ``ms``: what enters at a state, or what an edge takes on out of a state to which
    nothing comes (``edge``, -1 for what enters). ``gbps`` while all is up.
    """

    node: Positions
    ms: FloatArray
    edge: Positions
    gbps: FloatArray
    class_index: Positions


class Way:
    """Where traffic from each node of the steps goes on, before anything is contracted: one pass serves a block."""

    def __init__(self, graph: RepairGraph, steps: Steps, deltas: Deltas, entering: FloatArray) -> None:
        self.graph, self.steps, self.deltas, self.entering = graph, steps, deltas, entering
        positive = np.flatnonzero(deltas.share > 0)
        count = np.bincount(graph.edges.tail[positive], minlength=graph.n_states)
        # States whose traffic goes on whole over a single edge, and which edge that is.
        self.sole = np.full(graph.n_states, -1)
        self.sole[graph.edges.tail[positive]] = positive
        whole = np.zeros(graph.n_states, dtype=np.bool_)
        whole[self.sole >= 0] = deltas.share[self.sole[self.sole >= 0]] == 1.0
        self.splits = (count > 1) | ((count == 1) & ~whole)
        self.is_source = np.ones(graph.n_states, dtype=np.bool_)
        self.is_source[graph.edges.head[graph.edges.head >= 0]] = False


class Contraction:
    """One block of B scenarios; ``hot`` (n_columns,) marks what may drop traffic, as class * n_links + link."""

    def __init__(self, way: Way, hot: BoolArray, block: Sequence[Delta]) -> None:
        self._way, self._hot_columns, self._n_scenarios = way, np.flatnonzero(hot), len(block)
        graph, steps = way.graph, way.steps
        changing = np.zeros(len(graph.edges), dtype=np.bool_)
        for delta in block:
            changing[delta.edges] = True
        edge_hot = (steps.edge_column >= 0) & hot[steps.edge_column]
        kept = np.zeros(steps.n_nodes, dtype=np.bool_)
        kept[: steps.n_states] = way.splits
        kept[graph.edges.tail[changing]] = True
        kept[: steps.n_states][way.is_source] = False
        kept[graph.edges.tail[edge_hot]] = True
        kept[steps.n_states : steps.n_inner] = hot[steps.column]
        kept[steps.n_inner :] = True
        self._kept = kept
        self._ahead, self._ms_ahead = self._pass_through(kept)
        self.items = self._items()
        self._take_in_edges(changing, edge_hot)
        self._shares(block)
        self._inject(block)

    def _pass_through(self, kept: BoolArray) -> tuple[Positions, FloatArray]:
        """Return the next kept node from each node on, itself where it is kept, and the latency on the way there."""
        way, steps = self._way, self._way.steps
        ahead = np.arange(steps.n_nodes)
        ms = np.zeros(steps.n_nodes)
        plain = np.flatnonzero(~kept[: steps.n_states])
        sole = way.sole[plain]
        ahead[plain] = np.where(sole >= 0, steps.edge_to[sole], steps.n_nodes - 1)
        ms[plain] = np.where(sole >= 0, steps.edge_ms[sole], 0.0)
        cold = np.flatnonzero(~kept[steps.n_states : steps.n_inner])
        ahead[steps.n_states + cold], ms[steps.n_states + cold] = steps.next[cold], steps.ms[cold]
        # Pointer doubling: after i rounds every pointer has moved 2^i nodes or arrived.
        while True:
            further = ahead[ahead]
            if np.array_equal(further, ahead):
                return ahead, ms
            ms, ahead = ms + ms[ahead], further

    def _items(self) -> Items:
        way, graph, steps = self._way, self._way.graph, self._way.steps
        state = np.flatnonzero((way.entering > 0) & (~way.is_source | self._kept[: steps.n_states]))
        edge = np.flatnonzero((way.is_source & ~self._kept[: steps.n_states])[graph.edges.tail])
        edge = edge[way.entering[graph.edges.tail[edge]] > 0]
        node = np.concatenate([self._ahead[state], self._ahead[steps.edge_to[edge]]])
        ms = np.concatenate([self._ms_ahead[state], steps.edge_ms[edge] + self._ms_ahead[steps.edge_to[edge]]])
        gbps = np.concatenate([way.entering[state], way.deltas.flow_gbps[edge]])
        class_index = graph.state_class[np.concatenate([state, graph.edges.tail[edge]])]
        order = np.argsort(class_index, kind="stable")
        of_edge = np.concatenate([np.full(len(state), -1), edge])
        return Items(node[order], ms[order], of_edge[order], gbps[order], class_index[order])

    def _take_in_edges(self, changing: BoolArray, edge_hot: BoolArray) -> None:
        """Collect the edges between kept nodes, level by level, and number the nodes that they join."""
        way, graph, steps = self._way, self._way.graph, self._way.steps
        own = np.flatnonzero(((way.deltas.share > 0) | changing) & self._kept[graph.edges.tail])
        step = np.flatnonzero(self._kept[steps.n_states : steps.n_inner])
        to = np.concatenate([steps.edge_to[own], steps.next[step]])
        tail, head = np.concatenate([graph.edges.tail[own], steps.n_states + step]), self._ahead[to]
        column = np.concatenate([np.where(edge_hot[own], steps.edge_column[own], -1), steps.column[step]])
        ms = np.concatenate([steps.edge_ms[own], steps.ms[step]]) + self._ms_ahead[to]
        ends = np.arange(steps.n_inner, steps.n_nodes)
        nodes = np.unique(np.concatenate([tail, head, self.items.node, ends]))
        tail, head = np.searchsorted(nodes, tail), np.searchsorted(nodes, head)
        order, bounds = _by_levels(tail, head, len(nodes))
        self._n_nodes, self._item_node = len(nodes), np.searchsorted(nodes, self.items.node)
        self._end = np.searchsorted(nodes, ends[: steps.n_classes])
        self._edge, self._ms = np.concatenate([own, np.full(len(step), -1)])[order], ms[order]
        # Behind the hot columns stands one that drops nothing.
        n_hot, column = len(self._hot_columns), column[order]
        column = np.where(column >= 0, np.searchsorted(self._hot_columns, column), n_hot)
        tail, head = tail[order], head[order]
        self._levels = [_Level.of(slice(first, last), tail, head, column, n_hot) for first, last in pairwise(bounds)]
        # What comes to hot columns is all that rounds ask for: edges behind the last of them can be left out.
        leads, useful = np.zeros(len(nodes), dtype=np.bool_), column < n_hot
        for level in reversed(self._levels):
            useful[level.edges] |= leads[level.head]
            leads[level.tail[useful[level.edges]]] = True
        self._useful = np.flatnonzero(useful)
        tail, head, column = tail[self._useful], head[self._useful], column[self._useful]
        bounds = np.searchsorted(self._useful, bounds).tolist()
        parts = (slice(first, last) for first, last in pairwise(bounds) if first < last)
        self._useful_levels = [_Level.of(part, tail, head, column, n_hot) for part in parts]

    def _shares(self, block: Sequence[Delta]) -> None:
        """Set the share of each edge in each scenario, 1 for steps."""
        share = np.where(self._edge >= 0, self._way.deltas.share[self._edge], 1.0)
        self._share = np.repeat(share[:, None], len(block), axis=1)
        place = np.full(len(self._way.graph.edges), -1)
        place[self._edge[self._edge >= 0]] = np.flatnonzero(self._edge >= 0)
        for column, delta in enumerate(block):
            at = place[delta.edges]
            self._share[at[at >= 0], column] = delta.share[at >= 0]
        self._useful_share = self._share[self._useful]

    def _inject(self, block: Sequence[Delta]) -> None:
        """Set what comes in at each node in each scenario, times nothing and times latency, and which items do."""
        items, shape = self.items, (self._n_nodes, len(block))
        self._mass, self._moment = np.empty(shape), np.empty(shape)
        whole = np.bincount(self._item_node, weights=items.gbps, minlength=self._n_nodes)
        moment = np.bincount(self._item_node, weights=items.gbps * items.ms, minlength=self._n_nodes)
        self._mass[:], self._moment[:] = whole[:, None], moment[:, None]
        self._flows = np.repeat((items.gbps > 0)[:, None], len(block), axis=1)
        place = np.full(len(self._way.graph.edges), -1)
        place[items.edge[items.edge >= 0]] = np.flatnonzero(items.edge >= 0)
        for column, delta in enumerate(block):
            at = place[delta.moved]
            at, change = at[at >= 0], delta.moved_gbps[at >= 0]
            now = items.gbps[at] + change
            np.add.at(self._mass[:, column], self._item_node[at], change)
            np.add.at(self._moment[:, column], self._item_node[at], change * items.ms[at])
            # Nothing comes to the states that items leave: where an edge is down, exactly nothing is left.
            self._flows[at, column] = now > 0

    def loads(self, passed: FloatArray, columns: NDArray[np.intp]) -> FloatArray:
        """Return what comes to each hot column in some scenarios when they pass on these shares, (n_hot, b) each."""
        load, mass = np.zeros((len(self._hot_columns), len(columns))), self._mass[:, columns]
        share, passing = self._useful_share[:, columns], _with_one(passed)
        for level in self._useful_levels:
            flow = mass[level.tail] * share[level.edges]
            load[level.hot] += level.by_hot @ flow
            mass[level.heads] += level.by_head @ (flow * passing[level.column])
        return load

    def delivered(self, passed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what is delivered of each class, and that times its mean latency, (n_classes, B) each."""
        mass, moment, passing = self._mass.copy(), self._moment.copy(), _with_one(passed)
        for level in self._levels:
            share = self._share[level.edges] * passing[level.column]
            flow = mass[level.tail] * share
            late = moment[level.tail] * share + flow * self._ms[level.edges, None]
            mass[level.heads] += level.by_head @ flow
            moment[level.heads] += level.by_head @ late
        return mass[self._end], moment[self._end]

    def farthest(self, passed: FloatArray) -> FloatArray:
        """Return the longest way that any of what is delivered takes, ms, (n_classes, B); NaN where nothing is."""
        far, passing = np.full((self._n_nodes, self._n_scenarios), -np.inf), _with_one(passed)
        far[self._end] = 0.0
        for level in reversed(self._levels):
            used = (self._share[level.edges] > 0) & (passing[level.column] > 0)
            reach = np.where(used, self._ms[level.edges, None] + far[level.head], -np.inf)
            far[level.tails] = np.maximum.reduceat(reach, level.first, axis=0)
        found = np.full((len(self._end), self._n_scenarios), np.nan)
        bounds = np.searchsorted(self.items.class_index, np.arange(len(self._end) + 1))
        for position, (first, last) in enumerate(pairwise(bounds.tolist())):
            longest = self._longest(np.arange(first, last), far)
            found[position] = np.where(np.isfinite(longest), longest, np.nan)
        return found

    def _longest(self, items: Positions, far: FloatArray) -> FloatArray:
        """Return the longest way of some items, ms, (B,), when ``far`` (n_nodes, B) lies ahead; -inf for none."""

        def reach(some: Positions) -> FloatArray:
            ways = np.where(self._flows[some], self.items.ms[some, None] + far[self._item_node[some]], -np.inf)
            return np.asarray(ways.max(axis=0, initial=-np.inf))

        # Few items can be the farthest in any scenario: those that are so in the best case come first.
        most = self.items.ms[items] + far.max(axis=1)[self._item_node[items]]
        if len(items) <= _AT_FIRST:
            return reach(items)
        found = reach(items[np.argpartition(most, -_AT_FIRST)[-_AT_FIRST:]])
        return np.maximum(found, reach(items[most > found.min()]))


@dataclass(frozen=True, eq=False)
class _Level:
    """Edges that need not wait for each other, sorted by tail; sums of them by the nodes and hot columns they meet."""

    edges: slice
    tail: Positions
    tails: Positions
    first: Positions
    head: Positions
    heads: Positions
    by_head: csr_array
    column: Positions
    hot: Positions
    by_hot: csr_array

    @classmethod
    def of(cls, edges: slice, tail: Positions, head: Positions, column: Positions, n_hot: int) -> _Level:
        tails, first = np.unique(tail[edges], return_index=True)
        heads, by_head = _sums(head[edges], np.arange(edges.stop - edges.start))
        at = np.flatnonzero(column[edges] < n_hot)
        hot, by_hot = _sums(column[edges][at], at, edges.stop - edges.start)
        return cls(edges, tail[edges], tails, first, head[edges], heads, by_head, column[edges], hot, by_hot)


def _sums(key: Positions, at: Positions, width: int | None = None) -> tuple[Positions, csr_array]:
    """Return the distinct keys, and the sums by key of rows that stand at ``at`` among ``width``."""
    keys, row = np.unique(key, return_inverse=True)
    shape = (len(keys), len(key) if width is None else width)
    return keys, csr_array((np.ones(len(key)), (row.reshape(-1), at)), shape=shape)


def _with_one(passed: FloatArray) -> FloatArray:
    return np.vstack([passed, np.ones((1, passed.shape[1]))])


def _by_levels(tail: Positions, head: Positions, n_nodes: int) -> tuple[Positions, list[int]]:
    """Sort edges topologically (Kahn), by tail within a level: the order, and where levels begin and end."""
    by_tail = np.argsort(tail, kind="stable")
    bounds = np.searchsorted(tail[by_tail], np.arange(n_nodes + 1))
    waiting = np.bincount(head, minlength=n_nodes)
    ready = np.flatnonzero(waiting == 0)
    parts = []
    while len(ready):
        chosen = by_tail[ranges(bounds[ready], bounds[ready + 1])]
        if len(chosen):
            parts.append(chosen)
        states, arrived = np.unique(head[chosen], return_counts=True)
        waiting[states] -= arrived
        ready = states[waiting[states] == 0]
    return np.concatenate([np.empty(0, np.int64), *parts]), np.cumsum([0, *(len(part) for part in parts)]).tolist()
