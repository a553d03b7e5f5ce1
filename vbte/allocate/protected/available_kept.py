"""From a solver's reservations to a plan that keeps a promised availability to the last digit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vbte.allocate.protected.promise import Kept
from vbte.allocate.settle import settle
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.protection.availability import Availability, common_gbps, percentile_gbps
from vbte.tolerance import DEMAND_SLACK_SHARE
from vbte.topology import FloatArray


def promise(
    oracle: PathOracle,
    members: Sequence[Availability],
    paths: PathSet,
    reserved_gbps: FloatArray,
    admitted_gbps: FloatArray,
) -> Kept:
    """Return paths, flows and reservations, all (P,), that promise at most ``admitted_gbps`` (K,) at an availability.

    Less is promised where the states that have to keep it do not, as when a solver was stopped early. Flows are the
    promise in proportion to the reservations.
    """
    n_commodities = oracle.instance.n_commodities
    total = np.bincount(paths.commodity, weights=reserved_gbps, minlength=n_commodities)
    paths, reserved = settle(oracle, paths, reserved_gbps, np.where(admitted_gbps > 0, total, 0.0))
    promised, grown = admitted_gbps.copy(), np.ones(n_commodities)
    for member in members:
        mine = member.survival.is_mine & (admitted_gbps > 0)
        if member.is_common:
            level = common_gbps(member, paths, reserved, admitted_gbps)[mine]
        else:
            level = percentile_gbps(member, paths, reserved)[mine]
        with np.errstate(divide="ignore"):
            short = admitted_gbps[mine] / level
        # Rounding is made up for by reserving a trifle more; what is reserved beyond the promise is given back.
        whole = short <= 1.0 + DEMAND_SLACK_SHARE
        promised[mine] = np.where(whole, admitted_gbps[mine], level)
        grown[mine] = np.where(whole, short, 1.0)
    reserved = reserved * grown[paths.commodity]
    total = np.bincount(paths.commodity, weights=reserved, minlength=n_commodities)
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = np.where(total > 0, promised / total, 0.0)[paths.commodity] * reserved
    return Kept(paths, flow, reserved)
