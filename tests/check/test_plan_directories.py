"""A clean plan directory is proven again; every planted error is found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vbte
from vbte.report.outcome import realise

Document = dict[str, Any]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The diamond at 1.5 times its demands: gold is admitted in full, best-effort in part, all stages have prices."""
    network = vbte.dataset("diamond")
    topology = vbte.read_topology(network.topology)
    demands = vbte.read_demands(network.demands, topology)
    more = vbte.DemandMatrix(
        demands.node_ids, demands.source, demands.destination, demands.volume_gbps * 1.5, demands.attributes
    )
    folder = tmp_path_factory.mktemp("published")
    for name, content in realise(vbte.optimize(topology, more, model=network.model)).files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "plan"))


def edit(folder: Path, name: str, change: Callable[[Document], None]) -> None:
    document = json.loads((folder / name).read_text(encoding="utf-8"))
    change(document)
    (folder / name).write_text(json.dumps(document), encoding="utf-8")


def test_a_clean_plan_is_proven_again(published: Path):
    report = vbte.check(published)
    assert report.ok, report.findings
    assert [stage.stage for stage in report.certificates] == [
        "admitted[1]",
        "admitted[2]",
        "max_utilization",
        "latency",
    ]
    assert all(stage.gap is not None and stage.gap < 1e-6 for stage in report.certificates)


def raise_a_flow(plan: Document) -> None:
    plan["paths"]["flow_gbps"][0] *= 1.2


def make_a_flow_negative(plan: Document) -> None:
    plan["paths"]["flow_gbps"][-1] *= -1


def move_flow_to_another_path(plan: Document) -> None:
    flow = plan["paths"]["flow_gbps"]
    flow[1], flow[2] = flow[1] + 2.0, flow[2] - 2.0


def send_a_path_elsewhere(plan: Document) -> None:
    plan["paths"]["links"][0] = (plan["paths"]["links"][0] + 1) % len(plan["topology"]["links"])


def claim_a_better_value(plan: Document) -> None:
    plan["certificates"][1]["value"] *= 1.01


def claim_a_tighter_bound(plan: Document) -> None:
    plan["certificates"][-1]["bound"] *= 1.01


def lower_a_price(plan: Document) -> None:
    prices = plan["certificates"][1]["prices"]["capacity"]["price"]
    prices[0] *= 0.5


def drop_the_price_of_a_hold(plan: Document) -> None:
    held = plan["certificates"][-1]["prices"]["held"]
    for index in held:
        held[index] *= 0.5


def loosen_a_hold(plan: Document) -> None:
    plan["certificates"][1]["held_at"] *= 0.9


def drop_a_certificate(plan: Document) -> None:
    plan["certificates"].pop(1)


def halve_a_capacity(plan: Document) -> None:
    for link in plan["topology"]["links"]:
        link["capacity_gbps"] *= 0.5


def shrink_the_demands(plan: Document) -> None:
    matrix = plan["demand_matrices"][0]
    matrix["volume_gbps"] = [volume * 0.5 for volume in matrix["volume_gbps"]]


def drain_the_links(plan: Document) -> None:
    plan["topology"]["links"][0]["drained"] = True


def tighten_the_policy(plan: Document) -> None:
    plan["model"]["classes"][1]["utilization_limit"] = 0.1


PLANTED = [
    raise_a_flow,
    make_a_flow_negative,
    move_flow_to_another_path,
    send_a_path_elsewhere,
    claim_a_better_value,
    claim_a_tighter_bound,
    lower_a_price,
    drop_the_price_of_a_hold,
    loosen_a_hold,
    drop_a_certificate,
    halve_a_capacity,
    shrink_the_demands,
    drain_the_links,
    tighten_the_policy,
]


@pytest.mark.parametrize("change", PLANTED, ids=lambda change: change.__name__)
def test_a_planted_error_in_the_plan_is_found(copy: Path, change: Callable[[Document], None]):
    edit(copy, "plan.json", change)
    assert not vbte.check(copy).ok


@pytest.mark.parametrize("change", PLANTED[:10], ids=lambda change: change.__name__)
def test_a_planted_error_is_found_from_the_plan_file_alone(copy: Path, change: Callable[[Document], None]):
    """Without tables and summary to compare with: the proof itself has to fail."""
    edit(copy, "plan.json", change)
    assert not vbte.check_plan(vbte.read_plan(copy)).ok


def test_a_stopped_plan_that_says_optimal_is_found(copy: Path):
    def weaken(plan: Document) -> None:
        plan["certificates"][0]["prices"] = plan["certificates"][0]["bound"] = plan["certificates"][0]["gap"] = None

    edit(copy, "plan.json", weaken)
    findings = vbte.check(copy).findings
    assert any("optimal" in finding.fault or "no bound" in finding.fault for finding in findings)


@pytest.mark.parametrize(
    "key", ["demand_gbps", "admitted_gbps", "max_utilization", "certificates", "classes", "hot_links", "baseline"]
)
def test_a_summary_that_does_not_follow_from_the_plan_is_found(copy: Path, key: str):
    def change(summary: Document) -> None:
        summary[key] = summary[key] * 1.001 if isinstance(summary[key], float) else None

    edit(copy, "summary.json", change)
    assert [finding.place for finding in vbte.check(copy).findings] == [f"summary.json: {key}"]


@pytest.mark.parametrize("name", ["summary.json", "tables/manifest.json"])
def test_a_missing_file_is_found(copy: Path, name: str):
    (copy / name).unlink()
    assert not vbte.check(copy).ok


def test_a_missing_or_foreign_device_file_is_found(copy: Path):
    devices = sorted((copy / "tables" / "devices").iterdir())
    devices[0].unlink()
    assert not vbte.check(copy).ok


def test_a_changed_weight_is_found(copy: Path):
    device = sorted((copy / "tables" / "devices").iterdir())[0]
    text = device.read_text(encoding="utf-8")
    changed = re.sub(r'"weight":1\b', '"weight":2', text, count=1)
    assert changed != text
    device.write_text(changed, encoding="utf-8")
    assert not vbte.check(copy).ok


def test_tables_of_another_plan_are_found(copy: Path, published: Path, tmp_path: Path):
    network = vbte.dataset("diamond")
    topology = vbte.read_topology(network.topology)
    plan = vbte.optimize(topology, vbte.read_demands(network.demands, topology), model=network.model)
    shutil.rmtree(copy / "tables")
    for name, content in realise(plan).files().items():
        if name.startswith("tables/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
    assert any("not those of plan.json" in finding.fault for finding in vbte.check(copy).findings)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "vbte.plan/1"}', b"\xff\xfe", b"null"])
def test_a_plan_file_that_is_none_is_an_input_error(copy: Path, content: bytes):
    (copy / "plan.json").write_bytes(content)
    with pytest.raises(vbte.InputError, match=r"plan\.json"):
        vbte.check(copy)


def test_checking_loads_no_solver():
    code = "import sys, vbte.proof; sys.exit(any(m.split('.')[0] in ('highspy', 'pulp') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
