"""Every command but ``plan``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from command_line import files_of, vbte

import vbte as library
from vbte.read import read_demands, read_topology


@pytest.fixture(scope="module")
def diamond(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of the diamond, hop by hop; tests only read it."""
    directory = tmp_path_factory.mktemp("diamond") / "plan"
    assert vbte("plan", "-t", "diamond", "-o", directory, "-q", "--realisation", "hop-by-hop").exit_code == 0
    return directory


@pytest.fixture
def editable(diamond: Path, tmp_path: Path) -> Callable[[str, Callable[[Any], None]], Path]:
    """Copy the plan and edit one of its JSON files."""

    def edit(name: str, change: Callable[[Any], None]) -> Path:
        for path, content in files_of(diamond).items():
            (tmp_path / "plan" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "plan" / path).write_bytes(content)
        document = orjson.loads((tmp_path / "plan" / name).read_bytes())
        change(document)
        (tmp_path / "plan" / name).write_bytes(orjson.dumps(document))
        return tmp_path / "plan"

    return edit


def test_version_and_help_are_there() -> None:
    assert vbte("--version").stdout == f"vbte {library.__version__}\n"
    shown = vbte("--help").stdout
    for command in ("plan", "check", "tables", "draw", "baseline", "convert", "datasets", "models", "solvers"):
        assert command in shown


def test_check_proves_a_plan_again(diamond: Path) -> None:
    result = vbte("check", diamond)
    assert result.exit_code == 0
    assert "nothing found" in result.stdout
    report = orjson.loads(vbte("check", diamond, "--json").stdout_bytes)
    assert report["ok"] is True
    assert [stage["stage"] for stage in report["certificates"]] == [
        "admitted[1]",
        "admitted[2]",
        "max_utilization",
        "latency",
    ]


def test_check_finds_a_claim_that_does_not_hold(editable: Callable[[str, Callable[[Any], None]], Path]) -> None:
    directory = editable("plan.json", lambda plan: plan["certificates"][0].update(value=7.0))
    result = vbte("check", directory)
    assert result.exit_code == 5
    assert "claims 7" in result.stdout
    report = orjson.loads(vbte("check", directory, "--json").stdout_bytes)
    assert report["ok"] is False
    assert report["findings"]


def test_check_finds_a_summary_that_was_edited(editable: Callable[[str, Callable[[Any], None]], Path]) -> None:
    result = vbte("check", editable("summary.json", lambda summary: summary.update(admitted_gbps=49.0)))
    assert (result.exit_code, "summary.json: admitted_gbps" in result.stdout) == (5, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"schema": "vbte.plan/1"}'])
