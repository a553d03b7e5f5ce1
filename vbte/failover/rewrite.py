"""Re-plans as tables: what they change in those of the plan in force, walked with what failed down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.delta import Delta, GroupChanges, count_changes, keep_groups, planned_figures, walk_faults
from vbte.delta.document import delta_between
from vbte.delta.schema import ScenarioFacts
from vbte.plan import Plan
from vbte.scenarios import Scenario
from vbte.tables import Publication, Tables, build_tables
from vbte.topology import BoolArray, Topology


@dataclass(frozen=True, eq=False)
class Rewriting:
    """What a re-plan's tables are held against: those in force, and the scenario, ``down`` (n_links,) its links."""

    base: Tables
    scenario: Scenario
    down: BoolArray


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A re-plan's delta, the groups that it touches, and what the walk finds that is not as planned."""

    delta: Delta
    groups: GroupChanges
    astray: tuple[str, ...]


def rewritten(plan: Plan, how: Rewriting) -> Rewritten:
    """Return a re-plan as a delta against the tables in force, groups that may stay kept as they are."""
    tables = rewritten_tables(plan, how.base)
    facts, figures = scenario_facts(how.scenario, plan.instance.topology, how.down), planned_figures(plan)
    delta = delta_between(how.base, tables, facts, figures)
    return Rewritten(delta, count_changes(how.base, tables), tuple(walk_faults(tables, plan.instance, facts, figures)))


def rewritten_tables(plan: Plan, base: Tables) -> Tables:
    """Return a re-plan's tables, the next of the base in sequence."""
    manifest = base.manifest
    publication = Publication(parent=manifest["plan"], sequence=manifest["sequence"] + 1)
    return keep_groups(base, build_tables(plan, publication=publication))


def scenario_facts(scenario: Scenario, topology: Topology, down: BoolArray) -> ScenarioFacts:
    """Return what a delta says of its scenario."""
    return {
        "name": scenario.name,
        "probability": scenario.probability,
        "down": [{"kind": kind.value, "name": name} for kind, name in scenario.parts()],
        "links": sorted(topology.links[at].id for at in np.flatnonzero(down)),
    }
