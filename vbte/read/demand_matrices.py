"""``read_demands`` and ``read_demand_series``: from any supported source to demand matrices."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.csv_demands import read_csv_demands, read_csv_series
from vbte.read.formats import DemandFormat, chosen_format, detect_demand_format
from vbte.read.graph_demands import graph_demands
from vbte.read.graph_sources import (
    TOPOHUB_PREFIX,
    from_networkx,
    from_node_link,
    from_node_link_json,
    from_topohub,
    is_node_link,
)
from vbte.read.graphs import GraphFacts
from vbte.read.matrix_demands import read_matrix, read_series
from vbte.read.native import NativeFile, native_file
from vbte.read.native_demands import read_native_demands
from vbte.read.repetita import read_repetita_demands
from vbte.read.sndlib import sndlib_demands
from vbte.read.sndlib_native import parse_sndlib
from vbte.read.sndlib_xml import parse_sndlib_xml
from vbte.read.source import Document, open_document
from vbte.read.topologies import is_networkx
from vbte.topology import Topology

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True, slots=True)
class _Request:
    """What the caller asked for beside the source."""

    topology: Topology | None
    unit: str | None
    name: str


def read_demands(
    source: str | os.PathLike[str] | IO[str] | IO[bytes] | networkx.Graph[Any] | Mapping[str, Any],
    topology: Topology | None = None,
    *,
    format: DemandFormat | str | None = None,
    unit: str | None = None,
    name: str = "",
) -> DemandMatrix:
    """Return the demand matrix in ``source``: a path, an open file, ``topohub:NAME``, a mapping or a networkx graph.

    The format is found from the content unless stated. ``topology`` is needed for formats that number nodes; where
    given, every demand's nodes must be among its own. ``unit`` is that of volumes which state none: ``Mbps``, or
    Gbit/s per unit as a number. Demands from a node to itself are dropped with an InputWarning. Raises InputError,
    naming file and place.
    """
    chosen = chosen_format(DemandFormat, format)
    request = _Request(topology, unit, name)
    demands = _in_memory(source, chosen, request)
    if demands is None:
        document = open_document(source)  # type: ignore[arg-type]  # checked there
        demands = _from_file(document, chosen or detect_demand_format(document), request)
    if topology is not None:
        demands.aligned(topology)
    return demands


def read_demand_series(
    source: str | os.PathLike[str] | IO[str] | IO[bytes],
    topology: Topology | None = None,
    *,
    format: DemandFormat | str | None = None,
    unit: str | float | None = None,
) -> list[DemandMatrix]:
    """Return several matrices of one file: long-form CSV with a column ``matrix``, or one square matrix a line.

    Lines hold n x n figures, source-major, in the order of ``topology``'s nodes, cut by blanks or commas; ``unit`` is
    a unit name or Gbit/s per unit. Any other demand file is a series of one. Raises InputError, naming file and line.
    """
    chosen = chosen_format(DemandFormat, format)
    document = open_document(source)
    found = chosen or (DemandFormat.SERIES if _is_series(document, topology) else detect_demand_format(document))
    if found is DemandFormat.SERIES:
        return _series(document, topology, unit)
    if found is DemandFormat.CSV:
        matrices = read_csv_series(document, unit=unit)
    else:
        matrices = [_from_file(document, found, _Request(topology, None if unit is None else str(unit), ""))]
    for matrix in matrices:
        if topology is not None:
            matrix.aligned(topology)
    return matrices


def _from_file(document: Document, found: DemandFormat, request: _Request) -> DemandMatrix:
    if found not in _READERS:
        raise InputError(f"format {found} is not read from a file", place=document.origin, remedy="choose another")
    return _READERS[found](document, request)


def _is_series(document: Document, topology: Topology | None) -> bool:
    """True if the first line holds figures alone, cut by blanks or commas, and more of them than a matrix row."""
    first = next((line for line in document.text.split("\n") if line.strip() and not line.startswith("#")), "")
    cells = first.replace(",", " ").split()
    try:
        figures = [float(cell) for cell in cells]
    except ValueError:
        return False
    return len(figures) > (len(topology.nodes) if topology else 1)


def _series(document: Document, topology: Topology | None, unit: str | float | None) -> list[DemandMatrix]:
    if topology is None:
        raise InputError("a series of matrices without node names", place=document.origin, remedy="give the topology")
    matrices = list(read_series(document, topology, unit=unit))
    if not matrices:
        raise InputError("the file is empty", place=document.origin, remedy="one matrix a line is needed")
    return matrices


def _in_memory(source: Any, chosen: DemandFormat | None, request: _Request) -> DemandMatrix | None:
    graph: GraphFacts | None = None
    if isinstance(source, str) and (source.startswith(TOPOHUB_PREFIX) or chosen is DemandFormat.TOPOHUB):
        graph = from_topohub(source)
    elif isinstance(source, Mapping):
        if chosen is not DemandFormat.NODE_LINK and not is_node_link(source):
            file = NativeFile(source, "demands")
            return read_native_demands(file, request.topology, unit=request.unit, name=request.name)
        graph = from_node_link(source, "demands")
    elif is_networkx(source):
        graph = from_networkx(source, "graph")
    return graph_demands(graph, unit=request.unit, name=request.name) if graph else None


def _native(document: Document, request: _Request, *, as_json: bool) -> DemandMatrix:
    file = native_file(document, as_json=as_json)
    return read_native_demands(file, request.topology, unit=request.unit, name=request.name)


def _only(document: Document, request: _Request) -> DemandMatrix:
    matrices = _series(document, request.topology, request.unit)
    if len(matrices) > 1:
        raise InputError(
            f"holds {len(matrices)} matrices", place=document.origin, remedy="read it with read_demand_series"
        )
    return matrices[0]


def _from_graph(document: Document, request: _Request) -> DemandMatrix:
    return graph_demands(from_node_link_json(document), unit=request.unit, name=request.name)


_Reader = Callable[[Document, _Request], DemandMatrix]

_READERS: Mapping[DemandFormat, _Reader] = {
    DemandFormat.YAML: lambda d, r: _native(d, r, as_json=False),
    DemandFormat.JSON: lambda d, r: _native(d, r, as_json=True),
    DemandFormat.CSV: lambda d, r: read_csv_demands(d, unit=r.unit, name=r.name),
    DemandFormat.MATRIX: lambda d, r: read_matrix(d, r.topology, unit=r.unit, name=r.name),
    DemandFormat.SERIES: _only,
    DemandFormat.SNDLIB: lambda d, r: sndlib_demands(parse_sndlib(d), unit=r.unit, name=r.name or d.stem),
    DemandFormat.SNDLIB_XML: lambda d, r: sndlib_demands(parse_sndlib_xml(d), unit=r.unit, name=r.name or d.stem),
    DemandFormat.REPETITA: lambda d, r: read_repetita_demands(d, r.topology, name=r.name),
    DemandFormat.NODE_LINK: _from_graph,
}
