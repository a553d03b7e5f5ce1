"""Everything around an engine, all pairs of a large network: each step against a plain loop over paths.

    python bench/bench_chain.py [--quick] [--network FILE.graphml]

No plan is optimised: every demand gets its fastest path, a third of them a second one by random prices, flows are
scaled until they fit, and random link prices stand for a certificate. The loops do what the step does, path by path
in plain Python (the files: the json module). Answers have to agree.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from bench_tables import add_up, plain_tables
from networks import gravity, network, sparse_network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.allocate.settle import settle
from vbte.bounds import lagrangian_bound, stage_problem, stage_sequence, stage_value
from vbte.catalogue import load_model
from vbte.instance import Instance, build_instance
from vbte.oracle import PathOracle, merged_paths, routable
from vbte.plan import Certificate, EngineReport, Limit, PathSet, Plan, Prices, Reason, Termination
from vbte.proof import check_plan
from vbte.read.plan_file import read_plan
from vbte.tables.build import build_tables
from vbte.tables.walk import offered_traffic, walk
from vbte.topology import FloatArray, Topology
from vbte.write.plan_file import plan_bytes

BENCHMARK = Benchmark("chain", "Each step around an engine, all pairs of a large network, against a loop over paths.")

#: Share of the busiest link's capacity that the flows fill.
FULLEST = 0.99

STOPPED = Termination(Reason.FEASIBLE, Limit.TIME)
NO_ENGINE = EngineReport("none", "none", {}, 0, 0)


@dataclass(frozen=True)
class Case:
    """A question, and paths and flows that answer it somehow."""

    instance: Instance

    @cached_property
    def oracle(self) -> PathOracle:
        return PathOracle(self.instance)

    @cached_property
    def weight(self) -> FloatArray:
        """Random prices, (1, n_links)."""
        return 1.0 + np.random.default_rng(3).random((1, len(self.instance.topology.links)))

    @cached_property
    def every(self) -> np.ndarray:
        return np.arange(self.instance.n_commodities)

    @cached_property
    def found(self) -> tuple[PathSet, FloatArray]:
        """Paths and flows before settling: some paths are listed twice."""
        instance, generator = self.instance, np.random.default_rng(5)
        some = np.flatnonzero(generator.random(instance.n_commodities) < 1 / 3)
        paths = merged_paths([routable(instance)[1], self.oracle.cheapest(self.weight, some).paths])
        share = 0.1 + generator.random(len(paths))
        total = np.bincount(paths.commodity, weights=share)
        flow = share / total[paths.commodity] * instance.peak_gbps[paths.commodity]
        load = np.bincount(paths.links, weights=np.repeat(flow, paths.hops), minlength=len(instance.topology.links))
        return paths, flow * min(1.0, FULLEST / (load / instance.topology.capacity_gbps).max())

    @cached_property
    def plan(self) -> Plan:
        """The settled paths, with a bound by random prices for every stage."""
        paths, flow = self.settled()
        proofs: tuple[Certificate, ...] = ()
        for entry in stage_sequence(self.instance):
            plan = Plan(self.instance, paths, flow, proofs, STOPPED, NO_ENGINE)
            problem = stage_problem(self.instance, entry, proofs, plan.class_link_load_gbps)
            value, prices = (
                stage_value(problem, plan),
                Prices(self.weight * 0.01, {}, dict.fromkeys(range(len(proofs)), 1.0)),
            )
            bound = lagrangian_bound(problem, prices, self.oracle)
            proofs += (
                Certificate(problem.label, problem.kind, problem.figure, problem.priority, value, bound, value, value,
                            prices, STOPPED),
            )  # fmt: skip
        return Plan(self.instance, paths, flow, proofs, STOPPED, NO_ENGINE)

    def settled(self) -> tuple[PathSet, FloatArray]:
        paths, flow = self.found
        return settle(self.oracle, paths, flow, np.bincount(paths.commodity, weights=flow).astype(np.float64))


@dataclass(frozen=True)
class Step:
    """A step and its competitor, and the figure of either's answer that has to agree to ``share``."""

    name: str
    ours: Callable[[], Any]
    of_ours: Callable[[Any], Any]
    competitor: str
    theirs: Callable[[], Any]
    of_theirs: Callable[[Any], Any]
    share: float = 1e-6


def nothing(_: object) -> float:
    """Nothing to compare: the answers have different forms."""
    return 0.0


def walked_back(case: Case) -> list[list[int]]:
    """Return the cheapest path of every commodity, followed from its destination predecessor by predecessor."""
    graph = case.oracle.graphs[0]
    tree = graph.shortest(case.weight[0])
    before = tree.predecessor.tolist()
    _, links = graph.cheapest_parallel(case.weight[0])
    topology = case.instance.topology
    into = {(topology.tail[link], topology.head[link]): link for link in links.tolist()}
    paths = []
    for source, vertex in zip(case.instance.source.tolist(), case.instance.destination.tolist(), strict=True):
        path, row = [], before[source]
        while vertex != source:
            path.append(into[row[vertex], vertex])
            vertex = row[vertex]
        paths.append(path[::-1])
    return paths


