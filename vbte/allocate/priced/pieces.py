"""From flows down a network without cycles to paths of single commodities, for all destinations at once.

What passes a cell is laid out as one long strip, commodity after commodity, and cut where the shares of the links say.
A piece that a cut meets is divided only if it is large; small ones go whole to either side, by a chance in proportion,
which leaves link loads as they were but for a trifle and most commodities with a single path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.priced.dag import DagSpread
from vbte.paths.elimination import Float32Array
from vbte.plan import PathSet
from vbte.topology import BoolArray, FloatArray, IntArray

IndexArray = NDArray[np.intp]

#: A piece smaller than this share of the smallest link it could take is not divided.
WHOLE_SHARE = 1e-4

#: A part smaller than this share of its piece is left with the largest part.
_LEAST_PART = 1e-3

#: Columns by which the table of steps grows, and the part of its rows by which it does, or has to spare at first.
_STEPS = 32
_GROWTH = 2


class Pieces:
    """Traffic on its way: piece i of ``commodity[i]`` has taken ``hops[i]`` links and stands in ``cell[i]``.

    The arrays have room for more than the ``count`` pieces there are.
    """

    def __init__(self, cell: IndexArray, amount: FloatArray, dtype: type[np.signedinteger]) -> None:
        self.count = len(cell)
        spare = len(cell) // _GROWTH
        self.commodity = np.arange(self.count + spare)
        self.cell = np.concatenate([cell, np.zeros(spare, dtype=np.intp)])
        self.amount = np.concatenate([amount, np.zeros(spare)])
        self.hops = np.zeros(self.count + spare, dtype=np.intp)
        self.steps = np.zeros((self.count + spare, _STEPS), dtype=dtype)

    def divide(self, piece: IndexArray, amount: FloatArray) -> IndexArray:
        """Split ``amount`` off each ``piece`` (one may occur several times); return the numbers of the new pieces."""
        np.subtract.at(self.amount, piece, amount)
        new = np.arange(self.count, self.count + len(piece))
        if self.count + len(piece) > len(self.amount):
            self._grow(len(piece))
        self.count += len(piece)
        self.amount[new] = amount
        for column in (self.commodity, self.cell, self.hops, self.steps):
            column[new] = column[piece]
        return new

    def _grow(self, more: int) -> None:
        extra = more + len(self.amount) // _GROWTH
        self.amount = np.concatenate([self.amount, np.zeros(extra)])
        self.commodity = np.concatenate([self.commodity, np.zeros(extra, dtype=np.intp)])
        self.cell = np.concatenate([self.cell, np.zeros(extra, dtype=np.intp)])
        self.hops = np.concatenate([self.hops, np.zeros(extra, dtype=np.intp)])
        tail = np.zeros((extra, self.steps.shape[1]), dtype=self.steps.dtype)
        self.steps = np.concatenate([self.steps, tail])

    def move(self, piece: IndexArray, link: IndexArray, cell: IndexArray) -> None:
        """Take each ``piece`` over ``link`` into ``cell``."""
        if self.hops[piece].max(initial=0) >= self.steps.shape[1]:
            more = np.zeros((len(self.steps), _STEPS), dtype=self.steps.dtype)
            self.steps = np.concatenate([self.steps, more], axis=1)
        self.steps[piece, self.hops[piece]] = link
        self.hops[piece] += 1
        self.cell[piece] = cell

    def paths(self, commodities: IndexArray) -> tuple[PathSet, FloatArray]:
        """Return the pieces that moved as paths sorted by commodity, and what each carries."""
        order = np.flatnonzero(self.hops[: self.count] > 0)
        order = order[np.argsort(self.commodity[order], kind="stable")]
        hops = self.hops[order]
        start = np.concatenate([[0], np.cumsum(hops)]).astype(np.int64)
        commodity = commodities[self.commodity[order]].astype(np.int32)
        paths = PathSet(start, np.empty(int(start[-1]), dtype=np.int32), commodity)
        # In blocks: the table has as many columns as the longest path has links.
        for block in paths.blocks():
            taken = np.arange(self.steps.shape[1])[None, :] < hops[block][:, None]
            paths.links[start[block.start] : start[block.stop]] = self.steps[order[block]][taken]
        return paths, self.amount[order]


def cut_into_paths(spread: DagSpread, flow: Float32Array, room: FloatArray, seed: int) -> tuple[PathSet, FloatArray]:
    """Return paths that carry ``flow`` (G,) of a group's commodities with the link loads of ``spread``.

    ``room`` (n_links,) says which pieces are large. The same seed gives the same paths.
    """
    dag = spread.dag
    sent = np.flatnonzero(flow > 0)
    dtype = np.int16 if len(room) < 2**15 else np.int32
    pieces = Pieces(dag.source_cell[sent], flow[sent].astype(np.float64), dtype)
    cutter = _Cutter(spread, room, np.random.default_rng(seed))
    # The wave in which a cell's pieces move on; a cell that none leaves comes after all, and arrival last.
    turn = np.full(dag.n_cells, dag.n_waves, dtype=np.int16 if dag.n_waves < 2**15 - 1 else np.int32)
    for wave in range(dag.n_waves):
        turn[dag.tail[dag.wave[wave] : dag.wave[wave + 1]]] = wave
    turn[dag.arrival_cell] = dag.n_waves + 1
    waiting: list[list[IndexArray]] = [[] for _ in range(dag.n_waves + 2)]
    moved = np.arange(len(sent))
    for wave in range(dag.n_waves + 1):
        _await(waiting, moved, turn[pieces.cell[moved]])
        moved = np.concatenate([*waiting[wave], np.empty(0, dtype=np.intp)])
        waiting[wave] = []
        if wave < dag.n_waves and len(moved):
            moved, arc = cutter.choose(pieces, moved)
            pieces.move(moved, dag.link[arc], dag.head[arc])
    # What never found its way (a destination out of reach) carries nothing.
    pieces.hops[moved] = 0
    return pieces.paths(dag.group.commodities[sent])


def _await(waiting: list[list[IndexArray]], piece: IndexArray, turn: NDArray[np.signedinteger]) -> None:
    """Let each ``piece`` wait for its ``turn``."""
    order = np.argsort(turn, kind="stable")
    piece, turn = piece[order], turn[order]
    first = np.flatnonzero(np.r_[True, turn[1:] != turn[:-1]])[: len(piece)]
    for some, wave in zip(np.split(piece, first[1:]), turn[first].tolist(), strict=False):
        waiting[wave].append(some)


class _Cutter:
    """Decides which arc each piece takes out of its cell."""

    def __init__(self, spread: DagSpread, room: FloatArray, chance: np.random.Generator) -> None:
        dag = spread.dag
        self._chance = chance
        self._first = np.full(dag.n_cells, -1)
        opening = dag.run[:-1]
        self._first[dag.tail[opening]] = opening
        self._ways = np.zeros(dag.n_cells, dtype=np.int32)
        self._ways[dag.tail[opening]] = np.diff(dag.run)
        # Shares added up within each cell, plus the number of the run: one sorted array for all cells.
        self._run = np.repeat(np.arange(len(opening)), np.diff(dag.run))
        total = np.cumsum(spread.share)
        before = np.concatenate([[0.0], total])[opening]
        self._ends = np.minimum(total - before[self._run], 1.0)
        self._ends[dag.run[1:] - 1] = 1.0
        self._room = room[dag.link]
        self._least_room = float(self._room.min(initial=np.inf))

    def choose(self, pieces: Pieces, moving: IndexArray) -> tuple[IndexArray, IndexArray]:
        """Return the pieces that move, divided ones included, and the arc that each takes."""
        cell = pieces.cell[moving]
        arc = self._first[cell]
        fork = np.flatnonzero(self._ways[cell] > 1)
        if not len(fork):
            return moving, arc
        order = fork[_sorted_by(cell[fork])]
        piece = moving[order]
        amount, first, ways = pieces.amount[piece], arc[order], self._ways[cell[order]]
        begin, end = _strip(first, amount)
        arc[order] = self._arc_at(first, ways, begin + (end - begin) * self._chance.random(len(piece)))
        large = np.flatnonzero(amount > WHOLE_SHARE * self._least_room)
        first, ways, begin, end = first[large], ways[large], begin[large], end[large]
        low, high = self._arc_at(first, ways, begin), self._arc_at(first, ways, np.nextafter(end, 0.0))
        met = (high > low) & (amount[large] > WHOLE_SHARE * np.minimum(self._room[low], self._room[high]))
        if not met.any():
            return moving, arc
        parts = self._parts(low[met], high[met], begin[met], end[met])
        return self._divided(pieces, moving, arc, order[large[met]], parts)

    def _arc_at(self, first: IndexArray, ways: IntArray, at: FloatArray) -> IndexArray:
        """Return the arc whose part of the strip holds a point in [0, 1); there are two ways at least."""
        arc: IndexArray = first + (self._ends[first] <= at)
        more = np.flatnonzero(ways > 2)
        step = 1
        while len(more):
            arc[more] += self._ends[first[more] + step] <= at[more]
            step += 1
            more = more[ways[more] > step + 1]
        return arc

    def _parts(
        self, low: IndexArray, high: IndexArray, begin: FloatArray, end: FloatArray
    ) -> tuple[IndexArray, IndexArray, FloatArray]:
        """Return (position of the piece, arc, share of the piece) for every arc that a large piece's stretch meets."""
        count = high - low + 1
        owner = np.repeat(np.arange(len(low)), count)
        arc = np.repeat(low - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        start = np.where(arc == low[owner], begin[owner], self._ends[np.maximum(arc - 1, 0)])
        stop = np.where(arc == high[owner], end[owner], self._ends[arc])
        return owner, arc, np.maximum(stop - start, 0.0) / (end - begin)[owner]

    def _divided(
        self,
        pieces: Pieces,
        moving: IndexArray,
        arc: IndexArray,
        large: IndexArray,
        parts: tuple[IndexArray, IndexArray, FloatArray],
    ) -> tuple[IndexArray, IndexArray]:
        """Leave the largest part with the piece itself and give each other part worth it a piece of its own."""
        owner, of_part, share = parts
        by_size = np.lexsort((-share, owner))
        main = by_size[np.r_[True, np.diff(owner[by_size]) != 0]]
        arc[large] = of_part[main]
        others: BoolArray = share > _LEAST_PART
        others[main] = False
        piece = moving[large][owner[others]]
        amount = share[others] * pieces.amount[piece]
        new = pieces.divide(piece, amount)
        return np.concatenate([moving, new]), np.concatenate([arc, of_part[others]])


def _sorted_by(cell: IndexArray) -> IndexArray:
    """Return the stable order by cell."""
    # Numbers that all differ may be sorted in any way, and that is far quicker than a stable order of equal ones.
    bits = max(len(cell), 1).bit_length()
    if int(cell.max(initial=0)).bit_length() + bits > 62:
        return np.argsort(cell, kind="stable")
    order: IndexArray = np.sort((cell << bits) | np.arange(len(cell))) & ((1 << bits) - 1)
    return order


def _strip(first: IndexArray, amount: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where each piece begins and ends on its cell's strip, from 0 to 1; pieces of one cell stand together."""
    opens = np.flatnonzero(np.r_[True, np.diff(first) != 0])
    count = np.diff(np.append(opens, len(first)))
    total = np.repeat(np.add.reduceat(amount, opens), count)
    ends = np.cumsum(amount)
    begins = ends - amount
    before = np.repeat(begins[opens], count)
    begin = np.clip((begins - before) / total, 0.0, 1.0)
    end = np.clip((ends - before) / total, 0.0, 1.0)
    return np.minimum(begin, end), end
