"""Quantiles of the beta distribution, for exact intervals where SciPy is not installed."""

from __future__ import annotations

import math

TINY = 1e-300
CLOSE = 1e-15
MOST_TERMS = 10_000
HALVINGS = 200  # more than a double has room for


def beta_quantile(share: float, a: float, b: float) -> float:
    """The ``x`` in 0..1 below which lies ``share`` (0..1) of the distribution; ``a``, ``b`` > 0.

    By halving, because the distribution function only rises.
    """
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_below(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function: the share of the distribution below ``x``."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    logarithm = a * math.log(x) + b * math.log1p(-x)
    front = math.exp(logarithm + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))
    # The fraction converges fast on one side of the mean; the other side is its mirror.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction by Lentz's method (Press et al., Numerical Recipes, 6.4)."""
    upper, lower = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = lower
    for m in range(1, MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1 / _not_zero(1 + term * lower)
            upper = _not_zero(1 + term / upper)
            found *= upper * lower
        if abs(upper * lower - 1) < CLOSE:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
