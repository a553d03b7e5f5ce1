"""The figures of a plan that people ask for, as plain values: ``summary.json``.

Built from the plan, its tables, their walk and the IGP baseline; no clock, no host, no file names, so that the same
input gives the same bytes. With several demand matrices volumes and latencies are means over the matrices and
utilisations the worst of them; ``matrices`` has the figures of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import orjson

from vbte.paths.igp import IgpLoads
from vbte.plan import Certificate, Plan, Termination
from vbte.policy import PathFigure, StageKind
from vbte.report.fairness import fairness_figures
from vbte.tables.files import Tables
from vbte.tables.walk import Comparison
from vbte.tolerance import CAPACITY_SLACK_SHARE, DUST_SHARE
from vbte.topology import FloatArray, Topology
from vbte.write.plan_file import engine_document

SCHEMA = "vbte.summary/1"

#: How many of the busiest links are listed.
HOT_LINKS = 10

_FIGURE_UNITS = {PathFigure.LATENCY: "ms", PathFigure.METRIC: "metric", PathFigure.HOPS: "hops"}


def summarize(plan: Plan, tables: Tables, walks: Sequence[Comparison], igp: Sequence[IgpLoads]) -> dict[str, Any]:
    """Return the summary of a plan (schema ``vbte.summary/1``).

    ``walks`` and ``igp`` have one entry per demand matrix: the walk of the tables held against the plan, and the link
    loads of plain IGP routing.
    """
    instance = plan.instance
    class_demand = _demand_gbps(plan).mean(axis=0)
    demand, admitted = float(class_demand.sum()), _mean_total(plan.admitted_gbps)
    return {
        "schema": SCHEMA,
        "network": network_figures(instance.topology),
        "model": instance.model.name,
        "over_matrices": {"volumes": "mean", "latencies": "mean", "utilizations": "worst"},
        "demand_gbps": demand,
        "admitted_gbps": admitted,
        "shortfall_gbps": max(0.0, demand - admitted),
        "max_utilization": plan.max_utilization,
        "termination": _termination(plan.termination),
        "max_gap": plan.max_gap if plan.certificates else None,
        "certificates": [_certificate(certificate) for certificate in plan.certificates],
        "fairness": fairness_figures(plan),
        "classes": [_class(plan, position, float(volume)) for position, volume in enumerate(class_demand)],
        "matrices": [_matrix(plan, position) for position in range(instance.n_matrices)],
        "unmatched_gbps": float(np.mean([part.unmatched_gbps for part in instance.classifications])),
        "fallback_class": instance.model.fallback_class,
        "unroutable_gbps": float(np.mean(_unroutable_gbps(plan))),
        "hot_links": hot_links(instance.topology, plan.link_load_gbps),
        "baseline": baseline_figures(instance.topology, igp) | _gain(plan, igp, demand, admitted),
        "tables": _tables(tables, walks),
        "engine": engine_document(plan.engine),
    }


def summary_bytes(summary: Mapping[str, Any]) -> bytes:
    """Return a summary as indented JSON in the order of its keys."""
    return orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def hot_links(topology: Topology, link_load_gbps: FloatArray) -> list[dict[str, Any]]:
    """Return the busiest links that carry anything, each in its worst matrix, busiest first.

    ``link_load_gbps`` has one row per matrix, shape (T, n_links).
    """
    load = np.asarray(link_load_gbps)
    with np.errstate(divide="ignore", invalid="ignore"):
        utilization = np.where(load > 0, load / topology.capacity_gbps, 0.0)
    worst, matrix = utilization.max(axis=0, initial=0.0), utilization.argmax(axis=0)
    return [
        {
            "link": link.id,
            "source": link.source,
            "target": link.target,
            "load_gbps": float(load[matrix[position], position]),
            "capacity_gbps": link.capacity_gbps,
            "utilization": float(worst[position]),
            "matrix": int(matrix[position]),
        }
        for position in _busiest(topology, worst)
        for link in (topology.links[position],)
    ]


def _busiest(topology: Topology, utilization: FloatArray) -> list[int]:
    """Return the positions of the busiest links that carry anything, busiest first."""
    # Rounding keeps links in the order of their ids where they differ by nothing but what solvers leave of zero.
    rounded = utilization.round(6)
    order = sorted(np.flatnonzero(rounded > 0).tolist(), key=lambda link: (-rounded[link], topology.links[link].id))
    return order[:HOT_LINKS]


def baseline_figures(topology: Topology, igp: Sequence[IgpLoads]) -> dict[str, Any]:
    """Return what plain IGP routing makes of the demands, in the worst matrix.

    ``common_share`` is the share of every demand that would fit if all were cut alike: 1 without overload.
    """
    utilization = np.stack([loads.utilization for loads in igp]).max(axis=0, initial=0.0)
    worst = float(utilization.max(initial=0.0))
    over = utilization > 1 + CAPACITY_SLACK_SHARE
    return {
        "routing": "igp",
        "max_utilization": worst,
        "overloaded_links": int(over.sum()),
        "overloads": [
            {"link": topology.links[link].id, "utilization": float(utilization[link])}
            for link in _busiest(topology, np.where(over, utilization, 0.0))
        ],
        "unroutable_gbps": float(np.mean([loads.unroutable_gbps for loads in igp])),
        "common_share": min(1.0, 1.0 / worst) if worst > 0 else 1.0,
    }


def _gain(plan: Plan, igp: Sequence[IgpLoads], demand: float, admitted: float) -> dict[str, Any]:
    """Return the IGP's MLU over the plan's, None unless both carry everything."""
    carried = admitted >= demand * (1 - CAPACITY_SLACK_SHARE) and not any(loads.unroutable_gbps > 0 for loads in igp)
    worst = max((loads.max_utilization for loads in igp), default=0.0)
    comparable = carried and plan.max_utilization > 0
    return {"gain": worst / plan.max_utilization if comparable else None}


def network_figures(topology: Topology) -> dict[str, Any]:
    """Return the name, size and total capacity of a network."""
    return {
        "name": topology.name,
        "nodes": len(topology.nodes),
        "links": len(topology.links),
        "capacity_gbps": float(topology.capacity_gbps.sum()),
    }


def _termination(termination: Termination) -> dict[str, str]:
    return {"reason": str(termination.reason), "limit": str(termination.limit)}


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "stage": certificate.stage,
        "value": certificate.value,
        "bound": certificate.bound,
        "gap": certificate.gap,
        "mip_bound": certificate.mip_bound,
        "unit": _unit(certificate),
        **_termination(certificate.termination),
    }


def _unit(certificate: Certificate) -> str:
    """Unit of a stage's value: volume, share of capacity, scale of all demands, volume times figure, or money."""
    units = {
        StageKind.ADMITTED: "Gbit/s",
        StageKind.MAX_UTILIZATION: "share",
        StageKind.CONCURRENT: "scale",
        StageKind.MAX_MIN: "fair share",
        StageKind.LATENCY: f"Gbit/s {_FIGURE_UNITS[certificate.figure]}",
        StageKind.COST: "cost",
    }
    return units[certificate.kind]


