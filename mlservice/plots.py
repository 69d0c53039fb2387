"""Plots of a version's own numbers: where things stand in an SVG, which the template draws."""

from __future__ import annotations

from dataclasses import dataclass

from mlservice.engine.gate import Numbers
from mlservice.numbers import real

SIDE = 100.0  # units: 0 to 1 along both axes
MOST_RADIUS, LEAST_RADIUS = 4.0, 0.8


@dataclass(frozen=True, slots=True)
class Dot:
    """One bin of confidence: ``x`` how sure, ``y`` how often right (down), both of :data:`SIDE`."""

    x: float
    y: float
    radius: float
    confidence: float
    right: float
    n: int


def reliability(metrics: Numbers) -> list[Dot]:
    """The bins of the reliability plot; empty where the bundle does not have them whole."""
    bins = metrics.get("reliability")
    if not isinstance(bins, list):
        return []
    found = []
    for one in bins:
        keys = ("n", "confidence", "right")
        values = [real(one.get(key)) for key in keys] if isinstance(one, dict) else [None]
        if any(value is None for value in values):
            return []
        n, sure, right = (value or 0.0 for value in values)
        if n < 1 or not (0 <= sure <= 1 and 0 <= right <= 1):
            return []
        found.append((n, sure, right))
    most = max((n for n, _, _ in found), default=1.0)
    return [
        Dot(
            x=round(SIDE * sure, 2),
            y=round(SIDE * (1 - right), 2),
            radius=round(max(LEAST_RADIUS, MOST_RADIUS * (n / most) ** 0.5), 2),
            confidence=sure,
            right=right,
            n=int(n),
        )
        for n, sure, right in found
    ]
