"""What travels to workers and back, without sending again what many jobs share.

An object named as *shared* (the topology of 2,016 matrices) is pickled once and unpickled once by each worker. Where a
job or a result refers to it, only its key travels, so that results come back referring to the caller's own object.
"""

from __future__ import annotations

import io
import pickle
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

#: Objects of several jobs that the sender keeps pickled and each worker keeps unpickled; the least used go first.
KEPT_OBJECTS = 32

#: Tells this process from all others, on this machine or another.
PROCESS = secrets.token_hex(8)

Key = tuple[str, int]


@dataclass(frozen=True)
class Part:
    """One shared object, pickled; two of the same key are the same. ``kept``: it will be needed again."""

    key: Key
    content: bytes = field(compare=False, repr=False)
    kept: bool = field(compare=False)


@dataclass(frozen=True)
class Parcel:
    """Pickled jobs of one task with the shared objects they refer to; ``sender`` is the process it comes from."""

    jobs: tuple[bytes, ...]
    parts: tuple[Part, ...]
    sender: str = PROCESS


class Sender:
    """Packs jobs, and unpacks results into ones that refer to the shared objects themselves.

    ``shared`` has an object once for each job that refers to it.
    """

    def __init__(self, shared: Sequence[object]) -> None:
        # Kept alive here: keys go by identity, and the identity of an object that is gone may be given out again.
        self._shared = tuple(shared)
        run = secrets.token_hex(8)
        self._keys = {id(item): (run, position) for position, item in enumerate(self._shared)}
        self._items = {key: self._shared[key[1]] for key in self._keys.values()}
        self._references = Counter(map(id, self._shared))
        self._kept_part = lru_cache(maxsize=KEPT_OBJECTS)(self._pickled)

    def pack(self, jobs: Sequence[object]) -> Parcel:
        """Return a parcel of jobs. Raises what ``pickle`` raises for a job that can't be pickled."""
        packed = [dumps(job, self._keys) for job in jobs]
        met = sorted({key for _, keys in packed for key in keys})
        return Parcel(tuple(content for content, _ in packed), tuple(map(self._part, met)))

    def unpack(self, result: bytes) -> Any:
        """Return a result of a worker."""
        return loads(result, self._items)

    def _part(self, key: Key) -> Part:
        return self._kept_part(key) if self._references[id(self._items[key])] > 1 else self._pickled(key)

    def _pickled(self, key: Key) -> Part:
        item = self._items[key]
        return Part(key, pickle.dumps(item, pickle.HIGHEST_PROTOCOL), kept=self._references[id(item)] > 1)


def opened(parcel: Parcel) -> dict[Key, Any]:
    """Return a parcel's shared objects by key; one that was met before is not unpickled again."""
    return {part.key: _kept(part) if part.kept else pickle.loads(part.content) for part in parcel.parts}


@lru_cache(maxsize=KEPT_OBJECTS)
def _kept(part: Part) -> Any:
    return pickle.loads(part.content)


def dumps(item: object, keys: Mapping[int, Key]) -> tuple[bytes, set[Key]]:
    """Return an object pickled, with keys in place of shared objects (by ``id``), and the keys that were needed."""
    file = io.BytesIO()
    pickler = _Pickler(file, keys)
    pickler.dump(item)
    return file.getvalue(), pickler.met


def loads(content: bytes, items: Mapping[Key, Any]) -> Any:
    """Return what ``dumps`` pickled, with shared objects in place of their keys."""
    return _Unpickler(io.BytesIO(content), items).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, keys: Mapping[int, Key]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._keys = keys
        self.met: set[Key] = set()

    def persistent_id(self, obj: Any) -> Key | None:
        key = self._keys.get(id(obj))
        if key is not None:
            self.met.add(key)
        return key


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, items: Mapping[Key, Any]) -> None:
        super().__init__(file)
        self._items = items

    def persistent_load(self, pid: Any) -> Any:
        return self._items[pid]
