"""From a solver's reservations to a plan that keeps its promise to the last digit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vbte.allocate.settle import settle
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.survival import Survival, what_is_left
from vbte.tolerance import DEMAND_SLACK_SHARE
from vbte.topology import FloatArray


def reserve(
    oracle: PathOracle,
    survivals: Sequence[Survival],
    paths: PathSet,
    reserved_gbps: FloatArray,
    admitted_gbps: FloatArray,
) -> tuple[PathSet, FloatArray, FloatArray]:
    """Return paths, flows and reservations, all (P,), that admit at most ``admitted_gbps`` (K,).

    Less is admitted where what some scenario leaves would not carry it, as when a solver was stopped early. Each path
    keeps the most that it comes to carry when head ends split over what is left, in proportion to what it had.
    """
    n_commodities = oracle.instance.n_commodities
    total = np.bincount(paths.commodity, weights=reserved_gbps, minlength=n_commodities)
    paths, aim = settle(oracle, paths, reserved_gbps, np.where(admitted_gbps > 0, total, 0.0))
    least, largest = what_is_left(survivals, paths, aim)
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.where(least > 0, admitted_gbps / least, np.inf)
    # Rounding is made up for by reserving a trifle more.
    admitted = np.where(short <= 1.0 + DEMAND_SLACK_SHARE, admitted_gbps, least)
    total = np.bincount(paths.commodity, weights=aim, minlength=n_commodities)
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = np.where(total > 0, admitted / total, 0.0)[paths.commodity] * aim
    return paths, flow, admitted[paths.commodity] * largest
