"""Classes: gold before silver before the rest, strictly, with a gap for each.

    python bench/bench_classes.py [--quick] [--network FILE ...] [--patience 120] [--gap 0.01]

Every demand is three: gold has 10 % of the volume, silver 30 %, best effort the rest; priorities 1, 2 and 3. vbte
plans all classes at once, a lower one never taking from a higher one. The competitor serves them one after another:
the 4-path program of a class, without crossover, on what the ones before have left. Demands, check, processes and
restarts as in bench_scale.py; the check adds up each class by itself and all loads together.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import alone
import numpy as np
from bench_scale import engine_name, options_of
from competitors.four_paths import CHOICES
from competitors.path_program import by_highs, program
from competitors.question import SLACK, FloatArray, Objective, PathFlows, Question, Watch, check
from competitors.repair import fitted
from contenders import Case, profile
from protocol import Benchmark, Result, Timed
from runs import Record, Runs, content, sources_of_vbte

import vbte
from vbte.demands import AttributeColumn, DemandMatrix

BENCHMARK = Benchmark("classes", "Three classes in strict priority at once, against path programs class after class.")
SHARES = {"gold": 0.1, "silver": 0.3, "best-effort": 0.6}
MODEL = {
    "extends": "max-throughput",
    "name": "three-classes",
    "stages": [{"kind": "admitted"}],
    "classes": [{"name": name, "priority": place + 1} for place, name in enumerate(SHARES)],
    "default_class": "best-effort",
}
CONTENDERS = {"vbte": "vbte", "paths": "4 paths, HiGHS without crossover, class after class"}


def by_class(demands: DemandMatrix) -> DemandMatrix:
    """Return each demand as three, one a class."""
    n_demands = len(demands)
    column = AttributeColumn(np.repeat(np.arange(len(SHARES), dtype=np.int32), n_demands), tuple(SHARES))
    return DemandMatrix(
        demands.node_ids,
        np.tile(demands.source, len(SHARES)),
        np.tile(demands.destination, len(SHARES)),
        np.concatenate([share * demands.volume_gbps for share in SHARES.values()]),
        attributes={"class": column},
    )


def questions(case: Case) -> list[Question]:
    """Return the question of each class as if it were alone."""
    return [replace(case.question, volume=share * case.question.volume) for share in SHARES.values()]


def by_vbte(case: Case, spec: Record, watch: Watch) -> tuple[list[PathFlows], Record]:
    """Return the flows of each class in vbte's plan, and what its certificates say."""
    settings = profile(engine=spec["engine"], gap=spec["gap"], time_limit_s=spec["patience_s"])
    plan = vbte.optimize(case.topology, by_class(case.demands), model=MODEL, solver=settings)
    notes = {
        "seconds": watch.seconds,
        "engine": plan.engine.engine,
        "gaps": [certificate.gap for certificate in plan.certificates],
    }
    instance, question = plan.instance, case.question
    position = np.full((question.n_nodes, question.n_nodes), -1)
    position[question.source, question.destination] = np.arange(question.n_demands)
    demand = position[instance.source, instance.destination][plan.paths.commodity]
    names = [rule.policy.name for rule in instance.rules]
    of_path = np.array([list(SHARES).index(name) for name in names])[instance.class_index[plan.paths.commodity]]
    flows = PathFlows(plan.paths.start, plan.paths.links, demand, plan.flow_gbps)
    return [replace(flows, flow=np.where(of_path == place, flows.flow, 0.0)) for place in range(len(SHARES))], notes


def by_paths(case: Case, spec: Record, watch: Watch) -> tuple[list[PathFlows], Record]:
    """Return the flows of each class by a program of its own on what is left."""
    choice = CHOICES[spec["paths"]](case.question)
    left = np.array(case.question.capacity)
    found = []
    for asked in questions(case):
        columns = by_highs(program(asked, choice, left), watch.left)
        if columns is None:
            break
        room = replace(asked, capacity=np.maximum(left, 1e-12))
        found.append(fitted(room, choice.with_flow(columns * asked.volume.mean())))
        left = np.maximum(left - load_of(case.question, found[-1]), 0.0)
    return found, {"seconds": watch.seconds}


