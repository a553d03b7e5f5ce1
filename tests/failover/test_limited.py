"""Re-plans that change few groups: within the limit, as good as a MILP finds, and held against the best of all."""

from __future__ import annotations

import numpy as np
import pytest
from failover_toys import LONG, REALISATIONS, SHORT, asked, gold_and_bulk, ladder
from limited_toys import best_within, random_plan
from tables.table_toys import plan_of
from toys import cable, carry_all, demands, model, network, of_class
from toys import plan as planned

from vbte.delta import apply_delta, count_changes
from vbte.failover import Replan, Replanning, WhatIf, what_if
from vbte.plan import Plan
from vbte.tables import build_tables

BOTH = pytest.mark.parametrize("realisation", REALISATIONS)


def within(plan: Plan, limit: int | None, family: str = "cable") -> WhatIf:
    tables = build_tables(plan)
    answer = what_if(plan, tables, family, replan=Replanning(deltas=True, max_changed_groups=limit))
    for found in answer.replans:
        if not found.fault:
            assert found.astray == ()
            assert found.delta is not None
            counted = count_changes(tables, apply_delta(tables, found.delta))
            assert counted == found.groups
            assert limit is None or counted.total <= limit
    return answer


def reached(found: Replan, stages: int) -> list[float]:
    return [stage.value for stage in found.stages[:stages]]


def test_few_groups_reach_what_a_milp_over_all_choices_finds() -> None:
    same = compared = 0
    for seed in range(4):
        plan = random_plan(seed)
        n_priorities = len(plan.instance.priorities)
        for limit in (1, 2):
            answer = within(plan, limit)
            failed = answer.scenarios.failed_links(slice(0, len(answer.scenarios)))
            for position, found in enumerate(answer.replans):
                down = {plan.instance.topology.links[at].id for at in np.flatnonzero(failed[:, position])}
                # The MILP may also turn away what no failure touches, which the search leaves alone.
                pairs = zip(reached(found, n_priorities), best_within(plan, down, limit), strict=True)
                off = next((ours - best for ours, best in pairs if abs(ours - best) > 1e-4), 0.0)
                assert off <= 0
                same += off == 0
                compared += 1
    assert compared == 72
    assert same >= 0.9 * compared


@BOTH
def test_more_groups_are_no_worse_and_all_of_them_are_the_best(realisation: str) -> None:
    plan = random_plan(5, realisation)
    whole = within(plan, None)
    most = max(found.groups.total for found in whole.replans if found.groups)
    assert most >= 2
    for found, best in zip(within(plan, most).replans, whole.replans, strict=True):
        assert reached(found, 2) == pytest.approx(reached(best, 2))
    few = [within(plan, limit) for limit in (0, 1, 3)]
    for position, best in enumerate(whole.replans):
        gold = [one.replans[position].stages[0].value for one in few] + [best.stages[0].value]
        assert gold == sorted(gold)
        # Nobody's bound is narrower than what any number of changes could reach.
        for one in few:
            assert one.replans[position].stages[0].bound == pytest.approx(best.stages[0].bound)


@BOTH
def test_no_group_changed_is_what_the_devices_do_by_themselves(realisation: str) -> None:
    topology = network(cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0))
    plan = plan_of(asked(topology, demands(("a", "d", 8.0)), realisation), [(SHORT, 6.0), (LONG, 2.0)])
    answer = within(plan, 0)
    assert [found.groups.total for found in answer.replans if found.groups] == [0, 0, 0, 0]
    delivered = [float(found.delivered_gbps[0]) for found in answer.replans]
    # Behind b nobody has another way; a policer at a lets in nothing that would be lost there.
    assert delivered == pytest.approx([8.0, 8.0 if realisation == "source-routed" else 0.0] * 2)


def test_what_can_not_stay_is_changed_first() -> None:
    # Without b-d bulk has nothing left, gold still its way over c; there is one group to change.
    answer = within(gold_and_bulk("source-routed"), 1)
    names = [one.name for one in answer.scenarios.scenarios]
    found = answer.replans[names.index("cable b-d")]
    # Gold's group drops b by itself; 6 of its 8 fit over c, and nothing is left for bulk.
    assert found.delivered_gbps.tolist() == pytest.approx([6.0, 0.0])


def test_where_all_has_to_be_carried_too_few_groups_are_a_fault() -> None:
    plan = planned(ladder(), demands(("a", "d", 3.0), ("d", "a", 2.0)), carry_all([{"kind": "latency"}]))
    # Both go over b; without it each needs its group changed.
    for limit, faults in ((0, [True, True, False, False]), (1, [True, True, False, False]), (2, [False] * 4)):
        answer = within(plan, limit)
        assert [bool(found.fault) for found in answer.replans] == faults
        assert all(f"changes at most {limit} groups" in found.fault for found in answer.replans if found.fault)


def test_a_class_that_may_fill_a_part_of_a_link_has_what_others_of_it_leave() -> None:
    classes = [{"name": "half", "utilization_limit": 0.5}]
    topology = ladder()
    matrix = demands(("a", "d", 4.0, of_class("half")), ("a", "c", 2.0, of_class("half")))
    plan = plan_of(
        asked(topology, matrix, "source-routed", classes=classes), [(SHORT, 4.0, "half"), ("a>c", 2.0, "half")]
    )
    (without_short, *_) = within(plan, 1).replans
    # Of a-c's 6 Gbit/s the class may have 3, and a -> c stays where it is with 2.
    assert without_short.delivered_gbps.tolist() == pytest.approx([3.0])


def test_several_matrices_count_together() -> None:
    quiet, busy = demands(("a", "d", 2.0)), demands(("a", "d", 6.0))
    plan = planned(ladder(), [quiet, busy], model([{"kind": "admitted"}]))
    for found in within(plan, 1).replans:
        assert found.groups is not None
        assert found.stages[0].value == pytest.approx(4.0)


def test_protected_classes_are_planned_as_a_whole_or_not_at_all() -> None:
    classes = [{"name": "gold", "protection": {"kind": "robust", "against": "cable", "where_impossible": "exempt"}}]
    wanted = model([{"kind": "admitted"}], coupling="sequential", classes=classes)
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    plan = planned(network(*parts), demands(("a", "d", 4.0, of_class("gold"))), wanted)
    few, whole = within(plan, 0), within(plan, None)
    for found, best in zip(few.replans, whole.replans, strict=True):
        assert best.groups is not None
        assert bool(found.fault) == (best.groups.total > 0)
        assert "protected classes" in found.fault or not found.fault
