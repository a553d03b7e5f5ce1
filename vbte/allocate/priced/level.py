"""Stages that ask for one level of all links: the least utilisation of the busiest, the largest common scale.

Their market has elastic room: links carry what a common level lets them, and prices say what level they ask for. Nobody
is refused, no level has to be known beforehand, and the level reached says how full links have to get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vbte.allocate.priced.descent import Descent
from vbte.allocate.priced.market import BLOCKED_PRICE, ElasticRoom, Group, Market
from vbte.allocate.priced.outlook import Outlook
from vbte.allocate.priced.routing import Routing
from vbte.bounds import StageProblem
from vbte.policy import Admission, StageKind
from vbte.topology import FloatArray

#: Worth of everything that has to be carried, where the mean path costs about 1: nobody is ever refused.
_CARRIED = 100.0

#: Utilisation is looked at no lower than this many times what is there already.
_ABOVE_BACKGROUND = 1.01


def asks_for_level(problem: StageProblem) -> bool:
    """True when a stage without stages before it asks for one level of all links."""
    if problem.holds:
        return False
    if problem.kind is StageKind.MAX_UTILIZATION:
        return problem.instance.model.admission is Admission.ALL
    return problem.kind is StageKind.CONCURRENT and np.isfinite(problem.utilization_cap)


def level_market(problem: StageProblem, groups: tuple[Group, ...], level: float, mean_price: float) -> Market:
    """Return the market of a stage that asks for a level, about ``level``, where a mean path pays ``mean_price``.

    The level is the utilisation of ``max_utilization``, and 1 / scale of ``concurrent``.
    """
    instance, scale = problem.instance, float(problem.most_gbps.sum()) or 1.0
    link_capacity, background = instance.topology.capacity_gbps, problem.background_gbps[0]
    shape = (1 + max(group.row for group in groups), len(link_capacity))
    capacity, fixed = np.zeros(shape), np.zeros(shape)
    scales = problem.kind is StageKind.CONCURRENT
    if scales:
        capacity[0] = np.maximum(problem.utilization_cap * link_capacity - background, 0.0)
    else:
        capacity[0], fixed[0] = link_capacity, -background
        used = np.divide(background, link_capacity, out=np.zeros(shape[1]), where=link_capacity > 0)
        level = max(level, _ABOVE_BACKGROUND * float(used.max(initial=0.0)))
    for group in groups:
        if group.row:
            limit = problem.class_limit(int(instance.class_index[group.commodities[0]])) * link_capacity
            (capacity if scales else fixed)[group.row] = limit
    usable = capacity[0] > 0
    room = np.where(usable[None, :], (level * capacity + fixed) / scale, np.inf)
    volume = problem.most_gbps / scale
    return Market(
        groups, room, np.where(usable, 0.0, BLOCKED_PRICE), volume, np.where(problem.scope, _CARRIED, 0.0),
        np.zeros_like(volume), _CARRIED, elastic=ElasticRoom(capacity / scale, fixed / scale, level, mean_price),
    )  # fmt: skip


def start_prices(found: Market, utilization: FloatArray) -> FloatArray:
    """Return prices (R, n_links) to start from: those of links rise with their ``utilization``, a mean path costs 1."""
    assert found.elastic is not None
    prices = np.zeros_like(found.room)
    prices[0] = (utilization / max(float(utilization.max(initial=0.0)), 1e-300)) ** 2
    cost = float((prices[0] * utilization * found.elastic.capacity[0]).sum())
    prices[0] /= max(cost, 1e-300)
    return np.where(found.priced, prices, 0.0)


def paying_share(found: Market, routings: Sequence[Routing], prices: FloatArray, step: Descent) -> float:
    """Return which share of the volume pays, counted by what it pays, p: (sum of p)^2 / sum of p^2.

    Where one link at the edge sets the level few pay much. Temperatures are for paths of those who pay.
    """
    once = twice = 0.0
    padding = found.padding(step.padding).mean()
    for routing in routings:
        group = routing.group
        distance = routing.spread(found.weight(group, prices, step.padding), step.temperature).distance
        paid = np.maximum(distance - padding * group.hops, 0.0)
        volume = found.volume[group.commodities]
        once += float(volume @ paid)
        twice += float(volume @ paid**2)
    return once * once / twice if twice > 0 else 1.0


def at_level(outlook: Outlook, level: float, slack: float) -> tuple[Outlook, float]:
    """Return the outlook whose market has the room of a level that was reached, and what share of volumes it carries.

    The room is never less than what the outlook itself promises and the ``slack`` beyond it.
    """
    first = outlook.certificates[0]
    if first.kind is StageKind.MAX_UTILIZATION:
        known = first.held_at if np.isfinite(first.held_at) else 0.0
        first = replace(first, held_at=max(known, level / (1.0 + slack)))
        share = 1.0
    else:
        known = first.held_at if np.isfinite(first.held_at) else np.inf
        first = replace(first, held_at=min(known, 1.0 / (level * (1.0 - slack))))
        share = min(1.0, first.held_at * (1.0 - slack))
    return replace(outlook, certificates=(first, *outlook.certificates[1:])), share
