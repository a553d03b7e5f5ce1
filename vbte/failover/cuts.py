"""Demands whose ends a scenario cuts off from each other: what nobody could carry, whatever the routing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from vbte.instance import Instance
from vbte.paths.graph import link_graph
from vbte.scenarios.families import Scenario, ScenarioSet, scenario_of
from vbte.topology import BoolArray, FloatArray, IntArray, Topology


@dataclass(frozen=True, eq=False)
class Cuts:
    """What scenarios cut off; arrays have a column for each of S scenarios.

    ``stranded_gbps`` (n_classes, S) is the volume asked for between ends that no way joins any more, or of which one
    is down. ``bridges[s]`` names the things of scenario s that cut something off all by themselves; where it takes
    several at once, all of the scenario's; nothing where nothing is cut off.
    """

    stranded_gbps: FloatArray
    bridges: tuple[tuple[str, ...], ...]


def find_cuts(instance: Instance, scenarios: ScenarioSet, matrix: int = 0) -> Cuts:
    """Return what each scenario cuts off in one demand matrix.

    Ways are those of the topology: usable links, through nodes that may be passed. Policies are not asked.
    """
    volume, n_classes = instance.volume_gbps[matrix], len(instance.rules)
    stranded = np.zeros((n_classes, len(scenarios)))
    bridges: list[tuple[str, ...]] = []
    whole = _stranded(instance, np.zeros(len(instance.topology.links), np.bool_), volume > 0)
    # What has no way when all is up is no scenario's doing.
    asked = (volume > 0) & ~whole
    alone = _Alone(instance, asked)
    for position, scenario in enumerate(scenarios.scenarios):
        one = slice(position, position + 1)
        cut = _stranded(instance, scenarios.failed_links(one)[:, 0], asked, scenarios.failed_nodes(one)[:, 0])
        stranded[:, position] = np.bincount(instance.class_index[cut], weights=volume[cut], minlength=n_classes)
        singles = [scenario_of([part]) for part in scenario.parts()] if cut.any() else []
        if len(singles) > 1:
            singles = [single for single in singles if alone.cuts(single)] or singles
        bridges.append(tuple(single.name for single in singles))
    return Cuts(stranded, tuple(bridges))


class _Alone:
    """Remembers which things cut something off all by themselves."""

    def __init__(self, instance: Instance, asked: BoolArray) -> None:
        self._instance, self._asked = instance, asked
        self._known: dict[str, bool] = {}

    def cuts(self, single: Scenario) -> bool:
        """Tell whether a scenario of one thing cuts something off."""
        if single.name not in self._known:
            one, only = ScenarioSet(self._instance.topology, (single,)), slice(0, 1)
            failed = one.failed_links(only)[:, 0], one.failed_nodes(only)[:, 0]
            self._known[single.name] = bool(_stranded(self._instance, failed[0], self._asked, failed[1]).any())
        return self._known[single.name]


def _stranded(
    instance: Instance, failed_links: BoolArray, asked: BoolArray, failed_nodes: BoolArray | None = None
) -> BoolArray:
    """Return which of the commodities in ``asked`` (K,) have no way, shape (K,)."""
    topology, source, destination = instance.topology, instance.source, instance.destination
    dead = np.zeros(len(topology.nodes), np.bool_) if failed_nodes is None else failed_nodes
    cut = asked & (dead[source] | dead[destination])
    left = topology.usable & ~failed_links
    island = _islands(topology, left)
    rest = np.flatnonzero(asked & ~cut & ((island[source] != island[destination]) | (not topology.transit.all())))
    if len(rest):
        senders, row = np.unique(source[rest], return_inverse=True)
        distance = link_graph(topology, left).distances(np.ones(len(topology.links)), senders.astype(np.int32))
        cut[rest] = ~np.isfinite(distance[row.reshape(-1), destination[rest]])
    return np.asarray(cut)


def _islands(topology: Topology, left: BoolArray) -> IntArray:
    """Return the strongly connected component of each node: within one, every node reaches every other."""
    n_nodes = len(topology.nodes)
    ends = topology.tail[left], topology.head[left]
    graph = csr_array((np.ones(len(ends[0])), ends), shape=(n_nodes, n_nodes))
    return np.asarray(connected_components(graph, directed=True, connection="strong")[1])
