"""Local protection, swept: does anything go round, or end, that some way could still carry?

    python bench/sweep_local_protection.py [--quick] [--network NAME ...] [--protection cable|node]

Every bundled dataset with its own demands and model, and networks of topohub with gravity demands under min-mlu, in
both realisations. Tables are written with local protection, read again from their files' bytes, and evaluated in every
scenario by the repair arrays; every ``--every``-th scenario is walked on the files as well, and both have to agree.
What is lost is held against what nobody could carry, by networkx: demands whose ends the failure leaves in no way
joined over links and nodes that their class may use. One line a network and realisation; ends with 1 at any surplus.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import networkx
import numpy as np
from networks import gravity, named_network

from vbte import optimize
from vbte.catalogue import dataset, datasets, load_model
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair
from vbte.instance import ClassRules
from vbte.plan import Plan
from vbte.policy import LocalProtection, PlanningModel, Realisation
from vbte.read import read_demands, read_topology
from vbte.scenarios import ScenarioSet, family
from vbte.tables import FaultKind, Tables, build_tables, offered_traffic, walk
from vbte.topology import FloatArray

#: Of topohub: backbones of 11 to 75 nodes, some with stubs, some with rings only, and two of its own Gabriel graphs.
NETWORKS = (
    "sndlib/abilene", "sndlib/atlanta", "sndlib/cost266", "sndlib/france", "sndlib/geant", "sndlib/germany50",
    "sndlib/giul39", "sndlib/india35", "sndlib/janos-us", "sndlib/newyork", "sndlib/nobel-eu", "sndlib/norway",
    "sndlib/polska", "sndlib/ta1", "topozoo/Aarnet", "topozoo/AttMpls", "topozoo/BtEurope", "topozoo/Geant2012",
    "topozoo/Surfnet", "topozoo/Uninett2010", "gabriel/30/0", "gabriel/50/0",
)  # fmt: skip
QUICK = ("sndlib/abilene", "topozoo/Aarnet")

SLACK_GBPS = 1e-6


@dataclass
class Findings:
    """What one plan's tables do over all scenarios; ``wrong`` tells where they do what they must not."""

    scenarios: int = 0
    walked: int = 0
    lost_gbps: float = 0.0
    nobody_gbps: float = 0.0
    wrong: list[str] = field(default_factory=list)


def protected(model: PlanningModel, realisation: Realisation, protection: LocalProtection) -> PlanningModel:
    """Return the model with tables of that kind."""
    tables = model.tables.model_copy(update={"realisation": realisation, "local_protection": protection})
    return model.model_copy(update={"tables": tables})


def planned(name: str, realisation: Realisation, protection: LocalProtection) -> Plan:
    """Return the plan of a dataset or of a network of topohub."""
    if "/" in name:
        topology = named_network(name)
        return optimize(topology, gravity(topology), model=protected(load_model("min-mlu"), realisation, protection))
    found = dataset(name)
    topology = read_topology(found.topology)
    model = load_model(found.model or "class-aware")
    return optimize(
        topology, read_demands(found.demands, topology), model=protected(model, realisation, protection)
    )  # fmt: skip


def sweep(plan: Plan, tables: Tables, scenarios: ScenarioSet, every: int = 1) -> Findings:
    """Return what the tables do in all scenarios, walked in every so many."""
    found, instance = Findings(scenarios=len(scenarios)), plan.instance
    repair = Repair(repair_graph(tables, instance))
    for block in repair.blocks(scenarios):
        for column, position in enumerate(range(block.scenarios.start, block.scenarios.stop)):
            lost, name = block.lost_gbps[:, column], scenarios.scenarios[position].name
            nobody = np.bincount(
                instance.class_index, repair.admitted_gbps * severed(plan, scenarios, position), len(instance.rules)
            )
            found.lost_gbps += float(lost.sum())
            found.nobody_gbps += float(nobody.sum())
            if (np.abs(lost - nobody) > SLACK_GBPS).any():
                found.wrong.append(f"{name}: {lost.tolist()} Gbit/s lost, nobody could carry {nobody.tolist()}")
            if position % every == 0:
                found.walked += 1
                admitted = repair.class_admitted_gbps
                found.wrong += walked(plan, tables, scenarios, position, admitted - lost, admitted - nobody)
    return found


def walked(
    plan: Plan, tables: Tables, scenarios: ScenarioSet, position: int, arriving: FloatArray, best: FloatArray
) -> list[str]:
    """Return where a walk of the files differs from the arrays, and what goes round, astray or is lost needlessly."""
    instance, scenario = plan.instance, scenarios.scenarios[position]
    down = np.flatnonzero(scenarios.failed_links(slice(position, position + 1))[:, 0])
    links = [instance.topology.links[link].id for link in down]
    report = walk(tables, instance.topology, offered_traffic(instance), failed_links=links, failed_nodes=scenario.nodes)
    needless = (report.delivered_gbps < best - SLACK_GBPS).any()
    wrong = [f"{scenario.name}: {one.kind} at {', '.join(one.devices)}: {one.detail}"
             for one in report.faults if needless or one.kind is not FaultKind.BLACK_HOLE]  # fmt: skip
    if (np.abs(report.delivered_gbps - arriving) > SLACK_GBPS).any():
        wrong.append(f"{scenario.name}: the walk delivers {report.delivered_gbps}, the arrays {arriving}")
    return wrong


