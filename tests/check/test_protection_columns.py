"""Backups and reservations of paths, to the plan file and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plan_documents import document_of, proven_again, put, toy_plan

from vbte.errors import InputError
from vbte.plan import PathSet, Plan
from vbte.read.plan_file import read_plan
from vbte.write.plan_file import plan_bytes


def protected() -> Plan:
    """The toy plan, the first path backed up by the links 0 and 2, the others by nothing."""
    plan = toy_plan()
    start = np.array([0, *[2] * len(plan.paths)], dtype=np.int64)
    backups = PathSet(start, np.array([0, 2], dtype=np.int32), plan.paths.commodity)
    return replace(plan, backup_paths=backups, reserved_gbps=plan.flow_gbps * 1.5)


def test_backups_and_reservations_come_back_from_the_file(tmp_path: Path) -> None:
    plan = protected()
    (tmp_path / "plan.json").write_bytes(plan_bytes(plan))
    found = read_plan(tmp_path)
    assert found.backup_paths is not None
    assert found.reserved_gbps is not None
    assert found.backup_paths.links.tolist() == [0, 2]
    assert found.backup_paths.hops.tolist() == [2, *[0] * (len(plan.paths) - 1)]
    assert found.backup_paths.commodity.tolist() == plan.paths.commodity.tolist()
    assert found.reserved_gbps.tolist() == (plan.flow_gbps * 1.5).tolist()
    assert plan_bytes(found) == plan_bytes(plan)


def test_plans_without_them_say_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(plan_bytes(toy_plan()))
    assert b"backup" not in (tmp_path / "plan.json").read_bytes()
    found = read_plan(tmp_path)
    assert found.backup_paths is None
    assert found.reserved_gbps is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("backup_hops", 0), 3), (("backup_hops", 0), -1), (("backup_hops",), [2]), (("backup_hops",), None),
        (("backup_links", 1), 99), (("reserved_gbps", 0), -0.5), (("reserved_gbps",), [1.0]),
        (("reserved_gbps", 0), "nan"),
    ],
)  # fmt: skip
def test_misshapen_backups_are_one_error(place: tuple[str | int, ...], value: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="paths is misshapen"):
        proven_again(document_of(protected()), tmp_path, put("paths", *place, to=value))


def test_half_a_backup_is_one_error(tmp_path: Path) -> None:
    for missing in ("backup_hops", "backup_links"):
        with pytest.raises(InputError, match="paths is misshapen"):
            proven_again(document_of(protected()), tmp_path, lambda d, key=missing: d["paths"].pop(key))
