"""The engine against the exact one: no bound is false, no plan too good, and little is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edge_lp import EdgeLp
from hypothesis import HealthCheck, assume, given, settings
from markets import EXACT, Question, priced, questions, quietly
from toys import admitted, bounds, cable, carry_all, demands, diamond, link, model, network, of_class, plan, values

from vbte.allocate.exact import StagedProgram, Tools
from vbte.bounds import stage_problem, stage_sequence
from vbte.catalogue import load_model
from vbte.demands import DemandMatrix
from vbte.errors import InfeasibleError, SolverError
from vbte.formulation.layout import build_layout
from vbte.formulation.program import NO_PATHS
from vbte.oracle import PathOracle
from vbte.plan import Plan
from vbte.policy import PlanningModel, StageKind
from vbte.proof import check_plan
from vbte.solve import Deadline
from vbte.topology import Topology

FLOW_KINDS = (StageKind.LATENCY, StageKind.COST)

# Random policies also avoid groups that the random network does not have.
pytestmark = pytest.mark.filterwarnings("ignore:.*so nothing is avoided:vbte.errors.InputWarning")

quick = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def both(question: Question) -> tuple[Plan, Plan]:
    """The engine's plan and the exact one; where one has none, the other must have none."""
    try:
        exact = quietly(question)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            quietly(question, solver=priced())
        assume(False)
    return quietly(question, solver=priced()), exact


def more_is_better(kind: StageKind) -> float:
    return 1.0 if kind in (StageKind.ADMITTED, StageKind.CONCURRENT) else -1.0


def optima(found: Plan) -> list[float | None]:
    """What each stage could reach at best if the stages before it are held where this plan holds them."""
    tools = Tools(PathOracle(found.instance), priced(), Deadline(), lambda _: None)
    result = []
    for index, entry in enumerate(stage_sequence(found.instance)):
        problem = stage_problem(found.instance, entry, found.certificates[:index], found.class_link_load_gbps)
        # What the plan itself carries may miss what it is held to by a rounding.
        holds = {
            i: replace(h, held_at=h.held_at * (1 - 1e-7 * more_is_better(h.kind))) for i, h in problem.holds.items()
        }
        problem = replace(problem, holds=holds)
        program = StagedProgram(tools, build_layout(problem, tools.oracle, frozenset()), NO_PATHS, generates=False)
        result.append(program.solve_stage(problem).value)
    return result


def assert_honest(found: Plan, exact: Plan) -> None:
    """The check is content, no bound cuts the true optimum off, and the first stage does not beat it."""
    assert check_plan(found).findings == ()
    for one, best in zip(found.certificates, optima(found), strict=True):
        sign = more_is_better(one.kind)
        assert one.bound is not None
        if best is not None:
            assert sign * (one.bound - best) >= -1e-5 * abs(best) - 1e-7, one.stage
    if exact.certificates:
        sign, best = more_is_better(exact.certificates[0].kind), values(exact)[0]
        assert sign * (values(found)[0] - best) <= 1e-6 * abs(best) + 1e-9
        assert sign * (bounds(found)[0] - best) >= -1e-6 * abs(best) - 1e-9


@settings(quick, max_examples=30)
@given(questions())
def test_random_questions_get_honest_plans_with_a_small_first_gap(question: Question) -> None:
    """One and two priorities, class limits, avoided links, closed nodes, all kinds of stages."""
    found, exact = both(question)
    assert_honest(found, exact)
    # Two sums along paths share one price: the proof of the first then counts a little of the second.
    if found.certificates and [one.kind in FLOW_KINDS for one in found.certificates].count(True) < 2:
        assert found.certificates[0].gap == pytest.approx(0.0, abs=0.01)


@settings(quick, max_examples=12)
@given(questions(coupling="sequential"))
def test_classes_planned_one_after_the_other_get_honest_plans(question: Question) -> None:
    found, exact = both(question)
    assert_honest(found, exact)


@settings(quick, max_examples=12)
@given(questions(splits=True))
def test_limits_on_the_number_of_paths_are_kept(question: Question) -> None:
    """One path, two or any number: the check counts them."""
    try:
        found = quietly(question, solver=priced())
    except (InfeasibleError, SolverError):
        assume(False)
    assert check_plan(found).findings == ()


