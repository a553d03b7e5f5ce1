"""What can be wrong with tables, as the walk sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What became of traffic that was not delivered where it belongs."""

    LOOP = "loop"
    BLACK_HOLE = "black-hole"
    WRONG_EGRESS = "wrong-egress"
    TENANT_LEAK = "tenant-leak"


@dataclass(frozen=True)
class Fault:
    """One fault at one place.

    ``devices`` are those concerned, sorted, all of them for a loop; ``gbps`` is the traffic that met the fault and
    ``example`` one of the demands it belongs to (``'gold -> par (blue)'``).
    """

    kind: FaultKind
    devices: tuple[str, ...]
    detail: str
    gbps: float
    example: str
