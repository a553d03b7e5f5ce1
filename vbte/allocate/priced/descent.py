"""Link prices by descent on the smoothed dual.

The dual of a stage, with the cheapest path of every commodity softened to a weighted mean over near-cheapest ones and the
yes or no of admission softened to a share, is smooth and convex. Its gradient is the room left on each link, so that a
quasi-Newton method (L-BFGS, Liu and Nocedal 1989) drives loads to what fits while it finds the prices. A logarithmic
barrier keeps a little room everywhere. Smaller temperatures come closer to the true dual and take more iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from vbte.allocate.priced.market import Market
from vbte.allocate.priced.routing import Routing, Spread
from vbte.topology import FloatArray

#: Steps that L-BFGS remembers.
_MEMORY = 30

#: Exponents beyond this are as good as infinite.
_STEEP = 60.0


@dataclass(frozen=True)
class Descent:
    """One descent: temperature and barrier in units of worth, and when it ends.

    ``padding`` is added to every link's price, so that walks to and fro are not worth their while; commodities are
    worth as much more as their shortest path pays of it.
    """

    temperature: float
    barrier: float
    iterations: int
    padding: float

    @staticmethod
    def at(temperature: float, barrier: float, iterations: int) -> Descent:
        """Return a descent with the padding that goes with its temperature."""
        return Descent(temperature, barrier, iterations, 2.0 * temperature)


@dataclass(frozen=True, eq=False)
class Traffic:
    """What commodities do under given prices: ``flow`` (K,) admitted, ``load`` (R, n_links), where it goes."""

    value: float
    flow: FloatArray
    load: FloatArray
    spreads: tuple[Spread, ...]


def traffic(market: Market, routings: Sequence[Routing], prices: FloatArray, step: Descent) -> Traffic:
    """Return the smoothed dual's value and the traffic that follows prices (R, n_links)."""
    value = float(np.where(market.priced, market.room * prices, 0.0)[market.priced].sum())
    flow = np.zeros(len(market.volume))
    load = np.zeros_like(market.room)
    spreads = []
    for routing in routings:
        group = routing.group
        mine = group.commodities
        spread = routing.spread(market.weight(group, prices, step.padding), step.temperature)
        above = step.padding * group.hops - spread.distance
        least, rest = market.least[mine], market.volume[mine] - market.least[mine]
        gain, share = _softplus((market.worth[mine] + above) / step.temperature)
        value += step.temperature * float(rest @ gain)
        flow[mine] = rest * share
        if least.any():
            gain, share = _softplus((market.forced_worth + above) / step.temperature)
            value += step.temperature * float(least @ gain)
            flow[mine] += least * share
        of_links = spread.link_loads(flow[mine])
        load[0] += of_links
        if group.row:
            load[group.row] = of_links
        spreads.append(spread)
    return Traffic(value, flow, load, tuple(spreads))


def descend(
    market: Market,
    routings: Sequence[Routing],
    prices: FloatArray,
    step: Descent,
    stop: Callable[[], bool],
) -> FloatArray:
    """Return better prices (R, n_links), starting from ``prices``; ``stop`` is asked after every iteration."""
    priced = market.priced
    room = market.room[priced]
    if not len(room):
        return prices
    stretch = np.sqrt(room.mean() / room)
    barrier = step.barrier / len(room)
    temperature = step.temperature

    def of(point: FloatArray) -> FloatArray:
        found = np.zeros_like(prices)
        found[priced] = temperature * _softplus(point * stretch)[0]
        return found

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        at = of(point)
        found = traffic(market, routings, at, step)
        slack = room - found.load[priced] - barrier / at[priced]
        slope = temperature * stretch * _softplus(point * stretch)[1]
        return found.value - barrier * float(np.log(at[priced]).sum()), slack * slope

    def after_iteration(_: FloatArray) -> None:
        if stop():
            raise StopIteration

    options = {"maxiter": step.iterations, "maxfun": 2 * step.iterations, "maxcor": _MEMORY, "ftol": 0.0, "gtol": 0.0}
    start = _inverse_softplus(np.maximum(prices[priced], 1e-6 * temperature) / temperature) / stretch
    best = minimize(objective, start, jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
    return of(best.x)


def _softplus(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log(1 + exp(x)) and its derivative."""
    value = np.exp(-np.abs(x))
    derivative = np.where(x >= 0, 1.0, value) / (1.0 + value)
    return np.maximum(x, 0.0) + np.log1p(value), derivative


def _inverse_softplus(value: FloatArray) -> FloatArray:
    return np.where(value > _STEEP, value, np.log(np.expm1(np.minimum(value, _STEEP))))
