"""What each rule of a class does, on the diamond: from a to d over b (10 Gbit/s, 4 ms) or over c (30 Gbit/s, 10 ms)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
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
    link,
    model,
    network,
    of_class,
    plan,
    values,
)

from vbte.errors import InfeasibleError, InputError, InputWarning
from vbte.plan import Plan, Reason
from vbte.proof import check_plan
from vbte.topology import Topology

ADMITTED_THEN_LATENCY = [{"kind": "admitted"}, {"kind": "latency"}]
GOLD, BULK = of_class("gold"), of_class("bulk")


def proven(found: Plan) -> Plan:
    """The plan, once the check has agreed with it."""
    assert check_plan(found).findings == ()
    assert found.termination.reason is Reason.OPTIMAL
    return found


def marked_diamond(**facts: Any) -> Topology:
    """The diamond whose links over b carry the facts given, and whose b lies in region west."""
    return network(
        cable("a-b", 10, 2.0, **facts), cable("b-d", 10, 2.0, **facts), cable("a-c", 30, 5.0), cable("c-d", 30, 5.0),
        nodes={"b": {"region": "west"}},
    )  # fmt: skip


def one_class(rules: Mapping[str, Any], stages: Sequence[Mapping[str, Any]] = ADMITTED_THEN_LATENCY) -> Any:
    return model(stages, classes=[{"name": "gold", **rules}])


def test_a_lower_class_gets_what_the_higher_leaves() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    found = proven(plan(diamond(), demands(("a", "d", 25, GOLD), ("a", "d", 25, BULK)), model(classes=classes)))
    assert values(found) == pytest.approx([25, 15])
    assert admitted(found) == pytest.approx({"gold a -> d": 25, "bulk a -> d": 15})


def test_a_lower_class_never_takes_volume_even_when_it_would_carry_more() -> None:
    """One Gbit/s of gold over three links costs three of bulk, one on each link; gold is still carried."""
    topology = network(cable("a-b", 1), cable("b-c", 1), cable("c-d", 1))
    asked = demands(("a", "d", 1, GOLD), ("a", "b", 1, BULK), ("b", "c", 1, BULK), ("c", "d", 1, BULK))
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    stages = [{"kind": "admitted", "tolerance": 0}]
    assert values(proven(plan(topology, asked, model(stages, classes=classes)))) == pytest.approx([1, 0])
    assert values(proven(plan(topology, asked, model(classes=[{"name": "gold"}, {"name": "bulk"}])))) == [3]


@pytest.mark.parametrize(("coupling", "carried", "way"), [("joint", 10, "a>c c>d"), ("sequential", 0, "a>b b>d")])
def test_joint_planning_moves_gold_to_make_room_and_sequential_does_not(
    coupling: str, carried: float, way: str
) -> None:
    """Gold is fastest over b, and bulk may go nowhere else."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2, "latency_bound_ms": 5}]
    asked = demands(("a", "d", 10, GOLD), ("a", "d", 10, BULK))
    found = plan(diamond(), asked, model(ADMITTED_THEN_LATENCY, classes=classes, coupling=coupling))
    assert proven(found)
    assert admitted(found) == pytest.approx({"gold a -> d": 10, "bulk a -> d": carried}, abs=1e-5)
    assert flows(found)[way] == pytest.approx(10, rel=1e-5)


def test_sequential_stages_are_labelled_by_priority() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "d", 5, GOLD), ("a", "d", 5, BULK))
    found = plan(diamond(), asked, model(ADMITTED_THEN_LATENCY, classes=classes, coupling="sequential"))
    assert [c.stage for c in found.certificates] == ["admitted[1]", "latency[1]", "admitted[2]", "latency[2]"]
    # Gold 5 x 4 ms; bulk: the 5 Gbit/s left over b, then none to go over c.
    assert values(proven(found)) == pytest.approx([5, 20, 5, 20])


def test_equal_priorities_share_by_weight() -> None:
    """8 + 8 Gbit/s over a link of 10: a Gbit/s of the heavier class counts twice."""
    classes = [{"name": "gold", "weight": 2}, {"name": "bulk"}]
    asked = demands(("a", "b", 8, GOLD), ("a", "b", 8, BULK))
    found = proven(plan(network(cable("a-b", 10)), asked, model(classes=classes)))
    assert admitted(found) == pytest.approx({"gold a -> b": 8, "bulk a -> b": 2})
    assert_optimum(found, 18)


