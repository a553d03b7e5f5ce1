"""The one door to solvers: programs as arrays in, solutions out."""

from __future__ import annotations

from vbte.solve.profile import Algorithm, Backend, Engine, SolverProfile
from vbte.solve.program import LinearProgram, Solution
from vbte.solve.session import Deadline, Session
from vbte.topology import FloatArray

__all__ = [
    "Algorithm",
    "Backend",
    "Deadline",
    "Engine",
    "LinearProgram",
    "Session",
    "Solution",
    "SolverProfile",
    "open_session",
    "solve",
]


def open_session(program: LinearProgram, profile: SolverProfile, deadline: Deadline | None = None) -> Session:
    """Return the program at the profile's solver, ready to be solved, changed and solved again.

    Raises SolverError when the solver can't be had.
    """
    deadline = deadline or Deadline(profile.time_limit_s)
    if profile.backend is Backend.HIGHS:
        from vbte.solve.highs import HighsSession

        return HighsSession(program, profile, deadline)
    from vbte.solve.pulp import PulpSession

    return PulpSession(program, profile, deadline)


def solve(
    program: LinearProgram,
    profile: SolverProfile,
    deadline: Deadline | None = None,
    *,
    start: FloatArray | None = None,
) -> Solution:
    """Solve one program once; ``start`` is a feasible point of an integer program, shape (n_columns,)."""
    session = open_session(program, profile, deadline)
    if start is not None:
        session.set_start(start)
    return session.solve()
