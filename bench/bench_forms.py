"""Forms: link flows by destination against generated path columns, by number of demands.

    python bench/bench_forms.py [--quick]

The same network and model with ever more random demands. The ratio is time with path columns over time with link
flows; where it crosses 1 is where vbte should change forms (``COMMODITIES_PER_LINK_FLOW`` in vbte/allocate/forms.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from linear_programs import PROFILE, first_stage
from networks import FROM_TOPOHUB, gravity, network
from protocol import Benchmark, Contender, Result, in_turns, require_equal

from vbte.allocate.exact import StagedProgram, Tools
from vbte.allocate.forms import Forms, first_paths
from vbte.catalogue import load_model
from vbte.demands import DemandMatrix
from vbte.formulation.layout import build_layout
from vbte.instance import Instance, build_instance
from vbte.oracle import routable
from vbte.solve import Deadline
from vbte.topology import Topology

BENCHMARK = Benchmark("forms", "The same model as link flows by destination and as generated path columns.")
#: Models, and the load they are tried at: a moderate one, and one of which much has to be cut.
LOADS = {"min-mlu": 0.3, "max-throughput": 1.5}


def some_demands(topology: Topology, count: int, load_share: float) -> DemandMatrix:
    """Return ``count`` of the network's gravity demands, scaled up to the same total."""
    every = gravity(topology, load_share=load_share)
    chosen = np.sort(np.random.default_rng(2).choice(len(every), size=min(count, len(every)), replace=False))
    volume = every.volume_gbps[chosen]
    return DemandMatrix(
        every.node_ids, every.source[chosen], every.destination[chosen], volume * (every.total_gbps / volume.sum())
    )


def first_stage_value(instance: Instance, path_classes: frozenset[int]) -> float:
    """Return the optimum of the model's first stage with the given classes in path columns."""
    oracle, shortest = routable(instance)
    problem = first_stage(instance)
    forms = Forms(path_classes, frozenset(), generated=True)
    layout = build_layout(problem, oracle, path_classes)
    tools = Tools(oracle, PROFILE, Deadline(), lambda _: None)
    program = StagedProgram(tools, layout, first_paths(problem, oracle, shortest, forms), forms.generated)
    value = program.solve_stage(problem).value
    assert value is not None
    return value


def row(topology: Topology, model: str, count: int, repeats: int) -> Result:
    instance = build_instance(topology, [some_demands(topology, count, LOADS[model])], load_model(model))
    timed = in_turns(
        [
            Contender("link flows", lambda _: first_stage_value(instance, frozenset())),
            Contender("path columns", lambda _: first_stage_value(instance, frozenset([0]))),
        ],
        repeats,
    )
    values = [timing.outcome for timing in timed.values()]
    require_equal(f"{model} with {count} demands", *values, share=1e-5)
    link_flows = len(np.unique(instance.destination)) * len(topology.links)
    facts = {"demands": instance.n_commodities, "demands_per_link_flow": instance.n_commodities / link_flows}
    case = f"{topology.name}, {model}, {instance.n_commodities} demands"
    return Result(case, "path columns", *timed.values(), facts, ours_name="link flows")


def main(arguments: Sequence[str] | None = None) -> None:
    options = BENCHMARK.parse(BENCHMARK.options(repeats=3), arguments)
    topology = network(FROM_TOPOHUB[22]) if options.quick else network("gabriel/100/0")
    counts = [10, 100] if options.quick else [300, 1000, 3000, 6000]
    rows = (row(topology, model, count, options.repeats) for model in LOADS for count in counts)
    BENCHMARK.report(rows, options)


if __name__ == "__main__":
    main(sys.argv[1:])
