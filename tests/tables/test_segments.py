"""Paths to segment lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_toys import topology_of

from vbte.paths.igp import IgpRouting, igp_next_hops
from vbte.plan import PathSet
from vbte.tables.segments import segment_lists
from vbte.topology import Topology

CHAIN = {"a-b": 1, "b-c": 1, "c-d": 1, "d-e": 1, "a-e": 10}


def lists_of(topology: Topology, *paths: str) -> list[list[str]]:
    """Segments as text: a node id, or a link id in brackets. Paths name links."""
    links = [[topology.link_index[name] for name in path.split()] for path in paths]
    found = segment_lists(
        PathSet(
            np.cumsum([0, *map(len, links)]).astype(np.int64),
            np.array([link for path in links for link in path], dtype=np.int32),
            np.arange(len(paths), dtype=np.int32),
        ),
        igp_next_hops(topology),
    )
    words = [
        topology.nodes[at].id if is_node else f"[{topology.links[at].id}]"
        for is_node, at in zip(found.is_node.tolist(), found.position.tolist(), strict=True)
    ]
    return [words[first:last] for first, last in zip(found.start[:-1], found.start[1:], strict=True)]


def test_the_only_shortest_path_is_one_node_segment():
    assert lists_of(topology_of(CHAIN), "a-b b-c c-d d-e") == [["e"]]


def test_a_link_off_the_shortest_path_is_an_adjacency_segment():
    assert lists_of(topology_of(CHAIN), "a-e", "a-e e-d d-c") == [["[a-e]"], ["[a-e]", "c"]]


def test_equal_cost_paths_are_told_apart_by_a_node_between():
    topology = topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1})
    assert lists_of(topology, "a-b b-d", "a-c c-d") == [["b", "d"], ["c", "d"]]


def test_parallel_links_of_one_metric_are_told_apart_by_adjacency_segments():
    topology = topology_of({"a-b": 1, "a-b#2": 1, "b-c": 1})
    assert lists_of(topology, "a-b b-c", "a-b#2 b-c") == [["[a-b]", "c"], ["[a-b#2]", "c"]]


def test_of_parallel_links_with_two_metrics_the_cheaper_needs_no_adjacency_segment():
    topology = topology_of({"a-b": 1, "a-b#2": 2, "b-c": 1})
    assert lists_of(topology, "a-b b-c", "a-b#2 b-c") == [["c"], ["[a-b#2]", "c"]]


def test_a_path_may_turn_back_towards_where_it_came_from():
    topology = topology_of(CHAIN)
    assert lists_of(topology, "a-b b-c", "c-b b-a a-e") == [["c"], ["a", "[a-e]"]]


def test_no_paths_give_no_lists():
    assert lists_of(topology_of(CHAIN)) == []


def followed(routing: IgpRouting, source: int, segments: list[tuple[bool, int]]) -> list[int]:
    """What a network does with a segment list, hop by hop; fails where the IGP leaves a choice."""
    topology, node, passed = routing.topology, source, []
    for is_node, at in segments:
        if not is_node:
            assert topology.tail[at] == node
            passed.append(at)
            node = int(topology.head[at])
            continue
        while node != at:
            ways = np.flatnonzero(routing.tight[:, at] & (topology.tail == node))
            assert len(ways) == 1
            passed.append(int(ways[0]))
            node = int(topology.head[ways[0]])
    return passed


def pins(routing: IgpRouting, source: int, segments: list[tuple[bool, int]], links: list[int]) -> bool:
    try:
        return followed(routing, source, segments) == links
    except AssertionError:
        return False


def fewest_segments(routing: IgpRouting, links: list[int]) -> int:
    """Shortest way over cut points of the path, each piece one node segment or one link."""
    topology = routing.topology
    best = [0] + [99] * len(links)
    for end in range(1, len(links) + 1):
        best[end] = best[end - 1] + 1
        for begin in range(end):
            piece = links[begin:end]
            if pins(routing, int(topology.tail[piece[0]]), [(True, int(topology.head[piece[-1]]))], piece):
                best[end] = min(best[end], best[begin] + 1)
    return best[-1]


@st.composite
def networks_and_walks(draw):
    n_nodes = draw(st.integers(3, 7))
    cables = {}
    for a in range(n_nodes):
        for b in range(a):
            for mark in ("", "#2"):
                if (b == a - 1 and not mark) or draw(st.booleans()):
                    cables[f"{b}-{a}{mark}"] = draw(st.sampled_from([0, 1, 2, 3]))
    topology = topology_of(cables)
    node = draw(st.integers(0, n_nodes - 1))
    seen, links = {node}, []
    for _ in range(draw(st.integers(1, 6))):
        ahead = [at for at in np.flatnonzero(topology.tail == node).tolist() if int(topology.head[at]) not in seen]
        if not ahead:
            break
        links.append(draw(st.sampled_from(ahead)))
        node = int(topology.head[links[-1]])
        seen.add(node)
    return topology, links


@given(networks_and_walks())
def test_every_list_pins_its_path_with_as_few_segments_as_there_can_be(example):
    topology, links = example
    routing = igp_next_hops(topology)
    paths = PathSet(np.array([0, len(links)]), np.array(links, dtype=np.int32), np.zeros(1, dtype=np.int32))
    found = segment_lists(paths, routing)
    segments = list(zip(found.is_node.tolist(), found.position.tolist(), strict=True))
    assert followed(routing, int(topology.tail[links[0]]), segments) == links
    if topology.metric.min() > 0:
        assert len(segments) == fewest_segments(routing, links)


@pytest.mark.parametrize("transit", [True, False])
def test_a_node_that_may_not_be_passed_is_never_a_reason_for_ambiguity(transit):
    from vbte.topology import Node

    topology = topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1}, nodes=[Node("c", transit=transit)])
    assert lists_of(topology, "a-b b-d") == [["b", "d"] if transit else ["d"]]
