"""Paths with a backup: pairs of admissible paths that no scenario of a class's family takes down together.

A path that no scenario takes down needs no backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from vbte.instance import ClassRules
from vbte.oracle import PathOracle, Positions, keeps_bounds
from vbte.paths.candidates import CandidatePaths, Path
from vbte.paths.pairs import DisjointPairs
from vbte.plan import PathSet
from vbte.policy import BackupProtection, Protection
from vbte.protection.pair_rows import CheapestPairs, path_set, split_pairs
from vbte.protection.survival import Survival, at_pairs
from vbte.scenarios import Family
from vbte.topology import BoolArray, FloatArray

#: How many of the cheapest paths are tried as the first of a pair where risks are not cables or nodes.
PRIMARIES_TRIED = (8, 64)


@dataclass(frozen=True, eq=False)
class Backups:
    """What the pairs of one class have to do with its scenarios, S of them."""

    survival: Survival

    @property
    def protection(self) -> BackupProtection:
        """The class's protection."""
        protection = self.rules.policy.protection
        assert isinstance(protection, BackupProtection)
        return protection

    @property
    def oracle(self) -> PathOracle:
        """Cheapest paths of the instance."""
        return self.survival.oracle

    @property
    def class_index(self) -> int:
        """Position of the class."""
        return self.survival.class_index

    @property
    def rules(self) -> ClassRules:
        """The class's policy against the topology."""
        return self.oracle.instance.rules[self.class_index]

    @property
    def is_shared(self) -> bool:
        """True when backups that no scenario needs together share capacity."""
        return self.protection.reservation == "shared"

    @cached_property
    def own_ends(self) -> csr_array:
        """Which scenarios take an end of a commodity, (K, S) of 0 and 1: nothing is promised there."""
        instance = self.oracle.instance
        nodes = csr_array(self.survival.scenarios.failed_nodes(slice(0, len(self.survival.scenarios))))
        ends = csr_array((nodes[instance.source] + nodes[instance.destination]).astype(np.float64))
        ends.data[:] = 1.0
        return ends

    def hits(self, paths: PathSet) -> csr_array:
        """Return which scenarios take each path down while both its ends are up, (P, S) of 0 and 1."""
        hits = self.survival.path_hits(paths).tocoo()
        path, scenario = hits.coords
        kept = ~at_pairs(self.own_ends, paths.commodity[path].astype(np.int64), scenario.astype(np.int64))
        return csr_array((np.ones(int(kept.sum())), (path[kept], scenario[kept])), shape=hits.shape)

    def fall_together(self, primaries: PathSet, backups: PathSet) -> BoolArray:
        """Return which pairs, row by row, one scenario takes down together, (P,); a missing backup is down anyway."""
        first = self.hits(primaries)
        missing = (backups.hops == 0) & (np.diff(first.indptr) > 0)
        both = first.multiply(self.survival.path_hits(backups))
        return np.asarray((np.asarray(both.sum(axis=1)).ravel() > 0) | missing)

    @cached_property
    def search(self) -> DisjointPairs:
        """Finds pairs that share no node, no cable, or else no link that anything takes.

        That is all there is to it where single nodes fail, or cables that join two nodes each. Other pairs may still
        fall together, and bound from below what those cost that don't.
        """
        topology, graph = self.oracle.instance.topology, self.oracle.graphs[self.class_index]
        names: dict[str, int] = {}
        cable = np.array([names.setdefault(one.cable or one.id, len(names)) for one in topology.links], dtype=np.int32)
        if self.protection.against is Family.NODE:
            return DisjointPairs(graph, cable, by_node=True)
        ends = {(c, frozenset((one.source, one.target))) for c, one in zip(cable.tolist(), topology.links, strict=True)}
        if self.protection.against is Family.CABLE and len(ends) == len(names):
            return DisjointPairs(graph, cable)
        free = np.asarray(self.survival.link_hits.sum(axis=0)).ravel() == 0
        return DisjointPairs(graph, np.arange(len(topology.links), dtype=np.int32), free=free)

    @cached_property
    def without(self) -> BoolArray:
        """Which commodities of the class have no pair that the search finds, (K,); those go without a backup."""
        instance = self.oracle.instance
        mine = np.flatnonzero(self.survival.is_mine)
        weight = np.ones((len(mine), len(instance.topology.links)))
        found = _cheapest(self, weight, mine, np.full(len(mine), np.inf))
        without = np.zeros(instance.n_commodities, dtype=np.bool_)
        without[mine] = ~np.isfinite(found.price)
        return without

    def unhit(self, commodities: Positions) -> BoolArray:
        """Return the links that no scenario takes down but through an end of the commodity, (n, n_links)."""
        hits = self.survival.link_hits
        own = (self.own_ends[commodities] @ hits).toarray()
        return np.asarray(own >= np.asarray(hits.sum(axis=0)).ravel()[None, :])


