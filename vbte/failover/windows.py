"""Maintenance windows, schema ``vbte.windows/1``: YAML, JSON, or CSV with a window a row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.failover.entries import LISTS, Entry, entries, is_csv, known_names, once, rows
from vbte.instance import Instance
from vbte.read import read_demands
from vbte.read.fields import Kind, Units
from vbte.read.native import NativeFile, check_top, native_file
from vbte.read.source import open_document
from vbte.scenarios import Part, Risks
from vbte.topology import BoolArray, Topology

SCHEMA = "vbte.windows/1"

WINDOW_FIELDS: Mapping[str, Kind] = {
    "name": Kind.TEXT,
    "start": Kind.TEXT,
    "end": Kind.TEXT,
    **dict.fromkeys(LISTS, Kind.NAMES),
    "nodes_off": Kind.NAMES,
    "matrix": Kind.INTEGER,
    "demands": Kind.TEXT,
}


@dataclass(frozen=True, eq=False)
class Window:
    """A job of maintenance: what is drained meanwhile, by name, and from when to when (None: not said).

    Links, cables and SRLGs carry nothing. ``nodes`` let nothing pass, and what starts or ends there still does;
    ``nodes_off`` are switched off, all their links with them, and what starts or ends there is set aside. ``matrix``
    is the plan's demand matrix that counts meanwhile (from 0), or ``demands`` one of its own; neither: all of them.
    """

    name: str
    start: datetime | None = None
    end: datetime | None = None
    cables: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    srlgs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    nodes_off: tuple[str, ...] = ()
    matrix: int | None = None
    demands: DemandMatrix | None = None
    origin: str = "windows"

    def drained_links(self, topology: Topology) -> BoolArray:
        """Return which links are drained, shape (n_links,). Raises InputError for names the topology lacks."""
        known, down = Risks(topology).links_of, np.zeros(len(topology.links), dtype=np.bool_)
        for kind, names in (
            (Part.CABLE, self.cables), (Part.SRLG, self.srlgs), (Part.LINK, self.links), (Part.NODE, self.nodes_off),
        ):  # fmt: skip
            for name in names:
                if name not in known[kind]:
                    raise InputError(f"the topology has no {kind} {name!r}", place=self._place,
                                     remedy="mend the name")  # fmt: skip
                down[known[kind][name]] = True
        return down

    @property
    def _place(self) -> str:
        return f"{self.origin}: window {self.name!r}"

    def checked(self, instance: Instance) -> Window:
        """Return the window if it fits a plan's instance. Raises InputError where it does not."""
        topology = instance.topology
        self.drained_links(topology)
        for name in self.nodes:
            if name not in topology.node_index:
                raise InputError(f"the topology has no node {name!r}", place=self._place, remedy="mend the name")
        if not (self.cables or self.nodes or self.srlgs or self.links or self.nodes_off):
            remedy = "name cables, nodes, srlgs, links or nodes_off"
            raise InputError("drains nothing", place=self._place, remedy=remedy)
        _check_times(self.start, self.end, self._place)
        if self.matrix is not None and not 0 <= self.matrix < instance.n_matrices:
            remedy = f"the plan has 1 to {instance.n_matrices}"
            raise InputError(f"there is no matrix {self.matrix + 1}", place=self._place, remedy=remedy)
        return self


def _check_times(start: datetime | None, end: datetime | None, place: str) -> None:
    if (start is None) != (end is None):
        raise InputError("start and end go together", place=place, remedy="state both, or neither")
    if start is None or end is None:
        return
    if (start.tzinfo is None) != (end.tzinfo is None):
        remedy = "write both with their offset, such as 2030-01-31T22:00+01:00 or 2030-01-31T21:00Z"
        raise InputError("one of start and end has no offset from UTC", place=place, remedy=remedy)
    if end <= start:
        raise InputError(f"ends at {end.isoformat()}, before it starts ({start.isoformat()})", place=place,
                         remedy="mend start or end")  # fmt: skip


