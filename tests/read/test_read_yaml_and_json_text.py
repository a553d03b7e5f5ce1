"""The YAML and JSON underneath: plain data, exact lines, nothing surprising."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.errors import InputError
from vbte.read.json_text import load_json
from vbte.read.yaml_text import MAX_DEPTH, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-2", -2),
        ("010", "010"),
        ("0", 0),
        ("0.10", 0.1),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("'7'", "7"),
        ("~", None),
        ("null", None),
        (".inf", math.inf),
        ("12345678901234567890", 12345678901234567890.0),
        ("!!str 7", "7"),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    data, _ = load_yaml(f"a: {text}\n", "f")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_keys_are_always_text() -> None:
    assert load_yaml("no: 1\n7: 2\nnull: 3\n", "f")[0] == {"no": 1, "7": 2, "null": 3}


def test_every_key_path_has_its_line() -> None:
    _, lines = load_yaml("a: 1\nb:\n- c: 2\n  d: [3,\n    4]\n- {e: 5}\n", "f")
    assert dict(lines) == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "d"): 4,
        ("b", 0, "d", 0): 4,
        ("b", 0, "d", 1): 5,
        ("b", 1): 6,
        ("b", 1, "e"): 6,
    }


def test_aliases_repeat_what_their_anchor_holds() -> None:
    data, lines = load_yaml("a: &x {k: 1}\nb: *x\n", "f")
    assert data == {"a": {"k": 1}, "b": {"k": 1}}
    assert lines["b",] == 2


def billion_laughs() -> str:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(["l0: &l0 [lol]", *levels]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: key 'a' appears twice"),
        ("a: !!python/object/apply:os.getcwd []\n", "f:1: tag .* is not allowed"),
        ("a: !!int '7'\n", "f:1: tag .* is not allowed"),
        (billion_laughs(), "f:6: aliases repeat more than"),
        ("a: &a [*a]\n", r"f:1: alias \*a has no finished anchor"),
        ("a: *b\n", r"f:1: alias \*b has no finished anchor"),
        ("base: &b {k: 1}\na:\n  <<: *b\n", "f:3: merge keys"),
        ("a: 1\n---\nb: 2\n", "f:2: a second YAML document"),
        ("? [a, b]\n: 1\n", "f:1: a key that is not plain text"),
        ("a:\n\t- b\n", "f:2: broken YAML"),
        ("a: \x07\n", "f: broken YAML"),
        ("[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        ("- " * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        ("a: 'open\n", "f:2: broken YAML"),
    ],
)
def test_what_yaml_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_yaml(text, "f")


def test_very_deep_nesting_is_refused_without_exhausting_the_stack() -> None:
    for text in ("[" * 200_000, "{a: " * 200_000):
        with pytest.raises(InputError):
            load_yaml(text, "f")
        with pytest.raises(InputError):
            load_json(text.replace("a", '"a"'), "f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b": {"a": 2},\n "a": 3}', "f:3: key 'a' appears twice in one object"),
        ('{"a": 1,\n "\\u0061": 3}', "f:2: key 'a' appears twice in one object"),
        ('{"a": [1,\n -Infinity]}', "f:2: -Infinity is not a figure"),
        ('{"a": "NaN",\n\n "b": NaN}', "f:3: NaN is not a figure"),
        ('{"a": ', "f:1: broken JSON"),
        ('{"a": ' + "9" * 5000 + "}", "f: broken JSON"),
    ],
)
def test_what_json_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_json(text, "f")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.sampled_from(["x", ":", "{", 'a"b', ",", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b[", "c:"]), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN, st.sampled_from([None, 1]))
def test_json_and_yaml_agree_on_data_and_on_every_line(data: object, indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    from_json, json_lines = load_json(text, "f")
    from_yaml, yaml_lines = load_yaml(text, "f")
    assert from_json == from_yaml == data
    assert dict(json_lines) == dict(yaml_lines)
