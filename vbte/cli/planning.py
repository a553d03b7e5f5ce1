"""``vbte plan``: read, optimise, build tables, walk them, publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from vbte.api import optimize
from vbte.cli.console import Progress, output, progress, say
from vbte.cli.directory import locked, publish, real_directory, require_replaceable
from vbte.cli.inputs import SolverChoice, Sources, previous_plans
from vbte.cli.interrupts import Interrupts, interrupts
from vbte.demands import DemandMatrix
from vbte.errors import SolverError, UsageError
from vbte.fan_out import Crew, Watch, crew_of, run_each
from vbte.fan_out.cluster import checked_address, cluster
from vbte.plan import Plan, Reason
from vbte.policy import PlanningModel
from vbte.report.outcome import SUMMARY_FILE, realise
from vbte.report.series import series_files, series_summary
from vbte.report.summary import summary_bytes
from vbte.report.terminal import series_view, summary_view
from vbte.solve import Deadline, SolverProfile
from vbte.solve.load import with_threads_within
from vbte.topology import Topology
from vbte.units import format_gbps


@dataclass(frozen=True)
class PlanRequest:
    """Options of ``vbte plan``."""

    sources: Sources
    out: Path
    model: str | None = None
    solver: SolverChoice = field(default_factory=SolverChoice)
    realisation: str | None = None
    previous: Path | None = None
    combine: str | None = None
    workers: int | None = None
    cluster: str | None = None
    as_json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class _Question:
    """What was read; ``previous`` has the earlier plan that each of ``matrices`` starts from by itself.

    Where one plan serves all matrices, all entries are the same.
    """

    topology: Topology
    matrices: Sequence[DemandMatrix]
    model: PlanningModel
    profile: SolverProfile
    previous: Sequence[Plan | None]


#: Summary, and files by path relative to the directory.
_Result = tuple[Mapping[str, Any], Mapping[str, bytes]]


def run_plan(request: PlanRequest) -> None:
    """Plan and publish; print the summary. Raises VbteError, and then nothing was written."""
    out = real_directory(request.out)
    require_replaceable(out)
    _require_one_kind_of_workers(request)
    with progress(quiet=request.quiet) as report:
        question = _read(request, report)
        with locked(out), interrupts() as state:
            if request.combine == "each" and len(question.matrices) > 1:
                with _crew(request) as crew:
                    summary, files = _plan_each(question, state, report, crew=crew)
            else:
                summary, files = _plan_together(question, state, report)
            _require_worth_replacing(out, summary)
            report("writing")
            publish(out, files)
    if request.as_json:
        output().file.write(summary_bytes(summary).decode())
    elif not request.quiet:
        view = series_view(summary) if "plans" in summary else summary_view(summary)
        output().print(view)
        output().print(Text(f"written to {request.out}"), soft_wrap=True)


def _require_worth_replacing(out: Path, summary: Mapping[str, Any]) -> None:
    """Raise SolverError rather than put plain shortest paths, all a stopped solver left, over an earlier plan."""
    stages = summary.get("certificates", ())
    if stages and all(stage["reason"] == Reason.ERROR for stage in stages) and out.exists():
        raise SolverError(f"the solver was stopped before it had a plan (limit: {stages[0]['limit']}); {out} is kept")


def _require_one_kind_of_workers(request: PlanRequest) -> None:
    """Raise UsageError for options about workers that do not go together or with the rest."""
    if request.workers is None and request.cluster is None:
        return
    if request.combine != "each":
        raise UsageError("--workers and --cluster go with --combine each, which plans every matrix by itself")
    if request.cluster is not None:
        if request.workers is not None:
            raise UsageError("a cluster has workers of its own; give --workers or --cluster, not both")
        checked_address(request.cluster)


def _crew(request: PlanRequest) -> AbstractContextManager[Crew | None]:
    """Return who plans the matrices of a series, None for this process alone."""
    return nullcontext(crew_of(request.workers)) if request.cluster is None else cluster(request.cluster)


def _read(request: PlanRequest, report: Progress) -> _Question:
    report(f"reading {request.sources.topology}")
    profile = request.solver.read()
    model = request.sources.read_model(request.model, request.realisation)
    topology = request.sources.read_topology()
    matrices = request.sources.read_demands(topology)
    if len(matrices) > 1 and request.combine is None:
        raise UsageError(
            f"{len(matrices)} demand matrices: add --combine worst-case for one plan that serves all of them, or "
            "--combine each for a plan of each"
        )
    previous: list[Plan | None] = [None] * len(matrices)
    if request.previous is not None:
        report(f"reading {request.previous}")
        previous = previous_plans(request.previous, len(matrices), each=request.combine == "each")
    report(totals_read(topology, matrices))
    return _Question(topology, matrices, model, profile, previous)


def totals_read(topology: Topology, matrices: Sequence[DemandMatrix]) -> str:
    """Return one line that says what was read, with units."""
    count = sum(len(matrix) for matrix in matrices)
    volume = sum(matrix.total_gbps for matrix in matrices) / max(1, len(matrices))
    in_each = f" in {len(matrices)} matrices, on average" if len(matrices) > 1 else ""
    return (
        f"read {len(topology.nodes)} nodes, {len(topology.links)} links with "
        f"{format_gbps(float(topology.capacity_gbps.sum()))}, {count} demands{in_each} with {format_gbps(volume)}"
    )


def _plan_together(question: _Question, state: Interrupts, report: Progress) -> _Result:
    """Return summary and files of one plan for all matrices."""
    return _planned(question, report, state.deadline(question.profile.time_limit_s))


def _planned(question: _Question, report: Progress | None = None, deadline: Deadline | None = None) -> _Result:
    """Return summary and files of a plan whose tables were walked and found to carry it."""
    plan = optimize(
        question.topology,
        question.matrices,
        model=question.model,
        solver=question.profile,
        progress=report,
        deadline=deadline,
        previous=question.previous[0],
    )
    if report is not None:
        report("building tables and walking them")
    outcome = realise(plan)
    outcome.require_publishable()
    return outcome.summary, outcome.files()


def _plan_each(question: _Question, state: Interrupts, report: Progress, *, crew: Crew | None) -> _Result:
    """Return summary and files of a plan for every matrix; after Ctrl-C those planned so far are kept."""
    pairs = zip(question.matrices, question.previous, strict=True)
    questions = [replace(question, matrices=(matrix,), previous=(previous,)) for matrix, previous in pairs]
    results = _planned_here(questions, state, report) if crew is None else _planned_by(crew, questions, state, report)
    files: dict[str, bytes] = {}
    summaries: dict[int, Mapping[str, Any]] = {}
    for position, (summary, content) in results:
        files |= series_files(content, position)
        summaries[position] = summary
    if not summaries:
        raise KeyboardInterrupt
    if state.pressed:
        say(f"vbte: stopped after {len(summaries)} of {len(questions)} matrices")
    series = series_summary(summaries, wanted=len(questions))
    return series, files | {SUMMARY_FILE: summary_bytes(series)}


def _planned_here(questions: Sequence[_Question], state: Interrupts, report: Progress) -> Iterator[tuple[int, _Result]]:
    """Yield position and result of each question, one after the other; Ctrl-C makes the one at hand the last."""
    for position, question in enumerate(questions):
        report(f"matrix {position + 1} of {len(questions)}")
        yield position, _planned(question, report, state.deadline(question.profile.time_limit_s))
        if state.pressed:
            return


def _planned_by(
    crew: Crew, questions: Sequence[_Question], state: Interrupts, report: Progress
) -> Iterator[tuple[int, _Result]]:
    """Yield position and result of each question as workers give them; Ctrl-C drops what they have in hand."""
    watch = Watch(
        progress=lambda done, total: report(f"{done} of {total} matrices planned"),
        stop=lambda: state.pressed,
        name=lambda position: f"matrix {position + 1} of {len(questions)}",
    )
    profile = with_threads_within(questions[0].profile, crew.cores_each)
    jobs = [replace(question, profile=profile) for question in questions]
    parts = ((job.topology, job.model, job.profile, *job.previous) for job in jobs)
    shared = [part for of_job in parts for part in of_job if part is not None]
    return run_each(_planned, jobs, crew, shared=shared, watch=watch)
