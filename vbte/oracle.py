"""Cheapest admissible paths for all commodities under link prices: the question every bound and every column asks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError, InputWarning
from vbte.instance import ClassRules, Instance, without_commodities
from vbte.paths.constrained import ConstrainedSearch, PathBounds
from vbte.paths.graph import LinkGraph, link_graph
from vbte.plan import PathSet
from vbte.policy import PathFigure
from vbte.tolerance import PATH_BOUND_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

Positions = NDArray[np.intp]


def link_figure(topology: Topology, figure: PathFigure) -> FloatArray:
    """Return latency in ms, IGP metric or 1 per link, shape (n_links,)."""
    if figure is PathFigure.HOPS:
        return np.ones(len(topology.links))
    return topology.latency_ms if figure is PathFigure.LATENCY else topology.metric


@dataclass(frozen=True, eq=False)
class Cheapest:
    """``price`` (K,) bounds from below the price of any admissible path of each commodity asked for; inf: none.

    ``paths`` holds one path that has that price for each commodity where the search was not cut short.
    """

    price: FloatArray
    paths: PathSet


@dataclass(frozen=True, eq=False)
class _Question:
    """Commodities of one class that see the same prices; ``place`` is where they stand among all that are asked for."""

    class_index: int
    weight: FloatArray
    commodities: Positions
    place: Positions


@dataclass(frozen=True, eq=False)
class PathOracle:
    """Shortest-path machinery of one instance, built once: a graph per class.

    ``kept`` is for what others work out from the instance and want to find again.
    """

    instance: Instance
    kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def graphs(self) -> tuple[LinkGraph, ...]:
        """The graph each class may use."""
        topology = self.instance.topology
        return tuple(link_graph(topology, rules.link_allowed, rules.transit) for rules in self.instance.rules)

    def cheapest(self, weight: FloatArray, commodities: Positions, *, tie_break: FloatArray | None = None) -> Cheapest:
        """Return the cheapest admissible path of each of ``commodities`` (positions).

        ``weight`` (n_classes, n_links) prices links per class, or (len(commodities), n_links) per commodity when the
        instance has several matrices. ``tie_break`` (n_links,) prefers among equal prices; prices stay exact.
        """
        asked = self._questions(weight, commodities)
        return _assembled([(part.place, *self._of_class(part, tie_break)) for part in asked], commodities)

    def cheapest_by_class(self, weight: FloatArray, commodities: Positions) -> Cheapest:
        """Return the cheapest admissible paths where all commodities of a class see one price per link.

        ``weight`` (n_classes, n_links), however many matrices the instance has.
        """
        asked = self._by_class(weight, commodities)
        return _assembled([(part.place, *self._of_class(part, None)) for part in asked], commodities)

    def cheapest_each(
        self, weight: FloatArray, commodities: Positions, *, tie_break: FloatArray | None = None
    ) -> Cheapest:
        """Return the cheapest admissible paths where each commodity sees prices of its own.

        ``weight`` (len(commodities), n_links), however many matrices the instance has.
        """
        asked = self._each(weight, commodities)
        return _assembled([(part.place, *self._of_class(part, tie_break)) for part in asked], commodities)

    def prices(self, weight: FloatArray, commodities: Positions) -> FloatArray:
        """Return what ``cheapest`` says of prices, shape (len(commodities),), without the paths.

        Paths are looked at only for classes whose bounds speak of whole paths.
        """
        return self._prices(self._questions(weight, commodities), commodities)

    def prices_by_class(self, weight: FloatArray, commodities: Positions) -> FloatArray:
        """Return what ``cheapest_by_class`` says of prices, shape (len(commodities),)."""
        return self._prices(self._by_class(weight, commodities), commodities)

    def prices_each(self, weight: FloatArray, commodities: Positions) -> FloatArray:
        """Return what ``cheapest_each`` says of prices, shape (len(commodities),)."""
        return self._prices(self._each(weight, commodities), commodities)

    def _prices(self, questions: Iterator[_Question], commodities: Positions) -> FloatArray:
        price = np.full(len(commodities), np.inf)
        for asked in questions:
            if self.instance.rules[asked.class_index].depends_on_path:
                price[asked.place] = self._of_class(asked, None)[0]
                continue
            sources, row = self._sources(asked.commodities)
            distance = self.graphs[asked.class_index].distances(asked.weight, sources)
            price[asked.place] = distance[row, self.instance.destination[asked.commodities]]
        return price

    def _questions(self, weight: FloatArray, commodities: Positions) -> Iterator[_Question]:
        """Yield commodities that share a class and a price of every link, with those prices."""
        if self.instance.n_matrices == 1:
            yield from self._by_class(weight, commodities)
        else:
            yield from self._each(weight, commodities)

    def _each(self, weight: FloatArray, commodities: Positions) -> Iterator[_Question]:
        for position, mine in self._classes(commodities):
            for one in mine:
                yield _Question(position, weight[one], commodities[one : one + 1], np.array([one]))

    def _by_class(self, weight: FloatArray, commodities: Positions) -> Iterator[_Question]:
        for position, mine in self._classes(commodities):
            yield _Question(position, weight[position], commodities[mine], mine)

    def _classes(self, commodities: Positions) -> Iterator[tuple[int, Positions]]:
        """Yield each class that is among the commodities, and where."""
        class_index = self.instance.class_index[commodities]
        for position in range(len(self.instance.rules)):
            mine = np.flatnonzero(class_index == position)
            if len(mine):
                yield position, mine

    def _sources(self, commodities: Positions) -> tuple[IntArray, IntArray]:
        """Return the distinct sources of commodities, sorted, and each commodity's place among them."""
        source = self.instance.source[commodities]
        among = np.zeros(len(self.instance.topology.nodes), dtype=np.bool_)
        among[source] = True
        row = np.cumsum(among, dtype=np.int32) - 1
        return np.flatnonzero(among).astype(np.int32), row[source]

    def _of_class(self, asked: _Question, tie_break: FloatArray | None) -> tuple[FloatArray, PathSet]:
        """Return price and path of commodities of one class under one weight."""
        graph, rules, weight = self.graphs[asked.class_index], self.instance.rules[asked.class_index], asked.weight
        destination = self.instance.destination[asked.commodities]
        sources, row = self._sources(asked.commodities)
        tree = graph.shortest(weight if tie_break is None else _nudged(weight, tie_break), sources)
        paths = PathSet(*tree.paths(row, destination), asked.commodities.astype(np.int32))
        if tie_break is None:
            price = tree.distance[row, destination]
        else:
            price = np.where(paths.hops > 0, paths.sums(weight), np.inf)
        if not rules.depends_on_path:
            return price, paths
        return self._constrained(rules, graph, weight, price, paths)

    def _constrained(
        self, rules: ClassRules, graph: LinkGraph, weight: FloatArray, price: FloatArray, paths: PathSet
    ) -> tuple[FloatArray, PathSet]:
        """Replace the paths that break the class's bounds, which go last; most cheapest paths keep them."""
        topology = self.instance.topology
        broken = np.flatnonzero(~keeps_bounds(rules, topology, paths) & np.isfinite(price))
        if not len(broken):
            return price, paths
        search = ConstrainedSearch(graph, weight, topology.latency_ms)
        bounds = path_bounds(rules)
        price, mended = price.copy(), []
        for i in broken:
            commodity = paths.commodity[i]
            found = search.cheapest(
                int(self.instance.source[commodity]), int(self.instance.destination[commodity]), bounds
            )
            price[i] = found.lower_bound
            mended.append(np.array(found.links or (), dtype=np.int32))
        kept = select_paths(paths, np.setdiff1d(np.arange(len(paths)), broken))
        return price, joined_rows([kept, _path_set(mended, paths.commodity[broken])])


