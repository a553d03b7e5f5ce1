"""The IGP's own way, followed for all commodities at once, held against following it for one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, demands, instance, link, model, network

from vbte.instance import ClassRules, Instance
from vbte.paths.igp import IgpRouting, igp_next_hops
from vbte.tables import fallback
from vbte.tables.fallback import igp_serves, igp_ways
from vbte.topology import Topology

NODES = "abcdefx"

#: Rules of a class: none, on links and nodes, on whole paths, on their number.
RULES: tuple[dict[str, Any], ...] = (
    {}, {"avoid": {"nodes": ["b"]}}, {"avoid": {"links": ["b>c"]}}, {"latency_bound_ms": 2.5}, {"hop_bound": 2},
    {"require": {"nodes": ["e"]}}, {"require": {"links": ["a>b"]}}, {"max_paths": 1},
)  # fmt: skip


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """A ladder of equal-cost ways, some of them of another metric; a parallel link, and a node that nothing reaches."""
    metric = st.sampled_from([1.0, 1.0, 1.0, 2.0])
    ends = ("a-b", "b-c", "d-e", "e-f", "a-d", "b-e", "c-f")
    cables = [cable(pair, 1, metric=draw(metric)) for pair in ends]
    twin = link("a>b", 1, id="a>b twin", metric=draw(metric))
    return network(*cables, twin, nodes={"x": {}, "e": {"transit": draw(st.booleans())}})


@st.composite
def questions(draw: st.DrawFn) -> Instance:
    classes = [{"name": name, **draw(st.sampled_from(RULES))} for name in ("gold", "bulk")]
    pairs = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1])
    rows = draw(st.lists(st.tuples(pairs, st.sampled_from(["gold", "bulk"])), min_size=1, max_size=8))
    asked = demands(*[(*pair, 1.0, {"class": name}) for pair, name in rows])
    return instance(draw(topologies()), asked, model(classes=classes, default_class="bulk"))


def way_of(routing: IgpRouting, source: int, egress: int) -> tuple[list[int], bool]:
    """Links met by following equal-cost next hops from one node, and whether they are one path."""
    topology = routing.topology
    front, seen, links = [source], {source}, []
    while front:
        node = front.pop()
        if node == egress:
            continue
        out = [at for at in range(len(topology.links)) if routing.tight[at, egress] and topology.tail[at] == node]
        links.extend(out)
        ahead = {int(topology.head[at]) for at in out} - seen
        seen |= ahead
        front.extend(sorted(ahead))
    return links, bool(links) and len(links) == len(seen) - 1


def keeps(topology: Topology, rules: ClassRules, way: tuple[list[int], bool], source: int, egress: int) -> bool:
    """Whether one way keeps a class's rules."""
    links, is_single = way
    policy, passed = rules.policy, {int(topology.head[at]) for at in links} - {egress}
    if not links or not all(rules.link_allowed[links]) or not all(rules.transit[sorted(passed)]):
        return False
    if not rules.depends_on_path and not policy.needs_integers:
        return True
    return bool(
        is_single
        and (policy.latency_bound_ms is None or topology.latency_ms[links].sum() <= policy.latency_bound_ms)
        and (policy.hop_bound is None or len(links) <= policy.hop_bound)
        and set(rules.must_nodes) <= passed | {source, egress}
        and set(rules.must_links) <= set(links)
    )


@given(questions(), st.sampled_from([1, 20, 4_000_000]))
def test_all_ways_at_once_are_those_followed_one_by_one(question, block_entries):
    routing = igp_next_hops(question.topology)
    every = np.arange(question.n_commodities, dtype=np.int32)
    fallback._BLOCK_ENTRIES, before = block_entries, fallback._BLOCK_ENTRIES
    try:
        ways, serves = igp_ways(routing, question, every), igp_serves(routing, question, every)
    finally:
        fallback._BLOCK_ENTRIES = before
    for at, (source, egress) in enumerate(zip(question.source.tolist(), question.destination.tolist(), strict=True)):
        links, is_single = way = way_of(routing, source, egress)
        found = ways.links[at].tolist()
        assert (found if is_single else sorted(found)) == (links if is_single else sorted(links))
        assert ways.is_single[at] == is_single
        rules = question.rules[question.class_index[at]]
        assert serves[at] == keeps(question.topology, rules, way, source, egress)


def test_no_commodities_have_no_ways():
    question = instance(network(cable("a-b", 1)), demands(("a", "b", 1.0)), model())
    ways = igp_ways(igp_next_hops(question.topology), question, np.empty(0, dtype=np.int32))
    assert (len(ways.links), ways.is_single.tolist()) == (0, [])
