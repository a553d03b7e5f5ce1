"""The manifest: what was planned from what, the plan's id, and the order of installation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from vbte.demands import DemandMatrix
from vbte.instance import Instance
from vbte.plan import Plan
from vbte.tables.commodities import BPS_PER_GBPS
from vbte.tables.drafts import SHARE_DECIMALS
from vbte.tables.realised import Realised
from vbte.tables.schema import SCHEMA, UNHASHED, DeviceFile, DeviceTable, Inputs, Manifest, Step, Totals
from vbte.topology import FloatArray, Link, Topology
from vbte.write.atomic import safe_file_name

#: Bit/s by which floating-point sums of loads may differ for no reason.
_SUMMATION_NOISE_BPS = 0.01

#: Facts of links that came after the first plans were published.
_FAILURE_FACTS = frozenset(("unavailability", "mtbf_hours", "mttr_hours"))


@dataclass(frozen=True)
class Publication:
    """What publication adds to a plan; times are RFC 3339 text, since a plan reads no clock."""

    parent: str | None = None
    sequence: int = 1
    not_before: str | None = None
    not_after: str | None = None
    guardrails: tuple[Mapping[str, Any], ...] = ()
    approvals: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the manifest has to know of a device's document: ``cannot_realise`` counts its entries."""

    device: str
    sha256: str
    is_head_end: bool
    cannot_realise: int
    bps_at_stake: int


def device_facts(table: DeviceTable, content: bytes) -> DeviceFacts:
    """Return the facts of a document, ``content`` being its file."""
    return DeviceFacts(
        table["device"],
        sha256(content),
        any(route["demands"] is not None and route["group"] is not None for route in table["routes"]),
        len(table["cannot_realise"]),
        sum(entry["bps_at_stake"] for entry in table["cannot_realise"]),
    )


def sha256(*chunks: bytes) -> str:
    """Return ``sha256:HEX`` over the chunks, one after the other."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def plan_id(manifest: Mapping[str, Any]) -> str:
    """Return the id that a manifest's content calls for: a hash of all but what publication fills in."""
    content = {name: value for name, value in manifest.items() if name not in UNHASHED}
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def device_file(device: str) -> str:
    """Return the path of a device's file relative to the manifest."""
    return f"devices/{safe_file_name(device)}.json"


def build_manifest(
    instance: Instance,
    plan: Plan | None,
    realised: Realised,
    devices: Sequence[DeviceFacts],
    publication: Publication,
) -> Manifest:
    """Return the manifest over finished device documents, sorted by device; ``plan`` None for the baseline."""
    error_bps = _link_error_bps(instance.topology, plan, realised)
    files: list[DeviceFile] = [
        {"device": facts.device, "file": device_file(facts.device), "sha256": facts.sha256} for facts in devices
    ]
    manifest: Manifest = {
        "schema": SCHEMA,
        "document": "manifest",
        "plan": "",
        "parent": publication.parent,
        "sequence": publication.sequence,
        "validity": {"not_before": publication.not_before, "not_after": publication.not_after},
        "guardrails": [dict(record) for record in publication.guardrails],
        "approvals": [dict(record) for record in publication.approvals],
        "realisation": instance.model.tables.realisation.value if plan else "hop-by-hop",
        "origin": "plan" if plan else "igp",
        "model": instance.model.name,
        "classes": [rules.policy.name for rules in instance.rules],
        "tenants": [name for name in instance.tenants if name],
        "inputs": inputs_of(instance),
        "allocation": _allocation(plan) if plan else None,
        "solver": {
            "engine": plan.engine.engine,
            "solver": plan.engine.solver,
            "reason": plan.termination.reason.value,
            "limit": plan.termination.limit.value,
        }
        if plan
        else None,
        # Without a certificate nothing is proven, whatever max_gap says of an empty list.
        "gap": plan.max_gap if plan and plan.certificates else None,
        "certificates": [
            {"stage": proof.stage, "value": proof.value, "bound": proof.bound, "gap": proof.gap}
            for proof in (plan.certificates if plan else ())
        ],
        "max_quantisation_error": round(realised.max_error, SHARE_DECIMALS),
        "max_link_error_bps": max(error_bps.values(), default=0),
        "link_error_bps": error_bps,
        "cannot_realise": _totals(devices),
        "devices": files,
        "steps": _steps(devices),
    }
    manifest["plan"] = plan_id(manifest)
    return manifest


