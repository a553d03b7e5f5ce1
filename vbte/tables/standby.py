"""Paths that stand by at head ends for the case that one protected failure takes all paths of a demand.

One path that avoids all that matters need not exist, where two that share none of it do: paths are added until every
failure that some way survives is survived by one of them. Between two nodes that no single cable parts there are two
paths without a common cable (Menger 1927), so that two are enough as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.instance import ClassRules, Instance
from vbte.paths.graph import LinkGraph, link_graph
from vbte.plan import PathSet
from vbte.tables.breaks import Breaks, Reach, may_go_round
from vbte.tables.splits import Splits
from vbte.topology import BoolArray, FloatArray, IntArray

Positions = NDArray[np.int64]


def find_standby(splits: Splits, breaks: Breaks) -> PathSet:
    """Return the paths that stand by, sorted by commodity: for commodities that one break leaves without a path.

    Each is the path of least metric among those that cross fewest of the breaks that no path before it survives.
    Classes that have to pass something get none, nor do commodities that are left to the IGP.
    """
    instance = splits.plan.instance
    commodity, break_ = _fatal(splits, breaks)
    found: list[tuple[int, IntArray]] = []
    for position in np.unique(instance.class_index[commodity]).tolist():
        if may_go_round(instance.rules[position]):
            search = _Search(instance, instance.rules[position], breaks)
            mine = instance.class_index[commodity] == position
            found.extend(search.standby(commodity[mine], break_[mine]))
    found.sort(key=lambda path: path[0])
    start = np.concatenate([[0], np.cumsum([len(links) for _, links in found])]).astype(np.int64)
    links = np.concatenate([np.empty(0, dtype=np.int32), *(links for _, links in found)]).astype(np.int32)
    return PathSet(start, links, np.array([commodity for commodity, _ in found], dtype=np.int32))


def _fatal(splits: Splits, breaks: Breaks) -> tuple[Positions, Positions]:
    """Return pairs of a commodity and a break that takes all its paths and their backups, sorted."""
    held = np.flatnonzero(splits.row_path >= 0)
    row_path, row_commodity = splits.row_path[held], splits.row_commodity[held]
    n_rows = np.bincount(splits.row_commodity, minlength=splits.plan.instance.n_commodities)
    n_breaks = breaks.n_cables + len(breaks.topology.nodes)
    hit = np.zeros(0, dtype=np.int64)
    if len(held):
        hit = _hit(splits.paths, row_path, breaks)
        backed = splits.backups.held[row_path]
        both = np.intersect1d(hit, _hit(splits.backups.paths, row_path, breaks), assume_unique=True)
        hit = np.union1d(hit[~backed[hit // n_breaks]], both)
    pair, count = np.unique(row_commodity[hit // n_breaks] * np.int64(n_breaks) + hit % n_breaks, return_counts=True)
    fatal = count == n_rows[pair // n_breaks]
    return pair[fatal] // n_breaks, pair[fatal] % n_breaks


def _hit(paths: PathSet, chosen: IntArray, breaks: Breaks) -> Positions:
    """Return codes, row of ``chosen`` * number of breaks + break, of all breaks that take the chosen paths; sorted."""
    n_breaks = breaks.n_cables + len(breaks.topology.nodes)
    row_of = np.full(len(paths), -1)
    row_of[chosen] = np.arange(len(chosen))
    parts = [np.empty(0, dtype=np.int64)]
    for block in paths.blocks():
        links, owner = paths.visits(block)
        row = row_of[block][owner]
        parts.append(np.unique((row * n_breaks + breaks.cable[links])[row >= 0]))
        if breaks.with_nodes:
            # The last link leads to the egress, whose failure nothing survives.
            inner = (row >= 0) & ~np.isin(np.arange(len(links)), paths.start[1:][block] - paths.start[block.start] - 1)
            parts.append(np.unique((row * n_breaks + breaks.n_cables + breaks.topology.head[links])[inner]))
    return np.unique(np.concatenate(parts))


@dataclass(frozen=True, eq=False)
class _Job:
    """One commodity's ends and the breaks to survive, each with the links that show that a path crosses it."""

    source: IntArray
    destination: int
    marks: dict[int, BoolArray]


class _Search:
    """Looks for the paths of one class."""

    def __init__(self, instance: Instance, rules: ClassRules, breaks: Breaks) -> None:
        self._instance, self._breaks = instance, breaks
        self._reach = Reach(rules, breaks)
        self._graph = link_graph(instance.topology, rules.link_allowed, rules.transit)
        self._metric = instance.topology.metric
        # More than any path without a detour can cost.
        self._penalty = float(self._metric.sum()) + 1.0
        self._marks: dict[int, BoolArray] = {}

    def standby(self, commodity: Positions, break_: Positions) -> list[tuple[int, IntArray]]:
        """Return (commodity, links) of all paths that stand by."""
        chosen = self._survivable(commodity, break_)
        commodity, break_ = commodity[chosen], break_[chosen]
        owner, first = np.unique(commodity, return_index=True)
        found: list[tuple[int, IntArray]] = []
        for one, breaks in zip(owner.tolist(), np.split(break_, first[1:]), strict=True):
            source = self._instance.source[one : one + 1]
            job = _Job(source, int(self._instance.destination[one]), {at: self._mark(at) for at in breaks.tolist()})
            found.extend((one, links) for links in self._covering(job))
        return found

    def _survivable(self, commodity: Positions, break_: Positions) -> BoolArray:
        """Return which commodities have some way left after the break."""
        survives = np.zeros(len(commodity), dtype=np.bool_)
        order = np.argsort(break_, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(break_[order])) + 1) if len(order) else ():
            ends = self._instance.source[commodity[group]], self._instance.destination[commodity[group]]
            survives[group] = self._reach.joins(int(break_[group[0]]), *ends)
        return survives

    def _mark(self, break_: int) -> BoolArray:
        """Return the links that tell whether a path crosses a break: a cable's own, those into a node."""
        if break_ not in self._marks:
            down, node = self._breaks.down(break_), break_ - self._breaks.n_cables
            self._marks[break_] = down if node < 0 else down & (self._instance.topology.head == node)
        return self._marks[break_]

    def _covering(self, job: _Job) -> list[IntArray]:
        """Return paths of which at least one survives each break."""
        left, found = dict(job.marks), list[IntArray]()
        while left:
            weight = self._metric + self._penalty * np.sum(list(left.values()), axis=0)
            links = self._path(self._graph, weight, job)
            crossed = {break_: mark for break_, mark in left.items() if mark[links].any()}
            if len(crossed) == len(left):
                # Cables of several links can mislead the penalties; one of the breaks is avoided for sure.
                break_ = next(iter(left))
                links = self._path(self._reach.graph(break_), self._metric, job)
                crossed = {at: mark for at, mark in left.items() if mark[links].any()}
            found.append(links)
            left = crossed
        return found

    def _path(self, graph: LinkGraph, weight: FloatArray, job: _Job) -> IntArray:
        shortest = graph.shortest(weight, job.source)
        return shortest.paths(np.zeros(1, dtype=np.int32), np.array([job.destination], dtype=np.int32))[1]
