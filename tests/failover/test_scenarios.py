"""Which scenarios there are, what each takes down, and which are refused."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from failover_toys import ladder
from toys import cable, link, network

from vbte.errors import InputError
from vbte.failover import Family, Part, Scenario, ScenarioSet, during, family, pairs_of
from vbte.scenarios.likely import Component, likely_states, stated_components, unavailability


def down(scenarios: ScenarioSet, position: int) -> set[str]:
    failed = scenarios.failed_links(slice(position, position + 1))[:, 0]
    return {scenarios.topology.links[at].id for at in np.flatnonzero(failed)}


def names(scenarios: ScenarioSet) -> list[str]:
    return [scenario.name for scenario in scenarios.scenarios]


def test_a_cable_takes_both_directions_and_a_node_all_its_links() -> None:
    cables, nodes = family(ladder(), "cable"), family(ladder(), Family.NODE)
    assert names(cables) == ["cable a-b", "cable b-d", "cable a-c", "cable c-d"]
    assert down(cables, 0) == {"a>b", "b>a"}
    assert names(nodes) == ["node a", "node b", "node c", "node d"]
    assert down(nodes, 1) == {"a>b", "b>a", "b>d", "d>b"}
    assert nodes.failed_nodes(slice(1, 2))[:, 0].tolist() == [False, True, False, False]
    assert not cables.failed_nodes(slice(0, 4)).any()


def test_a_link_that_names_no_cable_is_one_by_itself() -> None:
    scenarios = family(network(link("a>b", 1.0), link("b>a", 1.0), link("a>b", 1.0, id="x")), "cable")
    assert names(scenarios) == ["cable a>b", "cable b>a", "cable x"]


def test_an_srlg_takes_every_link_that_names_it() -> None:
    topology = network(cable("a-b", 1.0, srlgs=("x", "y")), cable("b-c", 1.0, srlgs=("y",)))
    scenarios = family(topology, "srlg")
    assert names(scenarios) == ["srlg x", "srlg y"]
    assert down(scenarios, 1) == {"a>b", "b>a", "b>c", "c>b"}


def test_what_carries_nothing_is_no_scenario() -> None:
    topology = network(cable("a-b", 1.0), cable("b-c", 1.0, drained=True, srlgs=("x",)), cable("a-c", 0.0))
    assert names(family(topology, "cable")) == ["cable a-b"]
    assert names(family(topology, "srlg")) == []


def test_all_pairs_are_all_pairs() -> None:
    pairs = family(ladder(), "pairs")
    assert len(pairs) == 6
    assert names(pairs)[0] == "cable a-b + cable b-d"
    assert down(pairs, 0) == {"a>b", "b>a", "b>d", "d>b"}
    assert len(pairs_of(family(ladder(), "node"))) == 6


def test_during_maintenance_every_other_thing_may_fail() -> None:
    work = Scenario("work at b", nodes=("b",))
    scenarios = during(work, family(ladder(), "node"))
    assert names(scenarios) == ["work at b", "work at b + node a", "work at b + node c", "work at b + node d"]
    assert down(scenarios, 2) == {"a>b", "b>a", "b>d", "d>b", "a>c", "c>a", "c>d", "d>c"}


@pytest.mark.parametrize(
    ("scenarios", "message"),
    [
        ([Scenario("it", cables=("a-z",))], "scenario 'it': the topology has no cable 'a-z'"),
        ([Scenario("it", nodes=("a-b",))], "has no node 'a-b'"),
        ([Scenario("it", nodes=("a",)), Scenario("it", nodes=("b",))], "the name appears twice"),
        ([Scenario("it", nodes=("a",), probability=1.5)], "probability is 1.5"),
        ([Scenario("it", nodes=("a",), probability=float("nan"))], "probability is nan"),
    ],
)
def test_a_set_that_is_not_right_is_refused(scenarios: list[Scenario], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScenarioSet(ladder(), tuple(scenarios))


CABLES = ("a-b", "b-d", "a-c", "c-d")


@pytest.mark.parametrize("chances", [(0.1, 0.01, 0.2, 0.001), (0.0, 0.5, 0.9, 1.0), (0.6, 0.7, 0.3, 0.4)])
@pytest.mark.parametrize("cutoff", [1e-9, 1e-3, 0.05, 1.0])
def test_the_likely_states_are_those_that_counting_them_all_finds(chances: tuple[float, ...], cutoff: float) -> None:
    components = [Component(Part.CABLE, name, p) for name, p in zip(CABLES, chances, strict=True)]
    found = likely_states(ladder(), components, cutoff)
    expected = {}
    for state in product((False, True), repeat=4):
        p = float(np.prod([q if broken else 1 - q for broken, q in zip(state, chances, strict=True)]))
        if p >= cutoff:
            expected[tuple(name for name, broken in zip(CABLES, state, strict=True) if broken)] = p
    assert {s.cables: s.probability for s in found.scenarios} == pytest.approx(expected)
    assert found.covered_probability == pytest.approx(sum(expected.values()))
    probabilities = [s.probability or 0.0 for s in found.scenarios]
    assert probabilities == sorted(probabilities, reverse=True)


def test_hundreds_of_components_are_cut_off_in_good_time() -> None:
    topology = network(*(cable(f"n{at}-n{at + 1}", 1.0) for at in range(300)))
    components = [Component(Part.CABLE, f"n{at}-n{at + 1}", 1e-4) for at in range(300)]
    found = likely_states(topology, components, 1e-6)
    # Nothing down, and each cable by itself; two at once are less likely than 1e-8.
    assert len(found) == 301
    assert found.covered_probability == pytest.approx(0.9999**300 * (1 + 300 * 1e-4 / 0.9999))
    with pytest.raises(InputError, match="raise the cutoff"):
        likely_states(topology, components, 1e-30)


def test_mean_times_give_the_share_of_time_down() -> None:
    assert unavailability(990.0, 10.0) == 0.01
    assert unavailability(10.0, 0.0) == 0.0
    assert unavailability(0.0, 10.0) == 1.0


@pytest.mark.parametrize(
    ("components", "cutoff", "message"),
    [
        ([], 0.0, "cutoff is 0"),
        ([], 1.1, "cutoff is 1.1"),
        ([Component(Part.CABLE, "a-b", 0.1)] * 2, 0.5, "appears twice"),
        ([Component(Part.CABLE, "a-b", -0.1)], 0.5, "probability is -0.1"),
        ([Component(Part.CABLE, "a-z", 0.5)], 0.1, "no cable 'a-z'"),
    ],
)
def test_components_that_are_not_right_are_refused(components: list[Component], cutoff: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        likely_states(ladder(), components, cutoff)


def test_a_topology_may_say_how_often_its_cables_fail() -> None:
    topology = network(
        cable("a-b", 1.0, unavailability=0.1), cable("b-c", 1.0, mtbf_hours=9.0, mttr_hours=1.0), cable("a-c", 1.0)
    )
    assert stated_components(topology) == (Component(Part.CABLE, "a-b", 0.1), Component(Part.CABLE, "b-c", 0.1))
    found = likely_states(topology, stated_components(topology), 0.02)
    assert [scenario.name for scenario in found.scenarios] == ["nothing down", "cable a-b", "cable b-c"]
    with pytest.raises(InputError, match="no link and no SRLG says how often it fails"):
        stated_components(ladder())


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"unavailability": 1.1}, "unavailability is 1.1"),
        ({"unavailability": float("nan")}, "unavailability is nan"),
        ({"mtbf_hours": 1.0}, "go together"),
        ({"mtbf_hours": 1.0, "mttr_hours": 1.0, "unavailability": 0.5}, "go together"),
        ({"mtbf_hours": -1.0, "mttr_hours": 1.0}, "mtbf_hours is -1.0"),
        ({"mtbf_hours": 0.0, "mttr_hours": 0.0}, "mtbf_hours is 0.0 and mttr_hours is 0.0"),
    ],
)
def test_what_a_link_says_of_its_failures_is_checked(facts: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network(cable("a-b", 1.0, **facts))
