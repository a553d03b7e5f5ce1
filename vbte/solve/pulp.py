"""Any solver PuLP finds. The only file that imports pulp; a small shim covers PuLP 3 and 4.

Programs are rebuilt as objects for every solve: a door to other solvers and an oracle, not the fast way.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from vbte.errors import SolverError
from vbte.plan import Limit, Reason, Termination
from vbte.solve.profile import SolverProfile
from vbte.solve.program import LinearProgram, Solution
from vbte.solve.session import Deadline, Session, integer_columns
from vbte.topology import FloatArray

# PuLP's status codes, the same numbers in versions 3 and 4 under different names.
_OPTIMAL, _INFEASIBLE, _UNBOUNDED = 1, -1, -2


class PulpSession(Session):
    """One program, built anew and handed to a PuLP solver at every solve."""

    def __init__(self, program: LinearProgram, profile: SolverProfile, deadline: Deadline) -> None:
        super().__init__(program)
        self._profile = profile
        self._deadline = deadline

    def solve(self) -> Solution:
        """Build and solve; duals are read where the solver gives them."""
        import pulp

        remaining = self._deadline.remaining_s
        if remaining <= 0:
            limit = Limit.INTERRUPT if self._deadline.interrupted else Limit.TIME
            return Solution(Termination(Reason.ERROR, limit))
        solver = _solver(self._profile, remaining)
        problem, variables, constraints = build_problem(self.program)
        try:
            stats = problem.solve(solver)
        except pulp.PulpSolverError as error:
            raise SolverError(f"{self._profile.solver}: {error}") from None
        # Of the limits that stop a solver, only time is set here.
        termination = _termination(problem, stats, Limit.TIME if np.isfinite(remaining) else Limit.NONE)
        if termination.reason not in (Reason.OPTIMAL, Reason.FEASIBLE):
            return Solution(termination)
        return _read(problem, termination, variables, constraints, self.program)


def available_solvers() -> list[str]:
    """Return the names of the solvers PuLP can run on this machine, sorted."""
    import pulp

    return sorted(pulp.listSolvers(onlyAvailable=True))


def build_problem(
    program: LinearProgram, column_names: list[str] | None = None, row_names: list[str] | None = None
) -> tuple[Any, list[Any], list[list[str]]]:
    """Return the program as a PuLP problem with its variables in column order.

    The last list holds the names of each row's constraints: two where a row has two different finite bounds.
    """
    import pulp

    problem = pulp.LpProblem("vbte", pulp.LpMinimize)
    integer = integer_columns(program)
    width = len(str(program.n_columns))
    variables = [
        problem.add_variable(
            column_names[column] if column_names else f"x{column:0{width}d}",
            _finite(program.lower[column]),
            _finite(program.upper[column]),
            "Integer" if integer[column] else "Continuous",
        )
        for column in range(program.n_columns)
    ]
    problem += _expression(variables, np.arange(program.n_columns), program.cost)
    rows = csr_array(program.matrix)
    constraints = []
    for row in range(program.n_rows):
        span = slice(rows.indptr[row], rows.indptr[row + 1])
        expression = _expression(variables, rows.indices[span], rows.data[span])
        name = row_names[row] if row_names else f"r{row}"
        bounds = (float(program.row_lower[row]), float(program.row_upper[row]))
        constraints.append(_add_row(problem, expression, bounds, name))
    return problem, variables, constraints


def _expression(variables: list[Any], columns: Any, coefficients: Any) -> Any:
    """Return the sum of the given terms; PuLP 4 renamed the constructor."""
    import pulp

    make = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)
    return make([(variables[c], float(a)) for c, a in zip(columns, coefficients, strict=True) if a])


def _add_row(problem: Any, expression: Any, bounds: tuple[float, float], name: str) -> list[str]:
    """Add ``lower <= expression <= upper`` as one or two constraints and return their names."""
    low, high = bounds
    if low == high:
        problem.addConstraint(expression == low, name)
        return [name]
    names = []
    if np.isfinite(high):
        problem.addConstraint(expression <= high, name)
        names.append(name)
    if np.isfinite(low):
        lower_name = f"{name}_low" if names else name
        problem.addConstraint(expression >= low, lower_name)
        names.append(lower_name)
    return names


def _finite(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _solver(profile: SolverProfile, remaining_s: float) -> Any:
    """Return the PuLP solver object of a profile. ``CBC`` means whichever CBC this PuLP can run."""
    import pulp

    name = profile.solver or "CBC"
    found = available_solvers()
    if name == "CBC":
        # The CBC that PuLP 3 bundles reports duals; the newer one it finds on the path may lose them in presolve.
        name = next((cbc for cbc in ("PULP_CBC_CMD", "COIN_CMD") if cbc in found), "COIN_CMD")
    if name not in found:
        raise SolverError(
            f"solver profile {profile.name!r}: PuLP can't run {name!r} here; it can run {', '.join(found) or 'none'}"
        )
    options: dict[str, Any] = {"msg": False}
    if np.isfinite(remaining_s):
        options["timeLimit"] = max(0.01, remaining_s)
    if name in ("PULP_CBC_CMD", "COIN_CMD"):
        options |= {"threads": profile.threads, "gapRel": profile.mip_gap}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return pulp.getSolver(name, **(options | profile.options))
        except TypeError as error:
            raise SolverError(f"solver profile {profile.name!r}: {error}") from None


def _read(
    problem: Any, termination: Termination, columns: list[Any], rows: list[list[str]], program: LinearProgram
) -> Solution:
    """Read back a solved problem."""
    values = [variable.varValue for variable in columns]
    # A variable that stands in no row and has no cost never reaches the solver: any value in its bounds will do.
    idle = np.clip(0.0, program.lower, program.upper)
    primal = np.array([idle[i] if v is None else float(v) for i, v in enumerate(values)])
    objective = float(program.cost @ primal)
    is_mip = bool(integer_columns(program).any())
    dual = None if is_mip else _duals(problem, rows, program, objective)
    bound = objective if termination.reason is Reason.OPTIMAL and not is_mip else None
    return Solution(termination, primal, dual, objective, bound)


def _termination(problem: Any, stats: Any, limit: Limit) -> Termination:
    """Return what the solver said. PuLP 3 calls a time limit "Optimal": the solution status knows better."""
    if isinstance(stats, int):
        status, optimal, found = stats, problem.sol_status == 1, problem.sol_status in (1, 2)
    else:
        status, optimal, found = int(stats.status), int(stats.status) == _OPTIMAL, bool(stats.has_solution)
    if status == _INFEASIBLE:
        return Termination(Reason.INFEASIBLE)
    if status == _UNBOUNDED:
        return Termination(Reason.UNBOUNDED)
    if status == _OPTIMAL and optimal:
        return Termination(Reason.OPTIMAL)
    if found:
        return Termination(Reason.FEASIBLE, limit)
    return Termination(Reason.ERROR, limit)


def _duals(problem: Any, rows: list[list[str]], program: LinearProgram, objective: float) -> FloatArray | None:
    """Return row duals, or None when they do not prove the objective: some CBC builds lose them in presolve."""
    listed = problem.constraints() if callable(problem.constraints) else problem.constraints.values()
    pi = {constraint.name: constraint.pi for constraint in listed}
    dual = np.array([sum(pi.get(name) or 0.0 for name in names) for names in rows])
    if not len(dual):
        return None
    # A price on a side without a bound is rounding; if it is more, the proof below fails.
    dual[((dual > 0) & np.isinf(program.row_lower)) | ((dual < 0) & np.isinf(program.row_upper))] = 0.0
    reduced = program.cost - program.matrix.T @ dual
    with np.errstate(invalid="ignore"):
        row_terms = np.where(dual > 0, dual * program.row_lower, np.where(dual < 0, dual * program.row_upper, 0.0))
        slack = 1e-7 * (1.0 + np.abs(program.cost))
        column_terms = np.where(
            reduced > slack, reduced * program.lower, np.where(reduced < -slack, reduced * program.upper, 0.0)
        )
    proven = float(row_terms.sum() + column_terms.sum())
    return dual if abs(proven - objective) <= 1e-5 * max(1.0, abs(objective)) else None
