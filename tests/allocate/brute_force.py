"""An oracle for toys: every simple path by networkx, every stage by scipy, nothing of vbte's own machinery.

Only the records of the question are read (topology, demands, model). Paths are filtered by the policy in plain
Python; the stages are solved one after the other, each holding those before it, as a path LP or a MILP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from vbte.demands import DemandMatrix
from vbte.policy import PathFigure, PlanningModel, Split, Stage, StageKind, TrafficClass
from vbte.topology import Link, Topology

FloatArray = NDArray[np.float64]

#: Class name, source, destination, tenant.
Commodity = tuple[str, str, str, str]

#: A hold on full admission is not loosened: later stages then carry exactly everything.
FULL = 1.0 - 1e-9


class NoPlanError(Exception):
    """The demands and limits clash."""


def simple_paths(topology: Topology, source: str, destination: str) -> list[tuple[int, ...]]:
    """Every simple path as link positions, parallel links told apart, through usable links and transit nodes."""
    graph: Any = nx.MultiDiGraph()
    closed = {node.id for node in topology.nodes if not node.transit or node.drained} - {source, destination}
    graph.add_nodes_from({node.id for node in topology.nodes} - closed)
    for position, link in enumerate(topology.links):
        if link.capacity_gbps > 0 and not link.drained and not {link.source, link.target} & closed:
            graph.add_edge(link.source, link.target, key=position)
    found = nx.all_simple_edge_paths(graph, source, destination)
    return sorted(tuple(key for _, _, key in path) for path in found)


def admits(topology: Topology, policy: TrafficClass, path: tuple[int, ...]) -> bool:
    """True when a path keeps every rule of a class."""
    links = [topology.links[position] for position in path]
    inner = [link.target for link in links[:-1]]
    region = {node.id: node.region for node in topology.nodes}
    touched = {links[0].source} | {link.target for link in links}
    latency = sum(link.latency_ms for link in links)
    return (
        all(_link_admitted(policy, link) for link in links)
        and not set(inner) & set(policy.avoid.nodes)
        and not {region[node] for node in inner} & set(policy.avoid.regions)
        and touched >= set(policy.require.nodes)
        and {link.id for link in links} >= set(policy.require.links)
        and (policy.latency_bound_ms is None or latency <= policy.latency_bound_ms * (1 + 1e-9))
        and (policy.hop_bound is None or len(links) <= policy.hop_bound)
    )


def _link_admitted(policy: TrafficClass, link: Link) -> bool:
    wanted = set(policy.require.admin_groups)
    return (
        link.id not in policy.avoid.links
        and not set(link.admin_groups) & set(policy.avoid.admin_groups)
        and not set(link.srlgs) & set(policy.avoid.srlgs)
        and (not wanted or bool(wanted & set(link.admin_groups)))
        and (link.encrypted or not policy.require.encrypted)
    )


@dataclass(eq=False)
class BruteForce:
    """Stage by stage over all admissible simple paths. ``paths`` may be replaced by a candidate set.

    ``class_load`` (matrix, class, link) is what a plan put on the links, read as given facts for the classes that a
    sequential coupling has planned before.
    """

    topology: Topology
    matrices: Sequence[DemandMatrix]
    model: PlanningModel
    paths: dict[Commodity, list[tuple[int, ...]]] | None = None
    class_load: FloatArray | None = None
    holds: list[tuple[Stage, int | None, float]] = field(default_factory=list)

    @cached_property
    def policies(self) -> dict[str, TrafficClass]:
        return {policy.name: policy for policy in self.model.classes}

    @cached_property
    def volumes(self) -> dict[Commodity, FloatArray]:
        """Volume of each commodity in each matrix; those without volume or without paths are left out."""
        volumes: dict[Commodity, FloatArray] = defaultdict(lambda: np.zeros(len(self.matrices)))
        for t, matrix in enumerate(self.matrices):
            for k in range(len(matrix)):
                ends = matrix.node_ids[matrix.source[k]], matrix.node_ids[matrix.destination[k]]
                stated = {name: column.values[column.codes[k]] for name, column in matrix.attributes.items()}
                name = stated.get("class") or self.model.fallback_class
                volumes[name, *ends, stated.get("tenant", "")][t] += matrix.volume_gbps[k]
        return {key: volume for key, volume in sorted(volumes.items()) if volume.max() > 0 and self.paths_of(key)}

    def paths_of(self, key: Commodity) -> list[tuple[int, ...]]:
        if self.paths is not None:
            return self.paths[key]
        name, source, destination, _ = key
        every = simple_paths(self.topology, source, destination)
        return [path for path in every if admits(self.topology, self.policies[name], path)]

    def unroutable(self) -> set[Commodity]:
        """Commodities with volume that no admissible path serves."""
        stated = BruteForce(self.topology, self.matrices, self.model, paths=defaultdict(lambda: [(0,)]))
        return set(stated.volumes) - set(self.volumes)

    def solve(self) -> list[float]:
        """The value of every stage in the order solved. Raises NoPlanError when something does not fit."""
        priorities = sorted({self.policies[key[0]].priority for key in self.volumes})
        reached: list[float] = []
        if not priorities:
            return reached
        if self.model.coupling == "sequential":
            for priority in priorities:
                self.holds = []
                reached += [self._stage(stage, priority, [priority]) for stage in self.model.stages]
            return reached
        for stage in self.model.stages:
            wanted = priorities if stage.kind is StageKind.ADMITTED else [None]
            reached += [self._stage(stage, priority, priorities) for priority in wanted]
        return reached

    def _stage(self, stage: Stage, priority: int | None, planned: list[int]) -> float:
        program = _Program(self, planned)
        value = program.solve(stage, priority, self.holds)
        self.holds.append((stage, priority, value))
        return value


class _Program:
    """One stage. Columns: path flows, U, lambda, then integers where splits need them."""

    def __init__(self, question: BruteForce, planned: list[int]) -> None:
        self.question = question
        self.model, self.topology = question.model, question.topology
        self.commodities = [
            (key, volume) for key, volume in question.volumes.items() if question.policies[key[0]].priority in planned
        ]
        self.columns = [(i, p) for i, (key, _) in enumerate(self.commodities) for p in question.paths_of(key)]
        self.capacity = np.array([link.capacity_gbps for link in self.topology.links])
        before = [policy.priority < min(planned) for policy in self.model.classes]
        self.background = np.zeros((len(question.matrices), len(self.capacity)))
        if question.class_load is not None:
            self.background = question.class_load[:, before].sum(axis=1)
        self.n_flows = len(self.columns)
        self.u, self.scale = self.n_flows, self.n_flows + 1
        self.peak = np.array([volume.max() for _, volume in self.commodities])
        self.owner = np.array([i for i, _ in self.columns], dtype=np.int64)
        self.rows: list[tuple[FloatArray, float, float]] = []
        self.integers: list[tuple[int, float, bool]] = []
        for column, (i, _) in enumerate(self.columns):
            policy = self._policy(i)
            if _path_limit(policy) is not None:
                self.integers.append((column, self.peak[i], False))
            if policy.bundles is not None:
                self.integers.append((column, self.peak[i] / policy.bundles, True))
        self.width = self.n_flows + 2 + len(self.integers)

    def _policy(self, commodity: int) -> TrafficClass:
        return self.question.policies[self.commodities[commodity][0][0]]

    def figure(self, stage: Stage) -> FloatArray:
        """Per flow: the sum along its path, times its mean volume over peak."""
        per_link = {
            PathFigure.LATENCY: [link.latency_ms for link in self.topology.links],
            PathFigure.METRIC: [link.metric for link in self.topology.links],
            PathFigure.HOPS: [1.0] * len(self.capacity),
        }[stage.figure]
        if stage.kind is StageKind.COST:
            per_link = [link.cost_per_gbps for link in self.topology.links]
        sums = np.array([sum(per_link[e] for e in path) for _, path in self.columns])
        return self.padded(sums * self.mean_ratio())

    def mean_ratio(self) -> FloatArray:
        ratio = np.array([volume.mean() / volume.max() for _, volume in self.commodities])
        return ratio[self.owner] if self.n_flows else np.empty(0)

    def weights(self, priority: int | None) -> FloatArray:
        """Per flow: what it adds to the admitted volume of a priority."""
        per_commodity = np.array(
            [
                self._policy(i).weight if priority in (None, self._policy(i).priority) else 0.0
                for i in range(len(self.commodities))
            ]
        )
        return self.padded(per_commodity[self.owner] * self.mean_ratio() if self.n_flows else np.empty(0))

    def padded(self, per_flow: FloatArray) -> FloatArray:
        return np.concatenate([per_flow, np.zeros(self.width - len(per_flow))])

    def load(self, matrix: int, link: int, class_name: str | None = None) -> FloatArray:
        row = np.zeros(self.n_flows)
        for column, (i, path) in enumerate(self.columns):
            key, volume = self.commodities[i]
            if class_name in (None, key[0]) and link in path:
                row[column] = volume[matrix] / volume.max()
        return self.padded(row)

    def add(self, row: FloatArray, low: float, high: float) -> None:
        self.rows.append((row, low, high))

    def solve(self, stage: Stage, priority: int | None, holds: list[tuple[Stage, int | None, float]]) -> float:
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        concurrent = stage.kind is StageKind.CONCURRENT
        if not concurrent:
            upper[self.scale] = 0.0
        for i in range(len(self.commodities)):
            of_demand = self.padded((self.owner == i).astype(float))
            if concurrent:
                of_demand[self.scale] = -self.peak[i]
                self.add(of_demand, 0.0, 0.0)
            else:
                self.add(of_demand, self.peak[i] if self.model.admission == "all" else 0.0, self.peak[i])
        growth = self._add_holds(holds)
        self._add_limits(stage, growth, upper)
        self._add_integers(upper, concurrent=concurrent)
        cost = self._cost(stage, priority)
        value = self._optimum(cost, lower, upper)
        return value if cost.min(initial=0.0) >= 0 else -value

    def _cost(self, stage: Stage, priority: int | None) -> FloatArray:
        cost = np.zeros(self.width)
        if stage.kind is StageKind.ADMITTED:
            return -self.weights(priority)
        if stage.kind is StageKind.MAX_UTILIZATION:
            cost[self.u] = 1.0
        elif stage.kind is StageKind.CONCURRENT:
            cost[self.scale] = -1.0
        else:
            cost = self.figure(stage)
        return cost

    def _add_holds(self, holds: list[tuple[Stage, int | None, float]]) -> float:
        """Hold what earlier stages reached; return the growth that a concurrent stage wants kept free."""
        growth = 1.0
        for stage, priority, value in holds:
            if stage.kind is StageKind.ADMITTED:
                row = self.weights(priority)
                whole = float(sum(row[: self.n_flows][self.owner == i].max() * p for i, p in enumerate(self.peak)))
                self.add(row, value * (FULL if value >= FULL * whole else 1 - stage.tolerance), np.inf)
            elif stage.kind is StageKind.MAX_UTILIZATION:
                for t, e, row in self._loads():
                    self.add(row, -np.inf, value * (1 + stage.tolerance) * self.capacity[e] - self.background[t, e])
            elif stage.kind is StageKind.CONCURRENT:
                level = value * (1 - stage.tolerance)
                growth = max(1.0, level)
                for i in range(len(self.commodities)):
                    of_demand = self.padded((self.owner == i).astype(float))
                    self.add(of_demand, min(1.0, level) * self.peak[i], np.inf)
            else:
                self.add(self.figure(stage), -np.inf, value * (1 + stage.tolerance))
        return growth

    def _loads(self) -> list[tuple[int, int, FloatArray]]:
        matrices, links = range(len(self.question.matrices)), range(len(self.capacity))
        return [(t, e, self.load(t, e)) for t in matrices for e in links]

    def _add_limits(self, stage: Stage, growth: float, upper: FloatArray) -> None:
        hard = self.model.capacity == "hard"
        for t, e, row in self._loads():
            if hard:
                room = self.model.utilization_limit * self.capacity[e] - self.background[t, e]
                self.add(row, -np.inf, room / growth)
            if stage.kind is StageKind.MAX_UTILIZATION:
                busiest = row.copy()
                busiest[self.u] = -self.capacity[e]
                self.add(busiest, -np.inf, -self.background[t, e])
            for policy in self.model.classes:
                if policy.utilization_limit is not None:
                    of_class = self.load(t, e, policy.name)
                    self.add(of_class, -np.inf, policy.utilization_limit * self.capacity[e] / growth)

    def _add_integers(self, upper: FloatArray, *, concurrent: bool) -> None:
        """A path carries flow only when chosen, or in whole bundles; a demand has so many of either."""
        first = self.n_flows + 2
        counted: dict[tuple[int, bool], FloatArray] = {}
        for position, (column, unit, bundle) in enumerate(self.integers):
            i = self.columns[column][0]
            policy = self._policy(i)
            assert not (bundle and concurrent), "bundles that grow with the scale are not linear"
            row = np.zeros(self.width)
            row[column], row[first + position] = 1.0, -float(self.capacity.sum()) if concurrent else -unit
            self.add(row, 0.0 if bundle else -np.inf, 0.0)
            upper[first + position] = float(policy.bundles or 1) if bundle else 1.0
            counted.setdefault((i, bundle), np.zeros(self.width))[first + position] = 1.0
        for (i, bundle), row in counted.items():
            policy = self._policy(i)
            most = policy.bundles if bundle else _path_limit(policy)
            self.add(row, -np.inf, float(most or 1))

    def _optimum(self, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
        matrix = np.array([row for row, _, _ in self.rows]).reshape(len(self.rows), self.width)
        low = np.array([bound for _, bound, _ in self.rows])
        high = np.array([bound for _, _, bound in self.rows])
        integrality = np.zeros(self.width)
        integrality[self.n_flows + 2 :] = 1
        if self.integers:
            answer = milp(
                cost, constraints=LinearConstraint(matrix, low, high), integrality=integrality,
                bounds=Bounds(lower, upper), options={"mip_rel_gap": 1e-9},
            )  # fmt: skip
        else:
            bounded = np.isfinite(high)
            below = np.isfinite(low)
            answer = linprog(
                cost,
                A_ub=np.concatenate([matrix[bounded], -matrix[below]]),
                b_ub=np.concatenate([high[bounded], -low[below]]),
                bounds=np.stack([lower, upper], axis=1),
            )
        if answer.status == 2:
            raise NoPlanError
        assert answer.status == 0, answer.message
        return float(answer.fun)


def _path_limit(policy: TrafficClass) -> int | None:
    return 1 if policy.split is Split.SINGLE_PATH else policy.max_paths


def link_disjoint(paths: Sequence[tuple[int, ...]]) -> int:
    """The size of the largest set of paths no two of which share a link, by trying all sets."""
    sizes = range(len(paths), 0, -1)
    sets = (chosen for size in sizes for chosen in combinations(paths, size))
    return next((len(chosen) for chosen in sets if len(set().union(*chosen)) == sum(map(len, chosen))), 0)


def is_simple(topology: Topology, path: Sequence[int]) -> bool:
    """True when a path of links hangs together and visits no node twice."""
    links = [topology.links[position] for position in path]
    nodes = [links[0].source, *(link.target for link in links)]
    return all(a.target == b.source for a, b in pairwise(links)) and len(set(nodes)) == len(nodes)
