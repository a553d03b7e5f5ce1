"""Small networks, demands and plans for tests, short enough to be read at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from vbte.allocate.run import allocate
from vbte.demands import AttributeColumn, DemandMatrix
from vbte.instance import Instance, build_instance
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.solve import Deadline, SolverProfile
from vbte.solve.load import load_solver
from vbte.topology import Link, Node, Topology

#: One row of demands: source, destination, Gbit/s, and attributes where there are any.
Row = tuple[str, str, float] | tuple[str, str, float, Mapping[str, str]]

HIGHS = SolverProfile(name="highs")

ADMITTED = [{"kind": "admitted"}]
MLU = [{"kind": "max_utilization"}]
CONCURRENT = [{"kind": "concurrent"}]


def link(ends: str, capacity_gbps: float, latency_ms: float = 1.0, **facts: Any) -> Link:
    """One directed link: ``link("a>b", 10)``; its id is the ends unless stated."""
    source, target = ends.split(">")
    return Link(facts.pop("id", ends), source, target, capacity_gbps, latency_ms=latency_ms, **facts)


def cable(ends: str, capacity_gbps: float, latency_ms: float = 1.0, **facts: Any) -> list[Link]:
    """Both directions of a cable: ``cable("a-b", 10)`` gives the links ``a>b`` and ``b>a``."""
    first, second = ends.split("-")
    facts = {"cable": ends, **facts}
    return [
        link(f"{first}>{second}", capacity_gbps, latency_ms, **facts),
        link(f"{second}>{first}", capacity_gbps, latency_ms, **facts),
    ]


def network(*parts: Link | Sequence[Link], nodes: Mapping[str, Mapping[str, Any]] | None = None) -> Topology:
    """A topology of links and cables; ``nodes`` adds facts to nodes and may name nodes without links."""
    links = [one for part in parts for one in ([part] if isinstance(part, Link) else part)]
    facts = nodes or {}
    ids = sorted({end for one in links for end in (one.source, one.target)} | set(facts))
    return Topology(tuple(Node(node, **facts.get(node, {})) for node in ids), tuple(links), name="toy")


def diamond(short_gbps: float = 10.0, long_gbps: float = 30.0) -> Topology:
    """Two ways from a to d: over b in 4 ms, over c in 10 ms."""
    return network(
        cable("a-b", short_gbps, 2.0), cable("b-d", short_gbps, 2.0), cable("a-c", long_gbps, 5.0),
        cable("c-d", long_gbps, 5.0),
    )  # fmt: skip


def demands(*rows: Row) -> DemandMatrix:
    """A demand matrix of the rows given; lines are numbered from 1."""
    nodes = sorted({end for row in rows for end in row[:2]})
    index = {node: position for position, node in enumerate(nodes)}
    attributes = [row[3] if len(row) == 4 else {} for row in rows]
    return DemandMatrix(
        node_ids=tuple(nodes),
        source=np.array([index[row[0]] for row in rows], dtype=np.int32),
        destination=np.array([index[row[1]] for row in rows], dtype=np.int32),
        volume_gbps=np.array([row[2] for row in rows], dtype=np.float64),
        attributes={name: _column(attributes, name) for name in sorted({name for row in attributes for name in row})},
        origin="demands.csv",
        line=np.arange(1, len(rows) + 1),
    )


def _column(attributes: Sequence[Mapping[str, str]], name: str) -> AttributeColumn:
    stated = [row.get(name, "") for row in attributes]
    values = tuple(sorted(set(stated)))
    return AttributeColumn(np.array([values.index(value) for value in stated], dtype=np.int32), values)


def of_class(name: str, **attributes: str) -> dict[str, str]:
    """Attributes of a demand that names its class."""
    return {"class": name, **attributes}


def model(stages: Sequence[Mapping[str, Any]] = ADMITTED, **keys: Any) -> PlanningModel:
    """A planning model; ``classes`` may be mappings, ``admission: all`` comes with stages that need it."""
    return PlanningModel.model_validate({"name": "toy", "stages": list(stages), **keys})


def carry_all(stages: Sequence[Mapping[str, Any]] = MLU, *, capacity: str = "soft", **keys: Any) -> PlanningModel:
    """A planning model that carries every demand in full."""
    return model(stages, admission="all", capacity=capacity, **keys)


def instance(
    topology: Topology, matrices: DemandMatrix | Sequence[DemandMatrix], planning_model: PlanningModel
) -> Instance:
    """The question, before anything is decided."""
    listed = [matrices] if isinstance(matrices, DemandMatrix) else list(matrices)
    return build_instance(topology, listed, planning_model)


def plan(
    topology: Topology,
    matrices: DemandMatrix | Sequence[DemandMatrix],
    planning_model: PlanningModel,
    *,
    solver: str | SolverProfile = HIGHS,
    deadline: Deadline | None = None,
) -> Plan:
    """A plan by the solver given, HiGHS unless stated."""
    profile = load_solver(solver)
    return allocate(instance(topology, matrices, planning_model), profile, deadline=deadline)


def flows(found: Plan, commodity: int = 0) -> dict[str, float]:
    """Flows of one commodity by path: ``{"a>b b>d": 10.0}``."""
    links = found.instance.topology.links
    return {
        " ".join(links[position].id for position in found.paths[path]): float(found.flow_gbps[path])
        for path in range(len(found.paths))
        if found.paths.commodity[path] == commodity
    }


def admitted(found: Plan) -> dict[str, float]:
    """Admitted Gbit/s by commodity, in the first matrix: ``{"gold a -> d": 10.0}``."""
    question = found.instance
    return {question.describe(k): float(found.admitted_gbps[0, k]) for k in range(question.n_commodities)}


def values(found: Plan) -> list[float]:
    """What each stage reached, in order."""
    return [certificate.value for certificate in found.certificates]


def bounds(found: Plan) -> list[float]:
    """What each stage's prices prove, in order; a stage without a bound gives NaN."""
    return [np.nan if c.bound is None else c.bound for c in found.certificates]


def assert_optimum(found: Plan, *expected: float) -> None:
    """Every stage reaches what was expected, and its prices prove that nobody can do better."""
    assert values(found) == pytest.approx(list(expected), rel=1e-6)
    assert bounds(found) == pytest.approx(list(expected), rel=1e-6)
