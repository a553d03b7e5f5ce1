"""Cheapest paths under bounds on latency and hops and through required things, held against enumeration."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import cable, diamond, link, network

from vbte.paths import constrained
from vbte.paths.constrained import ConstrainedPath, ConstrainedSearch, PathBounds
from vbte.paths.graph import link_graph
from vbte.tolerance import PATH_BOUND_SLACK_SHARE
from vbte.topology import FloatArray, Link, Node, Topology


def search(
    topology: Topology,
    ends: str,
    weight: FloatArray | None = None,
    *,
    nodes: str = "",
    links: tuple[str, ...] = (),
    **bounds: float,
) -> ConstrainedPath:
    """Search from one node to another, one letter each; the price of a link is its cost unless stated."""
    index = topology.node_index
    wanted = PathBounds(
        nodes=frozenset(index[node] for node in nodes),
        links=frozenset(topology.link_index[one] for one in links),
        **bounds,
    )
    prices = topology.cost_per_gbps if weight is None else weight
    found = ConstrainedSearch(link_graph(topology), prices, topology.latency_ms)
    return found.cheapest(index[ends[0]], index[ends[1]], wanted)


def names(topology: Topology, found: ConstrainedPath) -> list[str]:
    return [topology.links[position].id for position in found.links or ()]


#: Three ways from a to d: cheap and slow over b, dear and fast over c, direct and dearest.
WAYS = network(
    link("a>b", 1, 10, cost_per_gbps=1), link("b>d", 1, 10, cost_per_gbps=1), link("a>c", 1, 2, cost_per_gbps=3),
    link("c>d", 1, 2, cost_per_gbps=3), link("a>d", 1, 3, cost_per_gbps=9), link("b>c", 1, 1, cost_per_gbps=1),
)  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "path", "price"),
    [
        ({}, ["a>b", "b>d"], 2),
        ({"latency_ms": 20}, ["a>b", "b>d"], 2),
        ({"latency_ms": 19}, ["a>b", "b>c", "c>d"], 5),
        ({"latency_ms": 12}, ["a>c", "c>d"], 6),
        ({"latency_ms": 3}, ["a>d"], 9),
        ({"latency_ms": 2.9}, [], np.inf),
        ({"hops": 1}, ["a>d"], 9),
        ({"hops": 2, "latency_ms": 19}, ["a>c", "c>d"], 6),
        ({"hops": 1, "latency_ms": 2}, [], np.inf),
        ({"nodes": "c"}, ["a>b", "b>c", "c>d"], 5),
        ({"nodes": "bc"}, ["a>b", "b>c", "c>d"], 5),
        ({"nodes": "ad"}, ["a>b", "b>d"], 2),
        ({"nodes": "c", "hops": 2}, ["a>c", "c>d"], 6),
        ({"nodes": "bc", "hops": 2}, [], np.inf),
        ({"links": ("a>d",)}, ["a>d"], 9),
        ({"links": ("b>c",)}, ["a>b", "b>c", "c>d"], 5),
        ({"links": ("a>c", "a>b")}, [], np.inf),
        ({"links": ("a>b",), "nodes": "c", "latency_ms": 12}, [], np.inf),
    ],
)
def test_the_cheapest_way_that_keeps_the_bounds_is_found(bounds, path, price):
    found = search(WAYS, "ad", **bounds)
    assert names(WAYS, found) == path
    assert found.lower_bound == price
    assert (found.links is None) == (not path)


def test_a_bound_forgives_the_rounding_of_a_sum_and_no_more():
    tenths = network(link("a>b", 1, 0.1), link("b>c", 1, 0.2))
    assert 0.1 + 0.2 > 0.3
    assert search(tenths, "ac", latency_ms=0.3).links == (0, 1)
    assert search(tenths, "ac", latency_ms=0.3 * (1 - 3 * PATH_BOUND_SLACK_SHARE)).links is None


def test_a_required_node_that_may_not_be_passed_leaves_no_path():
    closed = network(cable("a-s", 1), cable("s-b", 1), cable("a-b", 1), nodes={"s": {"transit": False}})
    assert search(closed, "ab").links is not None
    assert search(closed, "ab", nodes="s") == ConstrainedPath(np.inf, None)
    assert names(closed, search(closed, "sb", nodes="s")) == ["s>b"]


def test_a_required_link_that_is_drained_leaves_no_path():
    drained = network(link("a>b", 1, id="up"), link("a>b", 1, id="down", drained=True))
    assert search(drained, "ab", links=("down",)) == ConstrainedPath(np.inf, None)


def test_a_required_parallel_link_is_taken_though_its_twin_is_cheaper():
    twins = network(link("a>b", 1, id="cheap"), link("a>b", 1, id="dear", cost_per_gbps=5))
    assert names(twins, search(twins, "ab")) == ["cheap"]
    assert names(twins, search(twins, "ab", links=("dear",))) == ["dear"]


def test_a_required_node_behind_a_dead_end_is_not_reached_by_turning_round():
    spur = network(cable("a-b", 1), cable("b-c", 1), cable("b-x", 1))
    assert search(spur, "ac", nodes="x") == ConstrainedPath(np.inf, None)


def test_a_required_link_out_of_the_destination_cannot_be_used():
    assert search(diamond(), "ad", links=("d>b",)) == ConstrainedPath(np.inf, None)


def test_without_a_way_at_all_the_bound_says_so():
    assert search(network(link("a>b", 1)), "ba", latency_ms=5) == ConstrainedPath(np.inf, None)


def test_requiring_the_node_a_demand_starts_at_asks_for_nothing(monkeypatch):
    # The free cycle between x and y never ends unless labels that are no better are dropped.
    idle = network(
        cable("a-x", 1, 0), cable("x-y", 1, 0), cable("y-w", 1, 0), cable("w-x", 1, 0), link("x>z", 1, 9),
        link("x>m", 1, 1, cost_per_gbps=5), link("m>z", 1, 1),
    )  # fmt: skip
    monkeypatch.setattr(constrained, "SEARCH_LIMIT", 50)
    for nodes in ("", "a", "z", "az"):
        found = search(idle, "az", latency_ms=5, nodes=nodes)
        assert names(idle, found) == ["a>x", "x>m", "m>z"]
        assert found.lower_bound == 5


def test_a_dearer_way_to_a_node_is_kept_when_it_takes_fewer_hops():
    # Over x and y to m is free and takes too many hops for the fast end over n; over w it costs 5 and fits.
    ends = network(
        link("a>x", 1, 0), link("x>y", 1, 0), link("y>m", 1, 0), link("a>w", 1, 0, cost_per_gbps=5), link("w>m", 1, 0),
        link("m>d", 1, 10), link("m>n", 1, 0), link("n>d", 1, 1),
    )  # fmt: skip
    assert names(ends, search(ends, "ad", latency_ms=5, hops=4)) == ["a>w", "w>m", "m>n", "n>d"]


def test_the_same_question_has_the_same_answer_among_ties():
    ties = network(*(cable(f"a-{mid}", 1) for mid in "bcde"), *(cable(f"{mid}-z", 1) for mid in "bcde"))
    answers = {search(ties, "az", np.zeros(16), hops=2, nodes="a").links for _ in range(3)}
    assert len(answers) == 1


Question = tuple[Topology, FloatArray, PathBounds]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Up to six nodes and fourteen links with prices that often tie; path from the first node to the second."""
    n_nodes = draw(st.integers(2, 6))
    nodes = tuple(Node(f"n{i}", transit=draw(st.sampled_from([True] * 4 + [False]))) for i in range(n_nodes))
    ends = st.tuples(st.integers(0, n_nodes - 1), st.integers(0, n_nodes - 1)).filter(lambda pair: pair[0] != pair[1])
    pairs = draw(st.lists(ends, min_size=1, max_size=14))
    links = tuple(
        Link(f"l{at}", f"n{a}", f"n{b}", 1.0, latency_ms=float(draw(st.integers(0, 5))))
        for at, (a, b) in enumerate(pairs)
    )
    weight = draw(st.lists(st.integers(0, 3).map(float), min_size=len(links), max_size=len(links)))
    bounds = PathBounds(
        latency_ms=draw(st.sampled_from([np.inf, 2.0, 4.0, 7.0, 10.0])),
        hops=draw(st.sampled_from([np.inf, 1, 2, 3, 4])),
        nodes=draw(st.frozensets(st.integers(0, n_nodes - 1), max_size=2)),
        links=draw(st.frozensets(st.integers(0, len(links) - 1), max_size=1)),
    )
    return Topology(nodes, links), np.array(weight), bounds


