"""The command line: ``vbte``."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from vbte.one_thread import ONE_THREAD


def main() -> None:
    """Run the command line and leave with the exit code of its outcome (see ``vbte.errors``).

    Errors that nobody foresaw leave with 1 and one line, too; ``--debug`` shows where they came from.
    """
    # Before numpy is loaded: the same input gives the same bytes whatever the number of cores, here or in workers.
    os.environ.update(ONE_THREAD)
    from vbte.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        # Names and bars may hold characters that the terminal's encoding lacks; that is no reason to fail.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="vbte")
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        from vbte.cli.console import say

        say(f"error: this should not have happened ({type(error).__name__}: {error}); please report it with the output")
        say("of the same command with 'vbte --debug' in place of 'vbte'")
        sys.exit(1)
