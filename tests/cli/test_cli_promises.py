"""What a run leaves behind when it is stopped, killed, refused or not alone."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import files_of, start, vbte

from vbte.cli import main
from vbte.report import outcome
from vbte.tables.build import build_tables
from vbte.tables.files import Tables


def plan(directory: Path, dataset: str = "diamond", *more: str) -> None:
    assert vbte("plan", "-t", dataset, "-o", directory, "-q", *more).exit_code == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['vbte', 'plan', '--help']\nfrom vbte.cli import main\ntry: main()\nexcept SystemExit: "
    )
    code += "print([n for n in ('numpy', 'scipy', 'highspy', 'networkx', 'pulp') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_planning_loads_neither_networkx_nor_pulp(tmp_path: Path) -> None:
    before = "import atexit; atexit.register(lambda: print([n for n in ('networkx', 'pulp') if n in sys.modules]))"
    process = start("plan", "-t", "diamond", "-o", tmp_path / "plan", "-q", before=before)
    assert process.communicate(timeout=60)[0].splitlines() == ["[]"]


def test_an_earlier_plan_is_replaced_whole(tmp_path: Path) -> None:
    plan(tmp_path / "plan", "dc-fabric")
    plan(tmp_path / "plan", "diamond")
    plan(tmp_path / "fresh", "diamond")
    assert files_of(tmp_path / "plan") == files_of(tmp_path / "fresh")


def test_a_failed_run_leaves_the_earlier_plan_in_force(tmp_path: Path) -> None:
    plan(tmp_path / "plan")
    before = files_of(tmp_path)
    assert vbte("plan", "-t", "diamond", "-m", "min-mul", "-o", tmp_path / "plan").exit_code == 3
    assert files_of(tmp_path) == before


def test_a_link_to_a_plan_stays_a_link(tmp_path: Path) -> None:
    plan(tmp_path / "plan", "dc-fabric")
    (tmp_path / "current").symlink_to("plan")
    plan(tmp_path / "current", "diamond")
    assert (tmp_path / "current").is_symlink()
    assert orjson.loads((tmp_path / "plan" / "summary.json").read_bytes())["network"]["name"] == "diamond"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "plan"]


@pytest.mark.parametrize("name", ["notes.txt", "tables.bak", "0001x"])
def test_a_directory_with_files_of_others_is_never_replaced(tmp_path: Path, name: str) -> None:
    plan(tmp_path / "plan")
    (tmp_path / "plan" / name).write_text("mine")
    before = files_of(tmp_path)
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan")
    assert result.exit_code == 2
    assert name in result.stderr
    assert files_of(tmp_path) == before


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("mine")
    assert vbte("plan", "-t", "diamond", "-o", tmp_path / "plan").exit_code == 3
    assert (tmp_path / "plan").read_text() == "mine"


def test_a_locked_directory_means_try_later(tmp_path: Path) -> None:
    plan(tmp_path / "plan")
    before = files_of(tmp_path / "plan")
    lock = tmp_path / ".plan.vbte-lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan")
        assert result.exit_code == 75
        assert str(tmp_path / "plan") in result.stderr
    assert files_of(tmp_path / "plan") == before
    plan(tmp_path / "plan")
    assert not lock.exists()


def test_a_run_killed_while_writing_leaves_the_earlier_plan_and_the_next_run_tidies_up(tmp_path: Path) -> None:
    plan(tmp_path / "plan")
    before = files_of(tmp_path / "plan")
    die = """
