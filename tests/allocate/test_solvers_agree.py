"""Every solver gives the same plan values and proves them, on every bundled network and model."""

from __future__ import annotations

import re
from functools import cache

import pytest
from toys import bounds, plan, values

from vbte import catalogue
from vbte.errors import InfeasibleError, InputError, VbteError
from vbte.plan import Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.read import read_demands, read_topology

OWN = "its own"
NAMES = sorted(catalogue.datasets())
MODELS = [*sorted(catalogue.models()), OWN]
OTHERS = ("highs-ipm", "cbc", "pulp-highs")


@cache
def answer(name: str, model_name: str, solver: str) -> Plan | VbteError:
    dataset = catalogue.dataset(name)
    topology = read_topology(dataset.topology)
    demands = read_demands(dataset.demands, topology)
    try:
        return plan(topology, demands, model_of(name, model_name), solver=solver)
    except VbteError as error:
        return error


def model_of(name: str, model_name: str) -> PlanningModel:
    own = catalogue.dataset(name).model
    return catalogue.load_model(own or "class-aware") if model_name == OWN else catalogue.load_model(model_name)


def scale_of(error: VbteError) -> float:
    """The factor in "carrying all of them takes 1.1375 times the allowed utilisation"."""
    found = re.search(r"takes ([\d.]+) times", str(error))
    assert found
    return float(found[1])


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_the_default_solver_proves_its_plan_or_says_what_is_wrong(name: str, model_name: str) -> None:
    found = answer(name, model_name, "highs")
    if not isinstance(found, Plan):
        # A model may not know the classes that these demands name, or the demands may not fit.
        assert isinstance(found, InfeasibleError) or "demand names class" in str(found)
        return
    assert found.termination.reason is Reason.OPTIMAL
    assert check_plan(found).findings == ()


@pytest.mark.parametrize("solver", OTHERS)
@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_other_solvers_reach_and_prove_the_same_values(name: str, model_name: str, solver: str) -> None:
    reference, found = answer(name, model_name, "highs"), answer(name, model_name, solver)
    if isinstance(reference, InfeasibleError):
        assert isinstance(found, InfeasibleError)
        assert scale_of(found) == pytest.approx(scale_of(reference), rel=1e-5)
    elif isinstance(reference, Plan):
        assert isinstance(found, Plan), found
        assert values(found) == pytest.approx(values(reference), rel=1e-5)
        assert bounds(found) == pytest.approx(bounds(reference), rel=1e-5)
        assert check_plan(found).findings == ()
    else:
        assert isinstance(found, InputError)


def test_every_bundled_network_has_a_model_it_can_be_planned_with() -> None:
    assert [name for name in NAMES if not isinstance(answer(name, OWN, "highs"), Plan)] == []
    assert [name for name in NAMES if not isinstance(answer(name, "min-mlu", "highs"), Plan)] == []


@pytest.mark.parametrize("solver", OTHERS)
def test_the_plan_names_the_solver_that_found_it(solver: str) -> None:
    found = answer("diamond", "min-mlu", solver)
    assert isinstance(found, Plan)
    assert found.engine.solver == {"highs-ipm": "highs", "cbc": "CBC", "pulp-highs": "HiGHS"}[solver]
