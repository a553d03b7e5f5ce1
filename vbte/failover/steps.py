"""Edges of a repair graph taken apart into single links, and what they have in common put together.

A pinned segment list crosses many links, and lists to one egress mostly end alike. Lists whose ends agree from some
link on share a *step* for each link from there: a node that crosses one link and leads to the next one. States, steps
and the two ends (delivered in a class, lost) are the nodes of one graph; each step has a single way on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.failover.graph import RepairGraph
from vbte.tables.ranges import ranges
from vbte.topology import FloatArray

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """Nodes: the S states, F steps, the end of what is delivered in each class, the end of what is lost.

    Edge e first crosses ``edge_column[e]`` (class * n_links + link; -1 for nothing) in ``edge_ms[e]`` and then comes to
    node ``edge_to[e]``; step f, node S + f, crosses ``column[f]`` in ``ms[f]`` and leads to ``next[f]``.
    """

    n_states: int
    n_classes: int
    edge_to: Positions
    edge_column: Positions
    edge_ms: FloatArray
    next: Positions
    column: Positions
    ms: FloatArray

    @property
    def n_inner(self) -> int:
        """Number of nodes before the ends, S + F."""
        return self.n_states + len(self.next)

    @property
    def n_nodes(self) -> int:
        """Number of all nodes; the ends come last, one for each class and one for what is lost."""
        return self.n_inner + self.n_classes + 1


def steps_of(graph: RepairGraph) -> Steps:
    """Return the steps of all edges that cross more than one link."""
    edges, n_classes = graph.edges, len(graph.instance.rules)
    n_columns = n_classes * len(graph.topology.links)
    length = np.diff(edges.start)
    # Ends are numbered below 0 until it is known how many steps there are: class c delivered -2 - c, lost -1.
    end = np.where(edges.head >= 0, edges.head, np.where(edges.delivers, -2 - graph.state_class[edges.tail], -1))
    column, link_ms = graph.columns, graph.topology.latency_ms
    at, node = np.flatnonzero(length > 1), end.copy()
    nexts, columns, first = [np.empty(0, np.int64)], [np.empty(0, np.int64)], graph.n_states
    for hop in range(1, int(length.max(initial=0)) + 1):
        at = at[length[at] >= hop]
        code = (node[at] + n_classes + 1) * n_columns + column[edges.start[at + 1] - hop]
        distinct, place = np.unique(code, return_inverse=True)
        nexts.append(distinct // n_columns - n_classes - 1)
        columns.append(distinct % n_columns)
        node[at] = first + place.reshape(-1)
        first += len(distinct)
    step_column = np.concatenate(columns)
    single = length == 1
    edge_column = np.full(len(edges), -1)
    edge_column[single] = column[edges.start[:-1][single]]
    edge_ms = np.zeros(len(edges))
    edge_ms[single] = link_ms[edges.links[edges.start[:-1][single]]]
    return Steps(
        graph.n_states, n_classes, _numbered(node, first, n_classes), edge_column, edge_ms,
        _numbered(np.concatenate(nexts), first, n_classes), step_column, link_ms[step_column % len(link_ms)],
    )  # fmt: skip


def _numbered(node: Positions, n_inner: int, n_classes: int) -> Positions:
    """Return nodes with the ends behind all others."""
    return np.where(node == -1, n_inner + n_classes, np.where(node < 0, n_inner - 2 - node, node))


def edges_of(bounds: Positions, by_tail: Positions, states: Positions) -> Positions:
    """Return the edges out of states, given all edges in order of their tails."""
    return by_tail[ranges(bounds[states], bounds[states + 1])]
