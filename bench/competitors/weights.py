"""Multiplicative weights: Garg-Konemann's method in Fleischer's form, all pairs at once.

N. Garg, J. Konemann: Faster and Simpler Algorithms for Multicommodity Flow and Other Fractional Packing Problems,
FOCS 1998. L. Fleischer: Approximating Fractional Multicommodity Flow Independent of the Number of Commodities, SIAM
Journal on Discrete Mathematics 13 (2000). Grouping commodities by source: G. Karakostas, SODA 2002.

Every link has a length that grows exponentially with what has been sent over it. Flow goes along shortest paths and
is scaled down at the end by the largest congestion. Under ``max-throughput`` the volume of a demand is the capacity
of an edge of its own in front of its paths; per round, all demands whose path is within (1 + epsilon) of the shortest
of all are sent at once, each as much as fits beside the others, instead of one after another. Under ``min-mlu`` each
round sends the same share of every demand (maximum concurrent flow), so that shares stay equal.

A scaled flow leaves room: before it is shown, what is left of the demands is sent over what is left of the links.
Epsilon starts coarse and is halved, lengths kept and flows begun afresh, when a pass has come as far as its epsilon
lets it. Flows are put together by source: nodes x links numbers, no paths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from competitors.question import FloatArray, Objective, Question, SourceFlows, Watch
from competitors.trees import Trees

COARSEST, FINEST = 0.5, 1 / 512

#: Progress is shown first after so many rounds, then when time has grown by so much, or by so many times what showing
#: takes, whichever is later.
FIRST_SHOW, SHOW_EVERY, SHOW_COSTS = 5, 0.15, 4.0

#: How many rounds an answer is taken to cost before one has been shown.
ANSWER_ROUNDS = 8

#: A pass looks at its bound once in so many rounds, and fills what scaling has left in so many steps.
BOUND_EVERY, FILL_STEPS = 8, 4


def by_weights(question: Question, watch: Watch) -> None:
    """Show ever better flows until patience or epsilon has run out or the target is reached."""
    new_pass = _Throughput if question.objective is Objective.ADMITTED else _Concurrent
    log_length = -np.log(question.capacity / question.capacity.mean())
    # Any start will do for the bound of a pass; equal ones let small demands take part before the large ones are full.
    log_own = np.full(question.n_demands, log_length.min())
    epsilon, rounds, bound = COARSEST, 0, None
    next_show, last_words_s, answer_s = 0.0, 0.0, 0.0
    while epsilon >= FINEST and watch.left > last_words_s and not watch.satisfied:
        attempt = new_pass(question, epsilon, log_length, log_own)
        while not attempt.done and watch.left > last_words_s and not watch.satisfied:
            begun = watch.seconds
            attempt.round()
            rounds += 1
            round_s = watch.seconds - begun
            if rounds >= FIRST_SHOW and watch.seconds >= next_show:
                watch.show(attempt.answer())
                answer_s = watch.seconds - begun - round_s
                next_show = watch.seconds + max(SHOW_EVERY * watch.seconds, SHOW_COSTS * answer_s)
            # Time is kept for one more round and one more answer.
            last_words_s = 1.2 * (round_s + (answer_s or ANSWER_ROUNDS * round_s))
        watch.show(attempt.answer())
        bound = attempt.bound if bound is None or watch.better(bound, attempt.bound) else bound
        watch.notes |= {"rounds": rounds, "epsilon": epsilon, "own_bound": bound}
        # The same flows at half the epsilon: lengths are exponentials of epsilon times congestion.
        log_length, log_own = attempt.log_length / 2, attempt.log_own / 2
        epsilon /= 2


@dataclass
class _Pass:
    """One run at one epsilon. Lengths are kept as logarithms: they outgrow floating point otherwise."""

    question: Question
    epsilon: float
    log_length: FloatArray
    log_own: FloatArray
    rounds: int = 0
    load: FloatArray = field(init=False)
    sent: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.arcs = self.question.arcs()
        self.load = np.zeros((self.question.n_nodes, self.question.n_links))
        self.total = np.zeros(self.question.n_links)
        self.sent = np.zeros(self.question.n_demands)

    def answer(self) -> SourceFlows:
        """Return the flows so far, scaled to fit."""
        scale = self.scale()
        return SourceFlows(self.load * scale, self.sent * scale)

    def _lengths(self) -> tuple[FloatArray, FloatArray]:
        """Return lengths of links and of the demands' own edges, scaled so that the longest link has length 1.

        What is shorter than the longest by more than 1e-30 counts as that: Dijkstra wants weights above 0.
        """
        top = self.log_length.max()
        return np.exp(np.maximum(self.log_length - top, -69.0)), np.exp(np.clip(self.log_own - top, -690.0, 690.0))


class _Throughput(_Pass):
    """Maximum multicommodity flow with an edge of its own in front of each demand."""

    bound: float = np.inf

    def round(self) -> None:
        question = self.question
        length, own = self._lengths()
        trees = self.arcs.trees(length)
        distance = trees.distance[question.source, question.destination]
        if self.rounds % BOUND_EVERY == 0:
            self.bound = min(self.bound, _bound(question, length, distance))
        way = distance + own
        eligible = np.where(way <= (1 + self.epsilon) * float(way.min()), question.volume, 0.0)
        amount, load = _fitting(question, trees, eligible, question.capacity)
        total = load.sum(axis=0)
        self.load += load
        self.total += total
        self.sent += amount
        self.log_length = self.log_length + self.epsilon * total / question.capacity
        self.log_own = self.log_own + self.epsilon * amount / question.volume
        self.rounds += 1

    def scale(self) -> float:
        congestion = max((self.total / self.question.capacity).max(), (self.sent / self.question.volume).max())
        return float(1.0 / congestion) if congestion > 0 else 0.0

    def answer(self) -> SourceFlows:
        """Return the flows so far, scaled to fit, then what is left of the demands where there is room left."""
        question, scaled = self.question, super().answer()
        trees = self.arcs.trees(self._lengths()[0])
        for _ in range(FILL_STEPS):
            room = np.maximum(question.capacity - scaled.load.sum(axis=0), 0.0)
            wanted = np.maximum(question.volume - scaled.admitted, 0.0)
            amount, load = _fitting(question, trees, wanted, room)
            scaled = SourceFlows(scaled.load + load, scaled.admitted + amount)
            # Full links are left out of the next trees.
            left = room - load.sum(axis=0)
            trees = self.arcs.trees(np.where(left > 1e-9 * question.capacity, self._lengths()[0], 1e6))
        return scaled

    @property
    def done(self) -> bool:
        """True when the flows are within epsilon of this pass's own bound."""
        return self.sent.sum() * self.scale() >= (1 - self.epsilon) * self.bound


