"""Failures that tables repair by themselves, and ways round them that a class may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.instance import ClassRules, Instance
from vbte.paths.graph import LinkGraph, link_graph
from vbte.policy import LocalProtection
from vbte.scenarios.families import Part, Risks
from vbte.topology import BoolArray, IntArray, Topology

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Breaks:
    """Every single cable, as numbers 0 to ``n_cables`` - 1, and where asked for every node v as ``n_cables`` + v."""

    topology: Topology
    with_nodes: bool

    @cached_property
    def _links_of_cable(self) -> list[IntArray]:
        return list(Risks(self.topology).links_of[Part.CABLE].values())

    @property
    def n_cables(self) -> int:
        """Number of cables."""
        return len(self._links_of_cable)

    @cached_property
    def cable(self) -> Positions:
        """The cable of each link, shape (n_links,)."""
        cable = np.empty(len(self.topology.links), dtype=np.int64)
        for number, links in enumerate(self._links_of_cable):
            cable[links] = number
        return cable

    def down(self, break_: int) -> BoolArray:
        """Return which links are down, shape (n_links,)."""
        if break_ < self.n_cables:
            return np.asarray(self.cable == break_)
        node = break_ - self.n_cables
        return np.asarray((self.topology.tail == node) | (self.topology.head == node))


def breaks_of(instance: Instance) -> Breaks | None:
    """Return what the model's tables protect against, None for nothing."""
    wanted = instance.model.tables.local_protection
    if wanted is LocalProtection.NONE:
        return None
    return Breaks(instance.topology, wanted is LocalProtection.NODE)


def may_go_round(rules: ClassRules) -> bool:
    """Return whether traffic of a class may take another way than planned: not where every path has to pass things.

    Bounds on latency and hops don't hold on a way round: late is better than lost.
    """
    return not (rules.must_nodes or rules.must_links)


@dataclass(frozen=True, eq=False)
class Reach:
    """Which ends a break leaves joined, over links and nodes that a class may use; remembered by break."""

    rules: ClassRules
    breaks: Breaks
    _islands: dict[int, tuple[IntArray, IntArray]] = field(default_factory=dict)
    _joined: dict[int, BoolArray] = field(default_factory=dict)

    def joins(self, break_: int, source: IntArray, destination: IntArray) -> BoolArray:
        """Return which sources still have a way to their destinations; all arrays of one length."""
        strong, weak = self._labels(break_)
        joined = np.asarray(weak[source] == weak[destination])
        sure = (strong[source] == strong[destination]) & bool(self.rules.transit.all())
        if (joined & ~sure).any():
            joined &= self._matrix(break_)[source, destination]
        return joined

    def graph(self, break_: int) -> LinkGraph:
        """Return what is left of the class's links."""
        allowed = self.rules.link_allowed & ~self.breaks.down(break_)
        return link_graph(self.breaks.topology, allowed, self.rules.transit)

    def _labels(self, break_: int) -> tuple[IntArray, IntArray]:
        if break_ not in self._islands:
            topology, left = self.breaks.topology, self.rules.link_allowed & ~self.breaks.down(break_)
            ends = topology.tail[left], topology.head[left]
            graph = csr_array((np.ones(len(ends[0])), ends), shape=(len(topology.nodes),) * 2)
            strong, weak = (connected_components(graph, connection=kind)[1] for kind in ("strong", "weak"))
            self._islands[break_] = np.asarray(strong), np.asarray(weak)
        return self._islands[break_]

    def _matrix(self, break_: int) -> BoolArray:
        if break_ not in self._joined:
            hops = self.graph(break_).distances(np.ones(len(self.breaks.topology.links)))
            self._joined[break_] = np.isfinite(hops)
        return self._joined[break_]
