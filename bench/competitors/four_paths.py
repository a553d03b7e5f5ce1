"""Four short paths for each demand, the usual stand-in for all paths (as in SMORE, NCFlow, POP and Teal).

Two ways to get them. Yen's algorithm (Yen 1971) by number of hops: exact, pair by pair. Or trees: every node's
hop-shortest tree, then three more after the links that the node's earlier paths share have been made dearer (the link
penalty approach; de la Barra, Perez and Anez 1993). Trees take a twentieth to a sixtieth of the time, and the paths
differ more: programs over them carried as much as over Yen's, or a little more, on the three networks where both were
tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import yen

from competitors.question import FloatArray, IntArray, PathFlows, Question
from competitors.trees import Trees

PATHS = 4

#: A link that all paths from a node share costs so many hops more in that node's next tree; others in proportion.
PENALTY_HOPS = 5.0


@dataclass(frozen=True)
class PathChoice:
    """Candidate paths in compressed rows, sorted by demand, none twice; every demand has at least one."""

    start: NDArray[np.int64]
    links: IntArray
    demand: IntArray

    def with_flow(self, flow: FloatArray) -> PathFlows:
        return PathFlows(self.start, self.links, self.demand, flow)

    def of_demands(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the positions of the paths of the demands in ``chosen`` (n_demands,)."""
        return np.flatnonzero(chosen[self.demand])

    def picked(self, paths: NDArray[np.int64]) -> tuple[NDArray[np.int64], IntArray]:
        """Return ``start`` and ``links`` of some paths."""
        hops = np.diff(self.start)[paths]
        start = np.concatenate([[0], np.cumsum(hops)])
        return start, self.links[np.arange(start[-1]) - np.repeat(start[:-1] - self.start[paths], hops)]


def by_trees(question: Question, count: int = PATHS) -> PathChoice:
    """Return up to ``count`` different paths of each demand, one from each of ``count`` trees of its source."""
    arcs, nodes = question.arcs(), np.arange(question.n_nodes)
    everybody = np.ones((question.n_nodes, question.n_nodes))
    np.fill_diagonal(everybody, 0.0)
    weight = np.ones((question.n_nodes, question.n_links))
    found = []
    for _ in range(count):
        rows = [arcs.trees(weight[node], nodes[node : node + 1]) for node in nodes]
        distance, before = (np.concatenate([getattr(row, name) for row in rows]) for name in ("distance", "before"))
        trees = Trees(arcs, nodes, distance, before)
        load = trees.loads(np.where(np.isfinite(distance), everybody, 0.0))
        weight += PENALTY_HOPS * load / np.maximum(load.max(axis=1, keepdims=True), 1.0)
        found.append(trees.paths(question.source, question.destination))
    return _joined(question, found, np.tile(np.arange(question.n_demands), count))


def by_yen(question: Question, count: int = PATHS) -> PathChoice:
    """Return the ``count`` paths of fewest hops of each demand, by scipy's ``yen``, one call a demand."""
    arcs = question.arcs()
    graph = arcs.matrix(np.ones(question.n_links))
    found, demand = [], []
    pairs = zip(question.source.tolist(), question.destination.tolist(), strict=True)
    for position, (source, sink) in enumerate(pairs):
        _, before = yen(graph, source, sink, count, return_predecessors=True)
        for row in before:
            nodes = [sink]
            while nodes[-1] != source:
                nodes.append(int(row[nodes[-1]]))
            path = np.array(nodes[::-1])
            found.append((np.array([0, len(path) - 1]), arcs.between(path[:-1], path[1:])))
            demand.append(position)
    return _joined(question, found, np.array(demand))


#: Ways to choose paths, by the name that ``--paths`` takes.
CHOICES: dict[str, Callable[[Question], PathChoice]] = {"trees": by_trees, "yen": by_yen}


def _joined(
    question: Question, found: list[tuple[NDArray[np.int64], IntArray]], demand: NDArray[np.int64]
) -> PathChoice:
    """Return all paths sorted by demand, each once. Simple paths between the same nodes differ in their links."""
    start = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(start) for start, _ in found]))])
    links = np.concatenate([links for _, links in found])
    mark = np.random.default_rng(1).integers(1, 2**62, size=question.n_links, dtype=np.int64)
    with np.errstate(over="ignore"):
        marks = np.add.reduceat(mark[links], start[:-1])
    # Stable, so that a path of fewer hops stays before those that were found later.
    order = np.lexsort((marks, demand))
    fresh = order[np.r_[True, (np.diff(demand[order]) != 0) | (np.diff(marks[order]) != 0)]]
    fresh = np.sort(fresh)
    fresh = fresh[np.argsort(demand[fresh], kind="stable")]
    chosen = PathChoice(start, links, demand)
    return PathChoice(*chosen.picked(fresh), demand[fresh])
