"""Proves from link prices alone that nobody can be raised without taking from someone no better off.

That is what max-min fairness means (Bertsekas and Gallager 1992, section 6.5.2). ``models/README.md`` has the
argument; like the other bounds it covers all admissible paths and needs one shortest-path search for each level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vbte.bounds import StageProblem, held_volumes, priced_room
from vbte.fair_shares import FairShares, fair_shares
from vbte.oracle import PathOracle
from vbte.plan import Certificate, Fairness
from vbte.policy import StageKind
from vbte.tolerance import CERTIFICATE_SLACK_SHARE, DEMAND_SLACK_SHARE, FAIR_FLOOR_SHARE
from vbte.topology import BoolArray, FloatArray

#: The largest factor that is looked for, and how often the interval up to it is halved.
MOST_FACTOR = 1e6
_HALVINGS = 50


def shares_of(problem: StageProblem) -> FairShares:
    """Return the fair shares of a max_min stage's priority."""
    return fair_shares(problem.instance, problem.scope & (problem.instance.priority == problem.priority))


def prove_fairness(problem: StageProblem, claimed: Fairness, carried_gbps: FloatArray, oracle: PathOracle) -> Fairness:
    """Return the claimed fair volumes with every level's figures as its prices prove them.

    ``carried_gbps`` (K,) is what the plan carries at the peak. The factor of the whole is None when somebody is
    neither in full nor proven to be saturated.
    """
    shares = shares_of(problem)
    if claimed.steps:
        return _steps_proven(problem, claimed, carried_gbps[shares.commodities], oracle)
    carried = np.maximum(carried_gbps[shares.commodities], FAIR_FLOOR_SHARE * shares.full_gbps)
    stopped = np.zeros(len(shares.commodities), dtype=np.bool_)
    levels = []
    for level in claimed.levels:
        mine = np.searchsorted(shares.commodities, level.commodities)
        price, room = priced_room(problem, level.prices, oracle)
        price = price[shares.commodities]
        reached = float(shares.level_of(claimed.volume_gbps)[mine].min(initial=shares.top))
        bound = factor = None
        if np.isfinite(price).all() and np.isfinite(room):
            left = room - float(price[stopped] @ claimed.volume_gbps[stopped])
            bound = shares.highest_level(price, left, stopped)
            factor = _factor(shares, claimed.volume_gbps, carried, (price, room), mine)
        levels.append(replace(level, level=reached, bound=bound, factor=factor))
        stopped[mine] = True
    full = shares.in_full(claimed.volume_gbps)
    if not (stopped | full).all() or any(level.factor is None for level in levels):
        return replace(claimed, levels=tuple(levels), factor=None)
    factors = [level.factor for level in levels if level.factor is not None]
    missing = float((shares.full_gbps[full] / carried[full]).max(initial=1.0))
    return replace(claimed, levels=tuple(levels), factor=max([missing, *factors]))


