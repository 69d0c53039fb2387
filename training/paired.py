"""Two models on the same pictures: every number under many bootstrap draws of the lesions at once.

``draws`` is ``(b, n)``: how often each of ``n`` pictures counts in each draw; the first draw is
the set itself. Every number is ``(b,)``, so that the difference of two models' numbers is a paired
one. A number that does not exist in a draw (no picture of a class) is NaN there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.metrics import Doubles, Flags
from training.scores import lesion_weights

LEAST = 1e-12  # a probability of nothing would cost an endless log loss


def lesion_draws(lesions: Sequence[str], resamples: int, seed: int) -> Doubles:
    """The set itself, then ``resamples`` draws of its lesions, each with all its pictures."""
    _, lesion = np.unique(np.asarray(lesions), return_inverse=True)
    count = int(lesion.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return np.vstack([np.ones(len(lesion)), drawn[:, lesion].astype(np.float64)])


def share(part: Flags, whole: Flags, draws: Doubles) -> Doubles:
    """How much of ``whole`` is in ``part``."""
    return _ratio(draws @ (part & whole), draws @ whole)


def auc(truth: Flags, scores: Doubles, draws: Doubles) -> Doubles:
    """Area under the ROC curve; a tie counts half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    positive = np.add.reduceat((draws * truth)[:, order], starts, axis=1)
    negative = np.add.reduceat((draws * ~truth)[:, order], starts, axis=1)
    below = negative.cumsum(1) - negative / 2
    return _ratio((positive * below).sum(1), positive.sum(1) * negative.sum(1))


def macro_auc(targets: NDArray[np.int64], probabilities: Doubles, draws: Doubles) -> Doubles:
    """Mean one-against-the-rest AUC of the classes that occur."""
    classes = range(probabilities.shape[1])
    return _mean([auc(targets == k, probabilities[:, k], draws) for k in classes])


def balanced_accuracy(
    targets: NDArray[np.int64], said: NDArray[np.int64], draws: Doubles
) -> Doubles:
    """Mean recall of the classes that occur."""
    return _mean([share(said == k, targets == k, draws) for k in np.unique(targets)])


def log_loss(targets: NDArray[np.int64], probabilities: Doubles, draws: Doubles) -> Doubles:
    chosen = probabilities[np.arange(len(targets)), targets]
    return _ratio(draws @ -np.log(np.maximum(chosen, LEAST)), draws.sum(1))


def benign_below(
    sensitivity: float, sick: Flags, risks: Doubles, lesions: Sequence[str], draws: Doubles
) -> Doubles:
    """Share of benign pictures below the cut that each draw's own harmful lesions set.

    The cut is that of :func:`training.calibrate.sensitivity_cut`: the highest with at least the
    wanted sensitivity, every lesion weighing one.
    """
    harmful = np.flatnonzero(sick)[np.argsort(risks[sick], kind="stable")]
    benign = np.flatnonzero(~sick)[np.argsort(risks[~sick], kind="stable")]
    weights = draws[:, harmful] * lesion_weights(lesions)[harmful]
    missed = _ratio(weights.cumsum(1), weights.sum(1)[:, None])
    place = (missed <= 1 - sensitivity + 1e-9).sum(1)
    cuts = risks[harmful][np.minimum(place, len(harmful) - 1)]
    below = np.searchsorted(risks[benign], cuts, side="left")
    reached = np.hstack([np.zeros((len(draws), 1)), draws[:, benign].cumsum(1)])
    return _ratio(reached[np.arange(len(draws)), below], reached[:, -1])


def interval(values: Doubles) -> tuple[float, float] | None:
    """95 % percentile interval over the draws; ``None`` where most of them have no number."""
    existing = values[1:][~np.isnan(values[1:])]
    if len(existing) <= (len(values) - 1) / 2:
        return None
    low, high = np.quantile(existing, (0.025, 0.975))
    return float(low), float(high)


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    empty = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    ratio: Doubles = np.divide(part, whole, out=empty, where=whole > 0)
    return ratio


def _mean(each: Sequence[Doubles]) -> Doubles:
    """Mean over what exists in each draw."""
    table = np.stack(each)
    known = ~np.isnan(table)
    return _ratio(np.where(known, table, 0).sum(0), known.sum(0).astype(np.float64))