#: Sixteen towns, each with a demand for each other by a gravity of its own, and cables of three sizes.
SIDE = 4


def town_grid(factor: float = 1.0, seed: int = 3) -> tuple[Topology, DemandMatrix]:
    chance = np.random.default_rng(seed)
    names = [f"{r}{c}" for r in range(SIDE) for c in range(SIDE)]
    pairs = [(f"{r}{c}", f"{r}{c + 1}") for r in range(SIDE) for c in range(SIDE - 1)]
    pairs += [(f"{r}{c}", f"{r + 1}{c}") for r in range(SIDE - 1) for c in range(SIDE)]
    cables = [cable(f"{a}-{b}", float(chance.choice([10, 40, 100])), float(chance.uniform(1, 9))) for a, b in pairs]
    weight = dict(zip(names, chance.lognormal(0, 1, len(names)), strict=True))
    classes = ["gold", "silver", "best-effort"]
    rows: list[Any] = [
        (a, b, float(factor * weight[a] * weight[b]), of_class(classes[int(chance.integers(3))]))
        for a in names for b in names if a != b
    ]  # fmt: skip
    return network(*cables), demands(*rows)


def plain(matrix: DemandMatrix) -> DemandMatrix:
    return replace(matrix, attributes={})


def bundled(name: str, **keys: Any) -> PlanningModel:
    return PlanningModel.model_validate(load_model(name).model_dump(by_alias=True) | keys)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("class-aware", 3.0), ("max-concurrent", 0.5), ("max-concurrent", 3.0), ("max-throughput", 3.0),
        ("min-mlu", 0.5), ("min-mlu", 3.0),
    ],
)  # fmt: skip
def test_bundled_models_come_within_a_few_thousandths(name: str, factor: float) -> None:
    topology, matrix = town_grid(factor)
    matrix = matrix if name == "class-aware" else plain(matrix)
    found, exact = (plan(topology, matrix, load_model(name), solver=s) for s in (priced(), EXACT))
    assert found.engine.engine == "price-directed"
    assert exact.engine.engine == "exact"
    assert_honest(found, exact)
    assert found.certificates[0].gap == pytest.approx(0.0, abs=5e-3)
    assert values(found)[0] == pytest.approx(values(exact)[0], rel=5e-3)
    # Later stages may start from a little less, and say so.
    assert all(one.gap is not None and one.gap < 0.05 for one in found.certificates)


def test_least_latency_for_all_within_hard_limits_is_within_a_thousandth() -> None:
    topology, matrix = town_grid(0.5)
    found, exact = (plan(topology, plain(matrix), load_model("min-latency"), solver=s)
                    for s in (priced(), EXACT))  # fmt: skip
    assert_honest(found, exact)
    assert values(found) == pytest.approx(values(exact), rel=2e-3)
    assert found.admitted_share.tolist() == pytest.approx([1.0] * found.instance.n_commodities)


