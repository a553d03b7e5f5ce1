"""Who does work that fans out: this process, several, or a cluster, as options say."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from vbte.errors import UsageError
from vbte.fan_out import Crew, crew_of
from vbte.fan_out.cluster import checked_address, cluster


def chosen_crew(workers: int | None, address: str | None) -> AbstractContextManager[Crew | None]:
    """Return who works, None for this process alone. Raises UsageError for both options, and for no address."""
    if address is None:
        return nullcontext(crew_of(workers))
    if workers is not None:
        raise UsageError("a cluster has workers of its own; give --workers or --cluster, not both")
    return cluster(checked_address(address))
