"""What a realisation hands to the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vbte.tables.drafts import DeviceDraft
from vbte.topology import FloatArray


@dataclass(frozen=True, eq=False)
class Realised:
    """Device drafts, one per node in order, and what the tables do to the plan.

    ``link_load_gbps`` (T, n_links) is what the links will carry; ``max_error`` the largest quantisation error.
    """

    drafts: Sequence[DeviceDraft]
    link_load_gbps: FloatArray
    max_error: float
