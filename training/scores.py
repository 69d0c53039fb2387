"""A network's answers as serving asks for them: four rotations of every picture."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlservice.engine.assess import ROTATIONS, rotations
from mlservice.engine.types import Floats, Picture


@dataclass(frozen=True)
class Scores:
    """Raw answers for ``n`` pictures, ``c`` labels, embeddings of size ``d``."""

    logits: Floats  # (n, 4, c)
    embeddings: Floats  # (n, d): mean of the four rotations'


def score(network: keras.Model, pictures: Picture, chunk: int = 16) -> Scores:
    """Score prepared pictures ``(n, side, side, 3)`` with a Keras network."""
    body = keras.Model(
        network.input, {name: network.output[name] for name in ("logits", "embedding")}
    )
    logits, embeddings = [], []
    for start in tqdm(range(0, len(pictures), chunk), "score"):
        few = pictures[start : start + chunk]
        found = body.predict_on_batch(rotations(list(few)).astype(np.float32))
        logits.append(found["logits"].reshape(len(few), ROTATIONS, -1))
        embeddings.append(found["embedding"].reshape(len(few), ROTATIONS, -1).mean(1))
    return Scores(np.concatenate(logits), np.concatenate(embeddings))


def lesion_weights(lesions: list[str]) -> NDArray[np.float64]:
    """Every lesion weighs one, shared among its pictures."""
    _, inverse, counts = np.unique(np.asarray(lesions), return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / counts[inverse]
    return weights
