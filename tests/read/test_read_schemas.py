"""The published JSON Schemas say what the readers say."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from vbte.errors import InputError
from vbte.read import read_demands, read_topology
from vbte.read.fields import DEMAND_FIELDS, LINK_FIELDS, NODE_FIELDS
from vbte.read.yaml_text import load_yaml

TOY = Path(__file__).parents[1] / "data" / "toy"
READERS = {"topology": read_topology, "demands": read_demands}


def schema(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((files("vbte.read") / "schemas" / f"{name}-1.json").read_text())
    return data


def valid(name: str, data: object) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(data))


def readable(name: str, data: Any) -> bool:
    try:
        READERS[name](data)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == f"vbte.{name}/1"


@pytest.mark.parametrize("file", ["topology.yaml", "topology.json", "demands.yaml", "demands.json"])
def test_native_fixtures_validate(file: str) -> None:
    data, _ = load_yaml((TOY / file).read_text(), file)
    jsonschema.validate(data, schema(file.partition(".")[0]), cls=jsonschema.Draft202012Validator)


def test_the_schemas_list_the_fields_that_the_readers_know() -> None:
    topology, demands = schema("topology")["properties"], schema("demands")["properties"]
    assert set(topology["nodes"]["items"]["anyOf"][1]["properties"]) == set(NODE_FIELDS)
    assert set(topology["links"]["items"]["properties"]) == set(LINK_FIELDS)
    assert set(demands["demands"]["items"]["properties"]) == set(DEMAND_FIELDS)


def link(**facts: Any) -> dict[str, Any]:
    return topology(links=[{"source": "a", "target": "b", **facts}])


def topology(**parts: Any) -> dict[str, Any]:
    return {"schema": "vbte.topology/1", "nodes": ["a", "b"], "links": [], **parts}


def demand(**facts: Any) -> dict[str, Any]:
    return {"schema": "vbte.demands/1", "demands": [{"source": "a", "destination": "b", **facts}]}


SAMPLES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "one link": ("topology", link(capacity_gbps=1), True),
    "all of a link": (
        "topology",
        link(
            capacity_tbps=1, metric=2, latency_us=3, srlgs=["s"], admin_groups=[], encrypted=True, cable="c", x_note={}
        ),
        True,
    ),
    "both ways": ("topology", link(capacity_gbps=1, bidirectional=True, latency_reverse_ms=1), True),
    "numbers as ids": ("topology", topology(nodes=[1, {"id": 2}]), True),
    "units": ("topology", link(capacity=1) | {"units": {"bandwidth": "Mbps", "time": "ms"}}, True),
    "own keys": ("topology", topology(x_owner="me"), True),
    "unit": ("topology", topology(units={"bandwidth": "furlongs"}), False),
    "unit kind": ("topology", topology(units={"power": "W"}), False),
    "negative": ("topology", link(capacity_gbps=-1), False),
    "text": ("topology", link(capacity_gbps="1"), False),
    "names": ("topology", link(capacity_gbps=1, srlgs="s"), False),
    "flag": ("topology", link(capacity_gbps=1, drained=1), False),
    "misspelt": ("topology", link(capacity_gbps=1, metrics=1), False),
    "no target": ("topology", topology(links=[{"source": "a", "capacity_gbps": 1}]), False),
    "no nodes": ("topology", topology(nodes=[]), False),
    "node without id": ("topology", topology(nodes=[{"latitude": 1}]), False),
    "latitude": ("topology", topology(nodes=[{"id": "a", "latitude": 95}]), False),
    "blank id": ("topology", topology(nodes=[" "]), False),
    "fraction as id": ("topology", topology(nodes=[1.5]), False),
    "sid": ("topology", topology(nodes=[{"id": "a", "sid": -1}]), False),
    "schema": ("topology", topology(schema="vbte.topology/2"), False),
    "unknown top key": ("topology", topology(edges=[]), False),
    "one demand": ("demands", demand(volume_gbps=1), True),
    "all of a demand": (
        "demands",
        demand(volume_kbps=1, dscp=46, vlan=7, tags=["a"], source_prefix="10.0.0.0/8"),
        True,
    ),
    "dscp as text": ("demands", demand(volume_gbps=1, dscp="63"), True),
    "zero": ("demands", demand(volume_gbps=0), True),
    "no volume": ("demands", demand(), False),
    "negative volume": ("demands", demand(volume_gbps=-1), False),
    "dscp": ("demands", demand(volume_gbps=1, dscp=64), False),
    "vlan": ("demands", demand(volume_gbps=1, vlan="4096"), False),
    "misspelt attribute": ("demands", demand(volume_gbps=1, clas="x"), False),
    "demands are a mapping": ("demands", {"schema": "vbte.demands/1", "demands": {}}, False),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_schema_and_reader_agree(sample: str) -> None:
    name, data, accepted = SAMPLES[sample]
    assert (valid(name, data), readable(name, data)) == (accepted, accepted)
