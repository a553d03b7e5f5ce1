"""Routers in network namespaces: one per node of a topology, and a host behind each node whose prefix has room for it.

Everything lives in namespaces named after this process; the root namespace is never touched. Both ends of every
cable are born inside. Needs root, iproute2 and nftables: ``missing_means()`` tells what a machine lacks.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vbte.topology import Link, Topology

#: Packets that neighbour discovery and the like may add to an interface while a measurement runs.
NOISE_PACKETS = 12

#: Standard deviations that a share of hashed flows may be off; ports and seeds are fixed, so a run repeats exactly.
SIGMAS = 4.0

# Hashing on addresses and ports of the packet itself: the default takes the sending socket's hash, which veth carries
# from router to router, so that a second split would repeat the first.
_ROUTER_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/fib_multipath_hash_policy": 3,
    "net/ipv6/fib_multipath_hash_policy": 3,
    "net/ipv4/fib_multipath_hash_fields": 55,
    "net/ipv6/fib_multipath_hash_fields": 55,
}
_COMMON_SYSCTLS = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    # Members of a group whose cable is cut take no more flows.
    "net/ipv4/conf/all/ignore_routes_with_linkdown": 1,
    "net/ipv6/conf/all/ignore_routes_with_linkdown": 1,
}

_NEEDED_SYSCTLS = {
    "net/ipv6/fib_multipath_hash_policy": "IPv6 is off",
    "net/ipv4/fib_multipath_hash_fields": "Linux 5.14 or newer is needed",
    "net/ipv4/fib_multipath_hash_seed": "Linux 6.11 or newer is needed, or all routers pick alike",
}

_NUMBER = itertools.count(1)

_OTHER_ROUTES = tuple(("route", "show", "table", "all", "type", kind) for kind in ("blackhole", "throw"))

# One socket is enough: the flows differ in destination port. A pause now and then keeps the receive backlog short.
_SENDER = """
import socket, sys, time
address, dscp, first_port, flows = sys.argv[1], *map(int, sys.argv[2:])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sender = socket.socket(family, socket.SOCK_DGRAM)
if family == socket.AF_INET6:
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
else:
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
sender.bind(("", 9000))
for port in range(first_port, first_port + flows):
    sender.sendto(b"x", (address, port))
    if port % 50 == 0:
        time.sleep(0.001)
"""

# The host counts what arrives and answers nothing, so that no ICMP message disturbs the counters.
_SINK = """
table inet sink {
  counter arrived { }
  chain input {
    type filter hook prerouting priority raw; policy accept;
    udp sport 9000 counter name arrived drop
  }
}
"""


@cache
def missing_means() -> str:
    """Return why this machine can't run the laboratory, or the empty string."""
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(tool):
            return f"{tool} is missing: install {package}"
    for key, need in _NEEDED_SYSCTLS.items():
        if not Path("/proc/sys", key).exists():
            return f"this kernel has no {key.replace('/', '.')}: {need}"
    name = f"vbte-{os.getpid()}-probe"
    try:
        run("ip", "netns", "add", name)
    except subprocess.CalledProcessError as fault:
        return f"no network namespaces here (root is needed): {fault.stderr.strip()}"
    try:
        inside(name, "nft", "-f", "-", text=_SINK)
    except subprocess.CalledProcessError as fault:
        return f"nftables does not work in a network namespace: {fault.stderr.strip()}"
    finally:
        run("ip", "netns", "del", name)
    return ""


def run(*command: str, text: str = "") -> str:
    """Run a command with ``text`` as its input and return its output. Raises CalledProcessError when it fails."""
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout


def inside(namespace: str, *command: str, text: str = "") -> str:
    """Run a command inside a network namespace."""
    return run("ip", "netns", "exec", namespace, *command, text=text)


