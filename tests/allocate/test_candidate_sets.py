"""Candidate sets: the plan is the optimum over the set, its bound the optimum over all paths."""

from __future__ import annotations

from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
from brute_force import BruteForce, Commodity
from toys import MLU, bounds, cable, carry_all, demands, diamond, flows, link, model, network, plan, values

from vbte.demands import DemandMatrix
from vbte.errors import InfeasibleError, InputError
from vbte.plan import Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import Topology

STAGES: dict[str, PlanningModel] = {
    "admitted": model([{"kind": "admitted"}, {"kind": "latency"}]),
    "concurrent": model([{"kind": "concurrent"}, {"kind": "admitted"}]),
    "max_utilization": carry_all([{"kind": "max_utilization"}, {"kind": "latency"}]),
    "latency": carry_all([{"kind": "latency"}], capacity="hard"),
}


def with_candidates(planning_model: PlanningModel, kind: str, k: int, by: str = "metric") -> PlanningModel:
    document = planning_model.model_dump(by_alias=True)
    return PlanningModel.model_validate(document | {"candidate_paths": {"kind": kind, "k": k, "by": by}})


def proven(found: Plan) -> Plan:
    assert check_plan(found).findings == ()
    return found


def three_ways() -> Topology:
    """From a to d directly (1 Gbit/s), over b (2) and over c (4); each way is shortest by another figure."""
    return network(
        cable("a-d", 1, 9.0, metric=5, srlgs=("river",)),
        cable("a-b", 2, 1.0, metric=3), cable("b-d", 2, 1.0, metric=3, srlgs=("river",)),
        cable("a-c", 4, 3.0, metric=1), cable("c-d", 4, 3.0, metric=1),
    )  # fmt: skip


@pytest.mark.parametrize(("by", "way"), [("hops", "a>d"), ("latency", "a>b b>d"), ("metric", "a>c c>d")])
def test_the_one_shortest_path_by_each_figure(by: str, way: str) -> None:
    found = proven(plan(three_ways(), demands(("a", "d", 9)), with_candidates(model(), "k_shortest", 1, by)))
    assert list(flows(found)) == [way]
    assert bounds(found) == pytest.approx([7])
    assert found.termination.reason is Reason.FEASIBLE


@pytest.mark.parametrize(("k", "carried"), [(1, 4), (2, 5), (3, 7), (9, 7)])
def test_more_candidates_carry_more_until_none_is_missing(k: int, carried: float) -> None:
    found = proven(plan(three_ways(), demands(("a", "d", 9)), with_candidates(model(), "k_shortest", k)))
    assert values(found) == pytest.approx([carried])
    assert bounds(found) == pytest.approx([7])
    assert (found.termination.reason is Reason.OPTIMAL) == (carried == 7)


@pytest.mark.parametrize(("kind", "carried"), [("link_disjoint", 7), ("srlg_disjoint", 6)])
def test_ways_that_share_a_risk_are_not_candidates_together(kind: str, carried: float) -> None:
    """The direct link and the way over b cross the same river: of the two the one over b is longer by hops."""
    found = proven(plan(three_ways(), demands(("a", "d", 9)), with_candidates(model(), kind, 3, "latency")))
    assert values(found) == pytest.approx([carried])
    assert bounds(found) == pytest.approx([7])


def test_the_report_names_the_set() -> None:
    found = plan(three_ways(), demands(("a", "d", 9)), with_candidates(model(), "srlg_disjoint", 2))
    assert found.engine.forms == {"default": "candidate paths (srlg_disjoint)"}


