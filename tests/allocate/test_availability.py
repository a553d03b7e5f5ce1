"""Classes that lose little for a share of the time, against programs over all paths, states and choices of states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from availability_oracle import Question, states_of
from availability_toys import BOTH, available, random_question, triangle
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import ADMITTED, CONCURRENT, MLU, bounds, cable, demands, instance, network, of_class, plan, values

from vbte.allocate.protected import available_milp
from vbte.allocate.run import allocate
from vbte.bounds import lagrangian_bound, loads_before, stage_problem, stage_sequence
from vbte.errors import InfeasibleError, InputError
from vbte.oracle import PathOracle
from vbte.plan import Plan, Prices, Reason, SurvivalPrices
from vbte.proof import check_plan
from vbte.protection.availability import availabilities, most_spared, percentile_gbps
from vbte.solve import SolverProfile


@pytest.mark.parametrize(("per", "loss"), [("scenario", 0.5), ("flow", 0.0)])
def test_states_chosen_by_flow_lose_nothing_where_states_common_to_all_lose_half(per: str, loss: float) -> None:
    """Flexile's own example: each demand needs its own cable alone, but not both cables at once for 99 %."""
    found = plan(triangle(), demands(*BOTH), available(per=per))
    assert 1.0 - found.admitted_share == pytest.approx(np.array([loss, loss]), abs=1e-9)
    assert values(found) == pytest.approx([1.0 - loss], abs=1e-9)
    assert bounds(found) == pytest.approx([1.0 - loss], abs=1e-6)
    assert found.termination.reason is Reason.OPTIMAL
    assert check_plan(found).ok


@pytest.mark.parametrize("per", ["flow", "scenario"])
@pytest.mark.parametrize("objective", ["concurrent", "admitted"])
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_promise_what_a_milp_over_all_paths_and_states_does(
    seed: int, objective: str, per: str
) -> None:
    topology, asked, target = random_question(seed)
    stages = CONCURRENT if objective == "concurrent" else ADMITTED
    found = plan(topology, demands(*asked), available(stages, target=target, per=per))
    question = Question(topology, asked, target, 1e-7)
    best = question.best(common=per == "scenario", concurrent=objective == "concurrent")
    certificate = found.certificates[0]
    assert certificate.value == pytest.approx(best, rel=1e-6)
    assert certificate.bound is not None
    assert certificate.bound >= best * (1 - 1e-6)
    assert certificate.mip_bound is None or certificate.mip_bound >= best * (1 - 1e-6)
    assert check_plan(found).ok
    reserved = reservations(found)
    for k, volume in enumerate(found.admitted_share * found.instance.peak_gbps):
        # Commodities are sorted as the demands are.
        assert question.percentile(k, reserved) >= volume * (1 - 1e-6)


def reservations(found: Plan) -> dict[tuple[int, tuple[int, ...]], float]:
    """What is reserved, by commodity and path."""
    assert found.reserved_gbps is not None
    listed = enumerate(found.paths.commodity.tolist())
    return {(k, tuple(found.paths[p].tolist())): float(found.reserved_gbps[p]) for p, k in listed}


@pytest.mark.parametrize("capacities", [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5), (1.0, 3.0, 1.0)])
def test_a_common_set_is_the_best_of_all_sets(capacities: tuple[float, ...]) -> None:
    ends = ("a-b", "a-c", "b-c")
    topology = network(*(cable(one, gbps, unavailability=0.02) for one, gbps in zip(ends, capacities, strict=True)))
    for target in (0.9, 0.97, 0.99):
        found = plan(topology, demands(*BOTH), available(per="scenario", target=target))
        question = Question(topology, list(BOTH), target, 1e-7)
        assert values(found) == pytest.approx([question.largest_scale_by_sets()], rel=1e-6)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_the_percentile_is_no_more_than_teavars_mean_beyond_it(seed: int) -> None:
    """VaR is at most CVaR, whoever minimises which."""
    topology, asked, target = random_question(seed)
    found = plan(topology, demands(*asked), available(per="scenario", target=target))
    assert 1.0 - min(1.0, values(found)[0]) <= Question(topology, asked, target, 1e-7).least_cvar() + 1e-6