def _demand_gbps(plan: Plan) -> FloatArray:
    """Return the volume of every class in every matrix, shape (T, n_classes), demands without a path included."""
    instance = plan.instance
    rows = [
        np.bincount(part.class_index, weights=matrix.volume_gbps, minlength=len(instance.rules))
        for matrix, part in zip(instance.demands, instance.classifications, strict=True)
    ]
    return np.stack(rows).astype(np.float64)


def _unroutable_gbps(plan: Plan) -> list[float]:
    """Return the volume of demands that no path may serve, by matrix."""
    pairs = zip(plan.instance.demands, plan.instance.demand_commodity, strict=True)
    return [float(matrix.volume_gbps[owner < 0].sum()) for matrix, owner in pairs]


def _mean_total(figures: FloatArray) -> float:
    """Return the mean over the matrices of the row sums."""
    return float(figures.sum(axis=1).mean())


def _class(plan: Plan, position: int, demand: float) -> dict[str, Any]:
    """Return one class's volumes (``demand`` in Gbit/s), worst link share and latencies."""
    instance, policy = plan.instance, plan.instance.rules[position].policy
    mine = instance.class_index == position
    capacity = instance.topology.capacity_gbps
    load = plan.class_link_load_gbps[:, position]
    with np.errstate(divide="ignore", invalid="ignore"):
        utilization = np.where(load > 0, load / capacity, 0.0)
    admitted = _mean_total(plan.admitted_gbps[:, mine])
    return {
        "name": policy.name,
        "priority": policy.priority,
        "demand_gbps": demand,
        "admitted_gbps": admitted,
        "shortfall_gbps": max(0.0, demand - admitted),
        "max_utilization": float(utilization.max(initial=0.0)),
        **_path_figures(plan, position),
        "latency_bound_ms": policy.latency_bound_ms,
    }


