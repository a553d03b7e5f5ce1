"""Options that several commands share, each as an annotated type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_FORMATS = "Inputs: formats and units"

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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no summary.")]
PlanDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory that 'vbte plan' wrote.")]
CatalogueName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one.")]
