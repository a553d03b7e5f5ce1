"""What plain IGP routing makes of the demands: figures and files, in the same form as a plan's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vbte.instance import Instance
from vbte.paths.igp import IgpLoads, igp_loads, igp_next_hops
from vbte.report.map_svg import MAP_FILE, MOST_MAPPED_NODES, utilization_map
from vbte.report.outcome import SUMMARY_FILE
from vbte.report.summary import baseline_figures, hot_links, network_figures, summary_bytes
from vbte.tables import igp_tables, tables_to_files

SCHEMA = "vbte.baseline/1"


@dataclass(frozen=True, eq=False)
class Baseline:
    """The IGP's link loads for each demand matrix of an instance."""

    instance: Instance
    igp: tuple[IgpLoads, ...]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary (schema ``vbte.baseline/1``); figures as in a plan's summary."""
        instance, topology = self.instance, self.instance.topology
        return {
            "schema": SCHEMA,
            "network": network_figures(topology),
            "over_matrices": {"volumes": "mean", "utilizations": "worst"},
            "demand_gbps": float(np.mean([matrix.total_gbps for matrix in instance.demands])),
            "max_utilization": max(loads.max_utilization for loads in self.igp),
            "matrices": [
                {
                    "name": matrix.name,
                    "demands": len(matrix),
                    "demand_gbps": matrix.total_gbps,
                    "max_utilization": loads.max_utilization,
                    "unroutable_gbps": loads.unroutable_gbps,
                }
                for matrix, loads in zip(instance.demands, self.igp, strict=True)
            ],
            "hot_links": hot_links(topology, np.stack([loads.link_load_gbps for loads in self.igp])),
            "baseline": baseline_figures(topology, self.igp),
        }

    def files(self) -> Mapping[str, bytes]:
        """Return the files of a baseline directory: relative path -> content."""
        topology = self.instance.topology
        files = {SUMMARY_FILE: summary_bytes(self.summary)}
        if len(topology.nodes) <= MOST_MAPPED_NODES:
            worst = np.stack([loads.utilization for loads in self.igp]).max(axis=0)
            files[MAP_FILE] = utilization_map(topology, worst).encode()
        return files | tables_to_files(igp_tables(self.instance))


def igp_baseline(instance: Instance) -> Baseline:
    """Return the baseline of an instance's topology and demands; its model plays no part in the loads."""
    routing = igp_next_hops(instance.topology)
    return Baseline(
        instance, tuple(igp_loads(instance.topology, matrix, routing=routing) for matrix in instance.demands)
    )