import os, signal, vbte.cli.directory as directory
whole = directory.write_files
def half(folder, files):
    whole(folder, dict(list(files.items())[: len(files) // 2]))
    os.kill(os.getpid(), signal.SIGKILL)
directory.write_files = half
"""
    process = start("plan", "-t", "dc-fabric", "-o", tmp_path / "plan", before=die)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) > 1, "it was killed before it wrote anything"
    assert files_of(tmp_path / "plan") == before
    plan(tmp_path / "plan", "dc-fabric")
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def hard_question(folder: Path) -> list[str | Path]:
    """A grid of 36 nodes, 1,260 demands on one path each: far more than a solver can settle while a test waits."""
    numbers, names = random.Random(1), [f"n{row}{column}" for row, column in product(range(6), repeat=2)]
    links = ["source,target,capacity_gbps"]
    for one, other in product(names, names):
        if abs(int(one[1]) - int(other[1])) + abs(int(one[2]) - int(other[2])) == 1 and one < other:
            capacity = numbers.choice([10, 40, 100])
            links += [f"{one},{other},{capacity}", f"{other},{one},{capacity}"]
    rows = [f"{a},{b},{numbers.expovariate(1):.4f}" for a, b in product(names, names) if a != b]
    (folder / "links.csv").write_text("\n".join(links))
    (folder / "demands.csv").write_text("\n".join(["source,destination,volume_gbps", *rows]))
    (folder / "single.yaml").write_text(
        "name: single\nstages: [{kind: admitted}, {kind: max_utilization}]\n"
        "classes: [{name: all, split: single_path}]\n"
    )
    return ["-t", folder / "links.csv", "-d", folder / "demands.csv", "-m", folder / "single.yaml"]


def interrupted(process: subprocess.Popen[str], at: str) -> str:
    """Press Ctrl-C when progress says ``at``; return all of standard error."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if at in line:
            os.kill(process.pid, signal.SIGINT)
            break
    rest = process.communicate(timeout=60)[1]
    return seen + rest


EVERY_LINE = "import vbte.cli.console as console; console.LINE_EVERY_S = 0"


def test_ctrl_c_keeps_the_best_plan_so_far_and_labels_it(tmp_path: Path) -> None:
    process = start("plan", *hard_question(tmp_path), "-o", tmp_path / "plan", before=EVERY_LINE)
    messages = interrupted(process, at="integer program")
    assert process.returncode == 0, messages
    summary = orjson.loads((tmp_path / "plan" / "summary.json").read_bytes())
    assert summary["termination"] == {"reason": "feasible", "limit": "interrupt"}
    assert summary["admitted_gbps"] > 0
    assert vbte("check", tmp_path / "plan").exit_code == 0


def test_a_time_limit_keeps_the_best_plan_so_far_and_labels_it(tmp_path: Path) -> None:
    result = vbte("plan", *hard_question(tmp_path), "-o", tmp_path / "plan", "--time-limit", "1", "--json")
    assert result.exit_code == 0, result.stderr
    summary = orjson.loads(result.stdout_bytes)
    assert summary["termination"] == {"reason": "feasible", "limit": "time"}
    assert summary["max_gap"] > 0


def test_ctrl_c_before_there_is_a_plan_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vbte.cli.inputs.read_topology", pressed)
    monkeypatch.setattr("vbte.cli.inputs.Sources.read_topology", pressed)
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "new" / "plan")
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr
    assert not (tmp_path / "new").exists()


def test_tables_that_do_not_carry_the_plan_are_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_weight_wrong(*arguments: Any) -> Tables:
        tables = build_tables(*arguments)
        devices = orjson.loads(orjson.dumps(dict(tables.devices)))
        group = next(group for group in devices["west"]["next_hop_groups"] if len(group["members"]) > 1)
        group["members"][0]["weight"] += 1
        return Tables(tables.manifest, devices)

    plan(tmp_path / "plan")
    before = files_of(tmp_path)
    monkeypatch.setattr(outcome, "build_tables", one_weight_wrong)
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan")
    assert result.exit_code == 5
    assert "on link" in result.stderr
    assert files_of(tmp_path) == before


def test_an_unforeseen_fault_is_one_message_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vbte.cli.planning.realise", None)
    monkeypatch.setattr(sys, "argv", ["vbte", "plan", "-t", "diamond", "-o", str(tmp_path / "plan"), "-q"])
    with pytest.raises(SystemExit) as stop:
        main()
    messages = capsys.readouterr().err
    assert stop.value.code == 1
    assert "this should not have happened (TypeError" in messages
    assert "Traceback" not in messages
    assert not list(tmp_path.iterdir())
