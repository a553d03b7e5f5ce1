"""Maintenance: what fits, what it costs, what overlaps, and in how few rounds all of it can be done."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from failover_toys import SHORT, asked, gold_and_bulk, ladder
from limited_toys import best_within, random_plan
from tables.table_toys import plan_of
from toys import ADMITTED, cable, carry_all, demands, model, network
from toys import plan as planned

from vbte.errors import InputError
from vbte.failover import Draining, Window, drain, fewest_rounds, read_windows
from vbte.failover.rounds import MOST_EXACT


def at(hour: int) -> datetime:
    return datetime(2030, 1, 1, hour, tzinfo=UTC)


def two_ways(gbps: float = 4.0):
    """a to d over b or c, both wide enough for all of it."""
    parts = [cable("a-b", 5.0, 2.0), cable("b-d", 5.0, 2.0), cable("a-c", 5.0, 5.0), cable("c-d", 5.0, 5.0)]
    return planned(network(*parts), demands(("a", "d", gbps)), model([*ADMITTED, {"kind": "latency"}]))


def test_what_fits_loses_nothing_and_says_what_it_costs() -> None:
    (alone,) = drain(two_ways(), [Window("it", cables=("a-b",))]).alone
    (matrix,) = alone.matrices
    assert alone.fits
    assert (matrix.before.latency_ms.tolist(), matrix.during.latency_ms.tolist()) == ([4.0], [10.0])
    assert (matrix.before.max_utilization, matrix.during.max_utilization) == (0.8, 0.8)


def test_what_does_not_fit_says_which_class_loses_how_much() -> None:
    (alone,) = drain(gold_and_bulk("source-routed"), [Window("it", cables=("a-b",))]).alone
    assert not alone.fits
    # Over c 6 Gbit/s fit, of gold's 8.
    assert alone.matrices[0].lost_gbps.tolist() == pytest.approx([2.0, 4.0], abs=1e-5)


def test_fits_is_what_a_program_of_its_own_says() -> None:
    found = []
    for seed in range(5):
        plan = random_plan(seed)
        cables = sorted({str(link.cable) for link in plan.instance.topology.links})
        answer = drain(plan, [Window(name, cables=(name,)) for name in cables])
        of_priority = [plan.instance.priority == priority for priority in plan.instance.priorities]
        before = [float(plan.admitted_gbps[0, mine].sum()) for mine in of_priority]
        for name, alone in zip(cables, answer.alone, strict=True):
            down = {link.id for link in plan.instance.topology.links if link.cable == name}
            best = best_within(plan, down, plan.instance.n_commodities)
            wanted = all(b > w - 1e-4 for b, w in zip(best, before, strict=True))
            assert alone.fits == wanted, (seed, name)
            found.append(wanted)
    assert set(found) == {False, True}


def test_a_drained_node_keeps_its_own_traffic_and_one_that_is_off_does_not() -> None:
    parts = [cable("a-b", 10.0), cable("b-d", 10.0), cable("a-c", 10.0), cable("c-d", 10.0)]
    matrix = demands(("a", "d", 4.0), ("a", "b", 1.0), ("b", "d", 2.0))
    plan = planned(network(*parts), matrix, model())
    drained, off = drain(plan, [Window("drained", nodes=("b",)), Window("off", nodes_off=("b",))]).alone
    assert drained.fits
    assert drained.matrices[0].before_gbps.tolist() == pytest.approx([7.0])
    assert drained.matrices[0].set_aside_gbps.tolist() == [0.0]
    assert off.fits
    assert off.matrices[0].set_aside_gbps.tolist() == pytest.approx([3.0])
    assert off.matrices[0].during.delivered_gbps.tolist() == pytest.approx([4.0])


def test_windows_that_overlap_are_looked_at_together_for_as_long_as_they_do() -> None:
    windows = [
        Window("one", at(1), at(3), cables=("a-b",)), Window("two", at(2), at(4), cables=("a-c",)),
        Window("later", at(4), at(5), cables=("c-d",)), Window("some time", cables=("b-d",)),
    ]  # fmt: skip
    answer = drain(two_ways(), windows)
    assert [(period.windows, period.start, period.end, period.fits) for period in answer.periods] == [
        ((0,), at(1), at(2), True), ((0, 1), at(2), at(3), False), ((1,), at(3), at(4), True),
        ((2,), at(4), at(5), True), ((3,), None, None, True),
    ]  # fmt: skip
    assert [answer.fits(window) for window in range(4)] == [False, False, True, True]
    assert all(alone.fits for alone in answer.alone)


def test_failures_on_top_are_told_worst_first_after_repair_and_after_a_re_plan() -> None:
    parts = [cable("a-b", 5.0), cable("b-d", 5.0), cable("a-c", 5.0), cable("c-d", 5.0), cable("a-d", 1.0)]
    plan = planned(network(*parts), demands(("a", "d", 4.0)), carry_all(capacity="hard", stages=[{"kind": "latency"}]))
    (alone,) = drain(plan, [Window("it", cables=("a-b",))], Draining(on_top="cable")).alone
    assert alone.on_top is not None
    names = [one.name for one in alone.on_top.scenarios.scenarios]
    # What is drained already does not fail on top.
    assert names == ["cable b-d", "cable a-c", "cable c-d", "cable a-d"]
    # All has to be carried, within 5 Gbit/s over c and 1 directly: without c there is no plan.
    assert np.isnan(alone.on_top.replanned_lost_gbps[0, 0]).tolist() == [False, True, True, False]
    assert alone.on_top.replanned_lost_gbps[0, 0, [0, 3]].tolist() == pytest.approx([0.0, 0.0])
    # The devices themselves send all they have over what is left, and 3 of 4 do not fit.
    assert alone.on_top.repaired_lost_gbps[0, 0].tolist() == pytest.approx([0.0, 3.0, 3.0, 0.0])
    order = alone.on_top.worst_first(alone.on_top.replanned_lost_gbps, np.array([1], dtype=np.int32))
    assert [names[position] for position in order[:2]] == ["cable a-c", "cable c-d"]


def test_where_all_has_to_be_carried_no_plan_means_that_it_does_not_fit() -> None:
    plan = planned(ladder(), demands(("a", "d", 8.0)), carry_all(capacity="hard"))
    (alone,) = drain(plan, [Window("it", cables=("a-b",))]).alone
    assert not alone.fits
    assert "do not fit" in alone.matrices[0].during.fault


def test_demands_of_the_night_count_at_night(tmp_path: Path) -> None:
    plan = planned(ladder(), [demands(("a", "d", 8.0)), demands(("a", "d", 4.0))], model())
    (tmp_path / "night.csv").write_text("source,destination,volume_gbps\na,d,5\n")
    (tmp_path / "w.csv").write_text(
        "name,cables,matrix,demands\nday,a-b,1,\nlow,a-b,2,\nboth,a-b,,\nown,a-b,,night.csv\n"
    )
    answer = drain(plan, read_windows(tmp_path / "w.csv", plan.instance))
    before = [[matrix.before_gbps.tolist() for matrix in alone.matrices] for alone in answer.alone]
    assert before == [[[8.0]], [[4.0]], [[8.0], [4.0]], [[5.0]]]
    assert [alone.fits for alone in answer.alone] == [False, True, False, True]
    assert answer.alone[3].matrices[0].name == "night.csv"


def test_workers_say_the_same() -> None:
    windows = [Window(name, cables=(name,)) for name in ("a-b", "a-c", "c-d")]
    one, two = (drain(two_ways(), windows, Draining(workers=workers, order=True)) for workers in (None, 2))
    assert one.order == two.order
    for mine, theirs in zip(one.alone, two.alone, strict=True):
        assert mine.matrices[0].during.stages == theirs.matrices[0].during.stages


def test_rounds_are_the_fewest_and_each_of_them_fits() -> None:
    windows = [Window(name, cables=(name,)) for name in ("a-b", "a-c", "b-d", "c-d")]
    answer = drain(two_ways(), windows, Draining(order=True))
    assert answer.order is not None
    assert (answer.order.rounds, answer.order.impossible, answer.order.fewest) == (((0, 2), (1, 3)), (), True)
    assert all(found.fits for found in answer.rounds)
    assert [found.windows for found in answer.rounds] == [(0, 2), (1, 3)]


def test_what_never_fits_is_named() -> None:
    plan = plan_of(asked(ladder(), demands(("a", "d", 8.0)), "source-routed"), [(SHORT, 8.0)])
    answer = drain(plan, [Window(name, cables=(name,)) for name in ("a-b", "a-c", "c-d")], Draining(order=True))
    assert answer.order is not None
    assert (answer.order.rounds, answer.order.impossible) == (((1, 2),), (0,))


@pytest.mark.parametrize("seed", range(30))
def test_the_search_for_rounds_finds_what_trying_everything_does(seed: int) -> None:
    chance = random.Random(seed)
    n_jobs = chance.randint(1, 6)
    # Weights that have to stay below a limit, and pairs that do not go together: both grow worse with more jobs.
    weights = [chance.randint(1, 6) for _ in range(n_jobs)]
    apart = {pair for pair in combinations(range(n_jobs), 2) if chance.random() < 0.3}

    def fits(jobs: frozenset[int]) -> bool:
        return sum(weights[job] for job in jobs) <= 5 and not any(set(pair) <= jobs for pair in apart)

    found = fewest_rounds(n_jobs, fits)
    assert sorted([*found.impossible, *(job for jobs in found.rounds for job in jobs)]) == list(range(n_jobs))
    assert all(fits(frozenset(jobs)) for jobs in found.rounds)
    assert list(found.impossible) == [job for job in range(n_jobs) if weights[job] > 5]
    possible = [job for job in range(n_jobs) if job not in found.impossible]
    assert found.fewest
    assert len(found.rounds) == min(len(parts) for parts in _partitions(possible) if all(map(fits, parts)))


def _partitions(jobs: list[int]):
    if not jobs:
        yield []
        return
    for parts in _partitions(jobs[1:]):
        yield [frozenset(jobs[:1]), *parts]
        for position, part in enumerate(parts):
            yield [*parts[:position], part | {jobs[0]}, *parts[position + 1 :]]


def test_beyond_a_few_jobs_first_fit_decides_and_says_so() -> None:
    n_jobs = MOST_EXACT + 4
    together = fewest_rounds(n_jobs, lambda _: True)
    assert (together.rounds, together.fewest) == ((tuple(range(n_jobs)),), True)
    pairs = fewest_rounds(n_jobs, lambda jobs: len(jobs) <= 2)
    assert (len(pairs.rounds), pairs.fewest) == (n_jobs // 2, False)
    alone = fewest_rounds(n_jobs, lambda jobs: len(jobs) == 1)
    assert (len(alone.rounds), alone.fewest) == (n_jobs, True)


def test_failures_of_no_family_are_refused() -> None:
    with pytest.raises(InputError, match="no family 'cables'"):
        drain(two_ways(), [Window("it", cables=("a-b",))], Draining(on_top="cables"))
