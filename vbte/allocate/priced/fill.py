"""Path flows that fit: cut down to the room there is, then filled up with what was left over.

A flow gets the least share that any link on its path can grant to all who ask; that is feasible by construction, round
after round. Leftovers may be given new paths over links that still have room.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from vbte.plan import PathSet
from vbte.topology import FloatArray

#: Crossings of which figures are summed up together.
CROSSINGS_AT_ONCE = 2**22

#: Crossings that are looked at one by one together: as much as stays in the cache.
_STRETCH = 2**18

#: With more than this share of the paths asking for more, all are looked at: leaving some out takes a copy.
_NEARLY_ALL = 0.5

#: Rounds in which leftovers ask for what is left of the room.
FILL_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Crossings:
    """Paths against rows of room: path p asks room of the links it crosses in row 0 and in its own class's row.

    ``slot`` lists what each path crosses, path p from ``start[p]`` on; slot = row * n_links + link.
    """

    n_slots: int
    slot: NDArray[np.int32]
    start: NDArray[np.int64]

    @cached_property
    def _blocks(self) -> tuple[slice, ...]:
        """Paths in blocks: what is worked out for all crossings at once takes several times their own memory."""
        cuts = np.searchsorted(self.start, np.arange(0, self.start[-1], CROSSINGS_AT_ONCE))
        ends = np.unique(np.append(cuts, [0, len(self.start) - 1])).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    def _slots(self, block: slice) -> NDArray[np.int32]:
        return self.slot[self.start[block.start] : self.start[block.stop]]

    def _starts(self, block: slice) -> NDArray[np.int64]:
        starts: NDArray[np.int64] = self.start[block.start : block.stop + 1] - self.start[block.start]
        return starts

    @cached_property
    def _matrices(self) -> tuple[csc_array[np.float64], ...]:
        """Slots against paths, block by block; all share the same ones."""
        ones = np.ones(max((len(self._slots(block)) for block in self._blocks), default=0))
        return tuple(
            csc_array(
                (ones[: len(slots := self._slots(block))], slots, self._starts(block).astype(np.int32)),
                shape=(self.n_slots, block.stop - block.start),
            )
            for block in self._blocks
        )

    def select(self, chosen: NDArray[np.intp]) -> Crossings:
        """Return the crossings of some of the paths, renumbered."""
        hops = np.diff(self.start)[chosen]
        start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
        picked = Crossings(self.n_slots, np.empty(int(start[-1]), dtype=np.int32), start)
        shift = self.start[:-1][chosen] - start[:-1]
        for block in picked._blocks:
            first, last = int(start[block.start]), int(start[block.stop])
            picked.slot[first:last] = self.slot[np.arange(first, last) + np.repeat(shift[block], hops[block])]
        return picked

    def load(self, flow: FloatArray) -> FloatArray:
        """Return what path flows (P,) put on each slot, shape (n_slots,)."""
        load = np.zeros(self.n_slots)
        # One multiplication is five times as fast as counting by slots, which has to gather first.
        for block, matrix in zip(self._blocks, self._matrices, strict=True):
            load += np.asarray(matrix @ flow[block])
        return load

    def cost(self, price: FloatArray) -> FloatArray:
        """Return the sum of ``price`` (n_slots,) along each path, shape (P,)."""
        return np.concatenate([np.empty(0), *(np.asarray(matrix.T @ price) for matrix in self._matrices)])

    def rows(self, slots: NDArray[np.intp], n_rows: int) -> csc_array[np.float64]:
        """Return which paths cross which of ``slots``, one row each, as the first of ``n_rows`` rows."""
        row = np.full(self.n_slots, -1, dtype=np.int32)
        row[slots] = np.arange(len(slots), dtype=np.int32)
        kept = row[self.slot] >= 0
        start = np.concatenate([[0], np.cumsum(kept)])[self.start].astype(np.int32)
        return csc_array((np.ones(int(start[-1])), row[self.slot[kept]], start), shape=(n_rows, len(start) - 1))

    def least_share(self, share: FloatArray) -> FloatArray:
        """Return the least ``share`` (n_slots,) of at most 1 along each path, shape (P,)."""
        least = np.ones(len(self.start) - 1)
        if not (share < 1.0).any():
            return least
        # A stretch at a time, as much as stays in the cache; a path without links is granted all it asks.
        cuts = np.searchsorted(self.start, np.arange(0, len(self.slot), _STRETCH))
        for first, last in zip(cuts, [*cuts[1:], len(least)], strict=True):
            begin, end = self.start[first], self.start[last]
            some = first + np.flatnonzero(self.start[first + 1 : last + 1] > self.start[first:last])
            if len(some):
                least[some] = np.minimum.reduceat(share[self.slot[begin:end]], self.start[some] - begin)
        return np.minimum(least, 1.0, out=least)


def crossings(paths: PathSet, path_row: NDArray[np.intp], n_rows: int, n_links: int) -> Crossings:
    """Return the crossings of paths whose class has the row ``path_row`` (P,) of its own, 0 for none."""
    slot = paths.links.astype(np.int32, copy=False)
    if not path_row.any():
        return Crossings(n_rows * n_links, slot, paths.start)
    path = np.repeat(np.arange(len(paths), dtype=np.int32), paths.hops)
    limited = path_row[path] > 0
    own = slot[limited] + path_row[path[limited]].astype(np.int32) * np.int32(n_links)
    order = np.argsort(np.concatenate([path, path[limited]]), kind="stable")
    hops = paths.hops * np.where(path_row > 0, 2, 1)
    start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
    return Crossings(n_rows * n_links, np.concatenate([slot, own])[order], start)


def fit(cross: Crossings, flow: FloatArray, room: FloatArray) -> FloatArray:
    """Return path flows cut down so that no slot carries more than ``room`` (n_slots,)."""
    load = cross.load(flow)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(load > room, np.maximum(room, 0.0) / load, 1.0)
    return flow * cross.least_share(share)


def fill(cross: Crossings, flow: FloatArray, wanted: FloatArray, room: FloatArray, enough: float) -> FloatArray:
    """Return path flows grown towards ``wanted`` (P,) as far as ``room`` (n_slots,) lets them.

    Rounds end when one grants no more than ``enough``.
    """
    left = np.maximum(room - cross.load(flow), 0.0)
    missing = wanted - flow > 1e-12 * wanted
    if np.count_nonzero(missing) > _NEARLY_ALL * len(missing):
        short, some = np.arange(len(flow)), cross
    else:
        short = np.flatnonzero(missing)
        some = cross.select(short)
    more = np.where(missing, wanted - flow, 0.0)[short]
    # Grants are added up by themselves: a small one taken off a large wish would drown in its rounding.
    total = np.zeros_like(more)
    for _ in range(FILL_ROUNDS):
        granted = fit(some, more, left)
        more, total = more - granted, total + granted
        left = np.maximum(left - some.load(granted), 0.0)
        if float(granted.sum()) <= enough:
            break
    flow = flow.copy()
    flow[short] += total
    return flow
