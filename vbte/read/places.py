"""From a key path in a YAML or JSON file to its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

#: Keys and list positions from the top of a file: ``("links", 3, "capacity_gbps")``.
KeyPath = tuple[str | int, ...]


class Lines(Mapping[KeyPath, int]):
    """Key path -> line, counted from 1; worked out at the first look, since only messages need it."""

    def __init__(self, compute: Callable[[], dict[KeyPath, int]]) -> None:
        self._compute = compute
        self._lines: dict[KeyPath, int] | None = None

    def _known(self) -> dict[KeyPath, int]:
        if self._lines is None:
            self._lines = self._compute()
        return self._lines

    def __getitem__(self, path: KeyPath) -> int:
        return self._known()[path]

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


#: For mappings in memory, which have no lines.
NO_LINES = Lines(dict)


def key_path(path: KeyPath) -> str:
    """Return ``'links[3].capacity_gbps'``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def place_of(origin: str, path: KeyPath, lines: Mapping[KeyPath, int]) -> str:
    """Return ``'topology.yaml:12: links[3]'``, with the line of the nearest key on the path that has one."""
    line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None)
    place = f"{origin}:{line}" if line is not None else origin
    return f"{place}: {key_path(path)}" if path else place


@dataclass(frozen=True, slots=True)
class Place:
    """A place whose line is looked up only when ``str()`` asks for it."""

    origin: str
    path: KeyPath
    lines: Mapping[KeyPath, int]

    def __str__(self) -> str:
        return place_of(self.origin, self.path, self.lines)
