"""Where names and figures go on a map, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vbte.topology import FloatArray

#: Left, top, right, bottom.
Box = tuple[float, float, float, float]

#: Mean width of a character as a share of the font size.
CHARACTER_WIDTH = 0.58
LINE_HEIGHT = 1.15


@dataclass
class LabelRoom:
    """What of a canvas is taken: ``canvas`` is where labels may be, ``taken`` the boxes that nothing may cover."""

    canvas: Box
    taken: list[Box] = field(default_factory=list)

    def place(self, centres: Sequence[FloatArray], text: str, size: float) -> FloatArray | None:
        """Return the first of ``centres`` where the text is free to stand, and take the room; None where none is."""
        width, height = text_size(text, size)
        for x, y in centres:
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if _within(box, self.canvas) and not any(_overlap(box, other) for other in self.taken):
                self.taken.append(box)
                return np.array([x, y])
        return None


def text_size(text: str, size: float) -> tuple[float, float]:
    """Return about how wide and high a line of text is at a font size."""
    return len(text) * size * CHARACTER_WIDTH, size * LINE_HEIGHT


def around(centre: FloatArray, away: float, text: str, size: float, neighbours: FloatArray) -> list[FloatArray]:
    """Return centres for a node's label on eight sides, those that face fewest links first.

    ``away`` is the distance between node and text, ``neighbours`` (n, 2) the far ends of the node's links.
    """
    half_width, half_height = (part / 2 for part in text_size(text, size))
    sides = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
    directions = neighbours - centre
    directions = directions / np.maximum(np.hypot(directions[:, 0], directions[:, 1])[:, None], 1e-9)
    spots = []
    for across, down in sides:
        slant = 0.7 if across and down else 1.0
        shift = np.array([across * (away * slant + half_width), down * (away * slant + half_height)])
        facing = np.array([across, down]) / np.hypot(across, down)
        # How nearly a link leaves towards the label, in coarse steps: on a tie the sides keep their order.
        towards = float((directions @ facing).max(initial=-1.0))
        spots.append((round(max(towards, 0.3) * 5), centre + shift))
    return [spot for _, spot in sorted(spots, key=lambda each: each[0])]


def beside(
    start: FloatArray, end: FloatArray, normal: FloatArray, away: float, text: str, size: float
) -> list[FloatArray]:
    """Return centres for a link's label on its outer side, from the middle outwards."""
    half_width, half_height = (part / 2 for part in text_size(text, size))
    shift = normal * (half_width * abs(normal[0]) + half_height * abs(normal[1]) + away)
    return [start + (end - start) * along + shift for along in (0.5, 0.4, 0.6, 0.3, 0.7)]


def _within(box: Box, canvas: Box) -> bool:
    return box[0] >= canvas[0] and box[1] >= canvas[1] and box[2] <= canvas[2] and box[3] <= canvas[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
