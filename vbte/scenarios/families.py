"""Scenarios: what fails together, and how likely that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from types import MappingProxyType

import numpy as np
from scipy.sparse import csr_array

from vbte.errors import InputError
from vbte.topology import BoolArray, IntArray, Topology


class Part(StrEnum):
    """What a scenario may name; the words stand in files and in names of scenarios."""

    CABLE = "cable"
    NODE = "node"
    SRLG = "srlg"
    LINK = "link"


class Family(StrEnum):
    """The built-in families: every single cable, node or SRLG, and every pair of cables."""

    CABLE = "cable"
    NODE = "node"
    SRLG = "srlg"
    PAIRS = "pairs"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Things that are down together, by their names in the topology.

    A cable takes all links with it that name it, a link that names none is a cable of its own id; a node takes all
    its links, and whatever would enter or leave there. ``links`` are single directions. ``probability`` is the share
    of time in which exactly this is down, None where nobody has said.
    """

    name: str
    cables: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    srlgs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    probability: float | None = None

    def parts(self) -> Iterator[tuple[Part, str]]:
        """Yield kind and name of each thing that is down."""
        kinds = ((Part.CABLE, self.cables), (Part.NODE, self.nodes), (Part.SRLG, self.srlgs), (Part.LINK, self.links))
        yield from ((kind, name) for kind, names in kinds for name in names)


@dataclass(frozen=True, eq=False)
class Risks:
    """Names of a topology that can fail, each with the positions of the links it takes with it."""

    topology: Topology

    @cached_property
    def links_of(self) -> Mapping[Part, Mapping[str, IntArray]]:
        """Positions of links by kind and name; in the order of the topology."""
        found: dict[Part, dict[str, list[int]]] = {kind: {} for kind in Part}
        found[Part.NODE] = {node.id: [] for node in self.topology.nodes}
        for position, link in enumerate(self.topology.links):
            found[Part.CABLE].setdefault(link.cable or link.id, []).append(position)
            found[Part.LINK][link.id] = [position]
            for group in dict.fromkeys(link.srlgs):
                found[Part.SRLG].setdefault(group, []).append(position)
            for node in (link.source, link.target):
                found[Part.NODE][node].append(position)
        return MappingProxyType(
            {kind: {name: np.array(at, dtype=np.int32) for name, at in names.items()} for kind, names in found.items()}
        )

    def in_use(self, kind: Part) -> list[str]:
        """Return the names of a kind that take at least one usable link with them."""
        usable = self.topology.usable
        return [name for name, links in self.links_of[kind].items() if usable[links].any()]


@dataclass(frozen=True, eq=False)
class ScenarioSet:
    """Scenarios of one topology, S of them.

    ``covered_probability`` is how much of the probability they hold between them, the state in which all is up
    included where it is listed; None where nobody has said. Raises InputError for a name that the topology does not
    have, for a probability outside 0 to 1, and when two scenarios have one name.
    """

    topology: Topology
    scenarios: tuple[Scenario, ...]
    covered_probability: float | None = None
    origin: str = "scenarios"

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for scenario in self.scenarios:
            place = f"{self.origin}: scenario {scenario.name!r}"
            if scenario.name in seen:
                raise InputError("the name appears twice", place=place, remedy="give each scenario its own")
            seen.add(scenario.name)
            check_probability(scenario.probability, place)
            for kind, name in scenario.parts():
                if name not in self._risks.links_of[kind]:
                    raise unknown_part(kind, name, place)

    def __len__(self) -> int:
        return len(self.scenarios)

    @cached_property
    def _risks(self) -> Risks:
        return Risks(self.topology)

    @cached_property
    def _link_hits(self) -> csr_array:
        hits = [
            np.unique(np.concatenate([np.empty(0, np.int32), *(self._risks.links_of[k][n] for k, n in one.parts())]))
            for one in self.scenarios
        ]
        return _rows(hits, len(self.topology.links))

    @cached_property
    def _node_hits(self) -> csr_array:
        index = self.topology.node_index
        hits = [np.unique(np.array([index[node] for node in one.nodes], dtype=np.int32)) for one in self.scenarios]
        return _rows(hits, len(self.topology.nodes))

    def failed_links(self, block: slice) -> BoolArray:
        """Return which links are down in the scenarios of a block, shape (n_links, B)."""
        return np.asarray(self._link_hits[block].toarray().T > 0)

    def failed_nodes(self, block: slice) -> BoolArray:
        """Return which nodes are down in the scenarios of a block, shape (n_nodes, B)."""
        return np.asarray(self._node_hits[block].toarray().T > 0)


