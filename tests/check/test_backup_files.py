"""Plans with backups, to the plan file and back: proven again, and whatever a file may say is one error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from backup_toys import lattice, protecting
from plan_documents import document_of, proven_again, put
from toys import plan

from vbte.errors import InputError
from vbte.plan import Plan
from vbte.read.plan_file import read_plan
from vbte.write.plan_file import plan_bytes

SHARING = ("certificates", 0, "prices", "sharing")


@cache
def shared_plan() -> Plan:
    found = plan(*lattice(8, seed=5), protecting("admitted", reservation="shared", utilization_limit=0.9))
    prices = found.certificates[0].prices
    assert prices is not None
    assert prices.sharing is not None
    # The class's own limit is what binds.
    assert set(prices.sharing.class_index.tolist()) == {0}
    return found


def test_prices_of_scenarios_come_back_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(plan_bytes(shared_plan()))
    assert plan_bytes(read_plan(tmp_path)) == plan_bytes(shared_plan())
    assert proven_again(document_of(shared_plan()), tmp_path).findings == ()


def test_a_backup_that_is_spoilt_in_the_file_is_caught(tmp_path: Path) -> None:
    document = document_of(shared_plan())
    same = list(document["paths"]["links"][: document["paths"]["hops"][0]])
    document["paths"]["backup_links"][: document["paths"]["backup_hops"][0]] = same
    document["paths"]["backup_hops"][0] = len(same)
    found = proven_again(document, tmp_path).findings
    assert any("falls together with its own" in finding.fault for finding in found)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("class", 0), 1), (("class", 0), -2), (("class", 0), "x"), (("class",), None), (("matrix", 0), 1),
        (("link", 0), 9999), (("scenario", 0), 9999), (("price", 0), "nan"), (("price",), [1.0]), (("scenario",), []),
    ],
)  # fmt: skip
def test_misshapen_prices_of_scenarios_are_one_error(
    place: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="certificates is misshapen"):
        proven_again(document_of(shared_plan()), tmp_path, put(*SHARING, *place, to=value))


def test_negative_prices_of_scenarios_prove_nothing_more(tmp_path: Path) -> None:
    document = document_of(shared_plan())
    bound = proven_again(document, tmp_path).certificates[0].bound
    spoilt = proven_again(document, tmp_path, put(*SHARING, "price", 0, to=-1.0)).certificates[0].bound
    assert bound is not None
    assert spoilt is not None
    assert spoilt >= bound
