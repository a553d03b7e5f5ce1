"""Tables as files, and what the loader refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from table_toys import diamond, matrix_of, model_of, plan_of, topology_of, walk_plan, write

from vbte.errors import InputError
from vbte.instance import build_instance
from vbte.tables.build import build_tables
from vbte.tables.files import tables_from_directory, tables_to_files
from vbte.tables.manifest import plan_id, sha256

BOTH = pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])


@BOTH
def test_what_is_written_is_what_is_read(tmp_path, realisation):
    tables = build_tables(diamond(realisation))
    read = tables_from_directory(write(tables, tmp_path))
    assert read.manifest == tables.manifest
    assert read.devices == tables.devices
    assert tables_to_files(read) == tables_to_files(tables)
    assert not walk_plan(diamond(realisation), read).faults


def test_the_directory_of_the_manifest_may_be_named_too(tmp_path):
    write(build_tables(diamond()), tmp_path)
    assert tables_from_directory(tmp_path / "tables").manifest["model"] == "toy"


def test_device_names_can_not_leave_the_directory(tmp_path):
    topology = topology_of({"../../up-.hidden": 1})
    instance = build_instance(topology, [matrix_of(topology, [("../../up", ".hidden", 1.0)])], model_of())
    tables = build_tables(plan_of(instance, [("../../up .hidden", 1.0)]))
    for name in tables_to_files(tables):
        assert len(Path(name).parts) <= 3
        assert ".." not in Path(name).parts
        assert not Path(name).name.startswith(".")
    assert tables_from_directory(write(tables, tmp_path)).devices == tables.devices


def test_a_device_is_decoded_anew_each_time_so_that_changing_it_changes_nothing():
    tables = build_tables(diamond())
    before = tables_to_files(tables)
    tables.devices["a"]["routes"].clear()
    assert tables.devices["a"]["routes"]
    assert tables_to_files(tables) == before
    assert ("a" in tables.devices, "nowhere" in tables.devices) == (True, False)
    assert list(tables.devices) == sorted(tables.device_bytes)


@pytest.fixture
def written(tmp_path):
    return write(build_tables(diamond()), tmp_path) / "tables"


def refusal(directory) -> str:
    with pytest.raises(InputError) as caught:
        tables_from_directory(directory)
    return str(caught.value)


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_device(directory, name, change):
    """Change a device and put the hashes right, so that only the content is at fault."""
    file = directory / "devices" / f"{name}.json"
    edit(file, change)

    def rehash(manifest):
        for entry in manifest["devices"]:
            if entry["device"] == name:
                entry["sha256"] = sha256(file.read_bytes())
        manifest["plan"] = plan_id(manifest)

    edit(directory / "manifest.json", rehash)


def test_a_missing_manifest_is_named(tmp_path):
    assert refusal(tmp_path).startswith(f"{tmp_path / 'manifest.json'}: cannot be read")


def test_a_missing_device_file_is_named(written):
    (written / "devices" / "b.json").unlink()
    assert refusal(written).startswith(f"{written / 'devices' / 'b.json'}: cannot be read")


def test_a_manifest_with_a_tampered_hash_is_refused(written):
    edit(written / "manifest.json", lambda m: m["devices"][0].update(sha256="sha256:" + "0" * 64))
    assert "plan: the plan id does not match the content" in refusal(written)


def test_a_manifest_with_a_tampered_plan_id_is_refused(written):
    edit(written / "manifest.json", lambda m: m.update(plan="sha256:" + "0" * 64))
    assert "the plan id does not match" in refusal(written)


def test_what_publication_fills_in_may_change_without_a_new_id(written):
    edit(written / "manifest.json", lambda m: m.update(sequence=9, approvals=[{"by": "noc"}]))
    assert tables_from_directory(written).manifest["sequence"] == 9


def test_a_changed_device_file_is_refused(written):
    edit(written / "devices" / "a.json", lambda d: d["next_hop_groups"][0]["members"][0].update(weight=2))
    assert refusal(written).startswith(f"{written / 'devices' / 'a.json'}: the content does not match")


def test_a_device_file_beside_the_manifest_is_refused(written):
    (written / "devices" / "z.json").write_text("{}")
    assert refusal(written) == f"{written / 'devices' / 'z.json'}: is not in the manifest; remove it"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(schema="vbte.tables/2"), "is not of schema vbte.tables/1"),
        (lambda d: d.pop("routes"), "missing required field `routes`"),
        (lambda d: d["routes"][0].update(prefixes=3), "$.routes[0].prefixes"),
        (lambda d: d["next_hop_groups"][0]["members"][0].update(weight="2"), "members[...].weight"),
        (lambda d: d["next_hop_groups"][0]["members"][0].update(weight=0), "next_hop_groups[0]: a member has weight 0"),
        (lambda d: d["next_hop_groups"][0]["members"][0].update(next_hop="gone"), "no next hop 'gone'"),
        (lambda d: d["next_hop_groups"][0].update(backup={"group": "x", "when": "any-member-down"}), "no group 'x'"),
        (lambda d: d["routes"][0].update(group="gone"), "routes[0]: no group 'gone'"),
        (lambda d: d["routes"].append(d["routes"][0]), "routes: 'default', 'default', 'd' appears twice"),
        (lambda d: d["next_hops"].append(d["next_hops"][0]), "next_hops: link:a-b appears twice"),
        (lambda d: d.update(device="b"), "is the table of 'b'; it should be 'a''s"),
    ],
)  # fmt: skip
def test_a_device_document_that_makes_no_sense_is_refused_with_its_place(written, change, complaint):
    edit_device(written, "a", change)
    message = refusal(written)
    assert str(written / "devices" / "a.json") in message
    assert complaint in message.replace("members[0]", "members[...]")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": NaN}', b"[" * 100_000])
def test_hostile_bytes_are_refused_without_a_traceback(written, content):
    (written / "manifest.json").write_bytes(content)
    assert str(written / "manifest.json") in refusal(written)


@pytest.mark.parametrize("file", ["../a.json", "devices/../../a.json", "devices/b.json", "/etc/passwd"])
def test_a_manifest_can_not_point_anywhere_else(written, file):
    def point(manifest):
        manifest["devices"][0]["file"] = file
        manifest["plan"] = plan_id(manifest)

    edit(written / "manifest.json", point)
    assert f"devices[0]: device 'a' has file {file!r}; it is 'devices/a.json'" in refusal(written)


def test_a_device_listed_twice_is_refused(written):
    def repeat(manifest):
        manifest["devices"].append(manifest["devices"][0])
        manifest["plan"] = plan_id(manifest)

    edit(written / "manifest.json", repeat)
    assert "devices[4]: device 'a' appears twice" in refusal(written)
