"""Rows that bound what a promise may lose, and the rows that a solution breaks.

Let ``u[q]`` be the share of its promise that a commodity lacks in state q, 0 to 1. It is at most 1 where the state is
left out, else 0, and what is left out fits into the spare probability, so that over any states

    sum of p[q] u[q] <= spare

A row is written in s[k,q] >= (1 - u[q]) b[k] for one commodity; where the choice is common to all, u[q] is that of the
worst commodity, in shares of lambda where all have one scale, else of its volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbte.protection.availability import Availability, Indices
from vbte.topology import FloatArray

#: A row counts as broken when it lacks more than this share of what it bounds.
BROKEN_SHARE = 1e-8

#: States of less than this part of a row's largest weight are left out of it: solvers read them as 0.
_LEAST_PART = 1e-7


@dataclass(frozen=True, eq=False)
class Cuts:
    """New rows: sum of ``part`` times s[commodity, state] over the entries of a row, less what is promised, >= floor.

    ``row`` (n,) numbers the rows of the entries; the promise of ``owner`` (m,) counts ``promise`` in row ``at`` (m,).
    With ``by_scale`` that is a promise of lambda. ``is_chosen`` marks rows that hold only while a state is kept.
    """

    row: Indices
    commodity: Indices
    state: Indices
    part: FloatArray
    at: Indices
    owner: Indices
    promise: FloatArray
    floor: FloatArray
    is_chosen: bool = False
    by_scale: bool = False


@dataclass(frozen=True, eq=False)
class Shortfall:
    """Promises that states do not keep: commodity, state and ``short``, in the program's unit, (n,) each.

    ``promised`` and ``volume`` are of all commodities, (K,).
    """

    commodity: Indices
    state: Indices
    short: FloatArray
    promised: FloatArray
    volume: FloatArray


#: Returns the row by which weights (n,) times what states lack is at most a limit, for some entries of a shortfall.
_Row = Callable[[Indices, FloatArray, float], Cuts]


def single_cuts(commodity: Indices, state: Indices, *, is_chosen: bool) -> Cuts:
    """Return rows by which commodities survive one state each."""
    at, one = np.arange(len(commodity)), np.ones(len(commodity))
    return Cuts(at, commodity, state, one, at, commodity, one, np.zeros(len(at)), is_chosen)


def joint_cuts(member: Availability, lacking: Shortfall, *, concurrent: bool) -> list[Cuts]:
    """Return the rows that a shortfall breaks, in states that may be left out each by itself."""
    return _common(member, lacking, concurrent=concurrent) if member.is_common else _alone(member, lacking)


def _alone(member: Availability, lacking: Shortfall) -> list[Cuts]:
    """Return rows of each commodity whose states together lack more than is spare."""
    order = np.argsort(lacking.commodity, kind="stable")
    commodity = lacking.commodity[order]
    cuts: list[Cuts] = []
    for at in np.split(order, np.flatnonzero(np.diff(commodity)) + 1) if len(order) else []:
        k = int(lacking.commodity[at[0]])
        promised = float(lacking.promised[k])

        def row(chosen: Indices, weight: FloatArray, limit: float, k: int = k, at: Indices = at) -> Cuts:
            entries = at[chosen]
            one = np.zeros(1, dtype=np.int64)
            allowed = np.array([weight.sum() - limit])
            return Cuts(
                np.zeros(len(entries), dtype=np.int64), lacking.commodity[entries], lacking.state[entries], weight,
                one, one + k, allowed, np.zeros(1),
            )  # fmt: skip

        share = np.minimum(lacking.short[at] / promised, 1.0)
        cuts += _broken(share, member.probability[lacking.state[at]], max(float(member.spare[k]), 0.0), row)
    return cuts


def _common(member: Availability, lacking: Shortfall, *, concurrent: bool) -> list[Cuts]:
    """Return rows for the worst commodities of the states where together they lack more than is spare."""
    share = lacking.short / lacking.volume[lacking.commodity]
    order = np.lexsort((lacking.commodity, -share, lacking.state))
    worst = order[np.append(True, np.diff(lacking.state[order]) != 0)[: len(order)]]
    mine = np.flatnonzero(member.survival.is_mine)
    if not len(worst):
        return []
    scale = float((lacking.promised[mine] / lacking.volume[mine]).min()) if concurrent else 1.0

    def row(chosen: Indices, weight: FloatArray, limit: float) -> Cuts:
        entries = worst[chosen]
        commodity, none = lacking.commodity[entries], np.zeros(len(entries), dtype=np.int64)
        part = weight / lacking.volume[commodity]
        if concurrent:
            allowed = np.array([weight.sum() - limit])
            state = lacking.state[entries]
            return Cuts(none, commodity, state, part, none[:1], commodity[:1], allowed, np.zeros(1), by_scale=True)
        return Cuts(none, commodity, lacking.state[entries], part, none, commodity, part, np.array([-limit]))

    spare = max(float(member.spare[mine[0]]), 0.0)
    return _broken(np.minimum(share[worst] / scale, 1.0), member.probability[lacking.state[worst]], spare, row)


def _broken(share: FloatArray, probability: FloatArray, spare: float, row: _Row) -> list[Cuts]:
    """Return the row that states lacking ``share`` (n,) of a promise break, if they do."""
    kept = np.flatnonzero(probability >= _LEAST_PART * probability.max(initial=0.0))
    whole = float(probability[kept].sum())
    if whole > 0 and float(probability[kept] @ share[kept]) - spare > BROKEN_SHARE * whole:
        return [row(kept, probability[kept] / whole, spare / whole)]
    return []


def stacked(cuts: list[Cuts]) -> list[Cuts]:
    """Return rows of one kind as one set of rows each, in the order given."""
    found: list[Cuts] = []
    for is_chosen, by_scale in ((False, False), (True, False), (False, True)):
        parts = [one for one in cuts if (one.is_chosen, one.by_scale) == (is_chosen, by_scale) and len(one.floor)]
        if parts:
            first = np.cumsum([0, *(len(one.floor) for one in parts)])[:-1].tolist()
            found.append(
                Cuts(
                    np.concatenate([one.row + at for one, at in zip(parts, first, strict=True)]),
                    np.concatenate([one.commodity for one in parts]),
                    np.concatenate([one.state for one in parts]),
                    np.concatenate([one.part for one in parts]),
                    np.concatenate([one.at + at for one, at in zip(parts, first, strict=True)]),
                    np.concatenate([one.owner for one in parts]),
                    np.concatenate([one.promise for one in parts]),
                    np.concatenate([one.floor for one in parts]),
                    is_chosen,
                    by_scale,
                )
            )
    return found
