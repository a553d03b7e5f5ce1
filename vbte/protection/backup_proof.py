"""Whether every path has the backup that its class is promised, worked out from the paths alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vbte.oracle import PathOracle, Positions, keeps_bounds, path_faults, select_paths
from vbte.plan import PathSet, Plan
from vbte.protection.backups import Backups, backups_of
from vbte.tolerance import DEMAND_SLACK_SHARE
from vbte.topology import BoolArray


def backup_faults(plan: Plan, oracle: PathOracle) -> Iterator[str]:
    """Yield what is wrong with the backups of a plan whose paths and flows are in order.

    Each is an admissible path of its commodity that no scenario takes down with its primary; none is missing but where
    the class is exempt and the search finds no pair; as much is reserved as flows.
    """
    found = backups_of(oracle)
    if plan.backup_paths is None:
        if found and len(plan.paths):
            yield "missing, although a class has backups"
        return
    class_index = plan.instance.class_index[plan.paths.commodity]
    yield from _strays(plan, plan.backup_paths, ~np.isin(class_index, list(found)))
    yield from _broken(plan, plan.backup_paths)
    for c, backups in found.items():
        mine = np.flatnonzero(class_index == c)
        yield from _unprotected(plan, plan.backup_paths, backups, mine)
    if plan.reserved_gbps is not None:
        slack = DEMAND_SLACK_SHARE * plan.instance.peak_gbps[plan.paths.commodity]
        for p in np.flatnonzero(plan.reserved_gbps < plan.flow_gbps - slack):
            yield f"path {p} carries {plan.flow_gbps[p]:.9g} Gbit/s, {plan.reserved_gbps[p]:.9g} are reserved"


def _strays(plan: Plan, partners: PathSet, others: BoolArray) -> Iterator[str]:
    for p in np.flatnonzero(others & (partners.hops > 0)):
        yield f"path {p} of {plan.instance.describe(int(plan.paths.commodity[p]))} has one, and its class asks for none"


def _broken(plan: Plan, partners: PathSet) -> Iterator[str]:
    """Backups are paths that the policy admits."""
    instance, rows = plan.instance, np.flatnonzero(partners.hops > 0)
    if not len(rows):
        return
    paths = select_paths(partners, rows)
    broken, returns, barred = path_faults(instance, paths)
    class_index = instance.class_index[paths.commodity]
    for position, rules in enumerate(instance.rules):
        if rules.depends_on_path:
            barred |= (class_index == position) & ~keeps_bounds(rules, instance.topology, paths)
    for faulty, fault in ((broken, "does not join its ends"), (returns, "visits a node twice"),
                          (barred, "breaks the policy of its class")):  # fmt: skip
        yield from (f"that of path {p} {fault}" for p in rows[faulty])


def _unprotected(plan: Plan, partners: PathSet, backups: Backups, mine: Positions) -> Iterator[str]:
    """Primary and backup never fall together, and none is missing but where there is none."""
    instance = plan.instance
    rows, theirs = select_paths(plan.paths, mine), select_paths(partners, mine)
    together = backups.fall_together(rows, theirs)
    excused = backups.without[rows.commodity] & (theirs.hops == 0)
    if backups.protection.where_impossible == "exempt":
        together &= ~excused
    for p, missing in zip(mine[together], theirs.hops[together] == 0, strict=True):
        who = f"path {p} of {instance.describe(int(plan.paths.commodity[p]))}"
        if missing:
            yield f"{who} has none, and something takes it down"
            continue
        one = select_paths(plan.paths, np.array([p])), select_paths(partners, np.array([p]))
        both = backups.hits(one[0]).multiply(backups.hits(one[1])).tocoo()
        scenario = backups.survival.scenarios.scenarios[int(both.coords[1].min())]
        yield f"{who} falls together with its own when {scenario.name} is down"
