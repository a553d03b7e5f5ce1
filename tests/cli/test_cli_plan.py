"""``vbte plan``: what it reads, writes, prints and refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from command_line import files_of, vbte

TOY = Path(__file__).parents[1] / "data" / "toy"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def topology(folder: Path, *names: str) -> Path:
    """A line of nodes, 10 Gbit/s each way."""
    rows = [f"{a},{b},10" for one, two in pairwise(names) for a, b in ((one, two), (two, one))]
    return write(folder / "links.csv", "\n".join(["source,target,capacity_gbps", *rows]) + "\n")


def demand(folder: Path, row: str) -> Path:
    return write(folder / "demands.csv", f"source,destination,volume_gbps\n{row}\n")


def test_a_plan_directory_holds_plan_summary_map_and_tables(tmp_path: Path) -> None:
    result = vbte("plan", "--topology", "diamond", "--demands", "diamond", "--out", tmp_path / "plan")
    assert result.exit_code == 0, result.stderr
    assert set(files_of(tmp_path / "plan")) == {
        "plan.json",
        "summary.json",
        "map.svg",
        "tables/manifest.json",
        *(f"tables/devices/{node}.json" for node in ("east", "north", "south", "west")),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_the_terminal_shows_totals_with_units_classes_links_certificates_and_the_baseline(tmp_path: Path) -> None:
    shown = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan").stdout
    for words in ("48 Gbit/s of 48 Gbit/s admitted (100 %)", "gold", "south-east", "max_utilization", "optimal",
                  "IGP alone: busiest link 320 %", "4 times less", "agrees with the plan"):  # fmt: skip
        assert words in shown


def test_json_is_the_summary_file_and_nothing_else(tmp_path: Path) -> None:
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan", "--json")
    assert result.stdout_bytes == (tmp_path / "plan" / "summary.json").read_bytes()
    assert orjson.loads(result.stdout_bytes)["demand_gbps"] == 48.0


def test_quiet_says_nothing_at_all(tmp_path: Path) -> None:
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_the_same_input_gives_the_same_bytes_whatever_the_number_of_threads(tmp_path: Path) -> None:
    for name, threads in (("one", "1"), ("again", "1"), ("two", "2")):
        assert vbte("plan", "-t", "abilene", "-o", tmp_path / name, "--threads", threads, "-q").exit_code == 0
    assert files_of(tmp_path / "one") == files_of(tmp_path / "again") == files_of(tmp_path / "two")


def test_a_dataset_uses_its_own_model_unless_another_is_named(tmp_path: Path) -> None:
    vbte("plan", "-t", "diamond", "-o", tmp_path / "own", "-q")
    vbte("plan", "-t", "diamond", "-o", tmp_path / "other", "-m", "min-mlu", "-q")
    models = [orjson.loads((tmp_path / name / "summary.json").read_bytes())["model"] for name in ("own", "other")]
    assert models == ["diamond", "min-mlu"]


def test_the_realisation_on_the_command_line_wins(tmp_path: Path) -> None:
    vbte("plan", "-t", "diamond", "-o", tmp_path / "plan", "-q", "--realisation", "hop-by-hop")
    manifest = orjson.loads((tmp_path / "plan" / "tables" / "manifest.json").read_bytes())
    assert manifest["realisation"] == "hop-by-hop"


def test_units_and_defaults_on_the_command_line_reach_the_readers(tmp_path: Path) -> None:
    links = write(tmp_path / "links.csv", "source,target,capacity\na,b,\nb,a,4000\n")
    volumes = write(tmp_path / "demands.csv", "source,destination,volume\na,b,500\n")
    options = ("--default-capacity", "2Gbps", "--capacity-unit", "Mbps", "--volume-unit", "Mbps")
    result = vbte("plan", "-t", links, "-d", volumes, "-o", tmp_path / "plan", "--json", *options)
    assert result.exit_code == 0, result.stderr
    assert "1 of 2 links state no capacity" in result.stderr
    summary = orjson.loads(result.stdout_bytes)
    assert (summary["network"]["capacity_gbps"], summary["demand_gbps"]) == (6.0, 0.5)


@pytest.mark.parametrize("rate", ["40", "fast", "-1Gbps", "nanGbps"])
def test_a_default_capacity_needs_a_number_and_a_unit(tmp_path: Path, rate: str) -> None:
    result = vbte("plan", "-t", "diamond", "-o", tmp_path / "plan", f"--default-capacity={rate}")
    assert result.exit_code == 2
    assert "40Gbps" in result.stderr


def test_several_matrices_need_to_be_told_how_to_combine(tmp_path: Path) -> None:
    result = vbte("plan", "-t", TOY / "topology.yaml", "-d", TOY / "several.csv", "-o", tmp_path / "plan")
    assert result.exit_code == 2
    assert "--combine worst-case" in result.stderr
    assert not (tmp_path / "plan").exists()


def test_worst_case_gives_one_plan_and_names_mean_and_worst(tmp_path: Path) -> None:
    result = vbte("plan", "-t", TOY / "topology.yaml", "-d", TOY / "several.csv", "-o", tmp_path / "plan", "--json",
                  "--combine", "worst-case")  # fmt: skip
    summary = orjson.loads(result.stdout_bytes)
    assert [row["name"] for row in summary["matrices"]] == ["morning", "evening"]
    assert (summary["demand_gbps"], summary["max_utilization"]) == (3.75, 0.4)
    assert summary["over_matrices"] == {"volumes": "mean", "latencies": "mean", "utilizations": "worst"}


def test_each_gives_a_directory_a_matrix_and_a_summary_of_all(tmp_path: Path) -> None:
    result = vbte("plan", "-t", TOY / "topology.yaml", "-d", TOY / "several.csv", "-o", tmp_path / "series", "--json",
                  "--combine", "each")  # fmt: skip
    series = orjson.loads(result.stdout_bytes)
    assert sorted(path.name for path in (tmp_path / "series").iterdir()) == ["0001", "0002", "summary.json"]
    assert [(row["matrix"], row["max_utilization"]) for row in series["plans"]] == [("morning", 0.4), ("evening", 0.2)]
    assert (series["mean"]["max_utilization"], series["worst"]["max_utilization"]) == (pytest.approx(0.3), 0.4)
    assert vbte("check", tmp_path / "series").exit_code == 0


def test_several_files_are_several_matrices_named_after_them(tmp_path: Path) -> None:
    demand(tmp_path, "a,b,1")
    other = write(tmp_path / "evening.csv", "source,destination,volume_gbps\na,b,2\n")
    links = topology(tmp_path, "a", "b")
    result = vbte("plan", "-t", links, "-d", tmp_path / "demands.csv", "-d", other, "-o", tmp_path / "plan", "--json",
                  "--combine", "worst-case")  # fmt: skip
    assert [row["name"] for row in orjson.loads(result.stdout_bytes)["matrices"]] == ["demands", "evening"]


def bad_calls(folder: Path) -> dict[str, tuple[int, list[str | Path]]]:
    """Calls that are rejected: exit code and arguments, but for ``--out``."""
    links, volumes = topology(folder, "a", "b"), demand(folder, "a,b,1")
    loop = write(folder / "loop.yaml", "name: x\nstages: [{kind: admitted}]\nclasess: []\n")
    heavy = write(folder / "heavy.csv", "source,destination,volume_gbps\na,b,11\n")
    lost = write(folder / "lost.csv", "source,destination,volume_gbps\na,z,1\n")
    absent = write(folder / "absent.yaml", "name: absent\nbackend: pulp\nsolver: GUROBI_CMD\n")
    return {
        "no demands": (2, ["-t", links]),
        "unknown option": (2, ["-t", links, "-d", volumes, "--frobnicate"]),
        "time limit of nothing": (2, ["-t", links, "-d", volumes, "--time-limit", "0"]),
        "no such file": (3, ["-t", folder / "none.csv", "-d", volumes]),
        "no such dataset": (3, ["-t", "diamnd", "-d", volumes]),
        "misspelt key": (3, ["-t", links, "-d", volumes, "-m", loop]),
        "no such model": (3, ["-t", links, "-d", volumes, "-m", "min-mul"]),
        "no such solver": (3, ["-t", links, "-d", volumes, "-s", "higs"]),
        "unknown node": (3, ["-t", links, "-d", lost]),
        "unknown format": (3, ["-t", links, "-d", volumes, "--demands-format", "parchment"]),
        "too much traffic": (4, ["-t", links, "-d", heavy, "-m", "min-latency"]),
        "solver not here": (6, ["-t", links, "-d", volumes, "-s", absent]),
    }


@pytest.mark.parametrize(
    "fault",
    ["no demands", "unknown option", "time limit of nothing", "no such file", "no such dataset", "misspelt key",
     "no such model", "no such solver", "unknown node", "unknown format", "too much traffic", "solver not here"],
)  # fmt: skip
def test_a_rejected_call_has_its_exit_code_one_message_and_leaves_nothing_behind(tmp_path: Path, fault: str) -> None:
    code, arguments = bad_calls(tmp_path)[fault]
    before = files_of(tmp_path)
    result = vbte("plan", *arguments, "--out", tmp_path / "new" / "nested" / "plan")
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert "rror" in result.stderr
    assert files_of(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_errors_name_file_line_and_way_out(tmp_path: Path) -> None:
    volumes = demand(tmp_path, "a,b,-3")
    result = vbte("plan", "-t", topology(tmp_path, "a", "b"), "-d", volumes, "-o", tmp_path / "plan")
    assert result.exit_code == 3
    assert f"{volumes}:2: " in result.stderr
    assert "0 or more" in result.stderr


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    arguments = ("plan", "-t", "diamnd", "-d", "diamond", "-o", tmp_path / "plan")
    assert "Traceback" not in vbte(*arguments).stderr
    assert "Traceback" in vbte("--debug", *arguments).stderr


@pytest.mark.parametrize("name", ["[red]x[/red]", "[bold", "a\u202eb", "π & <b>"])
def test_names_are_shown_as_they_are_and_steer_no_terminal(tmp_path: Path, name: str) -> None:
    links = topology(tmp_path, "a", name)
    volumes = demand(tmp_path, f"a,{name},1")
    result = vbte("plan", "-t", links, "-d", volumes, "-o", tmp_path / "plan")
    assert result.exit_code == 0, result.stderr
    harmless = ascii(name)[1:-1] if not name.isprintable() else name
    assert f"a>{harmless}" in result.stdout
    assert not {char for char in result.stdout if not char.isprintable()} - {"\n"}