def test_a_latency_bound_leaves_only_the_short_way() -> None:
    found = proven(plan(diamond(), demands(("a", "d", 25)), one_class({"latency_bound_ms": 5})))
    assert flows(found) == pytest.approx({"a>b b>d": 10})


def test_a_path_exactly_as_long_as_the_bound_keeps_it() -> None:
    """0.1 + 0.2 ms is more than 0.3 ms in floating point, and still 0.3 ms."""
    topology = network(link("a>b", 1, 0.1), link("b>c", 1, 0.2))
    found = proven(plan(topology, demands(("a", "c", 1)), one_class({"latency_bound_ms": 0.3})))
    assert values(found)[0] == 1


def test_a_hop_bound_leaves_only_the_direct_link() -> None:
    topology = network(cable("a-d", 3, 9.0), cable("a-b", 10, 1.0), cable("b-d", 10, 1.0))
    found = proven(plan(topology, demands(("a", "d", 25)), one_class({"hop_bound": 1})))
    assert flows(found) == pytest.approx({"a>d": 3})


@pytest.mark.parametrize(
    ("rules", "facts"),
    [
        ({"avoid": {"nodes": ["b"]}}, {}),
        ({"avoid": {"links": ["a>b"]}}, {}),
        ({"avoid": {"regions": ["west"]}}, {}),
        ({"avoid": {"admin_groups": ["internet"]}}, {"admin_groups": ("internet",)}),
        ({"avoid": {"srlgs": ["bridge"]}}, {"srlgs": ("tunnel", "bridge")}),
        ({"require": {"nodes": ["c"]}}, {}),
        ({"require": {"links": ["c>d"]}}, {}),
    ],
)
def test_rules_that_close_the_way_over_b(rules: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    found = proven(plan(marked_diamond(**facts), demands(("a", "d", 40)), one_class(rules)))
    assert flows(found) == pytest.approx({"a>c c>d": 30})


@pytest.mark.parametrize(
    ("rules", "facts"),
    [
        ({"require": {"encrypted": True}}, {"encrypted": True}),
        ({"require": {"admin_groups": ["mpls"]}}, {"admin_groups": ("mpls", "leased")}),
    ],
)
def test_rules_that_only_the_links_over_b_keep(rules: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    found = proven(plan(marked_diamond(**facts), demands(("a", "d", 40)), one_class(rules)))
    assert flows(found) == pytest.approx({"a>b b>d": 10})


def test_required_nodes_are_passed_in_whatever_order_is_cheapest_and_without_turning_back() -> None:
    """From a to d past b and c: the only simple way is a-b-c-d, over the link between them."""
    topology = network(cable("a-b", 10), cable("b-c", 4), cable("c-d", 10), cable("b-d", 10))
    found = proven(plan(topology, demands(("a", "d", 9)), one_class({"require": {"nodes": ["c", "b"]}})))
    assert flows(found) == pytest.approx({"a>b b>c c>d": 4})


@pytest.mark.parametrize("rules", [{"avoid": {"nodes": ["b"]}}, {"avoid": {"regions": ["west"]}}])
def test_an_avoided_node_may_still_send_and_receive(rules: Mapping[str, Any]) -> None:
    found = proven(plan(marked_diamond(), demands(("a", "b", 3), ("b", "d", 4)), one_class(rules)))
    assert admitted(found) == pytest.approx({"gold a -> b": 3, "gold b -> d": 4})


@pytest.mark.parametrize("fact", [{"transit": False}, {"drained": True}])
def test_a_closed_node_is_not_passed_but_may_be_reached(fact: Mapping[str, Any]) -> None:
    topology = network(
        cable("a-b", 10), cable("b-d", 10), cable("a-c", 30), cable("c-d", 30), nodes={"b": fact}
    )  # fmt: skip
    found = proven(plan(topology, demands(("a", "d", 40), ("a", "b", 40), ("b", "d", 2)), model()))
    assert admitted(found) == pytest.approx({"default a -> d": 18, "default a -> b": 20, "default b -> d": 2}, abs=12)
    assert values(found) == pytest.approx([42])
    assert all("a>b b>d" not in flows(found, k) for k in range(3))


def test_drained_and_empty_links_carry_nothing() -> None:
    topology = network(
        link("a>b", 5, id="empty"), link("a>b", 7, id="drained", drained=True), link("a>b", 0, id="zero")
    )
    found = proven(plan(topology, demands(("a", "b", 20)), model()))
    assert flows(found) == {"empty": 5}


def test_parallel_links_are_separate_paths() -> None:
    topology = network(link("a>b", 5, 1.0, id="first"), link("a>b", 7, 1.0, id="second"))
    assert flows(proven(plan(topology, demands(("a", "b", 20)), model()))) == pytest.approx({"first": 5, "second": 7})
    assert values(proven(plan(topology, demands(("a", "b", 6)), carry_all(MLU)))) == pytest.approx([0.5])


def test_one_way_links_carry_nothing_back() -> None:
    topology = network(link("a>b", 5), link("b>c", 5), link("c>a", 2))
    found = proven(plan(topology, demands(("a", "b", 9), ("b", "a", 9)), model()))
    assert admitted(found) == pytest.approx({"default a -> b": 5, "default b -> a": 2})


def test_the_models_utilization_limit_keeps_a_share_of_each_link_free() -> None:
    found = proven(plan(diamond(), demands(("a", "d", 99)), model(utilization_limit=0.5)))
    assert flows(found) == pytest.approx({"a>b b>d": 5, "a>c c>d": 15})


def test_a_classs_utilization_limit_binds_that_class_alone() -> None:
    classes = [{"name": "gold", "utilization_limit": 0.5}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "d", 99, GOLD), ("a", "d", 99, BULK))
    found = proven(plan(diamond(), asked, model(classes=classes)))
    assert admitted(found) == pytest.approx({"gold a -> d": 20, "bulk a -> d": 20})


def test_growth_leaves_room_under_a_classs_limit_too() -> None:
    """Over b gold may fill 5, over c 15: 2 Gbit/s could grow tenfold, and short paths must not take that away."""
    stages = [{"kind": "concurrent"}, {"kind": "admitted"}, {"kind": "latency"}]
    found = proven(plan(diamond(), demands(("a", "d", 2, GOLD)), one_class({"utilization_limit": 0.5}, stages)))
    assert values(found) == pytest.approx([10, 2, 0.5 * 4 + 1.5 * 10])


def test_growth_under_load_of_a_higher_class_is_growth_of_what_is_left() -> None:
    """Gold leaves 6 of 10 free; 2 of bulk can grow to 3 times that, on a link more than a third full already."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "b", 4, GOLD), ("a", "b", 2, BULK))
    stages = [{"kind": "concurrent"}, {"kind": "admitted"}]
    found = plan(network(cable("a-b", 10)), asked, model(stages, classes=classes, coupling="sequential"))
    assert values(proven(found)) == pytest.approx([2.5, 4, 3, 2])


def test_a_class_without_demands_takes_no_part() -> None:
    """Its limit does not hold anybody back, and it has no stage."""
    classes = [{"name": "gold", "utilization_limit": 0.1}, {"name": "bulk", "priority": 2}]
    found = proven(plan(diamond(), demands(("a", "d", 8, BULK)), model(classes=classes)))
    assert values(found) == [8]
    assert [c.stage for c in found.certificates] == ["admitted[2]"]


def test_a_demand_nobody_can_serve_is_an_error_that_names_it() -> None:
    topology = network(cable("a-b", 1), nodes={"z": {}})
    with pytest.raises(InputError, match=r"demands\.csv:2: default a -> z: no path joins the two nodes"):
        plan(topology, demands(("a", "b", 1), ("a", "z", 1)), model())


def test_a_demand_its_policy_shuts_out_says_so() -> None:
    with pytest.raises(InputError, match=r"gold a -> d: no path satisfies the class's policy.*unroutable: drop"):
        plan(diamond(), demands(("a", "d", 1, GOLD)), one_class({"latency_bound_ms": 1}))


def test_what_cannot_be_served_is_dropped_aloud_where_the_model_says_so() -> None:
    topology = network(cable("a-b", 1), nodes={"z": {}})
    with pytest.warns(InputWarning, match=r"default a -> z: no path joins .*dropped, 3 Gbit/s"):
        found = plan(topology, demands(("a", "z", 3), ("a", "b", 1)), model(unroutable="drop"))
    assert admitted(proven(found)) == {"default a -> b": 1}
    assert [owner.tolist() for owner in found.instance.demand_commodity] == [[-1, 0]]


def test_nothing_left_to_carry_is_a_plan_without_stages() -> None:
    topology = network(cable("a-b", 1), nodes={"z": {}})
    with pytest.warns(InputWarning, match="dropped"):
        found = plan(topology, demands(("a", "z", 3)), model([{"kind": "concurrent"}], unroutable="drop"))
    assert (len(found.paths), found.certificates) == (0, ())
    assert check_plan(found).ok


def test_a_demand_of_zero_is_no_demand() -> None:
    """Not even where no path serves it."""
    topology = network(cable("a-b", 1), nodes={"z": {}})
    found = proven(plan(topology, demands(("a", "z", 0), ("a", "b", 1)), model()))
    assert admitted(found) == {"default a -> b": 1}


def test_demands_of_the_same_pair_and_class_share_alike() -> None:
    found = proven(plan(network(cable("a-b", 6)), demands(("a", "b", 3), ("a", "b", 9)), model()))
    assert found.instance.n_commodities == 1
    assert found.admitted_share.tolist() == [0.5]


def test_tenants_are_kept_apart() -> None:
    asked = demands(("a", "b", 4, {"tenant": "acme"}), ("a", "b", 4, {"tenant": "zeta"}), ("a", "b", 4))
    found = proven(plan(network(cable("a-b", 12)), asked, model()))
    assert admitted(found) == {"default a -> b": 4, "default a -> b (acme)": 4, "default a -> b (zeta)": 4}


def test_demands_that_do_not_fit_are_an_error_that_names_the_link_and_the_demands() -> None:
    topology = network(cable("a-b", 30), cable("b-c", 10), cable("c-d", 30))
    with pytest.raises(InfeasibleError) as caught:
        plan(topology, demands(("a", "d", 12), ("b", "c", 8)), carry_all(MLU, capacity="hard"))
    assert caught.value.clashes == (
        "all would fit with limits 2 times as large, or with all demands times 0.5",
        "limit: link b>c with 10 Gbit/s",
        "demand: default a -> d with 12 Gbit/s",
        "demand: default b -> c with 8 Gbit/s",
    )


def test_a_class_limit_too_small_for_the_class_is_infeasible_even_on_soft_links() -> None:
    policy = carry_all(MLU, classes=[{"name": "gold", "utilization_limit": 0.5}])
    with pytest.raises(InfeasibleError, match=r"1\.25 times the allowed"):
        plan(diamond(), demands(("a", "d", 25, GOLD)), policy)


def test_a_class_limit_that_can_be_kept_is_kept_however_full_that_makes_other_links() -> None:
    """Gold may put 5 on the wide link; the sixth Gbit/s joins bulk on the narrow one, which then carries 11 of 2."""
    topology = network(link("a>b", 10, id="wide"), link("a>b", 2, id="narrow"))
    classes = [{"name": "gold", "utilization_limit": 0.5}, {"name": "bulk", "avoid": {"links": ["wide"]}}]
    found = proven(plan(topology, demands(("a", "b", 6, GOLD), ("a", "b", 10, BULK)), carry_all(MLU, classes=classes)))
    assert_optimum(found, 5.5)
    assert flows(found) == pytest.approx({"wide": 5, "narrow": 1})


def test_requiring_what_is_avoided_is_an_error() -> None:
    with pytest.raises(InputError, match="both requires and avoids 'b'"):
        plan(diamond(), demands(("a", "d", 1)), one_class({"avoid": {"nodes": ["b"]}, "require": {"nodes": ["b"]}}))


@pytest.mark.parametrize(("rule", "kind"), [("require", "nodes"), ("require", "links"), ("avoid", "nodes")])
def test_a_rule_about_something_unknown_is_an_error(rule: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"{rule}.{kind}: the topology has no 'x9'"):
        plan(diamond(), demands(("a", "d", 1)), one_class({rule: {kind: ["x9"]}}))


def test_the_stages_trade_off_only_what_the_tolerance_allows() -> None:
    """MLU alone: 20 of 40, so 5 over b and 15 over c. With a tenth more, 5.5 may take the short way."""
    stages = [{"kind": "max_utilization", "tolerance": 0.1}, {"kind": "latency"}]
    found = plan(diamond(), demands(("a", "d", 20)), carry_all(stages))
    assert check_plan(found).findings == ()
    assert flows(found) == pytest.approx({"a>b b>d": 5.5, "a>c c>d": 14.5})
    assert values(found) == pytest.approx([0.55, 5.5 * 4 + 14.5 * 10])
    assert bounds(found) == pytest.approx([0.5, 5.5 * 4 + 14.5 * 10])
