"""Runs independent jobs through an executor: results in order, lost work tried again, errors as in a plain loop."""

from __future__ import annotations

import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from vbte.errors import InputWarning, LostWorkError
from vbte.fan_out.cluster import given_up_errors, lost_work_errors
from vbte.fan_out.crew import Crew
from vbte.fan_out.parcels import Sender
from vbte.fan_out.worker import Finished, Outcome, Warned, run_task

J = TypeVar("J")
R = TypeVar("R")

#: How often a job is tried when its workers die. The last try is made alone, so that no other job's death is its own.
TRIES = 3

#: Small jobs travel together, about this many seconds of work in a task, so that the way there costs little beside it.
TASK_S = 0.5
MOST_JOBS_IN_TASK = 64

#: Tasks handed over for each one that can run: workers find the next one waiting.
HANDED_OVER = 2

#: Tasks that may be done for each one that can run, while an earlier one is not: bounds what has to be held.
AHEAD = 16

#: Seconds between looks at whether the run is to be stopped.
POLL_S = 0.1


@dataclass(frozen=True)
class Watch:
    """Who looks on: ``progress`` hears how many jobs of how many are done, ``stop`` says whether to end the run early.

    ``name`` gives what errors call a job, by its position.
    """

    progress: Callable[[int, int], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False
    name: Callable[[int], str] = lambda position: f"job {position + 1}"


def run_each(
    work: Callable[[J], R], jobs: Sequence[J], crew: Crew, *, shared: Sequence[object] = (), watch: Watch | None = None
) -> Generator[tuple[int, R], None, None]:
    """Yield position and result of ``work(job)`` for each of ``jobs``, in their order, as they come in.

    ``work`` (a function at the top of a module, or a partial of one), jobs and results have to be picklable. ``shared``
    lists objects that jobs refer to, once for each job that does: results will refer to them, not to copies, and what
    several jobs refer to is pickled once and kept by workers.

    A job whose worker dies is tried ``TRIES`` times; then LostWorkError names it. An error that ``work`` raises is
    raised here when its turn comes, after the results of all jobs before it, and not tried again; so are input
    warnings given. When ``watch.stop`` says so, work in hand is dropped, and what is done is yielded, gaps left out.
    Nothing runs before the first result is asked for; closing the iterator early ends the run.
    """
    yield from _Run(work, jobs, crew, shared, watch or Watch()).results()


class _Run(Generic[J, R]):
    """One run: which jobs wait, which are in hand, which are done."""

    def __init__(
        self, work: Callable[[J], R], jobs: Sequence[J], crew: Crew, shared: Sequence[object], watch: Watch
    ) -> None:
        self._work = work
        self._jobs = jobs
        self._crew = crew
        self._watch = watch
        self._sender = Sender(shared)
        self._waiting = deque(range(len(jobs)))
        self._again: list[int] = []
        self._losses: Counter[int] = Counter()
        self._in_hand: dict[Future[Finished], tuple[int, ...]] = {}
        self._done: dict[int, Outcome] = {}
        self._next = 0
        # Where a plain loop would have ended: nothing from there on needs to be begun.
        self._end = len(jobs)
        self._successes = 0
        self._seconds = 0.0
        self._warned: dict[Any, Any] = {}

    def results(self) -> Iterator[tuple[int, R]]:
        self._executor = self._crew.open()
        try:
            while self._next < len(self._jobs):
                if self._watch.stop():
                    yield from self._results_so_far()
                    return
                self._begin_what_fits()
                self._collect(0.0 if self._next in self._done else POLL_S)
                if self._next in self._done:
                    self._next += 1
                    yield self._next - 1, self._result(self._next - 1)
        finally:
            self._crew.close(self._executor, list(self._in_hand))

    def _results_so_far(self) -> Iterator[tuple[int, R]]:
        """Yield all that is done. Errors behind a gap are left out: a loop that stops would not have met them."""
        self._collect(0.0)
        for position in sorted(self._done):
            if position == self._next or self._done[position].error is None:
                self._next += position == self._next
                yield position, self._result(position)

    def _result(self, position: int) -> R:
        outcome = self._done.pop(position)
        for warned in outcome.warned:
            self._warn(warned)
        if outcome.error is not None:
            raise outcome.error
        result: R = self._sender.unpack(outcome.result)
        return result

    def _warn(self, warned: Warned) -> None:
        warnings.warn_explicit(warned.text, InputWarning, warned.filename, warned.line, registry=self._warned)

    def _begin_what_fits(self) -> None:
        while len(self._in_hand) < HANDED_OVER * self._crew.at_once:
            positions = self._next_task()
            if not positions:
                return
            self._begin(positions)

    def _next_task(self) -> tuple[int, ...]:
        """Return the positions of the jobs to begin next, none when it is better to wait."""
        self._again = [position for position in self._again if position < self._end]
        on_last_try = [position for position in self._again if self._losses[position] >= TRIES - 1]
        if any(self._losses[positions[0]] >= TRIES - 1 for positions in self._in_hand.values()):
            return ()
        if on_last_try:
            if self._in_hand:
                return ()
            self._again.remove(on_last_try[0])
            return (on_last_try[0],)
        if self._again:
            return (self._again.pop(0),)
        first_too_far = min(self._end, self._next + AHEAD * self._crew.at_once * self._jobs_in_task())
        task: list[int] = []
        while self._waiting and self._waiting[0] < first_too_far and len(task) < self._jobs_in_task():
            task.append(self._waiting.popleft())
        return tuple(task)

    def _jobs_in_task(self) -> int:
        """Return how many jobs make a task of the right length; fewer near the end, so that all workers have some."""
        if not self._successes:
            return 1
        by_time = TASK_S * self._successes / max(self._seconds, 1e-9)
        by_share = len(self._waiting) / (HANDED_OVER * self._crew.at_once)
        return max(1, int(min(by_time, by_share, MOST_JOBS_IN_TASK)))

    def _begin(self, positions: tuple[int, ...]) -> None:
        parcel = self._sender.pack([self._jobs[position] for position in positions])
        try:
            future = self._executor.submit(run_task, self._work, parcel)
        except BrokenExecutor as error:
            self._lose(positions, error)
            self._replace_executor(error)
            self._take_what_is_left(error)
        except Exception as error:
            raise self._crew.fault(self._executor) or error from None
        else:
            self._in_hand[future] = positions

    def _collect(self, patience_s: float) -> None:
        """Take in what has finished, waiting for something to finish at most so long."""
        finished, _ = wait(self._in_hand, timeout=patience_s, return_when="FIRST_COMPLETED")
        before = self._successes
        errors: list[BaseException | None] = [self._take(future) for future in finished]
        errors += [] if finished else [self._crew.fault(self._executor)]
        for error in errors:
            if isinstance(error, BrokenExecutor):
                self._replace_executor(error)
                self._take_what_is_left(error)
                break
            if isinstance(error, LostWorkError):
                raise error
        if self._successes > before:
            self._watch.progress(self._successes, len(self._jobs))

    def _take_what_is_left(self, broken: BaseException) -> None:
        """Settle the tasks of a pool that is gone; one handed over while it broke may never hear of that."""
        for future, positions in list(self._in_hand.items()):
            if future.done():
                self._take(future)
            else:
                del self._in_hand[future]
                self._lose(positions, broken)

    def _take(self, future: Future[Finished]) -> BaseException | None:
        """Note what became of a task; return why it was lost, None when it was not."""
        positions = self._in_hand.pop(future)
        try:
            finished = future.result()
        except lost_work_errors() as error:
            self._lose(positions, error)
            return error
        self._seconds += finished.seconds
        for position, outcome in zip(positions, finished.outcomes, strict=False):
            self._note(position, outcome)
        return None

    def _note(self, position: int, outcome: Outcome) -> None:
        self._done[position] = outcome
        if outcome.error is None:
            self._successes += 1
        else:
            self._end = min(self._end, position)

    def _lose(self, positions: tuple[int, ...], error: BaseException) -> None:
        """Put the jobs of a lost task back, each by itself from now on, or give up on one that has had its tries."""
        for position in positions:
            # A cluster that gives up on a task has tried it on several workers; what is left is the last try.
            step = TRIES - 1 if isinstance(error, given_up_errors()) else 1
            alone = self._losses[position] >= TRIES - 1
            self._losses[position] = TRIES if alone else min(TRIES - 1, self._losses[position] + step)
            if alone:
                self._note(position, Outcome(error=self._lost_work_error(position, error)))
            else:
                self._again = sorted([*self._again, position])

    def _lost_work_error(self, position: int, error: BaseException) -> LostWorkError:
        return LostWorkError(
            f"{self._watch.name(position)}: its worker died each time it was tried, {TRIES} times, the last time with "
            f"no other work beside it ({type(error).__name__}); run it without workers, or give workers more memory"
        )

    def _replace_executor(self, error: BaseException) -> None:
        executor = self._crew.reopen(self._executor)
        if executor is None:
            raise LostWorkError(
                f"the executor is broken ({type(error).__name__}) and can't be replaced; say workers=N in its place, "
                "for processes that can"
            ) from error
        self._executor = executor
