"""Max-min fairness at scale: how fair, how soon, and what is proven.

    python bench/bench_fairness.py [--quick] [--only-networks NAME ...] [--network FILE ...] [--patience 120]

Demands as in bench_scale.py, 15 times what hop-shortest paths carry; every pair gets the same Gbit/s until links stop
it. The competitors: geometric binning as SWAN does it (Hong et al. 2013; alpha 2, its authors' choice), a program over
four paths a demand for each bin, by scipy's linprog; and vbte's own exact engine, a sequence of programs over all
paths. ``mean`` and ``5 %`` compare each demand's volume with the exact one where that is known, else with vbte's;
``factor`` is what vbte's prices prove (models/README.md). Everybody has the same arrays; inputs are not timed; CPU
seconds. A competitor that is not done after ``--patience`` seconds is stopped between two programs and named so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from competitors.four_paths import by_trees
from competitors.question import FloatArray, Objective, Question
from contenders import Case
from protocol import Benchmark, Result, Timed
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

import vbte
from vbte.plan import Plan
from vbte.solve import SolverProfile

BENCHMARK = Benchmark("fairness", "Max-min fair volumes for all pairs, against geometric binning and exact levels.")
NETWORKS = ["abilene", "sndlib/germany50", "gabriel/100/0", "gabriel/200/0"]
MODEL = {"extends": "max-min-fair", "name": "fair", "stages": [{"kind": "max_min"}]}

#: Ratio of one bin to the next in SWAN.
ALPHA = 2.0

#: Share of its cap from which on a demand counts as having it, and of what it had that it keeps.
REACHED = 1.0 - 1e-6


def planned(case: Case, engine: str, patience_s: float) -> tuple[Plan, float]:
    """Return vbte's plan and CPU seconds."""
    started = time.process_time()
    profile = SolverProfile.model_validate({"name": "fairness", "engine": engine, "time_limit_s": patience_s})
    found = vbte.optimize(case.topology, case.demands, model=MODEL, solver=profile)
    return found, time.process_time() - started


def binned(question: Question, patience_s: float) -> tuple[FloatArray, float, bool]:
    """Return volumes by geometric binning over four paths, CPU seconds, and whether it came to its end."""
    started = time.process_time()
    choice = by_trees(question)
    n_paths = len(choice.demand)
    owner = np.repeat(np.arange(n_paths), np.diff(choice.start))
    load = coo_array((np.ones(len(owner)), (choice.links, owner)), shape=(question.n_links, n_paths))
    volume_of = coo_array((np.ones(n_paths), (choice.demand, np.arange(n_paths))))
    rows = vstack([load, volume_of, -volume_of]).tocsc()
    # The least that any link gives each of those who may cross it.
    crossing = np.bincount(choice.links, minlength=question.n_links)
    level = float((question.capacity / np.maximum(crossing, 1)).min())
    volume, frozen = np.zeros(question.n_demands), np.zeros(question.n_demands, dtype=np.bool_)
    done = False
    while not done and time.process_time() - started < patience_s:
        cap = np.where(frozen, volume, np.minimum(question.volume, level))
        upper = np.concatenate([question.capacity, cap, -volume * REACHED])
        unit = float(cap.mean())
        answer = linprog(-np.ones(n_paths), rows, upper / unit, bounds=(0, None), method="highs-ipm")
        if answer.x is None:
            break
        volume = np.minimum(volume_of @ answer.x * unit, cap)
        frozen |= (volume < cap * REACHED) | (volume >= question.volume * REACHED)
        level *= ALPHA
        done = bool(frozen.all())
    return volume, time.process_time() - started, done


def carried(plan: Plan) -> FloatArray:
    """Return what the plan carries of each commodity, Gbit/s, (K,)."""
    return np.asarray(plan.admitted_share * plan.instance.peak_gbps)


def compared(volume: FloatArray, reference: FloatArray) -> dict[str, float]:
    """Return the mean and the lowest 5 % of volumes as shares of a reference's."""
    share = volume / np.maximum(reference, 1e-12)
    return {"mean": float(share.mean()), "5 %": float(np.quantile(share, 0.05))}


def results(name: str, patience_s: float, seed: int) -> Iterator[Result]:
    """Yield a row for each competitor on one network."""
    case = Case(name, Objective.ADMITTED, seed=seed)
    ours, seconds = planned(case, "price-directed", patience_s * 10)
    factor, gap = ours.certificates[0].fairness, ours.certificates[0].gap
    exact, exact_s = planned(case, "exact", patience_s)
    ended = exact.certificates[0].gap is not None and exact.certificates[0].gap < 1e-5
    reference = carried(exact) if ended else carried(ours)
    facts: dict[str, Any] = {
        "demands": ours.instance.n_commodities,
        "factor": None if factor is None else factor.factor,
        "certified_gap": gap,
    }
    theirs, their_s, done = binned(case.question, patience_s)
    for competitor, volume, spent, whole in (
        ("exact levels", carried(exact), exact_s, ended),
        ("geometric binning, 4 paths, linprog", theirs, their_s, done),
    ):
        mine, its = compared(carried(ours), reference), compared(volume, reference)
        more = {"mean": mine["mean"], "5_%": mine["5 %"], "its_mean": its["mean"], "its_5_%": its["5 %"]}
        label = competitor if whole else f"{competitor} (stopped)"
        yield Result(
            f"{name}, {len(case.topology.nodes)} nodes", label, Timed((seconds,), None), Timed((spent,), None),
            facts | (more if whole else {}),
        )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = BENCHMARK.options(repeats=1)
    parser.add_argument("--only-networks", nargs="+", default=NETWORKS, metavar="NAME")
    parser.add_argument("--network", action="append", default=[], metavar="FILE", help="a file besides these")
    parser.add_argument("--patience", type=float, default=120.0, help="CPU seconds for a competitor (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = BENCHMARK.parse(parser, arguments)
    names = NETWORKS[:1] if options.quick else [*options.only_networks, *map(str, map(Path, options.network))]
    BENCHMARK.report((row for name in names for row in results(name, options.patience, options.seed)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
