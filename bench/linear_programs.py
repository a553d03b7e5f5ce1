"""The same linear program three ways: vbte's arrays at HiGHS, PuLP objects, scipy's linprog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pulp
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from vbte.bounds import StageProblem, stage_problem, stage_sequence
from vbte.formulation.layout import build_layout
from vbte.formulation.program import build_program, column_bounds, stage_costs
from vbte.instance import Instance
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.solve import LinearProgram, SolverProfile, open_session
from vbte.solve.pulp import build_problem
from vbte.topology import FloatArray

PROFILE = SolverProfile(name="bench")
NO_PATHS = PathSet(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))


@dataclass(frozen=True)
class Route:
    """One way from an instance to an optimum. ``build`` ends where the solver is called; ``solve`` returns a value."""

    name: str
    build: Callable[[Instance], Any]
    solve: Callable[[Any], float]


@dataclass(frozen=True)
class LinprogArrays:
    """What ``scipy.optimize.linprog`` wants."""

    cost: FloatArray
    upper_matrix: csr_array[np.float64]
    upper: FloatArray
    equal_matrix: csr_array[np.float64]
    equal: FloatArray
    bounds: FloatArray


def first_stage(instance: Instance) -> StageProblem:
    """Return the problem of the model's first stage."""
    no_load = np.zeros((instance.n_matrices, len(instance.rules), len(instance.topology.links)))
    return stage_problem(instance, stage_sequence(instance)[0], (), no_load)


def program_of(instance: Instance) -> LinearProgram:
    """Return the first stage as arrays, in link flows by destination."""
    problem = first_stage(instance)
    layout = build_layout(problem, PathOracle(instance), frozenset())
    lower, upper = column_bounds(layout, problem)
    costs, _ = stage_costs(layout, problem, NO_PATHS)
    return replace(build_program(layout), cost=costs, lower=lower, upper=upper)


def _to_highs(instance: Instance) -> Any:
    return open_session(program_of(instance), PROFILE)


def _to_pulp(instance: Instance) -> Any:
    return build_problem(program_of(instance))[0]


def _solve_pulp(problem: Any) -> float:
    tolerance = PROFILE.feasibility_tolerance
    options = {"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": tolerance}
    problem.solve(pulp.getSolver("HiGHS", msg=False, threads=1, **options))
    return float(pulp.value(problem.objective))


def _to_linprog(instance: Instance) -> LinprogArrays:
    program = program_of(instance)
    rows = csr_array(program.matrix)
    equal = program.row_lower == program.row_upper
    below, above = ~equal & np.isfinite(program.row_upper), ~equal & np.isfinite(program.row_lower)
    return LinprogArrays(
        cost=program.cost,
        upper_matrix=csr_array(vstack([rows[below], -rows[above]])),
        upper=np.concatenate([program.row_upper[below], -program.row_lower[above]]),
        equal_matrix=csr_array(rows[equal]),
        equal=program.row_upper[equal],
        bounds=np.stack([program.lower, program.upper], axis=1),
    )


def _solve_linprog(arrays: LinprogArrays) -> float:
    tolerance = PROFILE.feasibility_tolerance
    found = linprog(
        arrays.cost,
        arrays.upper_matrix,
        arrays.upper,
        arrays.equal_matrix,
        arrays.equal,
        arrays.bounds,
        method="highs",
        options={"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": tolerance},
    )
    return float(found.fun)


VBTE = Route("vbte", _to_highs, lambda session: float(session.solve().objective))
PULP = Route("PuLP objects", _to_pulp, _solve_pulp)
SCIPY = Route("scipy linprog", _to_linprog, _solve_linprog)
