"""Demand matrices: who wants to send how much to whom, frozen facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vbte.errors import InputError
from vbte.topology import FloatArray, IntArray, Topology

#: Attribute columns that class rules may match on, beside ``tag``.
ATTRIBUTES = ("class", "tenant", "dscp", "vlan", "application", "tags", "source_prefix", "destination_prefix")


@dataclass(frozen=True, eq=False)
class AttributeColumn:
    """One categorical column: ``values[codes[k]]`` is demand k's value; the empty string means not stated."""

    codes: IntArray
    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DemandMatrix:
    """Demands in the order read; several may join the same pair.

    ``source`` and ``destination`` (shape ``(n_demands,)``) are positions in ``node_ids``, ``volume_gbps`` is Gbit/s.
    ``attributes`` maps names of ``ATTRIBUTES`` to columns (``tags``: semicolon-separated in one value).
    ``line`` gives the line of ``origin`` each demand came from (empty when there is none).
    Raises InputError on volumes that are negative or not finite, on demands from a node to itself, on positions that
    are not there, and on columns of different lengths.
    """

    node_ids: tuple[str, ...]
    source: IntArray
    destination: IntArray
    volume_gbps: FloatArray
    attributes: Mapping[str, AttributeColumn] = field(default_factory=dict)
    name: str = ""
    origin: str = field(default="demands", repr=False)
    line: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64), repr=False)

    def __post_init__(self) -> None:
        if not len(self.source) == len(self.destination) == len(self.volume_gbps):
            raise InputError("source, destination and volume differ in length", place=self.origin)
        for end in (self.source, self.destination):
            if len(end) and not (end.min() >= 0 and end.max() < len(self.node_ids)):
                raise InputError("a source or destination is no position of node_ids", place=self.origin)
        for name, column in self.attributes.items():
            if len(column.codes) != len(self):
                raise InputError(f"attribute {name!r} has {len(column.codes)} entries for {len(self)} demands",
                                 place=self.origin)  # fmt: skip
        wrong = np.flatnonzero(~(np.isfinite(self.volume_gbps) & (self.volume_gbps >= 0)))
        if len(wrong):
            raise InputError(
                f"demand {self.describe(wrong[0])} has volume {self.volume_gbps[wrong[0]]:g} Gbit/s",
                place=self.place(wrong[0]),
                remedy="a volume is 0 or more",
            )
        loops = np.flatnonzero(self.source == self.destination)
        if len(loops):
            raise InputError(f"demand {self.describe(loops[0])} joins a node to itself", place=self.place(loops[0]))

    def __len__(self) -> int:
        return len(self.source)

    @property
    def total_gbps(self) -> float:
        """Sum of all volumes, Gbit/s."""
        return float(self.volume_gbps.sum())

    def describe(self, demand: int) -> str:
        """Return ``'ams -> par'`` for one demand."""
        return f"{self.node_ids[self.source[demand]]} -> {self.node_ids[self.destination[demand]]}"

    def place(self, demand: int) -> str:
        """Return ``'demands.csv:17'``, or the origin alone where lines are not known."""
        return f"{self.origin}:{self.line[demand]}" if len(self.line) else self.origin

    def aligned(self, topology: Topology) -> tuple[IntArray, IntArray]:
        """Return source and destination as node positions of ``topology``, shape (n_demands,) each.

        Raises InputError naming the first demand whose node the topology does not know.
        """
        lookup = np.array([topology.node_index.get(node, -1) for node in self.node_ids], dtype=np.int32)
        source, destination = lookup[self.source], lookup[self.destination]
        unknown = np.flatnonzero((source < 0) | (destination < 0))
        if len(unknown):
            first = int(unknown[0])
            end = self.source[first] if source[first] < 0 else self.destination[first]
            raise InputError(
                f"demand {self.describe(first)}: unknown node {self.node_ids[end]!r}",
                place=self.place(first),
                remedy=f"use a node of {topology.origin}",
            )
        return source, destination
