"""A network map as SVG: links coloured and widened by utilisation, each direction on its own side, hot links labelled.

Plain text without scripts, fonts or references; every name is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count

import numpy as np

from vbte.report.layout import node_positions
from vbte.report.text import percent, plural, printable
from vbte.tolerance import CAPACITY_SLACK_SHARE
from vbte.topology import FloatArray, Topology
from vbte.units import format_gbps

MAP_FILE = "map.svg"

#: Networks with more nodes get no map unless asked for: it would be a large file that nobody can read.
MOST_MAPPED_NODES = 300

WIDTH = 1200.0
#: The map is as high as its network needs, within these bounds.
LEAST_HEIGHT, MOST_HEIGHT = 420.0, 840.0
_MARGIN, _HEAD, _FOOT = 70.0, 64.0, 56.0

#: Upper end of each band of utilisation and its colour: blue to red, told apart also without red or green.
BANDS: tuple[tuple[float, str], ...] = (
    (0.2, "#4575b4"),
    (0.4, "#85b5d6"),
    (0.6, "#dcc04e"),
    (0.8, "#f29a4a"),
    (1.0, "#d73027"),
    (np.inf, "#7b1fa2"),
)
_IDLE = "#c5cbd3"
_INK = "#1d2733"

#: Busiest links that get their utilisation written beside them.
_LABELLED = 8
_LONGEST_NAME = 22
_CHAR_WIDTH = 0.58


def utilization_map(topology: Topology, utilization: FloatArray, *, caption: str = "") -> str:
    """Return a map of the network as an SVG document.

    ``utilization`` (n_links,) is load as a share of capacity. ``caption`` stands under the name of the network.
    """
    drawing = _Drawing(topology, np.asarray(utilization, dtype=np.float64))
    name, height = topology.name or "network", drawing.height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
        f'height="{height:g}" font-family="Helvetica, Arial, sans-serif" role="img">',
        f"<title>{_text(name)}</title>",
        f'<rect width="{WIDTH:g}" height="{height:g}" fill="#ffffff"/>',
        f'<text x="24" y="36" font-size="22" font-weight="bold" fill="{_INK}">{_text(_short(name, 70))}</text>',
        f'<text x="24" y="56" font-size="13" fill="#5a6673">{_text(caption or drawing.caption)}</text>',
        *drawing.links(),
        *drawing.nodes(),
        *drawing.labels(),
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Stroke:
    """One directed link on the canvas: its line from ``start`` to ``end``, beside the line between the nodes."""

    link: int
    start: FloatArray
    end: FloatArray
    normal: FloatArray

    @property
    def middle(self) -> FloatArray:
        return np.asarray(self.start + (self.end - self.start) * 0.56)


@dataclass
class _Labels:
    """Boxes already taken by text, so that labels do not cover one another."""

    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def place(self, spots: Sequence[tuple[float, float]], width: float, height: float) -> tuple[float, float] | None:
        """Return the first of ``spots`` (top left corners) where a box is free and on the canvas, and take it."""
        for x, y in spots:
            box = (x, y, x + width, y + height)
            inside = x >= 2 and y >= _HEAD - 4 and box[2] <= WIDTH - 2 and box[3] <= HEIGHT - _FOOT + 14
            if inside and not any(_overlap(box, other) for other in self.boxes):
                self.boxes.append(box)
                return x, y
        return None


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


class _Drawing:
    """Positions, sizes and the parts of the picture."""

    def __init__(self, topology: Topology, utilization: FloatArray) -> None:
        self._topology, self._utilization = topology, utilization
        n_nodes = len(topology.nodes)
        self._radius = float(np.clip(60.0 / np.sqrt(n_nodes), 4.0, 11.0))
        self._font = float(np.clip(90.0 / np.sqrt(n_nodes), 8.0, 15.0))
        places = node_positions(
            topology, width=WIDTH - 2 * _MARGIN, height=HEIGHT - _HEAD - _FOOT - _MARGIN, apart=3.2 * self._radius
        )
        self._places = places + np.array([_MARGIN, _HEAD + _MARGIN / 2])
        self._widest = float(np.clip(70.0 / np.sqrt(max(1, len(topology.links))), 2.0, 8.0))
        self._strokes = {stroke.link: stroke for stroke in self._all_strokes()}

    @property
    def caption(self) -> str:
        """Size of the network and its busiest link."""
        topology = self._topology
        worst = percent(float(self._utilization.max(initial=0.0)))
        return f"{plural(len(topology.nodes), 'node')}, {plural(len(topology.links), 'link')}; busiest link {worst}"

    def links(self) -> Iterator[str]:
        """Yield a line and an arrow head for every link, the busiest on top."""
        yield "<g>"
        for link in np.argsort(self._utilization, kind="stable").tolist():
            yield self._link(self._strokes[link])
        yield "</g>"

    def nodes(self) -> Iterator[str]:
        """Yield a disc for every node; nodes kept free of transit are hollow."""
        yield '<g stroke="{_INK}" stroke-width="1.5">'
        for node, (x, y) in zip(self._topology.nodes, self._places, strict=True):
            passes = node.transit and not node.drained
            fill = "{_INK}" if passes else "#ffffff"
            detail = "" if passes else " (drained)" if node.drained else " (no transit)"
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{self._radius:.1f}" fill="{fill}">'
                f"<title>{_text(node.id + detail)}</title></circle>"
            )
        yield "</g>"

    def labels(self) -> Iterator[str]:
        """Yield names of nodes and utilisations of the busiest links, as far as there is room."""
        taken = _Labels(
            [(x - self._radius, y - self._radius, x + self._radius, y + self._radius) for x, y in self._places]
        )
        yield '<g fill="{_INK}" stroke="#ffffff" stroke-width="3" paint-order="stroke" stroke-linejoin="round">'
        yield from self._link_labels(taken)
        yield from self._node_labels(taken)
        yield "</g>"

    def _all_strokes(self) -> Iterator[_Stroke]:
        """Yield the stroke of every link: directions keep to the right, parallel links fan out."""
        tail, head = self._topology.tail.tolist(), self._topology.head.tolist()
        lanes: dict[tuple[int, int], count[int]] = {}
        for link, ends in enumerate(zip(tail, head, strict=True)):
            lane = next(lanes.setdefault(ends, count()))
            start, end = self._places[ends[0]], self._places[ends[1]]
            along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
            right = np.array([-along[1], along[0]])
            shift = right * (self._widest * 0.62 + 0.6) * (1 + 2.0 * lane)
            gap = along * self._radius
            yield _Stroke(link, start + shift + gap, end + shift - gap, right)

    def _link(self, stroke: _Stroke) -> str:
        link, share = self._topology.links[stroke.link], float(self._utilization[stroke.link])
        colour, width = _colour(share), self._width(share)
        load = format_gbps(share * link.capacity_gbps) if np.isfinite(share) else "?"
        detail = (
            f"{link.id} ({link.source} to {link.target}): {load} of {format_gbps(link.capacity_gbps)}, {percent(share)}"
        )
        dash = ' stroke-dasharray="4 4"' if link.drained else ""
        (x1, y1), (x2, y2) = stroke.start, stroke.end
        return (
            f'<g stroke="{colour}" fill="{colour}"><title>{_text(detail)}</title>'
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{width:.1f}"{dash}/>'
            f'<path d="{self._arrow(stroke, width)}" stroke="none"/></g>'
        )

    def _width(self, share: float) -> float:
        return self._widest * (0.3 + 0.7 * min(share, 1.0))

    def _arrow(self, stroke: _Stroke, width: float) -> str:
        """Return a triangle that points along the stroke, a bit past its middle."""
        along = np.array([stroke.normal[1], -stroke.normal[0]])
        size = width / 2 + 3.5
        tip = stroke.middle + along * size * 1.7
        left, right = stroke.middle + stroke.normal * size, stroke.middle - stroke.normal * size
        return "M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z".format(*tip, *left, *right)

    def _node_labels(self, taken: _Labels) -> Iterator[str]:
        # Nodes with many links first: they matter most where there is no room for all.
        degree = np.bincount(self._topology.tail, minlength=len(self._places))
        for node in np.argsort(-degree, kind="stable").tolist():
            name = _short(self._topology.nodes[node].id, _LONGEST_NAME)
            width, height = len(name) * self._font * _CHAR_WIDTH, self._font * 1.15
            spot = taken.place(self._around(self._places[node], width, height), width, height)
            if spot is not None:
                yield _label(name, spot, width, self._font)

    def _around(self, centre: FloatArray, width: float, height: float) -> list[tuple[float, float]]:
        """Return places for a label about a node, best first."""
        (x, y), away = centre, self._radius + 3
        return [
            (x - width / 2, y + away),
            (x - width / 2, y - away - height),
            (x + away, y - height / 2),
            (x - away - width, y - height / 2),
            (x + away * 0.7, y + away * 0.5),
            (x + away * 0.7, y - away * 0.5 - height),
            (x - away * 0.7 - width, y + away * 0.5),
            (x - away * 0.7 - width, y - away * 0.5 - height),
        ]

    def _link_labels(self, taken: _Labels) -> Iterator[str]:
        shown = self._utilization.round(9)
        ids = [link.id for link in self._topology.links]
        order = sorted(np.flatnonzero(shown > 0).tolist(), key=lambda link: (-shown[link], ids[link]))
        for link in order[:_LABELLED]:
            stroke, text = self._strokes[link], percent(float(self._utilization[link]))
            width, height = len(text) * self._font * _CHAR_WIDTH, self._font * 1.15
            spots = []
            for along in (0.5, 0.4, 0.6, 0.3, 0.7):
                beside = width / 2 * abs(stroke.normal[0]) + height / 2 * abs(stroke.normal[1]) + self._widest / 2 + 3
                x, y = stroke.start + (stroke.end - stroke.start) * along + stroke.normal * beside
                spots.append((x - width / 2, y - height / 2))
            spot = taken.place(spots, width, height)
            if spot is not None:
                yield _label(text, spot, width, self._font, bold=True)


def _label(text: str, spot: tuple[float, float], width: float, size: float, *, bold: bool = False) -> str:
    x, y = spot[0] + width / 2, spot[1] + size * 0.95
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="middle"{weight}>{_text(text)}</text>'


def _colour(share: float) -> str:
    if share <= 0:
        return _IDLE
    # A link at its limit up to rounding is not overloaded, nor in the band above.
    return next((colour for end, colour in BANDS if share <= end + CAPACITY_SLACK_SHARE), BANDS[-1][1])


def _legend() -> Iterator[str]:
    """Yield the key to the colours along the lower edge."""
    names = ["idle"]
    start = 0
    for end, _ in BANDS[:-1]:
        names.append(f"{'to' if start == 0 else f'{start} to'} {round(100 * end)} %")
        start = round(100 * end)
    names.append("overloaded")
    yield f'<g font-size="13" fill="{_INK}"><text x="24" y="{HEIGHT - 20:g}">load of capacity:</text>'
    for position, (name, colour) in enumerate(zip(names, [_IDLE, *(colour for _, colour in BANDS)], strict=True)):
        x = 150 + position * 122
        yield f'<rect x="{x}" y="{HEIGHT - 27:g}" width="30" height="7" fill="{colour}"/>'
        yield f'<text x="{x + 36}" y="{HEIGHT - 20:g}">{name}</text>'
    yield "</g>"


def _short(name: str, longest: int) -> str:
    name = printable(name).replace("\n", " ")
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _text(text: str) -> str:
    """Return text for XML, characters that it can't hold spelt out."""
    return escape(printable(text).replace("\n", " "))
