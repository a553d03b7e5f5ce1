"""Linear and mixed-integer programs as arrays, and what a solver answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array, hstack, vstack

from vbte.plan import Termination
from vbte.topology import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Minimise ``cost @ x`` with ``row_lower <= matrix @ x <= row_upper`` and ``lower <= x <= upper``.

    ``cost``, ``lower``, ``upper``, ``integer`` have shape (n_columns,), the row bounds (n_rows,), ``matrix``
    (n_rows, n_columns). Always a minimisation: duals then have one sign convention for every solver.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    matrix: csc_array[np.float64]
    row_lower: FloatArray
    row_upper: FloatArray
    integer: BoolArray | None = None

    def __post_init__(self) -> None:
        n_rows, n_columns = self.matrix.shape
        # highspy reads past the end of short arrays and accepts NaN in silence, so both are caught here.
        lengths = {len(self.cost), len(self.lower), len(self.upper)}
        if lengths != {n_columns} or {len(self.row_lower), len(self.row_upper)} != {n_rows}:
            raise ValueError("program arrays differ in length")
        for array in (self.cost, self.matrix.data):
            if not np.isfinite(array).all():
                raise ValueError("program has a cost or coefficient that is not finite")
        for array in (self.lower, self.upper, self.row_lower, self.row_upper):
            if np.isnan(array).any():
                raise ValueError("program has a bound that is not a number")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def with_columns(
        self, cost: FloatArray, lower: FloatArray, upper: FloatArray, matrix: csc_array[np.float64]
    ) -> LinearProgram:
        """Return the program with columns appended; ``matrix`` is (n_rows, n_new)."""
        integer = None if self.integer is None else np.concatenate([self.integer, np.zeros(len(cost), dtype=np.bool_)])
        return replace(
            self,
            cost=np.concatenate([self.cost, cost]),
            lower=np.concatenate([self.lower, lower]),
            upper=np.concatenate([self.upper, upper]),
            matrix=csc_array(hstack([self.matrix, matrix], format="csc")),
            integer=integer,
        )

    def with_rows(self, matrix: csc_array[np.float64], lower: FloatArray, upper: FloatArray) -> LinearProgram:
        """Return the program with rows appended; ``matrix`` is (n_new, n_columns)."""
        return replace(
            self,
            matrix=csc_array(vstack([self.matrix, matrix], format="csc")),
            row_lower=np.concatenate([self.row_lower, lower]),
            row_upper=np.concatenate([self.row_upper, upper]),
        )


@dataclass(frozen=True, eq=False)
class Solution:
    """A solver's answer; ``primal`` and ``row_dual`` are None when there is none, never zeros.

    ``row_dual`` is 0 or more for a binding ``>=`` row and 0 or less for a binding ``<=`` row. ``bound`` is the
    solver's own lower bound on the optimum (equal to the objective for a solved LP).
    """

    termination: Termination
    primal: FloatArray | None = None
    row_dual: FloatArray | None = None
    objective: float | None = None
    bound: float | None = None
    iterations: int = 0
