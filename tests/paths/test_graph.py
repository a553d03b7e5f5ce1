"""Cheapest paths in the graph of usable links, held against networkx."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, diamond, link, network

from vbte.paths.graph import LinkGraph, ShortestPaths, link_graph
from vbte.topology import FloatArray, Link, Node, Topology


def one_path(topology: Topology, source: str, target: str, weight: FloatArray | None = None) -> list[str]:
    """Link ids of one cheapest path, by latency unless stated."""
    index = topology.node_index
    tree = link_graph(topology).shortest(topology.latency_ms if weight is None else weight, np.array([index[source]]))
    start, links = tree.paths(np.array([0]), np.array([index[target]]))
    assert start.tolist() == [0, len(links)]
    return [topology.links[position].id for position in links]


def distance(topology: Topology, source: str, target: str) -> float:
    index = topology.node_index
    return float(link_graph(topology).shortest(topology.latency_ms).distance[index[source], index[target]])


def test_the_shorter_way_round_the_diamond_is_taken():
    assert one_path(diamond(), "a", "d") == ["a>b", "b>d"]
    assert distance(diamond(), "a", "d") == 4


def test_of_parallel_links_the_cheapest_is_taken():
    twins = network(
        link("a>b", 1, 3, id="slow"), link("a>b", 1, 1, id="fast"), link("a>b", 1, 2, id="middling"), link("b>c", 1, 1)
    )
    assert one_path(twins, "a", "c") == ["fast", "b>c"]
    assert one_path(twins, "a", "c", np.array([1.0, 5, 5, 1])) == ["slow", "b>c"]


def test_cheapest_parallel_lists_each_bundle_once_with_its_link():
    twins = network(link("b>c", 1, 7), link("a>b", 1, 3, id="slow"), link("a>b", 1, 1, id="fast"))
    cost, chosen = link_graph(twins).cheapest_parallel(twins.latency_ms)
    assert cost.tolist() == [1, 7]
    assert chosen.tolist() == [2, 0]


def test_a_weight_of_zero_is_a_free_link_and_not_a_missing_one():
    free = network(link("a>b", 1, 0), link("b>c", 1, 0), link("a>c", 1, 1))
    assert one_path(free, "a", "c") == ["a>b", "b>c"]
    assert distance(free, "a", "c") == 0


def test_a_one_way_link_is_not_driven_against_the_sign():
    lane = network(link("a>b", 1, 1))
    assert one_path(lane, "a", "b") == ["a>b"]
    assert one_path(lane, "b", "a") == []
    assert distance(lane, "b", "a") == np.inf


def test_a_node_without_links_is_out_of_reach_and_reaches_itself_at_no_cost():
    island = network(cable("a-b", 1), nodes={"x": {}})
    assert distance(island, "a", "x") == np.inf
    assert distance(island, "x", "x") == 0
    assert one_path(island, "a", "x") == []


def test_a_topology_without_links_has_no_paths():
    lonely = network(nodes={"a": {}, "b": {}})
    assert link_graph(lonely).shortest(np.empty(0)).distance.tolist() == [[0, np.inf], [np.inf, 0]]


def site_in_the_way(**facts: bool) -> Topology:
    """From a to b over the site s in 2 ms, past it in 9."""
    return network(cable("a-s", 1, 1), cable("s-b", 1, 1), cable("a-b", 1, 9), nodes={"s": facts})


@pytest.mark.parametrize("facts", [{"transit": False}, {"drained": True}])
def test_a_node_without_transit_is_not_passed_but_starts_and_ends_paths(facts):
    topology = site_in_the_way(**facts)
    assert one_path(site_in_the_way(), "a", "b") == ["a>s", "s>b"]
    assert one_path(topology, "a", "b") == ["a>b"]
    assert one_path(topology, "a", "s") == ["a>s"]
    assert one_path(topology, "s", "b") == ["s>b"]
    assert distance(topology, "s", "s") == 0


def test_two_sites_reach_each_other_though_neither_may_be_passed():
    pair = network(cable("s-t", 1, 1), cable("t-u", 1, 1), nodes={"s": {"transit": False}, "t": {"transit": False}})
    assert one_path(pair, "s", "t") == ["s>t"]
    assert one_path(pair, "s", "u") == []


@pytest.mark.parametrize("facts", [{"drained": True}, {"capacity_gbps": 0.0}])
def test_a_link_that_is_drained_or_has_no_capacity_is_not_used(facts):
    short = link("a>b", **{"capacity_gbps": 1.0, "latency_ms": 1.0, **facts})
    assert one_path(network(short, link("a>b", 1, 5, id="long")), "a", "b") == ["long"]


def test_masks_say_what_may_be_used_instead():
    topology = diamond()
    allowed = np.array([one.id != "a>b" for one in topology.links])
    index = topology.node_index
    around = link_graph(topology, allowed).shortest(topology.latency_ms)
    assert around.distance[index["a"], index["d"]] == 10
    transit = np.array([node.id != "b" for node in topology.nodes])
    past_b = link_graph(topology, None, transit).shortest(topology.latency_ms)
    assert past_b.distance[index["a"], index["d"]] == 10
    assert past_b.distance[index["a"], index["b"]] == 2


def test_many_paths_come_back_in_the_order_asked_with_empty_rows_for_the_unreachable():
    topology = network(link("a>b", 1), link("b>c", 1), nodes={"x": {}})
    index = topology.node_index
    sources = np.array([index["b"], index["a"]])
    tree = link_graph(topology).shortest(topology.latency_ms, sources)
    rows, ends = np.array([1, 0, 0, 1]), np.array([index[node] for node in "cxca"])
    start, links = tree.paths(rows, ends)
    assert [links[start[i] : start[i + 1]].tolist() for i in range(4)] == [[0, 1], [], [1], []]


def test_no_paths_asked_for_is_no_paths():
    tree = link_graph(diamond()).shortest(diamond().latency_ms)
    start, links = tree.paths(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))
    assert start.tolist() == [0]
    assert links.tolist() == []


def test_the_reversed_graph_measures_the_way_to_a_node():
    lane = network(link("a>b", 1, 1), link("b>c", 1, 2))
    backwards = link_graph(lane).reversed().shortest(lane.latency_ms, np.array([2]))
    assert backwards.distance.tolist() == [[3, 2, 0]]


@st.composite
def topologies(draw: st.DrawFn) -> tuple[Topology, FloatArray]:
    """Up to six nodes, some without transit; up to fourteen links, some parallel, drained or free."""
    n_nodes = draw(st.integers(2, 6))
    nodes = tuple(Node(f"n{i}", transit=draw(st.sampled_from([True, True, False]))) for i in range(n_nodes))
    ends = st.tuples(st.integers(0, n_nodes - 1), st.integers(0, n_nodes - 1)).filter(lambda pair: pair[0] != pair[1])
    links = tuple(
        Link(
            f"l{at}",
            f"n{a}",
            f"n{b}",
            draw(st.sampled_from([1.0, 1.0, 0.0])),
            drained=draw(st.sampled_from([0, 0, 1])) > 0,
        )
        for at, (a, b) in enumerate(draw(st.lists(ends, max_size=14)))
    )
    weight = draw(st.lists(st.integers(0, 4).map(float), min_size=len(links), max_size=len(links)))
    return Topology(nodes, links), np.array(weight, dtype=np.float64)


def by_networkx(topology: Topology, weight: FloatArray, source: str) -> dict[str, float]:
    """Distances over a graph in which the links out of closed nodes, save the source's own, are left out."""
    closed = {node.id for node in topology.nodes if not node.transit} - {source}
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(node.id for node in topology.nodes)
    for one, cost in zip(topology.links, weight, strict=True):
        # Nor does a path come back to where it started.
        if not one.drained and one.capacity_gbps > 0 and one.source not in closed and one.target != source:
            graph.add_edge(one.source, one.target, weight=cost)
    return nx.single_source_dijkstra_path_length(graph, source)


