"""Who takes part at scale, by name, and the task that one of them does in a process of its own."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from competitors.question import Objective, PathFlows, Question, Watch
from networks import named_network, overload

import vbte
from vbte.demands import DemandMatrix
from vbte.errors import SolverError
from vbte.plan import Plan
from vbte.solve import SolverProfile
from vbte.topology import Topology

Record = dict[str, Any]

#: Keys of a solver profile that steer the engine. A key that this vbte does not have yet is left out.
ENGINE_KEYS = ("engine", "gap", "time_limit_s")

#: Models of one stage each: what the competitors answer, and no more.
MODELS: dict[Objective, Record] = {
    Objective.ADMITTED: {"extends": "max-throughput", "name": "most-volume", "stages": [{"kind": "admitted"}]},
    Objective.MLU: {"extends": "min-mlu", "name": "least-mlu", "stages": [{"kind": "max_utilization"}]},
}


#: What seconds are seconds of.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}

#: On a crowded machine a second of the processor may take this many on the wall.
CROWDED = 10.0


@dataclass(frozen=True)
class Case:
    """One network with one question about it, from a description in plain words and figures."""

    network: str
    objective: Objective
    times: float = 15.0
    seed: int = 1
    capacity_unit: str = "Gbit/s"

    @cached_property
    def topology(self) -> Topology:
        return named_network(self.network, capacity_unit=self.capacity_unit)

    @cached_property
    def demands(self) -> DemandMatrix:
        return overload(self.topology, times=self.times, seed=self.seed)

    @cached_property
    def question(self) -> Question:
        network, demands = self.topology, self.demands
        return Question(
            self.objective, len(network.nodes), network.tail, network.head, network.capacity_gbps,
            demands.source, demands.destination, demands.volume_gbps,
        )  # fmt: skip


def profile(*, engine: str, gap: float, time_limit_s: float) -> Record:
    """Return a solver profile as a mapping, without the keys that this vbte does not know."""
    wanted = {"engine": engine, "gap": gap, "time_limit_s": time_limit_s}
    known = [key for key in ENGINE_KEYS if key in SolverProfile.model_fields]
    return {"name": "bench", **{key: wanted[key] for key in known}}


def on_the_wall(seconds: float, clock: str) -> float:
    """Return how long a limit by a clock may last on the wall."""
    return seconds * (CROWDED if clock == "cpu" else 1.0)


def flows_of(plan: Plan, question: Question) -> PathFlows:
    """Return a plan's flows as a contender's answer; one commodity stands for one demand here."""
    instance = plan.instance
    position = np.full((question.n_nodes, question.n_nodes), -1)
    position[question.source, question.destination] = np.arange(question.n_demands)
    demand = position[instance.source, instance.destination][plan.paths.commodity]
    return PathFlows(plan.paths.start, plan.paths.links, demand, plan.flow_gbps)


def planned(case: Case, watch: Watch, spec: Record) -> None:
    """vbte: read nothing, plan, prove; then show the flows and note what the certificate says."""
    patience_s = on_the_wall(watch.patience_s, spec.get("clock", "wall"))
    settings = profile(engine=spec["engine"], gap=spec["gap"], time_limit_s=patience_s)
    try:
        plan = vbte.optimize(case.topology, case.demands, model=MODELS[case.objective], solver=settings)
    except SolverError as error:
        watch.fault = str(error)
        return
    seconds = watch.seconds
    certificate = plan.certificates[0]
    watch.notes |= {
        "seconds": seconds,
        "engine": plan.engine.engine,
        "claimed": certificate.value,
        "bound": certificate.bound,
        "gap": certificate.gap,
        "paths": len(plan.paths),
        "termination": f"{plan.termination.reason} {plan.termination.limit}",
    }
    watch.show(flows_of(plan, case.question))
    # Turning a plan into an answer that can be checked is the benchmark's work, not vbte's.
    watch.series[:] = [(seconds, value) for _, value in watch.series]


def _whole(solver: str) -> Callable[[Case, Watch, Record], None]:
    def work(case: Case, watch: Watch, spec: Record) -> None:
        programs = import_module("competitors.path_program")
        programs.whole(case.question, watch, solve=getattr(programs, solver), paths=spec["paths"])

    return work


def _parts(case: Case, watch: Watch, spec: Record) -> None:
    import_module("competitors.partition").in_parts(case.question, watch, parts=spec["parts"], paths=spec["paths"])


def _weights(case: Case, watch: Watch, spec: Record) -> None:  # noqa: ARG001
    import_module("competitors.weights").by_weights(case.question, watch)


def _netgraph(case: Case, watch: Watch, spec: Record) -> None:  # noqa: ARG001
    import_module("competitors.netgraph").greedy(case.question, watch)


#: Name in the results, module that has to be there, work.
CONTENDERS: dict[str, tuple[str, str, Callable[[Case, Watch, Record], None]]] = {
    "vbte": ("vbte", "vbte", planned),
    "exact": ("vbte's exact engine", "vbte", planned),
    "linprog": ("4 paths, scipy linprog", "competitors.path_program", _whole("by_linprog")),
    "highs": ("4 paths, HiGHS without crossover", "competitors.path_program", _whole("by_highs")),
    "pop": ("4 paths, POP", "competitors.partition", _parts),
    "weights": ("multiplicative weights", "competitors.weights", _weights),
    "netgraph": ("NetGraph, greedy", "competitors.netgraph", _netgraph),
}


def compete(spec: Record, ready: Callable[[], None], report: Callable[[Record], None]) -> None:
    """The task of one contender: get the question ready, work until done or out of patience, report all the while."""
    warnings.simplefilter("ignore")
    _, module, work = CONTENDERS[spec["contender"]]
    import_module(module)
    import_module("vbte.allocate.run")
    case = Case(spec["network"], Objective(spec["objective"]), spec["times"], spec["seed"], spec["capacity_unit"])
    question = case.question
    ready()
    watch = Watch(
        question,
        spec["patience_s"],
        target=spec.get("target"),
        least_s=spec.get("least_s", 0.0),
        clock=CLOCKS[spec.get("clock", "wall")],
    )

    def tell(*, ended: bool) -> None:
        report(
            {
                "name": case.topology.name,
                "nodes": question.n_nodes,
                "links": question.n_links,
                "demands": question.n_demands,
                "total_gbps": float(question.volume.sum()),
                "seconds": watch.notes.get("seconds", watch.seconds),
                "series": [(round(seconds, 4), float(value)) for seconds, value in watch.series],
                "fault": watch.fault,
                "notes": watch.notes,
                "ended": ended,
                "satisfied": watch.satisfied,
            }
        )

    watch.keep = lambda _: tell(ended=False)
    tell(ended=False)
    work(case, watch, spec)
    tell(ended=True)
