"""``read_topology``: from any supported source to a ``Topology``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from vbte.errors import InputError
from vbte.read.csv_topology import links_file_in, read_csv_topology
from vbte.read.defaults import TopologyDefaults
from vbte.read.formats import TopologyFormat, chosen_format, detect_topology_format
from vbte.read.graph_sources import (
    TOPOHUB_PREFIX,
    from_gml,
    from_networkx,
    from_node_link,
    from_node_link_json,
    from_topohub,
    is_node_link,
)
from vbte.read.graphml import from_graphml
from vbte.read.graphs import GraphFacts, graph_topology
from vbte.read.native import NativeFile, native_file
from vbte.read.native_topology import read_native_topology
from vbte.read.repetita import read_repetita_topology
from vbte.read.sndlib import SndlibNetwork, sndlib_topology
from vbte.read.sndlib_native import parse_sndlib
from vbte.read.sndlib_xml import parse_sndlib_xml
from vbte.read.source import Document, checked_path, is_directory, open_document
from vbte.topology import Topology

if TYPE_CHECKING:
    import networkx


def read_topology(
    source: str | os.PathLike[str] | IO[str] | IO[bytes] | networkx.Graph[Any] | Mapping[str, Any],
    *,
    format: TopologyFormat | str | None = None,
    defaults: TopologyDefaults | None = None,
    name: str = "",
) -> Topology:
    """Return the topology in ``source``: a path, an open file, ``topohub:NAME``, a mapping or a networkx graph.

    The format is found from the content unless stated. ``defaults`` supply what the source leaves out, first of all
    capacities and units; how many links took one is logged, and an InputWarning says so where only part of the links
    state a capacity. Raises InputError, naming file and place, for anything that can't be read.
    """
    chosen = chosen_format(TopologyFormat, format)
    defaults = defaults or TopologyDefaults()
    graph = _graph_in_memory(source, chosen)
    if graph is not None:
        return graph_topology(graph, defaults, name=name or _graph_name(graph))
    if isinstance(source, Mapping):
        return read_native_topology(NativeFile(source, "topology"), defaults, name=name)
    document = _document(source)
    found = chosen or detect_topology_format(document)
    if found not in _READERS:
        raise InputError(f"format {found} is not read from a file", place=document.origin, remedy="choose another")
    return _READERS[found](document, defaults, name)


def _graph_in_memory(source: Any, chosen: TopologyFormat | None) -> GraphFacts | None:
    if isinstance(source, str) and (source.startswith(TOPOHUB_PREFIX) or chosen is TopologyFormat.TOPOHUB):
        return from_topohub(source)
    if isinstance(source, Mapping):
        wanted = chosen is TopologyFormat.NODE_LINK or (chosen is None and is_node_link(source))
        return from_node_link(source, "topology") if wanted else None
    return from_networkx(source, "graph") if is_networkx(source) else None


def is_networkx(source: Any) -> bool:
    """True for a networkx graph, found without importing networkx."""
    return all(hasattr(source, name) for name in ("nodes", "edges", "is_directed", "graph"))


def _graph_name(graph: GraphFacts) -> str:
    stated = graph.attributes.get("name")
    fallback = graph.origin.removeprefix(TOPOHUB_PREFIX) if graph.origin.startswith(TOPOHUB_PREFIX) else ""
    return stated if isinstance(stated, str) and stated else fallback


def _document(source: Any) -> Document:
    if is_directory(source):
        return open_document(links_file_in(checked_path(source)))
    return open_document(source)


def _native(document: Document, defaults: TopologyDefaults, name: str, *, as_json: bool) -> Topology:
    file = native_file(document, as_json=as_json)
    if as_json and is_node_link(file.data):
        # The keys that tell stood too far down for detection.
        graph = from_node_link(file.data, file.origin, lines=file.lines)
        return graph_topology(graph, defaults, name=name or _graph_name(graph) or document.stem)
    return read_native_topology(file, defaults, name=name, fallback_name=document.stem)


def _graph(document: Document, defaults: TopologyDefaults, name: str, *, parse: _GraphParser) -> Topology:
    graph = parse(document)
    return graph_topology(graph, defaults, name=name or _graph_name(graph) or document.stem)


def _sndlib(document: Document, defaults: TopologyDefaults, name: str, *, parse: _SndlibParser) -> Topology:
    return sndlib_topology(parse(document), defaults, name=name or document.stem)


_GraphParser = Callable[[Document], GraphFacts]
_SndlibParser = Callable[[Document], SndlibNetwork]
_Reader = Callable[[Document, TopologyDefaults, str], Topology]

_READERS: Mapping[TopologyFormat, _Reader] = {
    TopologyFormat.YAML: partial(_native, as_json=False),
    TopologyFormat.JSON: partial(_native, as_json=True),
    TopologyFormat.CSV: read_csv_topology,
    TopologyFormat.SNDLIB: partial(_sndlib, parse=parse_sndlib),
    TopologyFormat.SNDLIB_XML: partial(_sndlib, parse=parse_sndlib_xml),
    TopologyFormat.REPETITA: read_repetita_topology,
    TopologyFormat.GRAPHML: partial(_graph, parse=from_graphml),
    TopologyFormat.GML: partial(_graph, parse=from_gml),
    TopologyFormat.NODE_LINK: partial(_graph, parse=from_node_link_json),
}
