"""Plan directories: one writer at a time, whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vbte.delta.schema import DIRECTORY as DELTAS
from vbte.errors import InputError, LockedError, UsageError
from vbte.write.atomic import is_leftover, staged_directory

#: What a directory written by ``vbte`` may hold at its top; plans of a series have numbers for names.
_OWN_NAMES = frozenset(("plan.json", "summary.json", "map.svg", "tables", DELTAS))


def real_directory(directory: Path) -> Path:
    """Return where a plan directory really is: a link to one stays, and what it points to is replaced."""
    # "." has no name of its own to build beside.
    return directory.resolve() if directory.is_symlink() or directory.name in ("", "..") else directory


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a plan directory, a file beside it. Raises LockedError when another run has it.

    Parents made here are removed again when nothing was put into them.
    """
    directory = directory.absolute()
    made = [parent for parent in directory.parents if not parent.exists()]
    lock = directory.with_name(f".{directory.name}.vbte-lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock_file(lock)
    except OSError as error:
        _remove_empty(made)
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(directory)) from None
    try:
        yield
    finally:
        # Removed while the lock is still held: who opened it meanwhile sees that its file is gone, and opens anew.
        lock.unlink(missing_ok=True)
        os.close(handle)
        _remove_empty(made)


def require_replaceable(directory: Path) -> None:
    """Raise UsageError if ``directory`` holds anything but what ``vbte`` itself writes into a plan directory."""
    try:
        names = sorted(path.name for path in directory.iterdir() if not is_leftover(path.name, DELTAS))
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(directory)) from None
    foreign = [name for name in names if name not in _OWN_NAMES and not (name.isdigit() and len(name) >= 4)]
    if names and "summary.json" not in names:
        foreign = foreign or names
    if foreign:
        raise UsageError(f"{directory} holds files that are not a plan's ({foreign[0]}); name another directory")


def plan_directories(directory: Path) -> list[Path]:
    """Return the directory itself, or the plans in it when it is that of a series.

    Raises InputError when it is neither.
    """
    try:
        if (directory / "plan.json").exists() or not directory.is_dir():
            return [directory]
        plans = sorted(path.parent for path in directory.glob("*/plan.json"))
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", place=str(directory)) from None
    if not plans:
        raise InputError("holds no plan", place=str(directory), remedy="name a directory that vbte plan wrote")
    return plans


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put files (relative path -> content) into a directory."""
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def publish(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make ``directory`` hold exactly ``files``, in one step. Raises InputError if the place can't be written."""
    require_replaceable(directory)
    with staged_directory(directory) as staged:
        write_files(staged, files)


@contextmanager
def staged_deltas(directory: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield a function that puts a file (relative path, content) into a plan directory's ``failover/`` to be.

    It takes the place of the old one, whole, when the block ends well; the plan stays as it is.
    """
    with staged_directory(directory / DELTAS) as staged:
        yield lambda name, content: write_files(staged, {name: content})


def _lock_file(lock: Path) -> int:
    """Open and lock a file. Raises LockedError when another process holds it."""
    if sys.platform == "win32":
        return os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    import fcntl

    while True:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), lock.stat()):
                    return handle
        except BlockingIOError:
            os.close(handle)
            raise LockedError(f"{lock.parent / _target_name(lock)}: another run is writing there; try later") from None
        os.close(handle)


def _target_name(lock: Path) -> str:
    return lock.name.removeprefix(".").removesuffix(".vbte-lock")


def _remove_empty(directories: list[Path]) -> None:
    """Remove directories, deepest first, that are still empty."""
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()
