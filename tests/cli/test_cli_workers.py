"""``vbte plan --combine each`` with several workers: the same files and the same words as without."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from clusters import local_cluster
from command_line import files_of, start, vbte
from distributed import LocalCluster
from test_cli_promises import EVERY_LINE, hard_question, interrupted

TOY = Path(__file__).parents[1] / "data" / "toy"
HOURS = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster() as started:
        yield started


def day(folder: Path) -> list[str | Path]:
    """A triangle, a matrix an hour, and a model that warns of a name that the network does not have."""
    (folder / "links.csv").write_text(
        "source,target,capacity_gbps\n" + "".join(f"{a},{b},10\n" for a in "abc" for b in "abc" if a != b)
    )
    rows = [f"h{hour:02d},{a},{b},{1 + hour / 10}" for hour in range(HOURS) for a in "abc" for b in "abc" if a != b]
    (folder / "day.csv").write_text("matrix,source,destination,volume_gbps\n" + "\n".join(rows) + "\n")
    (folder / "model.yaml").write_text(
        "name: careful\nstages: [{kind: admitted}]\nclasses: [{name: all, avoid: {srlgs: [no-such-group]}}]\n"
    )
    return ["-t", folder / "links.csv", "-d", folder / "day.csv", "-m", folder / "model.yaml", "--combine", "each"]


def test_processes_and_a_cluster_print_warn_and_write_what_one_process_does(
    tmp_path: Path, cluster: LocalCluster
) -> None:
    given = {
        "alone": (),
        "one": ("--workers", "1"),
        "two": ("--workers", "2"),
        "cluster": ("--cluster", cluster.scheduler_address),
    }
    ran = {name: vbte("plan", *day(tmp_path), "-o", tmp_path / name, "--json", *more) for name, more in given.items()}
    warned = {name: [line for line in run.stderr.splitlines() if "warning" in line] for name, run in ran.items()}
    for name, run in ran.items():
        assert run.exit_code == 0, run.stderr
        assert run.stdout == ran["alone"].stdout
        assert files_of(tmp_path / name) == files_of(tmp_path / "alone")
        assert warned[name] == warned["alone"]
    assert len(warned["alone"]) == HOURS
    assert len(orjson.loads(ran["two"].stdout)["plans"]) == HOURS


def test_progress_counts_the_matrices_that_are_done(tmp_path: Path) -> None:
    process = start("plan", *day(tmp_path), "-o", tmp_path / "plan", "--workers", "2", before=EVERY_LINE)
    messages = process.communicate(timeout=120)[1]
    assert process.returncode == 0, messages
    counts = [int(line.split()[1]) for line in messages.splitlines() if line.endswith("matrices planned")]
    assert counts == sorted(set(counts))
    assert counts[-1] == HOURS


def test_an_error_in_one_matrix_is_that_of_one_process_and_writes_nothing(tmp_path: Path) -> None:
    arguments = day(tmp_path)
    (tmp_path / "model.yaml").write_text(
        "name: all-or-none\nadmission: all\nstages: [{kind: latency}]\nclasses: [{name: all}]\n"
    )
    (tmp_path / "day.csv").write_text(
        "matrix,source,destination,volume_gbps\n"
        + "".join(f"h{hour},a,b,{21 if hour == 6 else 1}\n" for hour in range(9))
    )
    before = files_of(tmp_path)
    alone = vbte("plan", *arguments, "-o", tmp_path / "plan", "-q")
    several = vbte("plan", *arguments, "-o", tmp_path / "plan", "-q", "--workers", "2")
    assert (several.exit_code, several.stderr) == (alone.exit_code, alone.stderr)
    assert several.exit_code == 4
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--workers", "2"), "go with --combine each"),
        (("--cluster", "h:1", "--combine", "worst-case"), "go with --combine each"),
        (("--cluster", "h:1", "--workers", "2", "--combine", "each"), "not both"),
        (("--cluster", "nowhere", "--combine", "each"), "is no address of a Dask scheduler"),
        (("--workers", "0", "--combine", "each"), "--workers"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    result = vbte("plan", "-t", TOY / "topology.yaml", "-d", TOY / "several.csv", "-o", tmp_path / "plan", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_extra_a_cluster_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = vbte("plan", *day(tmp_path), "-o", tmp_path / "plan", "--cluster", "h:8786")
    assert result.exit_code == 2
    assert "pip install 'vbte[dask]'" in result.stderr


def test_a_cluster_that_does_not_answer_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vbte.fan_out.cluster.cluster.__wrapped__.__kwdefaults__", {"patience_s": 0.3})
    result = vbte("plan", *day(tmp_path), "-o", tmp_path / "plan", "--cluster", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1 within 0.3 s" in result.stderr
    assert not (tmp_path / "plan").exists()


#: Python run before a command: every line of progress is shown, and every matrix is a task of its own.
STEP_BY_STEP = """
import vbte.cli.console as console; console.LINE_EVERY_S = 0
import vbte.fan_out.run as run; run.TASK_S = 0.0
"""


def test_ctrl_c_keeps_what_is_done_and_ends_the_workers(tmp_path: Path) -> None:
    process = start("plan", *day(tmp_path), "-o", tmp_path / "plan", "--workers", "2", before=STEP_BY_STEP)
    messages = interrupted(process, at=f"5 of {HOURS} matrices planned")
    assert process.returncode == 0, messages
    assert "stopping with the best plan so far" in messages
    series = orjson.loads((tmp_path / "plan" / "summary.json").read_bytes())
    assert 5 <= series["planned"] < HOURS
    assert f"stopped after {series['planned']} of {HOURS} matrices" in messages
    assert sorted(row["directory"] for row in series["plans"]) == sorted(
        path.name for path in (tmp_path / "plan").iterdir() if path.is_dir()
    )
    assert vbte("check", tmp_path / "plan").exit_code == 0


def test_ctrl_c_before_any_matrix_is_planned_ends_the_workers_and_writes_nothing(tmp_path: Path) -> None:
    arguments = hard_question(tmp_path)
    rows = (tmp_path / "demands.csv").read_text().splitlines()[1:]
    twice = ["matrix,source,destination,volume_gbps", *(f"{hour},{row}" for hour in (1, 2) for row in rows)]
    (tmp_path / "demands.csv").write_text("\n".join(twice))
    more = ("--combine", "each", "--workers", "2", "-o", tmp_path / "new")
    process = start("plan", *arguments, *more, before=EVERY_LINE)
    workers = wait_for_workers(process.pid, 2)
    os.kill(process.pid, signal.SIGINT)
    messages = process.communicate(timeout=60)[1]
    assert process.returncode == 130, messages
    assert "nothing was written" in messages
    assert not (tmp_path / "new").exists()
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def wait_for_workers(parent: int, count: int) -> list[int]:
    """Wait until a process has so many workers that lead a process group, as they do once they take work."""
    until = time.monotonic() + 60
    while len(found := [pid for pid, of, group in processes() if of == parent and group == pid]) < count:
        assert time.monotonic() < until, "the workers never began"
        time.sleep(0.05)
    return found


def processes() -> Iterator[tuple[int, int, int]]:
    """Yield id, parent and process group of every process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            yield int(stat.parent.name), int(fields[1]), int(fields[2])


def test_failures_and_maintenance_on_a_cluster_are_those_of_one_process(tmp_path: Path, cluster: LocalCluster) -> None:
    plan = tmp_path / "plan"
    assert vbte("plan", "-t", "diamond", "-o", plan, "-q").exit_code == 0
    there = ("--cluster", cluster.scheduler_address)
    alone, together = (vbte("whatif", plan, "--replan", "--json", *where) for where in ((), there))
    assert together.exit_code == 0, together.output
    assert alone.stdout == together.stdout
    name = orjson.loads(alone.stdout_bytes)["results"][0]["down"][0]["name"]
    windows = tmp_path / "w.csv"
    windows.write_text(f"name,cables\none,{name}\ntwo,{name}\n")
    alone, together = (vbte("drain", plan, "-w", windows, "--order", "--json", *where) for where in ((), there))
    assert together.exit_code == 0, together.output
    assert alone.stdout == together.stdout
    assert vbte("whatif", plan, *there).exit_code == 2
