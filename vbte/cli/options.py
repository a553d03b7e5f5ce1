"""Options that several commands share, each as an annotated type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_FORMATS = "Inputs: formats and units"
_SEARCH = "How plans are found"
_SEVERAL = "Several demand matrices"

Topology = Annotated[
    str, typer.Option("--topology", "-t", metavar="FILE|NAME", help="Topology file, or the name of a dataset.")
]
Demands = Annotated[
    list[str] | None,
    typer.Option(
        "--demands",
        "-d",
        metavar="FILE|NAME",
        help="Demands, or the name of a dataset; may be given several times. A dataset as topology brings its own.",
    ),
]
TopologyFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="Format of the topology, if not by its content.", rich_help_panel=_FORMATS),
]
DemandsFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="Format of the demands, if not by their content.", rich_help_panel=_FORMATS),
]
CapacityUnit = Annotated[
    str | None,
    typer.Option(metavar="UNIT", help="Unit of capacities that state none: Gbps.", rich_help_panel=_FORMATS),
]
DefaultCapacity = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Capacity of links that state none: 40Gbps.", rich_help_panel=_FORMATS),
]
VolumeUnit = Annotated[
    str | None,
    typer.Option(metavar="UNIT", help="Unit of demand volumes that state none: Mbps.", rich_help_panel=_FORMATS),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        help="Planning model ('vbte models' lists them); the dataset's own, or class-aware, if not stated.",
    ),
]
Solver = Annotated[
    str,
    typer.Option(
        "--solver",
        "-s",
        metavar="NAME|FILE",
        help="Solver profile; 'vbte solvers' lists them.",
        rich_help_panel=_SEARCH,
    ),
]
Engine = Annotated[
    Literal["auto", "exact", "price-directed"] | None,
    typer.Option(help="Engine, if not the profile's; auto goes by size.", rich_help_panel=_SEARCH),
]
Gap = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Certificate gap at which the price-directed engine stops: 0.001 for 0.1 %.",
        rich_help_panel=_SEARCH,
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Stop then, with the best plan so far.", rich_help_panel=_SEARCH),
]
Threads = Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the solver.", rich_help_panel=_SEARCH)]
Previous = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Earlier plan to start from, the one in --out included; of a series each matrix takes the plan of its "
        "number.",
        rich_help_panel=_SEARCH,
    ),
]
Combine = Annotated[
    Literal["worst-case", "each"] | None,
    typer.Option(help="One plan for all, or one of each.", rich_help_panel=_SEVERAL),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="N",
        help="With --combine each: plan in so many processes at a time.",
        rich_help_panel=_SEVERAL,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="With --combine each: plan on the Dask cluster of this scheduler.",
        rich_help_panel=_SEVERAL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no summary.")]
PlanDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory that 'vbte plan' wrote.")]
CatalogueName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one.")]