def routable(instance: Instance) -> tuple[PathOracle, PathSet]:
    """Return an oracle and a first path for every commodity, by least latency.

    Commodities that no admissible path serves are an InputError, or dropped with an InputWarning, as the model says.
    """
    oracle = PathOracle(instance)
    every = np.arange(instance.n_commodities)
    latency = instance.topology.latency_ms
    weight = np.tile(latency + max(float(latency.mean()), 1.0) * 1e-3, (len(instance.rules), 1))
    first = oracle.cheapest_by_class(weight, every)
    served = np.zeros(instance.n_commodities, dtype=np.bool_)
    served[first.paths.commodity] = True
    if served.all():
        return oracle, first.paths
    lost = np.flatnonzero(~served)
    unrestricted = link_graph(instance.topology).shortest(np.ones(len(instance.topology.links))).distance
    joined = np.isfinite(unrestricted[instance.source[lost[0]], instance.destination[lost[0]]])
    fault = (
        f"{instance.describe(int(lost[0]))}: "
        + ("no path satisfies the class's policy" if joined else "no path joins the two nodes")
        + (f" (and {len(lost) - 1} more such demands)" if len(lost) > 1 else "")
    )
    if instance.model.unroutable == "reject":
        raise InputError(
            fault,
            place=instance.place(int(lost[0])),
            remedy="mend the topology, the policy or the demand, or say `unroutable: drop` in the model",
        )
    warnings.warn(f"{fault}: dropped, {instance.peak_gbps[lost].sum():g} Gbit/s", InputWarning, stacklevel=2)
    return routable(without_commodities(instance, lost))


