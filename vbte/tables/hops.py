"""Weighted next hops per egress and class, from a plan's path flows or from the IGP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vbte.device_limits import device_limits
from vbte.instance import Instance
from vbte.paths.igp import IgpRouting, ecmp_flows, igp_next_hops
from vbte.plan import PathSet, Plan
from vbte.quantise import Weights, quantise
from vbte.tables.dag import Dag, Positions, build_dag, keep_edges
from vbte.tables.sids import limit_equal_cost
from vbte.tables.splits import with_flow
from vbte.topology import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Hops:
    """Weighted next hops: a DAG whose edges have ``weight`` (E,) and ``planned_share`` (E,) of their state's traffic.

    ``crowded`` lists (state, link) pairs that found no place in the state's group, with their planned Gbit/s.
    ``commodity_key`` (K,) is each commodity's key; ``admitted_share`` (K,). ``error`` (S,) is each state's
    quantisation error.
    """

    instance: Instance
    dag: Dag
    commodity_key: Positions
    admitted_share: FloatArray
    weight: Weights
    planned_share: FloatArray
    error: FloatArray
    crowded: tuple[tuple[int, int, float], ...] = ()

    @cached_property
    def commodity_state(self) -> Positions:
        """State where each commodity enters, -1 where its source is on no path of its key, shape (K,)."""
        return self.dag.state(self.commodity_key, self.instance.source)

    @cached_property
    def share(self) -> FloatArray:
        """Share of its state's traffic that each edge gets, shape (E,)."""
        total = np.bincount(self.dag.tail, weights=self.weight, minlength=len(self.dag.state_node))
        return np.asarray(self.weight / total[self.dag.tail])

    @cached_property
    def reached(self) -> BoolArray:
        """Which tenants' traffic comes past each state, shape (S, n_tenants)."""
        start = np.zeros((len(self.dag.state_node), len(self.instance.tenants)), dtype=np.bool_)
        entering = np.flatnonzero((self.admitted_share > 0) & (self.commodity_state >= 0))
        start[self.commodity_state[entering], self.instance.tenant_index[entering]] = True
        return self.dag.reached(start, self.weight > 0)

    @cached_property
    def link_load_gbps(self) -> FloatArray:
        """Load of each link when devices split by weight, shape (T, n_links)."""
        n_links, entering = len(self.instance.topology.links), np.flatnonzero(self.commodity_state >= 0)
        loads = []
        for volume in self.instance.volume_gbps:
            admitted = (self.admitted_share * volume)[entering]
            mass = np.bincount(self.commodity_state[entering], weights=admitted, minlength=len(self.dag.state_node))
            loads.append(
                np.bincount(
                    self.dag.link, weights=self.dag.push(mass.astype(np.float64), self.share), minlength=n_links
                )
            )
        return np.stack(loads)


def plan_hops(plan: Plan) -> Hops:
    """Return a plan's flows summed by egress and class at peak volumes, cycles cancelled, quantised."""
    instance = plan.instance
    paths, share = with_flow(plan)
    commodity_key, _ = _keys(instance)
    has_flow = np.bincount(paths.commodity, minlength=instance.n_commodities) > 0
    admitted_share = np.where(has_flow, np.minimum(plan.admitted_share, 1.0), 0.0)
    flow = share * (admitted_share * instance.peak_gbps)[paths.commodity]
    n_links = max(1, len(instance.topology.links))
    codes, summed = _summed(paths, commodity_key[paths.commodity] * n_links, flow)
    dag = build_dag(instance.topology, codes // n_links, codes % n_links, summed)
    return _quantised(instance, dag, commodity_key, admitted_share)


def _summed(paths: PathSet, first_code: Positions, flow: FloatArray) -> tuple[Positions, FloatArray]:
    """Return the distinct codes ``first_code`` (P,) + link of all visited links, sorted, and the flow of each."""

    def visited(block: slice) -> tuple[Positions, Positions]:
        links, owner = paths.visits(block)
        return first_code[block][owner] + links, owner

    found = [np.unique(visited(block)[0]) for block in paths.blocks()]
    codes = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))
    summed = np.zeros(len(codes))
    for block in paths.blocks():
        code, owner = visited(block)
        # Unlike sums per block, this adds in the order of the paths, whatever the blocks.
        np.add.at(summed, np.searchsorted(codes, code), flow[block][owner])
    return codes, summed


