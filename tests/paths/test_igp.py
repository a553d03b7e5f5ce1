"""Plain IGP routing: distances, equal-cost next hops and even splits, held against networkx and simple recursion."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.paths.igp import ecmp_flows, igp_loads, igp_next_hops
from vbte.topology import Link, Node, Topology


def topology_of(*links: tuple[str, str, float], stubs: str = "", **changes) -> Topology:
    """Links are directed and named by their position; nodes in ``stubs`` may not be passed."""
    made = [Link(f"l{at}", a, b, 10.0, metric=m, **changes) for at, (a, b, m) in enumerate(links)]
    names = sorted({end for a, b, _ in links for end in (a, b)})
    return Topology(tuple(Node(name, transit=name not in stubs) for name in names), tuple(made))


def both_ways(*cables: tuple[str, str, float], stubs: str = "") -> Topology:
    return topology_of(*(link for a, b, m in cables for link in ((a, b, m), (b, a, m))), stubs=stubs)


def demand(topology: Topology, *rows: tuple[str, str, float]) -> DemandMatrix:
    names = tuple(node.id for node in topology.nodes)
    ends = ([names.index(row[at]) for row in rows] for at in (0, 1))
    return DemandMatrix(names, *(np.array(end, dtype=np.int32) for end in ends), np.array([row[2] for row in rows]))


def loads(topology: Topology, *rows: tuple[str, str, float]) -> dict[str, float]:
    found = igp_loads(topology, demand(topology, *rows)).link_load_gbps
    return {link.id: load for link, load in zip(topology.links, found.tolist(), strict=True) if load}


def ways(topology: Topology, source: str, destination: str) -> set[str]:
    tight = igp_next_hops(topology).tight[:, topology.node_index[destination]]
    return {link.id for link, is_tight in zip(topology.links, tight, strict=True) if is_tight and link.source == source}


def test_traffic_splits_evenly_over_equal_cost_next_hops():
    diamond = topology_of(("a", "b", 1), ("b", "d", 1), ("a", "c", 1), ("c", "d", 1))
    assert loads(diamond, ("a", "d", 8.0), ("b", "d", 1.0)) == {"l0": 4.0, "l1": 5.0, "l2": 4.0, "l3": 4.0}


def test_splits_are_made_at_every_hop_not_over_paths():
    # Three paths, but a's two next hops get a half each.
    network = topology_of(("a", "b", 1), ("a", "c", 1), ("b", "d", 1), ("c", "e", 0.5), ("c", "f", 0.5),
                          ("e", "d", 0.5), ("f", "d", 0.5))  # fmt: skip
    assert loads(network, ("a", "d", 8.0)) == {"l0": 4, "l1": 4, "l2": 4, "l3": 2, "l4": 2, "l5": 2, "l6": 2}


def test_parallel_links_count_one_by_one_and_dearer_ones_not_at_all():
    network = topology_of(("a", "b", 1), ("a", "b", 1), ("a", "b", 2), ("a", "c", 0.5), ("c", "b", 0.5))
    assert loads(network, ("a", "b", 6.0)) == {"l0": 2, "l1": 2, "l3": 2, "l4": 2}


def test_metrics_that_differ_only_by_rounding_are_equal_cost():
    network = topology_of(("a", "b", 0.1), ("b", "d", 0.2), ("a", "d", 0.3))
    assert 0.1 + 0.2 != 0.3
    assert ways(network, "a", "d") == {"l0", "l2"}


def test_a_node_without_transit_starts_and_ends_paths_but_is_not_passed():
    network = both_ways(("a", "s", 1), ("s", "b", 1), ("a", "b", 9), stubs="s")
    assert loads(network, ("a", "b", 1.0)) == {"l4": 1.0}
    assert loads(network, ("a", "s", 1.0), ("s", "b", 1.0)) == {"l0": 1.0, "l2": 1.0}


def test_a_stub_reaches_a_stub_over_nodes_that_may_be_passed():
    network = both_ways(("s", "a", 1), ("a", "t", 1), ("s", "t", 9), ("s", "u", 1), ("u", "t", 0.5), stubs="stu")
    assert loads(network, ("s", "t", 1.0)) == {"l0": 1.0, "l2": 1.0}


def test_drained_links_and_links_without_capacity_carry_nothing():
    links = [("a", "b", 1), ("a", "c", 1), ("c", "b", 1)]
    drained = topology_of(*links)
    changed = [Link("l0", "a", "b", 0.0), *drained.links[1:]]
    assert loads(Topology(drained.nodes, tuple(changed)), ("a", "b", 1.0)) == {"l1": 1.0, "l2": 1.0}
    changed = [Link("l0", "a", "b", 5.0, drained=True), *drained.links[1:]]
    assert loads(Topology(drained.nodes, tuple(changed)), ("a", "b", 1.0)) == {"l1": 1.0, "l2": 1.0}


def test_other_usable_links_may_be_given():
    network = topology_of(("a", "b", 1), ("a", "c", 1), ("c", "b", 1))
    routing = igp_next_hops(network, usable=np.array([False, True, True]))
    assert igp_loads(network, demand(network, ("a", "b", 1.0)), routing=routing).link_load_gbps.tolist() == [0, 1, 1]


def test_other_metrics_may_be_given():
    network = topology_of(("a", "b", 1), ("a", "c", 1), ("c", "b", 1))
    routing = igp_next_hops(network, np.array([5.0, 1.0, 1.0]))
    assert routing.distance[0, 1] == 2.0


def test_zero_metrics_never_send_traffic_round():
    ring = both_ways(("a", "b", 0), ("b", "c", 0), ("c", "d", 0), ("d", "a", 0))
    assert loads(ring, ("a", "c", 4.0)) == {"l0": 2, "l2": 2, "l5": 2, "l7": 2}
    assert loads(ring, ("a", "b", 4.0)) == {"l0": 4.0}


def test_a_metric_too_small_to_be_seen_in_the_distance_does_no_harm():
    network = both_ways(("a", "b", 1e-20), ("b", "c", 1e6), ("a", "c", 1e6))
    found = igp_loads(network, demand(network, ("a", "c", 1.0)))
    assert found.link_load_gbps.sum() == pytest.approx(1.0)


def test_demands_without_a_path_are_counted():
    network = topology_of(("a", "b", 1), ("c", "b", 1))
    found = igp_loads(network, demand(network, ("a", "b", 1.0), ("b", "a", 2.0), ("a", "c", 4.0)))
    assert found.unroutable_gbps == 6.0
    assert found.link_load_gbps.tolist() == [1.0, 0.0]


def test_utilisation_is_load_over_capacity():
    network = topology_of(("a", "b", 1), ("b", "c", 1))
    found = igp_loads(network, demand(network, ("a", "b", 15.0)))
    assert found.utilization.tolist() == [1.5, 0.0]
    assert found.max_utilization == 1.5


def test_a_topology_without_links_routes_nothing():
    lonely = Topology((Node("a"), Node("b")), ())
    found = igp_loads(lonely, demand(lonely, ("a", "b", 1.0)))
    assert found.unroutable_gbps == 1.0
    assert found.max_utilization == 0.0
    assert igp_next_hops(lonely).sole_next_hop.tolist() == [[-1, -1], [-1, -1]]


def test_a_demand_from_an_unknown_node_is_refused():
    network = topology_of(("a", "b", 1))
    other = topology_of(("a", "x", 1))
    with pytest.raises(InputError, match=r"demand a -> x: unknown node 'x'"):
        igp_loads(network, demand(other, ("a", "x", 1.0)))


def test_next_hops_are_counted_and_lone_ones_named():
    network = topology_of(("a", "b", 1), ("a", "b", 1), ("b", "c", 1))
    routing = igp_next_hops(network)
    assert routing.next_hop_count.tolist() == [[0, 2, 2], [0, 0, 1], [0, 0, 0]]
    assert routing.sole_next_hop.tolist() == [[-1, -1, -1], [-1, -1, 2], [-1, -1, -1]]


@st.composite
def networks(draw):
    n_nodes = draw(st.integers(2, 7))
    names = "abcdefg"[:n_nodes]
    pairs = [(a, b) for a in names for b in names if a != b]
    links = draw(st.lists(st.tuples(st.sampled_from(pairs), st.sampled_from([0, 1, 1, 2, 3])), min_size=1, max_size=20))
    stubs = "".join(draw(st.lists(st.sampled_from(names), max_size=2)))
    ring = [(a, b, 3) for a, b in zip(names, names[1:] + names[0], strict=True)]
    return topology_of(*ring, *((a, b, m) for (a, b), m in links), stubs=stubs)


def oracle_graph(topology: Topology, source: str, destination: str) -> nx.MultiDiGraph:
    """What one pair may use: no link into or out of a stub that is neither end."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(node.id for node in topology.nodes)
    closed = {node.id for node in topology.nodes if not node.transit} - {source, destination}
    for link in topology.links:
        if not closed & {link.source, link.target}:
            graph.add_edge(link.source, link.target, key=link.id, weight=link.metric)
    return graph


