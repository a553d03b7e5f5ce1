"""Plans around others: some commodities are planned anew, all others stay exactly as they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from vbte.allocate.certify import certified, overall
from vbte.allocate.exact import Tools
from vbte.allocate.run import empty_plan, plan_together
from vbte.bounds import StageEntry, stage_problem, stage_sequence
from vbte.oracle import routable
from vbte.plan import Certificate, PathSet, Plan, Reason, Termination
from vbte.solve import Deadline, SolverProfile
from vbte.topology import BoolArray, FloatArray


def allocate_around(
    whole: Plan, fixed: tuple[PathSet, FloatArray], released: BoolArray, profile: SolverProfile
) -> Plan:
    """Return a plan of the released commodities (K,), the flows of all others being ``fixed`` as given.

    Each stage asks what the released can add, within the capacity that the others leave. The certificates are those
    of that narrower question, and their prices say what the commodities that stay put stand in the way of;
    ``against`` holds the plan against the best of all. The exact engine plans, whatever the profile says.

    Raises as ``allocate`` does.
    """
    instance = whole.instance
    oracle, shortest = routable(instance)
    tools = Tools(oracle, profile, Deadline(profile.time_limit_s), lambda _: None, released)
    plan = replace(empty_plan(instance, profile), paths=fixed[0], flow_gbps=fixed[1])
    for planned, grouped in groupby(stage_sequence(instance), key=lambda entry: entry[2]):
        entries = list(grouped)
        if (released & np.isin(instance.priority, planned)).any():
            plan = plan_together(tools, plan, entries, shortest)
        else:
            unasked = tuple(_unasked(plan, entry) for entry in entries)
            plan = replace(plan, certificates=plan.certificates + unasked)
    return plan


def _unasked(plan: Plan, entry: StageEntry) -> Certificate:
    """Return the certificate of a stage in which nothing is released."""
    stage = stage_problem(plan.instance, entry, (), plan.class_link_load_gbps)
    return Certificate(
        stage.label, stage.kind, stage.figure, stage.priority, np.nan, None, np.nan, np.nan, None,
        Termination(Reason.OPTIMAL),
    )  # fmt: skip


def against(plan: Plan, best: Plan) -> Plan:
    """Return a plan with its certificates held against what nobody can beat, by the prices of the ``best`` plan.

    Any prices prove a bound over all routings; the levels at which later stages hold earlier ones are the plan's own.
    """
    unknown = tuple(
        replace(proof, value=np.nan, bound=None, reached=np.nan, held_at=np.nan, mip_bound=None, fairness=None)
        for proof in best.certificates
    )
    plan = replace(plan, certificates=unknown)
    certificates = certified(plan, routable(plan.instance)[0])
    return replace(plan, certificates=certificates, termination=overall(certificates))
