"""Availability as the written tables have it: how little is lost for how much of the time, flow by flow.

The states have to exclude each other and say how likely they are, as ``likely_states`` do; what they do not cover
counts as lost. A commodity's loss is the share of what is asked for that does not arrive, after local repair and
congestion, admission included (Flexile, Jiang et al., CoNEXT 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.policy import AvailabilityProtection
from vbte.scenarios.families import ScenarioSet
from vbte.tolerance import DEMAND_SLACK_SHARE, PROBABILITY_SLACK
from vbte.topology import FloatArray

#: The share of time that losses are asked for in classes that are promised none.
DEFAULT_TARGET = 0.999

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassAvailability:
    """What the commodities of one class, n of them, lose over time; losses are shares of what is asked for, 0 to 1.

    ``loss`` (n,) is what each loses at most for a share ``target`` of the time, by its own states; ``undiminished``
    (n,) the share of time in which all that is admitted of it arrives. ``worst_loss`` and ``worst_tail`` look at the
    worst commodity of each state: its loss at the same percentile (VaR), and the mean over the time beyond (CVaR).
    Each is 1, and ``undiminished`` 0, as far as nothing is known.
    """

    class_index: int
    target: float
    commodities: NDArray[np.intp]
    loss: FloatArray
    undiminished: FloatArray
    worst_loss: float
    worst_tail: float


@dataclass(eq=False)
class LossTally:
    """Collects losses, block by block of states; those that are as while all is up are not kept.

    ``usual`` (K,) is the loss while all is up, ``asks`` (K,) marks commodities that ask for anything.
    """

    instance: Instance
    usual: FloatArray
    asks: NDArray[np.bool_]
    commodity: list[Indices] = field(default_factory=list)
    state: list[Indices] = field(default_factory=list)
    loss: list[FloatArray] = field(default_factory=list)
    worst: list[FloatArray] = field(default_factory=list)

    def add(self, block: slice, loss: FloatArray) -> None:
        """Note the losses of a block of B states, (K, B)."""
        commodity, column = np.nonzero(np.abs(loss - self.usual[:, None]) > 0.1 * DEMAND_SLACK_SHARE)
        self.commodity.append(commodity.astype(np.int64))
        self.state.append(column.astype(np.int64) + block.start)
        self.loss.append(loss[commodity, column])
        worst = np.zeros((len(self.instance.rules), loss.shape[1]))
        np.maximum.at(worst, self.instance.class_index[self.asks], loss[self.asks])
        self.worst.append(worst)

    def by_class(self, scenarios: ScenarioSet) -> tuple[ClassAvailability, ...]:
        """Return what each class that asks for anything loses over time; nothing where states say no probabilities."""
        probability = [scenario.probability for scenario in scenarios.scenarios]
        if scenarios.covered_probability is None or any(one is None for one in probability):
            return ()
        share = np.array([one or 0.0 for one in probability])
        present = np.unique(self.instance.class_index[self.asks]).tolist()
        return tuple(self._of_class(c, share) for c in present)

    def _of_class(self, class_index: int, probability: FloatArray) -> ClassAvailability:
        protection = self.instance.rules[class_index].policy.protection
        target = protection.target if isinstance(protection, AvailabilityProtection) else DEFAULT_TARGET
        mine = np.flatnonzero(self.asks & (self.instance.class_index == class_index))
        place = np.full(self.instance.n_commodities, -1)
        place[mine] = np.arange(len(mine))
        commodity = place[np.concatenate([mine[:0], *self.commodity])]
        state = np.concatenate([mine[:0], *self.state])[commodity >= 0]
        loss = np.concatenate([np.empty(0), *self.loss])[commodity >= 0]
        commodity = commodity[commodity >= 0]
        lasts = probability[state]
        usually = probability.sum() - np.bincount(commodity, weights=lasts, minlength=len(mine))
        fuller = loss <= self.usual[mine][commodity] + DEMAND_SLACK_SHARE
        undiminished = usually + np.bincount(commodity[fuller], weights=lasts[fuller], minlength=len(mine))
        every = (
            np.concatenate([commodity, np.arange(len(mine))]),
            np.concatenate([loss, self.usual[mine]]),
            np.concatenate([lasts, usually]),
        )
        worst = np.concatenate([np.empty(0), *(part[class_index] for part in self.worst)])
        at_once, beyond = tail(worst, probability, target)
        return ClassAvailability(
            class_index, target, mine, percentiles(*every, len(mine), target), np.maximum(undiminished, 0.0),
            at_once, beyond,
        )  # fmt: skip


def percentiles(
    group: NDArray[np.intp], loss: FloatArray, probability: FloatArray, n_groups: int, target: float
) -> FloatArray:
    """Return the least loss that each group does not exceed for a share ``target`` of the time, (n_groups,).

    1 where what is listed of a group does not last so long.
    """
    order = np.lexsort((loss, group))
    group, loss, probability = group[order], loss[order], probability[order]
    running = np.cumsum(probability)
    first = np.searchsorted(group, group)
    lasts = running - np.concatenate([[0.0], running])[first]
    found = np.ones(n_groups)
    enough = np.flatnonzero(lasts >= target - PROBABILITY_SLACK)[::-1]
    found[group[enough]] = loss[enough]
    return found


def tail(loss: FloatArray, probability: FloatArray, target: float) -> tuple[float, float]:
    """Return the loss at a percentile and the mean over the time beyond it: VaR and CVaR (Rockafellar, Uryasev, 2000).

    ``loss`` (S,) in states of ``probability`` (S,); the rest of the time all is lost.
    """
    order = np.argsort(-loss, kind="stable")
    losses = np.concatenate([[1.0], loss[order]])
    lasts = np.concatenate([[max(0.0, 1.0 - float(probability.sum()))], probability[order]])
    none: NDArray[np.intp] = np.zeros(len(loss), dtype=np.intp)
    at_percentile = float(percentiles(none, loss, probability, 1, target)[0])
    room = 1.0 - target
    before = np.concatenate([[0.0], np.cumsum(lasts)[:-1]])
    taken = np.clip(room - before, 0.0, lasts)
    return at_percentile, float(losses @ taken) / room
