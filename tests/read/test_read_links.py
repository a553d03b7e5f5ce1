"""What readers make of links: ids, cables, directions, defaults, units."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from vbte.errors import InputError, InputWarning
from vbte.read import TopologyDefaults, read_topology
from vbte.topology import Link, Topology


def topology(*links: dict[str, Any], nodes: tuple[Any, ...] = ("a", "b", "c"), **options: Any) -> Topology:
    data = {"schema": "vbte.topology/1", "nodes": list(nodes), "links": list(links)}
    return read_topology(data, **options)


def link(source: str, target: str, **facts: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "capacity_gbps": 1, **facts}


def cables(links: tuple[Link, ...]) -> list[tuple[str, str | None]]:
    return [(each.id, each.cable) for each in links]


def test_the_ith_link_each_way_share_a_cable() -> None:
    links = topology(link("a", "b"), link("a", "b"), link("b", "a"), link("b", "a"), link("b", "a")).links
    assert cables(links) == [
        ("a>b", "a|b#1"),
        ("a>b#2", "a|b#2"),
        ("b>a", "a|b#1"),
        ("b>a#2", "a|b#2"),
        ("b>a#3", "a|b#3"),
    ]


def test_both_directions_of_one_record_share_a_cable_whatever_stands_before_it() -> None:
    links = topology(link("a", "b"), link("b", "a", bidirectional=True)).links
    assert cables(links) == [("a>b", "a|b#2"), ("b>a", "a|b#1"), ("a>b#2", "a|b#1")]


def test_stated_cables_are_kept_and_made_up_ones_keep_clear_of_them() -> None:
    links = topology(link("a", "b", cable="a|b#1"), link("b", "a"), link("a", "b")).links
    assert [each.cable for each in links] == ["a|b#1", "a|b#2", "a|b#2"]


def test_node_names_with_separators_do_not_merge_cables() -> None:
    data = (link("a|b", "c"), link("a", "b|c"))
    assert len({each.cable for each in topology(*data, nodes=("a|b", "c", "a", "b|c")).links}) == 2


def test_a_bidirectional_link_may_differ_by_direction() -> None:
    forward, backward = topology(
        link("a", "b", id="X", bidirectional=True, capacity_reverse_mbps=500, metric=3, interface="e1", srlgs=["s"])
    ).links
    assert (forward.id, forward.capacity_gbps, forward.metric, forward.interface) == ("X", 1.0, 3.0, "e1")
    assert (backward.id, backward.capacity_gbps, backward.metric, backward.interface) == ("X:reverse", 0.5, 3.0, None)
    assert forward.srlgs == backward.srlgs == ("s",)


def test_a_reverse_figure_on_a_one_way_link_is_an_error() -> None:
    with pytest.raises(InputError, match=r"links\[0\]: a _reverse figure on a one-way link"):
        topology(link("a", "b", capacity_reverse_gbps=1))


def test_made_up_ids_keep_clear_of_stated_ones() -> None:
    links = topology(link("a", "b"), link("b", "c", id="a>b")).links
    assert [each.id for each in links] == ["a>b#2", "a>b"]


def test_latency_follows_the_great_circle_where_it_is_not_stated() -> None:
    nodes = ({"id": "a", "latitude": 0, "longitude": 0}, {"id": "b", "latitude": 0, "longitude": 90}, "c")
    links = topology(link("a", "b"), link("a", "c"), link("b", "a", latency_us=7), nodes=nodes).links
    quarter_of_the_equator_km = 6371.0 * 3.141592653589793 / 2
    assert links[0].latency_ms == pytest.approx(quarter_of_the_equator_km * 0.005)
    assert (links[1].latency_ms, links[2].latency_ms) == (0.0, 0.007)


def test_stated_defaults_fill_the_gaps() -> None:
    bare = {"source": "a", "target": "b"}
    only = topology(bare, defaults=TopologyDefaults(capacity_gbps=5, metric=9, latency_ms=4)).links[0]
    assert (only.capacity_gbps, only.metric, only.latency_ms) == (5, 9, 4)


def test_a_default_capacity_for_part_of_the_links_is_said_aloud() -> None:
    with pytest.warns(InputWarning, match=r"1 of 2 links state no capacity; the default of 5 Gbit/s"):
        topology(link("a", "b"), {"source": "b", "target": "c"}, defaults=TopologyDefaults(capacity_gbps=5))


def test_every_default_used_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="vbte.read"):
        topology(link("a", "b", metric=2))
    assert [record.getMessage() for record in caplog.records] == [
        "topology: 1 of 1 links state no latency_ms; default used"
    ]


def test_a_missing_capacity_names_the_remedy() -> None:
    with pytest.raises(InputError, match=r"links\[0\]: link a -> b states no capacity.*--default-capacity"):
        topology({"source": "a", "target": "b"})


@pytest.mark.parametrize(
    ("key", "value", "gbps"),
    [
        ("capacity_bps", 2e9, 2),
        ("capacity_kbps", 9920000, 9.92),
        ("capacity_mbit/s", 500, 0.5),
        ("capacity_tbps", 1, 1000),
    ],
)
def test_capacity_keys_carry_any_unit(key: str, value: float, gbps: float) -> None:
    assert topology({"source": "a", "target": "b", key: value}).links[0].capacity_gbps == gbps


def test_units_at_the_top_apply_to_keys_without_one() -> None:
    data = {
        "schema": "vbte.topology/1",
        "units": {"bandwidth": "Mbps", "time": "us"},
        "nodes": ["a", "b"],
        "links": [{"source": "a", "target": "b", "capacity": 100, "latency": 250}],
    }
    only = read_topology(data).links[0]
    assert (only.capacity_gbps, only.latency_ms) == (0.1, 0.25)


def test_a_unit_from_the_caller_applies_to_keys_without_one() -> None:
    only = topology({"source": "a", "target": "b", "capacity": 7}, defaults=TopologyDefaults(capacity_unit="Tbps"))
    assert only.links[0].capacity_gbps == 7000


def test_a_figure_without_unit_names_the_remedy() -> None:
    with pytest.raises(InputError, match=r"links\[0\].capacity: capacity has no unit; write capacity_gbps, or state"):
        topology({"source": "a", "target": "b", "capacity": 7})
    with pytest.raises(InputError, match=r"latency has no unit.*--latency-unit"):
        topology(link("a", "b", latency=7))


def test_one_way_rows_and_both_way_rows_mix_in_csv() -> None:
    text = "source;target;capacity_gbps;one_way;srlgs;drained\na;b;10;true;s1 ; s2;yes\nb;c;5;false;;\n"
    text = text.replace("s1 ; s2", '"s1;s2"')
    links = read_topology(io.StringIO(text)).links
    assert [(each.source, each.target, each.srlgs, each.drained) for each in links] == [
        ("a", "b", ("s1", "s2"), True),
        ("b", "c", (), False),
        ("c", "b", (), False),
    ]


def test_zoo_link_speed_yields_to_a_stated_capacity() -> None:
    data = {
        "nodes": [{"id": 1}, {"id": 2}],
        "edges": [{"source": 1, "target": 2, "LinkSpeedRaw": 1e9, "capacity_gbps": 3}],
    }
    assert read_topology(data).links[0].capacity_gbps == 3.0


@pytest.mark.parametrize("defaults", [{"capacity_gbps": -1}, {"metric": float("nan")}, {"capacity_unit": "furlongs"}])
def test_impossible_defaults_are_rejected(defaults: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TopologyDefaults(**defaults)
