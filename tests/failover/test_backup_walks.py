"""Plans with backups on the wire: tables as written, walked with links down, in every scenario of the family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backup_toys import lattice, protecting
from failover_toys import assert_the_walk_agrees
from toys import plan

from vbte.failover.graph import repair_graph
from vbte.failover.repair import Repair, RepairedBlock
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.scenarios import ScenarioSet, family
from vbte.tables import Tables, build_tables, compare, offered_traffic, walk
from vbte.topology import FloatArray


def backed(n_nodes: int, seed: int, reservation: str, against: str, **tables: Any) -> Plan:
    built = protecting("admitted", reservation=reservation, against=against, where="reject")
    changed = built.model_dump(by_alias=True) | {"tables": built.tables.model_dump() | tables}
    return plan(*lattice(n_nodes, seed), PlanningModel.model_validate(changed))


def repaired(found: Plan, tables: Tables, scenarios: ScenarioSet) -> RepairedBlock:
    (block,) = Repair(repair_graph(tables, found.instance)).blocks(scenarios)
    return block


def owed(found: Plan, scenarios: ScenarioSet) -> FloatArray:
    """What nobody is promised: traffic whose own end is down, by scenario."""
    instance, nodes = found.instance, scenarios.failed_nodes(slice(0, len(scenarios)))
    ends = nodes[instance.source] | nodes[instance.destination]
    return np.asarray(found.admitted_gbps[0] @ ends)


@pytest.mark.parametrize("reservation", ["dedicated", "shared"])
@pytest.mark.parametrize(("n_nodes", "seed", "against"), [(8, 5, "cable"), (10, 3, "node"), (10, 6, "cable")])
def test_all_of_it_arrives_and_no_link_is_overbooked(n_nodes: int, seed: int, against: str, reservation: str) -> None:
    found = backed(n_nodes, seed, reservation, against, max_weight=65535)
    topology, tables = found.instance.topology, build_tables(found)
    assert compare(walk(tables, topology, offered_traffic(found.instance)), found).agrees
    scenarios = family(topology, against)
    block = repaired(found, tables, scenarios)
    assert block.lost_gbps.sum(axis=0) == pytest.approx(owed(found, scenarios), abs=1e-8)
    assert (block.link_load_gbps <= topology.capacity_gbps[:, None] * (1 + 1e-8)).all()
    assert_the_walk_agrees(found, scenarios, tables)


def test_one_path_with_two_backups_is_two_members() -> None:
    found = backed(10, 3, "dedicated", "cable", max_weight=65535)
    listed = [(int(k), found.paths[p].tobytes()) for p, k in enumerate(found.paths.commodity)]
    assert len(set(listed)) < len(listed)
    groups = [one for device in build_tables(found).devices.values() for one in device["next_hop_groups"]]
    members = [[(m["next_hop"], m.get("backup")) for m in one["members"]] for one in groups]
    assert any(len({hop for hop, _ in group}) < len(set(group)) for group in members)


def test_coarse_weights_are_what_is_promised() -> None:
    found = backed(10, 6, "shared", "cable", max_weight=2)
    tables, capacity = build_tables(found), found.instance.topology.capacity_gbps
    groups = [one for device in tables.devices.values() for one in device["next_hop_groups"]]
    assert max(one["quantisation_error"] for one in groups) == pytest.approx(0.0, abs=1e-9)
    block = repaired(found, tables, family(found.instance.topology, "cable"))
    assert (block.link_load_gbps <= capacity[:, None] * (1 + 1e-8)).all()
    assert block.lost_gbps.max() == pytest.approx(0.0, abs=1e-8)
