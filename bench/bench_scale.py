"""Scale: the most volume, and the least MLU, from 12 nodes to as many as are given; quality against time.

    python bench/bench_scale.py [--quick] [--network FILE ...] [--patience 120] [--gap 0.01] [--only weights,pop]

Demands are gravity demands with log-normal masses, 15 times (``--times``) what hop-shortest paths carry. vbte plans to
a certified gap (``--gap``). Everybody gets the same arrays in a process of its own; inputs and imports are not timed.
One check, competitors/question.py, adds up everybody's flows: no contender's own word counts. The ratio is the time a
competitor takes until it has what vbte has, over vbte's; one that ends with less, or is stopped, is named so.

Ended runs are kept in results/runs/ and not repeated unless settings, libraries or vbte change (``--fresh``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import alone
from competitors.four_paths import CHOICES
from competitors.question import Objective
from contenders import CLOCKS, CONTENDERS, on_the_wall
from networks import FROM_TOPOHUB
from protocol import Benchmark, Result, Timed
from runs import Record, Runs, content, sources_of_vbte

BENCHMARK = Benchmark("scale", "A plan with a certified gap, against what else gives flows for all pairs.")
NETWORKS = ["abilene", *(name for nodes, name in FROM_TOPOHUB.items() if nodes < 200), "sparse-197"]
COMPETITORS = ("exact", "linprog", "highs", "pop", "weights", "netgraph")

#: Values count as equal when they differ by less than this share.
EQUAL = 1e-6
ENDS_WITH_LESS = "ends with less"


@dataclass(frozen=True)
class Ours:
    """vbte's runs on one case."""

    runs: tuple[Record, ...]

    @property
    def seconds(self) -> tuple[float, ...]:
        return tuple(run["seconds"] for run in self.runs)

    @property
    def last(self) -> Record:
        return self.runs[-1]

    @property
    def value(self) -> float:
        return float(self.last["series"][-1][1])


def settings_of(options: argparse.Namespace, network: str, objective: Objective, contender: str) -> Record:
    """Return what one contender is asked."""
    return {
        "network": network,
        "objective": objective,
        "contender": contender,
        "times": options.times,
        "seed": options.seed,
        "capacity_unit": options.capacity_unit,
        "patience_s": options.patience,
        "gap": options.gap,
        "engine": "exact" if contender == "exact" else options.engine,
        "paths": options.paths,
        "parts": options.parts,
        "clock": options.clock,
    }


def ran(runs: Runs, options: argparse.Namespace, spec: Record, repeat: int, goal: Record | None = None) -> Record:
    """Return one contender's run, from file if it is there. ``goal``: when a competitor may stop."""
    goal = goal or {}
    own_code = sources_of_vbte() if spec["contender"] in ("vbte", "exact") else ""
    settings = {**spec, "network": content(spec["network"]), "memory_gb": options.memory_gb, "vbte": own_code}
    name = f"{Path(spec['network']).stem if Path(spec['network']).is_file() else spec['network']}"

    def suits(run: Record) -> bool:
        """A run that stopped at an easier goal is no use."""
        if not run.get("satisfied") or not goal:
            return True
        value, mlu = run["series"][-1][1], spec["objective"] is Objective.MLU
        return run["seconds"] >= goal["least_s"] and (value <= goal["target"] if mlu else value >= goal["target"])

    return runs.once(
        f"{name}.{spec['objective']}.{spec['contender']}.{repeat}",
        settings,
        lambda: alone.run(
            "contenders:compete",
            {**spec, **goal},
            patience_s=on_the_wall(options.patience, spec["clock"]),
            memory_gb=options.memory_gb,
        ),
        suits,
    )


def rows(runs: Runs, options: argparse.Namespace, network: str, objective: Objective) -> Iterator[Result]:
    """Yield a row for each competitor on one case; none if vbte has nothing to show."""
    ours, theirs = [], {contender: [] for contender in options.contenders}
    for repeat in range(options.repeats):
        ours.append(ran(runs, options, settings_of(options, network, objective, "vbte"), repeat))
        if not ours[-1].get("series"):
            print(f"{network}, {objective}: vbte has nothing to show: {ours[-1]}", file=sys.stderr)
            return
        value = ours[-1]["series"][-1][1]
        goal = {
            "target": value * (1 + EQUAL if objective is Objective.MLU else 1 - EQUAL),
            "least_s": ours[-1]["seconds"],
        }
        for contender in theirs:
            spec = settings_of(options, network, objective, contender)
            theirs[contender].append(ran(runs, options, spec, repeat, goal))
    for contender, found in theirs.items():
        yield row(Ours(tuple(ours)), contender, found, objective, options.patience)


