"""Plans: what the optimiser decided, with its proof. A plan refers to its inputs and never changes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.policy import PathFigure, StageKind
from vbte.topology import BoolArray, FloatArray, IntArray

#: Visited links that are worked on at once: arrays per visited link, of 8 bytes each, stay within a few megabytes.
BLOCK_LINKS = 1 << 18


class Reason(StrEnum):
    """What a solver, or the whole run, has to say for itself."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    ERROR = "error"


class Limit(StrEnum):
    """Which limit stopped the work early."""

    NONE = "none"
    TIME = "time"
    ITERATIONS = "iterations"
    MEMORY = "memory"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Termination:
    """Reason and limit: two words, so that a stopped solver is never called optimal."""

    reason: Reason
    limit: Limit = Limit.NONE


@dataclass(frozen=True, eq=False)
class PathSet:
    """Paths in compressed rows: path p visits ``links[start[p]:start[p + 1]]`` and serves ``commodity[p]``.

    Sorted by commodity. ``start`` has shape (P + 1,), ``commodity`` (P,), ``links`` (total hops,).
    """

    start: NDArray[np.int64]
    links: IntArray
    commodity: IntArray

    def __len__(self) -> int:
        return len(self.commodity)

    def __getitem__(self, path: int) -> IntArray:
        return self.links[self.start[path] : self.start[path + 1]]

    @cached_property
    def hops(self) -> NDArray[np.int64]:
        """Number of links of each path, shape (P,)."""
        return np.diff(self.start)

    def blocks(self) -> Iterator[slice]:
        """Yield slices of paths, in order, short enough for figures per visited link to stay small."""
        at = np.searchsorted(self.start, np.arange(0, int(self.start[-1]), BLOCK_LINKS))
        cuts = np.unique(np.append(at, len(self))).tolist()
        yield from (slice(first, last) for first, last in itertools.pairwise(cuts))

    def visits(self, block: slice) -> tuple[IntArray, NDArray[np.int64]]:
        """Return the links that the paths of a block visit, and for each the path's position in the block."""
        links = self.links[self.start[block.start] : self.start[block.stop]]
        return links, np.repeat(np.arange(block.stop - block.start), self.hops[block])

    def sums(self, link_figure: FloatArray) -> FloatArray:
        """Return the sum of ``link_figure`` (n_links,) along each path, shape (P,)."""
        total = np.zeros(len(self))
        for block in self.blocks():
            links, owner = self.visits(block)
            total[block] = np.bincount(owner, weights=link_figure[links], minlength=block.stop - block.start)
        return total

    def visiting(self, link_mask: BoolArray) -> BoolArray:
        """Return which paths visit a link of ``link_mask`` (n_links,), shape (P,)."""
        visiting = np.zeros(len(self), dtype=np.bool_)
        visiting[np.searchsorted(self.start, np.flatnonzero(link_mask[self.links]), side="right") - 1] = True
        return visiting


@dataclass(frozen=True, eq=False)
class SurvivalPrices:
    """What surviving costs: ``price`` (n,) for ``commodity`` (n,) of its class's ``scenario`` (n,).

    Those that are not listed cost nothing.
    """

    commodity: NDArray[np.int64]
    scenario: NDArray[np.int64]
    price: FloatArray


NO_SURVIVAL_PRICES = SurvivalPrices(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))


@dataclass(frozen=True, eq=False)
class SharingPrices:
    """What room for backups costs, by scenario: ``price`` (n,) of a link's row in a matrix, all of it in ``Prices``.

    ``class_index`` (n,) says whose utilisation limit the row is, -1 for the link's capacity; ``matrix``, ``link`` and
    ``scenario`` (n,) which row. Those that are not listed cost nothing.
    """

    class_index: NDArray[np.int64]
    matrix: NDArray[np.int64]
    link: NDArray[np.int64]
    scenario: NDArray[np.int64]
    price: FloatArray


