"""What the calibration lesions decide: temperatures, risk cuts, conformal quantiles.

Names and risk are read apart (:mod:`mlservice.engine.reading`), so each has a temperature.
Everything is fitted on the served procedure (all views averaged after the temperature) and by
lesion: a lesion photographed six times weighs as much as one photographed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from mlservice.engine.reading import Doubles, calibrated, informed
from mlservice.engine.types import Floats
from training.errors import TrainingError
from training.scores import lesion_weights

MIN_LESIONS = 30  # below it a class has no conformal quantile and is always in the set
MIN_FOR_A_CUT = 60  # lesions of one kind, so that 95 % of them leaves three to miss, not one
SURELY = 0.80  # confidence of `r95`: read off a hundred melanomas, a plain cut often fell short
COVERAGE = 0.90


@dataclass(frozen=True)
class Names:
    """How the labels' probabilities are read."""

    temperature: float
    weight: float  # 0 to 1: how much of what the metadata say is believed
    conformal: dict[str, float | None]


@dataclass(frozen=True)
class Risk:
    """How the risk is read, and the cuts on it."""

    temperature: float
    r95: float
    r99: float


def served_probabilities(
    logits: Floats, temperature: float, evidence: Doubles | None = None
) -> Doubles:
    """``(n, v, c)`` logits of all views -> ``(n, c)`` probabilities, averaged as served.

    ``evidence`` ``(n, c)`` is what the metadata of each picture say, as it is weighed.
    """
    mean: Doubles = calibrated(logits.astype(np.float64), temperature).mean(axis=1)
    return mean if evidence is None else informed(mean, evidence)


def fit_names(
    logits: Floats,
    targets: NDArray[np.int64],
    lesions: Sequence[str],
    labels: Sequence[str],
    evidence: Doubles | None = None,
) -> Names:
    """Temperature and weight of the metadata together, by the log loss; then the sets."""
    weights = lesion_weights(lesions)
    weight, known = 0.0, None
    if evidence is not None:
        weight = fit_weight(logits, targets, weights, evidence)
        known = weight * evidence
    temperature = fit_temperature(logits, targets, weights, known)
    probabilities = served_probabilities(logits, temperature, known)
    return Names(temperature, weight, conformal_quantiles(probabilities, targets, lesions, labels))


def fit_risk(
    logits: Floats,
    targets: NDArray[np.int64],
    lesions: Sequence[str],
    labels: Sequence[str],
    harmful: Sequence[str],
) -> Risk:
    """Temperature by the log loss, then both cuts on the risk it gives."""
    temperature = fit_temperature(logits, targets, lesion_weights(lesions))
    columns = [labels.index(name) for name in harmful]
    sick = np.isin(targets, columns)
    if not sick.any():
        raise TrainingError("The calibration part has no harmful lesion to set the cuts by.")
    risks = served_probabilities(logits, temperature)[sick][:, columns].sum(1)
    ids = np.asarray(lesions)[sick]
    r95 = _cut_for_each(risks, ids, targets[sick], 0.95)
    r99 = min(r95, sensitivity_cut(risks, ids, 0.99))  # a sure cut of few may lie lower
    return Risk(temperature, r95, r99)


def fit_temperature(
    logits: Floats,
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    evidence: Doubles | None = None,
) -> float:
    """The temperature with the least log loss of the averaged probabilities."""
    return _fitted_temperature(logits, targets, weights, evidence)[0]


def fit_weight(
    logits: Floats,
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    evidence: Doubles,
) -> float:
    """How much of ``evidence`` gives the least log loss, each share with its best temperature.

    Age and site are not independent of each other, nor of what the picture shows: believed
    whole, they would be counted twice.
    """

    def loss(weight: float) -> float:
        return _fitted_temperature(logits, targets, weights, weight * evidence)[1]

    found = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-3})
    return round(float(found.x), 3) if found.fun < loss(0.0) else 0.0


def _fitted_temperature(
    logits: Floats,
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    evidence: Doubles | None,
) -> tuple[float, float]:
    """The temperature and its log loss."""
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        chosen = served_probabilities(logits, temperature, evidence)[rows, targets]
        return float(np.average(-np.log(np.maximum(chosen, 1e-12)), weights=weights))

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def sensitivity_cut(
    risks: Doubles,
    lesions: Sequence[str] | NDArray[np.str_],
    sensitivity: float,
    confidence: float | None = None,
) -> float:
    """The highest cut on risk with at least the wanted sensitivity on these harmful lesions.

    With ``confidence`` fewer may be missed: so few that others like them are found with at least
    this sensitivity, as surely as it says (binomial). Every lesion weighs one, shared among its
    pictures. With too few lesions to miss any, the cut is the least risk seen.
    """
    weights = lesion_weights(lesions)
    order = np.argsort(risks, kind="stable")
    allowed = (1 - sensitivity) * weights.sum()
    if confidence is not None:
        allowed = min(allowed, _surely_missed(round(weights.sum()), sensitivity, confidence))
    missed = int(np.searchsorted(np.cumsum(weights[order]), allowed + 1e-6, side="right"))
    return float(risks[order][missed])


def _surely_missed(lesions: int, sensitivity: float, confidence: float) -> int:
    """How many of the lesions may be missed so that the sensitivity holds with confidence."""
    chances = binom.cdf(np.arange(lesions + 1), lesions, 1 - sensitivity)
    return max(0, int((chances <= 1 - confidence).sum()) - 1)


def _cut_for_each(
    risks: Doubles, lesions: NDArray[np.str_], kinds: NDArray[np.int64], sensitivity: float
) -> float:
    """The highest cut that surely has the sensitivity for all harmful lesions and for each kind.

    Over all of them together the easy carcinomas would buy leave to miss more melanomas. A kind
    with fewer than :data:`MIN_FOR_A_CUT` lesions only counts among all: its cut would rest on the
    one or two oddest of them.
    """
    groups = [np.full(len(kinds), True), *(kinds == kind for kind in np.unique(kinds))]
    enough = [own for own in groups if len(set(lesions[own])) >= MIN_FOR_A_CUT]
    return min(
        sensitivity_cut(risks[own], lesions[own], sensitivity, SURELY)
        for own in enough or groups[:1]
    )


def conformal_quantiles(
    probabilities: Doubles,
    targets: NDArray[np.int64],
    lesions: Sequence[str],
    labels: Sequence[str],
) -> dict[str, float | None]:
    """For each class the 90 % quantile of ``1 - p`` over its lesions (one picture of each).

    ``None`` for a class with fewer than :data:`MIN_LESIONS` lesions.
    """
    _, first = np.unique(np.asarray(lesions), return_index=True)
    quantiles: dict[str, float | None] = {}
    for number, name in enumerate(labels):
        own = first[targets[first] == number]
        scores = np.sort(1 - probabilities[own, number])
        rank = int(np.ceil((len(own) + 1) * COVERAGE))
        quantiles[name] = float(scores[rank - 1]) if len(own) >= MIN_LESIONS else None
    return quantiles
