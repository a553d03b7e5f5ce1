"""Paths to segment lists: the fewest node and adjacency segments that pin a path to its links."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.paths.igp import IgpRouting
from vbte.plan import PathSet
from vbte.topology import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class SegmentLists:
    """Segments in compressed rows: path p has segments ``start[p]:start[p + 1]``, first visited first.

    ``is_node`` tells node segments from adjacency segments; ``position`` is the node's or the link's position.
    """

    start: NDArray[np.int64]
    is_node: BoolArray
    position: IntArray

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """Number of segments of each path, shape (n_paths,)."""
        return np.diff(self.start)


def segment_lists(paths: PathSet, routing: IgpRouting) -> SegmentLists:
    """Return the shortest segment list of every path.

    A node segment is used where the IGP has exactly one shortest path to that node and it is the path's own; it
    reaches as far as it can, and else one adjacency segment passes one link. Uniqueness holds for every part of a
    unique shortest path, so that the greedy choice is the shortest list.
    """
    last = _last_links(routing)
    link_tail, link_head = routing.topology.tail, routing.topology.head
    hops = paths.hops
    order = np.argsort(-hops, kind="stable")
    begin, tail = paths.start[:-1][order], np.zeros(len(paths), dtype=np.int32)
    # Of each path, ``tail`` is the node where the current segment starts, ``reached`` the node it already covers.
    reached = np.full(len(paths), -1, dtype=np.int32)
    found: list[tuple[NDArray[np.int64], int, BoolArray, IntArray]] = []
    for hop in range(int(hops.max(initial=0)) + 1):
        active = int(np.searchsorted(-hops[order], -hop, side="left"))
        ended = slice(active, int(np.searchsorted(-hops[order], -hop, side="right")))
        _emit_nodes(found, order[ended], reached[ended], hop)
        here = slice(0, active)
        link = paths.links[begin[here] + hop]
        grows = (reached[here] >= 0) & (last[tail[here], link_head[link]] == link)
        _emit_nodes(found, order[here][~grows], reached[here][~grows], hop)
        tail[here] = np.where(grows, tail[here], link_tail[link])
        opens = ~grows & (last[link_tail[link], link_head[link]] == link)
        reached[here] = np.where(grows | opens, link_head[link], -1)
        hopped = ~grows & ~opens
        found.append((order[here][hopped], hop, np.zeros(int(hopped.sum()), dtype=np.bool_), link[hopped]))
    return _assemble(found, len(paths))


def _emit_nodes(
    found: list[tuple[NDArray[np.int64], int, BoolArray, IntArray]],
    path: NDArray[np.int64],
    reached: IntArray,
    hop: int,
) -> None:
    """Close the node segments of these paths, where one is open."""
    closed = reached >= 0
    found.append((path[closed], hop, np.ones(int(closed.sum()), dtype=np.bool_), reached[closed]))


def _assemble(found: list[tuple[NDArray[np.int64], int, BoolArray, IntArray]], n_paths: int) -> SegmentLists:
    path = np.concatenate([part[0] for part in found])
    # A stable sort by path keeps the order in which the segments were found, which is the order of the hops.
    order = np.argsort(path, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(path, minlength=n_paths))]).astype(np.int64)
    is_node = np.concatenate([part[2] for part in found])[order]
    return SegmentLists(start, is_node, np.concatenate([part[3] for part in found])[order].astype(np.int32))


def _last_links(routing: IgpRouting) -> IntArray:
    """Return the last link of the only shortest path from row to column, -1 where there is not exactly one.

    Pointer doubling: after step i every pointer has moved 2^i hops or arrived.
    """
    n_nodes = len(routing.distance)
    if not len(routing.topology.links):
        return np.full((n_nodes, n_nodes), -1, dtype=np.int32)
    column = np.broadcast_to(np.arange(n_nodes, dtype=np.int32), (n_nodes, n_nodes))
    sole = routing.sole_next_hop
    unique = (sole >= 0) | np.eye(n_nodes, dtype=np.bool_)
    pointer = np.where(sole >= 0, routing.topology.head[sole], column.T).astype(np.int32)
    last = sole.copy()
    for _ in range(max(1, n_nodes - 1).bit_length()):
        unique &= unique[pointer, column]
        last = np.where(pointer != column, last[pointer, column], last)
        pointer = pointer[pointer, column]
    return np.asarray(np.where(unique & (pointer == column), last, -1))
