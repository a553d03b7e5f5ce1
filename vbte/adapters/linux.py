"""Linux: hop-by-hop tables as input for ``ip -batch``, and an nftables ruleset that marks packets by class.

Each class has a routing table of its own with one weighted multipath route per prefix. Packets find their table by
firewall mark, since iproute2 before 6.6 has no rule on the DSCP; unmarked packets use the table of the default class.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vbte.adapters.device import Device, Match, NextHop, Route, read_device
from vbte.errors import InputError, UsageError

#: What can be printed: input for ``ip -batch -``, for ``ip -6 -batch -`` and for ``nft -f -``.
PARTS = ("ipv4", "ipv6", "nft")

#: Class number n uses routing table TABLE_BASE + n, rule preference PREFERENCE + n and mark n << MARK_SHIFT.
TABLE_BASE = 1000
PREFERENCE = 1000
MARK_SHIFT = 16
MARK_MASK = 0xFF << MARK_SHIFT
MOST_CLASSES = 255

#: Routing protocol number that tells our routes and rules from all others (free in iproute2's rt_protos).
PROTOCOL = 118
#: The same for rules that stand in while ours are exchanged.
STAND_IN_PROTOCOL = 119

#: Largest next-hop weight that iproute2 takes.
MAX_WEIGHT = 256

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def render(device: Mapping[str, Any], *, part: str = "ipv4", classes: Sequence[str] = (), previous: str = "") -> str:
    """Return one of ``PARTS`` for a device with hop-by-hop tables.

    Run again, the printed text changes nothing. Routes in ``previous`` (the text printed last time for the same
    device and part) that are gone are removed at the end; without it they stay until the tables are flushed.
    Raises InputError when the tables are source-routed, hold tenants' own instances, backup groups or weights above
    256, or lack an interface, gateway or prefix; when a name or address would not be safe to print; and UsageError
    for an unknown part.
    """
    if part not in PARTS:
        raise UsageError(f"adapter linux has no part {part!r}; there is {', '.join(PARTS)}")
    tables = read_device(device)
    if tables.realisation != "hop-by-hop":
        raise InputError(
            f"the tables are {tables.realisation}, which adapter linux does not install",
            place=tables.place,
            remedy="set tables: {realisation: hop-by-hop} in the model and plan again",
        )
    numbers = _numbers(tables, classes)
    if part == "nft":
        return "\n".join([*_head(tables, part, numbers), *_ruleset(tables, numbers)]) + "\n"
    routes = _routes(tables, numbers, 6 if part == "ipv6" else 4)
    lines = [*_head(tables, part, numbers), *routes.values(), *_rules(tables, numbers)]
    lines += [
        f"route flush exact {prefix} table {table} protocol {PROTOCOL}"
        for prefix, table in _printed_routes(previous, lines[0])
        if (prefix, table) not in routes
    ]
    return "\n".join(lines) + "\n"


def marking(device: Mapping[str, Any], *, classes: Sequence[str] = ()) -> str:
    """Return the nftables ruleset that marks packets by class: the part ``nft``."""
    return render(device, part="nft", classes=classes)


def _numbers(tables: Device, classes: Sequence[str]) -> dict[str, int]:
    """Return table name -> number from 1: the classes given, then other tables in the order they are met."""
    used = [entry.table for entry in tables.steering] + [route.table for route in tables.routes]
    names = list(dict.fromkeys([*classes, *used]))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise InputError(
                f"table name {name!r}", place=tables.place, remedy="letters, digits, dots, dashes and underscores"
            )
    if len(names) > MOST_CLASSES:
        raise InputError(f"{len(names)} tables", place=tables.place, remedy=f"at most {MOST_CLASSES} classes")
    return {name: number for number, name in enumerate(names, start=1)}


def _head(tables: Device, part: str, numbers: Mapping[str, int]) -> list[str]:
    """Return comment lines: what this is (also how ``previous`` is recognised) and the number of each class."""
    name = re.sub(r"[^A-Za-z0-9._-]", "?", tables.device)
    lines = [f"# vbte adapter linux, part {part}, device {name}"]
    return lines + [f"# {name}: table {TABLE_BASE + n}, mark {_mark(n)}/{MARK_MASK:#x}" for name, n in numbers.items()]


def _mark(number: int) -> str:
    return f"{number << MARK_SHIFT:#x}"


# --- routes ---------------------------------------------------------------------------------------------------


def _routes(tables: Device, numbers: Mapping[str, int], version: int) -> dict[tuple[str, int], str]:
    """Return (prefix, table number) -> line, for the prefixes of one IP version."""
    lines: dict[tuple[str, int], str] = {}
    egresses: dict[tuple[str, int], str] = {}
    for route in tables.routes:
        place = f"{tables.place}: route to {route.egress!r} in table {route.table!r}"
        table = TABLE_BASE + numbers[route.table]
        for prefix in _prefixes(route, place):
            if prefix.version != version:
                continue
            key = (str(prefix), table)
            if key in lines:
                raise InputError(
                    f"prefix {prefix} is reached at {egresses[key]!r} too",
                    place=place,
                    remedy="a prefix belongs to one node",
                )
            kind, hops = _target(tables, route, version, place)
            lines[key] = f"route replace {kind}{prefix} table {table} protocol {PROTOCOL}{hops}"
            egresses[key] = route.egress
    return lines


def _prefixes(route: Route, place: str) -> Iterator[Network]:
    """Yield a route's prefixes. Raises InputError for routes that a plain IP table can't hold."""
    if route.label is not None:
        raise InputError(
            "leads from a label, which adapter linux does not install", place=place,
            remedy="plan without protection, tables: {local_protection: none}",
        )  # fmt: skip
    if route.network_instance != "default":
        raise InputError(
            f"belongs to network instance {route.network_instance!r}",
            place=place,
            remedy="adapter linux installs plain IP routes of the default instance only",
        )
    if not route.prefixes:
        raise InputError(
            "no prefix is known",
            place=place,
            remedy=f"give node {route.egress!r} `prefixes` in the topology; `vbte convert --number` fills them in",
        )
    for text in route.prefixes:
        yield _network(text, place)


def _network(text: str, place: str) -> Network:
    try:
        if "%" in text:
            raise ValueError(f"{text!r} names a zone")
        return ipaddress.ip_network(text)
    except ValueError as fault:
        raise InputError(str(fault), place=place, remedy="an IP prefix without host bits") from None


def _target(tables: Device, route: Route, version: int, place: str) -> tuple[str, str]:
    """Return a route's type ('' for an ordinary one) and its next hops, as ``ip route`` wants them."""
    if route.group is None:
        return "blackhole ", ""
    _refuse_protection(tables, route.group, place)
    ways = tables.ways(route.group)
    if any(next_hop.kind == "local" for next_hop, _ in ways):
        # Traffic has arrived: end the search of this table, so that the main table delivers it.
        return "throw ", ""
    return "", "".join(_hop(next_hop, weight, version, place) for next_hop, weight in ways)


