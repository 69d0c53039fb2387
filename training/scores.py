"""A network's answers as serving asks for them: every view of every picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlservice.engine import Picture, Predictor
from mlservice.engine.assess import views, views_of_one
from mlservice.engine.types import Floats


@dataclass(frozen=True)
class Scores:
    """Raw answers for ``n`` pictures, ``c`` labels, embeddings of size ``d``."""

    logits: Floats  # (n, v, c), of all views
    embeddings: Floats  # (n, d): mean of the views'


def score(
    predictor: Predictor, pictures: Picture, fields: Sequence[float], chunk: int = 16
) -> Scores:
    """Score prepared pictures ``(n, side, side, 3)`` with the network that is served."""
    raw = [
        answer
        for start in tqdm(range(0, len(pictures), chunk), "score")
        for answer in predictor.predict(views(list(pictures[start : start + chunk]), fields))
    ]
    logits = np.stack([one.logits for one in raw])
    embeddings = np.stack([one.embedding for one in raw])
    n, d, each = len(pictures), embeddings.shape[1], views_of_one(fields)
    return Scores(
        logits.reshape(n, each, -1),
        embeddings.reshape(n, each, d).mean(axis=1, dtype=np.float32),
    )


def lesion_weights(lesions: Sequence[str] | NDArray[np.str_]) -> NDArray[np.float64]:
    """Every lesion weighs one, shared among its pictures."""
    _, inverse, counts = np.unique(np.asarray(lesions), return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / counts[inverse]
    return weights
