"""HiGHS through highspy: whole programs as arrays, warm starts, interrupts.

The only file that imports highspy. Errors come back from HiGHS as return codes, so every call is checked.
"""

from __future__ import annotations

import threading
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array, csr_array

from vbte.errors import SolverError
from vbte.plan import Limit, Reason, Termination
from vbte.solve.profile import Algorithm, SolverProfile
from vbte.solve.program import LinearProgram, Solution
from vbte.solve.session import Deadline, Session, integer_columns
from vbte.topology import FloatArray

_STATUS = {
    highspy.HighsModelStatus.kOptimal: Termination(Reason.OPTIMAL),
    highspy.HighsModelStatus.kModelEmpty: Termination(Reason.OPTIMAL),
    highspy.HighsModelStatus.kInfeasible: Termination(Reason.INFEASIBLE),
    highspy.HighsModelStatus.kUnbounded: Termination(Reason.UNBOUNDED),
    highspy.HighsModelStatus.kUnboundedOrInfeasible: Termination(Reason.INFEASIBLE),
}
_LIMIT = {
    highspy.HighsModelStatus.kTimeLimit: Limit.TIME,
    highspy.HighsModelStatus.kIterationLimit: Limit.ITERATIONS,
    highspy.HighsModelStatus.kSolutionLimit: Limit.ITERATIONS,
    highspy.HighsModelStatus.kMemoryLimit: Limit.MEMORY,
    highspy.HighsModelStatus.kInterrupt: Limit.INTERRUPT,
}
_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4

#: Seconds between looks at whether a running solve is to be stopped.
_POLL_S = 0.1


