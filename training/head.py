"""A head over frozen features: the dense layer that turns an embedding into logits.

The one place that trains it; nothing here knows pictures or backbones. Any Keras backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from mlservice.engine.types import Floats
from training.config import Config
from training.fit import JIT, AdjustedCrossEntropy, drawing_shares, one_hot

BATCH = 128
Watch = Callable[[int, "Head"], None]


@dataclass(frozen=True)
class Head:
    """A trained head, its share of the prior put back: embeddings ``(n, d)`` -> logits."""

    model: keras.Model
    offset: Floats  # (c,), added to the logits

    @property
    def weights(self) -> list[Floats]:
        """Kernel and bias of the dense layer, without the prior."""
        kernel, bias = self.model.get_layer("logits").get_weights()
        return [kernel, bias]

    def logits(self, features: Floats) -> Floats:
        raw = keras.ops.convert_to_numpy(self.model(features, training=False))
        shifted: Floats = (raw + self.offset).astype(np.float32)
        return shifted


def train_head(
    features: Floats,
    targets: NDArray[np.int64],
    config: Config,
    *,
    hidden: int = 0,
    watch: Watch | None = None,
) -> Head:
    """Train on ``features`` ``(n, d)`` of the fitting pictures with the settings of ``config``.

    Of ``config`` count ``labels``, ``seed``, ``head_epochs``, ``head_learning_rate``,
    ``dropout``, ``weight_decay``, ``label_smoothing``, ``balance``, ``adjust`` and ``prior``.
    Classes are weighted as if drawn
    by ``balance``. ``hidden`` is the size of a layer before the last one; 0 is none, which is
    what `fit` ships, because class-activation maps are exact only then. ``watch`` is called after
    every epoch with how many are done and the head as it is; what it raises ends the training.
    Raises :class:`TrainingError` naming a class without a picture.
    """
    shares = drawing_shares(targets, config.labels, config.balance)
    counts = np.bincount(targets, minlength=len(shares))
    keras.utils.set_random_seed(config.seed)
    model = _layers(features.shape[1], hidden, config)
    head = Head(model, (config.prior * np.log(counts / counts.sum())).astype(np.float32))
    steps = config.head_epochs * -(-len(features) // BATCH)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(config.head_learning_rate, steps),
            weight_decay=config.weight_decay,
        ),
        loss=AdjustedCrossEntropy(shares, config),
        jit_compile=JIT,
    )
    model.optimizer.build(model.trainable_variables)  # not in the first step: traced once then
    model.fit(
        features,
        one_hot(targets, len(config.labels)),
        sample_weight=(shares / counts)[targets] * len(features),
        batch_size=BATCH,
        epochs=config.head_epochs,
        callbacks=[_Watcher(watch, head)] if watch else [],
        verbose=0,
    )
    return head


def _layers(width: int, hidden: int, config: Config) -> keras.Model:
    inputs = keras.Input((width,))
    values = keras.layers.Dropout(config.dropout, seed=config.seed)(inputs)
    if hidden:
        values = keras.layers.Dense(hidden, activation="relu")(values)
        values = keras.layers.Dropout(config.dropout, seed=config.seed + 1)(values)
    return keras.Model(inputs, keras.layers.Dense(len(config.labels), name="logits")(values))


class _Watcher(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    def __init__(self, watch: Watch, head: Head) -> None:
        super().__init__()
        self._watch, self._head = watch, head

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._watch(epoch + 1, self._head)