def path_bounds(rules: ClassRules) -> PathBounds:
    """Return a class's bounds on whole paths."""
    policy = rules.policy
    return PathBounds(
        latency_ms=np.inf if policy.latency_bound_ms is None else policy.latency_bound_ms,
        hops=np.inf if policy.hop_bound is None else policy.hop_bound,
        nodes=frozenset(rules.must_nodes),
        links=frozenset(rules.must_links),
    )


def keeps_bounds(rules: ClassRules, topology: Topology, paths: PathSet) -> NDArray[np.bool_]:
    """Return which paths keep the class's latency and hop bounds and pass all it requires, shape (P,)."""
    bounds = path_bounds(rules)
    keeps = paths.sums(topology.latency_ms) <= bounds.latency_ms * (1 + PATH_BOUND_SLACK_SHARE)
    keeps &= paths.hops <= bounds.hops
    for link in bounds.links:
        keeps &= paths.visiting(np.arange(len(topology.links)) == link)
    for node in bounds.nodes:
        keeps &= paths.visiting((topology.head == node) | (topology.tail == node))
    return np.asarray(keeps)


def path_faults(instance: Instance, paths: PathSet) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return which paths do not join their ends, visit a node twice, pass what their class may not use, (P,) each."""
    broken = np.zeros(len(paths), dtype=np.bool_)
    returns, barred = broken.copy(), broken.copy()
    for block in paths.blocks():
        broken[block], returns[block], barred[block] = _block_faults(instance, paths, block)
    return broken, returns, barred


def _block_faults(instance: Instance, paths: PathSet, block: slice) -> tuple[BoolArray, BoolArray, BoolArray]:
    topology = instance.topology
    size = block.stop - block.start
    links, owner = paths.visits(block)
    commodity = paths.commodity[block]
    source, class_index = instance.source[commodity], instance.class_index[commodity]
    tail, head = topology.tail[links], topology.head[links]
    start = paths.start[block.start : block.stop + 1] - paths.start[block.start]
    inner = np.diff(owner) == 0
    broken = np.zeros(size, dtype=np.bool_)
    broken[owner[1:][inner & (head[:-1] != tail[1:])]] = True
    broken |= (tail[start[:-1]] != source) | (head[start[1:] - 1] != instance.destination[commodity])
    returns = np.zeros(size, dtype=np.bool_)
    returns[owner[head == source[owner]]] = True
    # Sorted, a node that a path visits twice stands beside itself.
    visits = np.sort(owner * len(topology.nodes) + head)
    returns[visits[1:][np.diff(visits) == 0] // len(topology.nodes)] = True
    barred = np.zeros(size, dtype=np.bool_)
    for position, rules in enumerate(instance.rules):
        passes = np.append(inner, False) & ~rules.transit[head]
        barred[owner[(~rules.link_allowed[links] | passes) & (class_index == position)[owner]]] = True
    return broken, returns, barred


def _nudged(weight: FloatArray, tie_break: FloatArray) -> FloatArray:
    """Return weights that order paths by price first, and by ``tie_break`` among prices equal to about 1e-9."""
    scale = weight.max(initial=0.0)
    largest = tie_break.sum()
    return weight + tie_break * (1e-9 * (scale if scale > 0 else 1.0) / (largest if largest > 0 else 1.0))


def _path_set(rows: list[NDArray[np.int32]], commodity: NDArray[np.int32]) -> PathSet:
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    links = np.concatenate(rows).astype(np.int32) if rows else np.empty(0, dtype=np.int32)
    return PathSet(start, links, commodity)


def _assembled(parts: list[tuple[Positions, FloatArray, PathSet]], commodities: Positions) -> Cheapest:
    """Put the answers of all classes back in the order asked; drop commodities without a path from the path set."""
    price = np.full(len(commodities), np.inf)
    for mine, part_price, _ in parts:
        price[mine] = part_price
    return Cheapest(price, merged_paths([part for _, _, part in parts]))


def merged_paths(parts: list[PathSet]) -> PathSet:
    """Return all non-empty paths of several sets as one, sorted by commodity."""
    filled = [part for part in parts if len(part)] or parts[:1]
    whole = filled[0] if len(filled) == 1 else joined_rows(filled)
    return select_paths(whole, np.flatnonzero(whole.hops > 0), by_commodity=True)


def without_links(paths: PathSet) -> PathSet:
    """Return an empty row for each path."""
    return PathSet(np.zeros(len(paths) + 1, dtype=np.int64), np.empty(0, dtype=np.int32), paths.commodity)


def joined_rows(parts: Sequence[PathSet]) -> PathSet:
    """Return the rows of several sets in order, empty ones included."""
    hops = np.concatenate([part.hops for part in parts]) if parts else np.empty(0, dtype=np.int64)
    commodity = np.concatenate([part.commodity for part in parts]) if parts else np.empty(0, dtype=np.int32)
    links = np.concatenate([part.links for part in parts]) if parts else np.empty(0, dtype=np.int32)
    return PathSet(np.concatenate([[0], np.cumsum(hops)]).astype(np.int64), links, commodity)


def select_paths(paths: PathSet, chosen: Positions, *, by_commodity: bool = False) -> PathSet:
    """Return the chosen paths, optionally in order of commodity (stable)."""
    if by_commodity and (np.diff(paths.commodity[chosen]) < 0).any():
        chosen = chosen[np.argsort(paths.commodity[chosen], kind="stable")]
    if len(chosen) == len(paths) and (np.diff(chosen) > 0).all():
        return paths
    hops = paths.hops[chosen]
    start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
    picked = PathSet(start, np.empty(int(start[-1]), dtype=np.int32), paths.commodity[chosen])
    shift = paths.start[:-1][chosen] - start[:-1]
    for block in picked.blocks():
        first, last = int(start[block.start]), int(start[block.stop])
        picked.links[first:last] = paths.links[np.arange(first, last) + np.repeat(shift[block], hops[block])]
    return picked


def sorted_rows(paths: PathSet) -> tuple[Positions, BoolArray]:
    """Return the stable order by commodity, then by links, and which rows of it are not as the row before, (P,) each.

    Hop by hop, only rows that agree with another in commodity and all links so far are looked at.
    """
    order = np.argsort(paths.commodity, kind="stable")
    first = np.append(True, np.diff(paths.commodity[order]) != 0)[: len(order)]
    n_steps = int(paths.links.max(initial=-1)) + 2
    for hop in range(int(paths.hops.max(initial=0)) + 1):
        tied = np.flatnonzero(~first | ~np.append(first[1:], True))
        # A row that has ended ties only with its equals, which have ended too: nothing is left to compare.
        tied = tied[paths.hops[order[tied]] >= hop]
        if not len(tied):
            break
        rows = order[tied]
        going = paths.hops[rows] > hop
        step = np.zeros(len(rows), dtype=np.int64)
        step[going] = paths.links[paths.start[rows[going]] + hop] + 1
        key = np.cumsum(first[tied]) * n_steps + step
        by_key = np.argsort(key, kind="stable")
        order[tied] = rows[by_key]
        first[tied] = np.append(True, np.diff(key[by_key]) != 0)
    return order, first
