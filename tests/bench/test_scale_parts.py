"""What the benchmarks at scale rest on: the common check, trees, competitors that do what their papers say, the fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
COMPETITORS = ("four_paths", "partition", "path_program", "question", "trees", "weights")


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The modules of bench/, which is a folder of scripts and no package."""
    names = ("alone", "growth_plot", "networks", "runs", *(f"competitors.{name}" for name in COMPETITORS))
    sys.path.insert(0, str(BENCH))
    try:
        yield SimpleNamespace(**{name.rpartition(".")[2]: import_module(name) for name in names})
    finally:
        sys.path.remove(str(BENCH))


#: Two ways from 0 to 3: over 1 with 1 Gbit/s, over 2 with 2 Gbit/s.
TAIL, HEAD, CAPACITY = np.array([0, 1, 0, 2]), np.array([1, 3, 2, 3]), np.array([1.0, 1.0, 2.0, 2.0])


def diamond(bench: Any, objective: str = "max-throughput", volume: float = 5.0) -> Any:
    asked = bench.question
    ends = (np.array([0]), np.array([3]))
    return asked.Question(asked.Objective(objective), 4, TAIL, HEAD, CAPACITY, *ends, np.array([volume]))


def both_ways(bench: Any, first: float, second: float) -> Any:
    start, links = np.array([0, 2, 4]), np.array([0, 1, 2, 3])
    return bench.question.PathFlows(start, links, np.array([0, 0]), np.array([first, second]))


def test_the_check_adds_up_what_arrives(bench: Any) -> None:
    assert bench.question.check(diamond(bench), both_ways(bench, 1.0, 2.0)).value == pytest.approx(3.0)
    carried = bench.question.check(diamond(bench, "min-mlu", 3.0), both_ways(bench, 1.5, 1.5))
    assert carried.value == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("first", "second", "objective", "volume", "fault"),
    [
        (1.1, 2.0, "max-throughput", 5.0, "of its capacity"),
        (1.0, 2.0, "max-throughput", 2.0, "more than its volume"),
        (-1.0, 2.0, "max-throughput", 5.0, "negative"),
        (1.0, 1.0, "min-mlu", 5.0, "not carried in full"),
    ],
)
def test_the_check_refuses_flows_that_are_wrong(
    bench: Any, first: float, second: float, objective: str, volume: float, fault: str
) -> None:
    verdict = bench.question.check(diamond(bench, objective, volume), both_ways(bench, first, second))
    assert verdict.value is None
    assert fault in verdict.fault


def test_the_check_refuses_a_path_that_leads_elsewhere(bench: Any) -> None:
    astray = replace(both_ways(bench, 1.0, 1.0), links=np.array([0, 3, 2, 3]))
    assert bench.question.check(diamond(bench), astray).value is None


def test_the_check_refuses_flow_that_appears_on_the_way(bench: Any) -> None:
    load = np.zeros((4, 4))
    load[0] = [1.0, 1.0, 0.0, 2.0]
    verdict = bench.question.check(diamond(bench), bench.question.SourceFlows(load, np.array([3.0])))
    assert verdict.fault == "flow is lost or made on the way"


def test_an_answer_after_patience_does_not_count(bench: Any) -> None:
    watch = bench.question.Watch(diamond(bench), patience_s=-10.0)
    watch.show(both_ways(bench, 1.0, 2.0))
    assert watch.best is None
    assert "patience" in watch.fault


def test_loads_and_paths_of_trees_agree(bench: Any) -> None:
    topology = bench.networks.geometric_network(60)
    arcs = bench.trees.Arcs(60, topology.tail, topology.head)
    weight = np.random.default_rng(3).uniform(1, 2, len(topology.links))
    trees = arcs.trees(weight)
    volume = np.random.default_rng(4).random((60, 60)) * (1 - np.eye(60))
    start, links = trees.paths(*np.nonzero(volume))
    per_path = np.repeat(volume[volume > 0], np.diff(start))
    by_paths = np.bincount(links, weights=per_path, minlength=len(weight))
    assert trees.total(volume) == pytest.approx(by_paths)
    assert trees.loads(volume).sum(axis=0) == pytest.approx(by_paths)
    assert np.add.reduceat(weight[links], start[:-1]) == pytest.approx(trees.distance[volume > 0])
    assert np.minimum.reduceat(weight[links], start[:-1]) == pytest.approx(trees.least(weight)[volume > 0])


