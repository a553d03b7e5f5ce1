"""Deltas in a plan directory: whole or not at all, and every planted error is found by the check."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from delta_toys import edit, seal, write

import vbte
from vbte.delta import read_index


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("written") / "plan", "source-routed")


@pytest.fixture
def plan(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "plan"))


def faults(plan: Path) -> list[str]:
    return [f"{finding.place}: {finding.fault}" for finding in vbte.check(plan).findings]


def scenario(plan: Path) -> Path:
    return plan / "failover" / "cable%20a-b"


def device(plan: Path, section: str, edits: str = "change") -> Path:
    return next(
        file
        for file in sorted((scenario(plan) / "devices").iterdir())
        if orjson.loads(file.read_bytes())[section][edits]
    )


@pytest.mark.parametrize("family", ["cable", "node"])
def test_what_is_written_is_proven_again(tmp_path: Path, family: str) -> None:
    plan = write(tmp_path, "hop-by-hop", family)
    assert faults(plan) == []
    index = read_index(plan)
    assert index is not None
    assert all(entry["directory"] for entry in index["scenarios"])


def test_a_plan_without_deltas_has_none(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None


def test_a_hand_edited_weight_is_found(plan: Path) -> None:
    def heavier(document: Any) -> None:
        groups = document["next_hop_groups"]
        group = next(g for g in (*groups["change"], *groups["add"]) if "/" in g["id"] and len(g["members"]) > 1)
        group["members"][0]["weight"] += 3

    files = sorted((scenario(plan) / "devices").iterdir())
    for file in files:
        try:
            edit(file, heavier)
        except StopIteration:
            continue
        break
    assert any("does not match the manifest's hash" in fault for fault in faults(plan))
    seal(scenario(plan))
    assert any("gives another table than it says" in fault for fault in faults(plan))


def test_a_weight_edited_with_every_hash_made_right_is_found_by_the_walk(plan: Path) -> None:
    from vbte.delta.document import Delta
    from vbte.delta.sections import KINDS, changed_section
    from vbte.tables import tables_from_directory
    from vbte.tables.files import encode
    from vbte.tables.manifest import plan_id, sha256

    tables = tables_from_directory(plan)
    index = read_index(plan)
    assert index is not None
    entry = next(one for one in index["scenarios"] if one["scenario"] == "cable a-b")
    delta: Delta = vbte.delta.read_delta(plan, entry)
    for name, document in delta.devices.items():
        groups = [*document["next_hop_groups"]["change"], *document["next_hop_groups"]["add"]]
        chosen = next((g for g in groups if "/" in g["id"] and len(g["members"]) > 1), None)
        if chosen is None:
            continue
        chosen["members"][0]["weight"] += 5
        table: Any = dict(tables.devices[name])
        for kind in KINDS:
            table[kind.name] = changed_section(kind, table[kind.name], document[kind.name], "")  # type: ignore[literal-required]
        document["result"] = sha256(encode(table))
        hashes = {one["device"]: one["sha256"] for one in tables.manifest["devices"]}
        hashes |= {n: d["result"] for n, d in delta.devices.items()}
        files = [{**one, "sha256": hashes[one["device"]]} for one in tables.manifest["devices"]]
        made = {**delta.manifest["result"], "devices": files, "steps": tables.manifest["steps"]}
        delta.manifest["result"]["plan"] = plan_id(made)
        (scenario(plan) / "devices" / f"{name}.json").write_bytes(orjson.dumps(document) + b"\n")
        break
    else:
        raise AssertionError("nothing is split")
    edit(scenario(plan) / "manifest.json", lambda m: m["result"].update(plan=delta.manifest["result"]["plan"]))
    edit(plan / "failover" / "index.json",
         lambda i: [one.update(result=delta.manifest["result"]["plan"]) for one in i["scenarios"]
                    if one["scenario"] == "cable a-b"])  # fmt: skip
    seal(scenario(plan))
    found = faults(plan)
    assert any("carries" in fault and "planned are" in fault for fault in found), found


def test_a_delta_to_another_base_is_found(plan: Path) -> None:
    other = "sha256:" + "0" * 64
    edit(scenario(plan) / "manifest.json", lambda manifest: manifest.update(base=other))
    seal(scenario(plan))
    assert any("is a delta to plan sha256:0000" in fault for fault in faults(plan))
    edit(plan / "failover" / "index.json", lambda index: index.update(base=other))
    assert any("index.json: base: the deltas are to plan" in fault for fault in faults(plan))


def test_a_change_that_is_not_there_is_found(plan: Path) -> None:
    edit(device(plan, "routes"), lambda d: d["routes"]["remove"].append(
        {"network_instance": "default", "table": "gold", "label": None, "egress": "nowhere"}))  # fmt: skip
    seal(scenario(plan))
    assert any("which the base does not have" in fault for fault in faults(plan))


def test_a_scenario_that_is_not_what_its_re_plan_was_made_for_is_found(plan: Path) -> None:
    def elsewhere(manifest: Any) -> None:
        manifest["scenario"]["down"][0]["name"] = "b-c"
        manifest["scenario"]["links"] = ["b>c", "c>b"]

    edit(scenario(plan) / "manifest.json", elsewhere)
    seal(scenario(plan))
    assert any("made for another topology" in fault for fault in faults(plan))
    edit(scenario(plan) / "manifest.json", lambda m: m["scenario"].update(links=["a>b", "b>a"]))
    seal(scenario(plan))
    assert any("links are not those of what is down" in fault for fault in faults(plan))


def test_figures_that_the_walk_does_not_reach_are_found(plan: Path) -> None:
    edit(scenario(plan) / "manifest.json", lambda m: m["planned"][0]["admitted_bps"].update(gold=1))
    seal(scenario(plan))
    assert any("class 'gold' arrives with" in fault for fault in faults(plan))


def test_counts_and_limits_are_counted_again(plan: Path) -> None:
    edit(scenario(plan) / "manifest.json", lambda m: m["groups"].update(added=0, changed=0, limit=0))
    seal(scenario(plan))
    found = faults(plan)
    assert any("not as said" in fault for fault in found)
    assert any("differ, 0 allowed" in fault for fault in found)


def test_files_in_no_list_are_found(plan: Path) -> None:
    (plan / "failover" / "mine").mkdir()
    (scenario(plan) / "devices" / "zz.json").write_text("{}")
    found = faults(plan)
    assert any(fault.endswith("mine: is in no list") for fault in found)
    assert any("zz.json: is not in the manifest" in fault for fault in found)


def test_files_that_are_no_documents_are_findings(plan: Path) -> None:
    (scenario(plan) / "manifest.json").write_text("[")
    assert any("is not JSON" in fault for fault in faults(plan))
    (plan / "failover" / "index.json").write_text('{"schema": "vbte.delta/1"}')
    assert any("is not of schema vbte.delta/1" in fault for fault in faults(plan))
    (plan / "failover" / "index.json").unlink()
    assert any("cannot be read" in fault for fault in faults(plan))
