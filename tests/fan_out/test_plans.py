"""Plans made by workers are those of a plain loop, to the byte."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import toys
from clusters import local_cluster
from distributed import Client, LocalCluster

import vbte
from vbte import DemandMatrix, InfeasibleError, InputError, Job, Plan, Topology, UsageError
from vbte.fan_out import Processes
from vbte.solve import SolverProfile
from vbte.write.plan_file import plan_bytes


@pytest.fixture(scope="module")
def abilene() -> Topology:
    return vbte.read_topology(vbte.dataset("abilene").topology)


@pytest.fixture(scope="module")
def day(abilene: Topology) -> list[DemandMatrix]:
    """Two dozen matrices, each with more traffic than the one before."""
    matrix = vbte.read_demands(vbte.dataset("abilene").demands, abilene)
    return [
        dataclasses.replace(matrix, volume_gbps=matrix.volume_gbps * (0.5 + hour / 20), name=f"hour-{hour}")
        for hour in range(24)
    ]


@pytest.fixture(scope="module")
def in_a_loop(abilene: Topology, day: list[DemandMatrix]) -> list[bytes]:
    return written(vbte.optimize_each(abilene, day))


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster() as started:
        yield started


def written(plans: list[Plan]) -> list[bytes]:
    return [plan_bytes(plan) for plan in plans]


def test_processes_give_the_same_bytes_and_refer_to_the_callers_own_inputs(
    abilene: Topology, day: list[DemandMatrix], in_a_loop: list[bytes]
) -> None:
    heard: list[str] = []
    plans = vbte.optimize_each(abilene, day, workers=2, progress=heard.append)
    assert written(plans) == in_a_loop
    assert all(plan.instance.topology is abilene for plan in plans)
    assert all(plan.instance.demands[0] is matrix for plan, matrix in zip(plans, day, strict=True))
    assert heard[-1] == "24 of 24 matrices planned"


def test_threads_give_the_same_bytes(abilene: Topology, day: list[DemandMatrix], in_a_loop: list[bytes]) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert written(vbte.optimize_each(abilene, day, workers=executor)) == in_a_loop


def test_a_dask_cluster_gives_the_same_bytes_though_a_worker_is_killed(
    abilene: Topology, day: list[DemandMatrix], in_a_loop: list[bytes], cluster: LocalCluster
) -> None:
    with Client(cluster, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
        heard: list[str] = []

        def kill_once(text: str) -> None:
            heard.append(text)
            if len(heard) == 1:
                os.kill(victim, signal.SIGKILL)

        plans = vbte.optimize_each(abilene, day, workers=client.get_executor(), progress=kill_once)
        assert written(plans) == in_a_loop
        assert victim not in client.run(os.getpid).values()


def test_processes_give_the_same_bytes_though_a_worker_is_killed(
    abilene: Topology, day: list[DemandMatrix], in_a_loop: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = []
    open_pool = Processes.open
    monkeypatch.setattr(Processes, "open", lambda self: pools.append(open_pool(self)) or pools[-1])
    plans = []
    for plan in vbte.optimize_many([Job(abilene, matrix) for matrix in day], workers=2):
        plans.append(plan)
        if len(plans) == 1:
            os.kill(pools[0].pids[0], signal.SIGKILL)
    assert written(plans) == in_a_loop
    assert len(pools) == 2


def test_a_sweep_over_models_and_networks_is_planned_job_by_job(abilene: Topology, day: list[DemandMatrix]) -> None:
    sweep = [
        Job(abilene, day[0], model="min-mlu"),
        Job(abilene, day[:3], model="max-throughput", solver="highs-ipm"),
        Job(toys.diamond(), toys.demands(("a", "d", 12.0)), model=toys.carry_all()),
        Job(toys.diamond(), toys.demands(("a", "d", 12.0)), model={"name": "own", "stages": [{"kind": "admitted"}]}),
    ]
    alone = [vbte.optimize(job.topology, job.demands, model=job.model, solver=job.solver) for job in sweep]
    assert written(list(vbte.optimize_many(sweep))) == written(alone)
    assert written(list(vbte.optimize_many(sweep, workers=2))) == written(alone)


@pytest.mark.parametrize("workers", [None, 2])
def test_plans_come_one_by_one_and_then_the_error_of_the_job_that_fails(workers: int | None) -> None:
    heavy = toys.demands(("a", "d", 99.0))
    model = toys.carry_all(capacity="hard")
    jobs = [Job(toys.diamond(), toys.demands(("a", "d", 5.0)), model), Job(toys.diamond(), heavy, model)]
    plans = vbte.optimize_many(jobs, workers=workers)
    assert next(plans).max_utilization == pytest.approx(0.125)
    with pytest.raises(InfeasibleError) as caught:
        next(plans)
    with pytest.raises(InfeasibleError) as alone:
        vbte.optimize(toys.diamond(), heavy, model=model)
    assert (str(caught.value), caught.value.clashes) == (str(alone.value), alone.value.clashes)


def test_bad_models_and_bad_numbers_of_workers_are_refused_at_once(abilene: Topology, day: list[DemandMatrix]) -> None:
    with pytest.raises(InputError, match="min-mul"):
        vbte.optimize_many([Job(abilene, day[0], model="min-mul")], workers=2)
    with pytest.raises(UsageError, match="at least 1"):
        vbte.optimize_many([Job(abilene, day[0])], workers=0)


def test_solver_threads_are_cut_to_what_the_cores_give_each_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vbte.fan_out.crew.usable_cores", lambda: 8)
    handed_over: list[int] = []

    def run_each(_work: object, jobs: list[Job], *_: object, **__: object) -> Iterator[tuple[int, Plan]]:
        handed_over.extend(job.solver.threads for job in jobs)
        return iter(())

    monkeypatch.setattr("vbte.api.run_each", run_each)
    job = Job(toys.diamond(), toys.demands(("a", "d", 1.0)), solver=SolverProfile(name="wide", threads=8))
    list(vbte.optimize_many([job], workers=3))
    assert handed_over == [2]