def backups_of(oracle: PathOracle) -> dict[int, Backups]:
    """Return the classes whose paths have backups."""
    return {c: Backups(Survival(oracle, c)) for c, rules in enumerate(oracle.instance.rules)
            if has_backups(rules.policy.protection)}  # fmt: skip


def has_backups(protection: Protection | None) -> bool:
    """True when a class is promised a backup for each of its paths."""
    return isinstance(protection, BackupProtection)


def is_dedicated(protection: Protection | None) -> bool:
    """True when each backup has capacity of its own."""
    return isinstance(protection, BackupProtection) and protection.reservation == "dedicated"


def cheapest_pairs(
    backups: Backups,
    weight: FloatArray,
    commodities: Positions,
    *,
    worth: FloatArray | None = None,
    tie_break: FloatArray | None = None,
) -> CheapestPairs:
    """Return the cheapest pair of each commodity of the class, both its paths paying ``weight`` (n, n_links).

    Commodities that have to go without a backup get their cheapest path. With ``worth`` (n,), pairs that can't be
    cheaper than that are not looked for further. Exact for cables between two nodes and for
    nodes, where no bound speaks of whole paths; else the cheapest paths are tried as the first of a pair one by one,
    since pairs that share no SRLG are NP-hard to find (Hu 2003), and ``lower`` is what is proven.
    """
    if tie_break is not None:
        weight = nudged(weight, tie_break)
    alone = np.flatnonzero(backups.without[commodities])
    found = _cheapest(backups, weight, commodities, np.full(len(weight), np.inf) if worth is None else worth)
    for at, price, row in _paths(backups.oracle, weight[alone], commodities[alone]):
        found.lower[alone[at]] = found.price[alone[at]] = price
        found.rows[int(alone[at])] = row
    return found


def nudged(weight: FloatArray, tie_break: FloatArray) -> FloatArray:
    """Return weights (n, n_links) that prefer by ``tie_break`` among prices equal to about 1e-9."""
    scale = weight.max(axis=1, initial=0.0)
    largest = max(float(tie_break.sum()), np.finfo(np.float64).tiny)
    return np.asarray(weight + np.where(scale > 0, scale, 1.0)[:, None] * (1e-9 / largest) * tie_break)


def _cheapest(backups: Backups, weight: FloatArray, commodities: Positions, worth: FloatArray) -> CheapestPairs:
    """Return the cheapest pairs, and unprotected paths where nothing takes them down."""
    found = CheapestPairs(commodities, np.full(len(commodities), np.inf), np.full(len(commodities), np.inf), {})
    free = backups.unhit(commodities)
    some = np.flatnonzero(free.any(axis=1))
    for at, price, row in _paths(backups.oracle, np.where(free, weight, np.inf)[some], commodities[some]):
        _improve(found, int(some[at]), price, price, row)
    for at, floor in _pair_up(backups, weight, found):
        if floor >= worth[at]:
            found.lower[at] = min(floor, float(found.price[at]))
            continue
        lower, price, row = _tried(backups, weight[at], int(commodities[at]), float(found.price[at]), floor)
        found.lower[at] = max(min(floor, float(found.price[at])), min(lower, float(found.price[at])))
        if row:
            found.price[at], found.rows[at] = price, row
    return found


