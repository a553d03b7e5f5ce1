"""Ctrl-C during long work: the first asks for the best plan so far, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vbte.cli.console import say
from vbte.solve import Deadline


class Interrupts:
    """The deadline of the work at hand and whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.pressed = False
        self._deadline: Deadline | None = None

    def deadline(self, seconds: float | None) -> Deadline:
        """Return the deadline of the next piece of work; it is already over when Ctrl-C was pressed."""
        self._deadline = Deadline(seconds, interrupted=self.pressed)
        return self._deadline

    def handle(self, _: int, frame: FrameType | None) -> None:
        """Note a Ctrl-C. Raises KeyboardInterrupt for the second one, and where a solver waits for it."""
        again, self.pressed = self.pressed, True
        if self._deadline is not None:
            self._deadline.interrupted = True
        if again:
            raise KeyboardInterrupt
        say("vbte: stopping with the best plan so far; press Ctrl-C again to stop at once")
        if _solver_waits(frame):
            raise KeyboardInterrupt


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle Ctrl-C within the block, as far as this thread may."""
    state = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    before = signal.signal(signal.SIGINT, state.handle)
    try:
        yield state
    finally:
        signal.signal(signal.SIGINT, before)


def _solver_waits(frame: FrameType | None) -> bool:
    """True within the wait for HiGHS, which catches KeyboardInterrupt and stops in good order."""
    while frame is not None:
        if frame.f_code.co_name == "_run" and frame.f_globals.get("__name__") == "vbte.solve.highs":
            return True
        frame = frame.f_back
    return False
