"""What the engine promises beside numbers: the same bytes, honest limits, progress, plain words about the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markets import EXACT, priced
from test_determinism import ACROSS, GRID
from toys import admitted, bounds, carry_all, demands, diamond, instance, model, of_class, plan, values

import vbte
from vbte.allocate import run
from vbte.allocate.run import allocate
from vbte.errors import InputError, SolverError
from vbte.plan import Limit, Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.solve import Deadline, SolverProfile
from vbte.write.plan_file import plan_bytes

MODELS: dict[str, PlanningModel] = {
    "throughput": model([{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]),
    "concurrent": model([{"kind": "concurrent"}, {"kind": "admitted"}]),
    "mlu": carry_all([{"kind": "max_utilization"}, {"kind": "latency"}]),
}

#: A gap that is never reached, so that every level is gone through.
NEVER = 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_two_runs_give_the_same_bytes(name: str) -> None:
    once, again = (plan_bytes(plan(GRID, ACROSS, MODELS[name], solver=priced(0.01))) for _ in range(2))
    assert once == again


def test_another_process_gives_the_same_bytes() -> None:
    """Sets and dictionaries of strings have another order there."""
    code = (
        "import sys; from test_priced_promises import *; "
        "sys.stdout.buffer.write(plan_bytes(plan(GRID, ACROSS, MODELS['throughput'], solver=priced(0.01))))"
    )
    here = Path(__file__)
    folders = [str(here.parent), str(here.parents[1]), str(here.parents[2]), str(here.parents[3])]
    environment = os.environ | {"PYTHONPATH": ":".join(folders), "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert other.stdout == plan_bytes(plan(GRID, ACROSS, MODELS["throughput"], solver=priced(0.01)))


def assert_honest(stopped: Plan, limit: Limit, name: str) -> None:
    """The plan is sound and says that it was stopped; its bound does not cut off what there is."""
    assert (stopped.termination.reason, stopped.termination.limit) == (Reason.FEASIBLE, limit)
    assert check_plan(stopped).findings == ()
    exact = plan(GRID, ACROSS, MODELS[name], solver=EXACT)
    sign = -1 if name == "mlu" else 1
    assert sign * (bounds(stopped)[0] - values(exact)[0]) >= -1e-6 * values(exact)[0]
    assert sign * (values(stopped)[0] - values(exact)[0]) <= 1e-6 * values(exact)[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_run_without_time_gives_shortest_paths_and_says_so(name: str) -> None:
    stopped = plan(GRID, ACROSS, MODELS[name], solver=priced(time_limit_s=1e-9))
    assert_honest(stopped, Limit.TIME, name)
    assert len(stopped.paths) == stopped.instance.n_commodities
    assert stopped.max_gap is None or stopped.max_gap > 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_a_run_interrupted_before_it_starts_says_so(name: str) -> None:
    assert_honest(
        plan(GRID, ACROSS, MODELS[name], solver=priced(), deadline=Deadline(interrupted=True)), Limit.INTERRUPT, name
    )


@pytest.mark.parametrize("line", range(1, 7))
@pytest.mark.parametrize("name", ["throughput", "mlu"])
def test_a_run_interrupted_at_any_line_of_progress_gives_a_labelled_plan(name: str, line: int) -> None:
    deadline, lines = Deadline(), []

    def progress(text: str) -> None:
        lines.append(text)
        deadline.interrupted |= len(lines) == line

    question = instance(GRID, ACROSS, MODELS[name])
    stopped = allocate(question, priced(NEVER), progress=progress, deadline=deadline)
    if len(lines) >= line and stopped.termination.reason is not Reason.OPTIMAL:
        assert_honest(stopped, Limit.INTERRUPT, name)


def test_what_must_fit_within_hard_limits_has_no_plan_when_nothing_was_tried() -> None:
    policy = carry_all([{"kind": "latency"}], capacity="hard")
    with pytest.raises(SolverError, match="stopped"):
        plan(diamond(), demands(("a", "d", 35)), policy, solver=priced(time_limit_s=1e-9))


def test_progress_tells_of_links_and_of_the_gap() -> None:
    lines: list[str] = []
    allocate(instance(GRID, ACROSS, MODELS["throughput"]), priced(0.01), progress=lines.append)
    assert any("links looked at" in one for one in lines)
    assert any("gap" in one for one in lines)


def test_enough_time_is_no_limit() -> None:
    found = plan(GRID, ACROSS, MODELS["mlu"], solver=priced(time_limit_s=3600))
    assert found.termination.limit is Limit.NONE


def test_a_smaller_gap_is_kept_to_where_it_is_reached() -> None:
    loose, tight = (plan(GRID, ACROSS, MODELS["throughput"], solver=priced(gap)) for gap in (0.05, 1e-3))
    for found, goal in ((loose, 0.05), (tight, 1e-3)):
        first = found.certificates[0].gap
        assert first is not None
        assert first <= goal
    assert loose.max_gap is not None
    assert tight.max_gap is not None
    assert tight.max_gap <= loose.max_gap <= 0.05


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "candidate_paths: k_shortest": ({"candidate_paths": {"kind": "k_shortest", "k": 2}}, "k_shortest"),
    "latency bound": ({"classes": [{"name": "gold", "latency_bound_ms": 5}]}, "'gold': bounds on whole paths"),
    "hop bound": ({"classes": [{"name": "gold", "hop_bound": 2}]}, "'gold': bounds on whole paths"),
    "things to pass": ({"classes": [{"name": "gold", "require": {"nodes": ["b"]}}]}, "'gold': bounds on whole paths"),
    "equal bundles": ({"classes": [{"name": "gold", "split": "equal_bundles", "bundles": 2}]}, "equal_bundles"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_engine_cannot_do_is_one_error_that_names_it_and_auto_does_it_exactly(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "EXACT_LINK_FLOWS", 0)
    keys, said = UNSUPPORTED[name]
    rows = demands(("a", "d", 25))
    with pytest.raises(InputError, match=said) as caught:
        plan(diamond(), rows, model(**keys), solver=priced())
    assert caught.value.place == "solver profile 'priced'"
    assert "engine: exact" in caught.value.remedy
    found = plan(diamond(), rows, model(**keys), solver=SolverProfile(name="any", engine="auto"))
    assert found.engine.engine == "exact"


def test_several_matrices_are_one_error_and_auto_plans_them_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "EXACT_LINK_FLOWS", 0)
    rows = [demands(("a", "d", 25)), demands(("a", "d", 5))]
    with pytest.raises(InputError, match="several demand matrices"):
        plan(diamond(), rows, model(), solver=priced())
    assert plan(diamond(), rows, model(), solver=SolverProfile(name="any")).engine.engine == "exact"


def test_auto_goes_by_the_number_of_link_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight links and two destinations are 16 link flows."""
    rows, auto = demands(("a", "d", 25), ("b", "c", 3)), SolverProfile(name="any", engine="auto")
    for limit, engine in ((16, "exact"), (15, "price-directed")):
        monkeypatch.setattr(run, "EXACT_LINK_FLOWS", limit)
        assert plan(diamond(), rows, model(), solver=auto).engine.engine == engine


def test_the_exact_engine_stays_exact_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "EXACT_LINK_FLOWS", 0)
    assert plan(diamond(), demands(("a", "d", 25)), model(), solver=EXACT).engine.engine == "exact"


def test_the_report_says_which_engine_and_how() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    rows = demands(("a", "d", 25, of_class("gold")), ("a", "d", 25, of_class("bulk")))
    found = plan(diamond(), rows, model(classes=classes), solver=priced())
    assert found.engine.engine == "price-directed"
    assert sorted(found.engine.forms) == ["bulk", "gold"]
    assert admitted(found) == pytest.approx({"gold a -> d": 25, "bulk a -> d": 15}, rel=2e-3)


def test_the_api_takes_the_engine_in_a_mapping() -> None:
    found = vbte.optimize(
        GRID, ACROSS, model="min-mlu", solver={"name": "mine", "engine": "price-directed", "gap": 0.01}
    )
    assert found.engine.engine == "price-directed"
    assert found.max_gap is not None
    assert found.max_gap <= 0.01
