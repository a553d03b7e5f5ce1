"""Re-plans of every single cable: what is left, planned anew in each scenario, by one process and by several workers.

    python bench/bench_failure_plans.py [--quick] [--network NAME|FILE] [--workers N]

All pairs under min-mlu, every cable failing. One process goes through the scenarios; so many processes, which start
within the clock; a Dask cluster (a LocalCluster, one thread a worker) that runs before it starts. All have to come to
the same figures in every scenario. Against one process, the ratio is the speed-up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from bench_tables import plan_of
from distributed import LocalCluster
from networks import FROM_TOPOHUB, named_network
from protocol import Benchmark, Contender, Result, in_turns

from vbte.failover import Replanning, family, what_if
from vbte.fan_out import Crew
from vbte.fan_out.cluster import cluster
from vbte.policy import Realisation
from vbte.tables import build_tables

BENCHMARK = Benchmark("failure_plans", "Re-plans of all single cables by several workers against one process.")


def rows(name: str, workers: int, repeats: int, on_cluster: Crew) -> Iterator[Result]:
    topology = named_network(name)
    plan = plan_of(topology, Realisation.SOURCE_ROUTED)
    tables, scenarios = build_tables(plan), family(topology, "cable")

    def planned(by: int | Crew | None) -> list[Any]:
        answer = what_if(plan, tables, scenarios, replan=Replanning(workers=by))
        return [(stage.value, stage.bound) for one in answer.replans for stage in one.stages]

    several: dict[str, int | Crew] = {f"{workers} processes": workers, f"Dask cluster of {workers}": on_cluster}
    contenders = [Contender("one process", lambda _: planned(None))]
    contenders += [Contender(title, lambda _, by=by: planned(by)) for title, by in several.items()]
    timed = in_turns(contenders, repeats)
    alone = timed["one process"]
    for title in several:
        if timed[title].outcome != alone.outcome:
            sys.exit(f"{title}: the figures differ from those of one process")
        facts = {
            "demands": plan.instance.n_commodities,
            "scenarios": len(scenarios),
            "s_in_all": timed[title].median,
            "ms_a_scenario": 1e3 * timed[title].median / len(scenarios),
        }
        yield Result(f"{topology.name}, {len(topology.nodes)} nodes", "one process", timed[title], alone, facts, title)


def results(name: str, workers: int, repeats: int) -> Iterator[Result]:
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as started,
        cluster(started.scheduler_address) as on_cluster,
    ):
        yield from rows(name, workers, repeats, on_cluster)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument("--network", default="sndlib/germany50", help="the network (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes, and workers of the cluster (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    name = FROM_TOPOHUB[22] if options.quick else options.network
    BENCHMARK.report(results(name, options.workers, options.repeats), options)


if __name__ == "__main__":
    main(sys.argv[1:])
