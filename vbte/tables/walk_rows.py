"""Traffic on its way through labels, as rows of arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vbte.topology import BoolArray, FloatArray

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Traffic on its way, arrays of one length.

    ``at`` points to the outermost label, ``end`` behind the last one; ``service`` is the tenant's label below them,
    -1 for none or used up; ``moves`` counts links since the last pop.
    """

    demand: Positions
    gbps: FloatArray
    device: Positions
    at: Positions
    end: Positions
    service: Positions
    moves: Positions

    def __getitem__(self, chosen: BoolArray | Positions) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.demand[chosen],
            self.gbps[chosen],
            self.device[chosen],
            self.at[chosen],
            self.end[chosen],
            self.service[chosen],
            self.moves[chosen],
        )


def joined(parts: list[Rows]) -> Rows:
    """Return rows one behind the other."""
    return Rows(
        np.concatenate([part.demand for part in parts]),
        np.concatenate([part.gbps for part in parts]),
        np.concatenate([part.device for part in parts]),
        np.concatenate([part.at for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.service for part in parts]),
        np.concatenate([part.moves for part in parts]),
    )


def merged(rows: Rows) -> Rows:
    """Add up rows that will fare alike from here on."""
    keys = np.stack([rows.demand, rows.device, rows.at, rows.end, rows.service, rows.moves], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    gbps = np.bincount(inverse.reshape(-1), weights=rows.gbps).astype(np.float64)
    return replace(rows[first], gbps=gbps)
