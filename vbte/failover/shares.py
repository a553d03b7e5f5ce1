"""How a state's traffic is shared among its edges when some are down: the rules of local repair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.failover.graph import RepairGraph
from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]


class Sharing:
    """Shares of edges in scenarios; ``entering_gbps`` (S,) is what limits of head ends are held against."""

    def __init__(self, graph: RepairGraph, entering_gbps: FloatArray) -> None:
        self._graph = graph
        edges = graph.edges
        own_members = ~edges.is_backup & (edges.stands_in_for < 0)
        self._size = np.bincount(edges.tail[own_members], minlength=graph.n_states)
        self._most_share = self._limits(entering_gbps)

    def _limits(self, entering_gbps: FloatArray) -> FloatArray | None:
        """Return the largest share of its state's traffic that each edge may get, (E,), None where none has a limit.

        Limits are head ends', to whom nothing comes but what enters there, the same in every scenario.
        """
        edges = self._graph.edges
        if np.isinf(edges.limit_gbps).all():
            return None
        entering = entering_gbps[edges.tail]
        return np.asarray(np.divide(edges.limit_gbps, entering, out=np.full(len(edges), np.inf), where=entering > 0))

    def shares(self, failed_links: BoolArray) -> FloatArray:
        """Return the share of its state's traffic that each edge gets, (E, B), when links (n_links, B) are down."""
        lives = np.asarray(self._graph.crossing @ failed_links.astype(np.float64)) == 0
        return self.among(np.arange(len(self._graph.edges)), lives)

    def among(self, chosen: Positions, lives: BoolArray) -> FloatArray:
        """Return the shares of all edges of some states, (n, B), of which those in ``lives`` (n, B) are not down.

        0 where an edge is down or stands by.
        """
        graph, edges = self._graph, self._graph.edges
        states, row = np.unique(edges.tail[chosen], return_inverse=True)
        by_tail = csr_array(
            (np.ones(len(chosen)), (row.reshape(-1), np.arange(len(chosen)))), shape=(len(states), len(chosen))
        )
        lives = lives & ~self._primary_lives(chosen, lives)
        own = ~edges.is_backup[chosen][:, None]
        living = np.asarray(by_tail @ (lives & own).astype(np.float64))
        early, size = graph.backup_is_early[states][:, None], self._size[states][:, None]
        takes_over = graph.has_backup[states][:, None] & np.where(early, living < size, living == 0)
        weight = (lives & (own != takes_over[row.reshape(-1)])) * edges.weight[chosen][:, None].astype(np.float64)
        total = np.asarray(by_tail @ weight)[row.reshape(-1)]
        share = np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0))
        return share if self._most_share is None else np.minimum(share, self._most_share[chosen][:, None])

    def _primary_lives(self, chosen: Positions, lives: BoolArray) -> BoolArray:
        """Return which edges stand by for one that lives."""
        primary = self._graph.edges.stands_in_for[chosen]
        standby = np.flatnonzero(primary >= 0)
        found = np.zeros(lives.shape, dtype=np.bool_)
        if len(standby):
            place = np.full(len(self._graph.edges), -1)
            place[chosen] = np.arange(len(chosen))
            found[standby] = lives[place[primary[standby]]]
        return found
