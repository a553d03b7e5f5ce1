"""What an earlier plan still says when the network has changed under the same names."""

from __future__ import annotations

from typing import Any

import pytest
from toys import demands, diamond, flows, link, model, network

from vbte.allocate.priced.warm import carried_over
from vbte.api import Job, optimize, optimize_many
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.proof import check_plan
from vbte.topology import Topology

MLU = model([{"kind": "max_utilization"}], admission="all", capacity="soft")
BY_PRICES = {"name": "by-prices", "engine": "price-directed", "gap": 0.01}
ASKED = demands(("a", "d", 20))


def planned(topology: Topology, **options: Any) -> Plan:
    return optimize(topology, ASKED, model=MLU, solver=BY_PRICES, **options)


def rewired() -> Topology:
    """The diamond, where the link once called ``b>d`` now leads from c to d, and c's own is gone."""
    return network(
        link("a>b", 10, 2.0), link("a>c", 30, 5.0), link("c>d", 10, 2.0, id="b>d"), link("a>d", 5, 9.0, id="new"),
    )  # fmt: skip


def test_paths_keep_their_shares_of_the_new_volumes() -> None:
    now = build_instance(diamond(), [demands(("a", "d", 40))], MLU)
    earlier = planned(diamond())
    carried = carried_over(earlier, now)
    assert carried.flow_gbps == pytest.approx(2 * earlier.flow_gbps)
    assert carried.price.max() == 1


def test_a_path_is_lost_when_a_link_of_its_name_joins_other_nodes() -> None:
    earlier = planned(diamond())
    assert len(earlier.paths) == 2
    assert len(carried_over(earlier, build_instance(rewired(), [ASKED], MLU)).paths) == 0


def test_a_node_closed_to_transit_closes_the_paths_through_it() -> None:
    closed = model(
        [{"kind": "max_utilization"}], admission="all", capacity="soft",
        classes=[{"name": "default", "avoid": {"nodes": ["b"]}}],
    )  # fmt: skip
    left = carried_over(planned(diamond()), build_instance(diamond(), [ASKED], closed))
    assert [list(left.paths[p]) for p in range(len(left.paths))] == [
        [diamond().link_index["a>c"], diamond().link_index["c>d"]]
    ]
    assert left.flow_gbps == pytest.approx([20])


def test_a_plan_from_an_earlier_one_of_a_rewired_network_is_proven() -> None:
    found = planned(rewired(), previous=planned(diamond()))
    assert check_plan(found).findings == ()
    assert found.max_gap is not None
    assert found.max_gap <= 0.01


def test_a_plan_says_that_it_started_from_an_earlier_one() -> None:
    first = planned(diamond())
    again = planned(diamond(), previous=first)
    assert (first.engine.from_previous, again.engine.from_previous) == (False, True)
    assert (first.engine.gap, again.engine.gap) == (0.01, 0.01)
    assert flows(again) == pytest.approx(flows(first), rel=0.02)


def test_a_job_may_bring_its_earlier_plan() -> None:
    first = planned(diamond())
    jobs = [Job(diamond(), ASKED, MLU, BY_PRICES), Job(diamond(), ASKED, MLU, BY_PRICES, previous=first)]
    assert [plan.engine.from_previous for plan in optimize_many(jobs)] == [False, True]


@pytest.mark.parametrize("rules", [{"split": "single_path"}, {"max_paths": 1}])
def test_link_prices_keep_a_demand_on_one_path_where_its_class_says_so(rules: dict[str, Any]) -> None:
    one = model([{"kind": "admitted"}], classes=[{"name": "default", **rules}])
    found = optimize(diamond(), ASKED, model=one, solver=BY_PRICES)
    assert len(found.paths) == 1
    assert check_plan(found).findings == ()


def test_nothing_scarce_and_nothing_to_pay_is_proven_by_shortest_paths() -> None:
    free = network(link("a>b", 10, 0.0), link("b>d", 10, 0.0), link("a>d", 10, 0.0))
    found = optimize(free, demands(("a", "d", 1)), model=model([{"kind": "admitted"}, {"kind": "latency"}]),
                     solver=BY_PRICES)  # fmt: skip
    assert found.max_gap == pytest.approx(0)