@given(networks())
def test_distances_are_those_of_networkx(topology):
    routing = igp_next_hops(topology)
    for source, row in topology.node_index.items():
        for destination, column in topology.node_index.items():
            graph = oracle_graph(topology, source, destination)
            try:
                expected = nx.dijkstra_path_length(graph, source, destination)
            except nx.NetworkXNoPath:
                expected = np.inf
            assert routing.distance[row, column] == pytest.approx(expected)


@given(networks())
def test_tight_links_are_the_first_links_of_all_shortest_paths_of_networkx(topology):
    # Zero metrics have shortest paths that go round; which of them are used is a matter of its own test.
    metric = np.maximum(topology.metric, 1.0)
    topology = topology_of(*((k.source, k.target, m) for k, m in zip(topology.links, metric, strict=True)),
                           stubs="".join(node.id for node in topology.nodes if not node.transit))  # fmt: skip
    routing = igp_next_hops(topology)
    for destination, column in topology.node_index.items():
        for source in topology.node_index:
            if source == destination:
                continue
            graph = oracle_graph(topology, source, destination)
            try:
                paths = list(nx.all_shortest_paths(nx.DiGraph(_cheapest(graph)), source, destination, weight="weight"))
            except nx.NetworkXNoPath:
                paths = []
            first_hops = {(path[0], path[1]) for path in paths}
            expected = {
                key
                for a, b, key, weight in graph.edges(keys=True, data="weight")
                if (a, b) in first_hops and weight == _cheapest(graph)[a][b]["weight"]
            }
            found = {topology.links[at].id for at in np.flatnonzero(routing.tight[:, column])}
            assert {key for key in found if topology.links[topology.link_index[key]].source == source} == expected


