"""Next-hop groups between two sets of tables: which are the same, how many are not, and keeping what may be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vbte.tables.files import StoredDevices, Tables, encode, no_cycle_search
from vbte.tables.manifest import plan_id, sha256
from vbte.tables.schema import DeviceTable, Manifest, NextHop, NextHopGroup


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """Groups of the plan that differ: added, changed, removed; ``of`` is how many the base has."""

    added: int
    changed: int
    removed: int
    of: int

    @property
    def total(self) -> int:
        """All groups that differ."""
        return self.added + self.changed + self.removed


def is_planned(group: str) -> bool:
    """Return whether a group is the plan's: its id joins egress and class by a slash, the IGP's ids have none."""
    return "/" in group


def count_changes(base: Tables, other: Tables) -> GroupChanges:
    """Return how many of the plan's groups differ; a group of the same next hops and weights is the same."""
    added = changed = removed = of = 0
    with no_cycle_search():
        for name in base.devices:
            before = _planned_groups(base.devices[name])
            of += len(before)
            if base.device_bytes[name] == other.device_bytes[name]:
                continue
            after = _planned_groups(other.devices[name])
            added += len(after.keys() - before.keys())
            removed += len(before.keys() - after.keys())
            changed += sum(not _same(before[group], after[group]) for group in before.keys() & after.keys())
    return GroupChanges(added, changed, removed, of)


def _planned_groups(table: DeviceTable) -> dict[str, NextHopGroup]:
    return {group["id"]: group for group in table["next_hop_groups"] if is_planned(group["id"])}


def _same(one: NextHopGroup, other: NextHopGroup) -> bool:
    return _weights(one) == _weights(other) and one["backup"] == other["backup"]


def _weights(group: NextHopGroup) -> list[tuple[str, int]]:
    return [(member["next_hop"], member["weight"]) for member in group["members"]]


def keep_groups(base: Tables, result: Tables, *, unused: bool = False) -> Tables:
    """Return ``result`` with the base's own entry for every group that does what the base's does.

    That is one of the same next hops and weights, whose planned shares may differ by less than weights can show; and
    one of the same links and weights, whose segment lists were spelt otherwise because the IGP now has other shortest
    paths. What was one link's only shortest path stays so when other links go, so that the base's spelling still
    holds. With ``unused``, groups that no route leads to any more stay, too: nothing has to be done about them.
    """
    encoded = dict(result.device_bytes)
    with no_cycle_search():
        for name, content in result.device_bytes.items():
            before = base.device_bytes.get(name, content)
            if content != before:
                encoded[name] = encode(_kept(base.devices[name], result.devices[name], unused=unused))
    return with_devices(result, encoded)


def with_devices(tables: Tables, encoded: Mapping[str, bytes]) -> Tables:
    """Return tables with other documents of the same devices and roles, and the plan id that goes with them."""
    files = [{**entry, "sha256": sha256(encoded[entry["device"]])} for entry in tables.manifest["devices"]]
    manifest = cast(Manifest, {**tables.manifest, "devices": files})
    manifest["plan"] = plan_id(manifest)
    return Tables(manifest, StoredDevices(encoded), encoded)


def _kept(before: DeviceTable, after: DeviceTable, *, unused: bool) -> DeviceTable:
    old, new = _planned_groups(before), _planned_groups(after)
    old_hops = {hop["id"]: hop for hop in before["next_hops"]}
    new_hops = {hop["id"]: hop for hop in after["next_hops"]}
    groups = {group["id"]: group for group in after["next_hop_groups"]}
    hops = dict(new_hops)
    spelt_anew: list[str] = []
    for name in old.keys() & new.keys():
        if _same(old[name], new[name]):
            groups[name] = old[name]
        elif old[name]["backup"] == new[name]["backup"] and _pinned(old[name], old_hops) == _pinned(
            new[name], new_hops
        ):
            spelt_anew.append(name)
    theirs = {
        member["next_hop"]: old_hops[member["next_hop"]] for name in spelt_anew for member in old[name]["members"]
    }
    in_use = {
        member["next_hop"] for name, group in groups.items() if name not in spelt_anew for member in group["members"]
    }
    # One spelling can't lead two ways.
    if all(hop not in in_use or new_hops[hop] == theirs[hop] for hop in theirs):
        groups |= {name: old[name] for name in spelt_anew}
        hops |= theirs
    if unused:
        gone = {name: group for name, group in old.items() if name not in new}
        groups |= gone
        hops = {
            member["next_hop"]: old_hops[member["next_hop"]] for g in gone.values() for member in g["members"]
        } | hops
    led_to = {member["next_hop"] for group in groups.values() for member in group["members"]}
    table = dict(cast(Mapping[str, Any], after))
    table["next_hops"] = [hops[name] for name in sorted(hops) if name in led_to]
    table["next_hop_groups"] = [groups[name] for name in sorted(groups)]
    return cast(DeviceTable, table)


def _pinned(group: NextHopGroup, hops: Mapping[str, NextHop]) -> list[tuple[tuple[str, ...], int, str]]:
    """Return the links and weight of every member; a member that leaves its way to the IGP stands by its id."""
    members = ((hops[member["next_hop"]], member["weight"]) for member in group["members"])
    return sorted((tuple(hop["links"]), weight, "" if hop["links"] else hop["id"]) for hop, weight in members)
