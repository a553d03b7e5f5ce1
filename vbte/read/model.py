"""Planning models and solver profiles: safe YAML in, a checked record or one error that lists every fault out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vbte.errors import InputError
from vbte.policy import PlanningModel
from vbte.read.native import NativeFile, native_file
from vbte.read.places import KeyPath
from vbte.read.source import open_document

ModelSource = str | os.PathLike[str] | IO[str] | IO[bytes] | Mapping[str, Any] | BaseModel
RecordT = TypeVar("RecordT", bound=BaseModel)

#: A chain of models that extend one another is no longer than this.
MAX_EXTENDS = 16

_SHOWN_CHARACTERS = 60


def read_model(source: ModelSource, *, base: Callable[[str], ModelSource] | None = None) -> PlanningModel:
    """Return the planning model in a YAML or JSON file, a mapping, or a model already built.

    ``extends: NAME`` takes the top-level keys that the file leaves out from the model that ``base(NAME)`` returns.
    Raises one InputError that lists every fault with file, line and key path, and suggests the nearest known key for
    a misspelt one.
    """
    return read_record(source, PlanningModel, base=base)


def read_record(
    source: ModelSource, record: type[RecordT], *, base: Callable[[str], ModelSource] | None = None
) -> RecordT:
    """Return any kind of record, read as ``read_model`` reads models; errors likewise."""
    if isinstance(source, record):
        return source
    owners: dict[str, NativeFile] = {}
    merged: dict[str, Any] = {}
    layers = _layers(source, base)
    for file in reversed(layers):
        merged |= file.data
        owners |= dict.fromkeys(file.data, file)
    merged.pop("extends", None)
    try:
        return record.model_validate(merged)
    except ValidationError as error:
        faults = _own_faults(error.errors(include_url=False))
        raise _rejected([_fault(fault, owners, layers[0], record) for fault in faults], layers[0]) from None


def _layers(source: ModelSource, base: Callable[[str], ModelSource] | None) -> list[NativeFile]:
    """The file itself and the models it extends, nearest first."""
    layers = [_file(source)]
    while "extends" in layers[-1].data:
        file = layers[-1]
        place, name = file.place("extends"), file.data["extends"]
        if not isinstance(name, str) or base is None:
            raise InputError(f"extends is {name!r}", place=place, remedy="the name of a known model is needed")
        if len(layers) > MAX_EXTENDS:
            raise InputError(f"models extend one another more than {MAX_EXTENDS} times", place=place)
        try:
            layers.append(_file(base(name)))
        except InputError as error:
            raise InputError(f"{name!r}: {error}", place=place) from None
    return layers


def _file(source: ModelSource) -> NativeFile:
    if isinstance(source, BaseModel):
        return NativeFile(source.model_dump(by_alias=True, exclude_unset=True), type(source).__name__)
    if isinstance(source, Mapping):
        return NativeFile(source, "model")
    document = open_document(source)
    return native_file(document, as_json=document.suffix == ".json")


def _own_faults(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out lists that are too short only because pydantic has dropped their faulty items."""
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(len(other["loc"]) > len(fault["loc"]) and _starts(other["loc"], fault["loc"]) for other in faults)
    ]


def _starts(path: KeyPath, start: KeyPath) -> bool:
    return path[: len(start)] == start


def _fault(
    fault: ErrorDetails, owners: Mapping[str, NativeFile], top: NativeFile, record: type[BaseModel]
) -> tuple[str, str]:
    """Place and wording of one of pydantic's errors."""
    path: KeyPath = fault["loc"]
    file = owners.get(str(path[0]), top) if path else top
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = f"unknown key{_suggestion(str(path[-1]), _known_keys(path[:-1], record))}"
    elif fault["type"] == "missing":
        message = "is missing"
    elif not isinstance(fault["input"], Mapping | list | tuple):
        message = f"is {str(fault['input'])[:_SHOWN_CHARACTERS]!r}; {message[:1].lower()}{message[1:]}"
    return file.place(*path), message


def _rejected(faults: list[tuple[str, str]], file: NativeFile) -> InputError:
    if len(faults) == 1:
        return InputError(faults[0][1], place=faults[0][0])
    listed = "\n".join(f"  {place}: {message}" for place, message in faults)
    return InputError(f"{len(faults)} faults\n{listed}", place=file.origin)


def _suggestion(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def _known_keys(path: KeyPath, record: type[BaseModel]) -> list[str]:
    """Keys that a record may have under ``path``, by its JSON Schema."""
    schema = record.model_json_schema(by_alias=True)
    here = schema
    for step in path:
        here = _resolved(here, schema)
        inner = here.get("items") if isinstance(step, int) else here.get("properties", {}).get(step)
        here = inner or here.get("additionalProperties") or next(iter(here.get("patternProperties", {}).values()), {})
    known = sorted(_resolved(here, schema).get("properties", {}))
    return known if path else [*known, "extends"]


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Follow ``$ref``, and the first alternative that is an object or array."""
    while "$ref" in node:
        node = schema["$defs"][str(node["$ref"]).rpartition("/")[2]]
    for alternative in node.get("anyOf", ()):
        if "$ref" in alternative or "items" in alternative:
            return _resolved(alternative, schema)
    return dict(node)
