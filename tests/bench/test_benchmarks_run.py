"""Every benchmark runs, keeps to the protocol, and the page about them shows the results on file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vbte

BENCH = Path(__file__).parents[2] / "bench"
NAMES = sorted(path.stem.removeprefix("bench_") for path in BENCH.glob("bench_*.py"))
ROW = {"case", "ratio", "ours", "competitor", "ours_s", "competitor_s", "ours_range_s", "competitor_range_s"}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bench/ with the vbte that is being tested."""
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:vbte", str(BENCH / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment(),
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(vbte.__file__).parents[1])}


def quick_results(name: str, folder: Path) -> dict[str, Any]:
    done = run(f"bench_{name}.py", "--quick", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_the_benchmark_runs_and_says_what_it_compared(name: str, tmp_path: Path) -> None:
    document = quick_results(name, tmp_path)
    assert document["benchmark"] == name
    assert document["results"]
    for row in document["results"]:
        assert row.keys() >= ROW
        assert row["ratio"] > 0


def test_a_quick_run_keeps_the_results_on_file_as_they_are() -> None:
    before = {path: path.read_bytes() for path in (BENCH / "results").glob("*.json")}
    assert run("bench_building.py", "--quick").returncode == 0
    assert {path: path.read_bytes() for path in (BENCH / "results").glob("*.json")} == before


def test_a_week_can_be_read_from_a_file(tmp_path: Path) -> None:
    line = " ".join("0" if source == target else "750" for source in range(12) for target in range(12))
    (tmp_path / "short.txt").write_text(f"{line}\n{line}\n", encoding="utf-8")
    options = ("--matrices", str(tmp_path / "short.txt"), "--unit-gbps", "1e-5", "--quick", "--out", str(tmp_path))
    assert run("bench_week.py", *options).returncode == 0
    (row,) = json.loads((tmp_path / "week.json").read_text(encoding="utf-8"))["results"]
    assert row["case"] == "short, min-mlu"
    assert row["matrices"] == 2


def test_contenders_that_disagree_stop_the_benchmark() -> None:
    code = "import protocol; protocol.require_equal('objective', 1.0, 1.001)"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "objective: 1.0 against 1.001" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_page_lists_every_benchmark(name: str) -> None:
    assert f"| [bench_{name}.py](bench_{name}.py) |" in (BENCH / "README.md").read_text(encoding="utf-8")


def test_the_page_shows_the_results_on_file() -> None:
    code = (
        "import pathlib, sys, summary; page = pathlib.Path('README.md').read_text(encoding='utf-8');"
        "sys.exit(summary.with_tables(page, summary.tables(summary.documents())) != page)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"python bench/summary.py --write mends it\n{done.stderr}"


@pytest.mark.parametrize("path", sorted((BENCH / "results").glob("*.json")), ids=lambda path: path.stem)
def test_results_on_file_are_small_and_do_not_name_the_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert platform.node() not in text or len(platform.node()) < 4
    assert json.loads(text)["machine"].keys() == {"processor", "cores", "system", "python", "libraries"}
