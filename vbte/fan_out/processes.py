"""A pool of local processes that starts clean, works with one thread each and leaves nobody behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from vbte.one_thread import ONE_THREAD


class WorkerPool(ProcessPoolExecutor):
    """A process pool whose processes are spawned (never forked: threads may hold locks), and that can be ended."""

    def __init__(self, count: int) -> None:
        self._context = _Context()
        super().__init__(count, mp_context=self._context, initializer=_begin)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers alive."""
        return [process.pid for process in self._context.started if process.is_alive() and process.pid is not None]

    @property
    def has_dead_worker(self) -> bool:
        """True when a worker has ended, though the pool has not been shut down."""
        return not all(process.is_alive() for process in self._context.started)

    def kill(self) -> None:
        """End all workers and what they have started, whatever they are doing; return when they are gone."""
        for process in self._context.started:
            if process.is_alive():
                _kill_group(process)
        queue = getattr(self, "_call_queue", None)
        if sys.version_info < (3, 11, 5) and queue is not None:
            # Python waits forever for its dead workers to take what is on its way to them (CPython issue 94777).
            queue._reader.close()
        self.shutdown(wait=True, cancel_futures=True)


class _Worker(SpawnProcess):
    def start(self) -> None:
        with _one_thread(), _deaf_to_ctrl_c():
            super().start()


class _Context(SpawnContext):
    """Starts workers and remembers them: the pool's own list is private."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []
        self.Process = self._worker  # type: ignore[assignment, misc]

    def _worker(self, *arguments: Any, **options: Any) -> SpawnProcess:
        worker = _Worker(*arguments, **options)
        self.started.append(worker)
        return worker


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes started within have one thread of linear algebra; this one read its settings long ago."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let processes started within not hear Ctrl-C: the terminal sends it to all, and what it means is decided here."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Make a worker the head of a process group, with the solvers it will start, and end it with its parent."""
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return
    os.setpgid(0, 0)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    # A worker waits for work at a pipe whose other end it holds itself: it would never hear that the parent is gone.
    parent = multiprocessing.parent_process()
    if parent is not None and sys.platform != "win32":
        parent.join()
        os.killpg(0, signal.SIGKILL)


def _kill_group(process: SpawnProcess) -> None:
    if sys.platform != "win32" and process.pid is not None:
        # One that has only just started is not yet the head of its group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
