"""Fair shares: what each commodity of one priority gets at a common level.

At level s a commodity gets ``unit x function(weight x s)``, never more than its demand. The function is its class's
bandwidth function (Jain et al., B4, 2013), or the identity; the unit is 1 Gbit/s or the commodity's own demand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.policy import FairBy, StageKind, TrafficClass
from vbte.tolerance import DEMAND_SLACK_SHARE, FAIR_BOUND_SLACK_SHARE, FAIR_LEVEL_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class ShareFunction:
    """Height as a function of the level: non-decreasing, 0 at 0.

    Between ``fair_share`` and ``height`` (both (n,)) it is linear and behind the last it is constant; without points
    it is the identity. The level is multiplied by ``weight`` first.
    """

    weight: float
    fair_share: FloatArray | None = None
    height: FloatArray | None = None

    @property
    def most(self) -> float:
        """Largest height, inf without points."""
        return np.inf if self.height is None else float(self.height[-1])

    def at(self, level: FloatArray) -> FloatArray:
        """Return the height at each level."""
        if self.fair_share is None or self.height is None:
            return self.weight * level
        return np.asarray(np.interp(self.weight * level, self.fair_share, self.height))

    def highest_level(self, height: FloatArray) -> FloatArray:
        """Return the highest level at which the function is not above each height, inf where it never is.

        A height just below a kink counts as the kink's: where the function is flat, rounding must not decide.
        """
        if self.fair_share is None or self.height is None:
            return height / self.weight
        after = np.searchsorted(self.height, height * (1.0 + FAIR_LEVEL_SLACK_SHARE), side="right")
        return self._between(after, height, np.inf)

    def lowest_level(self, height: FloatArray) -> FloatArray:
        """Return the lowest level at which the function reaches each height (at most ``most``)."""
        if self.fair_share is None or self.height is None:
            return height / self.weight
        after = np.searchsorted(self.height, height, side="left")
        return self._between(after, height, float(self.fair_share[-1]) / self.weight)

    def _between(self, after: NDArray[np.intp], height: FloatArray, beyond: float) -> FloatArray:
        assert self.fair_share is not None
        assert self.height is not None
        inner = np.clip(after, 1, len(self.height) - 1)
        low, rise = self.height[inner - 1], self.height[inner] - self.height[inner - 1]
        width = self.fair_share[inner] - self.fair_share[inner - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(rise > 0, (height - low) / rise, 0.0) * width
        level = (self.fair_share[inner - 1] + np.maximum(step, 0.0)) / self.weight
        return np.where(after >= len(self.height), beyond, np.where(after == 0, 0.0, level))


@dataclass(frozen=True, eq=False)
class FairShares:
    """The commodities of one priority and what they get at each level.

    ``commodities`` (n,) are positions in the instance, ``function`` (n,) positions in ``functions``, ``unit_gbps`` (n,)
    what height 1 stands for, ``full_gbps`` (n,) the most that each gets.
    """

    commodities: NDArray[np.intp]
    functions: tuple[ShareFunction, ...]
    function: NDArray[np.intp]
    unit_gbps: FloatArray
    full_gbps: FloatArray

    @cached_property
    def full_level(self) -> FloatArray:
        """Lowest level at which each commodity has all it can get, shape (n,)."""
        level = np.empty(len(self.commodities))
        for mine, function in self._by_function():
            height = np.minimum(self.full_gbps[mine] / self.unit_gbps[mine], function.most)
            level[mine] = function.lowest_level(height)
        return level

    @property
    def top(self) -> float:
        """Lowest level at which all have all they can get."""
        return float(self.full_level.max(initial=0.0))

    def volume_gbps(self, level: float) -> FloatArray:
        """Return the volume of each commodity at one level, Gbit/s, shape (n,)."""
        height = np.array([float(f.at(np.array([level]))[0]) for f in self.functions])
        return np.asarray(np.minimum(self.unit_gbps * height[self.function], self.full_gbps))

    def in_full(self, volume_gbps: FloatArray) -> BoolArray:
        """Return who has all it can get, but for rounding, shape (n,)."""
        return np.asarray(volume_gbps >= self.full_gbps * (1.0 - DEMAND_SLACK_SHARE))

    def level_of(self, volume_gbps: FloatArray) -> FloatArray:
        """Return the highest level whose volume each commodity has, but for rounding; ``top`` where in full."""
        level = np.empty(len(self.commodities))
        for mine, function in self._by_function():
            level[mine] = function.highest_level(volume_gbps[mine] / self.unit_gbps[mine])
        return np.where(self.in_full(volume_gbps), self.top, np.minimum(level, self.top))

    def common_level(self, volume_gbps: FloatArray) -> float:
        """Return the highest level that all have."""
        return float(self.level_of(volume_gbps).min(initial=self.top))

    def spending(self, price: FloatArray, most_gbps: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return the sum over commodities of price x the lesser of ``most_gbps`` and the fair volume, by level.

        ``price`` and ``most_gbps`` have shape (n,); the function takes levels and returns sums of their shape. In each
        class the fair volume is a multiple of one height, so that sorting by the height at which ``most_gbps`` is
        reached and summing up will do.
        """
        parts = []
        for mine, function in self._by_function():
            limit, unit = np.minimum(most_gbps, self.full_gbps)[mine], self.unit_gbps[mine]
            order = np.argsort(limit / unit, kind="stable")
            paid = price[mine][order]
            flat = np.concatenate([[0.0], np.cumsum(paid * limit[order])])
            slope = np.concatenate([np.cumsum((paid * unit[order])[::-1])[::-1], [0.0]])
            parts.append((function, (limit / unit)[order], flat, slope))

        def spent(level: FloatArray) -> FloatArray:
            total = np.zeros(len(level))
            for function, reached_at, flat, slope in parts:
                height = function.at(level)
                reached = np.searchsorted(reached_at, height, side="right")
                total += flat[reached] + slope[reached] * height
            return total

        return spent

    def highest_level(self, price: FloatArray, budget: float, fixed: BoolArray | None = None) -> float:
        """Return the highest level, up to ``top``, whose volumes cost no more than ``budget`` at the prices (n,).

        Commodities marked in ``fixed`` (n,) are left out. A budget below 0 buys level 0.
        """
        rising = np.ones(len(price), dtype=np.bool_) if fixed is None else ~fixed
        paid = np.where(rising, price, 0.0)
        kinks = [self.full_level]
        kinks += [f.fair_share / f.weight for f in self.functions if f.fair_share is not None]
        level = np.unique(np.concatenate([[0.0, self.top], *kinks]))
        level = level[level <= self.top]
        cost = self.spending(paid, self.full_gbps)(level)
        # Where nobody pays for more the level goes on, and rounding must not decide whether it gets there.
        above = np.flatnonzero(cost * (1.0 - FAIR_BOUND_SLACK_SHARE) > budget)
        if not len(above):
            return self.top
        after = int(above[0])
        if after == 0 or budget < 0:
            return 0.0
        rise = cost[after] - cost[after - 1]
        share = min(1.0, max(0.0, (budget - cost[after - 1]) / rise)) if rise > 0 else 0.0
        return float(level[after - 1] + share * (level[after] - level[after - 1]))

    def _by_function(self) -> list[tuple[BoolArray, ShareFunction]]:
        return [(self.function == position, function) for position, function in enumerate(self.functions)]


