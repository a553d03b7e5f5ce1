"""A program at a solver: solved, changed, solved again from where it stood."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csc_array

from vbte.solve.program import LinearProgram, Solution
from vbte.topology import BoolArray, FloatArray


@dataclass
class Deadline:
    """Wall-clock budget shared by all solver calls of one run; ``interrupted`` is set by Ctrl-C."""

    seconds: float | None = None
    interrupted: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def remaining_s(self) -> float:
        """Seconds left, 0 when spent, inf without a limit."""
        if self.interrupted:
            return 0.0
        return np.inf if self.seconds is None else max(0.0, self.seconds - (time.monotonic() - self.started))


class Session(ABC):
    """Holds one program at one solver. Changes are applied to ``program``; backends may keep more (a basis)."""

    def __init__(self, program: LinearProgram) -> None:
        self.program = program
        self.start: FloatArray | None = None

    @abstractmethod
    def solve(self) -> Solution:
        """Solve the program as it stands, from the last basis where the backend keeps one."""

    def set_start(self, primal: FloatArray) -> None:
        """Offer a feasible point of an integer program to start from; backends may have no use for it."""
        self.start = primal

    def set_costs(self, cost: FloatArray) -> None:
        """Replace the objective, shape (n_columns,)."""
        self.program = replace(self.program, cost=cost)

    def set_column_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Replace all column bounds, shape (n_columns,) each."""
        self.program = replace(self.program, lower=lower, upper=upper)

    def set_row_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Replace all row bounds, shape (n_rows,) each."""
        self.program = replace(self.program, row_lower=lower, row_upper=upper)

    def add_columns(
        self, cost: FloatArray, lower: FloatArray, upper: FloatArray, matrix: csc_array[np.float64]
    ) -> None:
        """Append columns; ``matrix`` is (n_rows, n_new)."""
        self.program = self.program.with_columns(cost, lower, upper, matrix)

    def add_rows(self, matrix: csc_array[np.float64], lower: FloatArray, upper: FloatArray) -> None:
        """Append rows; ``matrix`` is (n_new, n_columns)."""
        self.program = self.program.with_rows(matrix, lower, upper)


def integer_columns(program: LinearProgram) -> BoolArray:
    """Return the integrality mask, all False for an LP."""
    return np.zeros(program.n_columns, dtype=np.bool_) if program.integer is None else program.integer
