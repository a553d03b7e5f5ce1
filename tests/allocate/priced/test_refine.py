"""The end game against linear programs over all simple paths, written out and solved by scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from edge_lp import EdgeLp
from markets import Asked, asked, priced
from numpy.typing import NDArray
from scipy.optimize import linprog
from test_priced_against_exact import bundled, plain, town_grid
from toys import cable, demands, diamond, link, model, network, of_class, plan, values

from vbte.allocate.priced import refine, restricted
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.primal import Routes
from vbte.allocate.priced.refine import Refined, refinable, refined
from vbte.demands import DemandMatrix
from vbte.policy import Admission
from vbte.proof import check_plan
from vbte.topology import Topology

FloatArray = NDArray[np.float64]
SEEDS = range(8)


def towns(seed: int) -> tuple[Topology, DemandMatrix]:
    """Seven towns in a ring with four cables across, and demands between all of them, some of them much larger."""
    chance = np.random.default_rng(seed)
    names = "abcdefg"
    pairs = {tuple(sorted((i, (i + 1) % 7))) for i in range(7)}
    while len(pairs) < 11:
        pairs.add(tuple(sorted(chance.choice(7, 2, replace=False).tolist())))
    cables = [cable(f"{names[i]}-{names[j]}", float(chance.choice([5.0, 10.0, 20.0]))) for i, j in sorted(pairs)]
    rows: list[Any] = [(a, b, float(chance.lognormal(0.5, 1.0))) for a in names for b in names if a != b]
    return network(*cables), demands(*rows)


def a_question(seed: int, *, own_row: bool = False) -> tuple[Asked, Market]:
    """The towns as a market with worths of 1 to 3; with ``own_row`` one class may fill half of each link."""
    topology, matrix = towns(seed)
    classes = [{"name": "best-effort"}]
    if own_row:
        classes = [{"name": "gold", "utilization_limit": 0.5, "priority": 1}, {"name": "best-effort", "priority": 1}]
        matrix = demands(
            *[
                (matrix.node_ids[s], matrix.node_ids[t], v, of_class("gold" if i % 3 else "best-effort"))
                for i, (s, t, v) in enumerate(
                    zip(matrix.source.tolist(), matrix.destination.tolist(), matrix.volume_gbps.tolist(), strict=True)
                )
            ]
        )
    of = asked((topology, matrix, model(classes=classes)))
    capacity = topology.capacity_gbps
    rows = 1 + max(group.row for group in of.groups)
    room = np.stack([capacity, 0.5 * capacity][:rows])
    worth = np.random.default_rng(seed).integers(1, 4, of.problem.instance.n_commodities).astype(np.float64)
    n = len(worth)
    found = Market(of.groups, room, np.zeros(of.n_links), of.problem.most_gbps, worth, np.zeros(n), 20.0)
    return of, found


def best_worth(of: Asked, found: Market) -> float:
    """What can be admitted at best, weighted by worth: every simple path is a column."""
    instance = of.problem.instance
    graph = nx.DiGraph()
    for position, (tail, head) in enumerate(zip(instance.topology.tail, instance.topology.head, strict=True)):
        graph.add_edge(int(tail), int(head), link=position)
    row = np.zeros(instance.n_commodities, dtype=int)
    for group in found.groups:
        row[group.commodities] = group.row
    n_links = found.n_links
    columns, cost = [], []
    for k in range(instance.n_commodities):
        ends = int(instance.source[k]), int(instance.destination[k])
        for path in nx.all_simple_edge_paths(graph, *ends):
            column = np.zeros(found.room.size + instance.n_commodities)
            for edge in path:
                taken = graph.edges[edge]["link"]
                column[taken] = 1.0
                column[row[k] * n_links + taken] = 1.0
            column[found.room.size + k] = 1.0
            columns.append(column)
            cost.append(-found.worth[k])
    limits = np.concatenate([found.room.reshape(-1), found.volume])
    return -float(linprog(cost, A_ub=np.array(columns).T, b_ub=limits).fun)


def first_routes(of: Asked, found: Market, share: float) -> Routes:
    """Shortest paths that carry a share of every demand, whether it fits or not."""
    instance = of.problem.instance
    weight = np.ones((len(instance.rules), found.n_links))
    paths = of.tools.oracle.cheapest(weight, np.arange(instance.n_commodities)).paths
    return Routes(paths, share * found.volume[paths.commodity], np.full_like(found.room, 0.1))


def worth_of(found: Market, of: Asked, got: Refined) -> float:
    """The worth of what routes carry, after a look at whether they may: by loops, nothing shared with the engine."""
    instance = of.problem.instance
    row = {int(k): group.row for group in found.groups for k in group.commodities}
    load = np.zeros_like(found.room)
    carried = np.zeros(instance.n_commodities)
    for path in range(len(got.routes.paths)):
        k, flow = int(got.routes.paths.commodity[path]), float(got.routes.flow[path])
        assert flow >= 0.0
        carried[k] += flow
        node = int(instance.source[k])
        for taken in got.routes.paths[path]:
            assert instance.topology.tail[taken] == node
            node = int(instance.topology.head[taken])
            load[0, taken] += flow
            if row[k]:
                load[row[k], taken] += flow
        assert node == instance.destination[k]
    assert (load <= found.room * (1 + 1e-9)).all()
    assert (carried <= found.volume * (1 + 1e-9)).all()
    return float(carried @ found.worth)


@pytest.fixture
def few_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with two free commodities and free three in a round, so that small networks take many rounds."""
    monkeypatch.setattr(refine, "FIRST_FREE", 2)
    monkeypatch.setattr(restricted, "MORE_FREE", 3)
    monkeypatch.setattr(refine, "PATIENCE", 20)


