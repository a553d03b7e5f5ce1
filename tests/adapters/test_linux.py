from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vbte.tables
from vbte.adapters import load_adapter
from vbte.adapters.linux import marking, render
from vbte.errors import InputError, UsageError

SCHEMA = json.loads((Path(vbte.tables.__file__).parent / "schemas" / "tables-1.json").read_text())


def link_hop(link: str, interface: str | None, gateway: str | None) -> dict[str, Any]:
    return {
        "id": f"link:{link}", "kind": "link", "node": link.partition("-")[2], "interface": interface,
        "gateway": gateway, "labels": [], "segments": [], "links": [link], "latency_us": 0,
    }  # fmt: skip


def group(name: str, **weights: int) -> dict[str, Any]:
    members = [
        {"next_hop": f"link:{link.replace('_', '-')}", "weight": weight, "planned_share": 0.5}
        for link, weight in weights.items()
    ]
    return {"id": name, "members": members, "backup": None, "quantisation_error": 0.0}


def route(table: str, egress: str, prefixes: list[str], group_id: str | None) -> dict[str, Any]:
    return {
        "network_instance": "default", "table": table, "prefixes": prefixes, "label": None, "egress": egress,
        "class": table, "tenant": "", "group": group_id, "service_label": None, "demands": None,
    }  # fmt: skip


def steer(name: str, table: str, **match: list[Any]) -> dict[str, Any]:
    return {"id": name, "match": match or None, "class": table, "table": table}


