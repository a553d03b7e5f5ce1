"""The question in arrays: topology, demands and model put together, nothing decided yet.

Demands of the same source, destination, class and tenant form one *commodity*; the optimiser and the tables work on
commodities, and each demand gets the same share of its commodity. With several demand matrices the commodities are
the union and ``volume_gbps`` has one row per matrix.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.classify import Classification, classify
from vbte.demands import DemandMatrix
from vbte.errors import InputError, InputWarning
from vbte.policy import PlanningModel, ProtectionKind, TrafficClass
from vbte.scenarios import ScenarioSet, family, likely_states, stated_components
from vbte.topology import BoolArray, FloatArray, IntArray, Link, Topology


@dataclass(frozen=True, eq=False)
class ClassRules:
    """One class's policy against one topology.

    ``link_allowed`` (n_links,) and ``transit`` (n_nodes,) say what its paths may use; ``must_nodes`` and
    ``must_links`` what each path has to pass; ``scenarios`` what it is protected against, None for nothing.
    """

    policy: TrafficClass
    link_allowed: BoolArray
    transit: BoolArray
    must_nodes: tuple[int, ...]
    must_links: tuple[int, ...]
    scenarios: ScenarioSet | None = None

    @property
    def depends_on_path(self) -> bool:
        """True when admissibility can't be decided link by link: bounds on the whole path, or things to pass."""
        return (
            self.policy.latency_bound_ms is not None
            or self.policy.hop_bound is not None
            or bool(self.must_nodes or self.must_links)
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """Inputs resolved to arrays; K commodities, T demand matrices.

    ``source``, ``destination``, ``class_index``, ``tenant_index`` have shape (K,), ``volume_gbps`` (T, K).
    ``demand_commodity[t][d]`` is the commodity of demand d of matrix t, -1 for a demand of volume 0.
    Commodities are sorted by class, source, destination, tenant.
    """

    topology: Topology
    model: PlanningModel
    demands: tuple[DemandMatrix, ...]
    classifications: tuple[Classification, ...]
    rules: tuple[ClassRules, ...]
    tenants: tuple[str, ...]
    source: IntArray
    destination: IntArray
    class_index: IntArray
    tenant_index: IntArray
    volume_gbps: FloatArray
    demand_commodity: tuple[IntArray, ...]

    @property
    def n_commodities(self) -> int:
        """Number of commodities, K."""
        return len(self.source)

    @property
    def n_matrices(self) -> int:
        """Number of demand matrices, T."""
        return len(self.demands)

    @property
    def commodity_columns(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Class, source, destination and tenant of each commodity, shape (K,) each."""
        return self.class_index, self.source, self.destination, self.tenant_index

    @cached_property
    def peak_gbps(self) -> FloatArray:
        """Largest volume of each commodity over the matrices, Gbit/s, shape (K,)."""
        return np.asarray(self.volume_gbps.max(axis=0)) if self.n_commodities else np.empty(0)

    @cached_property
    def load_ratio(self) -> FloatArray:
        """Volume of each commodity in each matrix as a share of its peak, shape (T, K)."""
        return np.asarray(self.volume_gbps / self.peak_gbps[None, :])

    @cached_property
    def priorities(self) -> tuple[int, ...]:
        """Distinct class priorities, most important first."""
        return tuple(sorted({rules.policy.priority for rules in self.rules}))

    @cached_property
    def priority(self) -> IntArray:
        """Priority of each commodity, shape (K,)."""
        table = np.array([rules.policy.priority for rules in self.rules], dtype=np.int32)
        return np.asarray(table[self.class_index])

    @cached_property
    def weight(self) -> FloatArray:
        """Weight of each commodity within its priority, shape (K,)."""
        return np.asarray(np.array([rules.policy.weight for rules in self.rules])[self.class_index])

    def describe(self, commodity: int) -> str:
        """Return ``'gold ams -> par'`` for one commodity."""
        nodes = self.topology.nodes
        tenant = self.tenants[self.tenant_index[commodity]]
        return (
            f"{self.rules[self.class_index[commodity]].policy.name} "
            f"{nodes[self.source[commodity]].id} -> {nodes[self.destination[commodity]].id}"
            f"{' (' + tenant + ')' if tenant else ''}"
        )

    def place(self, commodity: int) -> str:
        """Return where the first demand of a commodity was read: ``'demands.csv:17'``."""
        for demands, owner in zip(self.demands, self.demand_commodity, strict=True):
            found = np.flatnonzero(owner == commodity)
            if len(found):
                return demands.place(int(found[0]))
        return ""


def build_instance(topology: Topology, demands: Sequence[DemandMatrix], model: PlanningModel) -> Instance:
    """Classify the demands, resolve the policy's names and merge demands into commodities.

    Raises InputError for unknown nodes, links, admin groups, SRLGs or classes, naming the file or model key.
    """
    if not demands:
        raise InputError("no demand matrix", place="demands", remedy="give at least one")
    rules = tuple(_resolve(topology, model, position) for position in range(len(model.classes)))
    classifications = tuple(classify(matrix, model) for matrix in demands)
    tenants = tuple(sorted({""}.union(*(_tenant_names(matrix) for matrix in demands))))
    keys = [_keys(topology, m, c, tenants) for m, c in zip(demands, classifications, strict=True)]
    positive = [matrix.volume_gbps > 0 for matrix in demands]
    stacked = np.concatenate([key[mask] for key, mask in zip(keys, positive, strict=True)])
    commodities, inverse = np.unique(stacked, return_inverse=True)
    owner = _split_owner(inverse.astype(np.int32), positive)
    volume = np.zeros((len(demands), len(commodities)))
    for row, (matrix, commodity, mask) in enumerate(zip(demands, owner, positive, strict=True)):
        volume[row] = np.bincount(commodity[mask], weights=matrix.volume_gbps[mask], minlength=len(commodities))
    sizes = (len(rules), len(topology.nodes), len(topology.nodes), len(tenants))
    columns = [column.astype(np.int32) for column in np.unravel_index(commodities, sizes)]
    class_index, source, destination, tenant_index = columns
    return Instance(
        topology, model, tuple(demands), classifications, rules, tenants,
        source, destination, class_index, tenant_index, volume, owner,
    )  # fmt: skip


def without_commodities(instance: Instance, dropped: NDArray[np.intp]) -> Instance:
    """Return the instance without some commodities; their demands belong to no commodity (-1)."""
    kept = np.ones(instance.n_commodities, dtype=np.bool_)
    kept[dropped] = False
    position = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    owners = tuple(np.where(owner >= 0, position[owner], -1).astype(np.int32) for owner in instance.demand_commodity)
    return replace(
        instance,
        source=instance.source[kept],
        destination=instance.destination[kept],
        class_index=instance.class_index[kept],
        tenant_index=instance.tenant_index[kept],
        volume_gbps=instance.volume_gbps[:, kept],
        demand_commodity=owners,
    )


def _tenant_names(matrix: DemandMatrix) -> set[str]:
    column = matrix.attributes.get("tenant")
    return set(column.values) if column else set()


def _keys(
    topology: Topology, matrix: DemandMatrix, classification: Classification, tenants: tuple[str, ...]
) -> NDArray[np.int64]:
    """Return class, source, destination and tenant of each demand as one number, shape (n_demands,)."""
    source, destination = matrix.aligned(topology)
    column = matrix.attributes.get("tenant")
    position = {name: at for at, name in enumerate(tenants)}
    if column is None:
        tenant = np.full(len(matrix), position[""], dtype=np.int32)
    else:
        tenant = np.array([position[value] for value in column.values], dtype=np.int32)[column.codes]
    return _code((classification.class_index, source, destination, tenant), len(topology.nodes), len(tenants))


def _code(columns: Sequence[NDArray[np.int32] | NDArray[np.int64]], n_nodes: int, n_tenants: int) -> NDArray[np.int64]:
    """Return numbers that sort like (class, source, destination, tenant)."""
    class_index, source, destination, tenant = columns
    code = (class_index.astype(np.int64) * n_nodes + source) * n_nodes + destination
    return np.asarray(code * n_tenants + tenant)


def commodity_positions(instance: Instance, rows: Sequence[NDArray[np.int32] | NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return where the commodities of these classes, sources, destinations and tenants stand, -1 for any not there.

    ``rows`` are four arrays of one length, in that order; any numbers will do.
    """
    n_nodes, n_tenants = len(instance.topology.nodes), len(instance.tenants)
    sizes = (len(instance.rules), n_nodes, n_nodes, n_tenants)
    possible = np.logical_and.reduce([(row >= 0) & (row < size) for row, size in zip(rows, sizes, strict=True)])
    wanted = np.full(len(possible), -1, dtype=np.int64)
    wanted[possible] = _code([row[possible] for row in rows], n_nodes, n_tenants)
    known = _code(instance.commodity_columns, n_nodes, n_tenants)
    if not len(known):
        return np.full(len(wanted), -1)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, found, -1)


def _split_owner(inverse: IntArray, positive: list[NDArray[np.bool_]]) -> tuple[IntArray, ...]:
    """Undo the concatenation: one array per matrix, -1 where the demand has no volume."""
    owners, start = [], 0
    for mask in positive:
        owner = np.full(len(mask), -1, dtype=np.int32)
        count = int(mask.sum())
        owner[mask] = inverse[start : start + count]
        owners.append(owner)
        start += count
    return tuple(owners)


def _resolve(topology: Topology, model: PlanningModel, position: int) -> ClassRules:
    """Turn one class's names into masks and positions, checking that each name exists."""
    policy = model.classes[position]
    place = f"model {model.name!r}: class {policy.name!r}"
    avoid, require = policy.avoid, policy.require
    _check_names(topology, model, position)
    avoided_regions = {node.id for node in topology.nodes if node.region in avoid.regions}
    avoided_nodes = set(avoid.nodes) | avoided_regions

    def allowed(link: Link) -> bool:
        return not (
            link.id in avoid.links
            or set(link.admin_groups) & set(avoid.admin_groups)
            or set(link.srlgs) & set(avoid.srlgs)
            or (require.encrypted and not link.encrypted)
            or (require.admin_groups and not set(link.admin_groups) & set(require.admin_groups))
        )

    clash = set(require.nodes) & avoided_nodes | set(require.links) & set(avoid.links)
    if clash:
        raise InputError(f"both requires and avoids {sorted(clash)[0]!r}", place=place, remedy="drop one of the two")
    may_transit = np.array([node.id not in avoided_nodes for node in topology.nodes], dtype=np.bool_)
    return ClassRules(
        policy=policy,
        link_allowed=topology.usable & np.array([allowed(link) for link in topology.links], dtype=np.bool_),
        transit=topology.transit & may_transit,
        must_nodes=tuple(topology.node_index[node] for node in require.nodes),
        must_links=tuple(topology.link_index[link] for link in require.links),
        scenarios=_protected_against(topology, policy),
    )


def _protected_against(topology: Topology, policy: TrafficClass) -> ScenarioSet | None:
    """Return the scenarios that a class's protection speaks of.

    Raises InputError where it speaks of likely states and no link says how often it fails.
    """
    protection = policy.protection
    if protection is None:
        return None
    if protection.kind is ProtectionKind.AVAILABILITY:
        return likely_states(topology, stated_components(topology), protection.cutoff)
    return family(topology, protection.against)


def _check_names(topology: Topology, model: PlanningModel, position: int) -> None:
    """Raise InputError for the first name in a class's avoid and require lists that the topology does not have."""
    policy = model.classes[position]
    known: dict[str, Callable[[], set[str]]] = {
        "nodes": lambda: set(topology.node_index),
        "links": lambda: set(topology.link_index),
        "admin_groups": lambda: {group for link in topology.links for group in link.admin_groups},
        "srlgs": lambda: {group for link in topology.links for group in link.srlgs},
        "regions": lambda: {node.region for node in topology.nodes if node.region},
    }
    for verb, lists in (("avoid", policy.avoid), ("require", policy.require)):
        for kind, names in known.items():
            for name in getattr(lists, kind, ()):
                if name in names():
                    continue
                place = f"model {model.name!r}: classes[{position}] {policy.name!r}"
                fault = f"{verb}.{kind}: the topology has no {name!r}"
                # A model may serve several networks, and one without such a group has nothing to avoid.
                if verb == "avoid" and kind in ("admin_groups", "srlgs", "regions"):
                    warnings.warn(f"{place}: {fault}, so nothing is avoided", InputWarning, stacklevel=2)
                else:
                    raise InputError(fault, place=place, remedy="mend the name or the topology")
