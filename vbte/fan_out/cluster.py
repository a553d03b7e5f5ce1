"""A Dask cluster as an executor. The only file that imports ``distributed``, and only when a cluster is asked for."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import contextmanager
from typing import Any

from vbte.errors import UsageError
from vbte.fan_out.crew import UNKNOWN_AT_ONCE, Given

#: Seconds that a cluster has to answer, and then again to show a worker.
PATIENCE_S = 10.0

_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]):([0-9]{1,5})")


def lost_work_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that mean that the workers are at fault, not the job."""
    return (BrokenExecutor, CancelledError, *given_up_errors())


def given_up_errors() -> tuple[type[BaseException], ...]:
    """Return the errors of a cluster that has given a job to several workers, and all of them died."""
    # Who holds a Dask executor has imported distributed; nobody else needs it here.
    return (sys.modules["distributed"].KilledWorker,) if "distributed" in sys.modules else ()


def checked_address(address: str) -> str:
    """Return a scheduler's address. Raises UsageError when it is none, or when the extra ``dask`` is not installed."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise UsageError(f"{address!r} is no address of a Dask scheduler, such as tcp://10.0.0.1:8786")
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError("a cluster needs the extra dask: pip install 'vbte[dask]'") from None
    return address


@contextmanager
def cluster(address: str, *, patience_s: float = PATIENCE_S) -> Iterator[Given]:
    """Yield the workers of the Dask cluster whose scheduler listens at ``address``.

    Raises UsageError when the address is none, when no scheduler answers there in time, when it has no workers, and
    when a worker has another vbte or another Python.
    """
    checked_address(address)
    from distributed import Client

    _keep_quiet()
    try:
        client = Client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = type(error).__name__ if not str(error) else str(error).splitlines()[0]
        raise UsageError(f"no Dask scheduler answers at {address} within {patience_s:g} s ({reason})") from None
    with client:
        _require_workers(client, address, patience_s)
        # More than a small cluster runs at a time: workers may be on their way, and some clusters grow with the work.
        yield Given(client.get_executor(pure=False), max(UNKNOWN_AT_ONCE, sum(client.nthreads().values())))


def _keep_quiet() -> None:
    """Leave it to the errors raised here to say what is wrong; distributed logs each try to reach a cluster."""
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _require_workers(client: Any, address: str, patience_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError:
        raise UsageError(f"the Dask cluster at {address} has no workers; start some with 'dask worker'") from None
    ours = _versions()
    for worker, theirs in client.run(_versions, on_error="return").items():
        if theirs != ours:
            found = f"{type(theirs).__name__}: {theirs}" if isinstance(theirs, Exception) else theirs
            raise UsageError(f"Dask worker {worker} has {found}; {ours} is needed, as here")


def _versions() -> str:
    return f"vbte {sys.modules['vbte'].__version__} on Python {sys.version_info[0]}.{sys.version_info[1]}"
