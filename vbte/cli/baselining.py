"""``vbte baseline``: what plain IGP routing makes of the demands."""

from __future__ import annotations

from pathlib import Path

from vbte.cli.console import output
from vbte.cli.directory import locked, publish, real_directory, require_replaceable
from vbte.cli.inputs import Sources
from vbte.instance import build_instance
from vbte.report.baseline import igp_baseline
from vbte.report.summary import summary_bytes
from vbte.report.terminal import baseline_view


def run_baseline(sources: Sources, *, model: str | None, out: Path | None, as_json: bool) -> None:
    """Print loads and overloads, and write tables and summary to ``out``. Raises InputError for bad inputs."""
    if out is not None:
        out = real_directory(out)
        require_replaceable(out)
    topology = sources.read_topology()
    instance = build_instance(topology, sources.read_demands(topology), sources.read_model(model, None))
    baseline = igp_baseline(instance)
    if out is not None:
        with locked(out):
            publish(out, baseline.files())
    if as_json:
        output().file.write(summary_bytes(baseline.summary).decode())
    else:
        output().print(baseline_view(baseline.summary))
