"""The commands of ``vbte`` and their options; what they do stands in the modules that each imports when called.

Nothing heavy is imported here, so that help and usage errors appear at once. A command has as many parameters as it
has options: the code behind it takes them as one record.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from vbte import __version__
from vbte.cli import failure_commands, options
from vbte.cli.console import INTERRUPTED, say, show_warnings
from vbte.errors import GuardrailError, UsageError, VbteError


class _Commands(TyperGroup):
    """Turns the library's errors into one message on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            show_warnings()
            try:
                return super().invoke(ctx)
            except VbteError as error:
                _explain(ctx, error, str(error))
                raise typer.Exit(error.exit_code) from None
            except KeyboardInterrupt:
                say("vbte: stopped; nothing was written", style="bold")
                raise typer.Exit(INTERRUPTED) from None
            except MemoryError as error:
                _explain(ctx, error, "out of memory: plan a smaller network, or give the machine more")
                raise typer.Exit(VbteError.exit_code) from None


def _explain(ctx: Any, error: BaseException, text: str) -> None:
    if ctx.params.get("debug"):
        say("".join(traceback.format_exception(error)).rstrip())
    say(f"error: {text}", style="bold red")


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vbte {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show where errors come from, and what was assumed.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plan the traffic of a virtual backbone, prove the plan, and write the routing tables of every device."""
    if debug:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")


@app.command()
def plan(
    topology: options.Topology,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Directory to write; an earlier plan there is replaced.")
    ],
    demands: options.Demands = None,
    model: options.Model = None,
    realisation: Annotated[
        Literal["source-routed", "hop-by-hop"] | None,
        typer.Option(help="How devices carry the plan, if not as the model says."),
    ] = None,
    solver: options.Solver = "highs",
    engine: options.Engine = None,
    gap: options.Gap = None,
    time_limit: options.TimeLimit = None,
    threads: options.Threads = None,
    previous: options.Previous = None,
    combine: options.Combine = None,
    workers: options.Workers = None,
    cluster: options.Cluster = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    topology_format: options.TopologyFormat = None,
    demands_format: options.DemandsFormat = None,
    capacity_unit: options.CapacityUnit = None,
    default_capacity: options.DefaultCapacity = None,
    volume_unit: options.VolumeUnit = None,
) -> None:
    """Plan paths for demands, prove the plan and write it with its tables to a directory."""
    from vbte.cli.inputs import SolverChoice, Sources
    from vbte.cli.planning import PlanRequest, run_plan

    sources = Sources(
        topology, tuple(demands or ()), topology_format, demands_format, capacity_unit, default_capacity, volume_unit
    )
    request = PlanRequest(
        sources,
        out,
        model=model,
        solver=SolverChoice(solver, engine, gap, time_limit, threads),
        realisation=realisation,
        previous=previous,
        combine=combine,
        workers=workers,
        cluster=cluster,
        as_json=as_json,
        quiet=quiet,
    )
    run_plan(request)


@app.command()
def check(directory: options.PlanDirectory, as_json: options.AsJson = False) -> None:
    """Prove a plan directory again from its files alone, without a solver; exit code 5 if anything does not hold."""
    from vbte.cli.checking import run_check

    if not run_check(directory, as_json=as_json):
        raise typer.Exit(GuardrailError.exit_code)


@app.command()
def tables(
    directory: options.PlanDirectory,
    device: Annotated[str | None, typer.Option("--device", metavar="NAME", help="Show this device's tables.")] = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="NAME", help="Print the device's tables in its own words: linux.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", metavar="NAME", help="Which part the adapter prints; its main one if not stated."),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", metavar="FILE", help="Text printed last time: what is gone is removed.")
    ] = None,
) -> None:
    """List devices, show one device's tables, or print them for the device to take."""
    from vbte.cli.showing import print_adapted, show_tables

    if adapter is not None:
        print_adapted(directory, device, adapter, part=part, previous=previous)
    elif part is not None or previous is not None:
        raise UsageError("--part and --previous go with --adapter")
    else:
        show_tables(directory, device)


app.command()(failure_commands.whatif)
app.command()(failure_commands.drain)


@app.command()
def draw(
    directory: options.PlanDirectory,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="SVG file to write.")],
) -> None:
    """Draw a plan as a map: links by utilisation, the busiest ones labelled."""
    from vbte.cli.showing import draw as draw_map

    draw_map(directory, out)


@app.command()
def baseline(
    topology: options.Topology,
    demands: options.Demands = None,
    model: options.Model = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Directory for the IGP's tables and summary.")
    ] = None,
    as_json: options.AsJson = False,
    topology_format: options.TopologyFormat = None,
    demands_format: options.DemandsFormat = None,
    capacity_unit: options.CapacityUnit = None,
    default_capacity: options.DefaultCapacity = None,
    volume_unit: options.VolumeUnit = None,
) -> None:
    """Show what plain IGP routing (shortest paths, equal-cost splits) makes of the demands."""
    from vbte.cli.baselining import run_baseline
    from vbte.cli.inputs import Sources

    sources = Sources(
        topology, tuple(demands or ()), topology_format, demands_format, capacity_unit, default_capacity, volume_unit
    )
    run_baseline(sources, model=model, out=out, as_json=as_json)


@app.command()
def convert(
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Format to write: yaml, json, csv, repetita, ...")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File to write; for a CSV topology a directory.")
    ],
    topology: Annotated[
        str, typer.Option("--topology", "-t", metavar="FILE|NAME", help="Topology to convert, or that of the demands.")
    ] = "",
    demands: Annotated[
        str | None, typer.Option("--demands", "-d", metavar="FILE|NAME", help="Demands to convert.")
    ] = None,
    number: Annotated[
        bool, typer.Option("--number", help="Fill in missing prefixes, interfaces and gateways, for laboratories.")
    ] = False,
    topology_format: options.TopologyFormat = None,
    demands_format: options.DemandsFormat = None,
    capacity_unit: options.CapacityUnit = None,
    default_capacity: options.DefaultCapacity = None,
    volume_unit: options.VolumeUnit = None,
) -> None:
    """Convert a topology or demands to another format."""
    from vbte.cli.converting import run_convert
    from vbte.cli.inputs import Sources

    sources = Sources(
        topology,
        (demands,) if demands else (),
        topology_format,
        demands_format,
        capacity_unit,
        default_capacity,
        volume_unit,
    )
    run_convert(sources, to=to, out=out, number=number)


@app.command()
def datasets(
    name: options.CatalogueName = None,
    copy: Annotated[
        Path | None, typer.Option("--copy", metavar="DIR", help="Copy its files to a new directory.")
    ] = None,
) -> None:
    """List the example networks, show one, or copy one to start from."""
    from vbte.cli import listing

    if copy is not None:
        if name is None:
            raise UsageError("--copy needs the name of a dataset")
        listing.copy_dataset(name, copy)
    elif name is not None:
        listing.show_dataset(name)
    else:
        listing.list_datasets()


@app.command()
def models(name: options.CatalogueName = None) -> None:
    """List the planning models, or print one to copy and edit."""
    from vbte.cli import listing

    listing.list_models() if name is None else listing.show_model(name)


@app.command()
def solvers(name: options.CatalogueName = None) -> None:
    """List the solver profiles and which of them can run here, or print one to copy and edit."""
    from vbte.cli import listing

    listing.list_solvers() if name is None else listing.show_solver(name)
