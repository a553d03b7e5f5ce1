"""The published schema, the golden files, and the promise of stable bytes."""

from __future__ import annotations

import json
import math
import typing
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from regenerate_golden import golden_files
from table_toys import DIAMOND, GOLDEN, diamond, matrix_of, model_of, plan_of, topology_of, two_tenants, walk_plan

import vbte.tables
from vbte.instance import build_instance
from vbte.policy import MatchRule, TrafficClass
from vbte.tables import schema
from vbte.tables.build import build_tables, igp_tables
from vbte.tables.files import tables_to_files
from vbte.tables.manifest import Publication, plan_id
from vbte.topology import Node

PUBLISHED = json.loads((Path(vbte.tables.__file__).parent / "schemas" / "tables-1.json").read_text())
BOTH = pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])


def test_the_schema_is_a_valid_json_schema():
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("manifest", schema.Manifest),
        ("device", schema.DeviceTable),
        ("next_hop", schema.NextHop),
        ("next_hop_group", schema.NextHopGroup),
        ("segment", schema.Segment),
        ("route", schema.Route),
        ("demands", schema.RouteDemands),
        ("steering", schema.Steering),
        ("local_sid", schema.LocalSid),
        ("drain", schema.Drain),
        ("cannot_realise", schema.CannotRealise),
    ],
)
def test_the_published_schema_and_the_typed_dictionaries_have_the_same_keys_in_the_same_order(name, kind):
    assert list(PUBLISHED["$defs"][name]["properties"]) == list(typing.get_type_hints(kind))


def every_kind_of_tables() -> dict[str, Any]:
    tight = topology_of(DIAMOND | {"a-b#2": 1}, nodes=[Node("c", drained=True, device_profile="small")])
    classes = (
        TrafficClass(name="gold", match=(MatchRule(dscp=(46, 34), tenant=("red",)),), latency_bound_ms=3.0),
        TrafficClass(name="silver", priority=2),
        TrafficClass(name="bulk", priority=3),
    )
    rows = [("a", "d", 8.0, "gold", "red", "10.9.0.0/16"), ("b", "d", 1.0, "bulk"), ("a", "c", 1.0, "silver")]
    built = {}
    for realisation in ("source-routed", "hop-by-hop"):
        model = model_of(realisation, classes=classes, max_segments=1, max_group_members=1)
        instance = build_instance(tight, [matrix_of(tight, rows)], model)
        flows = [("a b d", 4.0, "gold", "red"), ("a-b#2 b-d", 3.0, "gold", "red"), ("a-b b-c", 1.0, "silver")]
        built[realisation] = build_tables(plan_of(instance, flows))
        built[f"{realisation} igp"] = igp_tables(instance)
        built[f"{realisation} tenants"] = build_tables(two_tenants(realisation))
    return built


@pytest.mark.parametrize("name", list(every_kind_of_tables()))
def test_written_tables_obey_the_schema(name):
    tables = every_kind_of_tables()[name]
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    for content in tables_to_files(tables).values():
        assert [fault.message for fault in validator.iter_errors(json.loads(content))] == []


def test_a_planted_error_breaks_the_schema():
    device = json.loads(build_tables(diamond()).device_bytes["a"])
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    assert validator.is_valid(device)
    device["next_hop_groups"][0]["members"][0]["weight"] = 0
    assert not validator.is_valid(device)


def test_the_golden_tables_are_rebuilt_byte_for_byte():
    built = golden_files()
    assert sorted(built) == sorted(file.name for file in GOLDEN.iterdir())
    for name, content in built.items():
        assert content == (GOLDEN / name).read_bytes(), name


@BOTH
def test_the_same_plan_gives_the_same_bytes(realisation):
    assert tables_to_files(build_tables(diamond(realisation))) == tables_to_files(build_tables(diamond(realisation)))


@BOTH
def test_a_change_of_weights_changes_one_device_and_no_id(realisation):
    before = diamond(realisation)
    after = plan_of(before.instance, [("a b d", 4.0), ("a c d", 4.0), ("b d", 1.0), ("c a", 2.0)])
    one, other = build_tables(before), build_tables(after)
    assert [name for name in one.devices if one.device_bytes[name] != other.device_bytes[name]] == ["a"]
    for section in ("next_hops", "next_hop_groups"):
        assert [item["id"] for item in one.devices["a"][section]] == [
            item["id"] for item in other.devices["a"][section]
        ]


@BOTH
def test_ids_are_unique_and_sorted_and_weights_have_no_common_divisor(realisation):
    for device in build_tables(diamond(realisation)).devices.values():
        for section in ("next_hops", "next_hop_groups", "local_sids"):
            ids = [item["id"] for item in device[section]]
            assert ids == sorted(set(ids))
        for group in device["next_hop_groups"]:
            weights = [member["weight"] for member in group["members"]]
            assert math.gcd(*weights) == 1
            assert len(weights) > 1 or weights == [1]


