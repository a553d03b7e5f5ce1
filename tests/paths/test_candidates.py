"""Candidate paths: the k shortest against networkx, and disjoint ones against max-flow and by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import cable, diamond, link, network

from vbte.paths.candidates import POOL, CandidatePaths, Path, link_risks
from vbte.paths.graph import link_graph
from vbte.topology import FloatArray, Link, Node, Topology


def ids(topology: Topology, paths: Sequence[Path]) -> list[str]:
    return [" ".join(topology.links[position].id for position in path) for path in paths]


def k_shortest(topology: Topology, ends: str, k: int, **options) -> list[str]:
    """The k shortest by latency between two nodes of one letter each, as link ids."""
    index = topology.node_index
    candidates = CandidatePaths(link_graph(topology), topology.latency_ms)
    return ids(topology, candidates.k_shortest(index[ends[0]], index[ends[1]], k, **options))


def disjoint(topology: Topology, ends: str, k: int, *, srlgs: bool = False, **options) -> list[str]:
    index = topology.node_index
    candidates = CandidatePaths(link_graph(topology), topology.latency_ms)
    risks = link_risks(topology, srlgs=srlgs)
    return ids(topology, candidates.disjoint(index[ends[0]], index[ends[1]], k, risks, **options))


def test_the_diamond_has_two_paths_cheapest_first():
    assert k_shortest(diamond(), "ad", 5) == ["a>b b>d", "a>c c>d"]
    assert k_shortest(diamond(), "ad", 1) == ["a>b b>d"]


def test_parallel_links_make_different_paths():
    twins = network(link("a>b", 1, 1, id="x"), link("a>b", 1, 2, id="y"), link("a>b", 1, 4, id="z"), link("b>c", 1, 1))
    assert k_shortest(twins, "ac", 9) == ["x b>c", "y b>c", "z b>c"]
    assert k_shortest(twins, "ac", 2) == ["x b>c", "y b>c"]


def test_links_that_weigh_nothing_are_still_links():
    free = network(link("a>b", 1, 0), link("b>c", 1, 0), link("a>c", 1, 1), link("a>b", 1, 0, id="twin"))
    assert sorted(k_shortest(free, "ac", 9)[:2]) == ["a>b b>c", "twin b>c"]
    assert k_shortest(free, "ac", 9)[2:] == ["a>c"]


def test_a_network_whose_links_all_weigh_nothing_has_paths():
    free = network(link("a>b", 1, 0), link("b>c", 1, 0), link("a>c", 1, 0))
    assert sorted(k_shortest(free, "ac", 9)) == ["a>b b>c", "a>c"]


def test_where_no_path_leads_there_are_no_candidates():
    lane = network(link("a>b", 1), nodes={"x": {}})
    assert k_shortest(lane, "ba", 3) == []
    assert k_shortest(lane, "ax", 3) == []
    assert disjoint(lane, "ax", 3) == []
    assert k_shortest(network(nodes={"a": {}, "b": {}}), "ab", 3) == []


def test_candidates_start_and_end_at_sites_but_do_not_pass_them():
    sites = {"s": {"transit": False}, "a": {"transit": False}}
    topology = network(cable("a-s", 1, 1), cable("s-b", 1, 1), cable("a-b", 1, 9), nodes=sites)
    assert k_shortest(topology, "ab", 9) == ["a>b"]
    assert k_shortest(topology, "as", 9) == ["a>s", "a>b b>s"]
    assert k_shortest(topology, "sb", 9) == ["s>b"]


def test_only_what_is_admitted_counts_towards_k():
    net = diamond()

    def over_c(path: Path) -> bool:
        return any(net.links[position].id == "a>c" for position in path)

    assert k_shortest(net, "ad", 1, admits=over_c) == ["a>c c>d"]
    assert k_shortest(net, "ad", 3, admits=lambda path: False) == []


def test_the_pool_limits_how_far_an_admitted_path_is_sought():
    # One hundred twins, of which only the last will do: it is the hundredth shortest.
    twins = network(*(link("a>b", 1, 1.0 + at, id=f"l{at:03d}") for at in range(100)))
    assert POOL < 100
    assert k_shortest(twins, "ab", 1, admits=lambda path: path == (99,)) == []
    assert k_shortest(twins, "ab", 1, admits=lambda path: path == (POOL - 1,)) == [f"l{POOL - 1:03d}"]


def test_the_two_sides_of_the_diamond_are_disjoint():
    assert disjoint(diamond(), "ad", 4) == ["a>b b>d", "a>c c>d"]
    assert disjoint(diamond(), "ad", 1) == ["a>b b>d"]


#: The shortest path a-b-c-d takes a link of each of the only two disjoint ones.
TRAP = network(cable("a-b", 1, 1), cable("b-c", 1, 1), cable("c-d", 1, 1), cable("a-c", 1, 3), cable("b-d", 1, 3))


def test_the_trap_topology_gives_both_disjoint_paths_though_the_shortest_is_in_neither():
    assert k_shortest(TRAP, "ad", 1) == ["a>b b>c c>d"]
    assert disjoint(TRAP, "ad", 2) == ["a>b b>d", "a>c c>d"]
    assert disjoint(TRAP, "ad", 2, admits=lambda path: True) == ["a>b b>d", "a>c c>d"]


@pytest.mark.parametrize(("cables", "found"), [("xx", ["a>b b>c c>d"]), ("xy", ["a>b b>c c>d", "a>c c>b b>d"])])
def test_both_directions_of_a_cable_share_its_fate(cables, found):
    # The two paths of three hops pass between b and c in opposite directions.
    topology = network(
        link("a>b", 1), link("b>c", 1, cable=cables[0]), link("c>d", 1),
        link("a>c", 1, 9), link("c>b", 1, 9, cable=cables[1]), link("b>d", 1, 9),
    )  # fmt: skip
    assert disjoint(topology, "ad", 2, admits=lambda path: len(path) == 3) == found


def test_links_without_a_cable_are_their_own():
    twins = network(link("a>b", 1, 1, id="x"), link("a>b", 1, 2, id="y"))
    assert disjoint(twins, "ab", 2) == ["x", "y"]
    bundled = network(link("a>b", 1, 1, id="x", cable="one"), link("a>b", 1, 2, id="y", cable="one"))
    assert disjoint(bundled, "ab", 2) == ["x"]


def test_srlgs_count_only_when_asked_for():
    duct = network(
        cable("a-b", 1, 1, srlgs=("duct",)), cable("b-d", 1, 1), cable("a-c", 1, 2, srlgs=("duct", "bridge")),
        cable("c-d", 1, 2), cable("a-d", 1, 9, srlgs=("bridge",)),
    )  # fmt: skip
    assert disjoint(duct, "ad", 3) == ["a>b b>d", "a>c c>d", "a>d"]
    assert disjoint(duct, "ad", 3, srlgs=True) == ["a>b b>d", "a>d"]


def test_an_srlg_and_a_cable_of_the_same_name_are_two_things():
    topology = network(link("a>b", 1, 1, id="x", cable="k"), link("a>b", 1, 2, id="y", srlgs=("k",)))
    assert disjoint(topology, "ab", 2, srlgs=True) == ["x", "y"]


def test_disjoint_paths_keep_to_what_is_admitted():
    found = disjoint(TRAP, "ad", 2, admits=lambda path: len(path) == 3)
    assert found == ["a>b b>c c>d"]


@st.composite
def topologies(draw: st.DrawFn) -> tuple[Topology, FloatArray]:
    """Up to six nodes and twelve directed links, some parallel, some free, some sharing an SRLG."""
    n_nodes = draw(st.integers(2, 6))
    ends = st.tuples(st.integers(0, n_nodes - 1), st.integers(0, n_nodes - 1)).filter(lambda pair: pair[0] != pair[1])
    groups = st.lists(st.sampled_from("pq"), max_size=1).map(tuple)
    links = tuple(
        Link(f"l{at}", f"n{a}", f"n{b}", 1.0, srlgs=draw(groups))
        for at, (a, b) in enumerate(draw(st.lists(ends, min_size=1, max_size=12)))
    )
    weight = draw(st.lists(st.integers(0, 4).map(float), min_size=len(links), max_size=len(links)))
    return Topology(tuple(Node(f"n{i}") for i in range(n_nodes)), links), np.array(weight)


def by_networkx(topology: Topology, weight: FloatArray) -> list[float]:
    """Prices of all simple paths from the first node to the second, cheapest first; one node on each link."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(topology.nodes)))
    for position in range(len(topology.links)):
        graph.add_edge(int(topology.tail[position]), f"link {position}", weight=weight[position])
        graph.add_edge(f"link {position}", int(topology.head[position]), weight=0.0)
    if not nx.has_path(graph, 0, 1):
        return []
    return [nx.path_weight(graph, path, "weight") for path in nx.shortest_simple_paths(graph, 0, 1, weight="weight")]


