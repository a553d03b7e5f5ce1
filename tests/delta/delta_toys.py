"""A small network with two classes and tenants, its plan, and its re-plans as deltas."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from toys import cable, demands, model, network, of_class
from toys import plan as planned

from vbte.delta import Delta, DeltaWriter
from vbte.delta.document import delta_id, encode_delta
from vbte.failover import Replan, Replanning, WhatIf, what_if
from vbte.plan import Plan
from vbte.report.outcome import realise
from vbte.tables import Tables, build_tables
from vbte.tables.manifest import sha256

REALISATIONS = ("source-routed", "hop-by-hop")

CLASSES = [{"name": "gold", "priority": 1}, {"name": "bulk", "priority": 2}]


@cache
def base_plan(realisation: str) -> Plan:
    """Six nodes on a ring with two chords; gold and bulk of two tenants, a part of it split."""
    topology = network(
        cable("a-b", 10.0), cable("b-c", 10.0), cable("c-d", 10.0), cable("d-e", 10.0), cable("e-f", 10.0),
        cable("f-a", 10.0), cable("a-d", 4.0, 3.0), cable("b-e", 4.0, 3.0, srlgs=("ditch",)),
    )  # fmt: skip
    matrix = demands(
        ("a", "d", 9.0, of_class("gold")), ("b", "e", 6.0, of_class("bulk", tenant="t")),
        ("c", "f", 2.0, of_class("bulk")), ("d", "a", 3.0, of_class("gold", tenant="t")),
        ("f", "c", 1.0, of_class("gold")),
    )  # fmt: skip
    wanted = model(
        [{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}],
        classes=CLASSES, tables={"realisation": realisation, "max_weight": 16},
    )  # fmt: skip
    return planned(topology, matrix, wanted)


@cache
def answered(realisation: str, family: str = "cable") -> WhatIf:
    """All re-plans of a family, each with its delta."""
    plan = base_plan(realisation)
    return what_if(plan, build_tables(plan), family, replan=Replanning(deltas=True))


def only(realisation: str, name: str) -> tuple[Tables, Replan]:
    """The base tables, and the re-plan of one scenario."""
    answer = answered(realisation)
    return answer.tables, answer.replans[[one.name for one in answer.scenarios.scenarios].index(name)]


def write(directory: Path, realisation: str, family: str = "cable") -> Path:
    """A plan directory with its deltas."""
    answer = answered(realisation, family)
    names = [one.name for one in answer.scenarios.scenarios]
    files = dict(realise(answer.plan).files())
    writer = DeltaWriter(
        answer.tables.manifest["plan"], names, lambda name, content: files.update({f"failover/{name}": content})
    )
    for name, one in zip(names, answer.replans, strict=True):
        writer.take(name, one.delta, one.fault)
    writer.finish()
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return directory


def edit(file: Path, change: Callable[[Any], None]) -> bytes:
    """Change a JSON document on file; return the new content."""
    document = orjson.loads(file.read_bytes())
    change(document)
    file.write_bytes(encode_delta(document))
    return file.read_bytes()


def seal(folder: Path) -> None:
    """Make every hash of a scenario's files right again, so that only what they say can be found at fault."""
    manifest = folder / "manifest.json"

    def refresh(document: Any) -> None:
        for entry in document["devices"]:
            entry["sha256"] = sha256((folder / entry["file"]).read_bytes())
        document["delta"] = delta_id(document)

    digest = sha256(edit(manifest, refresh))

    def point(index: Any) -> None:
        for entry in index["scenarios"]:
            if entry["directory"] == folder.name:
                entry["sha256"] = digest

    edit(folder.parent / "index.json", point)


def changed(delta: Delta, change: Callable[[Any], None]) -> Delta:
    """A delta with its documents changed, its hashes as they were."""
    other = Delta(copy.deepcopy(delta.manifest), copy.deepcopy(dict(delta.devices)))
    change(other)
    return other
