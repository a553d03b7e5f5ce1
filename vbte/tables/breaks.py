"""Failures that tables repair by themselves, and ways round them that a class may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.instance import ClassRules, Instance
from vbte.paths.constrained import ConstrainedSearch, PathBounds
from vbte.paths.graph import LinkGraph, link_graph
from vbte.policy import LocalProtection
from vbte.scenarios.families import Part, Risks
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

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


class Ways:
    """Ways round breaks that one class may use, by least metric; what is found out of a break is remembered.

    They keep to the class's links and nodes and pass what the class has to pass. Its bounds on latency and hops don't
    hold on a way round: late is better than lost.
    """

    def __init__(self, instance: Instance, rules: ClassRules, breaks: Breaks) -> None:
        self._instance, self._rules, self._breaks = instance, rules, breaks
        self._graph = link_graph(instance.topology, rules.link_allowed, rules.transit)
        self._must = PathBounds(nodes=frozenset(rules.must_nodes), links=frozenset(rules.must_links))
        self._metric = instance.topology.metric
        # More than any way without a break can cost.
        self._penalty = float(self._metric.sum()) + 1.0
        self._marks: dict[int, BoolArray] = {}
        self._islands: dict[int, tuple[IntArray, IntArray]] = {}
        self._matrices: dict[int, BoolArray] = {}

    @property
    def has_to_pass(self) -> bool:
        """Whether ways have to pass something, so that they are searched one by one."""
        return bool(self._must.nodes or self._must.links)

    def joins(self, break_: int, source: IntArray, destination: IntArray) -> BoolArray:
        """Return which sources still have a way to their destinations after a break; all arrays of one length."""
        strong, weak = self._labels(break_)
        joined = np.asarray(weak[source] == weak[destination])
        sure = (strong[source] == strong[destination]) & bool(self._rules.transit.all())
        if (joined & ~sure).any():
            joined &= self._matrix(break_)[source, destination]
        if self.has_to_pass:
            for at in np.flatnonzero(joined).tolist():
                joined[at] = self._avoiding(break_, int(source[at]), int(destination[at])) is not None
        return joined

    def covering(self, source: int, destination: int, breaks: Iterable[int]) -> list[IntArray]:
        """Return ways of which at least one survives each of the breaks, all of which leave the ends joined.

        Each is the cheapest of those that cross fewest of the breaks that no way before it survives. Between two nodes
        that no single cable parts there are two ways without a common cable (Menger 1927), so that two are enough as
        a rule.
        """
        left, found = {break_: self._mark(break_) for break_ in breaks}, list[IntArray]()
        while left:
            weight = self._metric + self._penalty * np.sum(list(left.values()), axis=0)
            way = self._cheapest(self._graph, weight, source, destination)
            crossed = self._crossed(left, way)
            if len(crossed) == len(left):
                # Cables of several links can mislead the penalties; one of the breaks is avoided for sure.
                way = self._avoiding(next(iter(left)), source, destination)
                crossed = self._crossed(left, way)
            if way is None or len(crossed) == len(left):
                break
            found.append(way)
            left = crossed
        return found

    def _crossed(self, left: Mapping[int, BoolArray], way: IntArray | None) -> dict[int, BoolArray]:
        return dict(left) if way is None else {at: mark for at, mark in left.items() if mark[way].any()}

    def _mark(self, break_: int) -> BoolArray:
        """Return the links that tell whether a way crosses a break: a cable's own, those into a node."""
        if break_ not in self._marks:
            down, node = self._breaks.down(break_), break_ - self._breaks.n_cables
            self._marks[break_] = down if node < 0 else down & (self._instance.topology.head == node)
        return self._marks[break_]

    def _avoiding(self, break_: int, source: int, destination: int) -> IntArray | None:
        return self._cheapest(self._left(break_), self._metric, source, destination)

    def _left(self, break_: int) -> LinkGraph:
        """Return what a break leaves of the class's links."""
        allowed = self._rules.link_allowed & ~self._breaks.down(break_)
        return link_graph(self._instance.topology, allowed, self._rules.transit)

    def _cheapest(self, graph: LinkGraph, weight: FloatArray, source: int, destination: int) -> IntArray | None:
        if self.has_to_pass:
            search = ConstrainedSearch(graph, weight, self._instance.topology.latency_ms)
            links = search.cheapest(source, destination, self._must).links
            return None if links is None else np.array(links, dtype=np.int32)
        shortest = graph.shortest(weight, np.array([source], dtype=np.int32))
        found = shortest.paths(np.zeros(1, dtype=np.int32), np.array([destination], dtype=np.int32))[1]
        return found if len(found) else None

    def _labels(self, break_: int) -> tuple[IntArray, IntArray]:
        """Return which nodes a break leaves joined both ways, and which at all, as component numbers."""
        if break_ not in self._islands:
            topology, left = self._instance.topology, self._rules.link_allowed & ~self._breaks.down(break_)
            ends = topology.tail[left], topology.head[left]
            graph = csr_array((np.ones(len(ends[0])), ends), shape=(len(topology.nodes),) * 2)
            strong, weak = (connected_components(graph, connection=kind)[1] for kind in ("strong", "weak"))
            self._islands[break_] = np.asarray(strong), np.asarray(weak)
        return self._islands[break_]

    def _matrix(self, break_: int) -> BoolArray:
        if break_ not in self._matrices:
            hops = self._left(break_).distances(np.ones(len(self._instance.topology.links)))
            self._matrices[break_] = np.isfinite(hops)
        return self._matrices[break_]
