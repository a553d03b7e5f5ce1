"""The exact engine against an independent LP over all paths, on real networks of 10 to 50 nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from edge_lp import EdgeLp
from toys import ADMITTED, CONCURRENT, HIGHS, MLU, bounds, carry_all, instance, model, plan, values

import vbte.allocate.forms as forms
from vbte.demands import DemandMatrix
from vbte.plan import Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import Link, Node, Topology

NETWORKS = (
    "sndlib/abilene", "sndlib/atlanta", "sndlib/cost266", "sndlib/dfn-bwin", "sndlib/di-yuan", "sndlib/france",
    "sndlib/geant", "sndlib/germany50", "sndlib/giul39", "sndlib/india35", "sndlib/janos-us", "sndlib/newyork",
    "sndlib/nobel-eu", "sndlib/nobel-germany", "sndlib/nobel-us", "sndlib/norway", "sndlib/pdh", "sndlib/polska",
    "sndlib/sun", "sndlib/ta1", "topozoo/Aarnet", "topozoo/AttMpls", "topozoo/BtEurope", "topozoo/Chinanet",
    "topozoo/Geant2012", "topozoo/Garr201201", "topozoo/Surfnet",
)  # fmt: skip

#: Networks small enough for column generation to take no time.
SMALL = tuple(name for name in NETWORKS if name not in ("sndlib/germany50", "sndlib/giul39", "topozoo/Surfnet"))

OBJECTIVES: dict[str, tuple[PlanningModel, Callable[[EdgeLp], float]]] = {
    "max_utilization": (carry_all(MLU), EdgeLp.least_mlu),
    "admitted": (model(ADMITTED), EdgeLp.most_admitted),
    "concurrent": (model(CONCURRENT), EdgeLp.largest_scale),
}


@cache
def question(name: str) -> tuple[Topology, DemandMatrix]:
    """The network with random capacities and gravity demands between all pairs, more than it can carry."""
    # topohub.get leaves its files open.
    graph = json.loads((files("topohub") / "data" / f"{name}.json").read_text(encoding="utf-8"))
    random = np.random.default_rng(len(name))
    nodes = [str(node["id"]) for node in graph["nodes"]]
    links = []
    for position, edge in enumerate(graph["edges"]):
        capacity, latency = float(random.choice([10, 40, 100])), float(random.integers(1, 20))
        ends = str(edge["source"]), str(edge["target"])
        if ends[0] != ends[1]:
            links += [Link(f"{position}{way}", *ends[::way], capacity, latency_ms=latency) for way in (1, -1)]
    mass = np.exp(random.normal(size=len(nodes)))
    volume = np.outer(mass, mass)
    np.fill_diagonal(volume, 0.0)
    volume *= 20.0 * len(nodes) / volume.sum()
    source, destination = (ends.astype(np.int32) for ends in np.nonzero(volume))
    topology = Topology(tuple(map(Node, nodes)), tuple(links), name=name)
    return topology, DemandMatrix(tuple(nodes), source, destination, volume[source, destination])


@cache
def optimum(name: str, objective: str) -> float:
    topology, demands = question(name)
    volume = np.zeros((len(topology.nodes), len(topology.nodes)))
    volume[demands.source, demands.destination] = demands.volume_gbps
    return OBJECTIVES[objective][1](EdgeLp(topology.tail, topology.head, topology.capacity_gbps, volume))


def assert_optimal(name: str, objective: str, form: str) -> None:
    topology, demands = question(name)
    found = plan(topology, demands, OBJECTIVES[objective][0])
    assert found.engine.forms == {"default": form}
    expected = pytest.approx(optimum(name, objective), rel=1e-6)
    assert values(found) == [expected]
    assert bounds(found) == [expected]
    assert found.max_gap is not None
    assert found.max_gap <= 1e-6
    assert found.termination.reason is Reason.OPTIMAL
    assert check_plan(found).findings == ()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", NETWORKS)
def test_link_flows_reach_the_optimum_over_all_paths(
    name: str, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "COMMODITIES_PER_LINK_FLOW", 0.0)
    assert_optimal(name, objective, "link flows by destination")


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", SMALL)
def test_generated_paths_reach_the_optimum_over_all_paths(
    name: str, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "COMMODITIES_PER_LINK_FLOW", np.inf)
    assert_optimal(name, objective, "path columns by generation")


def test_enough_networks_are_compared() -> None:
    assert len(set(SMALL)) >= 20
    assert all(10 <= len(question(name)[0].nodes) <= 50 for name in NETWORKS)


def test_the_oracle_knows_a_triangle_by_hand() -> None:
    """1 sends 3 to 2 over 2 Gbit/s directly and 2 Gbit/s around: 3/4 used, 4/3 times as much would fit."""
    tail, head = np.array([0, 0, 2]), np.array([1, 2, 1])
    lp = EdgeLp(tail, head, np.array([2.0, 2.0, 2.0]), np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert (lp.least_mlu(), lp.largest_scale(), lp.most_admitted()) == pytest.approx((0.75, 4 / 3, 3.0))


def test_the_form_of_the_program_follows_from_its_size() -> None:
    """All pairs of a network go by link flows, a single demand by path columns."""
    topology, demands = question("sndlib/abilene")
    few = DemandMatrix(demands.node_ids, demands.source[:1], demands.destination[:1], demands.volume_gbps[:1])
    assert plan(topology, few, model()).engine.forms == {"default": "path columns by generation"}
    assert instance(topology, few, model()).n_commodities == 1
    assert HIGHS.time_limit_s is None