def _pair_up(backups: Backups, weight: FloatArray, found: CheapestPairs) -> list[tuple[int, float]]:
    """Enter the cheapest pairs that the search finds; return position and price of those that will not do."""
    instance, commodities = backups.oracle.instance, found.commodities
    rows = dict(_exact(backups, weight, commodities))
    at = np.array(sorted(rows), dtype=np.intp)
    if not len(at):
        return []
    parts = split_pairs(instance, path_set([rows[one] for one in at.tolist()], commodities[at]))
    failed = backups.fall_together(*parts)
    if backups.rules.depends_on_path:
        failed |= ~np.logical_and(*(keeps_bounds(backups.rules, instance.topology, part) for part in parts))
    bad: list[tuple[int, float]] = []
    for one, fails in zip(at.tolist(), failed.tolist(), strict=True):
        price = float(weight[one, list(rows[one])].sum())
        if not fails:
            _improve(found, one, price, price, rows[one])
        elif price < found.price[one]:
            bad.append((one, price))
    return bad


def _improve(found: CheapestPairs, at: int, lower: float, price: float, row: Path) -> None:
    found.lower[at] = min(found.lower[at], lower)
    if price < found.price[at]:
        found.price[at], found.rows[at] = price, row


def _paths(oracle: PathOracle, weight: FloatArray, commodities: Positions) -> Iterator[tuple[int, float, Path]]:
    """Yield position, price and links of the cheapest path of each commodity that has any."""
    cheapest = oracle.cheapest_each(weight, commodities)
    place = {int(k): at for at, k in enumerate(commodities.tolist())}
    for path, commodity in enumerate(cheapest.paths.commodity.tolist()):
        at = place[commodity]
        if np.isfinite(cheapest.price[at]):
            yield at, float(cheapest.price[at]), tuple(cheapest.paths[path].tolist())


def _exact(backups: Backups, weight: FloatArray, commodities: Positions) -> Iterator[tuple[int, Path]]:
    """Yield position and pair of each commodity that has any; those of one source and weight are asked at once."""
    instance = backups.oracle.instance
    same = len(weight) > 1 and bool((weight == weight[0]).all())
    group = instance.source[commodities] if same else np.arange(len(commodities))
    for one in np.unique(group).tolist():
        members = np.flatnonzero(group == one)
        source, destinations = int(instance.source[commodities[members[0]]]), instance.destination[commodities[members]]
        pairs = backups.search.cheapest(weight[members[0]], source, destinations.tolist())
        for at, pair in zip(members.tolist(), pairs, strict=True):
            if pair is not None:
                yield at, (*pair[0], *pair[1])


def _tried(
    backups: Backups, weight: FloatArray, commodity: int, best: float, floor: float
) -> tuple[float, float, Path]:
    """Return a lower bound, price and pair of one commodity; the row is empty where none beats ``best``.

    The cheaper path of a pair is among those that cost no more than half of it; no pair costs less than ``floor``.
    """
    instance, rules = backups.oracle.instance, backups.rules
    paths = CandidatePaths(backups.oracle.graphs[backups.class_index], weight)
    row: Path = ()
    done, cost = 0, 0.0
    for size in PRIMARIES_TRIED:
        found = paths.k_shortest(int(instance.source[commodity]), int(instance.destination[commodity]), size)
        listed = path_set(found[done:], np.full(len(found) - done, commodity))
        failed = (backups.hits(listed) @ backups.survival.link_hits).toarray() > 0
        kept = keeps_bounds(rules, instance.topology, listed)
        for path, links, keeps in zip(found[done:], failed, kept.tolist(), strict=True):
            cost = float(weight[list(path)].sum())
            if max(2.0 * cost, floor) >= best:
                return best, best, row
            if not keeps:
                continue
            others = _paths(
                backups.oracle, np.where(links, np.inf, weight)[None, :], listed.commodity[:1].astype(np.intp)
            )
            for _, price, partner in others:
                if cost + price < best:
                    best, row = cost + price, (*path, *partner)
        if len(found) < size:
            return best, best, row
        done = len(found)
    return min(best, 2.0 * cost), best, row
