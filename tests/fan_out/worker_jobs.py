"""Work for workers, at the top of a module so that it can be named to them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vbte.errors import InfeasibleError, InputError, InputWarning
from vbte.fan_out import TRIES

#: Longer than any test takes: who waits so long is waiting to be killed.
FOREVER_S = 600.0


def square(number: int) -> int:
    return number * number


def with_pid(number: int) -> tuple[int, int]:
    time.sleep(0.01)
    return number, os.getpid()


def environment(_: int) -> tuple[str, str, str, bool]:
    """Threads of linear algebra, whether Ctrl-C is heard, and whether the worker leads a process group."""
    deaf = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"], str(deaf), os.getpgrp() == os.getpid()


@dataclass(frozen=True)
class Trap:
    """A job that notes each try in a file; it ends its own worker the first ``deaths`` times."""

    number: int
    tries: Path
    deaths: int = 0
    ballast: bytes = field(default=b"", repr=False)


def step_on(trap: Trap) -> int:
    with trap.tries.open("a") as file:
        file.write(f"{trap.number}\n")
    if times_tried(trap.tries, trap.number) <= trap.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return trap.number


def times_tried(tries: Path, number: int) -> int:
    return tries.read_text().splitlines().count(str(number))


def share_a_pool(job: tuple[str, Path]) -> str:
    """A murderer kills its worker once the bystander is at work, too; the bystander lives if it is left alone."""
    name, folder = job
    with (folder / name).open("a") as file:
        file.write("x")
    tries = len((folder / name).read_text())
    if name == "murderer":
        while tries < TRIES and len((folder / "bystander").read_text()) < tries:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    if tries < TRIES:
        time.sleep(FOREVER_S)
    return name


def company_on_last_try(job: tuple[int, Path]) -> int:
    """Job 0 kills its worker but for the last try, and then counts the workers at work beside it; others just work."""
    number, folder = job
    here = folder / str(os.getpid())
    here.touch()
    time.sleep(0.05)
    others = [path for path in folder.glob("[0-9]*") if path != here and Path("/proc", path.name).exists()]
    if number == 0:
        with (folder / "tries").open("a") as file:
            file.write("x")
        if len((folder / "tries").read_text()) < TRIES:
            os.kill(os.getpid(), signal.SIGKILL)
    here.unlink()
    return len(others) if number == 0 else 0


@dataclass(frozen=True)
class Rendezvous:
    """A job that is done when the one before it is not: it announces itself and waits for whom it is told."""

    number: int
    folder: Path
    waits_for: int | None = None


def meet(meeting: Rendezvous) -> int:
    (meeting.folder / str(meeting.number)).touch()
    while meeting.waits_for is not None and not (meeting.folder / str(meeting.waits_for)).exists():
        time.sleep(0.01)
    return meeting.number


def announce_and_wait(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(FOREVER_S)


def fail(number: int) -> int:
    """Jobs 3 and 5 fail; the fifth at once, the third late."""
    if number == 3:
        time.sleep(0.2)
        raise InfeasibleError("demands and limits clash", clashes=("gold a -> d", "link a>b"))
    if number == 5:
        raise InputError("no demand matrix", place="demands", remedy="give at least one")
    return number


def warn(number: int) -> int:
    if number % 2:
        warnings.warn(f"demand {number} dropped", InputWarning, stacklevel=1)
    return number


class UnpicklableError(Exception):
    """An error that holds what can't be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.held = threading.Lock()


def fail_unpicklably(_: int) -> None:
    raise UnpicklableError("this and that")


def give_a_lock(_: int) -> Any:
    return threading.Lock()


def divide(number: int) -> float:
    return 1 / number


@dataclass
class Counted:
    """Counts how often it is pickled, in the process where that is done."""

    content: str
    pickled: int = 0

    def __reduce__(self) -> tuple[type[Counted], tuple[str]]:
        self.pickled += 1
        return Counted, (self.content,)


@dataclass(frozen=True)
class Referring:
    number: int
    common: Counted


def refer(job: Referring) -> Referring:
    return job


def main_wait_in_workers(folder: str) -> None:
    """What a process of its own does to be killed: two workers that wait."""
    from vbte.fan_out import Processes, run_each

    list(run_each(announce_and_wait, [Path(folder)] * 2, Processes(2)))


if __name__ == "__main__":
    main_wait_in_workers(sys.argv[1])
