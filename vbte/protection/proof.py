"""Whether a plan keeps what protected classes are promised, worked out from its paths alone: no solver, no prices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vbte.oracle import PathOracle
from vbte.plan import Plan
from vbte.policy import CapacityRule
from vbte.protection.availability import Availability, availabilities, common_gbps, percentile_gbps
from vbte.protection.reservations import class_link_committed_gbps, class_link_most_gbps
from vbte.protection.survival import survivals, what_is_left
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
        yield from _unavailable(plan, oracle)


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


def _unavailable(plan: Plan, oracle: PathOracle) -> Iterator[str]:
    """Classes with a promised availability: states of that probability leave each commodity what is admitted of it."""
    instance, reserved = plan.instance, plan.reserved_gbps
    if reserved is None:
        return
    admitted = plan.admitted_share * instance.peak_gbps
    slack = DEMAND_SLACK_SHARE * instance.peak_gbps
    for availability in availabilities(oracle).values():
        mine = availability.survival.is_mine & (admitted > 0)
        if not mine.any():
            continue
        if availability.is_common:
            level = common_gbps(availability, plan.paths, reserved, admitted)
        else:
            level = percentile_gbps(availability, plan.paths, reserved)
        target = availability.protection.target
        for k in np.flatnonzero(mine & (level < admitted - slack)):
            yield (
                f"{instance.describe(int(k))}: {admitted[k]:.9g} Gbit/s are promised for {target:.9g} of the time, "
                f"reservations keep {level[k]:.9g}"
            )
        yield from _unlike(plan, availability, reserved)


def _unlike(plan: Plan, availability: Availability, reserved: FloatArray) -> Iterator[str]:
    """Head ends split in proportion to the flows: that has to be the proportion of the reservations."""
    instance, commodity = plan.instance, plan.paths.commodity
    total = np.bincount(commodity, weights=reserved, minlength=instance.n_commodities)[commodity]
    admitted = (plan.admitted_share * instance.peak_gbps)[commodity]
    with np.errstate(divide="ignore", invalid="ignore"):
        fair = np.where(total > 0, reserved / total, 0.0) * admitted
    slack = DEMAND_SLACK_SHARE * instance.peak_gbps[commodity]
    odd = availability.survival.is_mine[commodity] & (np.abs(plan.flow_gbps - fair) > slack)
    for p in np.flatnonzero(odd):
        yield (
            f"path {p} of {instance.describe(int(commodity[p]))}: its flow is {plan.flow_gbps[p]:.9g} Gbit/s, its part "
            f"of the reservations {fair[p]:.9g}"
        )
