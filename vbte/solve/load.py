"""Solver profiles by name or file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from vbte.catalogue import solver_path
from vbte.read.model import read_record
from vbte.solve.profile import SolverProfile


def load_solver(source: str | os.PathLike[str] | Mapping[str, Any] | SolverProfile) -> SolverProfile:
    """Return a solver profile from a bundled name, a file, a mapping, or as it is.

    Raises InputError, naming file and place, for unknown names and for profiles that are wrong.
    """
    if isinstance(source, (SolverProfile, Mapping)):
        return read_record(source, SolverProfile)
    return read_record(solver_path(source), SolverProfile)


def with_threads_within(profile: SolverProfile, cores: int | None) -> SolverProfile:
    """Return the profile with no more threads than ``cores``; as it is when None, or when it has no more."""
    return profile if cores is None or profile.threads <= cores else profile.model_copy(update={"threads": cores})
