"""What the price-directed engine can do, and what size the exact engine's program would have."""

from __future__ import annotations

import numpy as np

from vbte.allocate.priced.outlook import FLOW_KINDS
from vbte.bounds import StageProblem
from vbte.oracle import PathOracle
from vbte.policy import CandidateKind, Split, StageKind

#: Stages that the engine can do.
SUPPORTED_KINDS = (StageKind.MAX_MIN, StageKind.ADMITTED, StageKind.MAX_UTILIZATION, StageKind.CONCURRENT, *FLOW_KINDS)


def unsupported(problem: StageProblem) -> str | None:
    """Return what in a model or its classes the engine can't do, None when it can do all of it."""
    instance = problem.instance
    model = instance.model
    if instance.n_matrices > 1:
        return "one plan for several demand matrices"
    if model.candidate_paths.kind is not CandidateKind.ALL:
        return f"candidate_paths: {model.candidate_paths.kind}"
    for stage in model.stages:
        if stage.kind not in SUPPORTED_KINDS:
            return f"a {stage.kind} stage"
    kinds = {stage.kind for stage in model.stages}
    if StageKind.MAX_MIN in kinds and (others := kinds - {StageKind.MAX_MIN, *FLOW_KINDS}):
        return f"max_min before other stages than latency and cost: {min(others)}"
    for c in np.unique(instance.class_index[problem.scope]).tolist():
        rules = instance.rules[c]
        if rules.policy.protection is not None:
            return f"class {rules.policy.name!r}: protection"
        if rules.depends_on_path:
            return f"class {rules.policy.name!r}: bounds on whole paths, or things that each path must pass"
        if rules.policy.split is Split.EQUAL_BUNDLES:
            return f"class {rules.policy.name!r}: split: equal_bundles"
    return None


def n_link_flows(problem: StageProblem, oracle: PathOracle) -> int:
    """Return how many link flows the exact engine's program would have: the measure of what is too large for it."""
    instance = problem.instance
    return sum(
        len(np.unique(instance.destination[problem.scope & (instance.class_index == c)])) * len(oracle.graphs[c].links)
        for c in np.unique(instance.class_index[problem.scope]).tolist()
    )