@pytest.fixture
def device() -> dict[str, Any]:
    """Return device a: gold to z splits 3:1 over b and c, bulk goes by c, both reach a itself locally."""
    local = {**link_hop("a-a", None, None), "id": "local", "kind": "local", "node": "a", "links": []}
    return {
        "schema": "vbte.tables/1",
        "document": "device",
        "device": "a",
        "realisation": "hop-by-hop",
        "limits": {"max_weight": 64, "max_group_members": 32, "max_segments": 10},
        "next_hops": [link_hop("a-b", "to-b", "10.0.0.1"), link_hop("a-c", "to-c", "10.0.0.3"), local],
        "next_hop_groups": [
            {**group("local"), "members": [{"next_hop": "local", "weight": 1, "planned_share": 1.0}]},
            group("z/bulk", a_c=1),
            group("z/gold", a_b=3, a_c=1),
        ],
        "routes": [
            route("bulk", "a", ["10.1.0.0/24"], "local"),
            route("bulk", "z", ["10.2.0.0/24"], "z/bulk"),
            route("gold", "a", ["10.1.0.0/24"], "local"),
            route("gold", "z", ["10.2.0.0/24"], "z/gold"),
        ],
        "steering": [steer("gold/0", "gold", dscp=[46, 34]), steer("default", "bulk")],
        "local_sids": [],
        "drains": [],
        "cannot_realise": [],
    }


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def gold_hop(device: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = device["next_hops"][0]
    return found


def test_the_toy_device_follows_the_schema_of_the_tables(device: dict[str, Any]) -> None:
    jsonschema.validate(device, SCHEMA)


def test_each_class_gets_a_table_with_weighted_next_hops_and_unmarked_packets_the_default_class(
    device: dict[str, Any],
) -> None:
    assert render(device, classes=("gold", "bulk")) == (
        "# vbte adapter linux, part ipv4, device a\n"
        "# gold: table 1001, mark 0x10000/0xff0000\n"
        "# bulk: table 1002, mark 0x20000/0xff0000\n"
        "route replace throw 10.1.0.0/24 table 1002 protocol 118\n"
        "route replace 10.2.0.0/24 table 1002 protocol 118 nexthop via 10.0.0.3 dev to-c weight 1\n"
        "route replace throw 10.1.0.0/24 table 1001 protocol 118\n"
        "route replace 10.2.0.0/24 table 1001 protocol 118 "
        "nexthop via 10.0.0.1 dev to-b weight 3 nexthop via 10.0.0.3 dev to-c weight 1\n"
        "rule flush protocol 119\n"
        "rule add fwmark 0x10000/0xff0000 lookup 1001 pref 1511 protocol 119\n"
        "rule add fwmark 0x20000/0xff0000 lookup 1002 pref 1512 protocol 119\n"
        "rule add lookup 1002 pref 1766 protocol 119\n"
        "rule flush protocol 118\n"
        "rule add fwmark 0x10000/0xff0000 lookup 1001 pref 1001 protocol 118\n"
        "rule add fwmark 0x20000/0xff0000 lookup 1002 pref 1002 protocol 118\n"
        "rule add lookup 1002 pref 1256 protocol 118\n"
        "rule flush protocol 119\n"
    )


def test_packets_are_marked_by_dscp_in_both_families_and_others_lose_an_old_mark(device: dict[str, Any]) -> None:
    text = marking(device)
    assert text == render(device, part="nft")
    body = text.split("chain classify {\n")[1].split("  }")[0]
    assert body == (
        "    meta mark set meta mark and 0xff00ffff\n"
        "    ip dscp { 34, 46 } meta mark set meta mark and 0xff00ffff or 0x10000 return\n"
        "    ip6 dscp { 34, 46 } meta mark set meta mark and 0xff00ffff or 0x10000 return\n"
    )
    assert text.index("table inet vbte\n") < text.index("delete table inet vbte\n") < text.index("table inet vbte {")


def test_prefix_conditions_are_written_for_the_family_they_have(device: dict[str, Any]) -> None:
    device["steering"][0]["match"] = {
        "source_prefix": ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"],
        "destination_prefix": ["10.9.0.0/16"],
    }
    assert "ip saddr { 10.0.0.0/8 } ip daddr { 10.9.0.0/16 } meta mark" in marking(device)
    assert "ip6" not in marking(device)


@pytest.mark.parametrize("condition", ["vlan", "application", "tenant", "tags"])
def test_a_condition_that_packets_do_not_show_is_refused_where_packets_are_marked(
    device: dict[str, Any], condition: str
) -> None:
    device["steering"][0]["match"] = {condition: [7] if condition == "vlan" else ["x"]}
    with pytest.raises(InputError, match=f"gold/0: matches on {condition}, which an IP packet does not show"):
        marking(device)
    assert "lookup 1001" in render(device)


def test_ipv6_routes_stand_in_their_own_part(device: dict[str, Any]) -> None:
    device["routes"][3]["prefixes"] += ["fd02::/64"]
    gold_hop(device)["gateway"] = "fd00::b"
    device["next_hops"][1]["gateway"] = "fe80::c"
    route6 = [line for line in commands(render(device, part="ipv6")) if line.startswith("route replace")]
    assert route6 == [
        "route replace fd02::/64 table 1001 protocol 118 "
        "nexthop via fd00::b dev to-b weight 3 nexthop via fe80::c dev to-c weight 1"
    ]
    assert "fd02::/64" not in render(device)
    # An IPv6 gateway carries IPv4 as well.
    assert "nexthop via inet6 fd00::b dev to-b weight 3" in render(device)


def test_an_ipv4_gateway_is_refused_for_an_ipv6_prefix(device: dict[str, Any]) -> None:
    device["routes"][3]["prefixes"] = ["fd02::/64"]
    with pytest.raises(InputError, match=r"link 'a-b': gateway 10\.0\.0\.1 can't carry an IPv6 route; state an IPv6"):
        render(device, part="ipv6")


def test_what_was_not_admitted_is_discarded(device: dict[str, Any]) -> None:
    device["routes"][1]["group"] = None
    assert "route replace blackhole 10.2.0.0/24 table 1002 protocol 118" in commands(render(device, classes=["gold"]))


def test_a_route_that_is_gone_since_the_last_time_is_removed_at_the_end(device: dict[str, Any]) -> None:
    before = render(device)
    del device["routes"][3]
    after = commands(render(device, previous=before))
    assert after[-1] == "route flush exact 10.2.0.0/24 table 1001 protocol 118"
    assert sum("route flush" in line for line in after) == 1


def test_nothing_is_removed_when_nothing_has_changed(device: dict[str, Any]) -> None:
    text = render(device)
    assert render(device, previous=text) == text


def test_a_text_of_another_part_is_not_taken_for_the_previous_one(device: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="previous: is not what was printed for this device and part"):
        render(device, previous=render(device, part="ipv6"))


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("interface", None, r"link 'a-b': no interface is known; state `interface`.*`vbte convert --number`"),
        ("gateway", None, r"link 'a-b': no gateway is known; state `gateway`.*`vbte convert --number`"),
        ("interface", "eth0 weight 9", "is no Linux interface name"),
        ("interface", "eth0\nlink del eth1", "is no Linux interface name"),
        ("interface", "-batch", "is no Linux interface name"),
        ("interface", "an-interface-of-17", "is no Linux interface name"),
        ("gateway", "10.0.0.1 dev lo", "does not appear to be an IPv4 or IPv6 address"),
        ("gateway", "fe80::1%eth0 dev lo", "names a zone"),
    ],
)
def test_interfaces_and_gateways_that_are_missing_or_hostile_are_refused(
    device: dict[str, Any], field: str, value: str | None, fault: str
) -> None:
    gold_hop(device)[field] = value
    with pytest.raises(InputError, match=fault):
        render(device)


@pytest.mark.parametrize(
    "prefix", ["10.2.0.1/24", "10.2.0.0/33", "10.2.0.0/24\nrule flush", "default", "", "fe80::%x/64", "10.2.0.0/24 #"]
)
def test_a_prefix_that_is_malformed_or_hostile_is_refused(device: dict[str, Any], prefix: str) -> None:
    device["routes"][3]["prefixes"] = [prefix]
    with pytest.raises(InputError, match="route to 'z' in table 'gold'"):
        render(device)


def test_hostile_prefixes_in_steering_are_refused(device: dict[str, Any]) -> None:
    device["steering"][0]["match"] = {"source_prefix": ["10.0.0.0/8 } drop #"]}
    with pytest.raises(InputError, match="gold/0"):
        marking(device)


