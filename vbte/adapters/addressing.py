"""Numbers for a topology that has none: prefixes, gateways and interface names, for laboratories and first trials."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from vbte.errors import InputError
from vbte.topology import Link, Node, Topology

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Longest interface name that Linux accepts (IFNAMSIZ less its closing zero).
INTERFACE_NAME_LENGTH = 15


def number_topology(
    topology: Topology, *, node_pool: str = "198.18.0.0/16", cable_pool: str = "198.19.0.0/16"
) -> Topology:
    """Return the topology with missing prefixes, gateways and interface names filled in; stated ones stay.

    Each node without prefixes gets one host prefix from ``node_pool`` (/32, or /128 from an IPv6 pool), each cable
    without gateways a pair of addresses from ``cable_pool`` (/31 or /127) of which the end whose id sorts first has
    the lower. Numbers follow from ids by hashing, so that adding a node or cable seldom changes any other.
    Interfaces are named after the far end: ``to-ams``. The default pools are set aside for benchmarks (RFC 2544).
    Raises InputError when a pool is malformed or too small, when the pools overlap, and when a cable is numbered in
    one direction only.
    """
    for_nodes, for_cables = _pool(node_pool, "node_pool"), _pool(cable_pool, "cable_pool")
    if for_nodes.overlaps(for_cables):
        raise InputError(f"overlaps node_pool {for_nodes}", place="cable_pool", remedy="two pools that are disjoint")
    taken = _stated_networks(topology)
    nodes = _number_nodes(topology, _Slots(for_nodes, for_nodes.max_prefixlen, taken))
    gateways = _gateways(topology, _Slots(for_cables, for_cables.max_prefixlen - 1, taken))
    interfaces = _interfaces(topology)
    links = tuple(
        replace(link, gateway=link.gateway or gateways[link.id], interface=link.interface or interfaces[link.id])
        for link in topology.links
    )
    return replace(topology, nodes=nodes, links=links)


def _pool(text: str, name: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as fault:
        raise InputError(str(fault), place=name, remedy="an IP prefix such as 198.18.0.0/16") from None


def _stated_networks(topology: Topology) -> list[Network]:
    """Return every prefix and gateway that the topology states. Raises InputError for one that is malformed."""
    prefixes = [(f"node {node.id!r}", prefix) for node in topology.nodes for prefix in node.prefixes]
    gateways = [(f"link {link.id!r}", link.gateway) for link in topology.links if link.gateway]
    networks: list[Network] = []
    for place, text in prefixes + gateways:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as fault:
            raise InputError(str(fault), place=f"{topology.origin}: {place}", remedy="mend or remove it") from None
    return networks


def _number_nodes(topology: Topology, slots: _Slots) -> tuple[Node, ...]:
    """Return the nodes, those without prefixes each with a free host prefix."""
    bare = sorted(node.id for node in topology.nodes if not node.prefixes)
    given = {node_id: str(slots.take(node_id)) for node_id in bare}
    return tuple(replace(node, prefixes=node.prefixes or (given[node.id],)) for node in topology.nodes)


def _gateways(topology: Topology, slots: _Slots) -> dict[str, str]:
    """Return link id -> address of the far end, for the links of cables without stated gateways."""
    gateways: dict[str, str] = {}
    for key, pair in _cable_pairs(topology):
        bare = [link for link in pair if not link.gateway]
        if not bare:
            continue
        if len(bare) < len(pair):
            raise InputError(
                "has no gateway, but the other direction of its cable has one",
                place=f"{topology.origin}: link {bare[0].id!r}",
                remedy="state both gateways or neither",
            )
        subnet = slots.take(key)
        for link in pair:
            gateways[link.id] = str(subnet[0] if link.target < link.source else subnet[1])
    return gateways


def _cable_pairs(topology: Topology) -> Iterator[tuple[str, tuple[Link, ...]]]:
    """Yield a stable key and the one or two links (opposite directions) of each point-to-point connection."""
    directions: dict[tuple[str, str, str], tuple[list[Link], list[Link]]] = defaultdict(lambda: ([], []))
    for link in sorted(topology.links, key=lambda each: each.id):
        low, high = sorted((link.source, link.target))
        directions[link.cable or f"link {link.id}", low, high][link.source == high].append(link)
    for (cable, low, high), (up, down) in sorted(directions.items()):
        for position in range(max(len(up), len(down))):
            pair = (*up[position : position + 1], *down[position : position + 1])
            yield f"{cable}\n{low}\n{high}\n{position}", pair


def _interfaces(topology: Topology) -> dict[str, str]:
    """Return link id -> interface name, unique at the link's source, for links without one."""
    taken = {(link.source, link.interface) for link in topology.links if link.interface}
    names: dict[str, str] = {}
    for link in sorted(topology.links, key=lambda each: each.id):
        if not link.interface:
            names[link.id] = next(name for name in _interface_names(link) if (link.source, name) not in taken)
            taken.add((link.source, names[link.id]))
    return names


def _interface_names(link: Link) -> Iterator[str]:
    """Yield names for a link in order of preference: the far end's name, then shorter ones with a hash."""
    target = re.sub(r"[^A-Za-z0-9_.-]", "-", link.target)
    if len(target) <= INTERFACE_NAME_LENGTH - len("to-"):
        yield f"to-{target}"
    attempt = 0
    while True:
        yield f"to-{target[:6]}-{_digest(f'{link.id}/{attempt}') % 0x100000:05x}"
        attempt += 1


class _Slots:
    """Subnets of one length in a pool, handed out by key, but for those that hold a network of ``taken``."""

    def __init__(self, pool: Network, length: int, taken: Iterable[Network]) -> None:
        if length < pool.prefixlen:
            raise InputError(f"pool {pool} is too small", remedy=f"a pool of /{length} or larger")
        self.pool, self.length = pool, length
        self.count = 1 << (length - pool.prefixlen)
        self.step = 1 << (pool.max_prefixlen - length)
        self.used: set[int] = set()
        # A network wider than the pool (a default route, say) yields to the pool's longer prefixes and blocks nothing.
        inside = (each for each in taken if each.version == pool.version and each.prefixlen >= pool.prefixlen)
        self.blocked = [self._range(network) for network in inside]

    def take(self, key: str) -> Network:
        """Return the first free subnet at or after the key's place in the pool. Raises InputError when none is."""
        start = _digest(key)
        for probe in range(min(self.count, len(self.used) + self._blocked_count() + 1)):
            slot = (start + probe) % self.count
            if slot not in self.used and not any(low <= slot <= high for low, high in self.blocked):
                self.used.add(slot)
                return self._subnet(slot)
        raise InputError(f"pool {self.pool} is too small", remedy="give a larger pool")

    def _subnet(self, slot: int) -> Network:
        # The class of the pool itself, since a small integer would be taken for IPv4.
        return type(self.pool)((int(self.pool.network_address) + slot * self.step, self.length))

    def _range(self, network: Network) -> tuple[int, int]:
        """Return the first and last slot that a network overlaps; last is below first when it lies outside."""
        base = int(self.pool.network_address)
        low = (int(network.network_address) - base) // self.step
        high = (int(network.broadcast_address) - base) // self.step
        return max(low, 0), min(high, self.count - 1)

    def _blocked_count(self) -> int:
        return sum(max(0, high - low + 1) for low, high in self.blocked)


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
