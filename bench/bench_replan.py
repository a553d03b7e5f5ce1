"""Re-planning: from the plan in force, against from nothing, to the same certified gap.

    python bench/bench_replan.py [--quick] [--network FILE ...] [--patience 120] [--gap 0.01]

Two changes, each on its own: every demand moved by log-normal noise of sigma 0.1, and the busiest cable whose loss
leaves all pairs connected drained. ``vbte.optimize(..., previous=plan)`` and ``vbte.optimize(...)`` take turns in one
process, after the plan in force has been made; the ratio is cold over warm. Demands, check and restarts as in
bench_scale.py.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import alone
import numpy as np
from bench_scale import options_of
from competitors.question import Objective, check
from competitors.trees import Arcs
from contenders import MODELS, Case, flows_of, profile
from protocol import Benchmark, Result, Timed
from runs import Record, Runs, content, sources_of_vbte

import vbte
from vbte.plan import Plan

BENCHMARK = Benchmark("replan", "Re-planning from the plan in force, against planning from nothing.")
CHANGES = ("demands moved by 10 %", "a cable drained")
NOISE_SIGMA, NOISE_SEED = 0.1, 2

#: The argument that hands over the plan in force. Without it in this vbte, warm is cold, and rows say so.
PREVIOUS = "previous"
KNOWS_PREVIOUS = PREVIOUS in inspect.signature(vbte.optimize).parameters


def changed(case: Case, change: str, before: Plan) -> Case:
    """Return the case after a change."""
    after = replace(case)
    if change == CHANGES[0]:
        noise = np.random.default_rng(NOISE_SEED).lognormal(sigma=NOISE_SIGMA, size=len(case.demands))
        moved = replace(case.demands, volume_gbps=case.demands.volume_gbps * noise)
        after.__dict__.update(topology=case.topology, demands=moved)
    else:
        gone = busiest_spare_cable(case, before)
        links = tuple(replace(link, drained=True) if link.cable == gone else link for link in case.topology.links)
        after.__dict__.update(topology=replace(case.topology, links=links), demands=case.demands)
        # Nothing may be left on drained links: for the check they have no capacity to speak of.
        capacity = np.where(after.topology.usable, case.topology.capacity_gbps, 1e-9)
        after.__dict__["question"] = replace(case.question, capacity=capacity)
    return after


def busiest_spare_cable(case: Case, plan: Plan) -> str | None:
    """Return the cable with the most load that every pair can do without."""
    cables = np.array([link.cable or link.id for link in case.topology.links])
    load: dict[str, float] = {}
    for cable, gbps in zip(cables.tolist(), plan.link_load_gbps[0].tolist(), strict=True):
        load[cable] = load.get(cable, 0.0) + gbps
    for cable in sorted(load, key=lambda cable: (-load[cable], cable)):
        kept = np.flatnonzero(cables != cable)
        arcs = Arcs(len(case.topology.nodes), case.topology.tail[kept], case.topology.head[kept])
        if np.isfinite(arcs.trees(np.ones(len(kept))).distance).all():
            return cable
    return None


def replan(spec: Record, ready: Callable[[], None], report: Callable[[Record], None]) -> None:
    """The task: plan, change something, plan again from that plan and from nothing, in turns."""
    warnings.simplefilter("ignore")
    case = Case(spec["network"], Objective(spec["objective"]), spec["times"], spec["seed"], spec["capacity_unit"])
    settings = profile(engine=spec["engine"], gap=spec["gap"], time_limit_s=spec["patience_s"])

    def plan(of: Case, **more: object) -> Plan:
        return vbte.optimize(of.topology, of.demands, model=MODELS[of.objective], solver=settings, **more)

    before = plan(case)
    after = changed(case, spec["change"], before)
    ways = {"warm": {PREVIOUS: before} if KNOWS_PREVIOUS else {}, "cold": {}}
    record: Record = {
        "name": case.topology.name,
        "nodes": len(case.topology.nodes),
        "demands": len(case.demands),
        "engine": before.engine.engine,
        **{way: {"seconds": []} for way in ways},
    }
    ready()
    for _ in range(spec["repeats"]):
        for way, more in ways.items():
            gc.collect()
            started = time.perf_counter()
            found = plan(after, **more)
            record[way]["seconds"].append(time.perf_counter() - started)
            verdict = check(after.question, flows_of(found, after.question))
            record[way] |= {"value": verdict.value, "fault": verdict.fault, "gap": found.certificates[0].gap}
            report(record)


def row(runs: Runs, options: argparse.Namespace, network: str, objective: Objective, change: str) -> Iterator[Result]:
    """Yield the row of one change on one network; none if one of the ways has nothing to show."""
    spec = {
        "network": network,
        "objective": objective,
        "change": change,
        "times": options.times,
        "seed": options.seed,
        "capacity_unit": options.capacity_unit,
        "patience_s": options.patience,
        "gap": options.gap,
        "engine": options.engine,
        "repeats": options.repeats,
    }
    settings = {**spec, "network": content(network), "vbte": sources_of_vbte()}
    patience_s = 2 * options.repeats * options.patience
    name = Path(network).stem if Path(network).is_file() else network
    run = runs.once(
        f"{name}.{objective}.{change.replace(' %', '')}",
        settings,
        lambda: alone.run("bench_replan:replan", spec, patience_s=patience_s, memory_gb=options.memory_gb),
    )
    warm, cold = run.get("warm", {}), run.get("cold", {})
    if not (warm.get("seconds") and cold.get("seconds")) or warm["fault"] or cold["fault"]:
        print(f"{network}, {objective}, {change}: nothing to compare: {run}", file=sys.stderr)
        return
    facts = {
        "nodes": run["nodes"],
        "demands": run["demands"],
        "certified_gap": warm["gap"],
        "its_certified_gap": cold["gap"],
        "value_over_its_value": warm["value"] / cold["value"] if cold["value"] else None,
        "MB_of_both": run["peak_mb"],
    }
    ours_name = "from the plan in force" if KNOWS_PREVIOUS else "from nothing: this vbte takes no previous plan"
    yield Result(
        f"{run['name']}, {objective}, {change}",
        "from nothing",
        Timed(tuple(warm["seconds"]), None),
        Timed(tuple(cold["seconds"]), None),
        facts,
        ours_name=ours_name,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments, benchmark=BENCHMARK, more=lambda parser: parser.set_defaults(repeats=3))
    runs = Runs(None if options.out is None else options.out / "runs" / BENCHMARK.name, fresh=options.fresh)
    objectives = [Objective(options.objective)] if options.objective else list(Objective)
    cases = (
        (network, objective, change) for network in options.networks for objective in objectives for change in CHANGES
    )
    BENCHMARK.report((found for case in cases for found in row(runs, options, *case)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
