"""The proof of max-min fairness: a clean plan passes, and every planted error turns it red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_documents import Change, Document, document_of, proven_again, put
from toys import cable, demands, model, network, of_class, plan

from vbte.errors import InputError
from vbte.proof import CheckReport

CLASSES = [{"name": "gold", "weight": 2}, {"name": "bulk"}, {"name": "late", "priority": 2}]
STAGES = [{"kind": "max_min"}, {"kind": "latency"}]


@pytest.fixture(scope="module")
def document() -> Document:
    """Gold and bulk have 6 and 3 over a-b; then 17 are left over b-c, 2 to 1 again; the late share c-d, 4 and 1."""
    asked = demands(
        ("a", "b", 100, of_class("gold")), ("a", "c", 100, of_class("bulk")), ("b", "c", 12, of_class("gold")),
        ("b", "c", 100, of_class("bulk")), ("b", "c", 100, of_class("late")), ("c", "d", 4, of_class("late")),
        ("c", "d", 9, of_class("late", tenant="acme")),
    )  # fmt: skip
    topology = network(cable("a-b", 9), cable("b-c", 20), cable("c-d", 5))
    return document_of(plan(topology, asked, model(STAGES, classes=CLASSES)))


def levels(document: Document, certificate: int = 0) -> list[Any]:
    kept: list[Any] = document["certificates"][certificate]["fairness"]["levels"]
    return kept


def test_the_clean_plan_is_proven_again(document: Document, tmp_path: Path) -> None:
    assert [len(level["commodities"]) for level in levels(document)] == [2, 2]
    report = proven_again(document, tmp_path)
    assert report.findings == ()
    assert all(stage.gap is not None and stage.gap < 1e-6 for stage in report.certificates)


def swap_levels(document: Document) -> None:
    kept = levels(document)
    kept[0], kept[1] = kept[1], kept[0]


def swap_prices(document: Document) -> None:
    kept = levels(document)
    kept[0]["prices"], kept[1]["prices"] = kept[1]["prices"], kept[0]["prices"]


def swap_commodities(document: Document) -> None:
    kept = levels(document)
    kept[0]["commodities"], kept[1]["commodities"] = kept[1]["commodities"], kept[0]["commodities"]


def move_flow_to_the_better_off(document: Document) -> None:
    """Everything still fits: gold a -> b has 7 in place of 6, bulk a -> c has 2."""
    flow, owner = document["paths"]["flow_gbps"], document["paths"]["commodity"]
    pair = levels(document)[0]["commodities"]
    first, second = owner.index(pair[0]), owner.index(pair[1])
    flow[first], flow[second] = flow[first] + 1, flow[second] - 1


def claim_the_unfair_volumes_too(document: Document) -> None:
    move_flow_to_the_better_off(document)
    volume = document["certificates"][0]["fairness"]["volume_gbps"]
    pair = levels(document)[0]["commodities"]
    volume[pair[0]], volume[pair[1]] = volume[pair[0]] + 1, volume[pair[1]] - 1


FAIRNESS = ("certificates", 0, "fairness")
PLANTED: dict[str, Change] = {
    "two levels swapped": swap_levels,
    "prices of two levels swapped": swap_prices,
    "commodities of two levels swapped": swap_commodities,
    "a level raised": put(*FAIRNESS, "levels", 0, "level", to=lambda level: level * 1.01),
    "a bound lowered": put(*FAIRNESS, "levels", 1, "bound", to=lambda bound: bound * 0.99),
    "a factor lowered": put(*FAIRNESS, "levels", 1, "factor", to=0.999),
    "the whole factor taken out": put(*FAIRNESS, "factor", to=None),
    "the whole factor lowered": put(*FAIRNESS, "factor", to=0.5),
    "a saturated commodity dropped": lambda document: levels(document)[0]["commodities"].pop(),
    "a level dropped": lambda document: levels(document).pop(),
    "a commodity at two levels": lambda document: levels(document)[1]["commodities"].append(
        levels(document)[0]["commodities"][0]
    ),
    "a commodity of another priority": lambda document: levels(document)[0]["commodities"].append(
        levels(document, 1)[0]["commodities"][0]
    ),
    "a price lowered": put(*FAIRNESS, "levels", 0, "prices", "capacity", "price", 0, to=0.0),
    "a price on another link": put(*FAIRNESS, "levels", 1, "prices", "capacity", "link", 0, to=0),
    "no prices at all": put(*FAIRNESS, "levels", 0, "prices", to={
        "capacity": {"matrix": [], "link": [], "price": []}, "class_limit": {}, "held": {},
    }),
    "a fair volume raised": put(*FAIRNESS, "volume_gbps", 0, to=lambda volume: volume * 1.01),
    "a fair volume lowered": put(*FAIRNESS, "volume_gbps", 0, to=lambda volume: volume * 0.9),
    "a fair volume too many": lambda document: document["certificates"][0]["fairness"]["volume_gbps"].append(1.0),
    "no fairness at all": lambda document: document["certificates"][0].pop("fairness"),
    "fairness in a latency stage": lambda document: document["certificates"][-1].update(
        fairness=document["certificates"][0]["fairness"]
    ),
    "reached more": put("certificates", 0, "reached", to=lambda value: value * 1.01),
    "held at less": put("certificates", 0, "held_at", to=lambda value: value * 0.99),
    "an unfair plan": move_flow_to_the_better_off,
    "an unfair plan that says so": claim_the_unfair_volumes_too,
    "another weight": put("model", "classes", 0, "weight", to=3.0),
    "another fairness": put("model", "stages", 0, "fair_by", to="demand"),
    "a function it does not follow": put("model", "classes", 0, "bandwidth_function", to=[
        {"fair_share": 1, "gbps": 5.0}, {"fair_share": 2, "gbps": 100.0},
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_found(name: str, document: Document, tmp_path: Path) -> None:
    try:
        report: CheckReport = proven_again(document, tmp_path, PLANTED[name])
    except InputError:
        return
    assert report.findings


@pytest.mark.parametrize("value", [None, "x", [], {}, -1, 1e308, True, [[]], {"levels": 3}])
@pytest.mark.parametrize(
    "place", [(), ("levels",), ("volume_gbps",), ("factor",), ("levels", 0), ("levels", 0, "commodities"),
              ("levels", 0, "prices"), ("levels", 0, "level"), ("levels", 0, "commodities", 0)], ids=str,
)  # fmt: skip
def test_a_misshapen_part_is_an_error_or_a_finding(
    place: tuple[str | int, ...], value: Any, document: Document, tmp_path: Path
) -> None:
    try:
        report = proven_again(document, tmp_path, put(*FAIRNESS, *place, to=value))
    except InputError:
        return
    assert report.findings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shift=st.floats(0.01, 5.9))
def test_volume_moved_within_a_full_link_is_proven_unfair_by_as_much(
    shift: float, document: Document, tmp_path: Path
) -> None:
    """Gold has 6 - shift in place of 6, and could be raised at the cost of bulk, which is better off."""

    def change(spoilt: Document) -> None:
        flow, owner = spoilt["paths"]["flow_gbps"], spoilt["paths"]["commodity"]
        gold, bulk = levels(spoilt)[0]["commodities"]
        flow[owner.index(gold)] -= shift
        flow[owner.index(bulk)] += shift
        volume = spoilt["certificates"][0]["fairness"]["volume_gbps"]
        volume[0], volume[1] = volume[0] - shift, volume[1] + shift

    stage = proven_again(document, tmp_path, change).certificates[0]
    assert stage.fairness is not None
    assert stage.gap is None or stage.gap > shift / 100
