"""Shared risks of a topology: how often groups fail, and what links inherit from what they ride on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import ADMITTED, demands, model
from toys import plan as planned

from vbte.errors import InputError
from vbte.read import read_topology
from vbte.read.plan_file import read_plan
from vbte.scenarios import Component, Part, likely_states, stated_components
from vbte.tables import build_tables
from vbte.topology import Topology
from vbte.write.convert import write_topology
from vbte.write.plan_file import plan_bytes

LINKS = """schema: vbte.topology/1
nodes: [a, b, c, d]
links:
  - {id: ab, source: a, target: b, capacity_gbps: 10, bidirectional: true, srlgs: [ditch], cable: duct}
  - {id: bc, source: b, target: c, capacity_gbps: 10, bidirectional: true, unavailability: 0.1}
  - {id: cd, source: c, target: d, capacity_gbps: 10, bidirectional: true, srlgs: [bridge]}
"""


def read(text: str, tmp_path: Path) -> Topology:
    (tmp_path / "t.yaml").write_text(text)
    return read_topology(tmp_path / "t.yaml")


def srlgs(topology: Topology) -> dict[str, tuple[str, ...]]:
    return {link.id: link.srlgs for link in topology.links}


def test_groups_say_how_often_they_fail_and_likely_states_take_them(tmp_path: Path) -> None:
    topology = read(
        LINKS + "srlgs: [{id: ditch, unavailability: 0.2}, {id: bridge, mtbf_hours: 30, mttr_hours: 10}]\n", tmp_path
    )
    assert stated_components(topology) == (
        Component(Part.CABLE, "b|c#1", 0.1), Component(Part.SRLG, "ditch", 0.2), Component(Part.SRLG, "bridge", 0.25),
    )  # fmt: skip
    found = likely_states(topology, stated_components(topology), 0.1)
    # 0.9 * 0.8 * 0.75, and with one of the two likelier ones down.
    assert [(one.name, one.probability) for one in found.scenarios] == [
        ("nothing down", pytest.approx(0.54)), ("srlg bridge", pytest.approx(0.18)),
        ("srlg ditch", pytest.approx(0.135)),
    ]  # fmt: skip
    down = np.flatnonzero(found.failed_links(slice(2, 3))[:, 0])
    assert [topology.links[at].id for at in down] == ["ab", "ab:reverse"]


def test_figures_of_groups_survive_plans_and_conversion(tmp_path: Path) -> None:
    topology = read(LINKS + "srlgs: [{id: ditch, unavailability: 0.2}]\n", tmp_path)
    for name in ("again.yaml", "again.json"):
        assert write_topology(topology, tmp_path / name, name.rpartition(".")[2]) == ()
        assert read_topology(tmp_path / name).risk_groups == topology.risk_groups
    assert write_topology(topology, tmp_path / "links.csv", "csv") == ("figures of srlgs",)
    plan = planned(topology, demands(("a", "b", 1.0)), model(ADMITTED))
    (tmp_path / "plan.json").write_bytes(plan_bytes(plan))
    assert read_plan(tmp_path / "plan.json").instance.topology.risk_groups == topology.risk_groups
    # The plan's id covers them, and plans without any keep the id that they had.
    plain = planned(read(LINKS, tmp_path), demands(("a", "b", 1.0)), model(ADMITTED))
    hashes = [build_tables(one).manifest["inputs"]["topology"] for one in (plan, plain)]
    assert hashes[0] != hashes[1]
    assert b"srlgs" in plan_bytes(plan)
    assert b'"srlgs":[{' not in plan_bytes(plain)


@pytest.mark.parametrize(
    ("srlg", "message"),
    [
        ("{id: ditch, unavailability: 1.5}", "t.yaml:7: srlgs[0]: unavailability is 1.5; a share of time from 0 to 1"),
        ("{id: ditch, unavailability: -0.5}", "t.yaml:7: srlgs[0].unavailability: unavailability is -0.5"),
        ("{id: ditch, unavailability: often}", "t.yaml:7: srlgs[0].unavailability"),
        ("{id: ditch, mtbf_hours: 5}", "t.yaml:7: srlgs[0]: mean times to failure and repair go together"),
        ("{id: ditch, mtbf_hours: 0, mttr_hours: 0}", "t.yaml:7: srlgs[0]: mtbf_hours is 0.0"),
        ("{id: dich, unavailability: 0.5}", "t.yaml:7: srlgs[0]: no link is in SRLG 'dich'"),
        ("{unavailability: 0.5}", "t.yaml:7: srlgs[0]: id is missing"),
        ("{id: ditch, probability: 0.5}", "t.yaml:7: srlgs[0].probability: unknown key"),
        ("ditch, ditch", "t.yaml:7: srlgs[1]: SRLG 'ditch' appears twice"),
    ],
)
def test_figures_that_can_not_be_are_told_with_file_and_place(srlg: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(f"{LINKS}srlgs: [{srlg}]\n", tmp_path)
    assert message in str(caught.value)


def test_a_link_inherits_the_risks_of_what_it_rides_on_however_deep(tmp_path: Path) -> None:
    overlay = """  - {id: tunnel, source: a, target: c, capacity_gbps: 1, srlgs: [own, ditch], underlay: [duct, bc]}
  - {id: upper, source: a, target: d, capacity_gbps: 1, bidirectional: true, underlay: [tunnel, wave]}
  - {id: free, source: b, target: d, capacity_gbps: 1, underlay: [bare]}
underlay:
  - {id: wave, srlgs: [amplifier], underlay: [trench]}
  - {id: trench, srlgs: [river]}
  - bare
"""
    found = srlgs(read(LINKS + overlay, tmp_path))
    assert found["tunnel"] == ("own", "ditch")
    assert found["upper"] == found["upper:reverse"] == ("own", "ditch", "amplifier", "river")
    assert found["free"] == ()
    assert (found["ab"], found["bc"]) == (("ditch",), ())


def test_csv_links_may_ride_on_each_other_too(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text(
        "id,source,target,capacity_gbps,srlgs,underlay\nab,a,b,10,x;y,\nbc,b,c,10,z,\nac,a,c,1,,ab;bc\n"
    )
    assert srlgs(read_topology(tmp_path / "links.csv"))["ac"] == ("x", "y", "z")


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("underlay: [abc]", "t.yaml:7: links[3]: underlay: there is no 'abc' to ride on; did you mean"),
        ("id: up, underlay: [up]", "links[3]: underlay: 'up' rides on itself"),
        ("id: up, underlay: [loop]", "rides on itself"),
    ],
)
def test_what_can_not_be_ridden_on_is_told(overlay: str, message: str, tmp_path: Path) -> None:
    text = (
        f"{LINKS}  - {{source: a, target: c, capacity_gbps: 1, {overlay}}}\nunderlay: [{{id: loop, underlay: [up]}}]\n"
    )
    if "loop" not in overlay:
        text = text.partition("underlay: [{id")[0]
    with pytest.raises(InputError) as caught:
        read(text, tmp_path)
    assert message in str(caught.value)


def test_deep_stacks_are_no_trouble(tmp_path: Path) -> None:
    from vbte.read.underlay import Ridden, inherit_srlgs

    depth = 5000
    parts: list[Any] = [Ridden((str(at),), {"underlay": (str(at + 1),)}, "here") for at in range(depth)]
    parts.append(Ridden((str(depth),), {"srlgs": ("deep",)}, "here"))
    inherit_srlgs(parts)
    assert parts[0].facts == {"srlgs": ("deep",)}
