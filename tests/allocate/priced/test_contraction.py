"""The contracted network: a relaxation whatever is kept, exact when everything is, its prices proofs on the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markets import Question, asked, questions, quietly
from toys import HIGHS, cable, demands, diamond, link, model, network, of_class, plan, values

from vbte.allocate.exact import Tools
from vbte.allocate.priced.contraction import ContractedProgram, dearest, priced_links
from vbte.bounds import StageProblem, lagrangian_bound, stage_problem, stage_sequence
from vbte.errors import InfeasibleError
from vbte.oracle import PathOracle
from vbte.plan import Plan, Prices
from vbte.policy import StageKind
from vbte.solve import Deadline
from vbte.topology import BoolArray

FLOW_KINDS = (StageKind.LATENCY, StageKind.COST)


def tools_for(found: Plan) -> Tools:
    return Tools(PathOracle(found.instance), HIGHS, Deadline(), lambda _: None)


def stages(found: Plan) -> list[StageProblem]:
    """The stages that contraction can do, with what the exact plan reached before each of them held."""
    result = []
    for index, entry in enumerate(stage_sequence(found.instance)):
        problem = stage_problem(found.instance, entry, found.certificates[:index], found.class_link_load_gbps)
        if problem.kind not in FLOW_KINDS:
            holds = {i: held for i, held in problem.holds.items() if held.kind not in FLOW_KINDS}
            result.append(replace(problem, holds=holds))
    return result


def assert_relaxed(found: Plan, active: BoolArray) -> None:
    """Whatever is contracted, no stage's optimum is cut off, and the prices prove on the whole what was found."""
    tools = tools_for(found)
    by_label = {one.stage: one for one in found.certificates}
    for problem in stages(found):
        answer = ContractedProgram(tools, problem, active).solve(problem)
        exact = by_label[problem.label].value
        sign = 1.0 if problem.kind in (StageKind.ADMITTED, StageKind.CONCURRENT) else -1.0
        if answer.value is None:
            continue
        assert sign * (answer.value - exact) >= -1e-5 * abs(exact) - 1e-7
        if answer.prices is not None:
            bound = lagrangian_bound(problem, answer.prices, tools.oracle)
            if bound is None:
                assert not answer.prices.capacity.any()
                continue
            assert bound == pytest.approx(answer.value, rel=1e-5, abs=1e-7)
            assert not answer.prices.capacity[:, ~active].any()
        if active.all() and problem.price_rows() == {}:
            assert answer.value == pytest.approx(exact, rel=1e-5, abs=1e-7)


def exact_plan(question: Question) -> Plan:
    try:
        found = quietly(question)
    except InfeasibleError:
        assume(False)
    assume(found.instance.n_commodities)
    return found


kept = st.lists(st.booleans(), min_size=20, max_size=20)


@settings(max_examples=60)
@given(questions(), kept)
def test_any_links_that_are_kept_give_a_bound_that_their_prices_prove(question: Question, active: list[bool]) -> None:
    """Class limits, classes with links of their own, closed nodes, and holds of other priorities are among them."""
    found = exact_plan(question)
    assert_relaxed(found, np.array(active)[: len(question[0].links)])


@settings(max_examples=25)
@given(questions(coupling="sequential"), kept)
def test_what_classes_before_have_taken_is_taken_on_the_contracted_network_too(
    question: Question, active: list[bool]
) -> None:
    found = exact_plan(question)
    assert_relaxed(found, np.array(active)[: len(question[0].links)])


@settings(max_examples=30)
@given(questions())
def test_with_every_link_kept_the_first_stage_is_the_optimum(question: Question) -> None:
    found = exact_plan(question)
    tools = tools_for(found)
    problem = stages(found)[:1]
    assume(problem)
    assume(problem[0].label == found.certificates[0].stage)
    answer = ContractedProgram(tools, problem[0], np.ones(len(question[0].links), dtype=np.bool_)).solve(problem[0])
    assert answer.value == pytest.approx(values(found)[0], rel=1e-5, abs=1e-8)


def solved(question: Question, *kept_links: str) -> tuple[float | None, Prices | None]:
    """The first stage on the network where all links but these are contracted."""
    of = asked(question)
    active = np.array([one.id in kept_links for one in question[0].links])
    answer = ContractedProgram(of.tools, of.problem, active).solve(of.problem)
    return answer.value, answer.prices


