"""A log-log plot of seconds against demands as SVG, drawn with strings: no library, the same bytes each time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

PANEL_WIDTH, PANEL_HEIGHT = 400, 320
LEFT, TOP, GAP, BOTTOM, RIGHT, ROW = 62, 78, 62, 56, 24, 17
INK, FAINT, GRID, PAPER = "#1f2937", "#6b7280", "#e5e7eb", "#ffffff"


@dataclass(frozen=True)
class Fit:
    """seconds = ``factor`` x demands ^ ``exponent``; ``error`` is the standard error of the exponent."""

    exponent: float
    factor: float
    error: float

    def at(self, demands: float) -> float:
        return self.factor * demands**self.exponent


@dataclass(frozen=True)
class Series:
    """Points of (demands, seconds), filled for vbte and hollow for others, with a line through them if fitted."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    fit: Fit | None = None
    hollow: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    series: Sequence[Series]


def least_squares(points: Sequence[tuple[float, float]]) -> Fit | None:
    """Return the straight line through logarithms, None with fewer than three points."""
    if len(points) < 3:
        return None
    x, y = ([math.log(point[axis]) for point in points] for axis in (0, 1))
    n, mean_x, mean_y = len(x), sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    rest = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y, strict=True))
    return Fit(slope, math.exp(mean_y - slope * mean_x), math.sqrt(rest / (n - 2) / spread))


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Return the plot as an SVG document; all panels share their axes."""
    points = [point for panel in panels for series in panel.series for point in series.points]
    spans = tuple(_decades([point[axis] for point in points]) for axis in (0, 1))
    width = LEFT + len(panels) * (PANEL_WIDTH + GAP) - GAP + RIGHT
    fitted = max(sum(series.fit is not None for series in panel.series) for panel in panels)
    height = TOP + PANEL_HEIGHT + BOTTOM + ROW * fitted
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        _text(LEFT, 24, title, size=15, weight="bold"),
    ]
    for number, panel in enumerate(panels):
        left = LEFT + number * (PANEL_WIDTH + GAP)
        parts += _panel(panel, left, spans, first=number == 0)
    parts += _legend(panels, LEFT, 46)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: float, spans: tuple[tuple[int, int], ...], *, first: bool) -> Iterator[str]:
    bottom = TOP + PANEL_HEIGHT

    def place(demands: float, seconds: float) -> tuple[float, float]:
        (low_x, high_x), (low_y, high_y) = spans
        across = (math.log10(demands) - low_x) / (high_x - low_x)
        up = (math.log10(seconds) - low_y) / (high_y - low_y)
        return left + across * PANEL_WIDTH, bottom - up * PANEL_HEIGHT

    (low_x, high_x), (low_y, high_y) = spans
    for power in range(low_x, high_x + 1):
        x, _ = place(10.0**power, 10.0**low_y)
        yield _line(x, TOP, x, bottom, GRID)
        yield _text(x, bottom + 18, _figure(power), anchor="middle", colour=FAINT)
    for power in range(low_y, high_y + 1):
        _, y = place(10.0**low_x, 10.0**power)
        yield _line(left, y, left + PANEL_WIDTH, y, GRID)
        yield _text(left - 8, y + 4, _figure(power), anchor="end", colour=FAINT)
    yield _line(left, bottom, left + PANEL_WIDTH, bottom, FAINT)
    yield _line(left, TOP, left, bottom, FAINT)
    yield _text(left + 8, TOP - 8, panel.title, weight="bold")
    yield _text(left + PANEL_WIDTH / 2, bottom + 40, "demands", anchor="middle")
    if first:
        x, y = left - 44, TOP + PANEL_HEIGHT / 2
        yield (
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="middle" '
            f'transform="rotate(-90 {x:.1f} {y:.1f})">time to a plan within the gap, s</text>'
        )
    for series in panel.series:
        if series.fit is not None:
            ends = [min(p[0] for p in series.points), max(p[0] for p in series.points)]
            (x1, y1), (x2, y2) = (place(end, series.fit.at(end)) for end in ends)
            yield _line(x1, y1, x2, y2, series.colour, width=1.5, dashes="5 4" if series.hollow else "")
        for point in series.points:
            x, y = place(*point)
            yield _dot(x, y, series)
    for row, series in enumerate(series for series in panel.series if series.fit is not None):
        assert series.fit is not None
        y = bottom + 64 + ROW * row
        yield _dot(left + 12, y - 4, series)
        yield _text(left + 24, y, series.label)
        yield _text(
            left + PANEL_WIDTH, y, f"exponent {series.fit.exponent:.2f} \u00b1 {series.fit.error:.2f}", anchor="end"
        )


def _legend(panels: Sequence[Panel], left: float, y: float) -> Iterator[str]:
    shown = {series.label: series for panel in panels for series in panel.series if series.points}
    x = left
    for series in shown.values():
        yield _dot(x + 4, y - 4, series)
        yield _text(x + 14, y, series.label)
        x += 14 + 5.9 * len(series.label) + 26


def _decades(figures: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(figures))), math.ceil(math.log10(max(figures)))
    return low, max(high, low + 1)


def _figure(power: int) -> str:
    if -3 <= power < 3:
        return f"{10.0**power:.{max(0, -power)}f}"
    return f"{10 ** (power % 3)}{'kMG'[power // 3 - 1]}" if 3 <= power < 12 else f"1e{power}"


def _dot(x: float, y: float, series: Series) -> str:
    fill = PAPER if series.hollow else series.colour
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{series.colour}" stroke-width="1.5"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1.0, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK, size: int = 12, weight: str = "normal"
) -> str:
    look = f'fill="{colour}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
