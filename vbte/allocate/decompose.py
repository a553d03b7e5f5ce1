"""From link flows towards destinations to path flows of single commodities.

Flow is stripped path by path (Ford and Fulkerson 1962): walk from the source along the fullest links, take what fits,
and go on until the commodity is used up. A cycle met on the way is cancelled. A basic solution needs at most one path
per source and one more per link that splits.
"""

from __future__ import annotations

import numpy as np

from vbte.formulation.layout import Layout, LinkFlowBlock
from vbte.oracle import merged_paths
from vbte.plan import PathSet
from vbte.tolerance import DUST_SHARE
from vbte.topology import BoolArray, FloatArray, IntArray

Stripped = list[tuple[int, tuple[int, ...], float]]

#: Link, head vertex, flow left on it.
Edge = list[float]


def decompose(
    layout: Layout, block: LinkFlowBlock, primal: FloatArray, carried: FloatArray
) -> tuple[PathSet, FloatArray]:
    """Return paths and their flows in Gbit/s for the commodities of one block of link flows.

    ``carried`` is the flow of each planned commodity in program units. The path flows of a commodity may miss it by the
    solver's rounding; ``settle`` mends that.
    """
    shape = (len(block.destinations), len(block.graph.links))
    flows = primal[block.first_column : block.first_column + block.n_columns].reshape(shape).copy()
    admitted = carried[layout.local[block.commodities]]
    source = block.graph.start_vertex[layout.problem.instance.source[block.commodities]]
    simple, settled = _unsplit_paths(block, flows, source, admitted)
    order = np.flatnonzero(~settled & (admitted > 0))
    order = order[np.argsort(block.group[order], kind="stable")]
    bounds = np.searchsorted(block.group[order], np.arange(shape[0] + 1))
    stripped: Stripped = []
    for group in np.unique(block.group[order]).tolist():
        mine = order[bounds[group] : bounds[group + 1]]
        wanted = [(int(block.commodities[k]), int(source[k]), float(admitted[k])) for k in mine]
        stripped += _strip(block, flows[group], int(block.destinations[group]), wanted)
    stripped.sort()
    hops = np.array([len(links) for _, links, _ in stripped], dtype=np.int64)
    split = PathSet(
        start=np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
        links=np.array([link for _, links, _ in stripped for link in links], dtype=np.int32),
        commodity=np.array([commodity for commodity, _, _ in stripped], dtype=np.int32),
    )
    flow = np.concatenate([admitted[settled], [amount for _, _, amount in stripped]])
    both = np.argsort(np.concatenate([simple.commodity, split.commodity]), kind="stable")
    return merged_paths([simple, split]), flow[both] * layout.unit_gbps


def _unsplit_paths(
    block: LinkFlowBlock, flows: FloatArray, source: IntArray, admitted: FloatArray
) -> tuple[PathSet, BoolArray]:
    """Return the paths of commodities whose flow never splits on its way, and which they are (K of the block,).

    Nearly all of a basic solution's commodities are such: whoever meets no vertex with two outgoing flows has only
    one way to go, and all commodities are followed at once. Their flow is taken off ``flows``.
    """
    graph = block.graph
    dust = DUST_SHARE * admitted.max(initial=0.0)
    n_groups, n_vertices = flows.shape[0], graph.n_vertices
    used_group, used = np.nonzero(flows > dust)
    cell = used_group * n_vertices + graph.tail[used]
    ways = np.bincount(cell, minlength=n_groups * n_vertices)
    only = np.full(n_groups * n_vertices, -1)
    only[cell] = used
    only[ways != 1] = -1
    active = np.flatnonzero(admitted > 0)
    vertex = source.copy()
    walkers, steps = [], []
    for _ in range(n_vertices):
        position = only[block.group[active] * n_vertices + vertex[active]]
        active, position = active[position >= 0], position[position >= 0]
        walkers.append(active)
        steps.append(position)
        vertex[active] = graph.head[position]
        active = active[vertex[active] != block.destinations[block.group[active]]]
        if not len(active):
            break
    settled = (vertex == block.destinations[block.group]) & (admitted > 0)
    walker, position = np.concatenate(walkers), np.concatenate(steps)
    kept = settled[walker]
    walker, position = walker[kept], position[kept]
    np.subtract.at(flows, (block.group[walker], position), admitted[walker])
    order = np.argsort(walker, kind="stable")
    hops = np.bincount(walker, minlength=len(source))[settled]
    return (
        PathSet(
            start=np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
            links=graph.links[position[order]],
            commodity=block.commodities[settled].astype(np.int32),
        ),
        settled,
    )


def _strip(block: LinkFlowBlock, flow: FloatArray, destination: int, wanted: list[tuple[int, int, float]]) -> Stripped:
    """Strip the flow towards one destination into paths for (commodity, source vertex, amount)."""
    dust = DUST_SHARE * min((amount for _, _, amount in wanted), default=0.0)
    used = np.flatnonzero(flow > dust)
    out: dict[int, list[Edge]] = {}
    for position in used[np.argsort(flow[used], kind="stable")].tolist():
        edge = [int(block.graph.links[position]), int(block.graph.head[position]), float(flow[position])]
        out.setdefault(int(block.graph.tail[position]), []).append(edge)
    stripped: Stripped = []
    for commodity, vertex, amount in wanted:
        left = amount
        while left > DUST_SHARE * amount:
            walk = _walk(out, vertex, destination, dust)
            if not walk:
                break
            taken = min(left, *(edge[2] for edge in walk))
            for edge in walk:
                edge[2] -= taken
            left -= taken
            stripped.append((commodity, tuple(int(edge[0]) for edge in walk), taken))
    return stripped


def _walk(out: dict[int, list[Edge]], start: int, destination: int, dust: float) -> list[Edge]:
    """Return the edges of a simple path along flow above ``dust``; empty when there is none left.

    The fullest edge of each vertex stands last in its list. Cycles met are cancelled, dead ends are cut off.
    """
    path: list[Edge] = []
    position = {start: 0}
    vertex = start
    while vertex != destination:
        edges = out.get(vertex, [])
        while edges and edges[-1][2] <= dust:
            edges.pop()
        if edges:
            path.append(edges[-1])
            vertex = int(edges[-1][1])
            if vertex not in position:
                position[vertex] = len(path)
                continue
            cycle = path[position[vertex] :]
            around = min(edge[2] for edge in cycle)
            for edge in cycle:
                edge[2] -= around
        elif path:
            # Rounding left a trickle that leads nowhere: forget the edge that led here.
            path[-1][2] = 0.0
        else:
            return []
        path, vertex, position = [], start, {start: 0}
    return path
