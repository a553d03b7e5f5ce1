"""Deltas as files: ``failover/DIRECTORY/`` per scenario, and an index of them all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from vbte.delta.document import Delta, delta_id, encode_delta
from vbte.delta.schema import (
    DIRECTORY,
    INDEX_FILE,
    MANIFEST_FILE,
    SCHEMA,
    DeltaManifest,
    DeviceDelta,
    Index,
    IndexEntry,
)
from vbte.errors import InputError
from vbte.tables.files import read_document
from vbte.tables.manifest import device_file, sha256
from vbte.write.atomic import safe_file_name

_REMEDY = "write the deltas again"

#: Hexadecimal digits of a digest that tell names apart which differ in upper and lower case alone.
_DIGITS = 16


def directory_names(scenarios: Sequence[str]) -> list[str]:
    """Return a directory for each scenario: safe for any name, and apart on file systems that fold case.

    Names that differ in case alone end in a digest, all of them, so that none depends on which came first; so does one
    that is the index's.
    """
    safe = [safe_file_name(name) for name in scenarios]
    folded = Counter([INDEX_FILE, *(name.casefold() for name in safe)])
    return [
        name if folded[name.casefold()] == 1 else _with_digest(name, scenario)
        for name, scenario in zip(safe, scenarios, strict=True)
    ]


def _with_digest(name: str, scenario: str) -> str:
    digest = sha256(scenario.encode("utf-8", "surrogatepass")).removeprefix("sha256:")[:_DIGITS]
    # As in file names that are too long: no encoded name has a lone %~.
    return f"{name[:80]}%~{digest}"


class DeltaWriter:
    """Puts the deltas of scenarios into files, one after the other as they come, and the index at the end.

    ``put`` takes a path relative to ``failover/`` and the content; ``base`` is the id of the plan they are made for.
    """

    def __init__(self, base: str, scenarios: Sequence[str], put: Callable[[str, bytes], object]) -> None:
        self._base, self._put = base, put
        self._directory = dict(zip(scenarios, directory_names(scenarios), strict=True))
        self._entries: dict[str, IndexEntry] = {}

    def take(self, scenario: str, delta: Delta | None, fault: str = "") -> None:
        """Put a scenario's files, or note why it has none."""
        entry: IndexEntry = {
            "scenario": scenario, "directory": None, "sha256": None, "result": None, "fault": fault or None,
        }  # fmt: skip
        if delta is not None:
            directory, manifest = self._directory[scenario], encode_delta(delta.manifest)
            entry["directory"], entry["sha256"] = directory, sha256(manifest)
            entry["result"] = delta.manifest["result"]["plan"]
            self._put(f"{directory}/{MANIFEST_FILE}", manifest)
            for name, content in delta.device_bytes.items():
                self._put(f"{directory}/{device_file(name)}", content)
        self._entries[scenario] = entry

    def finish(self) -> None:
        """Put the index."""
        listed = [self._entries[name] for name in self._directory]
        index: Index = {"schema": SCHEMA, "document": "index", "base": self._base, "scenarios": listed}
        self._put(INDEX_FILE, encode_delta(index))


def read_index(plan: str | os.PathLike[str]) -> Index | None:
    """Return the index of a plan directory's deltas, None where none were written.

    Raises InputError, naming the file, for one that is not of schema ``vbte.delta/1`` and for a directory that is not
    its scenario's.
    """
    root = Path(plan) / DIRECTORY
    if not root.exists():
        return None
    index = read_document(root / INDEX_FILE, Index, SCHEMA, _REMEDY)[0]
    listed = directory_names([entry["scenario"] for entry in index["scenarios"]])
    for position, (entry, directory) in enumerate(zip(index["scenarios"], listed, strict=True)):
        if entry["directory"] not in (None, directory):
            place = f"{root / INDEX_FILE}: scenarios[{position}].directory"
            raise InputError(f"is {entry['directory']!r}", place=place, remedy=f"it is {directory!r}")
    return index


def read_delta(plan: str | os.PathLike[str], entry: IndexEntry) -> Delta:
    """Return the delta of a scenario that the index of a plan directory lists with a directory.

    Raises InputError, naming file and place, when a file is missing, not of the schema, not what the file that lists
    it says by its hash, or not listed.
    """
    root = Path(plan) / DIRECTORY / str(entry["directory"])
    manifest, content = read_document(root / MANIFEST_FILE, DeltaManifest, SCHEMA, _REMEDY)
    place = str(root / MANIFEST_FILE)
    if sha256(content) != entry["sha256"] or manifest["scenario"]["name"] != entry["scenario"]:
        raise InputError("is not what the index lists", place=place, remedy=_REMEDY)
    if delta_id(manifest) != manifest["delta"]:
        raise InputError("the delta's id does not match the content", place=f"{place}: delta", remedy=_REMEDY)
    devices: dict[str, DeviceDelta] = {}
    for position, listed in enumerate(manifest["devices"]):
        name, spot = listed["device"], f"{place}: devices[{position}]"
        if name in devices or listed["file"] != device_file(name):
            raise InputError(f"device {name!r} has file {listed['file']!r}", place=spot, remedy=_REMEDY)
        devices[name], held = read_document(root / listed["file"], DeviceDelta, SCHEMA, _REMEDY)
        if sha256(held) != listed["sha256"] or devices[name]["device"] != name:
            raise InputError(
                "the content does not match the manifest's hash", place=str(root / listed["file"]), remedy=_REMEDY
            )
    _check_no_other(root, [entry["file"] for entry in manifest["devices"]])
    if [step["device"] for step in sorted(manifest["steps"], key=lambda s: s["device"])] != sorted(devices):
        raise InputError("steps do not name the devices that change", place=f"{place}: steps", remedy=_REMEDY)
    return Delta(manifest, devices)


def _check_no_other(root: Path, listed: Sequence[str]) -> None:
    """Raise InputError for a device's file that the manifest does not list: somebody might install it."""
    for file in sorted((root / "devices").glob("*.json")):
        if f"devices/{file.name}" not in listed:
            raise InputError("is not in the manifest", place=str(file), remedy="remove it")


def unlisted(plan: str | os.PathLike[str], index: Index) -> list[Path]:
    """Return what stands in a plan directory's ``failover/`` and is in no list."""
    known = {INDEX_FILE, *(entry["directory"] for entry in index["scenarios"])}
    return sorted(path for path in (Path(plan) / DIRECTORY).iterdir() if path.name not in known)
