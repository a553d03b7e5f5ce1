"""Random toys against brute force: values, bounds and proofs agree, whatever the policy and the stages."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from brute_force import BruteForce, Commodity, NoPlanError, admits, is_simple, link_disjoint, simple_paths
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_questions import matrices, planning_models, topologies
from toys import bounds, cable, network, plan, values

from vbte.demands import DemandMatrix
from vbte.errors import InfeasibleError, InputError, InputWarning, SolverError
from vbte.plan import Plan, Reason
from vbte.policy import Coupling, PathFigure, PlanningModel, Split, StageKind
from vbte.proof import check_plan
from vbte.topology import Topology

# Random policies also avoid groups that the random network does not have.
pytestmark = pytest.mark.filterwarnings("ignore:.*so nothing is avoided:vbte.errors.InputWarning")

Question = tuple[Topology, list[DemandMatrix], PlanningModel]

#: Splits for the classes of the integer questions.
SPLITS: tuple[dict[str, Any], ...] = (
    {}, {"split": "single_path"}, {"max_paths": 2}, {"split": "equal_bundles", "bundles": 3},
    {"split": "equal_bundles", "bundles": 2, "max_paths": 1},
)  # fmt: skip

quick = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


@st.composite
def questions(
    draw: st.DrawFn, *, coupling: str = "joint", n_matrices: int = 1, most_nodes: int = 5, splits: bool = False
) -> Question:
    topology = draw(topologies(most_nodes=most_nodes))
    model = draw(planning_models(topology, coupling=coupling))
    if splits:
        split = st.sampled_from(SPLITS)
        classes = [one.model_dump() | draw(split) for one in model.classes]
        model = PlanningModel.model_validate(model.model_dump(by_alias=True) | {"classes": classes})
    return topology, [draw(matrices(topology, ["gold", "bulk"])) for _ in range(n_matrices)], model


def answer(question: Question) -> Plan | None:
    """The plan, None when vbte says that there is none (or that a class asks for what it avoids)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        try:
            return plan(*question)
        except InputError as error:
            if "both requires and avoids" in str(error) or "none of its candidate paths" in str(error):
                return None
            raise
        except (InfeasibleError, SolverError):
            assert_no_plan(question)
            return None


def assert_no_plan(question: Question) -> None:
    topology, demands, model = question
    if model.coupling is Coupling.SEQUENTIAL or model.candidate_paths.kind != "all":
        return
    with pytest.raises(NoPlanError):
        BruteForce(topology, demands, model).solve()


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-5, abs=1e-8)


def assert_proven(found: Plan) -> None:
    """The plan passes the check, and its paths keep the policy in the eyes of the oracle, too."""
    assert check_plan(found).findings == ()
    question = found.instance
    for path in range(len(found.paths)):
        links = tuple(found.paths[path].tolist())
        assert is_simple(question.topology, links)
        policy = question.rules[question.class_index[found.paths.commodity[path]]].policy
        assert admits(question.topology, policy, links)


def assert_optimal(question: Question, found: Plan) -> None:
    oracle = BruteForce(*question, class_load=found.class_link_load_gbps)
    assert set(oracle.volumes) == commodities(found)
    optimum = oracle.solve()
    assert values(found) == [close(value) for value in optimum]
    assert bounds(found) == [close(value) for value in optimum]
    assert_proven(found)


def commodities(found: Plan) -> set[Commodity]:
    question, nodes = found.instance, found.instance.topology.nodes
    return {
        (
            question.rules[question.class_index[k]].policy.name,
            nodes[question.source[k]].id,
            nodes[question.destination[k]].id,
            question.tenants[question.tenant_index[k]],
        )
        for k in range(question.n_commodities)
    }


@settings(quick, max_examples=120)
@given(questions())
def test_joint_plans_and_their_bounds_are_the_optimum_by_brute_force(question: Question) -> None:
    found = answer(question)
    if found is not None:
        assert_optimal(question, found)
        assert found.termination.reason is Reason.OPTIMAL


@settings(quick, max_examples=50)
@given(questions(coupling="sequential"))
def test_sequential_plans_are_the_optimum_given_what_higher_classes_took(question: Question) -> None:
    kinds = {stage.kind for stage in question[2].stages}
    found = answer(question)
    if found is not None and not {StageKind.CONCURRENT, StageKind.MAX_UTILIZATION} <= kinds:
        assert_optimal(question, found)


