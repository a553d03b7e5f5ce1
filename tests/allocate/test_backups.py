"""Plans with backups against brute force: the optimum over all pairs, dedicated or shared, and its proof."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from backup_toys import lattice, protecting
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pair_oracle import PairOracle
from pydantic import ValidationError
from random_questions import capacities, latencies, matrices, topologies
from toys import cable, demands, model, network, of_class, plan, values

from vbte.demands import DemandMatrix
from vbte.errors import InputError, InputWarning
from vbte.plan import PathSet, Plan
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import FloatArray, Topology

quick = settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


@st.composite
def cabled(draw: st.DrawFn) -> Topology:
    """A ring of cables with chords, both directions each, of risk groups; now and then one cable is two of them."""
    names = "abcdef"[: draw(st.integers(4, 6))]
    ring = [f"{a}-{b}" for a, b in zip(names, names[1:] + names[0], strict=True)]
    chords = [f"{a}-{b}" for a, b in combinations(names, 2) if f"{a}-{b}" not in ring and f"{b}-{a}" not in ring]
    groups = st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(tuple)
    chosen = ring + draw(st.lists(st.sampled_from(chords), max_size=4, unique=True))
    wide = draw(st.sampled_from([(), (), (0, 2), (0, len(chosen) - 1)]))
    names_of = ["wide" if position in wide else ends for position, ends in enumerate(chosen)]
    return network(
        *(cable(ends, draw(capacities), draw(latencies), srlgs=draw(groups), cable=name)
          for ends, name in zip(chosen, names_of, strict=True))
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> tuple[Topology, DemandMatrix]:
    topology = draw(st.one_of(cabled(), cabled(), topologies(most_nodes=6)))
    return topology, draw(matrices(topology, ["gold"], most=5))


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
@pytest.mark.parametrize("against", ["cable", "node", "srlg"])
@pytest.mark.parametrize("kind", ["admitted", "max_utilization", "concurrent"])
@quick
@given(question=questions(), bound=st.sampled_from([{}, {}, {"hop_bound": 3}]))
def test_plans_reach_the_optimum_over_all_pairs(
    question: tuple[Topology, DemandMatrix], bound: dict[str, Any], kind: str, against: str, reservation: str
) -> None:
    asked = protecting(kind, reservation=reservation, against=against, **bound)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        found = plan(*question, asked)
    assert not check_plan(found).findings
    if not found.instance.n_commodities:
        return
    best = PairOracle(*question, asked).solve(kind)
    certificate = found.certificates[0]
    # Small networks are searched to the end; the plan is off by what integer weights make of splits.
    assert certificate.bound == pytest.approx(best, rel=1e-6, abs=1e-8)
    assert certificate.value == pytest.approx(best, rel=5e-3, abs=1e-8)


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
@pytest.mark.parametrize(("n_nodes", "against"), [(8, "srlg"), (9, "node"), (10, "cable"), (12, "cable")])
def test_larger_networks_reach_the_optimum_too(n_nodes: int, against: str, reservation: str) -> None:
    question = lattice(n_nodes, seed=n_nodes)
    asked = protecting("admitted", reservation=reservation, against=against)
    certificate = plan(*question, asked).certificates[0]
    best = PairOracle(*question, asked).solve("admitted")
    assert certificate.bound == pytest.approx(best, rel=1e-6)
    assert certificate.value == pytest.approx(best, rel=5e-3)


def worst_loads(found: Plan, against: str) -> FloatArray:
    """The highest load of each link over the scenarios, written from the definition: who is hit is on its backup."""
    instance, partners = found.instance, found.backup_paths
    assert partners is not None
    oracle = PairOracle(instance.topology, instance.demands[0], instance.model)
    nodes, worst = instance.topology.nodes, np.zeros(len(instance.topology.links))
    for q in range(len(oracle.scenarios) + 1):
        load = np.zeros(len(worst))
        for p, gbps in enumerate(found.flow_gbps):
            k = found.paths.commodity[p]
            ends = (nodes[instance.source[k]].id, nodes[instance.destination[k]].id)
            hit = len(partners[p]) and q in oracle.hits(tuple(found.paths[p].tolist()), ends)
            load[partners[p] if hit else found.paths[p]] += gbps
        worst = np.maximum(worst, load)
    return worst


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
@pytest.mark.parametrize("against", ["cable", "node", "srlg"])
def test_in_every_scenario_what_was_promised_fits(against: str, reservation: str) -> None:
    topology, asked = lattice(10, seed=3)
    stages = [{"kind": "admitted"}, {"kind": "max_utilization", "tolerance": 0.1}, {"kind": "latency"}]
    built = protecting("admitted", reservation=reservation, against=against, utilization_limit=0.8)
    built = PlanningModel.model_validate(built.model_dump(by_alias=True) | {"stages": stages})
    found = plan(topology, asked, built)
    assert check_plan(found).findings == ()
    assert (worst_loads(found, against) <= 0.8 * topology.capacity_gbps * (1 + 1e-7)).all()
    assert found.max_gap == pytest.approx(0.0, abs=1e-3)


def test_several_matrices_share_one_set_of_pairs() -> None:
    topology, by_day = lattice(8, seed=1)
    by_night = replace(by_day, volume_gbps=by_day.volume_gbps[::-1].copy())
    for reservation in ("dedicated", "shared"):
        found = plan(topology, [by_day, by_night], protecting("admitted", reservation=reservation))
        assert check_plan(found).findings == ()
        assert found.max_gap == pytest.approx(0.0, abs=1e-3)


def three_ways() -> Topology:
    """Three ways of 10 from a to d."""
    ends = [f"{a}-{w}" for w in "bcf" for a in "ad"]
    return network(*(cable(f"{one}", 10.0, 1.0 + position) for position, one in enumerate(ends)))


def test_shared_backups_need_less_than_dedicated_ones() -> None:
    asked = demands(("a", "d", 30.0))
    # Dedicated, two of three ways make a pair, and half of all 30; shared, two primaries have one backup.
    dedicated = plan(three_ways(), asked, protecting("admitted", reservation="dedicated"))
    shared = plan(three_ways(), asked, protecting("admitted", reservation="shared"))
    assert values(dedicated) == [pytest.approx(15.0, rel=5e-3)]
    assert values(shared) == [pytest.approx(20.0, rel=5e-3)]


def test_classes_of_one_priority_share_what_one_scenario_brings() -> None:
    protection = {"kind": "backup", "reservation": "shared"}
    classes = [
        {"name": "gold", "protection": protection, "utilization_limit": 0.8},
        {"name": "silver", "protection": protection},
        {"name": "bronze", "priority": 2},
    ]
    built = model(coupling="sequential", classes=classes, tables={"realisation": "source-routed"})
    rows = [("a", "d", 30.0, of_class(name)) for name in ("gold", "silver", "bronze")]
    found = plan(three_ways(), demands(*rows), built)
    # Gold and silver have 20 between them; bronze meanwhile uses the rest of 30.
    assert values(found) == [pytest.approx(20.0, rel=5e-3), pytest.approx(10.0, rel=1e-3)]
    assert check_plan(found).findings == ()
    assert found.backup_paths is not None
    bronze = found.instance.class_index[found.paths.commodity] == 2
    assert not found.backup_paths.hops[bronze].any()


def test_a_lower_protected_class_leaves_the_backups_of_higher_ones_alone() -> None:
    protection = {"kind": "backup", "reservation": "shared"}
    classes = [{"name": "gold", "protection": protection}, {"name": "silver", "priority": 2, "protection": protection}]
    built = model(coupling="sequential", classes=classes, tables={"realisation": "source-routed"})
    rows = [("a", "d", 12.0, of_class("gold")), ("a", "d", 30.0, of_class("silver"))]
    found = plan(three_ways(), demands(*rows), built)
    assert values(found)[0] == pytest.approx(12.0, rel=5e-3)
    assert check_plan(found).findings == ()
    assert (worst_loads(found, "cable") <= found.instance.topology.capacity_gbps * (1 + 1e-7)).all()


BRIDGED = network(cable("a-b", 10), cable("b-c", 10), cable("a-c", 10), cable("c-d", 10))


@pytest.mark.parametrize("against", ["cable", "node"])
def test_a_bridge_is_named_with_those_behind_it_and_what_is_left_to_promise(against: str) -> None:
    asked = demands(("a", "d", 1.0), ("b", "d", 1.0), ("a", "b", 1.0))
    named = {"cable": "cable c-d is down", "node": "node c is down"}[against]
    with pytest.raises(InputError, match=rf"{named}, which is a bridge for 2 of 3 commodities; 2 of 3") as caught:
        plan(BRIDGED, asked, protecting("admitted", reservation="dedicated", against=against, where="reject"))
    assert "the other 1" in caught.value.remedy
    assert "robust" in caught.value.remedy


def test_paths_that_always_share_a_duct_are_rejected_without_a_bridge() -> None:
    # Each way avoids one duct, and no two ways avoid the same: nothing is a bridge, and nothing a pair.
    ways = {"b": ("x", "y"), "c": ("y", "z"), "f": ("z", "x")}
    parts = [[*cable(f"a-{w}", 10, srlgs=(one,)), *cable(f"{w}-d", 10, srlgs=(two,))] for w, (one, two) in ways.items()]
    with pytest.raises(InputError, match="every two paths that were tried share something"):
        plan(
            network(*parts), demands(("a", "d", 1.0)),
            protecting("admitted", reservation="shared", against="srlg", where="reject"),
        )  # fmt: skip


def test_behind_a_bridge_paths_go_without_a_backup() -> None:
    found = plan(BRIDGED, demands(("a", "d", 30.0), ("a", "b", 4.0)), protecting("admitted", reservation="dedicated"))
    assert check_plan(found).findings == ()
    assert found.backup_paths is not None
    to_d = found.instance.destination[found.paths.commodity] == 3
    assert not found.backup_paths.hops[to_d].any()
    assert (found.backup_paths.hops[~to_d] > 0).all()


def backed_plan(reservation: str = "shared") -> Plan:
    found = plan(*lattice(8, seed=5), protecting("admitted", reservation=reservation))
    assert check_plan(found).findings == ()
    return found


def with_backup(found: Plan, path: int, links: list[int]) -> Plan:
    """The plan with other links as the backup of one path."""
    assert found.backup_paths is not None
    rows = [links if p == path else found.backup_paths[p].tolist() for p in range(len(found.paths))]
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    spoilt = PathSet(start, np.array([e for row in rows for e in row], dtype=np.int32), found.paths.commodity)
    return replace(found, backup_paths=spoilt)


def faults(found: Plan) -> str:
    return "; ".join(f"{one.place}: {one.fault}" for one in check_plan(found).findings)


def test_a_backup_that_shares_a_cable_is_caught() -> None:
    found = backed_plan()
    spoilt = with_backup(found, 0, found.paths[0].tolist())
    assert "path 0 of gold" in faults(spoilt)
    assert "falls together with its own when cable" in faults(spoilt)


def test_a_backup_that_does_not_reach_is_caught() -> None:
    found = backed_plan()
    assert found.backup_paths is not None
    assert "that of path 1 does not join its ends" in faults(with_backup(found, 1, found.backup_paths[1].tolist()[:-1]))


def test_a_missing_backup_is_caught() -> None:
    found = backed_plan()
    assert "path 0 of gold" in faults(with_backup(found, 0, []))
    assert "has none, and something takes it down" in faults(with_backup(found, 0, []))
    assert "missing, although a class has backups" in faults(replace(found, backup_paths=None))


def test_a_backup_that_nobody_asked_for_is_caught() -> None:
    found = backed_plan()
    plain = model(coupling="sequential", classes=[{"name": "gold", "protection": {"kind": "robust"}}])
    other = replace(found, instance=replace(found.instance, model=plain, rules=tuple(
        replace(rules, policy=plain.classes[0]) for rules in found.instance.rules)))  # fmt: skip
    assert "its class asks for none" in faults(other)


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
def test_links_that_backups_book_twice_are_caught(reservation: str) -> None:
    found = backed_plan(reservation)
    assert found.reserved_gbps is not None
    flow = found.flow_gbps * 0.99
    # All fits while everything is up, and no longer when the fullest link's worst cable is down.
    spoilt = replace(found, flow_gbps=flow, reserved_gbps=found.reserved_gbps * 1.01)
    assert "are reserved, limit" in faults(spoilt)
    assert "are reserved" in faults(replace(found, reserved_gbps=found.reserved_gbps * 0.9))


def test_prices_of_scenarios_that_say_too_much_prove_no_more() -> None:
    found = backed_plan()
    certificate = found.certificates[0]
    assert certificate.prices is not None
    sharing = certificate.prices.sharing
    assert sharing is not None
    assert len(sharing.price)
    inflated = replace(certificate.prices, sharing=replace(sharing, price=sharing.price * 10.0))
    spoilt = check_plan(replace(found, certificates=(replace(certificate, prices=inflated),)))
    assert spoilt.certificates[0].bound is not None
    assert spoilt.certificates[0].bound >= certificate.value * (1 - 1e-9)


def test_backups_against_pairs_are_refused_in_the_model() -> None:
    with pytest.raises(ValidationError, match="no backup survives pairs"):
        protecting("admitted", reservation="shared", against="pairs")