@dataclass(frozen=True, eq=False)
class Prices:
    """Multipliers that prove a bound, all 0 or more, in objective units per Gbit/s.

    ``capacity`` (T, n_links) prices each link's capacity row in each matrix, ``class_limit[c]`` (T, n_links) the
    utilisation-limit row of class c, ``held[i]`` the row that holds the plan's certificate i, ``survival`` the rows
    by which protected commodities survive, ``sharing`` the parts of link prices that belong to single scenarios.
    """

    capacity: FloatArray
    class_limit: Mapping[int, FloatArray] = field(default_factory=dict)
    held: Mapping[int, float] = field(default_factory=dict)
    survival: SurvivalPrices | None = None
    sharing: SharingPrices | None = None


@dataclass(frozen=True, eq=False)
class FairLevel:
    """One level of a max-min fair allocation: who stopped there, and the prices that prove why.

    ``commodities`` (n,) are positions in the instance. ``level`` is the smallest fair share among them, ``bound`` the
    highest level that all could have who are not stopped at earlier levels. ``factor``, 1 or more, says how unfair
    the level can be: see ``models/README.md``; None where the prices prove nothing.
    """

    level: float
    bound: float | None
    factor: float | None
    commodities: NDArray[np.intp]
    prices: Prices


@dataclass(frozen=True, eq=False)
class FairStep:
    """One step of a max-min fair allocation that is proven for all together: a level, and prices.

    ``factor``, 1 or more, says how much more those short of ``level`` could have in total; None where the prices prove
    nothing. See ``models/README.md``.
    """

    level: float
    factor: float | None
    prices: Prices


@dataclass(frozen=True, eq=False)
class Fairness:
    """A max-min fair allocation of one priority, with its proof level by level.

    ``volume_gbps`` (n,) are the fair volumes of the priority's commodities at their peak, in order of the instance;
    later stages hold them. It is proven by ``levels`` for each commodity, or by ``steps`` for all that are short of a
    level together. ``factor`` is the largest of the levels' or steps', None when a commodity that is not in full is
    proven by none.
    """

    volume_gbps: FloatArray
    levels: tuple[FairLevel, ...] = ()
    factor: float | None = None
    steps: tuple[FairStep, ...] = ()


@dataclass(frozen=True, eq=False)
class Certificate:
    """How far one stage of a plan can be from the best that any router could do.

    ``stage`` is the label (``'admitted[1]'``), ``priority`` the class priority it speaks of (None: all), ``value``
    what the finished plan reaches, ``bound`` what nobody can beat (None: not proven). ``reached`` is the value when
    the stage was solved and ``held_at`` the level, off by the model's tolerance, at which later stages hold it.
    ``mip_bound`` is a solver's own bound for integer programs, which can't be re-proven without a solver; ``bound``
    is the re-provable one. ``fairness`` belongs to ``max_min`` stages.
    """

    stage: str
    kind: StageKind
    figure: PathFigure
    priority: int | None
    value: float
    bound: float | None
    reached: float
    held_at: float
    prices: Prices | None
    termination: Termination
    mip_bound: float | None = None
    fairness: Fairness | None = None

    @property
    def gap(self) -> float | None:
        """Relative distance between value and bound, None when no bound was proven."""
        return relative_gap(self.value, self.bound, self.fairness)


def relative_gap(value: float, bound: float | None, fairness: Fairness | None = None) -> float | None:
    """Return the distance between value and bound as a share of the larger, None when not proven.

    In a ``max_min`` stage all levels count: a commodity may be short of its fair share by 1 - 1 / factor.
    """
    if bound is None or (fairness is not None and fairness.factor is None):
        return None
    scale = max(abs(value), abs(bound))
    gap = abs(value - bound) / scale if scale > 0 else 0.0
    return gap if fairness is None or fairness.factor is None else max(gap, 1.0 - 1.0 / fairness.factor)


