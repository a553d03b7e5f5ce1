"""Certificates of a plan, stage after stage, each with the prices that prove most of all there have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vbte.allocate.priced.exchange import market_prices
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.outlook import FLOW_KINDS, Outlook
from vbte.bounds import StageEntry, lagrangian_bound, stage_problem, stage_value
from vbte.oracle import PathOracle
from vbte.plan import Limit, Plan, Prices, Reason, Termination
from vbte.policy import StageKind
from vbte.solve import Deadline
from vbte.tolerance import OPTIMALITY_GAP_SHARE
from vbte.topology import FloatArray


class Proofs:
    """The prices that proved most so far for each stage of classes planned together.

    ``before`` is the plan of what was planned earlier, ``entries`` are the stages.
    """

    def __init__(self, oracle: PathOracle, deadline: Deadline, before: Plan, entries: Sequence[StageEntry]) -> None:
        self._oracle, self._deadline, self._entries = oracle, deadline, entries
        self._before, self._loads = before.certificates, before.class_link_load_gbps
        self._known: dict[str, Prices] = {}

    def certified(self, plan: Plan, outlook: Outlook, smooth: list[tuple[Market, FloatArray]]) -> Plan:
        """Return the plan with certificates, each with the prices that prove most."""
        certificates = list(self._before)
        for entry, known in zip(self._entries, outlook.certificates, strict=True):
            problem = stage_problem(plan.instance, entry, tuple(certificates), self._loads)
            value = stage_value(problem, plan)
            sign = 1.0 if problem.kind in (StageKind.ADMITTED, StageKind.CONCURRENT) else -1.0
            at_hand = [known.prices, self._known.get(problem.label)]
            if problem.kind in FLOW_KINDS:
                # Where nothing is scarce, shortest paths are the bound.
                at_hand.append(Prices(np.zeros_like(self._loads[:, 0])))
            at_hand += [market_prices(problem, found, prices, outlook) for found, prices in smooth]
            best: tuple[Prices | None, float | None] = (None, None)
            for prices in at_hand:
                bound = None if prices is None else lagrangian_bound(problem, prices, self._oracle)
                if bound is not None and (best[1] is None or sign * bound < sign * best[1]):
                    best = (prices, bound)
            if best[0] is not None:
                self._known[problem.label] = best[0]
            proven = replace(known, value=value, reached=value, held_at=value, prices=best[0], bound=best[1])
            optimal = proven.gap is not None and proven.gap <= OPTIMALITY_GAP_SHARE
            limit = Limit.NONE if optimal else limit_struck(self._deadline)
            certificates.append(
                replace(proven, termination=Termination(Reason.OPTIMAL if optimal else Reason.FEASIBLE, limit))
            )
        return replace(plan, certificates=tuple(certificates))


def limit_struck(deadline: Deadline) -> Limit:
    """Return which limit has stopped the work, if any."""
    if deadline.interrupted:
        return Limit.INTERRUPT
    return Limit.TIME if deadline.remaining_s <= 0 else Limit.NONE
