"""From a solver's reservations to a plan that keeps its promise to the last digit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from vbte.allocate.settle import settle
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.survival import Survival, at_pairs
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
    least, largest = _left(survivals, paths, aim, n_commodities)
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.where(least > 0, admitted_gbps / least, np.inf)
    # Rounding is made up for by reserving a trifle more.
    admitted = np.where(short <= 1.0 + DEMAND_SLACK_SHARE, admitted_gbps, least)
    total = np.bincount(paths.commodity, weights=aim, minlength=n_commodities)
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = np.where(total > 0, admitted / total, 0.0)[paths.commodity] * aim
    return paths, flow, admitted[paths.commodity] * largest


def _left(
    survivals: Sequence[Survival], paths: PathSet, aim: FloatArray, n_commodities: int
) -> tuple[FloatArray, FloatArray]:
    """Return the least that a promised scenario leaves of each commodity, (K,), and each path's largest share, (P,)."""
    total = np.bincount(paths.commodity, weights=aim, minlength=n_commodities).astype(np.float64)
    least = total.copy()
    largest = aim / total[paths.commodity]
    for survival in survivals:
        hits = coo_array(survival.path_hits(paths).multiply(aim[:, None]))
        path, scenario = hits.coords
        commodity = paths.commodity[path]
        mine = (survival.oracle.instance.class_index[commodity] == survival.class_index) & (
            ~at_pairs(survival.severed, commodity.astype(np.int64), scenario.astype(np.int64))
        )
        pair = commodity[mine].astype(np.int64) * len(survival.scenarios) + scenario[mine]
        pairs, at = np.unique(pair, return_inverse=True)
        lost = np.bincount(at, weights=hits.data[mine], minlength=len(pairs))
        owner = pairs // len(survival.scenarios)
        left = np.maximum(total[owner] - lost, 0.0)
        # A commodity with nothing left in some scenario is admitted nothing.
        np.minimum.at(least, owner, left)
        _raise_shares(survival, paths, aim, (owner, pairs % len(survival.scenarios), left), largest)
    return least, largest


def _raise_shares(
    survival: Survival,
    paths: PathSet,
    aim: FloatArray,
    left: tuple[NDArray[np.int64], NDArray[np.int64], FloatArray],
    largest: FloatArray,
) -> None:
    """Raise ``largest`` (P,) to the share that a path has of what a scenario leaves, where it lives."""
    commodity, scenario, amount = left
    first = np.searchsorted(paths.commodity, commodity, side="left")
    count = np.searchsorted(paths.commodity, commodity, side="right") - first
    at = np.repeat(np.arange(len(commodity)), count)
    path = np.repeat(first, count) + np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    hits = survival.path_hits(paths)
    lives = ~at_pairs(hits, path, scenario[at])
    lives &= amount[at] > 0
    np.maximum.at(largest, path[lives], aim[path[lives]] / amount[at[lives]])
