"""What a unit of protected volume costs at least under link prices, and where nothing can be promised.

A commodity that is to survive scenarios reserves capacity on several paths, so that what is left in each scenario
still carries all that is admitted of it (FFC, Liu et al., SIGCOMM 2014). With ``z[q]`` the price of surviving scenario
q, a path pays its links and every scenario that takes it down, and is worth the sum of all ``z``: ``models/README.md``
has the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from vbte.instance import Instance
from vbte.oracle import Cheapest, PathOracle, Positions
from vbte.plan import PathSet, SurvivalPrices
from vbte.policy import Protection, ProtectionKind
from vbte.scenarios import Part, Scenario, ScenarioSet
from vbte.topology import BoolArray, FloatArray, Topology

#: Commodities priced at once where each has its own price of every link.
_COMMODITIES_AT_ONCE = 4096


#: Sums of the same prices in another order may differ by this share.
SUM_ROUNDING_SHARE = 1e-12


def is_robust(protection: Protection | None) -> bool:
    """True when a class is promised to survive every scenario of a family."""
    return protection is not None and protection.kind is ProtectionKind.ROBUST


@dataclass(frozen=True, eq=False)
class Survival:
    """The scenarios that the commodities of one class have to survive."""

    oracle: PathOracle
    class_index: int

    @property
    def scenarios(self) -> ScenarioSet:
        """The class's scenarios, S of them."""
        scenarios = self.oracle.instance.rules[self.class_index].scenarios
        assert scenarios is not None
        return scenarios

    @property
    def is_mine(self) -> BoolArray:
        """Which commodities are of the class, (K,)."""
        return np.asarray(self.oracle.instance.class_index == self.class_index)

    @cached_property
    def link_hits(self) -> csr_array:
        """Which links each scenario takes down, (S, n_links) of 0 and 1."""
        failed = self.scenarios.failed_links(slice(0, len(self.scenarios)))
        return csr_array(failed.T.astype(np.float64))

    @cached_property
    def hit_share(self) -> csr_array:
        """What each link of a scenario counts, (S, n_links), so that no simple path is hit more than once in all.

        Exact where every path that is hit is hit equally often: a cable between two nodes once, a node twice.
        """
        most = [most_hits(self.scenarios.topology, scenario) for scenario in self.scenarios.scenarios]
        return csr_array(self.link_hits.multiply(1.0 / np.maximum(most, 1)[:, None]))

    def path_hits(self, paths: PathSet) -> csr_array:
        """Return which paths each scenario takes down, (P, S) of 0 and 1."""
        n_links = len(self.scenarios.topology.links)
        visits = csr_array((np.ones(len(paths.links)), paths.links, paths.start), shape=(len(paths), n_links))
        hits = csr_array(visits @ self.link_hits.T)
        hits.data[:] = 1.0
        return hits

    @cached_property
    def severed(self) -> csr_array:
        """Which scenarios leave no admissible path to a commodity, or take one of its ends, (K, S) of 0 and 1.

        Commodities of other classes have empty rows.
        """
        instance, topology = self.oracle.instance, self.oracle.instance.topology
        mine = np.flatnonzero(self.is_mine)
        rows: list[NDArray[np.intp]] = []
        for position in range(len(self.scenarios)):
            one = slice(position, position + 1)
            dead = self.scenarios.failed_nodes(one)[:, 0]
            cut = dead[instance.source[mine]] | dead[instance.destination[mine]]
            left = np.flatnonzero(~cut)
            # A path that avoids every failed link costs nothing.
            weight = np.zeros((len(instance.rules), len(topology.links)))
            weight[self.class_index] = self.scenarios.failed_links(one)[:, 0]
            if len(left) and weight.any():
                cut[left] = self.oracle.prices(weight, mine[left]) > 0.5
            rows.append(mine[cut])
        column = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        row = np.concatenate([np.empty(0, dtype=np.intp), *rows])
        return csr_array(coo_array((np.ones(len(row)), (row, column)), (instance.n_commodities, len(rows))))

    def link_prices(self, prices: SurvivalPrices, commodities: Positions) -> tuple[FloatArray, FloatArray]:
        """Return what each commodity pays on each link for the scenarios that take it, and the sum of its prices.

        Shapes (len(commodities), n_links) and (len(commodities),).
        """
        shape = (self.oracle.instance.n_commodities, len(self.scenarios))
        by_scenario = csr_array(coo_array((prices.price, (prices.commodity, prices.scenario)), shape=shape))
        total = np.bincount(prices.commodity, weights=prices.price, minlength=shape[0])
        return (by_scenario[commodities] @ self.hit_share).toarray(), total[commodities].astype(np.float64)


