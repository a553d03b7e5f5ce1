"""Few changes: what a re-plan reaches that may change so many next-hop groups, against one that may change all.

    python bench/bench_few_changes.py [--quick] [--network NAME|FILE ...] [--share 0.01 ...] [--most 5]

A plan of all pairs under class-aware, which admits what fits, and its tables; ``--most`` single cables fail, each by
itself. Contenders re-plan each, write it as a delta against the tables and walk that with the cable down. The rows say
how many groups change, what share arrives of what no plan can beat, and what share the devices bring there by
themselves, at worst over the cables; the time is that of all cables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from networks import FROM_TOPOHUB, gravity, named_network
from protocol import Benchmark, Contender, Result, in_turns

from vbte.api import optimize
from vbte.catalogue import load_model
from vbte.delta import count_changes
from vbte.failover import Replan, Replanning, ScenarioSet, family, what_if
from vbte.failover.replan import replan_each
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.tables import Tables, build_tables
from vbte.topology import Topology

BENCHMARK = Benchmark("few_changes", "Re-plans that change few next-hop groups, against those that may change all.")

SOLVER = {"name": "a-percent", "engine": "auto", "gap": 0.01}


def replanned(plan: Plan, tables: Tables, scenarios: ScenarioSet, limit: int | None) -> list[Replan]:
    """Return the re-plan of each scenario, with its delta."""
    how = Replanning(SOLVER, deltas=True, max_changed_groups=limit)
    found = [one for (one,) in replan_each(plan, tables, scenarios, how)]
    for one in found:
        if one.fault or one.astray:
            raise SystemExit(f"a re-plan does not hold: {one.fault or one.astray[0]}")
    return found


def worst(found: Sequence[Replan]) -> dict[str, float]:
    """Return the most groups changed, and the least share that arrives of what no plan can beat."""
    first = [one.stages[0] for one in found]
    return {
        "groups": max(one.groups.total for one in found if one.groups is not None),
        "share_of_bound": min(stage.value / stage.bound for stage in first if stage.bound),
    }


def by_devices(plan: Plan, tables: Tables, scenarios: ScenarioSet, found: Sequence[Replan]) -> float:
    """Return the least share of the bound that arrives after the devices' own repair."""
    arrives = what_if(plan, tables, scenarios).repair.delivered_gbps.sum(axis=0)
    bounds = np.array([one.stages[0].bound for one in found], dtype=float)
    return float((arrives / bounds).min())


def rows(
    topology: Topology, realisation: Realisation, shares: Sequence[float], most: int, repeats: int
) -> list[Result]:
    model = load_model("class-aware")
    kept = model.tables.model_copy(update={"realisation": realisation})
    plan = optimize(topology, gravity(topology), model=model.model_copy(update={"tables": kept}), solver=SOLVER)
    tables = build_tables(plan)
    scenarios = ScenarioSet(topology, family(topology, "cable").scenarios[:most])
    n_groups = count_changes(tables, tables).of
    limits = {f"{share:.1%} of the groups": round(share * n_groups) for share in shares}
    contenders = [Contender("all", lambda _: replanned(plan, tables, scenarios, None))]
    contenders += [
        Contender(name, lambda _, limit=limit: replanned(plan, tables, scenarios, limit))  # type: ignore[misc]
        for name, limit in limits.items()
    ]
    timed = in_turns(contenders, repeats)
    case = f"{topology.name}, {len(topology.nodes)} nodes, {realisation}"
    whole = {f"all_{name}": figure for name, figure in worst(timed["all"].outcome).items()}
    whole["devices_share_of_bound"] = by_devices(plan, tables, scenarios, timed["all"].outcome)
    return [
        Result(
            f"{case}, {name}", "the re-plan that may change all", timed[name], timed["all"],
            {"of_groups": n_groups, "limit": limit, **worst(timed[name].outcome), **whole, "cables": len(scenarios)},
        )
        for name, limit in limits.items()
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = BENCHMARK.options(repeats=3)
    parser.add_argument(
        "--network", action="append", dest="networks", metavar="NAME|FILE", help="(50 nodes of topohub)"
    )
    parser.add_argument("--share", action="append", dest="shares", type=float, help="of the groups (0.01, 0.05)")
    parser.add_argument("--most", type=int, default=5, help="cables that fail, one by one (%(default)s)")
    options = BENCHMARK.parse(parser, arguments)
    networks = options.networks or [FROM_TOPOHUB[22 if options.quick else 50]]
    shares, most = options.shares or [0.01, 0.05], 1 if options.quick else options.most
    cases = ((named_network(name), realisation) for name in networks for realisation in Realisation)
    found = (row for case in cases for row in rows(*case, shares, most, options.repeats))
    BENCHMARK.report(found, options)


if __name__ == "__main__":
    main(sys.argv[1:])
