"""Losses over time as the written tables have them, against the plan's promise and against counting."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from availability_toys import BOTH, available, random_question, triangle
from toys import ADMITTED, demands, model, plan

from vbte.failover import WhatIf, what_if
from vbte.failover.availability import LossTally, percentiles, tail
from vbte.plan import Plan
from vbte.report.failures import what_if_document
from vbte.report.failures_view import what_if_view
from vbte.scenarios import Scenario, ScenarioSet, likely_states, stated_components
from vbte.tables import build_tables


def answered(found: Plan, cutoff: float = 1e-7) -> WhatIf:
    topology = found.instance.topology
    return what_if(found, build_tables(found), likely_states(topology, stated_components(topology), cutoff))


@pytest.mark.parametrize(("per", "loss"), [("scenario", 0.5), ("flow", 0.0)])
def test_the_triangles_tables_lose_what_the_plan_promises(per: str, loss: float) -> None:
    found = plan(triangle(), demands(*BOTH), available(per=per))
    (row,) = answered(found).availability
    assert row.target == 0.99
    assert row.loss == pytest.approx([loss, loss], abs=1e-9)
    # By flow, each is whole while its own cable is up; else half of it arrives over either way, in all states but those
    # that take both.
    whole = 0.99 if per == "flow" else 1.0 - 0.01 * (1 - 0.99**2)
    assert row.undiminished == pytest.approx([whole, whole], abs=1e-9)


def test_all_at_once_is_the_worst_commodity_of_each_state() -> None:
    """By flow, whoever's cable is down is lost, which somebody's is for more than 1 % of the time."""
    found = plan(triangle(), demands(*BOTH), available(per="flow"))
    (row,) = answered(found).availability
    assert row.worst_loss == pytest.approx(1.0)
    assert row.worst_tail == pytest.approx(1.0)
    common = plan(triangle(), demands(*BOTH), available(per="scenario"))
    (row,) = answered(common).availability
    assert row.worst_loss == pytest.approx(0.5, abs=1e-9)
    # Two cables down, or all: 0.000298 of the time one of the two is cut off; half is lost for the rest of the 0.01.
    assert row.worst_tail == pytest.approx((0.000298 * 1.0 + (0.01 - 0.000298) * 0.5) / 0.01, abs=1e-6)


@pytest.mark.parametrize("per", ["flow", "scenario"])
def test_random_tables_keep_the_promise(per: str) -> None:
    """Nobody sends more than is reserved, whose states those may be; weights are as fine as can be."""
    for seed in range(5):
        topology, asked, target = random_question(seed)
        fine = {"max_weight": 65535}
        found = plan(topology, demands(*asked), available(ADMITTED, target=target, per=per, tables=fine))
        (row,) = answered(found).availability
        assert row.loss == pytest.approx(1.0 - found.admitted_share, abs=1e-3)


def test_percentiles_agree_with_counting_time() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        loss, size = random.random(9).round(1), random.dirichlet(np.ones(10))[:9]
        for target in (0.5, 0.8, 0.99):
            level = next(x for x in sorted({*loss, 1.0}) if size[loss <= x].sum() >= target or x == 1.0)
            one = np.zeros(9, dtype=np.intp)
            assert percentiles(one, loss, size, 1, target)[0] == level
            at, beyond = tail(loss, size, target)
            assert at == level
            # Sampled at the middle of thin slices of time, worst first.
            slices = np.repeat([1.0, *sorted(loss, reverse=True)], _thousands(loss, size))
            worst = slices[: round((1 - target) * 100_000)]
            assert beyond == pytest.approx(worst.mean(), abs=2e-3)


def _thousands(loss: np.ndarray, size: np.ndarray) -> np.ndarray:
    order = np.argsort(-loss, kind="stable")
    ends = np.round(np.cumsum([1 - size.sum(), *size[order]]) * 100_000).astype(int)
    return np.diff([0, *ends])


def test_what_no_state_covers_is_lost() -> None:
    found = plan(triangle(), demands(*BOTH), available(per="flow"))
    (row,) = answered(found, cutoff=0.5).availability
    assert row.loss == pytest.approx([1.0, 1.0])
    assert row.undiminished == pytest.approx([0.970299, 0.970299])


def test_states_without_probabilities_say_nothing_of_time() -> None:
    found = plan(triangle(), demands(*BOTH), available(per="flow"))
    assert what_if(found, build_tables(found), "cable").availability == ()
    listed = ScenarioSet(found.instance.topology, (Scenario("one", cables=("a-b",), probability=0.1),))
    assert what_if(found, build_tables(found), listed).availability == ()


def test_classes_without_a_promise_are_shown_too() -> None:
    found = plan(triangle(), demands(*BOTH), model())
    (row,) = answered(found).availability
    assert row.target == 0.999
    assert row.loss == pytest.approx([1.0, 1.0])


def test_a_planted_loss_is_seen() -> None:
    found = plan(triangle(), demands(*BOTH), available(per="flow"))
    states = likely_states(found.instance.topology, stated_components(found.instance.topology), 1e-7)
    for planted, expected in ((0.0, 0.0), (0.25, 0.25)):
        tally = LossTally(found.instance, np.zeros(2), np.ones(2, dtype=np.bool_))
        loss = np.zeros((2, len(states)))
        loss[1, 0] = planted
        tally.add(slice(0, len(states)), loss)
        (row,) = tally.by_class(states)
        assert row.loss.tolist() == [0.0, expected]


def test_table_and_json_show_the_worst_and_the_mean() -> None:
    found = plan(triangle(), demands(*BOTH), available(per="scenario"))
    answer = answered(found)
    document = orjson.loads(orjson.dumps(what_if_document(answer, 0, []), option=orjson.OPT_SERIALIZE_NUMPY))
    (row,) = document["availability"]
    assert row["class"] == "default"
    assert row["loss"]["worst"] == pytest.approx(0.5)
    assert row["undiminished"]["mean"] == pytest.approx(1.0 - 0.01 * (1 - 0.99**2))
    assert row["all_at_once"]["loss"] == pytest.approx(0.5)
    assert what_if_view(document, 3) is not None
