"""Options that several commands share, each as an annotated type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_FORMATS = "Inputs: formats and units"

Topology = Annotated[
    str,
    typer.Option("--topology", "-t", metavar="FILE|NAME", help="Topology file, or the name of a dataset."),
]
Demands = Annotated[
    list[str] | None,
    typer.Option(
        "--demands",
        "-d",
        metavar="FILE|NAME",
        help="Demands file or dataset; may be given several times. A dataset brings its own.",
    ),
]
TopologyFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="Format of the topology; found from its content if not stated.", rich_help_panel=_FORMATS
    ),
]
DemandsFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="Format of the demands; found from their content if not stated.",
        rich_help_panel=_FORMATS,
    ),
]
CapacityUnit = Annotated[
    str | None,
    typer.Option(metavar="UNIT", help="Unit of capacities that state none: Mbps, Gbps, ...", rich_help_panel=_FORMATS),
]
DefaultCapacity = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Capacity of links that state none: 40Gbps.", rich_help_panel=_FORMATS),
]
VolumeUnit = Annotated[
    str | None,
    typer.Option(metavar="UNIT", help="Unit of demand volumes that state none.", rich_help_panel=_FORMATS),
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="DIR", help="Directory to write; an earlier plan there is replaced whole."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no summary.")]
PlanDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory that vbte plan wrote.")]