@pytest.mark.usefixtures("few_free")
@pytest.mark.parametrize("own_row", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_free_commodities_end_at_the_optimum_over_all_paths(seed: int, own_row: bool) -> None:
    of, found = a_question(seed, own_row=own_row)
    best = best_worth(of, found)
    got = refined(of.tools, found, first_routes(of, found, 0.3), None, 1e-9 * best)
    assert got is not None
    assert worth_of(found, of, got) == pytest.approx(best, rel=1e-7)
    assert got.lost == pytest.approx(0.0, abs=1e-7 * best)


@pytest.mark.usefixtures("few_free")
@pytest.mark.parametrize("seed", SEEDS)
def test_exact_prices_guide_to_the_same_optimum(seed: int) -> None:
    of, found = a_question(seed)
    best = best_worth(of, found)
    exact = refined(of.tools, found, first_routes(of, found, 0.3), None, 1e-9 * best)
    assert exact is not None
    got = refined(of.tools, found, first_routes(of, found, 1.0), exact.routes.prices, 1e-9 * best)
    assert got is not None
    assert worth_of(found, of, got) == pytest.approx(best, rel=1e-7)


@pytest.mark.usefixtures("few_free")
@pytest.mark.parametrize("seed", SEEDS)
def test_false_prices_mislead_nobody(seed: int) -> None:
    """Whoever looks too poor to pay them, or is sent the wrong way, is found out by the prices of the program."""
    of, found = a_question(seed)
    best = best_worth(of, found)
    false = np.random.default_rng(seed + 100).uniform(0.0, 2.0, found.room.shape)
    got = refined(of.tools, found, first_routes(of, found, 1.0), false, 1e-9 * best)
    assert got is not None
    assert worth_of(found, of, got) == pytest.approx(best, rel=1e-6)


@pytest.mark.usefixtures("few_free")
@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_stopped_early_it_never_says_that_less_is_lost_than_is(
    seed: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "ROUNDS", rounds)
    of, found = a_question(seed)
    best = best_worth(of, found)
    got = refined(of.tools, found, first_routes(of, found, 0.3), None, 0.0)
    assert got is not None
    assert best - worth_of(found, of, got) <= got.lost + 1e-7 * best


def test_the_check_of_routes_sees_a_planted_overload() -> None:
    of, found = a_question(0)
    got = refined(of.tools, found, first_routes(of, found, 0.3), None, 0.0)
    assert got is not None
    too_much = replace(got, routes=replace(got.routes, flow=got.routes.flow * 1.01))
    with pytest.raises(AssertionError):
        worth_of(found, of, too_much)


def test_too_many_columns_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted, "MOST_COLUMNS", 10)
    of, found = a_question(0)
    assert refined(of.tools, found, first_routes(of, found, 0.3), None, 0.0) is None


