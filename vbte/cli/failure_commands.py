"""The commands about failures and maintenance, and their options; what they do is imported when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vbte.cli import options


def whatif(
    directory: options.PlanDirectory,
    scenarios: Annotated[
        str, typer.Option("--scenarios", metavar="cable|node|srlg|pairs|likely|FILE", help="What fails.")
    ] = "cable",
    cutoff: Annotated[
        float | None, typer.Option(metavar="P", help="With likely: leave out states less probable; 1e-6 if not stated.")
    ] = None,
    matrix: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only this of the plan's demand matrices, not all.")
    ] = None,
    replan: Annotated[bool, typer.Option("--replan", help="Plan what is left in each scenario, too.")] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="With --replan: put what each re-plan changes in the tables into DIR/failover."),
    ] = False,
    max_changed_groups: Annotated[
        str | None,
        typer.Option(metavar="N|SHARE%", help="With --replan: how many next-hop groups a re-plan may change."),
    ] = None,
    solver: Annotated[
        str, typer.Option("--solver", "-s", metavar="NAME|FILE", help="With --replan: the solver profile.")
    ] = "highs",
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="With --replan: in so many processes at a time.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="With --replan: on the Dask cluster of this scheduler.")
    ] = None,
    walk: Annotated[
        int, typer.Option(min=0, metavar="N", help="Walk the files in the N worst scenarios to confirm the figures.")
    ] = 3,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Scenarios shown; --json has all.")] = 10,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what failures do to a plan: after the devices' own repair and, if asked, after a re-plan; worst first."""
    from vbte.cli.failing import WhatIfRequest, run_what_if

    run_what_if(
        WhatIfRequest(
            directory,
            scenarios,
            cutoff=cutoff,
            matrix=matrix,
            replan=replan,
            write=write,
            max_changed_groups=max_changed_groups,
            solver=solver,
            workers=workers,
            cluster=cluster,
            walk=walk,
            top=top,
            as_json=as_json,
            quiet=quiet,
        )
    )


def drain(
    directory: options.PlanDirectory,
    windows: Annotated[
        Path | None, typer.Option("--windows", "-w", metavar="FILE", help="Windows of maintenance: YAML, JSON or CSV.")
    ] = None,
    cable: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Or one window: this cable.")] = None,
    link: Annotated[list[str] | None, typer.Option(metavar="ID", help="This link, one direction.")] = None,
    node: Annotated[list[str] | None, typer.Option(metavar="ID", help="This node: nothing passes through.")] = None,
    node_off: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="This node, switched off with its links.")
    ] = None,
    srlg: Annotated[list[str] | None, typer.Option(metavar="NAME", help="All links of this group.")] = None,
    on_top: Annotated[
        Literal["cable", "node", "srlg", "pairs"] | None,
        typer.Option("--with", help="Look at each of these failing meanwhile, too."),
    ] = None,
    order: Annotated[bool, typer.Option("--order", help="Find the fewest rounds in which all windows fit.")] = False,
    solver: Annotated[str, typer.Option("--solver", "-s", metavar="NAME|FILE", help="Solver profile.")] = "highs",
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="Look in so many processes at a time.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Look on the Dask cluster of this scheduler.")
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Say whether a network can spare what maintenance drains, what that costs, and in how few rounds all fits."""
    from vbte.cli.draining import DrainRequest, run_drain

    run_drain(
        DrainRequest(
            directory,
            windows,
            tuple(cable or ()),
            tuple(link or ()),
            tuple(node or ()),
            tuple(node_off or ()),
            tuple(srlg or ()),
            on_top=on_top,
            order=order,
            solver=solver,
            workers=workers,
            cluster=cluster,
            as_json=as_json,
            quiet=quiet,
        )
    )
