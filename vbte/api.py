"""What other programs import: read, optimise, write, prove. Nothing here prints, and nothing needs a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vbte.allocate.run import allocate
from vbte.catalogue import load_model
from vbte.demands import DemandMatrix
from vbte.errors import SolverError
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.solve import Deadline, SolverProfile
from vbte.solve.load import load_solver
from vbte.topology import Topology


def optimize(
    topology: Topology,
    demands: DemandMatrix | Sequence[DemandMatrix],
    *,
    model: str | Path | Mapping[str, object] | PlanningModel | None = None,
    solver: str | Path | Mapping[str, object] | SolverProfile = "highs",
    progress: Callable[[str], None] | None = None,
    deadline: Deadline | None = None,
    previous: Plan | None = None,
) -> Plan:
    """Return one plan that serves ``demands``, with a certificate for every stage of the model.

    Several matrices give one set of splits that serves all of them: capacity holds in every matrix, utilisation and
    scale count in the worst, volumes and latency on average. ``model`` and ``solver`` are names from the
    catalogues, files, mappings or records; no model means ``class-aware``. ``progress`` is called with a line of text
    now and then; ``deadline`` is how a caller stops the work early (the best plan so far is returned, labelled so).

    ``previous`` is an earlier plan of much the same network: on large networks, where link prices are looked for, the
    search starts from its paths and prices, which takes a fraction of the time. Gap and proof are the same.

    A solver that gives nothing usable is followed by its profile's ``fallback``, if it names one.

    Raises InputError (inputs rejected), InfeasibleError (demands and limits clash), SolverError (no usable answer).
    """
    matrices = [demands] if isinstance(demands, DemandMatrix) else list(demands)
    instance = build_instance(topology, matrices, load_model(model or "class-aware"))
    profile = load_solver(solver)
    tried = {profile.name}
    while True:
        try:
            return allocate(instance, profile, progress=progress, deadline=deadline, previous=previous)
        except SolverError:
            if profile.fallback is None or profile.fallback in tried:
                raise
            profile = load_solver(profile.fallback)
            tried.add(profile.name)


def optimize_each(
    topology: Topology,
    matrices: Sequence[DemandMatrix],
    *,
    model: str | Path | Mapping[str, object] | PlanningModel | None = None,
    solver: str | Path | Mapping[str, object] | SolverProfile = "highs",
    progress: Callable[[str], None] | None = None,
) -> list[Plan]:
    """Return one plan for each of ``matrices``; errors and options as in ``optimize``."""
    resolved, profile = load_model(model or "class-aware"), load_solver(solver)
    plans = []
    for position, matrix in enumerate(matrices):
        if progress is not None:
            progress(f"matrix {position + 1} of {len(matrices)}")
        plans.append(optimize(topology, matrix, model=resolved, solver=profile))
    return plans
