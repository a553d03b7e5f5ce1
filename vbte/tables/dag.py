"""Flows per egress and class as acyclic graphs, all of them at once.

A *state* is a node seen by one key, a key being one egress and class. An *edge* is a link used for one key. Edges of
different keys never meet, so one pass over the edges serves all keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.tables.ranges import ranges
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

Positions = NDArray[np.int64]

#: A flow below this share of its edge's first flow is what subtraction leaves of nothing.
_LEFTOVER_SHARE = 1e-12


@dataclass(frozen=True, eq=False)
class Dag:
    """Edges sorted so that every state's incoming edges stand before its outgoing ones.

    ``key``, ``link``, ``flow_gbps``, ``tail``, ``head`` have shape (E,), the last two being states;
    ``state_key`` and ``state_node`` have shape (S,). ``level`` bounds the slices of edges that need not wait for
    each other.
    """

    key: Positions
    link: Positions
    flow_gbps: FloatArray
    tail: Positions
    head: Positions
    state_key: Positions
    state_node: Positions
    level: tuple[slice, ...]
    n_nodes: int

    @cached_property
    def _state_code(self) -> Positions:
        return self.state_key * self.n_nodes + self.state_node

    def state(self, key: Positions, node: Positions | IntArray) -> Positions:
        """Return the state of each (key, node), -1 where the DAG has none."""
        code = key.astype(np.int64) * self.n_nodes + node
        if not len(self._state_code):
            return np.full(len(code), -1)
        found = np.minimum(np.searchsorted(self._state_code, code), len(self._state_code) - 1)
        return np.where(self._state_code[found] == code, found, -1)

    def push(self, mass: FloatArray, share: FloatArray) -> FloatArray:
        """Return the flow of each edge when ``mass`` (S,) enters and each edge takes ``share`` (E,) of its tail."""
        mass, flow = mass.copy(), np.zeros(len(self.link))
        for edges in self.level:
            flow[edges] = mass[self.tail[edges]] * share[edges]
            np.add.at(mass, self.head[edges], flow[edges])
        return flow

    def reached(self, start: BoolArray, used: BoolArray) -> BoolArray:
        """Return which (state, column) is reached from ``start`` (S, C) over the edges in ``used`` (E,)."""
        reached = start.copy()
        for edges in self.level:
            sure = np.flatnonzero(used[edges]) + edges.start
            np.logical_or.at(reached, self.head[sure], reached[self.tail[sure]])
        return reached

    def largest(self, edge_figure: FloatArray, used: BoolArray) -> FloatArray:
        """Return the largest sum of ``edge_figure`` (E,) from each state to its egress over ``used`` edges, (S,)."""
        total = np.zeros(len(self.state_node))
        for edges in reversed(self.level):
            sure = np.flatnonzero(used[edges]) + edges.start
            np.maximum.at(total, self.tail[sure], edge_figure[sure] + total[self.head[sure]])
        return total

    def count_paths(self, used: BoolArray, egress: BoolArray) -> FloatArray:
        """Return the number of ways from each state to a state in ``egress`` (S,) over ``used`` edges, (S,)."""
        count = egress.astype(np.float64)
        for edges in reversed(self.level):
            sure = np.flatnonzero(used[edges]) + edges.start
            np.add.at(count, self.tail[sure], count[self.head[sure]])
        return count


def build_dag(topology: Topology, key: Positions, link: Positions, flow_gbps: FloatArray) -> Dag:
    """Return the DAG of link flows per key; circular flow, which serves nobody, is taken out.

    ``key``, ``link`` (sorted, each pair once) and ``flow_gbps`` have one length. What every node sends and receives on
    balance stays the same, and no link carries more than before.
    """
    n_nodes = len(topology.nodes)
    tail_code = key * n_nodes + topology.tail[link]
    head_code = key * n_nodes + topology.head[link]
    codes, inverse = np.unique(np.concatenate([tail_code, head_code]), return_inverse=True)
    tail, head = inverse[: len(link)], inverse[len(link) :]
    flow_gbps = _without_cycles(tail, head, flow_gbps, len(codes))
    kept = np.flatnonzero(flow_gbps > 0)
    order, level = _levels(tail[kept], head[kept], len(codes))
    at = kept[order]
    return Dag(
        key[at], link[at], flow_gbps[at], tail[at], head[at], codes // n_nodes, codes % n_nodes, level, n_nodes
    )  # fmt: skip


def keep_edges(dag: Dag, kept: BoolArray) -> Dag:
    """Return the DAG with the edges in ``kept`` (E,) only."""
    count = np.concatenate([[0], np.cumsum(kept)])
    level = tuple(slice(int(count[edges.start]), int(count[edges.stop])) for edges in dag.level)
    return replace(
        dag, key=dag.key[kept], link=dag.link[kept], flow_gbps=dag.flow_gbps[kept], tail=dag.tail[kept],
        head=dag.head[kept], level=level,
    )  # fmt: skip


def _levels(tail: Positions, head: Positions, n_states: int) -> tuple[Positions, tuple[slice, ...]]:
    """Sort the edges of a DAG topologically (Kahn): the order, and the slices whose tails are all done."""
    by_tail = np.argsort(tail, kind="stable")
    bounds = np.searchsorted(tail[by_tail], np.arange(n_states + 1))
    waiting = np.bincount(head, minlength=n_states)
    ready = np.flatnonzero(waiting == 0)
    parts: list[Positions] = []
    while len(ready):
        edges = by_tail[ranges(bounds[ready], bounds[ready + 1])]
        parts.append(edges)
        states, arrived = np.unique(head[edges], return_counts=True)
        waiting[states] -= arrived
        ready = states[waiting[states] == 0]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    level = tuple(slice(end - len(part), end) for part, end in zip(parts, ends, strict=True) if len(part))
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)]).astype(np.int64), level


def _without_cycles(tail: Positions, head: Positions, flow: FloatArray, n_states: int) -> FloatArray:
    """Return the flows with all cycles cancelled."""
    graph = csr_array((np.ones(len(tail)), (tail, head)), shape=(n_states, n_states))
    count, component = connected_components(graph, directed=True, connection="strong")
    if count == n_states:
        return flow
    flow = flow.copy()
    inside = np.flatnonzero(component[tail] == component[head])
    for edges in _by_component(inside, component[tail[inside]]):
        flow[edges] = _cancel(tail[edges].tolist(), head[edges].tolist(), flow[edges].tolist())
    return flow


def _by_component(edges: Positions, component: IntArray) -> Iterator[Positions]:
    order = np.argsort(component, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(component[order]) != 0])
    return iter(np.split(edges[order], first[1:]))


def _cancel(tail: list[int], head: list[int], flow: list[float]) -> list[float]:
    """Take the least flow of a cycle off all its edges until no cycle is left; every round empties an edge."""
    least = [_LEFTOVER_SHARE * amount for amount in flow]
    leaving: dict[int, list[int]] = {}
    for edge, state in enumerate(tail):
        leaving.setdefault(state, []).append(edge)
    while (cycle := _find_cycle(leaving, head, flow)) is not None:
        taken = min(flow[edge] for edge in cycle)
        for edge in cycle:
            rest = flow[edge] - taken
            flow[edge] = rest if rest > least[edge] else 0.0
    return flow


def _find_cycle(leaving: dict[int, list[int]], head: list[int], flow: list[float]) -> list[int] | None:
    """Return the edges of some cycle with flow, None when there is none (depth-first, each state entered once)."""
    done: set[int] = set()
    for root in leaving:
        trail: list[int] = []
        on_trail = {root: 0}
        turns = {root: 0}
        state = root
        while state not in done:
            choices = leaving.get(state, [])
            if turns[state] == len(choices):
                done.add(state)
                del on_trail[state]
                if trail:
                    trail.pop()
                state = next(reversed(on_trail), root)
                continue
            edge = choices[turns[state]]
            turns[state] += 1
            target = head[edge]
            if flow[edge] <= 0 or target in done:
                continue
            if target in on_trail:
                return [*trail[on_trail[target] :], edge]
            trail.append(edge)
            on_trail[target] = len(trail)
            turns.setdefault(target, 0)
            state = target
    return None
