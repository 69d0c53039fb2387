"""The measures, each over weighted pictures: once as they are, and at once over many resamples.

``weights`` is ``(r, n)``: how often each of ``n`` pictures counts in each of ``r`` draws. A
measure gives ``(r,)`` numbers, ``nan`` where one does not exist (the share of no pictures, an AUC
without both kinds). With weights of one these are scikit-learn's numbers; the tests hold them to
that, drawn pictures included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.judging.judged import Doubles, Flags

BINS = 15
Weights = Doubles
Measure = Callable[[Weights], Doubles]
Shares = dict[str, tuple[Flags, Flags]]  # name -> (part, whole), see share_of


def once(n: int) -> Weights:
    """Every picture counts once: the measure itself, no resample."""
    return np.ones((1, n))


def mean_of(values: NDArray[np.generic]) -> Measure:
    """The mean of ``values`` (``(n,)``)."""
    numbers = values.astype(np.float64)
    return lambda weights: divide(weights @ numbers, weights.sum(1))


def share_of(part: Flags, whole: Flags) -> Measure:
    """How much of ``whole`` is in ``part``."""
    both, all_of_it = (part & whole).astype(np.float64), whole.astype(np.float64)
    return lambda weights: divide(weights @ both, weights @ all_of_it)


def shares_of(shares: Shares) -> Callable[[Weights], dict[str, Doubles]]:
    """Many shares at once: one product of matrices instead of hundreds of small ones."""
    parts = np.stack([part & whole for part, whole in shares.values()], 1).astype(np.float64)
    wholes = np.stack([whole for _, whole in shares.values()], 1).astype(np.float64)

    def measure(weights: Weights) -> dict[str, Doubles]:
        return dict(zip(shares, divide(weights @ parts, weights @ wholes).T, strict=True))

    return measure


def f1_of(said: Flags, true: Flags) -> Measure:
    """The harmonic mean of precision and recall; ``nan`` where a class is neither said nor true."""
    both, either = (said & true).astype(np.float64), said.astype(np.float64) + true
    return lambda weights: divide(2 * (weights @ both), weights @ either)


def mean_over(measures: Sequence[Measure]) -> Measure:
    """The mean of those measures that exist in a draw."""

    def measure(weights: Weights) -> Doubles:
        values = np.stack([one(weights) for one in measures])
        exists = ~np.isnan(values)
        return divide(np.where(exists, values, 0).sum(0), exists.sum(0))

    return measure


def auc_of(truth: Flags, scores: Doubles, among: Flags | None = None) -> Measure:
    """Area under the ROC curve of ``scores`` for ``truth``, among some pictures; ties half."""
    chosen = np.arange(len(truth)) if among is None else np.flatnonzero(among)
    chosen = chosen[np.argsort(scores[chosen], kind="stable")]
    _, first = np.unique(scores[chosen], return_index=True)
    true = truth[chosen]

    def measure(weights: Weights) -> Doubles:
        if not len(chosen):
            return np.full(len(weights), np.nan)
        ordered = weights[:, chosen]
        positive = np.add.reduceat(ordered * true, first, axis=1)
        negative = np.add.reduceat(ordered * ~true, first, axis=1)
        below = np.cumsum(negative, axis=1) - negative
        won = (positive * (below + negative / 2)).sum(1)
        return divide(won, positive.sum(1) * negative.sum(1))

    return measure


def bin_of(confidence: Doubles) -> NDArray[np.intp]:
    """The number of each confidence's bin: :data:`BINS` of equal width, each with its upper end."""
    edges = np.linspace(0, 1, BINS + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)


def calibration_error_of(confidence: Doubles, right: Flags) -> Measure:
    """Expected calibration error: the bins' gaps of confidence and share right, by their size."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), bin_of(confidence)] = confidence - right
    return lambda weights: divide(np.abs(weights @ gaps).sum(1), weights.sum(1))


def calibration_error(confidence: Doubles, right: Flags) -> float:
    return float(calibration_error_of(confidence, right)(once(len(right)))[0])


def expected_calibration_error(confidence: Doubles, rounds: int = 1000, seed: int = 0) -> float:
    """What perfect calibration shows on these confidences, by chance alone.

    In each round a picture is right with the probability of its own confidence.
    """
    rng, n = np.random.default_rng(seed), len(confidence)
    inside = np.zeros((n, BINS))
    inside[np.arange(n), bin_of(confidence)] = 1
    shown = [
        np.abs((confidence - (rng.random(n) < confidence)) @ inside).sum() / n
        for _ in range(rounds)
    ]
    return float(np.mean(shown))


def cut_at(sensitivity: float, risks: Doubles, sick: Flags) -> Measure:
    """The highest cut on ``risks`` that finds at least ``sensitivity`` of the sick pictures."""
    ordered = np.flatnonzero(sick)[np.argsort(risks[sick], kind="stable")]
    own = risks[ordered]

    def measure(weights: Weights) -> Doubles:
        if not len(own):
            return np.full(len(weights), np.nan)
        missed_if_above = np.cumsum(weights[:, ordered], axis=1)
        allowed = (1 - sensitivity) * missed_if_above[:, -1:] + 1e-9
        place = (missed_if_above <= allowed).sum(1)  # past the end where no sick picture was drawn
        return np.where(place < len(own), own[np.minimum(place, len(own) - 1)], np.nan)

    return measure


def specificity_at(sensitivity: float, risks: Doubles, sick: Flags) -> Measure:
    """The share of the others below the cut of :func:`cut_at`."""
    cut = cut_at(sensitivity, risks, sick)
    ordered = np.flatnonzero(~sick)[np.argsort(risks[~sick], kind="stable")]

    def measure(weights: Weights) -> Doubles:
        cuts = cut(weights)
        reached = np.cumsum(weights[:, ordered], axis=1)
        below = np.searchsorted(risks[ordered], cuts, side="left")  # nan sorts last
        reached = np.concatenate([np.zeros((len(weights), 1)), reached], axis=1)
        share = divide(reached[np.arange(len(weights)), below], reached[:, -1])
        return np.where(np.isnan(cuts), np.nan, share)

    return measure


def divide(above: Doubles, below: NDArray[np.generic]) -> Doubles:
    """``above / below``, ``nan`` where ``below`` is zero."""
    quotient: Doubles = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient
