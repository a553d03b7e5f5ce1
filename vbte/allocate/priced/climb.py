"""Max-min fair volumes by climbing: caps go up by a ratio, and each time prices say who is left behind.

The levels of SWAN (Hong et al. 2013), each of them the market of its program: what everybody has is kept, what is
missing up to the next level competes at the same worth. Nobody is frozen: who was left behind may still come up where
that costs those above no more than what they have got since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vbte.allocate.exact import Tools
from vbte.allocate.priced.descent import Descent, descend
from vbte.allocate.priced.market import Group
from vbte.allocate.priced.routing import AllPaths
from vbte.allocate.priced.tiers import FORCED_WORTH, TieredMarket, room_gbps, tiered_market, tiered_traffic
from vbte.bounds import StageProblem
from vbte.fair_shares import FairShares
from vbte.topology import FloatArray

#: Temperature (divided by the mean number of links of a path), barrier and iterations of the descents of each level.
DESCENTS = ((0.04, 2e-3, 100), (0.02, 1e-3, 100))

#: Padding of links, in temperatures, beyond that at which walks of any length would be as good as none.
WALK_MARGIN = 0.5

#: What volume is worth that somebody has already, against 1 for what is added; and that a higher priority has.
KEPT_WORTH, HIGHER_WORTH = 10.0, 30.0

#: Share of what somebody has that is not forced, at the least: volumes of the level before fit but for so much.
LOOSE = 0.02

#: A commodity this share short of its cap is left behind.
LEFT_BEHIND = 0.02

#: Levels that leave behind no more than this share of the commodities are passed in longer strides, up to the factor.
FEW, LONGEST_STRIDE = 2e-3, 4.0

#: Where what all could still get is no more than this share of all volume, one stride goes to the top.
LITTLE = 5e-3

#: Levels tried for one that fits by itself, each half of the one before.
START_TRIES = 20

#: Temperature of that trial, and of the first prices (divided by the mean number of links of a path).
PLAIN_TEMPERATURE, FIRST_PRICE = 0.05, 0.03


@dataclass(frozen=True, eq=False)
class Climb:
    """What all get, (n,) in Gbit/s, the levels passed on the way, and each one's prices (R, n_links)."""

    volume_gbps: FloatArray
    levels: tuple[float, ...]
    prices: tuple[FloatArray, ...]