def test_later_stages_keep_what_is_promised() -> None:
    topology, asked, target = random_question(4)
    stages = [{"kind": "admitted"}, {"kind": "max_utilization", "tolerance": 0.01}, {"kind": "latency"}]
    found = plan(topology, demands(*asked), available(stages, target=target))
    alone = plan(topology, demands(*asked), available(ADMITTED, target=target))
    assert values(found)[0] == pytest.approx(values(alone)[0], rel=1e-6)
    assert check_plan(found).ok


def test_everything_may_have_to_be_carried() -> None:
    """Half of each over both ways survives any one cable: two thirds of the triangle are needed for 0.999."""
    keys = {"admission": "all", "target": 0.999}
    found = plan(triangle(), demands(("a", "b", 0.5)), available(MLU, **keys))
    assert found.admitted_share == pytest.approx(np.ones(1))
    assert values(found) == pytest.approx([0.5])
    assert check_plan(found).ok
    with pytest.raises(InfeasibleError, match="do not fit"):
        plan(triangle(), demands(("a", "b", 3.0)), available(MLU, **keys))


def test_classes_below_use_what_is_kept_for_failures() -> None:
    protection = {"kind": "availability", "target": 0.999}
    classes = [{"name": "gold", "protection": protection}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "b", 1.0, of_class("gold")), ("a", "b", 2.0, of_class("bulk")))
    question = available(ADMITTED).model_copy()
    question = type(question).model_validate(
        {**question.model_dump(by_alias=True), "classes": classes, "default_class": "bulk"}
    )
    found = plan(triangle(), asked, question)
    gold, bulk = found.admitted_share * found.instance.peak_gbps
    assert gold == pytest.approx(1.0)
    assert bulk == pytest.approx(1.0)
    assert check_plan(found).ok


def test_a_stopped_search_is_never_called_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    topology, asked, target = random_question(3)
    whole = plan(topology, demands(*asked), available(target=target, per="scenario"))
    monkeypatch.setattr(available_milp, "MOST_CHOICES", 0)
    found = plan(topology, demands(*asked), available(target=target, per="scenario"))
    assert found.termination.reason is Reason.FEASIBLE
    assert found.certificates[0].termination.reason is Reason.FEASIBLE
    assert found.certificates[0].mip_bound is None
    assert values(found)[0] <= values(whole)[0] * (1 + 1e-9)
    assert check_plan(found).ok


def test_no_time_gives_a_plan_that_keeps_the_little_it_promises() -> None:
    topology, asked, target = random_question(2)
    question = instance(topology, demands(*asked), available(ADMITTED, target=target))
    found = allocate(question, SolverProfile(name="hurried", time_limit_s=1e-9))
    assert found.termination.reason is Reason.FEASIBLE
    assert check_plan(found).ok


@given(seed=st.integers(0, 10_000), scale=st.floats(0.0, 4.0))
@settings(max_examples=25, deadline=None)
def test_any_prices_prove_a_bound(seed: int, scale: float) -> None:
    """Prices from nowhere prove less, never too much."""
    random = np.random.default_rng(seed)
    per = "scenario" if seed % 2 else "flow"
    found = _toy(per)
    oracle = PathOracle(found.instance)
    problem = stage_problem(found.instance, entry := stage_sequence(found.instance)[0], (), loads_before(found, entry))
    n_states = len(availabilities(oracle)[0].probability)
    n_entries = int(random.integers(0, 12))
    commodity = random.integers(0, 2, n_entries)
    survival = SurvivalPrices(commodity, random.integers(0, n_states, n_entries), scale * random.random(n_entries))
    bound = lagrangian_bound(problem, Prices(random.random((1, 6)), survival=survival), oracle)
    assert bound is None or bound >= found.certificates[0].value - 1e-7


