"""``vbte whatif``: what is lost when something fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from vbte.cli.console import output, progress
from vbte.cli.crew import chosen_crew
from vbte.cli.directory import locked, publish_deltas, real_directory
from vbte.delta import Answer, count_changes, deltas_to_files
from vbte.delta.schema import DIRECTORY
from vbte.errors import GuardrailError, UsageError
from vbte.failover import (
    Disagreement,
    Family,
    Replan,
    Replanning,
    ScenarioSet,
    WhatIf,
    confirm,
    family,
    likely_states,
    read_scenarios,
    stated_components,
    what_if,
)
from vbte.read.plan_file import read_plan
from vbte.report.failures import what_if_document
from vbte.report.failures_view import what_if_view
from vbte.tables import Tables, tables_from_directory
from vbte.topology import Topology

#: States of the topology's cables by how often they fail, and how unlikely a state is looked at if nobody says.
LIKELY, DEFAULT_CUTOFF = "likely", 1e-6


@dataclass(frozen=True)
class WhatIfRequest:
    """Options of ``vbte whatif``."""

    directory: Path
    scenarios: str
    cutoff: float | None
    matrix: int
    replan: bool
    write: bool
    max_changed_groups: str | None
    solver: str
    workers: int | None
    cluster: str | None
    walk: int
    top: int
    as_json: bool
    quiet: bool


def run_what_if(request: WhatIfRequest) -> None:
    """Print what becomes of a plan in each scenario, worst first; write the re-plans' deltas where that was asked for.

    Raises InputError for plans, tables and scenarios that are not right, GuardrailError when the walk of the written
    tables does not agree; then nothing is written.
    """
    if (request.workers is not None or request.cluster is not None) and not request.replan:
        raise UsageError("--workers and --cluster go with --replan")
    if request.write and not request.replan:
        raise UsageError("--write goes with --replan: it is the re-plans that are written")
    if request.max_changed_groups is not None and not request.replan:
        raise UsageError("--max-changed-groups goes with --replan: it is re-plans that it limits")
    directory = real_directory(request.directory)
    with locked(directory) if request.write else nullcontext():
        answer, document, disagreements = _answered(request)
        astray = [f"{name}: {fault}" for name, one in _named(answer) for fault in one.astray]
        if request.write and not disagreements and not astray:
            publish_deltas(directory, deltas_to_files(answer.tables.manifest["plan"], _answers(answer)))
    if request.as_json:
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
        output().file.write(orjson.dumps(document, option=option).decode())
    else:
        output().print(what_if_view(document, request.top))
    if disagreements:
        raise GuardrailError(_complaint(answer, len(disagreements)))
    if astray:
        raise GuardrailError(
            f"nothing is written: {astray[0]}" + (f" (and {len(astray) - 1} more)" * (len(astray) > 1))
        )
    if request.write and not request.as_json:
        output().print(Text(f"written to {request.directory / DIRECTORY}"), soft_wrap=True)


def _answered(request: WhatIfRequest) -> tuple[WhatIf, dict[str, Any], tuple[Disagreement, ...]]:
    plan, tables = read_plan(request.directory), tables_from_directory(request.directory)
    with progress(quiet=request.quiet or request.as_json) as say, chosen_crew(request.workers, request.cluster) as crew:
        scenarios = chosen_scenarios(request.scenarios, plan.instance.topology, request.cutoff)
        limit = None if request.max_changed_groups is None else changed_groups(request.max_changed_groups, tables)
        how = Replanning(request.solver, crew, say, request.write, limit) if request.replan else None
        answer = what_if(plan, tables, scenarios, matrix=request.matrix - 1, replan=how)
        worst = answer.worst_first[: request.walk]
        disagreements = confirm(tables, answer, worst)
    return answer, what_if_document(answer, len(worst), disagreements), disagreements


def _named(answer: WhatIf) -> Iterator[tuple[str, Replan]]:
    yield from zip((scenario.name for scenario in answer.scenarios.scenarios), answer.replans, strict=False)


def _answers(answer: WhatIf) -> list[Answer]:
    return [Answer(name, one.delta, one.fault) for name, one in _named(answer)]


def chosen_scenarios(source: str, topology: Topology, cutoff: float | None) -> ScenarioSet:
    """Return the built-in family of that name, or the scenarios in the file. Write ``./cable`` for a file so named."""
    if source == LIKELY:
        wanted = DEFAULT_CUTOFF if cutoff is None else cutoff
        return likely_states(topology, stated_components(topology), wanted, origin="likely states")
    if cutoff is not None:
        raise UsageError(f"--cutoff goes with --scenarios {LIKELY}; a file states its own")
    return family(topology, source) if source in set(Family) else read_scenarios(source, topology)


def changed_groups(text: str, tables: Tables) -> int:
    """Return how many groups may change, as a number or as a share of those there are: ``12``, ``5%``.

    Raises UsageError for anything else.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%|([0-9]+)", text.strip())
    if match is None or (match.group(1) and float(match.group(1)) > 100):
        raise UsageError(
            f"--max-changed-groups is {text!r}; a number of groups is needed, or a share of them such as 5%"
        )
    if match.group(2):
        return int(match.group(2))
    return int(float(match.group(1)) / 100 * count_changes(tables, tables).of)


def _complaint(answer: WhatIf, count: int) -> str:
    noun = "figure" if count == 1 else "figures"
    return f"{count} {noun} of {answer.scenarios.origin}: the walk of the written tables says otherwise"
