"""``vbte drain``: whether a network can spare what maintenance takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from vbte.cli.console import output, progress
from vbte.cli.crew import chosen_crew
from vbte.errors import UsageError
from vbte.failover import Draining, Window, drain, read_windows
from vbte.plan import Plan
from vbte.read.plan_file import read_plan
from vbte.report.maintenance import drain_document, drain_view


@dataclass(frozen=True)
class DrainRequest:
    """Options of ``vbte drain``."""

    directory: Path
    windows: Path | None
    cables: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    nodes_off: tuple[str, ...] = ()
    srlgs: tuple[str, ...] = ()
    on_top: str | None = None
    order: bool = False
    solver: str = "highs"
    workers: int | None = None
    cluster: str | None = None
    as_json: bool = False
    quiet: bool = False


def run_drain(request: DrainRequest) -> None:
    """Print whether each window fits and what it costs. Raises InputError for plans and windows that are not right."""
    plan = read_plan(request.directory)
    windows = _windows(request, plan)
    with progress(quiet=request.quiet or request.as_json) as say, chosen_crew(request.workers, request.cluster) as crew:
        answer = drain(plan, windows, Draining(request.solver, crew, say, request.on_top, request.order))
    document = drain_document(answer)
    if request.as_json:
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        output().file.write(orjson.dumps(document, option=option).decode())
    else:
        output().print(drain_view(document))


def _windows(request: DrainRequest, plan: Plan) -> tuple[Window, ...]:
    lists = {name: getattr(request, name) for name in ("cables", "links", "nodes", "nodes_off", "srlgs")}
    if (request.windows is not None) == any(lists.values()):
        raise UsageError("say what is drained: --windows FILE, or --cable, --link, --node, --node-off and --srlg")
    if request.windows is not None:
        return read_windows(request.windows, plan.instance)
    named = " + ".join(f"{key.rstrip('s')} {name}" for key, names in lists.items() for name in names)
    return (Window(named, **lists, origin="command line"),)
