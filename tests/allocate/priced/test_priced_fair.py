"""Max-min stages by link prices: against the exact engine, programs that were not written here, and toys."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from markets import EXACT, asked, priced
from scipy.optimize import linprog
from toys import HIGHS, cable, demands, diamond, model, network, of_class, plan

from vbte.allocate.priced.climb import step_of
from vbte.allocate.priced.routing import AllPaths
from vbte.allocate.priced.scope import unsupported
from vbte.allocate.priced.tiers import tiered_market, tiered_traffic
from vbte.demands import DemandMatrix
from vbte.fair_shares import FairShares, fair_shares
from vbte.plan import Fairness, Plan, Reason
from vbte.proof import check_plan
from vbte.read import read_topology
from vbte.read.defaults import TopologyDefaults
from vbte.topology import Topology

FAIR = [{"kind": "max_min"}, {"kind": "latency"}]

#: b-c is wide: whoever crosses a-b is stopped by it, b -> c is not.
LINE = network(cable("a-b", 10), cable("b-c", 20))
KINKED = [{"fair_share": 1, "gbps": 4}, {"fair_share": 3, "gbps": 4}, {"fair_share": 5, "gbps": 8}]


def fairly(topology: Topology, asked_for: DemandMatrix, **rules: Any) -> Plan:
    found = plan(topology, asked_for, model(FAIR, **rules), solver=priced())
    assert check_plan(found).findings == ()
    assert found.engine.engine == "price-directed"
    assert found.termination.reason is Reason.FEASIBLE or fairness(found).factor == 1.0
    return found


def fairness(found: Plan, certificate: int = 0) -> Fairness:
    kept = found.certificates[certificate].fairness
    assert kept is not None
    return kept


def carried(found: Plan) -> list[float]:
    return (found.admitted_share * found.instance.peak_gbps).tolist()


def test_a_parking_lot_shares_the_first_link_and_the_rest_of_the_second() -> None:
    found = fairly(LINE, demands(("a", "b", 100), ("a", "c", 100), ("b", "c", 100)))
    assert carried(found) == pytest.approx([5, 5, 15], rel=0.03)


def test_twice_the_weight_is_twice_the_volume() -> None:
    classes = [{"name": "gold", "weight": 2}, {"name": "bulk"}]
    both = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    assert carried(fairly(network(cable("a-b", 9)), both, classes=classes)) == pytest.approx([6, 3], rel=0.03)


@pytest.mark.parametrize(("capacity", "gold", "bulk"), [(6, 4, 2), (10, 6, 4), (30, 8, 22)])
def test_a_bandwidth_function_with_a_flat_stretch(capacity: float, gold: float, bulk: float) -> None:
    classes = [{"name": "gold", "bandwidth_function": KINKED}, {"name": "bulk"}]
    both = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    assert carried(fairly(network(cable("a-b", capacity)), both, classes=classes)) == pytest.approx(
        [gold, bulk], rel=0.05
    )


@pytest.mark.parametrize("coupling", ["joint", "sequential"])
def test_a_lower_priority_never_takes_from_a_higher_one(coupling: str) -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    rows = demands(
        ("a", "b", 7, of_class("gold")), ("a", "c", 100, of_class("bulk")), ("b", "c", 100, of_class("bulk"))
    )
    found = fairly(LINE, rows, classes=classes, coupling=coupling)
    assert carried(found) == pytest.approx([7, 3, 17], rel=0.03)


def test_a_higher_priority_makes_room_on_the_detour() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2, "avoid": {"nodes": ["c"]}}]
    rows = demands(("a", "d", 10, of_class("gold")), ("a", "d", 10, of_class("bulk")))
    assert carried(fairly(diamond(), rows, classes=classes)) == pytest.approx([10, 10], rel=0.05)


def test_a_class_limit_stops_its_class_alone() -> None:
    classes = [{"name": "gold", "utilization_limit": 0.3}, {"name": "bulk"}]
    both = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    assert carried(fairly(network(cable("a-b", 10)), both, classes=classes)) == pytest.approx([3, 7], rel=0.03)


def test_all_in_full_needs_no_step() -> None:
    found = fairly(LINE, demands(("a", "b", 3), ("b", "c", 4)))
    assert (fairness(found).steps, fairness(found).factor) == ((), 1.0)
    assert carried(found) == pytest.approx([3, 4], rel=1e-9)


def test_stages_that_it_cant_do_after_max_min_are_named() -> None:
    stages = [{"kind": "max_min"}, {"kind": "admitted"}]
    question = (LINE, demands(("a", "b", 3)), model(stages))
    assert unsupported(asked(question).problem) == "max_min before other stages than latency and cost: admitted"


def polska(times: float) -> tuple[Topology, DemandMatrix]:
    """A dozen nodes with links of 10 Gbit/s, and random demands between all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        topology = read_topology("topohub:sndlib/polska", defaults=TopologyDefaults(capacity_gbps=10.0))
    n_nodes = len(topology.nodes)
    source, destination = np.nonzero(~np.eye(n_nodes, dtype=bool))
    mass = np.random.default_rng(3).lognormal(sigma=1.0, size=n_nodes)
    volume = mass[source] * mass[destination]
    rows = [(topology.nodes[s].id, topology.nodes[d].id, float(v * times))
            for s, d, v in zip(source, destination, volume, strict=True)]  # fmt: skip
    return topology, demands(*rows)