def row(ours: Ours, contender: str, runs: Sequence[Record], objective: Objective, patience_s: float) -> Result:
    """Return time at equal quality as a ratio, quality at equal time beside it, and both sides' memory."""
    last = runs[-1]
    times = [time_to(run, ours.value, objective) for run in runs]
    reached = [seconds for seconds in times if seconds is not None]
    end = quality(last, ours.value, objective)
    name = CONTENDERS[contender][0]
    if contender == "pop" and "parts" in last.get("notes", {}):
        name += f"-{last['notes']['parts']}"
    ending = "" if len(reached) == len(runs) else how_it_ended(last, patience_s, shown=end is not None)
    if not ending:
        timed = Timed(tuple(reached), None)
    elif ending == ENDS_WITH_LESS:
        timed = Timed(tuple(run["seconds"] for run in runs), None)
    else:
        timed = Timed((patience_s,), None)
    name += f" ({ending})" if ending else ""
    facts: dict[str, Any] = {
        "demands": ours.last["demands"],
        "certified_gap": ours.last["notes"]["gap"],
        "its_value_when_vbte_is_done": quality(last, ours.value, objective, within_s=Timed(ours.seconds, None).median),
        "its_value_at_its_end": end,
        "its_paths_s": last.get("notes", {}).get("paths_s") if contender not in ("exact", "vbte") else None,
        "MB": ours.last["peak_mb"],
        "its_MB": last["peak_mb"],
    }
    case = f"{ours.last['name']}, {ours.last['nodes']} nodes, {objective}"
    return Result(case, name, Timed(ours.seconds, None), timed, facts, ours_name=engine_name(ours.last))


def how_it_ended(run: Record, patience_s: float, *, shown: bool) -> str:
    """Return why a run does not have what vbte has."""
    if run["stopped"] == "memory":
        return "out of memory"
    if run["stopped"] not in ("", "patience"):
        return "failed"
    if run["stopped"] == "patience" or run["seconds"] >= 0.99 * patience_s:
        return f"stopped after {patience_s:g} s"
    return ENDS_WITH_LESS if shown else "nothing to show"


def engine_name(run: Record) -> str:
    """Return ``vbte``, and the engine beside it where it is not the one that this benchmark is about."""
    return "vbte" if run["notes"]["engine"] == "price-directed" else f"vbte, {run['notes']['engine']}"


def time_to(run: Record, value: float, objective: Objective) -> float | None:
    """Return the seconds until a run had at least ``value``, None if it never had."""
    enough = value * (1 + EQUAL) if objective is Objective.MLU else value * (1 - EQUAL)
    mlu = objective is Objective.MLU
    return next((s for s, reached in run.get("series", ()) if (reached <= enough if mlu else reached >= enough)), None)


def quality(run: Record, value: float, objective: Objective, *, within_s: float = float("inf")) -> float | None:
    """Return what a run had within some seconds as a share of ``value``, above 1 if better; None if it had nothing."""
    had = [reached for seconds, reached in run.get("series", ()) if seconds <= within_s]
    if not had:
        return None
    return value / had[-1] if objective is Objective.MLU else had[-1] / value


def options_of(
    arguments: Sequence[str] | None,
    *,
    benchmark: Benchmark = BENCHMARK,
    more: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> argparse.Namespace:
    """Return the options of this benchmark, or of one that asks the same questions and has ``more`` options."""
    parser = benchmark.options(repeats=1)
    parser.add_argument("--network", action="append", default=[], help="one more network: a file, or topohub's name")
    parser.add_argument("--only-networks", help="these instead of the usual ones, comma between them")
    parser.add_argument("--only", help=f"these competitors, comma between them: {', '.join(COMPETITORS)}")
    parser.add_argument("--objective", choices=[*Objective], help="one of the two questions (default: both)")
    parser.add_argument("--capacity-unit", default="Gbit/s", help="unit of capacities that state none (%(default)s)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that everybody has (%(default)s)")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall", help="what seconds are (%(default)s)")
    parser.add_argument("--memory-gb", type=float, default=16.0, help="memory that everybody has (%(default)s)")
    parser.add_argument("--gap", type=float, default=0.01, help="certified gap at which vbte stops (%(default)s)")
    parser.add_argument("--engine", default="price-directed", help="vbte's engine (%(default)s)")
    parser.add_argument("--times", type=float, default=15.0, help="load over what shortest paths carry (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the masses (%(default)s)")
    parser.add_argument("--paths", choices=sorted(CHOICES), default="trees", help="how the 4 paths are chosen")
    parser.add_argument("--parts", type=int, help="parts of POP (4, or 16 from 10,000 demands)")
    parser.add_argument("--fresh", action="store_true", help="measure again what is on file")
    more(parser)
    options = benchmark.parse(parser, arguments)
    if options.quick:
        options.patience = min(options.patience, 2.0)
    usual = options.only_networks.split(",") if options.only_networks else NETWORKS[:1] if options.quick else NETWORKS
    options.networks = [*usual, *options.network]
    options.contenders = options.only.split(",") if options.only else list(COMPETITORS)
    if "netgraph" in options.contenders and find_spec("ngraph") is None:
        print("NetGraph is not installed and left out: pip install ngraph", file=sys.stderr)
        options.contenders.remove("netgraph")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    runs = Runs(None if options.out is None else options.out / "runs" / BENCHMARK.name, fresh=options.fresh)
    objectives = [Objective(options.objective)] if options.objective else list(Objective)
    cases = ((network, objective) for network in options.networks for objective in objectives)
    BENCHMARK.report((found for case in cases for found in rows(runs, options, *case)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
