"""Ctrl-C during long work: the first asks for the best plan so far, the second stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vbte.cli.console import INTERRUPTED, say
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

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Note a Ctrl-C: solvers watch the deadline and stop by themselves. A second one ends the process."""
        if self.pressed:
            say("vbte: stopped; nothing was written", style="bold")
            # At once, as with a kill: a solver may be busy in a thread that Python can't end.
            os._exit(INTERRUPTED)
        self.pressed = True
        if self._deadline is not None:
            self._deadline.interrupted = True
        say("vbte: stopping with the best plan so far; press Ctrl-C again to stop at once")


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle Ctrl-C within the block; only the main thread can."""
    state = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    before = signal.signal(signal.SIGINT, state.handle)
    try:
        yield state
    finally:
        signal.signal(signal.SIGINT, before)
