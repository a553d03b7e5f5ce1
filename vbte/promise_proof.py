"""Whether a plan keeps what protected classes are promised, worked out from its paths alone: no solver, no prices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vbte.oracle import PathOracle
from vbte.plan import Plan
from vbte.policy import CapacityRule
from vbte.reservations import class_link_committed_gbps, class_link_most_gbps
from vbte.survival import survivals, what_is_left
from vbte.tolerance import CAPACITY_SLACK_SHARE, DEMAND_SLACK_SHARE
from vbte.topology import FloatArray


def promise_faults(plan: Plan, oracle: PathOracle) -> Iterator[str]:
    """Yield what is wrong with the reservations of a plan whose paths and flows are in order."""
    protected = [rules.policy.protection is not None for rules in plan.instance.rules]
    if any(protected) and len(plan.paths) and plan.reserved_gbps is None:
        yield "missing, although a class is protected"
    elif any(protected) and len(plan.paths):
        yield from _overbooked(plan, protected)
        yield from _broken(plan, oracle)


def _overbooked(plan: Plan, protected: list[bool]) -> Iterator[str]:
    """Reservations fit on every link, beside what classes planned before use, and within each class's own limit."""
    instance, capacity = plan.instance, plan.instance.topology.capacity_gbps
    priority = np.array([rules.policy.priority for rules in instance.rules])
    together, most = class_link_committed_gbps(plan), class_link_most_gbps(plan)
    limits: list[tuple[FloatArray, float]] = []
    if instance.model.capacity is CapacityRule.HARD:
        levels = np.unique(priority[protected]).tolist()
        limits += [(together[:, priority <= level].sum(axis=1), instance.model.utilization_limit) for level in levels]
    for position in np.flatnonzero(protected).tolist():
        limit = instance.rules[position].policy.utilization_limit
        limits += [] if limit is None else [(most[:, position], limit)]
    for reserved, limit in limits:
        for matrix, link in zip(*np.nonzero(reserved > limit * capacity * (1 + CAPACITY_SLACK_SHARE)), strict=True):
            gbps, room = reserved[matrix, link], limit * capacity[link]
            yield f"link {instance.topology.links[link].id}: {gbps:.9g} Gbit/s are reserved, limit {room:.9g}"


def _broken(plan: Plan, oracle: PathOracle) -> Iterator[str]:
    """Robust classes: no path comes to carry more than is reserved for it, in any scenario that is promised."""
    instance, commodity = plan.instance, plan.paths.commodity
    robust = list(survivals(oracle).values())
    if not robust or not len(plan.paths) or plan.reserved_gbps is None:
        return
    left, largest = what_is_left(robust, plan.paths, plan.flow_gbps)
    admitted = plan.admitted_share * instance.peak_gbps
    promised = np.isin(instance.class_index, [survival.class_index for survival in robust])
    for k in np.flatnonzero(promised & (admitted > 0) & (left <= 0)):
        yield f"{instance.describe(int(k))}: some scenario leaves it none of its paths"
    slack = DEMAND_SLACK_SHARE * instance.peak_gbps
    more = admitted[commodity] * largest > plan.reserved_gbps + slack[commodity]
    for p in np.flatnonzero(promised[commodity] & more):
        has, needs = plan.reserved_gbps[p], admitted[commodity[p]] * largest[p]
        who = instance.describe(int(commodity[p]))
        yield f"path {p} of {who}: {has:.9g} Gbit/s are reserved, and it comes to carry {needs:.9g}"
