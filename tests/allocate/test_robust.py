"""Classes that survive every scenario of a family, against an LP that spells all of them out."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from robust_oracle import Failure, failures, loads_in, most_promised
from toys import ADMITTED, CONCURRENT, MLU, bounds, cable, carry_all, demands, model, network, plan, values

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.plan import Plan, SurvivalPrices
from vbte.policy import PlanningModel, StageKind
from vbte.proof import check_plan
from vbte.quantise import quantise
from vbte.topology import Link, Node, Topology

NETWORKS = ("sndlib/abilene", "sndlib/polska", "topozoo/Aarnet", "sndlib/nobel-us")

STAGES: dict[str, list[dict[str, str]]] = {"admitted": ADMITTED, "mlu": MLU, "concurrent": CONCURRENT}


def robust(stages: list[dict[str, Any]], against: str = "cable", **facts: Any) -> PlanningModel:
    """A model of one class that survives a family; what a scenario cuts off is exempt unless stated."""
    protection = {"kind": "robust", "against": against, "where_impossible": facts.pop("where_impossible", "exempt")}
    rules = {name: facts.pop(name) for name in ("hop_bound",) if name in facts}
    built = carry_all if stages == MLU else model
    return built(
        stages, classes=[{"name": "default", "protection": protection, **rules}], coupling="sequential", **facts
    )


@cache
def question(name: str, n_demands: int = 24) -> tuple[Topology, DemandMatrix]:
    """A real network of at most 14 nodes with random capacities, SRLGs, and more demand than it can carry."""
    graph = json.loads((files("topohub") / "data" / f"{name}.json").read_text(encoding="utf-8"))
    random = np.random.default_rng(len(name))
    nodes = [str(node["id"]) for node in graph["nodes"]]
    links: list[Link] = []
    for position, edge in enumerate(graph["edges"]):
        ends = f"{edge['source']}-{edge['target']}"
        if edge["source"] != edge["target"]:
            facts = {"srlgs": (f"duct {position % 7}",), "cable": f"cable {position}"}
            links += cable(ends, float(random.choice([10, 40, 100])), float(random.integers(1, 20)), **facts)
    ids = {f"{one.source}>{one.target}": one for one in links}
    pairs = random.permutation([(s, t) for s in range(len(nodes)) for t in range(len(nodes)) if s != t])[:n_demands]
    source, destination = (column.astype(np.int32) for column in pairs.T)
    volume = 10.0 * np.exp(random.normal(size=n_demands))
    topology = Topology(tuple(map(Node, nodes)), tuple(ids.values()), name=name)
    return topology, DemandMatrix(tuple(nodes), source, destination, volume)


@pytest.mark.parametrize("objective", STAGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_program_with_all_scenarios_spelled_out(name: str, objective: str) -> None:
    topology, matrix = question(name)
    found = plan(topology, matrix, robust(STAGES[objective]))
    assert_nearly(found, most_promised(topology, matrix, "cable", objective=objective))


@pytest.mark.parametrize("name", NETWORKS)
def test_nodes_are_survived_as_well(name: str) -> None:
    topology, matrix = question(name)
    found = plan(topology, matrix, robust(ADMITTED, "node"))
    assert_nearly(found, most_promised(topology, matrix, "node"))


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_find_what_sets_of_routes_find(name: str) -> None:
    topology, matrix = question(name)
    # A bound that no path breaks makes every path a matter of its own.
    found = plan(topology, matrix, robust(ADMITTED, hop_bound=len(topology.nodes)))
    assert found.certificates[0].prices is not None
    assert found.certificates[0].prices.survival is not None
    assert_nearly(found, most_promised(topology, matrix, "cable"))


def assert_nearly(found: Plan, optimum: float) -> None:
    """The bound is the optimum, and the plan is off by no more than integer weights explain."""
    assert bounds(found) == [pytest.approx(optimum, rel=1e-6)]
    assert values(found) == [pytest.approx(optimum, rel=5e-3)]
    assert check_plan(found).findings == ()


@pytest.mark.parametrize("name", NETWORKS[:3])
def test_groups_that_a_path_may_visit_twice_keep_an_honest_gap(name: str) -> None:
    topology, matrix = question(name)
    found = plan(topology, matrix, robust(ADMITTED, "srlg"))
    expected = most_promised(topology, matrix, "srlg")
    certificate = found.certificates[0]
    assert certificate.bound is not None
    assert certificate.value <= expected * (1 + 1e-6)
    assert certificate.bound >= expected * (1 - 1e-6)
    assert check_plan(found).findings == ()


@pytest.mark.parametrize("against", ["cable", "node", "srlg"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_link_is_above_its_limit_in_any_scenario(name: str, against: str) -> None:
    topology, matrix = question(name)
    stages = [{"kind": "admitted"}, {"kind": "latency"}]
    found = plan(topology, matrix, robust(stages, against, utilization_limit=0.9))
    limit = 0.9 * topology.capacity_gbps
    admitted = found.admitted_gbps[0].sum()
    assert admitted > 0
    for case in [Failure(frozenset()), *failures(topology, against)]:
        assert (loads_in(found, case) <= limit * (1 + 1e-6)).all()


def test_lower_classes_use_what_is_kept_for_failures() -> None:
    # Two ways of 10: gold promises 10 on one of them falling out, and sends 5 on each.
    topology = network(cable("a-b", 10), cable("b-d", 10), cable("a-c", 10), cable("c-d", 10))
    classes = [
        {"name": "gold", "priority": 1, "protection": {"kind": "robust"}, "match": [{"dscp": [46]}]},
        {"name": "bronze", "priority": 2},
    ]
    built = model(ADMITTED, classes=classes, coupling="sequential")
    found = plan(topology, demands(("a", "d", 30.0, {"dscp": "46"}), ("a", "d", 30.0)), built)
    assert values(found) == [pytest.approx(10.0), pytest.approx(10.0)]
    assert found.reserved_gbps is not None
    gold = found.instance.class_index[found.paths.commodity] == 0
    assert found.reserved_gbps[gold] == pytest.approx([10.0, 10.0])
    assert found.flow_gbps[gold] == pytest.approx([5.0, 5.0])
    assert check_plan(found).findings == ()


def test_a_lower_protected_class_leaves_reservations_alone() -> None:
    topology = network(cable("a-b", 10), cable("b-d", 10), cable("a-c", 15), cable("c-d", 15))
    classes = [
        {"name": "gold", "priority": 1, "protection": {"kind": "robust"}, "match": [{"dscp": [46]}]},
        {"name": "silver", "priority": 2, "protection": {"kind": "robust"}},
    ]
    built = model(ADMITTED, classes=classes, coupling="sequential")
    found = plan(topology, demands(("a", "d", 6.0, {"dscp": "46"}), ("a", "d", 30.0)), built)
    assert values(found) == [pytest.approx(6.0), pytest.approx(4.0)]
    for case in failures(topology, "cable"):
        assert (loads_in(found, case) <= topology.capacity_gbps * (1 + 1e-9)).all()


BRIDGED = network(cable("a-b", 10), cable("b-c", 10), cable("a-c", 10), cable("c-d", 10))


def test_a_bridge_is_named() -> None:
    asked = demands(("a", "d", 1.0), ("b", "d", 1.0), ("a", "b", 1.0))
    with pytest.raises(InputError, match=r"cable c-d is down, which is a bridge for 2 of 3") as caught:
        plan(BRIDGED, asked, robust(ADMITTED, where_impossible="reject"))
    assert "exempt" in caught.value.remedy


def test_behind_a_bridge_the_rest_is_promised() -> None:
    found = plan(BRIDGED, demands(("a", "d", 30.0)), robust(ADMITTED))
    # Each way to c keeps 5, and both of them reserve on c-d, which nothing replaces.
    assert values(found) == [pytest.approx(5.0)]
    assert check_plan(found).findings == ()


def test_what_does_not_fit_with_every_failure_says_so() -> None:
    built = carry_all(
        MLU, classes=[{"name": "default", "protection": {"kind": "robust"}}], coupling="sequential", capacity="hard"
    )
    topology = network(cable("a-b", 10), cable("b-d", 10), cable("a-c", 10), cable("c-d", 10))
    assert plan(topology, demands(("a", "d", 10.0)), built).max_utilization == pytest.approx(0.5)
    with pytest.raises(Exception, match="do not fit"):
        plan(topology, demands(("a", "d", 11.0)), built)


@cache
def robust_plan(**facts: Any) -> Plan:
    topology, matrix = question("sndlib/polska")
    return plan(topology, matrix, robust(ADMITTED, **facts))


def test_a_reservation_that_is_too_small_is_caught() -> None:
    found = robust_plan()
    assert found.reserved_gbps is not None
    lowered = found.reserved_gbps.copy()
    lowered[int(np.argmax(lowered))] *= 0.9
    findings = check_plan(replace(found, reserved_gbps=lowered)).findings
    assert any("reserve" in finding.fault for finding in findings)


def test_reservations_beyond_a_link_are_caught() -> None:
    found = robust_plan()
    assert found.reserved_gbps is not None
    doubled = replace(found, reserved_gbps=found.reserved_gbps * 2.0)
    assert any("reserved" in finding.fault for finding in check_plan(doubled).findings)


def test_prices_that_promise_too_much_prove_less() -> None:
    found = robust_plan(hop_bound=12)
    certificate = found.certificates[0]
    assert certificate.kind is StageKind.ADMITTED
    assert certificate.prices is not None
    survival = certificate.prices.survival
    assert survival is not None
    assert len(survival.price)
    inflated = SurvivalPrices(survival.commodity, survival.scenario, survival.price * 10.0)
    planted = replace(certificate, prices=replace(certificate.prices, survival=inflated))
    findings = check_plan(replace(found, certificates=(planted,))).findings
    assert any("its prices prove" in finding.fault for finding in findings)


def test_prices_of_links_prove_what_they_are_worth() -> None:
    found = robust_plan()
    certificate = found.certificates[0]
    assert certificate.prices is not None
    halved = replace(certificate.prices, capacity=certificate.prices.capacity * 0.5)
    findings = check_plan(replace(found, certificates=(replace(certificate, prices=halved),))).findings
    assert any("its prices prove" in finding.fault for finding in findings)


def test_weights_give_themselves() -> None:
    found = robust_plan()
    owner, start = np.unique(found.paths.commodity, return_index=True)
    total = np.bincount(found.paths.commodity, weights=found.flow_gbps, minlength=found.instance.n_commodities)
    share = found.flow_gbps / total[found.paths.commodity]
    weight, error = quantise(share, np.append(start, len(share)).astype(np.int64), np.full(len(owner), 64))
    assert (weight > 0).all()
    assert error.max() < 1e-12