def test_a_class_whose_candidates_all_break_its_bound_is_an_error() -> None:
    """The path of 2 ms is not among the 64 shortest by metric."""
    detours = [link(f"m{i}>d", 1, 9.0, metric=1) for i in range(70)] + [link(f"a>m{i}", 1, 9.0) for i in range(70)]
    topology = network(link("a>b", 1, 1.0, metric=500), link("b>d", 1, 1.0, metric=500), detours)
    bounded = model(classes=[{"name": "gold", "latency_bound_ms": 5}])
    assert values(plan(topology, demands(("a", "d", 1)), bounded)) == [1]
    with pytest.raises(InputError, match=r"gold a -> d: none of its candidate paths .*candidate_paths: {kind: all}"):
        plan(topology, demands(("a", "d", 1)), with_candidates(bounded, "k_shortest", 2))


def test_a_set_too_narrow_for_all_demands_is_infeasible() -> None:
    full = carry_all(MLU, capacity="hard")
    assert values(plan(diamond(), demands(("a", "d", 35)), with_candidates(full, "k_shortest", 2)))[0] < 1
    with pytest.raises(InfeasibleError, match="do not fit"):
        plan(diamond(), demands(("a", "d", 35)), with_candidates(full, "k_shortest", 1))


def random_network(seed: int) -> tuple[Topology, DemandMatrix]:
    """Six nodes in a ring with chords; no two paths weigh the same."""
    random = np.random.default_rng(seed)
    pairs = [(i, (i + 1) % 6) for i in range(6)] + [(0, 3), (1, 4), (2, 5)]
    links: list[Any] = []
    for a, b in pairs:
        figures = {"metric": float(random.uniform(1, 9)), "srlgs": (f"s{random.integers(3)}",)}
        links += cable(f"{a}-{b}", float(random.integers(2, 9)), float(random.uniform(1, 9)), **figures)
    rows = [(str(s), str(d), float(random.uniform(1, 6))) for s in range(6) for d in range(6) if s != d]
    return network(*links), demands(*[rows[i] for i in random.choice(30, 8, replace=False)])


def k_shortest(topology: Topology, asked: DemandMatrix, k: int) -> dict[Commodity, list[tuple[int, ...]]]:
    """The k shortest simple paths by metric, by networkx."""
    graph: Any = nx.DiGraph()
    for position, one in enumerate(topology.links):
        graph.add_edge(one.source, one.target, position=position, weight=one.metric)
    found = {}
    for s, d in zip(asked.source, asked.destination, strict=True):
        ends = asked.node_ids[s], asked.node_ids[d]
        paths = islice(nx.shortest_simple_paths(graph, *ends, weight="weight"), k)
        links = [tuple(graph.edges[hop]["position"] for hop in nx.utils.pairwise(path)) for path in paths]
        found["default", *ends, ""] = links
    return found


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("seed", range(6))
def test_the_plan_is_the_optimum_over_the_set_and_the_bound_that_over_all_paths(seed: int, stages: str) -> None:
    topology, asked = random_network(seed)
    planning_model = STAGES[stages]
    for k in (1, 3):
        candidates = BruteForce(topology, [asked], planning_model, paths=k_shortest(topology, asked, k))
        try:
            found = proven(plan(topology, asked, with_candidates(planning_model, "k_shortest", k)))
        except InfeasibleError:
            assert stages == "latency"
            continue
        assert values(found) == pytest.approx(candidates.solve(), rel=1e-5)
        everything = BruteForce(topology, [asked], planning_model).solve()
        assert bounds(found)[0] == pytest.approx(everything[0], rel=1e-6)


def test_a_plan_that_fits_only_on_candidates_still_gets_the_bound_over_all_paths() -> None:
    """Shortest paths alone do not fit, so the program that proves the bound must start from the candidates, too."""
    topology, asked = random_network(1)
    full = carry_all([{"kind": "latency"}], capacity="hard")
    scale = BruteForce(topology, [asked], model([{"kind": "concurrent"}])).solve()[0]
    tight = DemandMatrix(asked.node_ids, asked.source, asked.destination, asked.volume_gbps * scale * 0.99)
    found = proven(plan(topology, tight, with_candidates(full, "k_shortest", 40)))
    best = BruteForce(topology, [tight], full).solve()
    assert (values(found), bounds(found)) == (pytest.approx(best), pytest.approx(best))
