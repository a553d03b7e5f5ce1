"""An oracle for promised availability: every simple path, every state, a choice of states per commodity or for all.

States come from ``itertools``, paths from networkx, the program is put together row by row for scipy's MILP.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from brute_force import simple_paths
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from vbte.topology import Topology

FloatArray = NDArray[np.float64]

#: Source, destination, Gbit/s.
Asked = tuple[str, str, float]

#: Targets are met with as much to spare as rounding takes.
SLACK = 1e-9


@dataclass(frozen=True)
class State:
    """Cables that are down, and the share of time in which exactly they are."""

    down: frozenset[str]
    probability: float


def states_of(topology: Topology, cutoff: float = 0.0) -> list[State]:
    """Every state of the topology's cables that is likely enough."""
    down = {link.cable or link.id: link.unavailability or 0.0 for link in topology.links}
    found = []
    for failed in product([False, True], repeat=len(down)):
        chance = [p if gone else 1.0 - p for p, gone in zip(down.values(), failed, strict=True)]
        names = frozenset(name for name, gone in zip(down, failed, strict=True) if gone)
        found.append(State(names, float(np.prod(chance))))
    return [state for state in found if state.probability >= cutoff and state.probability > 0]


class Question:
    """Columns: a reservation for every path, then what is promised to each commodity, or one scale for all."""

    def __init__(self, topology: Topology, asked: list[Asked], target: float, cutoff: float = 0.0) -> None:
        self.topology, self.asked, self.target = topology, asked, target
        self.states = states_of(topology, cutoff)
        self.paths = [(k, p) for k, (s, d, _) in enumerate(asked) for p in simple_paths(topology, s, d)]
        self.capacity = np.array([link.capacity_gbps for link in topology.links])
        self.probability = np.array([state.probability for state in self.states])
        cable = [link.cable or link.id for link in topology.links]
        self.lives = np.array(
            [[not any(cable[e] in state.down for e in path) for state in self.states] for _, path in self.paths]
        )

    def kept(self, k: int, q: int) -> FloatArray:
        """What state q leaves of commodity k, as coefficients of the reservations."""
        return np.array([float(owner == k and self.lives[at, q]) for at, (owner, _) in enumerate(self.paths)])

    def severed(self, k: int, q: int) -> bool:
        return not self.kept(k, q).any()

    def best(self, *, common: bool, concurrent: bool) -> float:
        """The most that can be promised, or the largest scale, with a set of states for each or for all."""
        n_paths, n = len(self.paths), len(self.asked)
        n_states = len(self.states)
        n_choices = n_states if common else n * n_states
        promise = n_paths
        choice = promise + (1 if concurrent else n)
        width = choice + n_choices
        rows, low = [], []
        most = 10.0 * sum(volume for _, _, volume in self.asked) if concurrent else 0.0
        for link in range(len(self.capacity)):
            row = np.zeros(width)
            row[:n_paths] = [-float(link in path) for _, path in self.paths]
            rows.append(row)
            low.append(-self.capacity[link])
        for k, (_, _, volume) in enumerate(self.asked):
            for q in range(n_states):
                row = np.zeros(width)
                row[:n_paths] = self.kept(k, q)
                row[promise + (0 if concurrent else k)] = -volume if concurrent else -1.0
                big = most * volume if concurrent else volume
                row[choice + (q if common else k * n_states + q)] = -big
                rows.append(row)
                low.append(-big)
        for k in range(1 if common else n):
            row = np.zeros(width)
            row[choice + k * n_states : choice + (k + 1) * n_states] = self.probability
            rows.append(row)
            low.append(self.target - SLACK)
        upper = np.full(width, np.inf)
        upper[choice:] = 1.0
        if not concurrent:
            upper[promise:choice] = [volume for _, _, volume in self.asked]
        if common:
            cut = [any(self.severed(k, q) for k in range(n)) for q in range(n_states)]
            upper[choice:][cut] = 0.0
        cost = np.zeros(width)
        cost[promise:choice] = -1.0
        integer = np.zeros(width)
        integer[choice:] = 1
        found = milp(
            cost, integrality=integer, bounds=Bounds(np.zeros(width), upper),
            constraints=LinearConstraint(np.array(rows), low), options={"mip_rel_gap": 1e-9},
        )  # fmt: skip
        assert found.success, found.message
        return -float(found.fun)

    def largest_scale_by_sets(self) -> float:
        """The largest scale for one set of states common to all, by one linear program for every set there is."""
        n_paths, open_states = len(self.paths), range(len(self.states))
        open_states = [q for q in open_states if not any(self.severed(k, q) for k in range(len(self.asked)))]
        best = 0.0
        for size in range(1, len(open_states) + 1):
            for chosen in combinations(open_states, size):
                if self.probability[list(chosen)].sum() < self.target - SLACK:
                    continue
                rows = [[float(link in path) for _, path in self.paths] + [0.0] for link in range(len(self.capacity))]
                high = list(self.capacity)
                for k, (_, _, volume) in enumerate(self.asked):
                    rows += [[*(-self.kept(k, q)), volume] for q in chosen]
                    high += [0.0] * size
                cost = [0.0] * n_paths + [-1.0]
                found = linprog(cost, A_ub=np.array(rows), b_ub=np.array(high))
                best = max(best, -float(found.fun))
        return best

    def least_cvar(self) -> float:
        """The smallest mean loss of the worst 1 - target of the time, a state losing what its worst commodity does.

        TEAVAR's linear program: alpha + sum of p[q] excess[q] / (1 - target), loss[q] <= alpha + excess[q].
        """
        n_paths, n_states = len(self.paths), len(self.states)
        width = n_paths + 1 + n_states
        rows, high = [], []
        for link in range(len(self.capacity)):
            row = np.zeros(width)
            row[:n_paths] = [float(link in path) for _, path in self.paths]
            rows.append(row)
            high.append(self.capacity[link])
        for k, (_, _, volume) in enumerate(self.asked):
            for q in range(n_states):
                row = np.zeros(width)
                row[:n_paths] = -self.kept(k, q) / volume
                row[n_paths] = row[n_paths + 1 + q] = -1.0
                rows.append(row)
                high.append(-1.0)
        cost = np.concatenate([np.zeros(n_paths), [1.0], self.probability / (1.0 - self.target)])
        bounds = [(0, None)] * n_paths + [(0, None)] + [(0, None)] * n_states
        found = linprog(cost, A_ub=np.array(rows), b_ub=np.array(high), bounds=bounds)
        assert found.success, found.message
        return float(found.fun)

    def percentile(self, k: int, reserved: dict[tuple[int, tuple[int, ...]], float]) -> float:
        """What reservations by (commodity, path) leave of a commodity for the target share of the time."""
        amount = np.array([reserved.get(one, 0.0) if one[0] == k else 0.0 for one in self.paths])
        kept = amount @ self.lives
        for level in sorted(set(kept), reverse=True):
            if self.probability[kept >= level - 1e-12].sum() >= self.target - SLACK:
                return float(level)
        return 0.0