def admissible(topology: Topology, bounds: PathBounds) -> list[tuple[int, ...]]:
    """Every simple path from the first node to the second that keeps the bounds."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(len(topology.nodes)))
    for position in range(len(topology.links)):
        graph.add_edge(int(topology.tail[position]), int(topology.head[position]), key=position)
    paths = [[(int(a), int(b), key) for a, b, key in path] for path in nx.all_simple_edge_paths(graph, 0, 1)]
    return [
        tuple(key for _, _, key in path)
        for path in paths
        if sum(topology.latency_ms[key] for _, _, key in path) <= bounds.latency_ms
        and len(path) <= bounds.hops
        and bounds.links <= {key for _, _, key in path}
        and bounds.nodes <= {node for a, b, _ in path for node in (a, b)}
        and all(topology.nodes[b].transit for _, b, _ in path[:-1])
    ]


@settings(max_examples=150)
@given(questions())
def test_the_answer_is_that_of_trying_every_simple_path(question):
    topology, weight, bounds = question
    found = ConstrainedSearch(link_graph(topology), weight, topology.latency_ms).cheapest(0, 1, bounds)
    paths = admissible(topology, bounds)
    assert found.lower_bound == min((weight[list(path)].sum() for path in paths), default=np.inf)
    if paths:
        assert found.links in paths
        assert weight[list(found.links)].sum() == found.lower_bound
    else:
        assert found.links is None


@settings(max_examples=80)
@given(questions(), st.integers(0, 12))
def test_a_search_cut_short_still_bounds_the_answer_from_below(question, limit):
    topology, weight, bounds = question
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constrained, "SEARCH_LIMIT", limit)
        found = ConstrainedSearch(link_graph(topology), weight, topology.latency_ms).cheapest(0, 1, bounds)
    paths = admissible(topology, bounds)
    assert found.lower_bound <= min((weight[list(path)].sum() for path in paths), default=np.inf)
    if found.links is not None:
        assert found.links in paths


def test_a_search_cut_at_once_gives_the_unconstrained_price_and_no_path(monkeypatch):
    monkeypatch.setattr(constrained, "SEARCH_LIMIT", 0)
    assert search(WAYS, "ad", latency_ms=12) == ConstrainedPath(2.0, None)


def test_one_search_answers_many_pairs():
    found = ConstrainedSearch(link_graph(WAYS), WAYS.cost_per_gbps, WAYS.latency_ms)
    index = WAYS.node_index
    assert found.cheapest(index["a"], index["d"], PathBounds(hops=1)).lower_bound == 9
    assert found.cheapest(index["b"], index["d"], PathBounds(hops=1)).lower_bound == 1
    assert found.cheapest(index["a"], index["d"], PathBounds()).lower_bound == 2
    assert found.cheapest(index["d"], index["a"], PathBounds()).lower_bound == np.inf
