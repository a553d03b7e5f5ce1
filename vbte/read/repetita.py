"""REPETITA ``.graph`` and ``.demands`` files: bandwidth in kbit/s, delay in microseconds, directed links."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.read.assemble import LinkDraft, assemble, geographic
from vbte.read.defaults import TopologyDefaults
from vbte.read.demand_build import DemandColumns, demand_matrix, numbers, to_gbps
from vbte.read.fields import Field, Kind, scaled, text_value
from vbte.read.source import Document
from vbte.topology import IntArray, Node, Topology
from vbte.units import gbps_factor, ms_factor

_Line = tuple[int, list[str]]


def read_repetita_topology(document: Document, defaults: TopologyDefaults, name: str = "") -> Topology:
    """Return a ``.graph`` file: nodes named by their labels, coordinates kept where they are degrees."""
    lines = _lines(document)
    node_rows = _section(lines, document, "NODES", ("label", "x", "y"))
    edge_rows = _section(lines, document, "EDGES", ("label", "src", "dest", "weight", "bw", "delay"))
    _check_end(lines, document)
    nodes = [_node(row, document) for row in node_rows]
    drafts = [_draft(row, nodes, document) for row in edge_rows]
    return assemble(
        geographic(nodes, document.origin), drafts, defaults, origin=document.origin, name=name or document.stem
    )


def read_repetita_demands(document: Document, topology: Topology | None, *, name: str = "") -> DemandMatrix:
    """Return a ``.demands`` file, whose node numbers are positions in ``topology``."""
    if topology is None:
        raise InputError("REPETITA demands use node numbers", place=document.origin, remedy="give the topology too")
    lines = _lines(document)
    rows = _section(lines, document, "DEMANDS", ("label", "src", "dest", "bw"))
    _check_end(lines, document)
    line = np.array([number for number, _ in rows], dtype=np.int64)
    count = len(topology.nodes)
    source, destination = (_positions(rows, cell, count, document) for cell in (1, 2))
    volume = to_gbps(numbers([cells[3] for _, cells in rows], line, document.origin, "bw"), gbps_factor("kbps"))
    columns = DemandColumns(tuple(n.id for n in topology.nodes), source, destination, volume, {}, line)
    return demand_matrix(columns, origin=document.origin, name=name or document.stem)


def _lines(document: Document) -> Iterator[_Line]:
    for number, line in enumerate(document.text.split("\n"), start=1):
        cells = line.split()
        if cells and not cells[0].startswith("#"):
            yield number, cells


def _section(lines: Iterator[_Line], document: Document, title: str, header: tuple[str, ...]) -> list[_Line]:
    number, cells = next(lines, (0, [""]))
    place = f"{document.origin}:{number}" if number else document.origin
    if cells[0].upper() != title or len(cells) > 2:
        raise InputError(f"{' '.join(cells)[:40]!r} where {title} should start", place=place, remedy=f"{title} COUNT")
    count = _count(cells, place, title)
    number, cells = next(lines, (number, []))
    if tuple(cell.lower() for cell in cells) != header:
        raise InputError(f"no header line under {title}", place=f"{document.origin}:{number}", remedy=" ".join(header))
    rows = list(itertools.islice(lines, count))
    for number, cells in rows:
        if len(cells) != len(header):
            fault = f"{len(cells)} cells under {title}"
            raise InputError(fault, place=f"{document.origin}:{number}", remedy=f"{' '.join(header)} are needed")
    if len(rows) != count:
        raise InputError(f"{title} promises {count} lines, the file has {len(rows)}", place=place)
    return rows


def _count(cells: list[str], place: str, title: str) -> int:
    if len(cells) != 2 or not (cells[1].isascii() and cells[1].isdigit() and len(cells[1]) < 12):
        raise InputError(f"{title} without a count", place=place, remedy=f"{title} COUNT")
    return int(cells[1])


def _check_end(lines: Iterator[_Line], document: Document) -> None:
    for number, cells in lines:
        fault = f"{' '.join(cells)[:40]!r} after the promised lines"
        raise InputError(fault, place=f"{document.origin}:{number}", remedy="mend the count")


def _figure(cell: str, name: str, line: int, document: Document, factor: float = 1.0) -> float:
    try:
        return scaled(float(text_value(cell, Field(name, Kind.FIGURE))), factor)
    except InputError as error:
        raise error.at(f"{document.origin}:{line}") from None


def _coordinate(cell: str, line: int, document: Document) -> float:
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"coordinate {cell!r} is no number", place=f"{document.origin}:{line}") from None


def _node(row: _Line, document: Document) -> Node:
    line, (label, x, y) = row
    return Node(label, longitude=_coordinate(x, line, document), latitude=_coordinate(y, line, document))


def _draft(row: _Line, nodes: list[Node], document: Document) -> LinkDraft:
    line, (label, src, dest, weight, bw, delay) = row
    facts = {
        "id": label,
        "metric": _figure(weight, "weight", line, document),
        "capacity_gbps": _figure(bw, "bw", line, document, gbps_factor("kbps")),
        "latency_ms": _figure(delay, "delay", line, document, ms_factor("us")),
    }
    ends = [nodes[_position(cell, len(nodes), line, document)].id for cell in (src, dest)]
    return LinkDraft(ends[0], ends[1], facts, f"{document.origin}:{line}")


def _position(cell: str, count: int, line: int, document: Document) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 12 and int(cell) < count):
        place = f"{document.origin}:{line}"
        raise InputError(f"{cell[:40]!r} is no node number", place=place, remedy=f"nodes are numbered 0 to {count - 1}")
    return int(cell)


def _positions(rows: list[_Line], cell: int, count: int, document: Document) -> IntArray:
    return np.array([_position(cells[cell], count, line, document) for line, cells in rows], dtype=np.int32)
