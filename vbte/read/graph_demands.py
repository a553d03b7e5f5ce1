"""Demands kept in a graph's attribute ``demands``: source -> destination -> volume, as topohub has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.demand_build import DemandColumns, bandwidth_factor, demand_matrix, no_unit, to_gbps
from vbte.read.fields import Field, Kind, typed_value
from vbte.read.graphs import GraphFacts


def graph_demands(graph: GraphFacts, *, unit: str | None, name: str) -> DemandMatrix:
    """Return the demands of a graph; the caller states their unit. Raises InputError if there are none."""
    listed = graph.attributes.get("demands")
    if not isinstance(listed, Mapping) or not listed:
        raise InputError("the graph holds no demands", place=graph.origin, remedy="name another demand file")
    if unit is None:
        raise no_unit("the graph's demands", graph.origin)
    position = {key: number for number, key in enumerate(graph.names)}
    # JSON turns the numbers that key a mapping into text.
    position |= {str(key): number for key, number in position.items()}
    rows = list(_rows(listed, position, graph.origin))
    source, destination = (np.array([row[end] for row in rows], dtype=np.int32) for end in (0, 1))
    volume = to_gbps(np.array([row[2] for row in rows], dtype=np.float64), bandwidth_factor(unit))
    columns = DemandColumns(tuple(graph.names.values()), source, destination, volume)
    return demand_matrix(columns, origin=graph.origin, name=name)


def _rows(listed: Mapping[Any, Any], position: Mapping[Any, int], origin: str) -> Iterator[tuple[int, int, float]]:
    for source, volumes in listed.items():
        if not isinstance(volumes, Mapping):
            raise InputError(f"demands of {source!r} are no mapping", place=origin, remedy="destination: volume")
        for destination, volume in volumes.items():
            for end in (source, destination):
                if end not in position:
                    raise InputError(f"demands name an unknown node {end!r}", place=origin, remedy="use a node's id")
            try:
                figure = typed_value(volume, Field("volume", Kind.FIGURE))
            except InputError as error:
                raise error.at(f"{origin}: demand {source} -> {destination}") from None
            yield position[source], position[destination], figure
