"""Which form of the program serves each class: link flows or path columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.bounds import StageProblem
from vbte.errors import InputError
from vbte.formulation.layout import IndexArray
from vbte.instance import Instance
from vbte.oracle import PathOracle, keeps_bounds, link_figure, merged_paths, select_paths
from vbte.paths.candidates import CandidatePaths, link_risks
from vbte.plan import PathSet
from vbte.policy import CandidateKind
from vbte.policy import CandidatePaths as CandidatePathOptions
from vbte.topology import BoolArray

#: Path columns win when a class has this many times fewer commodities than link flows (see bench/README.md).
COMMODITIES_PER_LINK_FLOW = 1 / 50

#: Paths per commodity that an integer program may choose from, beside those its relaxation generates.
_INTEGER_POOL = CandidatePathOptions(kind=CandidateKind.K_SHORTEST, k=6)


@dataclass(frozen=True)
class Forms:
    """``path_classes`` get path columns, the others link flows; ``integer_classes`` also need integers."""

    path_classes: frozenset[int]
    integer_classes: frozenset[int]

    def names(self, instance: Instance, scope: BoolArray) -> dict[str, str]:
        """Return class name -> the form that served it, for the plan's record; classes in ``scope`` (K,) only."""
        generated = instance.model.candidate_paths.kind is CandidateKind.ALL
        paths = (
            "path columns by generation" if generated else f"candidate paths ({instance.model.candidate_paths.kind})"
        )
        return {
            instance.rules[c].policy.name: (paths if c in self.path_classes else "link flows by destination")
            + (" with integers" if c in self.integer_classes else "")
            for c in np.unique(instance.class_index[scope]).tolist()
        }


def choose_forms(problem: StageProblem, oracle: PathOracle) -> Forms:
    """Return the cheaper form that the policy allows for each class in scope."""
    instance = problem.instance
    present = np.unique(instance.class_index[problem.scope]).tolist()
    integer = frozenset(c for c in present if instance.rules[c].policy.needs_integers)
    only_paths = instance.n_matrices > 1 or instance.model.candidate_paths.kind is not CandidateKind.ALL
    by_path = {
        c
        for c in present
        if only_paths or c in integer or instance.rules[c].depends_on_path or _few_commodities(problem, oracle, c)
    }
    return Forms(frozenset(by_path), integer)


def _few_commodities(problem: StageProblem, oracle: PathOracle, class_index: int) -> bool:
    instance = problem.instance
    mine = problem.scope & (instance.class_index == class_index)
    link_flows = len(np.unique(instance.destination[mine])) * len(oracle.graphs[class_index].links)
    return int(mine.sum()) < COMMODITIES_PER_LINK_FLOW * link_flows


def first_paths(problem: StageProblem, oracle: PathOracle, shortest: PathSet, forms: Forms) -> PathSet:
    """Return the path columns to start with: the shortest path of each commodity, or its whole candidate set.

    Raises InputError for a commodity none of whose candidates keeps the class's bounds.
    """
    instance = problem.instance
    by_path = np.isin(instance.class_index, sorted(forms.path_classes)) & problem.scope
    wanted = np.flatnonzero(by_path)
    if instance.model.candidate_paths.kind is not CandidateKind.ALL:
        return candidate_set(oracle, wanted, instance.model.candidate_paths)
    first = select_paths(shortest, np.flatnonzero(by_path[shortest.commodity]))
    integer = wanted[np.isin(instance.class_index[wanted], sorted(forms.integer_classes))]
    if not len(integer):
        return first
    # Integers need a choice beyond what the relaxation's prices turn up.
    return distinct_paths([first, candidate_set(oracle, integer, _INTEGER_POOL, complete=False)])


def candidate_set(
    oracle: PathOracle, commodities: IndexArray, asked: CandidatePathOptions, *, complete: bool = True
) -> PathSet:
    """Return candidate paths of each commodity, those that break its class's bounds left out.

    Raises InputError for a commodity left without any when the set has to be ``complete``.
    """
    instance = oracle.instance
    weight = link_figure(instance.topology, asked.by)
    risks = link_risks(instance.topology, srlgs=asked.kind is CandidateKind.SRLG_DISJOINT)
    finders = {
        c: CandidatePaths(oracle.graphs[c], weight) for c in np.unique(instance.class_index[commodities]).tolist()
    }
    known: dict[tuple[int, int, int], list[tuple[int, ...]]] = {}
    rows: list[tuple[int, ...]] = []
    owner: list[int] = []
    for commodity in commodities.tolist():
        key = (
            int(instance.class_index[commodity]),
            int(instance.source[commodity]),
            int(instance.destination[commodity]),
        )
        if key not in known:
            finder = finders[key[0]]
            if asked.kind is CandidateKind.K_SHORTEST:
                known[key] = finder.k_shortest(key[1], key[2], asked.k)
            else:
                known[key] = finder.disjoint(key[1], key[2], asked.k, risks)
        rows += known[key]
        owner += [commodity] * len(known[key])
    hops = [len(row) for row in rows]
    paths = PathSet(
        start=np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
        links=np.array([link for row in rows for link in row], dtype=np.int32),
        commodity=np.array(owner, dtype=np.int32),
    )
    return _admissible(instance, paths, commodities if complete else commodities[:0])


def distinct_paths(parts: list[PathSet]) -> PathSet:
    """Return the paths of several sets by commodity, each path once."""
    paths = merged_paths(parts)
    seen = {(int(paths.commodity[i]), paths[i].tobytes()): i for i in reversed(range(len(paths)))}
    return select_paths(paths, np.array(sorted(seen.values()), dtype=np.intp))


def _admissible(instance: Instance, paths: PathSet, commodities: IndexArray) -> PathSet:
    keeps = np.ones(len(paths), dtype=np.bool_)
    for position, rules in enumerate(instance.rules):
        if rules.depends_on_path:
            keeps &= keeps_bounds(rules, instance.topology, paths) | (instance.class_index[paths.commodity] != position)
    without = np.setdiff1d(commodities, paths.commodity[keeps])
    if len(without):
        raise InputError(
            f"{instance.describe(int(without[0]))}: none of its candidate paths keeps the class's bounds",
            place=instance.place(int(without[0])),
            remedy="raise candidate_paths.k or say `kind: all`",
        )
    return select_paths(paths, np.flatnonzero(keeps))
