"""Routing tables on the terminal: all devices in a row each, or one device in full."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vbte.report.terminal import empty_table, shown_name, spaced
from vbte.report.text import percent, plural, printable
from vbte.tables.files import Tables
from vbte.tables.schema import DeviceTable, Member, NextHop, NextHopGroup, Route
from vbte.units import format_gbps


def devices_view(tables: Tables) -> RenderableType:
    """Return the plan's id and what each device holds."""
    manifest = tables.manifest
    table = empty_table("device", ">routes", ">next hops", ">groups", ">SIDs", ">can't realise", "file")
    for entry in manifest["devices"]:
        device = tables.devices[entry["device"]]
        table.add_row(
            shown_name(device["device"]),
            f"{len(device['routes']):,}",
            f"{len(device['next_hops']):,}",
            f"{len(device['next_hop_groups']):,}",
            f"{len(device['local_sids']):,}",
            f"{len(device['cannot_realise']):,}",
            entry["file"],
        )
    head = f"{manifest['realisation']} tables of {manifest['origin']} {manifest['plan']}"
    return Group(Text(printable(head)), table)


def device_view(device: DeviceTable) -> RenderableType:
    """Return one device's routes with their next hops, its SIDs, what it drains and what it can't realise."""
    groups = {group["id"]: group for group in device["next_hop_groups"]}
    hops = {hop["id"]: hop for hop in device["next_hops"]}
    demands, labels = _routes_table("class", "to"), _routes_table("label", "to")
    for route in device["routes"]:
        via = _via(route, groups, hops)
        if route["label"] is None:
            demands.add_row(_class(route), _target(route), _admitted(route), via)
        else:
            labels.add_row(str(route["label"]), shown_name(route["egress"]), "", via)
    return Group(
        Text(f"{printable(device['device'])}: {device['realisation']}", style="bold"),
        *spaced(demands, labels),
        *_notes(device),
    )


def _routes_table(first: str, second: str) -> Table:
    return empty_table(first, second, ">admitted", "weight x way out")


def _class(route: Route) -> Text:
    tenant = f" ({route['tenant']})" if route["tenant"] else ""
    return shown_name(f"{route['table']}{tenant}")


def _target(route: Route) -> Text:
    prefixes = ", ".join(route["prefixes"][:3]) + (", ..." if len(route["prefixes"]) > 3 else "")
    return shown_name(f"{route['egress']} {prefixes}".strip())


def _admitted(route: Route) -> str:
    demands = route["demands"]
    if demands is None:
        return "transit"
    return f"{format_gbps(demands['admitted_bps'] / 1e9)} ({percent(demands['admitted_share'])})"


def _via(route: Route, groups: dict[str, NextHopGroup], hops: dict[str, NextHop]) -> Text:
    """Return the members of a route's group, one a line."""
    if route["group"] is None:
        return Text("discard", style="yellow")
    group = groups[route["group"]]
    lines = [line for member in group["members"] for line in _member_lines(member, hops)]
    backup = group["backup"]
    if backup is not None:
        lines.append(f"backup {backup['group']} when {backup['when'].replace('-', ' ')}")
    return Text("\n".join(printable(line).replace("\n", " ") for line in lines))


def _member_lines(member: Member, hops: dict[str, NextHop]) -> Iterator[str]:
    limit_bps, backup = member.get("limit_bps"), member.get("backup")
    limit = "" if limit_bps is None else f", at most {format_gbps(limit_bps / 1e9)}"
    yield f"{member['weight']} x {_way_out(hops[member['next_hop']])}{limit}"
    if backup is not None:
        yield f"  else {_way_out(hops[backup])}"


def _way_out(hop: NextHop) -> str:
    if hop["kind"] == "local":
        return "here"
    first = hop["links"][0] if hop["links"] else hop["id"]
    way = f"{hop['interface'] or first} to {hop['node']}"
    if not hop["segments"]:
        return way
    stops = ", ".join(segment["link"] or segment["node"] for segment in hop["segments"])
    return f"{way}, labels {' '.join(map(str, hop['labels']))} ({stops})"


def _notes(device: DeviceTable) -> Iterator[Text]:
    sids = [f"{sid['kind']} {sid['label']}" for sid in device["local_sids"]]
    if sids:
        yield shown_name(f"answers to {', '.join(sids)}")
    for drain in device["drains"]:
        yield shown_name(f"kept free of traffic: {drain['kind']} {drain['id']}")
    for entry in device["cannot_realise"]:
        wish = entry["object"]
        stake = format_gbps(entry["bps_at_stake"] / 1e9)
        text = f"can't realise: {wish['class']} to {wish['egress']}: {entry['detail']}; {entry['substitute']} ({stake})"
        yield Text(printable(text), style="yellow")
    if not device["routes"]:
        yield Text(f"no routes, {plural(len(device['next_hops']), 'next hop')}")