_TOYS: dict[str, Plan] = {}


def _toy(per: str) -> Plan:
    if per not in _TOYS:
        _TOYS[per] = plan(triangle(0.03), demands(*BOTH), available(ADMITTED, per=per, target=0.98))
    return _TOYS[per]


@given(
    worth=st.lists(st.floats(0, 10), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    spare=st.floats(1e-6, 0.5),
)
def test_what_may_be_left_out_is_no_less_than_any_choice_that_fits(worth: list[float], seed: int, spare: float) -> None:
    size = np.random.default_rng(seed).uniform(1e-6, 0.3, len(worth))
    found = most_spared(np.array([worth]), size, np.array([spare]))[0]
    choices = (np.arange(2 ** len(worth))[:, None] >> np.arange(len(worth))) & 1
    fits = choices @ size <= spare
    assert found >= (choices @ np.array(worth))[fits].max() - 1e-9


def test_percentiles_are_those_of_states_counted_one_by_one() -> None:
    topology, asked, target = random_question(8)
    found = plan(topology, demands(*asked), available(ADMITTED, target=target))
    member = availabilities(PathOracle(found.instance))[0]
    random = np.random.default_rng(0)
    reserved = random.random(len(found.paths))
    spoilt = replace(found, reserved_gbps=reserved)
    level = percentile_gbps(member, found.paths, reserved)
    question = Question(topology, asked, target, 1e-7)
    expected = [question.percentile(k, reservations(spoilt)) for k in range(len(asked))]
    assert level == pytest.approx(expected, abs=1e-9)


def test_states_and_their_probabilities_are_those_of_independent_cables() -> None:
    topology, asked, _ = random_question(1)
    member = availabilities(PathOracle(instance(topology, demands(*asked), available())))[0]
    expected = {state.down: state.probability for state in states_of(topology, 1e-7)}
    scenarios = member.survival.scenarios.scenarios
    assert {frozenset(one.cables): one.probability for one in scenarios} == pytest.approx(expected)


def test_without_failure_figures_nothing_can_be_promised() -> None:
    with pytest.raises(InputError, match="says how often it fails"):
        plan(network(cable("a-b", 1.0)), demands(("a", "b", 1.0)), available())


def test_a_bridge_that_fails_too_often_is_named_with_the_best_there_is() -> None:
    topology = network(cable("a-b", 1.0, unavailability=0.02), cable("b-c", 1.0, unavailability=0.001))
    with pytest.raises(InputError, match=r"default a -> b: availability 0.99 .* 0.98 at most.*cable a-b.* a bridge"):
        plan(topology, demands(("a", "b", 1.0), ("b", "c", 1.0)), available(target=0.99))
    found = plan(topology, demands(("a", "b", 1.0), ("b", "c", 1.0)), available(target=0.98))
    assert found.admitted_share == pytest.approx(np.ones(2))
    with pytest.raises(InputError, match=r"all commodities of its class at once.*0.97902 at most"):
        plan(topology, demands(("a", "b", 1.0), ("b", "c", 1.0)), available(target=0.98, per="scenario"))


def test_a_cut_off_that_covers_too_little_says_which_would_do() -> None:
    with pytest.raises(InputError, match=r"cutoff 0.5 hold only 0.970299.*say `cutoff: 5e-0[34]`"):
        plan(triangle(), demands(*BOTH), available(cutoff=0.5))


def test_the_same_question_gives_the_same_plan() -> None:
    topology, asked, target = random_question(6)
    first, second = (plan(topology, demands(*asked), available(target=target)) for _ in range(2))
    assert first.paths.links.tolist() == second.paths.links.tolist()
    assert first.flow_gbps.tolist() == second.flow_gbps.tolist()
