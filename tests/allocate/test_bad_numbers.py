"""Volumes, capacities and figures of very different sizes: plans and proofs hold, and nothing warns.

Warnings are errors in this suite, so every test here is also a test of silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_lp import EdgeLp
from toys import bounds, cable, carry_all, demands, diamond, link, model, network, plan, values

import vbte.allocate.forms as forms
from vbte.demands import DemandMatrix
from vbte.plan import Plan, Reason
from vbte.proof import check_plan
from vbte.topology import Topology

PARTIAL = [{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]
MODELS = {
    "throughput": model(PARTIAL),
    "concurrent": model([{"kind": "concurrent"}, {"kind": "admitted"}, {"kind": "latency"}]),
    "mlu": carry_all([{"kind": "max_utilization"}, {"kind": "latency"}]),
}
FORMS = pytest.mark.parametrize("form", [0.0, float("inf")], ids=["link flows", "path columns"])


def proven(found: Plan) -> Plan:
    assert check_plan(found).findings == ()
    assert found.termination.reason is Reason.OPTIMAL
    return found


def ring(seed: int, *, low: float, high: float) -> tuple[Topology, DemandMatrix]:
    """Eight nodes with chords; volumes and capacities spread evenly over the powers of ten from low to high."""
    random = np.random.default_rng(seed)

    def figure() -> float:
        return float(10 ** random.uniform(np.log10(low), np.log10(high)))

    pairs = [(i, (i + 1) % 8) for i in range(8)] + [(0, 4), (2, 6), (1, 5)]
    links: list[Any] = [cable(f"{a}-{b}", figure(), float(random.uniform(0.1, 9))) for a, b in pairs]
    rows = [(str(s), str(d), figure()) for s in range(8) for d in range(8) if s != d]
    return network(*links), demands(*rows)


@FORMS
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_volumes_from_one_bit_to_a_petabit_per_second_in_one_matrix(
    seed: int, name: str, form: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "COMMODITIES_PER_LINK_FLOW", form)
    topology, asked = ring(seed, low=1e-9, high=1e6)
    wide = network(*[link(f"{one.source}>{one.target}", 3e6, one.latency_ms) for one in topology.links])
    found = proven(plan(wide, asked, MODELS[name]))
    assert values(found)[0] == pytest.approx(bounds(found)[0], rel=1e-6)
    smallest = int(np.argmin(found.instance.peak_gbps))
    assert found.admitted_share[smallest] > 0
    if name == "mlu":
        assert found.admitted_share.tolist() == pytest.approx([1.0] * len(asked), rel=1e-9)


@pytest.mark.parametrize("name", ["throughput", "mlu"])
@pytest.mark.parametrize("seed", range(3))
def test_capacities_of_very_different_sizes_agree_with_the_edge_lp(seed: int, name: str) -> None:
    topology, asked = ring(seed, low=1e-2, high=1e3)
    volume = np.zeros((8, 8))
    volume[asked.source, asked.destination] = asked.volume_gbps
    oracle = EdgeLp(topology.tail, topology.head, topology.capacity_gbps, volume)
    found = proven(plan(topology, asked, MODELS[name]))
    expected = oracle.most_admitted() if name == "throughput" else oracle.least_mlu()
    assert values(found)[0] == pytest.approx(expected, rel=1e-6)


@FORMS
@pytest.mark.parametrize("factor", [1e-9, 1e-4, 1e4, 1e9])
def test_another_unit_gives_the_same_plan(factor: float, form: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "COMMODITIES_PER_LINK_FLOW", form)
    asked, scaled = (demands(("a", "d", 25 * f), ("d", "b", 11 * f), ("c", "b", 7 * f)) for f in (1.0, factor))
    for policy in MODELS.values():
        plain = plan(diamond(), asked, policy)
        found = proven(plan(diamond(10 * factor, 30 * factor), scaled, policy))
        assert found.admitted_share == pytest.approx(plain.admitted_share, rel=1e-6)
        assert found.max_utilization == pytest.approx(plain.max_utilization, rel=1e-6)


@pytest.mark.parametrize("latency_ms", [0.0, 1e-6, 1e6])
def test_latencies_of_nothing_and_of_a_quarter_of_an_hour(latency_ms: float) -> None:
    topology = network(cable("a-b", 10, latency_ms), cable("b-c", 10, latency_ms), cable("a-c", 4, latency_ms))
    found = proven(plan(topology, demands(("a", "c", 9), ("b", "c", 2)), MODELS["throughput"]))
    assert values(found)[0] == pytest.approx(11)
    assert check_plan(found).certificates[2].value == pytest.approx(values(found)[2])


def test_costs_that_hardly_differ_are_told_apart() -> None:
    topology = network(
        link("a>b", 5, id="cheap", cost_per_gbps=1000.0), link("a>b", 5, id="dear", cost_per_gbps=1000.001)
    )
    found = proven(plan(topology, demands(("a", "b", 4)), carry_all([{"kind": "cost"}], capacity="hard")))
    assert values(found) == pytest.approx([4000.0], rel=1e-9)


def test_a_class_of_specks_beside_a_class_of_mountains() -> None:
    """A millionth of a Gbit/s of gold goes first, and its proof is as good as that of a million of bulk."""
    classes = [{"name": "gold", "latency_bound_ms": 5}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "d", 1e-6, {"class": "gold"}), ("a", "d", 1e6, {"class": "bulk"}))
    found = proven(plan(diamond(), asked, model(PARTIAL, classes=classes)))
    assert values(found)[:2] == pytest.approx([1e-6, 40.0], rel=1e-6)
    assert bounds(found)[:2] == pytest.approx([1e-6, 40.0], rel=1e-6)


def test_a_trickle_of_capacity_carries_a_trickle() -> None:
    topology = network(link("a>b", 1e-9, id="thread"), link("a>b", 1e5, id="trunk"))
    found = proven(plan(topology, demands(("a", "b", 2e5)), model()))
    assert values(found) == pytest.approx([1e5])
