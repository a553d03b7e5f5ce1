"""Tables that repair themselves: what is written, what it needs, and what it does when something fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from table_toys import edited, matrix_of, plan_of, topology_of, two_classes, write

import vbte.tables
from vbte.adapters.linux import render
from vbte.errors import InputError
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.policy import Avoid, LocalProtection, PlanningModel, Realisation, Require, Stage, StageKind, TableOptions
from vbte.tables import FaultKind, Tables, WalkReport, build_tables, offered_traffic, tables_from_directory, walk
from vbte.topology import Node, Topology

BOTH = pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])
RING = {"a-b": 1, "b-c": 1, "c-d": 1, "d-e": 1, "e-a": 1}


def model(realisation: str, protection: str = "cable", **tables: Any) -> PlanningModel:
    options = TableOptions(
        realisation=Realisation(realisation), local_protection=LocalProtection(protection), **tables
    )  # fmt: skip
    return PlanningModel(name="toy", stages=(Stage(kind=StageKind.ADMITTED),), tables=options)


def protected(
    topology: Topology, rows: list[tuple[Any, ...]], flows: list[tuple[Any, ...]], wanted: PlanningModel
) -> Plan:
    return plan_of(build_instance(topology, [matrix_of(topology, rows)], wanted), flows)


def with_protection(wanted: PlanningModel, protection: str = "cable") -> PlanningModel:
    tables = wanted.tables.model_copy(update={"local_protection": LocalProtection(protection)})
    return wanted.model_copy(update={"tables": tables})


def after(plan: Plan, tables: Tables, *links: str, nodes: tuple[str, ...] = ()) -> WalkReport:
    """The walk with links down, both ways of each."""
    both = [name for link in links for name in (link, "-".join(reversed(link.split("-"))))]
    down = [name for name in both if name in plan.instance.topology.link_index]
    return walk(tables, plan.instance.topology, offered_traffic(plan.instance), failed_links=down, failed_nodes=nodes)


def loads(plan: Plan, report: WalkReport) -> dict[str, float]:
    names = plan.instance.topology.link_index
    return {name: round(float(report.link_load_gbps[at]), 9) for name, at in names.items()
            if report.link_load_gbps[at] > 0}  # fmt: skip


def ring(realisation: str, protection: str = "cable") -> Plan:
    """From a to c and to d over b and c, on a ring of five."""
    wanted = with_cables(topology_of(RING))
    flows = [("a b c", 4.0), ("a b c d", 2.0)]
    return protected(wanted, [("a", "c", 4.0), ("a", "d", 2.0)], flows, model(realisation, protection))


def with_cables(topology: Topology) -> Topology:
    """Both ways of a link in one cable."""
    links = [replace(link, cable="-".join(sorted((link.source, link.target))) + link.id.partition("#")[2])
             for link in topology.links]  # fmt: skip
    return Topology(topology.nodes, tuple(links))


def test_the_device_before_the_break_sends_round_the_ring_with_labels() -> None:
    plan = ring("hop-by-hop")
    tables = build_tables(plan)
    (group,) = [one for one in tables.devices["b"]["next_hop_groups"] if one["id"] == "c/default"]
    assert group["backup"] is not None
    assert group["backup"]["when"] == "all-members-down"
    (spare,) = [one for one in tables.devices["b"]["next_hop_groups"] if one["id"] == group["backup"]["group"]]
    (hop,) = [one for one in tables.devices["b"]["next_hops"] if one["id"] == spare["members"][0]["next_hop"]]
    assert hop["links"] == ["b-a", "a-e", "e-d", "d-c"]
    assert hop["kind"] == "segments"
    report = after(plan, tables, "b-c")
    assert report.faults == ()
    # What a sends comes to b and turns round there: nobody before b knows.
    assert loads(plan, report) == {"a-b": 6.0, "b-a": 6.0, "a-e": 6.0, "e-d": 6.0, "d-c": 4.0}


def test_a_head_end_knows_and_sends_the_other_way_at_once() -> None:
    plan = ring("source-routed")
    tables = build_tables(plan)
    report = after(plan, tables, "b-c")
    assert report.faults == ()
    assert loads(plan, report) == {"a-e": 6.0, "e-d": 6.0, "d-c": 4.0}


@BOTH
@pytest.mark.parametrize("cable", list(RING))
def test_nothing_is_lost_on_a_ring(realisation: str, cable: str) -> None:
    plan = ring(realisation)
    assert after(plan, build_tables(plan), cable).delivered_gbps.tolist() == pytest.approx([6.0])


@BOTH
def test_without_it_tables_say_and_repair_nothing(realisation: str) -> None:
    plan = ring(realisation, "none")
    tables = build_tables(plan)
    assert all(group["backup"] is None for d in tables.devices.values() for group in d["next_hop_groups"])
    assert any(d["local_sids"] for d in tables.devices.values()) == (realisation == "source-routed")
    assert after(plan, tables, "b-c").delivered_gbps.tolist() == [0.0]


@BOTH
def test_a_node_is_avoided_where_nodes_are_protected(realisation: str) -> None:
    topology = with_cables(topology_of({"a-b": 1, "b-d": 1, "a-c": 5, "c-d": 5, "b-c": 1}))
    rows, flows = [("a", "d", 4.0)], [("a b d", 4.0)]
    plan = protected(topology, rows, flows, model(realisation, "node"))
    assert after(plan, build_tables(plan), nodes=("b",)).delivered_gbps.tolist() == pytest.approx([4.0])
    # Protected against cables only, a goes round the cable to b and over b again, hop by hop.
    plan = protected(topology, rows, flows, model(realisation, "cable"))
    found = after(plan, build_tables(plan), nodes=("b",)).delivered_gbps.tolist()
    assert found == pytest.approx([0.0] if realisation == "hop-by-hop" else found)
    assert after(plan, build_tables(plan), "a-b").delivered_gbps.tolist() == pytest.approx([4.0])


@BOTH
def test_where_a_node_can_not_be_avoided_its_cable_is(realisation: str) -> None:
    topology = with_cables(topology_of({"a-b": 1, "a-c": 1, "c-b": 1, "b-d": 1, "b-d#2": 1}))
    plan = protected(topology, [("a", "d", 4.0)], [("a b d", 4.0)], model(realisation, "node"))
    tables = build_tables(plan)
    assert after(plan, tables, "a-b").delivered_gbps.tolist() == pytest.approx([4.0])
    assert after(plan, tables, "b-d").delivered_gbps.tolist() == pytest.approx([4.0])
    assert after(plan, tables, nodes=("b",)).delivered_gbps.tolist() == [0.0]


@BOTH
def test_what_other_next_hops_carry_needs_no_backup(realisation: str) -> None:
    topology = with_cables(topology_of({"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1, "b-c": 1}))
    plan = protected(topology, [("a", "d", 8.0)], [("a b d", 6.0), ("a c d", 2.0)], model(realisation))
    tables = build_tables(plan)
    (group,) = [one for one in tables.devices["a"]["next_hop_groups"] if one["id"].startswith("d/default")]
    assert group["backup"] is None
    assert after(plan, tables, "a-b").delivered_gbps.tolist() == pytest.approx([8.0])
    assert after(plan, tables, "b-d").delivered_gbps.tolist() == pytest.approx([8.0])


def test_two_paths_stand_by_where_none_alone_avoids_all_of_the_planned_one() -> None:
    # The trap: without all cables of s x y d nothing joins s and d, without any one of them something does.
    topology = with_cables(topology_of({"s-x": 1, "x-y": 1, "y-d": 1, "s-y": 5, "x-d": 5}))
    plan = protected(topology, [("s", "d", 3.0)], [("s x y d", 3.0)], model("source-routed"))
    tables = build_tables(plan)
    (group,) = [one for one in tables.devices["s"]["next_hop_groups"] if one["id"] == "d/default/"]
    assert group["backup"] is not None
    (spare,) = [one for one in tables.devices["s"]["next_hop_groups"] if one["id"] == group["backup"]["group"]]
    hops = {hop["id"]: hop["links"] for hop in tables.devices["s"]["next_hops"]}
    ways = sorted(hops[member["next_hop"]] for member in spare["members"])
    assert ways == [["s-x", "x-d"], ["s-y", "y-d"]]
    for cable in ("s-x", "x-y", "y-d"):
        assert after(plan, tables, cable).delivered_gbps.tolist() == pytest.approx([3.0])


def test_a_small_group_holds_one_of_them_and_says_so() -> None:
    topology = with_cables(topology_of({"s-x": 1, "x-y": 1, "y-d": 1, "s-y": 5, "x-d": 5}))
    wanted = model("source-routed", max_group_members=1)
    tables = build_tables(protected(topology, [("s", "d", 3.0)], [("s x y d", 3.0)], wanted))
    (entry,) = tables.devices["s"]["cannot_realise"]
    assert (entry["reason"], entry["detail"]) == ("group-size", "a group holds 1 members, and others stand by already")
    assert entry["bps_at_stake"] == 3_000_000_000


def test_a_device_has_a_detour_for_each_of_cable_and_node_where_none_avoids_both() -> None:
    # The duct of a-b also holds c-d: without it only a second cable to b is left, without b only the way over c.
    topology = with_cables(topology_of({"a-b": 1, "a-b#2": 9, "b-d": 1, "a-c": 1, "c-d": 1}))
    ducts = [
        replace(link, cable="duct") if link.id in ("a-b", "b-a", "c-d", "d-c") else link for link in topology.links
    ]
    topology = Topology(topology.nodes, tuple(ducts))
    plan = protected(topology, [("a", "d", 4.0)], [("a b d", 4.0)], model("hop-by-hop", "node"))
    tables = build_tables(plan)
    assert after(plan, tables, nodes=("b",)).delivered_gbps.tolist() == pytest.approx([4.0])
    assert after(plan, tables, "a-b", "c-d").delivered_gbps.tolist() == pytest.approx([4.0])
    wanted = model("hop-by-hop", "node", max_group_members=1)
    tables = build_tables(protected(topology, [("a", "d", 4.0)], [("a b d", 4.0)], wanted))
    (entry,) = tables.devices["a"]["cannot_realise"]
    assert entry["reason"] == "group-size"


@BOTH
def test_a_way_round_that_needs_too_many_labels_is_said_so_and_not_written(realisation: str) -> None:
    # The way round is against the IGP's, link by link.
    topology = with_cables(topology_of({"a-d": 1, "a-b": 9, "b-c": 9, "c-d": 9}))
    wanted = model(realisation, max_segments=1)
    tables = build_tables(protected(topology, [("a", "d", 3.0)], [("a d", 3.0)], wanted))
    (entry,) = tables.devices["a"]["cannot_realise"]
    assert entry["reason"] == "segment-depth"
    assert entry["object"]["links"] == ["a-b", "b-c", "c-d"]
    assert entry["bps_at_stake"] == 3_000_000_000
    assert all(group["backup"] is None for group in tables.devices["a"]["next_hop_groups"])


@BOTH
def test_a_way_round_keeps_to_what_its_class_may_use(realisation: str) -> None:
    topology = with_cables(topology_of({"a-d": 1, "a-b": 1, "b-d": 1, "a-c": 9, "c-d": 9}))
    wanted = with_protection(two_classes(realisation, avoid=Avoid(nodes=("b",))))
    flows = [("a d", 3.0, "gold"), ("a d", 2.0, "bulk")]
    plan = protected(topology, [("a", "d", 3.0, "gold"), ("a", "d", 2.0, "bulk")], flows, wanted)
    found = loads(plan, after(plan, build_tables(plan), "a-d"))
    assert found == {"a-c": 3.0, "c-d": 3.0, "a-b": 2.0, "b-d": 2.0}


@BOTH
def test_a_way_round_passes_what_its_class_has_to_pass(realisation: str) -> None:
    topology = with_cables(topology_of({"a-s": 1, "s-d": 1, "a-b": 1, "b-d": 1, "b-s": 4}))
    wanted = with_protection(two_classes(realisation, require=Require(nodes=("s",))))
    flows = [("a s d", 3.0, "gold")]
    plan = protected(topology, [("a", "d", 3.0, "gold")], flows, wanted)
    tables = build_tables(plan)
    assert loads(plan, after(plan, tables, "a-s")) == {"a-b": 3.0, "b-s": 3.0, "s-d": 3.0}
    assert after(plan, tables, nodes=("s",)).delivered_gbps[0] == 0.0


@BOTH
def test_tenants_are_told_apart_at_the_end_of_a_way_round(realisation: str) -> None:
    topology = with_cables(topology_of(RING))
    rows, flows = (
        [("a", "c", 4.0, "", "red"), ("a", "c", 2.0, "", "blue")],
        [("a b c", 4.0, "", "red"), ("a b c", 2.0, "", "blue")],
    )
    plan = protected(topology, rows, flows, model(realisation))
    tables = build_tables(plan)
    assert after(plan, tables, "b-c").faults == ()

    def forget(devices: Any) -> None:
        for device in devices.values():
            for route in device["routes"]:
                if route["tenant"] == "red":
                    route["service_label"] = None

    (fault,) = after(plan, edited(tables, forget), "b-c").faults
    assert (fault.kind, fault.devices, fault.gbps) == (FaultKind.TENANT_LEAK, ("c",), pytest.approx(4.0))


def fabric(protection: str = "cable") -> Plan:
    """Two leaves, which nothing passes, and two spines."""
    topology = with_cables(
        topology_of(
            {"l-s": 1, "l-t": 1, "m-s": 1, "m-t": 1}, nodes=[Node("l", transit=False), Node("m", transit=False)]
        )
    )
    return protected(topology, [("l", "m", 8.0)], [("l s m", 6.0), ("l t m", 2.0)], model("hop-by-hop", protection))


def test_a_leaf_pins_the_way_over_a_spine_that_could_not_turn_round() -> None:
    plan = fabric("none")
    assert after(plan, build_tables(plan), "s-m").delivered_gbps.tolist() == pytest.approx([2.0])
    plan = fabric()
    tables = build_tables(plan)
    (group,) = [one for one in tables.devices["l"]["next_hop_groups"] if one["id"] == "m/default"]
    hops = {hop["id"]: hop["links"] for hop in tables.devices["l"]["next_hops"]}
    assert {tuple(hops[m["next_hop"]]): m["weight"] for m in group["members"]} == {("l-s", "s-m"): 3, ("l-t", "t-m"): 1}
    assert loads(plan, after(plan, tables)) == {"l-s": 6.0, "s-m": 6.0, "l-t": 2.0, "t-m": 2.0}
    for cable in ("l-s", "s-m", "l-t", "t-m"):
        assert after(plan, tables, cable).delivered_gbps.tolist() == pytest.approx([8.0])


def test_a_single_pinned_way_has_a_way_round_of_its_own() -> None:
    topology = fabric().instance.topology
    plan = protected(topology, [("l", "m", 8.0)], [("l s m", 8.0)], model("hop-by-hop"))
    tables = build_tables(plan)
    for cable in ("l-s", "s-m"):
        assert loads(plan, after(plan, tables, cable)) == {"l-t": 8.0, "t-m": 8.0}


def test_several_ways_behind_a_device_that_may_be_helpless_can_not_be_pinned_and_that_is_said() -> None:
    # s's only cable to x may fail; behind x traffic parts.
    links = {"l-s": 1, "s-x": 1, "x-y": 1, "y-m": 1, "x-z": 1, "z-m": 1, "l-t": 9, "t-x": 9}
    topology = with_cables(topology_of(links, nodes=[Node("l", transit=False)]))
    flows = [("l s x y m", 4.0), ("l s x z m", 4.0)]
    tables = build_tables(protected(topology, [("l", "m", 8.0)], flows, model("hop-by-hop")))
    (entry,) = tables.devices["l"]["cannot_realise"]
    assert (entry["reason"], entry["object"]["links"]) == ("path-count", ["l-s"])


def test_a_label_that_leads_back_is_a_loop_that_is_found_and_located() -> None:
    plan = ring("hop-by-hop")
    tables = build_tables(plan)

    def send_back(devices: Any) -> None:
        own = {name: next(s["label"] for s in d["local_sids"] if s["kind"] == "node") for name, d in devices.items()}
        for hop in devices["b"]["next_hops"]:
            if hop["kind"] == "segments" and hop["links"][-1] == "d-c":
                hop["labels"] = [own["d"]]
        for here, there in ("ae", "ea"):
            route = next(r for r in devices[here]["routes"] if r["label"] == own["d"])
            route["group"] = next(
                g["id"] for g in devices[here]["next_hop_groups"] if g["id"] == f"links:{here}-{there}"
            )

    assert after(plan, edited(tables, send_back)).faults == ()
    report = after(plan, edited(tables, send_back), "b-c")
    assert [fault.devices for fault in report.of_kind(FaultKind.LOOP)] == [("a", "e")]


def test_a_detour_through_a_device_without_its_label_is_a_black_hole_that_is_found_and_located() -> None:
    plan = ring("hop-by-hop")

    def forget(devices: Any) -> None:
        devices["e"]["local_sids"].clear()
        devices["e"]["routes"] = [route for route in devices["e"]["routes"] if route["label"] is None]

    report = after(plan, edited(build_tables(plan), forget), "b-c")
    assert [(fault.kind, fault.devices) for fault in report.faults] == [(FaultKind.BLACK_HOLE, ("e",))]
    assert report.faults[0].detail == "label unknown"


@BOTH
def test_what_is_written_obeys_the_schema_and_is_read_again(realisation: str, tmp_path: Path) -> None:
    published = json.loads((Path(vbte.tables.__file__).parent / "schemas" / "tables-1.json").read_text())
    for name, plan in (("ring", ring(realisation, "node")), ("fabric", fabric("node"))):
        tables = build_tables(plan)
        for content in tables.device_bytes.values():
            jsonschema.validate(json.loads(content), published)
        assert tables_from_directory(write(tables, tmp_path / name)).devices == tables.devices
        assert tables.device_bytes == build_tables(plan).device_bytes


def test_linux_refuses_detours_with_the_way_out() -> None:
    device: Any = build_tables(ring("hop-by-hop")).devices["b"]
    for route in device["routes"]:
        route["prefixes"] = [f"10.0.0.{ord(route['egress'])}/32"]
    with pytest.raises(InputError, match=r"has a backup group, .*local_protection: none"):
        render(device, part="ipv4", classes=["default"], previous="")
    # A device that protects nothing of its own still holds labels for others' detours.
    device["routes"] = [route for route in device["routes"] if route["label"] is not None]
    with pytest.raises(InputError, match=r"leads from a label, .*local_protection: none"):
        render(device, part="ipv4", classes=["default"], previous="")
