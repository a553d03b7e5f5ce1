"""Local repair: what tables lose by themselves, worked out by hand and walked on the files."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from failover_toys import LONG, REALISATIONS, SHORT, asked, assert_the_walk_agrees, by_hand, gold_and_bulk, walked
from tables.table_toys import edited, plan_of
from toys import cable, carry_all, demands, instance, link, network, of_class

from vbte.errors import InputError
from vbte.failover import confirm
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair
from vbte.failover.what_if import LocalRepair, what_if
from vbte.plan import Plan
from vbte.scenarios.families import Scenario, ScenarioSet, family
from vbte.tables import FaultKind, build_tables

BOTH = pytest.mark.parametrize("realisation", REALISATIONS)


def repaired(plan: Plan, **down: Any) -> LocalRepair:
    scenarios = ScenarioSet(plan.instance.topology, (Scenario("it", **down),))
    assert_the_walk_agrees(plan, scenarios)
    return what_if(plan, build_tables(plan), scenarios).repair


@BOTH
def test_nothing_is_lost_while_nothing_is_down(realisation: str) -> None:
    found = repaired(gold_and_bulk(realisation))
    assert found.delivered_gbps[:, 0].tolist() == pytest.approx([8.0, 4.0])
    assert found.undelivered_gbps[:, 0].tolist() == [0.0, 0.0]
    # Gold: three quarters in 4 ms and a quarter in 10 ms.
    assert found.latency_ms[:, 0].tolist() == pytest.approx([5.5, 4.0])
    assert found.max_latency_ms[:, 0].tolist() == pytest.approx([10.0, 4.0])
    assert found.max_utilization[0] == pytest.approx(1.0)


@BOTH
def test_without_the_first_short_cable_gold_crowds_onto_the_long_way_and_bulk_has_none(realisation: str) -> None:
    found = repaired(gold_and_bulk(realisation), cables=("a-b",))
    # 8 Gbit/s of gold on 6: a quarter is dropped. Bulk has no other next hop at a.
    assert found.lost_gbps[:, 0].tolist() == pytest.approx([0.0, 4.0])
    assert found.congested_gbps[:, 0].tolist() == pytest.approx([2.0, 0.0])
    assert found.delivered_gbps[:, 0].tolist() == pytest.approx([6.0, 0.0])
    assert found.max_utilization[0] == pytest.approx(8 / 6)
    assert found.latency_ms[0, 0] == pytest.approx(10.0)
    assert np.isnan(found.latency_ms[1, 0])
    assert np.isnan(found.max_latency_ms[1, 0])


def test_a_head_end_knows_of_failures_further_on_and_a_device_on_the_way_does_not() -> None:
    by_head_end = repaired(gold_and_bulk("source-routed"), cables=("b-d",))
    assert by_head_end.lost_gbps[:, 0].tolist() == pytest.approx([0.0, 4.0])
    assert by_head_end.congested_gbps[:, 0].tolist() == pytest.approx([2.0, 0.0])
    # Hop by hop, a goes on sending three quarters to b, where they end.
    by_hop = repaired(gold_and_bulk("hop-by-hop"), cables=("b-d",))
    assert by_hop.lost_gbps[:, 0].tolist() == pytest.approx([6.0, 4.0])
    assert by_hop.congested_gbps[:, 0].tolist() == pytest.approx([0.0, 0.0])
    # What was lost at b has no latency: all that arrives came over c.
    assert by_hop.latency_ms[0, 0] == pytest.approx(10.0)


def test_a_way_that_ends_in_a_black_hole_has_no_latency() -> None:
    found = repaired(gold_and_bulk("hop-by-hop"), cables=("c-d",))
    # c is 5 ms away, and what comes there is lost: all that arrives takes the 4 ms over b.
    assert found.lost_gbps[0, 0] == pytest.approx(2.0)
    assert found.latency_ms[0, 0] == pytest.approx(4.0)
    assert found.max_latency_ms[0, 0] == pytest.approx(4.0)


@BOTH
def test_lower_classes_lose_first_and_only_once_along_the_way(realisation: str) -> None:
    found = repaired(gold_and_bulk(realisation), cables=("a-c",))
    # All 12 Gbit/s come to a>b: gold passes, bulk gets what is left of 10. At b>d there is room for that.
    assert found.congested_gbps[:, 0].tolist() == pytest.approx([0.0, 2.0])
    assert found.delivered_gbps[:, 0].tolist() == pytest.approx([8.0, 2.0])
    assert found.max_utilization[0] == pytest.approx(1.2)


@BOTH
def test_classes_of_one_priority_lose_alike(realisation: str) -> None:
    classes = [{"name": "red"}, {"name": "blue"}]
    matrix = demands(("a", "d", 8.0, of_class("red")), ("a", "d", 4.0, of_class("blue")))
    topology = network(cable("a-b", 10.0), cable("b-d", 10.0), cable("a-d", 9.0))
    plan = plan_of(
        asked(topology, matrix, realisation, classes=classes),
        [("a>d", 6.0, "red"), ("a>b b>d", 2.0, "red"), ("a>b b>d", 4.0, "blue")],
    )
    found = repaired(plan, cables=("a-d",))
    assert found.congested_gbps[:, 0].tolist() == pytest.approx([8 / 6, 4 / 6])


@BOTH
def test_drops_relieve_the_links_behind_them(realisation: str) -> None:
    # 8 of 10 wanted get through a>b; at b>d they meet 8 of b's own on 12: three quarters of 16 pass.
    parts = [cable("a-b", 8.0), cable("b-d", 12.0), cable("a-d", 10.0)]
    rows = [("a", "d", 10.0), ("b", "d", 8.0)]
    plan = by_hand(parts, rows, [("a>d", 9.0), ("a>b b>d", 1.0), ("b>d", 8.0)], realisation)
    found = repaired(plan, cables=("a-d",))
    assert found.delivered_gbps[0, 0] == pytest.approx(12.0)
    assert found.congested_gbps[0, 0] == pytest.approx(6.0)


@BOTH
def test_links_drop_in_the_order_in_which_they_are_crossed_not_listed(realisation: str) -> None:
    # b-d is listed before a-b, and a pinned list crosses a>b first all the same: 5 of 10 get through, and 12 of 5 + 8.
    parts = [cable("b-d", 12.0), cable("a-b", 5.0), cable("a-d", 10.0)]
    rows = [("a", "d", 10.0), ("b", "d", 8.0)]
    plan = by_hand(parts, rows, [("a>d", 9.0), ("a>b b>d", 1.0), ("b>d", 8.0)], realisation)
    found = repaired(plan, cables=("a-d",))
    assert found.delivered_gbps[0, 0] == pytest.approx(12.0)
    assert found.congested_gbps[0, 0] == pytest.approx(6.0)


@BOTH
def test_a_node_takes_its_links_and_what_would_enter_there(realisation: str) -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    rows = [("a", "d", 4.0), ("b", "d", 1.0), ("a", "b", 2.0)]
    plan = by_hand(parts, rows, [(SHORT, 2.0), (LONG, 2.0), ("b>d", 1.0), ("a>b", 2.0)], realisation)
    found = repaired(plan, nodes=("b",))
    assert found.lost_gbps[0, 0] == pytest.approx(3.0)
    assert found.delivered_gbps[0, 0] == pytest.approx(4.0)


@BOTH
def test_parallel_links_fail_by_themselves_or_with_their_cable(realisation: str) -> None:
    parts = [link("a>b", 10.0, id="one", cable="duct"), link("a>b", 10.0, id="two", cable="duct")]
    plan = by_hand(parts, [("a", "b", 6.0)], [("one", 4.0), ("two", 2.0)], realisation)
    assert repaired(plan, links=("one",)).lost_gbps[0, 0] == 0.0
    assert repaired(plan, cables=("duct",)).lost_gbps[0, 0] == pytest.approx(6.0)


@BOTH
def test_an_srlg_takes_all_its_links(realisation: str) -> None:
    parts = [
        cable("a-b", 10.0, srlgs=("ditch",)),
        cable("b-d", 10.0),
        cable("a-c", 10.0, srlgs=("ditch",)),
        cable("c-d", 10.0),
    ]
    plan = by_hand(parts, [("a", "d", 6.0)], [(SHORT, 4.0), (LONG, 2.0)], realisation)
    assert repaired(plan, srlgs=("ditch",)).lost_gbps[0, 0] == pytest.approx(6.0)
    assert repaired(plan, cables=("a-b",)).lost_gbps[0, 0] == 0.0


@BOTH
def test_what_head_ends_did_not_admit_is_not_lost(realisation: str) -> None:
    plan = by_hand([cable("a-b", 3.0)], [("a", "b", 6.0)], [("a>b", 3.0)], realisation)
    found = repaired(plan, cables=("a-b",))
    assert found.admitted_gbps.tolist() == pytest.approx([3.0])
    assert found.lost_gbps[0, 0] == pytest.approx(3.0)


def test_traffic_left_to_the_igp_shares_among_equal_costs_that_are_left() -> None:
    # Two adjacency segments are too deep for this head end, so that a's label for d decides, at equal cost.
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    question = asked(network(*parts), demands(("a", "d", 4.0)), "source-routed", tables={"max_segments": 1})
    plan = plan_of(question, [("a>b b>d", 4.0)])
    tables = build_tables(plan)
    (hop,) = [hop for hop in tables.devices["a"]["next_hops"] if hop["kind"] == "segments"]
    assert not hop["links"]
    found = repaired(plan)
    assert found.max_utilization[0] == pytest.approx(0.2)
    assert repaired(plan, cables=("a-b",)).lost_gbps[0, 0] == 0.0
    # The IGP's own repair is not waited for: b's label for d has no next hop left.
    assert repaired(plan, cables=("b-d",)).lost_gbps[0, 0] == pytest.approx(2.0)


def test_a_label_is_popped_by_its_node_whatever_its_routes_say() -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    question = asked(network(*parts), demands(("a", "d", 4.0)), "source-routed", tables={"max_segments": 1})
    plan = plan_of(question, [("a>b b>d", 4.0)])

    def send_back(devices: Any) -> None:
        (own,) = [sid["label"] for sid in devices["d"]["local_sids"] if sid["kind"] == "node"]
        route = next(route for route in devices["d"]["routes"] if route["label"] is not None)
        devices["d"]["routes"].append({**route, "label": own, "egress": "d"})

    scenarios = family(plan.instance.topology, "cable")
    tables = edited(build_tables(plan), send_back)
    assert_the_walk_agrees(plan, scenarios, tables)
    (block,) = Repair(repair_graph(tables, plan.instance)).blocks(scenarios)
    assert block.lost_gbps[0].tolist() == pytest.approx([0.0, 2.0, 0.0, 2.0])


def test_a_head_end_may_send_out_of_a_link_without_a_label() -> None:
    plan = by_hand([cable("a-d", 10.0), cable("a-b", 10.0)], [("a", "d", 4.0)], [("a>d", 4.0)], "source-routed")

    def unlabelled(devices: Any) -> None:
        (hop,) = [hop for hop in devices["a"]["next_hops"] if hop["kind"] == "segments"]
        hop.update(kind="link", labels=[], segments=[])

    scenarios = family(plan.instance.topology, "cable")
    tables = edited(build_tables(plan), unlabelled)
    assert_the_walk_agrees(plan, scenarios, tables)
    (block,) = Repair(repair_graph(tables, plan.instance)).blocks(scenarios)
    assert block.lost_gbps[0].tolist() == pytest.approx([4.0, 0.0])


@BOTH
def test_tenants_keep_apart(realisation: str) -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    matrix = demands(("a", "d", 4.0, {"tenant": "red"}), ("a", "d", 2.0, {"tenant": "blue"}))
    plan = plan_of(asked(network(*parts), matrix, realisation), [(SHORT, 4.0, "", "red"), (LONG, 2.0, "", "blue")])
    # Source-routed each tenant has a group of its own; hop by hop they share one, of weights 2 : 1.
    lost = {"source-routed": 4.0, "hop-by-hop": 0.0}[realisation]
    assert repaired(plan, cables=("a-b",)).lost_gbps[0, 0] == pytest.approx(lost)


@pytest.mark.parametrize(("when", "spare_gbps"), [("any-member-down", 8.0), ("all-members-down", 0.0)])
def test_a_backup_group_takes_over_when_it_says(when: str, spare_gbps: float) -> None:
    plan = by_hand(
        [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0), cable("a-d", 10.0)],
        [("a", "d", 8.0)], [(SHORT, 6.0), (LONG, 2.0)], "hop-by-hop",
    )  # fmt: skip
    tables = edited(build_tables(plan), lambda devices: _protect(devices["a"], "a>d", when))
    scenarios = ScenarioSet(
        plan.instance.topology, (Scenario("it", cables=("a-b",)), Scenario("all", cables=("a-b", "a-c")))
    )
    assert_the_walk_agrees(plan, scenarios, tables)
    (block,) = Repair(repair_graph(tables, plan.instance)).blocks(scenarios)
    at = plan.instance.topology.link_index["a>d"]
    assert block.link_load_gbps[at].tolist() == pytest.approx([spare_gbps, 8.0])


def _protect(device: Any, spare_link: str, when: str, group: str = "d/default") -> None:
    """Give a device's group a backup over one link, with a next hop for it where there is none."""
    known = {hop["id"] for hop in device["next_hops"]}
    if f"link:{spare_link}" not in known:
        model = next(hop for hop in device["next_hops"] if hop["kind"] == "link")
        device["next_hops"].append({**copy.deepcopy(model), "id": f"link:{spare_link}", "links": [spare_link]})
    (wanted,) = [one for one in device["next_hop_groups"] if one["id"] == group]
    members = [{"next_hop": f"link:{spare_link}", "weight": 1, "planned_share": 1.0}]
    device["next_hop_groups"].append({**wanted, "id": "spare", "members": members, "backup": None})
    wanted["backup"] = {"group": "spare", "when": when}


