"""What the routes of a commodity say: names, prefixes and rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.tables.drafts import ADMITTED_DECIMALS
from vbte.tables.schema import Route, RouteDemands, network_instance
from vbte.topology import FloatArray

Counts = NDArray[np.int64]

#: Bit/s in one Gbit/s.
BPS_PER_GBPS = 1e9


def bps(volume_gbps: float) -> int:
    """Return a volume as whole bit/s."""
    return round(volume_gbps * BPS_PER_GBPS)


@dataclass(frozen=True, eq=False)
class CommodityWords:
    """Commodities by position, in the words of the tables; ``admitted_share`` has shape (K,), 0 to 1."""

    instance: Instance
    admitted_share: FloatArray

    @cached_property
    def egress(self) -> list[str]:
        """Egress node id of each commodity."""
        nodes = [node.id for node in self.instance.topology.nodes]
        return [nodes[position] for position in self.instance.destination.tolist()]

    @cached_property
    def class_name(self) -> list[str]:
        """Class name of each commodity."""
        names = [rules.policy.name for rules in self.instance.rules]
        return [names[position] for position in self.instance.class_index.tolist()]

    @cached_property
    def tenant(self) -> list[str]:
        """Tenant of each commodity, the empty string for none."""
        return [self.instance.tenants[position] for position in self.instance.tenant_index.tolist()]

    def demands(self, commodity: int) -> RouteDemands:
        """Return what a commodity brings, at the matrix where it is largest."""
        count, asked, given, share = self._demand_columns
        return {
            "count": count.item(commodity),
            "offered_bps": asked.item(commodity),
            "admitted_bps": given.item(commodity),
            "admitted_share": share.item(commodity),
        }

    @cached_property
    def _demand_columns(self) -> tuple[Counts, Counts, Counts, FloatArray]:
        n_commodities = self.instance.n_commodities
        counts = [np.bincount(owner[owner >= 0], minlength=n_commodities) for owner in self.instance.demand_commodity]
        offered = self.instance.peak_gbps
        return (
            np.max(counts, axis=0),
            np.rint(offered * BPS_PER_GBPS).astype(np.int64),
            np.rint(offered * self.admitted_share * BPS_PER_GBPS).astype(np.int64),
            np.round(self.admitted_share, ADMITTED_DECIMALS),
        )

    def route(
        self, commodity: int, *, group: str | None, own_demand: bool = True, service_label: int | None = None
    ) -> Route:
        """Return the route of a commodity's egress, class and tenant, with its demands where they enter."""
        tenant, class_name, egress = self.tenant[commodity], self.class_name[commodity], self.egress[commodity]
        return {
            "network_instance": network_instance(tenant),
            "table": class_name,
            "prefixes": self._prefixes.get((egress, class_name, tenant)) or self._node_prefixes[egress],
            "label": None,
            "egress": egress,
            "class": class_name,
            "tenant": tenant,
            "group": group,
            "service_label": service_label,
            "demands": self.demands(commodity) if own_demand else None,
        }

    @cached_property
    def _node_prefixes(self) -> dict[str, list[str]]:
        return {node.id: sorted(node.prefixes) for node in self.instance.topology.nodes}

    @cached_property
    def _prefixes(self) -> dict[tuple[str, str, str], list[str]]:
        """Destination prefixes that demands state; a demand that states none stands for its node's prefixes."""
        found: dict[tuple[str, str, str], set[str]] = {}
        for matrix, owner in zip(self.instance.demands, self.instance.demand_commodity, strict=True):
            column = matrix.attributes.get("destination_prefix")
            if column is None or not any(column.values):
                continue
            pairs = np.unique(np.stack([owner, column.codes], axis=1)[owner >= 0], axis=0)
            for commodity, code in pairs.tolist():
                key = (self.egress[commodity], self.class_name[commodity], self.tenant[commodity])
                stated = column.values[code]
                found.setdefault(key, set()).update([stated] if stated else self._node_prefixes[key[0]])
        return {key: sorted(prefixes) for key, prefixes in found.items()}
