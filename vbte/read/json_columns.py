"""Long columns of figures in JSON, read a piece at a time: as Python objects they take ten times the memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from vbte.topology import FloatArray, IntArray

#: Bytes of a column that are turned into Python objects at once.
PIECE_BYTES = 1 << 20


def opened(part: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the values of a JSON object by key, each still text. Raises ``msgspec.DecodeError`` for anything else."""
    return msgspec.json.decode(part, type=dict[str, msgspec.Raw])


def plain(part: msgspec.Raw) -> Any:
    """Return a value as Python objects."""
    return orjson.loads(memoryview(part))


def integers(column: Any, stop: int) -> IntArray:
    """Return a column, text or a list, of integers of 0 up to ``stop``. Raises ValueError for anything else."""
    parts = [_positions(values, stop) for values in _pieces(column)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)


def figures(column: Any) -> FloatArray:
    """Return a column, text or a list, of finite figures. Raises ValueError for anything else."""
    parts = [_finite(values) for values in _pieces(column)]
    return np.concatenate(parts) if parts else np.empty(0)


def _positions(values: list[Any], stop: int) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError("a list of integers is needed")
    if array.min() < 0 or array.max() >= stop:
        raise ValueError(f"a position is outside 0..{stop - 1}")
    return array.astype(np.int32)


def _finite(values: list[Any]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("a list of finite figures is needed")
    return array


def _pieces(column: Any) -> Iterator[list[Any]]:
    """Yield the values of a JSON list, some at a time; nothing for an empty list. Raises ValueError if it is none."""
    if not isinstance(column, msgspec.Raw):
        if column != []:
            yield column
        return
    text = bytes(column)
    if not (text.startswith(b"[") and text.endswith(b"]")):
        raise ValueError("a list is needed")
    at, end = 1, len(text) - 1
    while at < end:
        # Cut inside of a list or text within the list, a piece is no JSON: it is refused, as its whole would be.
        comma = text.find(b",", min(at + PIECE_BYTES, end), end)
        stop = end if comma < 0 else comma
        if values := orjson.loads(b"[" + text[at:stop] + b"]"):
            yield values
        at = stop + 1
