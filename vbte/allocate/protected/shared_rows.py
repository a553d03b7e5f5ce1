"""Rows by which backups share capacity that no scenario needs twice.

Beside its own row, each link e has one for each scenario q:

    sum of f over primaries through e  +  sum of f over backups through e whose primary q takes  <=  c[e] U - b[e]

Class limits likewise. Nearly all of them are slack: they are added where a solution breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from vbte.allocate.protected.promise import NewRows
from vbte.formulation.constraints import Terms, matrix_of, path_columns
from vbte.formulation.layout import Layout
from vbte.plan import PathSet, Prices, SharingPrices
from vbte.protection.backups import Backups
from vbte.protection.pair_rows import split_pairs
from vbte.protection.reservations import activations
from vbte.solve import LinearProgram
from vbte.topology import FloatArray

#: A row counts as broken when it exceeds its bound by more than this, as a share of the link's capacity.
BROKEN_SHARE = 1e-9


def _none() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(eq=False)
class SharedRows:
    """The rows added so far: ``row[i]`` of the program is link row ``base[i]`` in ``scenario[i]``.

    ``backups`` are those of any class planned: classes of one priority have one protection, and so one family.
    """

    layout: Layout
    backups: Backups
    base: NDArray[np.int64] = field(default_factory=_none)
    scenario: NDArray[np.int64] = field(default_factory=_none)
    row: NDArray[np.int64] = field(default_factory=_none)

    @property
    def mended(self) -> bool:
        """False: what breaks a row has no room when it is needed."""
        return False

    @property
    def _width(self) -> int:
        return max(1, len(self.backups.survival.scenarios))

    def _brought(self, columns: PathSet) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
        """Return which column counts in which link row and scenario, as one code, and how much of it."""
        layout, instance = self.layout, self.layout.problem.instance
        path, scenario, link = activations(self.backups, *split_pairs(instance, columns))
        commodity = columns.commodity[path]
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]] = []
        for position, owner in enumerate((-1, *layout.limited_classes)):
            mine = (instance.class_index[commodity] == owner) | (owner < 0)
            for matrix in range(layout.n_matrices):
                row = (position * layout.n_matrices + matrix) * layout.n_links + link[mine]
                ratio = instance.load_ratio[matrix, commodity[mine]]
                parts.append((path[mine], row * self._width + scenario[mine], ratio))
        columns_, codes, ratios = zip(*parts, strict=True)
        return np.concatenate(columns_), np.concatenate(codes), np.concatenate(ratios)

    def broken_rows(self, columns: PathSet, primal: FloatArray, program: LinearProgram) -> NewRows | None:
        """Return the link rows, with what a scenario brings to them, that a solution exceeds."""
        layout = self.layout
        column, code, ratio = self._brought(columns)
        codes, at = np.unique(code, return_inverse=True)
        flow = primal[layout.n_columns : layout.n_columns + len(columns)]
        brought = np.bincount(at, weights=ratio * flow[column], minlength=len(codes))
        base = codes // self._width
        carried = np.asarray(program.matrix @ primal)
        slack = BROKEN_SHARE * layout.problem.instance.topology.capacity_gbps[base % layout.n_links] / layout.unit_gbps
        broken = carried[base] + brought > program.row_upper[base] + slack
        broken &= ~np.isin(codes, self.base * self._width + self.scenario)
        chosen = codes[broken]
        if not len(chosen):
            return None
        first_row = program.n_rows
        self.base = np.concatenate([self.base, chosen // self._width])
        self.scenario = np.concatenate([self.scenario, chosen % self._width])
        self.row = np.concatenate([self.row, first_row + np.arange(len(chosen))])
        mine = broken[at]
        place = (np.searchsorted(chosen, code[mine]), layout.n_columns + column[mine])
        extra = coo_array((ratio[mine], place), shape=(len(chosen), program.n_columns))
        own = csr_array(program.matrix)[chosen // self._width]
        matrix = matrix_of(_terms(coo_array(own + csr_array(extra))), len(chosen), program.n_columns)
        return matrix, np.full(len(chosen), -np.inf), program.row_upper[chosen // self._width]

    def terms(self, columns: PathSet) -> Terms:
        """Return the entries of new pairs in the rows of scenarios."""
        layout, n = self.layout, len(columns)
        always = csr_array(
            matrix_of(path_columns(layout, split_pairs(layout.problem.instance, columns)[0]), layout.n_rows, n)
        )
        column, code, ratio = self._brought(columns)
        order = np.argsort(self.base * self._width + self.scenario, kind="stable")
        known = (self.base * self._width + self.scenario)[order]
        at = np.searchsorted(known, code)
        mine = np.append(known, -1)[at] == code
        extra = csr_array(coo_array((ratio[mine], (order[at[mine]], column[mine])), shape=(len(known), n)))
        both = _terms(csr_array(always[self.base] + extra).tocoo())
        return replace(both, rows=self.row[both.rows].astype(np.intp))

    def set_upper(self, upper: FloatArray) -> None:
        """Give the rows of scenarios the bounds of their links' own rows."""
        upper[self.row] = upper[self.base]

    def folded(self, row_dual: FloatArray) -> FloatArray:
        """Return row duals, those of the links' own rows with all that scenarios pay."""
        whole = row_dual.copy()
        np.add.at(whole, self.base, np.minimum(row_dual[self.row], 0.0))
        return whole

    def priced(self, prices: Prices, row_dual: FloatArray, factor: float) -> Prices:
        """Return the prices with the parts that scenarios pay."""
        layout = self.layout
        price = np.maximum(-row_dual[self.row], 0.0) * factor
        order = np.lexsort((self.scenario, self.base))
        order = order[price[order] > 0]
        position, place = np.divmod(self.base[order], layout.n_matrices * layout.n_links)
        owner = np.array([-1, *layout.limited_classes], dtype=np.int64)[position]
        matrix, link = np.divmod(place, layout.n_links)
        return replace(prices, sharing=SharingPrices(owner, matrix, link, self.scenario[order], price[order]))


def _terms(matrix: coo_array) -> Terms:
    row, column = matrix.coords
    return Terms(row.astype(np.intp), column.astype(np.intp), matrix.data)
