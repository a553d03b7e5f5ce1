"""What is written reads back as it was, as far as the format can hold it."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import networkx as nx
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.demands import AttributeColumn, DemandMatrix
from vbte.errors import InputError, UsageError
from vbte.read import read_demands, read_topology
from vbte.topology import Link, Node, Topology
from vbte.write import write_demands, write_topology
from vbte.write.native_text import as_json, as_yaml, demands_record, topology_record

FULL = ["yaml", "json", "csv", "node-link", "graphml"]
FILES = {
    "yaml": "t.yaml",
    "json": "t.json",
    "csv": "links.csv",
    "node-link": "n.json",
    "graphml": "t.graphml",
    "repetita": "t.graph",
    "sndlib": "t.txt",
}

RICH = Topology(
    (
        Node("ams", 52.25, 4.5, region="eu", prefixes=("10.0.0.0/8", "2001:db8::/32"), sid=7, device_profile="small"),
        Node("New York", 40.75, -74.0, transit=False),
        Node("NO", drained=True),
        Node("010"),
    ),
    (
        Link(
            "ams>New York",
            "ams",
            "New York",
            0.1,
            3.5,
            1 / 3,
            0.25,
            ("s1", "s2"),
            ("red",),
            True,
            True,
            "c",
            "e0",
            "10.1",
        ),
        Link("true", "New York", "ams", 9.92, cable="c"),
        Link('a "b": {c}', "ams", "NO", 1e-9, cable="é#1"),
        Link("<&>", "NO", "010", 12345678.9, latency_ms=1e-7, cable="x|y#1"),
    ),
    name="rich: net",
)

PLAIN = Topology(
    (Node("a", 1.5, 2.5), Node("b", 3.0, 4.0), Node("c", -5.0, 6.0)),
    (
        Link("a>b", "a", "b", 9.92, 3.0, 1.913, cable="a|b#1"),
        Link("b>a", "b", "a", 9.92, 3.0, 1.913, cable="a|b#1"),
        Link("a>c", "a", "c", 0.1, 1.0, 0.3, cable="a|c#1"),
        Link("c>a", "c", "a", 0.1, 1.0, 0.3, cable="a|c#1"),
    ),
    name="t",
)

DEMANDS = DemandMatrix(
    ("a", "b", "c"),
    np.array([0, 0, 1], dtype=np.int32),
    np.array([1, 1, 2], dtype=np.int32),
    np.array([0.1, 9.92, 0.0]),
    {
        "class": AttributeColumn(np.array([0, 1, 0], dtype=np.int32), ("", "gold")),
        "tags": AttributeColumn(np.array([0, 1, 1], dtype=np.int32), ("x;y", "")),
    },
    name="t",
)


def demand_rows(demands: DemandMatrix) -> list[tuple[object, ...]]:
    attributes = [
        [f"{name}={column.values[code]}" for code in column.codes]
        for name, column in sorted(demands.attributes.items())
    ]
    nodes = demands.node_ids
    ends = [(nodes[a], nodes[b]) for a, b in zip(demands.source, demands.destination, strict=True)]
    return list(zip(ends, demands.volume_gbps.tolist(), *attributes, strict=True))


@pytest.mark.parametrize("format_name", FULL)
def test_full_formats_hold_every_fact(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / FILES[format_name]
    assert write_topology(RICH, path, format_name) == ()
    again = read_topology(path, name=RICH.name)
    assert again.nodes == RICH.nodes
    assert again.links == RICH.links
    if format_name != "csv":
        assert read_topology(path).name == RICH.name


@pytest.mark.parametrize("format_name", FILES)
def test_a_plain_network_survives_every_format(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / FILES[format_name]
    lost = write_topology(PLAIN, path, format_name)
    again = read_topology(path)
    assert again.nodes == PLAIN.nodes
    ends = [(link.source, link.target, link.capacity_gbps, link.cable) for link in PLAIN.links]
    assert [(link.source, link.target, link.capacity_gbps, link.cable) for link in again.links] == ends
    assert lost == (("metric", "latency_ms") if format_name == "sndlib" else ())
    if format_name != "sndlib":
        assert again.links == PLAIN.links


@pytest.mark.parametrize("format_name", FILES)
def test_the_same_topology_gives_the_same_bytes(format_name: str, tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        write_topology(PLAIN, tmp_path / FILES[format_name], format_name)
        contents.append([path.read_bytes() for path in sorted(tmp_path.iterdir())])
    assert contents[0] == contents[1]


def test_what_a_format_cannot_hold_is_named(tmp_path: Path) -> None:
    lost = write_topology(RICH, tmp_path / "t.graph", "repetita")
    assert set(lost) >= {"region", "transit", "drained", "prefixes", "sid", "srlgs", "encrypted", "cost_per_gbps"}
    again = read_topology(tmp_path / "t.graph")
    assert [node.id for node in again.nodes] == ["ams", "New_York", "NO", "010"]
    assert [link.capacity_gbps for link in again.links] == [link.capacity_gbps for link in RICH.links]


def test_csv_goes_into_a_directory_or_beside_a_links_file(tmp_path: Path) -> None:
    write_topology(RICH, tmp_path / "net", "csv")
    write_topology(RICH, tmp_path / "my-links.csv", "csv")
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == [
        "links.csv",
        "my-links.csv",
        "my-nodes.csv",
        "nodes.csv",
    ]
    assert read_topology(tmp_path / "net").links == read_topology(tmp_path / "my-links.csv").links == RICH.links
    with pytest.raises(UsageError, match="'links' in its name"):
        write_topology(RICH, tmp_path / "x.csv", "csv")


def test_formats_that_are_only_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not written as gml; use one of yaml, json, csv"):
        write_topology(PLAIN, tmp_path / "x", "gml")
    with pytest.raises(UsageError, match="not written as topohub"):
        write_demands(DEMANDS, tmp_path / "x", "topohub")
    with pytest.raises(InputError, match="unknown format 'xlsx'"):
        write_topology(PLAIN, tmp_path / "x", "xlsx")
    assert list(tmp_path.iterdir()) == []


def test_sndlib_refuses_what_is_not_symmetric(tmp_path: Path) -> None:
    uneven = replace(PLAIN, links=(replace(PLAIN.links[0], capacity_gbps=1.0), *PLAIN.links[1:]))
    with pytest.raises(InputError, match="link 'a>b' has no equal link in the other direction"):
        write_topology(uneven, tmp_path / "t.txt", "sndlib")


def test_labels_that_would_collide_are_refused(tmp_path: Path) -> None:
    twins = Topology((Node("a b"), Node("a_b")), ())
    with pytest.raises(InputError, match="differ in blanks alone"):
        write_topology(twins, tmp_path / "t.graph", "repetita")


def test_other_readers_understand_node_link_and_graphml(tmp_path: Path) -> None:
    write_topology(RICH, tmp_path / "n.json", "node-link")
    graph = nx.node_link_graph(orjson.loads((tmp_path / "n.json").read_bytes()), edges="edges")
    assert graph.edges["ams", "New York", "ams>New York"]["capacity_gbps"] == 0.1
    write_topology(RICH, tmp_path / "t.graphml", "graphml")
    graph = nx.read_graphml(tmp_path / "t.graphml")
    assert graph.nodes["New York"]["transit"] is False
    assert graph.edges["NO", "010"]["capacity_gbps"] == 12345678.9
    links = read_topology(graph).links
    assert sorted(links, key=lambda link: link.id) == sorted(RICH.links, key=lambda link: link.id)


@pytest.mark.parametrize("format_name", ["yaml", "json"])
def test_written_native_files_validate(format_name: str, tmp_path: Path) -> None:
    schemas = Path(__file__).parents[2] / "vbte" / "read" / "schemas"
    for record, name in ((topology_record(RICH), "topology"), (demands_record(DEMANDS), "demands")):
        jsonschema.validate(record, orjson.loads((schemas / f"{name}-1.json").read_bytes()))


@pytest.mark.parametrize(
    ("format_name", "file"),
    [("yaml", "d.yaml"), ("json", "d.json"), ("csv", "d.csv"), ("repetita", "t.demands"), ("sndlib", "d.txt")],
)
def test_demands_survive_every_format(format_name: str, file: str, tmp_path: Path) -> None:
    lost = write_demands(DEMANDS, tmp_path / file, format_name, topology=PLAIN)
    again = read_demands(tmp_path / file, PLAIN)
    if format_name in ("repetita", "sndlib"):
        assert lost == ("class", "tags")
        assert demand_rows(again) == [row[:2] for row in demand_rows(DEMANDS)]
    else:
        assert lost == ()
        assert demand_rows(again) == demand_rows(DEMANDS)


def test_repetita_demands_need_the_topology(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the topology too"):
        write_demands(DEMANDS, tmp_path / "t.demands", "repetita")


IDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(str.strip)
FIGURES = st.floats(0, 1e9, allow_nan=False)


@given(IDS, IDS, FIGURES, st.sampled_from([as_yaml, as_json]))
def test_any_id_and_any_figure_survive_native_files(one: str, other: str, figure: float, encode: object) -> None:
    if one == other:
        return
    topology = Topology((Node(one), Node(other)), (Link("x", one, other, figure, cable="c"),))
    again = read_topology(io.BytesIO(encode(topology_record(topology))))  # type: ignore[operator]
    assert (again.nodes, again.links) == (topology.nodes, topology.links)


@given(figure=FIGURES)
def test_any_capacity_survives_kbit_and_mbit_files(figure: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    links = tuple(Link(f"{a}>{b}", a, b, figure, cable="c") for a, b in (("a", "b"), ("b", "a")))
    topology = Topology((Node("a"), Node("b")), links)
    folder = tmp_path_factory.mktemp("figures")
    for format_name in ("repetita", "sndlib"):
        if figure:
            write_topology(topology, folder / "f", format_name)
            again = read_topology(folder / "f").links[0].capacity_gbps
            assert math.isclose(again, figure, rel_tol=1e-15)
