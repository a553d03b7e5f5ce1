"""Networks of the topohub package."""

from __future__ import annotations

import sys
from importlib.resources import files

import pytest

from vbte.errors import InputError, InputWarning
from vbte.read import TopologyDefaults, read_demands, read_topology

TEN_GBPS = TopologyDefaults(capacity_gbps=10)


def test_germany50_has_its_nodes_links_and_demands() -> None:
    topology = read_topology("topohub:sndlib/germany50", defaults=TEN_GBPS)
    demands = read_demands("topohub:sndlib/germany50", topology, unit="Mbps")
    assert (topology.name, len(topology.nodes), len(topology.links)) == ("germany50", 50, 176)
    assert (len(demands), demands.total_gbps) == (662, pytest.approx(2.365))
    aachen_koeln = topology.links[topology.link_index["Aachen>Koeln"]]
    assert aachen_koeln.latency_ms == pytest.approx(61.63 * 0.005)
    assert set(topology.capacity_gbps) == {10.0}


@pytest.mark.filterwarnings("ignore:.*coordinates are not degrees:vbte.errors.InputWarning")
def test_all_sndlib_networks_are_read_with_their_demands() -> None:
    names = sorted(entry.name.removesuffix(".json") for entry in (files("topohub") / "data" / "sndlib").iterdir())
    names = [name for name in names if "." not in name and not name.startswith("__")]
    assert len(names) >= 26
    for name in names:
        topology = read_topology(f"topohub:sndlib/{name}", defaults=TEN_GBPS)
        assert len(read_demands(f"topohub:sndlib/{name}", topology, unit="Mbps")) > 0


def test_pixel_coordinates_and_the_lengths_computed_from_them_are_ignored_aloud() -> None:
    with pytest.warns(InputWarning, match="coordinates are not degrees"):
        topology = read_topology("topohub:sndlib/france", defaults=TEN_GBPS)
    assert set(topology.latency_ms) == {0.0}


def test_topohub_has_no_capacities_so_one_must_be_stated() -> None:
    with pytest.raises(InputError, match="--default-capacity"):
        read_topology("topohub:sndlib/germany50")


def test_topohub_demands_need_a_unit() -> None:
    with pytest.raises(InputError, match="--volume-unit"):
        read_demands("topohub:sndlib/germany50")


@pytest.mark.parametrize("name", ["sndlib/nowhere", "", "x", "../../../etc/passwd", "sndlib/../sndlib/polska"])
def test_unknown_and_hostile_names_are_one_error(name: str) -> None:
    with pytest.raises(InputError, match="no such network"):
        read_topology(f"topohub:{name}", defaults=TEN_GBPS)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "topohub", None)
    with pytest.raises(InputError, match=r"pip install 'vbte\[topohub\]'"):
        read_topology("topohub:sndlib/germany50", defaults=TEN_GBPS)


def test_a_network_without_demands_says_so() -> None:
    with pytest.raises(InputError, match="holds no demands"):
        read_demands("topohub:topozoo/Abvt", unit="Mbps")
