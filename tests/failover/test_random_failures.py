"""On random networks the arrays say what the walk of the files says, in every scenario."""

from __future__ import annotations

import random
from typing import Any

import pytest
from failover_toys import GOLD_BEFORE_BULK, REALISATIONS, assert_the_walk_agrees
from toys import cable, demands, model, network, of_class
from toys import plan as planned

from vbte.plan import Plan
from vbte.scenarios.families import ScenarioSet, family
from vbte.tables import build_tables
from vbte.topology import Topology

NAMES = "abcdefgh"


def random_network(chance: random.Random) -> Topology:
    """Eight nodes on a ring with five chords, some of them parallel, in three ditches."""
    ends = [*zip(NAMES, NAMES[1:] + NAMES[:1], strict=True), *(chance.sample(NAMES, 2) for _ in range(5))]
    cables = []
    for position, (source, target) in enumerate(ends):
        facts: dict[str, Any] = {"metric": chance.choice([1.0, 2.0]), "srlgs": chance.choice([(), ("x",), ("y", "z")])}
        sides = cable(f"{source}-{target}", chance.choice([5.0, 10.0]), chance.choice([1.0, 2.5]), **facts)
        cables.append(
            [type(one)(**{**_facts(one), "id": f"{one.id}#{position}", "cable": f"c{position}"}) for one in sides]
        )
    return network(*cables)


def _facts(link: Any) -> dict[str, Any]:
    return {name: getattr(link, name) for name in type(link).__dataclass_fields__}


def random_plan(seed: int, realisation: str, **tables: Any) -> Plan:
    chance = random.Random(seed)
    topology = random_network(chance)
    pairs = [(s, d) for s in NAMES for d in NAMES if s != d and chance.random() < 0.6]
    rows = [
        (
            s,
            d,
            chance.choice([0.5, 1.0, 2.0]),
            {**of_class(chance.choice(["gold", "bulk"])), "tenant": chance.choice(["", "t"])},
        )
        for s, d in pairs
    ]
    wanted = model(
        [{"kind": "admitted"}, {"kind": "max_utilization"}],
        classes=GOLD_BEFORE_BULK, tables={"realisation": realisation, **tables},
    )  # fmt: skip
    return planned(topology, demands(*rows), wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("realisation", REALISATIONS)
def test_the_arrays_say_what_the_walk_says(seed: int, realisation: str) -> None:
    plan = random_plan(seed, realisation)
    assert len(set(plan.instance.class_index.tolist())) == 2
    singles = family(plan.instance.topology, "cable")
    pairs = family(plan.instance.topology, "pairs").scenarios[:: 9 + seed]
    scenarios = (
        *singles.scenarios, *family(plan.instance.topology, "node").scenarios,
        *family(plan.instance.topology, "srlg").scenarios, *pairs,
    )  # fmt: skip
    assert assert_the_walk_agrees(plan, ScenarioSet(plan.instance.topology, scenarios)) > 25


def test_so_they_do_where_head_ends_leave_traffic_to_the_igp() -> None:
    plan = random_plan(7, "source-routed", max_segments=1)
    tables = build_tables(plan)
    assert any(
        hop["kind"] == "segments" and not hop["links"] for t in tables.devices.values() for hop in t["next_hops"]
    )
    assert assert_the_walk_agrees(plan, family(plan.instance.topology, "cable")) == 13
