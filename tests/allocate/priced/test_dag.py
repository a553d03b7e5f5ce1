"""Traffic down a network without cycles, and the paths it is cut into: nothing is lost, and all of it arrives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import FloatArray, Question, asked, questions
from toys import cable, demands, diamond, link, model, network

from vbte.allocate.priced.dag import DagSpread, DestinationDag
from vbte.allocate.priced.market import Group
from vbte.allocate.priced.pieces import WHOLE_SHARE, cut_into_paths
from vbte.allocate.priced.routing import AllPaths
from vbte.instance import Instance
from vbte.plan import PathSet


def spread_of(group: Group, weight: FloatArray, temperature: float, moved: float = 0.0) -> DagSpread:
    """Spread over the near-shortest links; prices then rise by up to ``moved`` of themselves."""
    distance = AllPaths(group).spread(weight, temperature).from_to()
    dag = DestinationDag(group, distance, weight, temperature)
    rise = 1.0 + moved * np.random.default_rng(5).random(len(weight))
    return dag.spread(weight * rise, temperature)


@st.composite
def spreads(draw: st.DrawFn) -> tuple[Instance, DagSpread, FloatArray]:
    """A group of a random question under random prices, and what its commodities send (G,)."""
    question: Question = draw(questions())
    of = asked(question)
    group = of.groups[0]
    chance = np.random.default_rng(draw(st.integers(0, 999)))
    temperature = draw(st.sampled_from([0.01, 0.1, 0.3]))
    # At twice the temperature or more no walk to and fro is worth its while.
    weight = chance.uniform(2.0 * temperature, 2.0 * temperature + 0.5, of.n_links)
    flow = of.problem.most_gbps[group.commodities].astype(np.float32)
    return of.problem.instance, spread_of(group, weight, temperature, moved=draw(st.sampled_from([0.0, 0.3]))), flow


@settings(max_examples=40)
@given(spreads())
def test_arcs_have_no_cycles_and_come_in_the_order_of_the_waves(case: tuple[Instance, DagSpread, FloatArray]) -> None:
    dag = case[1].dag
    graph: Any = nx.DiGraph(list(zip(dag.tail.tolist(), dag.head.tolist(), strict=True)))
    assert nx.is_directed_acyclic_graph(graph)
    wave = np.repeat(np.arange(dag.n_waves), np.diff(dag.wave))
    leaves = dict(zip(dag.tail.tolist(), wave.tolist(), strict=True))
    assert all(wave[arc] < leaves.get(int(dag.head[arc]), dag.n_waves) for arc in range(len(dag.link)))
    # No arc was lost to a cycle when they were put into order, and links join what the cells say.
    width, vertices = len(dag.destinations), dag.group.graph
    of_link = {int(i): (int(t), int(h)) for i, t, h in zip(vertices.links, vertices.tail, vertices.head, strict=True)}
    for tail, head, position in zip(dag.tail.tolist(), dag.head.tolist(), dag.link.tolist(), strict=True):
        assert (tail // width, head // width) == of_link[position]
        assert tail % width == head % width


@settings(max_examples=40)
@given(spreads())
def test_all_that_is_sent_flows_down_the_arcs_and_arrives(case: tuple[Instance, DagSpread, FloatArray]) -> None:
    instance, spread, flow = case
    dag = spread.dag
    on_arc = spread.arc_flow(flow)
    assert (on_arc >= 0).all()
    net = np.bincount(dag.head, weights=on_arc, minlength=dag.n_cells)
    net -= np.bincount(dag.tail, weights=on_arc, minlength=dag.n_cells)
    net += np.bincount(dag.source_cell, weights=flow, minlength=dag.n_cells)
    arriving = np.zeros(dag.n_cells)
    np.add.at(arriving, dag.arrival_cell[np.searchsorted(dag.destinations, dag.group.destination)], flow)
    assert net == pytest.approx(arriving, abs=1e-5 * (1 + float(flow.sum())))
    loads = np.bincount(dag.link, weights=on_arc, minlength=len(instance.topology.links))
    assert spread.link_loads(flow) == pytest.approx(loads)


@settings(max_examples=30)
@given(spreads())
def test_the_value_of_the_arcs_has_the_link_loads_as_its_slope(case: tuple[Instance, DagSpread, FloatArray]) -> None:
    instance, spread, flow = case
    dag, temperature = spread.dag, 0.3
    weight = np.random.default_rng(1).uniform(0.6, 1.1, len(instance.topology.links))
    loads = dag.spread(weight, temperature).link_loads(flow)
    for position in np.unique(dag.link).tolist():
        nudge = np.where(np.arange(len(weight)) == position, 1e-3, 0.0)
        up, down = (dag.spread(weight + s * nudge, temperature).value[dag.source_cell] @ flow for s in (1, -1))
        assert loads[position] == pytest.approx((up - down) / 2e-3, abs=1e-4 * (1 + float(flow.sum())))


def assert_paths(instance: Instance, group: Group, paths: PathSet) -> None:
    """Every piece joins its ends over allowed links, visits no node twice and passes none that is closed."""
    topology = instance.topology
    for position in range(len(paths)):
        links, k = paths[position], int(paths.commodity[position])
        rules = instance.rules[instance.class_index[k]]
        assert k in group.commodities
        nodes = [int(topology.tail[links[0]]), *(int(node) for node in topology.head[links])]
        assert (nodes[0], nodes[-1]) == (instance.source[k], instance.destination[k])
        assert topology.tail[links].tolist() == nodes[:-1]
        assert len(set(nodes)) == len(nodes)
        assert rules.link_allowed[links].all()
        assert rules.transit[nodes[1:-1]].all()


@settings(max_examples=60)
@given(spreads(), st.sampled_from([0.1, 1.0, 1e6]), st.integers(0, 9))
def test_pieces_are_paths_that_carry_what_was_sent_with_the_loads_of_the_arcs(
    case: tuple[Instance, DagSpread, FloatArray], room: float, seed: int
) -> None:
    """Where room is short pieces are divided, where it is plenty each goes whole one way, by chance."""
    instance, spread, flow = case
    group = spread.dag.group
    rooms = np.full(len(instance.topology.links), room)
    paths, amount = cut_into_paths(spread, flow, rooms, seed)
    assert_paths(instance, group, paths)
    assert (np.diff(paths.commodity) >= 0).all()
    assert (amount > 0).all()
    carried = np.bincount(paths.commodity, weights=amount, minlength=instance.n_commodities)
    assert carried[group.commodities] == pytest.approx(flow, rel=1e-5)
    if room < 1e6:
        # Parts of less than a thousandth stay with the largest, at every fork.
        loads = np.bincount(paths.links, weights=np.repeat(amount, paths.hops), minlength=len(rooms))
        assert loads == pytest.approx(spread.link_loads(flow), abs=0.01 * float(flow.sum()))
    again = cut_into_paths(spread, flow, rooms, seed)
    assert (again[0].links.tobytes(), again[1].tobytes()) == (paths.links.tobytes(), amount.tobytes())


def one_commodity(volume: float = 8.0) -> tuple[Instance, DagSpread]:
    """From a to d over both ways of the diamond, b's a little cheaper, at a temperature that gives it two thirds."""
    of = asked((diamond(), demands(("a", "d", volume)), model()))
    weight = np.array([1.0 if "b" in one.id else 1.0 + 0.05 * np.log(2) for one in diamond().links])
    return of.problem.instance, spread_of(of.groups[0], weight, 0.1)


