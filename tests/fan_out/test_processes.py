"""Processes of our own: clean, killed without loss, never left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import worker_jobs as jobs

from vbte.errors import InfeasibleError, InputError, InputWarning, LostWorkError
from vbte.fan_out import TRIES, Processes, Watch, run_each

#: Seconds after which a test gives up on a process that should have ended.
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def require_gone(pids: Sequence[int]) -> None:
    """Wait until no process has any of these ids."""
    until = time.monotonic() + PATIENCE_S
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < until, f"still there: {alive}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A process that has ended and was not yet waited for counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_files(folder: Path, count: int) -> list[int]:
    """Wait until so many jobs have announced themselves; return their process ids."""
    until = time.monotonic() + PATIENCE_S
    while len(names := [path.name for path in folder.iterdir()]) < count:
        assert time.monotonic() < until, "the workers never began"
        time.sleep(0.02)
    return [int(name) for name in names]


def test_workers_have_one_thread_of_linear_algebra_and_leave_ctrl_c_to_the_parent() -> None:
    before = dict(os.environ)
    results = [result for _, result in run_each(jobs.environment, range(2), Processes(2))]
    assert results == [("1", "1", "True", True)] * 2
    assert dict(os.environ) == before


def test_input_warnings_arrive_in_the_order_of_the_jobs() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", InputWarning)
        assert [result for _, result in run_each(jobs.warn, range(6), Processes(2))] == list(range(6))
    assert [str(one.message) for one in heard] == [f"demand {number} dropped" for number in (1, 3, 5)]
    assert all(one.filename == jobs.__file__ for one in heard)


def test_the_error_raised_is_the_one_a_loop_would_have_met() -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(InfeasibleError) as caught:
        seen.extend(run_each(jobs.fail, range(8), Processes(2)))
    assert seen == [(0, 0), (1, 1), (2, 2)]
    assert caught.value.clashes == ("gold a -> d", "link a>b")


def test_an_input_error_keeps_its_place_and_remedy() -> None:
    with pytest.raises(InputError) as caught:
        list(run_each(jobs.fail, [5], Processes(1)))
    error = caught.value
    assert (error.fault, error.place, error.remedy) == ("no demand matrix", "demands", "give at least one")


def test_a_worker_killed_half_way_loses_nothing() -> None:
    workers: list[int] = []
    heard: list[int] = []
    killed = 0
    watch = Watch(progress=lambda done, _: heard.append(done))
    for position, (number, pid) in run_each(jobs.with_pid, range(300), Processes(2), watch=watch):
        assert position == number
        workers.append(pid)
        if position == 20:
            killed = pid
            os.kill(pid, signal.SIGKILL)
    assert len(workers) == 300
    assert killed not in workers[-20:]
    assert len(set(workers)) > 2
    assert heard == sorted(set(heard))
    assert heard[-1] == 300
    require_gone(workers)


@pytest.mark.parametrize("ballast", [0, 2_000_000])
def test_a_job_whose_worker_dies_is_tried_again(tmp_path: Path, ballast: int) -> None:
    # Ballast fills the pipe to the workers, which must not keep a broken pool from being replaced.
    tries = tmp_path / "tries"
    traps = [jobs.Trap(n, tries, deaths=TRIES - 1 if n == 2 else 0, ballast=bytes(ballast)) for n in range(8)]
    assert [result for _, result in run_each(jobs.step_on, traps, Processes(2))] == list(range(8))
    assert jobs.times_tried(tries, 2) == TRIES


def test_a_job_that_kills_every_worker_ends_in_one_error_that_names_it(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    traps = [jobs.Trap(n, tries, deaths=99 if n == 3 else 0) for n in range(8)]
    seen: list[tuple[int, int]] = []
    watch = Watch(name=lambda position: f"matrix {position + 1} of 8")
    with pytest.raises(LostWorkError, match=rf"^matrix 4 of 8: its worker died .* {TRIES} times") as caught:
        seen.extend(run_each(jobs.step_on, traps, Processes(2), watch=watch))
    assert seen == [(0, 0), (1, 1), (2, 2)]
    assert jobs.times_tried(tries, 3) == TRIES
    assert caught.value.exit_code == 6


def test_a_job_is_not_blamed_for_the_deaths_that_its_neighbour_causes(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []
    for name in ("bystander", "murderer"):
        (tmp_path / name).touch()
    with pytest.raises(LostWorkError, match=r"^job 2: "):
        seen.extend(run_each(jobs.share_a_pool, [(name, tmp_path) for name in ("bystander", "murderer")], Processes(2)))
    assert seen == [(0, "bystander")]


def test_the_last_try_is_made_alone(tmp_path: Path) -> None:
    results = list(run_each(jobs.company_on_last_try, [(number, tmp_path) for number in range(40)], Processes(3)))
    assert results == [(number, 0) for number in range(40)]


def test_stopping_ends_workers_that_are_at_work(tmp_path: Path) -> None:
    watch = Watch(stop=lambda: len(list(tmp_path.iterdir())) == 2)
    assert list(run_each(jobs.announce_and_wait, [tmp_path] * 4, Processes(2), watch=watch)) == []
    require_gone(wait_for_files(tmp_path, 2))


def test_an_error_of_the_caller_ends_workers_that_are_at_work(tmp_path: Path) -> None:
    def progress_fails(*_: int) -> None:
        raise KeyboardInterrupt

    results = run_each(jobs.with_pid, range(500), Processes(2), watch=Watch(progress=progress_fails))
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert list(results) == []


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, jobs.__file__, str(tmp_path)])
    workers = wait_for_files(tmp_path, 2)
    parent.kill()
    parent.wait()
    require_gone(workers)
