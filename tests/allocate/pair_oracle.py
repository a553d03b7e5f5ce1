"""The optimum with backups by brute force: every pair of simple paths, every scenario, one ``linprog`` call.

Written from the definition and with nothing of vbte's formulations: a pair is a primary and a backup that no scenario
takes down together, and in every scenario each link has room for all primaries and the backups in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from brute_force import admits, simple_paths
from numpy.typing import NDArray
from scipy.optimize import linprog

from vbte.demands import DemandMatrix
from vbte.policy import BackupProtection, PlanningModel
from vbte.topology import Topology

FloatArray = NDArray[np.float64]
Path = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PairOracle:
    """All demands of one class, one matrix."""

    topology: Topology
    demands: DemandMatrix
    model: PlanningModel

    @property
    def protection(self) -> BackupProtection:
        protection = self.model.classes[0].protection
        assert isinstance(protection, BackupProtection)
        return protection

    @cached_property
    def scenarios(self) -> list[tuple[str, set[int]]]:
        """Name of what fails (a node's own name matters to its demands) and the links it takes."""
        kinds = {
            "cable": lambda link: {link.cable or link.id},
            "node": lambda link: {link.source, link.target},
            "srlg": lambda link: set(link.srlgs),
        }
        risks = [kinds[self.protection.against](link) for link in self.topology.links]
        names = sorted(set().union(*risks))
        return [(name, {e for e, mine in enumerate(risks) if name in mine}) for name in names]

    def hits(self, path: Path, ends: tuple[str, str]) -> set[int]:
        node = self.protection.against == "node"
        return {
            q for q, (name, links) in enumerate(self.scenarios) if links & set(path) and not (node and name in ends)
        }

    def paths(self, ends: tuple[str, str]) -> list[Path]:
        return [p for p in simple_paths(self.topology, *ends) if admits(self.topology, self.model.classes[0], p)]

    @cached_property
    def commodities(self) -> dict[tuple[str, str], float]:
        """Volume of each pair of nodes that a path serves: the others are dropped."""
        volume: dict[tuple[str, str], float] = {}
        names = self.demands.node_ids
        for s, t, gbps in zip(self.demands.source, self.demands.destination, self.demands.volume_gbps, strict=True):
            if gbps > 0 and self.paths((names[s], names[t])):
                volume[names[s], names[t]] = volume.get((names[s], names[t]), 0.0) + float(gbps)
        return volume

    @cached_property
    def pairs(self) -> list[tuple[int, Path, Path]]:
        """Commodity, primary and backup; no backup where none is needed, or where a commodity has no pair at all."""
        found: list[tuple[int, Path, Path]] = []
        for k, ends in enumerate(self.commodities):
            paths = self.paths(ends)
            hits = {path: self.hits(path, ends) for path in paths}
            mine = [(k, p, b) for p in paths for b in paths if p != b and hits[p] and not hits[p] & hits[b]]
            mine += [(k, p, ()) for p in paths if not hits[p]]
            found += mine or [(k, p, ()) for p in paths]
        return found

    @cached_property
    def without(self) -> int:
        """How many commodities have no pair: their paths have no backup although something takes them down."""
        ends = list(self.commodities)
        return len({k for k, p, b in self.pairs if not b and self.hits(p, ends[k])})

    def loads(self) -> FloatArray:
        """What a unit on each pair loads: a row for each link and scenario, and one for each link while all is up."""
        ends = list(self.commodities)
        shared = self.protection.reservation == "shared"
        n_links, states = len(self.topology.links), range(len(self.scenarios) + 1 if shared else 1)
        load = np.zeros((len(states), n_links, len(self.pairs)))
        for column, (k, primary, backup) in enumerate(self.pairs):
            load[:, list(primary), column] += 1.0
            if not shared:
                load[:, list(backup), column] += 1.0
            for q in self.hits(primary, ends[k]) if shared else ():
                load[q, list(backup), column] += 1.0
        return load.reshape(-1, len(self.pairs))

    def solve(self, kind: str) -> float:
        """The most admitted, the least utilisation that carries all, or the largest scale."""
        capacity = np.array([0.0 if one.drained else one.capacity_gbps for one in self.topology.links])
        load = self.loads()
        room = np.tile(capacity, len(load) // len(capacity))
        of = np.zeros((len(self.commodities), len(self.pairs)))
        of[[k for k, _, _ in self.pairs], range(len(self.pairs))] = 1.0
        volume = np.array(list(self.commodities.values()))
        if kind == "admitted":
            answer = linprog(-np.ones(len(self.pairs)), A_ub=np.vstack([load, of]), b_ub=np.concatenate([room, volume]))
            return -float(answer.fun)
        last = np.zeros(len(self.pairs) + 1)
        last[-1] = 1.0
        if kind == "max_utilization":
            answer = linprog(last, A_ub=np.column_stack([load, -room]), b_ub=np.zeros(len(room)),
                             A_eq=np.column_stack([of, np.zeros(len(volume))]), b_eq=volume)  # fmt: skip
            return float(answer.fun)
        answer = linprog(-last, A_ub=np.column_stack([load, np.zeros(len(room))]), b_ub=room,
                         A_eq=np.column_stack([of, -volume]), b_eq=np.zeros(len(volume)))  # fmt: skip
        return -float(answer.fun)
