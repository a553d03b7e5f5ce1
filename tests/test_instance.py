"""The question in arrays: demands merged into commodities, policies resolved to masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, demands, diamond, instance, link, model, network, of_class

from vbte.errors import InputError, InputWarning
from vbte.instance import ClassRules, Instance, build_instance, commodity_positions, without_commodities
from vbte.topology import Topology

GOLD_AND_REST = model(classes=[{"name": "gold", "priority": 1, "weight": 3}, {"name": "rest", "priority": 2}])


def volumes(question: Instance, matrix: int = 0) -> dict[str, float]:
    return {question.describe(k): float(question.volume_gbps[matrix, k]) for k in range(question.n_commodities)}


def test_demands_of_one_pair_and_class_are_one_commodity():
    question = instance(diamond(), demands(("a", "d", 1.0), ("d", "a", 5.0), ("a", "d", 2.0)), model())
    assert volumes(question) == {"default a -> d": 3, "default d -> a": 5}
    assert question.demand_commodity[0].tolist() == [0, 1, 0]


def test_classes_and_tenants_keep_demands_of_a_pair_apart():
    rows = demands(
        ("a", "d", 1.0, of_class("gold", tenant="red")),
        ("a", "d", 2.0, of_class("gold", tenant="blue")),
        ("a", "d", 4.0, of_class("rest")),
        ("a", "d", 8.0, of_class("gold", tenant="red")),
    )
    question = instance(diamond(), rows, GOLD_AND_REST)
    assert volumes(question) == {"gold a -> d (blue)": 2, "gold a -> d (red)": 9, "rest a -> d": 4}
    assert question.tenants == ("", "blue", "red")
    assert question.demand_commodity[0].tolist() == [1, 0, 2, 1]


def test_commodities_are_sorted_by_class_source_destination_and_tenant():
    rows = demands(
        ("d", "a", 1.0, of_class("rest")),
        ("b", "a", 1.0, of_class("gold")),
        ("a", "d", 1.0, of_class("gold", tenant="x")),
        ("a", "d", 1.0, of_class("gold")),
        ("a", "b", 1.0, of_class("rest")),
    )
    question = instance(diamond(), rows, GOLD_AND_REST)
    assert [question.describe(k) for k in range(5)] == [
        "gold a -> d", "gold a -> d (x)", "gold b -> a", "rest a -> b", "rest d -> a",
    ]  # fmt: skip


def test_priorities_and_weights_come_from_the_class():
    rows = demands(("a", "d", 1.0, of_class("rest")), ("a", "d", 1.0, of_class("gold")))
    question = instance(diamond(), rows, GOLD_AND_REST)
    assert question.priority.tolist() == [1, 2]
    assert question.weight.tolist() == [3, 1]
    assert question.priorities == (1, 2)


def test_several_matrices_give_the_union_with_a_row_each():
    day = demands(("a", "d", 4.0), ("a", "b", 1.0))
    night = demands(("a", "c", 2.0), ("a", "d", 1.0))
    question = instance(diamond(), [day, night], model())
    assert volumes(question, 0) == {"default a -> b": 1, "default a -> c": 0, "default a -> d": 4}
    assert volumes(question, 1) == {"default a -> b": 0, "default a -> c": 2, "default a -> d": 1}
    assert question.peak_gbps.tolist() == [1, 2, 4]
    assert question.load_ratio.tolist() == [[1, 0, 1], [0, 1, 0.25]]
    assert [owner.tolist() for owner in question.demand_commodity] == [[2, 0], [1, 2]]
    assert (question.n_matrices, question.n_commodities) == (2, 3)


def test_matrices_that_list_tenants_apart_share_the_tenants():
    first = demands(("a", "d", 1.0, {"tenant": "red"}))
    second = demands(("a", "d", 2.0), ("a", "d", 3.0, {"tenant": "blue"}))
    question = instance(diamond(), [first, second], model())
    assert question.volume_gbps.tolist() == [[0, 0, 1], [2, 3, 0]]
    assert [question.describe(k) for k in range(3)] == [
        "default a -> d", "default a -> d (blue)", "default a -> d (red)",
    ]  # fmt: skip


def test_a_demand_without_volume_belongs_to_no_commodity():
    question = instance(diamond(), demands(("a", "d", 0.0), ("a", "b", 1.0)), model())
    assert volumes(question) == {"default a -> b": 1}
    assert question.demand_commodity[0].tolist() == [-1, 0]


@pytest.mark.parametrize("rows", [(), (("a", "d", 0.0),)])
def test_without_any_volume_there_are_no_commodities(rows):
    question = instance(diamond(), demands(*rows), GOLD_AND_REST)
    assert question.n_commodities == 0
    assert question.volume_gbps.shape == (1, 0)
    assert question.peak_gbps.shape == (0,)
    assert question.load_ratio.shape == (1, 0)
    assert question.priority.shape == question.weight.shape == (0,)


def test_no_matrix_at_all_is_an_error():
    with pytest.raises(InputError, match="no demand matrix"):
        build_instance(diamond(), [], model())


def test_an_unknown_node_in_any_matrix_is_an_error_at_its_line():
    with pytest.raises(InputError, match=r"^demands\.csv:2: demand a -> q: unknown node 'q'"):
        instance(diamond(), [demands(("a", "d", 1.0)), demands(("a", "d", 1.0), ("a", "q", 1.0))], model())


def test_the_place_of_a_commodity_is_that_of_its_first_demand_in_any_matrix():
    first = demands(("a", "b", 0.0), ("a", "d", 1.0), ("a", "d", 2.0))
    second = demands(("a", "c", 0.0), ("a", "c", 0.0), ("a", "c", 1.0))
    question = instance(diamond(), [first, second], model())
    assert [question.place(k) for k in range(2)] == ["demands.csv:3", "demands.csv:2"]


def test_dropped_commodities_take_their_demands_with_them():
    rows = demands(("a", "b", 1.0), ("a", "c", 2.0), ("a", "d", 4.0), ("a", "c", 8.0), ("b", "a", 0.0))
    question = without_commodities(instance(diamond(), rows, model()), np.array([1]))
    assert volumes(question) == {"default a -> b": 1, "default a -> d": 4}
    assert question.demand_commodity[0].tolist() == [0, -1, 1, -1, -1]
    assert question.place(1) == "demands.csv:3"
    assert question.peak_gbps.tolist() == [1, 4]


def test_dropping_nothing_changes_nothing_and_dropping_all_leaves_none():
    question = instance(diamond(), demands(("a", "b", 1.0), ("a", "c", 2.0)), model())
    assert volumes(without_commodities(question, np.array([], dtype=np.intp))) == volumes(question)
    assert without_commodities(question, np.array([0, 1])).demand_commodity[0].tolist() == [-1, -1]


row = st.tuples(st.sampled_from(["ab", "ad", "da", "cb"]), st.integers(0, 4), st.sampled_from(["gold", "rest"]))


@given(st.lists(st.lists(row, max_size=8), min_size=1, max_size=3))
def test_no_volume_is_lost_or_made_by_merging(listed):
    matrices = [demands(*((ends[0], ends[1], float(v), of_class(c)) for ends, v, c in rows)) for rows in listed]
    question = instance(diamond(), matrices, GOLD_AND_REST)
    for at, matrix in enumerate(matrices):
        assert question.volume_gbps[at].sum() == matrix.total_gbps
        for demand, commodity in enumerate(question.demand_commodity[at].tolist()):
            assert (commodity < 0) == (matrix.volume_gbps[demand] == 0)
            if commodity >= 0:
                assert question.describe(commodity).endswith(matrix.describe(demand))
    assert (question.peak_gbps > 0).all()
    assert question.load_ratio.max(axis=0, initial=1) == pytest.approx(1)


def rules(topology: Topology, **policy: Any) -> ClassRules:
    planning_model = model(classes=[{"name": "gold", **policy}])
    return instance(topology, demands(), planning_model).rules[0]


def allowed(topology: Topology, **policy: Any) -> set[str]:
    mask = rules(topology, **policy).link_allowed
    return {one.id for one, may in zip(topology.links, mask, strict=True) if may}


def passable(topology: Topology, **policy: Any) -> set[str]:
    mask = rules(topology, **policy).transit
    return {node.id for node, may in zip(topology.nodes, mask, strict=True) if may}


NET = network(
    link("a>b", 1, admin_groups=("red",), srlgs=("duct",), encrypted=True),
    link("b>c", 1, admin_groups=("red", "blue")),
    link("a>c", 1, encrypted=True),
    link("c>d", 1, drained=True),
    nodes={"b": {"region": "north"}, "c": {"region": "south"}, "d": {"transit": False}},
)


@pytest.mark.parametrize(
    ("policy", "links"),
    [
        ({}, {"a>b", "b>c", "a>c"}),
        ({"avoid": {"links": ["a>c"]}}, {"a>b", "b>c"}),
        ({"avoid": {"admin_groups": ["blue"]}}, {"a>b", "a>c"}),
        ({"avoid": {"admin_groups": ["red"]}}, {"a>c"}),
        ({"avoid": {"srlgs": ["duct"]}}, {"b>c", "a>c"}),
        ({"require": {"encrypted": True}}, {"a>b", "a>c"}),
        ({"require": {"admin_groups": ["red"]}}, {"a>b", "b>c"}),
        ({"require": {"admin_groups": ["red", "blue"]}}, {"a>b", "b>c"}),
        ({"require": {"admin_groups": ["red"], "encrypted": True}, "avoid": {"srlgs": ["duct"]}}, set()),
        ({"avoid": {"nodes": ["b"]}}, {"a>b", "b>c", "a>c"}),
    ],
)
def test_a_policy_says_which_links_a_class_may_use(policy, links):
    assert allowed(NET, **policy) == links


@pytest.mark.parametrize(
    ("avoid", "nodes"),
    [
        ({}, "abc"),
        ({"nodes": ["b"]}, "ac"),
        ({"regions": ["south"]}, "ab"),
        ({"nodes": ["a"], "regions": ["north"]}, "c"),
    ],
)
def test_a_policy_says_which_nodes_a_class_may_pass(avoid, nodes):
    assert passable(NET, avoid=avoid) == set(nodes)


def test_required_things_become_positions_and_make_admission_a_matter_of_whole_paths():
    resolved = rules(NET, require={"nodes": ["c", "b"], "links": ["b>c"]})
    assert resolved.must_nodes == (2, 1)
    assert resolved.must_links == (1,)
    assert resolved.depends_on_path


@pytest.mark.parametrize(
    ("policy", "depends"),
    [
        ({}, False),
        ({"avoid": {"nodes": ["b"]}, "require": {"encrypted": True}, "utilization_limit": 0.5}, False),
        ({"latency_bound_ms": 5}, True),
        ({"hop_bound": 2}, True),
        ({"require": {"nodes": ["b"]}}, True),
        ({"require": {"links": ["a>b"]}}, True),
    ],
)
def test_bounds_and_required_things_can_only_be_judged_path_by_path(policy, depends):
    assert rules(NET, **policy).depends_on_path is depends


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        ({"avoid": {"nodes": ["q"]}}, "avoid.nodes"),
        ({"avoid": {"links": ["q"]}}, "avoid.links"),
        ({"require": {"nodes": ["q"]}}, "require.nodes"),
        ({"require": {"links": ["q"]}}, "require.links"),
        ({"require": {"admin_groups": ["q"]}}, "require.admin_groups"),
    ],
)
def test_a_name_the_topology_lacks_is_an_error_that_names_model_and_class(policy, what):
    planning_model = model(classes=[{"name": "rest"}, {"name": "gold", **policy}])
    with pytest.raises(InputError) as caught:
        instance(NET, demands(), planning_model)
    where = "model 'toy': classes[1] 'gold'"
    assert str(caught.value) == f"{where}: {what}: the topology has no 'q'; mend the name or the topology"


@pytest.mark.parametrize("kind", ["admin_groups", "srlgs", "regions"])
def test_avoiding_a_group_that_is_nowhere_avoids_nothing(kind):
    with pytest.warns(InputWarning, match="has no 'q', so nothing is avoided"):
        assert allowed(NET, avoid={kind: ["q"]}) == allowed(NET)
    with pytest.warns(InputWarning, match="has no 'q', so nothing is avoided"):
        assert passable(NET, avoid={kind: ["q"]}) == passable(NET)


@pytest.mark.parametrize(
    ("avoid", "require", "name"),
    [
        ({"nodes": ["b"]}, {"nodes": ["b"]}, "b"),
        ({"regions": ["north"]}, {"nodes": ["b"]}, "b"),
        ({"links": ["a>c"]}, {"links": ["a>c"]}, "a>c"),
    ],
)
def test_a_class_that_both_requires_and_avoids_a_thing_is_an_error(avoid, require, name):
    with pytest.raises(InputError) as caught:
        rules(NET, avoid=avoid, require=require)
    fault = f"both requires and avoids {name!r}; drop one of the two"
    assert str(caught.value) == f"model 'toy': class 'gold': {fault}"


def test_a_demand_may_start_and_end_at_a_node_its_class_avoids():
    planning_model = model(classes=[{"name": "gold", "avoid": {"nodes": ["b"]}}])
    question = instance(network(cable("a-b", 1)), demands(("a", "b", 1.0), ("b", "a", 1.0)), planning_model)
    assert question.n_commodities == 2
    assert question.rules[0].link_allowed.all()


some_ids = st.integers(-2, 5)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.sampled_from(["gold", "rest"]),
                       st.sampled_from(["", "red", "blue"])), min_size=1, max_size=8),
    st.lists(st.tuples(some_ids, some_ids, some_ids, some_ids), max_size=8),
)  # fmt: skip
def test_commodities_are_found_by_class_ends_and_tenant_and_nothing_else_is(rows, strangers):
    listed = [(a, b, 1.0, of_class(name, tenant=tenant)) for a, b, name, tenant in rows if a != b]
    question = instance(diamond(), demands(*listed, ("a", "d", 1.0)), GOLD_AND_REST)
    known = {row: at for at, row in enumerate(zip(*(c.tolist() for c in question.commodity_columns), strict=True))}
    wanted = [*known, *strangers]
    columns = list(np.array(wanted, dtype=np.int64).reshape(-1, 4).T)
    assert commodity_positions(question, columns).tolist() == [known.get(row, -1) for row in wanted]
