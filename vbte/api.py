"""What other programs import: read, optimise, write, prove. Nothing here prints, and nothing needs a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from vbte.allocate.run import allocate
from vbte.catalogue import load_model
from vbte.demands import DemandMatrix
from vbte.errors import SolverError
from vbte.fan_out import Crew, Watch, crew_of, run_each
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.solve import Deadline, SolverProfile
from vbte.solve.load import load_solver, with_threads_within
from vbte.topology import Topology

T = TypeVar("T")


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
    instance = build_instance(topology, _matrices(demands), load_model(model or "class-aware"))
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


@dataclass(frozen=True)
class Job:
    """One question for ``optimize_many``: the arguments of one call of ``optimize``."""

    topology: Topology
    demands: DemandMatrix | Sequence[DemandMatrix]
    model: str | Path | Mapping[str, object] | PlanningModel | None = None
    solver: str | Path | Mapping[str, object] | SolverProfile = "highs"
    previous: Plan | None = None


def optimize_each(
    topology: Topology,
    matrices: Sequence[DemandMatrix],
    *,
    model: str | Path | Mapping[str, object] | PlanningModel | None = None,
    solver: str | Path | Mapping[str, object] | SolverProfile = "highs",
    progress: Callable[[str], None] | None = None,
    workers: int | Executor | Crew | None = None,
) -> list[Plan]:
    """Return one plan for each of ``matrices``; errors and options as in ``optimize``, workers as in ``optimize_many``.

    All plans are held at once; ``optimize_many`` gives them one by one.
    """
    jobs = [Job(topology, matrix, model, solver) for matrix in matrices]
    return list(_plans(jobs, crew_of(workers), progress, noun=("matrix", "matrices")))


def optimize_many(
    jobs: Sequence[Job],
    *,
    progress: Callable[[str], None] | None = None,
    workers: int | Executor | Crew | None = None,
) -> Iterator[Plan]:
    """Yield the plan of each job, in their order: parameter sweeps, independent networks, weeks of matrices.

    ``workers`` says where the work is done: here, one job after the other (None or 1); in so many processes of this
    machine; or by a ``concurrent.futures.Executor``, such as ``Client.get_executor()`` of a Dask cluster, in a
    ``vbte.fan_out.Given`` with the number of its workers if that is not 32. Jobs travel to workers and plans back, so
    whatever stands in them has to be picklable; an executor's workers need the same vbte and Python. With processes a
    profile's ``threads`` are cut to what the cores give each, and a script needs ``if __name__ == "__main__":`` around
    its work (they are spawned).

    Plans are the same, to the byte, and refer to the jobs' own topologies and demands. (Workers have one thread of
    linear algebra: beyond 10,000 commodities last digits agree only where this process has one, too, as by
    OPENBLAS_NUM_THREADS=1.)

    No plan is made before it is asked for; workers end with the iterator. The error of a job is raised in its turn,
    after the plans before it, and is that of ``optimize``. A job whose worker dies is tried three times, then
    LostWorkError names it. InputError for models and solvers that can't be had is raised at once.
    """
    return _plans(jobs, crew_of(workers), progress, noun=("job", "jobs"))


def _plans(
    jobs: Sequence[Job], crew: Crew | None, progress: Callable[[str], None] | None, *, noun: tuple[str, str]
) -> Iterator[Plan]:
    """Return an iterator over the plans; ``noun`` is what progress and errors call a job, and several."""
    cores = None if crew is None else crew.cores_each
    load_profile = _remembered(lambda source: with_threads_within(load_solver(source), cores))
    load = _remembered(lambda source: load_model(source or "class-aware"))
    jobs = [replace(job, model=load(job.model), solver=load_profile(job.solver)) for job in jobs]
    return _planned_here(jobs, progress, noun) if crew is None else _planned_by(crew, jobs, progress, noun)


def _planned_here(jobs: Sequence[Job], progress: Callable[[str], None] | None, noun: tuple[str, str]) -> Iterator[Plan]:
    for position, job in enumerate(jobs):
        if progress is not None:
            progress(f"{noun[0]} {position + 1} of {len(jobs)}")
        yield _plan(job)


def _planned_by(
    crew: Crew, jobs: Sequence[Job], progress: Callable[[str], None] | None, noun: tuple[str, str]
) -> Iterator[Plan]:
    say = progress or (lambda _: None)
    watch = Watch(
        progress=lambda done, total: say(f"{done} of {total} {noun[1]} planned"),
        name=lambda position: f"{noun[0]} {position + 1} of {len(jobs)}",
    )
    shared = [
        part
        for job in jobs
        for part in (job.topology, *_matrices(job.demands), job.model, job.solver, job.previous)
        if part is not None
    ]
    for _, plan in run_each(_plan, jobs, crew, shared=shared, watch=watch):
        yield plan


def _plan(job: Job) -> Plan:
    return optimize(job.topology, job.demands, model=job.model, solver=job.solver, previous=job.previous)


def _matrices(demands: DemandMatrix | Sequence[DemandMatrix]) -> list[DemandMatrix]:
    return [demands] if isinstance(demands, DemandMatrix) else list(demands)


def _remembered(load: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return ``load`` that loads each source once: jobs of the same source then share one record."""
    known: dict[Any, tuple[Any, T]] = {}

    def loaded(source: Any) -> T:
        key = source if isinstance(source, str | Path) else id(source)
        # The source is kept with its record: the identity of an object that is gone may be given out again.
        if key not in known:
            known[key] = (source, load(source))
        return known[key][1]

    return loaded
