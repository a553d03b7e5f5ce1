"""The walk of the written files, held against what the arrays say of failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.failover.what_if import WhatIf, utilization_of
from vbte.tables import Tables, walk
from vbte.tables import offered_traffic as offered
from vbte.tolerance import WALK_SLACK_SHARE


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the walk of the files and the arrays differ: scenario, what differs, and by how many Gbit/s."""

    scenario: str
    what: str
    gbps: float


def confirm(tables: Tables, answer: WhatIf, positions: NDArray[np.intp]) -> tuple[Disagreement, ...]:
    """Walk the written tables in the scenarios at ``positions`` and return what does not agree with the answer.

    The walk follows labels and next hops device by device and knows nothing of the arrays; what it delivers by class
    and its busiest link are compared.
    """
    instance, repaired = answer.plan.instance, answer.repair
    topology = instance.topology
    found: list[Disagreement] = []
    for position in positions.tolist():
        scenario, one = answer.scenarios.scenarios[position], slice(position, position + 1)
        down = [topology.links[at].id for at in np.flatnonzero(answer.scenarios.failed_links(one)[:, 0])]
        report = walk(
            tables, topology, offered(instance, answer.matrix), failed_links=down, failed_nodes=scenario.nodes
        )
        arriving = repaired.admitted_gbps - repaired.lost_gbps[:, position]
        slack = WALK_SLACK_SHARE * max(float(repaired.admitted_gbps.sum()), 1.0)
        for name, walked, ours in zip(report.classes, report.delivered_gbps, arriving, strict=True):
            if abs(walked - ours) > slack:
                found.append(Disagreement(scenario.name, f"class {name}", float(abs(walked - ours))))
        highest = utilization_of(report.link_load_gbps[:, None], topology.capacity_gbps).max(initial=0.0)
        if abs(highest - repaired.max_utilization[position]) > WALK_SLACK_SHARE * max(float(highest), 1.0):
            busiest = topology.links[int(repaired.busiest_link[position])]
            off = abs(highest - repaired.max_utilization[position]) * busiest.capacity_gbps
            found.append(Disagreement(scenario.name, f"busiest link {busiest.id}", float(off)))
    return tuple(found)
