"""Who does the work: processes of our own, or an executor that the caller holds."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

from vbte.errors import LostWorkError, UsageError
from vbte.fan_out.processes import WorkerPool

#: Tasks handed to an executor at once when nobody says how many it runs at a time.
UNKNOWN_AT_ONCE = 32


class Crew(Protocol):
    """Gives an executor for one run and takes it back."""

    @property
    def at_once(self) -> int:
        """How many tasks the executor runs at a time."""

    @property
    def cores_each(self) -> int | None:
        """Cores that each task may use, None when others decide about that."""

    def open(self) -> Executor:
        """Return the executor."""

    def reopen(self, broken: Executor) -> Executor | None:
        """Return another executor in place of one that broke, None where there is no other."""

    def fault(self, executor: Executor, /) -> Exception | None:
        """Return why tasks in hand would never end, a BrokenExecutor where another one helps; None if they may."""

    def close(self, executor: Executor, unfinished: list[Future[Any]], /) -> None:
        """Take the executor back and drop the tasks that nobody waits for any more."""


@dataclass(frozen=True)
class Processes:
    """``count`` local processes, started for the run and gone after it. Raises UsageError for a count below 1."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"{self.count} workers; at least 1 is needed")

    @property
    def at_once(self) -> int:
        """One task a process."""
        return self.count

    @property
    def cores_each(self) -> int:
        """An equal share of this machine's cores, at least one."""
        return max(1, usable_cores() // self.count)

    def open(self) -> WorkerPool:
        """Return a pool; its processes start as work comes in."""
        return WorkerPool(self.count)

    def reopen(self, broken: Executor) -> WorkerPool:
        """Return a new pool: one worker that dies takes a whole pool with it."""
        assert isinstance(broken, WorkerPool)
        broken.kill()
        return self.open()

    def fault(self, executor: Executor, /) -> BrokenProcessPool | None:
        """Return that a worker is dead. A pool may not notice by itself: it looks at those there when it last woke."""
        assert isinstance(executor, WorkerPool)
        return BrokenProcessPool("a worker died") if executor.has_dead_worker else None

    def close(self, executor: Executor, unfinished: list[Future[Any]], /) -> None:
        """End the pool; workers that are still at work are killed."""
        assert isinstance(executor, WorkerPool)
        if unfinished:
            executor.kill()
        else:
            executor.shutdown(wait=True)


@dataclass(frozen=True)
class Given:
    """An executor of the caller's, who shuts it down. Raises UsageError for ``at_once`` below 1."""

    executor: Executor
    at_once: int = UNKNOWN_AT_ONCE

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise UsageError(f"{self.at_once} workers; at least 1 is needed")

    @property
    def cores_each(self) -> None:
        """None: who made the executor knows what it runs on."""

    def open(self) -> Executor:
        """Return the executor."""
        return self.executor

    def reopen(self, broken: Executor) -> None:
        """Return None: who made the executor may make another."""

    def fault(self, executor: Executor, /) -> LostWorkError | None:
        """Return that a Dask client has lost its scheduler for good."""
        client = getattr(executor, "_client", None)
        if getattr(client, "status", "") != "closed":
            return None
        return LostWorkError("the scheduler of the Dask cluster is gone, and the work in its hands with it; start over")

    def close(self, _executor: Executor, unfinished: list[Future[Any]], /) -> None:
        """Cancel what has not begun; what runs can't be stopped from here."""
        for future in unfinished:
            future.cancel()


def crew_of(workers: int | Executor | Crew | None) -> Crew | None:
    """Return who does the work: processes for a number, an executor as it is, None for no more than one worker.

    Raises UsageError for a number below 1.
    """
    if isinstance(workers, int):
        processes = Processes(workers)
        return processes if workers > 1 else None
    return Given(workers) if isinstance(workers, Executor) else workers


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
