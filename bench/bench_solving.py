"""Solving: the same program at the same tolerance, by vbte at HiGHS, through PuLP at HiGHS, by scipy's linprog.

    python bench/bench_solving.py [--quick]

Programs are built before the clock starts (see bench_building.py). All three end in HiGHS, so the ratio shows what
the way there costs: PuLP translates its objects in the call, linprog checks and copies. Objectives must agree to 1e-6.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from linear_programs import PULP, SCIPY, VBTE, program_of
from networks import FROM_TOPOHUB, gravity_instance, network, sparse_network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.topology import Topology

BENCHMARK = Benchmark("solving", "Solving one linear program by vbte, through PuLP and by scipy's linprog.")


def rows(topology: Topology, repeats: int) -> list[Result]:
    instance = gravity_instance(topology)
    contenders = [
        Contender(route.name, route.solve, lambda route=route: route.build(instance)) for route in (VBTE, PULP, SCIPY)
    ]
    timed = in_turns(contenders, repeats)
    program = program_of(instance)
    facts = {"rows": program.n_rows, "columns": program.n_columns, "objective": timed[VBTE.name].outcome}
    case = f"{topology.name}, {len(topology.nodes)} nodes"
    for route in (PULP, SCIPY):
        require_equal(f"{case}: objective of {route.name}", timed[VBTE.name].outcome, timed[route.name].outcome)
    return [Result(case, route.name, timed[VBTE.name], timed[route.name], facts) for route in (PULP, SCIPY)]


def main(arguments: Sequence[str] | None = None) -> None:
    options = BENCHMARK.parse(BENCHMARK.options(repeats=3), arguments)
    topologies = [
        network(name) for nodes, name in FROM_TOPOHUB.items() if nodes in ((22,) if options.quick else (50, 143))
    ]
    if not options.quick:
        topologies.append(sparse_network())
    BENCHMARK.report((row for topology in topologies for row in rows(topology, options.repeats)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
