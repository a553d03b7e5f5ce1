"""The question that prices answer: who is admitted, over which links, when room costs what it is worth.

Every stage comes down to it. A commodity is worth something per unit admitted and pays the prices along its path; link
prices are right when they fill the links that have one and overload none. Volumes are divided by the total volume,
prices by what the least important commodity is worth, so that the same temperatures serve every network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.bounds import StageProblem
from vbte.instance import Instance
from vbte.oracle import PathOracle
from vbte.paths.elimination import Elimination, Float32Array, eliminate
from vbte.paths.graph import LinkGraph
from vbte.topology import BoolArray, FloatArray, IntArray

IndexArray = NDArray[np.intp]

#: Price of a link that has no room at all: above any worth.
BLOCKED_PRICE = 1e3


@dataclass(frozen=True, eq=False)
class Group:
    """Classes that may use the same links, and so share distances.

    ``commodities`` are positions in the instance (G of them), ``source`` and ``destination`` (G,) vertices of
    ``graph``, ``hops`` (G,) least numbers of links. ``row`` is the row of room that also limits this group, 0 if there
    is none.
    """

    graph: LinkGraph
    order: Elimination
    commodities: IndexArray
    source: IntArray
    destination: IntArray
    hops: FloatArray
    row: int

    @property
    def n_commodities(self) -> int:
        """Number of commodities, G."""
        return len(self.commodities)


@dataclass(frozen=True, eq=False)
class Stakes:
    """What a group's commodities (G of them) offer: single precision does for what is summed over all of them.

    ``rest`` is the volume beyond ``least``, which is None where nothing has to be carried.
    """

    rest: Float32Array
    least: Float32Array | None
    worth: Float32Array
    hops: Float32Array


@dataclass(frozen=True, eq=False)
class ElasticRoom:
    """Room that grows with a common level, which the prices themselves ask for: level * ``capacity`` + ``fixed``.

    ``capacity`` and ``fixed`` have shape (R, n_links). What is made large is what paths pay, less a square of the level
    that they pay for. Where the level turns out to be ``expected``, all volume pays ``mean_price`` on average.
    """

    capacity: FloatArray
    fixed: FloatArray
    expected: float
    mean_price: float

    @property
    def stiffness(self) -> float:
        """Level for each unit of priced capacity."""
        return self.expected**2 / self.mean_price

    def level(self, prices: FloatArray) -> float:
        """Return the level that prices (R, n_links) ask for."""
        return self.stiffness * float((self.capacity * prices).sum())

    def paid(self, prices: FloatArray) -> float:
        """Return what the capacity at that level costs."""
        return max(self.level(prices) ** 2 / self.stiffness, 1e-300)


@dataclass(frozen=True, eq=False)
class Market:
    """Groups of commodities and the room they compete for.

    ``room`` (R, n_links): row 0 is what links can carry, the others what single groups may put on them; inf where
    nothing limits. ``base`` (n_links,) is what a link costs whatever the traffic. ``volume``, ``worth`` and ``least``
    are indexed by the instance's commodities (K,): commodity k offers ``volume[k]``, pays up to ``worth[k]`` for a unit
    of it, and up to ``forced_worth`` for the first ``least[k]``.
    ``multiplier`` says for each priority what a weighted unit of admitted volume is worth. With ``elastic`` room,
    ``room`` is what it comes to at some level, and says which links have a limit.
    """

    groups: tuple[Group, ...]
    room: FloatArray
    base: FloatArray
    volume: FloatArray
    worth: FloatArray
    least: FloatArray
    forced_worth: float
    multiplier: Mapping[int | None, float] = field(default_factory=dict)
    elastic: ElasticRoom | None = None

    @cached_property
    def stakes(self) -> tuple[Stakes, ...]:
        """Volume, worth and least volume of each group's own commodities."""
        return tuple(
            Stakes(
                rest=(self.volume - self.least)[g.commodities].astype(np.float32),
                least=self.least[g.commodities].astype(np.float32) if self.least[g.commodities].any() else None,
                worth=self.worth[g.commodities].astype(np.float32),
                hops=g.hops.astype(np.float32),
            )
            for g in self.groups
        )

    @property
    def n_links(self) -> int:
        """Number of links of the topology."""
        return len(self.base)

    @property
    def priced(self) -> BoolArray:
        """Which rows and links can have a price, (R, n_links): those with a limit."""
        return np.isfinite(self.room) & (self.room > 0)

    @property
    def mean_hops(self) -> float:
        """Mean number of links of the shortest paths, by volume."""
        total = sum(float(self.volume[g.commodities] @ g.hops) for g in self.groups)
        return max(1.0, total / max(float(self.volume.sum()), 1e-300))

    def room_at(self, prices: FloatArray) -> tuple[float, FloatArray]:
        """Return what all room costs at ``prices`` (R, n_links), and the room, which is the derivative of the cost."""
        priced = self.priced
        if self.elastic is None:
            return float(self.room[priced] @ prices[priced]), self.room
        level = self.elastic.level(prices)
        room = np.where(priced, level * self.elastic.capacity + self.elastic.fixed, self.room)
        # The cost of the level is a square, so that its derivative is the level times the capacity.
        cost = level * level / (2.0 * self.elastic.stiffness) + float(self.elastic.fixed[priced] @ prices[priced])
        return cost, room

    def level(self, prices: FloatArray) -> float:
        """Return the level that prices (R, n_links) ask for, 1 where room is not elastic."""
        return 1.0 if self.elastic is None else self.elastic.level(prices)

    @cached_property
    def ways(self) -> FloatArray:
        """Number of links out of each link's tail, shape (n_links,): the most that any group may choose from."""
        found = np.ones(self.n_links)
        for group in self.groups:
            graph = group.graph
            degree = np.bincount(graph.tail, minlength=graph.n_vertices)
            found[graph.links] = np.maximum(found[graph.links], degree[graph.tail])
        return found

    def padding(self, least_price: FloatArray | float) -> FloatArray:
        """Return what lifts each link to a least price even where nothing else has one, shape (n_links,)."""
        return np.maximum(least_price - self.base, 0.0)

    def weight(self, group: Group, prices: FloatArray, least_price: FloatArray | float = 0.0) -> FloatArray:
        """Return what a unit of a group's flow pays on each link under ``prices`` (R, n_links), padding included."""
        weight: FloatArray = prices[0] + self.base + self.padding(least_price)
        if group.row:
            weight += prices[group.row]
        return weight


