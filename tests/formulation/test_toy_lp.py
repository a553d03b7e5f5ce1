"""The toy programs in ``models/`` say what the formulation does, and other readers and solvers agree with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highspy
import numpy as np
import pytest
from toy_lp import staged, toy_file, toy_instance, toy_text

from vbte import catalogue
from vbte.demands import AttributeColumn, DemandMatrix
from vbte.formulation.lp_text import column_labels, program_text, row_labels, true_units
from vbte.instance import Instance, build_instance
from vbte.policy import PlanningModel, Require, Stage, StageKind, TrafficClass
from vbte.read import read_topology
from vbte.solve import solve
from vbte.solve.load import load_solver
from vbte.topology import Link, Node, Topology

MODELS = sorted(catalogue.models())
#: What the last stage of each model reaches, worked out by hand: see models/README.md.
BY_HAND = {
    "class-aware": 520.0,
    "max-concurrent": 520.0,
    "max-min-fair": 520.0,
    "max-throughput": 520.0,
    "min-latency": 360.0,
    "min-mlu": 0.8,
}
ADMITTED, MLU, LATENCY, CONCURRENT, COST = (
    Stage(kind=kind)
    for kind in (
        StageKind.ADMITTED,
        StageKind.MAX_UTILIZATION,
        StageKind.LATENCY,
        StageKind.CONCURRENT,
        StageKind.COST,
    )
)


def optimum_of_file(path: Path) -> float:
    """What HiGHS's own LP reader and solver make of a file."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(highs.getInfo().objective_function_value)


def optimum_of_text(text: str, folder: Path) -> float:
    path = folder / "program.lp"
    path.write_text(text, encoding="utf-8")
    return optimum_of_file(path)


def model_of(*stages: Stage, classes: tuple[TrafficClass, ...] = (TrafficClass(name="default"),)) -> PlanningModel:
    return PlanningModel(name="test", stages=stages, classes=classes)


def diamond_with(model: PlanningModel, matrices: int = 1) -> Instance:
    """Diamond under any model whose only class, or fallback class, takes all demands; each matrix is half the last."""
    topology = read_topology(catalogue.dataset("diamond").topology)
    ends = np.array([0, 3], dtype=np.int32)
    names = tuple(node.id for node in topology.nodes)
    volume = np.array([48.0, 24.0])
    demands = [DemandMatrix(names, ends, ends[::-1].copy(), volume / 2**t) for t in range(matrices)]
    return build_instance(topology, demands, model)


@pytest.mark.parametrize("name", MODELS)
def test_the_toy_file_is_what_the_formulation_builds(name: str) -> None:
    built = toy_text(toy_instance(catalogue.load_model(name)))[0]
    assert toy_file(name).read_bytes() == built.encode(), "python tests/formulation/toy_lp.py writes them again"


