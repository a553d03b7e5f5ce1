"""Cheapest pairs of disjoint paths against brute force: every two simple paths tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, link, network

from vbte.paths.graph import link_graph
from vbte.paths.pairs import DisjointPairs
from vbte.topology import Topology

Path = tuple[int, ...]


def simple_paths(topology: Topology, source: int, destination: int) -> list[Path]:
    """Every simple path of links, nodes closed to transit respected."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(len(topology.nodes)))
    for position in range(len(topology.links)):
        tail, head = int(topology.tail[position]), int(topology.head[position])
        passes = (topology.transit[tail] or tail == source) and (topology.transit[head] or head == destination)
        if passes:
            graph.add_edge(tail, head, key=position)
    return [tuple(edge[2] for edge in path) for path in nx.all_simple_edge_paths(graph, source, destination)]


def inner(topology: Topology, path: Path) -> set[int]:
    return {int(topology.head[one]) for one in path[:-1]}


def cheapest_by_trying(
    topology: Topology, weight: list[float], source: int, destination: int, *, by_node: bool
) -> float:
    """The least price of two paths without a common cable, or link and node between."""

    def apart(one: Path, other: Path) -> bool:
        if by_node:
            return not inner(topology, one) & inner(topology, other) and not set(one) & set(other)
        return not {topology.links[e].cable for e in one} & {topology.links[e].cable for e in other}

    paths = simple_paths(topology, source, destination)
    sums = [
        sum(weight[e] for e in (*one, *other)) for one, other in itertools.combinations(paths, 2) if apart(one, other)
    ]
    return min(sums, default=np.inf)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Topology, list[float]]:
    """Up to six nodes; cables of both directions, of one, or of two links each way; now and then a closed node."""
    names = "abcdef"[: draw(st.integers(3, 6))]
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    parts = []
    for position, (one, other) in enumerate(draw(st.lists(ends, min_size=3, max_size=10))):
        name = f"c{position}"
        kind = draw(st.sampled_from(["both", "both", "one way", "double"]))
        for copy in range(2 if kind == "double" else 1):
            parts.append(link(f"{one}>{other}", 1.0, id=f"{name}{copy}+", cable=name))
            if kind != "one way":
                parts.append(link(f"{other}>{one}", 1.0, id=f"{name}{copy}-", cable=name))
    closed = draw(st.sampled_from([None, None, *names]))
    facts = {name: {"transit": name != closed} for name in names}
    topology = network(parts, nodes=facts)
    prices = st.sampled_from([0.0, 1.0, 2.0, 3.5, 7.0])
    return topology, draw(st.lists(prices, min_size=len(parts), max_size=len(parts)))


def pairs_of(topology: Topology, *, by_node: bool) -> DisjointPairs:
    names = sorted({one.cable for one in topology.links})
    number = np.array([names.index(one.cable) for one in topology.links], dtype=np.int32)
    return DisjointPairs(link_graph(topology), number, by_node)


def faults(
    topology: Topology, pair: tuple[Path, Path], source: int, destination: int, *, by_node: bool
) -> Iterator[str]:
    paths = simple_paths(topology, source, destination)
    yield from (f"{one} is no simple path" for one in pair if one not in paths)
    if by_node and (inner(topology, pair[0]) & inner(topology, pair[1]) or set(pair[0]) & set(pair[1])):
        yield "a node is on both"
    if not by_node and {topology.links[e].cable for e in pair[0]} & {topology.links[e].cable for e in pair[1]}:
        yield "a cable is on both"


@pytest.mark.parametrize("by_node", [False, True])
@given(question=questions())
def test_pairs_are_the_cheapest_of_all(question: tuple[Topology, list[float]], by_node: bool) -> None:
    topology, weight = question
    search = pairs_of(topology, by_node=by_node)
    every = list(range(len(topology.nodes)))
    for source in every:
        for destination, pair in zip(every, search.cheapest(np.array(weight), source, every), strict=True):
            if destination == source:
                continue
            least = cheapest_by_trying(topology, weight, source, destination, by_node=by_node)
            if pair is None:
                assert least == np.inf
                continue
            assert not list(faults(topology, pair, source, destination, by_node=by_node))
            assert sum(weight[e] for e in (*pair[0], *pair[1])) == pytest.approx(least, abs=1e-9)


@given(question=questions(), free=st.lists(st.booleans(), min_size=40, max_size=40))
def test_free_links_may_be_on_both_paths(question: tuple[Topology, list[float]], free: list[bool]) -> None:
    topology, weight = question
    may_share = np.array([free[e] for e in range(len(topology.links))])
    search = DisjointPairs(link_graph(topology), np.arange(len(topology.links), dtype=np.int32), free=may_share)
    for source, destination in itertools.permutations(range(len(topology.nodes)), 2):
        (pair,) = search.cheapest(np.array(weight), source, [destination])
        pairs = itertools.combinations_with_replacement(simple_paths(topology, source, destination), 2)
        sums = [sum(weight[e] for e in (*a, *b)) for a, b in pairs if all(may_share[e] for e in set(a) & set(b))]
        assert (pair is None) == (not sums)
        if pair is not None:
            assert all(may_share[e] for e in set(pair[0]) & set(pair[1]))
            assert sum(weight[e] for e in (*pair[0], *pair[1])) == pytest.approx(min(sums), abs=1e-9)


def test_the_shortest_path_is_given_up_where_it_blocks_every_other() -> None:
    # The trap of Suurballe's paper: the shortest path a-b-c-d leaves no second one.
    topology = network(
        cable("a-b", 1.0), cable("b-c", 1.0), cable("c-d", 1.0), cable("a-c", 1.0), cable("b-d", 1.0)
    )  # fmt: skip
    weight = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 4.0])
    (pair,) = pairs_of(topology, by_node=False).cheapest(weight, 0, [3])
    assert pair is not None
    spelt = {"".join([topology.links[path[0]].source, *(topology.links[e].target for e in path)]) for path in pair}
    assert spelt == {"abd", "acd"}
