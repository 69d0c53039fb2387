"""How far a number may be from the truth: 95 % intervals, with the lesion as the unit.

Pictures of one lesion are not independent: fifty photos of four lesions know no more than the
four. So lesions are drawn with replacement, each with all its pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.judging.beta import beta_quantile
from mlservice.engine.judging.judged import Doubles, Flags
from mlservice.engine.judging.measures import Measure, Shares, Weights, shares_of

Interval = tuple[float, float]
RESAMPLES = 1000
AT_ONCE = 300_000  # numbers of one block of draws: they stay in the processor's cache


def draws(lesions: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Weights]:
    """Blocks of ``(r, n)`` weights, ``resamples`` rows in all: how often each picture is drawn.

    ``lesions`` holds the number of each picture's lesion. The same seed gives the same draws,
    whatever the size of the blocks.
    """
    rng, count = np.random.default_rng(seed), int(lesions.max()) + 1
    block = max(1, AT_ONCE // len(lesions))
    for start in range(0, resamples, block):
        chosen = rng.integers(0, count, (min(block, resamples - start), count))
        times = np.stack([np.bincount(row, minlength=count) for row in chosen])
        yield times[:, lesions].astype(np.float64)


def resampled(
    shares: Shares,
    others: Mapping[str, Measure],
    lesions: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> dict[str, Doubles]:
    """Each number's value in each draw, ``nan`` where it does not exist there."""
    blocks: defaultdict[str, list[Doubles]] = defaultdict(list)
    all_shares = shares_of(shares)
    for weights in draws(lesions, resamples, seed):
        values = all_shares(weights) | {name: other(weights) for name, other in others.items()}
        for name, value in values.items():
            blocks[name].append(value)
    return {name: np.concatenate(values) for name, values in blocks.items()}


def percentiles(values: Doubles, shift: float = 0.0) -> Interval | None:
    """The middle 95 % of the draws; ``None`` where the number does not exist in most of them."""
    existing = values[~np.isnan(values)]
    if len(existing) < len(values) / 2:
        return None
    low, high = np.quantile(existing, (0.025, 0.975)) + shift
    return float(low), float(high)


def error_percentiles(values: Doubles, found: float) -> Interval | None:
    """As :func:`percentiles`, for a calibration error, which resampling itself makes larger.

    Drawing pictures twice adds scatter to every bin, so the draws lie above the number they
    belong to; they are moved back by as much as their mean is too high, and not below 0.
    """
    existing = values[~np.isnan(values)]
    moved = percentiles(values, found - float(existing.mean())) if len(existing) else None
    return None if moved is None else (max(0.0, moved[0]), moved[1])


def exact_interval(part: Flags, whole: Flags, lesions: NDArray[np.int64]) -> Interval | None:
    """Clopper and Pearson's interval of the share of ``whole`` in ``part``.

    For counts, and for shares of none or all, where draws know no spread. Careful about lesions:
    all pictures of one are taken to share their fate, which leaves ``(sum m)^2 / sum m^2``
    independent ones of lesions with ``m`` pictures (after Korn and Graubard, 1998).
    """
    sizes = np.bincount(lesions[whole])
    if not sizes.sum():
        return None
    share, n = float(part[whole].mean()), float(sizes.sum() ** 2 / (sizes**2).sum())
    hits = share * n
    low = beta_quantile(0.025, hits, n - hits + 1) if share > 0 else 0.0
    high = beta_quantile(0.975, hits + 1, n - hits) if share < 1 else 1.0
    return low, high