@dataclass(frozen=True)
class EngineReport:
    """How the plan was found: engine, form of the program per class, solver, sizes. No times: see the run's log.

    ``gap`` is the certificate gap asked for, None where the optimum was; ``from_previous`` says whether the search
    started from an earlier plan.
    """

    engine: str
    solver: str
    forms: Mapping[str, str]
    rows: int
    columns: int
    columns_generated: int = 0
    gap: float | None = None
    from_previous: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """Path flows with their proof.

    ``flow_gbps`` (P,) is the flow of each path at the commodity's peak volume; with one matrix that is simply the
    flow. Arrays of results have one row per matrix: ``link_load_gbps`` (T, n_links).

    ``backup_paths``, where there are any, has a row for each of ``paths``: the path that takes its traffic when it is
    down, without links for none. ``reserved_gbps`` (P,) is the most that each path may ever carry, its backup in its
    place, also when others of its commodity are down; Gbit/s at the commodity's peak volume.
    """

    instance: Instance
    paths: PathSet
    flow_gbps: FloatArray
    certificates: tuple[Certificate, ...]
    termination: Termination
    engine: EngineReport
    backup_paths: PathSet | None = None
    reserved_gbps: FloatArray | None = None

    @cached_property
    def admitted_share(self) -> FloatArray:
        """Share of each commodity that is admitted, 0 to 1, shape (K,)."""
        flow = np.bincount(self.paths.commodity, weights=self.flow_gbps, minlength=self.instance.n_commodities)
        return np.asarray(flow / self.instance.peak_gbps)

    @cached_property
    def admitted_gbps(self) -> FloatArray:
        """Admitted volume of each commodity in each matrix, Gbit/s, shape (T, K)."""
        return np.asarray(self.admitted_share[None, :] * self.instance.volume_gbps)

    @cached_property
    def path_share(self) -> FloatArray:
        """Flow of each path as a share of its commodity's volume, shape (P,)."""
        return np.asarray(self.flow_gbps / self.instance.peak_gbps[self.paths.commodity])

    def path_flow_gbps(self, matrix: int = 0) -> FloatArray:
        """Return the flow of each path in one matrix, Gbit/s, shape (P,)."""
        return np.asarray(self.path_share * self.instance.volume_gbps[matrix, self.paths.commodity])

    @cached_property
    def link_load_gbps(self) -> FloatArray:
        """Load of each link in each matrix, Gbit/s, shape (T, n_links)."""
        return np.asarray(self.class_link_load_gbps.sum(axis=1))

    @cached_property
    def class_link_load_gbps(self) -> FloatArray:
        """Load of each link by class, Gbit/s, shape (T, n_classes, n_links)."""
        return link_sums(self.instance, self.paths, self.path_share)

    @property
    def committed_gbps(self) -> FloatArray:
        """What each path may come to carry, (P,) in Gbit/s at the commodity's peak: its reservation, or its flow."""
        return self.flow_gbps if self.reserved_gbps is None else self.reserved_gbps

    @cached_property
    def utilization(self) -> FloatArray:
        """Load over capacity of each link in each matrix, shape (T, n_links); 0 where the link carries nothing."""
        capacity = self.instance.topology.capacity_gbps
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.link_load_gbps > 0, self.link_load_gbps / capacity, 0.0)

    @property
    def max_utilization(self) -> float:
        """Largest utilisation over links and matrices (MLU)."""
        return float(self.utilization.max(initial=0.0))

    @property
    def max_gap(self) -> float | None:
        """Largest certificate gap, None when any stage is not proven."""
        gaps = [certificate.gap for certificate in self.certificates]
        return None if any(gap is None for gap in gaps) else max((gap for gap in gaps if gap is not None), default=0.0)


def link_sums(instance: Instance, paths: PathSet, path_share: FloatArray) -> FloatArray:
    """Return sums over the paths of these shares of their commodity's volume, (T, n_classes, n_links)."""
    n_classes, n_links = len(instance.rules), len(instance.topology.links)
    first_slot = instance.class_index[paths.commodity].astype(np.int64) * n_links
    loads = np.zeros((instance.n_matrices, n_classes * n_links))
    for matrix in range(instance.n_matrices):
        flow = np.asarray(path_share * instance.volume_gbps[matrix, paths.commodity])
        for block in paths.blocks():
            links, owner = paths.visits(block)
            # Unlike sums per block, this adds in the order of the paths, whatever the blocks.
            np.add.at(loads[matrix], first_slot[block][owner] + links, flow[block][owner])
    return loads.reshape(instance.n_matrices, n_classes, n_links)
