"""Every dataset reads, says where it comes from, and shows what its README claims."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import networkx
import numpy as np
import pytest

from vbte import catalogue
from vbte.demands import DemandMatrix
from vbte.instance import Instance, build_instance
from vbte.policy import PlanningModel
from vbte.read import read_demands, read_topology
from vbte.topology import FloatArray, Topology

DATASETS = sorted(catalogue.datasets())
FIVE_KINDS = {"enterprise-wan", "dc-fabric", "cloud-core", "sp-transport", "hybrid-cloud"}
TEXT_FILES = sorted(path for path in catalogue.catalogue_folder("datasets").rglob("*") if path.is_file())


@cache
def inputs(name: str) -> tuple[Topology, DemandMatrix]:
    dataset = catalogue.dataset(name)
    return read_topology(dataset.topology), read_demands(dataset.demands)


def model_of(name: str) -> PlanningModel:
    return catalogue.load_model(catalogue.dataset(name).model or "class-aware")


@cache
def instance_of(name: str) -> Instance:
    topology, demands = inputs(name)
    return build_instance(topology, [demands], model_of(name))


def readme(name: str) -> str:
    return (catalogue.dataset(name).path / "README.md").read_text()


def shortest_path_load_gbps(topology: Topology, demands: DemandMatrix) -> FloatArray:
    """Load of each link, shape (n_links,), when every demand is shared equally over its next hops by IGP metric."""
    load = np.zeros(len(topology.links))
    for demand in range(len(demands)):
        source, target = (demands.node_ids[end[demand]] for end in (demands.source, demands.destination))
        graph = networkx.DiGraph()
        for position, link in enumerate(topology.links):
            if link.source == source or topology.transit[topology.tail[position]]:
                graph.add_edge(link.source, link.target, metric=link.metric, position=position)
        distance = networkx.shortest_path_length(graph, target=target, weight="metric")
        at_node = {source: float(demands.volume_gbps[demand])}
        for node in sorted((node for node in distance if node != target), key=lambda node: -distance[node]):
            hops = [
                (head, facts["position"])
                for _, head, facts in graph.out_edges(node, data=True)
                if head in distance and distance[head] + facts["metric"] == distance[node]
            ]
            for head, position in hops if node in at_node else []:
                load[position] += at_node[node] / len(hops)
                at_node[head] = at_node.get(head, 0.0) + at_node[node] / len(hops)
    return load


def test_there_is_one_dataset_for_each_kind_of_network() -> None:
    assert set(DATASETS) >= FIVE_KINDS | {"diamond", "abilene"}


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_reads_and_fits_its_model(name: str) -> None:
    topology, demands = inputs(name)
    assert topology.name == name
    assert 4 <= len(topology.nodes) <= 20
    instance = instance_of(name)
    assert instance.volume_gbps.sum() == pytest.approx(demands.total_gbps)


@pytest.mark.parametrize("name", sorted(FIVE_KINDS | {"diamond"}))
def test_every_example_fills_several_classes_and_leaves_no_demand_to_chance(name: str) -> None:
    instance = instance_of(name)
    assert set(instance.class_index) == set(range(len(instance.model.classes)))
    assert len(instance.model.classes) > 1
    assert model_of(name).name == name


@pytest.mark.parametrize("name", sorted(FIVE_KINDS))
def test_no_demand_of_an_example_ends_in_the_default_class_by_accident(name: str) -> None:
    assert instance_of(name).classifications[0].unmatched_gbps == 0


@pytest.mark.parametrize("name", DATASETS)
def test_each_readme_names_source_and_licence(name: str) -> None:
    text = readme(name)
    assert text.startswith(f"# {name}\n")
    section = text.partition("## Source and licence\n")[2]
    assert "Apache-2.0" in section
    assert "Invented" in section or "SNDlib" in section


@pytest.mark.parametrize("name", DATASETS)
def test_each_readme_opens_with_one_sentence_on_what_the_plan_shows(name: str) -> None:
    summary = catalogue.dataset(name).summary
    assert summary.endswith(".")
    assert "the plan" in summary or "weights" in summary
    assert 60 < len(summary) < 300
    assert "\n" not in summary


def test_the_licence_of_borrowed_data_travels_with_it() -> None:
    licence = (catalogue.dataset("abilene").path / "LICENSE.topohub").read_text()
    assert licence.startswith("MIT License")


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_file_names_an_absolute_path_or_is_large(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w./<-])/(?:home|root|work|tmp|usr|var|etc|opt|Users)/|[A-Z]:\\", text)
    assert len(text) < 20_000


def table_rows() -> dict[str, list[str]]:
    text = (catalogue.catalogue_folder("datasets") / "README.md").read_text()
    rows = (re.split(r"\s*\|\s*", line.strip("| ")) for line in text.splitlines() if line.startswith("| ["))
    return {row[0].partition("]")[0].strip("["): row for row in rows}


def test_the_table_lists_exactly_the_datasets() -> None:
    assert sorted(table_rows()) == DATASETS


@pytest.mark.parametrize("name", DATASETS)
def test_the_table_states_the_sizes_of_each_dataset(name: str) -> None:
    topology, demands = inputs(name)
    _, _, nodes, links, count, volume, classes, _ = table_rows()[name]
    assert [int(nodes), int(links), int(count)] == [len(topology.nodes), len(topology.links), len(demands)]
    assert float(volume.replace(",", "")) == pytest.approx(demands.total_gbps, rel=1e-5)
    assert classes == ("" if catalogue.dataset(name).model is None else str(len(model_of(name).classes)))


@pytest.mark.parametrize(
    ("name", "link", "utilization"),
    [
        ("diamond", "west-north", 3.2),
        ("diamond", "west-north:reverse", 1.6),
        ("abilene", "CHINng-IPLSng", 1.172387),
        ("abilene", "IPLSng-KSCYng", 1.169534),
        ("enterprise-wan", "branch-3-mpls", 1.35),
        ("enterprise-wan", "branch-3-mpls:reverse", 1.15),
        ("dc-fabric", "leaf-1-spine-4", 1.2),
        ("dc-fabric", "leaf-1-spine-4:reverse", 1.2),
        ("cloud-core", "lon-nyc", 1.9125),
        ("cloud-core", "par-ash", 0.3625),
        ("cloud-core", "lon-ams:reverse", 1.4125),
        ("cloud-core", "lon-nyc:reverse", 1.1375),
        ("sp-transport", "arden-isle", 1.175),
        ("hybrid-cloud", "dc-a-internet:reverse", 1.5),
    ],
)
def test_plain_routing_loads_links_as_the_readme_says(name: str, link: str, utilization: float) -> None:
    topology, demands = inputs(name)
    load = shortest_path_load_gbps(topology, demands)
    position = topology.link_index[link]
    assert load[position] / topology.capacity_gbps[position] == pytest.approx(utilization, abs=1e-6)


def test_plain_routing_pays_1530_for_leaving_the_cloud() -> None:
    topology, demands = inputs("hybrid-cloud")
    assert shortest_path_load_gbps(topology, demands) @ topology.cost_per_gbps == pytest.approx(1530)


def test_the_cut_of_abilene_is_as_its_readme_says() -> None:
    topology, demands = inputs("abilene")
    east = {"ATLAM5", "ATLAng", "CHINng", "IPLSng", "NYCMng", "WASHng"}
    leaving = [link for link in topology.links if link.source in east and link.target not in east]
    ends = zip(demands.source, demands.destination, demands.volume_gbps, strict=True)
    ids = demands.node_ids
    offered = sum(volume for start, end, volume in ends if ids[start] in east and ids[end] not in east)
    assert {link.id for link in leaving} == {"IPLSng-KSCYng", "ATLAng-HSTNng"}
    assert offered == pytest.approx(14.382768)
    assert offered / sum(link.capacity_gbps for link in leaving) == pytest.approx(0.724938, abs=1e-6)


def test_abilene_has_fourteen_fast_cables_and_a_slow_one() -> None:
    topology, _ = inputs("abilene")
    slow = {link.id for link in topology.links if link.capacity_gbps == 2.48}
    assert slow == {"ATLAng-IPLSng", "ATLAng-IPLSng:reverse"}
    assert sum(link.capacity_gbps == 9.92 for link in topology.links) == 28
    assert demand_sum_in_2004() == pytest.approx(3.000002)


def demand_sum_in_2004() -> float:
    return inputs("abilene")[1].total_gbps / 12


def test_every_router_of_the_diamond_can_be_installed() -> None:
    topology, _ = inputs("diamond")
    assert all(node.prefixes and node.sid for node in topology.nodes)
    assert all(link.interface and link.gateway for link in topology.links)
    assert len({link.gateway for link in topology.links}) == len(topology.links)
