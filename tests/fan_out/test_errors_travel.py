"""Errors come back from another process as they were raised there."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from vbte import errors
from vbte.errors import InfeasibleError, InputError, VbteError


def kinds(base: type[VbteError] = VbteError) -> list[type[VbteError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


RAISED: list[VbteError] = [
    *(kind("what is wrong; what would be right") for kind in kinds()),
    InputError("volume is -3", place="demands.csv:17", remedy="a volume is 0 or more"),
    InputError("volume is -3").at("demands.csv:17"),
    InfeasibleError("demands clash", clashes=("gold a -> d", "link a>b")),
]


def test_every_kind_of_error_is_tried() -> None:
    written = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, VbteError)}
    assert {type(error) for error in RAISED} >= written


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_all_its_fields(error: VbteError) -> None:
    error.add_note("seen in a worker")
    copy: Any = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.args, vars(copy), copy.exit_code) == (str(error), error.args, vars(error), error.exit_code)
