"""The native (plain text) format of SNDlib."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from vbte.errors import InputError
from vbte.read.fields import Field, Kind, text_value
from vbte.read.sndlib import SndlibDemand, SndlibLink, SndlibNetwork
from vbte.read.source import Document
from vbte.topology import Node

_TOKEN = re.compile(r"[()]|[^\s()]+")

Entry = TypeVar("Entry")


def parse_sndlib(document: Document) -> SndlibNetwork:
    """Return a native SNDlib network file as records. Raises InputError with file and line."""
    reader = _Reader(document)
    nodes: list[Node] = []
    links: list[SndlibLink] = []
    demands: list[SndlibDemand] = []
    unit = None
    while not reader.at_end:
        title = reader.word().upper()
        reader.expect("(")
        if title == "NODES":
            nodes += _entries(reader, _node)
        elif title == "LINKS":
            links += _entries(reader, _link)
        elif title == "DEMANDS":
            demands += _entries(reader, _demand)
        else:
            words = _rest_of_section(reader)
            unit = _unit(words) if title == "META" else unit
    return SndlibNetwork(document.origin, nodes, links, demands, unit)


class _Reader:
    """Hands out tokens in order; comments (``#``) and the ``?SNDlib`` line are left out."""

    def __init__(self, document: Document) -> None:
        self._origin = document.origin
        # Two flat lists: a list of pairs costs the garbage collector more than the parsing.
        self._words: list[str] = []
        self._lines: list[int] = []
        self._position = 0
        for number, line in enumerate(document.text.split("\n"), start=1):
            if not line.startswith("?SNDlib"):
                words = _TOKEN.findall(line.partition("#")[0])
                self._words += words
                self._lines += [number] * len(words)
        if not self._words:
            raise InputError("the file is empty", place=self._origin)

    @property
    def at_end(self) -> bool:
        return self._position == len(self._words)

    @property
    def line(self) -> int:
        """Line of the token handed out last."""
        return self._lines[max(self._position - 1, 0)]

    @property
    def place(self) -> str:
        return f"{self._origin}:{self.line}"

    def next(self) -> str:
        if self.at_end:
            raise self.error("the file ends inside a section", "close every ( with )")
        self._position += 1
        return self._words[self._position - 1]

    def sees(self, text: str) -> bool:
        """True if ``text`` comes next."""
        return not self.at_end and self._words[self._position] == text

    def expect(self, text: str) -> None:
        if not self.sees(text):
            found = "the end of the file" if self.at_end else repr(self.next()[:40])
            raise self.error(f"{found} where {text!r} is expected", "mend the section")
        self._position += 1

    def word(self) -> str:
        token = self.next()
        if token in "()":
            raise self.error(f"{token!r} where a name or figure is expected", "mend the section")
        return token

    def error(self, fault: str, remedy: str) -> InputError:
        return InputError(fault, place=self.place, remedy=remedy)


def _entries(reader: _Reader, entry: Callable[[_Reader], Entry]) -> Iterator[Entry]:
    while not reader.sees(")"):
        yield entry(reader)
    reader.expect(")")


def _rest_of_section(reader: _Reader) -> list[str]:
    words: list[str] = []
    depth = 1
    while depth:
        words.append(reader.next())
        depth += {"(": 1, ")": -1}.get(words[-1], 0)
    return words


def _unit(words: list[str]) -> str | None:
    match = re.search(r"\bunit\s*=\s*([A-Za-z/_]+)", " ".join(words), re.IGNORECASE)
    return match.group(1) if match else None


def _node(reader: _Reader) -> Node:
    node_id = reader.word()
    if not reader.sees("("):
        return Node(node_id)
    reader.expect("(")
    longitude, latitude = _coordinate(reader), _coordinate(reader)
    reader.expect(")")
    return Node(node_id, latitude=latitude, longitude=longitude)


def _link(reader: _Reader) -> SndlibLink:
    link_id = reader.word()
    place = reader.place
    source, target = _ends(reader)
    installed = _figure(reader, "pre-installed capacity")
    for name in ("pre-installed cost", "routing cost", "setup cost"):
        _figure(reader, name)
    reader.expect("(")
    modules = []
    while not reader.sees(")"):
        modules.append(_figure(reader, "module capacity"))
        _figure(reader, "module cost")
    reader.expect(")")
    return SndlibLink(link_id, source, target, installed, tuple(modules), place)


def _demand(reader: _Reader) -> SndlibDemand:
    reader.word()
    line = reader.line
    source, destination = _ends(reader)
    routing_unit, value = _figure(reader, "routing unit"), _figure(reader, "demand value")
    reader.word()
    return SndlibDemand(source, destination, routing_unit, value, line)


def _ends(reader: _Reader) -> tuple[str, str]:
    reader.expect("(")
    source, target = reader.word(), reader.word()
    reader.expect(")")
    return source, target


def _figure(reader: _Reader, name: str) -> float:
    word = reader.word()
    try:
        return float(text_value(word, Field(name, Kind.FIGURE)))
    except InputError as error:
        raise error.at(reader.place) from None


def _coordinate(reader: _Reader) -> float:
    word = reader.word().rstrip(",")
    try:
        figure = float(word)
    except ValueError:
        figure = math.nan
    if not math.isfinite(figure):
        raise reader.error(f"coordinate {word[:40]!r} is no number", "( LONGITUDE LATITUDE ) is needed")
    return figure
