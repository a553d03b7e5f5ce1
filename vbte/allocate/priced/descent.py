"""Link prices by descent on the smoothed dual.

The dual of a stage, with the cheapest path of every commodity softened to a weighted mean over near-cheapest ones and
the yes or no of admission softened to a share, is smooth and convex. Its gradient is the room left on each link, so
that a quasi-Newton method (L-BFGS, Liu and Nocedal 1989) drives loads to what fits while it finds the prices. A
logarithmic barrier keeps a little room everywhere. Smaller temperatures come closer to the true dual and take longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, OptimizeResult, minimize

from vbte.allocate.priced.market import Market
from vbte.allocate.priced.routing import Routing, Spread
from vbte.paths.elimination import Float32Array
from vbte.topology import FloatArray

_Real = TypeVar("_Real", np.float32, np.float64)

#: Steps that L-BFGS remembers.
_MEMORY = 30

#: Prices stay above this, where a logarithm is still a number.
_LEAST_PRICE = 1e-200

#: Exponents beyond this are as good as infinite.
_STEEP = 60.0


@dataclass(frozen=True)
class Descent:
    """One descent: temperature and barrier in units of worth, and when it ends.

    Every link costs at least ``padding``, a figure for all or one for each (n_links,), so that walks to and fro are not
    worth their while; commodities are worth as much more as their shortest path pays of it.
    """

    temperature: float
    barrier: float
    iterations: int
    padding: FloatArray | float

    @staticmethod
    def at(temperature: float, barrier: float, iterations: int) -> Descent:
        """Return a descent with the padding that goes with its temperature."""
        return Descent(temperature, barrier, iterations, 2.0 * temperature)


@dataclass(frozen=True, eq=False)
class Traffic:
    """What commodities do under given prices: what each group's admit, (G,) each, and where it goes.

    ``value`` is that of the smoothed dual, ``load`` has shape (R, n_links).
    """

    value: float
    flows: tuple[Float32Array, ...]
    load: FloatArray
    spreads: tuple[Spread, ...]

    def misfit(self, market: Market, prices: FloatArray) -> float:
        """Return what links carry beyond their room, plus what the room left on them costs, in worth of all volume.

        Where room is elastic nothing has a worth: there it is all that misses the room, as a share of all that is paid.
        """
        priced = market.priced
        slack = (market.room_at(prices)[1] - self.load)[priced]
        over = np.maximum(-slack, 0.0)
        if market.elastic is not None:
            return float(over.sum() + np.abs(slack) @ prices[priced] / market.elastic.paid(prices))
        return float(over.sum() + np.maximum(slack, 0.0) @ prices[priced])

    def worth_carried(self, market: Market, prices: FloatArray) -> float:
        """Return what the admitted volume is worth, less what the links charge for what they carry beyond their room.

        So much about can be kept when the overload is cut off.
        """
        worth = sum(float(stakes.worth @ flow) for stakes, flow in zip(market.stakes, self.flows, strict=True))
        priced = market.priced
        return worth - float(np.maximum(self.load - market.room, 0.0)[priced] @ prices[priced])


def traffic(market: Market, routings: Sequence[Routing], prices: FloatArray, step: Descent) -> Traffic:
    """Return the smoothed dual's value and the traffic that follows prices (R, n_links)."""
    value, _ = market.room_at(prices)
    load = np.zeros_like(market.room)
    flows, spreads = [], []
    padding = np.float32(market.padding(step.padding).mean())
    for routing, stakes in zip(routings, market.stakes, strict=True):
        group = routing.group
        spread = routing.spread(market.weight(group, prices, step.padding), step.temperature)
        above = padding * stakes.hops - spread.distance
        gain, flow = _admitted(stakes.rest, stakes.worth, above, step.temperature)
        value += gain
        if stakes.least is not None:
            gain, more = _admitted(stakes.least, np.float32(market.forced_worth), above, step.temperature)
            value += gain
            flow += more
        of_links = spread.link_loads(flow)
        load[0] += of_links
        if group.row:
            load[group.row] = of_links
        flows.append(flow)
        spreads.append(spread)
    return Traffic(value, tuple(flows), load, tuple(spreads))


