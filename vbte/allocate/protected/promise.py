"""What protection adds to a staged program: columns of another kind, rows of its own, prices of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from vbte.allocate.columns import path_keys
from vbte.formulation.constraints import Terms
from vbte.formulation.layout import Layout
from vbte.oracle import Cheapest, PathOracle
from vbte.plan import PathSet, Prices
from vbte.solve import LinearProgram
from vbte.topology import FloatArray

#: Rows to add: their matrix over all columns, lower and upper bounds.
NewRows = tuple[csc_array[np.float64], FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Kept:
    """What a plan keeps of a solution: paths, flows and reservations (P,), a backup for each path if any has one."""

    paths: PathSet
    flow_gbps: FloatArray
    reserved_gbps: FloatArray
    backups: PathSet | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """What a column should cost less than: ``worth`` (n,) of each of ``commodities`` (n,).

    ``weight`` (n, n_links) prices the links, ``prices`` has those of added rows; ``tie_break`` (n_links,) prefers among
    equal prices.
    """

    commodities: NDArray[np.intp]
    weight: FloatArray
    prices: Prices
    worth: FloatArray
    tie_break: FloatArray


class Rows(Protocol):
    """Rows that are added where a solution breaks them; ``columns`` are rows of links in the program's order."""

    @property
    def mended(self) -> bool:
        """True when a plan can be made of a solution that breaks some."""

    def broken_rows(self, columns: PathSet, primal: FloatArray, program: LinearProgram) -> NewRows | None:
        """Return rows that a solution breaks, which have to be added to the program next; None where it keeps all."""

    def terms(self, columns: PathSet) -> Terms:
        """Return the entries of new columns (column 0 is the first) in the rows that were added."""

    def set_upper(self, upper: FloatArray) -> None:
        """Bring upper bounds of added rows to those of the rows that they go with, in place."""

    def folded(self, row_dual: FloatArray) -> FloatArray:
        """Return row duals with those of added rows joined to the rows that they go with."""

    def priced(self, prices: Prices, row_dual: FloatArray, factor: float) -> Prices:
        """Return prices with those of added rows, in the objective's own unit."""


class Promise(Protocol):
    """Columns by which the commodities planned survive: each a row of links."""

    @property
    def rows(self) -> Rows | None:
        """The rows beyond those of every program, None where there are none."""

    def first_columns(self, shortest: PathSet) -> PathSet:
        """Return the columns to start with, given the shortest path of each commodity."""

    def loading(self, columns: PathSet) -> PathSet:
        """Return what each column loads, and is counted for, while all is up."""

    def worth(self, columns: PathSet, /) -> FloatArray | None:
        """Return what a unit of each column admits, (P,); None for one unit each."""

    def sound(self, prices: Prices, weight: FloatArray, commodities: NDArray[np.intp], /) -> Prices:
        """Return prices that prove all they say, whatever a solver's rounding left of them.

        ``weight`` (len(commodities), n_links) is what the commodities pay on links at these prices.
        """

    def keys(self, columns: PathSet) -> NDArray[np.uint64]:
        """Return a number for each column that no other shares but by chance."""

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest column of each commodity, as far as it could be worth it."""

    def kept(self, oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray, /) -> Kept:
        """Return what the plan keeps of columns and their flows (P,), at most ``admitted_gbps`` (K,) admitted."""


class PathRows:
    """What rows over plain path columns have in common: a promise whose columns are paths, and its own rows."""

    layout: Layout

    def loading(self, columns: PathSet) -> PathSet:
        """Return the columns, which are paths."""
        return columns

    def worth(self, _columns: PathSet, /) -> FloatArray | None:
        """None: a unit on a path admits a unit, as far as the rows let it."""
        return None

    def keys(self, columns: PathSet) -> NDArray[np.uint64]:
        """Return a number for each path."""
        return path_keys(columns, self.layout.n_links)

    @property
    def rows(self) -> Self:
        """These rows."""
        return self

    @property
    def mended(self) -> bool:
        """True: less is promised where what is reserved would not carry it."""
        return True

    def set_upper(self, upper: FloatArray) -> None:
        """Leave the bounds as they are: the rows have none above."""

    def folded(self, row_dual: FloatArray) -> FloatArray:
        """Return the duals as they are."""
        return row_dual
