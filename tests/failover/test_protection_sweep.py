"""No loops and no black holes after any protected failure but what nobody could carry, by networkx, arrays and walk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tables.table_toys import edited
from test_random_failures import random_plan

from vbte.instance import build_instance
from vbte.policy import LocalProtection, Realisation
from vbte.scenarios import family
from vbte.tables import build_tables
from vbte.topology import Topology

BENCH = Path(__file__).parents[2] / "bench"
BOTH = pytest.mark.parametrize("realisation", list(Realisation))
NETWORKS = ("diamond", "abilene", "cloud-core", "dc-fabric", "enterprise-wan", "hybrid-cloud", "sp-transport",
            "sndlib/pdh", "topozoo/Airtel")  # fmt: skip


@pytest.fixture(scope="module")
def sweep() -> Iterator[Any]:
    """The script of bench/, which is a folder of scripts and no package."""
    sys.path.insert(0, str(BENCH))
    try:
        yield import_module("sweep_local_protection")
    finally:
        sys.path.remove(str(BENCH))


@BOTH
@pytest.mark.parametrize("name", NETWORKS)
def test_single_cables_and_nodes_cost_what_nobody_could_carry(sweep: Any, name: str, realisation: Realisation) -> None:
    plan = sweep.planned(name, realisation, LocalProtection.NODE)
    tables = build_tables(plan)
    assert tables.manifest["cannot_realise"]["count"] == 0
    for kind, every in (("cable", 3), ("node", 2)):
        found = sweep.sweep(plan, tables, family(plan.instance.topology, kind), every)
        assert found.wrong == []
        assert found.walked > 0


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_on_random_networks_with_parallel_links_classes_and_tenants(
    sweep: Any, seed: int, realisation: Realisation
) -> None:
    plan = random_plan(seed, realisation.value, local_protection="node")
    tables = build_tables(plan)
    for kind in ("cable", "node"):
        assert sweep.sweep(plan, tables, family(plan.instance.topology, kind)).wrong == []


@BOTH
def test_without_protection_the_sweep_finds_black_holes(sweep: Any, realisation: Realisation) -> None:
    plan = sweep.planned("sndlib/pdh", realisation, LocalProtection.NONE)
    found = sweep.sweep(plan, build_tables(plan), family(plan.instance.topology, "cable"), every=10)
    assert found.lost_gbps > found.nobody_gbps
    assert any("nobody could carry" in line for line in found.wrong)


@BOTH
def test_a_planted_loop_and_a_planted_black_hole_are_found_and_located(sweep: Any, realisation: Realisation) -> None:
    plan = sweep.planned("abilene", realisation, LocalProtection.CABLE)
    tables, scenarios = build_tables(plan), family(plan.instance.topology, "cable")
    label = next(s["label"] for s in tables.devices["CHINng"]["local_sids"] if s["kind"] == "node")

    def forget(devices: Any) -> None:
        for name in devices:
            devices[name]["routes"] = [route for route in devices[name]["routes"] if route["label"] != label]
        devices["CHINng"]["local_sids"] = [s for s in devices["CHINng"]["local_sids"] if s["label"] != label]

    wrong = sweep.sweep(plan, edited(tables, forget), scenarios).wrong
    assert any("black-hole at " in line and "label unknown" in line for line in wrong)
    assert any("the walk delivers" in line for line in wrong)

    def lead_round(devices: Any) -> None:
        for here, there in (("NYCMng", "WASHng"), ("WASHng", "NYCMng")):
            link = next(hop for hop in devices[here]["next_hops"] if hop["kind"] == "link" and hop["node"] == there)
            group = {"id": "round", "members": [{"next_hop": link["id"], "weight": 1, "planned_share": 1.0}],
                     "backup": None, "quantisation_error": 0.0}  # fmt: skip
            devices[here]["next_hop_groups"].append(group)
            for route in devices[here]["routes"]:
                if route["label"] == label:
                    route["group"] = "round"

    wrong = sweep.sweep(plan, edited(tables, lead_round), scenarios).wrong
    assert any("loop at NYCMng, WASHng" in line for line in wrong)


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_so_it_is_where_a_cable_carries_links_that_lie_apart(sweep: Any, seed: int, realisation: Realisation) -> None:
    plan = random_plan(seed, realisation.value, local_protection="node")
    topology = plan.instance.topology
    ducts = [replace(link, cable=f"duct {int((link.cable or '')[1:]) % 7}") for link in topology.links]
    question = build_instance(Topology(topology.nodes, tuple(ducts)), plan.instance.demands, plan.instance.model)
    plan = replace(plan, instance=question)
    for kind in ("cable", "node"):
        assert sweep.sweep(plan, build_tables(plan), family(question.topology, kind)).wrong == []
