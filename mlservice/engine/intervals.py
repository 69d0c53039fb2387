"""How far a share may be from the truth."""

from __future__ import annotations

from math import sqrt

Z = 1.959963984540054  # the middle 95 % of a normal distribution


def wilson(found: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share ``found`` of ``n``; all of 0 to 1 where ``n`` is 0."""
    if not n:
        return 0.0, 1.0
    share, square = found / n, Z * Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)
