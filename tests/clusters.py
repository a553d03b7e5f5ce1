"""Dask clusters on this machine, with workers that are real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import LocalCluster


@contextmanager
def local_cluster(n_workers: int = 2, *, allowed_failures: int = 3) -> Iterator[LocalCluster]:
    """Start a scheduler and workers of one thread each; a task may lose ``allowed_failures`` workers."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        LocalCluster(n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0") as started,
    ):
        yield started
