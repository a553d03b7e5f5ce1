"""Local repair: what devices do by themselves, from the written tables' own integer weights, in many scenarios at once.

Rules, in the order applied (``README.md`` has the mathematics):

1. A member of a next-hop group is down when a link that it crosses is; a group's backup takes over when it says.
2. What comes to a state is shared among the members that are left, by their weights; where none is left it is lost.
3. A link that gets more than its capacity serves classes in strict order of priority, and within one priority all
   traffic alike; what it drops does not come to the links behind it (``congestion``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.failover.congestion import Crossings, pass_share, settled_pass_share
from vbte.failover.graph import RepairGraph
from vbte.failover.push import Push
from vbte.failover.scenarios import ScenarioSet
from vbte.instance import Instance
from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]

#: Entries of an (edges x scenarios) array worked on at once; about ten such arrays are held.
_BLOCK_ENTRIES = 1 << 20


@dataclass(frozen=True, eq=False)
class RepairedBlock:
    """What becomes of one demand matrix in a block of B scenarios; Gbit/s and ms, by class where it says so.

    ``lost_gbps`` (n_classes, B) ends where no next hop is left or goes round, ``congested_gbps`` is dropped by links
    above capacity and ``delivered_gbps`` is the rest of what head ends admit while nothing is down. ``latency_ms`` is
    the mean over what is delivered, ``max_latency_ms`` the longest way that any of it takes, both NaN where nothing is.
    ``class_link_load_gbps`` (n_classes, n_links, B) is what comes to each link before anything is dropped.
    """

    scenarios: slice
    class_link_load_gbps: FloatArray
    lost_gbps: FloatArray
    congested_gbps: FloatArray
    delivered_gbps: FloatArray
    latency_ms: FloatArray
    max_latency_ms: FloatArray

    @cached_property
    def link_load_gbps(self) -> FloatArray:
        """What comes to each link, shape (n_links, B)."""
        return np.asarray(self.class_link_load_gbps.sum(axis=0))


class Repair:
    """Evaluates scenarios on one graph of tables, for one demand matrix."""

    def __init__(self, graph: RepairGraph, matrix: int = 0) -> None:
        self._graph, self._push = graph, Push(graph)
        instance = graph.instance
        self._known = np.flatnonzero(graph.entry >= 0)
        self.admitted_gbps = np.asarray(instance.volume_gbps[matrix] * graph.admitted_share)
        self._by_class = _sums(instance.class_index, len(instance.rules))
        self._by_entry = _sums(graph.entry[self._known], graph.n_states)
        n_columns = len(instance.rules) * len(instance.topology.links)
        self._crossings = Crossings(graph.edges.start, graph.columns, n_columns)
        self._by_column = graph.class_crossing.T.tocsr()
        self._size = self._push.by_tail @ (~graph.edges.is_backup).astype(np.float64)

    @property
    def instance(self) -> Instance:
        """The instance that the tables were made for."""
        return self._graph.instance

    @property
    def class_admitted_gbps(self) -> FloatArray:
        """What head ends let in while nothing is down, shape (n_classes,)."""
        return np.asarray(self._by_class @ self.admitted_gbps)

    def blocks(self, scenarios: ScenarioSet) -> Iterator[RepairedBlock]:
        """Yield what becomes of the traffic in all scenarios, in order, in blocks that fit in memory."""
        widest = max(len(self._graph.edges), len(self._graph.instance.source), self._graph.n_states, 1)
        width = max(1, _BLOCK_ENTRIES // widest)
        for first in range(0, len(scenarios), width):
            block = slice(first, min(first + width, len(scenarios)))
            yield self.evaluate(scenarios.failed_links(block), scenarios.failed_nodes(block), block)

    def evaluate(self, failed_links: BoolArray, failed_nodes: BoolArray, block: slice) -> RepairedBlock:
        """Return what becomes of the traffic when links (n_links, B) and nodes (n_nodes, B) are down."""
        graph, n_classes = self._graph, len(self._graph.instance.rules)
        n_links, width = failed_links.shape
        share = self.shares(failed_links)
        sent = self.sent_gbps(failed_nodes)
        entering = np.asarray(self._by_entry @ sent[self._known])
        flow = self._push.flows(entering, share)
        load = np.asarray(self._by_column @ flow).reshape(n_classes, n_links, width)
        ends = np.broadcast_to(graph.edges.delivers[:, None], share.shape).astype(np.float64)
        arriving = self._of_classes(sent, self._push.ahead(share, ends))
        passing = self._passing(load, entering, share)
        reaching = self._push.ahead(passing, ends)
        delivered = self._of_classes(sent, reaching)
        mean, longest = self._latencies(passing, reaching, sent, delivered)
        lost = self.class_admitted_gbps[:, None] - arriving
        return RepairedBlock(
            block, load, _from_zero(lost), _from_zero(arriving - delivered), delivered, mean, longest,
        )  # fmt: skip

    def shares(self, failed_links: BoolArray) -> FloatArray:
        """Return the share of its state's traffic that each edge gets, (E, B); 0 where it is down or stands by."""
        edges, by_tail = self._graph.edges, self._push.by_tail
        lives = np.asarray(self._graph.crossing @ failed_links.astype(np.float64)) == 0
        own = ~edges.is_backup[:, None]
        living = np.asarray(by_tail @ (lives & own).astype(np.float64))
        early = self._graph.backup_is_early[:, None]
        takes_over = self._graph.has_backup[:, None] & np.where(early, living < self._size[:, None], living == 0)
        weight = (lives & (own != takes_over[edges.tail])) * edges.weight[:, None].astype(np.float64)
        total = np.asarray(by_tail @ weight)[edges.tail]
        return np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0))

    def sent_gbps(self, failed_nodes: BoolArray) -> FloatArray:
        """Return what head ends let in, (K, B): nothing at a node that is down."""
        up = ~failed_nodes[self._graph.instance.source]
        return np.asarray(self.admitted_gbps[:, None] * up)

    def users(
        self, links: NDArray[np.intp], positions: NDArray[np.intp] | None = None, scenarios: ScenarioSet | None = None
    ) -> FloatArray:
        """Return how much each commodity brings to each of M ``links`` before drops, Gbit/s, (K, M).

        Link m is looked at in the scenario at ``positions[m]``; while all is up where none are given.
        """
        topology = self.instance.topology
        down = np.zeros((len(topology.links), len(links)), dtype=np.bool_)
        dead = np.zeros((len(topology.nodes), len(links)), dtype=np.bool_)
        if positions is not None and scenarios is not None:
            for column, position in enumerate(positions.tolist()):
                one = slice(position, position + 1)
                down[:, column], dead[:, column] = scenarios.failed_links(one)[:, 0], scenarios.failed_nodes(one)[:, 0]
        crossed = np.asarray(self._graph.crossing[:, links].toarray())
        ahead, sent = self._push.ahead(self.shares(down), crossed), self.sent_gbps(dead)
        brought = np.zeros_like(sent)
        brought[self._known] = sent[self._known] * ahead[self._graph.entry[self._known]]
        return brought

    def _of_classes(self, sent: FloatArray, reaching: FloatArray) -> FloatArray:
        """Return the sum by class of commodities times a figure of the states they enter at, (n_classes, B)."""
        figure = np.zeros_like(sent)
        figure[self._known] = sent[self._known] * reaching[self._graph.entry[self._known]]
        return np.asarray(self._by_class @ figure)

    def _passing(self, load: FloatArray, entering: FloatArray, share: FloatArray) -> FloatArray:
        """Return ``share`` times what each edge passes on when links above capacity drop, (E, B)."""
        if (pass_share(load, self.instance) == 1.0).all():
            return share
        crossings = self._crossings

        def load_when(passed: FloatArray, columns: NDArray[np.intp]) -> FloatArray:
            by_column = passed.reshape(-1, len(columns))
            flow = self._push.flows(entering[:, columns], share[:, columns], crossings.passed(by_column))
            return crossings.loads(flow, by_column).reshape(passed.shape)

        settled = settled_pass_share(load, self.instance, load_when)
        return np.asarray(share * crossings.passed(settled.reshape(-1, load.shape[-1])))

    def _latencies(
        self, passing: FloatArray, reaching: FloatArray, sent: FloatArray, delivered: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        graph, edges = self._graph, self._graph.edges
        edge_ms = np.asarray(graph.crossing @ graph.topology.latency_ms)
        below = np.vstack([reaching, np.zeros((1, reaching.shape[1]))])
        arrives = edges.delivers[:, None] + below[np.where(edges.head >= 0, edges.head, graph.n_states)]
        summed = self._of_classes(sent, self._push.ahead(passing, edge_ms[:, None] * arrives))
        far = self._push.farthest((passing > 0) & (arrives > 0), edge_ms)
        longest = np.full(delivered.shape, np.nan)
        class_index = graph.instance.class_index[self._known]
        used = (sent[self._known] > 0) & (reaching[graph.entry[self._known]] > 0)
        candidates = np.where(used, far[graph.entry[self._known]], np.nan)
        np.fmax.at(longest, class_index, candidates)
        mean = np.divide(summed, delivered, out=np.full_like(summed, np.nan), where=delivered > 0)
        return mean, longest


def _sums(row: Positions | NDArray[np.int32], n_rows: int) -> csr_array:
    return csr_array((np.ones(len(row)), (row, np.arange(len(row)))), shape=(n_rows, len(row)))


def _from_zero(gbps: FloatArray) -> FloatArray:
    """Return volumes without the negative dust that a difference leaves."""
    return np.maximum(gbps, 0.0)
