"""The same input gives the same bytes, whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_against_edge_lp import question
from toys import cable, carry_all, demands, diamond, model, network, plan

from vbte.policy import PlanningModel
from vbte.solve import SolverProfile
from vbte.write.plan_file import plan_bytes

#: Equal ways everywhere: whoever breaks a tie by chance is found out.
GRID = network(*[cable(f"{r}{c}-{r}{c + 1}", 10) for r in range(4) for c in range(3)],
               *[cable(f"{r}{c}-{r + 1}{c}", 10) for r in range(3) for c in range(4)])  # fmt: skip
ACROSS = demands(*[(f"0{i}", f"3{j}", 7.0) for i in range(4) for j in range(4)])

MODELS: dict[str, PlanningModel] = {
    "throughput": model([{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]),
    "concurrent": model([{"kind": "concurrent"}, {"kind": "admitted"}]),
    "mlu": carry_all([{"kind": "max_utilization"}, {"kind": "latency"}]),
    "hops": model([{"kind": "admitted"}], classes=[{"name": "gold", "hop_bound": 6}]),
    "single path": model([{"kind": "admitted"}], classes=[{"name": "gold", "split": "single_path"}]),
    "candidates": model([{"kind": "admitted"}], candidate_paths={"kind": "link_disjoint", "k": 2}),
}


@pytest.mark.parametrize("name", MODELS)
def test_two_runs_and_two_threads_give_the_same_bytes(name: str) -> None:
    once, again = (plan_bytes(plan(GRID, ACROSS, MODELS[name])) for _ in range(2))
    threads = plan_bytes(plan(GRID, ACROSS, MODELS[name], solver=SolverProfile(name="highs", threads=2)))
    assert once == again == threads


def test_a_network_with_real_demands_gives_the_same_bytes_twice() -> None:
    topology, asked = question("sndlib/nobel-germany")
    once, again = (plan_bytes(plan(topology, asked, MODELS["throughput"])) for _ in range(2))
    assert once == again


def test_another_process_gives_the_same_bytes() -> None:
    """Sets and dictionaries of strings have another order there."""
    code = (
        "import sys; from test_determinism import *; "
        "sys.stdout.buffer.write(plan_bytes(plan(GRID, ACROSS, MODELS['throughput'])))"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": ":".join(folders), "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert other.stdout == plan_bytes(plan(GRID, ACROSS, MODELS["throughput"]))


def test_the_order_in_which_demands_are_listed_does_not_matter() -> None:
    """Beyond the list itself: paths, flows and proofs are the same."""
    rows = [("a", "d", 9.0), ("b", "c", 3.0), ("d", "a", 4.0)]
    first, second = (plan(diamond(), demands(*order), MODELS["mlu"]) for order in (rows, rows[::-1]))
    assert first.paths.links.tolist() == second.paths.links.tolist()
    assert first.flow_gbps.tolist() == second.flow_gbps.tolist()
    assert [c.bound for c in first.certificates] == [c.bound for c in second.certificates]