#: Two islands, a and b joined by plenty, c and d by plenty, and a thin cable between them.
ISLANDS = network(cable("a-b", 100), cable("b-c", 10), cable("c-d", 100))
ACROSS = demands(("a", "d", 25), ("b", "c", 5), ("a", "b", 40))


def test_the_one_link_that_matters_gives_the_optimum() -> None:
    """10 of the 30 that want to cross, and 40 that stay on their island: only b>c has a price, and it is 1."""
    value, prices = solved((ISLANDS, ACROSS, model()), "b>c")
    assert value == pytest.approx(50)
    assert prices is not None
    assert prices.capacity[0].tolist() == pytest.approx([1.0 if one.id == "b>c" else 0.0 for one in ISLANDS.links])
    assert values(plan(ISLANDS, ACROSS, model())) == pytest.approx([50])


def test_with_no_link_that_matters_everything_is_admitted() -> None:
    assert solved((ISLANDS, ACROSS, model()))[0] == pytest.approx(70)


def test_a_node_closed_to_transit_is_not_melted_into_its_neighbours() -> None:
    """Were b part of its island, 30 would cross for nothing over it; only a>c remains, with 4."""
    topology = network(cable("a-b", 100), cable("b-c", 100), cable("a-c", 4), nodes={"b": {"transit": False}})
    question = topology, demands(("a", "c", 30), ("b", "c", 1)), model()
    assert solved(question, "a>c")[0] == pytest.approx(5)
    assert values(plan(*question)) == pytest.approx([5])


def test_links_that_one_class_may_not_use_do_not_melt_islands_for_it() -> None:
    """Gold avoids the plentiful cable b-c and has 3 of its own; bulk crosses for nothing."""
    topology = network(
        cable("a-b", 100), link("b>c", 100, id="open"), link("b>c", 3, id="guarded"), link("c>b", 100, id="back")
    )
    classes = [{"name": "gold", "avoid": {"links": ["open"]}}, {"name": "bulk"}]
    rows = demands(("a", "c", 30, of_class("gold")), ("a", "c", 50, of_class("bulk")))
    question = topology, rows, model(classes=classes)
    assert solved(question, "guarded")[0] == pytest.approx(53)
    assert values(plan(*question)) == pytest.approx([53])


def test_a_class_limit_on_a_kept_link_has_a_price_of_its_own() -> None:
    classes = [{"name": "gold", "utilization_limit": 0.5}]
    value, prices = solved((ISLANDS, ACROSS, model(classes=classes)), "b>c")
    assert value == pytest.approx(45)
    assert prices is not None
    assert prices.class_limit[0].sum() + prices.capacity.sum() == pytest.approx(1.0)
    assert prices.class_limit[0].sum() > 0.5


def test_the_dearest_links_are_those_with_the_highest_prices_and_never_one_without() -> None:
    prices = np.array([0.0, 3.0, 1.0, 0.0, 2.0])
    assert np.flatnonzero(dearest(prices, 2)).tolist() == [1, 4]
    assert np.flatnonzero(dearest(prices, 5)).tolist() == [1, 2, 4]


def test_priced_links_are_those_with_a_price_in_any_set_class_limits_included() -> None:
    def some(*at: int) -> np.ndarray:
        return np.array([[1.0 if i in at else 0.0 for i in range(4)]])

    found = priced_links([Prices(some(1)), Prices(some(), {0: some(3)})], 4)
    assert np.flatnonzero(found).tolist() == [1, 3]


def test_a_network_that_melts_into_one_node_needs_no_program() -> None:
    value, prices = solved((diamond(), demands(("a", "d", 7)), model()))
    assert (value, prices) == (7.0, None)


def test_what_stays_inside_an_island_is_no_part_of_a_hold() -> None:
    """50 of gold are held: 40 stay on their island, 10 fill the thin cable. Of bulk, 3 stay on the other one."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    gold, bulk = of_class("gold"), of_class("bulk")
    rows = demands(("a", "d", 25, gold), ("a", "b", 40, gold), ("b", "c", 5, bulk), ("c", "d", 3, bulk))
    found = plan(ISLANDS, rows, model(classes=classes))
    assert values(found) == pytest.approx([50, 3], abs=1e-5)
    active = np.array([one.id == "b>c" for one in ISLANDS.links])
    second = stages(found)[1]
    assert ContractedProgram(tools_for(found), second, active).solve(second).value == pytest.approx(3, abs=1e-4)
