"""How much of the class prior a finished network is given back, chosen on the calibration part.

Trained to ignore that naevi are common, a network names rare marks more often than they occur:
that is the best balanced accuracy and the worst risk, because every naevus then carries some. So
names and risk are read apart, each with the share of the prior that serves it; both are chosen by a
rule, not by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from mlservice.engine.reading import Doubles, RiskReading
from mlservice.engine.types import Floats
from training.calibrate import (
    Names,
    Risk,
    fit_names,
    fit_risk,
    sensitivity_cut,
    served_probabilities,
)
from training.scores import lesion_weights

# Below nought: a network that knows its fitting pictures too well still says the rare marks too
# seldom of others, even without any prior.
SHARES = (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
SENSITIVITIES = tuple(np.linspace(0.90, 0.995, 20).round(3).tolist())


@dataclass(frozen=True)
class NamesPoint:
    """One share of the prior and how the names are with it; a lesion weighs one."""

    share: float
    bmca: float  # balanced accuracy
    error: float  # its standard error, by lesion
    log_loss: float
    names: Names


@dataclass(frozen=True)
class RiskPoint:
    """One share of the prior and how the risk is with it; a lesion weighs one."""

    share: float
    specificity: float  # benign below the cut, mean over SENSITIVITIES
    benign_below_r99: float
    benign_above_r95: float
    risk: Risk


@dataclass(frozen=True)
class Held:
    """The calibration part. ``logits`` ``(n, v, c)`` of all views, without any prior."""

    logits: Floats
    targets: NDArray[np.int64]
    lesions: Sequence[str]
    labels: Sequence[str]
    harmful: Sequence[str]
    prior: Floats  # (c,), its log
    evidence: Doubles | None = None  # (n, c): what the metadata say, whole

    def with_prior(self, share: float) -> Floats:
        shifted: Floats = self.logits + np.float32(share) * self.prior
        return shifted


def log_prior(targets: NDArray[np.int64], labels: Sequence[str]) -> Floats:
    """``(c,)``: the log of how common each class is among the pictures that trained."""
    counts = np.bincount(targets, minlength=len(labels))
    prior: Floats = np.log(counts / counts.sum()).astype(np.float32)
    return prior


def names_points(held: Held) -> list[NamesPoint]:
    """A point for each of :data:`SHARES`."""
    weights = lesion_weights(held.lesions)
    points = []
    for share in SHARES:
        logits = held.with_prior(share)
        names = fit_names(logits, held.targets, held.lesions, held.labels, held.evidence)
        known = None if held.evidence is None else names.weight * held.evidence
        shares = served_probabilities(logits, names.temperature, known)
        true = np.maximum(shares[np.arange(len(shares)), held.targets], 1e-12)
        bmca, error = _balanced(held, shares.argmax(1), weights)
        loss = float(np.average(-np.log(true), weights=weights))
        points.append(NamesPoint(share, bmca, error, loss, names))
    return points


def _balanced(
    held: Held, guess: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Balanced accuracy and its standard error: of each class a share of its lesions."""
    present = np.unique(held.targets)
    recalls = recall_score(
        held.targets, guess, labels=present, average=None, sample_weight=weights, zero_division=0
    )
    lesions = np.bincount(held.targets, weights)[present]
    error = np.sqrt((recalls * (1 - recalls) / lesions).sum()) / len(present)
    return float(recalls.mean()), float(error)


def best_names(points: Sequence[NamesPoint]) -> NamesPoint:
    """Of those no more than one standard error below the best balanced accuracy, the one with
    the least log loss: what is no worse by more than luck, and truest in its percentages.
    """
    best = max(points, key=lambda point: point.bmca)
    close = [point for point in points if point.bmca >= best.bmca - best.error]
    return min(close, key=lambda point: point.log_loss)


def risk_points(held: Held) -> list[RiskPoint]:
    """A point for each of :data:`SHARES`. The metadata are not asked."""
    weights = lesion_weights(held.lesions)
    columns = [held.labels.index(name) for name in held.harmful]
    sick = np.isin(held.targets, columns)
    own = np.asarray(held.lesions)[sick]
    points = []
    for share in SHARES:
        logits = held.with_prior(share)
        found = fit_risk(logits, held.targets, held.lesions, held.labels, held.harmful)
        risks = served_probabilities(logits, found.temperature)[:, columns].sum(1)
        benign, heavy = risks[~sick], weights[~sick]
        cuts = [sensitivity_cut(risks[sick], own, wanted) for wanted in SENSITIVITIES]
        points.append(
            RiskPoint(
                share,
                float(np.mean([np.average(benign < cut, weights=heavy) for cut in cuts])),
                float(np.average(benign < found.r99, weights=heavy)),
                float(np.average(benign >= found.r95, weights=heavy)),
                found,
            )
        )
    return points


def best_risk(points: Sequence[RiskPoint]) -> RiskPoint:
    """The one with most benign pictures below the cuts that find nearly all harmful ones.

    Over many cuts, not at the two that ship: those hang on the one or two oddest lesions.
    """
    return max(points, key=lambda point: point.specificity)


def risk_reading(
    risk: RiskPoint, names: NamesPoint, prior: Floats, labels: Sequence[str]
) -> RiskReading:
    """How a network whose names were given back ``names.share`` is read for the risk."""
    offsets = (risk.share - names.share) * prior.astype(np.float64)
    return RiskReading(dict(zip(labels, offsets.tolist(), strict=True)), risk.risk.temperature)


def told(point: NamesPoint | RiskPoint) -> dict[str, Any]:
    """What the manifest says of a point that was looked at."""
    flat: dict[str, Any] = asdict(point)
    fitted: dict[str, Any] = flat.pop("names", None) or flat.pop("risk")
    fitted.pop("conformal", None)
    return {**flat, **fitted}


def put_prior_back(network: keras.Model, share: float, prior: Floats) -> None:
    """Add ``share`` of the log prior to the bias of the logits."""
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel, (bias + share * prior).astype(np.float32)])
