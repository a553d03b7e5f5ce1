"""Robust plans: all that is admitted survives every single cable, against two ways to the same promise.

    python bench/bench_robust.py [--quick] [--network NAME|FILE ...] [--load 0.6]

All pairs, gravity demands, one `admitted` stage, one class of `{kind: robust, against: cable}`; what a bridge cuts off
is exempt. Ours prices sets of disjoint routes: exact over all paths. Against it: the same promise by rows, added
where a solution breaks them, and paths, priced one commodity at a time (as vbte does where sets do not say it all); and
forward fault correction as published, four shortest paths for each demand and a row for every scenario that takes one
of them, handed whole to scipy. Quality is the volume admitted with the promise, as a share of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from networks import gravity, named_network
from protocol import Benchmark, Contender, Result, in_turns
from scipy.optimize import linprog
from scipy.sparse import coo_array

from vbte.allocate.forms import candidate_set
from vbte.api import optimize
from vbte.demands import DemandMatrix
from vbte.instance import build_instance
from vbte.oracle import PathOracle
from vbte.policy import CandidateKind, CandidatePaths, PlanningModel
from vbte.protection.survival import Survival
from vbte.topology import Topology

BENCHMARK = Benchmark("robust", "Plans that survive every single cable, against rows for scenarios and fixed tunnels.")

NETWORKS = ("sndlib/polska", "sndlib/nobel-eu", "sndlib/germany50")

#: Paths that forward fault correction may use for each demand.
TUNNELS = 4

#: Rows and paths take minutes beyond.
MOST_NODES_BY_ROWS = 30


@dataclass(frozen=True)
class Question:
    """A network, its demands, and the largest number of hops a path can have."""

    topology: Topology
    demands: DemandMatrix

    def model(self, **rules: int) -> PlanningModel:
        """The model: one robust class."""
        protection = {"kind": "robust", "against": "cable", "where_impossible": "exempt"}
        return PlanningModel.model_validate(
            {
                "schema": "vbte.model/1",
                "name": "robust",
                "stages": [{"kind": "admitted"}],
                "coupling": "sequential",
                "classes": [{"name": "default", "protection": protection, **rules}],
            }
        )


def by_sets(question: Question) -> float:
    """Return the volume that ours promises."""
    return float(optimize(question.topology, question.demands, model=question.model()).admitted_gbps.sum())


def by_rows(question: Question) -> float:
    """Return the volume by rows and paths: a bound that no path breaks makes each path a matter of its own."""
    model = question.model(hop_bound=len(question.topology.nodes))
    return float(optimize(question.topology, question.demands, model=model).admitted_gbps.sum())


def by_tunnels(question: Question) -> float:
    """Return the volume by fixed tunnels, all scenarios spelled out."""
    instance = build_instance(question.topology, [question.demands], question.model())
    oracle = PathOracle(instance)
    survival = Survival(oracle, 0)
    paths = candidate_set(
        oracle, np.arange(instance.n_commodities), CandidatePaths(kind=CandidateKind.K_SHORTEST, k=TUNNELS)
    )
    n_paths, n_links, n_commodities = len(paths), len(question.topology.links), instance.n_commodities
    hits = survival.path_hits(paths).tocoo()
    severed = survival.severed.toarray() > 0
    pair = paths.commodity[hits.coords[0]].astype(np.int64) * len(survival.scenarios) + hits.coords[1]
    pairs, at = np.unique(pair, return_inverse=True)
    owner = pairs // len(survival.scenarios)
    counts = ~severed[owner, pairs % len(survival.scenarios)]
    # Rows: links; then admitted - reserved <= 0 with nothing down; then plus what each scenario takes.
    every = np.arange(n_commodities)
    base, rows = n_links + n_commodities, n_links + n_commodities + len(pairs)
    first = np.searchsorted(paths.commodity, owner, side="left")
    count = np.searchsorted(paths.commodity, owner, side="right") - first
    row_of = np.repeat(np.arange(len(pairs)), count)
    path_of = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(len(row_of))
    entries = [
        (paths.links, np.repeat(np.arange(n_paths), paths.hops), 1.0),
        (n_links + paths.commodity, np.arange(n_paths), -1.0),
        (n_links + every, n_paths + every, 1.0),
        (base + row_of, path_of, -1.0),
        (base + at, hits.coords[0], 1.0),
        (base + np.arange(len(pairs)), n_paths + owner, 1.0),
    ]
    values = np.concatenate([np.full(len(row), value) for row, _, value in entries])
    where = tuple(np.concatenate([part[axis] for part in entries]) for axis in (0, 1))
    matrix = coo_array((values, where), shape=(rows, n_paths + n_commodities)).tocsr()
    limits = np.concatenate([question.topology.capacity_gbps, np.zeros(n_commodities + len(pairs))])
    limits[base:][~counts] = np.inf
    kept = np.isfinite(limits)
    cost = np.concatenate([np.zeros(n_paths), -np.ones(n_commodities)])
    bounds = [(0.0, None)] * n_paths + [(0.0, gbps) for gbps in instance.peak_gbps.tolist()]
    found = linprog(cost, A_ub=matrix[kept], b_ub=limits[kept], bounds=bounds, method="highs")
    return -float(found.fun or 0.0)


def rows(name: str, load: float, repeats: int) -> list[Result]:
    topology = named_network(name)
    question = Question(topology, gravity(topology, load_share=load))
    contenders = [Contender("sets", lambda _: by_sets(question)), Contender("tunnels", lambda _: by_tunnels(question))]
    if len(topology.nodes) <= MOST_NODES_BY_ROWS:
        contenders.append(Contender("rows", lambda _: by_rows(question)))
    timed = in_turns(contenders, repeats)
    ours = timed["sets"].outcome
    titles = {"rows": "rows where scenarios break them", "tunnels": f"{TUNNELS} tunnels, all scenarios spelled out"}
    facts = {"demands": len(question.demands), "offered_gbps": float(question.demands.volume_gbps.sum())}
    case = f"{topology.name}, {len(topology.nodes)} nodes"
    found = []
    for key, title in titles.items():
        if key not in timed:
            continue
        quality = {"ours_gbps": ours, "quality": timed[key].outcome / ours}
        found.append(Result(case, title, timed["sets"], timed[key], {**facts, **quality}))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument("--network", action="append", dest="networks", metavar="NAME|FILE", help="(three of topohub)")
    parser.add_argument("--load", type=float, default=0.6, help="share of all capacity asked for (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    networks = options.networks or (NETWORKS[:1] if options.quick else NETWORKS)
    found = (row for name in networks for row in rows(name, options.load, options.repeats))
    BENCHMARK.report(found, options)


if __name__ == "__main__":
    main(sys.argv[1:])
