"""Max-min fair volumes, level by level: nobody is raised any more who could only take from someone no better off.

Everything rests on one question, asked again and again: the most volume within given caps, no commodity below its
floor (:data:`Admit`). Its answer is a routing and link prices, and prices bound the level that all can still have.

* Exact: the common level goes down along these bounds, as in Newton's method, until its volumes fit. Whoever has a
  price under the bound that stopped it is saturated there and keeps its volume; the others go on (Bertsekas and
  Gallager 1992, section 6.5.2; the prices in place of a test of each commodity: Nace and Pioro 2008).
* By ratio: from a level that fits the caps go up by one factor a round, and whoever stays below its cap keeps its
  volume, as in SWAN (Hong et al. 2013). One program a round, however many are saturated in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from vbte.allocate.exact import StagedProgram, StageOutcome
from vbte.bounds import StageProblem, held_volumes, link_weights, priced_room
from vbte.fair_proof import prove_fairness, shares_of
from vbte.fair_shares import FairShares
from vbte.oracle import PathOracle
from vbte.plan import Certificate, FairLevel, Fairness, Limit, Plan, Prices, Reason, Termination
from vbte.policy import StageKind
from vbte.tolerance import CAP_SLACK_SHARE, SATURATION_SHARE
from vbte.topology import BoolArray, FloatArray

#: Commodities of one priority up to which levels are exact unless the model says otherwise.
EXACT_COMMODITIES = 5000

#: Ratio of one level to the next beyond that.
DEFAULT_RATIO = 1.1

#: Bounds tried for one level before the stage stops where it is.
TRIES = 100

#: Rounds and steepness of the search for a level to start from, and how far above its bound the start lies.
GUESSING_ROUNDS = 32
GUESSING_STEEPNESS = 16.0
GUESS_MARGIN = 1.001

#: Factor from one level to the next one tried where no bound on it is known.
STEP = 2.0

#: Levels tried, each lower by that factor, for one from which to go up by a ratio.
FLOOR_TRIES = 8

#: From floor and cap of the commodities of a priority, Gbit/s, (n,) each, to the most volume between them.
Admit = Callable[[FloatArray, FloatArray], StageOutcome]


@dataclass(frozen=True, eq=False)
class _Cut:
    """Prices, what a unit of each commodity pays under them (n,), and all there is to spend."""

    prices: Prices
    price: FloatArray
    room: float


def solve_max_min(program: StagedProgram, problem: StageProblem) -> StageOutcome:
    """Return the max-min fair volumes of a stage's priority with the prices that prove each level.

    Stopped by a limit it returns the volumes so far; those still rising are proven by no level.
    """
    shares = shares_of(problem)

    def admit(floor: FloatArray, cap: FloatArray) -> StageOutcome:
        # The other priorities keep what they must and get nothing more.
        least, most = problem.least_gbps.copy(), problem.least_gbps.copy()
        least[shares.commodities], most[shares.commodities] = floor, cap
        return program.solve_stage(replace(problem, kind=StageKind.ADMITTED, least_gbps=least, most_gbps=most))

    def cut_of(prices: Prices) -> _Cut:
        price, room = priced_room(problem, prices, program.tools.oracle)
        return _Cut(prices, price[shares.commodities], room)

    def volumes(outcome: StageOutcome) -> FloatArray:
        return program.admitted_gbps(outcome)[shares.commodities]

    filling = _Filling(shares, admit, cut_of, volumes, CAP_SLACK_SHARE * program.layout.unit_gbps)
    filling.start, filling.floor = _first_guess(problem, shares, program.tools.oracle)
    ratio = problem.instance.model.stage(StageKind.MAX_MIN).level_ratio
    if ratio is None:
        ratio = 1.0 if len(shares.commodities) <= EXACT_COMMODITIES else DEFAULT_RATIO
    while filling.going:
        program.tools.progress(f"{problem.label}: level {filling.level:.6g}, {int(filling.rising.sum())} rising")
        if ratio > 1.0 and (filling.level > 0 or filling.lay_floor()):
            filling.raise_by(ratio)
        elif filling.going:
            filling.raise_all()
    return _outcome(problem, shares, filling)


def with_fairness(problem: StageProblem, known: Certificate, plan: Plan, oracle: PathOracle) -> Certificate:
    """Return a max_min stage's certificate with its levels proven, and the level at which later stages hold it.

    A stage without an answer gets what the plan carries, proven by no level.
    """
    shares, carried = shares_of(problem), plan.admitted_share * plan.instance.peak_gbps
    claimed = known.fairness or Fairness(np.minimum(carried[shares.commodities], shares.full_gbps))
    fairness = prove_fairness(problem, claimed, carried, oracle)
    known = replace(known, fairness=fairness, reached=shares.common_level(fairness.volume_gbps))
    held = held_volumes(problem, known)[shares.commodities]
    return replace(known, held_at=shares.common_level(held))


def _first_guess(problem: StageProblem, shares: FairShares, oracle: PathOracle) -> tuple[float, float]:
    """Return a level just above what all can have, and one that probably fits, by a few rounds of routing.

    Each round sends everything along the cheapest paths and prices links by the average load so far. A program that
    starts near the level is solved far sooner than one that starts with all demands in full.
    """
    instance = problem.instance
    capacity = np.where(instance.topology.capacity_gbps > 0, instance.topology.capacity_gbps, np.inf)
    load, price, level = np.zeros((instance.n_matrices, len(capacity))), 1.0 / capacity, shares.top
    fits = 0.0
    for round_ in range(GUESSING_ROUNDS):
        prices = Prices(np.broadcast_to(price, load.shape).copy())
        cost, room = priced_room(problem, prices, oracle)
        level = min(level, shares.highest_level(cost[shares.commodities], room))
        weight = link_weights(problem, prices, shares.commodities)
        paths = oracle.cheapest(weight, shares.commodities).paths
        volume = np.zeros(instance.n_commodities)
        volume[shares.commodities] = shares.volume_gbps(level if level > 0 else shares.top)
        for matrix, ratio in enumerate(instance.load_ratio):
            on_path = np.repeat((volume * ratio)[paths.commodity], paths.hops)
            new = np.bincount(paths.links, weights=on_path, minlength=len(capacity))
            load[matrix] += (new - load[matrix]) * 2.0 / (round_ + 2.0)
        fullness = (load + problem.background_gbps).max(axis=0) / capacity
        fits = max(fits, level / max(1.0, float(fullness.max())))
        price = np.exp(GUESSING_STEEPNESS * (fullness / max(float(fullness.max()), 1e-12) - 1.0)) / capacity
    return min(level * GUESS_MARGIN, shares.top), fits / STEP**2


def _outcome(problem: StageProblem, shares: FairShares, filling: _Filling) -> StageOutcome:
    if filling.last is None or filling.last.primal is None:
        return StageOutcome(problem, None, None, None, filling.termination)
    left = ~shares.in_full(filling.volume)
    levels = []
    for who, cut in filling.stopped:
        commodities = shares.commodities[who & left]
        if len(commodities):
            levels.append(FairLevel(np.nan, None, None, commodities, cut.prices))
    fairness = Fairness(filling.volume, tuple(levels))
    prices = levels[0].prices if levels else filling.last.prices
    value = shares.common_level(filling.volume)
    return StageOutcome(problem, value, prices, filling.last.primal, filling.termination, fairness=fairness)


@dataclass(eq=False)
class _Filling:
    """Where the volumes stand: ``volume`` (n,) in Gbit/s, ``rising`` (n,) who may get more, ``level`` what they have.

    ``start`` is the level to try where no cut says how high to go, ``floor`` one that probably fits. ``stopped`` lists
    who stopped at each level and why; ``last`` is the routing of ``volume``.
    """

    shares: FairShares
    admit: Admit
    cut_of: Callable[[Prices], _Cut]
    volumes: Callable[[StageOutcome], FloatArray]
    dust_gbps: float
    volume: FloatArray = field(init=False)
    rising: BoolArray = field(init=False)
    level: float = 0.0
    start: float = np.inf
    floor: float = 0.0
    stopped: list[tuple[BoolArray, _Cut]] = field(default_factory=list)
    cuts: list[_Cut] = field(default_factory=list)
    last: StageOutcome | None = None
    termination: Termination = field(default_factory=lambda: Termination(Reason.OPTIMAL))

    def __post_init__(self) -> None:
        self.volume = np.zeros(len(self.shares.commodities))
        self.rising = np.ones(len(self.shares.commodities), dtype=np.bool_)

    @property
    def going(self) -> bool:
        """True while somebody rises and no limit has struck."""
        return self.termination.reason is Reason.OPTIMAL and bool(self.rising.any())

    def raise_all(self) -> None:
        """Raise all who rise to the highest level that all of them can have; stop those whose price forbids more."""
        for _ in range(TRIES):
            self.level, stopper = self._highest()
            cap = self._caps(self.level)
            answer = self._ask(cap)
            if answer is None:
                return
            if not self._short(cap, self.volumes(answer)).any():
                self._accept(answer)
                self.start = STEP * self.level if self.level > 0 else np.inf
                if stopper is not None or self.level >= self.shares.top:
                    self._stop(self.rising, stopper)
                    return
                # Nothing denies them more yet.
                continue
            cut = self.cut_of(answer.prices) if answer.prices is not None else None
            if cut is None or self._level_under(cut) >= self.level * (1.0 - CAP_SLACK_SHARE):
                # The solver's rounding leaves a little undone: whoever pays has reached its level all the same.
                self._accept(answer)
                self._stop(self.rising, cut or stopper)
                return
            self.cuts.append(cut)
        self.termination = Termination(Reason.FEASIBLE, Limit.ITERATIONS)

    def lay_floor(self) -> bool:
        """Give everybody a level that fits, by the guess or below it; False where no such level is found."""
        level = self.floor * STEP
        for _ in range(FLOOR_TRIES):
            level /= STEP
            cap = self._caps(level)
            answer = self._ask(cap)
            if answer is None:
                return False
            if not self._short(cap, self.volumes(answer)).any():
                self._accept(answer)
                self.level = level
                return True
        return False

    def raise_by(self, ratio: float) -> None:
        """Raise the caps by a factor, and stop all who do not reach theirs."""
        cap = self._caps(self.level * ratio)
        answer = self._ask(cap)
        if answer is None:
            return
        short = self._short(cap, self.volumes(answer))
        self._accept(answer)
        self.level = min(self.level * ratio, self.shares.top)
        if short.any() and answer.prices is not None:
            self._stop(short, self.cut_of(answer.prices))
        self.rising &= ~self.shares.in_full(self.volume)
        if self.level >= self.shares.top:
            self.rising[:] = False

    def _caps(self, level: float) -> FloatArray:
        return np.where(self.rising, np.maximum(self.volume, self.shares.volume_gbps(level)), self.volume)

    def _ask(self, cap: FloatArray) -> StageOutcome | None:
        """Return the most volume between what all have and their caps, None when the solver gives nothing."""
        answer = self.admit(self.volume, cap)
        if answer.primal is None or answer.termination.reason is not Reason.OPTIMAL:
            limit = answer.termination.limit
            self.termination = Termination(Reason.FEASIBLE, limit)
            if answer.primal is not None:
                self._accept(answer)
            return None
        return answer

    def _short(self, cap: FloatArray, volume: FloatArray) -> BoolArray:
        return self.rising & (cap - volume > np.maximum(CAP_SLACK_SHARE * cap, self.dust_gbps))

    def _accept(self, answer: StageOutcome) -> None:
        self.volume, self.last = self.volumes(answer), answer

    def _highest(self) -> tuple[float, _Cut | None]:
        """Return the highest level that no cut denies to all who rise, and the cut that denies more."""
        levels = [self._level_under(cut) for cut in self.cuts]
        lowest = int(np.argmin(levels)) if levels else -1
        if not levels:
            return min(self.start, self.shares.top), None
        if levels[lowest] >= self.shares.top:
            return self.shares.top, None
        return levels[lowest], self.cuts[lowest]

    def _level_under(self, cut: _Cut) -> float:
        left = cut.room - float(cut.price[~self.rising] @ self.volume[~self.rising])
        return self.shares.highest_level(cut.price, left, ~self.rising)

    def _stop(self, candidates: BoolArray, cut: _Cut | None) -> None:
        """Stop those of the candidates who pay under a cut, and all who are in full."""
        full = self.shares.in_full(self.volume)
        if cut is None:
            self.rising &= ~full
            # At the top nobody could be short: what is missing is the solver's rounding.
            self.rising &= self.level < self.shares.top
            return
        rising = self.rising.copy()
        pays = cut.price > SATURATION_SHARE * float(cut.price[self.rising].max(initial=0.0))
        self.stopped.append((candidates & self.rising & pays, cut))
        self.rising &= ~(candidates & pays) & ~full
        if np.array_equal(rising, self.rising) and np.array_equal(rising, candidates):
            # Prices that stop nobody would be found again and again.
            self.termination = Termination(Reason.FEASIBLE)
        paying = [bool((c.price[self.rising] > SATURATION_SHARE * c.price.max(initial=0.0)).any()) for c in self.cuts]
        self.cuts = [c for c, still in zip(self.cuts, paying, strict=True) if still]
