"""A market whose commodities offer their volume in tiers: some must be carried, some had better be, some may be.

The first tiers of a commodity are worth more than what its links can cost, so that nobody loses what it has while the
last tier competes for what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.descent import Descent, Traffic
from vbte.allocate.priced.market import BLOCKED_PRICE, Group, Market
from vbte.allocate.priced.routing import Routing
from vbte.bounds import StageProblem
from vbte.paths.elimination import Float32Array
from vbte.plan import Prices
from vbte.topology import FloatArray

#: What a unit of volume is worth that has to be carried whatever it costs.
FORCED_WORTH = 100.0


@dataclass(frozen=True, eq=False)
class TieredMarket(Market):
    """A market in which commodity k offers ``tiers[i][0][k]`` (K,), in shares of all volume, worth ``tiers[i][1]``."""

    tiers: tuple[tuple[FloatArray, float], ...] = ()


def tiered_market(
    problem: StageProblem,
    groups: tuple[Group, ...],
    tiers: Sequence[tuple[FloatArray, float]],
    base: FloatArray | None = None,
) -> TieredMarket:
    """Return the market of volumes in tiers: (K,) in Gbit/s, and what a unit of each is worth.

    ``base`` (n_links,) is what links cost by themselves.
    """
    volume = np.sum([gbps for gbps, _ in tiers], axis=0)
    scale = float(volume.sum()) or 1.0
    room = room_gbps(problem, groups)
    usable = room[0] > 0
    cost = np.zeros(room.shape[1]) if base is None else base
    return TieredMarket(
        groups,
        np.where(usable[None, :], room / scale, np.inf),
        np.where(usable, cost, BLOCKED_PRICE),
        volume / scale,
        np.full(len(volume), FORCED_WORTH),
        np.zeros(len(volume)),
        FORCED_WORTH,
        tiers=tuple((gbps / scale, worth) for gbps, worth in tiers),
    )


def room_gbps(problem: StageProblem, groups: tuple[Group, ...]) -> FloatArray:
    """Return the room of links, and of classes with a limit of their own, Gbit/s, shape (R, n_links)."""
    capacity = problem.instance.topology.capacity_gbps
    room = np.full((1 + max(group.row for group in groups), len(capacity)), np.inf)
    if np.isfinite(problem.utilization_cap):
        room[0] = problem.utilization_cap * capacity - problem.background_gbps[0]
    for group in groups:
        if group.row:
            class_index = int(problem.instance.class_index[group.commodities[0]])
            room[group.row] = problem.class_limit(class_index) * capacity
    return room


def tiered_traffic(market: Market, routings: Sequence[Routing], prices: FloatArray, step: Descent) -> Traffic:
    """Return the traffic that follows prices (R, n_links), and the smoothed dual's value up to a constant.

    What all volume would be worth is left out of the value, tier by tier: next to the worth of what must be carried
    the rest would drown in rounding, and no line search could tell better from worse.
    """
    assert isinstance(market, TieredMarket)
    priced = market.priced
    value = float(market.room[priced] @ prices[priced])
    load = np.zeros_like(market.room)
    flows, spreads = [], []
    temperature = np.float32(step.temperature)
    padding = np.float32(market.padding(step.padding).mean())
    for routing in routings:
        group = routing.group
        spread = routing.spread(market.weight(group, prices, step.padding), step.temperature)
        paid = spread.distance - padding * group.hops.astype(np.float32)
        flow = np.zeros_like(paid)
        for volume, worth in market.tiers:
            offered = volume[group.commodities].astype(np.float32)
            if not offered.any():
                continue
            loss, share = _logistic((np.float32(worth) - paid) / temperature)
            each = offered * (temperature * loss - np.minimum(paid, np.float32(worth)))
            value += float(each.sum(dtype=np.float64))
            flow += offered * share
        of_links = spread.link_loads(flow)
        load[0] += of_links
        if group.row:
            load[group.row] = of_links
        flows.append(flow)
        spreads.append(spread)
    return Traffic(value, tuple(flows), load, tuple(spreads))


def stage_prices(problem: StageProblem, market: TieredMarket, prices: FloatArray) -> Prices:
    """Return a market's prices (R, n_links) as those of a stage's rows, links without any room at a price of theirs."""
    blocked = np.where(np.isfinite(market.room[0]), 0.0, np.where(market.base >= BLOCKED_PRICE, BLOCKED_PRICE, 0.0))
    limits = {
        int(problem.instance.class_index[group.commodities[0]]): prices[group.row][None, :]
        for group in market.groups
        if group.row
    }
    return Prices((prices[0] + blocked)[None, :], limits)


def _logistic(x: Float32Array) -> tuple[Float32Array, NDArray[np.float32]]:
    """Return log(1 + exp(-|x|)) and 1 / (1 + exp(-x))."""
    small: Float32Array = np.exp(-np.abs(x))
    share: Float32Array = np.where(x >= 0, np.float32(1.0), small) / (np.float32(1.0) + small)
    return np.log1p(small), share
