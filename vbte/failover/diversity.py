"""False diversity: links and paths that look independent and fall together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vbte.plan import Plan
from vbte.scenarios.families import Part, Risks
from vbte.tolerance import DUST_SHARE
from vbte.topology import IntArray, Topology


class Shared(StrEnum):
    """Who shares a risk: parallel ``links``, or all ``paths`` of one demand."""

    LINKS = "links"
    PATHS = "paths"


@dataclass(frozen=True, slots=True)
class SharedRisk:
    """Something that takes all of several ways at once, although they have no link in common.

    ``kind`` and ``name`` say what it is, an SRLG or a cable, ``owner`` whose ways they are: ``'a -> b'`` for parallel
    links, the demand for paths. ``ways`` are the ids of the links, or the paths as ``'a b d'``; ``gbps`` is what they
    carry at its largest over the matrices, all of it lost at once.
    """

    shared: Shared
    kind: Part
    name: str
    owner: str
    ways: tuple[str, ...]
    gbps: float


def shared_risks(plan: Plan) -> tuple[SharedRisk, ...]:
    """Return where a plan's network or its paths have less diversity than they show, largest volume first.

    Known are risks that the topology states: SRLGs, and cables that several links name.
    """
    found = [*_parallel_links(plan), *_paths(plan)]
    return tuple(sorted(found, key=lambda one: (-one.gbps, one.shared, one.kind, one.name, one.owner)))


def _risks(topology: Topology) -> list[tuple[Part, str, IntArray]]:
    """Return kind, name and links of every risk that takes more than one link."""
    of = Risks(topology).links_of
    named = [(kind, name, links) for kind in (Part.CABLE, Part.SRLG) for name, links in of[kind].items()]
    return [(kind, name, links) for kind, name, links in named if len(links) > 1]


def _parallel_links(plan: Plan) -> list[SharedRisk]:
    topology, load = plan.instance.topology, plan.link_load_gbps.max(axis=0, initial=0.0)
    found = []
    for kind, name, links in _risks(topology):
        by_ends: dict[tuple[str, str], list[int]] = {}
        for position in links.tolist():
            link = topology.links[position]
            by_ends.setdefault((link.source, link.target), []).append(position)
        for (source, target), bundle in by_ends.items():
            if len(bundle) > 1:
                ways = tuple(topology.links[position].id for position in bundle)
                gbps = float(load[bundle].sum())
                found.append(SharedRisk(Shared.LINKS, kind, name, f"{source} -> {target}", ways, gbps))
    return found


def _paths(plan: Plan) -> list[SharedRisk]:
    """Demands of several paths all of which cross one risk, which no link common to all of them explains."""
    instance, paths = plan.instance, plan.paths
    risks = _risks(instance.topology)
    used = np.flatnonzero(plan.path_share > DUST_SHARE)
    count = np.bincount(paths.commodity[used], minlength=instance.n_commodities)
    several = used[count[paths.commodity[used]] > 1]
    if not risks or not len(several):
        return []
    n_links, n_paths = len(instance.topology.links), len(paths)
    column = np.repeat(np.arange(len(risks)), [len(links) for _, _, links in risks])
    row = np.concatenate([links for _, _, links in risks])
    member = csr_array((np.ones(len(row)), (row, column)), shape=(n_links, len(risks)))
    crossing = csr_array((np.ones(len(paths.links)), paths.links, paths.start), shape=(n_paths, n_links))[several]
    owner = paths.commodity[several]
    of = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(instance.n_commodities, len(owner)))
    met = csr_array(of @ ((crossing @ member) > 0).astype(np.float64)).tocoo()
    on_all = met.data == count[met.row]
    links_met = csr_array(of @ (crossing > 0).astype(np.float64)).tocoo()
    common = links_met.data == count[links_met.row]
    at_common = csr_array(
        (np.ones(int(common.sum())), (links_met.row[common], links_met.col[common])),
        shape=(instance.n_commodities, n_links),
    )
    explained = {(k, r) for k, r in zip(*(at_common @ member).nonzero(), strict=True)}
    admitted = plan.admitted_gbps.max(axis=0, initial=0.0)
    return [
        SharedRisk(
            Shared.PATHS, risks[r][0], risks[r][1], instance.describe(k), _spelt(plan, several[owner == k]),
            float(admitted[k]),
        )
        for k, r in zip(met.row[on_all].tolist(), met.col[on_all].tolist(), strict=True)
        if (k, r) not in explained
    ]  # fmt: skip


def _spelt(plan: Plan, chosen: NDArray[np.intp]) -> tuple[str, ...]:
    topology = plan.instance.topology
    listed = []
    for path in chosen.tolist():
        links = [topology.links[position] for position in plan.paths[path].tolist()]
        listed.append(" ".join([links[0].source, *(link.target for link in links)]))
    return tuple(sorted(listed))
