"""The bundled models written out for the dataset diamond: ``models/NAME.toy.lp``.

Write them all again, after a change that is meant, with

    python tests/formulation/toy_lp.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vbte import catalogue
from vbte.allocate.exact import StagedProgram, Tools
from vbte.allocate.forms import choose_forms, first_paths
from vbte.allocate.max_min import solve_max_min
from vbte.allocate.run import allocate
from vbte.bounds import stage_problem, stage_sequence
from vbte.formulation.layout import build_layout
from vbte.formulation.lp_text import SolvedStage, program_text
from vbte.instance import Instance, build_instance
from vbte.oracle import routable
from vbte.plan import Plan
from vbte.policy import Admission, CapacityRule, PlanningModel, StageKind
from vbte.read import read_demands, read_topology
from vbte.solve import Deadline, LinearProgram, SolverProfile

#: Where volume may be cut, half as much again is asked for as diamond's demands, so that the stages have to choose.
OVERLOAD = 1.5


def toy_instance(model: PlanningModel) -> Instance:
    """Return diamond under a model, overloaded where the model may cut volume."""
    toy = catalogue.dataset("diamond")
    topology = read_topology(toy.topology)
    demands = read_demands(toy.demands, topology)
    if model.admission is Admission.PARTIAL:
        demands = replace(demands, volume_gbps=demands.volume_gbps * OVERLOAD)
    return build_instance(topology, [demands], model)


def staged(instance: Instance) -> tuple[StagedProgram, list[SolvedStage], Plan]:
    """Return the program after its last stage, the stages with their values, and the plan they agree with."""
    profile = SolverProfile(name="toy")
    plan = allocate(instance, profile)
    oracle, shortest = routable(instance)
    entries, loads = stage_sequence(instance), plan.class_link_load_gbps
    problem = stage_problem(instance, entries[0], (), loads)
    forms = choose_forms(problem, oracle)
    layout = build_layout(problem, oracle, forms.path_classes)
    tools = Tools(oracle, profile, Deadline(), lambda _: None)
    program = StagedProgram(tools, layout, first_paths(problem, oracle, shortest, forms), forms.generated)
    if instance.model.admission is Admission.ALL and instance.model.capacity is CapacityRule.HARD:
        program.require_feasible(problem)
    stages = []
    for index, entry in enumerate(entries):
        stage = stage_problem(instance, entry, plan.certificates[:index], loads)
        outcome = solve_max_min(program, stage) if stage.kind is StageKind.MAX_MIN else program.solve_stage(stage)
        assert outcome.value is not None
        stages.append(SolvedStage(stage, outcome.value))
    return program, stages, plan


def toy_text(instance: Instance) -> tuple[str, LinearProgram, float]:
    """Return the last stage's program as text, the program as the solver has it, and the value it reaches."""
    program, stages, _ = staged(instance)
    text = program_text(program.session.program, program.layout, program.paths, stages, program.hold_rows)
    return text, program.session.program, stages[-1].value


def toy_file(name: str) -> Path:
    """Return the file of one model's toy program."""
    return catalogue.catalogue_folder("models") / f"{name}.toy.lp"


if __name__ == "__main__":
    for model_name in catalogue.models():
        text = toy_text(toy_instance(catalogue.load_model(model_name)))[0]
        toy_file(model_name).write_text(text, encoding="utf-8", newline="\n")
