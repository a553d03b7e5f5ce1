"""Smoothed shortest paths between all pairs at once, and their link loads, by node elimination.

A smoothed distance is the soft minimum of path prices at a temperature: -temperature * log(sum of exp(-price /
temperature)) over paths, so that near ties share traffic instead of one path taking it all (Dial 1971; Akamatsu 1996).
Its derivative by a link's price is the share of the traffic that the link gets.

Nodes are eliminated like the unknowns of a linear system, in the algebra of (soft minimum, +): whoever leaves gives
each pair of its neighbours a shortcut, and gets its distances back from theirs in reverse order (Carre 1971). Nodes
that are not neighbours go at once, as whole arrays. On backbones, where most nodes have two or three neighbours, both
directions cost little more than reading the matrix of distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.paths.graph import LinkGraph
from vbte.topology import FloatArray

Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.intp]

#: Price of what can't be reached: finite, so that differences of two such prices stay numbers.
UNREACHABLE = np.float32(1e6)


@dataclass(frozen=True, eq=False)
class _Shortcuts:
    """Arc updates of one round: value of ``new`` is the soft minimum of ``old`` and the sums ``first + second``.

    ``start`` cuts the sums into one run per updated arc. Arcs are numbered anew with each update, so that the way back
    still knows what each stood for; ``old`` is the number of the arc that is never there where it is new.
    """

    first: IndexArray
    second: IndexArray
    start: IndexArray
    old: IndexArray
    new: IndexArray


@dataclass(frozen=True, eq=False)
class _Side:
    """Neighbours of a round's nodes in one direction and the arcs to them, both (n_nodes of the round, degree).

    Rows shorter than the longest are filled up with the arc that is never there.
    """

    neighbour: IndexArray
    arc: IndexArray

    def add_to(self, traffic: Float32Array, rows: Float32Array) -> None:
        """Add rows (n, degree, width) to those of the neighbours in ``traffic`` (places, at least width)."""
        width = rows.shape[2]
        flat = rows.reshape(-1, width)
        target, gather = self._by_neighbour
        # A neighbour of several gets all their rows at once: a product is several times as fast as reduceat.
        traffic[target, :width] += flat if gather is None else gather @ flat

    @cached_property
    def _by_neighbour(self) -> tuple[IndexArray, csr_array[np.float32] | None]:
        """Neighbours, and the matrix that adds up rows by neighbour; None where each occurs once, in their order."""
        flat = self.neighbour.reshape(-1)
        target, column = np.unique(flat, return_inverse=True)
        if len(target) == len(flat):
            return flat, None
        ones = np.ones(len(flat), dtype=np.float32)
        return target, csr_array((ones, (column, np.arange(len(flat)))), shape=(len(target), len(flat)))


@dataclass(frozen=True, eq=False)
class _Round:
    """Nodes ``first`` to ``last`` of the new order, eliminated at once; all before ``first`` stay longer."""

    first: int
    last: int
    out: _Side
    back: _Side


@dataclass(frozen=True, eq=False)
class Elimination:
    """The order in which a graph's vertices go, and which shortcuts take their place; prices come later.

    ``vertex`` (n_vertices,) is the place of each vertex in the new order: the last to go has place 0.
    """

    graph: LinkGraph
    vertex: IndexArray
    bundle: IndexArray
    n_bundles: int
    n_arcs: int
    shortcuts: tuple[_Shortcuts, ...]
    rounds: tuple[_Round, ...]

    def distances(self, weight: FloatArray, temperature: float) -> SmoothDistances:
        """Return smoothed distances between all vertices under link prices ``weight`` (n_links,), all above 0."""
        arcs = np.full(self.n_arcs, UNREACHABLE, dtype=np.float64)
        of_link = weight[self.graph.links]
        least = np.full(self.n_bundles, np.inf)
        np.minimum.at(least, self.bundle, of_link)
        link_share = np.exp((least[self.bundle] - of_link) / temperature)
        total = np.bincount(self.bundle, weights=link_share, minlength=self.n_bundles)
        arcs[: self.n_bundles] = least - temperature * np.log(total)
        for step in self.shortcuts:
            sums = arcs[step.first] + arcs[step.second]
            lowest = np.minimum(np.minimum.reduceat(sums, step.start), arcs[step.old])
            runs = np.diff(np.r_[step.start, len(sums)])
            spread = np.add.reduceat(np.exp((np.repeat(lowest, runs) - sums) / temperature), step.start)
            spread += np.exp((lowest - arcs[step.old]) / temperature)
            arcs[step.new] = lowest - temperature * np.log(spread)
        found = SmoothDistances(self, temperature, arcs, link_share / total[self.bundle])
        found.back_substitute()
        return found


class SmoothDistances:
    """Smoothed distances between all pairs; ``matrix[a, b]`` is that from place a to place b of the elimination."""

    def __init__(self, order: Elimination, temperature: float, arcs: FloatArray, link_share: FloatArray) -> None:
        self.order = order
        self.temperature = temperature
        self.matrix = np.zeros((len(order.vertex), len(order.vertex)), dtype=np.float32)
        self._arcs = arcs
        self._link_share = link_share
        self._shares: list[tuple[Float32Array, Float32Array]] = []

    def back_substitute(self) -> None:
        """Fill in distances, first those of the vertices eliminated last."""
        to, back = self.matrix, np.zeros_like(self.matrix)
        arcs = self._arcs.astype(np.float32)
        for one in reversed(self.order.rounds):
            mine, before = slice(one.first, one.last), slice(0, one.first)
            if one.first:
                away, away_share = self._soft_minimum(arcs, one.out, to, one.first)
                home, home_share = self._soft_minimum(arcs, one.back, back, one.first)
                to[mine, before], back[before, mine] = away, away.T
                back[mine, before], to[before, mine] = home, home.T
                # Between two of this round the way leads over the neighbours as well, whose distances are known by now.
                among, among_share = self._soft_minimum(arcs, one.out, to[:, mine], None)
                np.fill_diagonal(among, 0.0)
                to[mine, mine], back[mine, mine] = among, among.T
                self._shares.append((np.concatenate([away_share, among_share], axis=2), home_share))
            else:
                # Nothing is left that would join those that go last, one in each part of the network.
                for distances in (to, back):
                    distances[mine, mine] = UNREACHABLE
                    np.fill_diagonal(distances[mine, mine], 0.0)
                self._shares.append((np.empty((0, 0, 0), np.float32), np.empty((0, 0, 0), np.float32)))
        self._shares.reverse()

    def _soft_minimum(
        self, arcs: Float32Array, side: _Side, known: Float32Array, width: int | None
    ) -> tuple[Float32Array, Float32Array]:
        """Return the soft minimum over a side's neighbours, (n, width), and each one's share, (n, degree, width)."""
        prices = known[side.neighbour, :width] + arcs[side.arc][:, :, None]
        lowest = prices.min(axis=1)
        np.subtract(lowest[:, None, :], prices, out=prices)
        prices *= np.float32(1.0 / self.temperature)
        share = np.exp(prices, out=prices)
        total = share.sum(axis=1)
        share /= total[:, None, :]
        return np.minimum(lowest - np.float32(self.temperature) * np.log(total), UNREACHABLE), share

    def link_loads(self, traffic: Float32Array) -> FloatArray:
        """Return the load of each link of the topology when ``traffic`` (places, as ``matrix``) takes its paths.

        This is the derivative of sum(traffic * matrix) by the link prices. ``traffic`` is used up.
        """
        arc_load = np.zeros(self.order.n_arcs)
        # What is added column by column stands in a matrix of its own, turned round: both are worked on by rows.
        turned = np.zeros_like(traffic)
        for one, (away_share, home_share) in zip(self.order.rounds, self._shares, strict=True):
            if not one.first:
                continue
            mine = slice(one.first, one.last)
            away = traffic[mine, : one.last] + turned[: one.last, mine].T
            np.fill_diagonal(away[:, one.first :], 0.0)
            flow = away_share * away[:, None, :]
            np.add.at(arc_load, one.out.arc, flow.sum(axis=2))
            one.out.add_to(traffic, flow)
            home = turned[mine, : one.first] + traffic[: one.first, mine].T
            flow = home_share * home[:, None, :]
            np.add.at(arc_load, one.back.arc, flow.sum(axis=2))
            one.back.add_to(turned, flow)
        return self._through_shortcuts(arc_load)

    def _through_shortcuts(self, arc_load: FloatArray) -> FloatArray:
        arcs = self._arcs
        for step in reversed(self.order.shortcuts):
            load, value = arc_load[step.new], arcs[step.new]
            arc_load[step.old] += load * np.exp((value - arcs[step.old]) / self.temperature)
            runs = np.diff(np.r_[step.start, len(step.first)])
            sums = arcs[step.first] + arcs[step.second]
            flow = np.repeat(load, runs) * np.exp((np.repeat(value, runs) - sums) / self.temperature)
            np.add.at(arc_load, step.first, flow)
            np.add.at(arc_load, step.second, flow)
        graph = self.order.graph
        loads = np.zeros(int(graph.links.max(initial=-1)) + 1)
        loads[graph.links] = arc_load[: self.order.n_bundles][self.order.bundle] * self._link_share
        return loads


def eliminate(graph: LinkGraph) -> Elimination:
    """Return in which order a graph's vertices go: in each round those with the fewest neighbours, no two adjacent."""
    key = graph.tail.astype(np.int64) * graph.n_vertices + graph.head
    pairs, bundle = np.unique(key, return_inverse=True)
    builder = _Builder(graph.n_vertices, pairs)
    while builder.left:
        builder.eliminate(builder.next_round())
    return builder.finished(graph, bundle)


