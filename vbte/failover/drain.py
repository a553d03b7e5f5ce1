"""Maintenance: whether a network can spare what is drained, what that costs, and in how few rounds all jobs fit."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import numpy as np

from vbte.delta import left_over
from vbte.demands import DemandMatrix
from vbte.errors import InputWarning, VbteError
from vbte.failover.maintenance import Drained, DrainedMatrix, Maintenance, OnTop
from vbte.failover.replan import Replan, allocated, class_volumes, figures_of
from vbte.failover.rounds import fewest_rounds
from vbte.failover.what_if import what_if
from vbte.failover.windows import Window, check_windows
from vbte.fan_out import Crew, Watch, crew_of, run_each
from vbte.instance import Instance, build_instance
from vbte.plan import Plan
from vbte.scenarios import Family, family
from vbte.solve import SolverProfile
from vbte.solve.load import load_solver, with_threads_within
from vbte.tables import build_tables
from vbte.topology import BoolArray, FloatArray

T = TypeVar("T")


@dataclass(frozen=True)
class Draining:
    """How to look at maintenance: solver, workers as for re-plans, failures ``on_top``, and whether to find rounds."""

    solver: str | SolverProfile = "highs"
    workers: int | Executor | Crew | None = None
    progress: Callable[[str], None] | None = None
    on_top: Family | str | None = None
    order: bool = False


@dataclass(frozen=True, eq=False)
class _Job:
    """One question: what is drained, for which demands; ``plan`` is what is in force for them."""

    plan: Plan
    instance: Instance
    matrices: tuple[int, ...]
    down: BoolArray
    nodes: tuple[str, ...]
    nodes_off: tuple[str, ...]
    profile: SolverProfile
    on_top: str | None


def drain(plan: Plan, windows: Sequence[Window], how: Draining | None = None) -> Maintenance:
    """Return whether each window fits: whether a re-plan without what is drained loses nothing of any class.

    A re-plan keeps all of the model's limits: path bounds, utilisation, what classes have to pass and to avoid.
    Windows whose times overlap are looked at together for as long as they do, and each by itself; windows without
    times by themselves. For rounds, times do not count: ``fewest_rounds`` of windows that fit together.

    Raises InputError for windows that do not fit the plan or each other, and for a solver profile that can't be had.
    """
    how = how or Draining()
    windows = tuple(windows)
    check_windows(windows, plan.instance)
    if how.on_top is not None:
        family(plan.instance.topology, how.on_top)
    looker = _Looker(plan, windows, how)
    spans = list(_spans(windows))
    singles = [frozenset((at,)) for at in range(len(windows))]
    looker.look([*singles, *(jobs for jobs, _, _ in spans)])
    order = None
    if how.order:
        pairs = [one | other for i, one in enumerate(singles) for other in singles[i + 1 :]]
        looker.look([pair for pair in pairs if all(looker.at([at]).fits for at in pair)], on_top=False)
        order = fewest_rounds(len(windows), lambda jobs: looker.at(jobs, on_top=False).fits)
    return Maintenance(
        plan,
        windows,
        tuple(looker.at(jobs) for jobs in singles),
        tuple(replace(looker.at(jobs), start=start, end=end) for jobs, start, end in spans),
        order,
        () if order is None else tuple(looker.at(jobs, on_top=False) for jobs in order.rounds),
    )


def _spans(windows: Sequence[Window]) -> Iterator[tuple[frozenset[int], datetime | None, datetime | None]]:
    """Yield what is open together, and from when to when; windows without times by themselves, at the end."""
    timed = [(at, one.start, one.end) for at, one in enumerate(windows) if one.start and one.end]
    times = sorted({time for _, start, end in timed for time in (start, end)})
    spans: list[tuple[frozenset[int], datetime, datetime]] = []
    for start, end in itertools.pairwise(times):
        open_now = frozenset(at for at, first, last in timed if first <= start and end <= last)
        if spans and spans[-1][0] == open_now and spans[-1][2] == start:
            spans[-1] = (open_now, spans[-1][1], end)
        elif open_now:
            spans.append((open_now, start, end))
    yield from spans
    yield from ((frozenset((at,)), None, None) for at, one in enumerate(windows) if one.start is None)


@dataclass(eq=False)
class _Looker:
    """Looks at windows open together, each set once."""

    plan: Plan
    windows: tuple[Window, ...]
    how: Draining
    known: dict[tuple[frozenset[int], bool], Drained] = field(default_factory=dict)
    plans: dict[tuple[int, ...], Plan] = field(default_factory=dict)

    @cached_property
    def crew(self) -> Crew | None:
        return crew_of(self.how.workers)

    @cached_property
    def profile(self) -> SolverProfile:
        return with_threads_within(load_solver(self.how.solver), None if self.crew is None else self.crew.cores_each)

    def at(self, jobs: Collection[int], *, on_top: bool = True) -> Drained:
        """Return what windows do together."""
        wanted = frozenset(jobs)
        if on_top or (wanted, True) not in self.known:
            self.look([wanted], on_top=on_top)
        return self.known[wanted, (wanted, True) in self.known]

    def look(self, sets: Sequence[frozenset[int]], *, on_top: bool = True) -> None:
        """Look at sets of windows that nobody has looked at yet."""
        wanted = [one for one in dict.fromkeys(sets) if not {(one, True), (one, on_top)} & self.known.keys()]
        jobs = [self._job(one, self.how.on_top if on_top else None) for one in wanted]
        names = [", ".join(self.windows[at].name for at in sorted(one)) for one in wanted]
        found = self._each(_drained, jobs, names)
        for position, (one, drained) in enumerate(zip(wanted, found, strict=True)):
            top = drained.on_top
            if top is not None:
                failed = top.scenarios.failed_links(slice(0, len(top.scenarios)))
                more = [replace(jobs[position], down=jobs[position].down | down) for down in failed.T]
                called = [f"{names[position]} + {scenario.name}" for scenario in top.scenarios.scenarios]
                arrives = np.stack(self._each(_delivered, more, called), axis=-1) if more else top.repaired_lost_gbps
                before = np.stack([matrix.before_gbps for matrix in drained.matrices])[:, :, None]
                drained = replace(drained, on_top=replace(top, replanned_lost_gbps=np.maximum(before - arrives, 0.0)))
            self.known[one, on_top] = replace(drained, windows=tuple(sorted(one)))

    def _each(self, work: Callable[[_Job], T], jobs: Sequence[_Job], names: Sequence[str]) -> list[T]:
        """Return what becomes of each job, here or by workers."""
        say = self.how.progress or (lambda _: None)
        if self.crew is None or len(jobs) < 2:
            results = []
            for position, job in enumerate(jobs):
                say(f"{names[position]} ({position + 1} of {len(jobs)})")
                results.append(work(job))
            return results
        watch = Watch(
            progress=lambda done, total: say(f"{done} of {total} looked at"), name=lambda position: names[position]
        )
        shared = [part for job in jobs for part in (job.plan, job.instance)]
        return [found for _, found in run_each(work, jobs, self.crew, shared=shared, watch=watch)]

    def _job(self, jobs: frozenset[int], on_top: Family | str | None) -> _Job:
        chosen = [self.windows[at] for at in sorted(jobs)]
        topology = self.plan.instance.topology
        down = np.logical_or.reduce([one.drained_links(topology) for one in chosen])
        nodes, off = (
            tuple(dict.fromkeys(n for one in chosen for n in getattr(one, k))) for k in ("nodes", "nodes_off")
        )
        own = list({id(one.demands): one.demands for one in chosen if one.demands is not None}.values())
        listed = tuple(sorted({one.matrix for one in chosen if one.matrix is not None}))
        plan, matrices = self.plan, tuple(range(self.plan.instance.n_matrices))
        instance = plan.instance
        if own:
            plan = self._made_for(own, listed)
            instance, matrices = plan.instance, tuple(range(plan.instance.n_matrices))
        elif listed and listed != matrices:
            instance, matrices = _only(plan.instance, listed), listed
        return _Job(plan, instance, matrices, down, nodes, off, self.profile, None if on_top is None else str(on_top))

    def _made_for(self, own: Sequence[DemandMatrix], listed: tuple[int, ...]) -> Plan:
        """Return the plan that would be in force for demands that are none of the plan's."""
        key = (*listed, *map(id, own))
        if key not in self.plans:
            before = self.plan.instance
            everything = [*(before.demands[at] for at in listed), *own]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)
                instance = build_instance(before.topology, everything, before.model)
                self.plans[key] = allocated(instance, self.profile, self.plan)
        return self.plans[key]


