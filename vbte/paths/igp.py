"""What plain IGP routing does: shortest paths by metric, traffic split evenly over equal-cost next hops (ECMP)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.demands import DemandMatrix
from vbte.paths.graph import link_graph
from vbte.tolerance import EQUAL_COST_SHARE
from vbte.topology import BoolArray, FloatArray, IntArray, Topology

#: Entries of a (links x nodes) array worked on at once, to keep temporaries small on large networks.
_BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True, eq=False)
class IgpRouting:
    """Next hops of every node towards every destination.

    ``distance`` (n_nodes, n_nodes) is the metric from row to column, inf where there is no path. ``tight`` (n_links,
    n_nodes) is True where a link is an equal-cost next hop of its source towards the destination of the column;
    following tight links always ends at the destination, also where metrics are zero. ``hops`` (n_nodes, n_nodes)
    breaks the ties that zero metrics leave, None where there are none.
    """

    topology: Topology
    distance: FloatArray
    tight: BoolArray
    hops: FloatArray | None

    @cached_property
    def next_hop_count(self) -> IntArray:
        """Number of equal-cost links that leave the row's node towards the column's, shape (n_nodes, n_nodes)."""
        leaving = _leaving(self.topology)
        return np.asarray((leaving @ self.tight.astype(np.float32)).astype(np.int32))

    @cached_property
    def sole_next_hop(self) -> IntArray:
        """The only equal-cost link from the row's node towards the column's, -1 where there is not exactly one."""
        positions = np.arange(len(self.topology.links), dtype=np.float64)
        summed = (_leaving(self.topology) * positions[None, :]).tocsr() @ self.tight.astype(np.float64)
        return np.asarray(np.where(self.next_hop_count == 1, summed, -1).astype(np.int32))

    @cached_property
    def rank(self) -> IntArray:
        """Order in which nodes are met on the way to each destination: the farthest has rank 0, (n_nodes, n_nodes)."""
        keys = (-self.distance,) if self.hops is None else (-self.hops, -self.distance)
        order = np.lexsort(keys, axis=0)
        rank = np.empty(order.shape, dtype=np.int32)
        np.put_along_axis(rank, order, np.arange(len(order), dtype=np.int32)[:, None], axis=0)
        return rank


@dataclass(frozen=True, eq=False)
class EcmpFlows:
    """Traffic by link and destination: three arrays of one length, plus what had no path, Gbit/s."""

    link: NDArray[np.int64]
    destination: NDArray[np.int64]
    flow_gbps: FloatArray
    unroutable_gbps: float


@dataclass(frozen=True, eq=False)
class IgpLoads:
    """Link loads under IGP routing, shape (n_links,) each; utilisation is a fraction of capacity."""

    link_load_gbps: FloatArray
    utilization: FloatArray
    unroutable_gbps: float

    @property
    def max_utilization(self) -> float:
        """Largest utilisation over the links (MLU)."""
        return float(self.utilization.max(initial=0.0))


def igp_next_hops(
    topology: Topology, metric: FloatArray | None = None, *, usable: BoolArray | None = None
) -> IgpRouting:
    """Return shortest-path routing by ``metric`` over ``usable`` links, shape (n_links,) each.

    Defaults are the topology's own. Nodes without transit start and end paths but are never passed. Distances that
    differ by less than EQUAL_COST_SHARE are equal cost. Parallel links count one by one.
    """
    metric = topology.metric if metric is None else np.asarray(metric, dtype=np.float64)
    usable = topology.usable if usable is None else usable
    n_nodes = len(topology.nodes)
    graph = link_graph(topology, allowed=usable)
    # Searched from the destinations, so that every distance is exactly a next hop's distance plus one metric.
    back = graph.reversed().shortest(metric, np.arange(n_nodes, dtype=np.int32)).distance
    distance = np.ascontiguousarray(back[:, graph.start_vertex].T)
    np.fill_diagonal(distance, 0.0)
    tight = np.zeros((len(topology.links), n_nodes), dtype=np.bool_)
    level = np.zeros_like(tight)
    for block in _blocks(len(topology.links), n_nodes):
        tight[block], level[block] = _near_links(topology, distance, metric, usable, block)
    if not level.any():
        return IgpRouting(topology, distance, tight, None)
    hops = _fewest_hops(topology, tight | level)
    # Among nodes at one distance, joined by zero metrics, traffic may only move to fewer hops: this rules out loops.
    for block in _blocks(len(topology.links), n_nodes):
        tight[block] |= level[block] & (hops[topology.head[block]] < hops[topology.tail[block]])
    return IgpRouting(topology, distance, tight, hops)


def igp_loads(topology: Topology, demands: DemandMatrix, *, routing: IgpRouting | None = None) -> IgpLoads:
    """Return the link loads when every demand follows the IGP and splits evenly over equal-cost next hops.

    Demands without a path are counted in ``unroutable_gbps``. Raises InputError when a demand names an unknown node.
    """
    routing = igp_next_hops(topology) if routing is None else routing
    source, destination = demands.aligned(topology)
    n_nodes = len(topology.nodes)
    cell = source.astype(np.int64) * n_nodes + destination
    entering = np.bincount(cell, weights=demands.volume_gbps, minlength=n_nodes**2).reshape(n_nodes, n_nodes)
    flows = ecmp_flows(routing, entering.astype(np.float64))
    load = np.bincount(flows.link, weights=flows.flow_gbps, minlength=len(topology.links)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        utilization = np.where(load > 0, load / topology.capacity_gbps, 0.0)
    return IgpLoads(load, utilization, flows.unroutable_gbps)


def ecmp_flows(routing: IgpRouting, entering_gbps: FloatArray) -> EcmpFlows:
    """Return where traffic goes that enters at the row's node for the column's, shape (n_nodes, n_nodes), Gbit/s.

    For every node u, destination d, equal-cost link l out of u:
    flow[l, d] = (entering[u, d] + sum of flow[i, d] over links i into u) / number of such links.
    """
    n_nodes = len(routing.distance)
    link, destination = np.nonzero(routing.tight)
    tail, head = routing.topology.tail[link], routing.topology.head[link]
    rank = routing.rank[tail, destination]
    # Sorting 16-bit keys is radix sort, ten times faster.
    order = np.argsort(rank.astype(np.uint16) if n_nodes <= 1 << 16 else rank, kind="stable")
    link, destination, tail, head = link[order], destination[order], tail[order], head[order]
    share = 1.0 / routing.next_hop_count[tail, destination]
    leave, arrive = tail * n_nodes + destination, head * n_nodes + destination
    mass, flow = entering_gbps.astype(np.float64).ravel(), np.zeros(len(link))
    bounds = np.searchsorted(rank[order], np.arange(n_nodes + 1)).tolist()
    for first, last in pairwise(bounds):
        if first < last:
            flow[first:last] = mass[leave[first:last]] * share[first:last]
            np.add.at(mass, arrive[first:last], flow[first:last])
    stuck = entering_gbps[~np.isfinite(routing.distance)]
    return EcmpFlows(link, destination, flow, float(stuck.sum()))


def _leaving(topology: Topology) -> csr_array:
    """Incidence of nodes and the links that leave them, shape (n_nodes, n_links)."""
    n_links = len(topology.links)
    ones = np.ones(n_links, dtype=np.float32)
    return csr_array((ones, (topology.tail, np.arange(n_links))), shape=(len(topology.nodes), n_links))


def _blocks(n_links: int, n_nodes: int) -> Iterator[slice]:
    step = max(1, _BLOCK_ENTRIES // n_nodes)
    return (slice(first, min(first + step, n_links)) for first in range(0, n_links, step))


def _near_links(
    topology: Topology, distance: FloatArray, metric: FloatArray, usable: BoolArray, block: slice
) -> tuple[BoolArray, BoolArray]:
    """Return which links of a block lie on shortest paths and lead downhill, and which lead to an equal distance."""
    tail, head = topology.tail[block], topology.head[block]
    rows = np.arange(len(tail))
    before, after = distance[tail], distance[head]
    behind = np.where(topology.transit[head][:, None], after, np.inf)
    behind[rows, head] = 0.0
    with np.errstate(invalid="ignore"):
        near = metric[block][:, None] + behind <= before * (1.0 + EQUAL_COST_SHARE)
    near &= usable[block][:, None] & np.isfinite(before)
    near[rows, tail] = False
    return near & (after < before), near & (after == before)


def _fewest_hops(topology: Topology, allowed: BoolArray) -> FloatArray:
    """Return the least number of links from row to column over links allowed towards the column (Bellman-Ford)."""
    n_nodes = len(topology.nodes)
    hops = np.full((n_nodes, n_nodes), np.inf)
    np.fill_diagonal(hops, 0.0)
    order = np.argsort(topology.tail, kind="stable")
    tail, head = topology.tail[order], topology.head[order]
    first = np.flatnonzero(np.r_[True, np.diff(tail) != 0])
    barred = np.where(allowed[order], 1.0, np.inf)
    while True:
        step = np.minimum.reduceat(hops[head] + barred, first, axis=0)
        better = np.minimum(hops[tail[first]], step)
        if np.array_equal(better, hops[tail[first]]):
            return hops
        hops[tail[first]] = better
