"""Which states each commodity, or all of them together, leaves out: the choice that makes availability a MILP.

With the states chosen what is left is a linear program over all paths. Three choices are tried: the states that the
relaxation starves most, those that its prices find dear, and what a MILP over the paths at hand chooses. The best is
kept; what it misses of the relaxation's bound is the stage's gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from vbte.allocate.exact import StagedProgram, StageOutcome
from vbte.allocate.protected.available import AvailabilityRows, left_out_of
from vbte.allocate.protected.available_milp import choose_states
from vbte.plan import NO_SURVIVAL_PRICES, Reason, Termination
from vbte.policy import VOLUME_STAGES
from vbte.protection.availability import Availability, Indices
from vbte.tolerance import OPTIMALITY_GAP_SHARE
from vbte.topology import FloatArray

#: MILPs of one stage: another is solved where the states that the last one chose called for new paths.
MOST_MILPS = 4


def solve_with_states(program: StagedProgram, relaxed: StageOutcome) -> StageOutcome:
    """Return the outcome of a stage whose commodities survive states chosen for them; others as they are.

    The states of the stage before are tried as well. Prices stay the relaxation's.
    """
    rows = program.promise
    if not isinstance(rows, AvailabilityRows) or relaxed.primal is None or relaxed.value is None:
        return relaxed
    best: StageOutcome | None = None
    chosen: csr_array | None = None
    for tried in _choices(program, rows, relaxed):
        found = _chosen(program, rows, relaxed, tried)
        if _better(found, best):
            best, chosen = found, tried
        if best is not None and _reaches(best, relaxed):
            return replace(best, prices=relaxed.prices, termination=relaxed.termination)
    termination, bound = Termination(Reason.FEASIBLE), None
    for _ in range(MOST_MILPS):
        n_paths = len(program.paths)
        left_out, termination, bound = choose_states(program, rows, relaxed, best, chosen)
        found = None if left_out is None else _chosen(program, rows, relaxed, left_out)
        if _better(found, best):
            best, chosen = found, left_out
        if left_out is None or len(program.paths) == n_paths:
            break
    rows.fallback = chosen
    if best is None:
        return replace(relaxed, value=None, primal=None, termination=termination)
    if bound is not None and _beats(best, bound):
        # The last program had more paths than the MILP, whose bound says nothing of them.
        bound, termination = None, Termination(Reason.FEASIBLE, termination.limit)
    return replace(best, prices=relaxed.prices, termination=termination, mip_bound=bound)


def _choices(program: StagedProgram, rows: AvailabilityRows, relaxed: StageOutcome) -> Iterator[csr_array]:
    """Yield states to leave out, (K, S): those of the stage before, and what the relaxation says."""
    if rows.fallback is not None:
        yield rows.fallback
    assert relaxed.primal is not None
    promised, reserved = rows.promised(relaxed.primal), rows.reserved(program.paths, relaxed.primal)
    yield _summed([_starved(member, program, promised, reserved) for member in rows.members])
    yield _summed([_dear(member, relaxed) for member in rows.members])


def _summed(parts: Sequence[csr_array]) -> csr_array:
    return csr_array(sum(parts[1:], parts[0]))


def _chosen(
    program: StagedProgram, rows: AvailabilityRows, relaxed: StageOutcome, left_out: csr_array
) -> StageOutcome | None:
    """Return the stage's optimum over all paths with the states chosen; None where there is none."""
    rows.leave_out(program.session, left_out)
    found = program.solve_stage(relaxed.problem)
    rows.leave_out(program.session, None)
    return found if found.value is not None else None


def _better(found: StageOutcome | None, best: StageOutcome | None) -> bool:
    if found is None or found.value is None:
        return False
    return best is None or best.value is None or _beats(found, best.value)


def _beats(found: StageOutcome, value: float) -> bool:
    assert found.value is not None
    sign = 1.0 if found.problem.kind in VOLUME_STAGES else -1.0
    return sign * (found.value - value) > 1e-9 * abs(value)


def _reaches(found: StageOutcome, relaxed: StageOutcome) -> bool:
    """True when the choice loses nothing that the relaxation has."""
    assert found.value is not None
    assert relaxed.value is not None
    gap = abs(found.value - relaxed.value)
    return gap <= 0.1 * OPTIMALITY_GAP_SHARE * max(abs(found.value), abs(relaxed.value))


def _starved(member: Availability, program: StagedProgram, promised: FloatArray, reserved: FloatArray) -> csr_array:
    """Return the states that leave a commodity, or the worst one, the least share of its promise, while they fit."""
    commodity, state, kept, _ = member.kept_gbps(program.paths, reserved)
    wanted = promised[commodity]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(wanted > 0, kept / wanted, np.where(kept > 0, np.inf, 0.0))
    return packed(member, commodity, state, share)


def _dear(member: Availability, relaxed: StageOutcome) -> csr_array:
    """Return the states whose prices take the most for their probability, while they fit."""
    prices = NO_SURVIVAL_PRICES
    if relaxed.prices is not None and relaxed.prices.survival is not None:
        prices = relaxed.prices.survival
    mine = member.survival.is_mine[prices.commodity]
    commodity, state, price = prices.commodity[mine], prices.scenario[mine], prices.price[mine]
    if member.is_common:
        states, at = np.unique(state, return_inverse=True)
        price = np.bincount(at, weights=price * relaxed.problem.most_gbps[commodity], minlength=len(states)).astype(
            np.float64
        )
        state, commodity = states, np.full(len(states), np.flatnonzero(member.survival.is_mine)[0])
    worth = -price / np.maximum(member.probability[state], 1e-300)
    return packed(member, commodity, state, worth)


def packed(member: Availability, commodity: Indices, state: Indices, rank: FloatArray) -> csr_array:
    """Return what is left out when states are taken by rank as long as they fit, (K, S) of 0 and 1.

    Where one choice is common to all, a state ranks as its first commodity does, and is left out for all.
    """
    mine = np.flatnonzero(member.survival.is_mine)
    if member.is_common:
        if not len(mine) or not len(state):
            return left_out_of(member, mine[:0].astype(np.int64), mine[:0].astype(np.int64))
        order = np.lexsort((rank, state))
        first = np.append(True, np.diff(state[order]) != 0)
        state, rank = state[order][first], rank[order][first]
        commodity = np.full(len(state), mine[0])
    order = np.lexsort((state, rank, commodity))
    commodity, state = commodity[order], state[order]
    taken = np.zeros(len(state), dtype=np.bool_)
    room = member.spare.copy()
    for at, (k, size) in enumerate(zip(commodity.tolist(), member.probability[state].tolist(), strict=True)):
        if size <= room[k]:
            room[k] -= size
            taken[at] = True
    commodity, state = commodity[taken], state[taken]
    if member.is_common:
        commodity, state = np.repeat(mine, len(state)), np.tile(state, len(mine))
    return left_out_of(member, commodity.astype(np.int64), state)