@pytest.fixture(scope="module")
def unfair_times() -> tuple[Plan, Plan]:
    """Four times too many demands, planned by prices and exactly."""
    topology, asked_for = polska(4.0)
    return fairly(topology, asked_for), plan(topology, asked_for, model(FAIR), solver=EXACT)


def test_on_a_network_it_comes_close_to_the_exact_engine(unfair_times: tuple[Plan, Plan]) -> None:
    ours, exact = unfair_times
    factor = fairness(ours).factor
    assert factor is not None
    assert factor < 1.15
    ratio = np.array(carried(ours)) / np.array(carried(exact))
    assert abs(float(ratio.mean()) - 1.0) < 0.03
    assert float(np.quantile(ratio, 0.05)) > 0.8
    bound = ours.certificates[0].bound
    assert bound is not None
    assert ours.certificates[0].value <= exact.certificates[0].value * (1 + 1e-6) <= bound * (1 + 2e-6)


def shares_of_all(found: Plan) -> FairShares:
    return fair_shares(found.instance, np.ones(found.instance.n_commodities, dtype=np.bool_))


def most_for_the_short(found: Plan, level: float) -> tuple[float, float]:
    """What those short of a level have, and the most that any routing gives them: a program over link flows.

    Everybody keeps the lesser of what it has and its share at the level. One commodity is one demand; the program
    knows nothing of prices.
    """
    topology, shares = found.instance.topology, shares_of_all(found)
    has, share = np.array(carried(found)), shares.volume_gbps(level)
    short = has < share * (1 - 1e-6)
    n_links, n_nodes = len(topology.links), len(topology.nodes)
    targets = np.unique(found.instance.destination)
    k, flows = len(has), len(targets) * n_links
    balance = np.zeros((len(targets) * n_nodes, flows + k))
    load = np.zeros((n_links, flows + k))
    for place, target in enumerate(targets):
        for link in range(n_links):
            balance[place * n_nodes + topology.tail[link], place * n_links + link] += 1
            balance[place * n_nodes + topology.head[link], place * n_links + link] -= 1
            load[link, place * n_links + link] = 1
        mine = np.flatnonzero(found.instance.destination == target)
        balance[place * n_nodes + found.instance.source[mine], flows + mine] -= 1
        balance[place * n_nodes + target, flows + mine] += 1
    cost = np.concatenate([np.zeros(flows), -short.astype(float)])
    keeps = np.minimum(has, share) * (1 - 1e-9)
    bounds = [(0, None)] * flows + list(zip(keeps, np.where(short, share, np.inf), strict=True))
    answer = linprog(cost, load, topology.capacity_gbps, balance, np.zeros(len(balance)), bounds, method="highs")
    assert answer.status == 0
    return float(has[short].sum()), -float(answer.fun)


def test_what_steps_say_holds_for_every_routing(unfair_times: tuple[Plan, Plan]) -> None:
    found = unfair_times[0]
    steps = fairness(found).steps
    for step in steps[:: max(1, len(steps) // 4)]:
        has, most = most_for_the_short(found, step.level)
        assert step.factor is not None
        assert most <= has * step.factor * (1 + 1e-6)


def test_two_runs_give_the_same_volumes() -> None:
    topology, asked_for = polska(1.0)
    once, again = (carried(fairly(topology, asked_for)) for _ in range(2))
    assert once == again


def test_the_slope_of_a_market_in_tiers_is_the_room_left() -> None:
    """Against differences of its value: single precision leaves three digits."""
    question = asked((diamond(), demands(("a", "d", 60), ("a", "b", 5), ("b", "d", 9)), model(FAIR)))
    volume = question.problem.most_gbps
    market = tiered_market(question.problem, question.groups, [(0.3 * volume, 100.0), (0.7 * volume, 1.0)])
    routings = [AllPaths(group) for group in question.groups]
    step = step_of(market, 0.3, 0.0, 1)
    prices = np.random.default_rng(0).uniform(0.2, 0.8, market.room.shape)
    found = tiered_traffic(market, routings, prices, step)
    for link in range(market.n_links):
        nudge = np.zeros_like(prices)
        nudge[0, link] = 1e-2
        up, down = (tiered_traffic(market, routings, prices + s * nudge, step).value for s in (1, -1))
        assert (up - down) / 2e-2 == pytest.approx((market.room - found.load)[0, link], abs=5e-3)


def test_engine_auto_leaves_small_questions_to_the_exact_engine() -> None:
    assert plan(LINE, demands(("a", "b", 3)), model(FAIR), solver=HIGHS).engine.engine == "exact"


def test_fairness_holds_below_a_priority_that_fills_its_shortest_paths() -> None:
    """Gold takes all of the short way, or half of both: the rest is shared alike whichever it is."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    rows = demands(
        ("a", "d", 18, of_class("gold")),
        ("a", "d", 100, of_class("bulk")),
        ("a", "d", 100, of_class("bulk", tenant="acme")),
    )
    asked_for = (diamond(), rows)
    exact = plan(*asked_for, model(FAIR, classes=classes), solver=EXACT)
    assert carried(fairly(*asked_for, classes=classes)) == pytest.approx(carried(exact), rel=0.03)
