"""How fairly a plan's max_min stages share, for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from vbte.fair_shares import FairShares, fair_shares
from vbte.plan import Certificate, Plan
from vbte.policy import StageKind
from vbte.topology import FloatArray


def fairness_figures(plan: Plan) -> list[dict[str, Any]]:
    """Return for each max_min stage its levels and, by class, who is worst off; empty without such a stage.

    ``fair_share`` is a level: Gbit/s, share of the demand, or what the class's bandwidth function counts, each divided
    by the class's weight. ``jain_index`` (Jain et al. 1984) is over the classes' fair shares of those not in full: 1
    when all have the same, 1 / n when one has everything; None where all are in full.
    """
    found = []
    for certificate in plan.certificates:
        if certificate.kind is StageKind.MAX_MIN and certificate.fairness is not None:
            shares = fair_shares(plan.instance, plan.instance.priority == certificate.priority)
            found.append(_stage(plan, certificate, shares))
    return found


def _stage(plan: Plan, certificate: Certificate, shares: FairShares) -> dict[str, Any]:
    fairness = certificate.fairness
    assert fairness is not None
    volume = (plan.admitted_share * plan.instance.peak_gbps)[shares.commodities]
    return {
        "stage": certificate.stage,
        "factor": fairness.factor,
        "levels": [
            {"fair_share": level.level, "bound": level.bound, "factor": level.factor, "stopped": len(level.commodities)}
            for level in fairness.levels
        ],
        "steps": [{"fair_share": step.level, "factor": step.factor} for step in fairness.steps],
        "in_full": int(shares.in_full(volume).sum()),
        "classes": [
            _class(plan, shares, volume, position)
            for position in np.unique(plan.instance.class_index[shares.commodities]).tolist()
        ],
    }


def _class(plan: Plan, shares: FairShares, volume: FloatArray, position: int) -> dict[str, Any]:
    """Return the worst and the spread of fair shares among the commodities of a class that are not in full."""
    instance = plan.instance
    cut = np.flatnonzero((instance.class_index[shares.commodities] == position) & ~shares.in_full(volume))
    level = shares.level_of(volume)[cut]
    worst = int(cut[level.argmin()]) if len(cut) else None
    squares = float((level**2).sum())
    return {
        "name": instance.rules[position].policy.name,
        "not_in_full": len(cut),
        "worst": None if worst is None else instance.describe(int(shares.commodities[worst])),
        "worst_fair_share": None if worst is None else float(level.min()),
        "worst_gbps": None if worst is None else float(volume[worst]),
        "jain_index": float(level.sum()) ** 2 / (len(level) * squares) if squares > 0 else None,
    }
