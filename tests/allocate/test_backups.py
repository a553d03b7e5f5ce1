"""Plans with backups against brute force: the optimum over all pairs, dedicated or shared, and its proof."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pair_oracle import PairOracle
from random_questions import capacities, latencies, matrices, topologies
from toys import cable, model, network, plan

from vbte.demands import DemandMatrix
from vbte.errors import InputWarning
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.topology import Topology

quick = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def protecting(
    kind: str, *, reservation: str, against: str = "cable", where: str = "exempt", **keys: Any
) -> PlanningModel:
    protection = {"kind": "backup", "reservation": reservation, "against": against, "where_impossible": where}
    rules = {name: keys.pop(name) for name in ("latency_bound_ms", "hop_bound", "utilization_limit") if name in keys}
    return model(
        [{"kind": kind}], coupling="sequential", tables={"realisation": "source-routed"}, unroutable="drop",
        classes=[{"name": "gold", "protection": protection, **rules}],
        **({"admission": "all", "capacity": "soft"} if kind == "max_utilization" else {}), **keys,
    )  # fmt: skip


@st.composite
def cabled(draw: st.DrawFn) -> Topology:
    """A ring of cables with chords, both directions each, of one or two risk groups."""
    names = "abcdef"[: draw(st.integers(4, 6))]
    ring = [f"{a}-{b}" for a, b in zip(names, names[1:] + names[0], strict=True)]
    chords = [f"{a}-{b}" for a, b in combinations(names, 2) if f"{a}-{b}" not in ring and f"{b}-{a}" not in ring]
    groups = st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(tuple)
    chosen = ring + draw(st.lists(st.sampled_from(chords), max_size=4, unique=True))
    return network(*(cable(ends, draw(capacities), draw(latencies), srlgs=draw(groups)) for ends in chosen))


@st.composite
def questions(draw: st.DrawFn) -> tuple[Topology, DemandMatrix]:
    topology = draw(st.one_of(cabled(), cabled(), topologies(most_nodes=6)))
    return topology, draw(matrices(topology, ["gold"], most=5))


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
@pytest.mark.parametrize("against", ["cable", "node", "srlg"])
@pytest.mark.parametrize("kind", ["admitted", "max_utilization", "concurrent"])
@quick
@given(question=questions(), bound=st.sampled_from([{}, {}, {"hop_bound": 3}]))
def test_plans_reach_the_optimum_over_all_pairs(
    question: tuple[Topology, DemandMatrix], bound: dict[str, Any], kind: str, against: str, reservation: str
) -> None:
    asked = protecting(kind, reservation=reservation, against=against, **bound)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        found = plan(*question, asked)
    assert not check_plan(found).findings
    if not found.instance.n_commodities:
        return
    best = PairOracle(*question, asked).solve(kind)
    certificate = found.certificates[0]
    assert certificate.bound is not None
    # Small networks are searched to the end.
    assert certificate.value == pytest.approx(best, rel=1e-5, abs=1e-8)
    assert certificate.gap == pytest.approx(0.0, abs=1e-5)
