"""What an earlier plan is good for when demands have moved or links have gone: its paths, and which links were dear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.oracle import path_faults, select_paths
from vbte.plan import PathSet, Plan
from vbte.topology import FloatArray

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class EarlierPlan:
    """An earlier plan in the terms of a new instance.

    ``paths`` are those that still may be used, ``flow_gbps`` (P,) the same shares of the new volumes as before;
    ``price`` (n_links,) says how dear each link was, in no unit; ``lost_share`` how much of the flow had to go with its
    paths.
    """

    paths: PathSet
    flow_gbps: FloatArray
    price: FloatArray
    lost_share: float


def carried_over(previous: Plan, instance: Instance) -> EarlierPlan:
    """Return what is left of ``previous`` in ``instance``; nodes, links, classes and tenants are matched by name."""
    old, topology = previous.instance, instance.topology
    link = _positions([one.id for one in old.topology.links], topology.link_index)
    commodity = _commodities(old, instance)
    left, kept = _usable_paths(previous, instance, link, commodity)
    share = previous.path_share[kept]
    total = np.bincount(left.commodity, weights=share, minlength=instance.n_commodities).astype(np.float64)
    before = np.zeros(instance.n_commodities)
    known = np.flatnonzero(commodity >= 0)
    before[commodity[known]] = previous.admitted_share[known]
    # Where a path is gone, those left take over what it carried.
    scale = np.divide(before, total, out=np.ones_like(total), where=total > 0)
    price = np.zeros(len(topology.links))
    found = np.flatnonzero(link >= 0)
    price[link[found]] = _price(previous)[found]
    flow = share * instance.peak_gbps[left.commodity]
    lost = 1.0 - float(flow.sum()) / max(float(before @ instance.peak_gbps), 1e-300)
    return EarlierPlan(left, flow * scale[left.commodity], price, lost)


def _usable_paths(
    previous: Plan, instance: Instance, link: IndexArray, commodity: IndexArray
) -> tuple[PathSet, IndexArray]:
    """Return the paths in use that may still be used, sorted by commodity, and where each stands in ``previous``.

    ``link`` and ``commodity`` say where those of the previous plan are now, -1 for nowhere.
    """
    paths = previous.paths
    links, target = link[paths.links].astype(np.int32), commodity[paths.commodity].astype(np.int32)
    owner = np.repeat(np.arange(len(paths)), paths.hops)
    lost = np.bincount(owner[links < 0], minlength=len(paths)) > 0
    kept = np.flatnonzero(~lost & (target >= 0) & (previous.flow_gbps > 0))
    kept = kept[np.argsort(target[kept], kind="stable")]
    left = select_paths(PathSet(paths.start, links, target), kept)
    # A link of the same name may join other nodes today, and a class may have lost one that the network still has.
    sound = np.flatnonzero(~np.logical_or.reduce(path_faults(instance, left)))
    return select_paths(left, sound), kept[sound]


def _price(plan: Plan) -> FloatArray:
    """Return the largest price of each link in any certificate, each certificate's dearest link counting 1."""
    price = np.zeros(len(plan.instance.topology.links))
    for one in plan.certificates:
        if one.prices is not None:
            of_link = one.prices.capacity.sum(axis=0) + sum(
                (array.sum(axis=0) for array in one.prices.class_limit.values()), np.zeros(len(price))
            )
            price = np.maximum(price, of_link / max(float(of_link.max(initial=0.0)), 1e-300))
    return price


def _positions(names: list[str], index: dict[str, int]) -> IndexArray:
    return np.array([index.get(name, -1) for name in names], dtype=np.intp)


def _commodities(old: Instance, new: Instance) -> IndexArray:
    """Return the position in the new instance of each commodity of the old one, -1 where it is gone."""
    node = _positions([node.id for node in old.topology.nodes], new.topology.node_index)
    of_class = _positions(
        [rules.policy.name for rules in old.rules], {rules.policy.name: i for i, rules in enumerate(new.rules)}
    )
    tenant = _positions(list(old.tenants), {name: i for i, name in enumerate(new.tenants)})
    columns = (
        of_class[old.class_index], node[old.source], node[old.destination], tenant[old.tenant_index],
    )  # fmt: skip
    size = (len(new.rules), len(new.topology.nodes), len(new.topology.nodes), len(new.tenants))
    known = np.logical_and.reduce([column >= 0 for column in columns])
    key = np.full(old.n_commodities, -1)
    key[known] = np.ravel_multi_index(tuple(column[known] for column in columns), size)
    # Commodities are sorted by exactly these four.
    there = np.ravel_multi_index((new.class_index, new.source, new.destination, new.tenant_index), size)
    at = np.searchsorted(there, key)
    found = known & (at < len(there)) & (there[np.minimum(at, max(len(there) - 1, 0))] == key if len(there) else False)
    return np.where(found, at, -1)
