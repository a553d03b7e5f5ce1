"""Windows of maintenance: every form says the same, and what is wrong is told with its place."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from failover_toys import gold_and_bulk, ladder
from toys import cable, demands, model, network
from toys import plan as planned

from vbte.errors import InputError
from vbte.failover import Window, drain, read_windows
from vbte.failover.windows import SCHEMA, WINDOW_FIELDS
from vbte.read import read_topology
from vbte.scenarios import stated_components

PUBLISHED: dict[str, Any] = json.loads((files("vbte.failover") / "schemas" / "windows-1.json").read_text())
PLAN = gold_and_bulk("source-routed", ladder(srlgs=("x",)))

AS_YAML = """
schema: vbte.windows/1
windows:
  - {name: night, start: 2030-01-31T22:00Z, end: 2030-02-01T04:00Z, cables: [a-b], nodes: [c]}
  - {links: ["c>d"], srlgs: [x], nodes_off: [b], matrix: 1}
"""
AS_JSON = {
    "schema": "vbte.windows/1",
    "windows": [
        {"name": "night", "start": "2030-01-31T22:00Z", "end": "2030-02-01T04:00Z", "cables": ["a-b"], "nodes": ["c"]},
        {"links": ["c>d"], "srlgs": ["x"], "nodes_off": ["b"], "matrix": 1},
    ],
}
AS_CSV = """name,start,end,cables,nodes,links,srlgs,nodes_off,matrix
night,2030-01-31T22:00Z,2030-02-01T04:00Z,a-b,c,,,,
,,,,,c>d,x,b,1
"""


@pytest.mark.parametrize(("text", "suffix"), [(AS_YAML, "yaml"), (json.dumps(AS_JSON), "json"), (AS_CSV, "csv")])
def test_every_form_says_the_same(text: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"w.{suffix}").write_text(text)
    night, other = read_windows(tmp_path / f"w.{suffix}", PLAN.instance)
    assert (night.name, night.start, night.end) == (
        "night", datetime(2030, 1, 31, 22, tzinfo=UTC), datetime(2030, 2, 1, 4, tzinfo=UTC),
    )  # fmt: skip
    assert (night.cables, night.nodes) == (("a-b",), ("c",))
    assert (other.name, other.matrix) == ("srlg x + link c>d + nodes_off b", 0)
    assert (other.links, other.srlgs, other.nodes_off) == (("c>d",), ("x",), ("b",))
    drained = {PLAN.instance.topology.links[at].id for at in other.drained_links(PLAN.instance.topology).nonzero()[0]}
    assert drained == {"c>d", "a>b", "b>a", "a>c", "c>a", "b>d", "d>b"}


def test_the_published_schema_knows_the_same_fields() -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    assert validator.is_valid(AS_JSON)
    assert PUBLISHED["properties"]["schema"]["const"] == SCHEMA
    assert set(PUBLISHED["properties"]["windows"]["items"]["properties"]) == set(WINDOW_FIELDS)
    for broken in ({"start": "2030-01-31T22:00Z", "cables": ["a-b"]}, {"name": "it"}, {"cables": "a-b"}):
        assert not validator.is_valid({"schema": SCHEMA, "windows": [broken]})


def test_the_examples_on_the_page_are_read(tmp_path: Path) -> None:
    page = (files("vbte.failover") / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (windows,) = [one for one in examples if SCHEMA in one]
    (risks,) = [one for one in examples if one.startswith("links:")]
    (tmp_path / "t.yaml").write_text("schema: vbte.topology/1\nnodes: [ams, par]\n" + risks)
    topology = read_topology(tmp_path / "t.yaml")
    assert topology.links[0].srlgs == ("alps",)
    assert [one.probability for one in stated_components(topology)] == [1e-4, pytest.approx(12 / 20012)]
    real = network(cable("ams-par", 10.0), cable("par-fra", 10.0))
    plan = planned(real, [demands(("ams", "par", 1.0)), demands(("par", "fra", 1.0))], model())
    (tmp_path / "night.csv").write_text("source,destination,volume_gbps\nams,fra,1\n")
    (tmp_path / "w.yaml").write_text(windows)
    assert [window.name for window in read_windows(tmp_path / "w.yaml", plan.instance)] == ["splice", "upgrade", "swap"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("cables: [a-z]", "w.yaml:3: windows[0].cables: the topology has no cable 'a-z'; did you mean 'a-"),
        ("nodes_off: [e]", "windows[0].nodes_off: the topology has no node 'e'"),
        ("cables: [a-b], start: 2030-01-02T00:00Z, end: 2030-01-01T00:00Z", "windows[0]: ends at 2030-01-01T00:00:00"),
        ("cables: [a-b], start: 2030-01-02T00:00Z, end: 2030-01-02T00:00Z", "before it starts"),
        ("cables: [a-b], start: 2030-01-02T00:00Z", "start and end go together"),
        ("cables: [a-b], start: 2030-01-02T00:00Z, end: 2030-01-03T00:00", "has no offset from UTC"),
        ("cables: [a-b], start: tomorrow, end: later", "windows[0].start: start is 'tomorrow'; a time by ISO 8601"),
        ("name: it", "drains nothing; name cables, nodes, srlgs, links or nodes_off"),
        ("cables: [a-b, a-b]", "cable 'a-b' appears twice"),
        ("cables: [a-b], matrix: 3", "there is no matrix 3; the plan has 1 to 1"),
        ("cables: [a-b], matrix: 0", "there is no matrix 0"),
        ("cables: [a-b], matrix: 1, demands: d.csv", "keep one of the two"),
        ("cables: [a-b], demands: nothing.csv", "nothing.csv"),
        ("cable: a-b", "did you mean 'cables'"),
        ("cables: [a-b], name: two", "the name 'two' appears twice; keep one of them"),
        ("cables: [a-b], start: 2030-01-02T00:00, end: 2030-01-03T00:00", "some windows state their offset"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(entry: str, message: str, tmp_path: Path) -> None:
    other = "{name: two, cables: [c-d], start: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}"
    (tmp_path / "w.yaml").write_text(f"schema: vbte.windows/1\nwindows:\n  - {{{entry}}}\n  - {other}\n")
    with pytest.raises(InputError) as caught:
        read_windows(tmp_path / "w.yaml", PLAN.instance)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path)) or "nothing.csv" in message
    assert "; " in str(caught.value)


def test_windows_made_in_python_are_checked_too() -> None:
    with pytest.raises(InputError, match="window 'it': the topology has no cable 'x'"):
        drain(PLAN, [Window("it", cables=("x",))])
    with pytest.raises(InputError, match="window 'it': the name appears twice"):
        drain(PLAN, [Window("it", cables=("a-b",)), Window("it", cables=("c-d",))])
    with pytest.raises(InputError, match="lists no window"):
        drain(PLAN, [])
