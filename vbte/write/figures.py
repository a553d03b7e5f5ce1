"""Numbers as text, shifted by powers of ten without rounding."""

from __future__ import annotations

from decimal import Decimal


def plain(figure: float, *, shift: int = 0) -> str:
    """Return ``figure * 10**shift`` in the fewest digits that read back as the same number; no exponent."""
    shifted = Decimal(repr(float(figure))).scaleb(shift)
    text = f"{shifted:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
