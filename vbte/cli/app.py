"""The commands of ``vbte`` and their options; what they do stands in the modules that each imports when called.

Nothing heavy is imported here, so that help and usage errors appear at once. A command has as many parameters as it
has options: the library behind it takes them as one record.
"""

from __future__ import annotations

import traceback
import warnings
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from vbte.cli import options
from vbte.cli.console import say, show_warnings
from vbte.errors import VbteError

#: Exit code of a run that was stopped by Ctrl-C with nothing to keep.
INTERRUPTED = 130


class _Commands(TyperGroup):
    """Turns the library's errors into one line on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            show_warnings()
            try:
                return super().invoke(ctx)
            except VbteError as error:
                _explain(error, str(error))
                raise typer.Exit(error.exit_code) from None
            except KeyboardInterrupt:
                say("vbte: stopped; nothing was written", style="bold")
                raise typer.Exit(INTERRUPTED) from None


def _explain(error: BaseException, text: str) -> None:
    if _debug:
        say("".join(traceback.format_exception(error)))
    say(f"error: {text}", style="bold red")


_debug = False

app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"vbte {version('vbte')}")
        except PackageNotFoundError:
            typer.echo("vbte (not installed)")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plan the traffic of a virtual backbone, prove the plan, and write the routing tables."""
    global _debug
    _debug = debug


@app.command()
def plan(
    topology: options.Topology,
    out: options.Out,
    demands: options.Demands = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|FILE", help="Planning model; vbte models lists them.")
    ] = None,
    solver: Annotated[
        str, typer.Option("--solver", "-s", metavar="NAME|FILE", help="Solver profile; vbte solvers lists them.")
    ] = "highs",
    combine: Annotated[
        Literal["worst-case", "each"] | None,
        typer.Option(help="Several matrices: one plan for all, or a plan of each."),
    ] = None,
    realisation: Annotated[
        Literal["source-routed", "hop-by-hop"] | None,
        typer.Option(help="How devices carry the plan; the model says if not stated."),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop then with the best plan so far.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the solver.")] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    topology_format: options.TopologyFormat = None,
    demands_format: options.DemandsFormat = None,
    capacity_unit: options.CapacityUnit = None,
    default_capacity: options.DefaultCapacity = None,
    volume_unit: options.VolumeUnit = None,
) -> None:
    """Plan paths for demands, prove the plan and write its tables to a directory."""
    from vbte.cli.inputs import Sources
    from vbte.cli.planning import PlanRequest, run_plan

    sources = Sources(
        topology, tuple(demands or ()), topology_format, demands_format, capacity_unit, default_capacity, volume_unit
    )
    run_plan(PlanRequest(sources, out, model, solver, combine, realisation, time_limit, threads, as_json, quiet))