@pytest.mark.parametrize("name", MODELS)
def test_highs_reads_the_toy_file_and_finds_the_value_worked_out_by_hand(name: str) -> None:
    assert optimum_of_file(toy_file(name)) == pytest.approx(BY_HAND[name], rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_highs_reads_the_toy_file_and_finds_what_vbte_finds(name: str) -> None:
    value = toy_text(toy_instance(catalogue.load_model(name)))[2]
    assert optimum_of_file(toy_file(name)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_cbc_finds_what_vbte_finds(name: str) -> None:
    program, stages, _ = staged(toy_instance(catalogue.load_model(name)))
    true = true_units(program.session.program, program.layout, stages[-1].problem, program.paths, program.hold_rows)
    solution = solve(true, load_solver("cbc"))
    assert solution.objective == pytest.approx(stages[-1].value, rel=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_the_program_written_is_the_one_the_plan_comes_from(name: str) -> None:
    _, stages, plan = staged(toy_instance(catalogue.load_model(name)))
    assert [stage.problem.label for stage in stages] == [certificate.stage for certificate in plan.certificates]
    assert stages[-1].value == pytest.approx(plan.certificates[-1].value, rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_a_slip_in_the_file_changes_what_highs_finds(name: str, tmp_path: Path) -> None:
    text = toy_file(name).read_text(encoding="utf-8")
    # Twice the capacity northwards from west: shorter paths for all, or less utilisation.
    slipped = text.replace(" - 10 U", " - 20 U")
    assert slipped != text
    assert optimum_of_text(slipped, tmp_path) < BY_HAND[name] * 0.95


def test_the_datasets_own_model_with_path_columns_reads_back(tmp_path: Path) -> None:
    model = catalogue.load_model(catalogue.dataset("diamond").model or "")
    text, _, value = toy_text(toy_instance(model))
    assert "path(gold,west,east,north)" in text
    assert "demand(gold,west,east)" in text
    assert optimum_of_text(text, tmp_path) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("stages", "sign"),
    [((ADMITTED,), -1), ((CONCURRENT,), -1), ((ADMITTED, MLU), 1), ((ADMITTED, LATENCY), 1), ((ADMITTED, COST), 1)],
)
@pytest.mark.parametrize("matrices", [1, 2])
def test_every_kind_of_stage_reads_back(stages: tuple[Stage, ...], sign: int, matrices: int, tmp_path: Path) -> None:
    text, _, value = toy_text(diamond_with(model_of(*stages), matrices))
    assert sign * optimum_of_text(text, tmp_path) == pytest.approx(value, rel=1e-9)


def test_a_latency_stage_is_held_by_a_row_in_its_own_unit(tmp_path: Path) -> None:
    text, _, value = toy_text(diamond_with(model_of(ADMITTED, LATENCY, MLU)))
    row = next(line for line in text.splitlines() if line.startswith(" hold(latency)"))
    assert row.startswith(" hold(latency): + 2 flow(default,west,west_north)")
    assert optimum_of_text(text, tmp_path) == pytest.approx(value, rel=1e-9)


def test_a_class_limit_has_rows_of_its_own(tmp_path: Path) -> None:
    classes = (TrafficClass(name="default", utilization_limit=0.5),)
    text, _, value = toy_text(diamond_with(model_of(ADMITTED, classes=classes)))
    assert " class_limit(default,west_north): - 5 excess + flow(default,west,west_north)" in text
    assert value == pytest.approx(40.0)
    assert -optimum_of_text(text, tmp_path) == pytest.approx(40.0)


def test_several_matrices_have_a_capacity_row_each() -> None:
    text = toy_text(diamond_with(model_of(ADMITTED), 2))[0]
    row = next(line for line in text.splitlines() if line.startswith(" capacity(west_north,matrix_2)"))
    # The second matrix asks for half, so a path carries half its flow there.
    assert row == " capacity(west_north,matrix_2): - 10 U + 0.5 path(default,west,east,north) <= 0"


def one_link_network(*, transit: bool, parallel: int) -> Topology:
    nodes = (Node("a"), Node("b-1", transit=transit), Node("c"))
    pairs = [("a", "b-1")] * parallel + [("b-1", "c")]
    links = tuple(Link(f"{s}>{t}:{n}", s, t, 10.0) for n, (s, t) in enumerate(pairs))
    return Topology(nodes, links)


def test_names_keep_to_what_every_lp_reader_takes() -> None:
    topology = one_link_network(transit=True, parallel=2)
    demands = DemandMatrix(("a", "c"), np.array([0], np.int32), np.array([1], np.int32), np.array([4.0]))
    program, _, _ = staged(build_instance(topology, [demands], model_of(ADMITTED)))
    assert row_labels(program.layout, {})[:3] == ["capacity(a_b_1_0)", "capacity(a_b_1_1)", "capacity(b_1_c_2)"]


def test_parallel_links_and_tenants_are_told_apart() -> None:
    topology = one_link_network(transit=True, parallel=2)
    tenants = {"tenant": AttributeColumn(np.array([0, 1], np.int32), ("red", "blue"))}
    demands = DemandMatrix(("a", "c"), np.zeros(2, np.int32), np.ones(2, np.int32), np.array([9.0, 9.0]), tenants)
    wide = replace(topology.links[-1], capacity_gbps=20.0)
    topology = replace(topology, links=(*topology.links[:-1], wide))
    classes = (TrafficClass(name="default", require=Require(nodes=("b-1",))),)
    program, _, _ = staged(build_instance(topology, [demands], model_of(ADMITTED, classes=classes)))
    labels = column_labels(program.layout, program.paths)
    assert labels[:2] == ["admitted(default,blue,a,c)", "admitted(default,red,a,c)"]
    assert len(set(labels)) == len(labels)
    assert "path(default,red,a,c,b_1)" in labels
    assert any(label.endswith("~2") for label in labels)


def test_a_node_closed_to_transit_has_a_start_vertex() -> None:
    topology = one_link_network(transit=False, parallel=1)
    ends = np.array([0, 1], np.int32)
    demands = DemandMatrix(("a", "b-1", "c"), ends, ends + 1, np.array([4.0, 4.0]))
    text = toy_text(build_instance(topology, [demands], model_of(ADMITTED)))[0]
    assert " conserve(default,c,b_1.start): - admitted(default,b_1,c)" in text


def test_programs_with_integers_are_refused() -> None:
    program, stages, _ = staged(diamond_with(model_of(ADMITTED)))
    base = program.session.program
    whole = replace(base, integer=np.ones(base.n_columns, dtype=np.bool_))
    with pytest.raises(ValueError, match="integers"):
        program_text(whole, program.layout, program.paths, stages, program.hold_rows)