def belongs_to(manifest: Manifest, plan: Plan) -> bool:
    """Return whether a manifest was made for this plan: same inputs, same allocation, by their hashes."""
    return manifest["inputs"] == inputs_of(plan.instance) and manifest["allocation"] == _allocation(plan)


def _link_error_bps(topology: Topology, plan: Plan | None, realised: Realised) -> dict[str, int]:
    """Largest difference between realised and planned load over the matrices, by link id, rounded up."""
    if plan is None:
        return {}
    error = np.abs(realised.link_load_gbps - plan.link_load_gbps).max(axis=0) * BPS_PER_GBPS
    named = sorted((link.id, position) for position, link in enumerate(topology.links))
    rounded = [(name, math.ceil(error[position] - _SUMMATION_NOISE_BPS)) for name, position in named]
    return {name: figure for name, figure in rounded if figure > 0}


def _totals(devices: Sequence[DeviceFacts]) -> Totals:
    return {
        "count": sum(facts.cannot_realise for facts in devices),
        "bps_at_stake": sum(facts.bps_at_stake for facts in devices),
    }


def _steps(devices: Sequence[DeviceFacts]) -> list[Step]:
    """One step per device: those that only pass traffic on first, so that no head end sends into the void."""
    roles = sorted((facts.is_head_end, facts.device) for facts in devices)
    return [
        {"position": position, "device": name, "action": "replace", "role": "head-end" if head_end else "transit"}
        for position, (head_end, name) in enumerate(roles, start=1)
    ]


def inputs_of(instance: Instance) -> Inputs:
    """Return the hashes of what was read: topology, model and every demand matrix."""
    topology, model = instance.topology, instance.model
    return {
        "topology": sha256(orjson.dumps([*_topology_facts(topology)])),
        "model": sha256(
            orjson.dumps(
                model.model_dump(mode="json", by_alias=True, exclude_defaults=True), option=orjson.OPT_SORT_KEYS
            )
        ),
        "demands": [_demand_hash(matrix) for matrix in instance.demands],
    }


def _topology_facts(topology: Topology) -> Iterator[object]:
    """Yield the facts that a topology's hash covers; how often groups fail where any says so."""
    yield topology.nodes
    yield [_hashed(link) for link in topology.links]
    if topology.risk_groups:
        yield topology.risk_groups


def _hashed(link: Link) -> dict[str, object]:
    """Return the facts of a link that its topology's hash covers.

    How often it fails counts where it is stated only: plans made before links could say so keep their hash.
    """
    facts = {name: getattr(link, name) for name in Link.__dataclass_fields__}
    return {name: fact for name, fact in facts.items() if fact is not None or name not in _FAILURE_FACTS}


def _demand_hash(matrix: DemandMatrix) -> str:
    chunks = [
        orjson.dumps(matrix.node_ids),
        matrix.source.astype("<i4").tobytes(),
        matrix.destination.astype("<i4").tobytes(),
        _float_bytes(matrix.volume_gbps),
    ]
    for name in sorted(matrix.attributes):
        column = matrix.attributes[name]
        chunks += [orjson.dumps([name, column.values]), column.codes.astype("<i4").tobytes()]
    return sha256(*chunks)


def _allocation(plan: Plan) -> str:
    paths, backups, reserved = plan.paths, plan.backup_paths, plan.reserved_gbps
    # Plans without protection keep the hash that they had before there was any.
    protection = (
        [] if backups is None else [backups.start.astype("<i8").tobytes(), backups.links.astype("<i4").tobytes()]
    )
    protection += [] if reserved is None else [b"reserved", _float_bytes(reserved)]
    return sha256(
        paths.start.astype("<i8").tobytes(),
        paths.links.astype("<i4").tobytes(),
        paths.commodity.astype("<i4").tobytes(),
        _float_bytes(plan.flow_gbps),
        *protection,
    )


def _float_bytes(figures: FloatArray) -> bytes:
    return figures.astype("<f8").tobytes()
