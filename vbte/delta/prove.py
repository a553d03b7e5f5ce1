"""Proves the deltas in a plan directory again, from the files alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vbte.delta.confirm import walk_faults
from vbte.delta.document import Delta, apply_delta
from vbte.delta.files import read_delta, read_index, unlisted
from vbte.delta.groups import count_changes
from vbte.delta.remainder import left_over
from vbte.delta.schema import DIRECTORY
from vbte.errors import InputError, InputWarning
from vbte.oracle import routable
from vbte.plan import Plan
from vbte.scenarios import Part, Risks
from vbte.tables import Tables
from vbte.tables.manifest import inputs_of


def delta_faults(directory: str | os.PathLike[str], plan: Plan, tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield place and fault of everything that does not hold in a plan directory's deltas, if there are any.

    Each has to start from these tables, to be about this plan's inputs with what is down taken away, to give what it
    says it gives, to touch as many groups as it says, and to carry its figures when walked with what failed down.
    """
    try:
        index = read_index(directory)
    except InputError as error:
        yield _found(error)
        return
    if index is None:
        return
    for path in unlisted(directory, index):
        yield str(path), "is in no list"
    if index["base"] != tables.manifest["plan"]:
        yield f"{DIRECTORY}/index.json: base", f"the deltas are to plan {index['base']}"
        return
    for entry in index["scenarios"]:
        if entry["directory"] is None:
            continue
        place = f"{DIRECTORY}/{entry['directory']}"
        try:
            delta = read_delta(directory, entry)
            if delta.manifest["result"]["plan"] != entry["result"]:
                yield place, "has another plan id than the index says"
            result = apply_delta(tables, delta, place=str(Path(directory) / place))
            yield from ((place, fault) for fault in _faults(plan, tables, delta, result))
        except InputError as error:
            yield _found(error)


def _found(error: InputError) -> tuple[str, str]:
    return error.place, f"{error.fault}{'; ' + error.remedy if error.remedy else ''}"


def _faults(plan: Plan, base: Tables, delta: Delta, result: Tables) -> Iterator[str]:
    manifest, topology = delta.manifest, plan.instance.topology
    known, down = Risks(topology).links_of, np.zeros(len(topology.links), dtype=np.bool_)
    for part in manifest["scenario"]["down"]:
        links = known[Part(part["kind"])].get(part["name"])
        if links is None:
            yield f"the topology has no {part['kind']} {part['name']!r}"
            return
        down[links] = True
    if sorted(topology.links[at].id for at in np.flatnonzero(down)) != manifest["scenario"]["links"]:
        yield "links are not those of what is down"
        return
    left = left_over(plan.instance, down)
    if manifest["result"]["inputs"] != inputs_of(left):
        yield "the re-plan was made for another topology, model or demands"
        return
    counted, said = count_changes(base, result), manifest["groups"]
    if (counted.added, counted.changed, counted.removed, counted.of) != tuple(
        said[name] for name in ("added", "changed", "removed", "of")
    ):
        yield f"groups: {counted.added} are added, {counted.changed} changed and {counted.removed} removed, not as said"
    if said["limit"] is not None and counted.total > said["limit"]:
        yield f"groups: {counted.total} differ, {said['limit']} allowed"
    with warnings.catch_warnings():
        # Who can't be served any more was told when the deltas were made.
        warnings.simplefilter("ignore", InputWarning)
        served = routable(left)[0].instance
    yield from walk_faults(result, served, manifest["scenario"], manifest["planned"])
