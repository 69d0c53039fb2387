"""What the pack is about, how a picture was taken, what shows no mark, and how far is far.

All of it fitted on embeddings of the finished network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.data import SUFFIXES
from training.errors import TrainingError

NEVER = -200.0  # the logit of a kind that nothing is taken for
FAR_QUANTILE = 0.99  # of the calibration pictures, the share that is not far
NOT_SKIN_QUANTILE = 0.995
# Called "no lesion" on the calibration part: at most so many pictures of marks, no harmful one at
# all, and at most so many of the squares with a piece of a mark in them.
MOST_MARKS = 0.003
MOST_PIECES = 0.02


@dataclass(frozen=True)
class Gate:
    """Weights of the three-way gate over embeddings; columns as ``GATE_ORDER``."""

    weights: Floats  # (d, 3)
    bias: Floats  # (3,)


@dataclass(frozen=True)
class Pieces:
    """Embeddings ``(n, d)`` of pairs cut by :mod:`training.skin_crops`: row by row one lesion."""

    skin_near: Floats
    skin_wide: Floats
    mark_near: Floats
    mark_wide: Floats
    lesions: tuple[str, ...]


def halves(folder: Path, seed: int) -> tuple[list[Path], list[Path]]:
    """The pictures of ``folder`` in two halves, never one person in both (:func:`person_of`)."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise TrainingError(f"There are no pictures in {str(folder)!r}.")
    people = sorted({person_of(path) for path in paths})
    np.random.default_rng(seed).shuffle(people)
    ours = set(people[: len(people) // 2])
    first = [path for path in paths if person_of(path) in ours]
    return first, [path for path in paths if person_of(path) not in ours]


def person_of(path: Path) -> str:
    """A file called ``PAT_8_15_820`` belongs to the person ``PAT_8``; other names are their own."""
    parts = path.stem.split("_")
    return "_".join(parts[:2]) if parts[0] == "PAT" else path.stem


def fit_gate(proven: Floats, phone: Floats | None, not_skin: Floats) -> Gate:
    """Logistic regression over standardised embeddings, each kind weighing the same.

    Without ``phone`` no picture is ever taken for a phone's: only its sender can say so.
    """
    if phone is None:
        return _two_way(proven, not_skin)
    features = np.concatenate([proven, phone, not_skin])
    kinds = np.repeat([0, 1, 2], [len(proven), len(phone), len(not_skin)])
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    model.fit(scaler.transform(features), kinds)
    weights = (model.coef_ / scaler.scale_).T
    bias = model.intercept_ - scaler.mean_ @ weights
    return Gate(weights.astype(np.float32), bias.astype(np.float32))


def _two_way(proven: Floats, not_skin: Floats) -> Gate:
    features = np.concatenate([proven, not_skin])
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    model.fit(scaler.transform(features), np.repeat([0, 1], [len(proven), len(not_skin)]))
    slopes = model.coef_[0] / scaler.scale_
    weights = np.zeros((features.shape[1], 3), np.float32)
    weights[:, 2] = slopes
    bias = (0.0, NEVER, float(model.intercept_[0] - scaler.mean_ @ slopes))
    return Gate(weights, np.array(bias, np.float32))


def closed_gate(size: int) -> Gate:
    """Without examples nothing is ever recognised as dermoscopic, so nothing ends GREEN."""
    return Gate(np.zeros((size, 3), np.float32), np.array([-20.0, 20.0, -20.0], np.float32))


def fit_statistics(
    embeddings: Floats, targets: NDArray[np.int64], labels: Sequence[str], gate: Gate
) -> Statistics:
    """Each label's mean direction among the fitting part's embeddings, and the gate."""
    directions = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    means = [directions[targets == number].mean(0) for number in range(len(labels))]
    centres = np.stack([mean / max(float(np.linalg.norm(mean)), 1e-12) for mean in means])
    return Statistics(centres.astype(np.float32), gate.weights, gate.bias)


def with_no_lesion(
    statistics: Statistics, skin: Sequence[Floats], marks: Sequence[Floats]
) -> Statistics:
    """``statistics`` that tell plain ``skin`` from ``marks`` too, by logistic regression.

    Both sides weigh the same, and within a side each kind of picture does.
    """
    sides = [kind for side in (skin, marks) for kind in side]
    features = np.concatenate(sides)
    plain = np.repeat([1, 0], [sum(map(len, skin)), sum(map(len, marks))])
    shares = [
        np.full(len(kind), 1 / len(side) / len(kind)) for side in (skin, marks) for kind in side
    ]
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=0.003, max_iter=2000)
    weights = np.concatenate(shares) * len(features) / 2
    model.fit(scaler.transform(features), plain, sample_weight=weights)
    slopes = model.coef_[0] / scaler.scale_
    bias = model.intercept_ - scaler.mean_ @ slopes
    return replace(
        statistics,
        no_lesion_weights=slopes.astype(np.float32),
        no_lesion_bias=bias.astype(np.float32),
    )


def far_cut(statistics: Statistics, embeddings: Floats) -> float:
    """The distance that 99 % of the calibration pictures do not exceed."""
    return float(np.quantile(statistics.distances(embeddings), FAR_QUANTILE))


def not_skin_cut(statistics: Statistics, embeddings: Floats) -> float:
    """A share of "not skin" that 99.5 % of the calibration pictures stay below; at least 0.5."""
    shares = statistics.gate(embeddings)[:, 2]
    return float(max(0.5, np.quantile(shares, NOT_SKIN_QUANTILE)))


def no_lesion_cut(
    statistics: Statistics, pictures: Floats, harmful: NDArray[np.bool_], pieces: Pieces
) -> float:
    """The lowest share of "no lesion" that misses hardly any mark of the calibration part.

    ``pictures`` are its whole pictures, ``harmful`` says which of them show a harmful mark. A
    mark that is missed costs more than plain skin that is judged as if it had one.
    """
    shares = statistics.no_lesion(pictures)
    asked = [0.5, float(np.quantile(shares, 1 - MOST_MARKS))]
    if harmful.any():
        asked.append(float(shares[harmful].max()))
    for marks in (pieces.mark_near, pieces.mark_wide):
        if len(marks):
            asked.append(float(np.quantile(statistics.no_lesion(marks), 1 - MOST_PIECES)))
    return float(min(np.nextafter(max(asked), 1), 1.0))
