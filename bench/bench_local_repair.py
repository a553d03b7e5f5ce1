"""Local repair: what every single cable costs, from the written tables, against going through scenarios one by one.

    python bench/bench_local_repair.py [--quick] [--network NAME|FILE ...] [--scenarios cable|pairs] [--most 2000]
                                       [--sample 100]

A plan of all pairs under min-mlu, its tables, and every single cable failing (or every pair of them, of which
``--most`` are taken). Ours reads the tables into arrays and evaluates all scenarios: loads, what is lost by class, what
links above capacity drop, latencies. Against it, in both realisations, the walk of the files in each scenario, which
knows neither drops nor latencies; and, source-routed, the plainest loop that could do: lists of weights and links made
ready before the clock starts, shares among the paths that are left added up by link. In each scenario both have to
lose the same volume. On large networks competitors get a sample of the scenarios, evenly spread (``--sample``, if not
stated as many as come to 600,000 demands), and their seconds are scaled up to all. All seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np
from bench_tables import plan_of
from networks import FROM_TOPOHUB, named_network
from protocol import Benchmark, Contender, Result, Timed, in_turns, require_equal

from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.scenarios import ScenarioSet, family
from vbte.tables import Tables, build_tables, offered_traffic, walk
from vbte.topology import FloatArray, Topology

BENCHMARK = Benchmark("local_repair", "What tables lose by themselves in every scenario, against scenarios one by one.")

#: Demands that competitors get in all their scenarios together.
SAMPLED_DEMANDS = 600_000

#: A head end's demand: what it admits, and for each path its weight and the positions of its links.
Groups = list[tuple[float, list[tuple[int, list[int]]]]]


def by_arrays(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> FloatArray:
    """Return the volume lost in each scenario."""
    repair = Repair(repair_graph(tables, plan.instance))
    return np.concatenate([block.lost_gbps.sum(axis=0) for block in repair.blocks(scenarios)])


def by_walks(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> FloatArray:
    """Return the volume that a walk does not deliver, for each scenario."""
    topology, offered, lost = plan.instance.topology, offered_traffic(plan.instance), []
    for position in range(len(scenarios)):
        down = np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0]).tolist()
        report = walk(tables, topology, offered, failed_links=[topology.links[link].id for link in down])
        lost.append(float(report.admitted_gbps.sum() - report.delivered_gbps.sum()))
    return np.array(lost)


def groups_of(plan: Plan, tables: Tables) -> Groups:
    """Return what head ends hold as plain lists."""
    instance, index = plan.instance, plan.instance.topology.link_index
    nodes = [node.id for node in instance.topology.nodes]
    found: Groups = [(0.0, [])] * instance.n_commodities
    names = [rules.policy.name for rules in instance.rules]
    for source in np.unique(instance.source).tolist():
        table = tables.devices[nodes[source]]
        routes = {(r["egress"], r["class"]): r for r in table["routes"] if r["label"] is None}
        members = {group["id"]: group["members"] for group in table["next_hop_groups"]}
        hops = {hop["id"]: [index[link] for link in hop["links"]] for hop in table["next_hops"]}
        for commodity in np.flatnonzero(instance.source == source).tolist():
            route = routes[nodes[instance.destination[commodity]], names[instance.class_index[commodity]]]
            share = route["demands"]["admitted_share"] if route["demands"] else 1.0
            ways = [(member["weight"], hops[member["next_hop"]]) for member in members[route["group"]]]
            found[commodity] = (float(instance.peak_gbps[commodity]) * share, ways)
    return found


def by_loop(plan: Plan, groups: Groups, scenarios: ScenarioSet) -> FloatArray:
    """Return the volume lost in each scenario, having added up the load of every link."""
    found = []
    for position in range(len(scenarios)):
        down = {*np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0]).tolist()}
        load, lost = [0.0] * len(plan.instance.topology.links), 0.0
        for volume, members in groups:
            left = [(weight, links) for weight, links in members if down.isdisjoint(links)]
            total = sum(weight for weight, _ in left)
            if not total:
                lost += volume
            for weight, links in left:
                for link in links:
                    load[link] += volume * weight / total
        found.append(lost)
    return np.array(found)


def rows(
    topology: Topology, realisation: Realisation, options: argparse.Namespace
) -> list[Result]:  # fmt: skip
    plan = plan_of(topology, realisation)
    tables, every = build_tables(plan), family(topology, options.scenarios)
    scenarios = ScenarioSet(topology, every.scenarios[: options.most])
    wanted = min(options.sample or max(1, SAMPLED_DEMANDS // plan.instance.n_commodities), len(scenarios))
    chosen = np.unique(np.linspace(0, len(scenarios) - 1, wanted).astype(int))
    sample = ScenarioSet(topology, tuple(scenarios.scenarios[at] for at in chosen))
    contenders = [Contender("arrays", lambda _: by_arrays(plan, tables, scenarios))]
    ours = in_turns(contenders, options.repeats, clock=time.process_time)["arrays"]
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theirs = [Contender("walks", lambda _: by_walks(plan, tables, sample))]
    if realisation is Realisation.SOURCE_ROUTED:
        groups = groups_of(plan, tables)
        theirs.append(Contender("loop", lambda _: by_loop(plan, groups, sample)))
    timed = in_turns(theirs, options.repeats if len(sample) == len(scenarios) else 1, clock=time.process_time)
    facts = {
        "demands": plan.instance.n_commodities,
        "scenarios": len(scenarios),
        "edges": len(repair_graph(tables, plan.instance).edges),
        "ms_a_scenario": 1e3 * ours.median / max(len(scenarios), 1),
        "sample": len(sample),
        "MB": round(memory_mb),
    }
    case = f"{topology.name}, {len(topology.nodes)} nodes, {options.scenarios}, {realisation}"
    titles = {"walks": "the walk, scenario by scenario", "loop": "a loop over paths, lists made ready"}
    found = []
    for name, one in timed.items():
        for position, lost in zip(chosen.tolist(), one.outcome.tolist(), strict=True):
            require_equal(f"{case}: volume lost in scenario {position}", ours.outcome[position], lost, 1e-6)
        scaled = Timed(tuple(s * len(scenarios) / len(sample) for s in one.seconds), one.outcome)
        found.append(Result(case, titles[name], ours, scaled, facts))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument(
        "--network", action="append", dest="networks", metavar="NAME|FILE", help="(50 nodes of topohub)"
    )
    parser.add_argument("--scenarios", choices=("cable", "pairs"), default="cable", help="what fails (%(default)s)")
    parser.add_argument("--most", type=int, default=2000, help="scenarios at most (%(default)s)")
    parser.add_argument("--sample", type=int, help="scenarios for competitors (by size)")
    options = BENCHMARK.parse(parser, arguments)
    networks = options.networks or [FROM_TOPOHUB[22 if options.quick else 50]]
    cases = ((named_network(name), realisation) for name in networks for realisation in Realisation)
    found = (row for case in cases for row in rows(*case, options))
    BENCHMARK.report(found, options)


if __name__ == "__main__":
    main(sys.argv[1:])
