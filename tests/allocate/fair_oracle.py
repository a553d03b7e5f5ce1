"""Max-min fair volumes by the textbook: a sequence of programs over all simple paths, each commodity tested alone.

Shares no code with the engine: paths are listed, programs written with one variable a path and solved by scipy, and
levels found by bisection, so that any non-decreasing function will do (Bertsekas and Gallager 1992, section 6.5.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import linprog

from vbte.topology import Topology

#: Slack within which two volumes are the same, Gbit/s.
SAME_GBPS = 1e-4


@dataclass(frozen=True)
class Asked:
    """A commodity: its ends, the most it gets, and its volume at a level, all in Gbit/s."""

    source: str
    destination: str
    most_gbps: float
    at: Callable[[float], float]


def simple_paths(topology: Topology, source: str, destination: str) -> list[tuple[int, ...]]:
    """All paths from source to destination that visit no node twice, as positions of links."""
    found: list[tuple[int, ...]] = []

    def extend(node: str, seen: frozenset[str], links: tuple[int, ...]) -> None:
        if node == destination:
            found.append(links)
            return
        for position, link in enumerate(topology.links):
            if link.source == node and link.target not in seen:
                extend(link.target, seen | {link.target}, (*links, position))

    extend(source, frozenset({source}), ())
    return found


class Textbook:
    """The polytope of volumes that fit, asked by linear programs."""

    def __init__(self, topology: Topology, asked: Sequence[Asked]) -> None:
        self.asked = asked
        columns = [
            (k, path) for k, one in enumerate(asked) for path in simple_paths(topology, one.source, one.destination)
        ]
        self.volume_of = np.array([[owner == k for owner, _ in columns] for k in range(len(asked))], dtype=float)
        self.load_of = np.array(
            [[link in path for _, path in columns] for link in range(len(topology.links))], dtype=float
        )
        self.capacity = np.array([link.capacity_gbps for link in topology.links])

    def most(self, least: np.ndarray, k: int) -> float:
        """The most that commodity k can have while all have at least ``least``; -inf where that does not fit."""
        rows = np.vstack([self.load_of, -self.volume_of])
        found = linprog(-self.volume_of[k], A_ub=rows, b_ub=np.concatenate([self.capacity, -least]), method="highs")
        return -float(found.fun) if found.status == 0 else -np.inf

    def fits(self, volume: np.ndarray) -> bool:
        """Whether all can have their volumes, but for the rounding of the solver."""
        return self.most(volume * (1 - 1e-9), 0) > -np.inf

    def fair_volumes(self, top: float) -> np.ndarray:
        """The max-min fair volumes, Gbit/s; ``top`` is a level at which all have the most they get."""
        most = np.array([one.most_gbps for one in self.asked])
        fixed: dict[int, float] = {}

        def volumes(level: float) -> np.ndarray:
            return np.array([fixed.get(k, min(one.at(level), most[k])) for k, one in enumerate(self.asked)])

        while len(fixed) < len(self.asked):
            low, high = 0.0, top
            if self.fits(volumes(top)):
                return volumes(top)
            for _ in range(40):
                middle = (low + high) / 2
                low, high = (middle, high) if self.fits(volumes(middle)) else (low, middle)
            reached = volumes(low)
            # Saturated is who, alone, can't have more; a flat stretch of its function does not stop anybody.
            left = [k for k in range(len(self.asked)) if k not in fixed]
            alone = {k: self.most(reached * (1 - 1e-6), k) for k in left}
            stopped = [k for k in left if alone[k] < reached[k] + SAME_GBPS or reached[k] >= most[k]]
            assert stopped
            fixed |= {k: reached[k] for k in stopped}
        return volumes(top)


def no_one_can_be_raised(textbook: Textbook, volume: np.ndarray, level: np.ndarray) -> bool:
    """The definition itself: nobody gets more while all keep what they have, or have at its level if that is less."""
    for k, one in enumerate(textbook.asked):
        least = np.array(
            [min(v, other.at(level[k]), other.most_gbps) for v, other in zip(volume, textbook.asked, strict=True)]
        )
        least[k] = volume[k]
        if volume[k] < one.most_gbps - SAME_GBPS and textbook.most(least * (1 - 1e-9), k) > volume[k] + 1e-4:
            return False
    return True


def all_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every ordered pair of two different names."""
    return [(first, second) for first, second in product(names, names) if first != second]
