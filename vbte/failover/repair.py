"""Local repair: what devices do by themselves, from the written tables' own integer weights, in many scenarios at once.

Rules, in the order applied (``README.md`` has the mathematics):

1. A member of a next-hop group is down when a link that it crosses is, and its own backup, if it has one, is down too;
   a group's backup takes over when it says.
2. What comes to a state is shared among the members that are left, by their weights; where none is left it is lost.
   A head end drops what is more than a member's limit.
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
from vbte.failover.contraction import Contraction, Way
from vbte.failover.deltas import Deltas
from vbte.failover.graph import RepairGraph
from vbte.failover.push import Push
from vbte.failover.shares import Sharing
from vbte.failover.steps import steps_of
from vbte.instance import Instance
from vbte.scenarios.families import ScenarioSet
from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]

#: Entries of an (edges x scenarios) array worked on at once; about ten such arrays are held.
_BLOCK_ENTRIES = 1 << 20

#: Links crossed by all edges from which on scenarios are worked out as changes, so many at once.
_LARGE_LINKS = 5_000
_LARGE_BLOCK = 16

#: Scenarios worked out at once where commodities are told apart.
_NARROW = 16


@dataclass(frozen=True, eq=False)
class RepairedBlock:
    """What becomes of one demand matrix in a block of B scenarios; Gbit/s and ms, by class where it says so.

    ``lost_gbps`` (n_classes, B) ends where no next hop is left, goes round or is beyond a head end's limit,
    ``congested_gbps`` is dropped by links
    above capacity and ``delivered_gbps`` is the rest of what head ends admit while nothing is down. ``latency_ms`` is
    the mean over what is delivered, ``max_latency_ms`` the longest way that any of it takes, both NaN where nothing is.
    ``class_link_load_gbps`` (n_classes, n_links, B) is what comes to each link before anything is dropped,
    ``arriving_share`` (K, B) what arrives in the end of each commodity, as a share of what is admitted of it;
    None where scenarios were worked out as changes.
    """

    scenarios: slice
    class_link_load_gbps: FloatArray
    lost_gbps: FloatArray
    congested_gbps: FloatArray
    delivered_gbps: FloatArray
    latency_ms: FloatArray
    max_latency_ms: FloatArray
    arriving_share: FloatArray | None = None

    @cached_property
    def link_load_gbps(self) -> FloatArray:
        """What comes to each link, shape (n_links, B)."""
        return np.asarray(self.class_link_load_gbps.sum(axis=0))


class Repair:
    """Evaluates scenarios on one graph of tables, for one demand matrix."""

    def __init__(self, graph: RepairGraph, matrix: int = 0) -> None:
        self._graph, self._push = graph, Push(graph)
        instance = graph.instance
        self.admitted_gbps = np.asarray(instance.volume_gbps[matrix] * graph.admitted_share)
        known = graph.entry >= 0
        entering = np.bincount(graph.entry[known], self.admitted_gbps[known], minlength=graph.n_states)
        self._entering: FloatArray = entering.astype(np.float64)
        self._senders = np.flatnonzero(self._entering > 0)
        shape = (len(instance.rules), graph.n_states)
        place = graph.state_class[self._senders], self._senders
        self._by_class = csr_array((self._entering[self._senders], place), shape=shape)
        self._sharing = Sharing(graph, self._entering)

    @cached_property
    def _crossings(self) -> Crossings:
        graph = self._graph
        return Crossings(graph.edges.start, graph.columns, len(self.instance.rules) * len(graph.topology.links))

    @cached_property
    def _by_column(self) -> csr_array:
        return self._graph.class_crossing.T.tocsr()

    @property
    def instance(self) -> Instance:
        """The instance that the tables were made for."""
        return self._graph.instance

    @property
    def class_admitted_gbps(self) -> FloatArray:
        """What head ends let in while nothing is down, shape (n_classes,)."""
        n_classes, of_class = len(self.instance.rules), self.instance.class_index
        return np.bincount(of_class, self.admitted_gbps, minlength=n_classes).astype(np.float64)

    def blocks(self, scenarios: ScenarioSet) -> Iterator[RepairedBlock]:
        """Yield what becomes of the traffic in all scenarios, in order, in blocks that fit in memory."""
        incremental = self._is_large and not self._knotted
        width = max(1, _BLOCK_ENTRIES // max(len(self._graph.edges), self._graph.n_states, 1))
        width = _LARGE_BLOCK if incremental else width
        for first in range(0, len(scenarios), width):
            block = slice(first, min(first + width, len(scenarios)))
            failed_links = scenarios.failed_links(block)
            yield self.by_deltas(failed_links, block) if incremental else self.evaluate(failed_links, block)

    @property
    def _knotted(self) -> bool:
        return len(range(self._graph.knot.start, self._graph.knot.stop)) > 0

    @property
    def _is_large(self) -> bool:
        return len(self._graph.edges.links) > _LARGE_LINKS

    @cached_property
    def _deltas(self) -> Deltas:
        return Deltas(self._graph, self._sharing, self._entering)

    @cached_property
    def _way(self) -> Way:
        return Way(self._graph, steps_of(self._graph), self._deltas, self._entering)

    @cached_property
    def _base(self) -> tuple[FloatArray, FloatArray]:
        """Loads by column and what arrives by class while all is up."""
        every = np.arange(len(self._graph.edges))
        return self._deltas.loads(every, self._deltas.flow_gbps), self._arriving(every, self._deltas.flow_gbps)

    def _arriving(self, edges: Positions, flow_gbps: FloatArray) -> FloatArray:
        graph = self._graph
        of_class = graph.state_class[graph.edges.tail[edges]]
        weights = flow_gbps * graph.edges.delivers[edges]
        return np.bincount(of_class, weights=weights, minlength=len(self.instance.rules)).astype(np.float64)

    def by_deltas(self, failed_links: BoolArray, block: slice) -> RepairedBlock:
        """Return what ``evaluate`` does, by what changes against the state in which all is up.

        Only for tables that can't lead round in circles.
        """
        n_classes, n_links, width = len(self.instance.rules), *failed_links.shape
        deltas = [self._deltas.of(failed_links[:, column]) for column in range(width)]
        base_load, base_arriving = self._base
        load = np.stack([base_load + self._deltas.loads(one.moved, one.moved_gbps) for one in deltas], axis=1)
        arriving = np.stack([base_arriving + self._arriving(one.moved, one.moved_gbps) for one in deltas], axis=1)
        load = _from_zero(load).reshape(n_classes, n_links, width)
        over = (load.sum(axis=0) > self.instance.topology.capacity_gbps[:, None]).any(axis=1)
        hot = np.flatnonzero(over)
        contraction = Contraction(self._way, np.tile(over, n_classes), deltas)

        def load_when(passed: FloatArray, columns: NDArray[np.intp]) -> FloatArray:
            return contraction.loads(passed.reshape(-1, len(columns)), columns).reshape(passed.shape)

        passed = settled_pass_share(load[:, hot], self.instance, load_when, hot).reshape(-1, width)
        delivered, summed_ms = contraction.delivered(passed)
        mean = np.divide(summed_ms, delivered, out=np.full_like(summed_ms, np.nan), where=delivered > 0)
        lost = self.class_admitted_gbps[:, None] - arriving
        return RepairedBlock(
            block, load, _from_zero(lost), _from_zero(arriving - delivered), delivered, mean,
            contraction.farthest(passed),
        )  # fmt: skip

    def evaluate(self, failed_links: BoolArray, block: slice) -> RepairedBlock:
        """Return what becomes of the traffic when ``failed_links`` (n_links, B) are down, a node's among them."""
        graph, n_classes = self._graph, len(self._graph.instance.rules)
        n_links, width = failed_links.shape
        share = self._sharing.shares(failed_links)
        entering = np.repeat(self._entering[:, None], width, axis=1)
        load = np.asarray(self._by_column @ self._push.flows(entering, share)).reshape(n_classes, n_links, width)
        ends = np.broadcast_to(graph.edges.delivers[:, None], share.shape).astype(np.float64)
        reaching = self._push.ahead(share, ends)
        arriving = delivered = np.asarray(self._by_class @ reaching)
        passing = self._passing(load, entering, share)
        if passing is not share:
            reaching = self._push.ahead(passing, ends)
            delivered = np.asarray(self._by_class @ reaching)
        mean, longest = self._latencies(passing, reaching, delivered)
        lost = self.class_admitted_gbps[:, None] - arriving
        return RepairedBlock(
            block, load, _from_zero(lost), _from_zero(arriving - delivered), delivered, mean, longest,
            self._of_commodities(reaching),
        )  # fmt: skip

    def arriving_share(self, failed_links: BoolArray) -> FloatArray:
        """Return what arrives in the end of each commodity, as a share of what is admitted of it, (K, B)."""
        found = [np.empty((self.instance.n_commodities, 0))]
        for first in range(0, failed_links.shape[1], _NARROW):
            some = failed_links[:, first : first + _NARROW]
            share = self.evaluate(some, slice(0, some.shape[1])).arriving_share
            assert share is not None
            found.append(share)
        return np.concatenate(found, axis=1)

    def _of_commodities(self, by_state: FloatArray) -> FloatArray:
        """Return figures of states (S, B) for the commodities that enter there, (K, B); 0 for those with no state."""
        # Below the states stands a row of zeros: position -1.
        return np.vstack([by_state, np.zeros((1, by_state.shape[1]))])[self._graph.entry]

    def users(
        self, links: NDArray[np.intp], positions: NDArray[np.intp] | None = None, scenarios: ScenarioSet | None = None
    ) -> FloatArray:
        """Return how much each commodity brings to each of M ``links`` before drops, Gbit/s, (K, M).

        Link m is looked at in the scenario at ``positions[m]``; while all is up where none are given.
        """
        down = np.zeros((len(self.instance.topology.links), len(links)), dtype=np.bool_)
        if positions is not None and scenarios is not None:
            for column, position in enumerate(positions.tolist()):
                down[:, column] = scenarios.failed_links(slice(position, position + 1))[:, 0]
        crossed = np.asarray(self._graph.crossing[:, links].toarray())
        ahead = self._of_commodities(self._push.ahead(self._sharing.shares(down), crossed))
        return np.asarray(self.admitted_gbps[:, None] * ahead)

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
        self, passing: FloatArray, reaching: FloatArray, delivered: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        graph, edges = self._graph, self._graph.edges
        edge_ms = np.asarray(graph.crossing @ graph.topology.latency_ms)
        below = np.vstack([reaching, np.zeros((1, reaching.shape[1]))])
        arrives = edges.delivers[:, None] + below[edges.head]
        summed = np.asarray(self._by_class @ self._push.ahead(passing, edge_ms[:, None] * arrives))
        mean = np.divide(summed, delivered, out=np.full_like(summed, np.nan), where=delivered > 0)
        far = self._push.farthest((passing > 0) & (arrives > 0), edge_ms)
        longest = np.full(delivered.shape, np.nan)
        for position in range(len(longest)):
            mine = self._senders[graph.state_class[self._senders] == position]
            ways = np.where(reaching[mine] > 0, far[mine], np.nan)
            longest[position] = np.fmax.reduce(ways, axis=0, initial=np.nan)
        return mean, longest


def _from_zero(gbps: FloatArray) -> FloatArray:
    """Return volumes without the negative dust that a difference leaves."""
    return np.maximum(gbps, 0.0)
