"""Volumes and networks at the edge of sense: the engine gives what the exact one gives, and nothing warns."""

from __future__ import annotations

import pytest
from markets import EXACT, priced
from test_bad_numbers import MODELS, ring
from toys import admitted, bounds, cable, carry_all, demands, diamond, link, model, network, of_class, plan, values

from vbte.demands import DemandMatrix
from vbte.errors import InputWarning
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import Topology


def close_to_exact(topology: Topology, matrix: DemandMatrix, policy: PlanningModel) -> Plan:
    """The engine's plan: checked, and its first stage within a few thousandths of the exact engine's."""
    found, exact = (plan(topology, matrix, policy, solver=s) for s in (priced(), EXACT))
    assert check_plan(found).findings == ()
    assert values(found)[0] == pytest.approx(values(exact)[0], rel=3e-3)
    assert bounds(found)[0] == pytest.approx(values(exact)[0], rel=3e-3)
    return found


EVERY_MODEL = pytest.mark.parametrize("name", MODELS)


@EVERY_MODEL
def test_volumes_from_one_bit_to_a_petabit_per_second_in_one_matrix(name: str) -> None:
    topology, asked = ring(1, low=1e-9, high=1e6)
    wide = network(*[link(f"{one.source}>{one.target}", 3e6, one.latency_ms) for one in topology.links])
    close_to_exact(wide, asked, MODELS[name])


@pytest.mark.parametrize("name", ["throughput", "mlu"])
def test_capacities_over_five_powers_of_ten(name: str) -> None:
    topology, asked = ring(1, low=1e-2, high=1e3)
    close_to_exact(topology, asked, MODELS[name])


@EVERY_MODEL
@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_another_unit_gives_much_the_same_plan(factor: float, name: str) -> None:
    asked, scaled = (demands(("a", "d", 25 * f), ("d", "b", 11 * f), ("c", "b", 7 * f)) for f in (1.0, factor))
    once = close_to_exact(diamond(), asked, MODELS[name])
    again = close_to_exact(diamond(10 * factor, 30 * factor), scaled, MODELS[name])
    assert again.admitted_share == pytest.approx(once.admitted_share, rel=1e-2)


@EVERY_MODEL
def test_links_that_are_empty_or_drained_carry_nothing(name: str) -> None:
    topology = network(diamond().links, cable("a-d", 0.0), cable("b-c", 50, drained=True))
    found = close_to_exact(topology, demands(("a", "d", 30), ("b", "c", 4)), MODELS[name])
    idle = [position for position, one in enumerate(topology.links) if one.capacity_gbps == 0 or one.drained]
    assert found.link_load_gbps[0, idle].tolist() == [0.0] * 4


@EVERY_MODEL
def test_parts_that_nothing_joins_are_planned_each_and_demands_between_them_dropped(name: str) -> None:
    topology = network(diamond().links, cable("x-y", 5), nodes={"alone": {}})
    rows = demands(("a", "d", 50), ("x", "y", 7), ("a", "x", 3), ("alone", "d", 1))
    policy = PlanningModel.model_validate(MODELS[name].model_dump(by_alias=True) | {"unroutable": "drop"})
    with pytest.warns(InputWarning, match="dropped"):
        found = close_to_exact(topology, rows, policy)
    assert sorted(admitted(found)) == ["default a -> d", "default x -> y"]


def test_links_filled_by_the_classes_before_leave_nothing() -> None:
    """Gold fills both ways of the diamond; nothing of bulk follows it from a to d, all of it the other way."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    rows = demands(("a", "d", 60, of_class("gold")), ("a", "d", 5, of_class("bulk")), ("d", "a", 5, of_class("bulk")))
    policy = model([{"kind": "admitted"}, {"kind": "latency"}], classes=classes, coupling="sequential")
    found = close_to_exact(diamond(), rows, policy)
    expected = {"gold a -> d": 40.0, "bulk a -> d": 0.0, "bulk d -> a": 5.0}
    assert admitted(found) == pytest.approx(expected, rel=1e-3, abs=0.05)


@EVERY_MODEL
def test_all_demands_between_one_pair(name: str) -> None:
    rows = demands(*[("a", "d", 1.0 + i, {"tenant": f"t{i}"}) for i in range(12)])
    assert close_to_exact(diamond(), rows, MODELS[name]).instance.n_commodities == 12


@EVERY_MODEL
@pytest.mark.parametrize("volume", [1e-9, 3.0, 40.0, 1e5])
def test_a_single_demand(volume: float, name: str) -> None:
    found = close_to_exact(diamond(), demands(("a", "d", volume)), MODELS[name])
    if name == "throughput":
        assert values(found)[0] == pytest.approx(min(volume, 40.0), rel=2e-3)


@pytest.mark.xfail(strict=True, reason="leftovers count in shares of all that is asked for, and this is a trifle of it")
def test_a_demand_millions_of_times_the_network_fills_it() -> None:
    close_to_exact(diamond(), demands(("a", "d", 1e9)), MODELS["throughput"])


@EVERY_MODEL
@pytest.mark.parametrize("volume", [0.5, 5.0, 50.0])
def test_a_network_of_one_link(volume: float, name: str) -> None:
    found = close_to_exact(network(link("a>b", 5)), demands(("a", "b", volume)), MODELS[name])
    assert found.paths.links.tolist() == [0]


def test_no_demand_at_all_is_an_empty_plan() -> None:
    found = plan(diamond(), demands(("a", "d", 0.0)), model(), solver=priced())
    assert (len(found.paths), found.certificates) == (0, ())
    assert check_plan(found).findings == ()


def test_a_demand_that_gets_nothing_leaves_no_path_and_no_crash() -> None:
    """Gold is all that a class limit of one path can see of a link that another class has filled."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2, "max_paths": 1}]
    rows = demands(("a", "b", 9, of_class("gold")), ("a", "b", 9, of_class("bulk")))
    policy = model(classes=classes, coupling="sequential")
    found = plan(network(link("a>b", 5)), rows, policy, solver=priced())
    assert admitted(found) == pytest.approx({"gold a -> b": 5.0, "bulk a -> b": 0.0}, abs=1e-6)


@pytest.mark.parametrize("latency_ms", [0.0, 1e-6, 1e6])
def test_latencies_of_nothing_and_of_a_quarter_of_an_hour(latency_ms: float) -> None:
    topology = network(cable("a-b", 10, latency_ms), cable("b-c", 10, latency_ms), cable("a-c", 4, latency_ms))
    found = close_to_exact(topology, demands(("a", "c", 9), ("b", "c", 2)), MODELS["throughput"])
    assert values(found)[0] == pytest.approx(11)


@pytest.mark.parametrize("n", [1, 8, 40])
def test_many_parallel_links_all_get_their_share(n: int) -> None:
    topology = network([link("a>b", 1.0, id=f"l{i:02d}") for i in range(n)])
    close_to_exact(topology, demands(("a", "b", 0.5 * n)), carry_all())
    close_to_exact(topology, demands(("a", "b", 2.0 * n)), model())
