"""Shares to integer weights: devices split traffic by small integers, plans by real numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.topology import FloatArray

Weights = NDArray[np.int64]

#: Denominators tried; beyond, weights differ from the planned shares by less than any link load can tell.
MAX_DENOMINATOR = 4096

#: A smaller denominator is preferred when its error is at most this much above the least error.
ERROR_TOLERANCE_SHARE = 1e-4

#: Entries of a (denominators x groups) array worked on at once.
_BLOCK_ENTRIES = 2_000_000

#: Denominators tried between two looks at which groups are done.
_SIEVE_EVERY = 8


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
        block = max(1, _BLOCK_ENTRIES // min(MAX_DENOMINATOR, members * int(max_weight[groups].max())))
        for first in range(0, len(groups), block):
            chosen = groups[first : first + block]
            at = start[chosen] + np.arange(members)[:, None]
            weights[at], error[chosen] = _quantise_equal_sizes(share[at], max_weight[chosen])
    return weights, error


def _quantise_equal_sizes(share: FloatArray, max_weight: Weights) -> tuple[Weights, FloatArray]:
    """Quantise groups of one size, ``share`` (n_members, n_groups)."""
    # The largest member's weight is at least its share of the denominator, rounded down.
    limit = np.minimum(MAX_DENOMINATOR, np.floor((max_weight + 1) / share.max(axis=0)))
    errors = np.full((int(limit.max()), share.shape[1]), np.inf)
    open_groups = np.arange(share.shape[1])
    for row in range(len(errors)):
        if row % _SIEVE_EVERY == 0:
            open_groups = open_groups[(limit[open_groups] > row) & ~_met(errors, row, open_groups)]
        if not len(open_groups):
            break
        chosen = share[:, open_groups]
        errors[row, open_groups] = _error(_round(chosen, row + 1), chosen, max_weight[open_groups])
    good = errors <= errors.min(axis=0) + ERROR_TOLERANCE_SHARE
    denominator = good.argmax(axis=0) + 1
    weights = _round(share, denominator)
    weights //= np.gcd.reduce(weights, axis=0)
    return weights, _error(weights, share, max_weight)


def _met(errors: FloatArray, row: int, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for groups that reached the tolerance in the rows since the last look."""
    recent = errors[max(0, row - _SIEVE_EVERY) : row, groups]
    return np.asarray(recent.min(axis=0, initial=np.inf) <= ERROR_TOLERANCE_SHARE)


def _round(share: FloatArray, denominator: int | NDArray[np.int64]) -> Weights:
    """Largest remainder: round down, then give what is left of the denominator to the largest remainders.

    Of all integers with this sum, these have the least largest error.
    """
    exact = share * denominator
    if len(share) == 2:
        first = np.rint(exact[0])
        return np.stack([first, denominator - first]).astype(np.int64)
    down = np.floor(exact)
    left = np.rint(denominator - down.sum(axis=0))
    order = np.argsort(down - exact, axis=0, kind="stable")
    extra = np.empty_like(down)
    np.put_along_axis(extra, order, (np.arange(len(share))[:, None] < left).astype(np.float64), axis=0)
    return np.asarray((down + extra).astype(np.int64))


def _error(weights: Weights, share: FloatArray, max_weight: Weights) -> FloatArray:
    """Largest error of each group, inf where a weight is above the device's limit."""
    error = np.abs(weights / weights.sum(axis=0) - share).max(axis=0)
    return np.asarray(np.where(weights.max(axis=0) <= max_weight, error, np.inf))