def _cheapest(graph: nx.MultiDiGraph) -> nx.DiGraph:
    cheapest = nx.DiGraph()
    cheapest.add_nodes_from(graph)
    for a, b, weight in sorted(graph.edges(data="weight"), key=lambda edge: -edge[2]):
        cheapest.add_edge(a, b, weight=weight)
    return cheapest


def split_by_hand(routing, source: int, destination: int, gbps: float, load: np.ndarray) -> None:
    """Recursion over tight links; ends only when they never go round."""
    if source == destination:
        return
    out = np.flatnonzero(routing.tight[:, destination] & (routing.topology.tail == source))
    for link in out:
        load[link] += gbps / len(out)
        split_by_hand(routing, int(routing.topology.head[link]), destination, gbps / len(out), load)


@given(networks())
def test_loads_are_those_of_splitting_by_hand_at_every_hop(topology):
    routing = igp_next_hops(topology)
    n_nodes = len(topology.nodes)
    entering = np.arange(n_nodes**2, dtype=np.float64).reshape(n_nodes, n_nodes)
    np.fill_diagonal(entering, 0.0)
    flows = ecmp_flows(routing, entering)
    found = np.bincount(flows.link, weights=flows.flow_gbps, minlength=len(topology.links))
    expected, stuck = np.zeros(len(topology.links)), 0.0
    for source in range(n_nodes):
        for destination in range(n_nodes):
            if np.isfinite(routing.distance[source, destination]):
                assert source == destination or routing.next_hop_count[source, destination] > 0
                split_by_hand(routing, source, destination, entering[source, destination], expected)
            else:
                stuck += entering[source, destination]
    assert found == pytest.approx(expected)
    assert flows.unroutable_gbps == pytest.approx(stuck)


def test_blocks_of_links_give_the_same_as_all_at_once(monkeypatch):
    from vbte.paths import igp

    network = both_ways(("a", "b", 1), ("b", "c", 0), ("c", "a", 1), ("c", "d", 2), ("a", "d", 2))
    whole = igp_next_hops(network)
    monkeypatch.setattr(igp, "_BLOCK_ENTRIES", 1)
    assert (igp_next_hops(network).tight == whole.tight).all()
