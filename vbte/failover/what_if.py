"""What if: scenario by scenario, what is lost after the devices' own repair and after a re-plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError
from vbte.failover.availability import ClassAvailability, LossTally
from vbte.failover.cuts import Cuts, find_cuts
from vbte.failover.diversity import SharedRisk, shared_risks
from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair, RepairedBlock
from vbte.failover.replan import Replan, Replanning, replan_each
from vbte.plan import Plan
from vbte.scenarios.families import Family, ScenarioSet, family
from vbte.tables import Tables
from vbte.tables.manifest import belongs_to
from vbte.tolerance import RANKED_DECIMALS, WALK_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray

#: Links whose worst scenario is explained, the busiest first, and demands named for each.
LISTED_LINKS = 20
LISTED_CULPRITS = 3

#: Figures of a block that answers put together.
_BY_CLASS = ("lost_gbps", "congested_gbps", "delivered_gbps", "latency_ms", "max_latency_ms")


@dataclass(frozen=True, eq=False)
class LocalRepair:
    """What the written tables do by themselves in S scenarios; arrays (n_classes, S) unless said otherwise.

    Figures as in ``RepairedBlock``: lost, congested and delivered add up to ``admitted_gbps`` (n_classes,), what head
    ends let in while all is up. ``nothing_down`` has the same figures for that state, one column. ``max_utilization``
    (S,) is that of the busiest link, whose position is ``busiest_link`` (S,). ``worst_utilization`` (n_links,) is each
    link's highest over the scenarios, met in ``worst_scenario`` (n_links,), which says nothing where that is 0.
    """

    admitted_gbps: FloatArray
    lost_gbps: FloatArray
    congested_gbps: FloatArray
    delivered_gbps: FloatArray
    latency_ms: FloatArray
    max_latency_ms: FloatArray
    max_utilization: FloatArray
    busiest_link: NDArray[np.intp]
    worst_utilization: FloatArray
    worst_scenario: NDArray[np.intp]
    nothing_down: RepairedBlock

    @cached_property
    def undelivered_gbps(self) -> FloatArray:
        """What is lost or congested, by class and scenario."""
        return np.asarray(self.lost_gbps + self.congested_gbps)


@dataclass(frozen=True, slots=True)
class Culprit:
    """A demand that comes to a link in a scenario: with how much, and with how much while all is up, Gbit/s."""

    demand: str
    gbps: float
    before_gbps: float


@dataclass(frozen=True, slots=True)
class HotLink:
    """A link at its worst: utilisation there and while all is up, the scenario, and who brings the most on top."""

    link: str
    scenario: str
    utilization: float
    before_utilization: float
    culprits: tuple[Culprit, ...]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Everything that is known about a plan's scenarios, for one of its demand matrices.

    ``replans`` has one entry per scenario, or none at all where no re-plan was asked for. ``hot_links`` are those
    that scenarios load the most beyond what they carry while all is up. ``shared_risks`` tell where diversity is false.
    ``availability`` has the classes that ask for anything, where the scenarios are all the likely states.
    """

    plan: Plan
    tables: Tables
    scenarios: ScenarioSet
    matrix: int
    repair: LocalRepair
    cuts: Cuts
    hot_links: tuple[HotLink, ...]
    shared_risks: tuple[SharedRisk, ...]
    replans: tuple[Replan, ...] = ()
    availability: tuple[ClassAvailability, ...] = ()

    @cached_property
    def severity(self) -> FloatArray:
        """How bad each scenario is, shape (S, n_priorities + 1): losses, the most important first, then overload."""
        rules = self.plan.instance.rules
        priority = np.array([one.policy.priority for one in rules], dtype=np.int32)
        columns = [self.repair.undelivered_gbps[priority == p].sum(axis=0) for p in self.plan.instance.priorities]
        return np.round(np.stack([*columns, self.repair.max_utilization], axis=1), RANKED_DECIMALS)

    @cached_property
    def worst_first(self) -> NDArray[np.intp]:
        """Positions of the scenarios, worst first.

        Worse is what loses more of the most important classes, then of the next, then what loads a link higher.
        """
        return _worst_first(self.severity)

    def repaired_stage(self, scenario: int, stage: int) -> float | None:
        """Return what local repair reaches in a stage of a scenario's re-plan, in that stage's own measure.

        None for measures that tables alone do not settle, and with several matrices, over which stages take means.
        """
        wanted = self.replans[scenario].stages[stage]
        if self.plan.instance.n_matrices > 1:
            return None
        if wanted.kind == "max_utilization" and wanted.priority is None:
            return float(self.repair.max_utilization[scenario])
        if wanted.kind == "admitted":
            counted = [rules.policy.priority == wanted.priority for rules in self.plan.instance.rules]
            weight = np.array([rules.policy.weight for rules in self.plan.instance.rules])
            return float((weight * counted) @ self.repair.delivered_gbps[:, scenario])
        return None


