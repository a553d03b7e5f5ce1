"""Which class a demand belongs to: what it names, the first rule that matches, or the fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from toys import demands, model, of_class

from vbte.classify import classify
from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.policy import PlanningModel


def classes(*rules: Mapping[str, Any] | None, **keys: Any) -> PlanningModel:
    """Classes c1, c2, ... with priorities 1, 2, ... and one rule each, or none."""
    listed = [
        {"name": f"c{at}", "priority": at, "match": [rule] if rule else []} for at, rule in enumerate(rules, start=1)
    ]
    return model(classes=listed, **keys)


def one_each(*attributes: Mapping[str, str]) -> DemandMatrix:
    """One demand of 1 Gbit/s for each set of attributes."""
    return demands(*(("a", "b", 1.0, stated) for stated in attributes))


def class_of(planning_model: PlanningModel, **attributes: str) -> str:
    found = classify(one_each(attributes), planning_model)
    return planning_model.classes[found.class_index[0]].name


@pytest.mark.parametrize(
    ("rule", "attributes", "matches"),
    [
        ({"dscp": [46]}, {"dscp": "46"}, True),
        ({"dscp": [46]}, {"dscp": "4"}, False),
        ({"dscp": [46]}, {}, False),
        ({"dscp": [0]}, {"dscp": "0"}, True),
        ({"dscp": [0]}, {}, False),
        ({"dscp": [34, 46]}, {"dscp": "34"}, True),
        ({"vlan": [100]}, {"vlan": "100"}, True),
        ({"vlan": [100]}, {"vlan": "10"}, False),
        ({"application": ["voice"]}, {"application": "voice"}, True),
        ({"application": ["voice"]}, {"application": "Voice"}, False),
        ({"tenant": ["red", "blue"]}, {"tenant": "blue"}, True),
        ({"tenant": ["red"]}, {"tenant": "green"}, False),
        ({"tags": ["backup"]}, {"tags": "night;backup"}, True),
        ({"tags": ["backup", "night"]}, {"tags": "night;backup;x"}, True),
        ({"tags": ["backup", "night"]}, {"tags": "backup"}, False),
        ({"tags": ["back"]}, {"tags": "backup"}, False),
        ({"tags": ["backup"]}, {}, False),
        ({"dscp": [46], "vlan": [7]}, {"dscp": "46", "vlan": "7"}, True),
        ({"dscp": [46], "vlan": [7]}, {"dscp": "46", "vlan": "8"}, False),
        ({"dscp": [46], "vlan": [7]}, {"dscp": "46"}, False),
        ({"source_prefix": ["10.0.0.0/8"]}, {"source_prefix": "10.1.0.0/16"}, True),
        ({"source_prefix": ["10.0.0.0/8"]}, {"source_prefix": "10.0.0.0/8"}, True),
        ({"source_prefix": ["10.1.0.0/16"]}, {"source_prefix": "10.0.0.0/8"}, False),
        ({"source_prefix": ["10.0.0.0/8"]}, {"source_prefix": "11.0.0.0/16"}, False),
        ({"source_prefix": ["10.0.0.0/8"]}, {"destination_prefix": "10.1.0.0/16"}, False),
        ({"source_prefix": ["10.0.0.0/8"]}, {}, False),
        ({"source_prefix": ["10.0.0.0/8"]}, {"source_prefix": "10.1.2.3"}, True),
        ({"destination_prefix": ["2001:db8::/32"]}, {"destination_prefix": "2001:db8:1::/48"}, True),
        ({"destination_prefix": ["2001:db8::/32"]}, {"destination_prefix": "2001:db9::/48"}, False),
        ({"destination_prefix": ["::/0"]}, {"destination_prefix": "10.0.0.0/8"}, False),
        ({"destination_prefix": ["0.0.0.0/0"]}, {"destination_prefix": "2001:db8::/32"}, False),
        ({"destination_prefix": ["10.0.0.0/8", "::/0"]}, {"destination_prefix": "2001:db8::/32"}, True),
    ],
)
def test_a_rule_matches_when_every_condition_it_states_holds(rule, attributes, matches):
    assert class_of(classes(rule, None), **attributes) == ("c1" if matches else "c2")


def test_a_class_matches_when_any_of_its_rules_does():
    planning_model = model(
        classes=[
            {"name": "gold", "match": [{"dscp": [46]}, {"tenant": ["red"]}]},
            {"name": "rest", "priority": 2},
        ]
    )
    assert class_of(planning_model, tenant="red") == "gold"
    assert class_of(planning_model, dscp="46", tenant="blue") == "gold"
    assert class_of(planning_model, tenant="blue") == "rest"


def test_of_two_classes_that_match_the_first_in_the_model_wins_whatever_its_priority():
    planning_model = model(
        classes=[
            {"name": "late", "priority": 9, "match": [{"dscp": [46]}]},
            {"name": "early", "priority": 1, "match": [{"dscp": [46]}]},
        ]
    )
    assert class_of(planning_model, dscp="46") == "late"


def test_a_class_that_a_demand_names_wins_over_every_rule():
    planning_model = classes({"dscp": [46]}, {"dscp": [0]}, None)
    assert class_of(planning_model, dscp="46", **{"class": "c2"}) == "c2"
    assert class_of(planning_model, dscp="46", **{"class": "c3"}) == "c3"


def test_an_unknown_class_is_an_error_at_the_demands_line_that_lists_the_classes():
    with pytest.raises(InputError) as caught:
        classify(one_each({"dscp": "46"}, of_class("c1"), of_class("gold")), classes({"dscp": [46]}, None))
    assert str(caught.value) == "demands.csv:3: demand names class 'gold'; model 'toy' has c1, c2"


def test_a_model_of_one_class_takes_demands_of_any_class():
    found = classify(one_each(of_class("gold"), of_class("silver"), {}), model())
    assert found.class_index.tolist() == [0, 0, 0]
    assert found.unmatched_gbps == 0
    assert found.fallback_class == "default"


def test_what_matches_nothing_goes_to_the_lowest_priority_and_is_counted():
    planning_model = classes({"dscp": [46]}, None, {"dscp": [0]})
    matrix = demands(("a", "b", 1.0, {"dscp": "46"}), ("a", "b", 2.0, {"dscp": "9"}), ("b", "a", 4.0))
    found = classify(matrix, planning_model)
    assert found.class_index.tolist() == [0, 2, 2]
    assert found.fallback_class == "c3"
    assert found.unmatched_gbps == 6


def test_the_default_class_takes_what_matches_nothing_where_the_model_states_one():
    found = classify(one_each({"dscp": "9"}), classes({"dscp": [46]}, None, None, default_class="c2"))
    assert found.class_index.tolist() == [1]
    assert found.fallback_class == "c2"
    assert found.unmatched_gbps == 1


def test_naming_or_matching_the_fallback_class_is_not_unmatched():
    planning_model = classes({"dscp": [46]}, {"dscp": [0]})
    assert classify(one_each({"dscp": "0"}, of_class("c2")), planning_model).unmatched_gbps == 0


def test_demands_without_attributes_all_go_to_the_fallback():
    found = classify(demands(("a", "b", 1.0), ("b", "a", 2.0)), classes({"dscp": [46]}, None))
    assert found.class_index.tolist() == [1, 1]
    assert found.unmatched_gbps == 3


def test_a_class_of_its_own_with_rules_still_counts_what_does_not_match():
    found = classify(demands(("a", "b", 1.0, {"dscp": "46"}), ("b", "a", 2.0)), classes({"dscp": [46]}))
    assert found.class_index.tolist() == [0, 0]
    assert found.unmatched_gbps == 2


def test_a_matrix_without_demands_is_classified():
    found = classify(demands(), classes({"dscp": [46]}, None))
    assert found.class_index.tolist() == []
    assert found.unmatched_gbps == 0


def test_equal_combinations_of_attributes_get_the_class_a_single_one_gets():
    planning_model = classes({"dscp": [46], "tenant": ["red"]}, {"tenant": ["red"]}, None)
    rows = [{"dscp": dscp, "tenant": tenant} for dscp in ("46", "0", "") for tenant in ("red", "blue", "")] * 3
    found = classify(one_each(*rows), planning_model)
    alone = [int(classify(one_each(row), planning_model).class_index[0]) for row in rows]
    assert found.class_index.tolist() == alone
    assert found.class_index.dtype == np.int32


@pytest.mark.parametrize(
    "rule",
    [{}, {"dscp": [64]}, {"dscp": [-1]}, {"vlan": [4096]}, {"source_prefix": ["10.0.0.1/8"]}, {"source_prefix": ["x"]}],
)
def test_a_rule_that_could_never_match_is_refused(rule):
    with pytest.raises(ValueError):
        model(classes=[{"name": "c1", "match": [rule]}])
