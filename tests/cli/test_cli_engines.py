"""``vbte plan``: which engine finds the plan, how close it has to come, and which earlier plan it starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import files_of, vbte

from vbte.cli import console
from vbte.report.text import percent

#: Abilene at 117 % by shortest paths: a plan has some links to keep down, and link prices say which.
QUESTION = ("-t", "abilene", "-m", "min-mlu")
BY_PRICES = (*QUESTION, "--engine", "price-directed", "--gap", "0.01")

DAY = """matrix,source,destination,volume_gbps
morning,a,b,9
morning,a,c,4
evening,a,b,4
evening,a,c,9
"""


@pytest.fixture(scope="module")
def in_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan by link prices."""
    folder = tmp_path_factory.mktemp("in-force") / "plan"
    done = vbte("plan", *BY_PRICES, "-o", folder, "-q")
    assert done.exit_code == 0, done.stderr
    return folder


def summary_of(folder: Path) -> Any:
    return orjson.loads((folder / "summary.json").read_bytes())


def triangle(folder: Path) -> list[str | Path]:
    """A triangle of 10 Gbit/s whose direct links don't hold what two matrices ask for."""
    (folder / "links.csv").write_text(
        "source,target,capacity_gbps\n" + "".join(f"{a},{b},10\n" for a in "abc" for b in "abc" if a != b)
    )
    (folder / "day.csv").write_text(DAY)
    return ["-t", folder / "links.csv", "-d", folder / "day.csv", *BY_PRICES[2:], "--combine", "each"]


def test_engine_gap_and_form_stand_in_plan_summary_and_tables(in_force: Path) -> None:
    plan = orjson.loads((in_force / "plan.json").read_bytes())
    manifest = orjson.loads((in_force / "tables" / "manifest.json").read_bytes())
    assert plan["engine"] == summary_of(in_force)["engine"]
    assert (plan["engine"]["engine"], plan["engine"]["gap"], plan["engine"]["from_previous"]) == (
        "price-directed",
        0.01,
        False,
    )
    assert plan["engine"]["forms"] == {"default": "near-shortest links by destination"}
    assert manifest["solver"]["engine"] == "price-directed"
    assert 0 < summary_of(in_force)["max_gap"] <= 0.01
    assert vbte("check", in_force).exit_code == 0


def test_the_terminal_shows_the_gap_reached_and_the_one_asked_for_and_calls_nothing_optimal(tmp_path: Path) -> None:
    shown = vbte("plan", *BY_PRICES, "--gap", "0.001", "-o", tmp_path / "plan").stdout
    reached = summary_of(tmp_path / "plan")["max_gap"]
    assert 1e-6 < reached <= 1e-3
    assert f"plan: feasible, gap {percent(reached)} (0.1 % asked for); busiest link 72.5 %" in shown
    assert "engine: price-directed; near-shortest links by destination" in shown
    assert "optimal" not in shown


def test_the_exact_engine_was_asked_for_no_gap(tmp_path: Path) -> None:
    shown = vbte("plan", *QUESTION, "-o", tmp_path / "plan").stdout
    assert "plan: optimal, gap " in shown
    assert "asked for" not in shown
    assert "engine: exact; link flows by destination" in shown
    assert summary_of(tmp_path / "plan")["engine"]["gap"] is None


def test_engine_and_gap_on_the_command_line_win_over_the_profile(tmp_path: Path) -> None:
    for name, more in (("exact", ("--engine", "exact")), ("auto", ("--engine", "auto")), ("gap", ("--gap", "0.2"))):
        assert vbte("plan", *QUESTION, "-s", "large", *more, "-o", tmp_path / name, "-q").exit_code == 0
    engines = {name: summary_of(tmp_path / name)["engine"] for name in ("exact", "auto", "gap")}
    assert {name: engine["engine"] for name, engine in engines.items()} == {
        "exact": "exact",
        "auto": "exact",
        "gap": "price-directed",
    }
    assert engines["gap"]["gap"] == 0.2