@dataclass(frozen=True)
class Laboratory:
    """A running copy of ``topology``; node ``x`` lives in ``namespace(x)``, its host in ``namespace(host_of(x))``."""

    topology: Topology
    prefix: str

    @property
    def dual_stack(self) -> bool:
        """True where links have IPv6 gateways, which carry routes of both families."""
        return ":" in str(self.topology.links[0].gateway)

    def namespace(self, name: str) -> str:
        """Return the name of a node's or host's network namespace."""
        return f"{self.prefix}-{name}"

    def batch(self, node: str, lines: str, *, family: int = 4) -> None:
        """Feed lines to ``ip -batch`` in a node's namespace."""
        run("ip", "-n", self.namespace(node), f"-{family}", "-batch", "-", text=lines)

    def load_nft(self, node: str, ruleset: str) -> None:
        """Load an nftables ruleset in a node's namespace."""
        inside(self.namespace(node), "nft", "-f", "-", text=ruleset)

    def send(self, source: str, destination: str, *, dscp: int, flows: int, first_port: int = 10_000) -> int:
        """Send one packet per flow from the host at one address to that at another; return how many arrived."""
        before = self._arrived(destination)
        inside(
            self.namespace(host_of(source)),
            sys.executable, "-c", _SENDER, destination, str(dscp), str(first_port), str(flows),
        )  # fmt: skip
        return self._arrived(destination) - before

    def measure(self, source: str, destination: str, *, dscp: int, flows: int) -> dict[str, int]:
        """Send flows and return the packets each link carried meanwhile; every flow must arrive."""
        before = self.link_packets()
        arrived = self.send(source, destination, dscp=dscp, flows=flows)
        after = self.link_packets()
        assert arrived == flows, f"{arrived} of {flows} flows arrived"
        return {link: after[link] - before[link] for link in after}

    def state(self, node: str) -> str:
        """Return the rules and routes of a node, both families, without the neighbours' momentary state."""
        listings = [
            run("ip", "-n", self.namespace(node), f"-{family}", *what)
            for family in (4, 6)
            for what in (("rule",), ("route", "show", "table", "all", "type", "unicast"), *_OTHER_ROUTES)
        ]
        return "".join(listings)

    def link_packets(self) -> dict[str, int]:
        """Return the packets sent on each link since the start, by link id."""
        by_node = {node.id: self._sent(node.id) for node in self.topology.nodes}
        return {link.id: by_node[link.source][str(link.interface)] for link in self.topology.links}

    def warm_up(self, source: str, destination: str, *, dscp: int, patience_s: float = 15.0) -> None:
        """Send until whole bursts arrive: neighbours are resolved only once packets ask for them."""
        give_up = time.monotonic() + patience_s
        while self.send(source, destination, dscp=dscp, flows=100, first_port=50_000) < 100:
            assert time.monotonic() < give_up, f"{destination} is still not reached from {source}"
            time.sleep(0.1)

    def await_no_carrier(self, node: str, interface: str, *, patience_s: float = 5.0) -> None:
        """Wait until a node has noticed that an interface lost its carrier."""
        give_up = time.monotonic() + patience_s
        while "NO-CARRIER" not in run("ip", "-n", self.namespace(node), "link", "show", interface):
            assert time.monotonic() < give_up, f"{node} does not notice that {interface} is down"
            time.sleep(0.05)

    def _sent(self, node: str) -> dict[str, int]:
        links = json.loads(run("ip", "-n", self.namespace(node), "-j", "-s", "link", "show"))
        return {link["ifname"]: link["stats64"]["tx"]["packets"] for link in links}

    def _arrived(self, address: str) -> int:
        listing = json.loads(inside(self.namespace(host_of(self._node_of(address))), "nft", "-j", "list", "counters"))
        return next(int(item["counter"]["packets"]) for item in listing["nftables"] if "counter" in item)

    def _node_of(self, address: str) -> str:
        wanted = ipaddress.ip_address(address)
        return next(
            node.id
            for node in self.topology.nodes
            if any(wanted in ipaddress.ip_network(prefix) for prefix in node.prefixes)
        )


def namespaces() -> set[str]:
    """Return the names of this process's network namespaces."""
    return {line.split()[0] for line in run("ip", "netns", "list").splitlines() if f"vbte-{os.getpid()}-" in line}


def root_state() -> str:
    """Return links, rules and routes of the root namespace, and the sysctl that a router would change first."""
    listings = [
        run("ip", *what) for what in (("-br", "link"), ("rule",), ("-6", "rule"), ("route", "show", "table", "all"))
    ]
    return "".join([*listings, Path("/proc/sys/net/ipv4/ip_forward").read_text()])


def host_of(node: str) -> str:
    """Return the name of the host behind a node."""
    return f"{node}-host"


def host_address(prefix: str) -> str:
    """Return the host's address in a node's prefix; the router has the one before."""
    return str(ipaddress.ip_network(prefix)[2])


