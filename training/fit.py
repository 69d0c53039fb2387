"""What both stages of fitting share: the views, how often a class is drawn, the loss.

The stages are :mod:`training.head` and :mod:`training.finetune`. Runs on any Keras backend.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlservice.engine.types import Floats, Picture
from training.augment import FIELD, augment
from training.config import Config
from training.errors import TrainingError

WORKERS = min(16, max(2, os.cpu_count() or 2))  # threads that make views
AHEAD = WORKERS + 6  # batches that are made before they are asked for
# TensorFlow is 13 times slower with it (measured on CPU); JAX is made for it.
JIT = keras.backend.backend() == "jax"


@dataclass(frozen=True)
class Part:
    """Prepared pictures of one part of the split, and the number of each one's label."""

    pictures: Picture  # (n, side, side, 3)
    targets: NDArray[np.int64]  # (n,)


def drawing_shares(targets: NDArray[np.int64], labels: Sequence[str], power: float) -> Floats:
    """How often each class is drawn: its share to ``power``, made to sum to one.

    Raises :class:`TrainingError` naming a class without a picture.
    """
    counts = np.bincount(targets, minlength=len(labels))
    for name, count in zip(labels, counts, strict=True):
        if count == 0:
            raise TrainingError(f"The class {name!r} has no picture in the fitting part.")
    shares = (counts / counts.sum()) ** power
    drawn: Floats = (shares / shares.sum()).astype(np.float32)
    return drawn


def batches(
    part: Part,
    shares: Floats,
    config: Config,
    side: int,
    first: int = 0,
    field: tuple[float, float] = FIELD,
) -> Iterator[tuple[Floats, Floats]]:
    """Endless batches of random views of the fitting part, classes drawn as ``shares`` say.

    A batch is ``(batch, side, side, 3)`` of 0..255 and the labels, ``(batch, c)``: one-hot, or
    shares of two classes where ``config.mix`` blends the views.

    Oversampling happens here, after the split and inside ``fit`` only. Batch number ``first`` and
    all that follow are the same in every run with the same seed; a few are made ahead.
    """
    chances = _chances(part, shares)
    with ThreadPoolExecutor(WORKERS) as pool:

        def ask(number: int) -> Future[tuple[Floats, Floats]]:
            return pool.submit(_batch, part, chances, config, side, number, field)

        ahead = deque(ask(first + number) for number in range(AHEAD))
        for number in itertools.count(first + AHEAD):
            yield ahead.popleft().result()
            ahead.append(ask(number))


def _chances(part: Part, shares: Floats) -> NDArray[np.float64]:
    """``(n,)``: how likely each picture is the next."""
    counts = np.bincount(part.targets, minlength=len(shares))
    weights = (shares / counts)[part.targets].astype(np.float64)
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances


def _batch(
    part: Part,
    chances: NDArray[np.float64],
    config: Config,
    side: int,
    number: int,
    field: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Batch ``number`` of :func:`batches`, whoever makes it and when."""
    rng = np.random.default_rng((config.seed, number))
    chosen = rng.choice(len(chances), config.batch, p=chances)
    views = [augment(part.pictures[i], rng, side, field) for i in chosen]
    pixels = np.stack(views).astype(np.float32)
    truth = one_hot(part.targets[chosen], len(config.labels))
    return mixed(pixels, truth, config.mix, rng) if config.mix else (pixels, truth)


def mixed(
    pixels: Floats, truth: Floats, mix: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Each view blended with another of the batch, and their labels alike (arXiv 1710.09412).

    The shares come from Beta(``mix``, ``mix``); a view always keeps the larger one.
    """
    share = rng.beta(mix, mix, len(pixels))
    own: Floats = np.maximum(share, 1 - share).astype(np.float32)
    other = rng.permutation(len(pixels))
    weight = own[:, None, None, None]
    blended: Floats = weight * pixels + (1 - weight) * pixels[other]
    shared: Floats = own[:, None] * truth + (1 - own[:, None]) * truth[other]
    return blended, shared


def one_hot(targets: NDArray[np.int64], labels: int) -> Floats:
    return np.eye(labels, dtype=np.float32)[targets]


class AdjustedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]  # keras ships no types
    """Cross entropy of ``logits + adjust * log prior``.

    The classes' shares among the drawn pictures are explained by the added term, so the logits
    themselves need not repeat that naevi are common (logit adjustment, arXiv 2007.07314).
    """

    def __init__(self, shares: Floats, config: Config) -> None:
        super().__init__(name="adjusted_cross_entropy")
        self._offset = (config.adjust * np.log(shares)).astype(np.float32)
        self._smoothing = config.label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        return keras.losses.categorical_crossentropy(
            y_true,
            self._adjusted(y_pred),
            from_logits=True,
            label_smoothing=self._smoothing,
        )

    def _adjusted(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        return logits + keras.ops.convert_to_tensor(self._offset)


class TaughtCrossEntropy(AdjustedCrossEntropy):
    """The same against labels of which ``config.teach`` is what the teachers say of the view.

    They see the very view, blended or not (function matching, arXiv 2106.05237). ``y_pred`` is
    ``(n, 2c)``: the network's logits, then the teachers'.
    """

    def __init__(self, shares: Floats, config: Config) -> None:
        super().__init__(shares, config)
        self._teach = config.teach

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        own, taught = keras.ops.split(y_pred, 2, axis=-1)
        even = self._smoothing / y_true.shape[-1]
        labels = y_true * (1 - self._smoothing) + even
        said = keras.ops.softmax(self._adjusted(taught))
        return keras.losses.categorical_crossentropy(
            (1 - self._teach) * labels + self._teach * said,
            self._adjusted(own),
            from_logits=True,
        )


def embed(network: keras.Model, pictures: Picture, batch: int = 64) -> Floats:
    """Pooled embeddings ``(n, d)``."""
    body = keras.Model(network.input, network.output["embedding"])
    chunks = range(0, len(pictures), batch)
    found = [
        body.predict_on_batch(pictures[start : start + batch].astype(np.float32))
        for start in tqdm(chunks, "features")
    ]
    return np.concatenate(found)
