"""Whatever order work finishes in, the caller sees that of a plain loop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import worker_jobs as jobs

from vbte.errors import InfeasibleError, InputWarning, LostWorkError, UsageError
from vbte.fan_out import Given, Processes, Watch, run, run_each
from vbte.fan_out.parcels import Parcel
from vbte.fan_out.run import AHEAD, HANDED_OVER, TRIES


@pytest.fixture
def threads() -> Iterator[Given]:
    with ThreadPoolExecutor(2) as executor:
        yield Given(executor, 2)


class Desk(Executor):
    """Runs nothing by itself: tasks wait until they are worked off."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []
        self.begun = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, fn, args))
        self.begun += len(args[1].jobs)
        return future

    def work_off(self, which: int) -> None:
        future, fn, args = self.waiting.pop(which)
        future.set_result(fn(*args))


class AllButTheFirst(Desk):
    """Does every task as soon as it comes, but never the first."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args)
        if len(self.waiting) > 1:
            self.work_off(1)
        return future


class LosesTheFirst(Desk):
    """Loses the first task each time but the last, and notes how many others were in hand whenever it came."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Any = None
        self.company: list[int] = []
        self.last_try: Future[Any] | None = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.first = self.first or args[1].jobs
        future = super().submit(fn, *args)
        assert self.last_try is None or self.last_try.done(), "the last try is not alone"
        if args[1].jobs == self.first:
            self.company.append(len(self.waiting) - 1)
            if len(self.company) < TRIES:
                self.waiting.pop()
                future.cancel()
                future.set_running_or_notify_cancel()
            else:
                self.last_try = future
        return future


def after_looks(count: int) -> Watch:
    """Stop when the run has asked so often whether to stop."""
    looks = iter(range(count))
    return Watch(stop=lambda: next(looks, None) is None)


