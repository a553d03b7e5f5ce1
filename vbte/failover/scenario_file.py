"""Scenarios from a file, schema ``vbte.scenarios/1``: YAML, JSON, or CSV with a scenario a row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from vbte.errors import InputError
from vbte.failover.entries import LISTS, Entry, check_name, entries, is_csv, known_names, once, rows
from vbte.read.fields import Field, Kind, Units, typed_value
from vbte.read.native import NativeFile, check_top, native_file, stated_name
from vbte.read.source import open_document
from vbte.scenarios.families import Family, Part, Risks, Scenario, ScenarioSet, during, family
from vbte.scenarios.likely import Component, likely_states, unavailability
from vbte.tolerance import PROBABILITY_SLACK
from vbte.topology import Topology

SCHEMA = "vbte.scenarios/1"

#: Units of the mean times, in hours.
HOURS_PER_UNIT: Mapping[str, float] = {"minutes": 1 / 60, "hours": 1.0, "days": 24.0, "years": 24.0 * 365.25}

_CHANCE_FIELDS: Mapping[str, Kind] = {
    "probability": Kind.FIGURE,
    **{f"{mean}_{unit}": Kind.FIGURE for mean in ("mtbf", "mttr") for unit in HOURS_PER_UNIT},
}
SCENARIO_FIELDS: Mapping[str, Kind] = {"name": Kind.TEXT, **dict.fromkeys(LISTS, Kind.NAMES), **_CHANCE_FIELDS}
MAINTENANCE_FIELDS: Mapping[str, Kind] = {"name": Kind.TEXT, **dict.fromkeys(LISTS, Kind.NAMES), "with": Kind.TEXT}
COMPONENT_FIELDS: Mapping[str, Kind] = {**{str(kind): Kind.TEXT for kind in Part}, **_CHANCE_FIELDS}

_TOP = ("schema", "name", "scenarios", "maintenance", "components", "cutoff")


def read_scenarios(source: str | os.PathLike[str] | Mapping[str, Any], topology: Topology) -> ScenarioSet:
    """Return the scenarios in a file, or in a mapping of the same form, for a topology.

    Listed scenarios come first, then maintenance with the failures on top of it, then the likely states of the
    components. Raises InputError, naming file and place, for anything that the schema does not know, for a name that
    the topology does not have, a probability outside 0 to 1, and for scenarios of one name or one content.
    """
    if isinstance(source, Mapping):
        return _from_native(NativeFile(source, "scenarios"), topology)
    document = open_document(source)
    if is_csv(document):
        return _listed(rows(document, SCENARIO_FIELDS), topology, document.origin, document.stem)
    as_json = document.suffix == ".json" or document.text.lstrip().startswith("{")
    return _from_native(native_file(document, as_json=as_json), topology)


def _from_native(file: NativeFile, topology: Topology) -> ScenarioSet:
    check_top(file, SCHEMA, _TOP, Units())
    name = stated_name(file) or file.origin
    if not any(key in file.data for key in ("scenarios", "maintenance", "components")):
        raise InputError("lists nothing", place=file.origin, remedy="give scenarios, maintenance or components")
    if ("components" in file.data) != ("cutoff" in file.data):
        raise InputError(
            "components and cutoff go together", place=file.place("cutoff"),
            remedy="say how unlikely a state may be and still be looked at: cutoff: 1e-6",
        )  # fmt: skip
    parts = []
    if "scenarios" in file.data:
        parts.append(_listed(entries(file, "scenarios", SCENARIO_FIELDS), topology, file.origin, name))
    parts += [_maintenance(entry, topology) for entry in entries(file, "maintenance", MAINTENANCE_FIELDS)]
    if "components" in file.data:
        parts.append(_components(file, topology))
    if len(parts) == 1:
        return parts[0]
    scenarios = tuple(scenario for part in parts for scenario in part.scenarios)
    # Only the states of components are known to exclude each other.
    return ScenarioSet(topology, scenarios, parts[-1].covered_probability if "components" in file.data else None, name)


def _listed(entries: Iterable[Entry], topology: Topology, origin: str, name: str) -> ScenarioSet:
    risks, scenarios = Risks(topology), []
    names: dict[str, str] = {}
    contents: dict[tuple[frozenset[int], frozenset[str]], str] = {}
    for entry in entries:
        scenario = _scenario(entry, risks)
        once(names, scenario.name, f"the name {scenario.name!r} appears twice", entry, "name")
        links = frozenset(at for kind, one in scenario.parts() for at in risks.links_of[kind][one].tolist())
        content = (links, frozenset(scenario.nodes))
        before = contents.get(content, "")
        once(
            contents, content, f"scenario {scenario.name!r} takes down what {before!r} does", entry, value=scenario.name
        )
        scenarios.append(scenario)
    if not scenarios:
        raise InputError("lists no scenario", place=origin, remedy="list at least one")
    stated = [scenario.probability for scenario in scenarios]
    covered = sum(p for p in stated if p is not None)
    if covered > 1.0 + PROBABILITY_SLACK:
        raise InputError(
            f"probabilities add up to {covered:g}", place=origin,
            remedy="state the share of time in which exactly that is down; 1 is all there is",
        )  # fmt: skip
    return ScenarioSet(topology, tuple(scenarios), None if None in stated else covered, name)


def _scenario(entry: Entry, risks: Risks) -> Scenario:
    lists = {key: known_names(entry, key, kind, risks) for key, kind in LISTS.items()}
    if not any(lists.values()):
        raise InputError("takes nothing down", place=entry.place(), remedy="name cables, nodes, srlgs or links")
    listed = " + ".join(f"{kind} {name}" for key, kind in LISTS.items() for name in lists[key])
    return Scenario(entry.facts.get("name", listed), **lists, probability=_probability(entry))


def _probability(entry: Entry) -> float | None:
    """Return the share of time that an entry states, directly or by mean times; None where it states none."""
    facts = entry.facts
    means = {mean: [key for key in facts if key.startswith(f"{mean}_")] for mean in ("mtbf", "mttr")}
    ways = len([key for key in ("probability",) if key in facts]) + any(means.values())
    if ways > 1:
        raise InputError("states a probability and mean times", place=entry.place(), remedy="keep one of the two")
    if "probability" in facts:
        probability = float(facts["probability"])
        if not 0.0 <= probability <= 1.0:
            fault = f"probability is {probability:g}"
            raise InputError(fault, place=entry.place("probability"), remedy="a share of time from 0 to 1 is needed")
        return probability
    if not any(means.values()):
        return None
    if any(len(keys) != 1 for keys in means.values()):
        raise InputError(
            "mean times are needed in pairs, each in one unit", place=entry.place(),
            remedy="write mtbf_hours and mttr_hours, or _minutes, _days, _years",
        )  # fmt: skip
    hours = {mean: facts[keys[0]] * HOURS_PER_UNIT[keys[0].rpartition("_")[2]] for mean, keys in means.items()}
    if hours["mtbf"] + hours["mttr"] <= 0:
        raise InputError("both mean times are 0", place=entry.place(), remedy="state how long it runs")
    return unavailability(hours["mtbf"], hours["mttr"])


def _maintenance(entry: Entry, topology: Topology) -> ScenarioSet:
    scenario, wanted = _scenario(entry, Risks(topology)), entry.facts.get("with")
    if wanted is None:
        return ScenarioSet(topology, (scenario,), origin=entry.origin)
    if wanted not in set(Family):
        raise InputError(
            f"with is {wanted!r}", place=entry.place("with"), remedy=f"one of {', '.join(Family)} is needed"
        )
    return during(scenario, family(topology, wanted))


def _components(file: NativeFile, topology: Topology) -> ScenarioSet:
    risks, components = Risks(topology), []
    seen: dict[Any, str] = {}
    for entry in entries(file, "components", COMPONENT_FIELDS):
        kinds = [kind for kind in Part if str(kind) in entry.facts]
        if len(kinds) != 1:
            raise InputError(f"names {len(kinds)} things", place=entry.place(), remedy=f"name one: {', '.join(Part)}")
        name = str(entry.facts[str(kinds[0])])
        check_name(entry, str(kinds[0]), kinds[0], name, risks)
        once(seen, (kinds[0], name), f"{kinds[0]} {name!r} appears twice", entry)
        probability = _probability(entry)
        if probability is None:
            raise InputError(
                "states no probability", place=entry.place(), remedy="write probability, or mtbf_hours and mttr_hours"
            )
        components.append(Component(kinds[0], name, probability))
    cutoff = _cutoff(file)
    return likely_states(topology, components, cutoff, origin=file.origin)


def _cutoff(file: NativeFile) -> float:
    try:
        cutoff = float(typed_value(file.data["cutoff"], Field("cutoff", Kind.FIGURE)))
    except InputError as error:
        raise error.at(file.place("cutoff")) from None
    if not 0.0 < cutoff <= 1.0:
        raise InputError(f"cutoff is {cutoff:g}", place=file.place("cutoff"), remedy="above 0 and at most 1 is needed")
    return cutoff
