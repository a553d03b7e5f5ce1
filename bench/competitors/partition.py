"""POP: demands dealt at random into parts, each with its share of every capacity, solved apart, put together.

Narayanan, Kazhamiaka, Abuzaid, Kraft, Agrawal, Kandula, Boyd, Zaharia: Solving Large-Scale Granular Resource
Allocation Problems Efficiently with POP, SOSP 2021. Each part is the four-path program of path_program.py. Demands
larger than ``SPLIT_ABOVE`` of a part's mean total are split over all parts, as the paper does with large clients.
Parts are solved one after another here; what it would have taken with a core for each is in the notes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from competitors.four_paths import CHOICES, PathChoice
from competitors.path_program import by_highs, program
from competitors.question import Question, Watch
from competitors.repair import fitted

#: Parts with few and with many demands; the paper takes 16 and more for hundreds of thousands of demands.
FEW_PARTS, MANY_PARTS, MANY_DEMANDS = 4, 16, 10_000

#: A demand above this share of a part's mean total is split over all parts.
SPLIT_ABOVE = 0.01


def in_parts(
    question: Question, watch: Watch, *, parts: int | None = None, paths: str = "trees", seed: int = 1
) -> None:
    """Choose paths, solve each part, show all flows together; nothing is shown unless all parts are solved."""
    choice = CHOICES[paths](question)
    paths_s = watch.seconds
    parts = parts or (MANY_PARTS if question.n_demands >= MANY_DEMANDS else FEW_PARTS)
    large = question.volume > SPLIT_ABOVE * question.volume.sum() / parts
    watch.notes |= {"parts": parts, "paths_s": round(paths_s, 4)}
    watch.keep(watch)
    part_of = np.random.default_rng(seed).permutation(question.n_demands) % parts
    flow, slowest = np.zeros(len(choice.demand)), 0.0
    for part in range(parts):
        begun = watch.seconds
        chosen = choice.of_demands(large | (part_of == part))
        volume = np.where(large, question.volume / parts, question.volume)
        here = PathChoice(*choice.picked(chosen), choice.demand[chosen])
        asked = replace(question, volume=volume)
        columns = by_highs(program(asked, here, question.capacity / parts), watch.left)
        if columns is None:
            watch.fault = f"{part} of {parts} parts solved"
            return
        flow[chosen] += columns[: len(chosen)] * volume.mean()
        slowest = max(slowest, watch.seconds - begun)
    watch.notes["s_with_a_core_a_part"] = round(paths_s + slowest, 4)
    watch.show(fitted(question, choice.with_flow(flow)))