def build_groups(problem: StageProblem, oracle: PathOracle) -> tuple[Group, ...]:
    """Return the groups of a stage's commodities: classes with a limit alone, the others by their graph."""
    instance = problem.instance
    keys: dict[tuple[bytes, bytes, int], list[int]] = {}
    n_limited = 0
    for c in np.unique(instance.class_index[problem.scope]).tolist():
        rules = instance.rules[c]
        limited = rules.policy.utilization_limit is not None
        n_limited += limited
        key = (rules.link_allowed.tobytes(), rules.transit.tobytes(), n_limited if limited else 0)
        keys.setdefault(key, []).append(c)
    orders: dict[tuple[bytes, bytes], Elimination] = {}
    groups = []
    for (allowed, transit, row), classes in keys.items():
        graph = oracle.graphs[classes[0]]
        order = orders.setdefault((allowed, transit), eliminate(graph))
        mine = np.flatnonzero(problem.scope & np.isin(instance.class_index, classes))
        source = graph.start_vertex[instance.source[mine]]
        destination = instance.destination[mine]
        hops = path_prices(instance, graph, mine, np.ones(len(instance.topology.links)))
        groups.append(Group(graph, order, mine, source, destination, hops, row))
    return tuple(groups)


def path_prices(instance: Instance, graph: LinkGraph, commodities: IndexArray, weight: FloatArray) -> FloatArray:
    """Return the price of each commodity's cheapest path under ``weight`` (n_links,), inf where there is none."""
    sources, row = np.unique(instance.source[commodities], return_inverse=True)
    distance = graph.distances(weight, sources.astype(np.int32))
    return np.asarray(distance[row, instance.destination[commodities]])
