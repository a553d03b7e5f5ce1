"""Proves a plan directory again from its files alone, with no solver in sight.

Everything is recomputed: that paths join their ends and keep the policy, that flows fit demands and links, that
stage values are what is claimed, that the stored prices prove the stored bounds, that the tables hash to the plan's
id and carry the plan when walked, that the summary says the same, and that deltas for failures start from these tables
and carry what they say with what failed down.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from vbte.bounds import StageProblem, lagrangian_bound, loads_before, stage_problem, stage_sequence, stage_value
from vbte.delta import delta_faults
from vbte.errors import InputError, InputWarning
from vbte.fair_proof import fairness_faults, misplaced, prove_fairness
from vbte.instance import build_instance, commodity_positions
from vbte.oracle import PathOracle, keeps_bounds, path_faults
from vbte.paths.igp import igp_loads
from vbte.plan import Certificate, Fairness, Plan, Reason, relative_gap
from vbte.policy import VOLUME_STAGES, Admission, CapacityRule, Split, StageKind
from vbte.protection.backup_proof import backup_faults
from vbte.protection.proof import promise_faults
from vbte.read.plan_file import read_plan
from vbte.report.outcome import disagreement
from vbte.report.summary import summarize, summary_bytes
from vbte.tables import compare, tables_from_directory
from vbte.tables.manifest import belongs_to
from vbte.tables.walk import walk_matrices
from vbte.tolerance import (
    CAPACITY_SLACK_SHARE,
    CERTIFICATE_SLACK_SHARE,
    DEMAND_SLACK_SHARE,
    DUST_SHARE,
    OPTIMALITY_GAP_SHARE,
)

#: Findings of one kind that are listed before the rest is only counted.
LISTED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and what."""

    place: str
    fault: str


@dataclass(frozen=True, slots=True)
class ProvenStage:
    """A certificate as recomputed: value and bound from the files, gap between them (None: not proven).

    ``fairness`` has the levels of a max_min stage.
    """

    stage: str
    value: float
    bound: float | None
    gap: float | None
    fairness: Fairness | None = None


@dataclass(frozen=True)
class CheckReport:
    """What the check found; ``ok`` when nothing."""

    findings: tuple[Finding, ...]
    certificates: tuple[ProvenStage, ...]

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.findings


def check(directory: str | os.PathLike[str]) -> CheckReport:
    """Prove a plan directory again and report what does not hold.

    Raises InputError when the plan file itself can't be read; everything else is a finding.
    """
    folder = Path(directory)
    plan = read_plan(folder)
    report = check_plan(plan)
    return CheckReport((*report.findings, *_files(folder, plan)), report.certificates)


def check_plan(plan: Plan) -> CheckReport:
    """Prove a plan in memory again: paths, flows, loads and certificates."""
    oracle = PathOracle(plan.instance)
    findings = [*_left_out(plan), *_paths(plan), *_flows(plan), *_splits(plan), *_loads(plan)]
    if not findings:
        findings += _listed("plan.json: backups", list(backup_faults(plan, oracle)))
        findings += _listed("plan.json: reserved_gbps", list(promise_faults(plan, oracle)))
    # Figures from a hostile file may overflow; what comes of it agrees with no claim.
    with np.errstate(over="ignore", invalid="ignore"):
        proven, faults = _certificates(plan, oracle)
    return CheckReport((*findings, *faults), proven)


def _listed(place: str, faults: list[str]) -> Iterator[Finding]:
    """Yield the first few faults and the number of the others."""
    for fault in faults[:LISTED]:
        yield Finding(place, fault)
    if len(faults) > LISTED:
        yield Finding(place, f"and {len(faults) - LISTED} more of the same kind")


def _left_out(plan: Plan) -> Iterator[Finding]:
    """Demands are left out only where the model says so and no admissible path serves them."""
    instance = plan.instance
    owners = zip(instance.demands, instance.demand_commodity, strict=True)
    if all((owner[demands.volume_gbps > 0] >= 0).all() for demands, owner in owners):
        return
    with warnings.catch_warnings():
        # Said when the plan was read.
        warnings.simplefilter("ignore", InputWarning)
        whole = build_instance(instance.topology, instance.demands, instance.model)
    missing = np.setdiff1d(np.arange(whole.n_commodities), commodity_positions(whole, instance.commodity_columns))
    if instance.model.unroutable == "reject":
        faults = [f"{whole.describe(int(k))}: left out, the model says to reject it" for k in missing]
    else:
        weight = np.ones((len(instance.rules), len(instance.topology.links)))
        served = PathOracle(whole).cheapest_by_class(weight, missing).paths.commodity
        faults = [f"{whole.describe(int(k))}: left out, and a path serves it" for k in served]
    yield from _listed("plan.json: commodities", faults)


