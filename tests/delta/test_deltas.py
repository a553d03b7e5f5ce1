"""Deltas give the re-plan's tables to the byte, and nothing else does."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from delta_toys import REALISATIONS, answered, base_plan, changed, only
from hypothesis import given
from hypothesis import strategies as st

import vbte.delta
from vbte.allocate.run import allocate
from vbte.delta import (
    apply_delta,
    count_changes,
    delta_between,
    directory_names,
    keep_groups,
    left_over,
    planned_figures,
    walk_faults,
)
from vbte.delta import schema as words
from vbte.delta.sections import KINDS, Kind, changed_section, section_delta
from vbte.errors import InputError
from vbte.failover.rewrite import rewritten_tables, scenario_facts
from vbte.solve.load import load_solver
from vbte.tables import build_tables, tables_to_files

BOTH = pytest.mark.parametrize("realisation", REALISATIONS)
PUBLISHED = json.loads((Path(vbte.delta.__file__).parent / "schemas" / "delta-1.json").read_text())
TABLES = json.loads((Path(vbte.delta.__file__).parents[1] / "tables" / "schemas" / "tables-1.json").read_text())


@BOTH
@pytest.mark.parametrize("family", ["cable", "node"])
def test_base_and_delta_are_the_re_plans_tables_to_the_byte(realisation: str, family: str) -> None:
    answer = answered(realisation, family)
    topology, changed_devices = answer.plan.instance.topology, 0
    for position, (scenario, found) in enumerate(zip(answer.scenarios.scenarios, answer.replans, strict=True)):
        assert found.delta is not None
        assert found.astray == ()
        down = answer.scenarios.failed_links(slice(position, position + 1))[:, 0]
        with pytest.warns() if (found.unroutable_gbps > 0).any() else _nothing():
            plan = allocate(left_over(answer.plan.instance, down), load_solver("highs"), previous=answer.plan)
        wanted, _ = rewritten_tables(plan, answer.tables)
        assert tables_to_files(apply_delta(answer.tables, found.delta)) == tables_to_files(wanted)
        facts = scenario_facts(scenario, topology, down)
        again = delta_between(answer.tables, wanted, facts, planned_figures(plan))
        assert (again.manifest, again.devices) == (found.delta.manifest, found.delta.devices)
        changed_devices += len(found.delta.devices)
    assert changed_devices > 0


class _nothing:  # noqa: N801
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def _entry(kind: Kind, key: tuple[Any, ...], content: int) -> dict[str, Any]:
    first, second = key
    match kind.name:
        case "routes":
            return {"network_instance": first, "table": "t", "label": None, "egress": second, "group": content}
        case "drains":
            return {"kind": "node" if second == "x" else "link", "id": first}
        case "cannot_realise":
            concern = {"kind": "path", "egress": first, "class": second, "tenant": "", "links": []}
            return {"object": concern, "reason": "group-size", "detail": content}
    return {"id": f"{first}/{second}", "content": content}


_KEYS = st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"))


@st.composite
def two_sections(draw: st.DrawFn) -> tuple[Kind, list[Any], list[Any]]:
    kind = draw(st.sampled_from(KINDS))
    sections = []
    for _ in range(2):
        keys = draw(st.lists(_KEYS, unique=kind.name != "cannot_realise", max_size=8))
        entries = [_entry(kind, key, draw(st.integers(0, 2))) for key in keys]
        if kind.name == "drains":
            entries = list({(one["kind"], one["id"]): one for one in entries}.values())
        order = kind.order
        sections.append(
            entries if order is None else sorted(entries, key=lambda one: order(kind.key(kind.fields(one))))
        )
    return kind, sections[0], sections[1]


@given(two_sections())
def test_any_section_becomes_any_other(drawn: tuple[Kind, list[Any], list[Any]]) -> None:
    kind, before, after = drawn
    delta = section_delta(kind, before, after)
    assert changed_section(kind, before, delta, "here") == after
    if before == after:
        assert [delta["add"], delta["change"], delta["remove"]] == [[], [], []]


@BOTH
def test_a_delta_to_another_base_is_refused(realisation: str) -> None:
    tables, found = only(realisation, "cable a-b")
    assert found.delta is not None
    other = apply_delta(tables, found.delta)
    with pytest.raises(InputError, match="is a delta to plan"):
        apply_delta(other, found.delta)
    told = changed(found.delta, lambda delta: delta.manifest.update(base=other.manifest["plan"]))
    with pytest.raises(InputError, match="starts from another table"):
        apply_delta(other, told)


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (lambda routes: routes["change"].append({**routes["change"][0], "egress": "nowhere"}), "does not have"),
        (lambda routes: routes["remove"].append({"network_instance": "x", "table": "y", "label": None, "egress": "z"}),
         "removes .* which the base does not have"),
        (lambda routes: routes["add"].append(routes["change"][0]), "adds .* which is there"),
        (lambda routes: routes["change"][0].update(service_label=1), "gives another table"),
    ],
)  # fmt: skip
def test_changes_that_can_not_be_are_refused(plant: Any, message: str) -> None:
    tables, found = only("source-routed", "cable a-b")
    assert found.delta is not None
    name = next(n for n, d in found.delta.devices.items() if d["routes"]["change"])

    def planted(delta: Any) -> None:
        plant(delta.devices[name]["routes"])

    with pytest.raises(InputError, match=message):
        apply_delta(tables, changed(found.delta, planted))


def test_a_change_to_what_is_there_is_refused() -> None:
    kind = KINDS[0]
    with pytest.raises(InputError, match="changes 'a' to what it is"):
        changed_section(kind, [{"id": "a"}], {"add": [], "change": [{"id": "a"}], "remove": []}, "here")


@BOTH
def test_groups_that_do_the_same_are_no_change(realisation: str) -> None:
    plan = base_plan(realisation)
    tables = build_tables(plan)
    assert count_changes(tables, tables).total == 0
    _, found = only(realisation, "cable f-a")
    assert found.delta is not None
    assert found.groups is not None
    listed = [
        entry["id"] if isinstance(entry, dict) else entry
        for document in found.delta.devices.values()
        for edit in ("add", "change", "remove")
        for entry in document["next_hop_groups"][edit]  # type: ignore[literal-required]
    ]
    assert len([name for name in listed if "/" in name]) == found.groups.total
    assert 0 < found.groups.total < found.groups.of + found.groups.added


def test_a_segment_list_that_still_holds_is_not_spelt_anew() -> None:
    # Over b and over c are equally short, so that a -> d over b takes two segments; without c it would take one.
    from tables.table_toys import matrix_of, model_of, plan_of, topology_of

    from vbte.instance import build_instance

    cables = {"a-b": 1, "b-d": 1, "a-c": 1, "c-d": 1, "a-e": 1}
    topology = topology_of(cables)
    rows = [("a", "d", 4.0), ("a", "c", 1.0), ("a", "e", 1.0)]
    plan = plan_of(
        build_instance(topology, [matrix_of(topology, rows)], model_of()), [("a b d", 4.0), ("a c", 1.0), ("a e", 1.0)]
    )
    base = build_tables(plan)
    down = [link.id in ("c-d", "d-c") for link in topology.links]
    left = left_over(plan.instance, down)  # type: ignore[arg-type]
    again = build_tables(plan_of(left, [("a b d", 4.0), ("a c", 1.0), ("a e", 1.0)]))
    assert count_changes(base, again).changed == 1
    kept, counted = keep_groups(base, again)
    assert counted == count_changes(base, kept)
    assert counted.total == 0
    scenario = {"name": "it", "probability": None, "down": [], "links": ["c-d", "d-c"]}
    assert list(walk_faults(kept, left, scenario, planned_figures(plan))) == []  # type: ignore[arg-type]


def test_groups_that_nobody_uses_any_more_may_stay() -> None:
    base, _ = only("source-routed", "cable a-b")
    answer = answered("source-routed", "node")
    position = [one.name for one in answer.scenarios.scenarios].index("node b")
    gone = answer.replans[position]
    assert gone.delta is not None
    assert gone.groups is not None
    assert gone.groups.removed > 0
    result = apply_delta(base, gone.delta)
    assert keep_groups(base, result, unused=True)[1].removed == 0


def test_names_are_safe_and_apart_whatever_the_file_system() -> None:
    names = ["../../etc", "a/b", "A/b", "", ".", "con", "nul.x", "x" * 400, "a\x00b", "\u00e9", "e\u0301", "cable a-b"]
    directories = directory_names(names)
    assert len({name.casefold() for name in directories}) == len(names)
    for name in directories:
        assert name.isascii()
        assert "/" not in name
        assert name not in (".", "..")
        assert 0 < len(name) <= 200
    assert directory_names(["one", "two"]) == ["one", "two"]
    # Which came first does not matter.
    assert directory_names(["a", "A"]) == directory_names(["A", "a"])[::-1]


def _validator() -> jsonschema.Draft202012Validator:
    tables = referencing.Resource.from_contents(TABLES)
    registry: Any = referencing.Registry().with_resource(TABLES["$id"], tables)
    return jsonschema.Draft202012Validator(PUBLISHED, registry=registry)


@BOTH
def test_documents_obey_the_published_schema_which_has_the_same_keys_in_order(realisation: str) -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    validator = _validator()
    _, found = only(realisation, "cable a-b")
    assert found.delta is not None
    for document in (found.delta.manifest, *found.delta.devices.values()):
        assert [fault.message for fault in validator.iter_errors(document)] == []
        of_kind = PUBLISHED["$defs"][document["document"]]
        assert list(document) == list(of_kind["properties"])
    broken = {**found.delta.manifest, "base": "yesterday's"}
    assert not validator.is_valid(broken)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("manifest", words.DeltaManifest), ("device", words.DeviceDelta), ("index", words.Index),
        ("scenario", words.ScenarioFacts), ("groups", words.Groups), ("planned", words.Planned),
        ("result", words.Result),
    ],
)  # fmt: skip
def test_the_schema_and_the_typed_dictionaries_have_the_same_keys(name: str, kind: type) -> None:
    assert list(PUBLISHED["$defs"][name]["properties"]) == list(typing.get_type_hints(kind))
