"""How much of the class prior a finished network is given back, chosen on the calibration part.

Trained to ignore that naevi are common, a network names rare marks more often than they occur:
that is the best balanced accuracy and the worst risk, because every naevus then carries some. The
share put back moves one against the other, and is chosen by a rule, not by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from mlservice.engine.types import Floats
from training.calibrate import Calibration, fit_calibration, served_probabilities
from training.scores import lesion_weights

# Below nought: a network that knows its fitting pictures too well still says the rare marks too
# seldom of others, even without any prior.
SHARES = (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
# Of the benign calibration pictures by their risk alone. The release gate asks for 25 % and 45 %
# of other pictures, with every other doubt counted: hence the distance to it.
LEAST_BELOW_R99 = 0.40
MOST_ABOVE_R95 = 0.40


@dataclass(frozen=True)
class Point:
    """One share of the prior and what it gives on the calibration part; a lesion weighs one."""

    share: float
    bmca: float  # balanced accuracy
    benign_below_r99: float
    benign_above_r95: float
    calibration: Calibration

    @property
    def calm_enough(self) -> bool:
        return self.benign_below_r99 >= LEAST_BELOW_R99 and self.benign_above_r95 <= MOST_ABOVE_R95


def log_prior(targets: NDArray[np.int64], labels: Sequence[str]) -> Floats:
    """``(c,)``: the log of how common each class is among the pictures that trained."""
    counts = np.bincount(targets, minlength=len(labels))
    prior: Floats = np.log(counts / counts.sum()).astype(np.float32)
    return prior


def operating_points(
    logits: Floats,
    targets: NDArray[np.int64],
    lesions: Sequence[str],
    labels: Sequence[str],
    harmful: Sequence[str],
    prior: Floats,
) -> list[Point]:
    """A point for each of :data:`SHARES`. ``logits``: ``(n, v, c)``, all views, without prior."""
    weights = lesion_weights(lesions)
    columns = [labels.index(name) for name in harmful]
    benign = ~np.isin(targets, columns)
    points = []
    for share in SHARES:
        shifted = logits + np.float32(share) * prior
        fitted = fit_calibration(shifted, targets, lesions, labels, harmful)
        shares = served_probabilities(shifted, fitted.temperature)
        risks = shares[benign][:, columns].sum(1)
        said = recall_score(
            targets, shares.argmax(1), average="macro", sample_weight=weights, zero_division=0
        )
        points.append(
            Point(
                share,
                float(said),
                float(np.average(risks < fitted.r99, weights=weights[benign])),
                float(np.average(risks >= fitted.r95, weights=weights[benign])),
                fitted,
            )
        )
    return points


def best_point(points: Sequence[Point]) -> Point:
    """The best balanced accuracy among the calm ones; where none is, the calmest."""
    calm = [point for point in points if point.calm_enough]
    if calm:
        return max(calm, key=lambda point: point.bmca)
    return max(points, key=lambda point: point.benign_below_r99)


def told(point: Point) -> dict[str, float]:
    """What the manifest says of a point that was looked at."""
    return {
        "share": point.share,
        "bmca": point.bmca,
        "benign_below_r99": point.benign_below_r99,
        "benign_above_r95": point.benign_above_r95,
        "temperature": point.calibration.temperature,
    }


def put_prior_back(network: keras.Model, share: float, prior: Floats) -> None:
    """Add ``share`` of the log prior to the bias of the logits."""
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel, (bias + share * prior).astype(np.float32)])