class _Builder:
    """The graph while it shrinks: for each vertex the arcs out and in, by neighbour."""

    def __init__(self, n_vertices: int, pairs: NDArray[np.int64]) -> None:
        self.n_vertices = n_vertices
        self.out: list[dict[int, int]] = [{} for _ in range(n_vertices)]
        self.back: list[dict[int, int]] = [{} for _ in range(n_vertices)]
        for arc, pair in enumerate(pairs.tolist()):
            tail, head = divmod(pair, n_vertices)
            self.out[tail][head] = self.back[head][tail] = arc
        self.n_bundles = len(pairs)
        # The number after the bundles stands for the arc that is never there.
        self.never = len(pairs)
        self.n_arcs = len(pairs) + 1
        self.left = set(range(n_vertices))
        self.shortcuts: list[_Shortcuts] = []
        self.rounds: list[tuple[list[int], list[dict[int, int]], list[dict[int, int]]]] = []

    def next_round(self) -> list[int]:
        """Return vertices with (nearly) the fewest neighbours, no two of them adjacent."""
        degree = {v: len(self.out[v].keys() | self.back[v].keys()) for v in self.left}
        least = min(degree.values())
        # A round costs the same whether it takes one vertex or many; a little more fill-in is cheaper than many rounds.
        limit = least + (1 if least > 1 else 0)
        chosen: list[int] = []
        barred: set[int] = set()
        for v in sorted((v for v in self.left if degree[v] <= limit), key=lambda v: (degree[v], v)):
            if v not in barred:
                chosen.append(v)
                barred.update(self.out[v], self.back[v])
        return chosen

    def eliminate(self, chosen: list[int]) -> None:
        """Take vertices out and join their neighbours."""
        sums: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.rounds.append((chosen, [self.out[v] for v in chosen], [self.back[v] for v in chosen]))
        self.left.difference_update(chosen)
        for v in chosen:
            for before, into in self.back[v].items():
                del self.out[before][v]
                for after, away in self.out[v].items():
                    if before != after:
                        sums.setdefault((before, after), []).append((into, away))
            for after in self.out[v]:
                del self.back[after][v]
        if sums:
            self.shortcuts.append(self._joined(sums))

    def _joined(self, sums: dict[tuple[int, int], list[tuple[int, int]]]) -> _Shortcuts:
        old, start = [], []
        flat: list[tuple[int, int]] = []
        first_new = self.n_arcs
        for (before, after), listed in sums.items():
            old.append(self.out[before].get(after, self.never))
            self.out[before][after] = self.back[after][before] = self.n_arcs
            self.n_arcs += 1
            start.append(len(flat))
            flat += listed
        both = np.array(flat, dtype=np.intp)
        new = np.arange(first_new, self.n_arcs)
        return _Shortcuts(both[:, 0], both[:, 1], np.array(start), np.array(old), new)

    def finished(self, graph: LinkGraph, bundle: NDArray[np.int64]) -> Elimination:
        """Number the vertices from the last to go to the first and put neighbours into arrays."""
        place = np.empty(self.n_vertices, dtype=np.intp)
        last = self.n_vertices
        bounds = []
        for chosen, _, _ in self.rounds:
            place[chosen] = np.arange(last - len(chosen), last)
            bounds.append((last - len(chosen), last))
            last -= len(chosen)
        rounds = [
            _Round(first, end, self._side(out, place), self._side(back, place))
            for (first, end), (_, out, back) in zip(bounds, self.rounds, strict=True)
        ]
        return Elimination(
            graph, place, bundle.reshape(-1), self.n_bundles, self.n_arcs, tuple(self.shortcuts), tuple(rounds)
        )

    def _side(self, arcs: list[dict[int, int]], place: IndexArray) -> _Side:
        width = max(1, *(len(row) for row in arcs)) if len(arcs) > 1 else max(1, len(arcs[0]))
        neighbour = np.zeros((len(arcs), width), dtype=np.intp)
        arc = np.full((len(arcs), width), self.never, dtype=np.intp)
        for row, of_vertex in enumerate(arcs):
            items: Iterator[tuple[int, int]] = iter(of_vertex.items())
            for column, (vertex, number) in enumerate(items):
                neighbour[row, column], arc[row, column] = place[vertex], number
        return _Side(neighbour, arc)