def at_pairs(marks: csr_array, row: NDArray[np.int64], column: NDArray[np.int64]) -> BoolArray:
    """Return which of these places of a sparse matrix are marked, shape (len(row),)."""
    marks.sort_indices()
    owner = np.repeat(np.arange(marks.shape[0], dtype=np.int64), np.diff(marks.indptr))
    marked = np.append(owner * marks.shape[1] + marks.indices, -1)
    code = row.astype(np.int64) * marks.shape[1] + column
    return np.asarray(marked[np.searchsorted(marked[:-1], code)] == code)


def most_hits(topology: Topology, scenario: Scenario) -> int:
    """Return how many of a scenario's links one simple path can visit at most.

    A node it passes is visited by two links; between any two nodes it runs once.
    """
    count = 2 * len(scenario.nodes)
    within = {
        frozenset((link.source, link.target))
        for link in topology.links
        if (link.cable or link.id) in scenario.cables
        or link.id in scenario.links
        or set(link.srlgs) & set(scenario.srlgs)
    }
    return count + len(within)


def survivals(oracle: PathOracle) -> dict[int, Survival]:
    """Return the robust classes' scenarios by class."""
    if "survivals" not in oracle.kept:
        rules = enumerate(oracle.instance.rules)
        oracle.kept["survivals"] = {c: Survival(oracle, c) for c, one in rules if is_robust(one.policy.protection)}
    known: dict[int, Survival] = oracle.kept["survivals"]
    return known


def cheapest_surviving(
    survival: Survival,
    weight: FloatArray,
    prices: SurvivalPrices,
    commodities: Positions,
    *,
    tie_break: FloatArray | None = None,
) -> Cheapest:
    """Return the cheapest path of each commodity of the class, the scenarios that take it included in its price.

    ``weight`` (len(commodities), n_links) prices the links. Prices are bounds from below, exact for cables between two
    nodes and for nodes.
    """
    dear, _ = survival.link_prices(prices, commodities)
    return survival.oracle.cheapest_each(weight + dear, commodities, tie_break=tie_break)


def robust_unit_prices(
    survival: Survival, weight: FloatArray, prices: SurvivalPrices, commodities: Positions
) -> FloatArray:
    """Return what a unit of each commodity pays at least for all its reservations, shape (len(commodities),).

    ``weight`` (len(commodities), n_links) prices the links. With m the cheapest path's price, its scenarios included,
    and Z the sum of the scenarios' prices, m >= Z proves m; else the prices are scaled by t so that every path still
    pays t * Z: by y + t * z >= (1 - t) * y_min + t * m. Prices of scenarios that cut a commodity off are left out:
    nothing is promised there.
    """
    kept = _kept(survival, prices)
    plain, proven, _ = proven_prices(survival.oracle, survival.link_prices, weight, kept, commodities)
    return np.maximum(plain, proven)


#: From prices and commodities to what each pays on each link for the scenarios that take it, and the sum of its prices.
LinkPrices = Callable[[SurvivalPrices, Positions], tuple[FloatArray, FloatArray]]


