"""Every command and snippet of the README runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vbte
from vbte.catalogue import load_model
from vbte.read.yaml_text import load_yaml

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """The vbte commands of all shell blocks, without what installs them and what they are piped into."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    last = [line.split(" && ")[-1].split(" | ")[0].removeprefix(".venv/bin/") for line in lines]
    return [command for command in last if command.startswith("vbte ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the files the README takes for granted: the reader's own links and demands."""
    folder = tmp_path_factory.mktemp("readme")
    for kind, name in (("--topology", "links.csv"), ("--demands", "demands.csv")):
        done = run(f"vbte convert {kind} diamond --to csv --out {name}", folder)
        assert done.returncode == 0, done.stderr
    for day in ("monday", "tuesday"):
        shutil.copy(folder / "demands.csv", folder / f"{day}.csv")
    windows = "schema: vbte.windows/1\nwindows: [{nodes: [north]}, {nodes: [south]}]\n"
    (folder / "windows.yaml").write_text(windows, encoding="utf-8")
    return folder


def run(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "vbte.cli", *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(Path(vbte.__file__).parent.parent)}
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def test_the_readme_shows_commands():
    assert len(commands()) >= 6


def test_every_command_runs_in_the_order_shown(folder: Path):
    for command in commands():
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("snippet", blocks("python"))
def test_every_python_snippet_runs(snippet: str):
    exec(compile(snippet, "README.md", "exec"), {})


@pytest.mark.parametrize("snippet", blocks("yaml"))
def test_every_yaml_snippet_is_a_planning_model(snippet: str):
    data, _ = load_yaml(snippet, "README.md")
    assert load_model(data).default_class == data["default_class"]


def test_the_figures_quoted_for_abilene_hold():
    network = vbte.dataset("abilene")
    topology = vbte.read_topology(network.topology)
    demands = vbte.read_demands(network.demands, topology)
    assert f"{vbte.igp_loads(topology, demands).max_utilization:.0%}" == "117%"
    assert f"{vbte.optimize(topology, demands).max_utilization:.1%}" == "72.5%"


def test_the_table_of_examples_lists_every_dataset():
    rows = re.findall(r"^\| `([a-z-]+)` \|", README.split("<!-- datasets -->")[1], flags=re.MULTILINE)
    assert sorted(rows) == sorted(vbte.datasets())
