"""A network map as SVG: links coloured and widened by utilisation, each direction on its own side, hot links labelled.

Plain shapes and text without scripts or references; every name is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from vbte.report.layout import node_positions
from vbte.report.map_labels import LabelRoom, around, beside
from vbte.report.text import percent, plural, printable
from vbte.tolerance import CAPACITY_SLACK_SHARE
from vbte.topology import FloatArray, Topology
from vbte.units import format_gbps

MAP_FILE = "map.svg"

#: Networks with more nodes get no map unless asked for: it would be a large file that nobody can read.
MOST_MAPPED_NODES = 300

#: Upper end of each band of utilisation and its colour: blue to red, told apart also without red or green.
BANDS: tuple[tuple[float, str], ...] = (
    (0.2, "#4575b4"),
    (0.4, "#85b5d6"),
    (0.6, "#dcc04e"),
    (0.8, "#f29a4a"),
    (1.0, "#d73027"),
    (np.inf, "#7b1fa2"),
)
IDLE = "#c5cbd3"
INK = "#1d2733"
FAINT_INK = "#5a6673"

_WIDTH = 1200.0
#: The map is as high as its network needs, within these bounds.
_LEAST_HEIGHT, _MOST_HEIGHT = 440.0, 840.0
_SIDE, _HEAD, _FOOT = 80.0, 100.0, 90.0

#: Busiest links that get their utilisation written beside them.
_LABELLED = 8
_LONGEST_NAME = 22
_LONGEST_TITLE = 70


def utilization_map(topology: Topology, utilization: FloatArray, *, caption: str = "") -> str:
    """Return a map of the network as an SVG document.

    ``utilization`` (n_links,) is load as a share of capacity. ``caption`` stands under the name of the network.
    """
    drawing = _Drawing(topology, np.asarray(utilization, dtype=np.float64))
    name, height = topology.name or "network", drawing.height
    heading, below = _text(_short(name, _LONGEST_TITLE)), _text(caption or drawing.caption)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" width="{_WIDTH:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" role="img">',
        f"<title>{_text(name)}</title>",
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="24" y="36" font-size="22" font-weight="bold" fill="{INK}">{heading}</text>',
        f'<text x="24" y="56" font-size="13" fill="{FAINT_INK}">{below}</text>',
        *drawing.links(),
        *drawing.nodes(),
        *drawing.labels(),
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Stroke:
    """One directed link on the canvas, to the right of the straight line between its nodes.

    ``along`` and ``right`` are unit vectors, ``width`` is that of the line, ``head`` how far the arrow head stands out.
    """

    start: FloatArray
    end: FloatArray
    along: FloatArray
    right: FloatArray
    width: float
    head: float

    def arrow(self) -> str:
        """Return the path of a triangle that points along the stroke, a bit past its middle."""
        size = self.width / 2 + self.head
        base = self.start + (self.end - self.start) * 0.56
        corners = (base + self.along * size * 1.7, base + self.right * size, base - self.right * size)
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"


class _Drawing:
    """The picture: sizes, positions, and its parts as SVG elements."""

    def __init__(self, topology: Topology, utilization: FloatArray) -> None:
        self._topology, self._utilization = topology, utilization
        n_nodes, n_links = len(topology.nodes), max(1, len(topology.links))
        self._radius = float(np.clip(60.0 / np.sqrt(n_nodes), 3.5, 11.0))
        self._font = float(np.clip(90.0 / np.sqrt(n_nodes), 8.0, 15.0))
        self._widest = float(np.clip(70.0 / np.sqrt(n_links), 2.0, 8.0))
        room = _MOST_HEIGHT - _HEAD - _FOOT
        places = node_positions(topology, width=_WIDTH - 2 * _SIDE, height=room, apart=3.2 * self._radius)
        used = float(np.ptp(places[:, 1]))
        self.height = float(np.ceil(np.clip(used + _HEAD + _FOOT, _LEAST_HEIGHT, _MOST_HEIGHT)))
        top = (self.height - _HEAD - _FOOT - used) / 2 + _HEAD - float(places[:, 1].min())
        self._places = places + np.array([_SIDE, top])
        self._strokes = list(self._all_strokes())

    @property
    def caption(self) -> str:
        """Size of the network and its busiest link."""
        topology = self._topology
        worst = percent(float(self._utilization.max(initial=0.0)))
        return f"{plural(len(topology.nodes), 'node')}, {plural(len(topology.links), 'link')}; busiest link {worst}"

    def links(self) -> Iterator[str]:
        """Yield a line and an arrow head for every link, the busiest on top."""
        yield "<g>"
        for link in np.argsort(self._utilization.round(6), kind="stable").tolist():
            yield self._link(link)
        yield "</g>"

    def nodes(self) -> Iterator[str]:
        """Yield a disc for every node; nodes that nothing passes through are hollow."""
        yield f'<g stroke="{INK}" stroke-width="1.5">'
        for node, (x, y) in zip(self._topology.nodes, self._places, strict=True):
            passed = node.transit and not node.drained
            detail = "" if passed else " (drained)" if node.drained else " (no transit)"
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{self._radius:.1f}" fill="{INK if passed else "#ffffff"}">'
                f"<title>{_text(node.id + detail)}</title></circle>"
            )
        yield "</g>"

    def labels(self) -> Iterator[str]:
        """Yield names of nodes and utilisations of the busiest links, as far as there is room."""
        reach = self._radius
        discs = [(x - reach, y - reach, x + reach, y + reach) for x, y in self._places]
        room = LabelRoom((4.0, 64.0, _WIDTH - 4.0, self.height - 36.0), discs)
        yield f'<g fill="{INK}" stroke="#ffffff" stroke-width="3" paint-order="stroke" stroke-linejoin="round">'
        yield from self._link_labels(room)
        yield from self._node_labels(room)
        yield "</g>"

    def _all_strokes(self) -> Iterator[_Stroke]:
        """Yield the stroke of every link: each direction keeps to its right, parallel links fan out."""
        lanes: defaultdict[tuple[int, int], int] = defaultdict(int)
        for link, ends in enumerate(zip(self._topology.tail.tolist(), self._topology.head.tolist(), strict=True)):
            lane, lanes[ends] = lanes[ends], lanes[ends] + 1
            start, end = self._places[ends[0]], self._places[ends[1]]
            along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
            right = np.array([-along[1], along[0]])
            shift = right * (self._widest * 0.62 + 0.6) * (1 + 2.0 * lane)
            width = self._widest * (0.3 + 0.7 * min(float(self._utilization[link]), 1.0))
            gap = along * self._radius
            yield _Stroke(start + shift + gap, end + shift - gap, along, right, width, min(3.5, 1.2 * self._widest))

    def _link(self, position: int) -> str:
        link, stroke = self._topology.links[position], self._strokes[position]
        share = float(self._utilization[position])
        colour, dash = _colour(share), ' stroke-dasharray="4 4"' if link.drained else ""
        load = format_gbps(share * link.capacity_gbps) if np.isfinite(share) else "load"
        detail = f"{load} of {format_gbps(link.capacity_gbps)}, {percent(share)}{', drained' if link.drained else ''}"
        (x1, y1), (x2, y2) = stroke.start, stroke.end
        return (
            f'<g stroke="{colour}" fill="{colour}">'
            f"<title>{_text(f'{link.id} ({link.source} to {link.target}): {detail}')}</title>"
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{stroke.width:.1f}"{dash}/>'
            f'<path d="{stroke.arrow()}" stroke="none"/></g>'
        )

    def _link_labels(self, room: LabelRoom) -> Iterator[str]:
        shown = self._utilization.round(6)
        ids = [link.id for link in self._topology.links]
        order = sorted(np.flatnonzero(shown > 0).tolist(), key=lambda link: (-shown[link], ids[link]))
        for link in order[:_LABELLED]:
            stroke, text = self._strokes[link], percent(float(self._utilization[link]))
            away = stroke.width / 2 + 3
            spot = room.place(beside(stroke.start, stroke.end, stroke.right, away, text, self._font), text, self._font)
            if spot is not None:
                yield _label(text, spot, self._font, weight=' font-weight="bold"')

    def _node_labels(self, room: LabelRoom) -> Iterator[str]:
        tail, head = self._topology.tail, self._topology.head
        # Nodes with many links first: they matter most where there is no room for all.
        degree = np.bincount(tail, minlength=len(self._places))
        for node in np.argsort(-degree, kind="stable").tolist():
            name = _short(self._topology.nodes[node].id, _LONGEST_NAME)
            neighbours = self._places[np.concatenate([head[tail == node], tail[head == node]])]
            spots = around(self._places[node], self._radius + 3, name, self._font, neighbours)
            spot = room.place(spots, name, self._font)
            if spot is not None:
                yield _label(name, spot, self._font)


def _label(text: str, centre: FloatArray, size: float, *, weight: str = "") -> str:
    x, y = centre[0], centre[1] + size * 0.36
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="middle"{weight}>{_text(text)}</text>'


def _colour(share: float) -> str:
    if share <= 0:
        return IDLE
    # A link at its limit up to rounding is not overloaded, nor in the band above.
    return next((colour for end, colour in BANDS if share <= end + CAPACITY_SLACK_SHARE), BANDS[-1][1])


def _legend(height: float) -> Iterator[str]:
    """Yield the key to the colours along the lower edge."""
    names, start = [], 0
    for end, _ in BANDS[:-1]:
        names.append(f"{start} to {round(100 * end)} %")
        start = round(100 * end)
    base = height - 20
    yield f'<g font-size="13" fill="{INK}"><text x="24" y="{base:.0f}">load of capacity:</text>'
    keys = zip(["idle", *names, "overloaded"], [IDLE, *(colour for _, colour in BANDS)], strict=True)
    for position, (name, colour) in enumerate(keys):
        x = 150 + position * 130
        yield f'<rect x="{x}" y="{base - 8:.0f}" width="30" height="7" fill="{colour}"/>'
        yield f'<text x="{x + 36}" y="{base:.0f}">{name}</text>'
    yield "</g>"


def _short(name: str, longest: int) -> str:
    name = printable(name).replace("\n", " ")
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _text(text: str) -> str:
    """Return text for XML, characters that it can't hold spelt out."""
    return escape(printable(text).replace("\n", " "))
