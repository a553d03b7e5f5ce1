"""Rows by which protected commodities survive: what is left in each scenario carries all that is admitted.

For commodity k and scenario q: sum of reserved[p] over the paths of k that q leaves >= admitted[k] + volume[k] * lambda
(FFC, Liu et al., SIGCOMM 2014). There is a row for every commodity and scenario, and nearly all of them are slack:
they are added where a solution breaks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from vbte.allocate.forms import distinct_paths
from vbte.allocate.protected.promise import Asked, Kept, NewRows, PathRows
from vbte.allocate.protected.reserve import reserve
from vbte.allocate.protected.set_columns import SetColumns
from vbte.bounds import StageProblem
from vbte.errors import InputError
from vbte.formulation.constraints import Terms, joined, matrix_of
from vbte.formulation.layout import Layout
from vbte.oracle import Cheapest, PathOracle, merged_paths, select_paths
from vbte.plan import NO_SURVIVAL_PRICES, PathSet, Prices, SurvivalPrices
from vbte.policy import RobustProtection
from vbte.protection.route_sets import route_sets
from vbte.protection.survival import Survival, at_pairs, cheapest_surviving, first_severed, parts_of, survivals
from vbte.solve import LinearProgram
from vbte.topology import FloatArray

#: A row counts as broken when it lacks more than this share of the commodity's volume.
BROKEN_SHARE = 1e-9


@dataclass(eq=False)
class SurvivalRows(PathRows):
    """The rows added so far: ``row[i]`` of the program is for ``commodity[i]`` (of the instance) and ``scenario[i]``.

    ``survivals`` are the scenarios of each robust class among the commodities planned.
    """

    layout: Layout
    survivals: Sequence[Survival]
    commodity: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    scenario: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    row: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def first_columns(self, shortest: PathSet) -> PathSet:
        """Return short paths so that every scenario leaves each commodity one of them."""
        return distinct_paths([shortest, covering_paths(self.survivals, shortest)])

    def broken_rows(self, columns: PathSet, primal: FloatArray, program: LinearProgram) -> NewRows | None:
        """Return the rows that a solution breaks, None where it keeps all."""
        commodity, scenario = self.broken(columns, primal)
        if not len(commodity):
            return None
        matrix = self.rows_for(commodity, scenario, columns, program.n_columns)
        self.added(commodity, scenario, program.n_rows)
        return matrix, np.zeros(len(commodity)), np.full(len(commodity), np.inf)

    def broken(self, paths: PathSet, primal: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return commodities and scenarios whose rows a solution breaks, those that are there already left out."""
        layout = self.layout
        admitted = self._admitted(primal)
        reserved = primal[layout.n_columns : layout.n_columns + len(paths)]
        n_commodities = layout.problem.instance.n_commodities
        total = np.bincount(paths.commodity, weights=reserved, minlength=n_commodities)
        owner = _by_commodity(paths, n_commodities)
        found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for survival in self.survivals:
            lost = csr_array(owner @ survival.path_hits(paths).multiply(reserved[:, None]).tocsr()).tocoo()
            commodity, scenario = (axis.astype(np.int64) for axis in lost.coords)
            short = admitted[commodity] - (total[commodity] - lost.data)
            volume = layout.problem.instance.peak_gbps[commodity] / layout.unit_gbps
            wanted = (short > BROKEN_SHARE * volume) & ~at_pairs(survival.severed, commodity, scenario)
            wanted &= layout.problem.instance.class_index[commodity] == survival.class_index
            found.append((commodity[wanted], scenario[wanted]))
        commodity, scenario = (np.concatenate(part) for part in zip(*found, strict=True))
        width = 1 + max(len(survival.scenarios) for survival in self.survivals)
        new = ~np.isin(commodity * width + scenario, self.commodity * width + self.scenario)
        return commodity[new], scenario[new]

    def _admitted(self, primal: FloatArray) -> FloatArray:
        """Return what is admitted of each commodity, in the program's unit, shape (K,)."""
        layout = self.layout
        n, instance = len(layout.commodities), layout.problem.instance
        admitted = np.zeros(instance.n_commodities)
        volume = instance.peak_gbps[layout.commodities] / layout.unit_gbps
        admitted[layout.commodities] = primal[:n] + volume * primal[layout.scale_column]
        return admitted

    def rows_for(
        self, commodity: NDArray[np.int64], scenario: NDArray[np.int64], paths: PathSet, n_columns: int
    ) -> csc_array[np.float64]:
        """Return the rows of these commodities and scenarios over all columns; they are kept as the last ones."""
        layout = self.layout
        local = layout.local[commodity]
        at = np.arange(len(commodity))
        volume = layout.problem.instance.peak_gbps[commodity] / layout.unit_gbps
        scale = np.full(len(commodity), layout.scale_column)
        parts = [
            Terms(at, local, -np.ones(len(at))),
            Terms(at, scale, -volume),
            self._path_terms(commodity, scenario, at, paths, layout.n_columns),
        ]
        return matrix_of(joined(parts), len(commodity), n_columns)

    def added(self, commodity: NDArray[np.int64], scenario: NDArray[np.int64], first_row: int) -> None:
        """Note that the rows of these commodities and scenarios stand from ``first_row`` on."""
        self.commodity = np.concatenate([self.commodity, commodity])
        self.scenario = np.concatenate([self.scenario, scenario])
        self.row = np.concatenate([self.row, first_row + np.arange(len(commodity))])

    def terms(self, paths: PathSet) -> Terms:
        """Return the entries of new path columns (column 0 is the first path) in the rows that are there."""
        return self._path_terms(self.commodity, self.scenario, self.row, paths, 0)

    def _path_terms(
        self,
        commodity: NDArray[np.int64],
        scenario: NDArray[np.int64],
        row: NDArray[np.int64],
        paths: PathSet,
        first_column: int,
    ) -> Terms:
        """Return 1 for each path of a row's commodity that its scenario leaves."""
        instance = self.layout.problem.instance
        # Every path of each row's commodity: paths need not be sorted.
        order = np.argsort(paths.commodity, kind="stable")
        first = np.searchsorted(paths.commodity[order], commodity, side="left")
        count = np.searchsorted(paths.commodity[order], commodity, side="right") - first
        at = np.repeat(np.arange(len(commodity)), count)
        path = order[np.repeat(first, count) + np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)]
        lives = np.ones(len(path), dtype=np.bool_)
        for survival in self.survivals:
            mine = instance.class_index[commodity[at]] == survival.class_index
            hits = survival.path_hits(paths)
            lives[mine] = ~at_pairs(hits, path[mine], scenario[at[mine]])
        return Terms(row[at[lives]].astype(np.intp), first_column + path[lives], np.ones(int(lives.sum())))

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest path of each commodity, the scenarios that take it included in its price."""
        commodities = asked.commodities
        class_index = self.layout.problem.instance.class_index[commodities]
        price = np.full(len(commodities), np.inf)
        parts: list[PathSet] = []
        for survival in self.survivals:
            mine = np.flatnonzero(class_index == survival.class_index)
            prices = asked.prices.survival or NO_SURVIVAL_PRICES
            found = cheapest_surviving(
                survival, asked.weight[mine], prices, commodities[mine], tie_break=asked.tie_break
            )
            price[mine] = found.price
            parts.append(found.paths)
        return Cheapest(price, merged_paths(parts))

    def sound(self, prices: Prices, weight: FloatArray, commodities: NDArray[np.intp]) -> Prices:
        """Return prices that prove all they say: links cost more by what a solver's rounding left paths too cheap.

        ``weight`` (len(commodities), n_links) is what the commodities pay on links at these prices.
        """
        asked = prices.survival or NO_SURVIVAL_PRICES
        lacking = 0.0
        for survival in self.survivals:
            mine = np.flatnonzero(survival.is_mine[commodities] & np.isin(commodities, asked.commodity))
            dear, total = survival.link_prices(asked, commodities[mine])
            least = survival.oracle.prices_each(weight[mine] + dear, commodities[mine])
            lacking = max(lacking, float((total - least).max(initial=0.0)))
        return replace(prices, capacity=prices.capacity + lacking) if lacking > 0 else prices

    def priced(self, prices: Prices, row_dual: FloatArray, factor: float) -> Prices:
        """Return the prices with those of the rows, in the objective's own unit."""
        price = np.maximum(row_dual[self.row], 0.0) * factor
        paid = price > 0
        order = np.lexsort((self.scenario[paid], self.commodity[paid]))
        columns = (self.commodity[paid][order], self.scenario[paid][order], price[paid][order])
        return replace(prices, survival=SurvivalPrices(*columns))

    def kept(self, _oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        """Return paths, flows and reservations that keep the promise to the last digit."""
        return Kept(*reserve(self.layout.problem, self.survivals, columns, flow_gbps, admitted_gbps))


def robust_columns(problem: StageProblem, layout: Layout, oracle: PathOracle) -> SurvivalRows | SetColumns | None:
    """Return what the robust classes planned ask of a program; None where there is no such class.

    Raises InputError for a commodity that a scenario cuts off whatever the routing, unless its class is ``exempt``.
    """
    planned = set(np.unique(problem.instance.class_index[problem.scope]).tolist())
    robust = [survival for c, survival in survivals(oracle).items() if c in planned]
    for survival in robust:
        _reject_severed(survival, oracle)
    sets = {c: one for c, one in route_sets(oracle).items() if c in planned}
    if not robust:
        return None
    return SetColumns(layout, oracle, sets) if len(sets) == len(robust) else SurvivalRows(layout, robust)


def covering_paths(survivals: Sequence[Survival], first: PathSet) -> PathSet:
    """Return short paths to go with ``first``, so that every promised scenario leaves each commodity one of them.

    A program that has to carry everything then has an answer before any path is generated.
    """
    oracle = survivals[0].oracle
    latency = oracle.instance.topology.latency_ms
    asked_for = np.unique(first.commodity)
    base = (latency + latency.mean() * 1e-3 + 1e-9) / (latency.sum() + 1.0)
    found: list[PathSet] = []
    for survival in survivals:
        mine = asked_for[survival.is_mine[asked_for]].astype(np.intp)
        uncovered = _uncovered(survival, select_paths(first, np.flatnonzero(survival.is_mine[first.commodity])), mine)
        alone = False
        while uncovered.nnz:
            asked = np.flatnonzero(np.diff(uncovered.indptr))
            hits = uncovered[asked]
            if alone:
                hits = _first_of_each(hits)
            weight = (hits @ survival.hit_share).toarray() + base
            paths = oracle.cheapest_each(weight, mine[asked]).paths
            found.append(paths)
            before = uncovered.nnz
            uncovered = csr_array(uncovered.multiply(_uncovered(survival, paths, mine)))
            uncovered.eliminate_zeros()
            # A path may well be hit by all, each counting half: then one scenario at a time is avoided.
            alone = uncovered.nnz == before
    return merged_paths(found) if found else select_paths(first, np.empty(0, dtype=np.intp))


def _uncovered(survival: Survival, paths: PathSet, mine: NDArray[np.intp]) -> csr_array:
    """Return which promised scenarios leave none of the paths to each of ``mine``, (len(mine), S) of 0 and 1."""
    n_commodities = survival.oracle.instance.n_commodities
    owner = _by_commodity(paths, n_commodities)
    hit = csr_array(owner @ survival.path_hits(paths))[mine].toarray()
    count = np.bincount(paths.commodity, minlength=n_commodities)[mine]
    return csr_array(((hit >= count[:, None]) & (survival.severed[mine].toarray() == 0)).astype(np.float64))


def _first_of_each(marks: csr_array) -> csr_array:
    """Return the first mark of each row alone."""
    first = marks.indptr[:-1]
    return csr_array((np.ones(len(first)), marks.indices[first], np.arange(len(first) + 1)), shape=marks.shape)


def _reject_severed(survival: Survival, oracle: PathOracle) -> None:
    instance = oracle.instance
    protection = instance.rules[survival.class_index].policy.protection
    assert isinstance(protection, RobustProtection)
    found = first_severed(survival, instance) if protection.where_impossible == "reject" else None
    if found is None:
        return
    commodity, scenario, affected = found
    mine = int((instance.class_index == survival.class_index).sum())
    bridge = "a bridge" if len(list(scenario.parts())) == 1 else "a cut"
    raise InputError(
        f"{instance.describe(commodity)}: no path is left when {parts_of(scenario)} is down, which is {bridge} for "
        f"{affected} of {mine} such commodities: nothing can be promised to them there",
        place=f"model {instance.model.name!r}: class {instance.rules[survival.class_index].policy.name!r}: protection",
        remedy="say `where_impossible: exempt` to be promised every other scenario, or add a link beside it",
    )


def _by_commodity(paths: PathSet, n_commodities: int) -> csr_array:
    """Return the matrix that sums figures of paths by commodity, (K, P)."""
    return csr_array((np.ones(len(paths)), (paths.commodity, np.arange(len(paths)))), shape=(n_commodities, len(paths)))
