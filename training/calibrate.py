"""What the calibration lesions decide: temperature, risk cuts, conformal quantiles.

Everything is fitted on the served procedure (four rotations averaged after the temperature) and
by lesion: a lesion photographed six times weighs as much as one photographed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from mlservice.engine.assess import calibrated
from mlservice.engine.types import Floats
from training.errors import TrainingError
from training.scores import lesion_weights

MIN_LESIONS = 30  # below it a class has no conformal quantile and is always in the set
MIN_FOR_A_CUT = 60  # lesions of one kind, so that 95 % of them leaves three to miss, not one
COVERAGE = 0.90
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    temperature: float
    r95: float
    r99: float
    conformal: dict[str, float | None]


def served_probabilities(logits: Floats, temperature: float) -> Doubles:
    """``(n, 4, c)`` logits -> ``(n, c)`` probabilities, exactly as the engine averages them."""
    mean: Doubles = calibrated(logits.astype(np.float64), temperature).mean(axis=1)
    return mean


def fit_calibration(
    logits: Floats,
    targets: NDArray[np.int64],
    lesions: Sequence[str],
    labels: Sequence[str],
    harmful: Sequence[str],
) -> Calibration:
    """Fit everything above on the calibration part."""
    weights = lesion_weights(lesions)
    temperature = fit_temperature(logits, targets, weights)
    probabilities = served_probabilities(logits, temperature)
    columns = [labels.index(name) for name in harmful]
    sick = np.isin(targets, columns)
    if not sick.any():
        raise TrainingError("The calibration part has no harmful lesion to set the cuts by.")
    risks, ids = probabilities[sick][:, columns].sum(1), np.asarray(lesions)[sick]
    return Calibration(
        temperature=temperature,
        r95=_cut_for_each(risks, ids, targets[sick], 0.95),
        r99=sensitivity_cut(risks, ids, 0.99),
        conformal=conformal_quantiles(probabilities, targets, lesions, labels),
    )


def fit_temperature(
    logits: Floats, targets: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    """The temperature with the least log loss of the averaged probabilities."""
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        chosen = served_probabilities(logits, float(np.exp(log_temperature)))[rows, targets]
        return float(np.average(-np.log(np.maximum(chosen, 1e-12)), weights=weights))

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded")
    return float(np.exp(found.x))


def sensitivity_cut(
    risks: Doubles, lesions: Sequence[str] | NDArray[np.str_], sensitivity: float
) -> float:
    """The highest cut on risk with at least the wanted sensitivity on these harmful lesions.

    Every lesion weighs one, shared among its pictures. With too few lesions to miss any, the cut
    is the least risk seen.
    """
    weights = lesion_weights(lesions)
    order = np.argsort(risks, kind="stable")
    missed_if_above = np.cumsum(weights[order]) / weights.sum()
    missed = int(np.searchsorted(missed_if_above, 1 - sensitivity + 1e-9, side="right"))
    return float(risks[order][missed])


def _cut_for_each(
    risks: Doubles, lesions: NDArray[np.str_], kinds: NDArray[np.int64], sensitivity: float
) -> float:
    """The highest cut with the sensitivity for all harmful lesions and for each kind of them.

    Over all of them together the easy carcinomas would buy leave to miss more melanomas. A kind
    with fewer than :data:`MIN_FOR_A_CUT` lesions only counts among all: its cut would rest on the
    one or two oddest of them.
    """
    enough = [k for k in np.unique(kinds) if len(set(lesions[kinds == k])) >= MIN_FOR_A_CUT]
    own = [sensitivity_cut(risks[kinds == k], lesions[kinds == k], sensitivity) for k in enough]
    return min([sensitivity_cut(risks, lesions, sensitivity), *own])


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
