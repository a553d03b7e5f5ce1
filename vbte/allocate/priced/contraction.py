"""Exact prices of the few links that matter, on a network where the rest is contracted.

Give all links but the dearest unlimited capacity: nodes joined by such links in both directions become one, demands
between them are free, and what is left is a small network that the exact engine solves at once. That is a relaxation,
so its optimum bounds the true one; its link prices, 0 elsewhere, prove the same bound on the whole network; and when
every link that ought to have a price was kept, the bound is the optimum itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.allocate.exact import StagedProgram, Tools
from vbte.bounds import StageProblem
from vbte.formulation.layout import build_layout
from vbte.formulation.program import NO_PATHS
from vbte.instance import ClassRules, Instance
from vbte.oracle import PathOracle
from vbte.plan import Certificate, Prices
from vbte.policy import StageKind
from vbte.topology import BoolArray, FloatArray, Link, Node, Topology

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ExactPrices:
    """A solved stage of the contracted network: ``value`` bounds the stage, ``prices`` prove it on the whole network.

    ``value`` is None where the solver found nothing.
    """

    value: float | None
    prices: Prices | None


class ContractedProgram:
    """The stages of one instance on its contracted network, solved one after the other."""

    def __init__(self, tools: Tools, problem: StageProblem, active: BoolArray) -> None:
        instance = problem.instance
        self._links, self._node = _contract(problem, active)
        self._active = active[self._links]
        self._commodity, self._instance = _contracted(problem, self._links, self._node)
        self._inner = problem.scope & (self._node[instance.source] == self._node[instance.destination])
        self._n_links = len(instance.topology.links)
        self._tools = replace(tools, oracle=PathOracle(self._instance))
        self._program: StagedProgram | None = None

    @property
    def n_columns(self) -> int:
        """Number of link flows of the contracted program, at most."""
        destinations = len(np.unique(self._instance.destination))
        return destinations * len(self._links) * len(np.unique(self._instance.class_index))

    def solve(self, problem: StageProblem) -> ExactPrices:
        """Solve a stage of the original instance on the contracted network."""
        small = self._problem(problem)
        inner = float(problem.admitted_weight(problem.priority)[self._inner] @ problem.most_gbps[self._inner])
        if not self._instance.n_commodities:
            return ExactPrices(inner, None) if problem.kind is StageKind.ADMITTED else ExactPrices(None, None)
        if self._program is None:
            layout = build_layout(small, self._tools.oracle, frozenset())
            self._program = StagedProgram(self._tools, layout, NO_PATHS, generates=False)
        outcome = self._program.solve_stage(small)
        if outcome.value is None or outcome.prices is None:
            return ExactPrices(None, None)
        value = outcome.value + (inner if problem.kind is StageKind.ADMITTED else 0.0)
        return ExactPrices(value, self._expanded(outcome.prices))

    def _problem(self, problem: StageProblem) -> StageProblem:
        """Return the stage with commodities added up and links without a limit given all the room they could use."""
        small = self._instance
        background = problem.background_gbps[:, self._links].copy()
        # No limit at all: a common scale may be of any size.
        background[:, ~self._active] = -np.inf
        kept = self._commodity >= 0

        def added_up(figure: FloatArray) -> FloatArray:
            of_small = np.bincount(self._commodity[kept], weights=figure[kept], minlength=small.n_commodities)
            return of_small.astype(np.float64)

        scope = added_up(problem.scope.astype(np.float64)) > 0
        most = np.where(scope, small.peak_gbps, 0.0)
        least = np.minimum(added_up(problem.least_gbps), most)
        full = added_up(problem.most_gbps - problem.least_gbps) <= 0
        return replace(
            problem,
            instance=small,
            scope=scope,
            background_gbps=background,
            least_gbps=np.where(full, most, least),
            most_gbps=most,
            holds={index: self._held(problem, held) for index, held in problem.holds.items()},
        )

    def _held(self, problem: StageProblem, held: Certificate) -> Certificate:
        """Return a hold without what stays inside contracted nodes, which is admitted whatever happens."""
        if held.kind is not StageKind.ADMITTED:
            return held
        inner = float(problem.admitted_weight(held.priority)[self._inner] @ problem.most_gbps[self._inner])
        return replace(held, held_at=max(0.0, held.held_at - inner))

    def _expanded(self, prices: Prices) -> Prices:
        def whole(small: FloatArray) -> FloatArray:
            large = np.zeros((1, self._n_links))
            large[:, self._links] = small
            return large

        # What a class may put on a link holds for all links that are left, and so do its prices.
        limits = {c: whole(array) for c, array in prices.class_limit.items()}
        return Prices(whole(np.where(self._active, prices.capacity, 0.0)), limits, dict(prices.held))


def _contract(problem: StageProblem, active: BoolArray) -> tuple[IndexArray, IndexArray]:
    """Return the links that stay (positions), and the contracted node of each node, shape (n_nodes,)."""
    instance = problem.instance
    topology = instance.topology
    rules = _rules_in_scope(problem)
    common = np.logical_and.reduce([one.link_allowed for one in rules])
    passable = np.logical_and.reduce([one.transit for one in rules])
    free = common & ~active & passable[topology.tail] & passable[topology.head]
    n_nodes = len(topology.nodes)
    ends = (topology.tail[free], topology.head[free])
    graph = csr_array((np.ones(int(free.sum())), ends), shape=(n_nodes, n_nodes))
    _, node = connected_components(graph, directed=True, connection="strong")
    anyone = np.logical_or.reduce([one.link_allowed for one in rules])
    links = np.flatnonzero(anyone & (node[topology.tail] != node[topology.head]))
    return links, node.astype(np.intp)


def _rules_in_scope(problem: StageProblem) -> list[ClassRules]:
    instance = problem.instance
    return [instance.rules[c] for c in np.unique(instance.class_index[problem.scope]).tolist()]


def _contracted(problem: StageProblem, links: IndexArray, node: IndexArray) -> tuple[IndexArray, Instance]:
    """Return the contracted commodity of each commodity (-1: none left), and the contracted instance."""
    instance = problem.instance
    topology = instance.topology
    names = [f"{position:06d}" for position in range(int(node.max(initial=0)) + 1)]
    small = Topology(
        tuple(Node(name) for name in names),
        tuple(
            Link(f"{link:06d}", names[node[topology.tail[link]]], names[node[topology.head[link]]],
                 float(topology.capacity_gbps[link]))
            for link in links.tolist()
        ),
        name="contracted",
    )  # fmt: skip
    # A contracted node may be passed if the nodes in it may; nodes that may not are contracted with nothing.
    passable = [_of_nodes(rules.transit, node, len(names)) for rules in instance.rules]
    rules = tuple(
        replace(one, link_allowed=one.link_allowed[links], transit=transit, must_nodes=(), must_links=())
        for one, transit in zip(instance.rules, passable, strict=True)
    )
    source, destination = node[instance.source], node[instance.destination]
    kept = np.flatnonzero(problem.scope & (source != destination))
    size = (len(instance.rules), len(names), len(names))
    key = np.ravel_multi_index((instance.class_index[kept], source[kept], destination[kept]), size)
    distinct, inverse = np.unique(key, return_inverse=True)
    commodity = np.full(instance.n_commodities, -1)
    commodity[kept] = inverse
    volume = np.bincount(commodity[kept], weights=problem.most_gbps[kept], minlength=len(distinct))
    columns = [column.astype(np.int32) for column in np.unravel_index(distinct, size)]
    return commodity, replace(
        instance,
        topology=small,
        rules=rules,
        class_index=columns[0],
        source=columns[1],
        destination=columns[2],
        tenant_index=np.zeros(len(distinct), dtype=np.int32),
        volume_gbps=volume.astype(np.float64)[None, :],
        demand_commodity=(np.empty(0, dtype=np.int32),),
    )


def _of_nodes(figure: BoolArray, node: IndexArray, n_small: int) -> BoolArray:
    """Return which contracted nodes have the figure: those of one or more nodes that all have it."""
    without = np.bincount(node[~figure], minlength=n_small)
    return np.asarray(without == 0)


def dearest(prices: FloatArray, count: int) -> BoolArray:
    """Return the mask of the ``count`` links with the highest price (n_links,), those without one left out."""
    chosen = np.zeros(len(prices), dtype=np.bool_)
    order = np.argsort(-prices, kind="stable")[:count]
    chosen[order[prices[order] > 0]] = True
    return chosen


def priced_links(prices: Sequence[Prices], n_links: int) -> BoolArray:
    """Return which links have a price in any of the price sets, shape (n_links,)."""
    found = np.zeros(n_links, dtype=np.bool_)
    for one in prices:
        found |= (one.capacity > 0).any(axis=0)
        for of_class in one.class_limit.values():
            found |= (of_class > 0).any(axis=0)
    return found
