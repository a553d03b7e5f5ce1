"""Smoothed distances by elimination against scipy's and networkx's paths, their loads against the slope they claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_questions import topologies
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.special import logsumexp
from toys import cable, diamond, link, network

from vbte.paths.elimination import UNREACHABLE, SmoothDistances, eliminate
from vbte.paths.graph import LinkGraph, link_graph
from vbte.topology import Topology

FloatArray = NDArray[np.float64]

prices = st.lists(st.sampled_from([1.0, 1.1, 1.7, 2.5, 4.0]), min_size=30, max_size=30)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A graph, what its links cost, and the distances found."""

    graph: LinkGraph
    weight: FloatArray
    temperature: float

    @property
    def found(self) -> SmoothDistances:
        return eliminate(self.graph).distances(self.weight, self.temperature)

    @property
    def matrix(self) -> FloatArray:
        """Distances in the graph's own numbering of vertices."""
        place = eliminate(self.graph).vertex
        return self.found.matrix[np.ix_(place, place)].astype(np.float64)

    def loads(self, traffic: FloatArray) -> FloatArray:
        """Loads of the graph's links when traffic (vertex, vertex) takes its ways."""
        place = np.argsort(eliminate(self.graph).vertex)
        found = self.found.link_loads(traffic[np.ix_(place, place)].astype(np.float32))
        assert len(found) == self.graph.links.max(initial=-1) + 1
        return found[self.graph.links]


def smoothed(topology: Topology, weight: list[float] | FloatArray, temperature: float) -> Smoothed:
    return Smoothed(link_graph(topology), np.asarray(weight, dtype=np.float64)[: len(topology.links)], temperature)


def hard_distances(one: Smoothed) -> FloatArray:
    """Dijkstra by scipy over the cheapest of parallel links."""
    graph = one.graph
    dense = np.full((graph.n_vertices, graph.n_vertices), np.inf)
    np.minimum.at(dense, (graph.tail, graph.head), one.weight[graph.links])
    tail, head = np.nonzero(np.isfinite(dense))
    return np.asarray(dijkstra(csr_array((dense[tail, head], (tail, head)), shape=dense.shape)))


def listed_paths(one: Smoothed) -> FloatArray:
    """The soft minimum over all simple paths that networkx lists, parallel links told apart."""
    graph: Any = nx.MultiDiGraph()
    graph.add_nodes_from(range(one.graph.n_vertices))
    for position, (tail, head) in enumerate(zip(one.graph.tail.tolist(), one.graph.head.tolist(), strict=True)):
        graph.add_edge(tail, head, key=position)
    soft = np.full((one.graph.n_vertices, one.graph.n_vertices), float(UNREACHABLE))
    np.fill_diagonal(soft, 0.0)
    for a in graph:
        for b in graph:
            price = [
                sum(one.weight[one.graph.links[key]] for _, _, key in path)
                for path in (nx.all_simple_edge_paths(graph, a, b) if a != b else [])
            ]
            if price:
                soft[a, b] = -one.temperature * logsumexp(-np.array(price) / one.temperature)
    return soft


@settings(max_examples=30)
@given(topologies(most_nodes=6), prices)
def test_when_cold_distances_are_those_of_dijkstra(topology: Topology, weight: list[float]) -> None:
    """Parallel, drained and empty links and nodes closed to transit are among them."""
    one = smoothed(topology, weight, 1e-3)
    hard = hard_distances(one)
    reached = np.isfinite(hard)
    # No more than a hundred or so paths tie on such toys: log(100) / 1000.
    assert one.matrix[reached] == pytest.approx(hard[reached], abs=5e-3)
    assert (one.matrix[reached] <= hard[reached] + 1e-5).all()
    assert (one.matrix[~reached] > 0.5 * float(UNREACHABLE)).all()


def all_walks(one: Smoothed) -> FloatArray:
    """The soft minimum over all walks: S = 1 + A S in logarithms, A = exp(-price / temperature) (Akamatsu 1996)."""
    n = one.graph.n_vertices
    once = np.full((n, n), -np.inf)
    np.logaddexp.at(once, (one.graph.tail, one.graph.head), -one.weight[one.graph.links] / one.temperature)
    with np.errstate(divide="ignore"):
        found = still = np.log(np.eye(n))
    for _ in range(60):
        found = np.logaddexp(still, np.logaddexp.reduce(once[:, :, None] + found[None, :, :], axis=1))
    return -one.temperature * found


