"""Where everything stands in the program: columns and rows by block.

Columns: admitted flow of each commodity, U, lambda, then link flows by (class, destination), then path flows.
Rows: capacity, class limits, flow conservation, demand by paths, then the rows that hold earlier stages.
Volumes are divided by ``unit_gbps``, the mean demand, so that the solver's absolute tolerances mean the same on every
network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.bounds import StageProblem
from vbte.oracle import PathOracle
from vbte.paths.graph import LinkGraph

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LinkFlowBlock:
    """Destination-aggregated link flows of one class: G destinations times L allowed links.

    Column ``first_column + g * L + j`` is the flow towards ``destinations[g]`` on ``graph.links[j]``; row
    ``first_row + g * V + v`` conserves it at vertex v. ``commodities`` are positions in the instance.
    """

    class_index: int
    graph: LinkGraph
    commodities: IndexArray
    destinations: NDArray[np.int32]
    group: IndexArray
    first_column: int
    first_row: int

    @property
    def n_columns(self) -> int:
        """Number of columns, G * L."""
        return len(self.destinations) * len(self.graph.links)

    @property
    def n_rows(self) -> int:
        """Number of rows, G * V."""
        return len(self.destinations) * self.graph.n_vertices

    @property
    def column_link(self) -> NDArray[np.int32]:
        """Topology link of each column of the block, shape (n_columns,)."""
        return np.tile(self.graph.links, len(self.destinations))


@dataclass(frozen=True, eq=False)
class Layout:
    """Block positions of one program.

    ``commodities`` are the instance positions of the commodities planned, in column order; ``path_commodities`` of
    them (positions in ``commodities``) are served by path columns, the rest by ``link_flows``.
    """

    problem: StageProblem
    commodities: IndexArray
    local: IndexArray
    unit_gbps: float
    mean_capacity: float
    limited_classes: tuple[int, ...]
    link_flows: tuple[LinkFlowBlock, ...]
    path_commodities: IndexArray
    path_row: IndexArray
    n_rows: int
    n_columns: int

    @property
    def n_links(self) -> int:
        """Number of links of the topology."""
        return len(self.problem.instance.topology.links)

    @property
    def n_matrices(self) -> int:
        """Number of demand matrices."""
        return self.problem.instance.n_matrices

    @property
    def utilization_column(self) -> int:
        """Column of U, scaled by the mean capacity."""
        return len(self.commodities)

    @property
    def scale_column(self) -> int:
        """Column of lambda, the common scale of a concurrent stage."""
        return len(self.commodities) + 1

    @property
    def elastic_column(self) -> int:
        """Column by which class limits may be exceeded while looking for a feasible start."""
        return len(self.commodities) + 2

    def class_limit_row(self, position: int) -> int:
        """First row of the utilisation limit of a class (position in ``limited_classes``)."""
        return (1 + position) * self.n_matrices * self.n_links


def build_layout(problem: StageProblem, oracle: PathOracle, path_classes: frozenset[int]) -> Layout:
    """Return the layout of the program for the commodities in scope.

    ``path_classes`` are the classes whose commodities get path columns.
    """
    instance = problem.instance
    commodities = np.flatnonzero(problem.scope)
    local = np.full(instance.n_commodities, -1)
    local[commodities] = np.arange(len(commodities))
    classes = instance.class_index[commodities]
    limited = tuple(c for c in np.unique(classes).tolist() if instance.rules[c].policy.utilization_limit is not None)
    column = len(commodities) + 3
    row = instance.n_matrices * len(instance.topology.links) * (1 + len(limited))
    blocks = []
    for c in np.unique(classes).tolist():
        if c in path_classes:
            continue
        mine = commodities[classes == c]
        destinations, group = np.unique(instance.destination[mine], return_inverse=True)
        block = LinkFlowBlock(c, oracle.graphs[c], mine, destinations.astype(np.int32), group, column, row)
        column, row = column + block.n_columns, row + block.n_rows
        blocks.append(block)
    by_path = np.flatnonzero(np.isin(classes, sorted(path_classes)))
    path_row = np.full(len(commodities), -1)
    path_row[by_path] = row + np.arange(len(by_path))
    usable = instance.topology.capacity_gbps[instance.topology.usable]
    peak = instance.peak_gbps[commodities]
    unit = float(peak.mean()) if len(peak) else 1.0
    return Layout(
        problem=problem,
        commodities=commodities,
        local=local,
        unit_gbps=unit,
        mean_capacity=float(usable.mean()) / unit if len(usable) else 1.0,
        limited_classes=limited,
        link_flows=tuple(blocks),
        path_commodities=by_path,
        path_row=path_row,
        n_rows=row + len(by_path),
        n_columns=column,
    )
