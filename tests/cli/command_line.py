"""Running the command line in this process or another, and looking at what it wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from vbte.cli.app import app


def vbte(*arguments: str | Path) -> Result:
    """Run one command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(*arguments: str | Path, before: str = "") -> subprocess.Popen[str]:
    """Start one command in a process of its own; ``before`` is Python run there first."""
    code = f"import sys\nfrom vbte.cli import main\n{before}\nmain()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the content of every file below a directory, by relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
