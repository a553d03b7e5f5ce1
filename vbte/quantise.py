"""Shares to integer weights: devices split traffic by small integers, plans by real numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.topology import BoolArray, FloatArray

Weights = NDArray[np.int64]

#: Denominators tried; beyond, weights differ from the planned shares by less than any link load can tell.
MAX_DENOMINATOR = 4096

#: A smaller denominator is preferred when its error is at most this much above the least error.
ERROR_TOLERANCE_SHARE = 1e-4

#: Entries of a (members x denominators x groups) array worked on at once.
_BLOCK_ENTRIES = 2_000_000

#: Denominators tried at once, before the groups that are done drop out.
_BATCH = 8


def quantise(share: FloatArray, start: NDArray[np.int64], max_weight: Weights) -> tuple[Weights, FloatArray]:
    """Return integer weights (n_members,) and each group's error (n_groups,).

    Group g has members ``start[g]:start[g + 1]`` with positive shares that sum to 1, and weights up to
    ``max_weight[g]``. The error is the largest |weight / sum of weights - share| over the members. The least error is
    sought over denominators up to MAX_DENOMINATOR, and no further once one is below ERROR_TOLERANCE_SHARE; the
    smallest denominator within that tolerance of the least is taken. Weights have no common divisor, and a member
    whose share rounds to nothing gets weight 0.
    """
    size = np.diff(start)
    weights, error = np.ones(len(share), dtype=np.int64), np.zeros(len(size))
    for members in np.unique(size[size > 1]).tolist():
        groups = np.flatnonzero(size == members)
        block = max(1, _BLOCK_ENTRIES // (members * _BATCH))
        for first in range(0, len(groups), block):
            chosen = groups[first : first + block]
            at = start[chosen] + np.arange(members)[:, None]
            weights[at], error[chosen] = _quantise_equal_sizes(share[at], max_weight[chosen])
    return weights, error


def _quantise_equal_sizes(share: FloatArray, max_weight: Weights) -> tuple[Weights, FloatArray]:
    """Quantise groups of one size, ``share`` (n_members, n_groups)."""
    best, open_groups = np.ones(share.shape[1]), np.arange(share.shape[1])
    tried: list[tuple[int, NDArray[np.int64], FloatArray]] = []
    for first in range(1, MAX_DENOMINATOR + 1, _BATCH):
        chosen, limit = share[:, open_groups], max_weight[open_groups]
        hopeful = (best[open_groups] > ERROR_TOLERANCE_SHARE) & _may_improve(first, chosen, limit, best[open_groups])
        open_groups, chosen, limit = open_groups[hopeful], chosen[:, hopeful], limit[hopeful]
        if not len(open_groups):
            break
        denominator = np.arange(first, first + _BATCH)[:, None]
        errors = _error(_round(chosen[:, None, :], denominator, limit), chosen[:, None, :])
        best[open_groups] = np.minimum(best[open_groups], errors.min(axis=0))
        tried.append((first, open_groups, errors))
    weights = _round(share, _smallest_good(tried, best), max_weight)
    weights //= np.gcd.reduce(weights, axis=0)
    return weights, _error(weights, share)


def _may_improve(denominator: int, share: FloatArray, max_weight: Weights, best: FloatArray) -> BoolArray:
    """True where weights of this denominator or above may have an error below ``best``.

    The largest member's weight is cut off at the limit sooner or later, and from there its share falls as the others'
    weights grow. Two members gain nothing from being cut off.
    """
    largest = share.max(axis=0)
    if len(share) == 2:
        return np.asarray(largest * denominator < max_weight + 1)
    down = np.minimum(np.floor(share * denominator), max_weight)
    others = down.sum(axis=0) - down.max(axis=0)
    return np.asarray(largest - max_weight / (max_weight + others) < best)


def _smallest_good(tried: list[tuple[int, NDArray[np.int64], FloatArray]], best: FloatArray) -> NDArray[np.int64]:
    """Return the smallest denominator of each group whose error is nearly the best."""
    denominator = np.zeros(len(best), dtype=np.int64)
    for first, groups, errors in reversed(tried):
        good = errors <= best[groups] + ERROR_TOLERANCE_SHARE
        found = good.any(axis=0)
        denominator[groups[found]] = first + good.argmax(axis=0)[found]
    return denominator


def _round(share: FloatArray, denominator: int | NDArray[np.int64], max_weight: Weights) -> Weights:
    """Largest remainder: round down, then give what is left of the denominator to the largest remainders.

    Of all integers with this sum, these have the least largest error. Weights are cut off at the device's limit.
    """
    exact = share * denominator
    if len(share) == 2:
        first = np.rint(exact[0])
        rounded = np.stack([first, denominator - first])
    else:
        down = np.floor(exact)
        left = np.rint(denominator - down.sum(axis=0))
        order = np.argsort(down - exact, axis=0, kind="stable")
        extra = np.empty_like(down)
        place = np.arange(len(share)).reshape(-1, *[1] * left.ndim)
        np.put_along_axis(extra, order, (place < left).astype(np.float64), axis=0)
        rounded = down + extra
    return np.asarray(np.minimum(rounded, max_weight).astype(np.int64))


def _error(weights: Weights, share: FloatArray) -> FloatArray:
    """Largest error of each group."""
    return np.asarray(np.abs(weights / weights.sum(axis=0) - share).max(axis=0))