def _admitted(
    volume: Float32Array, worth: Float32Array | np.float32, above: Float32Array, temperature: float
) -> tuple[float, Float32Array]:
    """Return what ``volume`` gains when it is worth so much and pays -``above``, and how much of it is admitted.

    The worth is added by itself and in double precision: where it is far above all prices, as for what must be carried,
    what single precision leaves of their sum is too coarse to tell a better step from a worse one.
    """
    steepness = np.float32(1.0 / temperature)
    small = np.exp(-np.abs((worth + above) * steepness))
    share = np.where(worth + above >= 0, np.float32(1.0), small) / (np.float32(1.0) + small)
    beyond = np.maximum(above, -worth) + np.float32(temperature) * np.log1p(small)
    certain = float((volume * worth).sum(dtype=np.float64))
    return certain + float((volume * beyond).sum(dtype=np.float64)), volume * share


#: What traffic follows prices (R, n_links), and the value of the smoothed dual up to a constant.
Evaluate = Callable[[Market, Sequence[Routing], FloatArray, Descent], Traffic]


def descend(
    market: Market,
    routings: Sequence[Routing],
    prices: FloatArray,
    step: Descent,
    stop: Callable[[float], bool],
    evaluate: Evaluate = traffic,
) -> FloatArray:
    """Return better prices (R, n_links), starting from ``prices``: of all looked at those with the least misfit.

    After every iteration ``stop`` is told the misfit of what was looked at last.
    """
    priced = market.priced
    room = market.room[priced]
    if not len(room) or not step.iterations:
        return prices
    stretch = np.sqrt(room.mean() / room)
    barrier = step.barrier / len(room)
    if market.elastic is not None:
        barrier *= market.elastic.mean_price
    temperature = step.temperature
    last, best = [np.inf], (np.inf, prices)

    def of(point: FloatArray) -> FloatArray:
        found = np.zeros_like(prices)
        found[priced] = np.maximum(temperature * _softplus(point * stretch)[0], _LEAST_PRICE)
        return found

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        at = of(point)
        found = evaluate(market, routings, at, step)
        nonlocal best
        last[0] = found.misfit(market, at)
        # The dual falls from step to step, but what loads miss the room by does not.
        best = min(best, (last[0], at), key=lambda one: one[0])
        slack = market.room_at(at)[1][priced] - found.load[priced] - barrier / at[priced]
        slope = temperature * stretch * _softplus(point * stretch)[1]
        return found.value - barrier * float(np.log(at[priced]).sum()), slack * slope

    def after_iteration(intermediate_result: OptimizeResult) -> None:  # noqa: ARG001 - scipy goes by the name
        if stop(last[0]):
            raise StopIteration

    options = {"maxiter": step.iterations, "maxfun": 2 * step.iterations, "maxcor": _MEMORY, "ftol": 0.0, "gtol": 0.0}
    start = _inverse_softplus(np.maximum(prices[priced], 1e-6 * temperature) / temperature) / stretch
    # No price need be higher than what anything is worth.
    highest = _inverse_softplus(np.array([2.0 * market.forced_worth / temperature]))[0] / stretch
    start = np.minimum(start, highest)
    bounds = Bounds(np.full(len(start), -np.inf), highest)
    minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        callback=after_iteration,
        options=options,  # type: ignore
    )
    return best[1]


def _softplus(x: NDArray[_Real]) -> tuple[NDArray[_Real], NDArray[_Real]]:
    """Return log(1 + exp(x)) and its derivative, in the precision of ``x``."""
    small: NDArray[_Real] = np.exp(-np.abs(x))
    # Twice the exponential costs less than choosing between two forms of it; beyond the limit its inverse is 0 anyway.
    steep: NDArray[_Real] = np.exp(np.minimum(-x, np.log(np.finfo(x.dtype).max) - 1.0))
    return np.maximum(x, 0.0) + np.log1p(small), 1.0 / (1.0 + steep)


def _inverse_softplus(value: FloatArray) -> FloatArray:
    return np.where(value > _STEEP, value, np.log(np.expm1(np.minimum(value, _STEEP))))
