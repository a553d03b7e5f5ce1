"""Sets of routes no two of which fall together: what robust classes reserve, priced exactly, with no scenario listed.

Where every scenario takes one thing that a path can visit once, a cable between two nodes or a node, a commodity's
reservations are a mixture of sets of h disjoint routes, each worth h - 1 of what one route carries
(``vbte.paths.route_flows``). What such a unit costs under link prices is then known exactly, and no rows are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.oracle import PathOracle, Positions
from vbte.paths.graph import LinkGraph
from vbte.paths.route_flows import Pairs, RiskGraph, RouteFlows, cheapest_units, routes
from vbte.plan import PathSet
from vbte.protection.survival import Survival, survivals
from vbte.topology import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class RouteSets:
    """The sets of one class: its scenarios, and its graph with the scenario that takes each arc."""

    survival: Survival
    graph: RiskGraph
    takes_nodes: bool

    def cheapest(self, weight: FloatArray, commodities: Positions) -> RouteFlows:
        """Return the cheapest unit of each commodity of the class under ``weight`` (len(commodities), n_links)."""
        exempt = self.survival.severed[commodities].toarray()[:, : self.graph.n_risks] > 0
        instance = self.survival.oracle.instance
        pairs = Pairs(self._start(commodities), instance.destination[commodities], exempt)
        of_arcs = np.where(self.graph.link >= 0, weight[:, np.maximum(self.graph.link, 0)], 0.0)
        return cheapest_units(self.graph, of_arcs, pairs)

    def _start(self, commodities: Positions) -> IntArray:
        """Return the vertex at which each commodity starts: behind its own node, which nothing takes from it."""
        graph = self.survival.oracle.graphs[self.survival.class_index]
        start = graph.start_vertex[self.survival.oracle.instance.source[commodities]]
        is_node = start < graph.n_nodes if self.takes_nodes else np.zeros(len(start), dtype=np.bool_)
        return np.asarray(np.where(is_node, start + graph.n_vertices, start).astype(np.int32))

    def columns(self, found: RouteFlows, commodities: Positions) -> PathSet:
        """Return the sets as rows of links, one route after the other, for the commodities that have any."""
        start, target = self._start(commodities), self.survival.oracle.instance.destination[commodities]
        rows, owner = [], []
        for at in np.flatnonzero(found.worth > 0).tolist():
            parts = routes(self.graph, found.flow[at], int(start[at]), int(target[at]))
            # One order for one set: columns are told apart by their links alone.
            rows.append([link for part in sorted(parts) for link in part])
            owner.append(int(commodities[at]))
        begin = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        links = np.array([link for row in rows for link in row], dtype=np.int32)
        return PathSet(begin, links, np.array(owner, dtype=np.int32))


def split_route_sets(oracle: PathOracle, columns: PathSet) -> tuple[PathSet, IntArray]:
    """Return the routes of all columns as paths, and the column of each: every route begins at the source."""
    instance = oracle.instance
    owner = np.repeat(np.arange(len(columns)), columns.hops)
    begins = np.flatnonzero(instance.topology.tail[columns.links] == instance.source[columns.commodity[owner]])
    start = np.append(begins, len(columns.links)).astype(np.int64)
    column = owner[begins].astype(np.int32)
    return PathSet(start, columns.links, columns.commodity[column]), column


def worth_of(oracle: PathOracle, columns: PathSet) -> FloatArray:
    """Return what a set delivers whatever fails when each of its routes carries 1, shape (len(columns),).

    A set of one is a route that nothing takes which counts.
    """
    count = np.bincount(split_route_sets(oracle, columns)[1], minlength=len(columns))
    return np.asarray(np.maximum(count - 1.0, 1.0))


def route_sets(oracle: PathOracle) -> dict[int, RouteSets]:
    """Return the robust classes whose reservations are mixtures of sets of disjoint routes, and nothing else."""
    if "route sets" not in oracle.kept:
        found = {c: _route_sets(survival) for c, survival in survivals(oracle).items()}
        oracle.kept["route sets"] = {c: one for c, one in found.items() if one is not None}
    known: dict[int, RouteSets] = oracle.kept["route sets"]
    return known


def _route_sets(survival: Survival) -> RouteSets | None:
    scenarios, graph = survival.scenarios.scenarios, survival.oracle.graphs[survival.class_index]
    if survival.oracle.instance.rules[survival.class_index].depends_on_path:
        return None
    if any(len(list(scenario.parts())) != 1 for scenario in scenarios):
        return None
    if scenarios and all(scenario.nodes for scenario in scenarios):
        return RouteSets(survival, _with_nodes(survival, graph), takes_nodes=True)
    hits = survival.link_hits.toarray()[:, graph.links] > 0
    if any(scenario.nodes for scenario in scenarios) or (hits.sum(axis=0) > 1).any():
        return None
    risk = np.where(hits.any(axis=0), hits.argmax(axis=0), -1).astype(np.int32) if len(hits) else graph.links * 0 - 1
    topology = survival.oracle.instance.topology
    between = np.stack([topology.tail[graph.links], topology.head[graph.links]])
    for number in range(len(scenarios)):
        mine = between[:, risk == number]
        if len(np.unique(np.sort(mine, axis=0), axis=1).T) > 1:
            return None
    return RouteSets(survival, RiskGraph(graph.n_vertices, graph.tail, graph.head, risk, graph.links), False)


def _with_nodes(survival: Survival, graph: LinkGraph) -> RiskGraph:
    """Return the graph with every node that may be passed split in two: what goes through it crosses one arc."""
    index = survival.scenarios.topology.node_index
    scenario_of = np.full(graph.n_nodes, -1, dtype=np.int32)
    for number, scenario in enumerate(survival.scenarios.scenarios):
        scenario_of[index[scenario.nodes[0]]] = number
    nodes = np.arange(graph.n_nodes, dtype=np.int32)
    # A node closed to transit starts traffic at a copy of its own, which no arc enters.
    tail = np.where(graph.tail < graph.n_nodes, graph.tail + graph.n_vertices, graph.tail)
    return RiskGraph(
        n_vertices=2 * graph.n_vertices,
        tail=np.concatenate([tail, nodes]).astype(np.int32),
        head=np.concatenate([graph.head, nodes + graph.n_vertices]).astype(np.int32),
        risk=np.concatenate([np.full(len(graph.links), -1), scenario_of]).astype(np.int32),
        link=np.concatenate([graph.links, np.full(graph.n_nodes, -1)]).astype(np.int32),
    )
