"""From prices to a plan: near-shortest links, flows down them, paths, and what fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbte.allocate.priced.dag import DagSpread, DestinationDag
from vbte.allocate.priced.descent import Descent, Evaluate, Traffic, descend, traffic
from vbte.allocate.priced.fill import Crossings, crossings, fill, fit
from vbte.allocate.priced.market import BLOCKED_PRICE, Market
from vbte.allocate.priced.pieces import cut_into_paths
from vbte.allocate.priced.routing import AllPaths
from vbte.instance import Instance
from vbte.oracle import PathOracle, merged_paths, select_paths
from vbte.plan import PathSet
from vbte.policy import Split
from vbte.topology import BoolArray, FloatArray

#: Rounds in which leftovers get new paths over links that still have room.
REROUTE_ROUNDS = 3

#: A round that gains no more than this share of what may be left is the last.
_LITTLE = 0.03

#: Share of the leftovers, largest first, that get a new path in one round.
_MOST_MISSING = 0.8

#: A leftover below this share of its commodity's volume is not worth a new path.
_LEFT_OVER = 1e-6


@dataclass(frozen=True, eq=False)
class Routes:
    """Paths and what they carry, in shares of the market's total volume; ``prices`` (R, n_links) that led to them."""

    paths: PathSet
    flow: FloatArray
    prices: FloatArray


@dataclass(frozen=True, eq=False)
class NearShortest:
    """Traffic on the near-shortest links, under prices (R, n_links) that bring it close to the room there is."""

    prices: FloatArray
    traffic: Traffic
    misfit: float


def near_shortest(
    found: Market,
    all_paths: list[AllPaths],
    prices: FloatArray,
    step: Descent,
    stop: Callable[[float], bool],
    evaluate: Evaluate = traffic,
) -> NearShortest:
    """Return the traffic on the links that are near-shortest under ``prices``, loads brought to the room on these."""
    dags = []
    for routing in all_paths:
        weight = found.weight(routing.group, prices, step.padding)
        distance = routing.spread(weight, step.temperature).from_to()
        dags.append(DestinationDag(routing.group, distance, weight, step.temperature))
    prices = descend(found, dags, prices, step, stop, evaluate)
    result = evaluate(found, dags, prices, step)
    return NearShortest(prices, result, result.misfit(found, prices))


def cut(found: Market, near: NearShortest) -> Routes:
    """Return paths that carry the traffic; what they put on a link may exceed its room a little."""
    parts, flows = [], []
    for seed, (one, flow) in enumerate(zip(near.traffic.spreads, near.traffic.flows, strict=True)):
        assert isinstance(one, DagSpread)
        paths, amount = cut_into_paths(one, flow, found.room[0], seed)
        parts.append(paths)
        flows.append(amount)
    if len(parts) == 1:
        return Routes(parts[0], flows[0], near.prices)
    order = np.argsort(np.concatenate([part.commodity for part in parts]), kind="stable")
    return Routes(merged_paths(parts), np.concatenate(flows)[order], near.prices)


def fitted(instance: Instance, oracle: PathOracle, found: Market, routes: Routes, enough: float) -> Routes:
    """Return path flows that keep to the room, most important priorities first, leftovers on new paths.

    Leftovers up to ``enough``, a share of the total volume, are left at that.
    """
    paths, flow = routes.paths, routes.flow
    paths, flow = _within_path_limits(instance, paths, flow)
    if found.least.any():
        enough = 0.0
    flow = _fit(instance, found, paths, flow, enough)
    for _ in range(REROUTE_ROUNDS):
        extra = _new_paths(instance, oracle, found, Routes(paths, flow, routes.prices), enough)
        if not len(extra):
            break
        order = np.argsort(np.concatenate([paths.commodity, extra.commodity]), kind="stable")
        paths = merged_paths([paths, extra])
        fresh = np.concatenate([np.zeros(len(flow), dtype=np.bool_), np.ones(len(extra), dtype=np.bool_)])[order]
        flow = np.concatenate([flow, np.zeros(len(extra))])[order]
        before = float(flow.sum())
        flow = _fit(instance, found, paths, flow, enough, fresh)
        if not _must_carry(found) and float(flow.sum()) - before <= _LITTLE * enough:
            break
    if found.least.any():
        flow = _evened_out(instance, found, paths, flow)
    return Routes(paths, flow, routes.prices)


def _must_carry(found: Market) -> bool:
    """True when some volume may not be refused."""
    return bool(found.least.any() or (found.worth >= found.forced_worth).any())


def _evened_out(instance: Instance, found: Market, paths: PathSet, flow: FloatArray) -> FloatArray:
    """Give every commodity the same share of its least volume, where some fall short of theirs.

    Who falls short gets its least volume on the paths it has, and then all least volumes shrink alike until they fit;
    what others have beyond theirs makes room as far as it must.
    """
    carried = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities).astype(np.float64)
    if (carried >= found.least * (1.0 - 1e-9)).all():
        return flow
    cross = crossings_of(instance, found, paths)
    used = np.bincount(paths.commodity, minlength=instance.n_commodities)
    share = np.divide(
        flow, carried[paths.commodity], out=1.0 / used[paths.commodity], where=carried[paths.commodity] > 0
    )
    least = share * found.least[paths.commodity]
    room = found.room.reshape(-1)
    load = cross.load(least)
    least = least / max(1.0, float(np.divide(load, room, out=np.zeros_like(load), where=room > 0).max(initial=0.0)))
    left = np.maximum(room - cross.load(least), 0.0)
    return least + fit(cross, np.maximum(flow - least, 0.0), left)