def severed(plan: Plan, scenarios: ScenarioSet, position: int) -> FloatArray:
    """Return 1.0 for every commodity that no way of its class can serve in a scenario, (K,), by networkx."""
    instance, one = plan.instance, slice(position, position + 1)
    down, dead = scenarios.failed_links(one)[:, 0], scenarios.failed_nodes(one)[:, 0]
    gone = np.zeros(instance.n_commodities)
    for class_index, rules in enumerate(instance.rules):
        mine = np.flatnonzero(instance.class_index == class_index)
        for source in np.unique(instance.source[mine]).tolist():
            here = mine[instance.source[mine] == source]
            reached = reachable(plan, rules, source, down) if not dead[source] else set()
            gone[here] = [float(int(egress) not in reached) for egress in instance.destination[here]]
        if rules.must_nodes or rules.must_links:
            left = mine[gone[mine] == 0]
            gone[left] = [float(not passes(plan, rules, commodity, down)) for commodity in left.tolist()]
    return gone


def passes(plan: Plan, rules: ClassRules, commodity: int, down: np.ndarray) -> bool:
    """Return whether some simple path passes all that the class has to pass: all of them are tried."""
    topology, graph = plan.instance.topology, networkx.MultiDiGraph()
    source, egress = int(plan.instance.source[commodity]), int(plan.instance.destination[commodity])
    for link in np.flatnonzero(rules.link_allowed & ~down).tolist():
        graph.add_edge(int(topology.tail[link]), int(topology.head[link]), key=link)
    for path in networkx.all_simple_edge_paths(graph, source, egress):
        nodes, links = {source, *(head for _, head, _ in path)}, {link for _, _, link in path}
        inner = nodes - {source, egress}
        if {*rules.must_nodes} <= nodes and {*rules.must_links} <= links and all(rules.transit[list(inner)]):
            return True
    return False


def reachable(plan: Plan, rules: ClassRules, source: int, down: np.ndarray) -> set[int]:
    """Return the nodes that a source reaches through nodes that may be passed."""
    topology, graph = plan.instance.topology, networkx.DiGraph()
    graph.add_node(source)
    for link in np.flatnonzero(rules.link_allowed & ~down).tolist():
        tail, head = int(topology.tail[link]), int(topology.head[link])
        # Arrivals are nodes of their own, which lead on only where traffic may pass.
        graph.add_edge(tail if tail == source or rules.transit[tail] else ("no way out of", tail), head)
    return {node for node in networkx.descendants(graph, source) if isinstance(node, int)}


def lines(names: Sequence[str], protection: LocalProtection, every: int) -> Iterator[tuple[str, list[str]]]:
    """Yield one line a network and realisation, and what is wrong there."""
    for name in names:
        for realisation in Realisation:
            plan = planned(name, realisation, protection)
            started = time.process_time()
            tables = build_tables(plan)
            built = time.process_time() - started
            families = ("cable", "node") if protection is LocalProtection.NODE else ("cable",)
            for kind in families:
                found = sweep(plan, tables, family(plan.instance.topology, kind), every)
                facts = f"{found.scenarios} {kind}s, {found.walked} walked, lost {found.lost_gbps:.6g} Gbit/s, "
                facts += f"nobody could {found.nobody_gbps:.6g}, tables in {built:.2f} CPU s, "
                facts += f"can't realise {tables.manifest['cannot_realise']['count']}"
                yield f"{name}, {realisation}: {facts}", found.wrong


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Local protection over many networks: what is lost needlessly?")
    parser.add_argument("--quick", action="store_true", help="two networks, and two datasets")
    parser.add_argument("--network", action="append", dest="networks", metavar="NAME", help="(datasets and topohub)")
    parser.add_argument("--protection", choices=("cable", "node"), default="cable", help="(%(default)s)")
    parser.add_argument("--every", type=int, default=1, help="walk every so many scenarios (%(default)s)")
    options = parser.parse_args(arguments)
    bundled = sorted(datasets())
    names = options.networks or ([*bundled[:2], *QUICK] if options.quick else [*bundled, *NETWORKS])
    failed = 0
    for line, wrong in lines(names, LocalProtection(options.protection), options.every):
        print(line, flush=True)
        for fault in wrong:
            print(f"  {fault}", flush=True)
        failed += len(wrong)
    print(f"{failed} wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
