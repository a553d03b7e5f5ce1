"""The IGP's own way to an egress, for demands none of whose planned paths a device can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.instance import ClassRules
from vbte.paths.igp import IgpRouting
from vbte.tolerance import PATH_BOUND_SLACK_SHARE


@dataclass(frozen=True)
class IgpWay:
    """The links from one node to another by equal-cost shortest paths, nearest first where there is only one path."""

    links: tuple[int, ...]
    is_single: bool


def igp_way(routing: IgpRouting, source: int, egress: int) -> IgpWay:
    """Return the equal-cost links met between two nodes; none when there is no path."""
    topology = routing.topology
    front, seen, links = [source], {source}, []
    while front:
        node = front.pop()
        if node == egress:
            continue
        out = np.flatnonzero(routing.tight[:, egress] & (topology.tail == node)).tolist()
        links.extend(out)
        ahead = set(topology.head[out].tolist()) - seen
        seen |= ahead
        front.extend(sorted(ahead))
    # As many links as nodes left behind: every node has one way on.
    return IgpWay(tuple(links), bool(links) and len(links) == len(seen) - 1)


def suits(way: IgpWay, rules: ClassRules, routing: IgpRouting, source: int, egress: int) -> bool:
    """True when traffic of a class may take the way: its rules hold on every path of it.

    Classes with rules on whole paths, or on their number, are only given a single path.
    """
    topology, links = routing.topology, np.array(way.links, dtype=np.int64)
    passed = set(topology.head[links].tolist()) - {egress}
    if not len(links) or not rules.link_allowed[links].all() or not rules.transit[sorted(passed)].all():
        return False
    policy, slack = rules.policy, 1 + PATH_BOUND_SLACK_SHARE
    if not rules.depends_on_path and not policy.needs_integers:
        return True
    return (
        way.is_single
        and (policy.latency_bound_ms is None or topology.latency_ms[links].sum() <= policy.latency_bound_ms * slack)
        and (policy.hop_bound is None or len(links) <= policy.hop_bound)
        and set(rules.must_nodes) <= passed | {source, egress}
        and set(rules.must_links) <= set(way.links)
    )
