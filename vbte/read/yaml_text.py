"""Safe YAML: plain data only, with line numbers, no duplicate keys, and none of YAML 1.1's surprises.

What differs from PyYAML's SafeLoader:

* booleans are ``true`` and ``false`` alone, so ``NO`` (Norway), ``on`` and ``yes`` are text;
* ``1e3`` is the number 1000; ``010``, ``1_000``, ``0x10``, ``12:30`` and dates are text, hence an id ``010`` keeps its
  zero and a figure ``010`` is reported rather than read as 8;
* keys are always text;
* tags, merge keys (``<<``) and several documents in a file are rejected, nesting and aliases are limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml

from vbte.errors import InputError
from vbte.read.places import KeyPath, Lines

MAX_DEPTH = 64

#: How many values aliases may repeat in all; a "billion laughs" file asks for far more.
MAX_ALIASED_VALUES = 100_000

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


def load_yaml(text: str, origin: str) -> tuple[Any, Lines]:
    """Return the data of a YAML text and the line of every key path in it.

    Raises InputError, with file and line, on broken YAML, duplicate keys, tags, excessive nesting or aliases.
    """
    return _Builder(origin, None).build(text), Lines(partial(_lines, text, origin))


def _lines(text: str, origin: str) -> dict[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    _Builder(origin, lines).build(text)
    return lines


def plain_scalar(text: str) -> Any:
    """Return what an unquoted YAML scalar means here: None, a bool, a number, or the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been met; ``key`` is the mapping key that awaits its value."""

    value: dict[str, Any] | list[Any]
    path: KeyPath
    anchor: str | None
    built_before: int
    key: str | None = None


class _Builder:
    """Turns the parser's events into data without recursion, so that depth is ours to limit."""

    def __init__(self, origin: str, lines: dict[KeyPath, int] | None) -> None:
        self.origin = origin
        self.lines = lines
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.built = 0
        self.aliased = 0
        self.root: Any = None
        self.documents = 0

    def build(self, text: str) -> Any:
        for event in _events(text, self.origin):
            self._take(event)
        return self.root

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self.stack.pop()
                self._remember(done.anchor, done.value, self.built - done.built_before)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self._error(event, "a second YAML document", "one document a file")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag not in _TEXT_TAGS:
            raise self._error(event, f"tag {event.tag!r} is not allowed", "write the value plainly")
        plain = event.implicit[0]
        if self._awaits_key():
            self._key(event, event.value, plain=plain)
            return
        value = plain_scalar(event.value) if plain else event.value
        self.built += 1
        self._remember(event.anchor, value, 1)
        self._place(event, value)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if self._awaits_key():
            raise self._error(event, "a key that is not plain text", "a key is a word")
        if event.tag not in (None, "!"):
            raise self._error(event, f"tag {event.tag!r} is not allowed", "write the value plainly")
        if len(self.stack) >= MAX_DEPTH:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels", "flatten the file")
        self.built += 1
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(event, value)
        self.stack.append(_Open(value, path, event.anchor, self.built))

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._awaits_key():
            raise self._error(event, "an alias as a key", "write the key out")
        if event.anchor not in self.anchors:
            raise self._error(event, f"alias *{event.anchor} has no finished anchor before it", "write the value out")
        value, size = self.anchors[event.anchor]
        self.built += size
        self.aliased += size
        if self.aliased > MAX_ALIASED_VALUES:
            raise self._error(event, f"aliases repeat more than {MAX_ALIASED_VALUES} values", "write the values out")
        self._place(event, value)

    def _awaits_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _key(self, event: yaml.ScalarEvent, key: str, *, plain: bool) -> None:
        open_mapping = self.stack[-1]
        if key == "<<" and plain:
            raise self._error(event, "merge keys (<<) are not read", "write the keys out, or use extends in a model")
        if key in open_mapping.value:
            raise self._error(event, f"key {key!r} appears twice", "keep one of them")
        open_mapping.key = key
        if self.lines is not None:
            self.lines[(*open_mapping.path, key)] = _line(event)

    def _place(self, event: yaml.Event, value: Any) -> KeyPath:
        """Put ``value`` where it belongs in the innermost open collection and return its key path."""
        if not self.stack:
            self.root = value
            return ()
        top = self.stack[-1]
        path: KeyPath = ()
        if isinstance(top.value, list):
            if self.lines is not None:
                path = (*top.path, len(top.value))
                self.lines[path] = _line(event)
            top.value.append(value)
        elif top.key is not None:
            path = (*top.path, top.key) if self.lines is not None else ()
            top.value[top.key] = value
            top.key = None
        return path

    def _remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, max(size, 1))

    def _error(self, event: yaml.Event, fault: str, remedy: str) -> InputError:
        return InputError(fault, place=f"{self.origin}:{_line(event)}", remedy=remedy)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _events(text: str, origin: str) -> Iterator[yaml.Event]:
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{origin}:{mark.line + 1}" if mark else origin
        raise InputError(f"broken YAML: {error.problem or error.context}", place=place) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"broken YAML: {' '.join(str(error).split())}", place=origin) from None
