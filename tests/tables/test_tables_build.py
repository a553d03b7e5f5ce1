"""Plans to tables: what each device holds, and what can't be held."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_toys import (
    DIAMOND,
    diamond,
    matrix_of,
    model_of,
    plan_of,
    topology_of,
    two_classes,
    two_tenants,
    walk_plan,
)

from vbte.errors import InputError
from vbte.instance import build_instance
from vbte.paths.igp import igp_loads
from vbte.plan import EngineReport, PathSet, Plan, Reason, Termination
from vbte.policy import Require, Split, TrafficClass
from vbte.tables.build import build_tables, igp_tables
from vbte.tables.walk import compare, offered_traffic, walk
from vbte.topology import Link, Node, Topology

BOTH = pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])


def group(tables, device, name):
    found = next(item for item in tables.devices[device]["next_hop_groups"] if item["id"] == name)
    return {member["next_hop"]: member["weight"] for member in found["members"]}


def route(tables, device, egress, tenant=""):
    return next(
        item
        for item in tables.devices[device]["routes"]
        if item["egress"] == egress and item["label"] is None and item["tenant"] == tenant
    )


def gaps(tables):
    return {name: device["cannot_realise"] for name, device in tables.devices.items() if device["cannot_realise"]}


def test_a_head_end_splits_over_segment_lists_by_the_plans_shares():
    tables = build_tables(diamond("source-routed"))
    assert group(tables, "a", "d/default/") == {"segments:d": 3, "segments:c,d": 1}
    assert group(tables, "b", "d/default/") == {"segments:d": 1}
    assert route(tables, "a", "d")["group"] == "d/default/"


def test_hop_by_hop_devices_split_over_links_by_egress_and_class():
    tables = build_tables(diamond("hop-by-hop"))
    assert group(tables, "a", "d/default") == {"link:a-b": 3, "link:a-c": 1}
    assert group(tables, "b", "d/default") == {"link:b-d": 1}
    assert route(tables, "d", "d")["group"] == "local"


@BOTH
def test_the_walk_of_a_plan_carries_what_the_plan_carries(realisation):
    plan = diamond(realisation)
    report = walk_plan(plan)
    assert compare(report, plan).agrees
    assert report.link_load_gbps == pytest.approx(plan.link_load_gbps[0])
    assert report.delivered_gbps == pytest.approx([11.0])


@BOTH
def test_admitted_volumes_are_stated_and_the_walk_lets_no_more_in(realisation):
    tables = build_tables(diamond(realisation))
    assert route(tables, "c", "a")["demands"] == {
        "count": 1, "offered_bps": 4_000_000_000, "admitted_bps": 2_000_000_000, "admitted_share": 0.5
    }  # fmt: skip
    report = walk_plan(diamond(realisation), tables)
    assert report.offered_gbps == pytest.approx([13.0])
    assert report.admitted_gbps == pytest.approx([11.0])


@BOTH
def test_a_demand_of_which_nothing_is_admitted_keeps_a_route_that_discards(realisation):
    topology = topology_of(DIAMOND)
    instance = build_instance(
        topology, [matrix_of(topology, [("a", "d", 2.0), ("b", "d", 1.0)])], model_of(realisation)
    )
    plan = plan_of(instance, [("a b d", 2.0)])
    tables = build_tables(plan)
    found = route(tables, "b", "d")
    assert found["demands"]["admitted_bps"] == 0
    # Hop by hop, b passes on what comes from a, and polices its own demand to nothing.
    assert found["group"] == ("d/default" if realisation == "hop-by-hop" else None)
    report = walk_plan(plan, tables)
    assert compare(report, plan).agrees
    assert report.admitted_gbps == pytest.approx([2.0])


@BOTH
def test_tenants_have_routes_of_their_own(realisation):
    plan = two_tenants(realisation)
    tables = build_tables(plan)
    names = {item["network_instance"] for item in tables.devices["a"]["routes"] if item["label"] is None}
    assert names == {"tenant-red", "tenant-blue"}
    report = walk_plan(plan, tables)
    assert not report.faults
    assert report.delivered_gbps == pytest.approx([6.0])


def test_a_tenants_label_tells_the_egress_where_to_deliver():
    tables = build_tables(two_tenants("source-routed"))
    label = {tenant: route(tables, "a", "d", tenant)["service_label"] for tenant in ("red", "blue")}
    assert label == {"blue": 900_000, "red": 900_001}
    sids = {
        sid["label"]: sid["network_instance"] for sid in tables.devices["d"]["local_sids"] if sid["kind"] == "tenant"
    }
    assert sids == {900_000: "tenant-blue", 900_001: "tenant-red"}
    assert route(tables, "b", "d")["service_label"] is None


def test_hop_by_hop_tenants_share_the_split_of_their_class():
    plan = two_tenants("hop-by-hop")
    tables = build_tables(plan)
    assert group(tables, "a", "d/default") == {"link:a-b": 2, "link:a-c": 3}
    report = walk_plan(plan, tables)
    assert report.link_load_gbps == pytest.approx(plan.link_load_gbps[0])


def test_routes_of_a_tenant_stand_only_where_its_traffic_comes_by():
    tables = build_tables(two_tenants("hop-by-hop"))
    assert {r["tenant"] for r in tables.devices["c"]["routes"]} == {"blue", "red"}
    alone = topology_of(DIAMOND)
    rows = [("a", "d", 2.0, "", "red"), ("c", "d", 3.0, "", "blue")]
    instance = build_instance(alone, [matrix_of(alone, rows)], model_of("hop-by-hop"))
    tables = build_tables(plan_of(instance, [("a b d", 2.0, "", "red"), ("c d", 3.0, "", "blue")]))
    assert {r["tenant"] for r in tables.devices["c"]["routes"]} == {"blue"}
    assert {r["tenant"] for r in tables.devices["b"]["routes"]} == {"red"}


@BOTH
def test_classes_may_take_different_ways(realisation):
    topology = topology_of(DIAMOND)
    instance = build_instance(
        topology, [matrix_of(topology, [("a", "d", 2.0, "gold"), ("a", "d", 3.0, "bulk")])], two_classes(realisation)
    )
    plan = plan_of(instance, [("a b d", 2.0, "gold"), ("a c d", 3.0, "bulk")])
    report = walk_plan(plan)
    assert compare(report, plan).agrees
    assert report.class_link_load_gbps == pytest.approx(plan.class_link_load_gbps[0])


@BOTH
def test_parallel_links_are_split_one_by_one(realisation):
    topology = topology_of({"a-b": 1, "a-b#2": 1})
    instance = build_instance(topology, [matrix_of(topology, [("a", "b", 5.0)])], model_of(realisation))
    plan = plan_of(instance, [("a-b", 4.0), ("a-b#2", 1.0)])
    tables = build_tables(plan)
    report = walk_plan(plan, tables)
    assert report.link_load_gbps[topology.link_index["a-b#2"]] == pytest.approx(1.0)


@BOTH
def test_a_path_listed_twice_is_written_once(realisation):
    topology = topology_of(DIAMOND)
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 8.0)])], model_of(realisation))
    plan = plan_of(instance, [("a b d", 4.0), ("a b d", 2.0), ("a c d", 2.0)])
    tables = build_tables(plan)
    assert sorted(next(iter(group(tables, "a", g).values())) for g in ("d/default", "d/default/") if any(
        item["id"] == g for item in tables.devices["a"]["next_hop_groups"])) in ([1], [3])  # fmt: skip
    assert compare(walk_plan(plan, tables), plan).agrees


@BOTH
def test_several_matrices_share_one_set_of_tables(realisation):
    topology = topology_of(DIAMOND)
    day = matrix_of(topology, [("a", "d", 8.0), ("b", "d", 1.0)])
    night = matrix_of(topology, [("a", "d", 2.0), ("b", "d", 3.0), ("c", "a", 1.0)])
    instance = build_instance(topology, [day, night], model_of(realisation))
    plan = plan_of(instance, [("a b d", 6.0), ("a c d", 2.0), ("b d", 3.0), ("c a", 1.0)])
    tables = build_tables(plan)
    assert len(tables.manifest["inputs"]["demands"]) == 2
    for matrix in (0, 1):
        assert compare(walk_plan(plan, tables, matrix), plan, matrix).agrees


def test_the_stated_error_of_a_link_is_the_walks_deviation():
    topology = topology_of(DIAMOND)
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 10.0)])], model_of(max_weight=1))
    plan = plan_of(instance, [("a b d", 6.0), ("a c d", 4.0)])
    tables = build_tables(plan)
    # With weights up to 1, half and half is as close to 6 : 4 as it gets: 1 Gbit/s more on a-c, less on a-b.
    assert tables.manifest["max_quantisation_error"] == pytest.approx(0.1)
    assert tables.manifest["link_error_bps"] == dict.fromkeys(("a-b", "a-c", "b-d", "c-d"), 1_000_000_000)
    assert tables.manifest["max_link_error_bps"] == 1_000_000_000
    found = compare(walk_plan(plan, tables), plan)
    assert found.agrees
    assert found.max_deviation_gbps == pytest.approx(1.0)


@BOTH
def test_circular_flow_is_cancelled_hop_by_hop_and_kept_source_routed(realisation):
    # Two sources whose paths to d pass b-c in opposite directions.
    topology = topology_of({"a-b": 1, "b-c": 1, "c-d": 1, "b-d": 1, "e-c": 1})
    rows = [("a", "d", 2.0), ("e", "d", 3.0)]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of(realisation))
    plan = plan_of(instance, [("a b c d", 2.0), ("e c b d", 3.0)])
    tables = build_tables(plan)
    report = walk_plan(plan, tables)
    load = dict(zip(topology.link_index, report.link_load_gbps.tolist(), strict=True))
    if realisation == "source-routed":
        assert (load["b-c"], load["c-b"]) == (2.0, 3.0)
    else:
        assert (load["b-c"], load["c-b"]) == (0.0, pytest.approx(1.0))
        assert (load["b-d"], load["c-d"]) == (pytest.approx(3.0), pytest.approx(2.0))
        assert (report.link_load_gbps <= plan.link_load_gbps[0] + 1e-9).all()
        assert tables.manifest["link_error_bps"] == {"b-c": 2_000_000_000, "c-b": 2_000_000_000}
    assert compare(report, plan).agrees


def zigzag(realisation="source-routed", **changes):
    """All of a -> e against the IGP: four adjacency segments; half of it may take the plain shortest path."""
    topology = topology_of({"a-b": 1, "b-c": 1, "c-d": 1, "d-e": 1, "a-c": 1, "b-d": 1, "c-e": 1})
    instance = build_instance(topology, [matrix_of(topology, [("a", "e", 4.0)])], model_of(realisation, **changes))
    return instance, ("a b c d e", 2.0), ("a c e", 2.0)


def test_a_path_too_deep_for_its_head_end_gives_its_share_to_the_others():
    instance, deep, plain = zigzag(max_segments=2)
    tables = build_tables(plan_of(instance, [deep, plain]))
    assert group(tables, "a", "e/default/") == {"segments:e": 1}
    assert gaps(tables) == {
        "a": [
            {
                "object": {
                    "kind": "path", "egress": "e", "class": "default", "tenant": "",
                    "links": ["a-b", "b-c", "c-d", "d-e"],
                },
                "reason": "segment-depth",
                "detail": "needs 4 segments, the device pushes 2",
                "substitute": "the group's other paths, in proportion",
                "bps_at_stake": 2_000_000_000,
            }
        ]
    }  # fmt: skip
    assert tables.manifest["cannot_realise"] == {"count": 1, "bps_at_stake": 2_000_000_000}
    plan = plan_of(instance, [deep, plain])
    assert compare(walk_plan(plan, tables), plan).agrees


def test_a_demand_none_of_whose_paths_can_be_held_takes_the_igps_way():
    instance, deep, _ = zigzag(max_segments=2)
    plan = plan_of(instance, [deep])
    tables = build_tables(plan)
    assert gaps(tables)["a"][0]["substitute"] == "the IGP's way to e"
    assert group(tables, "a", "e/default/") == {"segments:e": 1}
    report = walk_plan(plan, tables)
    assert compare(report, plan).agrees
    assert report.link_load_gbps[instance.topology.link_index["a-c"]] == pytest.approx(2.0)


def test_the_igps_way_may_be_several_equal_paths():
    topology = topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1, "a-x": 1, "x-y": 1, "y-d": 1, "x-d": 9})
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 4.0)])], model_of(max_segments=1))
    plan = plan_of(instance, [("a x d", 4.0)])
    tables = build_tables(plan)
    next_hop = next(hop for hop in tables.devices["a"]["next_hops"] if hop["kind"] == "segments")
    assert (next_hop["node"], next_hop["interface"], next_hop["links"], next_hop["latency_us"]) == (
        None,
        None,
        [],
        None,
    )
    report = walk_plan(plan, tables)
    assert compare(report, plan).agrees
    assert report.link_load_gbps[topology.link_index["a-b"]] == pytest.approx(2.0)


def test_nothing_is_admitted_when_the_class_may_not_take_the_igps_way():
    topology = topology_of({"a-b": 1, "b-c": 9, "a-c": 1})
    links = [Link(**{f: getattr(k, f) for f in ("id", "source", "target", "capacity_gbps", "metric")},
                  encrypted=k.id in ("a-b", "b-c")) for k in topology.links]  # fmt: skip
    topology = Topology(topology.nodes, tuple(links))
    model = model_of(max_segments=1, classes=(TrafficClass(name="secret", require=Require(encrypted=True)),))
    instance = build_instance(topology, [matrix_of(topology, [("a", "c", 4.0)])], model)
    plan = plan_of(instance, [("a b c", 4.0)])
    tables = build_tables(plan)
    assert route(tables, "a", "c")["group"] is None
    assert gaps(tables)["a"][0]["substitute"].startswith("none: nothing is admitted")
    report = walk_plan(plan, tables)
    assert report.admitted_gbps == pytest.approx([0.0])
    assert compare(report, plan).agrees


@pytest.mark.parametrize(
    ("rules", "admitted_gbps"),
    [
        ({"latency_bound_ms": 2.0}, 2.0),
        ({"latency_bound_ms": 1.9}, 0.0),
        ({"hop_bound": 1}, 0.0),
        ({"require": Require(nodes=("c",))}, 2.0),
        ({"require": Require(links=("a-b",))}, 0.0),
        ({"split": Split.SINGLE_PATH}, 2.0),
    ],
)
def test_the_igps_way_is_held_against_the_rules_of_the_class(rules, admitted_gbps):
    instance, deep, _ = zigzag(max_segments=2, classes=(TrafficClass(name="default", **rules),))
    assert walk_plan(plan_of(instance, [deep])).admitted_gbps == pytest.approx([admitted_gbps])


def test_a_tenants_label_takes_a_place_of_the_stack():
    topology = topology_of(DIAMOND)
    rows = [("a", "d", 2.0, "", "red"), ("a", "d", 2.0)]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of(max_segments=2))
    plan = plan_of(instance, [("a c d", 2.0, "", "red"), ("a c d", 2.0)])
    tables = build_tables(plan)
    assert [entry["object"]["tenant"] for entry in gaps(tables)["a"]] == ["red"]
    assert "and the tenant's label" in gaps(tables)["a"][0]["detail"]


def test_a_group_too_large_for_its_device_keeps_the_largest_members():
    topology = topology_of({"a-b": 1, "a-b#2": 1, "a-b#3": 1})
    model = model_of(max_group_members=2)
    instance = build_instance(topology, [matrix_of(topology, [("a", "b", 6.0)])], model)
    plan = plan_of(instance, [("a-b", 1.0), ("a-b#2", 2.0), ("a-b#3", 3.0)])
    tables = build_tables(plan)
    assert group(tables, "a", "b/default/") == {"segments:[a-b#2]": 2, "segments:[a-b#3]": 3}
    (entry,) = gaps(tables)["a"]
    assert (entry["reason"], entry["object"]["links"], entry["bps_at_stake"]) == ("group-size", ["a-b"], 1_000_000_000)
    assert compare(walk_plan(plan, tables), plan).agrees


def test_a_hop_by_hop_group_too_large_for_its_device_keeps_the_largest_members():
    topology = topology_of({"a-b": 1, "a-b#2": 1, "a-b#3": 1})
    instance = build_instance(
        topology, [matrix_of(topology, [("a", "b", 6.0)])], model_of("hop-by-hop", max_group_members=2)
    )
    plan = plan_of(instance, [("a-b", 1.0), ("a-b#2", 2.0), ("a-b#3", 3.0)])
    tables = build_tables(plan)
    assert group(tables, "a", "b/default") == {"link:a-b#2": 2, "link:a-b#3": 3}
    (entry,) = gaps(tables)["a"]
    assert (entry["object"]["kind"], entry["object"]["links"], entry["bps_at_stake"]) == (
        "group", ["a-b"], 1_000_000_000
    )  # fmt: skip
    assert compare(walk_plan(plan, tables), plan).agrees


def test_equal_cost_groups_of_sids_are_cut_to_what_the_device_holds():
    topology = topology_of({"a-b": 1, "a-b#2": 1, "a-b#3": 1})
    instance = build_instance(
        topology, [matrix_of(topology, [("a", "b", 6.0)])], model_of(max_group_members=2, max_segments=1)
    )
    plan = plan_of(instance, [("a-b", 6.0)])
    assert group(build_tables(plan), "a", "links:a-b+a-b#2") == {"link:a-b": 1, "link:a-b#2": 1}
    assert compare(walk_plan(plan), plan).agrees


def test_a_nodes_device_profile_overrides_the_models_table_options():
    profile = {"max_weight": 1, "max_group_members": 2, "max_segments": 3}
    topology = topology_of(DIAMOND, nodes=[Node("a", device_profile="old"), Node("b", device_profile="unknown")])
    model = model_of(device_profiles={"old": profile}, max_weight=16)
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 8.0)])], model)
    tables = build_tables(plan_of(instance, [("a b d", 5.0), ("a c d", 3.0)]))
    assert tables.devices["a"]["limits"] == profile
    assert tables.devices["b"]["limits"]["max_weight"] == 16
    assert group(tables, "a", "d/default/") == {"segments:d": 1, "segments:c,d": 1}


def lost(policy: TrafficClass, *flows, rows, cables=None):
    topology = topology_of(cables or {"a-b": 1, "b-d": 1, "b-c": 4, "c-d": 4})
    model = model_of("hop-by-hop", classes=(policy,))
    instance = build_instance(topology, [matrix_of(topology, rows)], model)
    plan = plan_of(instance, flows)
    tables = build_tables(plan)
    assert compare(walk_plan(plan, tables), plan).agrees
    return {
        (device, entry["reason"], entry["bps_at_stake"] / 1e9)
        for device, entries in gaps(tables).items()
        for entry in entries
    }


# a goes b-d, as it must; b itself also uses the long way over c, and hop by hop a's traffic will too.
MERGED = [("a b d", 2.0), ("b d", 1.0), ("b c d", 1.0)]
SOURCES = [("a", "d", 2.0), ("b", "d", 2.0)]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"latency_bound_ms": 8.5}, "latency-bound"),
        ({"hop_bound": 2}, "hop-bound"),
        ({"max_paths": 1}, "path-count"),
    ],
)
def test_bounds_of_single_sources_that_are_lost_hop_by_hop_are_reported(rules, reason):
    found = lost(TrafficClass(name="default", **rules), *MERGED, rows=SOURCES)
    assert ("a", reason, 2.0) in found
    assert {device for device, _, _ in found} <= {"a", "b"}


def test_bounds_that_hold_hop_by_hop_are_not_reported():
    assert lost(TrafficClass(name="default", latency_bound_ms=9.0, hop_bound=3), *MERGED, rows=SOURCES) == set()


def test_single_paths_that_meet_are_reported_only_where_they_divide():
    single = TrafficClass(name="default", split=Split.SINGLE_PATH)
    assert lost(single, ("a b d", 2.0), ("b d", 2.0), rows=SOURCES) == set()
    assert lost(single, ("a b c d", 2.0), ("b d", 2.0), rows=SOURCES) == {
        ("a", "path-count", 2.0),
        ("b", "path-count", 2.0),
    }


@pytest.mark.parametrize("required", [{"nodes": ("c",)}, {"links": ("c-d",)}])
def test_things_to_pass_that_can_be_missed_hop_by_hop_are_reported(required):
    # a must pass c and does; e is let off by hand, shares b with a, and pulls a's traffic past c.
    policy = TrafficClass(name="default", require=Require(**required))
    found = lost(policy, ("a b c d", 2.0), ("b d", 2.0), rows=SOURCES)
    assert found == {("a", "must-pass", 2.0), ("b", "must-pass", 2.0)}
    assert lost(policy, ("a b c d", 2.0), ("b c d", 2.0), rows=SOURCES) == set()


def test_two_nodes_with_one_sid_are_refused():
    topology = topology_of(DIAMOND, nodes=[Node("a", sid=3)])
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 1.0)])], model_of())
    with pytest.raises(InputError, match=r"node 'd': sid 3 belongs to node 'a' too"):
        build_tables(plan_of(instance, [("a b d", 1.0)]))


def test_a_sid_beyond_the_label_range_is_refused():
    topology = topology_of(DIAMOND, nodes=[Node("a", sid=8000)])
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 1.0)])], model_of())
    with pytest.raises(InputError, match=r"sid 8000 is outside 0 to 7999"):
        build_tables(plan_of(instance, [("a b d", 1.0)]))


@BOTH
def test_a_plan_without_demands_gives_tables_without_routes_for_them(realisation):
    topology = topology_of(DIAMOND)
    instance = build_instance(topology, [matrix_of(topology, [])], model_of(realisation))
    plan = Plan(
        instance, PathSet(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)),
        np.empty(0), (), Termination(Reason.OPTIMAL), EngineReport("hand", "none", {}, 0, 0),
    )  # fmt: skip
    tables = build_tables(plan)
    assert not any(item["demands"] for device in tables.devices.values() for item in device["routes"])
    assert compare(walk_plan(plan, tables), plan).agrees
    assert not walk_plan(plan, igp_tables(instance)).faults


@BOTH
def test_a_network_without_links_gives_tables_all_the_same(realisation):
    topology = Topology((Node("a"), Node("b")), ())
    instance = build_instance(topology, [matrix_of(topology, [("a", "b", 1.0)])], model_of(realisation))
    nothing = PathSet(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))
    plan = Plan(instance, nothing, np.empty(0), (), Termination(Reason.OPTIMAL), EngineReport("hand", "none", {}, 0, 0))
    assert route(build_tables(plan), "a", "b")["group"] is None
    assert compare(walk_plan(plan), plan).agrees
    assert not walk_plan(plan, igp_tables(instance)).faults


def test_building_leaves_the_garbage_collector_as_it_was():
    build_tables(diamond())
    assert gc.isenabled()
    gc.disable()
    try:
        build_tables(diamond())
        assert not gc.isenabled()
    finally:
        gc.enable()


@st.composite
def plans(draw, realisation):
    """Random networks with parallel links and equal metrics, random demands on random simple paths."""
    n_nodes = draw(st.integers(2, 6))
    cables = {}
    for a in range(n_nodes):
        for b in range(a):
            for mark in ("", "#2"):
                if (b == a - 1 and not mark) or draw(st.booleans()):
                    cables[f"{b}-{a}{mark}"] = draw(st.sampled_from([0, 1, 1, 2]))
    topology = topology_of(cables)
    rows, flows = [], []
    for _ in range(draw(st.integers(1, 6))):
        source = draw(st.integers(0, n_nodes - 1))
        node, seen, links = source, {source}, []
        while True:
            ahead = [at for at in np.flatnonzero(topology.tail == node).tolist() if int(topology.head[at]) not in seen]
            if not ahead or (links and draw(st.booleans())):
                break
            links.append(draw(st.sampled_from(ahead)))
            node = int(topology.head[links[-1]])
            seen.add(node)
        tenant, class_name = draw(st.sampled_from(["", "t"])), draw(st.sampled_from(["gold", "bulk"]))
        volume = draw(st.integers(1, 9))
        rows.append((str(source), str(node), float(volume), class_name, tenant))
        admitted = draw(st.sampled_from([0.0, 0.3, 1.0]))
        flows.append((" ".join(topology.links[at].id for at in links), volume * admitted, class_name, tenant))
    model = model_of(
        realisation,
        classes=(TrafficClass(name="gold"), TrafficClass(name="bulk", priority=2)),
        max_weight=draw(st.sampled_from([1, 4, 64])),
        max_group_members=draw(st.integers(1, 3)),
        max_segments=draw(st.integers(1, 4)),
    )
    instance = build_instance(topology, [matrix_of(topology, rows)], model)
    return plan_of(instance, flows)


@given(plans("source-routed"))
def test_any_source_routed_plan_walks_as_stated(plan):
    report = walk_plan(plan)
    assert compare(report, plan).agrees, report.faults
    assert report.delivered_gbps == pytest.approx(report.admitted_gbps)
    assert report.admitted_gbps.sum() == pytest.approx(plan.admitted_gbps.sum())


@given(plans("hop-by-hop"))
def test_any_hop_by_hop_plan_walks_as_stated(plan):
    report = walk_plan(plan)
    assert compare(report, plan).agrees, report.faults
    assert report.delivered_gbps == pytest.approx(report.admitted_gbps)
    assert report.admitted_gbps.sum() == pytest.approx(plan.admitted_gbps.sum())


@given(plans("hop-by-hop"))
def test_any_igp_baseline_walks_to_the_loads_of_the_igp(plan):
    instance = plan.instance
    report = walk(igp_tables(instance), instance.topology, offered_traffic(instance))
    assert not report.faults
    if instance.model.tables.max_group_members == 3 and (np.bincount(instance.topology.tail) <= 3).all():
        expected = igp_loads(instance.topology, instance.demands[0])
        assert report.link_load_gbps == pytest.approx(expected.link_load_gbps)