@st.composite
def acyclic(draw: st.DrawFn) -> Topology:
    """Links lead from earlier to later letters only, parallel ones among them."""
    names = "abcdef"[: draw(st.integers(2, 6))]
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] < pair[1])
    pairs = draw(st.lists(ends, min_size=1, max_size=12))
    return network([link(f"{a}>{b}", 1, id=f"l{i}") for i, (a, b) in enumerate(pairs)], nodes={n: {} for n in names})


@settings(max_examples=30)
@given(acyclic(), prices, st.sampled_from([0.02, 0.3, 1.0, 10.0]))
def test_without_cycles_distances_are_the_soft_minimum_over_all_paths(
    topology: Topology, weight: list[float], temperature: float
) -> None:
    one = smoothed(topology, weight, temperature)
    assert one.matrix == pytest.approx(listed_paths(one), rel=1e-5, abs=1e-4)


@settings(max_examples=25)
@given(topologies(most_nodes=5), prices, st.sampled_from([0.05, 0.2, 0.35]))
def test_with_cycles_distances_lie_between_all_walks_and_all_paths(
    topology: Topology, weight: list[float], temperature: float
) -> None:
    """A shortcut stands for a way past a vertex without coming back to its ends, so that some walks are missing."""
    one = smoothed(topology, weight, temperature)
    n = one.graph.n_vertices
    walks = all_walks(one)
    reached = np.isfinite(hard_distances(one)) & ~np.eye(n, dtype=np.bool_)
    assert (one.matrix[reached] <= listed_paths(one)[reached] + 1e-4).all()
    assert (one.matrix[reached] >= walks[reached] - 1e-4).all()


def random_traffic(one: Smoothed, seed: int) -> FloatArray:
    """Traffic between some of the pairs of vertices that a path joins."""
    chance = np.random.default_rng(seed)
    reached = np.isfinite(hard_distances(one)) & ~np.eye(one.graph.n_vertices, dtype=np.bool_)
    return np.where(reached, chance.random(reached.shape) * (chance.random(reached.shape) < 0.7), 0.0)


@settings(max_examples=25)
@given(topologies(most_nodes=6), prices, st.sampled_from([0.3, 0.8]), st.integers(0, 99))
def test_loads_are_the_slope_of_the_distances(
    topology: Topology, weight: list[float], temperature: float, seed: int
) -> None:
    one = smoothed(topology, weight, temperature)
    traffic, step = random_traffic(one, seed), 0.05 * temperature
    loads = one.loads(traffic)
    for position, moved in enumerate(one.graph.links.tolist()):
        nudge = np.where(np.arange(len(one.weight)) == moved, step, 0.0)
        up, down = (Smoothed(one.graph, one.weight + sign * nudge, temperature).matrix for sign in (1, -1))
        slope = float((traffic * (up - down)).sum() / (2 * step))
        assert loads[position] == pytest.approx(slope, abs=0.01 * (1.0 + traffic.sum()) * 0.5)


@settings(max_examples=30)
@given(topologies(most_nodes=6), prices, st.sampled_from([0.01, 0.3, 2.0]), st.integers(0, 99))
def test_what_enters_a_vertex_leaves_it(topology: Topology, weight: list[float], temperature: float, seed: int) -> None:
    one = smoothed(topology, weight, temperature)
    traffic, n = random_traffic(one, seed), one.graph.n_vertices
    loads = one.loads(traffic)
    assert (loads >= 0).all()
    net = np.bincount(one.graph.tail, weights=loads, minlength=n) - np.bincount(one.graph.head, loads, minlength=n)
    assert net == pytest.approx(traffic.sum(axis=1) - traffic.sum(axis=0), abs=1e-4 * (1 + traffic.sum()))


def test_two_equal_ways_share_and_each_way_costs_a_little_less_for_it() -> None:
    """Both ways of a diamond cost 2: the soft minimum is 2 - temperature x log 2, and each carries half."""
    one = smoothed(diamond(), np.ones(8), 0.1)
    a, d = diamond().node_index["a"], diamond().node_index["d"]
    traffic = np.zeros((4, 4))
    traffic[a, d] = 6.0
    # Walks that turn back on the way are among the terms, e to the power of -20 each.
    assert one.matrix[a, d] == pytest.approx(2 - 0.1 * np.log(2), abs=1e-6)
    loads = dict(zip([diamond().links[i].id for i in one.graph.links], one.loads(traffic).tolist(), strict=True))
    assert [loads[name] for name in ("a>b", "b>d", "a>c", "c>d")] == pytest.approx([3, 3, 3, 3], rel=1e-4)
    assert loads["b>a"] == pytest.approx(0, abs=1e-4)


