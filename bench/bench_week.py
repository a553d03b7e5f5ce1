"""A week: one plan for each of 2,016 five-minute matrices over Abilene, all in one run.

    python bench/bench_week.py [--quick] [--matrices FILE --unit-gbps FACTOR] [--count N]

``--matrices`` is a text or gzip file with one matrix of 144 figures a line, source by source in the order of the
dataset's nodes; ``--unit-gbps`` says how many Gbit/s one of its units is. The matrices measured in 2004 count 100
bytes in 5 minutes, which is 8/3 bit/s: ``--unit-gbps 2.6666666667e-9``. Without a file the week is made up.

The competitor is plain scipy in the same run: the same link-flow program by hand, linprog, no paths, no bound. It
takes turns with vbte on a sample of the matrices; vbte's own time per matrix comes from the whole run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from linear_programs import SCIPY
from networks import week
from protocol import Benchmark, Contender, Result, Timed, in_turns, require_equal

from vbte import catalogue
from vbte.api import optimize_each
from vbte.demands import DemandMatrix
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.read import read_demand_series, read_topology
from vbte.topology import Topology

BENCHMARK = Benchmark("week", "One plan for each five-minute matrix of a week over Abilene, against linprog by hand.")
WEEK = 7 * 24 * 12
SAMPLE = 20


def planned(topology: Topology, matrices: Sequence[DemandMatrix], model: str) -> tuple[list[Plan], Timed]:
    """Return all plans of one run and the seconds that each took."""
    moments = []
    plans = optimize_each(topology, matrices, model=model, progress=lambda _: moments.append(time.perf_counter()))
    moments.append(time.perf_counter())
    return plans, Timed(tuple(np.diff(moments).tolist()), plans)


def by_hand(topology: Topology, matrix: DemandMatrix, model: str) -> float:
    """Return the first stage's objective by linprog."""
    return SCIPY.solve(SCIPY.build(build_instance(topology, [matrix], catalogue.load_model(model))))


def result(topology: Topology, matrices: Sequence[DemandMatrix], source: str, model: str) -> Result:
    plans, ours = planned(topology, matrices, model)
    chosen = np.linspace(0, len(matrices) - 1, min(SAMPLE, len(matrices))).astype(int).tolist()
    seconds = []
    for position in chosen:
        work = lambda _, matrix=matrices[position]: by_hand(topology, matrix, model)  # noqa: E731
        timed = in_turns([Contender("scipy", work)], 1)["scipy"]
        seconds += timed.seconds
        value, unscaled = plans[position].certificates[0].value, timed.outcome
        usable = topology.capacity_gbps[topology.usable].mean()
        mean = plans[position].instance.peak_gbps.mean()
        require_equal(f"matrix {position}", value, unscaled / len(topology.links) / (usable / mean))
    gaps = [plan.max_gap for plan in plans]
    facts = {
        "matrices": len(plans),
        "total_s": sum(ours.seconds),
        "slowest_s": max(ours.seconds),
        "largest_certified_gap": None if None in gaps else max(gap for gap in gaps if gap is not None),
        "mlu_median": float(np.median([plan.max_utilization for plan in plans])),
        "mlu_largest": max(plan.max_utilization for plan in plans),
    }
    return Result(f"{source}, {model}", "scipy linprog by hand", ours, Timed(tuple(seconds), None), facts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=1)
    parser.add_argument("--matrices", type=Path, help="text or gzip file, one matrix a line")
    parser.add_argument("--unit-gbps", type=float, default=1.0, help="Gbit/s of one unit of that file (%(default)s)")
    parser.add_argument("--count", type=int, default=WEEK, help="matrices planned at most (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    count = min(12, options.count) if options.quick else options.count
    topology = read_topology(catalogue.dataset("abilene").topology)
    if options.matrices is None:
        matrices, source = week(topology, count), "made-up week"
    else:
        matrices = read_demand_series(options.matrices, topology, unit=options.unit_gbps)[:count]
        source = options.matrices.name.partition(".")[0]
    BENCHMARK.report([result(topology, matrices, source, "min-mlu")], options)


if __name__ == "__main__":
    main(sys.argv[1:])
