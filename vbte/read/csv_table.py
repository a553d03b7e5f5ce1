"""CSV files as columns of text, with the line of every row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError
from vbte.read.source import Document


@dataclass(frozen=True)
class Table:
    """``columns[j][i]`` is the cell of row i under ``header[j]``; ``line[i]`` the row's line in the file."""

    origin: str
    header: tuple[str, ...]
    columns: tuple[Sequence[str], ...]
    line: NDArray[np.int64]
    header_line: int

    def place(self, row: int) -> str:
        """Return ``'links.csv:17'``."""
        return f"{self.origin}:{self.line[row]}"

    @property
    def header_place(self) -> str:
        """Return ``'links.csv:1'``, the header's line."""
        return f"{self.origin}:{self.header_line}"


def read_table(document: Document) -> Table:
    """Return a CSV file with a header. Cells may be cut by comma, semicolon or tab; ``#`` lines may stand on top.

    Header names come in lower case; other cells may keep blanks around them. Raises InputError for ragged rows,
    broken quotes and repeated column names.
    """
    columns, line = read_columns(document)
    header = tuple(column[0].strip().lower() for column in columns)
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"column {name!r} appears twice", place=f"{document.origin}:{line[0]}")
    return Table(document.origin, header, tuple(column[1:] for column in columns), line[1:], int(line[0]))


def read_columns(document: Document) -> tuple[list[Sequence[str]], NDArray[np.int64]]:
    """Return all columns, header included, and the line of every row; blank rows are left out.

    Raises InputError on broken quotes, on ragged rows and if there is no row at all.
    """
    text = document.text
    skipped = _leading_comments(text)
    body = text[skipped:]
    cut = _quoted if '"' in body else _plain
    cells, line, widths = cut(body, delimiter_of(body), document.origin)
    line = line + text.count("\n", 0, skipped)
    if not len(line):
        raise InputError("the file is empty", place=document.origin, remedy="a header and rows are needed")
    ragged = np.flatnonzero(widths != widths[0])
    if len(ragged):
        row = int(ragged[0])
        raise InputError(
            f"{widths[row]} cells where the first row has {widths[0]}",
            place=f"{document.origin}:{line[row]}",
            remedy="give every row the same number of cells",
        )
    width = int(widths[0])
    return [cells[column::width] for column in range(width)], line


def delimiter_of(text: str) -> str:
    """Return whichever of comma, semicolon and tab is most frequent in the first line."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _leading_comments(text: str) -> int:
    """Length of the lines before the first that is neither blank nor a comment."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line and not line.startswith("#"):
            break
        start = end
    return start


#: All cells row by row, the line of every row, the number of cells of every row.
_Cells = tuple[list[str], NDArray[np.int64], NDArray[np.int64]]


def _plain(text: str, delimiter: str, _: str) -> _Cells:
    """Cut a text without quotes in bulk: one flat list, since a list per row costs more than all else together."""
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = np.fromiter(map(bool, map(str.strip, rows)), np.bool_, len(rows))
    if not kept.all():
        rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    widths = np.fromiter(map(methodcaller("count", delimiter), rows), np.int64, len(rows)) + 1
    return delimiter.join(rows).split(delimiter), np.flatnonzero(kept) + 1, widths


def _quoted(text: str, delimiter: str, origin: str) -> _Cells:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    cells: list[str] = []
    lines: list[int] = []
    widths: list[int] = []
    start = 1
    try:
        for row in reader:
            if row and row != [""]:
                cells += row
                lines.append(start)
                widths.append(len(row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"broken CSV: {error}", place=f"{origin}:{start}", remedy="mend the quotes") from None
    return cells, np.array(lines, dtype=np.int64), np.array(widths, dtype=np.int64)


def missing_column(table: Table, names: Mapping[str, str]) -> InputError | None:
    """Return the error for the first column of ``names`` (name -> what it holds) that the table lacks, else None."""
    for name, advice in names.items():
        if name not in table.header:
            return InputError(f"no column {name!r}", place=table.header_place, remedy=f"add it: {advice}")
    return None
