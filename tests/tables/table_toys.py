"""Plans by hand, and edits of tables, for the tests of the tables."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vbte.demands import AttributeColumn, DemandMatrix
from vbte.instance import Instance, build_instance
from vbte.plan import EngineReport, PathSet, Plan, Reason, Termination
from vbte.policy import PlanningModel, Realisation, Stage, StageKind, TableOptions, TrafficClass
from vbte.tables.build import build_tables
from vbte.tables.files import Tables, tables_to_files
from vbte.tables.walk import offered_traffic, walk
from vbte.topology import Link, Node, Topology

GOLDEN = Path(__file__).parent / "golden"


def topology_of(cables: Mapping[str, float], *, capacity_gbps: float = 100.0, nodes: Sequence[Node] = ()) -> Topology:
    """``{"a-b": metric}`` gives links ``a-b`` and ``b-a``; ``"a>b"`` one direction. Latency is the metric in ms."""
    stated = {node.id: node for node in nodes}
    links: list[Link] = []
    for name, metric in cables.items():
        ends = name.replace("#", "-").replace(">", "-").split("-")[:2]
        mark = name[name.index("#") :] if "#" in name else ""
        pairs = [tuple(ends)] if ">" in name else [tuple(ends), tuple(reversed(ends))]
        for source, target in pairs:
            links.append(
                Link(f"{source}-{target}{mark}", source, target, capacity_gbps, metric=metric, latency_ms=metric,
                     interface=f"to-{target}{mark}")
            )  # fmt: skip
    names = sorted({end for link in links for end in (link.source, link.target)} | set(stated))
    return Topology(tuple(stated.get(name, Node(name)) for name in names), tuple(links))


def model_of(realisation: Realisation | str = "source-routed", **changes: Any) -> PlanningModel:
    limits = {key: changes.pop(key) for key in ("max_weight", "max_group_members", "max_segments") if key in changes}
    return PlanningModel(
        name="toy",
        stages=(Stage(kind=StageKind.ADMITTED),),
        tables=TableOptions(realisation=Realisation(realisation), **limits),
        **changes,
    )


def matrix_of(topology: Topology, rows: Sequence[tuple[Any, ...]]) -> DemandMatrix:
    """Rows are (source, destination, Gbit/s[, class[, tenant[, destination prefix]]])."""
    names = tuple(node.id for node in topology.nodes)
    columns = {}
    for position, name in ((3, "class"), (4, "tenant"), (5, "destination_prefix")):
        cells = [row[position] if len(row) > position else "" for row in rows]
        values = tuple(sorted(set(cells)))
        if any(cells):
            columns[name] = AttributeColumn(np.array([values.index(c) for c in cells], dtype=np.int32), values)
    return DemandMatrix(
        names,
        np.array([names.index(row[0]) for row in rows], dtype=np.int32),
        np.array([names.index(row[1]) for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows], dtype=np.float64),
        columns,
    )


def plan_of(instance: Instance, flows: Sequence[tuple[Any, ...]]) -> Plan:
    """Flows are (``"a b d"`` or links ``"a-b b-d#2"``, Gbit/s[, class[, tenant]])."""
    topology = instance.topology
    rows: list[tuple[int, list[int], float]] = []
    for text, gbps, *owner in flows:
        links = _links(topology, text)
        ends = int(topology.tail[links[0]]), int(topology.head[links[-1]])
        rows.append((_commodity(instance, ends, *owner), links, gbps))
    rows.sort(key=lambda row: row[0])
    hops = [len(links) for _, links, _ in rows]
    paths = PathSet(
        np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
        np.array([link for _, links, _ in rows for link in links], dtype=np.int32),
        np.array([commodity for commodity, _, _ in rows], dtype=np.int32),
    )
    gbps = np.array([flow for _, _, flow in rows], dtype=np.float64)
    return Plan(instance, paths, gbps, (), Termination(Reason.FEASIBLE), EngineReport("hand", "none", {}, 0, 0))


def _links(topology: Topology, text: str) -> list[int]:
    words = text.split()
    if words[0] in topology.link_index:
        return [topology.link_index[word] for word in words]
    return [topology.link_index[f"{a}-{b}"] for a, b in pairwise(words)]


def _commodity(instance: Instance, ends: tuple[int, int], class_name: str = "", tenant: str = "") -> int:
    for commodity in range(instance.n_commodities):
        found = int(instance.source[commodity]), int(instance.destination[commodity])
        of_class = instance.rules[instance.class_index[commodity]].policy.name
        of_tenant = instance.tenants[instance.tenant_index[commodity]]
        if found == ends and class_name in ("", of_class) and of_tenant == tenant:
            return commodity
    raise AssertionError(f"no commodity {ends} {class_name} {tenant}")


DIAMOND = {"a-b": 1, "b-d": 1, "a-c": 2, "c-d": 2, "b-c": 5}


def diamond(realisation: Realisation | str = "source-routed", **changes: Any) -> Plan:
    """a -> d splits 3 : 1 over b and c, b -> d is direct, c -> a of 4 Gbit/s is admitted to a half."""
    topology = topology_of(DIAMOND, nodes=[Node("d", prefixes=("10.4.0.0/16", "10.40.0.0/16"))])
    demands = matrix_of(topology, [("a", "d", 8.0), ("b", "d", 1.0), ("c", "a", 4.0)])
    instance = build_instance(topology, [demands], model_of(realisation, **changes))
    return plan_of(instance, [("a b d", 6.0), ("a c d", 2.0), ("b d", 1.0), ("c a", 2.0)])


def two_tenants(realisation: Realisation | str = "source-routed") -> Plan:
    """Tenants red and blue both send a -> d: red by b, blue by c; nobody's traffic goes by both."""
    topology = topology_of(DIAMOND)
    rows = [("a", "d", 2.0, "", "red"), ("a", "d", 3.0, "", "blue"), ("b", "d", 1.0)]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of(realisation))
    return plan_of(instance, [("a b d", 2.0, "", "red"), ("a c d", 3.0, "", "blue"), ("b d", 1.0)])


def two_classes(realisation: Realisation | str = "source-routed", **gold: Any) -> PlanningModel:
    classes = (TrafficClass(name="gold", priority=1, **gold), TrafficClass(name="bulk", priority=2))
    return model_of(realisation, classes=classes)


def edited(tables: Tables, change: Callable[[dict[str, Any]], None]) -> Tables:
    """Tables with the devices changed and everything else, also the manifest, as it was."""
    devices = copy.deepcopy(dict(tables.devices))
    change(devices)
    return Tables(tables.manifest, devices)


def walk_plan(plan: Plan, tables: Tables | None = None, matrix: int = 0):
    chosen = build_tables(plan) if tables is None else tables
    return walk(chosen, plan.instance.topology, offered_traffic(plan.instance, matrix))


def write(tables: Tables, directory: Path) -> Path:
    for name, content in tables_to_files(tables).items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return directory
