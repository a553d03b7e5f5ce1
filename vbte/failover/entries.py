"""Records of files about a topology's parts: entries with their places, and the names that they list."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vbte.errors import InputError
from vbte.read.csv_table import read_table
from vbte.read.fields import Field, Kind, Units, text_value, unknown_key
from vbte.read.native import NativeFile, records
from vbte.read.source import Document
from vbte.scenarios.families import Part, Risks

#: Lists that a record may have, and what their names are.
LISTS: Mapping[str, Part] = {"cables": Part.CABLE, "nodes": Part.NODE, "srlgs": Part.SRLG, "links": Part.LINK}


def is_csv(document: Document) -> bool:
    """Return whether a document is a CSV file, by its ending or else by its first line."""
    if document.suffix in (".csv", ".tsv"):
        return True
    lines = (line for line in document.text.splitlines() if line.strip() and not line.startswith("#"))
    first = next(lines, "")
    return ":" not in first and not first.lstrip().startswith(("{", "-")) and any(mark in first for mark in ",;\t")


@dataclass(frozen=True)
class Entry:
    """One record: its facts by field, and where it stands; ``place_of`` gives the place of one of its fields."""

    facts: Mapping[str, Any]
    origin: str
    place_of: Callable[[str], str]

    def place(self, field: str = "") -> str:
        """Return where a field stands, the record itself for none."""
        return self.place_of(field)


def rows(document: Document, fields: Mapping[str, Kind]) -> Iterator[Entry]:
    """Yield a record per row of a CSV file. Raises InputError for a column that is none of the fields."""
    table = read_table(document)
    for name in table.header:
        if name not in fields and not name.startswith("x_"):
            raise unknown_key(name, fields, noun="column").at(table.header_place)
    for row in range(len(table.line)):
        place = table.place(row)
        facts: dict[str, Any] = {}
        for name, column in zip(table.header, table.columns, strict=True):
            if column[row].strip() and name in fields:
                try:
                    facts[name] = text_value(column[row], Field(name, fields[name]))
                except InputError as error:
                    raise error.at(f"{place}: {name}") from None
        yield Entry(facts, document.origin, partial(_in_row, place))


def _in_row(place: str, field: str) -> str:
    return f"{place}: {field}" if field else place


def entries(file: NativeFile, key: str, fields: Mapping[str, Kind]) -> Iterator[Entry]:
    """Yield the records of the list under ``key``, none where there is no such list."""
    if key in file.data:
        for position, facts in enumerate(records(file, key, fields, Units())):
            yield Entry(facts, file.origin, partial(_in_list, file, (key, position)))


def _in_list(file: NativeFile, path: tuple[str, int], field: str) -> str:
    return file.place(*path, field) if field else file.place(*path)


def once(seen: dict[Any, str], key: Any, fault: str, entry: Entry, field: str = "", *, value: str = "") -> None:
    """Note a key as seen. Raises InputError where it was already."""
    if key in seen:
        raise InputError(fault, place=entry.place(field), remedy="keep one of them")
    seen[key] = value


def known_names(entry: Entry, key: str, kind: Part, risks: Risks) -> tuple[str, ...]:
    """Return the names in a list of an entry. Raises InputError for one the topology lacks, and for one named twice."""
    names: tuple[str, ...] = entry.facts.get(key, ())
    for position, name in enumerate(names):
        check_name(entry, key, kind, name, risks)
        if name in names[:position]:
            raise InputError(f"{kind} {name!r} appears twice", place=entry.place(key), remedy="name it once")
    return names


def check_name(entry: Entry, key: str, kind: Part, name: str, risks: Risks) -> None:
    """Raise InputError, with the nearest known name, for a name that the topology does not have."""
    known = risks.links_of[kind]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are {len(known)} others" if known else "it has none"
        raise InputError(f"the topology has no {kind} {name!r}", place=entry.place(key), remedy=remedy)
