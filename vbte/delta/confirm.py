"""Base and delta, walked with what failed down: that they carry the re-plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vbte.delta.schema import Planned, ScenarioFacts
from vbte.instance import Instance
from vbte.plan import Plan
from vbte.tables import Tables, WalkReport, walk
from vbte.tables import offered_traffic as offered
from vbte.tables.commodities import BPS_PER_GBPS, bps
from vbte.tolerance import WALK_SLACK_SHARE

#: Rounding to whole bit/s, Gbit/s.
_ROUNDING_GBPS = 1.0 / BPS_PER_GBPS


def planned_figures(plan: Plan) -> list[Planned]:
    """Return what a plan admits and loads, per demand matrix, in whole bit/s."""
    instance, n_classes = plan.instance, len(plan.instance.rules)
    names = [rules.policy.name for rules in instance.rules]
    figures: list[Planned] = []
    for matrix in range(instance.n_matrices):
        admitted = np.bincount(instance.class_index, weights=plan.admitted_gbps[matrix], minlength=n_classes)
        load = [bps(gbps) for gbps in plan.link_load_gbps[matrix].tolist()]
        named = sorted((link.id, figure) for link, figure in zip(instance.topology.links, load, strict=True) if figure)
        figures.append(
            {
                "admitted_bps": {name: bps(gbps) for name, gbps in zip(names, admitted.tolist(), strict=True)},
                "link_load_bps": dict(named),
            }
        )
    return figures


def walk_faults(tables: Tables, left: Instance, scenario: ScenarioFacts, planned: Sequence[Planned]) -> Iterator[str]:
    """Yield why tables do not carry the re-plan when walked with the scenario's links and nodes down.

    ``left`` is the re-plan's instance: demands that nothing serves are no part of it. Nothing may loop, vanish or end
    at the wrong place; each class has to arrive as planned, and each link's load to be within the manifest's bound.
    """
    if len(planned) != left.n_matrices:
        yield f"figures for {len(planned)} demand matrices, of {left.n_matrices}"
        return
    nodes = [part["name"] for part in scenario["down"] if part["kind"] == "node"]
    for matrix, figures in enumerate(planned):
        report = walk(tables, left.topology, offered(left, matrix), failed_links=scenario["links"], failed_nodes=nodes)
        yield from (f"matrix {matrix}: {fault}" for fault in _walk_faults(report, left, figures))


def _walk_faults(report: WalkReport, left: Instance, figures: Planned) -> Iterator[str]:
    for fault in report.faults:
        yield f"walking finds a {fault.kind} at {', '.join(fault.devices)}: {fault.detail}"
    slack = WALK_SLACK_SHARE * max(float(report.offered_gbps.sum()), 1.0) + _ROUNDING_GBPS
    for name, arrives in zip(report.classes, report.delivered_gbps.tolist(), strict=True):
        wanted = figures["admitted_bps"].get(name, 0) / BPS_PER_GBPS
        if abs(arrives - wanted) > slack:
            yield f"class {name!r} arrives with {arrives:.9g} Gbit/s, planned are {wanted:.9g}"
    topology = left.topology
    load = [figures["link_load_bps"].get(link.id, 0) / BPS_PER_GBPS for link in topology.links]
    off = np.abs(report.link_load_gbps - load)
    excess = off - report.link_error_gbps - WALK_SLACK_SHARE * topology.capacity_gbps - _ROUNDING_GBPS
    if len(off) and excess.max() > 0:
        worst = int(excess.argmax())
        yield (
            f"link {topology.links[worst].id} carries {report.link_load_gbps[worst]:.9g} Gbit/s, planned are "
            f"{load[worst]:.9g}"
        )