def _path_figures(plan: Plan, position: int) -> dict[str, Any]:
    """Return path count and latencies of one class: mean by volume, worst of all paths in use; None without paths."""
    owner = plan.paths.commodity
    used = (plan.instance.class_index[owner] == position) & (plan.path_share > DUST_SHARE)
    latency = plan.paths.sums(plan.instance.topology.latency_ms)[used]
    flow = (plan.path_share * plan.instance.volume_gbps.mean(axis=0)[owner])[used]
    total = float(flow.sum())
    return {
        "paths": int(used.sum()),
        "mean_latency_ms": float(latency @ flow) / total if total > 0 else None,
        "worst_latency_ms": float(latency.max()) if len(latency) else None,
    }


def _matrix(plan: Plan, position: int) -> dict[str, Any]:
    """Return the figures of one demand matrix."""
    matrix = plan.instance.demands[position]
    admitted = float(plan.admitted_gbps[position].sum())
    return {
        "name": matrix.name,
        "demands": len(matrix),
        "demand_gbps": matrix.total_gbps,
        "admitted_gbps": admitted,
        "shortfall_gbps": max(0.0, matrix.total_gbps - admitted),
        "max_utilization": float(plan.utilization[position].max(initial=0.0)),
    }


def _tables(tables: Tables, walks: Sequence[Comparison]) -> dict[str, Any]:
    manifest = tables.manifest
    return {
        "plan": manifest["plan"],
        "realisation": manifest["realisation"],
        "devices": len(manifest["devices"]),
        "max_quantisation_error": manifest["max_quantisation_error"],
        "max_link_error_gbps": manifest["max_link_error_bps"] / 1e9,
        "cannot_realise": {
            "count": manifest["cannot_realise"]["count"],
            "gbps_at_stake": manifest["cannot_realise"]["bps_at_stake"] / 1e9,
            "reasons": _reasons(tables),
        },
        "walk": {
            "agrees": all(walk.agrees for walk in walks),
            "max_deviation_gbps": max((walk.max_deviation_gbps for walk in walks), default=0.0),
            "max_utilization": max((float(walk.utilization.max(initial=0.0)) for walk in walks), default=0.0),
            "overloaded_links": max((int((walk.overload > CAPACITY_SLACK_SHARE).sum()) for walk in walks), default=0),
            "links_beyond_allowance": max((int(walk.excess.sum()) for walk in walks), default=0),
            "faults": max((len(walk.faults) for walk in walks), default=0),
        },
    }


class _Refusal(msgspec.Struct):
    """One entry of ``cannot_realise``."""

    reason: str


class _Refusals(msgspec.Struct):
    """What a device's file says of the wishes it can't carry out."""

    cannot_realise: list[_Refusal]


def _reasons(tables: Tables) -> dict[str, int]:
    """Return how many wishes each reason kept from being realised."""
    counts: dict[str, int] = {}
    for content in tables.device_bytes.values():
        # Of a large file, only what is asked for is made into objects.
        for entry in msgspec.json.decode(content, type=_Refusals).cannot_realise:
            counts[entry.reason] = counts.get(entry.reason, 0) + 1
    return dict(sorted(counts.items()))