@settings(quick, max_examples=40)
@given(questions(n_matrices=3, most_nodes=4))
def test_one_plan_for_several_matrices_is_the_optimum_by_brute_force(question: Question) -> None:
    found = answer(question)
    if found is not None:
        assert_optimal(question, found)


@settings(quick, max_examples=50)
@given(questions(most_nodes=4, splits=True))
def test_integer_plans_are_the_optimum_and_their_bounds_hold(question: Question) -> None:
    _, _, model = question
    if any(stage.kind is StageKind.CONCURRENT for stage in model.stages) and any(c.bundles for c in model.classes):
        return
    found = answer(question)
    if found is None:
        return
    assert_proven(found)
    oracle = BruteForce(*question)
    if any(len(oracle.paths_of(key)) > 6 for key in oracle.volumes):
        return
    optimum = oracle.solve()
    assert values(found) == [close(value) for value in optimum]
    assert_bounds_hold(question, found, optimum)


def assert_bounds_hold(question: Question, found: Plan, optimum: Sequence[float]) -> None:
    """No bound cuts the optimum off; that of the first stage is the optimum over all paths and splits."""
    for certificate, best in zip(found.certificates, optimum, strict=True):
        sign = 1 if certificate.kind in (StageKind.ADMITTED, StageKind.CONCURRENT) else -1
        assert certificate.bound is not None
        assert sign * (certificate.bound - best) >= -1e-5 * abs(best) - 1e-8
        if certificate.mip_bound is not None:
            assert sign * (certificate.mip_bound - best) >= -1e-5 * abs(best) - 1e-8
    topology, demands, model = question
    unsplit = {"split": Split.FREE, "bundles": None, "max_paths": None}
    free = model.model_copy(update={"classes": tuple(c.model_copy(update=unsplit) for c in model.classes)})
    assert bounds(found)[:1] == [close(value) for value in BruteForce(topology, demands, free).solve()[:1]]


@settings(quick, max_examples=50)
@given(questions(most_nodes=4), st.sampled_from(["k_shortest", "link_disjoint"]), st.sampled_from(PathFigure))
def test_candidate_sets_of_one_path_lose_exactly_what_the_set_loses(
    question: Question, kind: str, by: PathFigure
) -> None:
    """With k = 1 each demand has its shortest admissible path, whatever the kind: ties aside, no choice at all."""
    topology, demands, model = question
    document = model.model_dump(by_alias=True) | {"candidate_paths": {"kind": kind, "k": 1, "by": by}}
    question = topology, demands, PlanningModel.model_validate(document)
    found = answer(question)
    if found is None:
        return
    assert_proven(found)
    used: dict[Commodity, list[tuple[int, ...]]] = defaultdict(list)
    shortest = shortest_paths(question, by)
    if any(len(paths) > 1 for paths in shortest.values()):
        return
    used |= shortest
    optimum = BruteForce(*question, paths=used).solve()
    assert values(found) == [close(value) for value in optimum]
    assert_bounds_hold((topology, demands, model), found, optimum)


def shortest_paths(question: Question, by: PathFigure) -> dict[Commodity, list[tuple[int, ...]]]:
    """Each commodity's admissible paths of least length; several where they tie."""
    topology = question[0]
    oracle = BruteForce(*question)
    shortest = {}
    for key in oracle.volumes:
        paths = oracle.paths_of(key)
        lengths = [sum(length(topology, e, by) for e in path) for path in paths]
        shortest[key] = [p for p, cost in zip(paths, lengths, strict=True) if cost <= min(lengths) * (1 + 1e-6) + 1e-6]
    return shortest


def length(topology: Topology, position: int, by: PathFigure) -> float:
    link = topology.links[position]
    return {PathFigure.LATENCY: link.latency_ms, PathFigure.METRIC: link.metric, PathFigure.HOPS: 1.0}[by]


def test_the_oracle_lists_the_paths_of_the_diamond() -> None:
    """Two ways over b and c from a to d, and two more with the link b-c in between; parallels count twice."""
    topology = network(cable("a-b", 1), cable("b-d", 1), cable("a-c", 1), cable("c-d", 1), cable("b-c", 1))
    ids = [[topology.links[e].id for e in path] for path in simple_paths(topology, "a", "d")]
    assert sorted(ids) == [
        ["a>b", "b>c", "c>d"], ["a>b", "b>d"], ["a>c", "c>b", "b>d"], ["a>c", "c>d"],
    ]  # fmt: skip
    assert link_disjoint(simple_paths(topology, "a", "d")) == 2
