"""Stages that ask for one level: elastic room, what it comes to, and networks where a promised level led astray."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_lp import EdgeLp
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import Asked, FloatArray, Question, asked, priced, questions, with_model
from toys import cable, carry_all, demands, diamond, model, network, plan, values

from vbte.allocate.priced.dag import DestinationDag
from vbte.allocate.priced.descent import Descent, descend, traffic
from vbte.allocate.priced.level import asks_for_level, at_level, level_market, paying_share, start_prices
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.outlook import look_out
from vbte.allocate.priced.routing import AllPaths
from vbte.demands import DemandMatrix
from vbte.proof import check_plan
from vbte.read import TopologyDefaults, read_topology
from vbte.topology import Topology

pytestmark = pytest.mark.filterwarnings("ignore:.*coordinates are not degrees:vbte.errors.InputWarning")

UTILIZATION = [{"kind": "max_utilization"}]
SCALE = [{"kind": "concurrent"}]
LEVELS: list[dict[str, Any]] = [
    {"stages": UTILIZATION, "admission": "all", "capacity": "soft"},
    {"stages": SCALE, "admission": "partial", "capacity": "hard"},
]


def all_paths(market: Market) -> list[AllPaths]:
    return [AllPaths(group) for group in market.groups]


def gravity(topology: Topology, seed: int, total_gbps: float) -> DemandMatrix:
    """A demand for every pair, by log-normal masses."""
    mass = np.random.default_rng(seed).lognormal(size=len(topology.nodes))
    pairs = [(i, j) for i in range(len(mass)) for j in range(len(mass)) if i != j]
    scale = total_gbps / sum(mass[i] * mass[j] for i, j in pairs)
    names = [node.id for node in topology.nodes]
    return demands(*((names[i], names[j], float(scale * mass[i] * mass[j])) for i, j in pairs))


@settings(max_examples=30)
@given(questions(), st.sampled_from(LEVELS), st.integers(0, 999))
def test_the_slope_of_the_elastic_dual_is_the_room_that_the_traffic_leaves(
    question: Question, keys: dict[str, Any], seed: int
) -> None:
    """With class limits, which grow with a scale and not with a utilisation; by central differences."""
    of = asked(with_model(question, **keys))
    market = level_market(of.problem, of.groups, 1.5, 0.7)
    prices = np.where(market.priced, np.random.default_rng(seed).uniform(0.05, 0.6, market.room.shape), 0.0)
    step = Descent(0.2, 0.0, 1, 0.1)
    found = traffic(market, all_paths(market), prices, step)
    width = 0.01
    for row, position in np.argwhere(market.priced).tolist():
        nudge = np.zeros_like(prices)
        nudge[row, position] = width
        up, down = (traffic(market, all_paths(market), prices + s * nudge, step).value for s in (1, -1))
        left = market.room_at(prices)[1][row, position] - found.load[row, position]
        assert (up - down) / (2 * width) == pytest.approx(left, rel=1e-3, abs=2e-3)


def descended(of: Asked, level: float) -> tuple[Market, FloatArray]:
    """The market and its prices after descents that cool down; ``level`` is where they start."""
    market = level_market(of.problem, of.groups, level, 1.0)
    prices = start_prices(market, np.ones(of.n_links))
    for temperature in (0.3, 0.1, 0.03, 0.01, 0.003):
        step = Descent(temperature, 1e-4, 200, 4.0 * temperature)
        prices = descend(market, all_paths(market), prices, step, lambda misfit: misfit < 1e-3)
        share = paying_share(market, all_paths(market), prices, step)
        assert 0 < share <= 1 + 1e-6
        assert market.elastic is not None
        level, prices = market.level(prices), prices * (share / market.elastic.paid(prices))
        market = level_market(of.problem, of.groups, level, share)
    return market, prices


@pytest.mark.parametrize("start", [0.05, 1.0, 20.0])
def test_the_level_that_prices_ask_for_is_the_least_utilisation_wherever_they_start(start: float) -> None:
    """Two ways of 10 Gbit/s for 30 Gbit/s: each is used one and a half times over."""
    of = asked((diamond(), demands(("a", "d", 30)), carry_all(UTILIZATION)))
    exact = values(plan(diamond(), demands(("a", "d", 30)), carry_all(UTILIZATION)))[0]
    market, prices = descended(of, start)
    assert market.level(prices) == pytest.approx(exact, rel=0.01)


def test_one_link_at_the_edge_sets_the_level_and_few_pay() -> None:
    """A ring of five with a sixth node on one thin cable: what it sends and gets is 2 of 42 Gbit/s."""
    ring = "abcde"
    cables = [cable(f"{x}-{y}", 100) for x, y in zip(ring, ring[1:] + ring[:1], strict=True)]
    topology = network(*cables, cable("a-z", 1))
    rows = demands(*((x, y, 2) for x in ring for y in ring if x != y), ("z", "c", 2), ("c", "z", 2))
    of = asked((topology, rows, carry_all(UTILIZATION)))
    market, prices = descended(of, 0.1)
    assert market.level(prices) == pytest.approx(2.0, rel=0.01)
    assert market.elastic is not None
    assert market.elastic.mean_price == pytest.approx(4 / 44, rel=0.2)


def test_room_is_never_less_than_what_the_outlook_promises() -> None:
    of = asked((diamond(), demands(("a", "d", 30)), carry_all(UTILIZATION)))
    loads = np.zeros((1, 1, of.n_links))
    outlook = look_out(of.tools, of.entries, (), loads, np.ones(of.n_links, dtype=np.bool_), most_columns=1000)
    promised = outlook.certificates[0].held_at
    assert at_level(outlook, 0.5 * promised, 0.0)[0].certificates[0].held_at == promised
    assert at_level(outlook, 2.0 * promised, 0.0)[0].certificates[0].held_at == pytest.approx(2.0 * promised)


@pytest.mark.parametrize("keys", LEVELS)
def test_the_first_stage_asks_for_a_level_only_where_volume_is_not_for_sale(keys: dict[str, Any]) -> None:
    assert asks_for_level(asked((diamond(), demands(("a", "d", 5)), model(**keys))).problem)
    assert not asks_for_level(asked((diamond(), demands(("a", "d", 5)), model())).problem)


def two_hubs(between: int = 24) -> Topology:
    """Two hubs and many nodes between them: walks multiply at the hubs as nowhere else."""
    return network(*(cable(f"{hub}-n{i:02}", 10) for i in range(between) for hub in ("east", "west")))


def test_a_hub_has_a_way_to_every_destination() -> None:
    """Where a node has dozens of neighbours, the sum over walks must not make it nearer than each of them."""
    topology = two_hubs()
    of = asked((topology, gravity(topology, 1, 100.0), carry_all(UTILIZATION)))
    market = level_market(of.problem, of.groups, 1.0, 1.0)
    assert market.ways.max() == 24
    [routing] = all_paths(market)
    temperature = 0.05

    def without_a_way(padding: FloatArray) -> int:
        distance = routing.spread(padding, temperature).from_to()
        dag = DestinationDag(routing.group, distance, padding, temperature)
        return int((dag.spread(padding, temperature).distance > 1e5).sum())

    assert without_a_way(temperature * np.maximum(2.0, np.log(market.ways) + 0.5)) == 0
    # As much everywhere as walks multiply on average, the square root of 2 x 24: hub to hub has no way.
    assert without_a_way(np.full(of.n_links, temperature * (np.log(48) / 2 + 0.5))) == 2


#: Networks on which plans for the level that a contracted network promises missed 1 %, by up to 2 %.
MISSED = ["gabriel/25/2", "gabriel/25/8"]


@pytest.mark.parametrize("keys", LEVELS, ids=["utilization", "scale"])
@pytest.mark.parametrize("name", MISSED)
def test_one_percent_is_reached_where_a_promised_level_led_astray(name: str, keys: dict[str, Any]) -> None:
    topology = read_topology(f"topohub:{name}", defaults=TopologyDefaults(capacity_gbps=10.0))
    rows = gravity(topology, 1, 2000.0)
    volume = np.zeros((len(topology.nodes), len(topology.nodes)))
    volume[rows.aligned(topology)] = rows.volume_gbps
    oracle = EdgeLp(topology.tail, topology.head, topology.capacity_gbps, volume)
    found = plan(topology, rows, model(**keys), solver=priced(0.01))
    assert check_plan(found).findings == ()
    assert found.max_gap is not None
    assert found.max_gap <= 0.01
    if keys["stages"] is UTILIZATION:
        assert values(found)[0] == pytest.approx(oracle.least_mlu(), rel=0.01)
    else:
        assert values(found)[0] == pytest.approx(oracle.largest_scale(), rel=0.01)


@pytest.mark.parametrize("total_gbps", [0.5, 5.0, 50.0])
def test_a_scale_of_any_size_is_proven(total_gbps: float) -> None:
    """What a contracted network lets links without a price carry must not be what limits its scale."""
    topology = read_topology("topohub:gabriel/25/2", defaults=TopologyDefaults(capacity_gbps=10.0))
    found = plan(topology, gravity(topology, 1, total_gbps), model(SCALE), solver=priced(0.01))
    assert values(found)[0] > 2 or total_gbps > 40
    assert found.max_gap is not None
    assert found.max_gap <= 0.01


def test_the_end_game_brings_a_level_to_the_last_digit() -> None:
    topology = read_topology("topohub:gabriel/25/8", defaults=TopologyDefaults(capacity_gbps=10.0))
    rows = gravity(topology, 1, 2000.0)
    loose, tight = (plan(topology, rows, carry_all(UTILIZATION), solver=priced(gap)) for gap in (0.01, 1e-6))
    assert tight.max_gap is not None
    assert tight.max_gap <= 1e-6
    assert values(tight)[0] <= values(loose)[0]
    assert check_plan(tight).findings == ()
