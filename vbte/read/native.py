"""What native topologies and native demands share: the top of the file, and its lists of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vbte.errors import InputError
from vbte.read.fields import Field, Kind, Units, field_of, typed_value, unknown_key
from vbte.read.json_text import load_json
from vbte.read.places import NO_LINES, KeyPath, Lines, place_of
from vbte.read.source import Document
from vbte.read.yaml_text import load_yaml


@dataclass(frozen=True)
class NativeFile:
    """A mapping and where it came from."""

    data: Mapping[str, Any]
    origin: str
    lines: Lines = field(default_factory=lambda: NO_LINES, repr=False)

    def place(self, *path: str | int) -> str:
        """Return ``'file:line: key.path'``."""
        return place_of(self.origin, path, self.lines)


def native_file(document: Document, *, as_json: bool) -> NativeFile:
    """Parse a YAML or JSON document. Raises InputError if it is not a mapping at the top."""
    load = load_json if as_json else load_yaml
    data, lines = load(document.text, document.origin)
    if not isinstance(data, dict):
        what = "empty" if data is None else f"a {type(data).__name__} at the top"
        raise InputError(f"the file is {what}", place=document.origin, remedy="key: value pairs are needed")
    return NativeFile(data, document.origin, lines)


def check_top(file: NativeFile, schema: str, known: tuple[str, ...], units: Units) -> Units:
    """Check schema and top-level keys; return the units the file states, else ``units``."""
    stated = file.data.get("schema")
    if stated != schema:
        fault = "schema is missing" if stated is None else f"schema is {stated!r}"
        raise InputError(fault, place=file.place("schema"), remedy=f"write schema: {schema}")
    for key in file.data:
        if key not in known and not str(key).startswith("x_"):
            raise unknown_key(str(key), known).at(file.place(str(key)))
    return _units(file, units)


def stated_name(file: NativeFile) -> str:
    """Return the ``name`` at the top of a file, '' if there is none. Raises InputError if it is no text."""
    if "name" not in file.data:
        return ""
    return str(_scalar(file, ("name",), file.data["name"], Field("name", Kind.TEXT)))


def _units(file: NativeFile, fallback: Units) -> Units:
    stated = file.data.get("units", {})
    if not isinstance(stated, Mapping):
        raise InputError("units is not a mapping", place=file.place("units"), remedy="write units: {bandwidth: Gbps}")
    for key, unit in stated.items():
        if key not in ("bandwidth", "time"):
            raise unknown_key(str(key), ("bandwidth", "time")).at(file.place("units", str(key)))
        if not isinstance(unit, str):
            raise InputError(
                f"unit is {unit!r}", place=file.place("units", key), remedy="a unit such as Gbps is needed"
            )
    try:
        return Units(stated.get("bandwidth", fallback.bandwidth), stated.get("time", fallback.time))
    except InputError as error:
        raise error.at(file.place("units")) from None


def records(
    file: NativeFile, key: str, fields: Mapping[str, Kind], units: Units, *, scalar: Field | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the entries of the list under ``key`` as converted facts: field name -> value.

    ``scalar``: an entry that is no mapping states this field alone. Raises InputError with file, line and key path on
    anything that is not of the fields' kinds.
    """
    entries = file.data.get(key)
    if not isinstance(entries, list | tuple):
        fault = f"{key} is missing" if entries is None else f"{key} is not a list"
        raise InputError(fault, place=file.place(key), remedy=f"a list of {key} is needed")
    keys = _Keys(fields, units, {})
    for position, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            yield _facts(file, (key, position), entry, keys)
        elif scalar is not None:
            yield {scalar.name: _scalar(file, (key, position), entry, scalar)}
        else:
            raise InputError("not a mapping", place=file.place(key, position), remedy="write key: value pairs")


@dataclass(frozen=True, slots=True)
class _Keys:
    """The fields that keys state, looked up once per key."""

    fields: Mapping[str, Kind]
    units: Units
    known: dict[str, Field | None]

    def field(self, key: str) -> Field | None:
        if key not in self.known:
            self.known[key] = field_of(str(key), self.fields, self.units)
        return self.known[key]


def _facts(file: NativeFile, path: KeyPath, entry: Mapping[str, Any], keys: _Keys) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    key = ""
    try:
        for key, value in entry.items():
            stated = keys.field(key)
            if stated is None:
                continue
            if stated.name in facts:
                raise InputError(f"{stated.name} is stated twice, in two units", remedy="keep one of them")
            facts[stated.name] = typed_value(value, stated)
    except InputError as error:
        raise error.at(file.place(*path, str(key))) from None
    return facts


def _scalar(file: NativeFile, path: KeyPath, value: Any, field: Field) -> Any:
    try:
        return typed_value(value, field)
    except InputError as error:
        raise error.at(file.place(*path)) from None
