"""The walk: every planted error has to turn it red, and it has to be right where nothing is wrong."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from table_toys import DIAMOND, diamond, edited, matrix_of, model_of, plan_of, topology_of, two_tenants, walk_plan

from vbte import tables as tables_package
from vbte.errors import InputError
from vbte.instance import build_instance
from vbte.tables.build import build_tables, igp_tables
from vbte.tables.faults import FaultKind
from vbte.tables.walk import compare, offered_traffic, walk, walk_matrices
from vbte.topology import Topology

BOTH = pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])


def item(section, **wanted):
    return next(entry for entry in section if all(entry[key] == value for key, value in wanted.items()))


def group_of(devices, device, name):
    return item(devices[device]["next_hop_groups"], id=name)


def faults(plan, change):
    """What the walk finds after a change, which also has to spoil the comparison with the plan."""
    tables = edited(build_tables(plan), change)
    report = walk_plan(plan, tables)
    assert not compare(report, plan).agrees
    return {(fault.kind.value, fault.devices): fault for fault in report.faults}


@BOTH
def test_tables_as_built_have_no_faults(realisation):
    plan = diamond(realisation)
    assert walk_plan(plan).faults == ()
    assert compare(walk_plan(plan), plan).agrees


@BOTH
def test_a_wrong_weight_shows_as_a_deviation(realisation):
    name = {"source-routed": "d/default/", "hop-by-hop": "d/default"}[realisation]
    plan = diamond(realisation)
    tables = edited(build_tables(plan), lambda d: group_of(d, "a", name)["members"][0].update(weight=2))
    found = compare(walk_plan(plan, tables), plan)
    assert not found.faults
    assert not found.agrees
    links = plan.instance.topology.links
    assert {links[at].id for at in np.flatnonzero(found.excess)} == {"a-b", "b-d", "a-c", "c-d"}


@BOTH
def test_a_missing_device_swallows_what_comes_to_it(realisation):
    found = faults(diamond(realisation), lambda d: d.pop("b"))
    assert found["black-hole", ("b",)].detail == "no table for the device"
    assert found["black-hole", ("b",)].gbps == pytest.approx(7.0)


@BOTH
def test_a_missing_route_at_the_head_end_is_a_black_hole(realisation):
    def drop(devices):
        routes = devices["b"]["routes"]
        routes.remove(item(routes, egress="d", label=None))

    found = faults(diamond(realisation), drop)
    assert found["black-hole", ("b",)].detail == "no route"
    assert found["black-hole", ("b",)].example == "default -> d"


@BOTH
def test_a_route_without_a_group_for_admitted_traffic_is_a_black_hole(realisation):
    def unlink(devices):
        item(devices["a"]["routes"], egress="d", label=None)["group"] = None

    found = faults(diamond(realisation), unlink)
    assert found["black-hole", ("a",)].detail == "no next-hop group"
    assert found["black-hole", ("a",)].gbps == pytest.approx(8.0)


@BOTH
def test_a_next_hop_over_a_link_of_another_device_is_a_black_hole(realisation):
    found = faults(diamond(realisation), lambda d: item(d["b"]["next_hops"], id="link:b-d").update(links=["a-b"]))
    assert found["black-hole", ("b",)].detail in ("next hop is no link of the device", "no next hop left")


@BOTH
def test_a_class_without_steering_finds_no_table(realisation):
    found = faults(diamond(realisation), lambda d: d["a"]["steering"].clear())
    assert found["black-hole", ("a",)].detail == "no route"


def test_two_devices_that_point_at_each_other_are_a_loop():
    def turn_back(devices):
        devices["b"]["next_hops"].append(
            {**devices["b"]["next_hops"][0], "id": "link:b-a", "kind": "link", "links": ["b-a"]}
        )
        group_of(devices, "b", "d/default")["members"][0]["next_hop"] = "link:b-a"

    found = faults(diamond("hop-by-hop"), turn_back)
    loop = found["loop", ("a", "b")]
    assert loop.gbps == pytest.approx(9.0)
    # A quarter leaves the loop at a each time round, towards c: in the end all of it.
    report = walk_plan(diamond("hop-by-hop"), edited(build_tables(diamond("hop-by-hop")), turn_back))
    assert report.delivered_gbps == pytest.approx([11.0])


def test_a_loop_that_nothing_leaves_delivers_nothing():
    def turn_back(devices):
        for device, other in (("b", "a"), ("a", "b")):
            hop = {**devices[device]["next_hops"][0], "id": f"link:{device}-{other}", "kind": "link"}
            devices[device]["next_hops"].append({**hop, "links": [f"{device}-{other}"]})
            group = group_of(devices, device, "d/default")
            group["members"] = [{"next_hop": hop["id"], "weight": 1, "planned_share": 1.0}]

    plan = diamond("hop-by-hop")
    report = walk_plan(plan, edited(build_tables(plan), turn_back))
    assert [(fault.kind, fault.devices) for fault in report.faults] == [(FaultKind.LOOP, ("a", "b"))]
    assert report.delivered_gbps == pytest.approx([2.0])


def test_a_loop_of_a_node_sid_is_found_with_its_devices():
    # b's and a's routes to d's SID point at each other; the demand over c never sees them.
    def turn_back(devices):
        item(devices["b"]["routes"], label=16003)["group"] = "links:b-a"

    found = faults(diamond("source-routed"), turn_back)
    assert set(found) == {("loop", ("a", "b"))}
    assert found["loop", ("a", "b")].gbps == pytest.approx(7.0)
    assert found["loop", ("a", "b")].detail == "label 16003 leads round in a circle"


def test_a_loop_over_an_equal_cost_group_is_found():
    def turn_back(devices):
        group = group_of(devices, "b", "links:b-d")
        devices["b"]["next_hop_groups"].append(
            {**group, "id": "both", "members": [group["members"][0], {**group["members"][0], "next_hop": "link:b-a"}]}
        )
        item(devices["b"]["routes"], label=16003)["group"] = "both"

    found = faults(diamond("source-routed"), turn_back)
    assert ("loop", ("a", "b")) in found


def test_local_delivery_at_a_transit_device_is_a_wrong_egress():
    def deliver(devices):
        local = [entry for entry in devices["d"]["next_hops"] if entry["id"] == "local"]
        devices["b"]["next_hops"] += local
        group_of(devices, "b", "d/default")["members"][0]["next_hop"] = "local"

    found = faults(diamond("hop-by-hop"), deliver)
    assert set(found) == {("wrong-egress", ("b",))}
    assert found["wrong-egress", ("b",)].gbps == pytest.approx(7.0)


def test_a_missing_last_label_is_a_wrong_egress():
    def cut(devices):
        item(devices["a"]["next_hops"], id="segments:c,d")["labels"].pop()

    found = faults(diamond("source-routed"), cut)
    assert set(found) == {("wrong-egress", ("c",))}
    assert found["wrong-egress", ("c",)].gbps == pytest.approx(2.0)


def test_swapped_labels_end_elsewhere():
    def swap(devices):
        item(devices["a"]["next_hops"], id="segments:c,d")["labels"].reverse()

    assert set(faults(diamond("source-routed"), swap)) == {("wrong-egress", ("c",))}


def test_a_label_that_nobody_knows_is_a_black_hole():
    found = faults(diamond("source-routed"), lambda d: item(d["a"]["next_hops"], id="segments:c,d").update(labels=[17]))
    assert found["black-hole", ("a",)].detail == "label unknown"
    assert found["black-hole", ("a",)].gbps == pytest.approx(2.0)


def test_a_wrong_adjacency_label_shows():
    topology = topology_of({"a-b": 1, "a-b#2": 1, "a-c": 9})
    instance = build_instance(topology, [matrix_of(topology, [("a", "b", 2.0)])], model_of())
    plan = plan_of(instance, [("a-b", 2.0)])

    def relabel(label):
        return lambda devices: item(devices["a"]["next_hops"], kind="segments").update(labels=[label])

    parallel = walk_plan(plan, edited(build_tables(plan), relabel(24001)))
    assert not parallel.faults
    assert not compare(parallel, plan).agrees
    assert set(faults(plan, relabel(24002))) == {("wrong-egress", ("c",))}


def test_a_tenant_routed_by_another_tenants_route_is_a_leak():
    def rename(devices):
        item(devices["a"]["routes"], tenant="red")["tenant"] = "blue"

    for realisation in ("source-routed", "hop-by-hop"):
        found = faults(two_tenants(realisation), rename)
        assert found["tenant-leak", ("a",)].gbps == pytest.approx(2.0)
        assert found["tenant-leak", ("a",)].example == "default -> d (red)"


def test_a_wrong_tenant_label_delivers_to_another_tenant():
    def relabel(devices):
        item(devices["a"]["routes"], tenant="red")["service_label"] = 900_000

    found = faults(two_tenants("source-routed"), relabel)
    assert set(found) == {("tenant-leak", ("d",))}
    assert found["tenant-leak", ("d",)].detail == "delivered in another network instance"


def test_a_missing_tenant_label_delivers_in_the_default_instance():
    def unlabel(devices):
        item(devices["a"]["routes"], tenant="red")["service_label"] = None

    assert set(faults(two_tenants("source-routed"), unlabel)) == {("tenant-leak", ("d",))}


def test_local_delivery_by_another_tenants_route_is_a_leak_and_no_delivery():
    def rename(devices):
        item(devices["d"]["routes"], tenant="red")["tenant"] = "blue"

    plan = two_tenants("hop-by-hop")
    assert set(faults(plan, rename)) == {("tenant-leak", ("d",))}
    assert walk_plan(plan, edited(build_tables(plan), rename)).delivered_gbps == pytest.approx([4.0])


def test_tables_for_a_device_the_topology_does_not_have_are_refused():
    plan = diamond()
    smaller = Topology(plan.instance.topology.nodes[1:], (), origin="small.yaml")
    with pytest.raises(InputError, match=r"small.yaml: tables for device 'a'"):
        walk(build_tables(plan), smaller, offered_traffic(plan.instance))


def test_more_offered_traffic_is_policed_to_the_admitted_share():
    plan = diamond()
    offered = offered_traffic(plan.instance)
    doubled = type(offered)(**{**vars(offered), "gbps": offered.gbps * 2})
    report = walk(build_tables(plan), plan.instance.topology, doubled)
    assert report.admitted_gbps == pytest.approx([22.0])


@BOTH
def test_members_over_failed_links_hand_their_share_to_the_others(realisation):
    plan = diamond(realisation)
    report = walk(
        build_tables(plan), plan.instance.topology, offered_traffic(plan.instance), failed_links=("a-c", "c-a")
    )
    load = dict(zip(plan.instance.topology.link_index, report.link_load_gbps.tolist(), strict=True))
    assert load["a-b"] == pytest.approx(8.0)
    assert load["a-c"] == 0.0
    # c -> a is pinned to the failed cable when nothing else was planned for it; source-routed, c's own IGP
    # next hops are out of date as well.
    assert {fault.devices for fault in report.faults} == {("c",)}
    assert {fault.detail for fault in report.faults} == {"no next hop left"}


def test_an_adjacency_sid_over_a_failed_link_is_gone():
    topology = topology_of({"a-b": 1, "b-c": 1, "b-c#2": 1})
    instance = build_instance(topology, [matrix_of(topology, [("a", "c", 2.0)])], model_of())
    plan = plan_of(instance, [("a-b b-c#2", 2.0)])

    def forget(devices):
        # A head end that does not know the whole path keeps sending.
        item(devices["a"]["next_hops"], kind="segments")["links"].clear()

    tables = edited(build_tables(plan), forget)
    report = walk(tables, topology, offered_traffic(instance), failed_links=("b-c#2",))
    assert [(fault.devices, fault.detail) for fault in report.faults] == [(("b",), "label unknown")]


@pytest.mark.parametrize(
    ("when", "failed", "spare_gbps"),
    [
        ("any-member-down", [], 0.0),
        ("any-member-down", ["a-b"], 8.0),
        ("all-members-down", ["a-b"], 0.0),
        ("all-members-down", ["a-b", "a-c"], 8.0),
    ],
)
def test_a_backup_group_takes_over_when_it_says(when, failed, spare_gbps):
    topology = topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1, "a-d": 9})
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 8.0)])], model_of("hop-by-hop"))
    plan = plan_of(instance, [("a b d", 6.0), ("a c d", 2.0)])

    def protect(devices):
        hop = {**devices["a"]["next_hops"][0], "id": "link:a-d", "links": ["a-d"]}
        devices["a"]["next_hops"].append(hop)
        group = group_of(devices, "a", "d/default")
        spare = [{"next_hop": "link:a-d", "weight": 1, "planned_share": 1.0}]
        devices["a"]["next_hop_groups"].append({**group, "id": "spare", "members": spare})
        group["backup"] = {"group": "spare", "when": when}

    tables = edited(build_tables(plan), protect)
    report = walk(tables, topology, offered_traffic(instance), failed_links=failed)
    assert report.link_load_gbps[topology.link_index["a-d"]] == pytest.approx(spare_gbps)
    assert report.delivered_gbps == pytest.approx([8.0])


def test_the_igp_baseline_walks_to_equal_cost_splits():
    topology = topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1})
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 8.0), ("b", "d", 1.0)])], model_of())
    tables = igp_tables(instance)
    assert tables.manifest["origin"] == "igp"
    report = walk(tables, topology, offered_traffic(instance))
    load = dict(zip(topology.link_index, report.link_load_gbps.tolist(), strict=True))
    assert (load["a-b"], load["a-c"], load["b-d"]) == (4.0, 4.0, 5.0)
    assert not report.faults


def test_a_demand_without_an_igp_path_has_a_route_that_discards():
    topology = topology_of({"a>b": 1, "c>b": 1})
    instance = build_instance(topology, [matrix_of(topology, [("a", "b", 1.0), ("b", "c", 2.0)])], model_of())
    tables = igp_tables(instance)
    assert item(tables.devices["b"]["routes"], egress="c")["group"] is None
    report = walk(tables, topology, offered_traffic(instance))
    assert report.admitted_gbps == pytest.approx([1.0])
    assert not report.faults


@BOTH
def test_walking_all_matrices_is_walking_one_after_the_other(realisation):
    topology = topology_of(DIAMOND)
    matrices = [matrix_of(topology, [("a", "d", gbps), ("c", "a", 2.0)]) for gbps in (8.0, 2.0)]
    plan = plan_of(build_instance(topology, matrices, model_of(realisation)), [("a b d", 6.0), ("a c d", 2.0)])
    tables = build_tables(plan)
    together = list(walk_matrices(tables, plan.instance))
    assert len(together) == 2
    for matrix, report in enumerate(together):
        alone = walk_plan(plan, tables, matrix)
        assert report.class_link_load_gbps.tolist() == alone.class_link_load_gbps.tolist()
        assert report.offered_gbps.tolist() == [10.0 - 6.0 * matrix]
        assert report.faults == alone.faults


def test_a_report_picks_faults_by_kind():
    plan = diamond()
    report = walk_plan(plan, edited(build_tables(plan), lambda d: d.pop("b")))
    assert report.of_kind(FaultKind.BLACK_HOLE) == report.faults
    assert report.of_kind(FaultKind.LOOP) == ()


def test_the_walk_and_the_builder_share_nothing_but_the_schema():
    allowed = {
        "schema",
        "faults",
        "fib",
        "fib_reader",
        "files",
        "offered",
        "ranges",
        "tally",
        "walk_hops",
        "walk_labels",
        "walk_rows",
    }
    folder = Path(tables_package.__file__).parent
    for name in ("walk", "walk_hops", "walk_labels", "walk_rows", "fib", "fib_reader", "tally", "offered", "faults"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vbte.tables."):
                assert node.module.removeprefix("vbte.tables.") in allowed, name


def test_fresh_tables_of_a_larger_grid_agree_with_their_plan():
    cables = {f"{r}{c}-{r}{c + 1}": 1 for r in range(4) for c in range(3)}
    cables |= {f"{r}{c}-{r + 1}{c}": 1 for r in range(3) for c in range(4)}
    topology = topology_of(DIAMOND | cables)
    rows = [(f"0{c}", f"3{d}", 1.0 + c) for c in range(4) for d in range(4)]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of())
    flows = []
    for c in range(4):
        for d in range(4):
            across = [f"{{}}{x}" for x in range(c, d + (1 if d >= c else -1), 1 if d >= c else -1)]
            top = [word.format(0) for word in across] + [f"{r}{d}" for r in (1, 2, 3)]
            bottom = [f"{r}{c}" for r in (0, 1, 2)] + [word.format(3) for word in across]
            flows += [(" ".join(top), 0.3 * (1.0 + c)), (" ".join(bottom), 0.7 * (1.0 + c))]
    plan = plan_of(instance, flows)
    assert compare(walk_plan(plan), plan).agrees


@BOTH
def test_a_failed_node_takes_its_links_and_lets_nothing_in(realisation):
    plan = diamond(realisation)
    report = walk(build_tables(plan), plan.instance.topology, offered_traffic(plan.instance), failed_nodes=("b",))
    load = dict(zip(plan.instance.topology.link_index, report.link_load_gbps.tolist(), strict=True))
    assert load["a-c"] == pytest.approx(8.0)
    assert load["a-b"] == load["b-d"] == 0.0
    (fault,) = report.faults
    assert (fault.kind, fault.devices, fault.detail, fault.gbps) == (
        FaultKind.BLACK_HOLE,
        ("b",),
        "the device failed",
        1.0,
    )


@BOTH
def test_with_everything_down_nothing_arrives(realisation):
    plan = diamond(realisation)
    topology = plan.instance.topology
    report = walk(build_tables(plan), topology, offered_traffic(plan.instance), failed_links=list(topology.link_index))
    assert report.delivered_gbps.tolist() == [0.0]


@pytest.mark.parametrize("failed", [{"failed_links": ["a-z"]}, {"failed_nodes": ["a-b"]}])
def test_what_is_not_there_can_not_fail(failed):
    plan = diamond()
    with pytest.raises(InputError, match="that could fail"):
        walk(build_tables(plan), plan.instance.topology, offered_traffic(plan.instance), **failed)
