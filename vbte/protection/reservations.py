"""What a plan keeps of each link: flows, reservations, and room for the backups that one scenario needs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vbte.instance import Instance
from vbte.oracle import PathOracle
from vbte.plan import PathSet, Plan, link_sums
from vbte.protection.backups import Backups, backups_of
from vbte.topology import FloatArray

#: Positions of pairs, of scenarios and of links, (n,) each.
Activations = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def activations(backups: Backups, primaries: PathSet, partners: PathSet) -> Activations:
    """Return which pair brings its backup to which link in which scenario: where its primary is down."""
    hits = backups.hits(primaries)
    hits.sort_indices()
    n_hits = np.diff(hits.indptr).astype(np.int64)
    path = np.repeat(np.arange(len(primaries)), n_hits * partners.hops)
    # Every link of the backup comes once for each scenario of its primary.
    at = np.arange(len(path)) - np.repeat(
        np.cumsum(n_hits * partners.hops) - n_hits * partners.hops, n_hits * partners.hops
    )
    hops = partners.hops[path]
    scenario = hits.indices[hits.indptr[:-1][path] + at // np.maximum(hops, 1)].astype(np.int64)
    link = partners.links[partners.start[:-1][path] + at % np.maximum(hops, 1)].astype(np.int64)
    return path, scenario, link


def class_link_committed_gbps(plan: Plan) -> FloatArray:
    """Return what is reserved of each link by class, or used where nothing is, Gbit/s, shape (T, n_classes, n_links).

    A dedicated backup reserves what its path carries. Shared backups reserve what the link's worst scenario brings,
    to which the classes of one priority contribute together; primaries keep their own meanwhile.
    """
    return _committed(plan, together=True)


def class_link_most_gbps(plan: Plan) -> FloatArray:
    """Return the same with the worst scenario of each class by itself, as its utilisation limit counts it."""
    return _committed(plan, together=False)


def _committed(plan: Plan, *, together: bool) -> FloatArray:
    if plan.reserved_gbps is None:
        return plan.class_link_load_gbps
    share = plan.reserved_gbps / plan.instance.peak_gbps[plan.paths.commodity]
    if plan.backup_paths is None:
        return link_sums(plan.instance, plan.paths, share)
    found = backups_of(PathOracle(plan.instance))
    return committed_gbps(plan.instance, found, (plan.paths, plan.backup_paths), share, together=together)


def committed_gbps(
    instance: Instance,
    backups: Mapping[int, Backups],
    pairs: tuple[PathSet, PathSet],
    path_share: FloatArray,
    *,
    together: bool,
) -> FloatArray:
    """Return what paths that carry these shares (P,) of their commodities reserve with their backups, Gbit/s.

    Shape (T, n_classes, n_links); ``backups`` by class. The worst scenario is that of a priority's classes together,
    or each by itself.
    """
    class_index = instance.class_index[pairs[0].commodity]
    shared = [c for c, one in backups.items() if one.is_shared]
    committed = link_sums(instance, pairs[0], path_share)
    committed += link_sums(instance, pairs[1], np.where(np.isin(class_index, shared), 0.0, path_share))
    by_priority: dict[int, list[int]] = {}
    for c in shared:
        by_priority.setdefault(instance.rules[c].policy.priority, []).append(c)
    for classes in by_priority.values():
        groups = [classes] if together else [[c] for c in classes]
        for group in groups:
            committed[:, group] += _room(backups[group[0]], pairs, group, path_share)
    return committed


def _room(
    backups: Backups, pairs: tuple[PathSet, PathSet], classes: Sequence[int], path_share: FloatArray
) -> FloatArray:
    """Return what backups of the classes bring to each link in its worst scenario, (T, len(classes), n_links)."""
    instance = backups.oracle.instance
    n_links, n_scenarios = len(instance.topology.links), len(backups.survival.scenarios)
    room = np.zeros((instance.n_matrices, len(classes), n_links))
    path, scenario, link = activations(backups, *pairs)
    commodity = pairs[0].commodity
    for matrix in range(instance.n_matrices):
        gbps = path_share * instance.volume_gbps[matrix, commodity]
        brought = np.zeros((len(classes), n_scenarios, n_links))
        for position, class_index in enumerate(classes):
            mine = instance.class_index[commodity[path]] == class_index
            place = scenario[mine] * n_links + link[mine]
            sums = np.bincount(place, weights=gbps[path[mine]], minlength=n_scenarios * n_links)
            brought[position] = sums.reshape(n_scenarios, n_links)
        if n_scenarios:
            worst = brought.sum(axis=0).argmax(axis=0)
            room[matrix] = brought[:, worst, np.arange(n_links)]
    return room
