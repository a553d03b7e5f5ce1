"""Prices from a market's units to those of a stage's objective, and back."""

from __future__ import annotations

import numpy as np

from vbte.allocate.priced.market import Market
from vbte.allocate.priced.outlook import FLOW_KINDS, Outlook, figure_weights
from vbte.allocate.priced.routing import AllPaths
from vbte.bounds import StageProblem
from vbte.plan import Prices
from vbte.policy import StageKind
from vbte.topology import FloatArray

#: Mean shortest path, as a share of what the least important volume is worth, in stages that sum along paths.
FIGURE_SHARE = 0.1


def last_priced(outlook: Outlook) -> int | None:
    """Return which stage is the last that admits and has prices, else the last that has any; None if none has."""
    priced = [i for i, one in enumerate(outlook.certificates) if one.prices is not None and one.prices.capacity.any()]
    admitting = [i for i in priced if outlook.certificates[i].kind is StageKind.ADMITTED]
    return max(admitting or priced, default=None)


def market_prices(problem: StageProblem, found: Market, prices: FloatArray, outlook: Outlook) -> Prices:
    """Return a market's prices (R, n_links) in the units of a stage's objective."""
    factor, figures = 1.0, {}
    weights = dict(_figure_weights(outlook, found))
    if problem.kind in FLOW_KINDS:
        factor = 1.0 / weights[problem.label]
    elif problem.kind is StageKind.ADMITTED and problem.priority in found.multiplier:
        factor = 1.0 / found.multiplier[problem.priority]
    held: dict[int, float] = {}
    for index, one in problem.price_rows().items():
        if one.kind is StageKind.ADMITTED and one.priority in found.multiplier:
            held[index] = factor * found.multiplier[one.priority]
        elif one.kind in FLOW_KINDS:
            figures[index] = factor * weights.get(one.stage, 0.0)
    instance = problem.instance
    limits = {
        int(instance.class_index[group.commodities[0]]): factor * prices[group.row][None, :]
        for group in found.groups
        if group.row
    }
    return Prices(factor * prices[0][None, :], limits, held | figures)


def _figure_weights(outlook: Outlook, found: Market) -> list[tuple[str, float]]:
    share = FIGURE_SHARE if found.multiplier and any(w < found.forced_worth for w in found.multiplier.values()) else 1.0
    labels = [problem.label for problem in outlook.problems if problem.kind in FLOW_KINDS]
    weights = figure_weights(outlook, found.groups, share)
    return [(label, weight) for label, (weight, _) in zip(labels, weights, strict=True)]


def exact_prices(found: Market, outlook: Outlook) -> FloatArray | None:
    """Return the contracted network's prices in the market's units, shape (R, n_links); None where of no use."""
    if any(problem.kind in FLOW_KINDS for problem in outlook.problems) and not found.multiplier:
        # Shortest paths set the unit here, and nothing says how dear full links are against them.
        return None
    index = last_priced(outlook)
    if index is None:
        return None
    chosen = outlook.certificates[index]
    assert chosen.prices is not None
    exact = np.zeros_like(found.room)
    exact[0] = chosen.prices.capacity[0]
    for group in found.groups:
        if group.row:
            class_index = int(outlook.problems[0].instance.class_index[group.commodities[0]])
            exact[group.row] = chosen.prices.class_limit[class_index][0]
    if chosen.kind is StageKind.ADMITTED:
        priority = chosen.priority
        return exact * found.multiplier[priority] if priority in found.multiplier else None
    dearest_path = max(
        float(np.max(AllPaths(group).spread(found.weight(group, exact, 1e-9 * exact.max()), 1e-4 * exact.max())
                     .distance, initial=0.0)) for group in found.groups
    )  # fmt: skip
    return exact / dearest_path if dearest_path > 0 else None
