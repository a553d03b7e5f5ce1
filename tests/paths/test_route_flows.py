"""Cheapest units that survive any single failure, against a linear program for each pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from vbte.paths.route_flows import Pairs, RiskGraph, cheapest_units, routes
from vbte.topology import FloatArray


def random_graph(random: np.random.Generator, *, cables: bool) -> RiskGraph:
    """A few vertices joined at random; parallel arcs, one-way arcs, and some that can't fail."""
    n = int(random.integers(4, 8))
    tail, head, risk = [], [], []
    for number in range(int(random.integers(n, 3 * n))):
        s, t = random.choice(n, 2, replace=False)
        both = cables and random.random() < 0.8
        mark = number if random.random() < 0.9 else -1
        for ends in [(s, t), (t, s)] if both else [(s, t)]:
            tail.append(ends[0])
            head.append(ends[1])
            risk.append(mark)
    link = np.arange(len(tail), dtype=np.int32)
    arrays = (np.array(part, dtype=np.int32) for part in (tail, head, risk))
    return RiskGraph(n, *arrays, link)


def least_cost(graph: RiskGraph, weight: FloatArray, pairs: Pairs, k: int) -> float:
    """Cost of a flow F with at most r on each risk that counts, F - r = 1, by scipy."""
    n_arcs, n = len(graph.tail), graph.n_vertices
    balance = np.zeros((n + 1, n_arcs + 2))
    arcs = np.arange(n_arcs)
    np.add.at(balance, (graph.tail, arcs), 1.0)
    np.add.at(balance, (graph.head, arcs), -1.0)
    balance[pairs.source[k], n_arcs] -= 1.0
    balance[pairs.target[k], n_arcs] += 1.0
    balance[n, n_arcs:] = 1.0, -1.0
    counts = [r for r in range(graph.n_risks) if not pairs.exempt[k, r]]
    most = np.zeros((len(counts), n_arcs + 2))
    for row, r in enumerate(counts):
        most[row, :n_arcs] = graph.risk == r
        most[row, n_arcs + 1] = -1.0
    right = np.zeros(n + 1)
    right[n] = 1.0
    cost = np.append(weight[k], [0.0, 0.0])
    found = linprog(cost, A_ub=most, b_ub=np.zeros(len(counts)), A_eq=balance, b_eq=right)
    return float(found.fun) if found.status == 0 else np.inf


@pytest.mark.parametrize("cables", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_cheapest_units_are_those_of_a_linear_program(seed: int, cables: bool) -> None:
    random = np.random.default_rng(seed)
    graph = random_graph(random, cables=cables)
    ends = random.permutation([(s, t) for s in range(graph.n_vertices) for t in range(graph.n_vertices) if s != t])[:8]
    source, target = (column.astype(np.int32) for column in ends.T)
    pairs = Pairs(source, target, random.random((len(ends), graph.n_risks)) < 0.1)
    # Free links tempt into circles.
    weight = random.random((len(ends), len(graph.tail))) * (random.random((len(ends), len(graph.tail))) < 0.6)
    found = cheapest_units(graph, weight, pairs)
    for k in range(len(ends)):
        assert found.price[k] == pytest.approx(least_cost(graph, weight, pairs, k), abs=1e-8)
        if np.isfinite(found.price[k]):
            assert_delivers(graph, found.flow[k], int(found.worth[k]), pairs, k)
            assert weight[k] @ found.flow[k] / found.worth[k] == pytest.approx(found.price[k], abs=1e-8)


def assert_delivers(graph: RiskGraph, flow: FloatArray, worth: int, pairs: Pairs, k: int) -> None:
    """Whatever fails, enough of the routes are left; they begin and end where they should."""
    found = list(routes(graph, flow, int(pairs.source[k]), int(pairs.target[k])))
    for links in found:
        at = [int(graph.tail[link]) for link in links] + [int(graph.head[links[-1]])]
        assert at[0] == pairs.source[k]
        assert at[-1] == pairs.target[k]
        assert len(set(at)) == len(at)
        assert (graph.head[links[:-1]] == graph.tail[links[1:]]).all()
    assert sum(map(len, found)) == int(flow.sum())
    for risk in range(graph.n_risks):
        left = sum(not any(graph.risk[link] == risk for link in links) for links in found)
        assert left >= worth or pairs.exempt[k, risk]


def test_more_routes_are_better_where_they_are_there() -> None:
    # Four parallel routes at the same price: three of them are delivered whatever fails, at 4/3 each.
    tail, head = np.zeros(4, dtype=np.int32), np.ones(4, dtype=np.int32)
    risk = link = np.arange(4, dtype=np.int32)
    pairs = Pairs(np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.int32), np.zeros((1, 4), dtype=np.bool_))
    found = cheapest_units(RiskGraph(2, tail, head, risk, link), np.ones((1, 4)), pairs)
    assert found.worth.tolist() == [3]
    assert found.price == pytest.approx([4 / 3])


def test_nothing_survives_a_bridge() -> None:
    one = np.zeros(1, dtype=np.int32)
    pairs = Pairs(one, one + 1, np.zeros((1, 1), dtype=np.bool_))
    found = cheapest_units(RiskGraph(2, one, one + 1, one, one), np.ones((1, 1)), pairs)
    assert np.isinf(found.price[0])
    assert not found.flow.any()
