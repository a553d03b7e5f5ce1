"""Tables in memory and as files: exactly the same content."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import orjson

from vbte.errors import InputError
from vbte.tables.manifest import device_file, plan_id, sha256
from vbte.tables.schema import SCHEMA, Devices, DeviceTable, Manifest, Member, Route

Document = TypeVar("Document")
Stored = TypeVar("Stored")

#: Directory of the tables within a plan's directory.
DIRECTORY = "tables"

_REMEDY = "publish the plan again, or take the files from where they were written"


@contextmanager
def no_cycle_search() -> Iterator[None]:
    """Keep the garbage collector off while hundreds of thousands of small records are made, none of them in a cycle.

    It would look through all of them again and again, which doubles the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class StoredDocuments(Mapping[str, Stored]):
    """Documents by device, kept as the bytes of their files: asking for one decodes it, each time anew.

    As Python objects the documents of a large network take ten times the memory of their files.
    """

    def __init__(self, encoded: Mapping[str, bytes]) -> None:
        self._encoded = encoded

    def __getitem__(self, device: str) -> Stored:
        with no_cycle_search():
            document: Stored = orjson.loads(self._encoded[device])
        return document

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)

    def __contains__(self, device: object) -> bool:
        return device in self._encoded


class StoredDevices(StoredDocuments[DeviceTable]):
    """Device tables, kept as the bytes of their files."""


@dataclass(frozen=True, eq=False)
class Tables:
    """``manifest`` and ``devices`` (by node id) as in schema ``vbte.tables/1``; never edited in place."""

    manifest: Manifest
    devices: Devices
    encoded: Mapping[str, bytes] | None = field(default=None, repr=False)

    @cached_property
    def device_bytes(self) -> Mapping[str, bytes]:
        """The bytes of every device's file."""
        return encode_devices(self.devices) if self.encoded is None else self.encoded


def encode(document: Manifest | DeviceTable) -> bytes:
    """Return a document as JSON, keys in the schema's order, one line."""
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def encode_devices(devices: Devices) -> dict[str, bytes]:
    """Return the bytes of every device's file, by device."""
    return {name: encode(table) for name, table in devices.items()}


def tables_to_files(tables: Tables) -> dict[str, bytes]:
    """Return the files of a plan's tables: path relative to the plan's directory -> content."""
    files = {f"{DIRECTORY}/manifest.json": encode(tables.manifest)}
    for name, content in tables.device_bytes.items():
        files[f"{DIRECTORY}/{device_file(name)}"] = content
    return files


def tables_from_directory(path: str | os.PathLike[str]) -> Tables:
    """Read tables from a plan's directory, or from the directory that holds ``manifest.json``.

    Raises InputError, naming file and place, when a file is missing or not of schema ``vbte.tables/1``, when a hash
    does not match, when an id is used that is not there, or when a device's file is not in the manifest.
    """
    root = Path(path)
    if (root / DIRECTORY / "manifest.json").is_file():
        root = root / DIRECTORY
    manifest, _ = read_document(root / "manifest.json", Manifest, SCHEMA, _REMEDY)
    if plan_id(manifest) != manifest["plan"]:
        raise InputError(
            "the plan id does not match the content", place=f"{root / 'manifest.json'}: plan", remedy=_REMEDY
        )
    encoded: dict[str, bytes] = {}
    for position, entry in enumerate(manifest["devices"]):
        name = entry["device"]
        place = f"{root / 'manifest.json'}: devices[{position}]"
        if name in encoded:
            raise InputError(f"device {name!r} appears twice", place=place, remedy=_REMEDY)
        if entry["file"] != device_file(name):
            raise InputError(
                f"device {name!r} has file {entry['file']!r}", place=place, remedy=f"it is {device_file(name)!r}"
            )
        with no_cycle_search():
            table, encoded[name] = read_document(root / entry["file"], DeviceTable, SCHEMA, _REMEDY)
            if sha256(encoded[name]) != entry["sha256"]:
                raise InputError("the content does not match the manifest's hash", place=str(root / entry["file"]),
                                 remedy=_REMEDY)  # fmt: skip
            _check_references(table, name, root / entry["file"])
    _check_no_other(root, manifest)
    return Tables(manifest, StoredDevices(encoded), encoded)