class Climber:
    """One priority's way up; ``problem`` is its max_min stage, ``groups`` all that compete with it."""

    def __init__(self, tools: Tools, problem: StageProblem, groups: tuple[Group, ...], shares: FairShares) -> None:
        self.tools, self.problem, self.groups, self.shares = tools, problem, groups, shares
        self.routings = [AllPaths(group) for group in groups]
        self.before = problem.least_gbps.copy()
        self.before[shares.commodities] = 0.0
        self.room = room_gbps(problem, groups)
        self.loose = LOOSE

    def climb(self, ratio: float) -> Climb:
        """Return what all get when caps go up by ``ratio`` wherever some are left behind."""
        shares = self.shares
        level, volume = self._start()
        behind = np.zeros(len(volume), dtype=np.bool_)
        levels: list[float] = []
        passed: list[FloatArray] = []
        prices, stride, careful = self._first_prices(), LONGEST_STRIDE, False
        while level < shares.top and not self._must_stop():
            rising = ~behind & ~shares.in_full(volume)
            little = float((shares.full_gbps - volume)[rising].sum()) <= LITTLE * float(volume.sum())
            upper = shares.top if little and not careful else min(level * stride, shares.top)
            cap = np.maximum(volume, shares.volume_gbps(upper))
            in_one = upper <= level * ratio * (1.0 + 1e-9)
            for step in DESCENTS:
                prices, found, overload = self._descend(volume, cap, prices, step)
                short = found < cap * (1.0 - LEFT_BEHIND)
                few = int((short & ~behind).sum()) <= FEW * len(volume)
                if not (few or in_one):
                    break
            if not (few or in_one):
                stride, careful = ratio, True
                continue
            self.tools.progress(f"{self.problem.label}: level {upper:.6g}, {int(short.sum())} left behind")
            volume, behind, level = np.where(short, found, cap), short, upper
            self.loose = max(LOOSE, 1.5 * (1.0 - 1.0 / max(overload, 1.0)))
            levels.append(level)
            passed.append(prices)
            stride, careful = min(max(stride, ratio) ** 2, LONGEST_STRIDE) if few else ratio, False
        return Climb(volume, tuple(levels), tuple(passed))

    def _start(self) -> tuple[float, FloatArray]:
        """Return a level that fits when all take paths of few links, and its volumes; a low one and 0 if none does."""
        level = self.shares.top
        for _ in range(START_TRIES):
            volume = self.shares.volume_gbps(level)
            if self._fits_plainly(self.before + self._whole(volume)):
                return level, volume
            level /= 2.0
        return level, np.zeros(len(self.shares.commodities))

    def _fits_plainly(self, volume: FloatArray) -> bool:
        load = np.zeros_like(self.room)
        for routing in self.routings:
            of_links = routing.spread(np.ones(load.shape[1]), PLAIN_TEMPERATURE).link_loads(
                volume[routing.group.commodities].astype(np.float32)
            )
            load[0] += of_links
            if routing.group.row:
                load[routing.group.row] = of_links
        return bool((load <= self.room).all())

    def _first_prices(self) -> FloatArray:
        return np.full_like(self.room, FIRST_PRICE / self._mean_hops())

    def _mean_hops(self) -> float:
        return self._market(self.shares.full_gbps, self.shares.full_gbps).mean_hops

    def _market(self, volume: FloatArray, cap: FloatArray) -> TieredMarket:
        """Return the market in which all have ``volume`` and may have ``cap``, (n,) each."""
        kept, loose = self._whole(volume), self.loose
        tiers = [
            ((1.0 - loose) * (self.before + kept), FORCED_WORTH),
            (loose * self.before, HIGHER_WORTH),
            (loose * kept, KEPT_WORTH),
            (self._whole(cap - volume), 1.0),
        ]
        return tiered_market(self.problem, self.groups, tiers)

    def _descend(
        self, volume: FloatArray, cap: FloatArray, prices: FloatArray, level: tuple[float, float, int]
    ) -> tuple[FloatArray, FloatArray, float]:
        """Return prices, what all get under them (n,), and the largest load as a share of a link's room."""
        found = self._market(volume, cap)
        step = step_of(found, *level)
        stop = partial(self._fits, 2.0 * step.barrier)
        prices = descend(found, self.routings, prices, step, stop, tiered_traffic)
        traffic = tiered_traffic(found, self.routings, prices, step)
        flow = np.zeros(len(found.volume))
        for group, of_group in zip(self.groups, traffic.flows, strict=True):
            flow[group.commodities] = of_group
        scale = float((self.before + self._whole(cap)).sum())
        priced = found.priced
        overload = float((traffic.load[priced] / found.room[priced]).max(initial=0.0))
        return prices, np.minimum(flow[self.shares.commodities] * scale, cap), overload

    def _fits(self, allowed: float, misfit: float) -> bool:
        return self._must_stop() or misfit <= allowed

    def _must_stop(self) -> bool:
        return self.tools.deadline.remaining_s <= 0

    def _whole(self, mine: FloatArray) -> FloatArray:
        """Return figures of the priority's commodities (n,) as those of all, 0 elsewhere."""
        volume = np.zeros(self.problem.instance.n_commodities)
        volume[self.shares.commodities] = mine
        return volume


def step_of(found: TieredMarket, temperature: float, barrier: float, iterations: int) -> Descent:
    """Return a descent on a market: temperatures are for paths of one link, padding keeps walks to and fro away."""
    step = Descent.at(temperature / found.mean_hops, barrier, iterations)
    return replace(step, padding=np.maximum(step.padding, step.temperature * (np.log(found.ways) + WALK_MARGIN)))
