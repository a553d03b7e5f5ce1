"""What a scenario changes: the edges it takes, new shares where it takes some, and the traffic that moves.

Flows are linear in what enters as long as nothing is dropped. What differs from the state in which all is up starts
at the devices that lose a next hop, and is followed down the graph from there; all else stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.failover.graph import RepairGraph
from vbte.failover.push import Push
from vbte.failover.shares import Sharing
from vbte.failover.steps import edges_of
from vbte.tables.ranges import ranges
from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Delta:
    """One scenario against the state in which all is up.

    ``edges`` are those out of the states that lose one, with their new ``share``; ``moved`` the edges whose flow
    changes, by ``moved_gbps``.
    """

    edges: Positions
    share: FloatArray
    moved: Positions
    moved_gbps: FloatArray


class Deltas:
    """Finds what scenarios change. Only for graphs in which nothing can go round."""

    def __init__(self, graph: RepairGraph, sharing: Sharing, entering: FloatArray) -> None:
        self._graph, self._sharing, edges = graph, sharing, graph.edges
        self.by_tail = np.argsort(edges.tail, kind="stable")
        self.bounds = np.searchsorted(edges.tail[self.by_tail], np.arange(graph.n_states + 1))
        owner = np.repeat(np.arange(len(edges), dtype=np.int32), np.diff(edges.start))
        order = np.argsort(edges.links, kind="stable")
        self._crossing = owner[order]
        self._first_crossing = np.searchsorted(edges.links[order], np.arange(len(graph.topology.links) + 1))
        up = np.zeros((len(graph.topology.links), 1), dtype=np.bool_)
        self.share = sharing.shares(up)[:, 0]
        self.flow_gbps = Push(graph).flows(entering[:, None], self.share[:, None])[:, 0]
        onward = edges.head >= 0
        self.mass_gbps = entering + np.bincount(
            edges.head[onward], weights=self.flow_gbps[onward], minlength=graph.n_states
        )
        # Scratch, put back after every scenario.
        self._now, self._moved = self.share.copy(), np.zeros(len(edges))
        self._down = np.zeros(len(edges), dtype=np.bool_)

    def loads(self, edges: Positions, flow_gbps: FloatArray) -> FloatArray:
        """Return what flows of edges bring to each column (class * n_links + link)."""
        graph = self._graph
        first, last = graph.edges.start[edges], graph.edges.start[edges + 1]
        column = graph.columns[ranges(first, last)]
        n_columns = len(graph.instance.rules) * len(graph.topology.links)
        weights = np.repeat(flow_gbps, last - first)
        return np.bincount(column, weights=weights, minlength=n_columns).astype(np.float64)

    def of(self, down: BoolArray) -> Delta:
        """Return what changes when links are down, ``down`` (n_links,)."""
        graph, links = self._graph, np.flatnonzero(down)
        first = self._first_crossing
        taken = np.unique(self._crossing[ranges(first[links], first[links + 1])])
        edges = edges_of(self.bounds, self.by_tail, np.unique(graph.edges.tail[taken]))
        self._down[taken] = True
        lives = ~self._down[edges]
        self._down[taken] = False
        share = self._sharing.among(edges, lives[:, None])[:, 0]
        moved, moved_gbps = self._follow(edges, share)
        return Delta(edges, share, moved, moved_gbps)

    def _follow(self, edges: Positions, share: FloatArray) -> tuple[Positions, FloatArray]:
        graph, now, moved = self._graph.edges, self._now, self._moved
        now[edges] = share
        at, change = edges, self.mass_gbps[graph.tail[edges]] * (share - self.share[edges])
        touched = []
        while len(at):
            kept = np.flatnonzero(change)
            at, change = at[kept], change[kept]
            moved[at] += change
            touched.append(at)
            onward = np.flatnonzero(graph.head[at] >= 0)
            states, place = np.unique(graph.head[at[onward]], return_inverse=True)
            arrived = np.bincount(place.reshape(-1), weights=change[onward], minlength=len(states))
            first, last = self.bounds[states], self.bounds[states + 1]
            at = self.by_tail[ranges(first, last)]
            change = np.repeat(arrived, last - first) * now[at]
        found = np.unique(np.concatenate(touched)) if touched else edges
        moved_gbps = moved[found].copy()
        moved[found] = 0.0
        now[edges] = self.share[edges]
        return found, moved_gbps
