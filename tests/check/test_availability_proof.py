"""Promised availability, proven again from the plan file; planted errors are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from availability_toys import BOTH, available, random_question, triangle
from plan_documents import Document, document_of, proven_again, put
from toys import ADMITTED, demands, plan

from vbte.errors import InputError


@pytest.fixture(scope="module", params=["flow", "scenario"])
def document(request: pytest.FixtureRequest) -> Document:
    topology, asked, target = random_question(6)
    return document_of(plan(topology, demands(*asked), available(ADMITTED, target=target, per=request.param)))


def fullest(document: Document) -> int:
    """The path with the largest reservation."""
    reserved: list[float] = document["paths"]["reserved_gbps"]
    return reserved.index(max(reserved))


def test_the_file_alone_proves_the_promise(document: Document, tmp_path: Path) -> None:
    report = proven_again(document, tmp_path)
    assert report.ok, report.findings
    assert report.certificates[0].bound is not None


def faults(document: Document, folder: Path, change: Any) -> str:
    return " ".join(f"{one.place}: {one.fault}" for one in proven_again(document, folder, change).findings)


def test_lowered_reservations_are_seen(document: Document, tmp_path: Path) -> None:
    commodity, owner = document["paths"]["commodity"], document["paths"]["commodity"][fullest(document)]

    def lowered(spoilt: Document) -> None:
        for at in range(len(commodity)):
            spoilt["paths"]["reserved_gbps"][at] *= 0.9 if commodity[at] == owner else 1.0

    assert "reservations keep" in faults(document, tmp_path, lowered)


def test_one_lowered_reservation_is_seen(document: Document, tmp_path: Path) -> None:
    """Where it leaves enough in the states that count, it is no longer what the head end splits by."""
    at = fullest(document)
    lower = 0.5 * document["paths"]["reserved_gbps"][at]
    said = faults(document, tmp_path, put("paths", "reserved_gbps", at, to=lower))
    assert "reservations keep" in said or "its part of the reservations" in said


def test_a_raised_reservation_is_seen_where_it_does_not_fit(document: Document, tmp_path: Path) -> None:
    at = fullest(document)
    said = faults(document, tmp_path, put("paths", "reserved_gbps", at, to=1000.0))
    assert "are reserved, limit" in said


def test_reservations_that_are_missing_are_seen(document: Document, tmp_path: Path) -> None:
    said = faults(document, tmp_path, lambda spoilt: spoilt["paths"].pop("reserved_gbps"))
    assert "missing, although a class is protected" in said


def test_a_higher_target_than_was_planned_for_is_seen(document: Document, tmp_path: Path) -> None:
    said = faults(document, tmp_path, put("model", "classes", 0, "protection", "target", to=0.9999))
    assert "for 0.9999 of the time" in said


def test_states_that_are_left_out_count_as_lost(document: Document, tmp_path: Path) -> None:
    """A coarser cut-off drops the states that the promise rests on."""

    def coarser(spoilt: Document) -> None:
        spoilt["model"]["classes"][0]["protection"]["cutoff"] = 0.05
        del spoilt["certificates"][0]["prices"]["survival"]

    assert "reservations keep" in faults(document, tmp_path, coarser)
    with pytest.raises(InputError, match="certificates is misshapen"):
        proven_again(document, tmp_path, put("model", "classes", 0, "protection", "cutoff", to=0.05))


def test_cables_that_fail_more_often_are_seen(document: Document, tmp_path: Path) -> None:
    def worse(spoilt: Document) -> None:
        for link in spoilt["topology"]["links"]:
            link["unavailability"] = min(0.4, 20 * link["unavailability"])

    assert "reservations keep" in faults(document, tmp_path, worse)


def test_flows_in_another_proportion_than_reservations_are_seen(document: Document, tmp_path: Path) -> None:
    commodity, flow = document["paths"]["commodity"], document["paths"]["flow_gbps"]
    at = next(p for p in range(len(commodity) - 1) if commodity[p] == commodity[p + 1] and flow[p] > 0)

    def moved(spoilt: Document) -> None:
        spoilt["paths"]["flow_gbps"][at + 1] += 0.5 * flow[at]
        spoilt["paths"]["flow_gbps"][at] *= 0.5

    assert "its part of the reservations" in faults(document, tmp_path, moved)


def test_prices_that_prove_less_are_seen(document: Document, tmp_path: Path) -> None:
    """The price of a state is part of the proof."""
    paid = document["certificates"][0]["prices"]["survival"]["price"]
    said = faults(document, tmp_path, put("certificates", 0, "prices", "survival", "price", to=[0.0] * len(paid)))
    assert "claims the bound" in said


def test_states_common_to_all_are_no_proof_of_what_each_has_by_its_own(tmp_path: Path) -> None:
    """By its own states each demand of the triangle is whole for 99 %; not both at once."""
    found = document_of(plan(triangle(), demands(*BOTH), available(per="flow")))
    said = faults(found, tmp_path, put("model", "classes", 0, "protection", "per", to="scenario"))
    assert "reservations keep" in said