def proven_prices(
    oracle: PathOracle, link_prices: LinkPrices, weight: FloatArray, kept: SurvivalPrices, commodities: Positions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the cheapest path's price, what the scenarios' prices prove of all reservations, and their scale t.

    (len(commodities),) each, as ``robust_unit_prices`` has it; without prices both are the cheapest path's.
    """
    plain, scale = np.empty(len(commodities)), np.ones(len(commodities))
    proven = np.empty(len(commodities))
    priced = np.isin(commodities, kept.commodity)
    for first in range(0, len(commodities), _COMMODITIES_AT_ONCE):
        block = np.arange(first, min(first + _COMMODITIES_AT_ONCE, len(commodities)))
        proven[block] = plain[block] = _plain_prices(oracle, weight[block], commodities[block])
        mine = block[priced[block]]
        if len(mine):
            dear, total = link_prices(kept, commodities[mine])
            least = oracle.prices_each(weight[mine] + dear, commodities[mine])
            short = np.where(least < total * (1.0 - SUM_ROUNDING_SHARE), total - least, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                scale[mine] = np.where(short > 0, plain[mine] / (short + plain[mine]), 1.0)
            found = np.where(short > 0, scale[mine] * total, least)
            proven[mine] = np.where(np.isfinite(least), found, np.inf)
    return plain, proven, scale


def _plain_prices(oracle: PathOracle, weight: FloatArray, commodities: Positions) -> FloatArray:
    """Return the price of the cheapest path of each commodity; weights that are the same are asked for once."""
    if len(weight) > 1 and (weight == weight[0]).all():
        by_class = np.tile(weight[0], (len(oracle.instance.rules), 1))
        return oracle.prices_by_class(by_class, commodities)
    return oracle.prices_each(weight, commodities)


def _kept(survival: Survival, prices: SurvivalPrices) -> SurvivalPrices:
    """Return the prices of 0 or more of scenarios that leave the commodity a path; a file may say anything."""
    n_commodities, n_scenarios = survival.severed.shape
    known = (prices.commodity < n_commodities) & (prices.scenario < n_scenarios) & (prices.price > 0)
    known &= (
        survival.oracle.instance.class_index[np.minimum(prices.commodity, n_commodities - 1)] == survival.class_index
    )
    commodity, scenario, price = prices.commodity[known], prices.scenario[known], prices.price[known]
    promised = ~at_pairs(survival.severed, commodity, scenario)
    return SurvivalPrices(commodity[promised], scenario[promised], price[promised])


def what_is_left(survivals: Sequence[Survival], paths: PathSet, aim: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least that a promised scenario leaves of each commodity, and each path's largest share of it.

    ``aim`` (P,) is what paths have when nothing is down, in any unit; ``paths`` are sorted by commodity. Shapes (K,),
    in that unit, and (P,): the part of its commodity that the path carries, when head ends split what is admitted over
    the paths left in proportion to what they had, in the scenario where that is most.
    """
    n_commodities = survivals[0].oracle.instance.n_commodities
    total = np.bincount(paths.commodity, weights=aim, minlength=n_commodities).astype(np.float64)
    least = total.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = np.where(aim > 0, aim / total[paths.commodity], 0.0)
    for survival in survivals:
        hits = coo_array(survival.path_hits(paths).multiply(aim[:, None]))
        path, scenario = hits.coords
        commodity = paths.commodity[path]
        mine = (survival.oracle.instance.class_index[commodity] == survival.class_index) & (
            ~at_pairs(survival.severed, commodity.astype(np.int64), scenario.astype(np.int64))
        )
        pair = commodity[mine].astype(np.int64) * len(survival.scenarios) + scenario[mine]
        pairs, at = np.unique(pair, return_inverse=True)
        lost = np.bincount(at, weights=hits.data[mine], minlength=len(pairs))
        owner = pairs // len(survival.scenarios)
        left = np.maximum(total[owner] - lost, 0.0)
        # A commodity with nothing left in some scenario is admitted nothing.
        np.minimum.at(least, owner, left)
        _raise_shares(survival, paths, aim, (owner, pairs % len(survival.scenarios), left), largest)
    return least, largest


def _raise_shares(
    survival: Survival,
    paths: PathSet,
    aim: FloatArray,
    left: tuple[NDArray[np.int64], NDArray[np.int64], FloatArray],
    largest: FloatArray,
) -> None:
    """Raise ``largest`` (P,) to the share that a path has of what a scenario leaves, where it lives."""
    commodity, scenario, amount = left
    first = np.searchsorted(paths.commodity, commodity, side="left")
    count = np.searchsorted(paths.commodity, commodity, side="right") - first
    at = np.repeat(np.arange(len(commodity)), count)
    path = np.repeat(first, count) + np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    hits = survival.path_hits(paths)
    lives = ~at_pairs(hits, path, scenario[at])
    lives &= amount[at] > 0
    np.maximum.at(largest, path[lives], aim[path[lives]] / amount[at[lives]])


def first_severed(survival: Survival, instance: Instance) -> tuple[int, Scenario, int] | None:
    """Return a commodity that a scenario cuts off although both its ends are up, the scenario, and how many there are.

    None where everything can be promised.
    """
    severed = coo_array(survival.severed)
    commodity, scenario = severed.coords
    nodes = survival.scenarios.failed_nodes(slice(0, len(survival.scenarios)))
    by_itself = nodes[instance.source[commodity], scenario] | nodes[instance.destination[commodity], scenario]
    found = np.flatnonzero(~by_itself)
    if not len(found):
        return None
    first = found[np.lexsort((commodity[found], scenario[found]))[0]]
    affected = len(np.unique(commodity[found]))
    return int(commodity[first]), survival.scenarios.scenarios[int(scenario[first])], affected


def parts_of(scenario: Scenario) -> str:
    """Return what a scenario takes down, in words: ``'cable a-b'``."""
    return " and ".join(f"{kind} {name}" for kind, name in scenario.parts() if kind in Part)
