"""The end game: one program over the few commodities that still have to move, all others held where they are.

Routes that come from smooth prices are wrong in few places: some links are a little too full, others have room left.
To mend that it takes as many commodities as there are such links and some more, not all of them. So commodities are
either *held*, what they carry being deducted from the room, or *free*, with path columns in a linear program. Its
prices say what is still lost, exactly: paths that free commodities lack are added (column generation, Ford and
Fulkerson 1958), and the held commodities that lose most by being held are freed. When nothing is lost any more, the
routes are optimal over all paths of all commodities, and the prices prove it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.exact import Tools
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.pricing import Pricing
from vbte.allocate.priced.primal import Routes
from vbte.allocate.priced.restricted import SAME_PRICE, Restricted, Start
from vbte.instance import Instance
from vbte.oracle import merged_paths, select_paths
from vbte.policy import Split
from vbte.topology import FloatArray

IndexArray = NDArray[np.intp]

#: Commodities free from the start: the largest ones.
FIRST_FREE = 1500

#: Rounds at most, and the number of them in which what may be lost has to halve.
ROUNDS, PATIENCE = 25, 3

#: Where the start falls short of the most there can be by this share, room is filled up before any are freed.
WORTH_FILLING = 0.02

#: What the next priority is worth to each, beyond what prices say.
_FIRMNESS = 0.05


@dataclass(frozen=True, eq=False)
class Refined:
    """Routes that fit, with the prices (R, n_links) of the last program; ``lost`` bounds what others could gain.

    ``done`` says that this is as little as was asked for, or nearly.
    """

    routes: Routes
    lost: float
    done: bool


def refinable(found: Market, instance: Instance) -> bool:
    """Tell whether a market can be refined: nothing but room counts, and commodities may split as they like."""
    scope = np.concatenate([group.commodities for group in found.groups])
    policies = [instance.rules[c].policy for c in np.unique(instance.class_index[scope]).tolist()]
    free_split = all(one.split is not Split.SINGLE_PATH and one.max_paths is None for one in policies)
    return free_split and not found.least.any() and not found.base[(found.room[0] > 0)].any()


def firmly_ordered(found: Market, instance: Instance) -> Market:
    """Return the market with every priority worth a little more against those after it than it has to be.

    At the very worth at which a unit of silver makes up for one of gold, an optimum may have either.
    """
    admitting = [p for p, worth in found.multiplier.items() if p is not None and worth < found.forced_worth]
    worth, multiplier = found.worth.copy(), dict(found.multiplier)
    for place, priority in enumerate(sorted(admitting, reverse=True)):
        factor = (1.0 + _FIRMNESS) ** place
        multiplier[priority] *= factor
        mine = (instance.priority == priority) & (worth < found.forced_worth)
        worth[mine] *= factor
    return replace(found, worth=worth, multiplier=multiplier)


def refined(tools: Tools, found: Market, routes: Routes, guide: FloatArray | None, enough: float) -> Refined | None:
    """Return routes that lose no more than ``enough`` against the best, in the market's worth, if that can be had.

    ``guide`` (R, n_links) are prices at which the market is thought to clear: they tell who is admitted, and which
    paths are cheapest. Without them the routes are taken as they come. None if there was no answer at all.
    """
    tie_break = routes.prices.sum(axis=0) + 1e-3 * max(float(routes.prices.max()), 1e-300)
    pricing = Pricing(tools.oracle, found, tie_break)
    bound, first = np.inf, found.volume
    if guide is None:
        usable = np.ones(len(routes.paths), dtype=np.bool_)
        start = Start(routes.paths, routes.flow, usable, pricing.crossings(routes.paths))
    else:
        distance = pricing.distance(guide)
        bound, first = pricing.bound(guide, distance), np.where(_can_pay(found, distance), found.volume, 0.0)
        start = _tidied(pricing, routes, guide, distance)
    work = Restricted(tools, pricing, start)
    work.free(pricing.commodities[np.argsort(-first[pricing.commodities], kind="stable")[:FIRST_FREE]])
    work.give_way()
    if guide is not None and bound - work.value > WORTH_FILLING * bound:
        work.fill_up()
    return _rounds(work, bound, enough)


def _rounds(work: Restricted, bound: float, enough: float) -> Refined | None:
    """Solve, price and grow until no more than ``enough`` may be lost, or it goes on too slowly."""
    last, seen = None, [np.inf] * PATIENCE
    for round_ in range(ROUNDS):
        prices = work.solve()
        if prices is None:
            break
        last = prices
        bound = min(bound, work.prove(prices))
        lost = bound - work.value
        seen.append(lost)
        work.tools.progress(f"refined {round_ + 1}: {work.n_free} commodities free, {lost:.2e} may be lost")
        if lost <= enough or lost > 0.5 * seen[-1 - PATIENCE] or round_ == ROUNDS - 1 or not work.grow(prices):
            break
    return None if last is None else Refined(Routes(*work.result(), last), seen[-1], seen[-1] <= 2.0 * enough)


def _can_pay(found: Market, distance: FloatArray) -> NDArray[np.bool_]:
    """Return which commodities are worth what their cheapest path costs, shape (K,)."""
    return np.asarray(distance <= found.worth + SAME_PRICE * float(found.worth.max()))


def _tidied(pricing: Pricing, routes: Routes, guide: FloatArray, distance: FloatArray) -> Start:
    """Bring routes to what exact prices say: cheapest paths only, in full or not at all but at the margin."""
    found, paths, flow = pricing.found, routes.paths, routes.flow
    same = SAME_PRICE * float(found.worth.max())
    inside, can_pay = distance < found.worth - same, _can_pay(found, distance)
    cross = pricing.crossings(paths)
    tight = (cross.cost(guide.reshape(-1)) <= distance[paths.commodity] + same) & can_pay[paths.commodity]
    has = np.zeros_like(can_pay)
    has[paths.commodity[tight]] = True
    without = pricing.commodities[(can_pay & ~has)[pricing.commodities]]
    if len(without):
        new, kept = pricing.cheapest(guide, without), np.flatnonzero(tight)
        order = np.argsort(np.concatenate([paths.commodity[kept], new.commodity]), kind="stable")
        paths = merged_paths([select_paths(paths, kept), new])
        flow = np.concatenate([flow[kept], np.zeros(len(new))])[order]
        cross, tight = pricing.crossings(paths), np.ones(len(paths), dtype=np.bool_)
    flow = np.where(tight, flow, 0.0)
    carried = pricing.carried(paths, flow)
    # Those that must be in share themselves out over their paths where they had none, or too little to see.
    idle = (inside & (carried <= 0))[paths.commodity] & tight
    flow = np.where(idle, 1.0, flow)
    carried = pricing.carried(paths, flow)
    wanted = np.where(inside, found.volume, np.minimum(carried, found.volume))
    scale = np.divide(wanted, carried, out=np.zeros_like(carried), where=carried > 0)
    return Start(paths, flow * scale[paths.commodity], tight, cross)
