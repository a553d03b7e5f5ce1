"""The question that all contenders get, what they answer with, and the one check that all answers go through."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from competitors.trees import Arcs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer]

#: By how much of a capacity or a volume an answer may be off before it is refused.
SLACK = 1e-6

#: An answer that comes within this share of patience, and a second, still counts: solvers stop a little late.
LATE = 1.05


class Objective(StrEnum):
    """What is asked: the most volume within capacities, or everything with the least utilisation of any link."""

    ADMITTED = "max-throughput"
    MLU = "min-mlu"


@dataclass(frozen=True)
class Question:
    """A network without parallel links and demands as arrays; at most one demand for an ordered pair of nodes.

    ``tail``, ``head``, ``capacity`` (n_links,); ``source``, ``destination``, ``volume`` (n_demands,), Gbit/s.
    """

    objective: Objective
    n_nodes: int
    tail: IntArray
    head: IntArray
    capacity: FloatArray
    source: IntArray
    destination: IntArray
    volume: FloatArray

    @property
    def n_links(self) -> int:
        return len(self.tail)

    @property
    def n_demands(self) -> int:
        return len(self.volume)

    def arcs(self) -> Arcs:
        return Arcs(self.n_nodes, self.tail, self.head)

    def by_pair(self, figure: FloatArray) -> FloatArray:
        """Return a figure of demands, (n_demands,), as a matrix of source and destination."""
        pairs = np.zeros((self.n_nodes, self.n_nodes))
        pairs[self.source, self.destination] = figure
        return pairs


@dataclass(frozen=True)
class PathFlows:
    """Flows on paths in compressed rows: path p is ``links[start[p]:start[p + 1]]`` and serves ``demand[p]``."""

    start: NDArray[np.int64]
    links: IntArray
    demand: IntArray
    flow: FloatArray


@dataclass(frozen=True)
class SourceFlows:
    """Flows put together by source: ``load`` (n_nodes, n_links), and what is admitted of each demand."""

    load: FloatArray
    admitted: FloatArray


Answer = PathFlows | SourceFlows


@dataclass(frozen=True)
class Verdict:
    """What the check found: the value by its own arithmetic, or the reason why there is none."""

    value: float | None
    fault: str = ""


def check(question: Question, answer: Answer) -> Verdict:
    """Return what an answer is worth. Nothing that a contender says of itself is used.

    Flow has to get from each source to each destination, no demand gets more than its volume (for the MLU: no less
    either), and no link carries more than its capacity (for the MLU: its load is what counts).
    """
    load, admitted, fault = _arrivals(question, answer)
    slack = SLACK * question.volume + SLACK * question.volume.mean()
    if fault:
        return Verdict(None, fault)
    if not (np.isfinite(load).all() and np.isfinite(admitted).all() and admitted.min(initial=0.0) >= -slack.min()):
        return Verdict(None, "a flow is negative or no number")
    if (admitted > question.volume + slack).any():
        return Verdict(None, "a demand gets more than its volume")
    if question.objective is Objective.MLU:
        if (admitted < question.volume - slack).any():
            return Verdict(None, "a demand is not carried in full")
        return Verdict(float((load / question.capacity).max()))
    if (load > question.capacity * (1 + SLACK)).any():
        return Verdict(None, f"a link carries {float((load / question.capacity).max()):.4g} of its capacity")
    return Verdict(float(admitted.sum()))


def _arrivals(question: Question, answer: Answer) -> tuple[FloatArray, FloatArray, str]:
    """Return link loads, what arrives of each demand, and a fault if the flows lead elsewhere."""
    if isinstance(answer, SourceFlows):
        return answer.load.sum(axis=0), answer.admitted, _lost(question, answer)
    hops = np.diff(answer.start)
    used = np.repeat(answer.flow, hops)
    load = np.bincount(answer.links, weights=used, minlength=question.n_links)
    admitted = np.bincount(answer.demand, weights=answer.flow, minlength=question.n_demands)
    first, last = answer.start[:-1], answer.start[1:] - 1
    inner = np.ones(len(answer.links), dtype=bool)
    inner[first] = False
    joins = question.head[answer.links[:-1]] == question.tail[answer.links[1:]]
    fault = ""
    if len(hops) and (
        hops.min() < 1
        or not joins[inner[1:]].all()
        or (question.tail[answer.links[first]] != question.source[answer.demand]).any()
        or (question.head[answer.links[last]] != question.destination[answer.demand]).any()
    ):
        fault = "a path does not lead from source to destination"
    if answer.flow.min(initial=0.0) < 0:
        fault = "a flow is negative"
    return load, admitted, fault


def _lost(question: Question, answer: SourceFlows) -> str:
    """Return a fault unless at every node, for every source, what comes in and stays is what goes out."""
    if answer.load.min(initial=0.0) < 0:
        return "a flow is negative"
    stays = question.by_pair(answer.admitted)
    for source, load in enumerate(answer.load):
        inflow = np.bincount(question.head, weights=load, minlength=question.n_nodes)
        outflow = np.bincount(question.tail, weights=load, minlength=question.n_nodes)
        off = inflow - outflow - stays[source]
        off[source] += stays[source].sum()
        if np.abs(off).max() > SLACK * max(float(load.max()), 1e-12):
            return "flow is lost or made on the way"
    return ""


@dataclass
class Watch:
    """The clock of one contender, and what it has reached so far.

    The clock stands still while an answer is checked, so that showing progress costs a contender nothing. ``keep``
    is told of each answer. A contender that gets ever better may stop when ``target`` is reached, though not before
    ``least_s`` seconds. ``clock`` counts seconds: of the wall, or of the processor where others are at work.
    """

    question: Question
    patience_s: float
    target: float | None = None
    least_s: float = 0.0
    keep: Callable[[Watch], None] = lambda _: None
    series: list[tuple[float, float]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    clock: Callable[[], float] = time.perf_counter
    _started: float = field(init=False)
    _paused: float = 0.0

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def seconds(self) -> float:
        """Seconds that the contender has had."""
        return self.clock() - self._started - self._paused

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return self.patience_s - self.seconds

    @property
    def best(self) -> float | None:
        """Value of the best answer so far."""
        return self.series[-1][1] if self.series else None

    @property
    def satisfied(self) -> bool:
        """True when the target is reached and the least time is over: nobody has to go on."""
        if self.target is None or self.best is None or self.seconds < self.least_s:
            return False
        return not self.better(self.target, self.best)

    def better(self, first: float, second: float) -> bool:
        """Return True when ``first`` is the better value."""
        return first < second if self.question.objective is Objective.MLU else first > second

    def show(self, answer: Answer) -> None:
        """Take the time, check the answer, and remember its value if it is the best so far."""
        shown_at = self.clock()
        seconds = self.seconds
        verdict = check(self.question, answer)
        if seconds > self.patience_s * LATE + 1.0:
            self.fault = "an answer came after patience had run out"
        elif verdict.value is None:
            self.fault = verdict.fault
        elif self.best is None or self.better(verdict.value, self.best):
            self.series.append((seconds, verdict.value))
        self.keep(self)
        self._paused += self.clock() - shown_at