def test_backups_that_point_at_each_other_are_a_loop_that_the_walk_finds() -> None:
    plan = by_hand(
        [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-d", 10.0)], [("a", "d", 6.0), ("b", "d", 3.0)],
        [("a>d", 6.0), ("b>d", 3.0)], "hop-by-hop",
    )  # fmt: skip

    def lead_round(devices: Any) -> None:
        _protect(devices["a"], "a>b", "all-members-down")
        _protect(devices["b"], "b>a", "all-members-down")

    tables = edited(build_tables(plan), lead_round)
    one, both = Scenario("one", cables=("a-d",)), Scenario("both", cables=("a-d", "b-d"))
    scenarios = ScenarioSet(plan.instance.topology, (one, both))
    assert not walked(plan, tables, scenarios, 0).faults
    (loop,) = walked(plan, tables, scenarios, 1).of_kind(FaultKind.LOOP)
    assert loop.devices == ("a", "b")
    # The arrays go round as often as a packet may, and lose the same.
    assert_the_walk_agrees(plan, scenarios, tables)
    (block,) = Repair(repair_graph(tables, plan.instance)).blocks(scenarios)
    assert block.lost_gbps[0].tolist() == pytest.approx([0.0, 9.0])


def test_a_black_hole_behind_a_backup_is_found_by_the_walk() -> None:
    plan = by_hand(
        [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-d", 10.0)], [("a", "d", 6.0)], [("a>d", 6.0)], "hop-by-hop",
    )  # fmt: skip
    # b was never told how to reach d.
    tables = edited(build_tables(plan), lambda devices: _protect(devices["a"], "a>b", "all-members-down"))
    scenarios = ScenarioSet(plan.instance.topology, (Scenario("it", cables=("a-d",)),))
    (fault,) = walked(plan, tables, scenarios, 0).faults
    assert (fault.kind, fault.devices, fault.detail) == (FaultKind.BLACK_HOLE, ("b",), "no route")
    assert_the_walk_agrees(plan, scenarios, tables)


def test_confirming_finds_tables_that_do_not_do_what_the_arrays_say() -> None:
    plan = gold_and_bulk("source-routed")
    tables, position = build_tables(plan), np.array([0])
    answer = what_if(plan, tables, ScenarioSet(plan.instance.topology, (Scenario("it", cables=("a-b",)),)))
    assert confirm(tables, answer, position) == ()

    def mislabel(devices: Any) -> None:
        # The links of the long way, and the labels of the short one: the arrays believe the links.
        ways = {tuple(hop["links"]): hop for hop in devices["a"]["next_hops"] if hop["kind"] == "segments"}
        ways["a>c", "c>d"]["labels"] = ways["a>b", "b>d"]["labels"]

    wrong = edited(tables, mislabel)
    answer = what_if(plan, wrong, answer.scenarios)
    found = confirm(wrong, answer, position)
    assert [(one.scenario, one.what) for one in found] == [("it", "class gold"), ("it", "busiest link a>c")]


def test_a_segment_list_that_hides_its_links_is_refused() -> None:
    plan = gold_and_bulk("source-routed")

    def forget(devices: Any) -> None:
        for hop in devices["a"]["next_hops"]:
            if hop["links"] == ["a>c", "c>d"]:
                hop["links"] = []

    tables = edited(build_tables(plan), forget)
    with pytest.raises(InputError, match="tables of device 'a': a segment list to 'd' names no links"):
        what_if(plan, tables)


@BOTH
def test_every_matrix_can_be_looked_at(realisation: str) -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    question = instance(
        network(*parts), [demands(("a", "d", 6.0)), demands(("a", "d", 3.0))],
        carry_all(tables={"realisation": realisation}),
    )  # fmt: skip
    plan = plan_of(question, [(SHORT, 4.0), (LONG, 2.0)])
    scenarios = family(plan.instance.topology, "node")
    for matrix, lost in ((0, 6.0), (1, 3.0)):
        assert_the_walk_agrees(plan, scenarios, matrix=matrix)
        answer = what_if(plan, build_tables(plan), scenarios, matrix=matrix)
        assert answer.repair.lost_gbps[0, [0, 3]].tolist() == pytest.approx([lost, lost])
    with pytest.raises(InputError, match="no matrix 2"):
        what_if(plan, build_tables(plan), matrix=2)


def test_tables_of_another_plan_are_refused() -> None:
    plan, other = (
        gold_and_bulk("source-routed"),
        by_hand([cable("a-b", 3.0)], [("a", "b", 6.0)], [("a>b", 3.0)], "hop-by-hop"),
    )
    with pytest.raises(InputError, match="not those of the plan"):
        what_if(plan, build_tables(other))
