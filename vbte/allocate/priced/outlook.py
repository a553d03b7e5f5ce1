"""What the stages of a run come to on the contracted network, and the market that follows from it.

Stages are solved in order, each holding the ones before it at their optimum. What they reach there is what the market
is set up for: how full links may get, who must be carried, and what an admitted unit of each priority is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbte.allocate.exact import Tools
from vbte.allocate.priced.contraction import ContractedProgram, priced_links
from vbte.allocate.priced.market import BLOCKED_PRICE, Group, Market, path_prices
from vbte.bounds import FULL_SHARE, StageEntry, StageProblem, stage_figure, stage_problem
from vbte.instance import Instance
from vbte.plan import Certificate, Prices, Reason, Termination
from vbte.policy import Admission, CapacityRule, StageKind
from vbte.topology import BoolArray, FloatArray

#: Stages whose objective is a sum along paths.
FLOW_KINDS = (StageKind.LATENCY, StageKind.COST)

#: Where no volume has a worth of its own, shortest paths cost 1 on average and refusing costs this much more than the
#: dearest of them.
_FORCED = 3.0

#: Where volume has a worth of its own, no link costs more than this share of the least of it.
_DEAREST_LINK = 0.3

#: Each later stage that sums along paths counts this much of the one before.
_NEXT_FIGURE = 0.2


@dataclass(frozen=True, eq=False)
class Outlook:
    """Stages solved on the contracted network.

    ``certificates`` hold the optima there, stages that sum along paths are left open (NaN). ``priced`` (n_links,) are
    the links that got a price, ``active`` those that could. ``solved`` is False where the solver had to give up.
    """

    problems: tuple[StageProblem, ...]
    certificates: tuple[Certificate, ...]
    active: BoolArray
    priced: BoolArray
    solved: bool

    @property
    def trusted(self) -> bool:
        """True when so few of the active links got a price that no other link can be missing."""
        return self.solved and int(self.priced.sum()) <= 0.7 * int(self.active.sum())


def look_out(
    tools: Tools,
    entries: Sequence[StageEntry],
    earlier: Sequence[Certificate],
    loads: FloatArray,
    active: BoolArray,
    *,
    most_columns: int,
) -> Outlook:
    """Solve the stages on the network where all but the ``active`` links (n_links,) are contracted.

    A program of more than ``most_columns`` link flows is left alone.
    """
    instance = tools.oracle.instance
    held = list(earlier)
    problems: list[StageProblem] = []
    program: ContractedProgram | None = None
    solved = True
    for entry in entries:
        problem = stage_problem(instance, entry, tuple(held), loads)
        problems.append(problem)
        program = program or ContractedProgram(tools, problem, active)
        value, prices = np.nan, None
        solved &= program.n_columns <= most_columns
        if problem.kind not in FLOW_KINDS and solved:
            found = program.solve(_without_flow_holds(problem))
            solved = found.value is not None
            value, prices = np.nan if found.value is None else found.value, found.prices
        held.append(_open_certificate(problem, value, prices))
    mine = tuple(held[len(earlier) :])
    known = [one.prices for one in mine if one.prices is not None]
    return Outlook(tuple(problems), mine, active, priced_links(known, len(active)), solved)


def _without_flow_holds(problem: StageProblem) -> StageProblem:
    """Leave out holds that sum along paths: contraction knows nothing of what lies inside its nodes."""
    return replace(problem, holds={i: held for i, held in problem.holds.items() if held.kind not in FLOW_KINDS})


def _open_certificate(problem: StageProblem, level: float, prices: Prices | None) -> Certificate:
    return Certificate(
        problem.label, problem.kind, problem.figure, problem.priority, level, None, level, level, prices,
        Termination(Reason.FEASIBLE),
    )  # fmt: skip


def market(outlook: Outlook, groups: tuple[Group, ...], slack: float, figure_share: float) -> Market:
    """Return the market of the last stage.

    ``slack`` is the share by which links may get fuller than the contracted network says, ``figure_share`` what the
    mean shortest path costs of the worth of the least important volume, where a later stage sums along paths.
    """
    last = outlook.problems[-1]
    instance = last.instance
    room = _room(outlook, groups, slack)
    worth, least, forced, multiplier = _worth(outlook, slack)
    scale = float(last.most_gbps.sum()) or 1.0
    usable = room[0] > 0
    priced_worth = bool((worth[last.scope] > 0).any()) and not forced[last.scope].all()
    base = figure_base(outlook, groups, figure_share if priced_worth else 1.0)
    result = Market(
        groups, np.where(usable[None, :], room / scale, np.inf), np.where(usable, base, BLOCKED_PRICE),
        last.most_gbps / scale, worth, least / scale, 1.0,
    )  # fmt: skip
    dearest = _dearest_path(result, instance)
    # A detour over the dearest link must be worth its while, too.
    dearest += float(base[usable].max(initial=0.0))
    forced_worth = _FORCED * (dearest + float(worth.max(initial=0.0)) + 1.0)
    held = {priority: forced_worth if value is None else value for priority, value in multiplier.items()}
    worth = np.where(forced, forced_worth, worth)
    return replace(result, worth=worth, forced_worth=forced_worth, multiplier=held)


def _room(outlook: Outlook, groups: tuple[Group, ...], slack: float) -> FloatArray:
    """Return the room of links and of classes with a limit, Gbit/s, shape (R, n_links)."""
    last = outlook.problems[-1]
    capacity = last.instance.topology.capacity_gbps
    cap, growth, background = last.utilization_cap, 1.0, last.background_gbps[0]
    level = outlook.certificates[-1]
    if level.kind is StageKind.MAX_UTILIZATION and np.isfinite(level.held_at):
        cap = min(cap, level.held_at)
    fullest = _fullest(last)
    if cap < fullest:
        cap = min(fullest, cap * (1.0 + slack))
    if level.kind is StageKind.CONCURRENT and level.held_at > 1.0:
        growth = max(1.0, level.held_at * (1.0 - slack))
    elif last.growth > 1.0:
        growth = max(1.0 / last.growth, 1.0 - slack)
    room = np.full((1 + max(group.row for group in groups), len(capacity)), np.inf)
    if np.isfinite(cap):
        room[0] = (cap * capacity - background) / growth
    for group in groups:
        if group.row:
            class_index = int(last.instance.class_index[group.commodities[0]])
            room[group.row] = last.class_limit(class_index) * capacity / growth
    return room


def _fullest(problem: StageProblem) -> float:
    """Return how full any link may get at the very most."""
    model = problem.instance.model
    return model.utilization_limit / problem.growth if model.capacity is CapacityRule.HARD else np.inf


def _worth(outlook: Outlook, slack: float) -> tuple[FloatArray, FloatArray, BoolArray, dict[int | None, float | None]]:
    """Return worth and least volume of each commodity, and who has to be carried in full, shape (K,) each.

    Last comes what an admitted unit of each priority is worth, None for priorities that are carried in full.
    """
    last = outlook.problems[-1]
    instance = last.instance
    n = instance.n_commodities
    least, worth = last.least_gbps.copy(), np.zeros(n)
    forced = np.zeros(n, dtype=np.bool_)
    multiplier: dict[int | None, float | None] = {}
    if instance.model.admission is Admission.ALL:
        return np.zeros(n), np.zeros(n), last.scope.copy(), multiplier
    for index, one in enumerate(outlook.certificates):
        if one.kind is StageKind.CONCURRENT and np.isfinite(one.held_at):
            # The contracted network promises a little more than there may be.
            least = np.minimum(1.0, one.held_at) * (1.0 - slack) * last.most_gbps
        if one.kind is not StageKind.ADMITTED:
            continue
        mine = last.scope & (instance.priority == one.priority)
        whole = float(outlook.problems[index].admitted_weight(one.priority) @ last.most_gbps)
        if one.held_at >= FULL_SHARE * whole:
            forced |= mine
            multiplier[one.priority] = None
        else:
            value = _multiplier(outlook, index)
            worth[mine] = instance.weight[mine] * value
            multiplier[one.priority] = value
    unit = float(worth[worth > 0].min(initial=np.inf))
    if np.isfinite(unit):
        worth /= unit
        multiplier = {key: None if value is None else value / unit for key, value in multiplier.items()}
    if not multiplier:
        # Only a common scale was asked for: nothing beyond it is worth carrying.
        return worth, least, np.zeros(n, dtype=np.bool_), multiplier
    return worth, np.where(forced, 0.0, least), forced, multiplier


def _multiplier(outlook: Outlook, index: int) -> float:
    """Return what an admitted unit of an earlier stage is worth in those of the last one that admits."""
    admitting = [i for i, one in enumerate(outlook.certificates) if one.kind is StageKind.ADMITTED]
    if index == admitting[-1]:
        return 1.0
    before = len(outlook.problems[-1].holds) - (len(outlook.certificates) - 1)
    last = outlook.certificates[admitting[-1]].prices
    found = 0.0 if last is None else last.held.get(before + index, 0.0)
    # At least as much as the next priority, or it would give way to it.
    after = _multiplier(outlook, admitting[admitting.index(index) + 1])
    return max(found, 1.05 * after)


def figure_base(outlook: Outlook, groups: tuple[Group, ...], share: float) -> FloatArray:
    """Return the price of each link that stands for stages that sum along paths, shape (n_links,).

    The first of them costs ``share`` on the mean shortest path, later ones a fraction of that each.
    """
    base = np.zeros(len(outlook.active))
    for weight, figure in figure_weights(outlook, groups, share):
        base += weight * figure
    return base


def figure_weights(outlook: Outlook, groups: tuple[Group, ...], share: float) -> list[tuple[float, FloatArray]]:
    """Return weight and figure (n_links,) of each stage that sums along paths, in order."""
    result: list[tuple[float, FloatArray]] = []
    for problem in outlook.problems:
        if problem.kind not in FLOW_KINDS:
            continue
        figure = stage_figure(problem.instance.topology, problem.kind, problem.figure)
        mean = _mean_path(problem, groups, figure)
        weight = share / mean if mean > 0 else share
        if share < 1.0 and not result:
            # Volume has a worth: a detour over the dearest link must not cost all of it.
            weight = min(weight, _DEAREST_LINK / max(float(figure.max(initial=0.0)), 1e-300))
        result.append((weight, figure))
        share *= _NEXT_FIGURE
    return result


def _mean_path(problem: StageProblem, groups: tuple[Group, ...], figure: FloatArray) -> float:
    total = sum(
        float(
            problem.most_gbps[group.commodities] @ path_prices(problem.instance, group.graph, group.commodities, figure)
        )
        for group in groups
    )
    return total / max(float(problem.most_gbps.sum()), 1e-300)


def _dearest_path(found: Market, instance: Instance) -> float:
    """Return the largest base price of any commodity's cheapest path."""
    if not found.base.any():
        return 0.0
    return max(
        (
            float(path_prices(instance, group.graph, group.commodities, np.minimum(found.base, 1.0)).max(initial=0.0))
            for group in found.groups
        ),
        default=0.0,
    )
