"""Building: from demands and links in arrays to the program that a solver is called with.

    python bench/bench_building.py [--quick]

The program is min-mlu in link flows by destination, all pairs. vbte's time includes handing it to HiGHS; PuLP's ends
with its objects and scipy's with the arrays linprog wants, both made from vbte's arrays, so both include vbte's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from linear_programs import PULP, SCIPY, VBTE, program_of
from networks import FROM_TOPOHUB, gravity_instance, network, sparse_network
from protocol import Benchmark, Contender, Result, in_turns

from vbte.topology import Topology

BENCHMARK = Benchmark("building", "Building a linear program as arrays at HiGHS, as PuLP objects, and for linprog.")


def rows(topology: Topology, repeats: int) -> list[Result]:
    instance = gravity_instance(topology)
    contenders = [Contender(route.name, lambda _, route=route: route.build(instance)) for route in (VBTE, PULP, SCIPY)]
    timed = in_turns(contenders, repeats)
    program = program_of(instance)
    facts = {"rows": program.n_rows, "columns": program.n_columns, "nonzeros": int(program.matrix.nnz)}
    case = f"{topology.name}, {len(topology.nodes)} nodes"
    return [Result(case, route.name, timed[VBTE.name], timed[route.name], facts) for route in (PULP, SCIPY)]


def main(arguments: Sequence[str] | None = None) -> None:
    options = BENCHMARK.parse(BENCHMARK.options(), arguments)
    topologies = [
        network(name) for nodes, name in FROM_TOPOHUB.items() if nodes in ((22,) if options.quick else (50, 143))
    ]
    if not options.quick:
        topologies.append(sparse_network())
    BENCHMARK.report((row for topology in topologies for row in rows(topology, options.repeats)), options)


if __name__ == "__main__":
    main(sys.argv[1:])
