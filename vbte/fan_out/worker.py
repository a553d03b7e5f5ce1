"""What runs in a worker: the jobs of one task, each with its result, its error and what it warned of."""

from __future__ import annotations

import pickle
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vbte.errors import InputWarning, VbteError
from vbte.fan_out.parcels import PROCESS, Key, Parcel, dumps, loads, opened


@dataclass(frozen=True)
class Warned:
    """An ``InputWarning`` and where it was given."""

    text: str
    filename: str
    line: int


@dataclass(frozen=True)
class Outcome:
    """What became of one job: its pickled result, or the error it raised."""

    result: bytes = b""
    error: BaseException | None = None
    warned: tuple[Warned, ...] = ()


@dataclass(frozen=True)
class Finished:
    """Outcomes of a task's jobs, in their order, and the seconds they took."""

    outcomes: tuple[Outcome, ...]
    seconds: float


def run_task(work: Callable[[Any], Any], parcel: Parcel) -> Finished:
    """Run ``work`` on each job of a parcel. Jobs after one that fails are not run: a plain loop would not, either."""
    started = time.perf_counter()
    items = opened(parcel)
    outcomes = []
    for job in parcel.jobs:
        # In the sender's own process (a pool of threads) warnings reach the caller without help.
        outcome = _run_job(work, job, items) if parcel.sender == PROCESS else _run_job_away(work, job, items)
        outcomes.append(outcome)
        if outcome.error is not None:
            break
    return Finished(tuple(outcomes), time.perf_counter() - started)


def _run_job_away(work: Callable[[Any], Any], job: bytes, items: Mapping[Key, Any]) -> Outcome:
    with _listening() as warned:
        outcome = _run_job(work, job, items)
    return Outcome(outcome.result, outcome.error, tuple(warned))


def _run_job(work: Callable[[Any], Any], job: bytes, items: Mapping[Key, Any]) -> Outcome:
    try:
        result = work(loads(job, items))
        content, _ = dumps(result, {id(item): key for key, item in items.items()})
    except Exception as error:
        return Outcome(error=_portable(error))
    return Outcome(content)


def _portable(error: Exception) -> Exception:
    """Return an error that can travel: itself, or one of its words. Unforeseen ones say where they were raised."""
    if not isinstance(error, VbteError):
        error.add_note("raised in a worker:\n" + "".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            stand_in.add_note(note)
        return stand_in
    return error


_heard = threading.local()
_installing = threading.Lock()


@contextmanager
def _listening() -> Iterator[list[Warned]]:
    """Collect this thread's input warnings, for the caller to give again in its own process."""
    with _installing:
        _send_input_warnings_to_listeners()
    warned: list[Warned] = []
    _heard.warned = warned
    try:
        yield warned
    finally:
        _heard.warned = None


def _send_input_warnings_to_listeners() -> None:
    """Route input warnings to the thread that listens, once for the whole process.

    Not ``warnings.catch_warnings``, which changes all threads at once: a Dask worker may run several jobs.
    """
    plain = warnings.showwarning
    if getattr(plain, "hears_input_warnings", False):
        return

    def show(message: Any, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
        warned = getattr(_heard, "warned", None)
        if warned is not None and issubclass(category, InputWarning):
            warned.append(Warned(str(message), filename, lineno))
        else:
            plain(message, category, filename, lineno, *rest)

    show.hears_input_warnings = True  # type: ignore[attr-defined]
    warnings.showwarning = show  # type: ignore[assignment]
    warnings.simplefilter("always", InputWarning)