def check_windows(windows: Sequence[Window], instance: Instance) -> None:
    """Raise InputError for windows that do not fit a plan's instance or each other: one name, two kinds of times."""
    seen: set[str] = set()
    for window in windows:
        window.checked(instance)
        if window.name in seen:
            raise InputError("the name appears twice", place=f"{window.origin}: window {window.name!r}",
                             remedy="give each window its own")  # fmt: skip
        seen.add(window.name)
    offsets = {one.start.tzinfo is None for one in windows if one.start is not None}
    if len(offsets) > 1:
        raise InputError("some windows state their offset from UTC and some do not", place=windows[0].origin,
                         remedy="write all times with their offset, or none")  # fmt: skip
    if not windows:
        raise InputError("lists no window", place="windows", remedy="list at least one")


def read_windows(source: str | os.PathLike[str] | Mapping[str, Any], instance: Instance) -> tuple[Window, ...]:
    """Return the windows in a file, or in a mapping of the same form, for a plan's instance.

    Files of demands are looked for beside it. Raises InputError, naming file and place, for anything that the schema
    does not know, for names that the topology does not have, windows of one name, windows that drain nothing or end
    before they start, and times that are none.
    """
    if isinstance(source, Mapping):
        file, folder = NativeFile(source, "windows"), Path()
    else:
        document, folder = open_document(source), Path(source).parent
        if is_csv(document):
            return _windows(rows(document, WINDOW_FIELDS), instance, folder, document.origin)
        as_json = document.suffix == ".json" or document.text.lstrip().startswith("{")
        file = native_file(document, as_json=as_json)
    check_top(file, SCHEMA, ("schema", "name", "windows"), Units())
    return _windows(entries(file, "windows", WINDOW_FIELDS), instance, folder, file.origin)


def _windows(listed: Iterable[Entry], instance: Instance, folder: Path, origin: str) -> tuple[Window, ...]:
    risks = Risks(instance.topology)
    names: dict[str, str] = {}
    windows: list[Window] = []
    for entry in listed:
        window = _window(entry, instance, risks, folder)
        once(names, window.name, f"the name {window.name!r} appears twice", entry, "name")
        windows.append(window)
    if not windows:
        raise InputError("lists no window", place=origin, remedy="list at least one, under windows")
    check_windows(windows, instance)
    return tuple(windows)


def _window(entry: Entry, instance: Instance, risks: Risks, folder: Path) -> Window:
    facts = entry.facts
    lists: dict[str, Any] = {key: known_names(entry, key, kind, risks) for key, kind in LISTS.items()}
    lists["nodes_off"] = known_names(entry, "nodes_off", Part.NODE, risks)
    listed = " + ".join(f"{key.rstrip('s')} {name}" for key, names in lists.items() for name in names)
    if "matrix" in facts and "demands" in facts:
        raise InputError("states a matrix and demands", place=entry.place(), remedy="keep one of the two")
    matrix = facts["matrix"] - 1 if "matrix" in facts else None
    demands = None
    if "demands" in facts:
        try:
            demands = read_demands(folder / facts["demands"], instance.topology)
        except InputError as error:
            remedy = error.remedy or "name a file of demands beside this one"
            raise InputError(error.fault, place=f"{entry.place('demands')}: {error.place}", remedy=remedy) from None
        demands = replace(demands, name=demands.name or facts["demands"])
    name, start, end = facts.get("name", listed or "window"), _time(entry, "start"), _time(entry, "end")
    window = replace(Window(name, start, end, matrix=matrix, demands=demands), **lists)
    try:
        return replace(window.checked(instance), origin=entry.origin)
    except InputError as error:
        raise error.at(entry.place()) from None


def _time(entry: Entry, key: str) -> datetime | None:
    stated = entry.facts.get(key)
    if stated is None:
        return None
    try:
        return datetime.fromisoformat(stated)
    except ValueError:
        remedy = "a time by ISO 8601 is needed, such as 2030-01-31T22:00Z"
        raise InputError(f"{key} is {stated!r}", place=entry.place(key), remedy=remedy) from None
