"""A plan with everything that is published beside it: tables, their walk, the baseline, the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vbte.errors import GuardrailError
from vbte.paths.igp import IgpLoads, igp_loads, igp_next_hops
from vbte.plan import Plan
from vbte.report.map_svg import MAP_FILE, MOST_MAPPED_NODES, utilization_map
from vbte.report.summary import summarize, summary_bytes
from vbte.tables.build import build_tables
from vbte.tables.files import Tables, tables_to_files
from vbte.tables.walk import Comparison, compare, walk_matrices
from vbte.tolerance import TABLE_OVERLOAD_SHARE
from vbte.write.plan_file import plan_bytes

PLAN_FILE = "plan.json"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True, eq=False)
class Outcome:
    """A plan, its tables, and per demand matrix the walk held against the plan and the IGP's link loads."""

    plan: Plan
    tables: Tables
    walks: tuple[Comparison, ...]
    igp: tuple[IgpLoads, ...]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary (schema ``vbte.summary/1``)."""
        return summarize(self.plan, self.tables, self.walks, self.igp)

    def require_publishable(self) -> None:
        """Raise GuardrailError, with the first reasons, when the tables do not carry the plan."""
        for walked in self.walks:
            if not walked.agrees:
                raise GuardrailError(f"nothing is published: {disagreement(self.plan, walked)}")
            worst = int(walked.overload.argmax()) if len(walked.overload) else 0
            if walked.overload.max(initial=0.0) > TABLE_OVERLOAD_SHARE:
                raise GuardrailError(
                    "nothing is published: devices can't hold the plan, their tables would load link "
                    f"{self.plan.instance.topology.links[worst].id} to {walked.utilization[worst]:.1%}; raise "
                    "max_segments, max_weight or max_group_members, or lower utilization_limit"
                )

    def files(self) -> Mapping[str, bytes]:
        """Return the files of the plan directory: relative path -> content."""
        plan = self.plan
        files = {PLAN_FILE: plan_bytes(plan), SUMMARY_FILE: summary_bytes(self.summary)}
        if len(plan.instance.topology.nodes) <= MOST_MAPPED_NODES:
            files[MAP_FILE] = utilization_map(plan.instance.topology, plan.utilization.max(axis=0)).encode()
        return files | tables_to_files(self.tables)


def realise(plan: Plan) -> Outcome:
    """Build a plan's tables, walk every demand matrix through them, and work out the IGP baseline."""
    instance = plan.instance
    tables = build_tables(plan)
    walks = tuple(compare(walked, plan, matrix) for matrix, walked in enumerate(walk_matrices(tables, instance)))
    routing = igp_next_hops(instance.topology)
    igp = tuple(igp_loads(instance.topology, matrix, routing=routing) for matrix in instance.demands)
    return Outcome(plan, tables, walks, igp)


def disagreement(plan: Plan, walked: Comparison) -> str:
    """Return why a walk does not agree with the plan: the first fault, or the link that is furthest off."""
    if walked.faults:
        fault = walked.faults[0]
        more = f" (and {len(walked.faults) - 1} more)" if len(walked.faults) > 1 else ""
        return f"walking the tables finds a {fault.kind} at {', '.join(fault.devices)}: {fault.detail}{more}"
    worst = int((walked.deviation_gbps - walked.allowed_gbps).argmax())
    return (
        f"the tables put {walked.deviation_gbps[worst]:.6g} Gbit/s more or less on link "
        f"{plan.instance.topology.links[worst].id} than the plan, {walked.allowed_gbps[worst]:.6g} allowed"
    )
