"""Starting from an earlier plan: whatever has changed since, the plan is sound and as close as any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from markets import priced
from test_priced_against_exact import bundled, plain, town_grid
from toys import cable, demands, diamond, link, model, network, of_class, plan

import vbte
from vbte.allocate.priced.warm import carried_over
from vbte.demands import DemandMatrix
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import Topology

THROUGHPUT = bundled("max-throughput")
GOAL = 2e-3


def again(topology: Topology, matrix: DemandMatrix, before: Plan, policy: PlanningModel = THROUGHPUT) -> Plan:
    """The plan that follows an earlier one: checked, and within the goal in its first stage."""
    found = vbte.optimize(topology, matrix, model=policy, solver=priced(GOAL), previous=before)
    assert check_plan(found).findings == ()
    assert found.engine.engine == "price-directed"
    gap = found.certificates[0].gap
    assert gap is not None
    assert gap <= GOAL
    return found


@pytest.fixture(scope="module")
def before() -> Plan:
    topology, matrix = town_grid(3.0)
    return plan(topology, plain(matrix), THROUGHPUT, solver=priced(GOAL))


def test_the_same_question_starts_from_its_own_answer(before: Plan) -> None:
    topology, matrix = town_grid(3.0)
    lines: list[str] = []
    found = vbte.optimize(
        topology, plain(matrix), model=THROUGHPUT, solver=priced(GOAL), previous=before, progress=lines.append
    )
    assert check_plan(found).findings == ()
    assert any("previous plan" in one for one in lines)
    assert found.max_gap is not None
    assert found.max_gap <= 2 * GOAL


def test_demands_moved_by_a_tenth(before: Plan) -> None:
    topology, matrix = town_grid(3.0)
    moved = matrix.volume_gbps * np.random.default_rng(1).uniform(0.9, 1.1, len(matrix))
    again(topology, replace(plain(matrix), volume_gbps=moved), before)


@pytest.mark.parametrize("gone", ["drained", "removed"])
def test_a_link_that_is_gone_is_not_used(before: Plan, gone: str) -> None:
    topology, matrix = town_grid(3.0)
    busiest = int(np.argmax(before.link_load_gbps[0]))
    if gone == "removed":
        links = topology.links[:busiest] + topology.links[busiest + 1 :]
    else:
        links = tuple(replace(one, drained=i == busiest) for i, one in enumerate(topology.links))
    found = again(Topology(topology.nodes, links), plain(matrix), before)
    name = topology.links[busiest].id
    loads = dict(zip([one.id for one in found.instance.topology.links], found.link_load_gbps[0].tolist(), strict=True))
    assert loads.get(name, 0.0) == 0.0


def test_demands_that_are_new_are_planned_with_the_others(before: Plan) -> None:
    topology, matrix = town_grid(3.0)
    half = np.arange(len(matrix)) % 2 == 0
    little = replace(plain(matrix), **{name: getattr(matrix, name)[half] for name in ("source", "destination",
                     "volume_gbps", "line")})  # fmt: skip
    old = plan(topology, little, THROUGHPUT, solver=priced(GOAL))
    assert again(topology, plain(matrix), old).instance.n_commodities == len(matrix)


def test_nodes_and_links_in_another_order_are_matched_by_name(before: Plan) -> None:
    topology, matrix = town_grid(3.0)
    turned = Topology(topology.nodes[::-1], topology.links[::-1])
    earlier = carried_over(before, vbte.optimize(turned, plain(matrix), model=THROUGHPUT, solver=priced(0.5)).instance)
    assert float(earlier.flow_gbps.sum()) == pytest.approx(float(before.flow_gbps.sum()))
    again(turned, plain(matrix), before)


def test_a_class_that_is_gone_and_one_that_is_new() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    rows = [("a", "d", 30.0, of_class("gold")), ("a", "d", 30.0, of_class("bulk"))]
    old = plan(diamond(), demands(*rows), model(classes=classes), solver=priced(GOAL))
    only = model(classes=[{"name": "bulk"}, {"name": "new", "priority": 2}])
    renamed: list[Any] = [("a", "d", 30.0, of_class("new")), ("a", "d", 30.0, of_class("bulk"))]
    found = again(diamond(), demands(*renamed), old, only)
    assert found.certificates[0].value == pytest.approx(30, rel=GOAL)


def test_a_class_that_may_no_longer_use_a_link_keeps_off_it() -> None:
    old = plan(diamond(), demands(("a", "d", 8)), model(), solver=priced(GOAL))
    barred = model(classes=[{"name": "default", "avoid": {"nodes": ["b"]}}])
    found = again(diamond(), demands(("a", "d", 8)), old, barred)
    assert found.paths.hops.tolist() == [2]
    assert {found.instance.topology.links[i].id for i in found.paths.links} == {"a>c", "c>d"}


@pytest.mark.parametrize("other", ["names", "shape", "one link"])
def test_a_plan_of_another_network_altogether_does_no_harm(before: Plan, other: str) -> None:
    topology = {
        "names": network(cable("x-y", 3), cable("y-z", 4)),
        "shape": network(cable("00-33", 3), cable("33-12", 4)),
        "one link": network(link("a>d", 3)),
    }[other]
    ends = {"names": ("x", "z"), "shape": ("00", "12"), "one link": ("a", "d")}[other]
    old = plan(topology, demands((*ends, 20.0)), model(), solver=priced(GOAL))
    town, matrix = town_grid(3.0)
    again(town, plain(matrix), old)


def test_what_is_carried_over_keeps_its_shares_of_the_new_volumes() -> None:
    """30 of 40 went over c; when 20 are asked for, 15 go over c and 5 over b; with b drained all 20 go over c."""
    old = plan(diamond(), demands(("a", "d", 40)), model(), solver=priced(GOAL))
    half = plan(diamond(), demands(("a", "d", 20)), model(), solver=priced(GOAL)).instance
    earlier = carried_over(old, half)
    assert sorted(earlier.flow_gbps.tolist()) == pytest.approx([5, 15], rel=2e-3)
    without = replace(diamond(), links=tuple(replace(one, drained=one.id == "a>b") for one in diamond().links))
    earlier = carried_over(old, plan(without, demands(("a", "d", 20)), model(), solver=priced(GOAL)).instance)
    assert earlier.flow_gbps.tolist() == pytest.approx([20], rel=2e-3)


def test_a_previous_plan_that_carried_nothing_is_no_trouble() -> None:
    old = plan(network(link("a>b", 0.0), link("a>b", 1.0, id="x")), demands(("a", "b", 0.0)), model(), solver=priced())
    again(diamond(), demands(("a", "d", 50)), old)
