"""Which form of the program serves each class: link flows or path columns."""

from __future__ import annotations

from collections.abc import Callable
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

#: Path columns win when a class has fewer commodities per link flow than this (see bench/README.md).
COMMODITIES_PER_LINK_FLOW = 1 / 8

#: Paths per commodity that an integer program may choose from, beside those its relaxation generates.
_INTEGER_POOL = CandidatePathOptions(kind=CandidateKind.K_SHORTEST, k=6)

#: From source and destination to candidate paths.
Finder = Callable[[int, int], list[tuple[int, ...]]]


@dataclass(frozen=True)
class Forms:
    """``path_classes`` get path columns, the others link flows; ``integer_classes`` also need integers.

    ``generated`` path columns range over all admissible paths, the others over the model's candidate set.
    """

    path_classes: frozenset[int]
    integer_classes: frozenset[int]
    generated: bool

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
    if instance.model.candidate_paths.kind is not CandidateKind.ALL:
        return Forms(frozenset(present), integer, generated=False)
    by_path = all_paths(problem, oracle).path_classes | integer
    return Forms(by_path, integer, generated=True)


def all_paths(problem: StageProblem, oracle: PathOracle) -> Forms:
    """Return the cheaper form over all admissible paths, split rules and candidate sets left aside."""
    instance = problem.instance
    by_path = {
        c
        for c in np.unique(instance.class_index[problem.scope]).tolist()
        if instance.n_matrices > 1
        or instance.rules[c].depends_on_path
        or problem.protection is not None
        or _few_commodities(problem, oracle, c)
    }
    return Forms(frozenset(by_path), frozenset(), generated=True)


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
    if not forms.generated:
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
    finders: dict[int, Finder] = {}
    known: dict[tuple[int, int, int], list[tuple[int, ...]]] = {}
    rows: list[tuple[int, ...]] = []
    owner: list[int] = []
    for commodity in commodities.tolist():
        c, source, destination = (
            int(figure[commodity]) for figure in (instance.class_index, instance.source, instance.destination)
        )
        if c not in finders:
            finders[c] = _finder(oracle, c, asked)
        if (c, source, destination) not in known:
            known[c, source, destination] = finders[c](source, destination)
        found = known[c, source, destination]
        if complete and not found:
            raise InputError(
                f"{instance.describe(commodity)}: none of its candidate paths keeps the class's bounds",
                place=instance.place(commodity),
                remedy="say `candidate_paths: {kind: all}` in the model, or loosen the bounds",
            )
        rows += found
        owner += [commodity] * len(found)
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    links = np.array([link for row in rows for link in row], dtype=np.int32)
    return PathSet(start, links, np.array(owner, dtype=np.int32))


def _finder(oracle: PathOracle, class_index: int, asked: CandidatePathOptions) -> Finder:
    """Return a function from source and destination to the candidate paths of a class."""
    topology, rules = oracle.instance.topology, oracle.instance.rules[class_index]
    paths = CandidatePaths(oracle.graphs[class_index], link_figure(topology, asked.by))

    def keeps(path: tuple[int, ...]) -> bool:
        one = PathSet(np.array([0, len(path)]), np.array(path, dtype=np.int32), np.zeros(1, dtype=np.int32))
        return bool(keeps_bounds(rules, topology, one)[0])

    admits = keeps if rules.depends_on_path else None
    if asked.kind is CandidateKind.K_SHORTEST:
        return lambda source, destination: paths.k_shortest(source, destination, asked.k, admits)
    risks = link_risks(topology, srlgs=asked.kind is CandidateKind.SRLG_DISJOINT)
    return lambda source, destination: paths.disjoint(source, destination, asked.k, risks, admits)


def distinct_paths(parts: list[PathSet]) -> PathSet:
    """Return the paths of several sets by commodity, each path once."""
    paths = merged_paths(parts)
    seen = {(int(paths.commodity[i]), paths[i].tobytes()): i for i in reversed(range(len(paths)))}
    return select_paths(paths, np.array(sorted(seen.values()), dtype=np.intp))
