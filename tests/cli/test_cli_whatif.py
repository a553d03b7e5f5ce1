"""``vbte whatif``."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from command_line import files_of, vbte

SCENARIOS = """schema: vbte.scenarios/1
scenarios:
  - {name: the short way, cables: ["a|b#1"], probability: 0.01}
"""


@pytest.fixture(scope="module")
def diamond(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("diamond") / "plan"
    assert vbte("plan", "-t", "diamond", "-o", directory, "-q").exit_code == 0
    return directory


def test_the_table_is_worst_first_and_walked(diamond: Path) -> None:
    before = files_of(diamond)
    shown = vbte("whatif", diamond)
    assert shown.exit_code == 0, shown.output
    document = orjson.loads(vbte("whatif", diamond, "--json").stdout_bytes)
    assert document["schema"] == "vbte.whatif/1"
    assert document["walk"] == {"scenarios": 3, "disagreements": []}
    names = [result["scenario"] for result in document["results"]]
    assert len(names) == document["scenarios"]["count"] == 4
    places = [shown.stdout.index(name) for name in names if name in shown.stdout]
    assert places == sorted(places)
    assert places
    assert "they agree" in shown.stdout
    assert files_of(diamond) == before


def test_re_plans_have_their_columns_and_workers_change_nothing(diamond: Path) -> None:
    alone = vbte("whatif", diamond, "--replan", "--json")
    together = vbte("whatif", diamond, "--replan", "--json", "--workers", 2)
    assert alone.exit_code == 0
    assert alone.stdout == together.stdout
    result = orjson.loads(alone.stdout_bytes)["results"][0]
    assert result["replan"]["stages"][0].keys() >= {"after_local_repair", "after_replan", "bound"}
    shown = vbte("whatif", diamond, "--replan", "--top", 1, "-q")
    assert "no plan can beat" in shown.stdout
    assert "and 3 scenarios that lose no more" in shown.stdout


def test_scenarios_come_from_a_file(diamond: Path, tmp_path: Path) -> None:
    cable = orjson.loads(vbte("whatif", diamond, "--json").stdout_bytes)["results"][0]["down"][0]["name"]
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIOS.replace("a|b#1", cable))
    shown = vbte("whatif", diamond, "--scenarios", path)
    assert shown.exit_code == 0
    assert "the short way" in shown.stdout
    path.write_text(SCENARIOS)
    refused = vbte("whatif", diamond, "--scenarios", path)
    assert refused.exit_code == 3
    assert "mine.yaml:3: scenarios[0].cables: the topology has no cable 'a|b#1'" in refused.stderr
    assert vbte("whatif", diamond, "--scenarios", tmp_path / "nothing.yaml").exit_code == 3


def test_usage_errors_are_told(diamond: Path) -> None:
    assert vbte("whatif", diamond, "--workers", 2).exit_code == 2
    assert vbte("whatif", diamond, "--matrix", 2).exit_code == 3
    assert vbte("whatif", diamond / "tables").exit_code == 3


def test_tables_that_do_something_else_are_refused(diamond: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vbte.failover.shares import Sharing

    whole = Sharing.among
    # The arrays' own fault: members that are down keep their share.
    monkeypatch.setattr(Sharing, "among", lambda self, chosen, lives: whole(self, chosen, lives | True))
    refused = vbte("whatif", diamond)
    assert refused.exit_code == 5
    assert "the walk of the files differs" in refused.stdout
    assert "says otherwise" in refused.stderr


def test_a_topology_that_says_how_often_its_cables_fail_has_likely_states(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text(
        "source,target,capacity_gbps,bidirectional,unavailability,mtbf_hours,mttr_hours\n"
        "a,b,10,yes,0.1,,\nb,c,10,yes,,9,1\na,c,10,yes,,,\n"
    )
    (tmp_path / "demands.csv").write_text("source,destination,volume_gbps\na,b,1\nb,a,1\n")
    done = vbte("plan", "-t", tmp_path / "links.csv", "-d", tmp_path / "demands.csv", "-o", tmp_path / "plan", "-q")
    assert done.exit_code == 0, done.output
    document = orjson.loads(
        vbte("whatif", tmp_path / "plan", "--scenarios", "likely", "--cutoff", 0.02, "--json").stdout_bytes
    )
    assert document["scenarios"]["covered_probability"] == pytest.approx(0.81 + 2 * 0.09)
    assert {result["scenario"]: result["probability"] for result in document["results"]}["nothing down"] == 0.81
    assert "probability" in vbte("whatif", tmp_path / "plan", "--scenarios", "likely").stdout
    assert vbte("whatif", tmp_path / "plan", "--cutoff", 0.1).exit_code == 2
    assert vbte("whatif", tmp_path / "plan", "--scenarios", "likely", "--cutoff", 0).exit_code == 3


def test_with_several_matrices_it_says_which_one_was_looked_at(tmp_path: Path) -> None:
    options = [part for name in ("one", "two") for part in ("-d", tmp_path / f"{name}.csv")]
    for name, volume in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.csv").write_text(f"source,destination,volume_gbps\nwest,east,{volume}\n")
    done = vbte("plan", "-t", "diamond", *options, "--combine", "worst-case", "-o", tmp_path / "plan", "-q")
    assert done.exit_code == 0, done.output
    shown = vbte("whatif", tmp_path / "plan")
    assert "each in the worst of 2 demand matrices" in shown.stdout
    both = orjson.loads(vbte("whatif", tmp_path / "plan", "--replan", "--json").stdout_bytes)
    assert [one["matrix"]["name"] for one in both["matrices"]] == ["one", "two"]
    # Twice the traffic loses twice as much; where nothing is lost, links are twice as full.
    assert {result["matrix"]["name"] for result in both["results"]} == {"two"}
    for result in both["results"]:
        mine = next(row for row in both["matrices"][1]["results"] if row["scenario"] == result["scenario"])
        assert mine.items() <= result.items()
        assert mine["replan"]["fault"] is None
    assert "demand matrix 1 (one) of 2" in vbte("whatif", tmp_path / "plan", "--matrix", 1).stdout
    second = orjson.loads(vbte("whatif", tmp_path / "plan", "--matrix", 2, "--json").stdout_bytes)
    assert second["matrix"] == {"name": "two", "number": 2, "of": 2}
    assert sum(row["offered_gbps"] for row in second["classes"]) == 2.0
    assert vbte("whatif", tmp_path / "plan", "--matrix", 3).exit_code == 3


def test_re_plans_are_written_beside_the_plan_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "plan"
    assert vbte("plan", "-t", "diamond", "-o", plan, "-q").exit_code == 0
    before = files_of(plan)
    assert vbte("whatif", plan, "--write").exit_code == 2
    done = vbte("whatif", plan, "--replan", "--write", "-q")
    assert done.exit_code == 0, done.output
    assert f"written to {plan / 'failover'}" in done.stdout
    written = files_of(plan)
    assert {name: written[name] for name in before} == before
    index = orjson.loads(written["failover/index.json"])
    assert [entry["fault"] for entry in index["scenarios"]] == [None] * 4
    assert vbte("check", plan).exit_code == 0
    # The same input gives the same bytes, also by workers.
    assert vbte("whatif", plan, "--replan", "--write", "-q", "--workers", 2).exit_code == 0
    assert files_of(plan) == written
    # What a killed run left, a plan that is made again takes with it, and the old deltas.
    (plan / ".failover.vbte-killedstaged").mkdir()
    assert vbte("plan", "-t", "diamond", "-o", plan, "-q").exit_code == 0
    assert files_of(plan) == before
    assert vbte("whatif", plan, "--replan", "--write", "-q").exit_code == 0
    # A failure on the way leaves the old deltas in force.
    from vbte.cli import directory

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(directory, "write_files", broken)
    failed = vbte("whatif", plan, "--scenarios", "node", "--replan", "--write", "-q")
    assert failed.exit_code == 3
    assert "No space left" in failed.stderr
    assert files_of(plan) == written


def test_deltas_that_do_not_carry_the_re_plan_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tmp_path / "plan"
    assert vbte("plan", "-t", "diamond", "-o", plan, "-q").exit_code == 0
    before = files_of(plan)
    from vbte.delta import GroupChanges
    from vbte.failover import rewrite

    # The builder's own fault: the tables of the plan in force pass for those of the re-plan.
    monkeypatch.setattr(rewrite, "rewritten_tables", lambda _, base: (base, GroupChanges(0, 0, 0, 1)))
    refused = vbte("whatif", plan, "--replan", "--write")
    assert refused.exit_code == 5
    assert "nothing is written: cable" in refused.stderr
    assert files_of(plan) == before


def test_hostile_names_of_scenarios_stay_inside_their_directory(tmp_path: Path) -> None:
    plan, mine = tmp_path / "plan", tmp_path / "mine.json"
    assert vbte("plan", "-t", "diamond", "-o", plan, "-q").exit_code == 0
    names = ["../../../etc/passwd", "Ditch", "ditch", "con", "manifest.json", "index.json", ".hidden", "x" * 300]
    links = orjson.loads((plan / "plan.json").read_bytes())["topology"]["links"]
    scenarios = [{"name": name, "links": [link["id"]]} for name, link in zip(names, links, strict=True)]
    mine.write_bytes(orjson.dumps({"schema": "vbte.scenarios/1", "scenarios": scenarios}))
    done = vbte("whatif", plan, "--scenarios", mine, "--replan", "--write", "-q", "--walk", 0)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "plan"]
    folders = [path.name for path in (plan / "failover").iterdir() if path.is_dir()]
    assert len({name.casefold() for name in folders} | {"index.json"}) == len(names) + 1
    told = [
        orjson.loads((plan / "failover" / name / "manifest.json").read_bytes())["scenario"]["name"] for name in folders
    ]
    assert sorted(told) == sorted(names)
    assert vbte("check", plan).exit_code == 0
