"""The last step from a solver's numbers to a plan: exact demand totals, no dust, one order."""

from __future__ import annotations

import numpy as np

from vbte.oracle import PathOracle, merged_paths, select_paths, sorted_rows
from vbte.plan import PathSet
from vbte.tolerance import DUST_SHARE
from vbte.topology import FloatArray


def settle(
    oracle: PathOracle, paths: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray
) -> tuple[PathSet, FloatArray]:
    """Return the paths worth keeping and their flows, summing to ``admitted_gbps`` (K,) for every commodity.

    Same paths are merged, flows below ``DUST_SHARE`` of their commodity dropped, the rest scaled. A commodity whose
    flow the solver's rounding swallowed whole gets its cheapest path by latency.
    """
    instance = oracle.instance
    admitted = np.where(admitted_gbps > DUST_SHARE * instance.peak_gbps, admitted_gbps, 0.0)
    kept = np.flatnonzero(flow_gbps > DUST_SHARE * admitted[paths.commodity])
    kept = kept[admitted[paths.commodity[kept]] > 0]
    paths, flow = _ordered(select_paths(paths, kept), flow_gbps[kept])
    total = np.bincount(paths.commodity, weights=flow, minlength=instance.n_commodities)
    lost = np.flatnonzero((admitted > 0) & (total <= 0))
    if len(lost):
        weight = np.tile(instance.topology.latency_ms + 1e-3, (len(instance.rules), 1))
        extra = oracle.cheapest_by_class(weight, lost).paths
        both = merged_paths([paths, extra])
        flow = np.concatenate([flow, admitted[extra.commodity]])[
            np.argsort(np.concatenate([paths.commodity, extra.commodity]), kind="stable")
        ]
        paths, total = both, np.where(total > 0, total, admitted)
    scale = np.divide(admitted, total, out=np.ones_like(admitted), where=total > 0)
    return paths, flow * scale[paths.commodity]


def _ordered(paths: PathSet, flow: FloatArray) -> tuple[PathSet, FloatArray]:
    """Sort by commodity, then by links; merge equal paths of a commodity."""
    order, first = sorted_rows(paths)
    merged = np.bincount(np.cumsum(first) - 1, weights=flow[order], minlength=int(first.sum()))
    return select_paths(paths, order[first]), merged.astype(np.float64)
