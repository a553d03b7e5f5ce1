"""Solver profiles: which solver, with which settings (``solvers/*.yaml``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from vbte.policy import Name, Record
from vbte.tolerance import OPTIMALITY_GAP_SHARE


class Backend(StrEnum):
    """The two ways to a solver: highspy with arrays, or any solver PuLP finds."""

    HIGHS = "highs"
    PULP = "pulp"


class Algorithm(StrEnum):
    """LP algorithm; backends that offer no choice ignore it."""

    CHOOSE = "choose"
    SIMPLEX = "simplex"
    IPM = "ipm"
    PDLP = "pdlp"


class Engine(StrEnum):
    """How plans are found: one program for all of it, by link prices, or whichever suits the size."""

    AUTO = "auto"
    EXACT = "exact"
    PRICE_DIRECTED = "price-directed"


class SolverProfile(Record):
    """Settings of one solver.

    ``solver`` names PuLP's solver class (``PULP_CBC_CMD``); ``options`` go to the backend as they are. Time is for
    the whole run of ``optimize``, in seconds; ``iteration_limit`` is per solver call. ``gap`` is the certificate gap at
    which the price-directed engine stops looking closer; the exact engine goes on to the optimum.
    """

    schema_: Literal["vbte.solver/1"] = Field(default="vbte.solver/1", alias="schema")
    name: Name
    description: str = ""
    backend: Backend = Backend.HIGHS
    solver: str | None = None
    algorithm: Algorithm = Algorithm.CHOOSE
    engine: Engine = Engine.AUTO
    gap: float = Field(default=1e-3, ge=OPTIMALITY_GAP_SHARE, lt=1)
    time_limit_s: Annotated[float, Field(gt=0)] | None = None
    iteration_limit: Annotated[int, Field(ge=0)] | None = None
    threads: int = Field(default=1, ge=1, le=256)
    feasibility_tolerance: float = Field(default=1e-9, ge=1e-10, le=1e-3)
    mip_gap: float = Field(default=1e-6, ge=0, le=1)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    fallback: Name | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)