def fair_shares(instance: Instance, chosen: BoolArray) -> FairShares:
    """Return the fair shares of the commodities marked in ``chosen`` (K,), by the model's max_min stage."""
    fair_by = instance.model.stage(StageKind.MAX_MIN).fair_by
    commodities = np.flatnonzero(chosen)
    present, function = np.unique(instance.class_index[commodities], return_inverse=True)
    policies = [instance.rules[c].policy for c in present.tolist()]
    peak = instance.peak_gbps[commodities]
    by_demand = np.array([_by_demand(policy, fair_by) for policy in policies], dtype=np.bool_)
    functions = tuple(_function(policy) for policy in policies)
    unit = np.where(by_demand[function], peak, 1.0) if len(peak) else peak
    most = np.array([f.most for f in functions])[function] if len(peak) else peak
    return FairShares(commodities, functions, function.astype(np.intp), unit, np.minimum(peak, unit * most))


def _by_demand(policy: TrafficClass, fair_by: FairBy) -> bool:
    if policy.bandwidth_function is not None:
        return policy.bandwidth_function[0].gbps is None
    return fair_by is FairBy.DEMAND


def _function(policy: TrafficClass) -> ShareFunction:
    points = policy.bandwidth_function
    if points is None:
        return ShareFunction(policy.weight)
    share, height = [point.fair_share for point in points], [point.height for point in points]
    if share[0] > 0:
        share, height = [0.0, *share], [0.0, *height]
    return ShareFunction(policy.weight, np.array(share), np.array(height))
