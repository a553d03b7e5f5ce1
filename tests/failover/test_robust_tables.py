"""Tables of robust classes, walked in every scenario: all of it arrives, and no link is above its limit."""

from __future__ import annotations

import numpy as np
import pytest
from test_robust import NETWORKS, question, robust
from toys import ADMITTED, cable, demands, model, network, plan

from vbte.failover import Replanning
from vbte.failover.what_if import what_if
from vbte.scenarios import Scenario, ScenarioSet, family
from vbte.tables import build_tables, walk
from vbte.tables.walk import offered_traffic

#: Segment lists as deep as paths are long: no path is left out.
TABLES = {"realisation": "source-routed", "max_segments": 64}


@pytest.mark.parametrize("against", ["cable", "node"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_link_is_above_its_limit_in_any_scenario(name: str, against: str) -> None:
    topology, matrix = question(name)
    found = plan(topology, matrix, robust(ADMITTED, against, tables=TABLES))
    tables = build_tables(found)
    scenarios = family(topology, against)
    for number, scenario in enumerate(scenarios.scenarios):
        one = slice(number, number + 1)
        down = {topology.links[link].id for link in np.flatnonzero(scenarios.failed_links(one)[:, 0]).tolist()}
        report = walk(tables, topology, offered_traffic(found.instance), failed_links=down, failed_nodes=scenario.nodes)
        assert (report.link_load_gbps <= topology.capacity_gbps * (1 + 1e-6)).all(), scenario.name


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_promised_arrives_whatever_fails(name: str) -> None:
    topology, matrix = question(name)
    found = plan(topology, matrix, robust(ADMITTED, tables=TABLES))
    answer = what_if(found, build_tables(found), family(topology, "cable"))
    cut_off = answer.cuts.stranded_gbps[0]
    admitted = float(found.admitted_gbps.sum())
    # Only what the topology itself cuts off is lost, and nothing is dropped on the way.
    lost = answer.repair.lost_gbps[0]
    assert (lost <= cut_off + 1e-6 * admitted).all()
    assert answer.repair.congested_gbps[0].max(initial=0.0) <= 1e-6 * admitted


def test_a_plan_without_the_promise_does_not_keep_it() -> None:
    topology, matrix = question("sndlib/polska")
    found = plan(topology, matrix, model(ADMITTED, coupling="sequential", tables=TABLES))
    answer = what_if(found, build_tables(found), family(topology, "cable"))
    assert answer.repair.undelivered_gbps[0].max() > 0.05 * float(found.admitted_gbps.sum())


def test_what_is_left_of_a_network_keeps_what_promises_it_can() -> None:
    # Without one of three ways two are left; without two of them nothing can be promised, and nobody is refused.
    topology = network(*(cable(f"{end}-{way}", 10.0) for way in "xyz" for end in "ab"))
    built = robust(ADMITTED, where_impossible="reject", tables=TABLES)
    found = plan(topology, demands(("a", "b", 40.0)), built)
    scenarios = ScenarioSet(topology, tuple(Scenario(f"{n} ways", cables=("a-x", "a-y")[:n]) for n in (1, 2)))
    answer = what_if(found, build_tables(found), scenarios, replan=Replanning())
    assert [one.fault for one in answer.replans] == ["", ""]
    assert [one.stages[0].value for one in answer.replans] == [pytest.approx(10.0), pytest.approx(10.0)]
