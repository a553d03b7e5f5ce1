"""Steps of a max-min stage: a clean plan passes, and every planted error turns it red."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_documents import Change, Document, document_of, proven_again, put
from toys import cable, demands, model, network, plan

from vbte.errors import InputError
from vbte.solve import SolverProfile

STAGES = [{"kind": "max_min"}, {"kind": "latency"}]
PRICED = SolverProfile(name="priced", engine="price-directed")
FAIRNESS = ("certificates", 0, "fairness")


@pytest.fixture(scope="module")
def document() -> Document:
    """5 Gbit/s each over a-b, 15 over what is left of b-c."""
    topology = network(cable("a-b", 10), cable("b-c", 20))
    asked = demands(("a", "b", 100), ("a", "c", 100), ("b", "c", 100))
    return document_of(plan(topology, asked, model(STAGES), solver=PRICED))


def test_the_clean_plan_is_proven_again(document: Document, tmp_path: Path) -> None:
    assert document["certificates"][0]["fairness"]["steps"]
    report = proven_again(document, tmp_path)
    assert report.findings == ()
    factor = report.certificates[0].fairness
    assert factor is not None
    assert factor.factor is not None
    assert factor.factor < 1.1


def move_flow_to_the_better_off(document: Document) -> None:
    """Everything still fits: a -> c has 2 in place of 5, a -> b what it lost."""
    flow = document["paths"]["flow_gbps"]
    flow[0], flow[1] = flow[0] + flow[1] - 2, 2.0


def claim_the_unfair_volumes_too(document: Document) -> None:
    move_flow_to_the_better_off(document)
    document["certificates"][0]["fairness"]["volume_gbps"][:2] = document["paths"]["flow_gbps"][:2]


def drop_prices(document: Document) -> None:
    for step in document["certificates"][0]["fairness"]["steps"]:
        step["prices"] = {"capacity": {"matrix": [], "link": [], "price": []}, "class_limit": {}, "held": {}}


def steps(document: Document) -> list[Document]:
    found: list[Document] = document["certificates"][0]["fairness"]["steps"]
    return found


PLANTED: dict[str, Change] = {
    "a factor lowered": put(*FAIRNESS, "steps", 0, "factor", to=1.0),
    "the whole factor lowered": put(*FAIRNESS, "factor", to=1.0),
    "the whole factor taken out": put(*FAIRNESS, "factor", to=None),
    "a step left out": lambda document: steps(document).pop(1),
    "the last step left out": lambda document: steps(document).pop(),
    "all steps left out": put(*FAIRNESS, "steps", to=[]),
    "steps in another order": lambda document: steps(document).reverse(),
    "a step raised": put(*FAIRNESS, "steps", 0, "level", to=lambda level: 1.5 * level),
    "a step at no level": put(*FAIRNESS, "steps", 0, "level", to=float("nan")),
    "a step below 0": put(*FAIRNESS, "steps", 0, "level", to=-1.0),
    "prices left out": drop_prices,
    "a price of another link": put(*FAIRNESS, "steps", -1, "prices", "capacity", "link", 0, to=1),
    "levels beside steps": put(*FAIRNESS, "levels", to=[{
        "level": 5.0, "bound": None, "factor": None, "commodities": [0],
        "prices": {"capacity": {"matrix": [], "link": [], "price": []}, "class_limit": {}, "held": {}},
    }]),
    "an unfair plan": move_flow_to_the_better_off,
    "an unfair plan that says so": claim_the_unfair_volumes_too,
    "another weight": put("model", "classes", 0, "weight", to=3.0),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_found(name: str, document: Document, tmp_path: Path) -> None:
    try:
        report = proven_again(document, tmp_path, PLANTED[name])
    except InputError:
        return
    assert report.findings
