"""A Dask cluster gives the results of a plain loop, whatever happens to its workers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import worker_jobs as jobs
from clusters import local_cluster
from distributed import Client, LocalCluster

from vbte.errors import InfeasibleError, InputWarning, LostWorkError, UsageError
from vbte.fan_out import Given, Watch, run_each
from vbte.fan_out.cluster import checked_address, cluster
from vbte.fan_out.crew import UNKNOWN_AT_ONCE


@pytest.fixture(scope="module")
def started() -> Iterator[LocalCluster]:
    with local_cluster(allowed_failures=1) as running:
        yield running


@pytest.fixture
def crew(started: LocalCluster) -> Iterator[Given]:
    with cluster(started.scheduler_address) as found:
        yield found


def test_a_small_cluster_is_given_enough_work_to_grow_with(crew: Given) -> None:
    assert crew.at_once == UNKNOWN_AT_ONCE > 2


def test_results_come_in_order_from_processes_other_than_this(crew: Given) -> None:
    results = list(run_each(jobs.with_pid, range(100), crew))
    assert [(position, number) for position, (number, _) in results] == [(n, n) for n in range(100)]
    assert os.getpid() not in {pid for _, (_, pid) in results}


def test_the_executor_of_a_client_will_do(started: LocalCluster) -> None:
    with Client(started, set_as_default=False) as client:
        executor = client.get_executor()
        assert list(run_each(jobs.square, range(50), Given(executor))) == [(n, n * n) for n in range(50)]
        # It is the caller's, and still works.
        assert executor.submit(jobs.square, 3).result() == 9


def test_errors_and_warnings_of_jobs_come_back(crew: Given) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(InfeasibleError) as caught:
        seen.extend(run_each(jobs.fail, range(8), crew))
    assert seen == [(0, 0), (1, 1), (2, 2)]
    assert caught.value.clashes == ("gold a -> d", "link a>b")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", InputWarning)
        list(run_each(jobs.warn, range(4), crew))
    assert [str(one.message) for one in heard] == ["demand 1 dropped", "demand 3 dropped"]


def test_a_worker_killed_half_way_loses_nothing(crew: Given) -> None:
    workers: list[int] = []
    heard: list[int] = []
    watch = Watch(progress=lambda done, _: heard.append(done))
    for position, (number, pid) in run_each(jobs.with_pid, range(300), crew, watch=watch):
        assert position == number
        workers.append(pid)
        if position == 20:
            os.kill(pid, signal.SIGKILL)
    assert len(workers) == 300
    assert heard == sorted(set(heard))
    assert heard[-1] == 300


def test_a_job_that_kills_every_worker_ends_in_one_error_that_names_it(crew: Given, tmp_path: Path) -> None:
    traps = [jobs.Trap(number, tmp_path / "tries", deaths=99 if number == 2 else 0) for number in range(4)]
    seen: list[tuple[int, int]] = []
    with pytest.raises(LostWorkError, match=r"^job 3: its worker died .*KilledWorker"):
        seen.extend(run_each(jobs.step_on, traps, crew))
    assert seen == [(0, 0), (1, 1)]
    # Twice given up by the cluster, each time after two workers: once in company, once alone.
    assert jobs.times_tried(tmp_path / "tries", 2) == 4


@pytest.mark.parametrize(
    "address", ["", "nowhere", "tcp://", "tcp://host", "host:0", "host:65536", "a b:8786", "x://h:1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a Dask scheduler, such as"):
        checked_address(address)


@pytest.mark.parametrize("address", ["host:8786", "tcp://10.0.0.1:8786", "tls://[::1]:8786", "tcp://a-b.example:1"])
def test_addresses_of_schedulers_are_taken(address: str) -> None:
    assert checked_address(address) == address


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'vbte\[dask\]'"):
        checked_address("host:8786")


def test_an_address_where_nobody_answers_is_named_with_the_time_it_was_given() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(UsageError, match=rf"no Dask scheduler answers at {address} within 0.5 s"):
            cluster(address, patience_s=0.5).__enter__()


def test_a_scheduler_that_dies_half_way_is_one_clear_error() -> None:
    with dask_command("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as process:
        address = address_in(process)
        with (
            dask_command("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            cluster(address, patience_s=3.0) as crew,
        ):
            results = run_each(jobs.with_pid, range(100_000), crew)
            next(results)
            process.kill()
            with pytest.raises(LostWorkError, match="the scheduler of the Dask cluster is gone"):
                list(results)


@contextmanager
def dask_command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of Dask's own commands beside the block."""
    command = [sys.executable, "-m", "dask", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address_in(scheduler: subprocess.Popen[str]) -> str:
    assert scheduler.stderr is not None
    found = (re.search(r"Scheduler at:\s+(tcp://\S+)", line) for line in scheduler.stderr)
    return next(match.group(1) for match in found if match)


def test_a_cluster_without_workers_is_an_error() -> None:
    with local_cluster(0) as empty, pytest.raises(UsageError, match="has no workers"):
        cluster(empty.scheduler_address, patience_s=0.2).__enter__()


def test_workers_with_another_vbte_are_named(started: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vbte.__version__", "99.0")
    with pytest.raises(UsageError, match=r"Dask worker tcp://\S+ has vbte .*; vbte 99.0 on Python .* is needed"):
        cluster(started.scheduler_address).__enter__()
