"""Sections of a device's tables as entries by key: what changes between two of them, and what a change makes of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from vbte.delta.schema import Section, Steering
from vbte.errors import InputError

Entry = Mapping[str, Any]
Key = tuple[Any, ...]

_REMEDY = "take the base that the delta was made against, or write the deltas again"


@dataclass(frozen=True)
class Kind:
    """A section: ``fields`` make an entry's key, as in its file; ``order`` sorts keys, None where order is kept.

    Entries of one key stand together; only ``cannot_realise`` has several of one key.
    """

    name: str
    fields: Callable[[Entry], Any]
    key: Callable[[Any], Key]
    order: Callable[[Key], Any] | None = None


def _by_id(name: str, *, sorted_ids: bool = True) -> Kind:
    return Kind(name, lambda entry: entry["id"], lambda field: (field,), (lambda key: key) if sorted_ids else None)


def _route_fields(route: Entry) -> dict[str, Any]:
    return {name: route[name] for name in ("network_instance", "table", "label", "egress")}


def _concern_fields(entry: Entry) -> dict[str, Any]:
    concern = entry["object"]
    named = {name: concern[name] for name in ("egress", "class", "tenant")}
    return {**named, "reason": entry["reason"], "links": concern["links"]}


#: The sections in the order in which they are written; keys are sorted as the tables' own sections are.
KINDS: Sequence[Kind] = (
    _by_id("next_hops"),
    _by_id("next_hop_groups"),
    Kind(
        "routes", _route_fields,
        lambda f: (f["network_instance"], f["table"], -1 if f["label"] is None else f["label"], f["egress"]),
        lambda key: key,
    ),
    _by_id("steering", sorted_ids=False),
    _by_id("local_sids"),
    Kind(
        "drains", lambda entry: {"kind": entry["kind"], "id": entry["id"]},
        lambda f: (f["kind"], f["id"]), lambda key: (key[0] != "node", key[1]),
    ),
    Kind(
        "cannot_realise", _concern_fields,
        lambda f: (f["egress"], f["class"], f["tenant"], f["reason"], tuple(f["links"])), lambda key: key,
    ),
)  # fmt: skip


def _by_key(kind: Kind, entries: Sequence[Any]) -> dict[Key, list[Any]]:
    found: dict[Key, list[Any]] = {}
    for entry in entries:
        found.setdefault(kind.key(kind.fields(entry)), []).append(entry)
    return found


def section_delta(kind: Kind, before: Sequence[Any], after: Sequence[Any]) -> Section:
    """Return what makes ``after`` of ``before``."""
    old, new = _by_key(kind, before), _by_key(kind, after)
    delta: Section = {
        "add": [entry for key, entries in new.items() if key not in old for entry in entries],
        "change": [entry for key, entries in new.items() if key in old and old[key] != entries for entry in entries],
        "remove": [kind.fields(entries[0]) for key, entries in old.items() if key not in new],
    }
    if kind.order is not None:
        return delta
    kept = [key for key in old if key in new] + [key for key in new if key not in old]
    steering: Steering = {**delta, "order": None if kept == list(new) else [str(key[0]) for key in new]}
    return steering


def changed_section(kind: Kind, before: Sequence[Any], delta: Section, place: str) -> list[Any]:
    """Return what a change makes of a section.

    Raises InputError for an entry added that is there, and for one changed or removed that is not, or changed to what
    it is.
    """
    entries = _by_key(kind, before)
    for field in delta["remove"]:
        if entries.pop(kind.key(field), None) is None:
            raise InputError(f"removes {field!r}, which the base does not have", place=place, remedy=_REMEDY)
    for key, changed in _by_key(kind, delta["change"]).items():
        if key not in entries:
            raise InputError(f"changes {_named(kind, changed)}, which the base does not have", place=place,
                             remedy=_REMEDY)  # fmt: skip
        if entries[key] == changed:
            raise InputError(f"changes {_named(kind, changed)} to what it is", place=place, remedy=_REMEDY)
        entries[key] = changed
    for key, added in _by_key(kind, delta["add"]).items():
        if key in entries:
            raise InputError(f"adds {_named(kind, added)}, which is there", place=place, remedy=_REMEDY)
        entries[key] = added
    return [entry for key in _ordered(kind, entries, delta, place) for entry in entries[key]]


def _named(kind: Kind, entries: Sequence[Any]) -> str:
    return repr(kind.fields(entries[0]))


def _ordered(kind: Kind, entries: Mapping[Key, Any], delta: Section, place: str) -> list[Key]:
    if kind.order is not None:
        return sorted(entries, key=kind.order)
    order = cast(Steering, delta)["order"]
    if order is None:
        return list(entries)
    keys = [(name,) for name in order]
    if sorted(keys) != sorted(entries):
        raise InputError("order does not name what is there", place=place, remedy=_REMEDY)
    return keys
