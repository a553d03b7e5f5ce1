"""TODO."""

from __future__ import annotations

from vbte.topology import FloatArray, Topology

MAP_FILE = "map.svg"
MOST_MAPPED_NODES = 300


def utilization_map(topology: Topology, utilization: FloatArray) -> str:
    return "<svg/>"
