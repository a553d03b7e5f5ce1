"""Ways round what has failed, for devices that are left without a next hop: hop-by-hop tables.

Where one protected failure takes all next hops of a device, the device pushes labels that lead to the egress itself
by the shortest way that is left (TI-LFA's post-convergence path, RFC 9855, with the egress as its end). Such a way
never comes back to a table that could send it round: it is pinned link by link, and avoids what failed. Before it
packets follow the planned next hops, which have no circles. Together no packet can go round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.paths.graph import link_graph
from vbte.plan import PathSet
from vbte.tables.breaks import Breaks, may_go_round
from vbte.tables.hops import Hops
from vbte.topology import IntArray

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Detours:
    """Detour i leaves the device of ``state[i]`` for its egress; ``paths.commodity`` is some commodity of its key."""

    state: Positions
    paths: PathSet


def find_detours(hops: Hops, breaks: Breaks) -> Detours:
    """Return a detour for every state that one break leaves without a next hop, where there is any.

    It avoids the cable that all next hops share and, where nodes are protected, the node they all lead to; where the
    node can't be avoided, the cable alone. Classes that have to pass something get none.
    """
    search = _Search(hops, breaks)
    around_node = search.detours(search.exposed, with_node=True)
    served = np.concatenate([part[0] for part in around_node] or [np.empty(0, dtype=np.int64)])
    left = search.exposed[:, (search.exposed[2] >= 0) & (search.exposed[3] >= 0)]
    around_cable = search.detours(left[:, ~np.isin(left[0], served)], with_node=False)
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)), *around_node, *around_cable]
    state, length, links = (np.concatenate([part[column] for part in parts]) for column in range(3))
    start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return Detours(state, PathSet(start, links.astype(np.int32), search.speaker[state].astype(np.int32)))


class _Search:
    """Who is left stranded by what, and one shortest-path search for all that avoid the same.

    ``speaker`` (S,) is some commodity of each state's key. Columns of ``exposed`` are (state, rules of its class, the
    cable or -1, the node or -1).
    """

    def __init__(self, hops: Hops, breaks: Breaks) -> None:
        self._hops, self._breaks, instance = hops, breaks, hops.instance
        of_key = np.zeros(int(hops.commodity_key.max(initial=-1)) + 1, dtype=np.int64)
        of_key[hops.commodity_key] = np.arange(instance.n_commodities)
        self.speaker = of_key[hops.dag.state_key]
        self.exposed = self._exposed()

    def _exposed(self) -> Positions:
        dag, instance = self._hops.dag, self._hops.instance
        order = np.argsort(dag.tail, kind="stable")
        state, first = np.unique(dag.tail[order], return_index=True)
        cable = _common(self._breaks.cable[dag.link[order]], first)
        node = _common(instance.topology.head[dag.link[order]].astype(np.int64), first)
        node[(not self._breaks.with_nodes) | (node == instance.destination[self.speaker[state]])] = -1
        class_index = instance.class_index[self.speaker[state]]
        may = np.array([may_go_round(rules) for rules in instance.rules])[class_index]
        masks = [(one.link_allowed.tobytes(), one.transit.tobytes()) for one in instance.rules]
        alike = np.array([masks.index(mask) for mask in masks], dtype=np.int64)
        return np.stack([state, alike[class_index], cable, node])[:, ((cable >= 0) | (node >= 0)) & may]

    def detours(self, exposed: Positions, *, with_node: bool) -> list[tuple[Positions, Positions, IntArray]]:
        """Return, for each search, states, numbers of links and links of the detours that there are."""
        _, rules, cable, node = exposed
        code = (rules * (self._breaks.n_cables + 1) + cable + 1) * (len(self._hops.instance.topology.nodes) + 1)
        code += node + 1 if with_node else 0
        order = np.argsort(code, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else []
        return [self._round(exposed[:, group], with_node=with_node) for group in groups]

    def _round(self, jobs: Positions, *, with_node: bool) -> tuple[Positions, Positions, IntArray]:
        instance, breaks, state = self._hops.instance, self._breaks, jobs[0]
        rules, cable, node = jobs[1:, 0].tolist()
        allowed = instance.rules[rules].link_allowed.copy()
        if cable >= 0:
            allowed &= ~breaks.down(cable)
        if with_node and node >= 0:
            allowed &= ~breaks.down(breaks.n_cables + node)
        graph = link_graph(instance.topology, allowed, instance.rules[rules].transit)
        devices, row = np.unique(self._hops.dag.state_node[state], return_inverse=True)
        shortest = graph.shortest(instance.topology.metric, devices.astype(np.int32))
        egress = instance.destination[self.speaker[state]]
        start, links = shortest.paths(row.reshape(-1).astype(np.int32), egress)
        length = np.diff(start)
        return state[length > 0], length[length > 0], links


def _common(figure: Positions, first: Positions) -> Positions:
    """Return the figure that all of a group, which begin at ``first``, have in common, -1 where they differ."""
    if not len(figure):
        return figure.astype(np.int64)
    least = np.minimum.reduceat(figure, first)
    return np.where(least == np.maximum.reduceat(figure, first), least, -1)
