"""Deltas: from base tables to those of a re-plan and back, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from vbte.delta.groups import GroupChanges, count_changes
from vbte.delta.schema import SCHEMA, DeltaManifest, DeltaStep, DeviceDelta, Planned, Result, ScenarioFacts
from vbte.delta.sections import KINDS, changed_section, section_delta
from vbte.errors import InputError
from vbte.tables.files import StoredDevices, StoredDocuments, Tables, encode, no_cycle_search
from vbte.tables.manifest import device_file, plan_id, sha256
from vbte.tables.schema import DeviceFile, DeviceTable, Manifest, Step

#: Keys of the resulting manifest that follow from the base's and the delta's own lists.
_LISTS = ("devices", "steps")

_REMEDY = "take the base that the delta was made against, or write the deltas again"


@dataclass(frozen=True, eq=False)
class Delta:
    """What turns the tables of a plan into those of a re-plan: its manifest, and a document per changed device.

    ``encoded`` are the devices' documents as the bytes of their files, which take a tenth of the memory.
    """

    manifest: DeltaManifest
    devices: Mapping[str, DeviceDelta]
    encoded: Mapping[str, bytes] | None = None

    @property
    def device_bytes(self) -> Mapping[str, bytes]:
        """The bytes of every device's file."""
        if self.encoded is not None:
            return self.encoded
        return {name: encode_delta(document) for name, document in self.devices.items()}


def encode_delta(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON, keys in the schema's order, one line."""
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def delta_id(manifest: Mapping[str, Any]) -> str:
    """Return the id that a delta manifest's content calls for: a hash of everything but the id."""
    content = {name: value for name, value in manifest.items() if name != "delta"}
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def delta_between(
    base: Tables,
    result: Tables,
    scenario: ScenarioFacts,
    planned: list[Planned],
    *,
    limit: int | None = None,
    counted: GroupChanges | None = None,
) -> Delta:
    """Return what makes ``result`` of ``base``; ``apply_delta`` gives exactly the bytes of ``result``.

    ``limit`` is how many groups were allowed to differ, ``counted`` how many do where that is known already.

    Raises InputError for tables that do not have the same devices, realisation and limits.
    """
    if list(base.devices) != list(result.devices):
        raise InputError("the tables have other devices", place="delta", remedy="take tables of one network")
    documents: dict[str, bytes] = {}
    with no_cycle_search():
        for name in base.devices:
            before, after = base.device_bytes[name], result.device_bytes[name]
            if before != after:
                document = _device_delta(base.devices[name], result.devices[name], before, after)
                documents[name] = encode_delta(document)
    counted = counted or count_changes(base, result)
    manifest: DeltaManifest = {
        "schema": SCHEMA,
        "document": "manifest",
        "delta": "",
        "base": base.manifest["plan"],
        "scenario": scenario,
        "groups": {
            "added": counted.added,
            "changed": counted.changed,
            "removed": counted.removed,
            "limit": limit,
            "of": counted.of,
        },
        "planned": planned,
        "result": cast(Result, {k: v for k, v in result.manifest.items() if k not in _LISTS}),
        "devices": [
            {"device": name, "file": device_file(name), "sha256": sha256(content)}
            for name, content in documents.items()
        ],
        "steps": _steps(result.manifest, documents),
    }
    manifest["delta"] = delta_id(manifest)
    return Delta(manifest, StoredDocuments(documents), documents)


def _device_delta(before: DeviceTable, after: DeviceTable, old: bytes, new: bytes) -> DeviceDelta:
    for name in ("realisation", "limits"):
        if cast(Any, before)[name] != cast(Any, after)[name]:
            raise InputError(f"{name} of device {before['device']!r} differs", place="delta",
                             remedy="take tables of one model")  # fmt: skip
    sections = {kind.name: section_delta(kind, cast(Any, before)[kind.name], cast(Any, after)[kind.name])
                for kind in KINDS}  # fmt: skip
    head = {"schema": SCHEMA, "document": "device", "device": before["device"], "base": sha256(old),
            "result": sha256(new)}  # fmt: skip
    return cast(DeviceDelta, {**head, **sections})


def _steps(result: Manifest, changed: Mapping[str, object]) -> list[DeltaStep]:
    """Return the result's own order of installation, devices that stay as they are left out."""
    steps = [step for step in result["steps"] if step["device"] in changed]
    return [
        {"position": position, "device": step["device"], "action": "change", "role": step["role"]}
        for position, step in enumerate(steps, start=1)
    ]


def apply_delta(base: Tables, delta: Delta, *, place: str = "delta") -> Tables:
    """Return the re-plan's tables, exactly as they were when the delta was made.

    Raises InputError when the base is another, when an entry to change or remove is not there or one to add is, when
    a device's document does not come out as it should, and when the plan id does not follow from what comes out.
    """
    manifest = delta.manifest
    if manifest["base"] != base.manifest["plan"]:
        raise InputError(
            f"is a delta to plan {manifest['base']}, not to {base.manifest['plan']}", place=f"{place}: base",
            remedy="write the deltas again",
        )  # fmt: skip
    encoded = dict(base.device_bytes)
    roles = {step["device"]: step["role"] for step in base.manifest["steps"]}
    with no_cycle_search():
        for name, document in delta.devices.items():
            encoded[name] = _applied(base, document, f"{place}: device {name!r}")
    roles |= {step["device"]: step["role"] for step in manifest["steps"]}
    hashes = {entry["device"]: entry["sha256"] for entry in base.manifest["devices"]}
    hashes |= {name: document["result"] for name, document in delta.devices.items()}
    files: list[DeviceFile] = [
        {"device": name, "file": device_file(name), "sha256": digest} for name, digest in hashes.items()
    ]
    order = sorted((role == "head-end", name) for name, role in roles.items())
    steps: list[Step] = [
        {"position": position, "device": name, "action": "replace", "role": "head-end" if head_end else "transit"}
        for position, (head_end, name) in enumerate(order, start=1)
    ]
    made = cast(Manifest, {**manifest["result"], "devices": files, "steps": steps})
    if plan_id(made) != made["plan"]:
        raise InputError("the plan id does not follow from what comes out", place=f"{place}: result.plan",
                         remedy=_REMEDY)  # fmt: skip
    return Tables(made, StoredDevices(encoded), encoded)


def _applied(base: Tables, document: DeviceDelta, place: str) -> bytes:
    name = document["device"]
    if name not in base.devices:
        raise InputError("is no device of the base", place=place, remedy=_REMEDY)
    if sha256(base.device_bytes[name]) != document["base"]:
        raise InputError("starts from another table than the base's", place=place, remedy=_REMEDY)
    table = dict(cast(Mapping[str, Any], base.devices[name]))
    for kind in KINDS:
        change = cast(Any, document)[kind.name]
        table[kind.name] = changed_section(kind, table[kind.name], change, f"{place}: {kind.name}")
    content = encode(cast(DeviceTable, table))
    if sha256(content) != document["result"]:
        raise InputError("gives another table than it says", place=place, remedy=_REMEDY)
    return content
