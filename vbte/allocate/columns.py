"""Path columns of a program, in its own order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.plan import PathSet


def path_keys(paths: PathSet, n_links: int) -> NDArray[np.uint64]:
    """Return a number for each path, shape (P,), that no other shares but for one chance in 2**64.

    The same links in another order are no path, so the sum over random numbers of the links will do.
    """
    of_link = np.random.default_rng(0).integers(0, 2**64, size=n_links, dtype=np.uint64)
    of_commodity = (paths.commodity.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(np.add.reduceat(of_link[paths.links], paths.start[:-1]) + of_commodity)


def appended(first: PathSet, second: PathSet) -> PathSet:
    """Return the paths of both sets in order, without sorting: the order of the program's columns."""
    start = np.concatenate([first.start, first.start[-1] + second.start[1:]])
    return PathSet(
        start, np.concatenate([first.links, second.links]), np.concatenate([first.commodity, second.commodity])
    )
