"""Tables: building and walking the tables of a plan, all pairs, against the plainest thing that could do instead.

    python bench/bench_tables.py [--quick]

Against building: a dictionary for each path (its nodes and its share) and json.dumps for each head end. Against the
walk: a loop that adds each path's flow to its links. Both do less: no integer weights, no next hops or labels, no
ids that stay the same from plan to plan; and the loop believes the plan, where the walk reads the written tables.
"""

from __future__ import annotations

import json
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

BENCHMARK = Benchmark(
    "tables", "Building and walking a plan's tables, against the plainest script that could do instead."
)


def plan_of(topology: Topology, realisation: Realisation) -> Plan:
    """Return a plan of all pairs under min-mlu whose tables take the given form."""
    model = load_model("min-mlu")
    tables = model.tables.model_copy(update={"realisation": realisation})
    return optimize(topology, gravity(topology), model=model.model_copy(update={"tables": tables}))


def plain_tables(plan: Plan) -> dict[str, str]:
    """Return what a script would write for every head end: its paths as lists of nodes, with their shares."""
    topology, instance = plan.instance.topology, plan.instance
    names, head = [node.id for node in topology.nodes], topology.head.tolist()
    devices: dict[str, list[dict[str, object]]] = {name: [] for name in names}
    for path, commodity in enumerate(plan.paths.commodity.tolist()):
        source, destination = names[instance.source[commodity]], names[instance.destination[commodity]]
        nodes = [source, *(names[head[link]] for link in plan.paths[path].tolist())]
        devices[source].append({"to": destination, "share": float(plan.path_share[path]), "nodes": nodes})
    return {name: json.dumps(routes) for name, routes in devices.items()}


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
            Contender("json", lambda _: plain_tables(plan)),
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
        Result(f"{case}: building", "a dictionary a path, json.dumps", timed["build"], timed["json"], facts),
        Result(f"{case}: walk", "a loop over path flows", timed["walk"], timed["loop"], facts),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    options = BENCHMARK.parse(BENCHMARK.options(), arguments)
    topologies = [network(FROM_TOPOHUB[size]) for size in ([22] if options.quick else [50, 143])]
    cases = ((topology, realisation) for topology in topologies for realisation in Realisation)
    BENCHMARK.report((row for case in cases for row in rows(*case, options.repeats)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
