"""What the walk adds up: loads, deliveries, faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbte.tables.faults import Fault, FaultKind
from vbte.tables.offered import Offered
from vbte.topology import FloatArray, IntArray, Topology

Positions = NDArray[np.int64]


class Tally:
    """Sums by class and link, and faults by kind, devices and detail."""

    def __init__(self, topology: Topology, offered: Offered, n_links: int) -> None:
        self._topology = topology
        self._offered = offered
        n_classes = len(offered.classes)
        self.class_link_load_gbps = np.zeros((n_classes, n_links))
        self.admitted_gbps = np.zeros(n_classes)
        self.delivered_gbps = np.zeros(n_classes)
        self.policed_gbps = np.zeros(n_classes)
        self._faults: dict[tuple[FaultKind, tuple[str, ...], str], tuple[float, str]] = {}

    def carry(self, class_index: Positions | IntArray, link: Positions, gbps: FloatArray) -> None:
        """Add traffic to links."""
        shape = self.class_link_load_gbps.shape
        slot = class_index.astype(np.int64) * shape[1] + link
        self.class_link_load_gbps += np.bincount(slot, weights=gbps, minlength=shape[0] * shape[1]).reshape(shape)

    def admit(self, class_index: Positions | IntArray, gbps: FloatArray) -> None:
        """Add traffic that head ends let in."""
        self.admitted_gbps += np.bincount(class_index, weights=gbps, minlength=len(self.admitted_gbps))

    def deliver(self, class_index: Positions | IntArray, gbps: FloatArray) -> None:
        """Add traffic that arrived where it belongs."""
        self.delivered_gbps += np.bincount(class_index, weights=gbps, minlength=len(self.delivered_gbps))

    def police(self, class_index: Positions | IntArray, gbps: FloatArray) -> None:
        """Add traffic that head ends dropped since it was more than a member of a group may carry."""
        self.policed_gbps += np.bincount(class_index, weights=gbps, minlength=len(self.policed_gbps))

    def fault(
        self, kind: FaultKind, detail: str, device: Positions | IntArray, gbps: FloatArray, demand: Positions
    ) -> None:
        """Add traffic, each row at its own ``device``, that met a fault; ``demand`` are positions in the offer."""
        for node in np.unique(device).tolist():
            here = device == node
            self.fault_at(kind, detail, (node,), float(gbps[here].sum()), int(demand[here][0]))

    def fault_at(self, kind: FaultKind, detail: str, devices: tuple[int, ...], gbps: float, demand: int) -> None:
        """Add traffic that met a fault which concerns several devices."""
        names = tuple(sorted(self._topology.nodes[device].id for device in devices))
        before, example = self._faults.get((kind, names, detail), (0.0, self._describe(demand)))
        self._faults[kind, names, detail] = (before + gbps, example)

    def _describe(self, demand: int) -> str:
        offered = self._offered
        tenant = offered.tenants[offered.tenant_index[demand]]
        egress = self._topology.nodes[offered.egress[demand]].id
        return f"{offered.classes[offered.class_index[demand]]} -> {egress}{f' ({tenant})' if tenant else ''}"

    def faults(self) -> tuple[Fault, ...]:
        """Return all faults, sorted by kind, devices and detail."""
        return tuple(Fault(*key, *self._faults[key]) for key in sorted(self._faults))