@pytest.fixture
def single_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job is a task of its own, and nobody waits for anything."""
    monkeypatch.setattr(run, "TASK_S", 0.0)
    monkeypatch.setattr(run, "POLL_S", 0.0)


def test_results_come_in_the_order_of_the_jobs_whatever_finishes_first(tmp_path: Path, threads: Given) -> None:
    meetings = [jobs.Rendezvous(0, tmp_path, waits_for=1), jobs.Rendezvous(1, tmp_path)]
    assert list(run_each(jobs.meet, meetings, threads)) == [(0, 0), (1, 1)]


def test_many_small_jobs_are_all_done_once(threads: Given) -> None:
    assert list(run_each(jobs.square, range(500), threads)) == [(n, n * n) for n in range(500)]


def test_no_jobs_give_no_results(threads: Given) -> None:
    assert list(run_each(jobs.square, [], threads)) == []


@pytest.mark.usefixtures("single_jobs")
def test_no_more_is_handed_over_than_keeps_workers_busy_and_nothing_before_it_is_asked_for() -> None:
    desk = Desk()
    results = run_each(jobs.square, range(100), Given(desk, 3), watch=after_looks(9))
    assert desk.waiting == []
    assert list(results) == []
    assert len(desk.waiting) == HANDED_OVER * 3
    assert all(future.cancelled() for future, *_ in desk.waiting)


@pytest.mark.usefixtures("single_jobs")
def test_work_runs_ahead_of_an_unfinished_job_only_so_far() -> None:
    desk = AllButTheFirst()
    done = list(run_each(jobs.square, range(1000), Given(desk, 1), watch=after_looks(5 * AHEAD)))
    assert desk.begun == AHEAD
    assert [position for position, _ in done] == list(range(1, AHEAD))


@pytest.mark.usefixtures("single_jobs")
def test_a_lost_job_is_tried_again_in_company_and_at_last_alone() -> None:
    desk = LosesTheFirst()
    watch = Watch(stop=lambda: bool(desk.waiting and desk.work_off(0)))
    assert list(run_each(jobs.square, range(30), Given(desk, 3), watch=watch)) == [(n, n * n) for n in range(30)]
    assert len(desk.company) == TRIES
    assert desk.company[1] > 0
    assert desk.company[-1] == 0


def test_closing_the_results_early_drops_the_work_in_hand() -> None:
    desk = AllButTheFirst()
    desk.submit(jobs.square, 0, Parcel((), ()))  # stays undone
    results = run_each(jobs.square, range(1000), Given(desk, 1))
    assert next(results) == (0, 0)
    results.close()
    assert desk.begun < 1000


def test_the_error_raised_is_the_one_a_loop_would_have_met_after_the_results_before_it(threads: Given) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(InfeasibleError) as caught:
        seen.extend(run_each(jobs.fail, range(50), threads))
    assert seen == [(0, 0), (1, 1), (2, 2)]
    assert caught.value.clashes == ("gold a -> d", "link a>b")


def test_a_job_that_fails_is_not_tried_again(tmp_path: Path, threads: Given) -> None:
    tries = tmp_path / "tries"

    with pytest.raises(ZeroDivisionError):
        list(run_each(_noting_division, [(tries, 0)], threads))
    assert tries.read_text() == "x"


def _noting_division(job: tuple[Path, int]) -> float:
    with job[0].open("a") as file:
        file.write("x")
    return 1 / job[1]


def test_progress_only_rises_and_ends_with_all(threads: Given) -> None:
    heard: list[tuple[int, int]] = []
    list(run_each(jobs.square, range(300), threads, watch=Watch(progress=lambda *done: heard.append(done))))
    assert heard == sorted(set(heard))
    assert heard[-1] == (300, 300)


def test_when_stopped_all_that_is_done_is_kept_and_gaps_are_left_out(tmp_path: Path, threads: Given) -> None:
    stuck = jobs.Rendezvous(1, tmp_path, waits_for=99)
    meetings = [jobs.Rendezvous(0, tmp_path), stuck, jobs.Rendezvous(2, tmp_path)]
    heard: list[int] = []
    watch = Watch(progress=lambda done, _: heard.append(done), stop=lambda: heard[-1:] == [2])
    assert list(run_each(jobs.meet, meetings, threads, watch=watch)) == [(0, 0), (2, 2)]
    (tmp_path / "99").touch()


@pytest.mark.usefixtures("single_jobs")
def test_when_stopped_an_error_behind_a_gap_is_left_out_as_a_loop_would_not_have_met_it() -> None:
    desk = AllButTheFirst()
    divisors = [1, 0, *range(2, 99)]
    assert list(run_each(jobs.divide, divisors, Given(desk, 2), watch=after_looks(9))) == [(2, 1 / 2), (3, 1 / 3)]
    # What was handed over before the error was known, and nothing after it.
    assert desk.begun == HANDED_OVER * 2


def test_what_jobs_share_is_pickled_once_and_results_refer_to_it(threads: Given) -> None:
    common = jobs.Counted("topology")
    work = [jobs.Referring(number, common) for number in range(200)]
    results = [result for _, result in run_each(jobs.refer, work, threads, shared=[common] * len(work))]
    assert [result.number for result in results] == list(range(200))
    assert all(result.common is common for result in results)
    assert common.pickled == 1


def test_what_is_not_named_as_shared_comes_back_as_a_copy(threads: Given) -> None:
    common = jobs.Counted("topology")
    ((_, result),) = run_each(jobs.refer, [jobs.Referring(0, common)], threads)
    assert result.common == jobs.Counted("topology")
    assert result.common is not common


def test_jobs_and_results_that_cannot_travel_are_an_error(threads: Given) -> None:
    with pytest.raises(TypeError, match="pickle"):
        list(run_each(jobs.square, [jobs.give_a_lock(0)], threads))
    with pytest.raises(TypeError, match="pickle"):
        list(run_each(jobs.give_a_lock, [0], threads))


def test_an_error_that_cannot_travel_sends_its_words(threads: Given) -> None:
    with pytest.raises(RuntimeError, match="UnpicklableError: this and that"):
        list(run_each(jobs.fail_unpicklably, [0], threads))


def test_an_unforeseen_error_says_where_it_was_raised(threads: Given) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(run_each(jobs.divide, [0], threads))
    assert "in divide" in "\n".join(caught.value.__notes__)


def test_warnings_given_in_this_process_arrive_once(threads: Given) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", InputWarning)
        list(run_each(jobs.warn, range(4), threads))
    assert sorted(str(one.message) for one in heard) == ["demand 1 dropped", "demand 3 dropped"]


def test_an_executor_that_breaks_and_is_not_ours_is_one_clear_error(tmp_path: Path) -> None:
    traps = [jobs.Trap(number, tmp_path / "tries", deaths=9) for number in range(2)]
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(LostWorkError, match="can't be replaced; say workers=N"),
    ):
        list(run_each(jobs.step_on, traps, Given(executor)))


@pytest.mark.parametrize("count", [0, -1])
def test_no_workers_are_a_usage_error(count: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Processes(count)
    with pytest.raises(UsageError, match="at least 1"):
        Given(Desk(), count)
