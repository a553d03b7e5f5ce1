"""Fan-out: a week of matrices by two processes and by a Dask cluster of two, against one process; and tiny jobs.

    python bench/bench_fan_out.py [--quick] [--count N] [--workers N]

The processes start within the clock, as they do for whoever says workers=2; the cluster (a LocalCluster, one thread a
worker) runs before it starts, as a cluster does. All have to arrive at the same plans, to the byte.

Tiny jobs, ``abs`` of a number, show what the way to a worker and back costs: against the ``map`` of the executor
itself, a job a task, over processes that start within the clock as well, or on the same cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from distributed import LocalCluster
from networks import week
from protocol import Benchmark, Contender, Result, in_turns

from vbte import catalogue
from vbte.api import optimize_each
from vbte.fan_out import Crew, Given, Processes, run_each
from vbte.fan_out.cluster import cluster
from vbte.plan import Plan
from vbte.read import read_topology
from vbte.write.plan_file import plan_bytes

BENCHMARK = Benchmark(
    "fan_out", "A week of matrices over several workers against one process, and what tiny jobs cost."
)
WEEK = 7 * 24 * 12
TINY = 5_000


def week_rows(count: int, workers: int, repeats: int, on_cluster: Crew) -> Iterator[Result]:
    topology = read_topology(catalogue.dataset("abilene").topology)
    matrices = week(topology, count)

    def planned(by: int | Crew | None) -> list[Plan]:
        return optimize_each(topology, matrices, model="min-mlu", workers=by)

    several = {f"{workers} processes": workers, f"Dask cluster of {workers}": on_cluster}
    contenders = [Contender("one process", lambda _: planned(None))]
    contenders += [Contender(name, lambda _, by=by: planned(by)) for name, by in several.items()]
    timed = in_turns(contenders, repeats)
    alone = timed["one process"]
    for name in several:
        require_same_plans(name, timed[name].outcome, alone.outcome)
        facts = {"jobs": count, "ms_a_job": 1e3 * timed[name].median / count}
        yield Result("made-up week over abilene", "one process", timed[name], alone, facts, ours_name=name)


def require_same_plans(name: str, plans: Sequence[Plan], expected: Sequence[Plan]) -> None:
    """Stop the benchmark unless the plans are the same bytes."""
    if [plan_bytes(plan) for plan in plans] != [plan_bytes(plan) for plan in expected]:
        sys.exit(f"{name}: the plans differ from those of one process")


def tiny_rows(count: int, workers: int, repeats: int, on_cluster: Given) -> Iterator[Result]:
    numbers = range(-count, 0)

    def fanned_out(crew: Crew) -> list[int]:
        return [result for _, result in run_each(abs, numbers, crew)]

    def plain_pool() -> list[int]:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            return list(pool.map(abs, numbers))

    rows = {
        f"{workers} processes": (Processes(workers), "ProcessPoolExecutor.map", plain_pool),
        f"Dask cluster of {workers}": (
            on_cluster,
            "ClientExecutor.map",
            lambda: list(on_cluster.executor.map(abs, numbers)),
        ),
    }
    for name, (crew, competitor, plain) in rows.items():
        pair = [
            Contender(name, lambda _, crew=crew: fanned_out(crew)),
            Contender(competitor, lambda _, plain=plain: plain()),
        ]
        timed = in_turns(pair, repeats)
        if not timed[name].outcome == timed[competitor].outcome == [abs(number) for number in numbers]:
            sys.exit(f"{name}: results differ from those of {competitor}")
        facts = {"jobs": count, "ms_a_job": 1e3 * timed[name].median / count}
        yield Result("tiny jobs", competitor, timed[name], timed[competitor], facts, ours_name=name)


def results(count: int, tiny: int, workers: int, repeats: int) -> Iterator[Result]:
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as started,
        cluster(started.scheduler_address) as on_cluster,
    ):
        yield from week_rows(count, workers, repeats, on_cluster)
        yield from tiny_rows(tiny, workers, repeats, on_cluster)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument("--count", type=int, default=WEEK, help="matrices planned (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes, and workers of the cluster (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    count, tiny = (24, 200) if options.quick else (options.count, TINY)
    BENCHMARK.report(results(count, tiny, options.workers, options.repeats), options)


if __name__ == "__main__":
    main(sys.argv[1:])
