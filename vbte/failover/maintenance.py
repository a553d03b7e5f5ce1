"""What maintenance does to a network: records of the answer, by window, period and demand matrix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.failover.replan import Replan
from vbte.failover.rounds import Rounds
from vbte.failover.windows import Window
from vbte.plan import Plan
from vbte.scenarios import ScenarioSet
from vbte.tolerance import DEMAND_SLACK_SHARE, RANKED_DECIMALS
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class OnTop:
    """What single failures do while things are drained; S scenarios, ``lost_gbps`` against before, (T, n_classes, S).

    ``repaired`` is after the devices' own repair, by the tables of the plan for the drained network; ``replanned``
    after one more re-plan, NaN where there is none.
    """

    scenarios: ScenarioSet
    repaired_lost_gbps: FloatArray
    replanned_lost_gbps: FloatArray

    def worst_first(self, lost_gbps: FloatArray, priority: NDArray[np.int32]) -> list[int]:
        """Return positions of scenarios; first what takes most of the most important class, in the worst matrix."""
        most = np.nan_to_num(lost_gbps, nan=np.inf).max(axis=0, initial=0.0)
        keys = [np.arange(most.shape[1])]
        keys += [-np.round(most[priority == p].sum(axis=0), RANKED_DECIMALS) for p in np.unique(priority)[::-1]]
        return [int(at) for at in np.lexsort(keys)]


@dataclass(frozen=True, eq=False)
class DrainedMatrix:
    """One demand matrix while things are drained; arrays (n_classes,), Gbit/s.

    ``before`` is what the plan in force does (for demands that are none of the plan's, one made for them), without what
    starts or ends at nodes that are off, ``set_aside_gbps``; ``during`` what the re-plan does.
    """

    name: str
    before: Replan
    during: Replan
    set_aside_gbps: FloatArray

    @cached_property
    def before_gbps(self) -> FloatArray:
        """What arrives before, by class."""
        return np.asarray(np.maximum(self.before.delivered_gbps - self.set_aside_gbps, 0.0))

    @cached_property
    def lost_gbps(self) -> FloatArray:
        """What arrives before and does not arrive meanwhile, by class."""
        return np.maximum(self.before_gbps - self.during.delivered_gbps, 0.0)

    @property
    def fits(self) -> bool:
        """True when no class loses anything that rounding would not explain."""
        slack = DEMAND_SLACK_SHARE * max(float(self.before_gbps.sum()), 1e-9)
        return not self.during.fault and bool((self.lost_gbps <= slack).all())


@dataclass(frozen=True, eq=False)
class Drained:
    """Windows that are open together, by position, from when to when, and what that does to each demand matrix."""

    windows: tuple[int, ...]
    matrices: tuple[DrainedMatrix, ...]
    start: datetime | None = None
    end: datetime | None = None
    on_top: OnTop | None = None

    @property
    def fits(self) -> bool:
        """True when no class loses anything in any matrix: all of it can be carried, within the model's limits."""
        return all(matrix.fits for matrix in self.matrices)


@dataclass(frozen=True, eq=False)
class Maintenance:
    """All windows of a plan: each by itself (``alone``), as they overlap in time, and in rounds where asked for."""

    plan: Plan
    windows: tuple[Window, ...]
    alone: tuple[Drained, ...]
    periods: tuple[Drained, ...]
    order: Rounds | None = None
    rounds: tuple[Drained, ...] = ()

    def fits(self, window: int) -> bool:
        """Return whether a window fits whenever it is open, with all that is open with it."""
        return all(period.fits for period in self.periods if window in period.windows)
