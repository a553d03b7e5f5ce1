"""Splits that need integers, by hand: single paths, at most n paths, n equal bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from brute_force import BruteForce
from toys import (
    MLU,
    admitted,
    assert_optimum,
    bounds,
    cable,
    carry_all,
    demands,
    diamond,
    flows,
    model,
    network,
    of_class,
    plan,
    values,
)

from vbte.errors import SolverError
from vbte.plan import Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan

SINGLE = {"split": "single_path"}


def splits(rules: Mapping[str, Any], **keys: Any) -> PlanningModel:
    return model(classes=[{"name": "gold", **rules}], **keys)


def proven(found: Plan) -> Plan:
    assert check_plan(found).findings == ()
    return found


@pytest.mark.parametrize("rules", [SINGLE, {"max_paths": 1}])
def test_a_single_path_takes_the_wider_way_whole(rules: Mapping[str, Any]) -> None:
    """Over c 30 fit, over both ways 40: nobody can prove more than that 40 is out of reach."""
    found = proven(plan(diamond(), demands(("a", "d", 99)), splits(rules)))
    assert flows(found) == pytest.approx({"a>c c>d": 30})
    assert bounds(found) == pytest.approx([40])
    assert found.certificates[0].mip_bound == pytest.approx(30)
    assert found.termination.reason is Reason.FEASIBLE


def test_a_single_path_that_fits_is_optimal() -> None:
    """The relaxation could split as well; what it reaches is what one path reaches."""
    found = proven(plan(diamond(), demands(("a", "d", 20)), splits(SINGLE)))
    assert flows(found) == pytest.approx({"a>c c>d": 20})
    assert found.termination.reason is Reason.OPTIMAL


def test_at_most_two_of_three_ways_are_used() -> None:
    topology = network(cable("a-d", 1), cable("a-b", 2), cable("b-d", 2), cable("a-c", 4), cable("c-d", 4))
    found = proven(plan(topology, demands(("a", "d", 9)), splits({"max_paths": 2})))
    assert flows(found) == pytest.approx({"a>b b>d": 2, "a>c c>d": 4})
    assert bounds(found) == pytest.approx([7])


def test_equal_bundles_go_in_whole_bundles_or_not_at_all() -> None:
    """Four bundles of 9: one of them fits over b, three over c."""
    found = proven(plan(diamond(), demands(("a", "d", 36)), splits({"split": "equal_bundles", "bundles": 4})))
    assert flows(found) == pytest.approx({"a>b b>d": 9, "a>c c>d": 27})
    found = proven(plan(diamond(), demands(("a", "d", 44)), splits({"split": "equal_bundles", "bundles": 4})))
    assert flows(found) == pytest.approx({"a>c c>d": 22})
    assert bounds(found) == pytest.approx([40])


def test_bundles_on_at_most_one_path_stay_together() -> None:
    rules = {"split": "equal_bundles", "bundles": 4, "max_paths": 1}
    found = proven(plan(diamond(), demands(("a", "d", 36)), splits(rules)))
    assert flows(found) == pytest.approx({"a>c c>d": 27})


def test_single_paths_share_the_network_like_parcels() -> None:
    """Of 6, 5 and 4 Gbit/s two fit together into 10 and one into 5: 15 carried only as 6 + 4 beside 5."""
    topology = network(cable("a-b", 10), cable("b-d", 10), cable("a-c", 5), cable("c-d", 5))
    asked = demands(
        ("a", "d", 6, {"tenant": "six"}), ("a", "d", 5, {"tenant": "five"}), ("a", "d", 4, {"tenant": "four"})
    )  # fmt: skip
    found = proven(plan(topology, asked, splits(SINGLE)))
    assert_optimum(found, 15)
    assert flows(found, 0) == pytest.approx({"a>c c>d": 5})


def test_the_rest_of_a_class_splits_freely_beside_a_single_path() -> None:
    classes = [{"name": "gold", **SINGLE}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "d", 25, of_class("gold")), ("a", "d", 20, of_class("bulk")))
    found = proven(plan(diamond(), asked, model(classes=classes)))
    assert admitted(found) == pytest.approx({"gold a -> d": 25, "bulk a -> d": 15})


def test_later_stages_keep_the_splits_and_the_levels_before_them() -> None:
    stages = [{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]
    found = proven(plan(diamond(), demands(("a", "d", 9)), model(stages, classes=[{"name": "gold", **SINGLE}])))
    # One path: 9 of 30 over c, where two would be at 9 of 40; latency can't undo that.
    assert values(found) == pytest.approx([9, 0.3, 90])
    assert bounds(found)[:2] == pytest.approx([9, 9 / 40])


def test_single_paths_under_a_common_scale() -> None:
    stages = [{"kind": "concurrent"}, {"kind": "admitted"}, {"kind": "latency"}]
    asked = demands(("a", "d", 50), ("c", "d", 3))
    found = proven(plan(diamond(), asked, model(stages, classes=[{"name": "gold", **SINGLE}])))
    # 50 on one path of 30 is 0.6; then c-d has nothing left and c sends round over a and b.
    assert values(found)[0] == pytest.approx(0.6, rel=1e-6)
    assert admitted(found) == pytest.approx({"gold a -> d": 30, "gold c -> d": 3}, rel=1e-6)


@pytest.mark.parametrize(("volume", "scale"), [(20, 1.0), (50, 0.5), (100, 0.0)])
def test_bundles_under_a_common_scale_are_parts_of_the_demand(volume: float, scale: float) -> None:
    """Halves of 20 fit; of two halves of 50 one does; halves of 100 do not."""
    rules = {"split": "equal_bundles", "bundles": 2}
    asked = demands(("a", "d", volume), ("c", "d", 3))
    found = proven(plan(diamond(), asked, splits(rules, stages=[{"kind": "concurrent"}])))
    assert values(found)[0] >= scale - 1e-9
    assert found.admitted_share.tolist() == pytest.approx([scale, scale])


def test_single_paths_that_do_not_fit_are_no_plan() -> None:
    """35 fit over both ways together, over neither alone: the relaxation can't prove that, so the solver says it."""
    policy = carry_all(MLU, capacity="hard", classes=[{"name": "gold", **SINGLE}])
    with pytest.raises(SolverError, match="infeasible"):
        plan(diamond(), demands(("a", "d", 35)), policy)


def test_a_milp_over_every_path_agrees_on_the_parcels() -> None:
    topology = network(cable("a-b", 10), cable("b-d", 7), cable("a-c", 5), cable("c-d", 6), cable("b-c", 3))
    asked = demands(("a", "d", 6), ("a", "c", 4), ("b", "d", 3), ("c", "b", 2), ("d", "a", 9))
    for rules in (SINGLE, {"max_paths": 2}, {"split": "equal_bundles", "bundles": 3}):
        found = proven(plan(topology, asked, splits(rules)))
        assert values(found) == pytest.approx(BruteForce(topology, [asked], splits(rules)).solve())


def test_the_same_integer_plan_comes_out_twice() -> None:
    topology = network(cable("a-b", 10), cable("b-d", 10), cable("a-c", 10), cable("c-d", 10))
    asked = demands(("a", "d", 8, {"tenant": "x"}), ("a", "d", 8, {"tenant": "y"}))
    first, second = (plan(topology, asked, splits(SINGLE)) for _ in range(2))
    assert [flows(first, k) for k in (0, 1)] == [flows(second, k) for k in (0, 1)]