@dataclass(frozen=True, eq=False)
class WhatIfEach:
    """The same scenarios in each of a plan's demand matrices; one plan, and one set of tables, serves all of them."""

    answers: tuple[WhatIf, ...]

    @cached_property
    def worst_matrix(self) -> NDArray[np.intp]:
        """Position of the demand matrix in which each scenario is worst, shape (S,); of equals the first."""
        severity = np.stack([answer.severity for answer in self.answers])
        rows = (_worst_first(severity[:, at])[0] for at in range(severity.shape[1]))
        return np.array(list(rows), dtype=np.intp)

    @cached_property
    def worst_first(self) -> NDArray[np.intp]:
        """Positions of the scenarios, worst first, each counted in its worst matrix."""
        severity = np.stack([answer.severity for answer in self.answers])
        return _worst_first(severity[self.worst_matrix, np.arange(severity.shape[1])])


def _worst_first(severity: FloatArray) -> NDArray[np.intp]:
    """Return the order of rows, the largest first, columns counting from the left; equals stay in order."""
    return np.lexsort([np.arange(len(severity)), *(-severity.T[::-1])])


def what_if(
    plan: Plan,
    tables: Tables,
    scenarios: ScenarioSet | Family | str = Family.CABLE,
    *,
    matrix: int = 0,
    replan: Replanning | None = None,
) -> WhatIf:
    """Return what becomes of a plan's traffic in each scenario: after local repair and, if asked, after a re-plan.

    ``scenarios`` is a built-in family or a set made for the plan's topology, ``matrix`` the demand matrix looked at.
    Local repair is what the tables do alone, by the rules of ``vbte.failover.repair``; ``replan`` says how to plan
    what is left (``vbte.failover.replan``).

    Raises InputError when tables or scenarios are not the plan's, for unknown families and matrices, and as ``walk``
    does for tables.
    """
    if not 0 <= matrix < plan.instance.n_matrices:
        raise InputError(f"there is no matrix {matrix}", place="plan", remedy=f"0 to {plan.instance.n_matrices - 1}")
    return _answered(plan, tables, scenarios, (matrix,), replan)[0]


def what_if_each(
    plan: Plan,
    tables: Tables,
    scenarios: ScenarioSet | Family | str = Family.CABLE,
    *,
    replan: Replanning | None = None,
) -> WhatIfEach:
    """Return the answer of ``what_if`` for each of a plan's demand matrices; a re-plan serves all of them.

    Raises as ``what_if`` does.
    """
    return WhatIfEach(_answered(plan, tables, scenarios, tuple(range(plan.instance.n_matrices)), replan))


def _answered(
    plan: Plan,
    tables: Tables,
    scenarios: ScenarioSet | Family | str,
    matrices: tuple[int, ...],
    replan: Replanning | None,
) -> tuple[WhatIf, ...]:
    if not belongs_to(tables.manifest, plan):
        raise InputError(
            "the tables are not those of the plan", place="tables/manifest.json", remedy="build them again"
        )
    chosen = scenarios if isinstance(scenarios, ScenarioSet) else family(plan.instance.topology, scenarios)
    topology, other = plan.instance.topology, chosen.topology
    if (topology.nodes, topology.links) != (other.nodes, other.links):
        raise InputError("the scenarios were made for another topology", place=chosen.origin, remedy="use the plan's")
    graph, risks = repair_graph(tables, plan.instance), shared_risks(plan)
    replanned = [] if replan is None else list(replan_each(plan, tables, chosen, replan, matrices))
    answers = []
    for position, matrix in enumerate(matrices):
        repair = Repair(graph, matrix)
        repaired, availability = _repaired(repair, chosen, matrix)
        cuts, links = find_cuts(plan.instance, chosen, matrix), _hot_links(repair, repaired, chosen)
        replans = tuple(of_scenario[position] for of_scenario in replanned)
        answers.append(WhatIf(plan, tables, chosen, matrix, repaired, cuts, links, risks, replans, availability))
    return tuple(answers)


