"""Path flows that fit, filled level by level: who has least is served first, whatever paths others would like.

Commodities ask for what they lack of each level's volume, over the paths they have and in the shares they came with;
where a link can't grant all, all who cross it are cut alike, and what is missing goes over paths that are still open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.fill import Crossings, fit
from vbte.plan import PathSet
from vbte.topology import BoolArray, FloatArray, IntArray

#: Rounds in which what is missing of a level asks again over paths that are still open.
ROUNDS = 3

#: Slots with less than this share of their room left are full.
FULL_SHARE = 1e-9

#: What is missing counts from this share of what was wanted.
_MISSING = 1e-9


@dataclass(eq=False)
class Ladder:
    """Paths being filled: ``split`` (P,) says how much of its commodity's volume each should get beside the others.

    ``room`` (n_slots,) is what crossings may use in all, ``flow`` (P,) what paths carry so far, ``left`` the rest.
    """

    cross: Crossings
    paths: PathSet
    split: FloatArray
    room: FloatArray
    flow: FloatArray
    left: FloatArray

    @property
    def commodity(self) -> IntArray:
        """Whose path it is, shape (P,)."""
        return self.paths.commodity

    @property
    def full(self) -> BoolArray:
        """Which slots have no room left, shape (n_slots,)."""
        return np.asarray(self.left <= FULL_SHARE * self.room)

    @property
    def open(self) -> BoolArray:
        """Which paths cross no full slot, shape (P,)."""
        return np.asarray(self.cross.least_share(np.where(self.full, 0.0, 1.0)) > 0.0)

    def carried(self, n_commodities: int) -> FloatArray:
        """Return what each commodity carries, shape (K,)."""
        return np.bincount(self.commodity, weights=self.flow, minlength=n_commodities).astype(np.float64)

    def serve(self, wanted: FloatArray) -> None:
        """Fill paths up to the volumes ``wanted`` (K,) as far as there is room."""
        for _ in range(ROUNDS):
            if not self._serve_once(wanted):
                break

    def stuck(self, wanted: FloatArray) -> BoolArray:
        """Return who lacks some of ``wanted`` and has no open path, shape (K,)."""
        has_way = np.bincount(self.commodity, weights=self.open, minlength=len(wanted)) > 0
        return np.asarray((self.carried(len(wanted)) < wanted * (1.0 - _MISSING)) & ~has_way)

    def order_with(self, extra: PathSet) -> NDArray[np.intp]:
        """Return the order that merged paths stand in, of these followed by ``extra``."""
        return np.argsort(np.concatenate([self.commodity, extra.commodity]), kind="stable")

    def _serve_once(self, wanted: FloatArray) -> bool:
        """Serve what is missing once; False when nothing is, or nothing came of it."""
        missing = wanted - self.carried(len(wanted))
        missing[missing <= _MISSING * wanted] = 0.0
        asking = np.flatnonzero((missing[self.commodity] > 0) & self.open)
        if not len(asking):
            return False
        owner, split = self.commodity[asking], self.split[asking]
        total = np.bincount(owner, weights=split, minlength=len(wanted))
        some = self.cross.select(asking)
        granted = fit(some, missing[owner] * split / total[owner], self.left)
        self.flow[asking] += granted
        self.left = np.maximum(self.left - some.load(granted), 0.0)
        return float(granted.sum()) > _MISSING * float(missing.sum())
