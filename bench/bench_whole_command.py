"""The whole command: ``vbte plan`` from files to a published directory, against a script that only solves.

    python bench/bench_whole_command.py [--quick] [--network FILE.graphml ...]

Networks of 22 to 200 nodes in REPETITA format, a demand for every pair, model min-mlu. Both sides are processes of
their own: start Python, read, build, solve. ``vbte plan`` goes on: paths, bounds from prices, tables for every device,
a walk of every demand through them, files. The competitor is plain_script.py; both must find the same MLU. A script
that is not done after ``--patience`` seconds is stopped, and the ratio is then at least what is shown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from networks import FROM_TOPOHUB, gravity, network, sparse_network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.read.plan_file import read_plan
from vbte.topology import Topology
from vbte.write.convert import write_demands, write_topology

BENCHMARK = Benchmark("whole_command", "vbte plan from files to published tables, against a script that only solves.")
SCRIPT = Path(__file__).with_name("plain_script.py")


def run(*command: str, patience_s: float | None = None) -> str | None:
    """Run a command and return what it prints, None when patience ran out; its errors stop the benchmark."""
    try:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, timeout=patience_s
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def row(topology: Topology, repeats: int, patience_s: float) -> Result:
    """Return the timing of both sides on one network, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        return _row(topology, Path(folder), repeats, patience_s)


def _row(topology: Topology, folder: Path, repeats: int, patience_s: float) -> Result:
    graph, demands, out = folder / "network.graph", folder / "network.demands", folder / "plan"
    matrix = gravity(topology)
    write_topology(topology, graph, "repetita")
    write_demands(matrix, demands, "repetita", topology=topology)
    files = ("--topology", str(graph), "--demands", str(demands), "--out", str(out))
    timed = in_turns(
        [
            Contender("vbte", lambda _: run("-m", "vbte.cli", "plan", *files, "--model", "min-mlu", "--quiet")),
            Contender("script", lambda _: run(str(SCRIPT), str(graph), str(demands), patience_s=patience_s)),
        ],
        repeats,
    )
    plan = read_plan(out)
    competitor, mlu = "a script that only solves", timed["script"].outcome
    if mlu is None:
        competitor += f" (stopped after {patience_s:g} s)"
    else:
        require_equal(f"{topology.name}: MLU", plan.max_utilization, json.loads(mlu))
    facts = {
        "links": len(topology.links),
        "demands": len(matrix),
        "paths": len(plan.paths),
        "certified_gap": plan.max_gap,
        "megabytes_written": round(sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) / 1e6, 1),
    }
    case = f"{topology.name}, {len(topology.nodes)} nodes"
    return Result(case, competitor, timed["vbte"], timed["script"], facts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument("--network", type=Path, action="append", default=[], help="GraphML file of one more network")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds after which the script is stopped")
    options = BENCHMARK.parse(parser, arguments)
    sizes = [22] if options.quick else list(FROM_TOPOHUB)
    topologies = [network(FROM_TOPOHUB[size]) for size in sizes]
    topologies += [] if options.quick else [sparse_network()]
    topologies += [network(path) for path in options.network]
    BENCHMARK.report((row(topology, options.repeats, options.patience) for topology in topologies), options)


if __name__ == "__main__":
    main(sys.argv[1:])
