"""Units: what input files may state and what the program computes in (Gbit/s, ms)."""

from __future__ import annotations

from vbte.errors import InputError

#: Factor from each accepted unit to Gbit/s.
GBPS_PER_UNIT: dict[str, float] = {
    "bps": 1e-9,
    "bit/s": 1e-9,
    "kbps": 1e-6,
    "kbit/s": 1e-6,
    "mbps": 1e-3,
    "mbit/s": 1e-3,
    "gbps": 1.0,
    "gbit/s": 1.0,
    "tbps": 1e3,
    "tbit/s": 1e3,
}

#: Factor from each accepted unit to milliseconds.
MS_PER_UNIT: dict[str, float] = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6}

#: One-way propagation delay in fibre: light at two thirds of its vacuum speed.
MS_PER_KM_OF_FIBRE = 0.005


def gbps_factor(unit: str, *, place: str = "") -> float:
    """Return the factor from ``unit`` (any case) to Gbit/s. Raises InputError for an unknown unit."""
    try:
        return GBPS_PER_UNIT[unit.strip().lower()]
    except KeyError:
        raise InputError(
            f"unknown bandwidth unit {unit!r}", place=place, remedy="use bps, kbps, Mbps, Gbps or Tbps"
        ) from None


def ms_factor(unit: str, *, place: str = "") -> float:
    """Return the factor from ``unit`` to milliseconds. Raises InputError for an unknown unit."""
    try:
        return MS_PER_UNIT[unit.strip().lower()]
    except KeyError:
        raise InputError(f"unknown time unit {unit!r}", place=place, remedy="use s, ms, us or ns") from None


def format_gbps(volume_gbps: float) -> str:
    """Return ``volume_gbps`` in the unit that reads best, three significant digits: ``'2.48 Gbit/s'``."""
    # Rounded before the unit is chosen: 999.9 Mbit/s reads 1 Gbit/s, not 1e+03 Mbit/s.
    rounded_gbps = float(f"{volume_gbps:.3g}")
    for unit, factor in (("Tbit/s", 1e3), ("Gbit/s", 1.0), ("Mbit/s", 1e-3), ("kbit/s", 1e-6)):
        if abs(rounded_gbps) >= factor:
            return f"{rounded_gbps / factor:g} {unit}"
    return f"{rounded_gbps * 1e9:g} bit/s"
