"""Shares of cases with their intervals, where there is no whole set to measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.judging.bootstrap import RESAMPLES, exact_interval, percentiles, resampled
from mlservice.engine.judging.measures import Shares, once, shares_of


def measured_shares(
    shares: Shares, lesions: NDArray[np.int64], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Each share and its ``<name>_interval``; ``None`` where there is no whole.

    ``lesions`` (``(n,)``) are the cases' lesions by number, from 0. As in
    :func:`~mlservice.engine.judging.metrics.measure`: by bootstrap over lesions, exact where all or
    none are in the part.
    """
    values = shares_of(shares)(once(len(lesions)))
    draws = resampled(shares, {}, lesions, resamples, seed)
    found: dict[str, Any] = {}
    for name, flags in shares.items():
        value = None if np.isnan(values[name][0]) else float(values[name][0])
        found[name], found[f"{name}_interval"] = value, None
        if value in {0.0, 1.0} or lesions.max() == 0:
            found[f"{name}_interval"] = exact_interval(*flags, lesions)
        elif value is not None:
            found[f"{name}_interval"] = percentiles(draws[name])
    return found
