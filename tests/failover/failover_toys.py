"""Plans by hand whose failures can be worked out on paper, and the walk of their files beside the arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tables.table_toys import plan_of
from toys import Row, cable, demands, instance, model, network, of_class

from vbte.demands import DemandMatrix
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair
from vbte.plan import Plan
from vbte.scenarios.families import ScenarioSet
from vbte.tables import Tables, build_tables, offered_traffic, walk
from vbte.tables.walk import WalkReport
from vbte.topology import Link, Topology

REALISATIONS = ("source-routed", "hop-by-hop")

GOLD_BEFORE_BULK = [{"name": "gold", "priority": 1}, {"name": "bulk", "priority": 2}]

SHORT, LONG = "a>b b>d", "a>c c>d"


def ladder(**facts: Any) -> Topology:
    """From a to d over b, 10 Gbit/s in 4 ms, or over c, 6 Gbit/s in 10 ms."""
    return network(
        cable("a-b", 10.0, 2.0, **facts), cable("b-d", 10.0, 2.0), cable("a-c", 6.0, 5.0, **facts),
        cable("c-d", 6.0, 5.0),
    )  # fmt: skip


def gold_and_bulk(realisation: str, topology: Topology | None = None) -> Plan:
    """Gold sends 6 Gbit/s over b and 2 over c, bulk 4 over b: the cables at b are full, those at c a third."""
    matrix = demands(("a", "d", 8.0, of_class("gold")), ("a", "d", 4.0, of_class("bulk")))
    question = asked(topology or ladder(), matrix, realisation, classes=GOLD_BEFORE_BULK)
    return plan_of(question, [(SHORT, 6.0, "gold"), (LONG, 2.0, "gold"), (SHORT, 4.0, "bulk")])


def asked(topology: Topology, matrix: DemandMatrix, realisation: str, **keys: Any) -> Any:
    """The question, for tables of a realisation."""
    tables = {"realisation": realisation, **keys.pop("tables", {})}
    return instance(topology, matrix, model(tables=tables, **keys))


def by_hand(
    parts: Sequence[Link | Sequence[Link]], rows: Sequence[Row], flows: Sequence[Any], realisation: str
) -> Plan:
    """A plan of one class by its flows."""
    return plan_of(asked(network(*parts), demands(*rows), realisation), flows)


def walked(plan: Plan, tables: Tables, scenarios: ScenarioSet, position: int, matrix: int = 0) -> WalkReport:
    """The walk of the files in one scenario."""
    topology = plan.instance.topology
    down = np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0])
    return walk(
        tables, topology, offered_traffic(plan.instance, matrix),
        failed_links=[topology.links[at].id for at in down], failed_nodes=scenarios.scenarios[position].nodes,
    )  # fmt: skip


def assert_the_walk_agrees(plan: Plan, scenarios: ScenarioSet, tables: Tables | None = None, matrix: int = 0) -> int:
    """Loads by class and link and what arrives are those of the walk; return how many scenarios were compared."""
    tables = tables or build_tables(plan)
    repair = Repair(repair_graph(tables, plan.instance), matrix)
    compared = 0
    for block in repair.blocks(scenarios):
        for column, position in enumerate(range(block.scenarios.start, block.scenarios.stop)):
            report, what = walked(plan, tables, scenarios, position, matrix), scenarios.scenarios[position].name
            loads = block.class_link_load_gbps[:, :, column]
            np.testing.assert_allclose(loads, report.class_link_load_gbps, atol=1e-9, err_msg=what)
            arriving = repair.class_admitted_gbps - block.lost_gbps[:, column]
            np.testing.assert_allclose(arriving, report.delivered_gbps, atol=1e-9, err_msg=what)
            kept = block.lost_gbps + block.congested_gbps + block.delivered_gbps
            np.testing.assert_allclose(kept[:, column], repair.class_admitted_gbps, atol=1e-9, err_msg=what)
            compared += 1
    assert compared == len(scenarios)
    return compared


def figures(names: Sequence[str], values: Any) -> Mapping[str, float]:
    """A column of figures by name."""
    return dict(zip(names, np.asarray(values).tolist(), strict=True))