def _repaired(repair: Repair, scenarios: ScenarioSet, matrix: int) -> tuple[LocalRepair, tuple[ClassAvailability, ...]]:
    instance, asked_gbps = repair.instance, repair.instance.volume_gbps[matrix]
    topology, n_classes = instance.topology, len(instance.rules)
    n_links = len(topology.links)
    up = repair.evaluate(np.zeros((n_links, 1), np.bool_), slice(0, 0))
    figures: dict[str, list[FloatArray]] = {name: [np.empty((n_classes, 0))] for name in _BY_CLASS}
    highest, busiest = [np.empty(0)], [np.empty(0, dtype=np.intp)]
    worst, worst_at = np.zeros(n_links), np.zeros(n_links, dtype=np.intp)
    sends = np.divide(repair.admitted_gbps, asked_gbps, out=np.ones_like(asked_gbps), where=asked_gbps > 0)
    tally = LossTally(instance, _lost_share(sends, repair, np.zeros((n_links, 1), np.bool_))[:, 0], asked_gbps > 0)
    for block in repair.blocks(scenarios):
        if scenarios.covered_probability is not None:
            failed = scenarios.failed_links(block.scenarios)
            tally.add(block.scenarios, _lost_share(sends, repair, failed, block.arriving_share))
        for name in _BY_CLASS:
            figures[name].append(getattr(block, name))
        utilization = utilization_of(block.link_load_gbps, topology.capacity_gbps)
        highest.append(utilization.max(axis=0, initial=0.0))
        busiest.append(utilization.argmax(axis=0) if n_links else np.zeros(utilization.shape[1], dtype=np.intp))
        if n_links:
            at, found = utilization.argmax(axis=1), utilization.max(axis=1)
            worst_at = np.where(found > worst, at + block.scenarios.start, worst_at)
            worst = np.maximum(worst, found)
    repaired = LocalRepair(
        admitted_gbps=repair.class_admitted_gbps,
        **{name: np.concatenate(parts, axis=1) for name, parts in figures.items()},
        max_utilization=np.concatenate(highest),
        busiest_link=np.concatenate(busiest),
        worst_utilization=worst,
        worst_scenario=worst_at,
        nothing_down=up,
    )
    return repaired, tally.by_class(scenarios)


def _lost_share(
    sends: FloatArray, repair: Repair, failed_links: BoolArray, arriving: FloatArray | None = None
) -> FloatArray:
    """Return what each commodity loses of what it asks for, (K, B); ``sends`` (K,) is the share that is admitted."""
    arriving = repair.arriving_share(failed_links) if arriving is None else arriving
    return np.asarray(np.clip(1.0 - sends[:, None] * arriving, 0.0, 1.0))


def utilization_of(load_gbps: FloatArray, capacity_gbps: FloatArray) -> FloatArray:
    """Return load over capacity, (n_links, B); 0 without load, inf for load where there is no capacity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(load_gbps > 0, load_gbps / capacity_gbps[:, None], 0.0)


def _hot_links(repair: Repair, repaired: LocalRepair, scenarios: ScenarioSet) -> tuple[HotLink, ...]:
    instance = repair.instance
    topology = instance.topology
    if not len(scenarios) or not len(topology.links):
        return ()
    before = utilization_of(repaired.nothing_down.link_load_gbps, topology.capacity_gbps)[:, 0]
    order = np.lexsort((np.arange(len(before)), -np.round(repaired.worst_utilization, RANKED_DECIMALS)))
    rises = repaired.worst_utilization > before + WALK_SLACK_SHARE
    chosen = order[rises[order]][:LISTED_LINKS]
    scenario = repaired.worst_scenario[chosen]
    users, users_before = repair.users(chosen, scenario, scenarios), repair.users(chosen)
    return tuple(
        HotLink(
            topology.links[link].id,
            scenarios.scenarios[s].name,
            float(repaired.worst_utilization[link]),
            float(before[link]),
            tuple(_culprits(repair, users[:, at], users_before[:, at])),
        )
        for at, (link, s) in enumerate(zip(chosen.tolist(), scenario.tolist(), strict=True))
    )


def _culprits(repair: Repair, gbps: FloatArray, before: FloatArray) -> Iterator[Culprit]:
    more = np.round(gbps - before, RANKED_DECIMALS)
    for commodity in np.argsort(-more, kind="stable")[:LISTED_CULPRITS].tolist():
        if more[commodity] > 0:
            yield Culprit(repair.instance.describe(commodity), float(gbps[commodity]), float(before[commodity]))
