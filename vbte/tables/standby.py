"""Paths that stand by at head ends for the case that one protected failure takes all paths of a demand.

One path that avoids all that matters need not exist, where two that share none of it do: paths are added until every
failure that some way survives is survived by one of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.plan import PathSet
from vbte.tables.breaks import Breaks, Ways
from vbte.tables.splits import Splits
from vbte.topology import BoolArray, IntArray

Positions = NDArray[np.int64]


def find_standby(splits: Splits, breaks: Breaks) -> PathSet:
    """Return the paths that stand by, sorted by commodity: for commodities that one break leaves without a path.

    Commodities that are left to the IGP get none: their head ends don't know their way.
    """
    instance = splits.plan.instance
    commodity, break_ = _fatal(splits, breaks)
    found: list[tuple[int, IntArray]] = []
    for position in np.unique(instance.class_index[commodity]).tolist():
        ways = Ways(instance, instance.rules[position], breaks)
        mine = np.flatnonzero(instance.class_index[commodity] == position)
        mine = mine[_survivable(ways, instance.source[commodity[mine]], instance.destination[commodity[mine]],
                                break_[mine])]  # fmt: skip
        owner, first = np.unique(commodity[mine], return_index=True)
        for one, fatal in zip(owner.tolist(), np.split(break_[mine], first[1:])[: len(owner)], strict=True):
            ends = int(instance.source[one]), int(instance.destination[one])
            found.extend((one, links) for links in ways.covering(*ends, fatal.tolist()))
    found.sort(key=lambda path: path[0])
    start = np.concatenate([[0], np.cumsum([len(links) for _, links in found])]).astype(np.int64)
    links = np.concatenate([np.empty(0, dtype=np.int32), *(links for _, links in found)]).astype(np.int32)
    return PathSet(start, links, np.array([commodity for commodity, _ in found], dtype=np.int32))


def _survivable(ways: Ways, source: IntArray, destination: IntArray, break_: Positions) -> BoolArray:
    """Return which ends still have some way after the break."""
    survives = np.zeros(len(break_), dtype=np.bool_)
    order = np.argsort(break_, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(break_[order])) + 1) if len(order) else ():
        survives[group] = ways.joins(int(break_[group[0]]), source[group], destination[group])
    return survives


def _fatal(splits: Splits, breaks: Breaks) -> tuple[Positions, Positions]:
    """Return pairs of a commodity and a break that takes all its paths and their backups, sorted."""
    held = np.flatnonzero(splits.row_path >= 0)
    row_path, row_commodity = splits.row_path[held], splits.row_commodity[held]
    n_rows = np.bincount(splits.row_commodity, minlength=splits.plan.instance.n_commodities)
    n_breaks = breaks.n_cables + len(breaks.topology.nodes)
    hit = np.zeros(0, dtype=np.int64)
    if len(held):
        hit = _hit(splits.paths, row_path, breaks)
        backed = splits.backups.held[row_path]
        if backed.any():
            both = np.intersect1d(hit, _hit(splits.backups.paths, row_path, breaks), assume_unique=True)
            hit = np.union1d(hit[~backed[hit // n_breaks]], both)
    pair, first = _distinct(row_commodity[hit // n_breaks] * np.int64(n_breaks) + hit % n_breaks)
    fatal = np.diff(first) == n_rows[pair // n_breaks]
    return pair[fatal] // n_breaks, pair[fatal] % n_breaks


def _distinct(codes: Positions) -> tuple[Positions, Positions]:
    """Return the distinct codes, sorted, and where each begins when all are sorted, and all end.

    ``np.unique`` hashes, which takes far longer than sorting where there are tens of millions.
    """
    codes = np.sort(codes)
    first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    return codes[first], np.append(first, len(codes)).astype(np.int64)


def _hit(paths: PathSet, chosen: IntArray, breaks: Breaks) -> Positions:
    """Return codes, row of ``chosen`` * number of breaks + break, of all breaks that take the chosen paths; sorted."""
    n_breaks = breaks.n_cables + len(breaks.topology.nodes)
    row_of = np.full(len(paths), -1)
    row_of[chosen] = np.arange(len(chosen))
    parts: list[Positions] = [np.empty(0, dtype=np.int64)]
    for block in paths.blocks():
        links, owner = paths.visits(block)
        row: Positions = row_of[block][owner]
        parts.append(np.asarray(row * n_breaks + breaks.cable[links], dtype=np.int64)[row >= 0])
        if breaks.with_nodes:
            # The last link leads to the egress, whose failure nothing survives.
            inner = (row >= 0) & ~np.isin(np.arange(len(links)), paths.start[1:][block] - paths.start[block.start] - 1)
            parts.append(
                np.asarray(row * n_breaks + breaks.n_cables + breaks.topology.head[links], dtype=np.int64)[inner]
            )
    return _distinct(np.concatenate(parts))[0]
