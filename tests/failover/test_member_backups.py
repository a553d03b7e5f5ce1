"""A member's own backup takes its place, and no more than its limit goes over it: written, walked, repaired."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from failover_toys import asked, assert_the_walk_agrees, by_hand, walked
from rich.console import Console
from tables.table_toys import edited, plan_of, write
from toys import cable, demands, network, of_class

import vbte.tables
from vbte.delta.groups import count_changes, keep_groups
from vbte.errors import InputError
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair, RepairedBlock
from vbte.plan import PathSet, Plan
from vbte.report.devices import device_view
from vbte.scenarios.families import Scenario, ScenarioSet
from vbte.tables import FaultKind, Tables, build_tables, compare, offered_traffic, tables_from_directory, walk
from vbte.tables.files import tables_to_files
from vbte.tables.manifest import plan_id, sha256
from vbte.topology import Topology

PUBLISHED = json.loads((Path(vbte.tables.__file__).parent / "schemas" / "tables-1.json").read_text())

#: Four ways from a to d, of 1, 2, 3 and 4 ms a link.
WAYS = {way: f"a>{way} {way}>d" for way in "bcef"}


def four_ways() -> Topology:
    parts = [cable(f"{ends}", 10.0, ms) for way, ms in zip("bcef", (1, 2, 3, 4), strict=True) for ends in
             (f"a-{way}", f"{way}-d")]  # fmt: skip
    return network(*parts)


def with_backups(plan: Plan, *backups: str, reserved_gbps: list[float] | None = None) -> Plan:
    """The plan with a backup for each path, ``''`` for none."""
    index = plan.instance.topology.link_index
    links = [[index[name] for name in text.split()] for text in backups]
    start = np.concatenate([[0], np.cumsum([len(row) for row in links])]).astype(np.int64)
    paths = PathSet(start, np.array([at for row in links for at in row], dtype=np.int32), plan.paths.commodity)
    return replace(
        plan, backup_paths=paths, reserved_gbps=None if reserved_gbps is None else np.array(reserved_gbps)
    )  # fmt: skip


def halves(*backups: str, reserved_gbps: list[float] | None = None, **tables: Any) -> Plan:
    """8 Gbit/s from a to d, half over b and half over c."""
    question = asked(four_ways(), demands(("a", "d", 8.0)), "source-routed", tables=tables)
    plan = plan_of(question, [(WAYS["b"], 4.0), (WAYS["c"], 4.0)])
    return with_backups(plan, *backups, reserved_gbps=reserved_gbps)


def scenarios_of(plan: Plan, *cables: str) -> ScenarioSet:
    return ScenarioSet(plan.instance.topology, (Scenario("it", cables=cables),))


def repaired(plan: Plan, tables: Tables, *cables: str) -> RepairedBlock:
    scenarios = scenarios_of(plan, *cables)
    assert_the_walk_agrees(plan, scenarios, tables)
    (block,) = Repair(repair_graph(tables, plan.instance)).blocks(scenarios)
    return block


def loads(plan: Plan, tables: Tables, *cables: str) -> list[float]:
    """Gbit/s that leave a over b, c, e and f, by the arrays and by the walk."""
    index = plan.instance.topology.link_index
    block = repaired(plan, tables, *cables)
    return [round(float(block.link_load_gbps[index[f"a>{way}"], 0]), 9) for way in "bcef"]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ((), [4.0, 4.0, 0.0, 0.0]),
        # e stands in for b alone, with its weight; head ends know of failures further on.
        (("a-b",), [0.0, 4.0, 4.0, 0.0]),
        (("b-d",), [0.0, 4.0, 4.0, 0.0]),
        (("c-d",), [4.0, 0.0, 0.0, 4.0]),
        (("a-b", "c-d"), [0.0, 0.0, 4.0, 4.0]),
        # A backup that is down while it is not needed changes nothing.
        (("a-e",), [4.0, 4.0, 0.0, 0.0]),
        # Both down: the member is gone and the others share.
        (("a-b", "a-e"), [0.0, 8.0, 0.0, 0.0]),
        (("a-b", "e-d", "a-c"), [0.0, 0.0, 0.0, 8.0]),
        (("a-b", "a-e", "a-c", "a-f"), [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_backup_stands_in_for_its_own_member(down: tuple[str, ...], expected: list[float]) -> None:
    plan = halves(WAYS["e"], WAYS["f"])
    assert loads(plan, build_tables(plan), *down) == expected


def test_a_member_without_a_backup_leaves_its_share_to_the_others() -> None:
    plan = halves("", WAYS["f"])
    tables = build_tables(plan)
    assert loads(plan, tables, "a-b") == [0.0, 8.0, 0.0, 0.0]
    assert loads(plan, tables, "a-c") == [4.0, 0.0, 0.0, 4.0]


@pytest.mark.parametrize(("when", "expected"), [("any-member-down", [8.0, 8.0]), ("all-members-down", [4.0, 8.0])])
def test_a_groups_backup_waits_for_its_members_own(when: str, expected: list[float]) -> None:
    plan = halves(WAYS["e"], "")

    def add(devices: Any) -> None:
        (hop,) = [hop for hop in devices["a"]["next_hops"] if hop["links"] == ["a>e", "e>d"]]
        labels = [label_of(devices, "f"), hop["labels"][-1]]
        spare = {**hop, "id": "spare", "links": ["a>f", "f>d"], "labels": labels}
        devices["a"]["next_hops"].append(spare)
        (group,) = [one for one in devices["a"]["next_hop_groups"] if one["id"] == "d/default/"]
        members = [{"next_hop": "spare", "weight": 1, "planned_share": 1.0}]
        devices["a"]["next_hop_groups"].append({**group, "id": "spare", "members": members})
        group["backup"] = {"group": "spare", "when": when}

    tables = edited(build_tables(plan), add)
    assert loads(plan, tables, "a-b") == [0.0, 4.0, 4.0, 0.0]
    over_f = [loads(plan, tables, *down)[3] for down in (("a-b", "a-e"), ("a-b", "a-e", "a-c"))]
    assert over_f == ([8.0, 8.0] if when == "any-member-down" else [0.0, 8.0])


def label_of(devices: Any, node: str) -> int:
    return next(int(sid["label"]) for sid in devices[node]["local_sids"] if sid["kind"] == "node")


def test_hop_by_hop_a_link_stands_in_for_a_link_and_what_lies_behind_it_is_followed() -> None:
    parts = [cable(ends, 10.0) for ends in ("a-b", "b-d", "a-c", "c-d", "c-b")]
    plan = by_hand(parts, [("a", "d", 6.0), ("c", "d", 1.0)], [("a>b b>d", 6.0), ("c>d", 1.0)], "hop-by-hop")

    def stand_in(devices: Any) -> None:
        hop = {**devices["a"]["next_hops"][0], "id": "link:a>c", "links": ["a>c"], "node": "c"}
        devices["a"]["next_hops"].append(hop)
        (group,) = [one for one in devices["a"]["next_hop_groups"] if one["id"] == "d/default"]
        group["members"][0]["backup"] = "link:a>c"

    tables = edited(build_tables(plan), stand_in)
    index = plan.instance.topology.link_index
    assert repaired(plan, tables, "a-b").link_load_gbps[[index["a>c"], index["c>d"]], 0].tolist() == [6.0, 7.0]
    # Repair at b is b's own business, and it has none.
    assert repaired(plan, tables, "b-d").lost_gbps[0, 0] == pytest.approx(6.0)


def test_backups_that_stand_in_for_each_other_are_a_loop_that_is_found_and_located() -> None:
    parts = [cable(ends, 10.0) for ends in ("a-b", "b-d", "a-d")]
    plan = by_hand(parts, [("a", "d", 6.0), ("b", "d", 3.0)], [("a>d", 6.0), ("b>d", 3.0)], "hop-by-hop")

    def lead_round(devices: Any) -> None:
        for here, there in ("ab", "ba"):
            hop = {**devices[here]["next_hops"][0], "id": f"link:{here}>{there}", "links": [f"{here}>{there}"]}
            devices[here]["next_hops"].append(hop)
            (group,) = [one for one in devices[here]["next_hop_groups"] if one["id"] == "d/default"]
            group["members"][0]["backup"] = hop["id"]

    tables, scenarios = edited(build_tables(plan), lead_round), scenarios_of(plan, "a-d", "b-d")
    (loop,) = walked(plan, tables, scenarios, 0).of_kind(FaultKind.LOOP)
    assert loop.devices == ("a", "b")
    assert repaired(plan, tables, "a-d", "b-d").lost_gbps[0, 0] == pytest.approx(9.0)
    assert repaired(plan, tables, "a-d").lost_gbps[0, 0] == 0.0


def test_a_backup_that_leads_astray_is_found_by_the_walk() -> None:
    plan = halves(WAYS["e"], "")

    def mislead(devices: Any) -> None:
        (hop,) = [hop for hop in devices["a"]["next_hops"] if hop["links"] == ["a>e", "e>d"]]
        hop["labels"] = [label_of(devices, "e")]

    tables, scenarios = edited(build_tables(plan), mislead), scenarios_of(plan, "a-b")
    assert not walk(tables, plan.instance.topology, offered_traffic(plan.instance)).faults
    (fault,) = walked(plan, tables, scenarios, 0).faults
    assert (fault.kind, fault.devices) == (FaultKind.WRONG_EGRESS, ("e",))
    with pytest.raises(AssertionError, match="it"):
        assert_the_walk_agrees(plan, scenarios, tables)


def test_no_more_than_its_limit_goes_over_a_member_and_the_rest_is_lost_at_the_head_end() -> None:
    plan = halves(WAYS["e"], "", reserved_gbps=[5.0, 6.5])
    tables = build_tables(plan)
    limits = [m["limit_bps"] for m in members_of(tables)]
    assert limits == [5_000_000_000, 6_500_000_000]
    assert loads(plan, tables) == [4.0, 4.0, 0.0, 0.0]
    # All 8 Gbit/s want to go over b, which may carry 5; or over c; the backup has its member's limit.
    assert loads(plan, tables, "a-c") == [5.0, 0.0, 0.0, 0.0]
    assert loads(plan, tables, "a-b", "a-e") == [0.0, 6.5, 0.0, 0.0]
    assert loads(plan, tables, "a-c", "a-b") == [0.0, 0.0, 5.0, 0.0]
    assert repaired(plan, tables, "a-c").lost_gbps[0, 0] == pytest.approx(3.0)
    assert walked(plan, tables, scenarios_of(plan, "a-c"), 0).policed_gbps.tolist() == pytest.approx([3.0])


def members_of(tables: Tables) -> list[Any]:
    (group,) = [one for one in tables.devices["a"]["next_hop_groups"] if one["id"] == "d/default/"]
    return list(group["members"])


def test_rounding_to_weights_is_not_policed_while_all_is_up() -> None:
    # A third and two thirds of weights up to 2 are 1 : 2; up to 1 they are halves, above the lesser reservation.
    question = asked(four_ways(), demands(("a", "d", 9.0)), "source-routed", tables={"max_weight": 1})
    plan = with_backups(plan_of(question, [(WAYS["b"], 3.0), (WAYS["c"], 6.0)]), "", "", reserved_gbps=[3.0, 6.0])
    tables = build_tables(plan)
    assert [member["limit_bps"] for member in members_of(tables)] == [4_500_000_000, 6_000_000_000]
    report = walk(tables, plan.instance.topology, offered_traffic(plan.instance))
    assert report.policed_gbps.tolist() == [0.0]
    assert compare(report, plan).agrees


def test_a_groups_protection_counts_when_tables_are_compared_and_comes_along_when_groups_are_kept() -> None:
    base = build_tables(halves(WAYS["e"], "", reserved_gbps=[5.0, 5.0]))
    assert count_changes(base, build_tables(halves(WAYS["e"], "", reserved_gbps=[5.0, 5.0]))).total == 0
    for other in (halves(WAYS["f"], "", reserved_gbps=[5.0, 5.0]), halves(WAYS["e"], "", reserved_gbps=[5.0, 6.0])):
        assert count_changes(base, build_tables(other)).changed == 1
        kept, changes = keep_groups(base, build_tables(other), untouched={"a": ["d/default/"]})
        assert changes.total == 0
        held = {hop["id"] for hop in kept.devices["a"]["next_hops"]}
        assert {member["backup"] for member in members_of(kept) if "backup" in member} <= held
    standby = halves("", "", local_protection="cable")
    lone = with_backups(plan_of(standby.instance, [(WAYS["b"], 8.0)]), "")
    kept, _ = keep_groups(build_tables(lone), build_tables(standby), untouched={"a": ["d/default/"]})
    groups = {group["id"]: group for group in kept.devices["a"]["next_hop_groups"]}
    backup = groups["d/default/"]["backup"]
    assert backup is not None
    assert backup["group"] in groups


def test_what_is_policed_while_all_is_up_keeps_a_plan_from_being_published() -> None:
    plan = halves("", "", reserved_gbps=[4.0, 4.0])

    def cut(devices: Any) -> None:
        for group in devices["a"]["next_hop_groups"]:
            for member in group["members"]:
                if "limit_bps" in member:
                    member["limit_bps"] = 1_000_000_000

    report = walk(edited(build_tables(plan), cut), plan.instance.topology, offered_traffic(plan.instance))
    assert report.policed_gbps.tolist() == pytest.approx([6.0])
    assert not compare(report, plan).agrees
    found = compare(replace(report, class_link_load_gbps=plan.class_link_load_gbps[0]), plan)
    assert not found.excess.any()
    assert not found.agrees


def test_a_limit_counts_for_all_that_a_route_sends_not_for_each_demand() -> None:
    plan = halves("", "", reserved_gbps=[4.0, 4.0])
    offered = offered_traffic(plan.instance)
    twice = replace(
        offered,
        **{name: np.repeat(getattr(offered, name), 2) for name in ("ingress", "egress", "class_index", "tenant_index")},
        gbps=np.array([8.0, 2.0]),
    )  # type: ignore[arg-type]
    report = walk(build_tables(plan), plan.instance.topology, twice)
    assert report.policed_gbps.tolist() == pytest.approx([2.0])
    assert report.delivered_gbps.tolist() == pytest.approx([8.0])


def test_a_backup_too_deep_for_the_device_is_said_so_and_not_written() -> None:
    parts = [cable(ends, 10.0) for ends in ("a-b", "b-d", "a-c", "c-e", "e-d")]
    question = asked(network(*parts), demands(("a", "d", 8.0)), "source-routed", tables={"max_segments": 1})
    plan = with_backups(plan_of(question, [("a>b b>d", 8.0)]), "a>c c>e e>d")
    tables = build_tables(plan)
    assert all("backup" not in member for member in members_of(tables))
    (entry,) = tables.devices["a"]["cannot_realise"]
    assert (entry["reason"], entry["object"]["links"]) == ("segment-depth", ["a>c", "c>e", "e>d"])
    assert entry["detail"] == "the backup needs 2 segments, the device pushes 1"
    assert tables.manifest["cannot_realise"] == {"count": 1, "bps_at_stake": 8_000_000_000}


def test_a_plan_without_backups_has_tables_of_the_same_bytes_as_ever() -> None:
    plan = halves("", "")
    assert (
        tables_to_files(build_tables(replace(plan, backup_paths=None)))["tables/devices/a.json"]
        == tables_to_files(build_tables(plan))["tables/devices/a.json"]
    )


def test_protection_is_part_of_what_the_tables_were_made_for() -> None:
    names = {
        build_tables(plan).manifest["allocation"]
        for plan in (halves("", ""), halves(WAYS["e"], ""), halves("", "", reserved_gbps=[5.0, 5.0]))
    }
    assert len(names) == 3


def test_a_path_listed_twice_keeps_its_backup_and_adds_up_its_reservations() -> None:
    question = asked(four_ways(), demands(("a", "d", 8.0)), "source-routed")
    plan = plan_of(question, [(WAYS["b"], 2.0), (WAYS["b"], 2.0), (WAYS["c"], 4.0)])
    plan = with_backups(plan, WAYS["e"], WAYS["e"], "", reserved_gbps=[2.5, 2.5, 4.0])
    tables = build_tables(plan)
    assert [member["limit_bps"] for member in members_of(tables)] == [5_000_000_000, 4_000_000_000]
    assert loads(plan, tables, "a-b") == [0.0, 4.0, 4.0, 0.0]


def test_classes_below_all_that_are_promised_something_have_no_limits() -> None:
    classes = [
        {"name": "gold", "priority": 1}, {"name": "silver", "priority": 2, "protection": {"kind": "backup"}},
        {"name": "bulk", "priority": 3},
    ]  # fmt: skip
    rows = [("a", "d", 2.0, of_class(one["name"])) for one in classes]
    question = asked(four_ways(), demands(*rows), "source-routed", classes=classes, coupling="sequential")
    plan = plan_of(question, [(WAYS["b"], 2.0, one["name"]) for one in classes])
    tables = build_tables(with_backups(plan, "", WAYS["e"], "", reserved_gbps=[2.0] * 3))
    limits = {group["id"]: group["members"][0].get("limit_bps") for group in tables.devices["a"]["next_hop_groups"]
              if group["id"].startswith("d/")}  # fmt: skip
    # Gold could take from silver what it was promised, bulk can't.
    assert limits == {"d/bulk/": None, "d/gold/": 2_000_000_000, "d/silver/": 2_000_000_000}


def test_hop_by_hop_tables_say_that_they_hold_no_paths_own_protection() -> None:
    question = asked(four_ways(), demands(("a", "d", 8.0), ("b", "d", 1.0)), "hop-by-hop")
    bare = plan_of(question, [(WAYS["b"], 8.0), ("b>d", 1.0)])
    assert build_tables(bare).manifest["cannot_realise"]["count"] == 0
    tables = build_tables(with_backups(bare, WAYS["e"], ""))
    (entry,) = tables.devices["a"]["cannot_realise"]
    assert (entry["reason"], entry["object"]["egress"], entry["bps_at_stake"]) == ("protection", "d", 8_000_000_000)
    assert tables.manifest["cannot_realise"]["count"] == 1
    reserved = build_tables(with_backups(bare, "", "", reserved_gbps=[9.0, 2.0]))
    assert reserved.manifest["cannot_realise"] == {"count": 2, "bps_at_stake": 9_000_000_000}
    for content in tables.device_bytes.values():
        jsonschema.validate(json.loads(content), PUBLISHED)


def test_what_is_written_obeys_the_schema_and_is_read_again(tmp_path: Path) -> None:
    tables = build_tables(halves(WAYS["e"], WAYS["f"], reserved_gbps=[5.0, 6.0]))
    for content in tables.device_bytes.values():
        jsonschema.validate(json.loads(content), PUBLISHED)
    assert tables_from_directory(write(tables, tmp_path)).devices == tables.devices


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"backup": "gone"}, "next_hop_groups[0]: no next hop 'gone'"),
        ({"backup": 7}, "is not of schema vbte.tables/1"),
        ({"backup": ["segments:d"]}, "is not of schema vbte.tables/1"),
        ({"limit_bps": -1}, "a member has limit -1 bit/s; a limit is 0 or more"),
        ({"limit_bps": 1.5}, "is not of schema vbte.tables/1"),
        ({"limit_bps": "9"}, "is not of schema vbte.tables/1"),
        ({"backup": "self"}, "is its own backup"),
    ],
)
def test_hostile_members_are_refused_with_their_place(change: Any, complaint: str, tmp_path: Path) -> None:
    def spoil(devices: Any) -> None:
        member = devices["a"]["next_hop_groups"][0]["members"][0]
        member.update({key: member["next_hop"] if value == "self" else value for key, value in change.items()})

    with pytest.raises(InputError) as caught:
        tables_from_directory(rewritten(build_tables(halves(WAYS["e"], "")), spoil, tmp_path))
    assert complaint in str(caught.value)
    assert "a.json" in str(caught.value)


def test_limits_where_nothing_enters_are_refused(tmp_path: Path) -> None:
    def limit_transit(devices: Any) -> None:
        label = next(route for route in devices["b"]["routes"] if route["label"] is not None)
        (group,) = [one for one in devices["b"]["next_hop_groups"] if one["id"] == label["group"]]
        group["members"][0]["limit_bps"] = 1

    with pytest.raises(InputError, match=r"b\.json: routes\[\d\]: members of group 'links:.*' have limits"):
        tables_from_directory(rewritten(build_tables(halves("", "")), limit_transit, tmp_path))


def rewritten(tables: Tables, change: Any, folder: Path) -> Path:
    """Write edited tables with hashes that fit, as somebody with bad intentions would."""
    changed = edited(tables, change)
    manifest: Any = json.loads(json.dumps(tables.manifest))
    for entry in manifest["devices"]:
        entry["sha256"] = sha256(changed.device_bytes[entry["device"]])
    manifest["plan"] = plan_id(manifest)
    return write(Tables(manifest, changed.devices), folder)


def test_backups_and_limits_are_shown() -> None:
    tables = build_tables(halves(WAYS["e"], "", reserved_gbps=[5.0, 6.0]))
    console = Console(file=StringIO(), width=160)
    console.print(device_view(tables.devices["a"]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "at most 5 Gbit/s" in shown
    assert "else a>e to e" in shown
