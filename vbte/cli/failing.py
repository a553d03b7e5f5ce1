"""``vbte whatif``: what is lost when something fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from vbte.cli.console import output, progress
from vbte.cli.crew import chosen_crew
from vbte.cli.directory import locked, real_directory, staged_deltas
from vbte.delta import DeltaWriter, count_changes
from vbte.delta.schema import DIRECTORY
from vbte.errors import GuardrailError, UsageError
from vbte.failover import (
    Family,
    Replanning,
    ScenarioSet,
    WhatIfEach,
    confirm,
    family,
    likely_states,
    read_scenarios,
    stated_components,
    what_if,
    what_if_each,
)
from vbte.plan import Plan
from vbte.policy import AvailabilityProtection
from vbte.read.plan_file import read_plan
from vbte.report.failures import what_if_document, worst_of
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
    matrix: int | None
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
    _require_replan(request)
    if not request.write:
        _show(request, *_answered(request))
        return
    directory = real_directory(request.directory)
    with locked(directory), staged_deltas(directory) as put:
        answer, document, denied = _answered(request, put)
        _show(request, answer, document, denied)
        astray = _astray(answer)
        if astray:
            more = f" (and {len(astray) - 1} more)" if len(astray) > 1 else ""
            raise GuardrailError(f"nothing is written: {astray[0]}{more}")
    if not request.as_json:
        output().print(Text(f"written to {request.directory / DIRECTORY}"), soft_wrap=True)


def _show(request: WhatIfRequest, answer: WhatIfEach, document: dict[str, Any], denied: int) -> None:
    if request.as_json:
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
        output().file.write(orjson.dumps(document, option=option).decode())
    else:
        output().print(what_if_view(document, request.top))
    if denied:
        where = f"{denied} {'figure' if denied == 1 else 'figures'} of {answer.answers[0].scenarios.origin}"
        raise GuardrailError(f"{where}: the walk of the written tables says otherwise")


def _astray(answer: WhatIfEach) -> list[str]:
    first = answer.answers[0]
    named = zip((one.name for one in first.scenarios.scenarios), first.replans, strict=True)
    return [f"{name}: {fault}" for name, one in named for fault in one.astray]


def _require_replan(request: WhatIfRequest) -> None:
    """Raise UsageError for options that say how to re-plan where nothing is re-planned."""
    if request.replan:
        return
    for option, stated in (
        ("--workers", request.workers), ("--cluster", request.cluster), ("--write", request.write or None),
        ("--max-changed-groups", request.max_changed_groups),
    ):  # fmt: skip
        if stated is not None:
            raise UsageError(f"{option} goes with --replan")


def _answered(
    request: WhatIfRequest, put: Callable[[str, bytes], None] | None = None
) -> tuple[WhatIfEach, dict[str, Any], int]:
    """Return the answer for one demand matrix or all, as a document, and how many figures the walk denies.

    Deltas are put where ``put`` says as they come: all of them may take more memory than there is.
    """
    plan, tables = read_plan(request.directory), tables_from_directory(request.directory)
    with progress(quiet=request.quiet or request.as_json) as say, chosen_crew(request.workers, request.cluster) as crew:
        scenarios = chosen_scenarios(request.scenarios, plan.instance.topology, _cutoff(request, plan))
        limit = None if request.max_changed_groups is None else changed_groups(request.max_changed_groups, tables)
        names = [scenario.name for scenario in scenarios.scenarios]
        writer = None if put is None else DeltaWriter(tables.manifest["plan"], names, put)
        take = None if writer is None else lambda name, one: writer.take(name, one.delta, one.fault)
        how = Replanning(request.solver, crew, say, request.write, limit, take) if request.replan else None
        if request.matrix is None:
            answer = what_if_each(plan, tables, scenarios, replan=how)
        else:
            answer = WhatIfEach((what_if(plan, tables, scenarios, matrix=request.matrix - 1, replan=how),))
        if writer is not None:
            writer.finish()
        worst = answer.worst_first[: request.walk]
        walked = [worst[answer.worst_matrix[worst] == at] for at in range(len(answer.answers))]
        denied = [confirm(tables, one, some) for one, some in zip(answer.answers, walked, strict=True)]
    documents = [
        what_if_document(one, len(some), found) for one, some, found in zip(answer.answers, walked, denied, strict=True)
    ]
    document = documents[0] if len(documents) == 1 else worst_of(answer, documents)
    return answer, document, sum(map(len, denied))


def _cutoff(request: WhatIfRequest, plan: Plan) -> float | None:
    """Return the cut-off asked for; of likely states, else the one by which the plan's promises were made."""
    protections = [rules.policy.protection for rules in plan.instance.rules]
    promised = [one.cutoff for one in protections if isinstance(one, AvailabilityProtection)]
    if request.cutoff is not None or request.scenarios != LIKELY or not promised:
        return request.cutoff
    return min(promised)


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