def load_of(question: Question, flows: PathFlows) -> FloatArray:
    """Return the load of each link."""
    return np.bincount(flows.links, weights=np.repeat(flows.flow, np.diff(flows.start)), minlength=question.n_links)


def admitted(case: Case, flows: Sequence[PathFlows]) -> tuple[list[float], str]:
    """Return the share of each class that is admitted by the common check, and a fault if one is found."""
    shares = []
    for asked, found in zip(questions(case), flows, strict=True):
        verdict = check(asked, found)
        if verdict.value is None:
            return [], verdict.fault
        shares.append(verdict.value / float(asked.volume.sum()))
    total = np.sum([load_of(case.question, found) for found in flows], axis=0)
    over = float((total / case.question.capacity).max())
    return shares, "" if over <= 1 + SLACK else f"a link carries {over:.4g} of its capacity"


def contend(spec: Record, ready: Callable[[], None], report: Callable[[Record], None]) -> None:
    """The task of one contender."""
    warnings.simplefilter("ignore")
    case = Case(spec["network"], Objective.ADMITTED, spec["times"], spec["seed"], spec["capacity_unit"])
    watch = Watch(case.question, spec["patience_s"])
    ready()
    watch = Watch(case.question, spec["patience_s"])
    flows, notes = (by_vbte if spec["contender"] == "vbte" else by_paths)(case, spec, watch)
    shares, fault = admitted(case, flows) if len(flows) == len(SHARES) else ([], "not every class is planned")
    facts = {"name": case.topology.name, "nodes": case.question.n_nodes, "demands": 3 * case.question.n_demands}
    report({**facts, "seconds": notes["seconds"], "shares": shares, "fault": fault, "notes": notes})


def ran(runs: Runs, options: argparse.Namespace, network: str, contender: str, repeat: int) -> Record:
    spec = {
        "network": network,
        "contender": contender,
        "times": options.times,
        "seed": options.seed,
        "capacity_unit": options.capacity_unit,
        "patience_s": options.patience,
        "gap": options.gap,
        "engine": options.engine,
        "paths": options.paths,
    }
    settings = {**spec, "network": content(network), "vbte": sources_of_vbte() if contender == "vbte" else ""}
    name = Path(network).stem if Path(network).is_file() else network
    return runs.once(
        f"{name}.{contender}.{repeat}",
        settings,
        lambda: alone.run("bench_classes:contend", spec, patience_s=options.patience, memory_gb=options.memory_gb),
    )


def row(runs: Runs, options: argparse.Namespace, network: str) -> Iterator[Result]:
    """Yield the row of one network; none if vbte has nothing to show."""
    found: dict[str, list[Record]] = {name: [] for name in CONTENDERS}
    for repeat in range(options.repeats):
        for name, so_far in found.items():
            so_far.append(ran(runs, options, network, name, repeat))
    ours, theirs = found["vbte"][-1], found["paths"][-1]
    if not ours.get("shares"):
        print(f"{network}: vbte has nothing to show: {ours}", file=sys.stderr)
        return
    facts: dict[str, Any] = {"nodes": ours["nodes"], "demands": ours["demands"]}
    facts |= {f"gap_{name}": gap for name, gap in zip(SHARES, ours["notes"]["gaps"], strict=True)}
    facts |= {f"admitted_{name}": share for name, share in zip(SHARES, ours["shares"], strict=True)}
    facts |= {f"it_admits_{name}": share for name, share in zip(SHARES, theirs.get("shares", ()), strict=False)}
    facts |= {"MB": ours["peak_mb"], "its_MB": theirs["peak_mb"]}
    label = CONTENDERS["paths"]
    seconds = tuple(run["seconds"] for run in found["paths"] if run.get("shares"))
    if not seconds:
        label, seconds = f"{label} (stopped after {options.patience:g} s)", (options.patience,)
    ours_s = Timed(tuple(run["seconds"] for run in found["vbte"]), None)
    yield Result(ours["name"], label, ours_s, Timed(seconds, None), facts, ours_name=engine_name(ours))


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments, benchmark=BENCHMARK)
    runs = Runs(None if options.out is None else options.out / "runs" / BENCHMARK.name, fresh=options.fresh)
    BENCHMARK.report((found for network in options.networks for found in row(runs, options, network)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
