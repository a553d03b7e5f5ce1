"""From a solver's reservations to a plan that keeps its promise to the last digit, by weights that devices can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbte.allocate.protected.weigh import share_that_fits, weighed
from vbte.allocate.settle import settle
from vbte.bounds import StageProblem
from vbte.plan import PathSet
from vbte.policy import Admission
from vbte.protection.survival import Survival, what_is_left
from vbte.tolerance import DEMAND_SLACK_SHARE
from vbte.topology import FloatArray


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
    share = weighed(problem, paths, exact.share)
    least, largest = what_is_left(survivals, paths, share)
    fits = share_that_fits(problem, paths, exact.admitted[paths.commodity] * largest)
    admitted = np.where(least > 0, exact.admitted * fits, 0.0)
    if problem.instance.model.admission is Admission.ALL and (admitted < exact.admitted).any():
        return None
    return _Promise(admitted, share, largest)
