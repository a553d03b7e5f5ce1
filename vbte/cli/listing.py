"""``vbte datasets``, ``vbte models``, ``vbte solvers``: what ships with vbte."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.text import Text

from vbte.catalogue import dataset, datasets, load_model, model_path, models, solver_path, solvers
from vbte.cli.console import output
from vbte.cli.directory import write_files
from vbte.errors import InputError, UsageError
from vbte.report.terminal import empty_table
from vbte.report.text import printable
from vbte.solve import SolverProfile
from vbte.solve.load import load_solver
from vbte.solve.profile import Backend
from vbte.write.atomic import staged_directory


def list_datasets() -> None:
    """Print the datasets, a line each."""
    table = empty_table("dataset", "model of its own", "what it shows")
    for name, found in datasets().items():
        table.add_row(name, "yes" if found.model else "", found.summary)
    output().print(table)


def show_dataset(name: str) -> None:
    """Print a dataset's files and README. Raises InputError for an unknown name."""
    found = dataset(name)
    for path in sorted(found.path.iterdir()):
        output().print(Text(printable(str(path))), soft_wrap=True)
    sys.stdout.write("\n" + _content(found.path / "README.md"))


def copy_dataset(name: str, directory: Path) -> None:
    """Copy a dataset's files to a directory that does not exist or is empty.

    Raises UsageError if it holds anything, InputError for an unknown name and where it can't be written.
    """
    found = dataset(name)
    if directory.is_dir() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty; name a new directory")
    with staged_directory(directory) as staged:
        write_files(staged, {path.name: path.read_bytes() for path in sorted(found.path.iterdir())})
    output().print(Text(f"written to {directory}"), soft_wrap=True)


def list_models() -> None:
    """Print the planning models, a line each."""
    table = empty_table("model", "what it does")
    for name in models():
        table.add_row(name, Text(load_model(name).description))
    output().print(table)


def show_model(name: str) -> None:
    """Print a model's file. Raises InputError for an unknown name."""
    sys.stdout.write(_content(model_path(name)))


def list_solvers() -> None:
    """Print the solver profiles and whether each can run here, then the other solvers that PuLP finds."""
    from vbte.solve.pulp import available_solvers

    found = available_solvers()
    table = empty_table("solver", "here", "what it is")
    for name in solvers():
        profile = load_solver(name)
        table.add_row(name, "yes" if _runs(profile, found) else "no", Text(profile.description))
    output().print(table)
    output().print(Text(f"PuLP can run here: {', '.join(found) or 'none'}"), soft_wrap=True)


def show_solver(name: str) -> None:
    """Print a profile's file. Raises InputError for an unknown name."""
    sys.stdout.write(_content(solver_path(name)))


def _runs(profile: SolverProfile, found: list[str]) -> bool:
    if profile.backend is Backend.HIGHS:
        return True
    name = profile.solver or "CBC"
    return name in found or (name == "CBC" and any("CBC" in each or each == "COIN_CMD" for each in found))


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError("can't be read", place=str(path), remedy="install vbte again, or name a text file") from None
