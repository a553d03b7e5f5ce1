"""Where text goes: results to standard output, progress, warnings and errors to standard error."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.text import Text

from vbte.errors import InputWarning
from vbte.report.text import printable

#: Seconds between lines of progress where there is no terminal to show it in place.
LINE_EVERY_S = 1.0

#: Width of tables in files and pipes, where no terminal says.
PIPE_WIDTH = 120

#: Exit code of a run that was stopped by Ctrl-C with nothing to keep.
INTERRUPTED = 130

Progress = Callable[[str], None]


@cache
def output() -> Console:
    """Return the console of results; it writes to what ``sys.stdout`` is when it is used."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


@cache
def messages() -> Console:
    """Return the console of progress, warnings and errors: one for all, so that messages do not cut progress up."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(text: str, *, style: str = "") -> None:
    """Print one message on standard error."""
    messages().print(Text(printable(text), style=style), soft_wrap=True)


def show_warnings() -> None:
    """Print the library's warnings about inputs as one line each; others follow Python's own rules."""
    plain = warnings.showwarning

    def show(message, category, filename, lineno, file=None, line=None) -> None:  # type: ignore[no-untyped-def]
        if issubclass(category, InputWarning):
            say(f"warning: {message}", style="yellow")
        else:
            plain(message, category, filename, lineno, file, line)

    warnings.simplefilter("always", InputWarning)
    warnings.showwarning = show


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Yield a function that shows a line of progress: in place on a terminal, now and then as a line elsewhere."""
    console = messages()
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with console.status(Text("reading")) as status:
            yield lambda text: status.update(Text(printable(text)))
    else:
        yield _Lines()


class _Lines:
    """Prints lines of progress, no more than one every few seconds."""

    def __init__(self) -> None:
        self._last = -LINE_EVERY_S

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            say(f"vbte: {text}")