@given(topologies())
def test_distances_are_those_of_networkx_and_paths_add_up_to_them(question):
    topology, weight = question
    n_nodes = len(topology.nodes)
    graph = link_graph(topology)
    tree = graph.shortest(weight)
    for position, node in enumerate(topology.nodes):
        expected = by_networkx(topology, weight, node.id)
        assert tree.distance[position].tolist() == [expected.get(other.id, np.inf) for other in topology.nodes]
    row, end = (axis.ravel() for axis in np.meshgrid(np.arange(n_nodes), np.arange(n_nodes), indexing="ij"))
    start, links = tree.paths(row, end)
    for at in range(n_nodes**2):
        check_path(topology, links[start[at] : start[at + 1]].tolist(), int(row[at]), int(end[at]))
        if np.isfinite(tree.distance[row[at], end[at]]):
            assert weight[links[start[at] : start[at + 1]]].sum() == tree.distance[row[at], end[at]]
        else:
            assert start[at] == start[at + 1]


def walked_back(tree: ShortestPaths, row: int, end: int) -> list[int]:
    """Links of one path, predecessor by predecessor: the plain version of ``paths``."""
    if not np.isfinite(tree.distance[row, end]) or tree.sources[row] == end:
        return []
    links, vertex, origin = [], end, tree.graph.start_vertex[tree.sources[row]]
    order, first, head, _ = tree.graph._bundles
    tail = tree.graph.tail[order][first]
    while vertex != origin:
        before = int(tree.predecessor[row, vertex])
        links.append(int(tree.bundle_link[np.flatnonzero((tail == before) & (head == vertex))[0]]))
        vertex = before
    return links[::-1]