def test_parallel_links_share_by_their_price() -> None:
    """A temperature more in price makes a link e times less likely."""
    topology = network(link("a>b", 1, id="cheap"), link("a>b", 1, id="dear"))
    one = smoothed(topology, [1.0, 1.5], 0.5)
    assert one.loads(np.array([[0.0, 1.0], [0.0, 0.0]])) == pytest.approx([np.e / (1 + np.e), 1 / (1 + np.e)])
    assert one.matrix[0, 1] == pytest.approx(1.0 - 0.5 * np.log(1 + np.exp(-1)))


def test_nobody_passes_a_node_that_is_closed_to_transit() -> None:
    """The way over b is shorter, and only traffic of b's own takes it."""
    topology = network(cable("a-b", 1), cable("b-c", 1), cable("a-c", 1), nodes={"b": {"transit": False}})
    one = smoothed(topology, [1, 1, 1, 1, 9, 9], 0.01)
    a, b, c = (topology.node_index[name] for name in "abc")
    start = one.graph.start_vertex
    assert one.graph.n_vertices == 4
    assert one.matrix[a, c] == pytest.approx(9, abs=1e-4)
    assert one.matrix[a, b] == pytest.approx(1, abs=1e-4)
    assert one.matrix[start[b], c] == pytest.approx(1, abs=1e-4)


def test_what_no_path_joins_is_far_away_and_no_nan() -> None:
    one = smoothed(network(link("a>b", 1), link("c>d", 1)), [1.0, 1.0], 0.1)
    assert one.matrix[0].tolist() == pytest.approx([0.0, 1.0, float(UNREACHABLE), float(UNREACHABLE)])
    assert one.matrix[1, 0] == float(UNREACHABLE)


@pytest.mark.parametrize("names", ["a", "abc"])
def test_nodes_without_links_are_near_themselves_alone(names: str) -> None:
    one = smoothed(network(nodes={name: {} for name in names}), [], 0.1)
    assert one.matrix == pytest.approx(np.where(np.eye(len(names)), 0.0, float(UNREACHABLE)))
    assert one.loads(np.zeros((len(names), len(names)))).tolist() == []


def test_a_large_sparse_network_takes_many_rounds_and_agrees_with_dijkstra() -> None:
    """A ring of rings, 60 nodes, where shortcuts are updated again and again."""
    chance = np.random.default_rng(4)
    pairs = [(i, (i + 1) % 60) for i in range(60)] + [(int(a), int(b)) for a, b in chance.integers(0, 60, (40, 2))]
    topology = network([link(f"{a}>{b}", 1, id=f"l{i}") for i, (a, b) in enumerate(pairs) if a != b])
    one = smoothed(topology, chance.uniform(0.5, 2.0, len(topology.links)), 1e-3)
    assert len(eliminate(one.graph).rounds) > 10
    assert one.matrix == pytest.approx(hard_distances(one), abs=5e-3)
    traffic = chance.random((60, 60))
    np.fill_diagonal(traffic, 0.0)
    # A cold network carries each unit over its cheapest path: loads times prices are traffic times distances.
    assert one.loads(traffic) @ one.weight[one.graph.links] == pytest.approx(
        float((traffic * one.matrix).sum()), rel=1e-3
    )


def test_traffic_does_not_turn_into_a_part_that_leads_nowhere() -> None:
    """From x both triangles can be entered, and neither leads to the other: all of x's traffic to y goes straight."""
    topology = network(
        link("x>n", 1), link("x>y", 1), cable("n-n1", 1), cable("n-n2", 1), cable("n1-n2", 1), cable("y-y1", 1),
        cable("y-y2", 1), cable("y1-y2", 1),
    )  # fmt: skip
    one = smoothed(topology, np.ones(14), 0.05)
    x, n, y = (topology.node_index[name] for name in "xny")
    assert one.matrix[n, y] > 0.5 * float(UNREACHABLE)
    assert one.matrix[x, y] == pytest.approx(1.0, abs=1e-4)
    traffic = np.zeros((7, 7))
    traffic[x, y] = 1.0
    names = [topology.links[i].id for i in one.graph.links]
    assert dict(zip(names, one.loads(traffic).tolist(), strict=True))["x>y"] == pytest.approx(1.0)
