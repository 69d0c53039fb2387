"""Any labelled folder through a bundle, by the engine's own functions: what is served is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mlservice.engine import (
    Bundle,
    Modality,
    PictureAssessment,
    Predictor,
    check_golden,
    open_predictor,
)
from mlservice.engine.assess import ROTATIONS, assess_scores, calibrated, rotations
from mlservice.engine.preprocess import prepare
from mlservice.engine.types import PictureError
from training.card import shown
from training.data import Row, read_table
from training.errors import TrainingError
from training.metrics import Judged, measure

CHUNK = 16


def evaluate(
    bundle: Bundle, images: Path, labels: Path, declared: Modality, *, resamples: int = 1000
) -> dict[str, object]:
    """The numbers of ``bundle`` on the pictures of ``images`` that ``labels`` names."""
    rows = read_table(labels, images, bundle.labels)
    predictor = open_predictor(bundle)
    check_golden(bundle, predictor)
    judged = judge(bundle, predictor, rows, declared)
    return {"bundle": f"{bundle.name}-{bundle.version}", **measure(judged, resamples=resamples)}


def table(metrics: Mapping[str, Any]) -> str:
    """The numbers as lines to read; nested ones are left to ``--json``."""
    lines = []
    for name, value in metrics.items():
        if isinstance(value, float | int | str) or value is None:
            lines.append(f"{name:28} {shown(metrics, name) if isinstance(value, float) else value}")
    recalls = (f"{name} {value}" for name, value in metrics["recall"].items())
    return "\n".join([*lines, "recall: " + ", ".join(recalls)])


def judge(bundle: Bundle, predictor: Predictor, rows: Sequence[Row], declared: Modality) -> Judged:
    """Assess the pictures of ``rows``, all declared as taken by ``declared``."""
    assessed: list[PictureAssessment] = []
    raw = []
    for start in tqdm(range(0, len(rows), CHUNK), "assess"):
        few = rows[start : start + CHUNK]
        scores = predictor.predict(rotations([_prepared(row, bundle.side) for row in few]))
        for number in range(len(few)):
            own = scores[ROTATIONS * number : ROTATIONS * (number + 1)]
            assessed.append(assess_scores(bundle, own, declared, threshold=bundle.threshold))
            logits = np.stack([one.logits for one in own]).astype(np.float64)
            raw.append(calibrated(logits, 1.0).mean(0))
    return Judged.of(rows, assessed, np.stack(raw), bundle.labels, bundle.harmful, bundle.threshold)


def _prepared(row: Row, side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        return prepare(row.path, side)
    except PictureError as error:
        raise TrainingError(f"{error} (image_id {row.image_id!r})") from error