def merged_by_dictionary(case: Case) -> list[tuple[tuple[int, tuple[int, ...]], float]]:
    """Return equal paths as one, sorted by commodity and links."""
    paths, flow = case.found
    merged: dict[tuple[int, tuple[int, ...]], float] = {}
    for path, (commodity, amount) in enumerate(zip(paths.commodity.tolist(), flow.tolist(), strict=True)):
        key = commodity, tuple(paths[path].tolist())
        merged[key] = merged.get(key, 0.0) + amount
    return sorted(merged.items())


def faulty_paths(plan: Plan) -> int:
    """Return how many paths do not join their ends or visit a node twice."""
    tail, head = plan.instance.topology.tail.tolist(), plan.instance.topology.head.tolist()
    source, destination = plan.instance.source.tolist(), plan.instance.destination.tolist()
    faulty = 0
    for path, commodity in enumerate(plan.paths.commodity.tolist()):
        links = plan.paths[path].tolist()
        nodes = [source[commodity], *(head[link] for link in links)]
        joined = nodes[:-1] == [tail[link] for link in links] and nodes[-1] == destination[commodity]
        faulty += not joined or len(set(nodes)) < len(nodes)
    return faulty


def plain_json(plan: Plan) -> str:
    paths = plan.paths
    columns = {"commodity": paths.commodity, "hops": paths.hops, "links": paths.links, "flow_gbps": plan.flow_gbps}
    return json.dumps({name: column.tolist() for name, column in columns.items()})


def steps(case: Case, folder: Path) -> Iterator[Step]:
    """Yield every step with its competitor, and what has to agree."""
    plan, oracle, weight, every = case.plan, case.oracle, case.weight, case.every
    topology, offered = plan.instance.topology, offered_traffic(plan.instance)
    yield Step(
        "cheapest paths", lambda: oracle.cheapest(weight, every).paths, lambda found: len(found.links),
        "predecessor by predecessor", lambda: walked_back(case), lambda found: sum(map(len, found)),
    )  # fmt: skip
    yield Step(
        "prices for a bound", lambda: oracle.prices(weight, every), np.sum,
        "with their paths", lambda: oracle.cheapest(weight, every).paths.sums(weight[0]), np.sum,
    )  # fmt: skip
    yield Step(
        "settling", case.settled, lambda found: len(found[0]),
        "a dictionary of paths", lambda: merged_by_dictionary(case), len,
    )  # fmt: skip
    yield Step(
        "plan.json written", lambda: (folder / "plan.json").write_bytes(plan_bytes(plan)), nothing,
        "its paths by json.dumps", lambda: (folder / "plain.json").write_text(plain_json(plan)), nothing,
    )  # fmt: skip
    yield Step(
        "plan.json read and checked for shape", lambda: read_plan(folder), lambda found: len(found.paths.links),
        "its paths by json.loads", lambda: json.loads((folder / "plain.json").read_text()),
        lambda found: len(found["links"]),
    )  # fmt: skip
    yield Step(
        "plan proven again", lambda: check_plan(plan), lambda report: len(report.findings),
        "paths one by one, nothing else", lambda: faulty_paths(plan), int,
    )  # fmt: skip
    yield Step("tables", lambda: build_tables(plan), nothing,
               "a dictionary a path, json.dumps", lambda: plain_tables(plan), nothing)  # fmt: skip
    tables = build_tables(plan)
    yield Step(
        "walk", lambda: walk(tables, topology, offered), lambda report: report.link_load_gbps.sum(),
        "a loop over path flows", lambda: add_up(plan), sum, share=1e-3,
    )  # fmt: skip


def rows(topology: Topology, repeats: int) -> Iterator[Result]:
    """Yield one result per step."""
    case = Case(build_instance(topology, [gravity(topology)], load_model("max-throughput")))
    facts = {"demands": case.instance.n_commodities, "paths": len(case.plan.paths)}
    with tempfile.TemporaryDirectory() as folder:
        for step in steps(case, Path(folder)):
            # Called at once: the step of this turn of the loop.
            work = [Contender("ours", lambda _, step=step: step.ours()),
                    Contender("theirs", lambda _, step=step: step.theirs())]  # fmt: skip
            timed = in_turns(work, repeats)
            name = f"{topology.name}, {len(topology.nodes)} nodes: {step.name}"
            ours, theirs = step.of_ours(timed["ours"].outcome), step.of_theirs(timed["theirs"].outcome)
            require_equal(name, float(ours), float(theirs), step.share)
            yield Result(name, step.competitor, timed["ours"], timed["theirs"], facts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument("--network", type=Path, action="append", default=[], help="GraphML file of one more network")
    options = BENCHMARK.parse(parser, arguments)
    topologies = [sparse_network(30, 40) if options.quick else sparse_network()]
    topologies += [network(path) for path in options.network]
    BENCHMARK.report((row for topology in topologies for row in rows(topology, options.repeats)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
