"""Where input comes from: a path or an open file becomes one ``Document`` in memory, within limits."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from vbte.errors import InputError

#: No input larger than this is read, before or after decompression.
MAX_INPUT_BYTES = 2 * 1024**3

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20

Source = str | os.PathLike[str] | IO[str] | IO[bytes]


@dataclass(frozen=True)
class Document:
    """One input read whole: ``data`` as stored (decompressed), ``origin`` its name for messages."""

    origin: str
    data: bytes = field(repr=False)
    path: Path | None = None

    @cached_property
    def text(self) -> str:
        """The text without byte-order mark. Raises InputError if it is not UTF-8 text."""
        try:
            text = self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"byte 0x{self.data[error.start]:02x} is not UTF-8 text",
                place=f"{self.origin}:{line}",
                remedy="save the file as UTF-8",
            ) from None
        zero = text.find("\0")
        if zero >= 0:
            line = text.count("\n", 0, zero) + 1
            raise InputError("a NUL byte: this is not a text file", place=f"{self.origin}:{line}")
        return text

    @property
    def suffix(self) -> str:
        """File name extension in lower case, without ``.gz``: ``'.csv'``."""
        name = self.origin.lower().removesuffix(".gz")
        return Path(name).suffix if "\0" not in name else ""

    @property
    def stem(self) -> str:
        """File name without directories and extensions, a last resort for a name."""
        return Path(self.origin).name.split(".")[0] if self.path else ""


def open_document(source: Source, *, max_bytes: int = MAX_INPUT_BYTES) -> Document:
    """Read ``source`` whole, decompressing gzip. Raises InputError for anything that can't be read or is too large."""
    if hasattr(source, "read"):
        return _from_file(source, max_bytes)
    if _is_resource(source):
        return _from_file(_named_bytes(source), max_bytes)
    path = checked_path(source)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(_reason(error), place=str(path)) from None
    return Document(str(path), _unpacked(data, str(path), max_bytes), path)


def checked_path(source: Any) -> Path:
    """Return ``source`` as a path. Raises InputError if it is none, or could never name a file."""
    try:
        path = Path(source)
    except TypeError:
        raise InputError(
            f"cannot read from {type(source).__name__}", remedy="give a path, an open file, a mapping or a graph"
        ) from None
    if not str(source) or "\0" in str(path):
        raise InputError("not a file name", place=repr(str(source)))
    return path


def is_directory(source: Any) -> bool:
    """True if ``source`` names a directory; False for open files and for names no file can have."""
    if hasattr(source, "read") or _is_resource(source):
        return False
    return os.path.isdir(checked_path(source))  # noqa: PTH112 - Path.is_dir raises on names that are too long


def _from_file(file: Any, max_bytes: int) -> Document:
    origin = str(getattr(file, "name", "") or "<stream>")
    try:
        content = file.read(max_bytes + 1)
        data = content.encode() if isinstance(content, str) else bytes(content)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", place=origin) from None
    return Document(origin, _unpacked(data, origin, max_bytes))


def _is_resource(source: Any) -> bool:
    """True for a resource of an installed package that may lie inside an archive."""
    return hasattr(source, "read_bytes") and not isinstance(source, os.PathLike)


def _named_bytes(resource: Any) -> IO[bytes]:
    try:
        file = io.BytesIO(resource.read_bytes())
    except (OSError, KeyError):
        raise InputError("cannot be read from the package", place=str(resource)) from None
    file.name = str(resource)
    return file


def _unpacked(data: bytes, origin: str, max_bytes: int) -> bytes:
    if data.startswith(_GZIP_MAGIC):
        data = _gunzipped(data, origin, max_bytes)
    if len(data) > max_bytes:
        raise InputError(f"larger than {max_bytes} bytes", place=origin, remedy="split the input")
    return data


def _gunzipped(data: bytes, origin: str, max_bytes: int) -> bytes:
    out = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while (chunk := file.read(_CHUNK_BYTES)) and len(out) <= max_bytes:
                out += chunk
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"damaged gzip data: {error}", place=origin) from None
    return bytes(out)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory, not a file"
    return f"cannot be read: {error.strerror or error}"
