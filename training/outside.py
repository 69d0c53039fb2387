"""The world outside the training pictures: the gate and the distance, fitted and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlservice.engine import Picture, PictureError, Predictor, prepare
from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.config import Config
from training.errors import TrainingError
from training.fit import Part
from training.gate import (
    closed_gate,
    far_cut,
    fit_gate,
    fit_statistics,
    gate_report,
    halves,
    not_skin_cut,
)
from training.run import Material
from training.scores import score

MOST = 400


@dataclass(frozen=True)
class Others:
    """Folders of pictures that are not dermoscopic; half of each teaches the gate."""

    phone: Path
    not_skin: Path


@dataclass(frozen=True)
class Outside:
    """``report`` is on the halves nobody was fitted on; ``None`` where there were none."""

    statistics: Statistics
    distance_cut: float
    not_skin_cut: float
    report: dict[str, float | int] | None


def fit_outside(
    predictor: Predictor,
    material: Material,
    config: Config,
    held: Floats,
    others: Others | None,
) -> Outside:
    """Fit on the fitting part and half of ``others``, cut on the calibration embeddings ``held``.

    Without ``others`` the gate stays closed: nothing is recognised as dermoscopic.
    """
    fitting = _some(material.part("fit", config.side), config.seed)
    known = score(predictor, fitting.pictures).embeddings
    gate, unseen = closed_gate(known.shape[1]), None
    if others is not None:
        phone, other_phone = _embedded(predictor, others.phone, config)
        thing, other_thing = _embedded(predictor, others.not_skin, config)
        gate, unseen = fit_gate(known, phone, thing), (other_phone, other_thing)
    statistics = fit_statistics(known, fitting.targets, config.labels, gate)
    cuts = {
        "distance": far_cut(statistics, held),
        "not_skin": not_skin_cut(statistics, held),
    }
    report = None
    if unseen is not None:
        test = score(predictor, material.part("test", config.side).pictures).embeddings
        report = gate_report(statistics, test, *unseen, cuts)
    return Outside(statistics, cuts["distance"], cuts["not_skin"], report)


def _some(part: Part, seed: int) -> Part:
    """At most :data:`MOST` pictures of each class: enough for a mean, and minutes saved."""
    order = np.random.default_rng(seed).permutation(len(part.targets))
    few = [order[part.targets[order] == number][:MOST] for number in np.unique(part.targets)]
    chosen = np.sort(np.concatenate(few))
    return Part(part.pictures[chosen], part.targets[chosen])


def _embedded(predictor: Predictor, folder: Path, config: Config) -> tuple[Floats, Floats]:
    """Embeddings of the half that teaches and of the half that examines."""
    first, second = halves(folder, config.seed)
    return (
        score(predictor, _prepared(first, config.side)).embeddings,
        score(predictor, _prepared(second, config.side)).embeddings,
    )


def _prepared(paths: Sequence[Path], side: int) -> Picture:
    try:
        return np.stack([prepare(path, side) for path in paths])
    except PictureError as error:
        raise TrainingError(str(error)) from error