def _factor(
    shares: FairShares, volume: FloatArray, carried: FloatArray, cut: tuple[FloatArray, float], mine: NDArray[np.intp]
) -> float | None:
    """Return the least factor, 1 or more, that the prices prove for all of ``mine``; None where there is none.

    With factor f no plan gives k more than f x what it carries as long as every other commodity i keeps the lesser of
    its fair volume and its volume at f x the level of k: what is left to spend then buys k no more.
    """
    price, room = cut
    level, paid = shares.level_of(volume)[mine], price[mine]
    spent = shares.spending(price, volume)

    def holds(factor: FloatArray) -> BoolArray:
        left = np.maximum(room - spent(factor * level), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.where(paid > 0, left / paid, np.inf)
        return np.asarray(volume[mine] + more <= factor * carried[mine])

    low, high = np.ones(len(mine)), np.full(len(mine), MOST_FACTOR)
    if not holds(high).all():
        return None
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        proven = holds(middle)
        low, high = np.where(proven, low, middle), np.where(proven, middle, high)
    return float(high.max(initial=1.0))


def _steps_proven(problem: StageProblem, claimed: Fairness, carried: FloatArray, oracle: PathOracle) -> Fairness:
    """Return the claimed fair volumes with each step's factor as its prices prove it for what is carried, (n,)."""
    shares = shares_of(problem)
    level, below = -np.inf, lowest_short_level(shares, carried)
    steps = []
    for step in claimed.steps:
        price, room = priced_room(problem, step.prices, oracle)
        # Steps that do not go up prove nothing.
        cut = (price[shares.commodities], room) if step.level > level else None
        steps.append(replace(step, factor=step_factor(shares, carried, step.level, below, cut)))
        level = below = step.level
    covered = shares.in_full(carried) | is_short(shares, carried, level)
    factors = [step.factor for step in steps]
    if not covered.all() or None in factors:
        return replace(claimed, steps=tuple(steps), factor=None)
    return replace(claimed, steps=tuple(steps), factor=max(factor for factor in factors if factor is not None))


def lowest_short_level(shares: FairShares, carried: FloatArray) -> float:
    """Return the lowest level of those who are not in full, from what they carry (n,); ``top`` if all are."""
    floored = np.maximum(carried, FAIR_FLOOR_SHARE * shares.full_gbps)
    return float(shares.level_of(floored)[~shares.in_full(carried)].min(initial=shares.top))


def is_short(shares: FairShares, carried: FloatArray, level: float) -> BoolArray:
    """Return who carries less than its share at a level, but for rounding, (n,)."""
    return np.asarray(carried < shares.volume_gbps(level) * (1.0 - DEMAND_SLACK_SHARE))


def step_factor(
    shares: FairShares, carried: FloatArray, level: float, below: float, cut: tuple[FloatArray, float] | None
) -> float | None:
    """Return the factor that a cut (prices (n,), room) proves for all who are short of ``level``; None if none.

    ``below`` is the level of the step before. While everybody keeps the lesser of what it carries and its share at
    ``level``, those short of it can have no more than factor x what they carry, counted up to their shares.
    """
    if cut is None or not (np.isfinite(cut[0]).all() and np.isfinite(cut[1])) or not below > 0:
        return None
    price, room = cut
    share, short = shares.volume_gbps(level), is_short(shares, carried, level)
    ratio = max(1.0, level / below)
    if not short.any():
        return ratio
    missing = (share - carried)[short]
    gain = max(0.0, room - float(price @ np.minimum(carried, share)))
    gain += float(np.maximum(0.0, 1.0 - price[short]) @ missing)
    has = np.maximum(carried, FAIR_FLOOR_SHARE * shares.full_gbps)[short]
    return max(ratio, 1.0 + min(gain, float(missing.sum())) / float(has.sum()))


def misplaced(problem: StageProblem, fairness: Fairness | None) -> str | None:
    """Return what keeps a stored allocation from being proven at all: it is missing, or speaks of others."""
    if (problem.kind is StageKind.MAX_MIN) != (fairness is not None):
        return "fairness goes with max_min stages, and each of them has one"
    if fairness is None:
        return None
    commodities = shares_of(problem).commodities
    if len(fairness.volume_gbps) != len(commodities):
        return f"has {len(fairness.volume_gbps)} fair volumes for {len(commodities)} commodities"
    if any(not np.isin(level.commodities, commodities).all() for level in fairness.levels):
        return "has a commodity of another priority at a level"
    if fairness.levels and fairness.steps:
        return "is proven by levels or by steps, not by both"
    return None


def fairness_faults(
    problem: StageProblem, certificate: Certificate, proven: Fairness, carried_gbps: FloatArray
) -> Iterator[str]:
    """Yield what is wrong with a max_min stage's allocation, held against what its prices prove."""
    stored = certificate.fairness
    assert stored is not None
    shares = shares_of(problem)
    carried = carried_gbps[shares.commodities]
    above = stored.volume_gbps > shares.full_gbps * (1.0 + CERTIFICATE_SLACK_SHARE)
    held = held_volumes(problem, certificate)[shares.commodities]
    below = carried < held * (1.0 - CERTIFICATE_SLACK_SHARE)
    for who, fault in ((above, "claims more than its demand and function give"), (below, "carries less than is held")):
        yield from (f"{problem.instance.describe(int(k))}: {fault}" for k in shares.commodities[who][:1])
    for name, volume in (("reached", stored.volume_gbps), ("held_at", held)):
        if not _agree(getattr(certificate, name), level := shares.common_level(volume)):
            yield f"{name} is {getattr(certificate, name):.9g}, the fair volumes have {level:.9g}"
    members = np.concatenate([level.commodities for level in stored.levels] or [np.empty(0, dtype=np.intp)])
    if len(np.unique(members)) < len(members):
        yield "has a commodity at two levels"
    for number, (claim, proof) in enumerate(zip(stored.levels, proven.levels, strict=True)):
        for name in ("level", "bound", "factor"):
            if not _agree(getattr(claim, name), getattr(proof, name)):
                yield f"level {number}: claims {name} {getattr(claim, name)}, its prices prove {getattr(proof, name)}"
        if number and proof.level < proven.levels[number - 1].level * (1.0 - CERTIFICATE_SLACK_SHARE):
            yield f"level {number} is below the one before it"
    for number, (claimed, shown) in enumerate(zip(stored.steps, proven.steps, strict=True)):
        if not _agree(claimed.factor, shown.factor):
            yield f"step {number}: claims factor {claimed.factor}, its prices prove {shown.factor}"
    if not _agree(stored.factor, proven.factor):
        yield f"claims factor {stored.factor}, its levels prove {proven.factor}"


def _agree(claimed: float | None, proven: float | None) -> bool:
    if claimed is None or proven is None:
        return claimed is proven
    # A factor is looked for by halving, a level is found between kinks: both amplify the order of summation.
    return abs(claimed - proven) <= CERTIFICATE_SLACK_SHARE * max(abs(claimed), abs(proven), 1e-9)
