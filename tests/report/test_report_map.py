"""Maps: valid, harmless, always the same, and readable."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vbte.report.layout import node_positions
from vbte.report.map_labels import LabelRoom, text_size
from vbte.report.map_svg import BANDS, IDLE, utilization_map
from vbte.topology import Node, Topology

SVG = "{http://www.w3.org/2000/svg}"


def drawn(topology: Topology, *utilization: float) -> ElementTree.Element:
    return ElementTree.fromstring(utilization_map(topology, np.array(utilization)))


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def placed(places: dict[str, tuple[float, float]], *links: str) -> Topology:
    """A topology of nodes with latitude and longitude."""
    nodes = {name: {"latitude": at[0], "longitude": at[1]} for name, at in places.items()}
    return toys.network(*(toys.cable(ends, 10.0) for ends in links), nodes=nodes)


def test_every_node_and_link_is_drawn_with_its_name() -> None:
    root = drawn(toys.diamond(), *[0.5] * 8)
    assert len(list(root.iter(f"{SVG}circle"))) == 4
    assert len(list(root.iter(f"{SVG}line"))) == 8
    assert {"a", "b", "c", "d"} <= set(texts(root))
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert "a>b (a to b): 5 Gbit/s of 10 Gbit/s, 50 %" in titles


def test_links_are_coloured_by_band_and_widened_by_load() -> None:
    shares = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0 + 1e-9, 1.2]
    svg = utilization_map(toys.diamond(), np.array(shares))
    colours = {
        re.search(r"<title>(\S+)", part).group(1): part[:16] for part in svg.split("<g stroke=")[1:] if "<line" in part
    }
    wanted = [IDLE, *(colour for _, colour in BANDS[:5]), BANDS[4][1], BANDS[5][1]]
    links = [link.id.replace(">", "&gt;") for link in toys.diamond().links]
    assert [colours[link][1:8] for link in links] == wanted
    widths = [float(line.get("stroke-width", "")) for line in ElementTree.fromstring(svg).iter(f"{SVG}line")]
    assert widths == sorted(widths)


def test_the_busiest_links_are_labelled_and_idle_ones_are_not() -> None:
    shown = texts(drawn(toys.diamond(), 0.93, 0.0, 0.41, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert {"93 %", "41 %"} <= set(shown)
    assert "0 %" not in shown


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a&b", '"quoted"', "]]>", "\x00\x1b[31m", "\udc80", "\ufffe", "n" * 300, "\n"]
)
def test_hostile_names_can_neither_break_nor_script_the_map(name: str) -> None:
    topology = toys.network(toys.link("x>y", 10.0, id=f"link {name}"), nodes={name: {}})
    svg = utilization_map(topology, np.array([0.5]), caption=name)
    root = ElementTree.fromstring(svg.encode())
    allowed = {"svg", "title", "rect", "text", "g", "line", "path", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    assert all(len(text) <= 120 for text in texts(root)[:1])


def test_the_same_network_gives_the_same_bytes() -> None:
    topology, shares = toys.diamond(), np.linspace(0.1, 0.8, 8)
    assert utilization_map(topology, shares) == utilization_map(toys.diamond(), shares.copy())


def test_nodes_that_nothing_passes_through_are_hollow_and_drained_links_dashed() -> None:
    topology = toys.network(toys.cable("a-b", 10.0, drained=True), nodes={"a": {"drained": True}})
    root = drawn(topology, 0.0, 0.0)
    assert {circle.get("fill") for circle in root.iter(f"{SVG}circle")} == {"#ffffff", "#1d2733"}
    assert all(line.get("stroke-dasharray") for line in root.iter(f"{SVG}line"))


def test_north_is_up_and_east_is_right() -> None:
    topology = placed({"oslo": (60, 10), "rome": (42, 12), "york": (54, -1)}, "oslo-rome", "rome-york")
    position = dict(zip([node.id for node in topology.nodes], node_positions(topology, width=800, height=600, apart=20),
                        strict=True))  # fmt: skip
    assert position["oslo"][1] < position["york"][1] < position["rome"][1]
    assert position["york"][0] < position["rome"][0]


def test_a_network_across_the_date_line_stays_in_one_piece() -> None:
    topology = placed({"fiji": (-18, 178), "samoa": (-14, -172), "tonga": (-21, -175)}, "fiji-tonga", "tonga-samoa")
    fiji, samoa, tonga = node_positions(topology, width=800, height=600, apart=20)
    assert fiji[0] < tonga[0] < samoa[0]


def test_a_leaf_spine_fabric_is_two_rows_with_the_leaves_below() -> None:
    cables = [toys.cable(f"leaf{i}-spine{j}", 10.0) for i in range(4) for j in range(3)]
    topology = toys.network(*cables, nodes={f"leaf{i}": {"transit": False} for i in range(4)})
    heights = node_positions(topology, width=800, height=600, apart=20)[:, 1]
    leaves = np.array([node.id.startswith("leaf") for node in topology.nodes])
    assert len(set(heights[leaves].round())) == len(set(heights[~leaves].round())) == 1
    assert heights[leaves].min() > heights[~leaves].max()


def test_a_node_is_moved_off_a_link_that_is_not_its_own() -> None:
    topology = placed({"west": (50, 0), "mid": (50, 5), "east": (50, 10), "up": (55, 5)}, "west-east", "mid-up")
    position = dict(zip([node.id for node in topology.nodes], node_positions(topology, width=800, height=600, apart=20),
                        strict=True))  # fmt: skip
    assert abs(position["mid"][1] - position["west"][1]) > 5


@given(st.integers(1, 12), st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25))
def test_nodes_stay_on_the_canvas_and_apart(n_nodes: int, pairs: set[tuple[int, int]]) -> None:
    names = [f"n{i}" for i in range(n_nodes)]
    links = [toys.link(f"n{a}>n{b}", 10.0) for a, b in sorted(pairs) if a != b and max(a, b) < n_nodes]
    topology = Topology(tuple(Node(name) for name in names), tuple(links))
    places = node_positions(topology, width=800, height=600, apart=20)
    assert np.isfinite(places).all()
    assert (places >= -0.1).all()
    assert (places <= np.array([800.1, 600.1])).all()
    gaps = [float(np.hypot(*(places[a] - places[b]))) for a, b in combinations(range(n_nodes), 2)]
    assert min(gaps, default=20.0) > 10.0


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200)), min_size=1, max_size=30))
def test_no_label_covers_another(spots: list[tuple[float, float]]) -> None:
    room = LabelRoom((0.0, 0.0, 300.0, 200.0))
    found = [spot for at in spots if (spot := room.place([np.array(at)], "name", 12.0)) is not None]
    width, height = text_size("name", 12.0)
    for one, other in combinations(found, 2):
        assert abs(one[0] - other[0]) >= width - 1e-6 or abs(one[1] - other[1]) >= height - 1e-6
