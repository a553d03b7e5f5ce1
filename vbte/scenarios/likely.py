"""States of a network whose parts fail independently, the likely ones first, down to a cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbte.errors import InputError
from vbte.scenarios.families import Part, Scenario, ScenarioSet, check_probability, scenario_of
from vbte.topology import FloatArray, Topology

#: States that are enumerated at most: as many again are evaluated, and named.
MOST_STATES = 100_000


@dataclass(frozen=True, slots=True)
class Component:
    """Something that fails independently of everything else, down for a share ``probability`` of the time."""

    kind: Part
    name: str
    probability: float


def unavailability(mtbf_hours: float, mttr_hours: float) -> float:
    """Return the share of time that something is down which runs for ``mtbf_hours`` and is repaired in ``mttr_hours``.

    Both are means; mean time between failures is counted from repair to failure: mttr / (mtbf + mttr).
    """
    return mttr_hours / (mtbf_hours + mttr_hours) if mttr_hours > 0 else 0.0


def stated_components(topology: Topology) -> tuple[Component, ...]:
    """Return the cables and SRLGs that state how much of the time they are down, cables first, in their order.

    Of the links of one cable the largest share counts; SRLGs that no link is in are left out. Each fails independently
    of all others: what a group's figure says is no part of its links' own. Raises InputError when none states any.
    """
    found: dict[str, float] = {}
    for link in topology.links:
        if link.share_down is not None:
            cable = link.cable or link.id
            found[cable] = max(found.get(cable, 0.0), link.share_down)
    in_use = {group for link in topology.links for group in link.srlgs}
    groups = [(one.id, one.share_down) for one in topology.risk_groups if one.id in in_use]
    components = [Component(Part.CABLE, name, share) for name, share in found.items()]
    components += [Component(Part.SRLG, name, share) for name, share in groups if share is not None]
    if not components:
        raise InputError(
            "no link and no SRLG says how often it fails", place=topology.origin,
            remedy="give links or srlgs unavailability, or mtbf_hours and mttr_hours, or list components in a scenario "
            "file",
        )  # fmt: skip
    return tuple(components)


def likely_states(
    topology: Topology, components: Sequence[Component], cutoff: float, *, origin: str = "components"
) -> ScenarioSet:
    """Return every state of probability ``cutoff`` or more, likeliest first, the one with nothing down included.

    A state says of every component whether it is down: its probability is the product over those that are and, of
    what is left to 1, over those that are not. ``covered_probability`` is the sum over the states returned, all others
    being less likely than ``cutoff`` each. Raises InputError for a cut-off not above 0 and at most 1, for a
    probability outside 0 to 1, a component listed twice or unknown, and for more than ``MOST_STATES`` states.
    """
    if not 0.0 < cutoff <= 1.0:
        raise InputError(f"cutoff is {cutoff}", place=origin, remedy="a probability above 0 and at most 1 is needed")
    seen: set[tuple[Part, str]] = set()
    for one in components:
        place = f"{origin}: {one.kind} {one.name!r}"
        check_probability(one.probability, place)
        if (one.kind, one.name) in seen:
            raise InputError("appears twice", place=place, remedy="state each component once")
        seen.add((one.kind, one.name))
    states = _states(np.array([one.probability for one in components]), cutoff, origin)
    scenarios = tuple(_named(components, down, probability) for down, probability in states)
    return ScenarioSet(topology, scenarios, sum(probability for _, probability in states), origin)


def _named(components: Sequence[Component], down: tuple[int, ...], probability: float) -> Scenario:
    parts = [(components[position].kind, components[position].name) for position in down]
    return scenario_of(parts, probability=probability)


def _states(down: FloatArray, cutoff: float, origin: str) -> list[tuple[tuple[int, ...], float]]:
    """Return positions of what is down, and the probability, of all states above the cut-off.

    The search starts at the likeliest state of all and turns components over, those that cost least first: every turn
    makes a state less likely, so that what falls below the cut-off leads to nothing above it.
    """
    usual = down > 0.5
    likeliest = float(np.where(usual, down, 1.0 - down).prod())
    cost = np.where(usual, 1.0 - down, down) / np.where(usual, down, 1.0 - down)
    order = np.argsort(-cost, kind="stable")
    costs, turned = cost[order].tolist(), order.tolist()
    always = frozenset(np.flatnonzero(usual).tolist())
    found: list[tuple[tuple[int, ...], float]] = []
    stack: list[tuple[int, float, frozenset[int]]] = [(0, likeliest, always)] if likeliest >= cutoff else []
    while stack:
        first, probability, state = stack.pop()
        found.append((tuple(sorted(state)), probability))
        if len(found) > MOST_STATES:
            raise InputError(
                f"more than {MOST_STATES:,} states are likelier than {cutoff:g}", place=origin,
                remedy="raise the cutoff",
            )  # fmt: skip
        for at in range(first, len(costs)):
            less = probability * costs[at]
            if less < cutoff:
                break
            stack.append((at + 1, less, state ^ {turned[at]}))
    return sorted(found, key=lambda one: (-one[1], one[0]))
