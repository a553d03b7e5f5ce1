"""One plan for several demand matrices: the same splits in each, capacity in each, the worst or the mean counted."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import BruteForce
from toys import (
    CONCURRENT,
    MLU,
    assert_optimum,
    bounds,
    cable,
    carry_all,
    demands,
    diamond,
    link,
    model,
    network,
    plan,
    values,
)

from vbte import optimize, optimize_each
from vbte.plan import Plan, Reason
from vbte.proof import check_plan


def proven(found: Plan) -> Plan:
    assert check_plan(found).findings == ()
    assert found.termination.reason is Reason.OPTIMAL
    return found


#: By day a sends 20 to d. By night it sends 4, and c sends 27.
DAY, NIGHT = demands(("a", "d", 20)), demands(("a", "d", 4), ("c", "d", 27))

#: Two ways from a to d, and no way back: over b 10, over c 30.
ONE_WAY = network(link("a>b", 10), link("b>d", 10), link("a>c", 30), link("c>d", 30))


def test_the_busiest_link_of_the_worst_matrix_counts() -> None:
    """Of a's traffic the share x goes over b: 20 x / 10 by day, (27 + 4 (1 - x)) / 30 by night; equal at x = 31/64."""
    found = proven(plan(ONE_WAY, [DAY, NIGHT], carry_all(MLU)))
    assert (values(found), bounds(found)) == (pytest.approx([31 / 32]), pytest.approx([31 / 32]))
    assert found.utilization.max(axis=1).tolist() == pytest.approx([31 / 32, 31 / 32])


def test_splits_are_the_same_in_every_matrix() -> None:
    found = proven(plan(ONE_WAY, [DAY, NIGHT], carry_all(MLU)))
    commodity = int(np.flatnonzero(found.instance.volume_gbps[0] > 0)[0])
    mine = found.paths.commodity == commodity
    day, night = (found.path_flow_gbps(matrix)[mine] for matrix in (0, 1))
    assert day == pytest.approx(night * 5)


def test_capacity_holds_in_each_matrix_and_volume_counts_on_average() -> None:
    """Twice a full link by day, half of one by night: a half is admitted of both, (10 + 2.5) / 2 on average."""
    found = proven(plan(network(cable("a-b", 10)), [demands(("a", "b", 20)), demands(("a", "b", 5))], model()))
    assert_optimum(found, 6.25)
    assert found.link_load_gbps[:, 0] == pytest.approx([10, 2.5])


def test_the_common_scale_is_that_of_the_worst_matrix() -> None:
    found = plan(network(cable("a-b", 10)), [demands(("a", "b", 2)), demands(("a", "b", 4))], model(CONCURRENT))
    assert_optimum(proven(found), 2.5)


def test_a_demand_of_one_matrix_alone_takes_nothing_in_the_others() -> None:
    found = proven(plan(network(cable("a-b", 4), cable("b-c", 4)), [demands(("a", "b", 3)), demands(("b", "c", 2))],
                        model()))  # fmt: skip
    assert found.admitted_gbps.tolist() == [[3, 0], [0, 2]]
    assert values(found) == pytest.approx([2.5])


def test_a_plan_for_all_is_never_better_than_a_plan_for_each() -> None:
    each = optimize_each(ONE_WAY, [DAY, NIGHT], model="min-mlu")
    both = optimize(ONE_WAY, [DAY, NIGHT], model="min-mlu")
    assert [one.max_utilization for one in each] == pytest.approx([0.5, 0.9])
    assert both.max_utilization == pytest.approx(31 / 32)
    assert [one.instance.n_matrices for one in each] == [1, 1]


def test_a_plan_for_one_matrix_is_the_plan_optimize_gives() -> None:
    (alone,) = optimize_each(diamond(), [DAY], model="class-aware")
    assert values(alone) == values(optimize(diamond(), DAY, model="class-aware"))
    assert values(optimize(diamond(), [DAY], model="class-aware")) == values(alone)


def test_the_same_matrix_twice_is_the_same_plan() -> None:
    once, twice = (plan(diamond(), [NIGHT] * n, carry_all([*MLU, {"kind": "latency"}])) for n in (1, 2))
    assert values(proven(twice)) == pytest.approx(values(once))


@pytest.mark.parametrize("seed", range(4))
def test_three_random_matrices_agree_with_brute_force_on_all_stages(seed: int) -> None:
    random = np.random.default_rng(seed)
    topology = network(
        cable("a-b", 5, 1.7), cable("b-d", 8, 1.1), cable("a-c", 9, 2.3), cable("c-d", 4, 0.9), cable("b-c", 3, 0.7)
    )
    ends = [("a", "d"), ("b", "c"), ("d", "a"), ("c", "a")]
    matrices = [demands(*[(s, d, float(random.uniform(0, 8))) for s, d in ends]) for _ in range(3)]
    stages = [{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]
    found = proven(plan(topology, matrices, model(stages)))
    expected = BruteForce(topology, matrices, model(stages)).solve()
    assert values(found) == pytest.approx(expected, rel=1e-5)
    assert bounds(found) == pytest.approx(expected, rel=1e-5)
