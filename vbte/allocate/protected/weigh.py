"""Splits by weights that devices can hold, and how much fits with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vbte.bounds import StageProblem
from vbte.device_limits import device_limits
from vbte.plan import PathSet, link_sums
from vbte.quantise import quantise
from vbte.tolerance import CAPACITY_SLACK_SHARE
from vbte.topology import FloatArray

#: Rounds in which weights settle; what has not by then is off by what rounding is off.
_WEIGHT_ROUNDS = 32

#: Rounds in which commodities grow into what others leave.
_FILL_ROUNDS = 20

#: From shares of their commodities' volumes, (P,), to loads of all classes and of each, (T, n_classes, n_links) both.
Loads = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def weighed(problem: StageProblem, paths: PathSet, share: FloatArray, *, least: int = 1) -> FloatArray:
    """Return the shares that integer weights of the head ends give, such that they give themselves again.

    With a ``least`` weight of 1 no path is left out: each may be all that some scenario leaves. Weights of shares that
    are weights already may be smaller ones, within the tolerance of rounding.
    """
    instance = problem.instance
    owner, start = np.unique(paths.commodity, return_index=True)
    start = np.append(start, len(paths)).astype(np.int64)
    most = device_limits(instance.topology, instance.model).max_weight[instance.source[owner]]
    for _ in range(_WEIGHT_ROUNDS):
        weight = np.maximum(quantise(share, start, most)[0], least)
        total = np.bincount(paths.commodity, weights=weight, minlength=instance.n_commodities)
        before, share = share, np.asarray(weight / total[paths.commodity])
        if np.array_equal(before, share):
            break
    return share


def share_that_fits(
    problem: StageProblem, paths: PathSet, reserved_gbps: FloatArray, loads: Loads | None = None
) -> FloatArray:
    """Return the share of each commodity at which all reservations fit, (K,): one for nearly all.

    Each is cut to what its fullest link allows, and then raised, round by round, by what that leaves of its links.
    ``paths`` tell which links a commodity has to do with; ``loads``, where it is not all of them always, what these
    come to carry: from shares of the commodities' volumes, (P,), to loads of all classes together and of each by
    itself, (T, n_classes, n_links) each.
    """
    instance, capacity = problem.instance, problem.instance.topology.capacity_gbps
    visited = np.repeat(paths.commodity, paths.hops)
    room = np.where(capacity > 0, problem.utilization_cap * np.maximum(capacity, 1e-300), 0.0)
    limits: list[tuple[int | None, FloatArray]] = [(None, room - problem.background_gbps)]
    for c, rules in enumerate(instance.rules):
        if rules.policy.utilization_limit is not None:
            limits.append((c, np.tile(problem.class_limit(c) * capacity, (instance.n_matrices, 1))))
    fits = np.ones(instance.n_commodities)
    for _ in range(_FILL_ROUNDS):
        share = reserved_gbps * fits[paths.commodity] / instance.peak_gbps[paths.commodity]
        together, most_of = loads(share) if loads is not None else (link_sums(instance, paths, share),) * 2
        spare = np.full(instance.n_commodities, np.inf)
        for of_class, most in limits:
            load = together.sum(axis=1) if of_class is None else most_of[:, of_class]
            # Rounding is no reason to cut anything.
            full = (load >= most) & (load <= most * (1.0 + CAPACITY_SLACK_SHARE))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(load > 0, np.where(full, 1.0, np.maximum(most, 0.0) / load), np.inf).min(axis=0)
            counted = slice(None) if of_class is None else instance.class_index[visited] == of_class
            np.minimum.at(spare, visited[counted], ratio[paths.links[counted]])
        fits = np.minimum(fits * spare, 1.0)
    return fits