def _refuse_protection(tables: Device, group_id: str, place: str) -> None:
    """Raise InputError for what no multipath route holds: the kernel's groups have no standby and no policer."""
    group = tables.group_by_id.get(group_id)
    if group is None:
        return
    members = group.members
    stated = {
        "has a backup group": group.backup is not None,
        "has members with backups": any(member.backup is not None for member in members),
        "has members with limits": any(member.limit_bps is not None for member in members),
    }
    for what, is_stated in stated.items():
        if is_stated:
            fault = f"{what}, which adapter linux does not install"
            raise InputError(fault, place=place, remedy="plan without protection, tables: {local_protection: none}")


def _hop(next_hop: NextHop, weight: int, version: int, place: str) -> str:
    """Return one ``nexthop`` clause."""
    place = f"{place}: link {', '.join(next_hop.links)!r}"
    if next_hop.kind != "link":
        raise InputError(f"next hop {next_hop.id!r} pushes segments", place=place, remedy="plan hop-by-hop")
    if weight > MAX_WEIGHT:
        raise InputError(
            f"weight {weight} is above {MAX_WEIGHT}, the most that iproute2 takes",
            place=place,
            remedy=f"set tables: {{max_weight: {MAX_WEIGHT}}} in the model, or less, and plan again",
        )
    return f" nexthop via {_gateway(next_hop, version, place)} dev {_interface(next_hop, place)} weight {weight}"


def _gateway(next_hop: NextHop, version: int, place: str) -> str:
    """Return what follows ``via``: an address, of family inet6 where an IPv4 route goes by an IPv6 gateway."""
    remedy = "state `gateway` (the far end's IP address) for the link, or have `vbte convert --number` fill it in"
    if not next_hop.gateway:
        raise InputError("no gateway is known", place=place, remedy=remedy)
    try:
        address = ipaddress.ip_address(next_hop.gateway)
    except ValueError as fault:
        raise InputError(str(fault), place=place, remedy=remedy) from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise InputError(f"gateway {next_hop.gateway!r} names a zone", place=place, remedy=remedy)
    if version == 6 and address.version == 4:
        raise InputError(
            f"gateway {address} can't carry an IPv6 route",
            place=place,
            remedy="state an IPv6 gateway: it carries routes of both families",
        )
    return str(address) if address.version == version else f"inet6 {address}"