@pytest.mark.parametrize(("objective", "best"), [("max-throughput", 3.0), ("min-mlu", 5 / 3)])
def test_the_competitors_find_what_can_be_seen_by_eye(bench: Any, objective: str, best: float) -> None:
    asked = diamond(bench, objective)
    for solve in (bench.path_program.by_linprog, bench.path_program.by_highs):
        watch = bench.question.Watch(asked, 10.0)
        bench.path_program.whole(asked, watch, solve=solve)
        assert watch.best == pytest.approx(best)
    watch = bench.question.Watch(asked, 10.0)
    bench.partition.in_parts(asked, watch, parts=2)
    assert watch.best == pytest.approx(best)
    target = best * (0.98 if objective == "max-throughput" else 1.02)
    watch = bench.question.Watch(asked, 60.0, target=target)
    bench.weights.by_weights(asked, watch)
    assert watch.satisfied


def test_the_bound_of_multiplicative_weights_is_never_below_the_best(bench: Any) -> None:
    asked, generator = diamond(bench), np.random.default_rng(5)
    for _ in range(50):
        length = generator.lognormal(size=4)
        distance = asked.arcs().trees(length).distance[[0], [3]]
        assert bench.weights._bound(asked, length, distance) >= 3.0 - 1e-9


def test_yen_and_trees_both_find_the_two_paths_there_are(bench: Any) -> None:
    for choose in bench.four_paths.CHOICES.values():
        choice = choose(diamond(bench))
        assert sorted(choice.links[s:e].tolist() for s, e in zip(choice.start, choice.start[1:], strict=False)) == [
            [0, 1],
            [2, 3],
        ]


def test_demands_are_as_many_times_too_large_as_asked(bench: Any) -> None:
    topology = bench.networks.sparse_network(40, 50)
    demands = bench.networks.overload(topology, times=7.0)
    arcs = bench.trees.Arcs(40, topology.tail, topology.head)
    volume = np.zeros((40, 40))
    volume[demands.source, demands.destination] = demands.volume_gbps
    assert (arcs.trees(np.ones(len(topology.links))).total(volume) / topology.capacity_gbps).max() == pytest.approx(7.0)


def test_the_generated_network_is_as_described(bench: Any) -> None:
    topology = bench.networks.geometric_network(300)
    assert len(topology.links) == 1500
    capacities, counts = np.unique(topology.capacity_gbps, return_counts=True)
    assert capacities.tolist() == [10.0, 40.0, 100.0]
    assert counts.tolist() == [900, 450, 150]
    arcs = bench.trees.Arcs(300, topology.tail, topology.head)
    assert np.isfinite(arcs.trees(np.ones(1500)).distance).all()


def test_the_exponent_of_a_power_law_is_found(bench: Any) -> None:
    fit = bench.growth_plot.least_squares([(x, 3e-4 * x**1.25) for x in (10.0, 100.0, 5000.0)])
    assert (fit.exponent, fit.factor) == pytest.approx((1.25, 3e-4))
    assert fit.error == pytest.approx(0.0, abs=1e-9)
    assert bench.growth_plot.least_squares([(1.0, 1.0), (2.0, 2.0)]) is None


def test_a_run_on_file_is_not_repeated_unless_its_settings_change(bench: Any, tmp_path: Path) -> None:
    runs, made = bench.runs.Runs(tmp_path), []

    def work() -> dict[str, int]:
        made.append(1)
        return {"seconds": len(made)}

    assert runs.once("case", {"gap": 0.01}, work) == {"seconds": 1}
    assert runs.once("case", {"gap": 0.01}, work) == {"seconds": 1}
    assert runs.once("case", {"gap": 0.02}, work) == {"seconds": 2}
    assert runs.once("case", {"gap": 0.02}, work, lambda run: run["seconds"] > 2) == {"seconds": 3}
    assert bench.runs.Runs(tmp_path, fresh=True).once("case", {"gap": 0.02}, work) == {"seconds": 4}


def test_a_process_that_dies_or_outlasts_patience_says_so(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.alone.run("no_such_module:work", {}, patience_s=5.0)["stopped"].startswith("ModuleNotFoundError")
    monkeypatch.setattr(bench.alone, "GRACE_S", 0.0)
    spec = {"network": "abilene", "objective": "max-throughput", "times": 15.0, "seed": 1, "capacity_unit": "Gbit/s",
            "contender": "weights", "patience_s": 30.0}  # fmt: skip
    run = bench.alone.run("contenders:compete", spec, patience_s=0.7)
    assert run["stopped"] == "patience"
    assert run["series"]
    assert run["peak_mb"] > 10
