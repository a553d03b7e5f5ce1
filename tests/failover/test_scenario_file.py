"""Scenario files: every form says the same, and what is wrong is told with its place."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from failover_toys import ladder
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, network

from vbte.errors import InputError
from vbte.failover import ScenarioSet
from vbte.failover.scenario_file import COMPONENT_FIELDS, MAINTENANCE_FIELDS, SCENARIO_FIELDS, read_scenarios
from vbte.read.yaml_text import load_yaml

SCHEMA: dict[str, Any] = json.loads((files("vbte.failover") / "schemas" / "scenarios-1.json").read_text())

LISTED = {
    "schema": "vbte.scenarios/1",
    "scenarios": [
        {"name": "ditch", "cables": ["a-b", "a-c"], "probability": 0.01},
        {"nodes": ["b"], "mtbf_hours": 990, "mttr_hours": 10},
        {"name": "one way", "links": ["c>d"], "srlgs": ["x"], "probability": 0.0},
    ],
}

AS_YAML = """
schema: vbte.scenarios/1
scenarios:
  - {name: ditch, cables: [a-b, a-c], probability: 0.01}
  - {nodes: [b], mtbf_hours: 990, mttr_hours: 10}
  - {name: one way, links: ["c>d"], srlgs: [x], probability: 0}
"""

AS_CSV = """name,cables,nodes,srlgs,links,probability,mtbf_hours,mttr_hours
ditch,a-b;a-c,,,,0.01,,
,,b,,,,990,10
one way,,,x,c>d,0,,
"""


def read(text: str, tmp_path: Path, suffix: str = ".yaml") -> ScenarioSet:
    path = tmp_path / f"s{suffix}"
    path.write_text(text, encoding="utf-8")
    return read_scenarios(path, ladder(srlgs=("x",)))


@pytest.mark.parametrize(
    ("text", "suffix"),
    [(AS_YAML, ".yaml"), (json.dumps(LISTED), ".json"), (AS_CSV, ".csv"), (AS_CSV, ".txt"), (AS_YAML, ".txt")],
)
def test_every_form_says_the_same(text: str, suffix: str, tmp_path: Path) -> None:
    found = read(text, tmp_path, suffix)
    assert found.scenarios == read_scenarios(LISTED, ladder(srlgs=("x",))).scenarios
    assert [scenario.name for scenario in found.scenarios] == ["ditch", "node b", "one way"]
    assert [scenario.probability for scenario in found.scenarios] == [0.01, 0.01, 0.0]
    assert found.covered_probability == pytest.approx(0.02)


def test_maintenance_and_components_add_their_own(tmp_path: Path) -> None:
    text = """
schema: vbte.scenarios/1
name: next month
maintenance:
  - {name: work, nodes: [b], with: node}
components:
  - {cable: a-b, probability: 0.1}
  - {cable: c-d, mtbf_days: 9, mttr_days: 1}
