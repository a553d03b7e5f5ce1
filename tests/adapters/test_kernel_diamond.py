"""The oracle of the Linux adapter: a real kernel forwards packets, and its counters are compared with the tables."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from kernel_lab import (
    Laboratory,
    host_address,
    laboratory,
    links_off_plan,
    missing_means,
    namespaces,
    root_state,
)

from vbte.adapters.addressing import number_topology
from vbte.adapters.linux import render
from vbte.demands import AttributeColumn, DemandMatrix
from vbte.instance import build_instance
from vbte.plan import EngineReport, PathSet, Plan, Reason, Termination
from vbte.policy import MatchRule, PlanningModel, Realisation, Stage, StageKind, TableOptions, TrafficClass
from vbte.tables.build import build_tables
from vbte.tables.walk import offered_traffic, walk
from vbte.topology import Link, Node, Topology

FLOWS = 2000
CLASSES = ("gold", "bulk")
DSCP = {"gold": 46, "bulk": 0}
PREFIXES = {"r1": ("10.77.1.0/24", "fd77:1::/64"), "r4": ("10.77.4.0/24", "fd77:4::/64")}

# Both classes split twice, and on every link their shares differ. From r1 to r4:
SHARES = {
    "gold": {"r1-r2": 0.75, "r1-r3": 0.25, "r2-r3": 0.375, "r2-r4": 0.375, "r3-r4": 0.625},
    "bulk": {"r1-r2": 0.25, "r1-r3": 0.75, "r3-r2": 0.25, "r2-r4": 0.5, "r3-r4": 0.5},
}
PATHS_GBPS = {
    "gold": {"r1 r2 r4": 3.0, "r1 r2 r3 r4": 3.0, "r1 r3 r4": 2.0},
    "bulk": {"r1 r3 r4": 4.0, "r1 r3 r2 r4": 2.0, "r1 r2 r4": 2.0},
}


def prefixes_of(node: str, dual_stack: bool) -> tuple[str, ...]:
    return PREFIXES.get(node, ())[: 1 + dual_stack]


def diamond(*, dual_stack: bool) -> Topology:
    """Return four routers, each of r1 and r4 joined to both r2 and r3, which are joined too."""
    ends = [("r1", "r2"), ("r1", "r3"), ("r2", "r3"), ("r2", "r4"), ("r3", "r4")]
    links = [Link(f"{a}-{b}", a, b, 10.0, cable=f"{c}={d}") for c, d in ends for a, b in ((c, d), (d, c))]
    nodes = tuple(Node(name, prefixes=prefixes_of(name, dual_stack)) for name in ("r1", "r2", "r3", "r4"))
    pool = "fd77:ff::/64" if dual_stack else "198.19.0.0/16"
    return number_topology(Topology(nodes, tuple(links)), cable_pool=pool)


def hand_made_plan(topology: Topology) -> Plan:
    """Return the plan that carries 8 Gbit/s of each class from r1 to r4 as PATHS_GBPS says."""
    model = PlanningModel(
        name="diamond",
        stages=(Stage(kind=StageKind.ADMITTED),),
        classes=(TrafficClass(name="gold", match=(MatchRule(dscp=(46,)),)), TrafficClass(name="bulk", priority=2)),
        tables=TableOptions(realisation=Realisation.HOP_BY_HOP),
    )
    names = tuple(node.id for node in topology.nodes)
    ends = (np.array([names.index(end)] * 2, dtype=np.int32) for end in ("r1", "r4"))
    column = AttributeColumn(np.array([0, 1], dtype=np.int32), CLASSES)
    instance = build_instance(topology, [DemandMatrix(names, *ends, np.array([8.0, 8.0]), {"class": column})], model)
    paths = [path.split() for name in CLASSES for path in PATHS_GBPS[name]]
    links = [[topology.link_index[f"{a}-{b}"] for a, b in pairwise(path)] for path in paths]
    return Plan(
        instance,
        PathSet(
            np.cumsum([0, *map(len, links)], dtype=np.int64),
            np.array([link for path in links for link in path], dtype=np.int32),
            np.array([0, 0, 0, 1, 1, 1], dtype=np.int32),
        ),
        np.array([flow for name in CLASSES for flow in PATHS_GBPS[name].values()]),
        (),
        Termination(Reason.FEASIBLE),
        EngineReport("by hand", "none", {}, 0, 0),
    )


def tables(topology: Topology) -> dict[str, Any]:
    """Return the device documents of the hand-made plan."""
    return copy.deepcopy(dict(build_tables(hand_made_plan(topology)).devices))


def walked_shares(topology: Topology, name: str, *, failed_links: tuple[str, ...] = ()) -> dict[str, float]:
    """Return the share of a class's traffic that each link carries when the tables are walked, by link id."""
    plan = hand_made_plan(topology)
    report = walk(build_tables(plan), topology, offered_traffic(plan.instance), failed_links=failed_links)
    assert report.faults == ()
    position = CLASSES.index(name)
    load_gbps = dict(zip(topology.link_index, report.class_link_load_gbps[position], strict=True))
    return {link: load / report.offered_gbps[position] for link, load in load_gbps.items() if load}


