from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.adapters.addressing import number_topology
from vbte.errors import InputError
from vbte.topology import Link, Node, Topology


def cable(a: str, b: str, name: str = "") -> tuple[Link, Link]:
    name = name or f"{a}-{b}"
    there = Link(f"{name}>", a, b, 10.0, cable=name)
    return there, Link(f"{name}<", b, a, 10.0, cable=name)


def network(*cables: tuple[str, str]) -> Topology:
    names = sorted({end for pair in cables for end in pair})
    links = [link for position, (a, b) in enumerate(cables) for link in cable(a, b, f"{a}-{b}-{position}")]
    return Topology(tuple(Node(name) for name in names), tuple(links))


@st.composite
def networks(draw: st.DrawFn) -> Topology:
    names = draw(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=8, unique=True))
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    cables = draw(st.lists(ends, min_size=1, max_size=12))
    links = [link for position, (a, b) in enumerate(cables) for link in cable(a, b, str(position))]
    return Topology(tuple(Node(name) for name in names), tuple(links))


@given(networks())
def test_every_link_has_a_gateway_of_its_own_and_an_interface_unique_at_its_node(topology: Topology) -> None:
    numbered = number_topology(topology)
    gateways = [link.gateway for link in numbered.links]
    assert len(set(gateways)) == len(gateways)
    interfaces = [(link.source, link.interface) for link in numbered.links]
    assert len(set(interfaces)) == len(interfaces)
    assert all(1 <= len(str(link.interface).encode()) <= 15 for link in numbered.links)
    prefixes = [node.prefixes for node in numbered.nodes]
    assert len(set(prefixes)) == len(prefixes)
    assert number_topology(numbered).links == numbered.links


@given(networks())
def test_the_two_ends_of_a_cable_share_a_subnet_of_two_addresses(topology: Topology) -> None:
    links = number_topology(topology).links
    for there, back in zip(links[::2], links[1::2], strict=True):
        assert ipaddress.ip_network(f"{there.gateway}/31", strict=False) == ipaddress.ip_network(
            f"{back.gateway}/31", strict=False
        )


def test_interfaces_are_named_after_the_far_end_and_stay_within_fifteen_characters() -> None:
    numbered = number_topology(network(("ams", "par"), ("ams", "par"), ("ams", "frankfurt-am-main")))
    names = [link.interface for link in numbered.links if link.source == "ams"]
    assert names[0] == "to-par"
    assert str(names[1]).startswith("to-par-")
    assert str(names[2]).startswith("to-frankf-")
    assert len(str(names[2])) == 15


def test_what_is_stated_stays_and_is_not_given_out_again() -> None:
    bare = network(("a", "b"), ("b", "c"))
    numbered = number_topology(bare)
    taken = str(numbered.nodes[0].prefixes[0])
    nodes = (bare.nodes[0], replace(bare.nodes[1], prefixes=(taken,)), bare.nodes[2])
    again = number_topology(replace(bare, nodes=nodes))
    assert again.nodes[1].prefixes == (taken,)
    assert again.nodes[0].prefixes != (taken,)


def test_a_default_route_among_the_stated_prefixes_does_not_use_the_pool_up() -> None:
    bare = network(("a", "b"))
    numbered = number_topology(replace(bare, nodes=(replace(bare.nodes[0], prefixes=("0.0.0.0/0",)), bare.nodes[1])))
    assert numbered.nodes[1].prefixes == number_topology(bare).nodes[1].prefixes


def test_a_node_and_a_cable_more_leave_the_numbers_of_the_others() -> None:
    before = number_topology(network(("a", "b"), ("b", "c")))
    after = number_topology(network(("a", "b"), ("b", "c"), ("aa", "c")))
    assert set(before.links) < set(after.links)
    assert set(before.nodes) < set(after.nodes)


def test_ipv6_pools_give_ipv6_numbers() -> None:
    numbered = number_topology(network(("a", "b")), node_pool="fd00::/64", cable_pool="fd00:0:0:1::/64")
    assert numbered.nodes[0].prefixes[0].endswith("/128")
    assert {ipaddress.ip_address(str(link.gateway)).version for link in numbered.links} == {6}


def test_pools_too_small_or_malformed_or_overlapping_are_refused() -> None:
    topology = network(("a", "b"), ("b", "c"))
    with pytest.raises(InputError, match="is too small"):
        number_topology(topology, cable_pool="10.0.0.0/31")
    with pytest.raises(InputError, match="is too small"):
        number_topology(topology, cable_pool="10.0.0.0/32")
    with pytest.raises(InputError, match=r"node_pool: .*host bits"):
        number_topology(topology, node_pool="10.0.0.1/8")
    with pytest.raises(InputError, match="cable_pool: overlaps node_pool"):
        number_topology(topology, node_pool="10.0.0.0/8", cable_pool="10.1.0.0/16")


def test_a_pool_is_used_to_its_last_address() -> None:
    topology = network(("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"))
    numbered = number_topology(topology, node_pool="10.0.0.0/30", cable_pool="10.1.0.0/29")
    assert sorted(node.prefixes[0] for node in numbered.nodes) == [f"10.0.0.{last}/32" for last in range(4)]
    assert sorted(str(link.gateway) for link in numbered.links) == [f"10.1.0.{last}" for last in range(8)]


def test_a_cable_numbered_in_one_direction_only_is_refused() -> None:
    bare = network(("a", "b"))
    half = replace(bare, links=(replace(bare.links[0], gateway="10.0.0.1"), bare.links[1]))
    with pytest.raises(InputError, match="has no gateway, but the other direction of its cable has one"):
        number_topology(half)


def test_a_malformed_gateway_or_prefix_is_refused_with_its_place() -> None:
    bare = network(("a", "b"))
    with pytest.raises(InputError, match="node 'a'"):
        number_topology(replace(bare, nodes=(replace(bare.nodes[0], prefixes=("ten",)), bare.nodes[1])))
    with pytest.raises(InputError, match="link 'a-b-0>'"):
        number_topology(replace(bare, links=(replace(bare.links[0], gateway="x"), bare.links[1])))