cutoff: 0.05
"""
    found = read(text, tmp_path)
    names = [scenario.name for scenario in found.scenarios]
    assert names[:4] == ["work", "work + node a", "work + node c", "work + node d"]
    assert sorted(names[4:]) == ["cable a-b", "cable c-d", "nothing down"]
    assert found.covered_probability == pytest.approx(0.81 + 2 * 0.09)
    assert found.origin == "next month"


HEAD = "schema: vbte.scenarios/1\nscenarios:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("schema: vbte.scenarios/2\n", "s.yaml:1: schema: schema is 'vbte.scenarios/2'; write schema"),
        ("schema: vbte.scenarios/1\n", "lists nothing; give scenarios"),
        ("schema: vbte.scenarios/1\nscenario: []\n", "unknown key 'scenario'; did you mean 'scenarios'"),
        (HEAD + "  []\n", "lists no scenario"),
        (HEAD + "  - {cables: [a-z]}\n", r"s.yaml:3: scenarios\[0\].cables: the topology has no cable 'a-z'; did you"),
        (
            HEAD + "  - {nodes: [a]}\n  - {nodes: [zz]}\n",
            r"s.yaml:4: scenarios\[1\].nodes: the topology has no node 'zz'",
        ),
        (HEAD + "  - {name: it}\n", r"s.yaml:3: scenarios\[0\]: takes nothing down; name cables"),
        (HEAD + "  - {cables: a-b}\n", "cables is 'a-b'; a list of names"),
        (HEAD + "  - {cables: [a-b, a-b]}\n", "cable 'a-b' appears twice"),
        (HEAD + "  - {cables: [a-b], probability: 1.2}\n", r"scenarios\[0\].probability: probability is 1.2; a share"),
        (HEAD + "  - {cables: [a-b], probability: -1}\n", r"scenarios\[0\].probability: probability is -1"),
        (HEAD + "  - {cables: [a-b], probability: .nan}\n", "probability is nan"),
        (HEAD + "  - {cables: [a-b], probability: often}\n", "probability is 'often'; a number"),
        (HEAD + "  - {cables: [a-b], chance: 1}\n", "unknown key 'chance'"),
        (HEAD + "  - {cables: [a-b], mtbf_hours: 1}\n", "mean times are needed in pairs"),
        (HEAD + "  - {cables: [a-b], mtbf_hours: 1, mtbf_days: 1, mttr_hours: 1}\n", "mean times are needed in pairs"),
        (
            HEAD + "  - {cables: [a-b], mtbf_hours: 1, mttr_hours: 1, probability: 0.5}\n",
            "a probability and mean times",
        ),
        (HEAD + "  - {cables: [a-b], mtbf_hours: 0, mttr_hours: 0}\n", "both mean times are 0"),
        (
            HEAD + "  - {name: x, nodes: [a]}\n  - {name: x, nodes: [b]}\n",
            r"scenarios\[1\].name: the name 'x' appears twice",
        ),
        (HEAD + "  - {name: x, cables: [a-b]}\n  - {name: y, links: [a>b, b>a]}\n", "'y' takes down what 'x' does"),
        (
            HEAD + "  - {nodes: [a], probability: 0.6}\n  - {nodes: [b], probability: 0.6}\n",
            "probabilities add up to 1.2",
        ),
        ("schema: vbte.scenarios/1\ncomponents: []\n", "components and cutoff go together"),
        ("schema: vbte.scenarios/1\ncutoff: 0.1\nmaintenance: []\n", "components and cutoff go together"),
        ("schema: vbte.scenarios/1\ncutoff: 0\ncomponents: []\n", "s.yaml:2: cutoff: cutoff is 0; above 0"),
        ("schema: vbte.scenarios/1\ncutoff: 0.1\ncomponents: [{cable: a-b}]\n", "states no probability"),
        (
            "schema: vbte.scenarios/1\ncutoff: 0.1\ncomponents: [{cable: a-b, node: a, probability: 0.1}]\n",
            r"components\[0\]: names 2 things; name one",
        ),
        (
            "schema: vbte.scenarios/1\ncutoff: 0.1\ncomponents:\n- {cable: a-b, probability: 0.1}\n"
            "- {cable: a-b, probability: 0.1}\n",
            r"components\[1\]: cable 'a-b' appears twice",
        ),
        ("schema: vbte.scenarios/1\nmaintenance: [{nodes: [a], with: fire}]\n", "with is 'fire'; one of cable"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,cable\nx,a-b\n", "s.csv:1: unknown column 'cable'; did you mean 'cables'"),
        ("name,cables\nx,a-b\ny,a-z\n", "s.csv:3: cables: the topology has no cable 'a-z'"),
        ("name,cables,probability\nx,a-b,2\n", "s.csv:2: probability: probability is 2"),
        ("name,cables,probability\nx,a-b,much\n", "s.csv:2: probability: probability is 'much'"),
        ("name,cables\nx,\n", "s.csv:2: takes nothing down"),
        ("name,cables\n", "lists no scenario"),
        ("name,cables\nx,a-b,1\n", "s.csv:2: 3 cells"),
    ],
)
def test_so_it_is_in_csv(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(text, tmp_path, ".csv")


def test_the_example_on_the_page_is_read() -> None:
    page = (files("vbte.failover") / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (example,) = [one for one in examples if SCHEMA["$id"] in one]
    data, _ = load_yaml(example, "README.md")
    topology = network(cable("ams-par", 1.0), cable("ams-lon", 1.0, srlgs=("alps",)), cable("par-fra", 1.0))
    found = read_scenarios(data, topology)
    assert [scenario.name for scenario in found.scenarios[:4]] == [
        "north ditch", "node par", "window 12", "window 12 + cable ams-par",
    ]  # fmt: skip
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(width=16) | st.sampled_from(["a", "a-b", "x", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([*SCENARIO_FIELDS, *MAINTENANCE_FIELDS, *COMPONENT_FIELDS, "cutoff", "x_y", "odd"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["scenarios", "maintenance", "components", "cutoff", "name"]), json_like))
def test_whatever_is_in_the_file_it_is_read_or_refused_with_a_place(data: dict[str, Any]) -> None:
    refused: InputError | None = None
    try:
        read_scenarios({"schema": "vbte.scenarios/1", **data}, ladder(srlgs=("x",)))
    except InputError as error:
        refused = error
    assert refused is None or (refused.place and refused.remedy)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match=r"nowhere.yaml: no such file"):
        read_scenarios("nowhere.yaml", ladder())


def test_the_schema_is_a_schema_and_lists_the_fields_that_the_reader_knows() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key, fields in (
        ("scenarios", SCENARIO_FIELDS), ("maintenance", MAINTENANCE_FIELDS), ("components", COMPONENT_FIELDS),
    ):  # fmt: skip
        assert set(SCHEMA["properties"][key]["items"]["properties"]) == set(fields)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"x_ours": 1}, True),
        ({"scenarios": []}, False),
        ({"scenarios": [{"cables": ["a-b"], "probability": 2}]}, False),
        ({"scenarios": [{"name": "x"}]}, False),
        ({"cutoff": 0.1}, False),
        ({"cutoff": 0.1, "components": [{"cable": "a-b", "probability": 0.1}]}, True),
        ({"cutoff": 0.1, "components": [{"cable": "a-b", "node": "a", "probability": 0.1}]}, False),
        ({"maintenance": [{"nodes": ["a"], "with": "cable"}]}, True),
        ({"maintenance": [{"nodes": ["a"], "with": "fire"}]}, False),
    ],
)
def test_the_schema_and_the_reader_agree(change: dict[str, Any], fits: bool) -> None:
    data = {**LISTED, **change}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(data) == fits
    if fits:
        assert len(read_scenarios(data, ladder(srlgs=("x",)))) >= 3
    else:
        with pytest.raises(InputError):
            read_scenarios(data, ladder(srlgs=("x",)))
