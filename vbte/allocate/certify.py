"""Certificates of a finished plan: values read off it, bounds proven by prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vbte.allocate.fallback import guessed_prices
from vbte.allocate.max_min import with_fairness
from vbte.bounds import StageProblem, lagrangian_bound, loads_before, stage_problem, stage_sequence, stage_value
from vbte.oracle import PathOracle
from vbte.plan import Certificate, Limit, Plan, Reason, Termination
from vbte.policy import VOLUME_STAGES, StageKind
from vbte.tolerance import OPTIMALITY_GAP_SHARE


def certified(plan: Plan, oracle: PathOracle) -> tuple[Certificate, ...]:
    """Return the certificates of the stages done so far: values read off the plan, bounds proven by the prices.

    A stage whose level is not known yet (NaN) is held where the plan is. A stage the solver did not finish gets the
    best bound that guessed prices prove.
    """
    certificates: list[Certificate] = []
    for entry, known in zip(stage_sequence(plan.instance), plan.certificates, strict=False):
        problem = stage_problem(plan.instance, entry, tuple(certificates), loads_before(plan, entry))
        value = stage_value(problem, plan)
        prices = known.prices
        bound = lagrangian_bound(problem, prices, oracle) if prices is not None else None
        if bound is None:
            prices, bound = guessed_prices(problem, plan, oracle)
        if np.isnan(known.reached):
            known = replace(known, reached=value, held_at=value)
        if problem.protection is not None and not _keeps(problem, value, known.held_at):
            # Devices split by integer weights: what that costs is no later stage's doing.
            known = replace(known, reached=value, held_at=value)
        if problem.kind is StageKind.MAX_MIN:
            known = with_fairness(problem, known, plan, oracle)
        certificates.append(replace(known, value=value, bound=bound, prices=prices))
    return tuple(certificates)


def _keeps(problem: StageProblem, value: float, held_at: float) -> bool:
    return value >= held_at if problem.kind in VOLUME_STAGES else value <= held_at


def overall(certificates: Sequence[Certificate]) -> Termination:
    """Return optimal only when every stage is proven to be; the limit is the first that struck."""
    limits = [c.termination.limit for c in certificates if c.termination.limit is not Limit.NONE]
    proven = all(c.gap is not None and c.gap <= OPTIMALITY_GAP_SHARE for c in certificates)
    return Termination(Reason.OPTIMAL if proven else Reason.FEASIBLE, limits[0] if limits else Limit.NONE)