@contextmanager
def laboratory(topology: Topology) -> Iterator[Laboratory]:
    """Build namespaces, cables, addresses and hosts for a numbered topology, and take all of it away at the end."""
    lab = Laboratory(topology, f"vbte-{os.getpid()}-{next(_NUMBER)}")
    hosted = [node for node in topology.nodes if any(map(_has_room, node.prefixes))]
    names = [node.id for node in topology.nodes] + [host_of(node.id) for node in hosted]
    try:
        run("ip", "-batch", "-", text="".join(f"netns add {lab.namespace(name)}\n" for name in names))
        for seed, name in enumerate(names, start=1):
            _set_sysctls(lab.namespace(name), seed)
        _lay_cables(lab)
        for node in hosted:
            _attach_host(lab, node.id, node.prefixes)
        yield lab
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", lab.namespace(name)], check=False, capture_output=True, timeout=60)


def _has_room(prefix: str) -> bool:
    return ipaddress.ip_network(prefix).num_addresses >= 4


def _set_sysctls(namespace: str, seed: int) -> None:
    # Equal seeds would make every router pick alike, so that one half of a second split stays empty.
    figures = {**_COMMON_SYSCTLS, **_ROUTER_SYSCTLS, "net/ipv4/fib_multipath_hash_seed": seed * 7919}
    inside(namespace, "sh", "-e", text="".join(f"echo {value} > /proc/sys/{key}\n" for key, value in figures.items()))


def _lay_cables(lab: Laboratory) -> None:
    """Create one veth pair per pair of opposite links, with each link's gateway as address of its far end."""
    lines: dict[str, list[str]] = {node.id: ["link set lo up"] for node in lab.topology.nodes}
    pairs = _opposite_links(lab.topology)
    creation = "".join(
        f"link add {there.interface} netns {lab.namespace(there.source)} type veth "
        f"peer name {back.interface} netns {lab.namespace(back.source)}\n"
        for there, back in pairs
    )
    run("ip", "-batch", "-", text=creation)
    for link, reverse in [pair for there, back in pairs for pair in ((there, back), (back, there))]:
        width = 127 if ":" in str(reverse.gateway) else 31
        flags = " nodad" if width == 127 else ""
        lines[link.source] += [
            f"address add {reverse.gateway}/{width} dev {link.interface}{flags}",
            f"link set {link.interface} up",
        ]
    for node, commands in lines.items():
        run("ip", "-n", lab.namespace(node), "-batch", "-", text="\n".join(commands) + "\n")


def _opposite_links(topology: Topology) -> list[tuple[Link, Link]]:
    by_cable: dict[str, list[Link]] = {}
    for link in topology.links:
        by_cable.setdefault(str(link.cable), []).append(link)
    return [(there, back) for there, back in by_cable.values()]


def _attach_host(lab: Laboratory, node: str, prefixes: Sequence[str]) -> None:
    """Put a host behind a node: addresses 1 (router) and 2 (host) of each prefix, everything else by the router."""
    router, host = lab.namespace(node), lab.namespace(host_of(node))
    at_router, at_host = ["link set host up"], ["link set lo up", "link set eth0 up"]
    for prefix in prefixes:
        network = ipaddress.ip_network(prefix)
        flags = " nodad" if network.version == 6 else ""
        at_router.append(f"address add {network[1]}/{network.prefixlen} dev host{flags}")
        at_host.append(f"address add {network[2]}/{network.prefixlen} dev eth0{flags}")
        at_host.append(f"route add {'default' if network.version == 4 else '::/0'} via {network[1]} dev eth0")
    run("ip", "-batch", "-", text=f"link add host netns {router} type veth peer name eth0 netns {host}\n")
    run("ip", "-n", router, "-batch", "-", text="\n".join(at_router) + "\n")
    run("ip", "-n", host, "-batch", "-", text="\n".join(at_host) + "\n")
    inside(host, "nft", "-f", "-", text=_SINK)


def links_off_plan(measured: Mapping[str, int], share: Mapping[str, float], flows: int) -> dict[str, tuple[int, float]]:
    """Return link id -> (packets measured, packets expected) for links farther off than hashing explains.

    ``share`` is the part of the flows that each link should carry (links left out: none). Each flow picks its path
    once, so the tolerance is binomial in flows.
    """
    off: dict[str, tuple[int, float]] = {}
    for link, packets in measured.items():
        part = share.get(link, 0.0)
        tolerance = NOISE_PACKETS + SIGMAS * math.sqrt(flows * part * (1 - part))
        if abs(packets - flows * part) > tolerance:
            off[link] = (packets, flows * part)
    return off
