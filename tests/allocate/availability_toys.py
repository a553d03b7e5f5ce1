"""Networks whose cables state how often they fail, and models that promise an availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from toys import CONCURRENT, cable, model, network

from vbte.policy import PlanningModel
from vbte.topology import Topology

Asked = tuple[str, str, float]

#: From a to b and from a to c over the triangle.
BOTH: tuple[Asked, ...] = (("a", "b", 1.0), ("a", "c", 1.0))


def triangle(share_down: float = 0.01, capacity_gbps: float = 1.0) -> Topology:
    """Three nodes, three cables, each down for the same share of the time."""
    return network(*(cable(ends, capacity_gbps, unavailability=share_down) for ends in ("a-b", "a-c", "b-c")))


def available(
    stages: Sequence[Mapping[str, Any]] = CONCURRENT,
    *,
    target: float = 0.99,
    per: str = "flow",
    cutoff: float = 1e-7,
    **keys: Any,
) -> PlanningModel:
    """A model of one class that loses little for a share of the time."""
    protection = {"kind": "availability", "target": target, "per": per, "cutoff": cutoff}
    classes = [{"name": "default", "protection": protection}]
    return model(stages, classes=classes, coupling="sequential", **keys)


def random_question(
    seed: int, n_nodes: int = 5, n_more: int = 3, n_asked: int = 4
) -> tuple[Topology, list[Asked], float]:
    """A ring with chords, demands and a target, all by chance."""
    random = np.random.default_rng(seed)
    nodes = "abcdef"[:n_nodes]
    ends = {"-".join(sorted((nodes[i], nodes[(i + 1) % n_nodes]))) for i in range(n_nodes)}
    while len(ends) < n_nodes + n_more:
        ends.add("-".join(sorted(nodes[i] for i in random.choice(n_nodes, 2, replace=False))))
    parts = [
        cable(one, float(random.integers(2, 10)), unavailability=float(random.choice([0.001, 0.003, 0.01, 0.02])))
        for one in sorted(ends)
    ]
    asked: dict[tuple[str, str], float] = {}
    while len(asked) < n_asked:
        source, destination = (nodes[i] for i in random.choice(n_nodes, 2, replace=False))
        asked[source, destination] = float(random.integers(1, 9))
    target = float(random.choice([0.95, 0.98, 0.99, 0.995]))
    return network(*parts), [(*pair, volume) for pair, volume in sorted(asked.items())], target