def _interface(next_hop: NextHop, place: str) -> str:
    remedy = "state `interface` for the link, or have `vbte convert --number` fill it in"
    if not next_hop.interface:
        raise InputError("no interface is known", place=place, remedy=remedy)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", next_hop.interface):
        raise InputError(
            f"{next_hop.interface!r} is no Linux interface name",
            place=place,
            remedy="at most 15 letters, digits, dots, dashes and underscores",
        )
    return next_hop.interface


def _printed_routes(previous: str, head: str) -> list[tuple[str, int]]:
    """Return (prefix, table number) of each route in a text printed earlier, which must begin with ``head``."""
    if previous and previous.partition("\n")[0] != head:
        raise InputError("is not what was printed for this device and part", place="previous", remedy=f"want {head!r}")
    pattern = re.compile(r"^route replace (?:blackhole |throw )?(\S+) table ([0-9]{4}) protocol ", re.MULTILINE)
    return [(str(_network(prefix, "previous")), int(table)) for prefix, table in pattern.findall(previous)]


# --- rules ----------------------------------------------------------------------------------------------------


def _rules(tables: Device, numbers: Mapping[str, int]) -> list[str]:
    """Return the lines that exchange our rules for the new ones without a moment when neither are in force."""
    new = [
        (f"fwmark {_mark(number)}/{MARK_MASK:#x} ", TABLE_BASE + number, number) for number in sorted(numbers.values())
    ]
    fallback = [entry.table for entry in tables.steering if entry.match is None][:1]
    new += [("", TABLE_BASE + numbers[table], MOST_CLASSES + 1) for table in fallback]

    def add(first: int, protocol: int) -> list[str]:
        return [f"rule add {mark}lookup {table} pref {first + place} protocol {protocol}" for mark, table, place in new]

    return [
        f"rule flush protocol {STAND_IN_PROTOCOL}",
        *add(PREFERENCE + 2 * MOST_CLASSES, STAND_IN_PROTOCOL),
        f"rule flush protocol {PROTOCOL}",
        *add(PREFERENCE, PROTOCOL),
        f"rule flush protocol {STAND_IN_PROTOCOL}",
    ]


# --- marking --------------------------------------------------------------------------------------------------


def _ruleset(tables: Device, numbers: Mapping[str, int]) -> list[str]:
    """Return a whole nftables table that replaces the one loaded before in one step; first match wins."""
    keep = f"meta mark set meta mark and {MARK_MASK ^ 0xFFFFFFFF:#010x}"
    body = [keep]
    for entry in tables.steering:
        if entry.match is not None:
            verdict = f"{keep} or {_mark(numbers[entry.table])} return"
            body += [
                f"{conditions} {verdict}" for conditions in _conditions(entry.match, f"{tables.place}: {entry.id}")
            ]
    return [
        "table inet vbte",
        "delete table inet vbte",
        "table inet vbte {",
        "  chain classify {",
        *(f"    {line}" for line in body),
        "  }",
        # Packets that pass through, and packets of the device itself, whose route is then looked up again.
        "  chain arriving {",
        "    type filter hook prerouting priority mangle; policy accept;",
        "    jump classify",
        "  }",
        "  chain originating {",
        "    type route hook output priority mangle; policy accept;",
        "    jump classify",
        "  }",
        "}",
    ]


def _conditions(match: Match, place: str) -> Iterator[str]:
    """Yield nft conditions, one line per IP family that can match."""
    if match == Match():
        raise InputError("has no condition", place=place, remedy="state one, or match null for everything else")
    hidden = {"class": match.classes, "vlan": match.vlan, "application": match.application}
    hidden |= {"tenant": match.tenant, "tags": match.tags}
    unseen = [name for name, values in hidden.items() if values]
    if unseen:
        raise InputError(
            f"matches on {', '.join(unseen)}, which an IP packet does not show",
            place=place,
            remedy="match on dscp or prefixes, or mark these packets yourself and leave out the part nft",
        )
    for family, version in (("ip", 4), ("ip6", 6)):
        source = _addresses(match.source_prefix, version, place)
        destination = _addresses(match.destination_prefix, version, place)
        if bool(source) == bool(match.source_prefix) and bool(destination) == bool(match.destination_prefix):
            words = {"saddr": source, "daddr": destination, "dscp": ", ".join(map(str, sorted(set(match.dscp))))}
            yield " ".join(f"{family} {selector} {{ {values} }}" for selector, values in words.items() if values)


def _addresses(texts: Iterable[str], version: int, place: str) -> str:
    """Return the prefixes of one family, none inside another (nft takes overlaps for a mistake), comma-separated."""
    networks = [_network(text, place) for text in texts]
    # One family at a time, which is what the types can't tell.
    same: list[Any] = [network for network in networks if network.version == version]
    return ", ".join(map(str, ipaddress.collapse_addresses(same)))
