"""The command line: ``vbte``."""

from __future__ import annotations


def main() -> None:
    """Run the command line and leave with the exit code of its outcome (see ``vbte.errors``)."""
    from vbte.cli.app import app

    app(prog_name="vbte")
