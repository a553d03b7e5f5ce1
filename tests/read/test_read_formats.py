"""Every format says the same of the same toy: Amsterdam - Paris 10 Gbit/s, Amsterdam - London 40 Gbit/s, both ways."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import networkx as nx
import numpy as np
import orjson
import pytest

from vbte.demands import DemandMatrix
from vbte.read import TopologyDefaults, read_demand_series, read_demands, read_topology
from vbte.topology import Topology

TOY = Path(__file__).parents[1] / "data" / "toy"

CAPACITIES = {("ams", "par"): 10.0, ("par", "ams"): 10.0, ("ams", "lon"): 40.0, ("lon", "ams"): 40.0}
METRICS = {("ams", "par"): 10.0, ("par", "ams"): 10.0, ("ams", "lon"): 5.0, ("lon", "ams"): 5.0}
LATENCIES = {("ams", "par"): 3.0, ("par", "ams"): 3.0, ("ams", "lon"): 2.0, ("lon", "ams"): 2.0}
VOLUMES = [("ams", "par", 4.0), ("par", "lon", 1.5), ("lon", "ams", 0.5)]

TOPOLOGIES = {
    "topology.yaml": "yaml",
    "topology.json": "json",
    "links.csv": "csv",
    "toy.graph": "repetita",
    "toy.sndlib.txt": "sndlib",
    "toy.xml": "sndlib-xml",
    "toy.graphml": "graphml",
    "toy.gml": "gml",
    "toy.node-link.json": "node-link",
}
DEMANDS = {
    "demands.yaml": "yaml",
    "demands.json": "json",
    "demands.csv": "csv",
    "matrix.csv": "matrix",
    "bare-matrix.csv": "matrix",
    "toy.demands": "repetita",
    "toy.sndlib.txt": "sndlib",
    "toy.xml": "sndlib-xml",
    "toy.node-link.json": "node-link",
}
STATES_METRICS = ("topology.yaml", "topology.json", "links.csv", "toy.graph", "toy.graphml", "toy.gml")

#: What the toy files that state no unit need; the others don't mind.
DEFAULTS = TopologyDefaults(capacity_unit="Mbps", latency_unit="ms")


def by_ends(topology: Topology, field: str) -> dict[tuple[str, str], float]:
    return {(link.source, link.target): getattr(link, field) for link in topology.links}


def rows(demands: DemandMatrix) -> list[tuple[str, str, float]]:
    ends = zip(demands.source, demands.destination, demands.volume_gbps, strict=True)
    return sorted((demands.node_ids[a], demands.node_ids[b], float(volume)) for a, b, volume in ends)


def toy() -> Topology:
    return read_topology(TOY / "topology.yaml")


@pytest.mark.parametrize("file", TOPOLOGIES)
def test_every_topology_format_gives_the_same_nodes_capacities_and_cables(file: str) -> None:
    topology = read_topology(TOY / file, defaults=DEFAULTS)
    assert [(n.id, n.latitude, n.longitude) for n in topology.nodes] == [
        ("ams", 52.25, 4.5),
        ("par", 48.75, 2.5),
        ("lon", 51.5, -0.25),
    ]
    assert by_ends(topology, "capacity_gbps") == CAPACITIES
    cables = by_ends(topology, "cable")
    assert cables["ams", "par"] == cables["par", "ams"] != cables["ams", "lon"] == cables["lon", "ams"]


@pytest.mark.parametrize("file", STATES_METRICS)
def test_formats_with_metrics_and_latencies_keep_them(file: str) -> None:
    topology = read_topology(TOY / file, defaults=DEFAULTS)
    assert by_ends(topology, "metric") == METRICS
    assert by_ends(topology, "latency_ms") == LATENCIES


# A links file from a stream has no nodes file beside it: the next test.
@pytest.mark.parametrize(("file", "format_name"), [pair for pair in TOPOLOGIES.items() if pair[1] != "csv"])
def test_a_topology_reads_alike_from_path_text_bytes_gzip_and_with_its_format_stated(
    file: str, format_name: str, tmp_path: Path
) -> None:
    data = (TOY / file).read_bytes()
    packed = tmp_path / f"{file}.gz"
    packed.write_bytes(gzip.compress(data))
    whole = read_topology(TOY / file, defaults=DEFAULTS)
    for source in (str(TOY / file), io.BytesIO(data), io.StringIO(data.decode()), packed):
        again = read_topology(source, defaults=DEFAULTS)
        assert (again.nodes, again.links) == (whole.nodes, whole.links)
    assert read_topology(io.BytesIO(data), format=format_name, defaults=DEFAULTS).links == whole.links


def test_a_links_file_alone_names_its_nodes_in_order_of_appearance() -> None:
    topology = read_topology(io.BytesIO((TOY / "links.csv").read_bytes()))
    assert [node.id for node in topology.nodes] == ["ams", "par", "lon"]
    assert topology.nodes[0].latitude is None
    assert by_ends(topology, "capacity_gbps") == CAPACITIES


def test_a_directory_with_links_and_nodes_is_a_topology() -> None:
    assert read_topology(TOY).links == read_topology(TOY / "links.csv").links


@pytest.mark.parametrize("file", DEMANDS)
def test_every_demand_format_gives_the_same_volumes(file: str) -> None:
    demands = read_demands(TOY / file, toy(), unit="Mbps")
    assert rows(demands) == sorted(VOLUMES)
    assert demands.total_gbps == 6.0


@pytest.mark.parametrize(("file", "format_name"), DEMANDS.items())
def test_demands_read_alike_from_path_text_bytes_and_with_their_format_stated(file: str, format_name: str) -> None:
    data = (TOY / file).read_bytes()
    for source in (str(TOY / file), io.BytesIO(data), io.StringIO(data.decode())):
        hint = format_name if file == "bare-matrix.csv" else None
        assert rows(read_demands(source, toy(), unit="Mbps", format=hint)) == sorted(VOLUMES)
    assert rows(read_demands(io.BytesIO(data), toy(), unit="Mbps", format=format_name)) == sorted(VOLUMES)


@pytest.mark.parametrize("file", ["demands.yaml", "demands.json", "demands.csv"])
def test_attributes_are_kept_and_blank_where_not_stated(file: str) -> None:
    demands = read_demands(TOY / file)
    table = {name: [column.values[code] for code in column.codes] for name, column in demands.attributes.items()}
    assert table == {
        "class": ["gold", "", ""],
        "dscp": ["46", "", ""],
        "tags": ["voice;video", "", ""],
        "tenant": ["", "", "blue"],
    }


def test_a_series_of_one_matrix_a_line_is_read_in_order() -> None:
    matrices = read_demand_series(TOY / "series.txt", toy(), unit="Mbps")
    assert [rows(matrix) for matrix in matrices] == [sorted(VOLUMES), sorted((a, b, v / 2) for a, b, v in VOLUMES)]


def test_a_series_unit_may_be_a_factor_to_gbit() -> None:
    assert read_demand_series(TOY / "series.txt", toy(), unit=0.002)[0].total_gbps == pytest.approx(12.0)


def test_a_series_may_be_gzipped_and_cut_by_commas(tmp_path: Path) -> None:
    packed = tmp_path / "series.gz"
    packed.write_bytes(gzip.compress((TOY / "series.txt").read_bytes().replace(b" ", b",")))
    assert [matrix.total_gbps for matrix in read_demand_series(packed, toy(), unit="Mbps")] == [6.0, 3.0]


def test_a_long_file_with_a_matrix_column_is_a_series() -> None:
    matrices = read_demand_series(TOY / "several.csv")
    assert [(matrix.name, matrix.total_gbps) for matrix in matrices] == [("morning", 5.5), ("evening", 2.0)]
    assert list(matrices[1].line) == [4]


@pytest.mark.parametrize("file", ["demands.csv", "matrix.csv", "bare-matrix.csv", "demands.yaml", "toy.demands"])
def test_any_demand_file_is_a_series_of_one(file: str) -> None:
    matrices = read_demand_series(TOY / file, toy(), unit="Mbps")
    assert [rows(matrix) for matrix in matrices] == [sorted(VOLUMES)]


def test_a_networkx_graph_in_memory_is_read() -> None:
    graph = nx.Graph(name="g", demands={1: {2: 3.0}})
    graph.add_edge(1, 2, capacity_gbps=10, weight=7)
    topology = read_topology(graph)
    assert topology.name == "g"
    assert by_ends(topology, "capacity_gbps") == {("1", "2"): 10.0, ("2", "1"): 10.0}
    assert by_ends(topology, "metric") == {("1", "2"): 7.0, ("2", "1"): 7.0}
    assert rows(read_demands(graph, topology, unit="Gbps")) == [("1", "2", 3.0)]


def test_parallel_edges_of_a_directed_multigraph_are_parallel_links() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("a", "b", bandwidth_mbps=1000)
    graph.add_edge("a", "b", bandwidth_mbps=2000)
    graph.add_edge("b", "a", bandwidth_mbps=1000)
    links = read_topology(graph).links
    assert [(link.id, link.capacity_gbps, link.cable) for link in links] == [
        ("a>b", 1.0, "a|b#1"),
        ("a>b#2", 2.0, "a|b#2"),
        ("b>a", 1.0, "a|b#1"),
    ]


def test_native_mappings_in_memory_are_read() -> None:
    topology = read_topology({"schema": "vbte.topology/1", "nodes": ["a", "b"], "links": []}, name="empty")
    assert (topology.name, len(topology.nodes), topology.links) == ("empty", 2, ())
    demand = {"source": "a", "destination": "b", "volume_gbps": 1}
    assert read_demands({"schema": "vbte.demands/1", "demands": [demand]}, topology).total_gbps == 1.0


def test_gml_with_repeated_labels_names_nodes_by_id_and_keeps_unannounced_parallel_edges() -> None:
    text = 'graph [\nnode [ id 7 label "x" ]\nnode [ id 8 label "x" ]\n'
    text += "edge [ source 7 target 8 ]\nedge [ source 7 target 8 ]\n]\n"
    topology = read_topology(io.StringIO(text), defaults=TopologyDefaults(capacity_gbps=1))
    assert [node.id for node in topology.nodes] == ["7", "8"]
    assert [link.cable for link in topology.links] == ["7|8#1", "7|8#1", "7|8#2", "7|8#2"]


def test_gml_labels_may_hold_letters_beyond_ascii() -> None:
    text = 'graph [\nnode [ id 1 label "Zürich" ]\nnode [ id 2 label "Malmö" ]\n]\n'
    assert [node.id for node in read_topology(io.StringIO(text)).nodes] == ["Zürich", "Malmö"]


def test_repetita_accepts_tabs_missing_blank_lines_and_windows_line_ends() -> None:
    text = (TOY / "toy.graph").read_text().replace("\n\n", "\n").replace(" ", "\t").replace("\n", "\r\n")
    assert by_ends(read_topology(io.StringIO(text)), "capacity_gbps") == CAPACITIES


def test_sndlib_drawing_positions_in_pixels_are_not_taken_for_degrees() -> None:
    text = (TOY / "toy.xml").read_text().replace("geographical", "pixel")
    topology = read_topology(io.StringIO(text))
    assert {node.latitude for node in topology.nodes} == {None}
    assert set(topology.latency_ms) == {0.0}


def test_nodes_without_coordinates_are_nodes_all_the_same() -> None:
    text = (TOY / "toy.xml").read_text()
    cut = text.replace("<coordinates><x>2.5</x><y>48.75</y></coordinates>", "")
    assert [node.latitude for node in read_topology(io.StringIO(cut)).nodes] == [52.25, None, 51.5]
    text = (TOY / "toy.sndlib.txt").read_text().replace("par ( 2.5 48.75 )", "par")
    assert [node.latitude for node in read_topology(io.StringIO(text)).nodes] == [52.25, None, 51.5]


def test_positions_that_networkx_layouts_give_are_read() -> None:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("a", pos=np.array([4.5, 52.25]))
    graph.add_node("b", lat="48.75", lon="2.5")
    assert [(node.longitude, node.latitude) for node in read_topology(graph).nodes] == [(4.5, 52.25), (2.5, 48.75)]


def test_node_link_data_whose_telling_keys_stand_last_is_still_found() -> None:
    nodes = [{"id": number, "name": "x" * 70} for number in range(1000)]
    data = {"nodes": nodes, "links": [], "directed": True}
    assert len(read_topology(io.BytesIO(orjson.dumps(data))).nodes) == 1000


def test_a_resource_inside_an_archive_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("topology.yaml", (TOY / "topology.yaml").read_text())
    resource = zipfile.Path(tmp_path / "net.zip", "topology.yaml")
    assert by_ends(read_topology(resource), "capacity_gbps") == CAPACITIES  # type: ignore[arg-type]
