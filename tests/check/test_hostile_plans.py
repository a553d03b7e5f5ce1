"""Whatever stands in a plan file, reading and proving it gives one clear error or findings, never a traceback."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_documents import Document, document_of, toy_plan

from vbte.errors import InputError
from vbte.proof import check, check_plan
from vbte.read.plan_file import read_plan

#: One temporary folder serves all examples: each writes the whole file anew.
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

#: Stands for taking a value out.
NOTHING = object()

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.sampled_from([-1, 0, 1, 2, 3, 10**9]),
    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.sampled_from(["nan", "inf", "10.0.0.0/99", "admitted", "gold", "a", "\x00", "../../x"]),
)  # fmt: skip
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@cache
def document() -> Document:
    return document_of(toy_plan())


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON document, containers and what they contain."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


def spoilt(at: tuple[str | int, ...], value: Any) -> Any:
    if not at:
        return None if value is NOTHING else value
    whole = copy.deepcopy(document())
    inner: Any = whole
    for step in at[:-1]:
        inner = inner[step]
    if value is NOTHING:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return whole


def survives(content: bytes, folder: Path) -> None:
    """Reading raises InputError, or the plan is judged."""
    file = folder / "plan.json"
    file.write_bytes(content)
    try:
        report = check_plan(read_plan(file))
    except InputError:
        return
    assert isinstance(report.ok, bool)


@settings(fuzz, max_examples=250)
@given(st.sampled_from(places(document())), json_values | st.just(NOTHING))
def test_any_value_anywhere_is_an_error_or_a_finding(tmp_path: Path, at: tuple[str | int, ...], value: Any) -> None:
    whole = spoilt(at, value)
    try:
        content = orjson.dumps(whole)
    except (TypeError, orjson.JSONEncodeError):
        return
    survives(content, tmp_path)


@settings(fuzz, max_examples=60)
@given(st.sampled_from(places(document())), st.sampled_from(places(document())))
def test_parts_put_in_each_others_place_are_an_error_or_a_finding(
    tmp_path: Path, first: tuple[str | int, ...], second: tuple[str | int, ...]
) -> None:
    value: Any = document()
    for step in second:
        value = value[step]
    survives(orjson.dumps(spoilt(first, value)), tmp_path)


@settings(fuzz, max_examples=60)
@given(st.data())
def test_a_truncated_file_is_an_error(tmp_path: Path, data: st.DataObject) -> None:
    content = orjson.dumps(document())
    (tmp_path / "plan.json").write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"plan\.json: not JSON"):
        check(tmp_path)


@settings(fuzz, max_examples=60)
@given(st.binary(max_size=64))
def test_bytes_that_are_no_plan_are_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(InputError, match=r"plan\.json: not"):
        check(tmp_path)


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_figures_beyond_json_are_an_error(figure: str, tmp_path: Path) -> None:
    text = orjson.dumps(document()).decode()
    at = text.index('"value":') + len('"value":')
    (tmp_path / "plan.json").write_text(text[:at] + figure + text[text.index(",", at) :])
    with pytest.raises(InputError, match="not JSON"):
        check(tmp_path)


def test_deep_nesting_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(InputError, match="not"):
        check(tmp_path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        check(tmp_path / "none")
