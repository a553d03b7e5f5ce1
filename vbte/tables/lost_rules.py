"""What hop-by-hop tables lose of a policy: rules that bind the paths of single sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from vbte.plan import Plan
from vbte.policy import Split, TrafficClass
from vbte.tables.commodities import CommodityWords, bps
from vbte.tables.dag import Positions
from vbte.tables.hops import Hops
from vbte.tables.schema import CannotRealise, Concern
from vbte.tolerance import PATH_BOUND_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray

Finding = tuple[int, CannotRealise]
PathRule = Literal["latency-bound", "hop-bound", "must-pass", "path-count"]

_SUBSTITUTE = "the class's weighted next hops, with that path among them"


def lost_rules(hops: Hops) -> list[Finding]:
    """Return ``cannot_realise`` entries, each with its node: links left out of groups, and bounds some path breaks.

    A source's traffic may follow any way through the weighted next hops to its egress, also ways that were planned
    for other sources only; each class's rules are held against the worst of them.
    """
    checks = _PathChecks(hops)
    findings = _crowded(hops)
    for position, rules in enumerate(hops.instance.rules):
        if rules.depends_on_path or rules.policy.needs_integers:
            findings.extend(checks.of_class(position))
    return findings


def lost_protection(plan: Plan, admitted_share: FloatArray) -> list[Finding]:
    """Return a ``cannot_realise`` entry, with its node, for each commodity whose paths have backups or reservations.

    Hop by hop the paths of all sources are summed up: what belongs to one path has nobody to hold it.
    """
    instance, words = plan.instance, CommodityWords(plan.instance, admitted_share)
    wanted = np.zeros(instance.n_commodities, dtype=np.bool_)
    if plan.backup_paths is not None:
        wanted[plan.paths.commodity[plan.backup_paths.hops > 0]] = True
    if plan.reserved_gbps is not None:
        wanted[plan.paths.commodity] = True
    return [
        (
            int(instance.source[commodity]),
            {
                "object": _demand(words, commodity),
                "reason": "protection",
                "detail": "hop by hop, paths of single sources are not told apart, nor what belongs to them",
                "substitute": "what the class's other next hops carry, and tables: {local_protection: ...} where set",
                "bps_at_stake": bps(admitted_share[commodity] * instance.peak_gbps[commodity]),
            },
        )
        for commodity in np.flatnonzero(wanted & (admitted_share > 0)).tolist()
    ]


def _demand(words: CommodityWords, commodity: int) -> Concern:
    return {
        "kind": "demand",
        "egress": words.egress[commodity],
        "class": words.class_name[commodity],
        "tenant": words.tenant[commodity],
        "links": [],
    }


class _PathChecks:
    """Longest and number of ways from every state to its egress."""

    def __init__(self, hops: Hops) -> None:
        self._hops = hops
        self._words = CommodityWords(hops.instance, hops.admitted_share)
        egress_of_key = np.zeros(int(hops.commodity_key.max(initial=-1)) + 1, dtype=np.int64)
        egress_of_key[hops.commodity_key] = hops.instance.destination
        self._at_egress = hops.dag.state_node == egress_of_key[hops.dag.state_key]
        self._every = np.ones(len(hops.dag.link), dtype=np.bool_)

    def of_class(self, position: int) -> Iterator[Finding]:
        """Yield what commodities of a class lose."""
        instance, policy = self._hops.instance, self._hops.instance.rules[position].policy
        entering = (self._hops.commodity_state >= 0) & (self._hops.admitted_share > 0)
        commodity = np.flatnonzero(entering & (instance.class_index == position))
        yield from self._too_long(commodity, policy)
        yield from self._past(commodity, position)
        yield from self._too_many(commodity, policy)

    def _too_long(self, commodity: Positions, policy: TrafficClass) -> Iterator[Finding]:
        dag = self._hops.dag
        if policy.latency_bound_ms is not None:
            longest = dag.largest(self._hops.instance.topology.latency_ms[dag.link], self._every)
            yield from self._beyond(commodity, longest, policy.latency_bound_ms, "latency-bound", "ms")
        if policy.hop_bound is not None:
            longest = dag.largest(np.ones(len(dag.link)), self._every)
            yield from self._beyond(commodity, longest, policy.hop_bound, "hop-bound", "hops")

    def _beyond(
        self, commodity: Positions, worst: FloatArray, bound: float, reason: PathRule, unit: str
    ) -> Iterator[Finding]:
        reached = worst[self._hops.commodity_state[commodity]]
        broken = reached > bound * (1 + PATH_BOUND_SLACK_SHARE)
        for at, figure in zip(commodity[broken].tolist(), reached[broken].tolist(), strict=True):
            yield self._finding(at, reason, f"the worst way has {figure:g} {unit}, the class allows {bound:g}")

    def _past(self, commodity: Positions, position: int) -> Iterator[Finding]:
        """Ways that miss a node or link which every path of the class has to pass."""
        instance, dag = self._hops.instance, self._hops.dag
        rules, topology = instance.rules[position], instance.topology
        for node in rules.must_nodes:
            clear = (dag.state_node[dag.tail] != node) & (dag.state_node[dag.head] != node)
            other = commodity[(instance.source[commodity] != node) & (instance.destination[commodity] != node)]
            yield from self._misses(other, clear, f"node {topology.nodes[node].id}")
        for link in rules.must_links:
            yield from self._misses(commodity, dag.link != link, f"link {topology.links[link].id}")

    def _misses(self, commodity: Positions, clear: BoolArray, what: str) -> Iterator[Finding]:
        ways = self._hops.dag.count_paths(clear, self._at_egress)[self._hops.commodity_state[commodity]]
        for at in commodity[ways > 0].tolist():
            yield self._finding(at, "must-pass", f"a way does not pass {what}")

    def _too_many(self, commodity: Positions, policy: TrafficClass) -> Iterator[Finding]:
        limit = 1 if policy.split is Split.SINGLE_PATH else policy.max_paths or policy.bundles
        if limit is None:
            return
        ways = self._hops.dag.count_paths(self._every, self._at_egress)[self._hops.commodity_state[commodity]]
        for at, count in zip(commodity[ways > limit].tolist(), ways[ways > limit].tolist(), strict=True):
            yield self._finding(at, "path-count", f"there are {count:g} ways, the class allows {limit}")

    def _finding(self, commodity: int, reason: PathRule, detail: str) -> Finding:
        words, instance = self._words, self._hops.instance
        entry: CannotRealise = {
            "object": _demand(words, commodity),
            "reason": reason,
            "detail": detail,
            "substitute": _SUBSTITUTE,
            "bps_at_stake": bps(self._hops.admitted_share[commodity] * instance.peak_gbps[commodity]),
        }
        return int(instance.source[commodity]), entry


def _crowded(hops: Hops) -> list[Finding]:
    """Links that found no place in a group, one entry per group."""
    dag, instance = hops.dag, hops.instance
    by_state: dict[int, list[tuple[str, float]]] = {}
    for state, link, flow_gbps in hops.crowded:
        by_state.setdefault(state, []).append((instance.topology.links[link].id, flow_gbps))
    key_commodity = {key: commodity for commodity, key in enumerate(hops.commodity_key.tolist())}
    words = CommodityWords(instance, hops.admitted_share)
    findings: list[Finding] = []
    for state, left_out in by_state.items():
        commodity = key_commodity[int(dag.state_key[state])]
        concern: Concern = {
            "kind": "group",
            "egress": words.egress[commodity],
            "class": words.class_name[commodity],
            "tenant": "",
            "links": sorted(name for name, _ in left_out),
        }
        entry: CannotRealise = {
            "object": concern,
            "reason": "group-size",
            "detail": f"{len(left_out)} links more than a group holds, and the others carry more",
            "substitute": "the group's other links, in proportion",
            "bps_at_stake": bps(sum(flow_gbps for _, flow_gbps in left_out)),
        }
        findings.append((int(dag.state_node[state]), entry))
    return findings
