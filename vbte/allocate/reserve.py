"""From a solver's reservations to a plan that keeps its promise to the last digit, by weights that devices can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbte.allocate.settle import settle
from vbte.bounds import StageProblem
from vbte.device_limits import device_limits
from vbte.plan import PathSet, link_sums
from vbte.policy import Admission
from vbte.quantise import quantise
from vbte.survival import Survival, what_is_left
from vbte.tolerance import CAPACITY_SLACK_SHARE, DEMAND_SLACK_SHARE
from vbte.topology import FloatArray

#: Rounds in which weights settle; what has not by then is off by what rounding is off.
_WEIGHT_ROUNDS = 32

#: Rounds in which commodities grow into what others leave.
_FILL_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class _Promise:
    """What is ``admitted`` (K,), Gbit/s, how it is split when all is up, and the most that each path carries, (P,)."""

    admitted: FloatArray
    share: FloatArray
    largest_share: FloatArray


def reserve(
    problem: StageProblem,
    survivals: Sequence[Survival],
    paths: PathSet,
    reserved_gbps: FloatArray,
    admitted_gbps: FloatArray,
) -> tuple[PathSet, FloatArray, FloatArray]:
    """Return paths, flows and reservations, all (P,), that admit at most ``admitted_gbps`` (K,).

    Less is admitted where what some scenario leaves would not carry it, as when a solver was stopped early. Splits are
    those of integer weights, so that what is promised is what devices do, and each path keeps the most that it comes to
    carry when head ends split over what is left; for what weights can't tell, a little less is let in. Where all has
    to be, and would not fit by weights, splits are exact.
    """
    total = np.bincount(paths.commodity, weights=reserved_gbps, minlength=problem.instance.n_commodities)
    paths, aim = settle(survivals[0].oracle, paths, reserved_gbps, np.where(admitted_gbps > 0, total, 0.0))
    exact = _exact(survivals, paths, aim, admitted_gbps)
    kept = _by_weights(problem, survivals, paths, exact) or exact
    admitted = kept.admitted[paths.commodity]
    return paths, admitted * kept.share, admitted * kept.largest_share


def _exact(survivals: Sequence[Survival], paths: PathSet, aim: FloatArray, admitted_gbps: FloatArray) -> _Promise:
    least, largest = what_is_left(survivals, paths, aim)
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.where(least > 0, admitted_gbps / least, np.inf)
    # Rounding is made up for by reserving a trifle more.
    admitted = np.where(short <= 1.0 + DEMAND_SLACK_SHARE, admitted_gbps, least)
    total = np.bincount(paths.commodity, weights=aim, minlength=len(admitted_gbps))
    return _Promise(admitted, aim / total[paths.commodity], largest)


def _by_weights(
    problem: StageProblem, survivals: Sequence[Survival], paths: PathSet, exact: _Promise
) -> _Promise | None:
    """Return the promise that integer weights keep, None where not all can be admitted that has to be."""
    share = _weighed(problem, paths, exact.share)
    least, largest = what_is_left(survivals, paths, share)
    fits = _share_that_fits(problem, paths, exact.admitted[paths.commodity] * largest)
    admitted = np.where(least > 0, exact.admitted * fits, 0.0)
    if problem.instance.model.admission is Admission.ALL and (admitted < exact.admitted).any():
        return None
    return _Promise(admitted, share, largest)


def _weighed(problem: StageProblem, paths: PathSet, share: FloatArray) -> FloatArray:
    """Return the shares that integer weights of the head ends give, such that they give themselves again.

    Weights of shares that are weights already may be smaller ones, within the tolerance of rounding.
    """
    instance = problem.instance
    owner, start = np.unique(paths.commodity, return_index=True)
    start = np.append(start, len(paths)).astype(np.int64)
    most = device_limits(instance.topology, instance.model).max_weight[instance.source[owner]]
    for _ in range(_WEIGHT_ROUNDS):
        # No path is left out: each may be all that some scenario leaves.
        weight = np.maximum(quantise(share, start, most)[0], 1)
        total = np.bincount(paths.commodity, weights=weight, minlength=instance.n_commodities)
        before, share = share, np.asarray(weight / total[paths.commodity])
        if np.array_equal(before, share):
            break
    return share


def _share_that_fits(problem: StageProblem, paths: PathSet, reserved_gbps: FloatArray) -> FloatArray:
    """Return the share of each commodity at which all reservations fit, (K,): one for nearly all.

    Each is cut to what its fullest link allows, and then raised, round by round, by what that leaves of its links.
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
        loads = link_sums(instance, paths, share)
        spare = np.full(instance.n_commodities, np.inf)
        for of_class, most in limits:
            load = loads.sum(axis=1) if of_class is None else loads[:, of_class]
            # Rounding is no reason to cut anything.
            full = (load >= most) & (load <= most * (1.0 + CAPACITY_SLACK_SHARE))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(load > 0, np.where(full, 1.0, np.maximum(most, 0.0) / load), np.inf).min(axis=0)
            counted = slice(None) if of_class is None else instance.class_index[visited] == of_class
            np.minimum.at(spare, visited[counted], ratio[paths.links[counted]])
        fits = np.minimum(fits * spare, 1.0)
    return fits
