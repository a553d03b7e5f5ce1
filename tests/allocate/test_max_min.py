"""Max-min fair volumes: toys by hand, and random questions against the textbook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fair_oracle import Asked, Textbook, all_pairs, no_one_can_be_raised
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from toys import admitted, cable, demands, diamond, link, model, network, of_class, plan

from vbte.allocate import max_min
from vbte.plan import Fairness, Plan, Reason
from vbte.policy import PlanningModel
from vbte.proof import check_plan
from vbte.solve import Deadline
from vbte.topology import Topology
from vbte.write.plan_file import plan_bytes

MAX_MIN = [{"kind": "max_min"}]
KINKED = [{"fair_share": 1, "gbps": 4}, {"fair_share": 3, "gbps": 4}, {"fair_share": 5, "gbps": 8}]

#: b-c is wide: whoever crosses a-b is stopped by it, b -> c is not.
LINE = network(cable("a-b", 10), cable("b-c", 20))
THREE = demands(("a", "b", 100), ("a", "c", 100), ("b", "c", 100))


def proven(found: Plan) -> Plan:
    assert check_plan(found).findings == ()
    assert found.termination.reason is Reason.OPTIMAL
    return found


def fairness(found: Plan, certificate: int = 0) -> Fairness:
    kept = found.certificates[certificate].fairness
    assert kept is not None
    return kept


def volumes(found: Plan) -> dict[str, float]:
    return {name: round(volume, 4) for name, volume in admitted(found).items()}


def fair(**stage: Any) -> list[dict[str, Any]]:
    return [{"kind": "max_min", **stage}]


def test_a_parking_lot_shares_the_first_link_and_the_rest_of_the_second() -> None:
    found = proven(plan(LINE, THREE, model(MAX_MIN)))
    assert volumes(found) == {"default a -> b": 5, "default a -> c": 5, "default b -> c": 15}
    assert [(level.level, level.bound) for level in fairness(found).levels] == [
        (pytest.approx(5), pytest.approx(5)), (pytest.approx(15), pytest.approx(15)),
    ]  # fmt: skip


def test_who_sits_at_the_level_without_being_saturated_goes_on() -> None:
    """At level 5 all three have 5 Gbit/s, and only two of them cross the full link."""
    first = fairness(plan(LINE, THREE, model(MAX_MIN))).levels[0]
    assert first.commodities.tolist() == [0, 1]


def test_twice_the_weight_is_twice_the_volume() -> None:
    classes = [{"name": "gold", "weight": 2}, {"name": "bulk"}]
    asked = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    found = proven(plan(network(cable("a-b", 9)), asked, model(MAX_MIN, classes=classes)))
    assert volumes(found) == {"gold a -> b": 6, "bulk a -> b": 3}
    assert found.certificates[0].value == pytest.approx(3)


def test_who_asks_for_less_than_its_share_leaves_the_rest_to_the_others() -> None:
    found = proven(plan(network(cable("a-b", 10)), demands(("a", "b", 2), ("a", "b", 9, {"tenant": "acme"})),
                        model(MAX_MIN)))  # fmt: skip
    assert volumes(found) == {"default a -> b": 2, "default a -> b (acme)": 8}
    assert fairness(found).levels[0].commodities.tolist() == [1]


def test_by_demand_everybody_gets_the_same_share_of_what_it_asks_for() -> None:
    asked = demands(("a", "b", 5), ("a", "b", 15, {"tenant": "acme"}))
    found = proven(plan(network(cable("a-b", 10)), asked, model(fair(fair_by="demand"))))
    assert volumes(found) == {"default a -> b": 2.5, "default a -> b (acme)": 7.5}
    assert found.certificates[0].value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("capacity", "gold", "bulk"),
    [(2.5, 2, 0.5), (6, 4, 2), (6.5, 4, 2.5), (10, 6, 4), (30, 8, 22)],
    ids=["first slope", "flat", "still flat", "second slope", "behind the last point"],
)
def test_a_bandwidth_function_with_a_flat_stretch(capacity: float, gold: float, bulk: float) -> None:
    """Gold: 4 Gbit/s up to level 1, nothing more up to 3, then 2 a level up to 8; bulk: 1 Gbit/s a level."""
    classes = [{"name": "gold", "bandwidth_function": KINKED}, {"name": "bulk"}]
    asked = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    found = proven(plan(network(cable("a-b", capacity)), asked, model(MAX_MIN, classes=classes)))
    assert volumes(found) == {"gold a -> b": gold, "bulk a -> b": bulk}


def test_a_function_of_the_demand_itself_and_one_that_starts_late() -> None:
    """At level 1 gold has half of 8; bulk starts at level 1 only. 6 Gbit/s: gold 4 + 1, bulk 1, both at level 1.25."""
    classes = [
        {"name": "gold", "bandwidth_function": [{"fair_share": 2, "demand_share": 1}]},
        {"name": "bulk", "bandwidth_function": [{"fair_share": 1, "gbps": 0}, {"fair_share": 2, "gbps": 4}]},
    ]
    asked = demands(("a", "b", 8, of_class("gold")), ("a", "b", 9, of_class("bulk")))
    found = proven(plan(network(cable("a-b", 6)), asked, model(MAX_MIN, classes=classes)))
    assert volumes(found) == {"gold a -> b": 5, "bulk a -> b": 1}
    assert found.certificates[0].value == pytest.approx(1.25)


def test_a_later_stage_fills_what_a_function_leaves() -> None:
    classes = [{"name": "gold", "bandwidth_function": [{"fair_share": 1, "gbps": 4}]}]
    stages = [*MAX_MIN, {"kind": "admitted"}]
    found = proven(plan(network(cable("a-b", 10)), demands(("a", "b", 9)), model(stages, classes=classes)))
    assert volumes(found) == {"gold a -> b": 9}


def test_a_lower_priority_never_takes_from_a_higher_one() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    asked = demands(
        ("a", "b", 7, of_class("gold")), ("a", "c", 100, of_class("bulk")), ("b", "c", 100, of_class("bulk"))
    )
    found = proven(plan(LINE, asked, model(MAX_MIN, classes=classes)))
    assert volumes(found) == {"gold a -> b": 7, "bulk a -> c": 3, "bulk b -> c": 17}
    assert [c.stage for c in found.certificates] == ["max_min[1]", "max_min[2]"]


def test_a_higher_priority_makes_room_on_the_detour_unless_it_is_planned_first() -> None:
    """Gold may go over b or c, bulk over b alone. Planned first, on the shortest way, gold stays over b."""
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2, "avoid": {"nodes": ["c"]}}]
    asked = demands(("a", "d", 10, of_class("gold")), ("a", "d", 10, of_class("bulk")))
    stages = [*MAX_MIN, {"kind": "latency"}]
    joint = proven(plan(diamond(), asked, model(stages, classes=classes)))
    first = proven(plan(diamond(), asked, model(stages, classes=classes, coupling="sequential")))
    assert volumes(joint) == {"gold a -> d": 10, "bulk a -> d": 10}
    assert volumes(first) == {"gold a -> d": 10, "bulk a -> d": 0}


def test_a_class_limit_stops_its_class_alone() -> None:
    classes = [{"name": "gold", "utilization_limit": 0.3}, {"name": "bulk"}]
    asked = demands(("a", "b", 100, of_class("gold")), ("a", "b", 100, of_class("bulk")))
    found = proven(plan(network(cable("a-b", 10)), asked, model(MAX_MIN, classes=classes)))
    assert volumes(found) == {"gold a -> b": 3, "bulk a -> b": 7}


def test_all_in_full_needs_no_level() -> None:
    found = proven(plan(LINE, demands(("a", "b", 3), ("b", "c", 4)), model(MAX_MIN)))
    assert (fairness(found).levels, fairness(found).factor) == ((), 1.0)
    assert (found.certificates[0].value, found.certificates[0].bound) == (4, 4)


def test_path_bounds_give_path_columns_and_the_same_fairness() -> None:
    classes = [{"name": "gold", "latency_bound_ms": 5}, {"name": "bulk", "latency_bound_ms": 50}]
    asked = demands(("a", "d", 100, of_class("gold")), ("a", "d", 100, of_class("bulk")))
    found = proven(plan(diamond(), asked, model(MAX_MIN, classes=classes)))
    assert set(found.engine.forms.values()) == {"path columns by generation"}
    assert volumes(found) == {"gold a -> d": 10, "bulk a -> d": 30}


def test_several_matrices_share_by_their_peaks() -> None:
    """The link is full at noon, when both ask for all they ever do."""
    noon = demands(("a", "b", 8), ("a", "b", 8, {"tenant": "acme"}))
    night = demands(("a", "b", 4), ("a", "b", 8, {"tenant": "acme"}))
    found = proven(plan(network(cable("a-b", 10)), [noon, night], model(MAX_MIN)))
    assert found.admitted_gbps.tolist() == [pytest.approx([5, 5]), pytest.approx([2.5, 5])]


def test_later_stages_hold_every_volume() -> None:
    stages = [*MAX_MIN, {"kind": "max_utilization"}, {"kind": "latency"}]
    alone, held = (plan(diamond(), demands(("a", "d", 60), ("a", "b", 5)), model(s)) for s in (MAX_MIN, stages))
    assert volumes(proven(held)) == volumes(proven(alone))


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_every_solver_gives_the_same_volumes(solver: str) -> None:
    found = plan(GRID, ACROSS, model(MAX_MIN), solver=solver)
    assert check_plan(found).findings == ()
    assert admitted(found) == pytest.approx(admitted(plan(GRID, ACROSS, model(MAX_MIN))), rel=1e-5)


#: Two rows of three, links of different widths: several levels.
GRID = network(cable("a-b", 5), cable("b-c", 7), cable("d-e", 3), cable("e-f", 11), cable("a-d", 4), cable("b-e", 6),
               cable("c-f", 2))  # fmt: skip
ACROSS = demands(*[(*pair, 6.0 + i % 5) for i, pair in enumerate(all_pairs("abcdef"))])


def test_two_runs_give_the_same_bytes() -> None:
    once, again = (plan_bytes(plan(GRID, ACROSS, model([*MAX_MIN, {"kind": "latency"}]))) for _ in range(2))
    assert once == again


def textbook(topology: Topology, found: Plan, at: dict[int, Any]) -> Textbook:
    """The same question for the textbook; ``at`` has the volume at a level for commodities with one of their own."""
    question, nodes = found.instance, topology.nodes
    return Textbook(topology, [
        Asked(nodes[question.source[k]].id, nodes[question.destination[k]].id, float(question.peak_gbps[k]),
              at.get(k, lambda level: level))
        for k in range(question.n_commodities)
    ])  # fmt: skip


@pytest.mark.parametrize("ratio", [1.02, 1.1, 1.5])
def test_raised_by_a_ratio_everybody_is_as_fair_as_the_certificate_says(ratio: float) -> None:
    found = plan(GRID, ACROSS, model(fair(level_ratio=ratio)))
    assert check_plan(found).findings == ()
    gap, factor = found.certificates[0].gap, fairness(found).factor
    assert gap is not None
    assert factor is not None
    assert factor <= ratio * (1 + 1e-6)
    assert gap == pytest.approx(1 - 1 / factor)
    for level in fairness(found).levels:
        assert level.bound is not None
        assert level.bound <= level.level * ratio * (1 + 1e-6)


@pytest.mark.parametrize("ratio", [1.02, 1.5])
def test_what_the_factor_says_holds_for_every_routing(ratio: float) -> None:
    """Tested commodity by commodity with a program over all paths: no price is believed."""
    found = plan(GRID, ACROSS, model(fair(level_ratio=ratio)))
    book, factor = textbook(GRID, found, {}), fairness(found).factor
    volume = fairness(found).volume_gbps
    assert factor is not None
    for k in range(len(volume)):
        least = np.minimum(volume, factor * volume[k])
        assert book.most(least * (1 - 1e-9), k) <= factor * volume[k] * (1 + 1e-6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("form", ["link flows", "path columns"])
def test_random_questions_agree_with_the_textbook(form: str, data: st.DataObject) -> None:
    """Weights, a function with a flat stretch, both forms of the program."""
    width = st.integers(1, 9)
    chords = data.draw(st.lists(st.sampled_from(["a-c", "a-d", "b-d"]), unique=True))
    topology = network(*[cable(ends, data.draw(width)) for ends in ["a-b", "b-c", "c-d", *chords]])
    classes = [
        {"name": "gold", "weight": data.draw(st.sampled_from([1, 2, 3.5]))},
        {"name": "kinked", "bandwidth_function": KINKED},
        {"name": "bulk"},
    ]
    if form == "path columns":
        classes = [{**one, "hop_bound": 9} for one in classes]
    pairs = data.draw(st.lists(st.sampled_from(all_pairs("abcd")), min_size=1, max_size=6))
    rows = [(*pair, float(data.draw(width)), of_class(data.draw(st.sampled_from(["gold", "kinked", "bulk"]))))
            for pair in pairs]  # fmt: skip
    found = plan(topology, demands(*rows), model(MAX_MIN, classes=classes))
    assert check_plan(found).findings == ()
    weight = float(classes[0]["weight"])  # type: ignore[arg-type]
    question = found.instance
    functions = {
        "gold": lambda level: weight * level,
        "kinked": lambda level: float(np.interp(level, [0, 1, 3, 5], [0, 4, 4, 8])),
        "bulk": lambda level: level,
    }
    names = [question.rules[c].policy.name for c in question.class_index]
    book = textbook(topology, found, {k: functions[name] for k, name in enumerate(names)})
    most = [
        min(one.most_gbps, 8.0) if name == "kinked" else one.most_gbps
        for one, name in zip(book.asked, names, strict=True)
    ]
    book.asked = [Asked(one.source, one.destination, top, one.at) for one, top in zip(book.asked, most, strict=True)]
    carried = found.admitted_share * question.peak_gbps
    assert carried == pytest.approx(book.fair_volumes(100.0), rel=1e-5, abs=1e-5)


def test_the_textbook_itself_keeps_the_definition() -> None:
    found = plan(GRID, ACROSS, model(MAX_MIN))
    book = textbook(GRID, found, {})
    fair_volume = book.fair_volumes(20.0)
    assert no_one_can_be_raised(book, fair_volume, fair_volume)
    unfair = fair_volume * np.where(np.arange(len(fair_volume)) == 0, 0.5, 1.0)
    assert not no_one_can_be_raised(book, unfair, unfair)
    assert found.admitted_share * found.instance.peak_gbps == pytest.approx(fair_volume, rel=1e-5)


def test_many_commodities_are_raised_by_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(max_min, "EXACT_COMMODITIES", 10)
    assert (fairness(plan(GRID, ACROSS, model(MAX_MIN))).factor or 0) > 1 + 1e-6


def test_a_stopped_run_claims_no_fairness() -> None:
    found = plan(LINE, THREE, model(MAX_MIN), deadline=Deadline(seconds=0.0))
    assert check_plan(found).findings == ()
    assert (fairness(found).factor, found.certificates[0].gap) == (None, None)
    assert found.termination.reason is Reason.FEASIBLE


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"classes": [{"name": "gold", "max_paths": 2}]}, "class 'gold': max_paths and splits other than free"),
        ({"classes": [{"name": "gold", "split": "single_path"}]}, "need integers"),
        ({"stages": [{"kind": "admitted"}, {"kind": "max_min"}]}, "has to be the first"),
        ({"candidate_paths": {"kind": "k_shortest"}}, "proves who is stopped over all paths"),
        ({"stages": [{"kind": "admitted", "level_ratio": 1.1}]}, "go with kind: max_min"),
        ({"stages": [{"kind": "max_min", "level_ratio": 0.9}]}, "greater than or equal to 1"),
        ({"admission": "all"}, "need admission: partial"),
        ({"stages": [{"kind": "admitted"}], "classes": [{"name": "g", "bandwidth_function": KINKED}]}, "a max_min"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(keys: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        PlanningModel.model_validate({"name": "toy", "stages": MAX_MIN, **keys})


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([], "at least 1 item"),
        ([{"fair_share": 1}], "either gbps or demand_share"),
        ([{"fair_share": 1, "gbps": 1, "demand_share": 0.5}], "either gbps or demand_share"),
        ([{"fair_share": 1, "gbps": 1}, {"fair_share": 2, "demand_share": 0.5}], "all state demand_share"),
        ([{"fair_share": 1, "gbps": 1}, {"fair_share": 1, "gbps": 2}], "it has to grow"),
        ([{"fair_share": 1, "gbps": 2}, {"fair_share": 2, "gbps": 1}], "falls from 2 to 1"),
        ([{"fair_share": 0, "gbps": 2}], "at fair_share 0"),
        ([{"fair_share": 1, "gbps": 0}], "never rises"),
        ([{"fair_share": 1, "gbps": float("nan")}], "finite"),
    ],
)  # fmt: skip
def test_a_bandwidth_function_that_is_none_is_an_error_at_its_place(points: list[Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault) as caught:
        model(MAX_MIN, classes=[{"name": "gold", "bandwidth_function": points}])
    assert caught.value.errors()[0]["loc"][:3] == ("classes", 0, "bandwidth_function")


@pytest.mark.parametrize("coupling", ["joint", "sequential"])
def test_a_tolerance_lets_later_stages_take_as_much_and_no_more(coupling: str) -> None:
    classes = [{"name": "gold", "bandwidth_function": KINKED}, {"name": "bulk", "priority": 2}]
    asked = demands(*[(*pair, 6.0, of_class("gold" if i % 2 else "bulk")) for i, pair in enumerate(all_pairs("abcd"))])
    topology = network(cable("a-b", 5), cable("b-c", 7), cable("c-d", 3), cable("a-d", 4))
    stages = [{"kind": "max_min", "tolerance": 0.3}, {"kind": "latency"}]
    found = plan(topology, asked, model(stages, classes=classes, coupling=coupling))
    assert check_plan(found).findings == ()
    for certificate in found.certificates:
        if certificate.fairness is not None:
            mine = found.instance.priority == certificate.priority
            carried = (found.admitted_share * found.instance.peak_gbps)[mine]
            assert (carried >= 0.7 * certificate.fairness.volume_gbps * (1 - 1e-6)).all()
            assert carried.sum() < certificate.fairness.volume_gbps.sum()


def test_parallel_links_are_two_ways() -> None:
    topology = network(link("a>b", 3, id="one"), link("a>b", 4, id="two"))
    found = proven(plan(topology, demands(("a", "b", 9), ("a", "b", 9, {"tenant": "acme"})), model(MAX_MIN)))
    assert volumes(found) == {"default a -> b": 3.5, "default a -> b (acme)": 3.5}
