"""Models with backups, and networks for them that are small enough to be searched to the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from toys import cable, demands, model, network

from vbte.demands import DemandMatrix
from vbte.policy import PlanningModel
from vbte.topology import Topology


def protecting(
    kind: str, *, reservation: str, against: str = "cable", where: str = "exempt", **keys: Any
) -> PlanningModel:
    protection = {"kind": "backup", "reservation": reservation, "against": against, "where_impossible": where}
    rules = {name: keys.pop(name) for name in ("latency_bound_ms", "hop_bound", "utilization_limit") if name in keys}
    return model(
        [{"kind": kind}], coupling="sequential", unroutable="drop",
        tables={"realisation": "source-routed", "max_weight": 65535},
        classes=[{"name": "gold", "protection": protection, **rules}],
        **({"admission": "all", "capacity": "soft"} if kind == "max_utilization" else {}), **keys,
    )  # fmt: skip


def lattice(n_nodes: int, seed: int) -> tuple[Topology, DemandMatrix]:
    """A ring with a few chords, and demands that do not all fit."""
    random = np.random.default_rng(seed)
    names = [f"n{position:02}" for position in range(n_nodes)]
    ends = {(p, (p + 1) % n_nodes) for p in range(n_nodes)} | {(p, p + n_nodes // 2) for p in range(0, n_nodes // 2, 2)}
    parts = [
        cable(f"{names[a]}-{names[b]}", float(random.choice([5, 8, 12])), float(random.integers(1, 9)),
              srlgs=(f"duct {position % 5}",))
        for position, (a, b) in enumerate(sorted(ends))
    ]  # fmt: skip
    asked = [random.choice(n_nodes, 2, replace=False) for _ in range(6)]
    rows = [(names[a], names[b], float(random.integers(2, 9))) for a, b in asked]
    return network(*parts), demands(*rows)