def _only(instance: Instance, matrices: tuple[int, ...]) -> Instance:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return build_instance(instance.topology, [instance.demands[at] for at in matrices], instance.model)


def _drained(job: _Job) -> Drained:
    n_classes = len(job.instance.rules)
    nothing = np.zeros(n_classes)
    before = [figures_of(job.plan, matrix, nothing) for matrix in job.matrices]
    set_aside = [_at_nodes(job.plan, job.nodes_off, matrix) for matrix in job.matrices]
    found: Plan | None = None
    try:
        left, found = _replanned(job, job.down)
        during = _figures(left, found)
    except VbteError as error:
        during = [_no_plan(n_classes, error)] * len(job.matrices)
    names = [job.plan.instance.demands[matrix].name for matrix in job.matrices]
    matrices = tuple(DrainedMatrix(*row) for row in zip(names, before, during, set_aside, strict=True))
    on_top = None if found is None or job.on_top is None else _on_top(job, found, matrices)
    return Drained((), matrices, on_top=on_top)


def _replanned(job: _Job, down: BoolArray) -> tuple[Instance, Plan]:
    left = left_over(job.instance, down, job.nodes)
    with warnings.catch_warnings():
        # Who can't be served meanwhile is told by the figures.
        warnings.simplefilter("ignore", InputWarning)
        return left, allocated(left, job.profile, job.plan)


