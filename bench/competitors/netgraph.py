"""NetGraph's greedy placement: demands one after another, on what the ones before them left.

Demands of few hops come first, the largest of them before the others: placed largest first, 15 to 36 % less was
admitted. The package ``ngraph`` (its graph algorithms are C++). Under ``max-throughput`` its preset TE_WCMP_UNLIM: the
shortest paths with room left, split in proportion to the room, until the demand is placed or nothing is left. Under
``min-mlu`` its preset SHORTEST_PATHS_ECMP, equal-balanced over all shortest paths, in a copy of the network with room
for everything: NetGraph places volumes within capacities and does not minimise utilisation. All links cost 1.
"""

from __future__ import annotations

from typing import Any

import netgraph_core
import numpy as np
from ngraph import Link, Network, Node
from ngraph.analysis.context import AnalysisContext
from ngraph.analysis.demand import ExpandedDemand
from ngraph.analysis.placement import place_demands
from ngraph.model.flow.policy_config import FlowPolicyPreset
from numpy.typing import NDArray

from competitors.question import IntArray, Objective, Question, SourceFlows, Watch

BoolArray = NDArray[np.bool_]

#: Placement leaves amounts below 1/4096 out; volumes are given in a unit that makes the smallest demand this much.
SMALLEST_VOLUME = 1.0


def greedy(question: Question, watch: Watch) -> None:
    """Place demands until all are tried or patience runs out, then show what is placed."""
    mlu = question.objective is Objective.MLU
    preset = FlowPolicyPreset.SHORTEST_PATHS_ECMP if mlu else FlowPolicyPreset.TE_WCMP_UNLIM
    placement = _Placement(question, preset, unlimited=mlu)
    hops = question.arcs().trees(np.ones(question.n_links)).distance[question.source, question.destination]
    for tried, demand in enumerate(np.lexsort((-question.volume, hops)).tolist()):
        if watch.left <= 0:
            watch.notes["demands_tried"] = tried
            break
        placement.place(demand)
    watch.show(placement.answer())


class _Placement:
    """NetGraph's network, and the flows that it has placed, by source."""

    def __init__(self, question: Question, preset: FlowPolicyPreset, *, unlimited: bool) -> None:
        self.question, self.preset = question, preset
        self.unit = question.volume.min() / SMALLEST_VOLUME
        # The largest capacity that NetGraph takes is about 1e15.
        capacity = np.full(question.n_links, 1e12) if unlimited else question.capacity / self.unit
        network = Network()
        self.names = [f"{node:06d}" for node in range(question.n_nodes)]
        for name in self.names:
            network.add_node(Node(name))
        position = {}
        for link, (tail, head) in enumerate(zip(question.tail, question.head, strict=True)):
            added = Link(self.names[tail], self.names[head], capacity=float(capacity[link]), cost=1.0)
            network.add_link(added)
            position[added.id] = link
        self.context = AnalysisContext.from_network(network)
        self.forward, self.link_of_edge = _directions(self.context, position)
        # NetGraph gives every link a reverse edge; here both directions are links of their own, so those stay shut.
        self.edge_mask = self.context.build_edge_mask() & self.forward
        self.node_mask = self.context.build_node_mask()
        self.flows = netgraph_core.FlowGraph(self.context.multidigraph)
        self.trees: dict[tuple[Any, ...], Any] = {}
        self.load = np.zeros((question.n_nodes, question.n_links))
        self.admitted = np.zeros(question.n_demands)

    def place(self, demand: int) -> None:
        """Place one demand, and add to its source's loads what that has added to the network's."""
        source, sink = int(self.question.source[demand]), int(self.question.destination[demand])
        volume = float(self.question.volume[demand]) / self.unit
        before = np.array(self.flows.edge_flow_view())
        result = place_demands(
            [ExpandedDemand(self.names[source], self.names[sink], volume, 0, self.preset)],
            [volume],
            self.flows,
            self.context,
            self.node_mask,
            self.edge_mask,
            resolved_ids=[(source, sink)],
            dag_cache=self.trees,
        )
        self.admitted[demand] = result.summary.total_placed * self.unit
        added = (self.flows.edge_flow_view() - before)[self.forward] * self.unit
        self.load[source, self.link_of_edge] += np.maximum(added, 0.0)

    def answer(self) -> SourceFlows:
        return SourceFlows(self.load, self.admitted)


def _directions(context: AnalysisContext, position: dict[str, int]) -> tuple[BoolArray, IntArray]:
    """Return which of NetGraph's edges run forward along a link, and for those the position of their link."""
    edges = [context.edge_mapper.decode_ext_id(int(edge)) for edge in context.multidigraph.ext_edge_ids_view()]
    forward = np.array([edge.direction == "fwd" for edge in edges])
    return forward, np.array([position[edge.link_id] for edge in edges if edge.direction == "fwd"])