def read_document(file: Path, kind: type[Document], schema: str, remedy: str) -> tuple[Document, bytes]:
    """Read and check one document; returned as it stands in the file.

    Raises InputError for what can't be read, is not JSON or not of the ``schema`` that ``kind`` describes.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(file), remedy=remedy) from None
    try:
        document: Document = orjson.loads(content)
        msgspec.convert(document, kind)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", place=str(file), remedy=remedy) from None
    except msgspec.ValidationError as error:
        raise InputError(f"is not of schema {schema}: {error}", place=str(file), remedy=remedy) from None
    return document, content


def _check_references(table: DeviceTable, name: str, file: Path) -> None:
    """Raise InputError for the first id that is used twice or points nowhere."""
    if table["device"] != name:
        raise InputError(f"is the table of {table['device']!r}", place=str(file), remedy=f"it should be {name!r}'s")
    next_hops = _unique([hop["id"] for hop in table["next_hops"]], f"{file}: next_hops")
    groups = _unique([group["id"] for group in table["next_hop_groups"]], f"{file}: next_hop_groups")
    _unique([_route_key(route) for route in table["routes"]], f"{file}: routes")
    for position, group in enumerate(table["next_hop_groups"]):
        place = f"{file}: next_hop_groups[{position}]"
        for member in group["members"]:
            if member["next_hop"] not in next_hops:
                raise InputError(f"no next hop {member['next_hop']!r}", place=place, remedy=_REMEDY)
            if member["weight"] < 1:
                raise InputError(f"a member has weight {member['weight']}", place=place, remedy="a weight is 1 or more")
            _check_protection(member, next_hops, place)
        if group["backup"] and group["backup"]["group"] not in groups:
            raise InputError(f"no group {group['backup']['group']!r}", place=place, remedy=_REMEDY)
    for position, route in enumerate(table["routes"]):
        if route["group"] is not None and route["group"] not in groups:
            raise InputError(f"no group {route['group']!r}", place=f"{file}: routes[{position}]", remedy=_REMEDY)
    _check_limits(table, file)


def _check_limits(table: DeviceTable, file: Path) -> None:
    """Raise InputError for a limit where no head end's own traffic is meant."""
    limited = {
        group["id"]
        for group in table["next_hop_groups"]
        if any(m.get("limit_bps") is not None for m in group["members"])
    }
    for position, route in enumerate(table["routes"]):
        if route["group"] in limited and (route["label"] is not None or table["realisation"] != "source-routed"):
            raise InputError(
                f"members of group {route['group']!r} have limits", place=f"{file}: routes[{position}]",
                remedy="limits are a head end's, for routes that lead from prefixes in source-routed tables",
            )  # fmt: skip


def _check_protection(member: Member, next_hops: set[str], place: str) -> None:
    backup, limit_bps = member.get("backup"), member.get("limit_bps")
    if backup is not None and backup not in next_hops:
        raise InputError(f"no next hop {backup!r}", place=place, remedy=_REMEDY)
    if backup == member["next_hop"]:
        raise InputError(f"next hop {backup!r} is its own backup", place=place, remedy=_REMEDY)
    if limit_bps is not None and limit_bps < 0:
        raise InputError(f"a member has limit {limit_bps} bit/s", place=place, remedy="a limit is 0 or more")


def _route_key(route: Route) -> str:
    target = route["egress"] if route["label"] is None else route["label"]
    return f"{route['network_instance']!r}, {route['table']!r}, {target!r}"


def _unique(names: list[str], place: str) -> set[str]:
    unique = set(names)
    if len(unique) != len(names):
        repeated = Counter(names).most_common(1)[0][0]
        raise InputError(f"{repeated} appears twice", place=place, remedy=_REMEDY)
    return unique


def _check_no_other(root: Path, manifest: Manifest) -> None:
    """Raise InputError for a device file that the manifest does not list: an adapter might install it."""
    listed = {Path(entry["file"]).name for entry in manifest["devices"]}
    for file in sorted((root / "devices").glob("*.json")):
        if file.name not in listed:
            raise InputError("is not in the manifest", place=str(file), remedy="remove it")
