"""What if: order, culprits, bridges, shared risks and re-plans, each on a network that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from failover_toys import GOLD_BEFORE_BULK, LONG, REALISATIONS, SHORT, asked, by_hand, gold_and_bulk, ladder
from tables.table_toys import plan_of
from toys import cable, carry_all, demands, link, model, network, of_class
from toys import plan as planned

import vbte
from vbte.allocate.run import allocate
from vbte.errors import InputError
from vbte.failover import (
    Part,
    Replanning,
    Scenario,
    ScenarioSet,
    Shared,
    SharedRisk,
    WhatIf,
    family,
    repair,
    replan,
    shared_risks,
)
from vbte.plan import Plan, Reason
from vbte.tables import build_tables

BOTH = pytest.mark.parametrize("realisation", REALISATIONS)


def ask(plan: Plan, scenarios: ScenarioSet | str = "cable", *, replan: Replanning | None = None) -> WhatIf:
    return vbte.what_if(plan, build_tables(plan), scenarios, replan=replan)


def only(plan: Plan, **down: tuple[str, ...]) -> ScenarioSet:
    return ScenarioSet(plan.instance.topology, (Scenario("it", **down),))  # type: ignore[arg-type]


def test_the_scenario_that_costs_the_highest_class_most_comes_first() -> None:
    answer = ask(gold_and_bulk("hop-by-hop"))
    names = [answer.scenarios.scenarios[at].name for at in answer.worst_first]
    # Gold loses 6 without b-d, 2 without a-b and without c-d; bulk 4 without a-b, 2 without a-c.
    assert names == ["cable b-d", "cable a-b", "cable c-d", "cable a-c"]


@BOTH
def test_a_link_names_its_worst_scenario_and_who_brings_the_load(realisation: str) -> None:
    answer = ask(gold_and_bulk(realisation))
    by_link = {link.link: link for link in answer.hot_links}
    worst = by_link["a>c"]
    assert (worst.scenario, worst.utilization, worst.before_utilization) == (
        "cable a-b", pytest.approx(8 / 6), pytest.approx(2 / 6)
    )  # fmt: skip
    (culprit,) = worst.culprits
    assert (culprit.demand, culprit.gbps, culprit.before_gbps) == (
        "gold a -> d",
        pytest.approx(8.0),
        pytest.approx(2.0),
    )
    # Nothing makes b>a carry anything.
    assert "b>a" not in by_link


def test_a_bridge_is_named_with_what_nobody_could_carry() -> None:
    parts = [cable("a-b", 10.0), cable("b-c", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    plan = by_hand(parts, [("a", "d", 4.0), ("a", "b", 1.0)], [("a>c c>d", 3.0), ("a>b", 1.0)], "hop-by-hop")
    cuts = ask(plan).cuts
    assert cuts.bridges == ((), (), (), ("cable c-d",))
    # What was asked for counts, admitted or not.
    assert cuts.stranded_gbps.tolist() == [[0.0, 0.0, 0.0, 4.0]]


def test_of_several_things_only_those_that_cut_by_themselves_are_bridges() -> None:
    parts = [cable("a-b", 10.0), cable("b-c", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    plan = by_hand(parts, [("a", "d", 4.0), ("a", "b", 1.0)], [("a>c c>d", 3.0), ("a>b", 1.0)], "hop-by-hop")
    with_bridge = ask(plan, only(plan, cables=("a-b", "c-d"))).cuts
    assert (with_bridge.bridges, with_bridge.stranded_gbps.tolist()) == ((("cable c-d",),), [[4.0]])
    together = ask(plan, only(plan, cables=("a-b", "b-c"))).cuts
    assert (together.bridges, together.stranded_gbps.tolist()) == ((("cable a-b", "cable b-c"),), [[1.0]])


def test_a_node_cuts_off_what_starts_there_and_what_has_to_pass() -> None:
    parts = [cable("a-b", 10.0), cable("b-c", 10.0)]
    plan = by_hand(parts, [("a", "c", 2.0), ("b", "c", 1.0)], [("a>b b>c", 2.0), ("b>c", 1.0)], "hop-by-hop")
    cuts = ask(plan, only(plan, nodes=("b",))).cuts
    assert (cuts.bridges, cuts.stranded_gbps.tolist()) == ((("node b",),), [[3.0]])


def test_ways_through_a_site_that_passes_nothing_on_do_not_count() -> None:
    topology = network(cable("a-b", 10.0), cable("a-s", 10.0), cable("s-b", 10.0), nodes={"s": {"transit": False}})
    plan = plan_of(
        asked(topology, demands(("a", "b", 2.0), ("a", "s", 1.0)), "hop-by-hop"), [("a>b", 2.0), ("a>s", 1.0)]
    )
    cuts = ask(plan).cuts
    assert cuts.bridges == (("cable a-b",), (), ())
    assert cuts.stranded_gbps.tolist() == [[2.0, 0.0, 0.0]]


def test_one_way_streets_count_in_their_direction() -> None:
    parts = [link("a>b", 10.0), link("b>c", 10.0), link("c>a", 10.0)]
    plan = by_hand(parts, [("a", "b", 1.0), ("b", "a", 2.0)], [("a>b", 1.0), ("b>c c>a", 2.0)], "hop-by-hop")
    cuts = ask(plan).cuts
    assert cuts.stranded_gbps.tolist() == [[1.0, 2.0, 2.0]]


def test_what_had_no_way_before_is_no_scenario_s_doing() -> None:
    topology = network(cable("a-b", 10.0), cable("y-z", 10.0))
    plan = plan_of(asked(topology, demands(("a", "b", 1.0), ("a", "z", 2.0)), "hop-by-hop"), [("a>b", 1.0)])
    cuts = ask(plan).cuts
    assert (cuts.bridges, cuts.stranded_gbps.tolist()) == ((("cable a-b",), ()), [[1.0, 0.0]])


@BOTH
def test_answers_do_not_depend_on_how_many_scenarios_fit_in_memory(
    realisation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = gold_and_bulk(realisation)
    whole = ask(plan, "pairs")
    monkeypatch.setattr(repair, "_BLOCK_ENTRIES", 1)
    piecewise = ask(plan, "pairs")
    assert piecewise.hot_links == whole.hot_links
    assert len({link.scenario for link in whole.hot_links}) > 1
    for name in ("lost_gbps", "congested_gbps", "max_utilization", "worst_utilization", "worst_scenario", "latency_ms"):
        np.testing.assert_array_equal(getattr(piecewise.repair, name), getattr(whole.repair, name))


def test_paths_that_share_a_ditch_are_no_diversity() -> None:
    topology = network(
        cable("a-b", 10.0, srlgs=("ditch",)), cable("b-d", 10.0), cable("a-c", 10.0, srlgs=("ditch", "pole")),
        cable("c-d", 10.0),
    )  # fmt: skip
    plan = plan_of(asked(topology, demands(("a", "d", 6.0)), "source-routed"), [(SHORT, 4.0), (LONG, 2.0)])
    assert shared_risks(plan) == (
        SharedRisk(Shared.PATHS, Part.SRLG, "ditch", "default a -> d", ("a b d", "a c d"), 6.0),
    )
    lost = ask(plan, "srlg").repair.lost_gbps
    assert lost.tolist() == [[6.0, 0.0]]


def test_a_risk_that_a_common_link_explains_is_no_news() -> None:
    topology = network(
        cable("s-a", 10.0, srlgs=("ditch",)), cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0),
        cable("c-d", 10.0, srlgs=("ditch",)),
    )  # fmt: skip
    plan = plan_of(
        asked(topology, demands(("s", "d", 6.0)), "source-routed"), [(f"s>a {SHORT}", 4.0), (f"s>a {LONG}", 2.0)]
    )
    assert shared_risks(plan) == ()


def test_parallel_links_in_one_cable_or_ditch_are_no_diversity() -> None:
    topology = network(
        link("a>b", 10.0, id="one", cable="duct"), link("a>b", 10.0, id="two", cable="duct"),
        link("a>b", 10.0, id="three", srlgs=("x",)), link("a>b", 10.0, id="four", srlgs=("x",)),
    )  # fmt: skip
    plan = plan_of(asked(topology, demands(("a", "b", 6.0)), "source-routed"), [("one", 4.0), ("two", 2.0)])
    found = shared_risks(plan)
    assert [(risk.shared, risk.kind, risk.name, risk.gbps) for risk in found] == [
        (Shared.LINKS, Part.CABLE, "duct", 6.0), (Shared.PATHS, Part.CABLE, "duct", 6.0),
        (Shared.LINKS, Part.SRLG, "x", 0.0),
    ]  # fmt: skip
    assert found[0].ways == ("one", "two")


def admitting(realisation: str = "source-routed") -> Plan:
    matrix = demands(("a", "d", 8.0, of_class("gold")), ("a", "d", 4.0, of_class("bulk")))
    # Bulk may not pass b, so that each class has one best way only.
    classes = [GOLD_BEFORE_BULK[0], {**GOLD_BEFORE_BULK[1], "avoid": {"nodes": ["b"]}}]
    wanted = model([{"kind": "admitted"}, {"kind": "latency"}], classes=classes, tables={"realisation": realisation})
    return planned(ladder(), matrix, wanted)


@BOTH
def test_a_re_plan_says_three_numbers(realisation: str) -> None:
    # Over b 10 Gbit/s fit, over c 6. By least latency gold takes 8 over b; bulk has its 4 over c.
    answer = ask(admitting(realisation), replan=Replanning())
    (without_short, *_) = answer.replans
    # A held stage may slip by its tolerance.
    assert without_short.delivered_gbps.tolist() == pytest.approx([6.0, 0.0], abs=1e-5)
    assert without_short.termination is not None
    assert without_short.termination.reason is Reason.OPTIMAL
    numbers = {
        stage.stage: (answer.repaired_stage(0, at), stage.value, stage.bound)
        for at, stage in enumerate(without_short.stages)
    }
    # Local repair has nothing else for gold; bulk stays over c, where a re-plan has gold in its place.
    assert numbers["admitted[1]"] == (0.0, pytest.approx(6.0, rel=1e-6), pytest.approx(6.0, rel=1e-6))
    assert numbers["admitted[2]"] == (pytest.approx(4.0), pytest.approx(0.0, abs=1e-5), pytest.approx(0.0, abs=1e-5))
    assert numbers["latency"][0] is None
    without_long = answer.replans[2]
    assert without_long.delivered_gbps.tolist() == pytest.approx([8.0, 0.0], abs=1e-5)
    assert without_long.unroutable_gbps.tolist() == pytest.approx([0.0, 4.0])
    assert without_long.latency_ms[0] == pytest.approx(4.0)


def test_a_re_plan_leaves_out_what_no_path_serves_and_says_how_much() -> None:
    parts = [cable("a-b", 10.0), cable("b-c", 10.0)]
    plan = planned(network(*parts), demands(("a", "c", 2.0), ("a", "b", 1.0)), carry_all())
    answer = ask(plan, replan=Replanning())
    assert [found.unroutable_gbps.tolist() for found in answer.replans] == [[3.0], [2.0]]
    assert [found.delivered_gbps.tolist() for found in answer.replans] == [[0.0], [1.0]]


def test_a_re_plan_that_overloads_a_link_counts_what_is_dropped() -> None:
    plan = planned(ladder(), demands(("a", "d", 12.0)), carry_all())
    (without_short, *_) = ask(plan, replan=Replanning()).replans
    assert without_short.max_utilization == pytest.approx(2.0)
    assert without_short.delivered_gbps[0] == pytest.approx(6.0)
    assert without_short.congested_gbps[0] == pytest.approx(6.0)


def test_what_can_not_be_re_planned_says_why_and_stops_nobody_else() -> None:
    plan = planned(ladder(), demands(("a", "d", 8.0)), carry_all(capacity="hard"))
    answer = ask(plan, replan=Replanning())
    # 8 Gbit/s all have to be carried: over b they fit, over c they don't.
    assert [bool(found.fault) for found in answer.replans] == [True, True, False, False]
    assert answer.replans[0].termination is None
    assert np.isnan(answer.replans[0].delivered_gbps).all()
    assert answer.replans[2].delivered_gbps.tolist() == pytest.approx([8.0])


def test_re_plans_start_from_the_plan_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, before = admitting(), []

    def watched(*arguments: Any, previous: Plan) -> Plan:
        before.append(previous)
        return allocate(*arguments, previous=previous)

    monkeypatch.setattr(replan, "allocate", watched)
    assert len(ask(plan, replan=Replanning()).replans) == 4
    assert before == [plan] * 4


def test_workers_re_plan_as_one_process_does() -> None:
    plan = admitting()
    alone, together = (ask(plan, "node", replan=Replanning(workers=workers)).replans for workers in (None, 2))
    assert len(alone) == 4
    for one, other in zip(alone, together, strict=True):
        assert one.stages == other.stages
        assert one.delivered_gbps.tolist() == other.delivered_gbps.tolist()
        assert one.unroutable_gbps.tolist() == other.unroutable_gbps.tolist()


def test_scenarios_of_another_network_are_refused() -> None:
    plan = gold_and_bulk("source-routed")
    other = family(network(cable("a-b", 1.0)), "cable")
    with pytest.raises(InputError, match="made for another topology"):
        ask(plan, other)
    with pytest.raises(InputError, match="no family 'cables'; cable, node, srlg, pairs"):
        ask(plan, "cables")
    # The same network read a second time is no other.
    assert len(ask(plan, family(ladder(), "cable")).scenarios) == 4


def test_no_scenarios_no_answers() -> None:
    answer = ask(gold_and_bulk("source-routed"), "srlg")
    assert len(answer.scenarios) == 0
    assert answer.worst_first.tolist() == []
    assert (answer.hot_links, answer.cuts.bridges) == ((), ())


def test_a_network_without_demands_loses_nothing() -> None:
    plan = by_hand([cable("a-b", 10.0)], [("a", "b", 0.0)], [("a>b", 0.0)][:0], "hop-by-hop")
    answer = ask(plan, "node")
    assert answer.repair.lost_gbps.tolist() == [[0.0, 0.0]]
    assert answer.repair.max_utilization.tolist() == [0.0, 0.0]


@BOTH
def test_with_several_matrices_each_scenario_counts_in_its_worst(realisation: str) -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    busy_there, busy_here = demands(("a", "b", 1.0), ("a", "c", 3.0)), demands(("a", "b", 2.0), ("a", "c", 1.0))
    question = asked(network(*parts), [busy_there, busy_here], realisation)
    plan = plan_of(question, [("a>b", 2.0), ("a>c", 3.0)])
    each = vbte.what_if_each(plan, build_tables(plan), "cable", replan=Replanning())
    assert [answer.matrix for answer in each.answers] == [0, 1]
    for matrix, answer in enumerate(each.answers):
        alone = vbte.what_if(plan, build_tables(plan), "cable", matrix=matrix, replan=Replanning())
        assert answer.repair.lost_gbps.tolist() == alone.repair.lost_gbps.tolist()
        assert [one.delivered_gbps.tolist() for one in answer.replans] == [
            one.delivered_gbps.tolist() for one in alone.replans
        ]
    names = [each.answers[0].scenarios.scenarios[at].name for at in each.worst_first]
    # Without a-c 3 Gbit/s are lost in the first matrix, without a-b 2 in the second; the others carry nothing.
    assert names == ["cable a-c", "cable a-b", "cable b-d", "cable c-d"]
    assert each.worst_matrix.tolist() == [1, 0, 0, 0]
