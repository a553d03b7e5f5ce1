"""``vbte drain``."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from command_line import files_of, vbte

WINDOWS = """schema: vbte.windows/1
windows:
  - {name: west, start: 2030-01-31T22:00Z, end: 2030-02-01T02:00Z, cables: ["LOSAng|SNVAng#1"]}
  - {name: east, start: 2030-02-01T00:00Z, end: 2030-02-01T04:00Z, cables: ["CHINng|NYCMng#1"]}
  - {name: south, nodes_off: [HSTNng]}
"""


@pytest.fixture(scope="module")
def abilene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("abilene") / "plan"
    assert vbte("plan", "-t", "abilene", "-o", directory, "-q").exit_code == 0
    return directory


def test_windows_are_told_with_their_overlaps_and_rounds(abilene: Path, tmp_path: Path) -> None:
    before = files_of(abilene)
    (tmp_path / "w.yaml").write_text(WINDOWS)
    shown = vbte("drain", abilene, "--windows", tmp_path / "w.yaml", "--order")
    assert shown.exit_code == 0, shown.output
    document = orjson.loads(vbte("drain", abilene, "-w", tmp_path / "w.yaml", "--order", "--json").stdout_bytes)
    assert document["schema"] == "vbte.drain/1"
    assert [(window["window"], window["fits"], window["alone"]["fits"]) for window in document["windows"]] == [
        ("west", False, True), ("east", False, False), ("south", True, True),
    ]  # fmt: skip
    assert [period["windows"] for period in document["periods"]] == [["west"], ["west", "east"], ["east"], ["south"]]
    order = document["order"]
    assert (order["rounds"], order["impossible"], order["fewest"]) == ([["west"], ["south"]], ["east"], True)
    assert "west fits by itself, but not with what overlaps it" in shown.stdout
    assert "round 1: west" in shown.stdout
    assert "fits in no round: east" in shown.stdout
    assert "set aside" in shown.stdout
    assert files_of(abilene) == before


def test_one_window_may_be_named_on_the_command_line(abilene: Path) -> None:
    found = vbte("drain", abilene, "--cable", "LOSAng|SNVAng#1", "--node", "DNVRng", "--with", "cable", "--json")
    assert found.exit_code == 0, found.output
    (window,) = orjson.loads(found.stdout_bytes)["windows"]
    assert (window["cables"], window["nodes"]) == (["LOSAng|SNVAng#1"], ["DNVRng"])
    on_top = window["alone"]["on_top"]
    assert on_top["count"] == len(on_top["after_replan"]) == len(on_top["after_local_repair"]) == 14
    shown = vbte("drain", abilene, "--cable", "LOSAng|SNVAng#1", "--with", "cable", "-q")
    assert "worst on top after one more re-plan: cable" in shown.stdout


def test_usage_and_input_errors_are_told(abilene: Path, tmp_path: Path) -> None:
    assert vbte("drain", abilene).exit_code == 2
    (tmp_path / "w.yaml").write_text(WINDOWS)
    assert vbte("drain", abilene, "-w", tmp_path / "w.yaml", "--cable", "x").exit_code == 2
    assert vbte("drain", abilene, "--cable", "x").exit_code == 3
    assert vbte("drain", tmp_path, "--cable", "x").exit_code == 3
    assert vbte("drain", abilene, "-w", tmp_path / "none.yaml").exit_code == 3
    refused = vbte("drain", abilene, "--cable", "x", "--workers", 2, "--cluster", "localhost:8786")
    assert refused.exit_code == 2
    assert "not both" in refused.stderr
    assert vbte("drain", abilene, "--cable", "x", "--cluster", "no address").exit_code == 2
    (tmp_path / "w.yaml").write_text(WINDOWS.replace("2030-02-01T04:00Z", "2030-01-01T04:00Z"))
    refused = vbte("drain", abilene, "-w", tmp_path / "w.yaml")
    assert refused.exit_code == 3
    assert "w.yaml:4: windows[1]: ends at" in refused.stderr