def test_a_large_piece_is_divided_as_the_shares_say() -> None:
    instance, spread = one_commodity()
    paths, amount = cut_into_paths(spread, np.array([9.0], dtype=np.float32), np.full(8, 10.0), 0)
    names = [" ".join(instance.topology.links[i].id for i in paths[p]) for p in range(len(paths))]
    assert dict(zip(names, amount.tolist(), strict=True)) == pytest.approx({"a>b b>d": 6.0, "a>c c>d": 3.0}, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_small_piece_goes_whole(seed: int) -> None:
    _, spread = one_commodity()
    small = 0.9 * WHOLE_SHARE * 10.0
    paths, amount = cut_into_paths(spread, np.array([small], dtype=np.float32), np.full(8, 10.0), seed)
    assert (len(paths), amount.tolist()) == (1, pytest.approx([small]))


def test_which_way_a_small_piece_goes_is_a_matter_of_chance_in_proportion() -> None:
    """Two thirds of 300 seeds take the cheaper way; the same seed takes the same way."""
    instance, spread = one_commodity()
    flow = np.array([1e-6], dtype=np.float32)
    ways = [instance.topology.links[cut_into_paths(spread, flow, np.full(8, 10.0), seed)[0].links[0]].id
            for seed in range(300)]  # fmt: skip
    assert ways.count("a>b") == pytest.approx(200, abs=30)
    assert ways.count("a>b") + ways.count("a>c") == 300


def test_many_small_pieces_keep_to_the_shares_between_them() -> None:
    """A hundred small demands of one cell share one strip, and only the piece at its cut is in doubt."""
    names = [f"s{i:02d}" for i in range(99)]
    topology = network([one for name in names for one in cable(f"{name}-a", 1)], *[diamond().links])
    of = asked((topology, demands(*[(name, "d", 1e-4) for name in names]), model()))
    weight = np.array([1.0 if "c" not in one.id else 1.0 + 0.05 * np.log(2) for one in topology.links])
    spread = spread_of(of.groups[0], weight, 0.1)
    paths, amount = cut_into_paths(spread, np.full(99, 1.0, dtype=np.float32), np.full(len(weight), 1e5), 3)
    assert len(paths) == 99
    loads = np.bincount(paths.links, weights=np.repeat(amount, paths.hops), minlength=len(weight))
    over_b = next(i for i, one in enumerate(topology.links) if one.id == "a>b")
    assert loads[over_b] == pytest.approx(66, abs=1)


def test_paths_longer_than_the_table_of_steps_grow_it() -> None:
    """A chain of 70 links, twice the columns that a table starts with."""
    names = [f"n{i:02d}" for i in range(71)]
    topology = network([link(f"{a}>{b}", 1) for a, b in pairwise(names)])
    of = asked((topology, demands(("n00", "n70", 1.0), ("n00", "n01", 1.0)), model()))
    spread = spread_of(of.groups[0], np.full(70, 0.1), 0.01)
    paths, amount = cut_into_paths(spread, np.ones(2, dtype=np.float32), np.ones(70), 0)
    assert sorted(paths.hops.tolist()) == [1, 70]
    assert amount.tolist() == [1.0, 1.0]
    assert_paths(of.problem.instance, of.groups[0], paths)


def test_who_sends_nothing_gets_no_path() -> None:
    _, spread = one_commodity()
    paths, amount = cut_into_paths(spread, np.zeros(1, dtype=np.float32), np.full(8, 10.0), 0)
    assert (len(paths), len(amount)) == (0, 0)


def test_arcs_that_would_get_next_to_nothing_are_left_out() -> None:
    """At a temperature of 0.02 the way over c, 0.1 dearer, would get less than 1 in 100."""
    of = asked((diamond(), demands(("a", "d", 1)), model()))
    weight = np.array([1.0 if "b" in one.id else 1.05 for one in diamond().links])
    links = diamond().links
    assert {links[i].id for i in spread_of(of.groups[0], weight, 0.02).dag.link} >= {"a>b", "b>d"}
    assert "a>c" not in {links[i].id for i in spread_of(of.groups[0], weight, 0.02).dag.link}
    assert "a>c" in {links[i].id for i in spread_of(of.groups[0], weight, 0.05).dag.link}


def test_a_group_without_arcs_sends_nothing_and_has_no_waves() -> None:
    of = asked((diamond(), demands(("a", "d", 1)), model()))
    # Far from everything: as where no path leads to the destination.
    far = np.full((4, 4), 1e6, dtype=np.float32)
    dag = DestinationDag(replace(of.groups[0]), far, np.ones(8), 0.1)
    spread = dag.spread(np.ones(8), 0.1)
    assert dag.n_waves == 0
    assert spread.link_loads(np.ones(1, dtype=np.float32)).tolist() == [0.0] * 8
    assert len(cut_into_paths(spread, np.ones(1, dtype=np.float32), np.ones(8), 0)[0]) == 0