def igp_hops(instance: Instance) -> Hops:
    """Return plain IGP routing: equal-cost next hops with weight 1, everything admitted that has a path."""
    limits = device_limits(instance.topology, instance.model)
    routing = limit_equal_cost(igp_next_hops(instance.topology), limits.max_group_members)
    commodity_key, class_of_key = _keys(instance)
    parts = [_igp_edges(instance, routing, commodity_key, c) for c in np.unique(class_of_key).tolist()]
    key, link, flow = (np.concatenate([part[at] for part in parts] or [np.empty(0)]) for at in range(3))
    order = np.lexsort((link, key))
    dag = build_dag(instance.topology, key[order].astype(np.int64), link[order].astype(np.int64), flow[order])
    routable = np.isfinite(routing.distance[instance.source, instance.destination])
    ones = np.ones(len(dag.link), dtype=np.int64)
    count = np.bincount(dag.tail, minlength=len(dag.state_node))
    return Hops(
        instance, dag, commodity_key, routable.astype(np.float64), ones, 1.0 / count[dag.tail],
        np.zeros(len(dag.state_node)),
    )  # fmt: skip


def _keys(instance: Instance) -> tuple[Positions, Positions]:
    """Return the key of each commodity (K,), and the class of each key."""
    n_nodes = len(instance.topology.nodes)
    code = instance.class_index.astype(np.int64) * n_nodes + instance.destination
    codes, inverse = np.unique(code, return_inverse=True)
    return inverse.astype(np.int64), codes // n_nodes


def _igp_edges(
    instance: Instance, routing: IgpRouting, commodity_key: Positions, class_index: int
) -> tuple[Positions, Positions, FloatArray]:
    """Return key, link and flow of one class's equal-cost paths."""
    chosen = np.flatnonzero(instance.class_index == class_index)
    n_nodes = len(routing.distance)
    entering, key_of = np.zeros((n_nodes, n_nodes)), np.zeros(n_nodes, dtype=np.int64)
    source, destination = instance.source[chosen], instance.destination[chosen]
    np.add.at(entering, (source, destination), instance.peak_gbps[chosen])
    key_of[destination] = commodity_key[chosen]
    flows = ecmp_flows(routing, entering)
    used = flows.flow_gbps > 0
    return key_of[flows.destination[used]], flows.link[used], flows.flow_gbps[used]


def _quantised(instance: Instance, dag: Dag, commodity_key: Positions, admitted_share: FloatArray) -> Hops:
    """Return the DAG's edges with weights."""
    limits = device_limits(instance.topology, instance.model)
    out = np.bincount(dag.tail, weights=dag.flow_gbps, minlength=len(dag.state_node))
    planned = dag.flow_gbps / out[dag.tail]
    order = np.lexsort((-planned, dag.tail))
    owner, start, size = np.unique(dag.tail[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, size)
    crowded = np.zeros(len(order), dtype=np.bool_)
    crowded[order] = rank >= limits.max_group_members[dag.state_node[dag.tail[order]]]
    held = order[~crowded[order]]
    kept = np.bincount(dag.tail[held], weights=planned[held], minlength=len(dag.state_node))
    bounds = np.append(np.unique(dag.tail[held], return_index=True)[1], len(held)).astype(np.int64)
    weight, group_error = np.zeros(len(order), dtype=np.int64), np.zeros(len(dag.state_node))
    weight[held], group_error[owner] = quantise(
        planned[held] / kept[dag.tail[held]], bounds, limits.max_weight[dag.state_node[owner]]
    )
    used = weight > 0
    refused = np.flatnonzero(crowded)
    return Hops(
        instance, keep_edges(dag, used), commodity_key, admitted_share, weight[used], planned[used], group_error,
        tuple(
            zip(dag.tail[refused].tolist(), dag.link[refused].tolist(), dag.flow_gbps[refused].tolist(), strict=True)
        ),
    )  # fmt: skip
