"""Figures and names as people read them; the one place where what goes to a terminal or page is made harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from vbte.units import format_gbps

#: Unicode categories that steer a terminal or reorder text rather than show: controls, formats, surrogates, private.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

NOT_PROVEN = "not proven"


def printable(text: str) -> str:
    """Return ``text`` with control characters spelt out, so that no name can steer a terminal; line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in _UNSEEN else ascii(char)[1:-1] for char in text
    )


def percent(share: float | None, *, digits: int = 3) -> str:
    """Return a share as ``'80 %'``; ``'< 0.001 %'`` for what is less, a dash for None."""
    if share is None:
        return "-"
    if 0 < share < 1e-5:
        return "< 0.001 %"
    return f"{100 * share:.{digits}g} %" if share < 9.995 else f"{100 * share:,.0f} %"


def gap_text(gap: float | None) -> str:
    """Return a certificate's gap in words."""
    return NOT_PROVEN if gap is None else percent(gap)


def figure(value: float | None) -> str:
    """Return three significant digits, a dash for None."""
    return "-" if value is None else f"{value:.3g}"


def with_unit(value: float | None, unit: str) -> str:
    """Return a stage's value in its unit as the summary names it; a dash for None."""
    if value is None:
        return "-"
    if unit == "Gbit/s":
        return format_gbps(value)
    if unit == "share":
        return percent(value, digits=4)
    return f"{value:.5g} {'times all demands' if unit == 'scale' else unit}"


def termination_text(termination: Mapping[str, Any], max_gap: float | None, asked: float | None = None) -> str:
    """Return how the work ended: ``'optimal, gap 0 %'``, or ``'feasible, stopped by time, gap 3.1 %'``.

    ``asked`` is the gap that was asked for, where it was not the optimum.
    """
    words = [str(termination["reason"])]
    if termination["limit"] != "none":
        words.append(f"stopped by {termination['limit']}")
    words.append(f"gap {gap_text(max_gap)}" if max_gap is not None else NOT_PROVEN)
    if asked is not None:
        words[-1] += f" ({percent(asked)} asked for)"
    return ", ".join(words)


def plural(count: int, noun: str) -> str:
    """Return ``'1 link'`` or ``'2 links'``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