@pytest.mark.parametrize("name", ["gold\nroute flush table main", "", "a b", "x" * 65, "gold\n"])
def test_a_hostile_table_name_is_refused(device: dict[str, Any], name: str) -> None:
    device["routes"][3]["table"] = name
    with pytest.raises(InputError, match="table name"):
        render(device)


def test_a_hostile_device_name_cannot_leave_its_comment(device: dict[str, Any]) -> None:
    device["device"] = "a\nlink del eth0\\"
    assert render(device).splitlines()[0] == "# vbte adapter linux, part ipv4, device a?link?del?eth0?"


def test_an_egress_without_prefixes_is_refused_with_the_way_out(device: dict[str, Any]) -> None:
    device["routes"][3]["prefixes"] = []
    with pytest.raises(InputError, match="no prefix is known; give node 'z' `prefixes` in the topology"):
        render(device)


def test_a_prefix_of_two_egresses_is_refused(device: dict[str, Any]) -> None:
    device["routes"].append(route("gold", "y", ["10.2.0.0/24"], "z/gold"))
    with pytest.raises(InputError, match=r"route to 'y'.*prefix 10\.2\.0\.0/24 is reached at 'z' too"):
        render(device)


def test_source_routed_tables_are_refused_with_the_way_out(device: dict[str, Any]) -> None:
    device["realisation"] = "source-routed"
    with pytest.raises(InputError, match=r"device 'a': the tables are source-routed.*realisation: hop-by-hop"):
        render(device)


def test_a_weight_above_256_is_refused_with_the_way_out(device: dict[str, Any]) -> None:
    device["next_hop_groups"][2]["members"][0]["weight"] = 256
    assert "weight 256" in render(device)
    device["next_hop_groups"][2]["members"][0]["weight"] = 257
    with pytest.raises(InputError, match=r"link 'a-b': weight 257 is above 256.*max_weight: 256"):
        render(device)


def test_a_tenants_own_instance_is_refused(device: dict[str, Any]) -> None:
    device["routes"][3]["network_instance"] = "tenant-blue"
    with pytest.raises(InputError, match="belongs to network instance 'tenant-blue'"):
        render(device)


def test_a_backup_group_is_refused(device: dict[str, Any]) -> None:
    device["next_hop_groups"][2]["backup"] = {"group": "z/bulk", "when": "any-member-down"}
    with pytest.raises(InputError, match="has a backup group"):
        render(device)


@pytest.mark.parametrize(
    ("protection", "fault"),
    [({"backup": "link:a-b"}, "has members with backups"), ({"limit_bps": 5}, "has members with limits")],
)
def test_protected_members_are_refused_with_the_way_out(
    device: dict[str, Any], protection: dict[str, Any], fault: str
) -> None:
    device["next_hop_groups"][2]["members"][0].update(protection)
    with pytest.raises(InputError, match=f"{fault}, which adapter linux does not install; .*local_protection: none"):
        render(device)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("schema",), "vbte.tables/2", r"\$.schema"),
        (("document",), "manifest", r"\$.document"),
        (("routes",), None, r"\$.routes"),
        (("next_hop_groups", 2, "members", 0, "weight"), 0, "weight"),
        (("next_hop_groups", 2, "members", 0, "weight"), True, "weight"),
        (("next_hop_groups", 2, "members"), [], "members"),
        (("next_hop_groups", 2, "members", 0, "next_hop"), "nowhere", "no next hop 'nowhere'"),
        (("routes", 3, "group"), "nowhere", "no group 'nowhere'"),
        (("steering", 0, "match"), {"dscp": [64]}, "dscp"),
        (("steering", 0, "match"), {"ttl": [1]}, "ttl"),
        (("steering", 0, "match"), {}, "no condition"),
    ],
)
def test_a_document_that_breaks_the_schema_gets_one_error(
    device: dict[str, Any], path: tuple[str | int, ...], value: Any, fault: str
) -> None:
    where: Any = device
    for step in path[:-1]:
        where = where[step]
    where[path[-1]] = value
    with pytest.raises(InputError, match=fault):
        render(device) and marking(device)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_other_json_gets_an_input_error(document: Any) -> None:
    with pytest.raises(InputError):
        render(document)


def test_an_unknown_part_and_an_unknown_adapter_are_usage_errors(device: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="there is ipv4, ipv6, nft"):
        render(device, part="mpls")
    with pytest.raises(UsageError, match="unknown adapter 'ios'; there is linux"):
        load_adapter("ios")


def test_the_registry_finds_the_adapter_by_name(device: dict[str, Any]) -> None:
    adapter = load_adapter("linux")
    assert adapter.PARTS[0] == "ipv4"
    assert adapter.render(device) == render(device)


def test_the_device_is_not_changed_and_the_same_tables_give_the_same_text(device: dict[str, Any]) -> None:
    before = copy.deepcopy(device)
    assert render(device) == render(device)
    assert device == before
