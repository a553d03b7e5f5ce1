"""A run that is stopped keeps the best plan so far, labelled with its gap; it is never called optimal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from toys import admitted, bounds, cable, carry_all, demands, diamond, model, network, of_class, plan, values

import vbte.allocate.forms as forms
from vbte.errors import InfeasibleError, SolverError
from vbte.plan import Limit, Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.solve import Deadline, SolverProfile

GOLD, BULK = of_class("gold"), of_class("bulk")
CLASSES = [{"name": "gold"}, {"name": "bulk", "priority": 2, "utilization_limit": 0.75}]
ASKED = demands(("a", "d", 25, GOLD), ("a", "d", 25, BULK), ("b", "c", 3, BULK), ("d", "a", 50, GOLD))

MODELS: dict[str, PlanningModel] = {
    "throughput": model([{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}], classes=CLASSES),
    "concurrent": model([{"kind": "concurrent"}, {"kind": "admitted"}, {"kind": "cost"}], classes=CLASSES),
    "sequential": model([{"kind": "admitted"}, {"kind": "latency"}], classes=CLASSES, coupling="sequential"),
    "mlu": carry_all([{"kind": "max_utilization"}, {"kind": "latency"}], classes=[{"name": "gold"}, {"name": "bulk"}]),
    "single path": model(classes=[{"name": "gold", "split": "single_path"}, {"name": "bulk", "max_paths": 1}]),
    "candidates": model(classes=CLASSES, candidate_paths={"kind": "k_shortest", "k": 2}),
}

#: Ways to stop a run before it has anything, and the limit that the plan then names.
STOPS: dict[str, tuple[Mapping[str, Any], Deadline | None, Limit]] = {
    "time": ({"time_limit_s": 1e-9}, None, Limit.TIME),
    "interrupt": ({}, Deadline(interrupted=True), Limit.INTERRUPT),
    "interrupt of a PuLP solver": ({"backend": "pulp"}, Deadline(interrupted=True), Limit.INTERRUPT),
    "time of a PuLP solver": ({"backend": "pulp", "time_limit_s": 1e-9}, None, Limit.TIME),
}


def profile(**keys: Any) -> SolverProfile:
    return SolverProfile(name="limited", **keys)


def assert_honest(stopped: Plan, finished: Plan, limit: Limit) -> None:
    """The plan is feasible and says that it is no more; its bounds do not cut off what the finished plan reaches."""
    assert (stopped.termination.reason, stopped.termination.limit) == (Reason.FEASIBLE, limit)
    assert check_plan(stopped).findings == ()
    gap = stopped.max_gap
    assert gap is None or gap > 1e-6
    first = finished.certificates[0]
    sign = 1 if first.kind in ("admitted", "concurrent") else -1
    bound, value = bounds(stopped)[0], values(stopped)[0]
    assert sign * (bound - first.value) >= -1e-6 * abs(bound)
    assert sign * (first.value - value) >= -1e-6 * abs(value)


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("name", MODELS)
def test_a_run_stopped_at_once_gives_a_plain_plan_with_an_honest_gap(name: str, stop: str) -> None:
    keys, deadline, limit = STOPS[stop]
    stopped = plan(diamond(), ASKED, MODELS[name], solver=profile(**keys), deadline=deadline)
    assert_honest(stopped, plan(diamond(), ASKED, MODELS[name]), limit)
    assert len(stopped.paths) > 0


@pytest.mark.parametrize("form", [0.0, float("inf")], ids=["link flows", "path columns"])
@pytest.mark.parametrize("iterations", range(6))
@pytest.mark.parametrize("name", MODELS)
def test_a_few_iterations_give_a_plan_that_is_optimal_only_if_proven(
    name: str, iterations: int, form: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "COMMODITIES_PER_LINK_FLOW", form)
    stopped = plan(diamond(), ASKED, MODELS[name], solver=profile(iteration_limit=iterations))
    finished = plan(diamond(), ASKED, MODELS[name])
    assert check_plan(stopped).findings == ()
    if stopped.termination.reason is Reason.OPTIMAL:
        assert values(stopped) == pytest.approx(values(finished), rel=1e-5)
    elif finished.termination.reason is Reason.OPTIMAL:
        assert_honest(stopped, finished, Limit.ITERATIONS)


def test_without_a_single_iteration_demands_share_their_shortest_path() -> None:
    """25 of gold on the 10 Gbit/s over b: 0.4 of it fits, and nothing is left for bulk."""
    asked = demands(("a", "d", 25, GOLD), ("a", "d", 25, BULK))
    stopped = plan(diamond(), asked, MODELS["throughput"], solver=profile(time_limit_s=1e-9))
    assert admitted(stopped) == pytest.approx({"gold a -> d": 10, "bulk a -> d": 0})
    assert values(stopped)[0] < bounds(stopped)[0]


def test_what_an_earlier_stage_reached_is_kept_when_a_later_one_is_stopped() -> None:
    """Some limits let the first stage finish and not the second."""
    found = plan(diamond(), ASKED, MODELS["mlu"], solver=profile(iteration_limit=10_000))
    assert found.termination.reason is Reason.OPTIMAL
    for iterations in range(10):
        stopped = plan(diamond(), ASKED, MODELS["mlu"], solver=profile(iteration_limit=iterations))
        if stopped.certificates[0].termination.reason is Reason.OPTIMAL:
            assert values(stopped)[0] == pytest.approx(values(found)[0], rel=1e-6)


@pytest.mark.parametrize("keys", [{"time_limit_s": 1e-9}, {"iteration_limit": 0}])
def test_demands_that_must_fit_hard_limits_have_no_plan_when_nothing_was_solved(keys: Mapping[str, Any]) -> None:
    """They do fit, but nobody knows yet: no plan is better than one that may overload links."""
    policy = carry_all([{"kind": "latency"}], capacity="hard")
    assert values(plan(diamond(), demands(("a", "d", 35)), policy)) == [pytest.approx(10 * 4 + 25 * 10)]
    with pytest.raises(SolverError, match="stopped"):
        plan(diamond(), demands(("a", "d", 35)), policy, solver=profile(**keys))


def test_a_class_limit_counts_as_hard_too() -> None:
    policy = carry_all(classes=[{"name": "gold", "utilization_limit": 0.5}])
    with pytest.raises(SolverError, match="stopped"):
        plan(diamond(), demands(("a", "d", 5)), policy, solver=profile(time_limit_s=1e-9))


def test_demands_that_do_not_fit_are_infeasible_and_not_a_limit() -> None:
    topology = network(cable("a-b", 10))
    with pytest.raises(InfeasibleError) as caught:
        plan(topology, demands(("a", "b", 25)), carry_all(capacity="hard"), solver=profile(time_limit_s=60))
    assert caught.value.clashes == (
        "all would fit with limits 2.5 times as large, or with all demands times 0.4",
        "limit: link a>b with 10 Gbit/s",
        "demand: default a -> b with 25 Gbit/s",
    )


def test_enough_time_is_no_limit() -> None:
    found = plan(diamond(), ASKED, MODELS["mlu"], solver=profile(time_limit_s=3600))
    assert (found.termination.reason, found.termination.limit) == (Reason.OPTIMAL, Limit.NONE)


def test_one_deadline_serves_several_plans() -> None:
    deadline = Deadline(3600)
    first = plan(diamond(), ASKED, MODELS["mlu"], deadline=deadline)
    deadline.interrupted = True
    second = plan(diamond(), ASKED, MODELS["mlu"], deadline=deadline)
    assert (first.termination.limit, second.termination.limit) == (Limit.NONE, Limit.INTERRUPT)