def _rows(hits: Sequence[IntArray], n_columns: int) -> csr_array:
    start = np.concatenate([[0], np.cumsum([len(row) for row in hits])]).astype(np.int64)
    column = np.concatenate([np.empty(0, dtype=np.int32), *hits])
    return csr_array((np.ones(len(column), dtype=np.int8), column, start), shape=(len(hits), n_columns))


def check_probability(probability: float | None, place: str) -> None:
    """Raise InputError for a probability outside 0 to 1."""
    if probability is not None and not 0.0 <= probability <= 1.0:
        raise InputError(f"probability is {probability}", place=place, remedy="a share of time from 0 to 1 is needed")


def unknown_part(kind: Part, name: str, place: str) -> InputError:
    """Return the error for something that the topology does not have."""
    return InputError(f"the topology has no {kind} {name!r}", place=place, remedy="mend the name or the topology")


def family(topology: Topology, wanted: Family | str) -> ScenarioSet:
    """Return a built-in family. Cables and groups without a usable link are left out: nothing rides on them.

    Raises InputError for a name that is none.
    """
    if wanted not in set(Family):
        remedy = f"{', '.join(Family)}, or scenarios made for the topology"
        raise InputError(f"no family {wanted!r}", place="scenarios", remedy=remedy)
    chosen = Family(wanted)
    if chosen is Family.PAIRS:
        return pairs_of(family(topology, Family.CABLE))
    names = Risks(topology).in_use(Part(chosen.value))
    return ScenarioSet(topology, tuple(_single(Part(chosen.value), name) for name in names), origin=f"single {chosen}s")


def _single(kind: Part, name: str, probability: float | None = None) -> Scenario:
    return scenario_of([(kind, name)], probability=probability)


def scenario_of(parts: Sequence[tuple[Part, str]], *, name: str = "", probability: float | None = None) -> Scenario:
    """Return the scenario in which these things are down, named for them unless stated: ``'cable a-b + node c'``."""
    listed = {kind: tuple(dict.fromkeys(one for k, one in parts if k is kind)) for kind in Part}
    named = name or " + ".join(f"{kind} {one}" for kind in Part for one in listed[kind]) or "nothing down"
    return Scenario(named, listed[Part.CABLE], listed[Part.NODE], listed[Part.SRLG], listed[Part.LINK], probability)


def pairs_of(singles: ScenarioSet) -> ScenarioSet:
    """Return every two scenarios of a set at once."""
    pairs = tuple(_both(one, other) for one, other in combinations(singles.scenarios, 2))
    return ScenarioSet(singles.topology, pairs, origin=f"pairs of {singles.origin}")


def during(maintenance: Scenario, failures: ScenarioSet) -> ScenarioSet:
    """Return the maintenance by itself, and each failure while it goes on."""
    of_its_own = {*maintenance.parts()}
    on_top = (one for one in failures.scenarios if not {*one.parts()} <= of_its_own)
    both = tuple(_both(maintenance, one) for one in on_top)
    return ScenarioSet(failures.topology, (maintenance, *both), origin=f"{failures.origin} during {maintenance.name}")


def _both(one: Scenario, other: Scenario) -> Scenario:
    return scenario_of([*one.parts(), *other.parts()], name=f"{one.name} + {other.name}")