def is_simple(topology: Topology, path: Path) -> bool:
    nodes = [0, *(int(topology.head[position]) for position in path)]
    joined = all(int(topology.tail[position]) == node for position, node in zip(path, nodes, strict=False))
    return joined and nodes[-1] == 1 and len(set(nodes)) == len(nodes)


@settings(max_examples=120)
@given(topologies(), st.integers(1, 9))
def test_prices_are_those_of_networkx_and_paths_are_simple_and_distinct(question, k):
    topology, weight = question
    found = CandidatePaths(link_graph(topology), weight).k_shortest(0, 1, k)
    assert [float(weight[list(path)].sum()) for path in found] == by_networkx(topology, weight)[:k]
    assert all(is_simple(topology, path) for path in found)
    assert len(set(found)) == len(found)


def max_flow(topology: Topology) -> int:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(topology.nodes)))
    for tail, head in zip(topology.tail.tolist(), topology.head.tolist(), strict=True):
        more = graph.get_edge_data(tail, head, {"capacity": 0})["capacity"] + 1
        graph.add_edge(tail, head, capacity=more)
    return int(nx.maximum_flow_value(graph, 0, 1))


@settings(max_examples=80)
@given(topologies())
def test_there_are_as_many_link_disjoint_paths_as_max_flow_says(question):
    # Networks this small have fewer paths than the pool, so each is tried as the first.
    topology, weight = question
    risks = link_risks(topology, srlgs=False)
    found = CandidatePaths(link_graph(topology), weight).disjoint(0, 1, 12, risks)
    used = [position for path in found for position in path]
    assert len(used) == len(set(used))
    assert all(is_simple(topology, path) for path in found)
    assert len(found) == max_flow(topology)


@settings(max_examples=80)
@given(topologies(), st.integers(1, 4), st.booleans())
def test_disjoint_paths_share_no_risk_and_come_cheapest_first(question, k, filtered):
    topology, weight = question
    risks = link_risks(topology, srlgs=True)
    admits = (lambda path: len(path) != 2) if filtered else None
    found = CandidatePaths(link_graph(topology), weight).disjoint(0, 1, k, risks, admits)
    assert len(found) <= k
    at_risk = [frozenset().union(*(risks[position] for position in path)) for path in found]
    assert not any(one & other for one, other in itertools.combinations(at_risk, 2))
    prices = [float(weight[list(path)].sum()) for path in found]
    assert prices == sorted(prices)
    if filtered:
        assert all(len(path) != 2 for path in found)


@pytest.mark.parametrize("srlgs", [False, True])
def test_risks_name_the_cable_and_the_srlgs_when_asked(srlgs):
    topology = network(cable("a-b", 1, srlgs=("duct",)), link("b>c", 1))
    both, lone = {"cable:a-b", "srlg:duct"} if srlgs else {"cable:a-b"}, {"cable:b>c"}
    assert link_risks(topology, srlgs=srlgs) == [both, both, lone]