def _paths(plan: Plan) -> Iterator[Finding]:
    """Every path joins its commodity's ends without a break or a repeated node, over links its class may use."""
    instance, paths = plan.instance, plan.paths
    n_paths = len(paths)
    if not n_paths:
        return
    broken, returns, barred = path_faults(instance, paths)
    yield from _listed("plan.json: paths", [f"path {p} does not join its ends" for p in np.flatnonzero(broken)])
    yield from _listed("plan.json: paths", [f"path {p} visits a node twice" for p in np.flatnonzero(returns)])
    wrong: list[str] = []
    class_index = instance.class_index[paths.commodity]
    for position, rules in enumerate(instance.rules):
        bad = barred & (class_index == position)
        if rules.depends_on_path:
            bad |= (class_index == position) & ~keeps_bounds(rules, instance.topology, paths)
        wrong += [f"path {p} breaks the policy of class {rules.policy.name!r}" for p in np.flatnonzero(bad)]
    yield from _listed("plan.json: paths", wrong)


def _flows(plan: Plan) -> Iterator[Finding]:
    """Flows are 0 or more and add up to no more than the demand, or to all of it where the model says so."""
    instance = plan.instance
    negative = np.flatnonzero(plan.flow_gbps < 0)
    yield from _listed("plan.json: flow_gbps", [f"path {p} has flow {plan.flow_gbps[p]:g}" for p in negative])
    share = plan.admitted_share
    above = np.flatnonzero(share > 1 + DEMAND_SLACK_SHARE)
    yield from _listed("plan.json: flow_gbps", [f"{instance.describe(int(k))}: more than its demand" for k in above])
    if instance.model.admission is Admission.ALL:
        below = np.flatnonzero(share < 1 - DEMAND_SLACK_SHARE)
        yield from _listed("plan.json: flow_gbps", [f"{instance.describe(int(k))}: not in full" for k in below])


def _splits(plan: Plan) -> Iterator[Finding]:
    """Classes with split rules keep them."""
    instance = plan.instance
    used = plan.path_share > DUST_SHARE
    count = np.bincount(plan.paths.commodity[used], minlength=instance.n_commodities)
    faults: list[str] = []
    for position, rules in enumerate(instance.rules):
        mine = instance.class_index == position
        limit = 1 if rules.policy.split is Split.SINGLE_PATH else rules.policy.max_paths
        if limit is not None:
            faults += [f"{instance.describe(int(k))}: {count[k]} paths" for k in np.flatnonzero(mine & (count > limit))]
        if rules.policy.bundles is not None:
            bundles = plan.path_share * rules.policy.bundles
            uneven = mine[plan.paths.commodity] & (np.abs(bundles - np.round(bundles)) > DEMAND_SLACK_SHARE)
            owners = np.unique(plan.paths.commodity[uneven])
            faults += [f"{instance.describe(int(k))}: not in equal bundles" for k in owners]
    yield from _listed("plan.json: paths", faults)


def _loads(plan: Plan) -> Iterator[Finding]:
    """No link is loaded beyond the model's limit, nor by a class beyond the class's."""
    instance = plan.instance
    capacity = instance.topology.capacity_gbps
    limits = []
    if instance.model.capacity is CapacityRule.HARD:
        limits.append(("all classes", plan.link_load_gbps, instance.model.utilization_limit))
    for position, rules in enumerate(instance.rules):
        if rules.policy.utilization_limit is not None:
            of_class = plan.class_link_load_gbps[:, position]
            limits.append((f"class {rules.policy.name!r}", of_class, rules.policy.utilization_limit))
    for who, load, limit in limits:
        over = load > limit * capacity * (1 + CAPACITY_SLACK_SHARE)
        faults = [
            f"link {instance.topology.links[link].id}: {who} load it with {load[matrix, link]:.9g} Gbit/s, limit "
            f"{limit * capacity[link]:.9g}"
            for matrix, link in zip(*np.nonzero(over), strict=True)
        ]
        yield from _listed("plan.json: link loads", faults)


def _certificates(plan: Plan, oracle: PathOracle) -> tuple[tuple[ProvenStage, ...], list[Finding]]:
    """Recompute every stage's value and bound and hold them against what the plan says."""
    entries = stage_sequence(plan.instance)
    place = "plan.json: certificates"
    if len(entries) != len(plan.certificates):
        return (), [Finding(place, f"{len(plan.certificates)} certificates for {len(entries)} stages")]
    proven: list[ProvenStage] = []
    findings: list[Finding] = []
    for index, (entry, stored) in enumerate(zip(entries, plan.certificates, strict=True)):
        problem = stage_problem(plan.instance, entry, plan.certificates[:index], loads_before(plan, entry))
        spot = f"{place}[{index}] {problem.label}"
        wanted = (problem.label, problem.kind, problem.figure, problem.priority)
        if (stored.stage, stored.kind, stored.figure, stored.priority) != wanted:
            findings.append(Finding(spot, f"the plan has {stored.stage!r} by {stored.figure} here"))
            continue
        if (fault := misplaced(problem, stored.fairness)) is not None:
            findings.append(Finding(spot, fault))
            continue
        stage = _proven(problem, stored, plan, oracle)
        proven.append(stage)
        findings += [Finding(spot, fault) for fault in _stage_faults(problem, stored, stage, entry[0].tolerance, plan)]
    gaps = [stage.gap for stage in proven]
    optimal = all(gap is not None and gap <= OPTIMALITY_GAP_SHARE for gap in gaps)
    if plan.termination.reason is Reason.OPTIMAL and not optimal:
        findings.append(Finding("plan.json: termination", "says optimal, but not every stage is proven so"))
    if plan.termination.reason not in (Reason.OPTIMAL, Reason.FEASIBLE):
        findings.append(Finding("plan.json: termination", f"says {plan.termination.reason}, yet there is a plan"))
    return tuple(proven), findings


