"""Traffic to push through tables."""

from __future__ import annotations

from dataclasses import dataclass

from vbte.topology import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Offered:
    """Who sends how much to whom, shape (n_demands,) each.

    ``ingress`` and ``egress`` are node positions in the topology; ``class_index`` and ``tenant_index`` positions in
    ``classes`` and ``tenants``. The class of a packet is taken as given: steering rules are not tried on it.
    """

    ingress: IntArray
    egress: IntArray
    class_index: IntArray
    tenant_index: IntArray
    gbps: FloatArray
    classes: tuple[str, ...]
    tenants: tuple[str, ...]