def crossings_of(instance: Instance, found: Market, paths: PathSet) -> Crossings:
    """Return paths against the rows of room of a market."""
    row = np.zeros(instance.n_commodities, dtype=np.intp)
    for group in found.groups:
        row[group.commodities] = group.row
    return crossings(paths, row[paths.commodity], len(found.room), found.n_links)


def _fit(
    instance: Instance,
    found: Market,
    paths: PathSet,
    flow: FloatArray,
    enough: float,
    fresh: BoolArray | None = None,
) -> FloatArray:
    """Fit flows into the room. Leftovers go to the ``fresh`` paths (P,) only, where there are any."""
    cross = crossings_of(instance, found, paths)
    carried = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities).astype(np.float64)
    # What must be carried goes before what may be, and important priorities before others.
    forced = np.divide(found.least, carried, out=np.zeros_like(carried), where=carried > 0)
    asks = [(np.minimum(forced, 1.0), found.least), (1.0 - np.minimum(forced, 1.0), found.volume - found.least)]
    priority = instance.priority[paths.commodity]
    result, left = np.zeros_like(flow), found.room.reshape(-1)
    for share, volume in asks if found.least.any() else asks[1:]:
        asked = share * carried
        for one in np.unique(priority).tolist():
            part = np.where(priority == one, flow * share[paths.commodity], 0.0)
            short = np.maximum(volume - asked, 0.0)[paths.commodity]
            if fresh is None:
                more = short * np.divide(flow, carried[paths.commodity], out=np.zeros_like(flow), where=flow > 0)
            else:
                more = np.where(fresh, short, 0.0)
            more[priority != one] = 0.0
            got = fill(cross, fit(cross, part, left), part + more, left, 0.1 * enough)
            result += got
            left = np.maximum(left - cross.load(got), 0.0)
    return result


def _new_paths(instance: Instance, oracle: PathOracle, found: Market, routes: Routes, enough: float) -> PathSet:
    """Return a path over links with room for every commodity with a leftover that is worth its price."""
    carried = np.bincount(routes.paths.commodity, weights=routes.flow, minlength=instance.n_commodities).astype(
        np.float64
    )
    left = np.flatnonzero((found.volume - carried > _LEFT_OVER * found.volume) & _may_have_more(instance, routes))
    if not len(left):
        return select_paths(routes.paths, np.empty(0, dtype=np.intp))
    load = np.zeros((len(instance.rules), found.n_links))
    of_class = instance.class_index[routes.paths.commodity]
    for block in routes.paths.blocks():
        links, owner = routes.paths.visits(block)
        np.add.at(load, (of_class[block][owner], links), routes.flow[block][owner])
    full = load.sum(axis=0) >= found.room[0] * (1 - 1e-9)
    weights = np.zeros_like(load)
    for group in found.groups:
        for c in np.unique(instance.class_index[group.commodities]).tolist():
            mine = full | (load[c] >= found.room[group.row] * (1 - 1e-9)) if group.row else full
            weights[c] = np.where(mine, BLOCKED_PRICE, found.weight(group, routes.prices, 1e-6))
    worth = np.where(found.least > carried, found.forced_worth, found.worth)
    affordable = left[oracle.prices(weights, left) < np.minimum(worth, BLOCKED_PRICE)[left]]
    missing = (found.volume - carried)[affordable]
    if not float(missing.sum()) > enough:
        return select_paths(routes.paths, np.empty(0, dtype=np.intp))
    if not _must_carry(found):
        # Many small ones would take as much time again and hardly find room.
        largest = np.argsort(-missing, kind="stable")
        most = np.searchsorted(np.cumsum(missing[largest]), _MOST_MISSING * float(missing.sum())) + 1
        affordable = np.sort(affordable[largest[:most]])
    return oracle.cheapest(weights, affordable).paths


def _may_have_more(instance: Instance, routes: Routes) -> BoolArray:
    """Return which commodities may get another path under their class's ``max_paths``, shape (K,)."""
    count = np.bincount(routes.paths.commodity[routes.flow > 0], minlength=instance.n_commodities)
    limit = np.array([_path_limit(instance, c) for c in range(len(instance.rules))])
    return np.asarray(count < limit[instance.class_index])


def _path_limit(instance: Instance, class_index: int) -> float:
    policy = instance.rules[class_index].policy
    limit = 1 if policy.split is Split.SINGLE_PATH else policy.max_paths
    return np.inf if limit is None else limit


def _within_path_limits(instance: Instance, paths: PathSet, flow: FloatArray) -> tuple[PathSet, FloatArray]:
    """Leave each commodity its fullest paths, as many as its class may have, and let them carry the rest as well."""
    limit = np.array([_path_limit(instance, c) for c in range(len(instance.rules))])
    if np.isinf(limit).all():
        return paths, flow
    order = np.lexsort((-flow, paths.commodity))
    first = np.searchsorted(paths.commodity[order], paths.commodity[order])
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order)) - first
    kept = rank < limit[instance.class_index[paths.commodity]]
    before = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities).astype(np.float64)
    after = np.bincount(paths.commodity[kept], weights=flow[kept], minlength=instance.n_commodities).astype(np.float64)
    scale = np.divide(before, after, out=np.ones_like(before), where=after > 0)
    return select_paths(paths, np.flatnonzero(kept)), flow[kept] * scale[paths.commodity[kept]]
