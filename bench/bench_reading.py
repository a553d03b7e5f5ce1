"""Reading: 600,000 demands as CSV against csv and a loop; a topology as GraphML against networkx.

    python bench/bench_reading.py [--quick]

Both sides end with numbered nodes and volumes as floats. vbte also checks every figure, names the line of a wrong
one, knows units and keeps the class of each demand; the loop does none of that.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import numpy as np
from networks import network, sparse_network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.demands import DemandMatrix
from vbte.read import read_demands, read_topology
from vbte.write.convert import write_topology

BENCHMARK = Benchmark("reading", "Reading demands and topologies, against csv with a loop and against networkx.")
CLASSES = ("gold", "silver", "best-effort")


def write_demands_csv(path: Path, count: int) -> None:
    """Write ``count`` demands between as many nodes as that takes, with volumes of six digits and a class."""
    n_nodes = int(np.ceil(np.sqrt(count))) + 1
    generator = np.random.default_rng(1)
    volumes = generator.lognormal(sigma=1.0, size=count)
    pairs = ((a, b) for a in range(n_nodes) for b in range(n_nodes) if a != b)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("source,destination,volume_gbps,class\n")
        rows = zip(pairs, volumes.tolist(), generator.integers(0, 3, count).tolist(), strict=False)
        file.writelines(f"router-{a},router-{b},{volume:.6f},{CLASSES[c]}\n" for (a, b), volume, c in rows)


def csv_and_loop(path: Path) -> float:
    """Read the columns needed, number the nodes, and return the total volume."""
    index: dict[str, int] = {}
    source, destination, volume, classes = [], [], [], []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            source.append(index.setdefault(row["source"], len(index)))
            destination.append(index.setdefault(row["destination"], len(index)))
            volume.append(float(row["volume_gbps"]))
            classes.append(row["class"])
    arrays = (np.array(source), np.array(destination), np.array(volume))
    return float(arrays[2].sum())


def plain_csv_and_loop(path: Path) -> float:
    """The same with csv.reader and positions of columns, the fastest way the csv module has."""
    index: dict[str, int] = {}
    source, destination, volume, classes = [], [], [], []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for start, end, figure, name in rows:
            source.append(index.setdefault(start, len(index)))
            destination.append(index.setdefault(end, len(index)))
            volume.append(float(figure))
            classes.append(name)
    arrays = (np.array(source), np.array(destination), np.array(volume))
    return float(arrays[2].sum())


def with_networkx(path: Path) -> Any:
    return networkx.read_graphml(path)


def demand_rows(folder: Path, count: int, repeats: int) -> list[Result]:
    path = folder / "demands.csv"
    write_demands_csv(path, count)
    contenders = {"csv.DictReader and a loop": csv_and_loop, "csv.reader and a loop": plain_csv_and_loop}
    timed = in_turns(
        [
            Contender("vbte", lambda _: read_demands(path)),
            *(Contender(name, lambda _, work=work: work(path)) for name, work in contenders.items()),
        ],
        repeats,
    )
    demands: DemandMatrix = timed["vbte"].outcome
    facts = {"demands": len(demands), "megabytes": round(path.stat().st_size / 1e6, 1)}
    for name in contenders:
        require_equal("total volume", demands.total_gbps, timed[name].outcome)
    return [Result(f"{count:,} demands, CSV", name, timed["vbte"], timed[name], facts) for name in contenders]


def topology_rows(folder: Path, repeats: int, *, quick: bool) -> list[Result]:
    topology = network("sndlib/geant") if quick else sparse_network()
    path = folder / "network.graphml"
    write_topology(topology, path, "graphml")
    timed = in_turns(
        [Contender("vbte", lambda _: read_topology(path)), Contender("networkx", lambda _: with_networkx(path))],
        repeats,
    )
    require_equal("links", len(timed["vbte"].outcome.links), timed["networkx"].outcome.number_of_edges())
    facts = {"nodes": len(topology.nodes), "links": len(topology.links)}
    return [Result(f"topology of {len(topology.nodes)} nodes, GraphML", "networkx", *timed.values(), facts)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options()
    parser.add_argument("--demands", type=int, default=600_000, help="number of demands (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    count = min(options.demands, 5_000) if options.quick else options.demands
    with tempfile.TemporaryDirectory() as folder:
        results = demand_rows(Path(folder), count, options.repeats)
        results += topology_rows(Path(folder), options.repeats, quick=options.quick)
    BENCHMARK.report(results, options)


if __name__ == "__main__":
    main(sys.argv[1:])