def test_names_that_contain_the_joining_characters_can_not_be_confused():
    topology = topology_of({"x-y": 1, "y-x,y": 1})
    rows = [("x", "x,y", 1.0, "", "t/u"), ("x", "y", 1.0, "", "u")]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of())
    plan = plan_of(instance, [("x y x,y", 1.0, "", "t/u"), ("x y", 1.0, "", "u")])
    tables = build_tables(plan)
    assert [group["id"] for group in tables.devices["x"]["next_hop_groups"]] == [
        "links:x-y",
        "x%2Cy/default/t%2Fu",
        "y/default/u",
    ]
    assert not walk_plan(plan, tables).faults


def test_the_plan_id_covers_the_devices_but_not_what_publication_adds():
    tables = build_tables(diamond())
    published = build_tables(
        diamond(),
        publication=Publication(
            parent=tables.manifest["plan"], sequence=7, not_after="2030-01-01T00:00:00Z",
            approvals=({"by": "noc"},), guardrails=({"name": "churn", "passed": True},),
        ),
    )  # fmt: skip
    assert published.manifest["plan"] == tables.manifest["plan"]
    assert published.manifest["sequence"] == 7
    assert published.manifest["approvals"] == [{"by": "noc"}]
    changed = dict(tables.manifest) | {"devices": tables.manifest["devices"][:-1]}
    assert plan_id(changed) != tables.manifest["plan"]


def test_transit_devices_are_installed_before_head_ends():
    steps = build_tables(diamond()).manifest["steps"]
    assert [(step["position"], step["device"], step["role"]) for step in steps] == [
        (1, "d", "transit"),
        (2, "a", "head-end"),
        (3, "b", "head-end"),
        (4, "c", "head-end"),
    ]


def test_a_plan_without_certificates_states_no_gap():
    assert build_tables(diamond()).manifest["gap"] is None


def test_steering_follows_the_models_rules_in_order_and_ends_with_the_fallback_class():
    classes = (
        TrafficClass(name="gold", match=(MatchRule(dscp=(46,)), MatchRule(vlan=(7, 5), tags=("b", "a")))),
        TrafficClass(name="unmarked", priority=2),
        TrafficClass(name="bulk", priority=3),
    )
    topology = topology_of(DIAMOND)
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 1.0)])], model_of(classes=classes))
    steering = build_tables(plan_of(instance, [("a b d", 1.0)])).devices["d"]["steering"]
    assert [(entry["id"], entry["match"], entry["table"]) for entry in steering] == [
        ("gold/1", {"dscp": [46]}, "gold"),
        ("gold/2", {"vlan": [5, 7], "tags": ["a", "b"]}, "gold"),
        ("unmarked/0", {"class": ["unmarked"]}, "unmarked"),
        ("default", None, "bulk"),
    ]


def test_stated_destination_prefixes_take_the_place_of_the_nodes_prefixes():
    topology = topology_of(DIAMOND, nodes=[Node("d", prefixes=("10.4.0.0/16",))])
    rows = [
        ("a", "d", 1.0, "", "red", "10.9.0.0/24"),
        ("a", "d", 1.0, "", "blue"),
        ("b", "d", 1.0, "", "red", "10.8.0.0/24"),
    ]
    instance = build_instance(topology, [matrix_of(topology, rows)], model_of())
    flows = [("a b d", 1.0, "", "red"), ("a b d", 1.0, "", "blue"), ("b d", 1.0, "", "red")]
    routes = build_tables(plan_of(instance, flows)).devices["a"]["routes"]
    assert {route["tenant"]: route["prefixes"] for route in routes if route["label"] is None} == {
        "blue": ["10.4.0.0/16"],
        "red": ["10.8.0.0/24", "10.9.0.0/24"],
    }


def test_the_example_in_the_readme_is_what_is_written():
    text = (Path(vbte.tables.__file__).parent / "README.md").read_text()
    example = json.loads(text.split("```json")[1].split("```")[0])
    written = build_tables(diamond()).devices["a"]
    assert sorted(example) == ["next_hop_groups", "next_hops", "routes"]
    for section, items in example.items():
        assert all(entry in written[section] for entry in items), section


def test_drained_things_are_listed():
    topology = topology_of(DIAMOND, nodes=[Node("c", drained=True)])
    instance = build_instance(topology, [matrix_of(topology, [("a", "d", 1.0)])], model_of())
    devices = build_tables(plan_of(instance, [("a b d", 1.0)])).devices
    assert devices["c"]["drains"] == [{"kind": "node", "id": "c"}]
    assert devices["a"]["drains"] == []


def test_documents_are_json_with_keys_in_the_schemas_order():
    for content in build_tables(diamond()).device_bytes.values():
        assert list(orjson.loads(content)) == list(PUBLISHED["$defs"]["device"]["properties"])
        assert content.endswith(b"}\n")