def test_what_else_counts_is_not_refined() -> None:
    of, found = a_question(0)
    assert refinable(found, of.problem.instance)
    assert not refinable(replace(found, base=np.full(of.n_links, 0.1)), of.problem.instance)
    assert not refinable(replace(found, least=found.volume), of.problem.instance)
    topology, matrix = towns(0)
    for limit in ({"max_paths": 2}, {"split": "single_path"}):
        few = asked((topology, matrix, model(classes=[{"name": "best-effort", **limit}])))
        assert not refinable(found, few.problem.instance)


def edge_lp(topology: Topology, matrix: DemandMatrix) -> EdgeLp:
    position = [topology.node_index[name] for name in matrix.node_ids]
    volume = np.zeros((len(topology.nodes),) * 2)
    for source, destination, gbps in zip(matrix.source, matrix.destination, matrix.volume_gbps, strict=True):
        volume[position[source], position[destination]] += gbps
    return EdgeLp(topology.tail, topology.head, topology.capacity_gbps, volume)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_link_prices_reach_the_optimum_that_scipy_finds(factor: float) -> None:
    topology, matrix = town_grid(factor)
    policy = bundled("max-throughput", stages=[{"kind": "admitted"}])
    found = plan(topology, plain(matrix), policy, solver=priced(1e-6))
    assert found.engine.engine == "price-directed"
    assert values(found) == pytest.approx([edge_lp(topology, matrix).most_admitted()], rel=2e-6)
    assert found.certificates[0].gap is not None
    assert found.certificates[0].gap <= 1e-6
    assert check_plan(found).findings == ()


def test_everything_is_carried_at_the_least_utilisation_that_scipy_finds() -> None:
    topology, matrix = town_grid(1.0)
    policy = bundled("min-mlu", stages=[{"kind": "max_utilization"}])
    assert policy.admission is Admission.ALL
    found = plan(topology, plain(matrix), policy, solver=priced(1e-6))
    assert values(found) == pytest.approx([edge_lp(topology, matrix).least_mlu()], rel=2e-6)
    assert found.certificates[0].gap is not None
    assert found.certificates[0].gap <= 1e-6
    assert check_plan(found).findings == ()


def test_strict_priorities_come_to_what_the_exact_engine_says() -> None:
    topology, matrix = town_grid(4.0)
    classes = [{"name": name, "priority": 1 + i} for i, name in enumerate(("gold", "silver", "best-effort"))]
    policy = model(classes=classes)
    exact = plan(topology, matrix, policy)
    found = plan(topology, matrix, policy, solver=priced(1e-5))
    assert values(found) == pytest.approx(values(exact), rel=3e-5)
    assert check_plan(found).findings == ()


def test_a_link_without_room_is_not_used() -> None:
    """All of b's capacity is gone: its commodity is refused, and the other is carried."""
    topology = network(link("a>b", 10.0), link("a>c", 0.0), link("b>c", 5.0))
    found = plan(topology, demands(("a", "b", 4.0), ("a", "c", 9.0)), model(), solver=priced(1e-6))
    assert values(found) == pytest.approx([9.0], rel=1e-6)


def test_a_demand_millions_of_times_the_network_fills_it_where_nothing_else_counts() -> None:
    found = plan(diamond(), demands(("a", "d", 1e9)), model(), solver=priced())
    assert values(found) == pytest.approx([40.0], rel=1e-6)
    assert check_plan(found).findings == ()
