"""Solver profiles: by name, file or mapping, and what is said of those that are wrong."""

from __future__ import annotations

import pytest

from vbte.catalogue import catalogue_folder, solvers
from vbte.errors import InputError
from vbte.plan import Reason
from vbte.solve import Algorithm, Backend, SolverProfile, solve
from vbte.solve.load import load_solver
from toys import HIGHS  # isort: skip
