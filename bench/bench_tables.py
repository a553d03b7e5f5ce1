"""Tables: building and walking the tables of a plan, all pairs, against a loop that only adds up path flows.

    python bench/bench_tables.py [--quick]

The loop is what checking link loads costs in plain Python when nothing is built: for each path, for each link, add
the flow. It is a yardstick for the amount of work, not a rival: the tables hold segment lists or next hops with
integer weights for every device, and the walk pushes every demand through them, packet decisions and all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from networks import FROM_TOPOHUB, gravity, network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.api import optimize
from vbte.catalogue import load_model
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.tables.build import build_tables
from vbte.tables.walk import compare, offered_traffic, walk
from vbte.topology import Topology

BENCHMARK = Benchmark("tables", "Building and walking a plan's tables, against a plain loop over its path flows.")


def plan_of(topology: Topology, realisation: Realisation) -> Plan:
    """Return a plan of all pairs under min-mlu whose tables take the given form."""
    model = load_model("min-mlu")
    tables = model.tables.model_copy(update={"realisation": realisation})
    return optimize(topology, gravity(topology), model=model.model_copy(update={"tables": tables}))


def add_up(plan: Plan) -> list[float]:
    """Return the load of each link by a plain loop."""
    load = [0.0] * len(plan.instance.topology.links)
    for path, flow in enumerate(plan.flow_gbps.tolist()):
        for link in plan.paths[path].tolist():
            load[link] += flow
    return load


def rows(topology: Topology, realisation: Realisation, repeats: int) -> list[Result]:
    plan = plan_of(topology, realisation)
    tables, offered = build_tables(plan), offered_traffic(plan.instance)
    timed = in_turns(
        [
            Contender("build", lambda _: build_tables(plan)),
            Contender("walk", lambda _: walk(tables, topology, offered)),
            Contender("loop", lambda _: add_up(plan)),
        ],
        repeats,
    )
    require_equal("link loads", float(np.sum(timed["loop"].outcome)), float(plan.link_load_gbps.sum()))
    if not compare(timed["walk"].outcome, plan).agrees:
        sys.exit(f"{topology.name}: the walk does not agree with the plan")
    facts = {
        "demands": plan.instance.n_commodities,
        "paths": len(plan.paths),
        "megabytes": round(sum(map(len, tables.device_bytes.values())) / 1e6, 1),
    }
    case = f"{topology.name}, {len(topology.nodes)} nodes, {realisation}"
    return [
        Result(f"{case}: {what}", "a loop over path flows", timed[what], timed["loop"], facts)
        for what in ("build", "walk")
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    options = BENCHMARK.parse(BENCHMARK.options(), arguments)
    topologies = [network(FROM_TOPOHUB[size]) for size in ([22] if options.quick else [50, 143])]
    results = [
        row
        for topology in topologies
        for realisation in Realisation
        for row in rows(topology, realisation, options.repeats)
    ]
    BENCHMARK.report(results, options)


if __name__ == "__main__":
    main(sys.argv[1:])