def test_check_rejects_what_is_no_plan(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    result = vbte("check", tmp_path)
    assert result.exit_code == 3
    assert "plan.json" in result.stderr


def test_check_of_an_empty_or_absent_directory_is_an_error(tmp_path: Path) -> None:
    assert vbte("check", tmp_path).exit_code == 3
    assert vbte("check", tmp_path / "none").exit_code == 3


def test_tables_lists_devices_and_shows_one(diamond: Path) -> None:
    assert all(name in vbte("tables", diamond).stdout for name in ("north", "south", "east", "west", "hop-by-hop"))
    shown = vbte("tables", diamond, "--device", "west").stdout
    assert "6 x to-south to south" in shown
    assert "28 Gbit/s (100 %)" in shown


def test_tables_in_source_routed_form_show_labels(tmp_path: Path) -> None:
    vbte("plan", "-t", "diamond", "-o", tmp_path / "plan", "-q")
    shown = vbte("tables", tmp_path / "plan", "--device", "west").stdout
    assert "labels 16003 16004 (south, east)" in shown
    assert "answers to" in shown


def test_tables_print_what_a_device_takes_and_nothing_else(diamond: Path) -> None:
    result = vbte("tables", diamond, "--adapter", "linux", "--device", "west")
    assert result.exit_code == 0
    assert "route replace 10.77.4.0/24 table 1001" in result.stdout
    again = vbte("tables", diamond, "--adapter", "linux", "--device", "west", "--part", "nft")
    assert "table inet vbte" in again.stdout


def test_tables_remove_what_was_printed_before_and_is_gone(diamond: Path, tmp_path: Path) -> None:
    text = vbte("tables", diamond, "--adapter", "linux", "--device", "west").stdout
    (tmp_path / "last").write_text(text.replace("10.77.4.0/24", "10.99.0.0/24"))
    arguments = ("tables", diamond, "--adapter", "linux", "--device", "west", "--previous", tmp_path / "last")
    assert "route flush exact 10.99.0.0/24" in vbte(*arguments).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--device", "nowhere"),
        ("--adapter", "linux"),
        ("--adapter", "papyrus", "--device", "west"),
        ("--adapter", "linux", "--device", "west", "--part", "ode"),
        ("--part", "nft"),
    ],
)
def test_tables_reject_unknown_names_as_usage(diamond: Path, arguments: tuple[str, ...]) -> None:
    result = vbte("tables", diamond, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_tables_that_were_tampered_with_are_rejected(editable: Callable[[str, Callable[[Any], None]], Path]) -> None:
    directory = editable(
        "tables/devices/west.json", lambda device: device["drains"].append({"kind": "node", "id": "x"})
    )
    result = vbte("tables", directory)
    assert result.exit_code == 3
    assert "west.json" in result.stderr


def test_draw_writes_the_same_map_as_the_plan(diamond: Path, tmp_path: Path) -> None:
    assert vbte("draw", diamond, "--out", tmp_path / "map.svg").exit_code == 0
    assert (tmp_path / "map.svg").read_bytes() == (diamond / "map.svg").read_bytes()
    assert ElementTree.parse(tmp_path / "map.svg").getroot().tag.endswith("svg")


def test_baseline_says_what_shortest_paths_do(tmp_path: Path) -> None:
    result = vbte("baseline", "-t", "diamond", "-o", tmp_path / "igp", "--json")
    assert result.stdout_bytes == (tmp_path / "igp" / "summary.json").read_bytes()
    summary = orjson.loads(result.stdout_bytes)
    # All 32 Gbit/s from west to east take the 10 Gbit/s way over north.
    assert summary["max_utilization"] == pytest.approx(3.2)
    assert summary["baseline"]["overloaded_links"] == 4
    assert orjson.loads((tmp_path / "igp" / "tables" / "manifest.json").read_bytes())["origin"] == "igp"
    assert "320 %" in vbte("baseline", "-t", "diamond").stdout


def test_convert_round_trips_a_topology(tmp_path: Path) -> None:
    assert vbte("convert", "-t", "diamond", "--to", "json", "-o", tmp_path / "one.json").exit_code == 0
    assert vbte("convert", "-t", tmp_path / "one.json", "--to", "csv", "-o", tmp_path / "two").exit_code == 0
    assert read_topology(tmp_path / "two").links == read_topology(library.dataset("diamond").topology).links


def test_convert_demands_with_the_topology_that_numbers_them(tmp_path: Path) -> None:
    arguments = ("convert", "-d", "diamond", "-t", "diamond", "--to", "repetita", "-o", tmp_path / "toy.demands")
    result = vbte(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "can't hold class" in result.stderr
    topology = read_topology(library.dataset("diamond").topology)
    assert read_demands(tmp_path / "toy.demands", topology).total_gbps == 48.0


def test_convert_numbers_what_a_laboratory_needs(tmp_path: Path) -> None:
    assert vbte("convert", "-t", "abilene", "--number", "--to", "yaml", "-o", tmp_path / "lab.yaml").exit_code == 0
    lab = read_topology(tmp_path / "lab.yaml")
    assert all(node.prefixes for node in lab.nodes)
    assert all(link.gateway and link.interface for link in lab.links)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (2, ("--to", "yaml")),
        (2, ("-d", "diamond", "--number", "--to", "yaml")),
        (3, ("-t", "diamond", "--to", "parchment")),
        (2, ("-t", "diamond", "--to", "gml")),
    ],
)
def test_convert_refuses_what_it_cannot_do(tmp_path: Path, code: int, arguments: tuple[str, ...]) -> None:
    result = vbte("convert", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "name"), [("datasets", "diamond"), ("models", "min-mlu"), ("solvers", "highs")])
def test_catalogues_list_and_show(command: str, name: str) -> None:
    assert name in vbte(command).stdout
    shown = vbte(command, name)
    assert (shown.exit_code, name in shown.stdout) == (0, True)
    unknown = vbte(command, "no-such-thing")
    assert (unknown.exit_code, unknown.stdout) == (3, "")


def test_solvers_say_what_can_run_here() -> None:
    assert any(line.split()[:2] == ["highs", "yes"] for line in vbte("solvers").stdout.splitlines())


def test_a_dataset_can_be_copied_to_start_from(tmp_path: Path) -> None:
    assert vbte("datasets", "diamond", "--copy", tmp_path / "mine").exit_code == 0
    assert files_of(tmp_path / "mine") == files_of(library.dataset("diamond").path)
    again = vbte("datasets", "diamond", "--copy", tmp_path / "mine")
    assert (again.exit_code, "not empty" in again.stderr) == (2, True)
    assert vbte("datasets", "--copy", tmp_path / "other").exit_code == 2