class HighsSession(Session):
    """One HiGHS object and its program."""

    def __init__(self, program: LinearProgram, profile: SolverProfile, deadline: Deadline) -> None:
        super().__init__(program)
        self._profile = profile
        self._deadline = deadline
        self._solved = False
        self._stays_primal_feasible = True
        self._highs = highspy.Highs()
        self._highs.HandleUserInterrupt = True
        for name, value in _options(profile).items():
            _checked(self._highs.setOptionValue(name, value), f"option {name}={value!r}")
        _checked(_pass_model(self._highs, program), "the program")

    def solve(self) -> Solution:
        """Solve; after the first solve simplex goes on from the basis.

        New costs and columns leave it primal feasible, new bounds and rows dual feasible: the simplex that likes it
        takes over.
        """
        remaining = self._deadline.remaining_s
        if remaining <= 0:
            limit = Limit.INTERRUPT if self._deadline.interrupted else Limit.TIME
            return Solution(Termination(Reason.ERROR, limit))
        if np.isfinite(remaining):
            # For linear programs HiGHS counts the time of all runs of one object, for integer ones that of this run.
            spent_s = 0.0 if integer_columns(self.program).any() else self._highs.getRunTime()
            self._highs.setOptionValue("time_limit", spent_s + remaining)
        if self._solved and self._profile.algorithm in (Algorithm.CHOOSE, Algorithm.SIMPLEX):
            strategy = _PRIMAL_SIMPLEX if self._stays_primal_feasible else _DUAL_SIMPLEX
            self._highs.setOptionValue("simplex_strategy", strategy)
        status = self._run()
        if status == highspy.HighsModelStatus.kUnboundedOrInfeasible:
            # Presolve can't tell which of the two; the solver itself can.
            self._highs.setOptionValue("presolve", "off")
            status = self._run()
        self._solved, self._stays_primal_feasible = True, False
        return self._solution(status)

    def set_start(self, primal: FloatArray) -> None:
        """Offer a feasible point of an integer program to start from."""
        index = np.arange(len(primal), dtype=np.int32)
        _checked(self._highs.setSolution(len(primal), index, primal), "a start")

    def set_costs(self, cost: FloatArray) -> None:
        """Replace the objective, shape (n_columns,)."""
        self._stays_primal_feasible |= not np.array_equal(cost, self.program.cost)
        super().set_costs(cost)
        index = np.arange(len(cost), dtype=np.int32)
        _checked(self._highs.changeColsCost(len(cost), index, cost), "new costs")

    def set_column_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Replace all column bounds, shape (n_columns,) each."""
        changed = np.flatnonzero((lower != self.program.lower) | (upper != self.program.upper)).astype(np.int32)
        super().set_column_bounds(lower, upper)
        if len(changed):
            status = self._highs.changeColsBounds(len(changed), changed, lower[changed], upper[changed])
            _checked(status, "new column bounds")

    def set_row_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Replace all row bounds, shape (n_rows,) each."""
        old = self.program
        changed = np.flatnonzero((lower != old.row_lower) | (upper != old.row_upper)).astype(np.int32)
        super().set_row_bounds(lower, upper)
        if len(changed):
            status = self._highs.changeRowsBounds(len(changed), changed, lower[changed], upper[changed])
            _checked(status, "new row bounds")

    def add_columns(
        self, cost: FloatArray, lower: FloatArray, upper: FloatArray, matrix: csc_array[np.float64]
    ) -> None:
        """Append columns; ``matrix`` is (n_rows, n_new)."""
        self._stays_primal_feasible = True
        super().add_columns(cost, lower, upper, matrix)
        start, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        status = self._highs.addCols(len(cost), cost, lower, upper, matrix.nnz, start, index, matrix.data)
        _checked(status, "new columns")

    def add_rows(self, matrix: csc_array[np.float64], lower: FloatArray, upper: FloatArray) -> None:
        """Append rows; ``matrix`` is (n_new, n_columns)."""
        self._stays_primal_feasible = False
        super().add_rows(matrix, lower, upper)
        rows = csr_array(matrix)
        start, index = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32)
        _checked(self._highs.addRows(len(lower), lower, upper, rows.nnz, start, index, rows.data), "new rows")

    def _run(self) -> Any:
        """Run in a thread of its own, so that Ctrl-C and the deadline's ``interrupted`` stop HiGHS in good order."""
        outcome: list[Any] = []
        done = threading.Event()

        def work() -> None:
            try:
                outcome.append(self._highs.run())
            finally:
                done.set()

        threading.Thread(target=work, daemon=True).start()
        # Not Thread.join: Python 3.11 takes a thread for finished when a signal interrupts the wait for it.
        while True:
            try:
                if done.wait(_POLL_S):
                    break
            except KeyboardInterrupt:
                self._deadline.interrupted = True
            if self._deadline.interrupted:
                self._highs.cancelSolve()
        if not outcome or outcome[0] == highspy.HighsStatus.kError:
            return None
        return self._highs.getModelStatus()

    def _solution(self, status: Any) -> Solution:
        info = self._highs.getInfo()
        iterations = int(max(info.simplex_iteration_count, 0) + max(info.ipm_iteration_count, 0))
        if status is None:
            return Solution(Termination(Reason.ERROR), iterations=iterations)
        is_mip = bool(integer_columns(self.program).any())
        termination = _STATUS.get(status)
        has_primal = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        if termination is None:
            reason = Reason.FEASIBLE if has_primal else Reason.ERROR
            termination = Termination(reason, _LIMIT.get(status, Limit.NONE))
        if termination.reason in (Reason.INFEASIBLE, Reason.UNBOUNDED):
            # HiGHS leaves a ray or its last point behind; neither answers the question.
            return Solution(termination, iterations=iterations)
        solution = self._highs.getSolution()
        # Each field is a Python list built at every access: read each once.
        primal = np.array(solution.col_value) if has_primal else None
        dual = np.array(solution.row_dual) if solution.dual_valid and not is_mip else None
        objective = float(info.objective_function_value) if has_primal else None
        bound = float(info.mip_dual_bound) if is_mip else (objective if termination.reason is Reason.OPTIMAL else None)
        return Solution(termination, primal, dual, objective, bound, iterations)


def _options(profile: SolverProfile) -> dict[str, Any]:
    """Return HiGHS option values for a profile. One thread and a fixed seed: same input, same bytes."""
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": profile.threads,
        "parallel": "off",
        "random_seed": 0,
        "solver": str(profile.algorithm),
        "primal_feasibility_tolerance": profile.feasibility_tolerance,
        "dual_feasibility_tolerance": profile.feasibility_tolerance,
        # HiGHS lets integer programs stray from their rows by this much, too.
        "mip_feasibility_tolerance": profile.feasibility_tolerance,
        "mip_rel_gap": profile.mip_gap,
    }
    if profile.iteration_limit is not None:
        options["simplex_iteration_limit"] = profile.iteration_limit
        options["ipm_iteration_limit"] = profile.iteration_limit
        options["mip_max_nodes"] = profile.iteration_limit
    return options | profile.options


def _pass_model(highs: Any, program: LinearProgram) -> Any:
    """Hand the program over as arrays, column-wise; setting the fields of a HighsLp takes several times as long."""
    matrix = program.matrix
    return highs.passModel(
        program.n_columns,
        program.n_rows,
        matrix.nnz,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        matrix.indptr[:-1].astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        integer_columns(program).astype(np.int32),
    )


def _checked(status: Any, what: str) -> None:
    if status == highspy.HighsStatus.kError:
        raise SolverError(f"HiGHS refused {what}")
