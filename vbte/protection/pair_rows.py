"""Pairs of a path and its backup as rows of links: the primary's, then the backup's.

A simple path reaches its destination once, so that the row tells where the backup begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.oracle import Positions, select_paths
from vbte.paths.candidates import Path
from vbte.plan import PathSet
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class CheapestPairs:
    """``lower`` (n,) bounds the price of any pair from below; ``price`` (n,) is that of the pair found, inf for none.

    ``rows`` has the pairs found, as rows of links, by position in ``commodities`` (n,), those that were asked for.
    """

    commodities: Positions
    lower: FloatArray
    price: FloatArray
    rows: dict[int, Path]

    def columns(self) -> PathSet:
        """Return the pairs found, sorted by commodity."""
        found = sorted(self.rows, key=lambda at: (int(self.commodities[at]), at))
        return path_set([self.rows[at] for at in found], self.commodities[found])


def path_set(rows: list[Path], commodity: Positions) -> PathSet:
    """Return rows of links as paths of these commodities."""
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return PathSet(start, np.array([link for row in rows for link in row], dtype=np.int32), commodity.astype(np.int32))


def split_pairs(instance: Instance, columns: PathSet) -> tuple[PathSet, PathSet]:
    """Return primaries and backups of pairs, row by row; a backup may be empty."""
    owner = np.repeat(np.arange(len(columns)), columns.hops)
    ends = instance.topology.head[columns.links] == instance.destination[columns.commodity[owner]]
    at = np.flatnonzero(ends)
    row, first = np.unique(owner[at], return_index=True)
    assert len(row) == len(columns)
    middle = at[first] + 1
    in_primary = np.arange(len(columns.links)) < middle[owner]
    hops = middle - columns.start[:-1]
    return (
        PathSet(_starts(hops), columns.links[in_primary], columns.commodity),
        PathSet(_starts(columns.hops - hops), columns.links[~in_primary], columns.commodity),
    )


def _starts(hops: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)


def joined_pairs(primaries: PathSet, backups: PathSet) -> PathSet:
    """Return the pairs of primaries and backups as rows of links."""
    hops = np.stack([primaries.hops, backups.hops], axis=1).ravel()
    start = _starts(hops)
    links = np.empty(int(start[-1]), dtype=np.int32)
    part = np.repeat(np.arange(len(hops)) % 2, hops)
    links[part == 0], links[part == 1] = primaries.links, backups.links
    return PathSet(start[::2], links, primaries.commodity)


def order_pairs(pairs: PathSet, instance: Instance, figure: FloatArray) -> PathSet:
    """Return pairs with the path first that has the smaller sum of ``figure`` (n_links,), fewer hops among equals."""
    primaries, backups = split_pairs(instance, pairs)
    first, second = primaries.sums(figure), backups.sums(figure)
    turned = (backups.hops > 0) & ((second < first) | ((second == first) & (backups.hops < primaries.hops)))
    both = joined_pairs(backups, primaries)
    merged = PathSet(
        np.concatenate([pairs.start, pairs.start[-1] + both.start[1:]]), np.concatenate([pairs.links, both.links]),
        np.concatenate([pairs.commodity, both.commodity]),
    )  # fmt: skip
    return select_paths(merged, np.arange(len(pairs)) + np.where(turned, len(pairs), 0))
