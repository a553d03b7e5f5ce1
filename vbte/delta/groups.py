"""Next-hop groups between two sets of tables: which are the same, how many are not, and keeping what may be kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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

    def with_more(self, other: GroupChanges) -> GroupChanges:
        """Return the sums of both."""
        return GroupChanges(
            self.added + other.added, self.changed + other.changed, self.removed + other.removed, self.of + other.of
        )


def is_planned(group: str) -> bool:
    """Return whether a group is the plan's: its id joins egress and class by a slash, the IGP's ids have none."""
    return "/" in group


def count_changes(base: Tables, other: Tables) -> GroupChanges:
    """Return how many of the plan's groups differ.

    A group of the same next hops and weights is the same, as long as the next hops lead over the same links: a segment
    list that stays as it is may take another way because the IGP does.
    """
    total = GroupChanges(0, 0, 0, 0)
    with no_cycle_search():
        for name in base.devices:
            table = base.devices[name]
            same = base.device_bytes[name] == other.device_bytes[name]
            total = total.with_more(_changes(table, table if same else other.devices[name]))
    return total


def _changes(before: DeviceTable, after: DeviceTable) -> GroupChanges:
    old, new = _planned_groups(before), _planned_groups(after)
    if before is after:
        return GroupChanges(0, 0, 0, len(old))
    old_hops, new_hops = _hops(before), _hops(after)
    changed = sum(
        _weights(old[group]) != _weights(new[group]) or _pinned(old[group], old_hops) != _pinned(new[group], new_hops)
        for group in old.keys() & new.keys()
    )
    return GroupChanges(len(new.keys() - old.keys()), changed, len(old.keys() - new.keys()), len(old))


def _planned_groups(table: DeviceTable) -> dict[str, NextHopGroup]:
    return {group["id"]: group for group in table["next_hop_groups"] if is_planned(group["id"])}


def _hops(table: DeviceTable) -> dict[str, NextHop]:
    return {hop["id"]: hop for hop in table["next_hops"]}


def _weights(group: NextHopGroup) -> list[tuple[str, int, str | None, int | None]]:
    return [
        (member["next_hop"], member["weight"], member.get("backup"), member.get("limit_bps"))
        for member in group["members"]
    ]


def keep_groups(
    base: Tables,
    result: Tables,
    *,
    unused: bool = False,
    untouched: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[Tables, GroupChanges]:
    """Return ``result`` with the base's own entry for every group that does what the base's does, and what differs.

    That is one of the same links and weights: planned shares may differ by less than weights can show, and segment
    lists may be spelt otherwise because the IGP now has other shortest paths. What was the only shortest path stays so
    when other links go, so that the base's spelling still holds. With ``unused``, groups that no route leads to any
    more stay, too: nothing has to be done about them. The ``untouched`` groups, by device, stay with all their members,
    those that are down included, which devices leave out by themselves; but for groups with a segment list that now
    leads another way.
    """
    encoded, total = dict(result.device_bytes), GroupChanges(0, 0, 0, 0)
    with no_cycle_search():
        for name, content in base.device_bytes.items():
            before = table = base.devices[name]
            if content != result.device_bytes[name]:
                table = _kept(before, result.devices[name], unused=unused, stay=untouched.get(name, ()))
                encoded[name] = encode(table)
            total = total.with_more(_changes(before, table))
    return with_devices(result, encoded), total


def with_devices(tables: Tables, encoded: Mapping[str, bytes]) -> Tables:
    """Return tables with other documents of the same devices and roles, and the plan id that goes with them."""
    files = [{**entry, "sha256": sha256(encoded[entry["device"]])} for entry in tables.manifest["devices"]]
    manifest = cast(Manifest, {**tables.manifest, "devices": files})
    manifest["plan"] = plan_id(manifest)
    return Tables(manifest, StoredDevices(encoded), encoded)


def _kept(before: DeviceTable, after: DeviceTable, *, unused: bool, stay: Collection[str]) -> DeviceTable:
    old, new = _planned_groups(before), _planned_groups(after)
    old_hops, new_hops = _hops(before), _hops(after)
    groups = {group["id"]: group for group in after["next_hop_groups"]}
    wanted = [
        name
        for name in sorted(old.keys() & new.keys())
        if name in stay or _pinned(old[name], old_hops) == _pinned(new[name], new_hops)
    ]
    # Where a way is left to the IGP, the IGP's new one counts.
    known = {name: hop if hop["links"] else new_hops.get(name, hop) for name, hop in old_hops.items()}
    hops = _spelt_as_before(old, wanted, groups, known, new_hops)
    if unused:
        gone = {name: group for name, group in old.items() if name not in new}
        groups |= gone
        hops = {hop: old_hops[hop] for group in gone.values() for hop in _members(group)} | hops
    # A group that stays brings the one that takes over from it along.
    backups = {group["backup"]["group"] for group in groups.values() if group["backup"]} - groups.keys()
    spare = {group["id"]: group for group in before["next_hop_groups"] if group["id"] in backups}
    groups |= spare
    hops = {hop: old_hops[hop] for group in spare.values() for hop in _members(group)} | hops
    led_to = {hop for group in groups.values() for hop in _members(group)}
    table = dict(cast(Mapping[str, Any], after))
    table["next_hops"] = [hops[name] for name in sorted(hops) if name in led_to]
    table["next_hop_groups"] = [groups[name] for name in sorted(groups)]
    return cast(DeviceTable, table)


def _spelt_as_before(
    old: Mapping[str, NextHopGroup],
    wanted: list[str],
    groups: dict[str, NextHopGroup],
    old_hops: Mapping[str, NextHop],
    new_hops: Mapping[str, NextHop],
) -> dict[str, NextHop]:
    """Put the ``wanted`` old groups in place of the new ones and return all next hops; one id can't lead two ways."""
    fixed = {hop for name, group in groups.items() if name not in wanted for hop in _members(group)}
    hops = dict(new_hops)
    for position, name in enumerate(wanted):
        theirs = {hop: old_hops[hop] for hop in _members(old[name])}
        if any(hop in fixed and hops[hop] != theirs[hop] for hop in theirs):
            # What its own members mean has to be settled before any other group's.
            return _spelt_as_before(old, wanted[:position] + wanted[position + 1 :], groups, old_hops, new_hops)
        hops |= theirs
        fixed |= theirs.keys()
    groups |= {name: old[name] for name in wanted}
    return hops


def _members(group: NextHopGroup) -> list[str]:
    """Return the next hops that a group's members lead to, their backups too."""
    backups = (member.get("backup") for member in group["members"])
    return [*(member["next_hop"] for member in group["members"]), *(hop for hop in backups if hop is not None)]


def _pinned(group: NextHopGroup, hops: Mapping[str, NextHop]) -> tuple[object, ...]:
    """Return links, weight, backup and limit of every member, and the group's backup; the IGP's ways stand by id."""
    found = []
    for member in group["members"]:
        hop, backup, limit_bps = hops[member["next_hop"]], member.get("backup"), member.get("limit_bps")
        spare = () if backup is None else tuple(hops[backup]["links"])
        name = "" if hop["links"] else hop["id"]
        found.append((tuple(hop["links"]), member["weight"], name, spare, -1 if limit_bps is None else limit_bps))
    return group["backup"], *sorted(found)
