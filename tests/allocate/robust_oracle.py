"""An oracle for protected classes: every simple path, every scenario spelled out, one LP by scipy.

Nothing of vbte's own machinery is used; scenarios are sets of link positions that this module works out itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from brute_force import simple_paths
from scipy.optimize import linprog
from scipy.sparse import coo_array

from vbte.demands import DemandMatrix
from vbte.plan import Plan
from vbte.topology import FloatArray, Topology


@dataclass(frozen=True)
class Failure:
    """Links that are down together, and nodes, by position."""

    links: frozenset[int]
    nodes: frozenset[int] = frozenset()


def failures(topology: Topology, against: str) -> list[Failure]:
    """Every single cable, node or SRLG of a topology."""
    if against == "node":
        return [
            Failure(frozenset(np.flatnonzero((topology.tail == n) | (topology.head == n)).tolist()), frozenset([n]))
            for n in range(len(topology.nodes))
        ]
    groups: dict[str, set[int]] = {}
    for position, link in enumerate(topology.links):
        for name in link.srlgs if against == "srlg" else [link.cable or link.id]:
            groups.setdefault(name, set()).add(position)
    return [Failure(frozenset(links)) for links in groups.values()]


def most_promised(topology: Topology, demands: DemandMatrix, against: str, *, objective: str = "admitted") -> float:
    """The most that can be admitted, the largest scale, or the least utilisation at which all of it is promised.

    Commodities that a scenario cuts off are promised nothing there.
    """
    cases = failures(topology, against)
    names = demands.node_ids
    pairs = list(zip(demands.source.tolist(), demands.destination.tolist(), strict=True))
    paths = [simple_paths(topology, names[s], names[t]) for s, t in pairs]
    n_paths = sum(map(len, paths))
    # Columns: reservation of each path, promise of each demand, utilisation or scale.
    n_columns = n_paths + len(pairs) + 1
    rows: list[tuple[dict[int, float], float]] = []
    for link, capacity in enumerate(topology.capacity_gbps.tolist()):
        row = {column: 1.0 for column, path in enumerate(path for some in paths for path in some) if link in path}
        rows.append(({**row, n_columns - 1: -capacity}, 0.0) if objective == "mlu" else (row, capacity))
    first = 0
    for k, ((source, destination), mine) in enumerate(zip(pairs, paths, strict=True)):
        ends = {topology.node_index[names[source]], topology.node_index[names[destination]]}
        for case in [Failure(frozenset()), *cases]:
            left = [first + i for i, path in enumerate(mine) if not case.links & set(path)]
            if left and not ends & case.nodes:
                rows.append(({n_paths + k: 1.0, **dict.fromkeys(left, -1.0)}, 0.0))
        first += len(mine)
    return _solved(rows, n_columns, n_paths, demands.volume_gbps, objective)


def _solved(
    rows: Sequence[tuple[dict[int, float], float]], n_columns: int, n_paths: int, volume: FloatArray, objective: str
) -> float:
    entries = [(i, column, value) for i, (row, _) in enumerate(rows) for column, value in row.items()]
    row, column, value = (np.array(part) for part in zip(*entries, strict=True))
    matrix = coo_array((value, (row, column)), shape=(len(rows), n_columns)).tocsr()
    cost = np.zeros(n_columns)
    bounds: list[tuple[float, float | None]] = [(0.0, None)] * n_columns
    promises = range(n_paths, n_columns - 1)
    equal, right = None, None
    if objective == "admitted":
        cost[n_paths:-1] = -1.0
        for k, at in enumerate(promises):
            bounds[at] = (0.0, float(volume[k]))
    elif objective == "mlu":
        cost[-1] = 1.0
        for k, at in enumerate(promises):
            bounds[at] = (float(volume[k]), float(volume[k]))
    else:
        cost[-1] = -1.0
        equal = np.zeros((len(volume), n_columns))
        equal[np.arange(len(volume)), list(promises)] = 1.0
        equal[:, -1] = -volume
        right = np.zeros(len(volume))
    limits = np.array([limit for _, limit in rows])
    found = linprog(cost, A_ub=matrix, b_ub=limits, A_eq=equal, b_eq=right, bounds=bounds)
    assert found.status == 0, found.message
    return float(found.fun if objective == "mlu" else -found.fun)


def loads_in(plan: Plan, case: Failure) -> FloatArray:
    """Link loads when each commodity splits over what is left, in proportion to its flows; nothing for one cut off."""
    load = np.zeros(len(plan.instance.topology.links))
    for commodity in np.unique(plan.paths.commodity).tolist():
        ends = {int(plan.instance.source[commodity]), int(plan.instance.destination[commodity])}
        mine = np.flatnonzero(plan.paths.commodity == commodity).tolist()
        left = [path for path in mine if not case.links & set(plan.paths[path].tolist())]
        total = sum(float(plan.flow_gbps[path]) for path in left)
        for path in left if total > 0 and not ends & case.nodes else []:
            admitted = float(plan.flow_gbps[mine].sum())
            load[plan.paths[path]] += admitted * float(plan.flow_gbps[path]) / total
    return load