def install(lab: Laboratory, devices: Mapping[str, Mapping[str, Any]]) -> None:
    """Feed every router what the adapter prints for it, as the adapter's README tells an operator to."""
    for node, device in devices.items():
        lab.batch(node, render(device, classes=CLASSES))
        if lab.dual_stack:
            lab.batch(node, render(device, part="ipv6", classes=CLASSES), family=6)
        lab.load_nft(node, render(device, part="nft", classes=CLASSES))


def addresses(lab: Laboratory) -> list[str]:
    """Return the addresses of r4's host that the tables reach; links with IPv6 gateways carry both families."""
    return [host_address(prefix) for prefix in prefixes_of("r4", lab.dual_stack)]


@contextmanager
def running_diamond(*, dual_stack: bool) -> Iterator[Laboratory]:
    """Build the diamond, install the tables and wait until all neighbours are resolved."""
    if missing_means():
        pytest.skip(missing_means())
    with laboratory(diamond(dual_stack=dual_stack)) as running:
        install(running, tables(running.topology))
        for address in addresses(running):
            for name in CLASSES:
                running.warm_up("r1", address, dscp=DSCP[name])
        yield running


@pytest.fixture(scope="module", params=[False, True], ids=["ipv4-gateways", "ipv6-gateways"])
def lab(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    """Return a running diamond; whoever changes it puts it back."""
    with running_diamond(dual_stack=request.param) as running:
        yield running


def test_the_plan_is_the_one_the_shares_are_worked_out_from() -> None:
    plan = hand_made_plan(diamond(dual_stack=False))
    for position, name in enumerate(CLASSES):
        load_gbps = dict(zip(plan.instance.topology.link_index, plan.class_link_load_gbps[0, position], strict=True))
        assert {link: load / 8.0 for link, load in load_gbps.items() if load} == SHARES[name]


def test_the_first_router_splits_gold_three_to_one() -> None:
    text = render(tables(diamond(dual_stack=False))["r1"], classes=CLASSES)
    gateways = {link.id: link.gateway for link in diamond(dual_stack=False).links}
    assert (
        f"route replace 10.77.4.0/24 table 1001 protocol 118 nexthop via {gateways['r1-r2']} dev to-r2 weight 3 "
        f"nexthop via {gateways['r1-r3']} dev to-r3 weight 1\n"
    ) in text


@pytest.mark.parametrize("name", CLASSES)
def test_the_kernel_sends_each_class_over_each_link_in_the_shares_of_the_tables(lab: Laboratory, name: str) -> None:
    share = walked_shares(lab.topology, name)
    assert share == pytest.approx(SHARES[name])
    for address in addresses(lab):
        measured = lab.measure("r1", address, dscp=DSCP[name], flows=FLOWS)
        assert links_off_plan(measured, share, FLOWS) == {}


def test_the_comparison_tells_the_classes_apart(lab: Laboratory) -> None:
    measured = lab.measure("r1", addresses(lab)[0], dscp=DSCP["gold"], flows=FLOWS)
    assert set(links_off_plan(measured, SHARES["bulk"], FLOWS)) == set(SHARES["gold"]) | set(SHARES["bulk"])


def test_an_unknown_dscp_goes_by_the_default_class(lab: Laboratory) -> None:
    measured = lab.measure("r1", addresses(lab)[0], dscp=10, flows=FLOWS)
    assert links_off_plan(measured, SHARES["bulk"], FLOWS) == {}


def test_one_wrong_route_planted_in_one_router_turns_the_comparison_red(lab: Laboratory) -> None:
    wrong = tables(lab.topology)["r2"]
    groups = {group["id"]: group for group in wrong["next_hop_groups"]}
    # All of r2's gold traffic by r3, where the tables say half.
    groups["r4/gold"]["members"] = [{**groups["r4/gold"]["members"][0], "weight": 1}]
    install(lab, {"r2": wrong})
    try:
        off = links_off_plan(
            lab.measure("r1", addresses(lab)[-1], dscp=DSCP["gold"], flows=FLOWS), SHARES["gold"], FLOWS
        )
    finally:
        install(lab, {"r2": tables(lab.topology)["r2"]})
    assert set(off) == {"r2-r3", "r2-r4", "r3-r4"}
    again = lab.measure("r1", addresses(lab)[-1], dscp=DSCP["gold"], flows=FLOWS)
    assert links_off_plan(again, SHARES["gold"], FLOWS) == {}


def test_installing_the_same_tables_again_changes_nothing(lab: Laboratory) -> None:
    before = lab.state("r1")
    assert "lookup 1001" in before
    install(lab, {"r1": tables(lab.topology)["r1"]})
    assert lab.state("r1") == before


def test_routes_that_a_new_plan_drops_are_removed_and_come_back_with_the_old_one(lab: Laboratory) -> None:
    device = tables(lab.topology)["r1"]
    fewer = {**device, "routes": [route for route in device["routes"] if route["table"] != "gold"]}
    before = lab.state("r1")
    for part, family in [("ipv4", 4), ("ipv6", 6)][: 1 + lab.dual_stack]:
        old = render(device, part=part, classes=CLASSES)
        lab.batch("r1", render(fewer, part=part, classes=CLASSES, previous=old), family=family)
    assert "table 1001 proto" not in lab.state("r1")
    install(lab, {"r1": device})
    assert lab.state("r1") == before


def test_a_route_can_turn_into_a_discard_or_a_delivery_and_back(lab: Laboratory) -> None:
    device = tables(lab.topology)["r1"]
    before = lab.state("r1")
    for kind, group in (("blackhole", None), ("throw", "local")):
        local = {"id": "local", "members": [{"next_hop": "local", "weight": 1}]}
        hop = {"id": "local", "kind": "local", "interface": None, "gateway": None, "links": []}
        turned = {
            **device,
            "routes": [{**route, "group": group} for route in device["routes"]],
            "next_hop_groups": [local],
            "next_hops": [hop],
        }
        install(lab, {"r1": turned})
        assert f"{kind} " in lab.state("r1")
        assert "nexthop" not in lab.state("r1")
    install(lab, {"r1": device})
    assert lab.state("r1") == before


@pytest.mark.parametrize("dual_stack", [False, True], ids=["ipv4-gateways", "ipv6-gateways"])
def test_when_a_cable_fails_the_kernel_repairs_as_the_walk_foretells(dual_stack: bool) -> None:
    with running_diamond(dual_stack=dual_stack) as running:
        # Cut r3's end, so that r1 sees the carrier go, as it would on a real cable.
        running.batch("r3", "link set to-r1 down\n")
        running.await_no_carrier("r1", "to-r3")
        for name in CLASSES:
            share = walked_shares(running.topology, name, failed_links=("r1-r3", "r3-r1"))
            assert share["r1-r2"] == pytest.approx(1.0)
            for address in addresses(running):
                measured = running.measure("r1", address, dscp=DSCP[name], flows=FLOWS)
                assert links_off_plan(measured, share, FLOWS) == {}


def test_nothing_is_left_behind_and_the_root_namespace_is_not_touched() -> None:
    if missing_means():
        pytest.skip(missing_means())
    before = (namespaces(), root_state())
    with laboratory(diamond(dual_stack=True)) as running:
        assert len(namespaces()) == len(before[0]) + 6
        assert root_state() == before[1]
        install(running, tables(running.topology))
    with pytest.raises(RuntimeError, match="a test that fails"), laboratory(diamond(dual_stack=False)):
        raise RuntimeError("a test that fails")
    assert (namespaces(), root_state()) == before
