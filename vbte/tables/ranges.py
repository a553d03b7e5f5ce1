"""Ranges of integers, many at once, and the other way round: where each integer stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all integers of the half-open ranges ``first[i]`` to ``last[i]``, one range after the other."""
    length = last - first
    ends = np.cumsum(length)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(first - (ends - length), length))


def positions_of(code: NDArray[np.int32] | NDArray[np.int64], n_codes: int) -> list[NDArray[np.int64]]:
    """Return the positions, in order, at which each code of 0 to ``n_codes`` - 1 stands in ``code``."""
    order = np.argsort(code, kind="stable")
    return np.split(order, np.cumsum(np.bincount(code, minlength=n_codes))[:-1])
