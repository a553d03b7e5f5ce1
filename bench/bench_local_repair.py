"""Local repair: what every single cable costs, from the written tables, against going through scenarios one by one.

    python bench/bench_local_repair.py [--quick] [--network NAME|FILE ...] [--scenarios cable|pairs] [--most 2000]

A plan of all pairs under min-mlu, its tables, and every single cable failing (or every pair of them, of which
``--most`` are taken). Ours reads the tables into arrays and evaluates all scenarios: loads, what is lost by class, what
links above capacity drop, latencies. Against it, in both realisations, the walk of the files in each scenario, which
knows neither drops nor latencies; and, source-routed, the plainest loop that could do: lists of weights and links made
ready before the clock starts, shares among the paths that are left added up by link. Both have to lose the same volume.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from bench_tables import plan_of
from networks import FROM_TOPOHUB, named_network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.failover import ScenarioSet, family
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.tables import Tables, build_tables, offered_traffic, walk
from vbte.topology import Topology

BENCHMARK = Benchmark("local_repair", "What tables lose by themselves in every scenario, against scenarios one by one.")

#: A head end's demand: what it admits, and for each path its weight and the positions of its links.
Groups = list[tuple[float, list[tuple[int, list[int]]]]]


def by_arrays(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> float:
    """Return the volume lost over all scenarios."""
    repair = Repair(repair_graph(tables, plan.instance))
    return float(sum(block.lost_gbps.sum() for block in repair.blocks(scenarios)))


def by_walks(plan: Plan, tables: Tables, scenarios: ScenarioSet) -> float:
    """Return the volume that walks of all scenarios do not deliver."""
    topology, offered, lost = plan.instance.topology, offered_traffic(plan.instance), 0.0
    for position in range(len(scenarios)):
        down = np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0]).tolist()
        report = walk(tables, topology, offered, failed_links=[topology.links[link].id for link in down])
        lost += float(report.admitted_gbps.sum() - report.delivered_gbps.sum())
    return lost


def groups_of(plan: Plan, tables: Tables) -> Groups:
    """Return what head ends hold as plain lists."""
    instance, index = plan.instance, plan.instance.topology.link_index
    nodes = [node.id for node in instance.topology.nodes]
    found: Groups = []
    for commodity in range(instance.n_commodities):
        table = tables.devices[nodes[instance.source[commodity]]]
        egress, name = (
            nodes[instance.destination[commodity]],
            instance.rules[instance.class_index[commodity]].policy.name,
        )
        route = next(r for r in table["routes"] if r["egress"] == egress and r["class"] == name and r["label"] is None)
        group = next(g for g in table["next_hop_groups"] if g["id"] == route["group"])
        hops = {hop["id"]: [index[link] for link in hop["links"]] for hop in table["next_hops"]}
        share = route["demands"]["admitted_share"] if route["demands"] else 1.0
        members = [(member["weight"], hops[member["next_hop"]]) for member in group["members"]]
        found.append((float(instance.peak_gbps[commodity]) * share, members))
    return found


def by_loop(plan: Plan, groups: Groups, scenarios: ScenarioSet) -> float:
    """Return the volume lost over all scenarios, having added up the load of every link in each."""
    lost = 0.0
    for position in range(len(scenarios)):
        down = {*np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0]).tolist()}
        load = [0.0] * len(plan.instance.topology.links)
        for volume, members in groups:
            left = [(weight, links) for weight, links in members if down.isdisjoint(links)]
            total = sum(weight for weight, _ in left)
            if not total:
                lost += volume
            for weight, links in left:
                for link in links:
                    load[link] += volume * weight / total
    return lost


def rows(topology: Topology, realisation: Realisation, family_name: str, most: int, repeats: int) -> list[Result]:
    plan = plan_of(topology, realisation)
    tables, every = build_tables(plan), family(topology, family_name)
    scenarios = ScenarioSet(topology, every.scenarios[:most])
    contenders = [
        Contender("arrays", lambda _: by_arrays(plan, tables, scenarios)),
        Contender("walks", lambda _: by_walks(plan, tables, scenarios)),
    ]
    if realisation is Realisation.SOURCE_ROUTED:
        groups = groups_of(plan, tables)
        contenders.append(Contender("loop", lambda _: by_loop(plan, groups, scenarios)))
    timed = in_turns(contenders, repeats)
    graph = repair_graph(tables, plan.instance)
    facts = {
        "demands": plan.instance.n_commodities,
        "scenarios": len(scenarios),
        "edges": len(graph.edges),
        "ms_a_scenario": 1e3 * timed["arrays"].median / max(len(scenarios), 1),
    }
    case = f"{topology.name}, {len(topology.nodes)} nodes, {family_name}, {realisation}"
    titles = {"walks": "the walk, scenario by scenario", "loop": "a loop over paths, lists made ready"}
    found = []
    for name, title in titles.items():
        if name in timed:
            require_equal(f"{case}: volume lost", timed["arrays"].outcome, timed[name].outcome, 1e-6)
            found.append(Result(case, title, timed["arrays"], timed[name], facts))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument(
        "--network", action="append", dest="networks", metavar="NAME|FILE", help="(50 nodes of topohub)"
    )
    parser.add_argument("--scenarios", choices=("cable", "pairs"), default="cable", help="what fails (%(default)s)")
    parser.add_argument("--most", type=int, default=2000, help="scenarios at most (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    networks = options.networks or [FROM_TOPOHUB[22 if options.quick else 50]]
    cases = ((named_network(name), realisation) for name in networks for realisation in Realisation)
    found = (row for case in cases for row in rows(*case, options.scenarios, options.most, options.repeats))
    BENCHMARK.report(found, options)


if __name__ == "__main__":
    main(sys.argv[1:])
