"""Files and directories that appear whole or not at all, and names that can't escape their directory."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vbte.errors import InputError, LockedError

MAX_NAME_BYTES = 150

_MARK = ".vbte-"
_SAFE = re.compile(rb"[A-Za-z0-9_-]")
#: Names that Windows keeps for devices, whatever their extension.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)
_EXCHANGE = 2
_AT_FDCWD = -100


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` by way of a file beside it: readers see the old content or the new, never a part.

    Raises InputError if the place can't be written; nothing is left behind then.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", suffix=f"{_MARK}file", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode(target))
        temporary.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(target)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def staged_directory(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty directory beside ``target`` that takes its place, whole, when the block ends well.

    After an exception, or when the process is killed, ``target`` is what it was. What killed runs left behind is
    removed here. Raises InputError if the place can't be written or is a file.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise InputError("is a file where a directory is to be written", place=str(target), remedy="name another")
        _recover(target)
        staging = _Staging(target)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(target)) from None
    try:
        yield staging.path
        staging.publish()
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(target)) from None
    finally:
        staging.close()


def is_leftover(name: str, target: str) -> bool:
    """Return whether a name is that of what a killed run left where it was to put a directory called ``target``."""
    return name.startswith(f".{target}{_MARK}")


def safe_file_name(name: str) -> str:
    """Return ``name`` as a file name: ASCII letters, digits, ``_``, ``-``, ``.`` as they are, other bytes as ``%XX``.

    Different names give different file names; none is hidden, empty, a path, or longer than 150 bytes (longer ones
    end in a SHA-256 digest).
    """
    encoded = name.encode("utf-8", "surrogatepass")
    text = "".join(
        chr(byte) if _SAFE.match(bytes((byte,))) or (byte == 0x2E and 0 < at < len(encoded) - 1) else f"%{byte:02X}"
        for at, byte in enumerate(encoded)
    )
    if _RESERVED.match(text):
        text = f"%{encoded[0]:02X}{text[1:]}"
    if len(text) > MAX_NAME_BYTES:
        # A lone %~ stands in no encoded name, so a digest can't be mistaken for one.
        return f"{text[:80]}%~{hashlib.sha256(encoded).hexdigest()}"
    return text or "%"


class _Staging:
    """A locked temporary directory; the lock goes with the process, so a lock that is free marks a leftover."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = Path(tempfile.mkdtemp(prefix=_prefix(target), suffix="staged", dir=target.parent))
        self._lock = _locked(self.path)
        self.path.chmod(_mode(target, directory=True))

    def publish(self) -> None:
        """Swap the finished directory into place."""
        _sync_tree(self.path)
        if self.target.is_dir():
            _swap(self.path, self.target)
        else:
            self.path.rename(self.target)
        _sync_directory(self.target.parent)

    def close(self) -> None:
        """Remove what now lies under the temporary name: an unfinished directory, or the one that was replaced."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _prefix(target: Path) -> str:
    return f".{target.name}{_MARK}"


def _recover(target: Path) -> None:
    """Undo what killed runs left beside ``target``: put a plan moved aside back, remove what nobody holds a lock on."""
    aside = _aside(target)
    if aside.is_dir():
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(target)
    if sys.platform == "win32":
        # Without locks a leftover can't be told from the work of a run that is still alive.
        return
    for leftover in target.parent.glob(f"{_glob_escaped(_prefix(target))}*staged"):
        try:
            lock = _locked(leftover)
        except (LockedError, OSError):
            continue
        shutil.rmtree(leftover, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _glob_escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def _aside(target: Path) -> Path:
    return target.with_name(f"{_prefix(target)}previous")


def _locked(directory: Path) -> int | None:
    """Take a lock on a directory; None where the platform has none. Raises LockedError if another process has it."""
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise LockedError(f"{directory}: another run is writing") from error
    return handle


def _swap(staged: Path, target: Path) -> None:
    """Exchange two directories in one step where the kernel can, else in two with ``_recover`` in mind."""
    if _exchanged(staged, target):
        return
    aside = _aside(target)
    target.rename(aside)
    staged.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """``renameat2(RENAME_EXCHANGE)`` on Linux. False where kernel, C library or file system lack it."""
    rename: Any = None
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_EXCHANGE)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code))


def _mode(target: Path, *, directory: bool = False) -> int:
    """Permissions of what is replaced, else what the umask leaves."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return (0o777 if directory else 0o666) & ~mask


def _sync_tree(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for name in files:
            with (Path(folder) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_directory(Path(folder))


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
