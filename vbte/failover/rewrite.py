"""Re-plans as tables: what they change in those of the plan in force, walked with what failed down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.delta import Delta, GroupChanges, keep_groups, planned_figures, walk_faults
from vbte.delta.document import delta_between
from vbte.delta.schema import ScenarioFacts
from vbte.failover.limited import limited_replan, next_tables
from vbte.plan import Plan
from vbte.scenarios import Scenario
from vbte.solve import SolverProfile
from vbte.tables import Tables
from vbte.topology import BoolArray, Topology


@dataclass(frozen=True, eq=False)
class Rewriting:
    """What a re-plan's tables are held against: those in force, and the scenario, ``down`` (n_links,) its links.

    At most ``limit`` groups may differ, None: any number.
    """

    before: Plan
    base: Tables
    scenario: Scenario
    down: BoolArray
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A re-plan, its delta, the groups that it touches, and what the walk finds that is not as planned."""

    plan: Plan
    delta: Delta
    groups: GroupChanges
    astray: tuple[str, ...]


def rewritten(best: Plan, how: Rewriting, profile: SolverProfile) -> Rewritten:
    """Return a re-plan as a delta against the tables in force, groups that may stay kept as they are.

    With a limit the plan is another one, if need be. Raises InfeasibleError where there is none within the limit.
    """
    if how.limit is None:
        plan, (tables, groups) = best, rewritten_tables(best, how.base)
    else:
        within = limited_replan(how.before, how.base, best, how.down, how.limit, profile)
        plan, tables, groups = within.plan, within.tables, within.groups
    facts, figures = scenario_facts(how.scenario, plan.instance.topology, how.down), planned_figures(plan)
    delta = delta_between(how.base, tables, facts, figures, limit=how.limit, counted=groups)
    return Rewritten(plan, delta, groups, tuple(walk_faults(tables, plan.instance, facts, figures)))


def rewritten_tables(plan: Plan, base: Tables) -> tuple[Tables, GroupChanges]:
    """Return a re-plan's tables, the next of the base in sequence, what does the same kept, and what differs."""
    return keep_groups(base, next_tables(plan, base))


def scenario_facts(scenario: Scenario, topology: Topology, down: BoolArray) -> ScenarioFacts:
    """Return what a delta says of its scenario."""
    return {
        "name": scenario.name,
        "probability": scenario.probability,
        "down": [{"kind": kind.value, "name": name} for kind, name in scenario.parts()],
        "links": sorted(topology.links[at].id for at in np.flatnonzero(down)),
    }
