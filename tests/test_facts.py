"""Topologies, demand matrices and units: what they refuse, and how they say so."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, demands, diamond, link, network

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.topology import Link, Node, Topology
from vbte.units import GBPS_PER_UNIT, MS_PER_UNIT, format_gbps, gbps_factor, ms_factor

A_AND_B = (Node("a"), Node("b"))


def rejected(*links: Link, nodes: tuple[Node, ...] = A_AND_B) -> str:
    with pytest.raises(InputError) as caught:
        Topology(nodes, links, origin="net.yaml")
    return str(caught.value)


def test_a_node_id_that_appears_twice_is_refused_by_name():
    assert rejected(nodes=(Node("a"), Node("b"), Node("b"))) == "net.yaml: node id 'b' appears twice"


def test_a_link_id_that_appears_twice_is_refused_by_name():
    assert rejected(link("a>b", 1, id="x"), link("b>a", 1, id="x")) == "net.yaml: link id 'x' appears twice"


def test_a_topology_without_nodes_is_refused():
    assert rejected(nodes=()) == "net.yaml: no nodes; a topology has at least one node"


@pytest.mark.parametrize("ends", ["a>q", "q>a"])
def test_a_link_to_or_from_a_node_that_is_not_there_is_refused(ends):
    fault = rejected(link(ends, 1, id="x"))
    assert fault == "net.yaml: link 'x': unknown node 'q'; list the node or mend the name"


def test_a_link_from_a_node_to_itself_is_refused():
    assert rejected(link("a>a", 1, id="x")) == "net.yaml: link 'x': joins a node to itself; remove the self-loop"


@pytest.mark.parametrize("figure", ["capacity_gbps", "metric", "latency_ms", "cost_per_gbps"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, -math.inf])
def test_a_figure_of_a_link_that_is_negative_or_not_finite_is_refused(figure, value):
    broken = dataclasses.replace(link("a>b", 1, id="x"), **{figure: value})
    assert rejected(broken) == f"net.yaml: link 'x': {figure} is {value}; a figure of 0 or more is needed"


def test_figures_of_zero_are_fine_and_a_link_without_capacity_is_not_usable():
    topology = Topology(A_AND_B, (Link("x", "a", "b", 0.0, 0.0, 0.0, 0.0), link("b>a", 1)))
    assert topology.usable.tolist() == [False, True]


def test_arrays_follow_the_order_of_links_and_nodes_given():
    topology = network(
        link("b>a", 2, 3, metric=5, cost_per_gbps=7), link("a>c", 4, 6, drained=True),
        nodes={"b": {"transit": False}, "c": {"drained": True}},
    )  # fmt: skip
    assert topology.node_index == {"a": 0, "b": 1, "c": 2}
    assert topology.link_index == {"b>a": 0, "a>c": 1}
    assert topology.tail.tolist() == [1, 0]
    assert topology.head.tolist() == [0, 2]
    assert topology.capacity_gbps.tolist() == [2, 4]
    assert topology.latency_ms.tolist() == [3, 6]
    assert topology.metric.tolist() == [5, 1]
    assert topology.cost_per_gbps.tolist() == [7, 0]
    assert topology.usable.tolist() == [True, False]
    assert topology.transit.tolist() == [True, False, False]


@pytest.mark.parametrize("fact", [Node("a"), link("a>b", 1), diamond(), demands(("a", "b", 1.0))])
def test_facts_do_not_change(fact):
    name = dataclasses.fields(fact)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fact, name, "other")


def matrix(source: list[int], destination: list[int], volume_gbps: list[float], **facts) -> DemandMatrix:
    ends = (np.array(end, dtype=np.int32) for end in (source, destination))
    return DemandMatrix(("a", "b"), *ends, np.array(volume_gbps, dtype=np.float64), **facts)


@pytest.mark.parametrize(("volume", "shown"), [(-3.0, "-3"), (math.nan, "nan"), (math.inf, "inf")])
def test_a_volume_that_is_negative_or_not_finite_is_refused_at_its_line(volume, shown):
    with pytest.raises(InputError) as caught:
        matrix([0, 1], [1, 0], [1.0, volume], origin="week.csv", line=np.array([2, 17]))
    assert str(caught.value) == f"week.csv:17: demand b -> a has volume {shown} Gbit/s; a volume is 0 or more"


def test_a_demand_from_a_node_to_itself_is_refused_at_its_line():
    with pytest.raises(InputError) as caught:
        matrix([0, 1], [1, 1], [1.0, 1.0], origin="week.csv", line=np.array([2, 3]))
    assert str(caught.value) == "week.csv:3: demand b -> b joins a node to itself"


@pytest.mark.parametrize("lengths", [(1, 2, 2), (2, 1, 2), (2, 2, 1)])
def test_columns_of_different_lengths_are_refused(lengths):
    with pytest.raises(InputError, match="differ in length"):
        matrix([0, 0][: lengths[0]], [1, 1][: lengths[1]], [1.0, 1.0][: lengths[2]])


def test_a_volume_of_zero_is_a_volume():
    assert matrix([0], [1], [0.0]).total_gbps == 0


def test_a_matrix_knows_its_size_total_and_places():
    found = demands(("a", "b", 1.5), ("b", "c", 2.5))
    assert len(found) == 2
    assert found.total_gbps == 4
    assert found.describe(1) == "b -> c"
    assert found.place(1) == "demands.csv:2"
    assert matrix([0], [1], [1.0], origin="in memory").place(0) == "in memory"


def test_aligned_finds_the_nodes_in_a_topology_that_orders_them_otherwise():
    topology = Topology((Node("c"), Node("b"), Node("a")), tuple(cable("a-b", 1)))
    source, destination = demands(("a", "b", 1.0), ("c", "a", 1.0)).aligned(topology)
    assert source.tolist() == [2, 0]
    assert destination.tolist() == [1, 2]


@pytest.mark.parametrize(("ends", "unknown"), [(("a", "q"), "q"), (("q", "a"), "q"), (("p", "q"), "p")])
def test_a_demand_of_an_unknown_node_is_refused_with_file_and_line(ends, unknown):
    wanted = demands(("a", "b", 1.0), ("b", "d", 1.0), (*ends, 1.0))
    with pytest.raises(InputError) as caught:
        wanted.aligned(diamond())
    fault = f"demand {ends[0]} -> {ends[1]}: unknown node {unknown!r}; use a node of topology"
    assert str(caught.value) == f"demands.csv:3: {fault}"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("bps", 1e-9), ("kbit/s", 1e-6), ("Mbps", 1e-3), ("MBIT/S", 1e-3), (" Gbps ", 1.0), ("tbps", 1e3)],
)
def test_bandwidth_units_of_any_case_become_gbps(unit, factor):
    assert gbps_factor(unit) == factor


@pytest.mark.parametrize(("unit", "factor"), [("s", 1e3), ("MS", 1.0), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6)])
def test_time_units_of_any_case_become_ms(unit, factor):
    assert ms_factor(unit) == factor


@pytest.mark.parametrize("unit", ["", "bytes", "GB/s", "gbps2", "ms"])
def test_an_unknown_bandwidth_unit_is_refused_with_those_there_are(unit):
    with pytest.raises(InputError) as caught:
        gbps_factor(unit, place="net.yaml:2")
    assert str(caught.value) == f"net.yaml:2: unknown bandwidth unit {unit!r}; use bps, kbps, Mbps, Gbps or Tbps"


@pytest.mark.parametrize("unit", ["", "min", "Gbps"])
def test_an_unknown_time_unit_is_refused_with_those_there_are(unit):
    with pytest.raises(InputError) as caught:
        ms_factor(unit, place="net.yaml:2")
    assert str(caught.value) == f"net.yaml:2: unknown time unit {unit!r}; use s, ms, us or ns"


def test_every_unit_is_listed_in_lower_case_or_could_not_be_found():
    assert all(unit == unit.lower() for unit in (*GBPS_PER_UNIT, *MS_PER_UNIT))


@pytest.mark.parametrize(
    ("volume_gbps", "text"),
    [
        (0.0, "0 bit/s"),
        (2.4849, "2.48 Gbit/s"),
        (1.0, "1 Gbit/s"),
        (0.5, "500 Mbit/s"),
        (0.9999, "1 Gbit/s"),
        (0.9994, "999 Mbit/s"),
        (999.6, "1 Tbit/s"),
        (1500.0, "1.5 Tbit/s"),
        (2_500_000.0, "2500 Tbit/s"),
        (1e-6, "1 kbit/s"),
        (1.5e-8, "15 bit/s"),
        (-0.25, "-250 Mbit/s"),
        (123.456, "123 Gbit/s"),
    ],
)
def test_a_volume_is_shown_in_the_unit_that_reads_best(volume_gbps, text):
    assert format_gbps(volume_gbps) == text


@given(st.floats(1e-9, 9.9e5))
def test_what_is_shown_is_within_half_a_percent_and_never_in_powers_of_ten(volume_gbps):
    figure, unit = format_gbps(volume_gbps).split()
    assert "e" not in figure
    assert float(figure) * gbps_factor(unit) == pytest.approx(volume_gbps, rel=5.1e-3)
    assert 1 <= float(figure) < 1000
