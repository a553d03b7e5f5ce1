"""What a caller states for facts that a topology file leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from vbte.errors import InputError
from vbte.read.fields import Units


@dataclass(frozen=True, slots=True)
class TopologyDefaults:
    """Facts for links that state none.

    ``capacity_gbps`` None: a link without capacity is an error. ``capacity_unit`` and ``latency_unit`` are the units
    of figures that carry none. ``latency_ms`` None: derived from the great-circle distance where both ends have
    coordinates, 0 elsewhere. Raises InputError on figures that are negative or not finite, and on unknown units.
    """

    capacity_gbps: float | None = None
    capacity_unit: str | None = None
    metric: float = 1.0
    latency_ms: float | None = None
    latency_unit: str | None = None

    def __post_init__(self) -> None:
        for name in ("capacity_gbps", "metric", "latency_ms"):
            figure = getattr(self, name)
            if figure is not None and not 0 <= figure < float("inf"):
                raise InputError(f"default {name} is {figure}", remedy="a figure of 0 or more is needed")
        _ = self.units

    @property
    def units(self) -> Units:
        """The units of figures that carry none."""
        return Units(bandwidth=self.capacity_unit, time=self.latency_unit)
