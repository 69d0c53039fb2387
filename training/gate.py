"""What is skin, what is a dermatoscope's picture, and how far is far: fitted on embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.data import SUFFIXES
from training.errors import TrainingError

FAR_QUANTILE = 0.99  # of the calibration pictures, the share that is not far
NOT_SKIN_QUANTILE = 0.995


@dataclass(frozen=True)
class Gate:
    """Weights of the three-way gate over embeddings; columns as ``GATE_ORDER``."""

    weights: Floats  # (d, 3)
    bias: Floats  # (3,)


def halves(folder: Path, seed: int) -> tuple[list[Path], list[Path]]:
    """The pictures of ``folder`` in two halves, never one person in both.

    A file called ``PAT_8_15_820`` belongs to the person ``PAT_8``; any other name is its own.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise TrainingError(f"There are no pictures in {str(folder)!r}.")
    people = sorted({_person(path) for path in paths})
    np.random.default_rng(seed).shuffle(people)
    ours = set(people[: len(people) // 2])
    first = [path for path in paths if _person(path) in ours]
    return first, [path for path in paths if _person(path) not in ours]


def _person(path: Path) -> str:
    parts = path.stem.split("_")
    return "_".join(parts[:2]) if parts[0] == "PAT" else path.stem


def fit_gate(dermoscopic: Floats, phone: Floats, not_skin: Floats) -> Gate:
    """Logistic regression over standardised embeddings, each kind weighing the same."""
    features = np.concatenate([dermoscopic, phone, not_skin])
    kinds = np.repeat([0, 1, 2], [len(dermoscopic), len(phone), len(not_skin)])
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    model.fit(scaler.transform(features), kinds)
    weights = (model.coef_ / scaler.scale_).T
    bias = model.intercept_ - scaler.mean_ @ weights
    return Gate(weights.astype(np.float32), bias.astype(np.float32))


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


def far_cut(statistics: Statistics, embeddings: Floats) -> float:
    """The distance that 99 % of the calibration pictures do not exceed."""
    return float(np.quantile(statistics.distances(embeddings), FAR_QUANTILE))


def not_skin_cut(statistics: Statistics, embeddings: Floats) -> float:
    """A share of "not skin" that 99.5 % of the calibration pictures stay below; at least 0.5."""
    shares = statistics.gate(embeddings)[:, 2]
    return float(max(0.5, np.quantile(shares, NOT_SKIN_QUANTILE)))


def gate_report(
    statistics: Statistics,
    dermoscopic: Floats,
    phone: Floats,
    not_skin: Floats,
    cuts: dict[str, float],
) -> dict[str, float | int]:
    """How well gate and distance tell the kinds apart on pictures they were not fitted on."""
    shares = [statistics.gate(kind) for kind in (dermoscopic, phone, not_skin)]
    far = [statistics.distances(kind) for kind in (dermoscopic, phone, not_skin)]
    skin = np.concatenate([shares[0], shares[1]])
    return {
        "n_dermoscopic": len(dermoscopic),
        "n_phone": len(phone),
        "n_not_skin": len(not_skin),
        "auroc_not_skin": _auroc(shares[2][:, 2], skin[:, 2]),
        "auroc_phone": _auroc(shares[1][:, 1], shares[0][:, 1]),
        "not_skin_found": float((shares[2][:, 2] >= cuts["not_skin"]).mean()),
        "dermoscopic_called_not_skin": float((shares[0][:, 2] >= cuts["not_skin"]).mean()),
        "phone_called_not_skin": float((shares[1][:, 2] >= cuts["not_skin"]).mean()),
        "auroc_distance_not_skin": _auroc(far[2], far[0]),
        "far_dermoscopic": float((far[0] > cuts["distance"]).mean()),
        "far_phone": float((far[1] > cuts["distance"]).mean()),
        "far_not_skin": float((far[2] > cuts["distance"]).mean()),
    }


def _auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    return float(roc_auc_score(truth, np.concatenate([positive, negative])))
