"""Small random networks, and the best that a limited number of changed groups allows, as a MILP of its own."""

from __future__ import annotations

import random
from itertools import pairwise

import networkx as nx
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from toys import cable, demands, model, network, of_class
from toys import plan as planned

from vbte.plan import Plan
from vbte.topology import Topology

CLASSES = [{"name": "gold", "priority": 1}, {"name": "bulk", "priority": 2}]
NAMES = "abcdef"


def random_plan(seed: int, realisation: str = "source-routed", stages: tuple[str, ...] = ("admitted",)) -> Plan:
    """Six nodes on a ring with three chords, tight enough that a failure costs something."""
    chance = random.Random(seed)
    chords = chance.sample([(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 2 :] if (a, b) != ("a", "f")], 3)
    ends = [*pairwise(NAMES + "a"), *chords]
    parts = [cable(f"{a}-{b}", chance.choice([4.0, 6.0, 10.0]), chance.choice([1.0, 2.0])) for a, b in ends]
    pairs = chance.sample([(a, b) for a in NAMES for b in NAMES if a != b], 8)
    rows = [(a, b, chance.choice([1.0, 2.0, 3.0]), of_class(chance.choice(["gold", "bulk"]))) for a, b in pairs]
    wanted = model([{"kind": stage} for stage in stages], classes=CLASSES, tables={"realisation": realisation})
    return planned(network(*parts), demands(*rows), wanted)


def best_within(plan: Plan, down: set[str], limit: int) -> list[float]:
    """Return what each priority can have at most, the most important first, when at most ``limit`` groups change.

    A commodity that changes may use any path; one that does not keeps its split over what is left of its paths, and
    what of it is let in is free: that changes no group.
    """
    question, topology = plan.instance, plan.instance.topology
    paths_of = _simple_paths(topology, down)
    columns: list[tuple[int, dict[int, float]]] = []  # commodity, use of links per unit
    n = question.n_commodities
    changed, stays = [], []
    for k in range(n):
        ends = topology.nodes[question.source[k]].id, topology.nodes[question.destination[k]].id
        changed.append([len(columns) + at for at in range(len(paths_of(*ends)))])
        columns += [(k, dict.fromkeys(path, 1.0)) for path in paths_of(*ends)]
    for k in range(n):
        mine = np.flatnonzero((plan.paths.commodity == k) & (plan.flow_gbps > 1e-9))
        alive = [p for p in mine if not {topology.links[at].id for at in plan.paths[p]} & down]
        use: dict[int, float] = {}
        for p in alive:
            for at in plan.paths[p].tolist():
                use[at] = use.get(at, 0.0) + plan.flow_gbps[p] / sum(plan.flow_gbps[q] for q in alive)
        stays.append(len(columns) if alive else None)
        columns.append((k, use))
    n_flow, size = len(columns), len(columns) + n
    rows, low, high = [], [], []

    def row(entries: dict[int, float], least: float, most: float) -> None:
        line = np.zeros(size)
        for at, value in entries.items():
            line[at] += value
        rows.append(line)
        low.append(least)
        high.append(most)

    for at, link in enumerate(topology.links):
        row({c: use[at] for c, (_, use) in enumerate(columns) if at in use}, -np.inf, link.capacity_gbps)
    upper = np.full(size, np.inf)
    upper[n_flow:] = 1.0
    for k in range(n):
        row({**dict.fromkeys(changed[k], 1.0), n_flow + k: -float(question.peak_gbps[k])}, -np.inf, 0.0)
        own = next(c for c in range(n_flow - n, n_flow) if columns[c][0] == k)
        if stays[k] is None:
            upper[own] = 0.0
        row({own: 1.0, n_flow + k: float(question.peak_gbps[k])}, -np.inf, float(question.peak_gbps[k]))
    row(dict.fromkeys(range(n_flow, size), 1.0), -np.inf, limit)
    reached: list[float] = []
    for priority in question.priorities:
        cost = np.zeros(size)
        for c, (k, _) in enumerate(columns):
            cost[c] = -1.0 if question.priority[k] == priority else 0.0
        found = milp(
            cost, constraints=LinearConstraint(np.array(rows), low, high), bounds=Bounds(np.zeros(size), upper),
            integrality=np.r_[np.zeros(n_flow), np.ones(n)], options={"mip_rel_gap": 0.0},
        )  # fmt: skip
        assert found.success, found.message
        reached.append(-float(found.fun))
        row({c: -value for c, value in enumerate(cost) if value}, reached[-1] - 1e-7, np.inf)
    return reached


def _simple_paths(topology: Topology, down: set[str]):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(node.id for node in topology.nodes)
    graph.add_edges_from(
        (link.source, link.target, at) for at, link in enumerate(topology.links) if link.id not in down
    )
    known: dict[tuple[str, str], list[tuple[int, ...]]] = {}

    def found(source: str, target: str) -> list[tuple[int, ...]]:
        if (source, target) not in known:
            ways = nx.all_simple_edge_paths(graph, source, target)
            known[source, target] = [tuple(at for _, _, at in way) for way in ways]
        return known[source, target]

    return found
