"""The walk: push every demand through written tables, device by device, and see where it ends.

It reads nothing but the tables' content and the topology's ends of links; how the tables were built it can't know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vbte.errors import InputError
from vbte.instance import Instance
from vbte.plan import Plan
from vbte.policy import CapacityRule
from vbte.tables.faults import Fault, FaultKind
from vbte.tables.fib import Fib
from vbte.tables.fib_reader import read_fib
from vbte.tables.files import Tables, no_cycle_search
from vbte.tables.offered import Offered
from vbte.tables.tally import Tally
from vbte.tables.walk_hops import walk_hops
from vbte.tables.walk_labels import walk_labels
from vbte.tolerance import WALK_SLACK_SHARE
from vbte.topology import BoolArray, FloatArray, Topology


@dataclass(frozen=True, eq=False)
class WalkReport:
    """What became of the offered traffic.

    ``class_link_load_gbps`` has shape (n_classes, n_links); ``offered_gbps``, ``admitted_gbps`` and ``delivered_gbps``
    (n_classes,): admitted is what head ends let in, delivered what reached its egress in its own network instance.
    ``policed_gbps`` (n_classes,) is what head ends dropped of the admitted since members of groups have limits.
    ``link_error_gbps`` (n_links,) is the deviation from the plan that the manifest admits to.
    """

    classes: tuple[str, ...]
    class_link_load_gbps: FloatArray
    offered_gbps: FloatArray
    admitted_gbps: FloatArray
    delivered_gbps: FloatArray
    policed_gbps: FloatArray
    link_error_gbps: FloatArray
    faults: tuple[Fault, ...]

    @property
    def link_load_gbps(self) -> FloatArray:
        """Load of each link, Gbit/s, shape (n_links,)."""
        return np.asarray(self.class_link_load_gbps.sum(axis=0))

    def of_kind(self, kind: FaultKind) -> tuple[Fault, ...]:
        """Return the faults of one kind."""
        return tuple(fault for fault in self.faults if fault.kind is kind)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Walk against plan: ``deviation_gbps``, ``allowed_gbps`` and ``excess`` by link, shape (n_links,) each.

    ``allowed_gbps`` is the manifest's bound and the slack of summation order. ``overload`` is by how much the walked
    tables load a link beyond its limit, as a share of the limit; 0 where capacity is soft. ``policed_share`` is the
    share of what was let in that head ends then dropped, which nothing excuses while all is up.
    """

    deviation_gbps: FloatArray
    allowed_gbps: FloatArray
    faults: tuple[Fault, ...]
    utilization: FloatArray
    overload: FloatArray
    policed_share: float

    @property
    def excess(self) -> BoolArray:
        """True where a link's load deviates by more than the manifest admits to."""
        return np.asarray(self.deviation_gbps > self.allowed_gbps)

    @property
    def max_deviation_gbps(self) -> float:
        """Largest deviation of any link, Gbit/s."""
        return float(self.deviation_gbps.max(initial=0.0))

    @property
    def agrees(self) -> bool:
        """True when all loads are within their bounds and nothing went astray: the plan may be published."""
        return not self.faults and not self.excess.any() and self.policed_share <= WALK_SLACK_SHARE


def offered_traffic(instance: Instance, matrix: int = 0) -> Offered:
    """Return the commodities of one demand matrix as traffic to walk."""
    return Offered(
        ingress=instance.source,
        egress=instance.destination,
        class_index=instance.class_index,
        tenant_index=instance.tenant_index,
        gbps=instance.volume_gbps[matrix],
        classes=tuple(rules.policy.name for rules in instance.rules),
        tenants=instance.tenants,
    )


def walk(
    tables: Tables,
    topology: Topology,
    offered: Offered,
    *,
    failed_links: Collection[str] = (),
    failed_nodes: Collection[str] = (),
) -> WalkReport:
    """Push the offered traffic through the tables.

    Devices on which links failed drop the members that use them and split by the weights of the rest, or by the
    backup; head ends are taken to know the state of the whole path of each segment list. With a node all its links
    fail, and what would enter there is a black hole. Faults are reported, not raised; InputError is raised when a
    table belongs to no node of the topology, and when what failed is no link or node of it.
    """
    for kind, names, known in (
        ("link", failed_links, topology.link_index),
        ("node", failed_nodes, topology.node_index),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"no {kind} {name!r} that could fail", place=topology.origin, remedy="mend the name")
    dead = frozenset(failed_nodes)
    down = {link.id for link in topology.links if link.source in dead or link.target in dead}.union(failed_links)
    return _walked(tables, _fib(tables, topology, offered, down), topology, offered, dead)


def walk_matrices(tables: Tables, instance: Instance) -> Iterator[WalkReport]:
    """Push every demand matrix through the tables, one after the other, nothing failed; the tables are read once.

    Raises InputError when a table belongs to no node of the topology.
    """
    fib = _fib(tables, instance.topology, offered_traffic(instance))
    for matrix in range(instance.n_matrices):
        yield _walked(tables, fib, instance.topology, offered_traffic(instance, matrix))


def _fib(tables: Tables, topology: Topology, offered: Offered, failed_links: Collection[str] = ()) -> Fib:
    with no_cycle_search():
        return read_fib(tables.devices, topology, offered.classes, offered.tenants, failed_links)


def _walked(
    tables: Tables, fib: Fib, topology: Topology, offered: Offered, failed_nodes: Collection[str] = ()
) -> WalkReport:
    tally = Tally(topology, offered, len(topology.links))
    engine = walk_labels if tables.manifest["realisation"] == "source-routed" else walk_hops
    lost = np.flatnonzero(np.isin(offered.ingress, [topology.node_index[node] for node in failed_nodes]))
    tally.fault(FaultKind.BLACK_HOLE, "the device failed", offered.ingress[lost], offered.gbps[lost], lost)
    sent = offered.gbps.copy()
    sent[lost] = 0.0
    engine(fib, topology, replace(offered, gbps=sent), tally)
    n_classes = len(offered.classes)
    volume = np.bincount(offered.class_index, weights=offered.gbps, minlength=n_classes).astype(np.float64)
    bound_bps = tables.manifest["link_error_bps"]
    return WalkReport(
        classes=offered.classes,
        class_link_load_gbps=tally.class_link_load_gbps,
        offered_gbps=volume,
        admitted_gbps=tally.admitted_gbps,
        delivered_gbps=tally.delivered_gbps,
        policed_gbps=tally.policed_gbps,
        link_error_gbps=np.array([bound_bps.get(link.id, 0) / 1e9 for link in topology.links]),
        faults=tally.faults(),
    )


def compare(report: WalkReport, plan: Plan, matrix: int = 0) -> Comparison:
    """Hold a walk of one demand matrix, with nothing failed, against the plan's link loads."""
    slack = WALK_SLACK_SHARE * plan.instance.topology.capacity_gbps
    deviation = np.abs(report.link_load_gbps - plan.link_load_gbps[matrix])
    topology, model = plan.instance.topology, plan.instance.model
    with np.errstate(divide="ignore", invalid="ignore"):
        utilization = np.where(report.link_load_gbps > 0, report.link_load_gbps / topology.capacity_gbps, 0.0)
    overload = np.zeros_like(utilization)
    if model.capacity is CapacityRule.HARD:
        overload = np.maximum(utilization / model.utilization_limit - 1.0, 0.0)
    policed_share = float(report.policed_gbps.sum() / max(report.admitted_gbps.sum(), np.finfo(np.float64).tiny))
    return Comparison(deviation, report.link_error_gbps + slack, report.faults, utilization, overload, policed_share)
