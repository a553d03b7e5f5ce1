"""Where nodes stand on a map: by their coordinates, or so that distances follow hop counts (stress majorisation)."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from vbte.topology import FloatArray, IntArray, Node, Topology

#: Steps of the layout of nodes without coordinates, fewer on networks where each step is long.
_STEPS = 200
_STEP_ENTRIES = 8_000_000

#: Steps that move nodes apart which stand too close; pairs of node and link beyond which links are not looked at.
_SPREAD_STEPS = 40
_MOST_PAIRS = 200_000

_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


def node_positions(topology: Topology, *, width: float, height: float, apart: float) -> FloatArray:
    """Return a position for every node, shape (n_nodes, 2), within ``width`` x ``height`` and about ``apart`` apart.

    Nodes stand where their coordinates say when all of them have some and they differ, else by hop counts. y grows
    downwards, as on a screen. The same topology gives the same positions.
    """
    places = _geographic(topology.nodes)
    if places is None:
        places = _by_hops(topology)
    return _spread(_fitted(places, width, height), topology, apart, np.array([width, height]))


def _geographic(nodes: tuple[Node, ...]) -> FloatArray | None:
    """Return an equirectangular projection, true to scale at the middle latitude; None without coordinates."""
    if any(node.latitude is None or node.longitude is None for node in nodes):
        return None
    latitude = np.array([node.latitude for node in nodes], dtype=np.float64)
    longitude = _unwrapped(np.array([node.longitude for node in nodes], dtype=np.float64))
    if np.ptp(latitude) == 0 and np.ptp(longitude) == 0 and len(nodes) > 1:
        return None
    middle = np.radians((latitude.min() + latitude.max()) / 2)
    return np.stack([longitude * max(float(np.cos(middle)), 0.2), -latitude], axis=1)


def _unwrapped(longitude: FloatArray) -> FloatArray:
    """Cut the globe at the widest gap between longitudes, so that a network across the date line stays in one piece."""
    around = np.sort(longitude % 360.0)
    gaps = np.diff(np.append(around, around[0] + 360.0))
    start = around[(int(gaps.argmax()) + 1) % len(around)]
    return np.asarray((longitude % 360.0 - start) % 360.0)


def _by_hops(topology: Topology) -> FloatArray:
    """Return positions whose distances follow hop counts (Gansner, Koren and North 2004), wider than high."""
    n_nodes = len(topology.nodes)
    hops = _hops(topology)
    rows = _two_rows(topology, hops)
    if rows is not None:
        return rows
    with np.errstate(divide="ignore"):
        weight = np.where(hops > 0, 1.0 / hops**2, 0.0)
    total = np.maximum(weight.sum(axis=1), 1e-12)
    places = _first_guess(hops)
    for _ in range(max(20, min(_STEPS, _STEP_ENTRIES // n_nodes**2))):
        dx = places[:, None, 0] - places[None, :, 0]
        dy = places[:, None, 1] - places[None, :, 1]
        pull = weight * hops / np.maximum(np.hypot(dx, dy), 1e-9)
        wanted = np.stack(
            [
                (weight * places[None, :, 0] + pull * dx).sum(axis=1),
                (weight * places[None, :, 1] + pull * dy).sum(axis=1),
            ],
            axis=1,
        )
        # Half a step: all nodes move at once, and a whole one may swing.
        places = 0.5 * (places + wanted / total[:, None])
    return _upright(places)


def _two_rows(topology: Topology, hops: FloatArray) -> FloatArray | None:
    """Return two rows for a leaf-spine fabric, the side that starts and ends traffic below; None for other networks."""
    first = hops[0] == 1
    sides = [np.flatnonzero(~first), np.flatnonzero(first)]
    if (
        min(map(len, sides)) < 3
        or (hops != np.where(first[:, None] == first, 2.0, 1.0) - 2.0 * np.eye(len(hops))).any()
    ):
        return None
    if topology.transit[sides[1]].mean() < topology.transit[sides[0]].mean():
        sides.reverse()
    places = np.empty((len(hops), 2))
    for side, height in zip(sides, (1.0, 0.0), strict=True):
        order = sorted(side.tolist(), key=lambda node: topology.nodes[node].id)
        places[order] = np.stack([(np.arange(len(side)) + 0.5) * 2.0 / len(side), np.full(len(side), height)], axis=1)
    return places


def _hops(topology: Topology) -> FloatArray:
    """Return hop counts in either direction, shape (n_nodes, n_nodes); parts that nothing joins stand apart."""
    n_nodes = len(topology.nodes)
    ones = np.ones(len(topology.links))
    graph = coo_array((ones, (topology.tail, topology.head)), shape=(n_nodes, n_nodes)).tocsr()
    hops = shortest_path(graph, directed=False, unweighted=True)
    finite = np.isfinite(hops)
    return np.where(finite, hops, hops[finite].max(initial=1.0) + 1.0)


def _first_guess(hops: FloatArray) -> FloatArray:
    """Return the plane that keeps the hop counts best (classical scaling), stirred so that no two nodes meet."""
    n_nodes = len(hops)
    stir = np.arange(n_nodes) * _GOLDEN_ANGLE
    noise = np.stack([np.cos(stir), np.sin(stir)], axis=1) * (0.1 + 0.1 * np.arange(n_nodes)[:, None] / n_nodes)
    if n_nodes < 3:
        return noise
    squared = hops**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    _, vectors = np.linalg.eigh(-0.5 * centred)
    plane = vectors[:, [-1, -2]] * float(hops.max())
    # The sign of an eigenvector is up to the linear-algebra library.
    largest = np.abs(plane).argmax(axis=0)
    return np.asarray(plane * np.sign(plane[largest, [0, 1]]) + noise)


def _upright(places: FloatArray) -> FloatArray:
    """Turn the layout so that it is wider than high, with the first node on the left."""
    centred = places - places.mean(axis=0)
    angle = 0.5 * np.arctan2(2 * (centred[:, 0] * centred[:, 1]).sum(), (centred[:, 0] ** 2 - centred[:, 1] ** 2).sum())
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack([centred[:, 0] * cos + centred[:, 1] * sin, centred[:, 1] * cos - centred[:, 0] * sin], axis=1)
    return np.asarray(turned * (-1.0 if turned[0, 0] > 1e-9 else 1.0))


def _fitted(places: FloatArray, width: float, height: float) -> FloatArray:
    """Scale positions, the same both ways, into the middle of a canvas."""
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    room = np.array([width, height])
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(extent > 1e-9, room / extent, np.inf).min()
    factor = factor if np.isfinite(factor) else 1.0
    return np.asarray((places - low) * factor + (room - extent * factor) / 2)


def _spread(places: FloatArray, topology: Topology, apart: float, room: FloatArray) -> FloatArray:
    """Push nodes off one another and off links that are not theirs, a little at a time, within the canvas."""
    stir = np.arange(len(places)) * _GOLDEN_ANGLE
    places = places + 0.01 * np.stack([np.cos(stir), np.sin(stir)], axis=1)
    ends = np.unique(np.sort(np.stack([topology.tail, topology.head], axis=1), axis=1), axis=0)
    if len(ends) * len(places) > _MOST_PAIRS:
        ends = ends[:0]
    for _ in range(_SPREAD_STEPS):
        push = _off_nodes(places, apart) + _off_links(places, ends, apart * 0.8)
        if not push.any():
            break
        places = np.clip(places + 0.7 * push, 0.0, room)
    return places


def _off_nodes(places: FloatArray, apart: float) -> FloatArray:
    """Return how far each node has to move away from nodes that stand too close, shape (n_nodes, 2)."""
    dx = places[:, None, 0] - places[None, :, 0]
    dy = places[:, None, 1] - places[None, :, 1]
    distance = np.maximum(np.hypot(dx, dy), 1e-6)
    lacking = np.maximum(apart - distance, 0.0)
    np.fill_diagonal(lacking, 0.0)
    push = 0.5 * lacking / distance
    return np.stack([(push * dx).sum(axis=1), (push * dy).sum(axis=1)], axis=1)


def _off_links(places: FloatArray, ends: IntArray, clear: float) -> FloatArray:
    """Return how far each node has to move away from lines between other nodes, shape (n_nodes, 2)."""
    start, along = places[ends[:, 0]], places[ends[:, 1]] - places[ends[:, 0]]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
    unit = along / length[:, None]
    offset = places[:, None, :] - start[None, :, :]
    forward = offset[:, :, 0] * unit[:, 0] + offset[:, :, 1] * unit[:, 1]
    across = offset[:, :, 1] * unit[:, 0] - offset[:, :, 0] * unit[:, 1]
    near = (forward > 0) & (forward < length) & (np.abs(across) < clear)
    near[ends[:, 0], np.arange(len(ends))] = near[ends[:, 1], np.arange(len(ends))] = False
    step = np.where(near, np.where(across >= 0, 1.0, -1.0) * (clear - np.abs(across)), 0.0)
    return np.stack([(-step * unit[:, 1]).sum(axis=1), (step * unit[:, 0]).sum(axis=1)], axis=1)
