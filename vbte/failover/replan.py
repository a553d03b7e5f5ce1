"""Re-plans: what the optimiser makes of each scenario, and the best that anybody could."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from vbte.allocate.run import allocate
from vbte.delta import Delta, GroupChanges, left_over
from vbte.errors import InputWarning, SolverError, VbteError
from vbte.failover.congestion import Crossings, settled_pass_share
from vbte.failover.rewrite import Rewriting, rewritten
from vbte.fan_out import Crew, Watch, crew_of, run_each
from vbte.instance import Instance
from vbte.plan import Plan, Termination
from vbte.policy import StageKind
from vbte.scenarios import Scenario, ScenarioSet
from vbte.solve import SolverProfile
from vbte.solve.load import load_solver, with_threads_within
from vbte.tables import Tables
from vbte.topology import BoolArray, FloatArray


@dataclass(frozen=True)
class ReplannedStage:
    """One stage of a re-plan: its label, what the re-plan reaches and what nobody can beat (None: not proven)."""

    stage: str
    kind: StageKind
    priority: int | None
    value: float
    bound: float | None


@dataclass(frozen=True, eq=False)
class Replan:
    """A plan for what is left of the network, in one demand matrix; arrays by class, shape (n_classes,).

    ``delivered_gbps`` is what arrives, ``congested_gbps`` what links above capacity drop by the rule of local repair
    (only where the model lets them be overloaded); ``latency_ms`` is the mean over what is admitted, NaN for nothing.
    ``unroutable_gbps`` is asked for by demands that no path serves which their class may use.
    ``groups`` are the next-hop groups that its tables change, and ``delta`` how, where that was asked for;
    ``astray`` says what the walk of base and delta finds that is not as planned.
    ``fault`` says why there is no plan; then ``termination`` is None and the figures are NaN.
    """

    delivered_gbps: FloatArray
    congested_gbps: FloatArray
    unroutable_gbps: FloatArray
    latency_ms: FloatArray
    max_utilization: float
    stages: tuple[ReplannedStage, ...]
    termination: Termination | None
    fault: str = ""
    groups: GroupChanges | None = None
    delta: Delta | None = None
    astray: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replanning:
    """How to re-plan: with which solver, and by whom (see ``vbte.optimize_many`` for ``workers``).

    With ``deltas`` each re-plan is written as what it changes in the plan's tables, and walked; ``take``, where given,
    gets each re-plan as it comes, by the name of its scenario, and none is kept but for its figures. At most
    ``max_changed_groups`` of the tables' groups may change then, None for any number (``vbte.failover.limited``).
    """

    solver: str | SolverProfile = "highs"
    workers: int | Executor | Crew | None = None
    progress: Callable[[str], None] | None = None
    deltas: bool = False
    max_changed_groups: int | None = None
    take: Callable[[str, Replan], object] | None = None

    @property
    def rewrites(self) -> bool:
        """Return whether re-plans are held against the tables in force."""
        return self.deltas or self.max_changed_groups is not None


@dataclass(frozen=True, eq=False)
class _Job:
    plan: Plan
    down: BoolArray
    profile: SolverProfile
    matrices: tuple[int, ...]
    rewriting: Rewriting | None


def replan_each(
    plan: Plan, tables: Tables, scenarios: ScenarioSet, how: Replanning, matrices: Sequence[int] = (0,)
) -> Iterator[tuple[Replan, ...]]:
    """Yield the re-plan of each scenario, in order, as it does in each of ``matrices``.

    What can't be planned says why and stops nobody else. ``tables`` are the plan's, against which deltas are made.

    Each is ``vbte.optimize`` of the plan's demands and model on what is left of its topology, from the plan in force.
    Demands that no path serves any more are left out. Raises InputError for a solver profile that can't be had.
    """
    crew = crew_of(how.workers)
    profile = with_threads_within(load_solver(how.solver), None if crew is None else crew.cores_each)
    jobs = [
        _Job(
            plan,
            down,
            profile,
            tuple(matrices),
            Rewriting(plan, tables, scenario, down, how.max_changed_groups) if how.rewrites else None,
        )
        for scenario, down in _each(scenarios)
    ]
    say = how.progress or (lambda _: None)
    for position, found in enumerate(
        _found(jobs, crew, say, scenarios, [plan, plan, tables] if how.rewrites else [plan])
    ):
        if how.take is not None:
            how.take(scenarios.scenarios[position].name, found[0])
            found = tuple(replace(one, delta=None) for one in found)
        yield found


def _found(
    jobs: Sequence[_Job], crew: Crew | None, say: Callable[[str], None], scenarios: ScenarioSet, shared: list[object]
) -> Iterator[tuple[Replan, ...]]:
    """Yield what becomes of each job; ``shared`` is what each of them refers to."""
    if crew is None:
        for position, job in enumerate(jobs):
            say(f"re-plan {position + 1} of {len(jobs)}")
            yield _replan(job)
        return
    watch = Watch(
        progress=lambda done, total: say(f"{done} of {total} scenarios re-planned"),
        name=lambda position: f"re-plan of {scenarios.scenarios[position].name!r}",
    )
    for _, found in run_each(_replan, jobs, crew, shared=shared * len(jobs), watch=watch):
        yield found


def _each(scenarios: ScenarioSet) -> Iterator[tuple[Scenario, BoolArray]]:
    for position, scenario in enumerate(scenarios.scenarios):
        yield scenario, scenarios.failed_links(slice(position, position + 1))[:, 0]


def _replan(job: _Job) -> tuple[Replan, ...]:
    try:
        left = left_over(job.plan.instance, job.down)
        with warnings.catch_warnings():
            # Who can't be served any more is told by the scenario's figures.
            warnings.simplefilter("ignore", InputWarning)
            found = allocated(left, job.profile, job.plan)
        written = None if job.rewriting is None else rewritten(found, job.rewriting, job.profile)
    except VbteError as error:
        nothing = np.full(len(job.plan.instance.rules), np.nan)
        return (Replan(nothing, nothing, nothing, nothing, np.nan, (), None, str(error)),) * len(job.matrices)
    answers = []
    found = found if written is None else written.plan
    for matrix in job.matrices:
        answer = figures_of(found, matrix, class_volumes(left, matrix) - class_volumes(found.instance, matrix))
        if written is not None:
            answer = replace(answer, groups=written.groups, delta=written.delta, astray=written.astray)
        answers.append(answer)
    return tuple(answers)


def allocated(left: Instance, profile: SolverProfile, previous: Plan) -> Plan:
    """Return the plan by a profile or, where its solver gives nothing usable, by its fallbacks."""
    tried: set[str] = set()
    while True:
        tried.add(profile.name)
        try:
            return allocate(left, profile, previous=previous)
        except SolverError:
            if profile.fallback is None or profile.fallback in tried:
                raise
            profile = load_solver(profile.fallback)


def class_volumes(instance: Instance, matrix: int) -> FloatArray:
    """Return what is asked for in one demand matrix, by class, Gbit/s, shape (n_classes,)."""
    volume_gbps = instance.volume_gbps[matrix]
    return np.bincount(instance.class_index, weights=volume_gbps, minlength=len(instance.rules)).astype(np.float64)


def figures_of(plan: Plan, matrix: int, unroutable_gbps: FloatArray) -> Replan:
    """Return what a plan does in one of its matrices, ``unroutable_gbps`` (n_classes,) being left out of it."""
    instance, paths = plan.instance, plan.paths
    n_classes = len(instance.rules)
    of_class = instance.class_index[paths.commodity]
    flow = plan.path_flow_gbps(matrix)
    load = plan.class_link_load_gbps[matrix]
    columns = np.repeat(of_class, paths.hops).astype(np.int64) * load.shape[1] + paths.links
    crossings = Crossings(paths.start, columns, load.size)
    passed = settled_pass_share(
        load[:, :, None],
        instance,
        lambda share, _: crossings.loads(flow[:, None], share.reshape(-1, 1)).reshape(share.shape),
    )
    share = crossings.passed(passed.reshape(-1, 1))[:, 0]
    carried = np.bincount(of_class, weights=flow, minlength=n_classes)
    delivered = np.bincount(of_class, weights=flow * share, minlength=n_classes).astype(np.float64)
    latency = np.bincount(of_class, weights=flow * paths.sums(instance.topology.latency_ms), minlength=n_classes)
    stages = tuple(ReplannedStage(c.stage, c.kind, c.priority, c.value, c.bound) for c in plan.certificates)
    return Replan(
        delivered,
        np.maximum(carried - delivered, 0.0),
        np.maximum(unroutable_gbps, 0.0),
        np.divide(latency, carried, out=np.full(n_classes, np.nan), where=carried > 0),
        float(plan.utilization[matrix].max(initial=0.0)),
        stages,
        plan.termination,
    )
