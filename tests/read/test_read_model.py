"""Planning models: all faults at once, each with its line; ``extends`` over a base."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vbte.errors import InputError
from vbte.policy import PlanningModel
from vbte.read import read_model

BASE = """\
schema: vbte.model/1
name: base
stages:
- {kind: admitted}
- {kind: latency}
utilization_limit: 0.8
classes:
- {name: gold, priority: 1}
- {name: silver, priority: 2}
"""


def base(name: str) -> io.StringIO:
    assert name == "base"
    return io.StringIO(BASE)


def test_a_model_is_read_from_yaml_json_mapping_and_itself(tmp_path: Path) -> None:
    model = read_model(io.StringIO(BASE))
    assert [traffic_class.name for traffic_class in model.classes] == ["gold", "silver"]
    path = tmp_path / "model.json"
    path.write_text(model.model_dump_json(by_alias=True))
    assert read_model(path) == read_model(model.model_dump(by_alias=True)) == read_model(model) == model


def test_extends_replaces_top_level_keys_and_keeps_the_rest() -> None:
    model = read_model(io.StringIO("extends: base\nname: mine\nclasses:\n- {name: bronze}\n"), base=base)
    assert (model.name, model.utilization_limit) == ("mine", 0.8)
    assert [traffic_class.name for traffic_class in model.classes] == ["bronze"]
    assert len(model.stages) == 2


def test_extends_may_name_a_model_already_built() -> None:
    built = read_model(io.StringIO(BASE))
    assert read_model({"extends": "base", "name": "mine"}, base=lambda _: built).stages == built.stages


def test_all_faults_come_at_once_with_lines_key_paths_and_suggestions() -> None:
    text = """\
name: mine
stages:
- {kind: admited}
classes:
- name: gold
  latency_bound: 5
  avoid: {node: [a]}
- name: silver
  match:
  - dscp: [99]
device_profiles:
  small: {max_weigth: 8}
admision: partial
"""
    with pytest.raises(InputError) as caught:
        read_model(io.StringIO(text))
    message = str(caught.value)
    assert message.startswith("<stream>: 6 faults\n")
    for expected in (
        "<stream>:3: stages[0].kind: is 'admited'; input should be 'admitted', ",
        "<stream>:6: classes[0].latency_bound: unknown key; did you mean 'latency_bound_ms'?",
        "<stream>:7: classes[0].avoid.node: unknown key; did you mean 'nodes'?",
        "<stream>:10: classes[1].match[0].dscp[0]: is '99'; input should be less than or equal to 63",
        "<stream>:12: device_profiles.small.max_weigth: unknown key; did you mean 'max_weight'?",
        "<stream>:13: admision: unknown key; did you mean 'admission'?",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "<stream>: stages: is missing"),
        ("name: x\nstages: [{kind: admitted}]\nclasses: [{name: a, weight: .nan}]\n", "<stream>:3: .*finite number"),
        ("name: x\nstages: [{kind: latency}]\n", "<stream>: admission: partial needs admitted, concurrent or max_min"),
        ("name: x\nstages: [{kind: admitted}]\nclasses: [{name: a, split: equal_bundles}]\n", "<stream>:3: .*bundles"),
        ("name: x\nname: y\n", "<stream>:2: key 'name' appears twice"),
        ("- a\n", "the file is a list at the top"),
        ("", "the file is empty"),
        ("extends: base\n", "<stream>:1: extends: extends is 'base'; the name of a known model"),
        ("name: [\n", "broken YAML"),
    ],
)
def test_a_faulty_model_is_one_error(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_model(io.StringIO(text))


def test_a_fault_in_the_base_is_placed_in_the_base(tmp_path: Path) -> None:
    path = tmp_path / "base.yaml"
    path.write_text(BASE.replace("0.8", "80"))
    with pytest.raises(InputError, match=r"base.yaml:6: utilization_limit: is '80'"):
        read_model({"extends": "base", "name": "mine"}, base=lambda _: path)


def test_models_that_extend_each_other_in_a_ring_are_an_error() -> None:
    def ring(name: str) -> Mapping[str, Any]:
        return {"extends": name}

    with pytest.raises(InputError, match="extend one another more than"):
        read_model({"extends": "x", "name": "y"}, base=ring)


def test_an_unknown_base_is_placed_at_extends() -> None:
    def nowhere(name: str) -> PlanningModel:
        raise InputError(f"no model {name!r}", remedy="known: base")

    with pytest.raises(InputError, match="<stream>:2: extends: 'bse': no model 'bse'; known: base"):
        read_model(io.StringIO("name: x\nextends: bse\n"), base=nowhere)