def _figures(left: Instance, found: Plan) -> list[Replan]:
    every = range(left.n_matrices)
    return [figures_of(found, at, class_volumes(left, at) - class_volumes(found.instance, at)) for at in every]


def _no_plan(n_classes: int, error: VbteError) -> Replan:
    unknown = np.full(n_classes, np.nan)
    return Replan(np.zeros(n_classes), unknown, unknown, unknown, np.nan, (), None, str(error))


def _at_nodes(plan: Plan, nodes: Collection[str], matrix: int) -> FloatArray:
    """Return what is admitted between ends of which one is off, by class."""
    instance = plan.instance
    off = np.array([node.id in nodes for node in instance.topology.nodes], dtype=np.bool_)
    mine = (off[instance.source] | off[instance.destination]) * plan.admitted_gbps[matrix]
    return np.bincount(instance.class_index, weights=mine, minlength=len(instance.rules)).astype(np.float64)


def _on_top(job: _Job, found: Plan, matrices: Sequence[DrainedMatrix]) -> OnTop:
    """Return what each failure takes after the devices' own repair; after re-plans nobody knows yet (NaN)."""
    scenarios = family(found.instance.topology, str(job.on_top))
    tables = build_tables(found)
    repaired = np.zeros((len(matrices), len(job.instance.rules), len(scenarios)))
    for at, matrix in enumerate(matrices):
        arrives = what_if(found, tables, scenarios, matrix=at).repair.delivered_gbps
        repaired[at] = np.maximum(matrix.before_gbps[:, None] - arrives, 0.0)
    return OnTop(scenarios, repaired, np.full_like(repaired, np.nan))


def _delivered(job: _Job) -> FloatArray:
    """Return what a re-plan delivers, (T, n_classes), NaN where there is none."""
    try:
        left, found = _replanned(job, job.down)
    except VbteError:
        return np.full((job.instance.n_matrices, len(job.instance.rules)), np.nan)
    return np.stack([figures.delivered_gbps for figures in _figures(left, found)])