def _fitting(
    question: Question, trees: Trees, wanted: FloatArray, capacity: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what of ``wanted`` (n_demands,) fits on the trees, and its loads by source.

    Each demand is cut by the most crowded link on its path, and once more where that has left room.
    """
    shares = np.zeros(question.n_demands)
    for _ in range(2):
        rest = wanted * (1 - shares)
        left = capacity - trees.total(question.by_pair(wanted * shares))
        crowding = trees.total(question.by_pair(rest))
        fits = np.clip(left, 0.0, None) / np.maximum(crowding, 1e-300)
        shares += (1 - shares) * np.minimum(trees.least(fits)[question.source, question.destination], 1.0)
    amount = wanted * shares
    return amount, trees.loads(question.by_pair(amount))


def _bound(question: Question, length: FloatArray, distance: FloatArray) -> float:
    """Return a bound on any admitted volume from lengths of links, at the best scale of theirs.

    With prices s x length, sum of capacity x price + sum of volume x max(0, 1 - s x distance) bounds every flow; it
    is convex in s and has its kinks where a demand's distance reaches 1.
    """
    order = np.argsort(-distance)
    volume, far = question.volume[order], distance[order]
    slope = float(length @ question.capacity) - (np.cumsum((volume * far)[::-1])[::-1])
    kink = int(np.searchsorted(slope, 0.0))
    scale = 1.0 / far[min(kink, len(far) - 1)]
    return float(scale * (length @ question.capacity) + (volume * np.maximum(1 - scale * far, 0.0)).sum())


class _Concurrent(_Pass):
    """Maximum concurrent flow: in every round the same share of every demand."""

    share: float = 0.0
    bound: float = 0.0

    def round(self) -> None:
        question = self.question
        length, _ = self._lengths()
        trees = self.arcs.trees(length)
        way = trees.distance[question.source, question.destination]
        self.bound = max(self.bound, float(way @ question.volume) / float(length @ question.capacity))
        load = trees.loads(question.by_pair(question.volume))
        total = load.sum(axis=0)
        step = float((question.capacity / np.maximum(total, 1e-300)).min())
        self.load += step * load
        self.total += step * total
        self.share += step
        self.log_length = self.log_length + self.epsilon * step * total / question.capacity
        self.rounds += 1

    def scale(self) -> float:
        return 1.0 / self.share if self.share > 0 else 0.0

    def answer(self) -> SourceFlows:
        return SourceFlows(self.load * self.scale(), self.question.volume)

    @property
    def done(self) -> bool:
        """True when the MLU is within epsilon of this pass's own bound."""
        mlu = (self.total * self.scale() / self.question.capacity).max()
        return self.rounds > 0 and self.bound >= (1 - self.epsilon) * mlu