def _proven(problem: StageProblem, stored: Certificate, plan: Plan, oracle: PathOracle) -> ProvenStage:
    value, fairness = stage_value(problem, plan), None
    bound = None if stored.prices is None else lagrangian_bound(problem, stored.prices, oracle)
    if problem.kind is StageKind.MAX_MIN and stored.fairness is not None:
        fairness = prove_fairness(problem, stored.fairness, plan.admitted_share * plan.instance.peak_gbps, oracle)
    return ProvenStage(problem.label, value, bound, relative_gap(value, bound, fairness), fairness)


def _stage_faults(
    problem: StageProblem, stored: Certificate, proven: ProvenStage, tolerance: float, plan: Plan
) -> Iterator[str]:
    """Yield what is wrong with one certificate."""
    if not np.isfinite([stored.value, stored.bound or 0.0, stored.reached, stored.held_at]).all():
        yield "has a figure that is not finite"
        return
    if not _close(stored.value, proven.value):
        yield f"claims {stored.value:.9g}, the plan reaches {proven.value:.9g}"
    if stored.bound is None:
        if plan.termination.reason is Reason.OPTIMAL:
            yield "has no bound"
    elif proven.bound is None or not _close(stored.bound, proven.bound):
        yield f"claims the bound {stored.bound:.9g}, its prices prove {proven.bound}"
    sign = 1.0 if problem.kind in VOLUME_STAGES else -1.0
    slack = CERTIFICATE_SLACK_SHARE * max(abs(proven.value), abs(stored.held_at))
    if sign * (proven.value - stored.held_at) < -slack:
        yield f"reaches {proven.value:.9g}, worse than {stored.held_at:.9g} at which later stages hold it"
    if proven.fairness is not None and stored.fairness is not None:
        carried = plan.admitted_share * plan.instance.peak_gbps
        yield from fairness_faults(problem, stored, proven.fairness, carried)
    elif abs(stored.held_at - stored.reached) > tolerance * abs(stored.reached) + slack:
        yield f"is held at {stored.held_at:.9g}, further from {stored.reached:.9g} than the model's tolerance"
    # A bound on the wrong side of the value means that the plan beats what nobody can: something is wrong.
    if (
        proven.bound is not None
        and sign * (proven.value - proven.bound) > CAPACITY_SLACK_SHARE * abs(proven.bound) + 1e-9
    ):
        yield f"value {proven.value:.9g} is better than the bound {proven.bound:.9g}: one of them is false"


def _close(first: float, second: float) -> bool:
    scale = max(abs(first), abs(second), 1e-9)
    return np.isfinite(scale) and abs(first - second) <= CERTIFICATE_SLACK_SHARE * scale


def _files(folder: Path, plan: Plan) -> Iterator[Finding]:
    """Tables and summary say what the plan says: the hashes, the walk, the figures."""
    try:
        tables = tables_from_directory(folder)
    except InputError as error:
        yield Finding(error.place, f"{error.fault}{'; ' + error.remedy if error.remedy else ''}")
        return
    # File hashes and the plan id are checked on reading; this ties them to plan.json.
    if not belongs_to(tables.manifest, plan):
        yield Finding("tables/manifest.json", "the tables are not those of plan.json")
        return
    instance = plan.instance
    walks = []
    for matrix, walked in enumerate(walk_matrices(tables, instance)):
        walks.append(compare(walked, plan, matrix))
        place = f"tables: walk of matrix {matrix}"
        if not walks[-1].agrees:
            yield Finding(place, disagreement(plan, walks[-1]))
    igp = [igp_loads(instance.topology, demands) for demands in instance.demands]
    yield from _summary(folder, summarize(plan, tables, walks, igp))
    yield from (Finding(place, fault) for place, fault in delta_faults(folder, plan, tables))


def _summary(folder: Path, expected: Mapping[str, object]) -> Iterator[Finding]:
    """The summary on file is the one the plan and its tables give."""
    try:
        stored = orjson.loads((folder / "summary.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        yield Finding("summary.json", f"can't be read: {error}")
        return
    if not isinstance(stored, dict):
        yield Finding("summary.json", "not a mapping")
        return
    recomputed = orjson.loads(summary_bytes(expected))
    for key in sorted({*stored, *recomputed}):
        if not _same(stored.get(key), recomputed.get(key)):
            yield Finding(f"summary.json: {key}", "does not follow from the plan and its tables")


def _same(first: object, second: object) -> bool:
    """True when two JSON values agree, figures within the rounding of another summation order."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(_same(a, b) for a, b in zip(first, second, strict=True))
    if isinstance(first, float) or isinstance(second, float):
        return isinstance(first, int | float) and isinstance(second, int | float) and _close(first, second)
    return first == second
