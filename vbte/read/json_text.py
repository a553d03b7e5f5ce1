"""JSON without surprises: no duplicate keys, no NaN, limited nesting, and the line of every key path."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any, NoReturn

from vbte.errors import InputError
from vbte.read.places import KeyPath, Lines

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_COLON = re.compile(r"\s*:")


def load_json(text: str, origin: str) -> tuple[Any, Lines]:
    """Return the data of a JSON text and the line of every key path in it.

    Raises InputError, with file and line, on broken JSON, duplicate keys, NaN and Infinity.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"broken JSON: {error.msg}", place=f"{origin}:{error.lineno}") from None
    except _RejectedTokenError as error:
        place = f"{origin}:{_line_of_token(text, error)}"
        raise InputError(error.fault, place=place, remedy=error.remedy) from None
    except RecursionError:
        raise InputError("nested too deeply", place=origin, remedy="flatten the file") from None
    except ValueError as error:
        raise InputError(f"broken JSON: {error}", place=origin) from None
    return data, Lines(partial(_lines, text))


class _RejectedTokenError(Exception):
    def __init__(self, fault: str, token: str, remedy: str) -> None:
        self.fault, self.token, self.remedy = fault, token, remedy


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for n, key in enumerate(keys) if key in keys[:n])
        raise _RejectedTokenError(f"key {twice!r} appears twice in one object", twice, "keep one of them")
    return found


def _reject_constant(token: str) -> NoReturn:
    raise _RejectedTokenError(f"{token} is not a figure", token, "a finite number is needed")


def _line_of_token(text: str, error: _RejectedTokenError) -> int:
    """Line of a token the decoder refused: for a key, of the second one in the first object that repeats it."""
    open_keys: list[set[str]] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == error.token:
            return text.count("\n", 0, match.start()) + 1
        if token in "{[":
            open_keys.append(set())
        elif token in "}]" and open_keys:
            open_keys.pop()
        elif open_keys and token.startswith('"') and _COLON.match(text, match.end()):
            key = json.loads(token)
            if key == error.token and key in open_keys[-1]:
                return text.count("\n", 0, match.start()) + 1
            open_keys[-1].add(key)
    return 1


def _lines(text: str) -> dict[KeyPath, int]:
    """Line of every key path of a text that is known to be good JSON."""
    lines: dict[KeyPath, int] = {}
    path: list[str | int] = []
    line, counted = 1, 0
    awaits_key = False
    previous = ""
    for match in _TOKEN.finditer(text):
        token = match.group()
        line += text.count("\n", counted, match.start())
        counted = match.start()
        if token in "}]":
            path.pop()
            awaits_key = False
        elif token == ",":
            awaits_key = isinstance(path[-1], str)
            path[-1] = path[-1] if isinstance(path[-1], str) else path[-1] + 1
        elif awaits_key and token != ":":
            path[-1] = json.loads(token)
            lines[tuple(path)] = line
            awaits_key = False
        elif token != ":":
            if path and isinstance(path[-1], int) and previous in "[,":
                lines[tuple(path)] = line
            if token in "{[":
                path.append("" if token == "{" else 0)
                awaits_key = token == "{"
        previous = token
    return lines
