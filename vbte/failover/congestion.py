"""What links above capacity drop, and what still gets through: strict priority, and alike within a priority.

Drops at one link relieve those behind it. The share that each link passes on is therefore a fixed point: it follows
from what comes to the link, which follows from the shares of the links before it. More passed on before means less
passed on behind, so that rounds from "nothing is dropped" bracket the fixed point from both sides, and reach it as
soon as there are as many rounds as links that wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.instance import Instance
from vbte.tolerance import CAPACITY_SLACK_SHARE, DROP_SLACK_SHARE
from vbte.topology import FloatArray

Positions = NDArray[np.int64]

#: Pairs of rounds before the brackets are left as they are; what is lost is then overstated by what lies between them.
_MOST_ROUNDS = 32


def pass_share(load_gbps: FloatArray, instance: Instance, links: NDArray[np.intp] | None = None) -> FloatArray:
    """Return the share of each class's load (n_classes, n_links, B) that each link passes on, same shape.

    A priority gets what those before it leave of the capacity; within it all traffic fares alike. ``links`` are the
    positions of the links that are looked at, all of them where not stated.
    """
    capacity = instance.topology.capacity_gbps[slice(None) if links is None else links][:, None]
    passed = np.ones_like(load_gbps)
    left = np.broadcast_to(capacity, load_gbps.shape[1:]).copy()
    for priority in instance.priorities:
        members = [position for position, rules in enumerate(instance.rules) if rules.policy.priority == priority]
        wanted = load_gbps[members].sum(axis=0)
        short = wanted > left + CAPACITY_SLACK_SHARE * capacity
        passed[members] = np.divide(left, wanted, out=np.ones_like(wanted), where=short)
        # What rounding leaves of a link that is full is nothing.
        left = np.where(left - wanted > CAPACITY_SLACK_SHARE * capacity, left - wanted, 0.0)
    return passed


def settled_pass_share(
    load_gbps: FloatArray, instance: Instance, load_when: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
    links: NDArray[np.intp] | None = None,
) -> FloatArray:  # fmt: skip
    """Return the shares that agree with what then comes to the links, same shape as ``load_gbps``, the undropped load.

    ``load_when(shares, columns)`` gives the load of some of the B columns when links pass on these shares. Never too
    high: where rounds end before the brackets meet, the lower one is returned.
    """
    low = pass_share(load_gbps, instance, links)
    open_columns = np.flatnonzero((low < 1.0).any(axis=(0, 1)))
    for _ in range(_MOST_ROUNDS):
        if not len(open_columns):
            break
        high = pass_share(load_when(low[:, :, open_columns], open_columns), instance, links)
        low[:, :, open_columns] = pass_share(load_when(high, open_columns), instance, links)
        apart = (high - low[:, :, open_columns]).max(axis=(0, 1), initial=0.0)
        open_columns = open_columns[apart > DROP_SLACK_SHARE]
    return low


class Crossings:
    """Ways and what they cross in order: way w the columns (class, link) ``column[start[w]:start[w + 1]]``."""

    def __init__(self, start: Positions, column: Positions, n_columns: int) -> None:
        self._start, self._column, self._n_columns = start, column, n_columns

    @cached_property
    def _hops(self) -> list[tuple[Positions, Positions, csr_array]]:
        """For each hop: the ways that have one, the column it crosses, and the sums of such ways by column."""
        length = np.diff(self._start)
        found = []
        for hop in range(int(length.max(initial=0))):
            ways = np.flatnonzero(length > hop)
            column = self._column[self._start[ways] + hop]
            shape = (self._n_columns, len(ways))
            found.append((ways, column, csr_array((np.ones(len(ways)), (column, np.arange(len(ways)))), shape=shape)))
        return found

    def passed(self, share: FloatArray) -> FloatArray:
        """Return the product of ``share`` (n_columns, B) along each way, (W, B)."""
        product = np.ones((len(self._start) - 1, share.shape[1]))
        for ways, column, _ in self._hops:
            product[ways] *= share[column]
        return product

    def loads(self, flow_gbps: FloatArray, share: FloatArray) -> FloatArray:
        """Return what comes to each column, (n_columns, B), of flows (W, B) of which each link passes on a share."""
        left, load = flow_gbps.copy(), np.zeros((self._n_columns, flow_gbps.shape[1]))
        for ways, column, by_column in self._hops:
            load += by_column @ left[ways]
            left[ways] *= share[column]
        return load
