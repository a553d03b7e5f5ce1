"""What a realisation hands to the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vbte.tables.drafts import DeviceDraft
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class Realised:
    """Device drafts, one per node, sorted by device, and what the tables do to the plan.

    ``drafts`` may be gone through once: each is made when it is its turn, since all of them at once take many times
    the memory of what is written.
    ``link_load_gbps`` (T, n_links) is what the links will carry; ``max_error`` the largest quantisation error.
    """

    drafts: Iterable[DeviceDraft]
    link_load_gbps: FloatArray
    max_error: float
