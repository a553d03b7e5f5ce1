"""Working scenarios out as changes gives what going through all edges gives, figure by figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from failover_toys import REALISATIONS, gold_and_bulk
from tables.table_toys import edited
from test_member_backups import WAYS, halves
from test_random_failures import random_plan

from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair, RepairedBlock
from vbte.plan import Plan
from vbte.scenarios import Scenario, ScenarioSet, family
from vbte.tables import Tables, build_tables

FIGURES = ("class_link_load_gbps", "lost_gbps", "congested_gbps", "delivered_gbps", "latency_ms", "max_latency_ms")


def both_ways(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> tuple[RepairedBlock, RepairedBlock]:
    # More than planned, so that links drop in many scenarios and while all is up.
    crowded = replace(plan.instance, volume_gbps=2.5 * plan.instance.volume_gbps)
    repair, every = Repair(repair_graph(tables, crowded)), slice(0, len(scenarios))
    return repair.by_deltas(scenarios.failed_links(every), every), repair.evaluate(scenarios.failed_links(every), every)


def assert_same(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> RepairedBlock:
    by_deltas, by_edges = both_ways(plan, tables, scenarios)
    for name in FIGURES:
        found, expected = getattr(by_deltas, name), getattr(by_edges, name)
        np.testing.assert_allclose(found, expected, atol=1e-9, rtol=1e-9, err_msg=name)
    return by_deltas


def all_scenarios(plan: Plan) -> ScenarioSet:
    families = (family(plan.instance.topology, name) for name in ("cable", "node", "srlg"))
    pairs = family(plan.instance.topology, "pairs").scenarios[::7]
    nothing = Scenario("nothing down")
    return ScenarioSet(plan.instance.topology, (nothing, *(one for each in families for one in each.scenarios), *pairs))


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("protection", ["none", "cable", "node"])
@pytest.mark.parametrize("seed", range(3))
def test_changes_give_what_all_edges_give(seed: int, protection: str, realisation: str) -> None:
    plan = random_plan(seed, realisation, local_protection=protection)
    found = assert_same(plan, build_tables(plan), all_scenarios(plan))
    assert (found.congested_gbps > 0.1).any(axis=1).all()
    assert (found.lost_gbps > 0.1).any() or protection != "none"


def test_so_it_is_where_head_ends_leave_traffic_to_the_igp() -> None:
    plan = random_plan(7, "source-routed", max_segments=1)
    assert_same(plan, build_tables(plan), all_scenarios(plan))


def test_so_it_is_with_backups_and_limits_of_members() -> None:
    plan = halves(WAYS["e"], WAYS["f"], reserved_gbps=[5.0, 4.0])
    assert_same(plan, build_tables(plan), all_scenarios(plan))


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_a_class_that_is_starved_has_no_latency(realisation: str) -> None:
    plan = gold_and_bulk(realisation)

    def crowd(devices: Any) -> None:
        for device in devices.values():
            for hop in device["next_hops"]:
                hop["latency_us"] = None

    found = assert_same(plan, edited(build_tables(plan), crowd), all_scenarios(plan))
    assert np.isnan(found.latency_ms[1]).any()
    assert np.isnan(found.max_latency_ms[1]).any()


def test_large_tables_are_worked_out_as_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = random_plan(1, "source-routed")
    scenarios = family(plan.instance.topology, "cable")
    repair = Repair(repair_graph(build_tables(plan), plan.instance))
    expected = np.concatenate([block.lost_gbps for block in repair.blocks(scenarios)], axis=1)
    monkeypatch.setattr("vbte.failover.repair._LARGE_LINKS", 0)
    monkeypatch.setattr("vbte.failover.repair._LARGE_BLOCK", 4)
    monkeypatch.setattr(Repair, "evaluate", None)
    found = list(repair.blocks(scenarios))
    assert [block.scenarios.stop - block.scenarios.start for block in found] == [4, 4, 4, 1]
    np.testing.assert_allclose(np.concatenate([block.lost_gbps for block in found], axis=1), expected, atol=1e-9)