@pytest.mark.parametrize("given", ["0", "-0.1", "1", "5", "nan", "inf", "1e-9"])
def test_a_gap_is_a_share_that_can_be_reached(tmp_path: Path, given: str) -> None:
    result = vbte("plan", *QUESTION, f"--gap={given}", "-o", tmp_path / "plan")
    assert result.exit_code == 2
    assert "--gap is " in result.stderr
    assert "0.001 for 0.1 %" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gap", "0.1%"), ("--gap",)),
        (("--engine", "fast"), ("--engine", "price-directed")),
        (("--engine", "exact", "--gap", "0.1"), ("--gap", "exact engine goes on to the optimum", "--engine auto")),
        (
            ("--engine", "price-directed", "-m", "{models}/filled.yaml"),
            ("max_min before other stages than latency and cost", "--engine"),
        ),
    ],
)
def test_an_engine_that_cannot_be_is_an_error_that_names_option_and_way_out(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    models = tmp_path_factory.mktemp("models")
    stages = "stages: [{kind: max_min}, {kind: admitted}]"
    (models / "filled.yaml").write_text(f"extends: max-min-fair\nname: filled\n{stages}\n", encoding="utf-8")
    result = vbte("plan", *QUESTION, *(one.format(models=models) for one in options), "-o", tmp_path / "plan")
    assert result.exit_code in (2, 3)
    assert result.stdout == ""
    assert [word for word in words if word not in result.stderr] == []
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_planned_again_in_place_from_itself(
    tmp_path: Path, in_force: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LINE_EVERY_S", 0.0)
    again = vbte("plan", *BY_PRICES, "--previous", in_force, "-o", tmp_path / "plan")
    assert again.exit_code == 0, again.stderr
    assert "paths of the previous plan: gap" in again.stderr
    assert "engine: price-directed, from the previous plan" in again.stdout
    in_place = vbte("plan", *BY_PRICES, "--previous", tmp_path / "plan", "-o", tmp_path / "plan", "-q")
    assert (in_place.exit_code, in_place.output) == (0, "")
    assert summary_of(tmp_path / "plan")["engine"]["from_previous"] is True
    assert summary_of(tmp_path / "plan")["max_gap"] <= 0.01
    assert vbte("check", tmp_path / "plan").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_the_exact_engine_says_that_it_starts_afresh(
    tmp_path: Path, in_force: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LINE_EVERY_S", 0.0)
    result = vbte("plan", *QUESTION, "--previous", in_force / "plan.json", "-o", tmp_path / "plan")
    assert result.exit_code == 0
    assert "starts afresh: the previous plan is not used" in result.stderr
    assert "from the previous plan" not in result.stdout


def test_an_earlier_plan_of_another_network_is_no_help_and_no_harm(tmp_path: Path, in_force: Path) -> None:
    arguments = ("plan", "-t", "diamond", "-m", "min-mlu", "--engine", "price-directed", "-q")
    assert vbte(*arguments, "-o", tmp_path / "fresh").exit_code == 0
    assert vbte(*arguments, "-o", tmp_path / "again", "--previous", in_force).exit_code == 0
    assert files_of(tmp_path / "fresh") == files_of(tmp_path / "again")


def test_a_series_is_planned_again_in_place_each_matrix_from_the_plan_of_its_number(tmp_path: Path) -> None:
    arguments = ["plan", *triangle(tmp_path), "-q"]
    assert vbte(*arguments, "-o", tmp_path / "series").exit_code == 0
    for name, more in (("here", ()), ("workers", ("--workers", "2"))):
        assert vbte(*arguments, "--previous", tmp_path / "series", "-o", tmp_path / name, *more).exit_code == 0
    assert vbte(*arguments, "--previous", tmp_path / "series", "-o", tmp_path / "series").exit_code == 0
    assert files_of(tmp_path / "here") == files_of(tmp_path / "workers") == files_of(tmp_path / "series")
    assert [summary_of(tmp_path / "series" / name)["engine"]["from_previous"] for name in ("0001", "0002")] == [
        True,
        True,
    ]


def test_one_earlier_plan_serves_every_matrix_and_a_shorter_series_those_it_has(tmp_path: Path) -> None:
    arguments = ["plan", *triangle(tmp_path), "-q"]
    assert vbte(*arguments, "-o", tmp_path / "series").exit_code == 0
    (tmp_path / "series" / "0002").rename(tmp_path / "second")
    used = {}
    for name, previous in (("one", tmp_path / "second"), ("shorter", tmp_path / "series")):
        assert vbte(*arguments, "--previous", previous, "-o", tmp_path / name).exit_code == 0
        used[name] = [summary_of(tmp_path / name / each)["engine"]["from_previous"] for each in ("0001", "0002")]
    assert used == {"one": [True, True], "shorter": [True, False]}


def without(key: str) -> Callable[[Any], Any]:
    return lambda document: {name: value for name, value in document.items() if name != key}


def edited(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / "plan.json"
        file.write_bytes(orjson.dumps(change(orjson.loads(file.read_bytes()))))

    return edit


def text(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "plan.json").write_bytes(content) and None


HOSTILE = {
    "nothing there": (lambda folder: folder.rename(folder.with_name("gone")), "is not there; leave --previous out"),
    "no plan in it": (lambda folder: (folder / "plan.json").unlink(), "holds no plan"),
    "empty file": (text(b""), "not JSON"),
    "not JSON": (text(b"{" * 100_000), "not JSON"),
    "JSON of something else": (text(b"[1, 2]"), "not a plan of schema vbte.plan/1"),
    "another version": (edited(lambda document: {**document, "schema": "vbte.plan/9"}), "not a plan of schema"),
    "no paths": (edited(without("paths")), "paths is misshapen"),
    "no topology": (edited(without("topology")), "topology is misshapen"),
    "a directory": (
        lambda folder: ((folder / "plan.json").unlink(), (folder / "plan.json").mkdir()),
        "can't be read: Is a directory",
    ),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_previous_plan_that_is_none_is_one_error_and_the_plan_in_force_stays(
    tmp_path: Path, in_force: Path, fault: str
) -> None:
    spoil, words = HOSTILE[fault]
    for name, content in files_of(in_force).items():
        for folder in ("out", "previous"):
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    spoil(tmp_path / "previous")
    result = vbte("plan", *BY_PRICES, "--previous", tmp_path / "previous", "-o", tmp_path / "out")
    assert result.exit_code == 3, result.output
    assert f"error: --previous {tmp_path / 'previous'}" in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert files_of(tmp_path / "out") == files_of(in_force)


def test_a_series_is_no_previous_plan_for_one_plan(tmp_path: Path) -> None:
    arguments = triangle(tmp_path)
    assert vbte("plan", *arguments, "-o", tmp_path / "series", "-q").exit_code == 0
    together = [*arguments[:-1], "worst-case"]
    result = vbte("plan", *together, "--previous", tmp_path / "series", "-o", tmp_path / "plan")
    assert result.exit_code == 3
    assert f"holds plans, and is none itself; name one of them, such as {tmp_path / 'series' / '0001'}" in result.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda paths: paths["links"].reverse(),
        lambda paths: paths.update(flow_gbps=[-1.0] * len(paths["flow_gbps"])),
        lambda paths: paths.update(flow_gbps=[1e300] * len(paths["flow_gbps"])),
    ],
    ids=["paths that lead nowhere", "flows below nothing", "flows beyond all demands"],
)
def test_a_previous_plan_that_lies_about_its_paths_spoils_no_plan(
    tmp_path: Path, in_force: Path, change: Callable[[Any], None]
) -> None:
    document = orjson.loads((in_force / "plan.json").read_bytes())
    change(document["paths"])
    (tmp_path / "lies").mkdir()
    (tmp_path / "lies" / "plan.json").write_bytes(orjson.dumps(document))
    result = vbte("plan", *BY_PRICES, "--previous", tmp_path / "lies", "-o", tmp_path / "plan", "-q")
    assert result.exit_code == 0, result.stderr
    assert vbte("check", tmp_path / "plan").exit_code == 0
    assert summary_of(tmp_path / "plan")["max_gap"] <= 0.01
