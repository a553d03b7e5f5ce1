"""Making flows of a solver that stopped short of its tolerance fit: a courtesy that each program here gets."""

from __future__ import annotations

import numpy as np

from competitors.question import FloatArray, Objective, PathFlows, Question


def fitted(question: Question, paths: PathFlows) -> PathFlows:
    """Return the flows without negative ones, scaled demand by demand and link by link until the check takes them.

    Under ``max-throughput`` a demand that gets too much is scaled down to its volume, then a path is scaled by the
    most overloaded link on it. Under ``min-mlu`` each demand is scaled to its volume, and one without flow takes its
    first path.
    """
    flow = np.maximum(paths.flow, 0.0)
    hops = np.diff(paths.start)
    admitted = np.bincount(paths.demand, weights=flow, minlength=question.n_demands)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = question.volume / admitted
    if question.objective is Objective.MLU:
        first = np.searchsorted(paths.demand, np.flatnonzero(admitted <= 0))
        flow[first] = question.volume[paths.demand[first]]
        flow *= np.where(admitted > 0, scale, 1.0)[paths.demand]
    else:
        flow *= np.minimum(np.where(admitted > 0, scale, 1.0), 1.0)[paths.demand]
        load = np.bincount(paths.links, weights=np.repeat(flow, hops), minlength=question.n_links)
        over = np.maximum(load / question.capacity, 1.0)
        flow /= _most_along(paths, over)
    return PathFlows(paths.start, paths.links, paths.demand, flow)


def _most_along(paths: PathFlows, figure: FloatArray) -> FloatArray:
    """Return the largest of a figure of links along each path."""
    return np.asarray(np.maximum.reduceat(figure[paths.links], paths.start[:-1]))