@given(topologies(), st.data())
def test_paths_of_any_pairs_are_those_walked_back_one_by_one(question, data):
    topology, weight = question
    nodes = st.integers(0, len(topology.nodes) - 1)
    sources = data.draw(st.lists(nodes, min_size=1, max_size=4, unique=True))
    asked = data.draw(st.lists(st.tuples(st.integers(0, len(sources) - 1), nodes), max_size=12))
    tree = link_graph(topology).shortest(weight, np.array(sources))
    row, end = np.array(asked, dtype=np.int32).reshape(-1, 2).T
    start, links = tree.paths(row, end)
    found = [links[start[at] : start[at + 1]].tolist() for at in range(len(asked))]
    assert found == [walked_back(tree, *pair) for pair in asked]


@given(topologies(), st.data())
def test_distances_without_paths_are_the_same(question, data):
    topology, weight = question
    graph = link_graph(topology)
    nodes = st.integers(0, len(topology.nodes) - 1)
    sources = np.array(data.draw(st.lists(nodes, min_size=1, unique=True)), dtype=np.int32)
    assert graph.distances(weight, sources).tolist() == graph.shortest(weight, sources).distance.tolist()
    assert graph.distances(weight).tolist() == graph.shortest(weight).distance.tolist()


def check_path(topology: Topology, links: list[int], source: int, target: int) -> None:
    """The links join up from source to target, are usable, pass only transit nodes and none twice."""
    if not links:
        return
    ends = [(int(topology.tail[link]), int(topology.head[link])) for link in links]
    assert ends[0][0] == source
    assert ends[-1][1] == target
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    inner = [head for _, head in ends[:-1]]
    assert all(topology.transit[node] for node in inner)
    assert all(topology.usable[link] for link in links)
    assert len({source, *inner, target}) == len(inner) + 2


@given(topologies())
def test_the_graph_has_every_usable_link_once_and_a_copy_of_every_closed_node(question):
    topology, _ = question
    graph: LinkGraph = link_graph(topology)
    assert graph.links.tolist() == np.flatnonzero(topology.usable).tolist()
    assert graph.n_vertices == len(topology.nodes) + int((~topology.transit).sum())
    closed_vertices = set(np.flatnonzero(~topology.transit).tolist())
    assert not closed_vertices & set(graph.tail.tolist())
    assert graph.head.max(initial=0) < len(topology.nodes)
