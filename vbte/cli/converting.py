"""``vbte convert``: topologies and demands from one format into another."""

from __future__ import annotations

from pathlib import Path

from vbte.adapters.addressing import number_topology
from vbte.cli.console import say
from vbte.cli.inputs import Sources
from vbte.errors import UsageError
from vbte.write import write_demands, write_topology


def run_convert(sources: Sources, *, to: str, out: Path, number: bool) -> None:
    """Write the demands, or without any the topology, as ``to``; say which facts that format can't hold.

    ``number`` fills in the topology's missing prefixes, interfaces and gateways. Raises UsageError and InputError.
    """
    if not sources.topology and not sources.demands:
        raise UsageError("nothing to convert: give --topology or --demands")
    if sources.demands:
        if number:
            raise UsageError("--number is for a topology; convert it by itself")
        lost = _convert_demands(sources, to, out)
    else:
        topology = sources.read_topology()
        lost = write_topology(number_topology(topology) if number else topology, out, to)
    if lost:
        say(f"warning: {to} can't hold {', '.join(lost)}: left out", style="yellow")


def _convert_demands(sources: Sources, to: str, out: Path) -> tuple[str, ...]:
    topology = sources.read_topology() if sources.topology else None
    matrices = sources.read_demands(topology)
    if len(matrices) != 1:
        raise UsageError(f"{len(matrices)} demand matrices: one at a time can be converted")
    return write_demands(matrices[0], out, to, topology=topology)
