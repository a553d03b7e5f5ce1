"""Columns read from JSON text a piece at a time are those read at once, and what is none is refused."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.read import json_columns
from vbte.read.json_columns import figures, integers, opened, plain


@pytest.fixture(params=[0, 1, 7, 1 << 20])
def piece_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a single value, of a few, and all at once."""
    monkeypatch.setattr(json_columns, "PIECE_BYTES", request.param)


@pytest.mark.usefixtures("piece_bytes")
def test_integers_and_figures_are_those_of_the_whole_list_in_any_pieces():
    @given(st.lists(st.integers(0, 99)), st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.booleans())
    def holds(positions: list[int], amounts: list[float], spaced: bool) -> None:
        separators = (" , ", ": ") if spaced else (",", ":")
        for column, read, dtype in (
            (positions, lambda raw: integers(raw, 100), np.int32), (amounts, figures, np.float64),
        ):  # fmt: skip
            found = read(msgspec.Raw(json.dumps(column, separators=separators).encode()))
            assert found.tolist() == read(column).tolist() == column
            assert found.dtype == dtype

    holds()


@pytest.mark.usefixtures("piece_bytes")
@pytest.mark.parametrize(
    "text",
    ['[1,[2,3],4]', '[[1,2]]', '["a,b",",",1]', '[{"a":1,"b":2},3]', "[1,2.5,3]", "[0,-1]", "[5,100]", "{}", '"1"', "7",
     "null", "[null]", "[true]", "[1,null,2]", "[[],[]]"],
)  # fmt: skip
def test_what_is_no_column_of_positions_is_refused_in_any_pieces(text):
    with pytest.raises(ValueError):
        integers(msgspec.Raw(text.encode()), 100)


@pytest.mark.usefixtures("piece_bytes")
@pytest.mark.parametrize("text", ["[1,[2,3]]", '["nan"]', "[null,1]", "[1e400]", "{}", "3.5", '[1,"x"]'])
def test_what_is_no_column_of_figures_is_refused_in_any_pieces(text):
    with pytest.raises(ValueError):
        figures(msgspec.Raw(text.encode()))


def test_an_object_is_opened_key_by_key_and_nothing_else_is():
    parts = opened(b'{"a": [1, 2], "b": {"c": "x"}}')
    assert {key: plain(part) for key, part in parts.items()} == {"a": [1, 2], "b": {"c": "x"}}
    for text in (b"[1]", b"1", b'{"a": ', b""):
        with pytest.raises(msgspec.DecodeError):
            opened(text)
