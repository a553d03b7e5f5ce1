"""What links ride on: a virtual link shares the risks of everything below it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vbte.errors import InputError
from vbte.read.places import Place


@dataclass(frozen=True, eq=False)
class Ridden:
    """Something that can be ridden on, by any of its names; ``facts`` may have ``srlgs`` and ``underlay``."""

    names: tuple[str, ...]
    facts: dict[str, Any]
    place: str | Place


def inherit_srlgs(parts: Sequence[Ridden]) -> None:
    """Give every part the SRLGs of what it rides on, however deep, behind its own; ``underlay`` is taken away.

    A name may stand for several parts: the links of a cable. Raises InputError for a name that nothing has, and for
    what rides on itself.
    """
    if not any("underlay" in part.facts for part in parts):
        return
    named: dict[str, list[int]] = {}
    for position, part in enumerate(parts):
        for name in dict.fromkeys(part.names):
            named.setdefault(name, []).append(position)
    below = [_below(part, named) for part in parts]
    done: dict[int, tuple[str, ...]] = {}
    for position in range(len(parts)):
        _settle(position, parts, below, done)
    for position, part in enumerate(parts):
        if part.facts.pop("underlay", None) is not None:
            part.facts["srlgs"] = done[position]


def _below(part: Ridden, named: dict[str, list[int]]) -> list[int]:
    found: list[int] = []
    for name in part.facts.get("underlay", ()):
        if name not in named:
            near = difflib.get_close_matches(name, named, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "name links, cables, or segments under underlay"
            raise InputError(f"underlay: there is no {name!r} to ride on", place=str(part.place), remedy=remedy)
        found += named[name]
    return found


def _settle(
    start: int, parts: Sequence[Ridden], below: Sequence[Sequence[int]], done: dict[int, tuple[str, ...]]
) -> None:
    """Settle a part after all that is below it, without recursion: files may stack things as deep as they like."""
    stack, open_ = [start], set[int]()
    while stack:
        position = stack[-1]
        waiting = [] if position in done else [other for other in below[position] if other not in done]
        if position in done or not waiting:
            stack.pop()
            open_.discard(position)
            own = tuple(parts[position].facts.get("srlgs", ()))
            done.setdefault(position, tuple(dict.fromkeys([*own, *(s for b in below[position] for s in done[b])])))
            continue
        open_.add(position)
        if waiting[0] in open_:
            fault = f"underlay: {parts[waiting[0]].names[0]!r} rides on itself"
            raise InputError(fault, place=str(parts[position].place), remedy="take one of the names out")
        stack.append(waiting[0])