#: What is asked for beside the class-aware model, and how close the first stage comes: limits of classes are hard.
VARIANTS: dict[str, tuple[dict[str, Any], float]] = {
    "sequential": ({"coupling": "sequential"}, 3e-3),
    "limit of all": ({"utilization_limit": 0.7}, 3e-3),
    "limit of a class": ({"classes": [{"name": "gold", "utilization_limit": 0.2},
                                      {"name": "silver", "priority": 2, "weight": 3.0},
                                      {"name": "best-effort", "priority": 2}]}, 2e-2),
    "avoided": ({"classes": [{"name": "gold", "avoid": {"nodes": ["11"], "links": ["00>01"]}},
                             {"name": "silver"}, {"name": "best-effort", "priority": 3}]}, 3e-3),
    "two sums": ({"stages": [{"kind": "admitted"}, {"kind": "cost"}, {"kind": "latency", "figure": "hops"}]}, 3e-3),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_the_class_aware_model_are_honest_and_close(name: str) -> None:
    topology, matrix = town_grid(3.0)
    keys, close = VARIANTS[name]
    policy = bundled("class-aware", **({"default_class": None} if "classes" in keys else {}), **keys)
    found, exact = (plan(topology, matrix, policy, solver=s) for s in (priced(), EXACT))
    assert_honest(found, exact)
    first = found.certificates[0]
    assert first.kind is StageKind.ADMITTED
    assert first.value == pytest.approx(values(exact)[0], rel=close)


@pytest.mark.parametrize("split", [{"max_paths": 1}, {"max_paths": 2}, {"split": "single_path"}])
def test_traffic_that_may_take_few_paths_takes_few(split: dict[str, Any]) -> None:
    topology, matrix = town_grid(3.0)
    found = plan(topology, plain(matrix), model(classes=[{"name": "all", **split}]), solver=priced())
    assert check_plan(found).findings == ()
    count = np.bincount(found.paths.commodity)
    assert count.max() <= split.get("max_paths", 1)
    assert found.max_gap is not None
    # Against the bound of all paths: single ones lose a little, whoever plans them.
    assert found.max_gap < 0.03


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_textbook_agrees(factor: float) -> None:
    """All-pairs edge flows by scipy's own solver, with nothing of the formulations."""
    topology, matrix = town_grid(factor)
    volume = np.zeros((SIDE * SIDE, SIDE * SIDE))
    volume[matrix.aligned(topology)] = matrix.volume_gbps
    oracle = EdgeLp(topology.tail, topology.head, topology.capacity_gbps, volume)
    for policy, best in (
        (model(), oracle.most_admitted()),
        (carry_all(), oracle.least_mlu()),
        (model([{"kind": "concurrent"}]), oracle.largest_scale()),
    ):
        found = plan(topology, plain(matrix), policy, solver=priced())
        sign = more_is_better(found.certificates[0].kind)
        assert sign * (bounds(found)[0] - best) >= -1e-6 * best
        assert sign * (values(found)[0] - best) <= 1e-6 * best
        assert values(found)[0] == pytest.approx(best, rel=1e-2)


def test_volume_comes_before_latency_however_long_the_other_way() -> None:
    """10 Gbit/s over a millisecond, 10 over 20: all 15 are carried, though a third of them goes the long way."""
    topology = network(link("a>b", 10, 1.0, id="near"), link("a>b", 10, 20.0, id="far"))
    found = plan(topology, demands(("a", "b", 15)), load_model("max-throughput"), solver=priced())
    assert values(found) == pytest.approx([15.0, 10 * 1.0 + 5 * 20.0], rel=1e-3)


def test_a_common_scale_above_one_counts_though_a_trifle_was_missed() -> None:
    """5 Gbit/s from a to d and 1 to b over the diamond: 10 to b and 30 the other way, 6.67 times as much."""
    asked = demands(("a", "d", 5), ("a", "b", 1))
    found = plan(diamond(), asked, model([{"kind": "concurrent"}, {"kind": "latency"}]), solver=priced())
    assert values(found)[0] == pytest.approx(40 / 6, rel=2e-3)
    assert admitted(found) == pytest.approx({"default a -> d": 5, "default a -> b": 1})


def test_a_class_limit_holds_where_capacity_is_soft() -> None:
    """20 Gbit/s exactly fill half of both ways of the diamond."""
    policy = carry_all(
        [{"kind": "max_utilization"}, {"kind": "latency"}], classes=[{"name": "g", "utilization_limit": 0.5}]
    )
    found = plan(diamond(), demands(("a", "d", 20)), policy, solver=priced())
    assert check_plan(found).findings == ()
    assert values(found) == pytest.approx([0.5, 5 * 4 + 15 * 10], rel=1e-3)


def test_a_full_mesh_uses_its_two_hop_ways() -> None:
    """8 Gbit/s over one direct Gbit/s and 22 ways of two links each: 8 / 23."""
    mesh = network(*[cable(f"{i}-{j}", 1) for i in range(24) for j in range(i)])
    found = plan(mesh, demands(("0", "1", 8)), carry_all(), solver=priced())
    assert values(found) == pytest.approx([8 / 23], rel=2e-3)
