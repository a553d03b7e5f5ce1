"""The bundled models do what their names say and can be copied and edited."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pytest

from vbte import catalogue
from vbte.classify import classify
from vbte.demands import AttributeColumn, DemandMatrix
from vbte.policy import (
    Admission,
    Avoid,
    BandwidthPoint,
    CandidateKind,
    CandidatePaths,
    CapacityRule,
    Coupling,
    DeviceProfile,
    FairBy,
    MatchRule,
    PathFigure,
    PlanningModel,
    Realisation,
    Record,
    Require,
    Split,
    Stage,
    StageKind,
    TableOptions,
    TrafficClass,
)

MODELS = sorted(catalogue.models())
RECORDS = (
    PlanningModel, Stage, TrafficClass, BandwidthPoint, MatchRule, Avoid, Require, CandidatePaths, TableOptions,
    DeviceProfile,
)  # fmt: skip
ENUMS = (StageKind, Admission, CapacityRule, Coupling, PathFigure, FairBy, Split, CandidateKind, Realisation)


def demands_with(name: str, *values: str) -> DemandMatrix:
    """One demand a -> b of 1 Gbit/s for each value of one attribute."""
    count = len(values)
    column = AttributeColumn(np.arange(count, dtype=np.int32), values)
    zeros = np.zeros(count, dtype=np.int32)
    return DemandMatrix(("a", "b"), zeros, zeros + 1, np.ones(count), {name: column})


def classes_of(demands: DemandMatrix, model: PlanningModel) -> list[str]:
    return [model.classes[index].name for index in classify(demands, model).class_index]


@pytest.mark.parametrize("name", MODELS)
def test_every_bundled_model_is_valid_and_called_like_its_file(name: str) -> None:
    model = catalogue.load_model(name)
    assert model.name == name
    assert model.description


@pytest.mark.parametrize(
    ("name", "stages", "admission", "capacity"),
    [
        ("class-aware", "admitted max_utilization latency", "partial", "hard"),
        ("min-mlu", "max_utilization", "all", "soft"),
        ("max-throughput", "admitted latency", "partial", "hard"),
        ("max-concurrent", "concurrent admitted latency", "partial", "hard"),
        ("max-min-fair", "max_min latency", "partial", "hard"),
        ("min-latency", "latency", "all", "hard"),
    ],
)
def test_models_optimise_what_their_names_say(name: str, stages: str, admission: str, capacity: str) -> None:
    model = catalogue.load_model(name)
    assert " ".join(stage.kind for stage in model.stages) == stages
    assert (model.admission, model.capacity) == (Admission(admission), CapacityRule(capacity))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_takes_demands_that_state_nothing(name: str) -> None:
    model = catalogue.load_model(name)
    demands = DemandMatrix(("a", "b"), np.zeros(1, np.int32), np.ones(1, np.int32), np.ones(1))
    assert classes_of(demands, model) == [model.fallback_class]


def test_class_aware_takes_demands_by_the_class_they_name() -> None:
    names = ("gold", "silver", "best-effort")
    assert classes_of(demands_with("class", *names), catalogue.load_model("class-aware")) == list(names)


@pytest.mark.parametrize(
    ("dscp", "expected"),
    [("46", "gold"), ("48", "gold"), ("34", "silver"), ("26", "silver"), ("0", "best-effort"), ("8", "best-effort")],
)
def test_class_aware_takes_demands_by_dscp(dscp: str, expected: str) -> None:
    assert classes_of(demands_with("dscp", dscp), catalogue.load_model("class-aware")) == [expected]


def test_no_dscp_belongs_to_two_classes() -> None:
    model = catalogue.load_model("class-aware")
    stated = [dscp for each in model.classes for rule in each.match for dscp in rule.dscp]
    assert len(stated) == len(set(stated))


@pytest.mark.parametrize("record", RECORDS)
def test_class_aware_explains_every_key(record: type[Record]) -> None:
    text = catalogue.models()["class-aware"].read_text()
    keys = {field.alias or name for name, field in record.model_fields.items()}
    assert [key for key in sorted(keys) if f"{key}:" not in text] == []


@pytest.mark.parametrize("enum", ENUMS)
def test_class_aware_names_every_choice(enum: type[StrEnum]) -> None:
    text = catalogue.models()["class-aware"].read_text()
    assert [choice.value for choice in enum if choice.value not in text] == []


@pytest.mark.parametrize("name", MODELS)
def test_models_open_with_what_they_are_for(name: str) -> None:
    assert catalogue.models()[name].read_text().startswith(f"# {name}: ")


def test_the_models_readme_lists_them_all() -> None:
    text = (catalogue.catalogue_folder("models") / "README.md").read_text()
    assert [name for name in MODELS if name not in text] == []


def test_the_solvers_readme_lists_them_all() -> None:
    text = (catalogue.catalogue_folder("solvers") / "README.md").read_text()
    assert [name for name in catalogue.solvers() if name not in text] == []
