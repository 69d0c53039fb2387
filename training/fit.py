"""Fitting in two stages: a head on frozen features, then the whole network.

Runs on any Keras backend. Batch normalisation keeps its ImageNet statistics throughout (the
network is always called with ``training=False``): on small batches that is steadier, and on a
CPU it is twice as fast.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from mlservice.engine.types import Floats, Picture
from training.augment import augment
from training.config import Config
from training.errors import TrainingError
from training.network import at_side

NETWORK = "network.weights.h5"
BACKUP = "backup"
DROPOUT = "dropout"
WORKERS, AHEAD = 2, 8  # threads that make views, and how many batches they are ahead


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
    part: Part, shares: Floats, config: Config, first: int = 0
) -> Iterator[tuple[Floats, Floats]]:
    """Endless batches of random views of the fitting part, classes drawn as ``shares`` say.

    Oversampling happens here, after the split and inside ``fit`` only. Batch number ``first`` and
    all that follow are the same in every run with the same seed; a few are made ahead.
    """
    counts = np.bincount(part.targets, minlength=len(shares))
    weights = (shares / counts)[part.targets].astype(np.float64)
    weights /= weights.sum()

    def make(number: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng((config.seed, number))
        chosen = rng.choice(len(weights), config.batch, p=weights)
        views = [augment(part.pictures[i], rng, config.train_side) for i in chosen]
        return np.stack(views).astype(np.float32), one_hot(part.targets[chosen], len(shares))

    with ThreadPoolExecutor(WORKERS) as pool:
        ahead = deque(pool.submit(make, first + number) for number in range(AHEAD))
        for number in itertools.count(first + AHEAD):
            yield ahead.popleft().result()
            ahead.append(pool.submit(make, number))


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
            y_true, y_pred + self._offset, from_logits=True, label_smoothing=self._smoothing
        )


def embed(network: keras.Model, pictures: Picture, batch: int = 64) -> Floats:
    """Pooled embeddings ``(n, d)``."""
    body = keras.Model(network.input, network.output["embedding"])
    found: Floats = body.predict(pictures, batch_size=batch, verbose=1)
    return found


def fit_head(network: keras.Model, part: Part, config: Config) -> None:
    """Stage one: train the dense layer on frozen features of the upright fitting pictures."""
    features = embed(network, part.pictures)
    shares = drawing_shares(part.targets, config.labels, config.balance)
    counts = np.bincount(part.targets, minlength=len(shares))
    inputs = keras.Input((features.shape[1],))
    hidden = keras.layers.Dropout(config.dropout, seed=config.seed)(inputs)
    head = keras.layers.Dense(len(config.labels), name="logits")
    probe = keras.Model(inputs, head(hidden))
    steps = config.head_epochs * -(-len(features) // 128)
    probe.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=config.weight_decay
        ),
        loss=AdjustedCrossEntropy(shares, config),
    )
    probe.fit(
        features,
        one_hot(part.targets, len(config.labels)),
        sample_weight=(shares / counts)[part.targets] * len(features),
        batch_size=128,
        epochs=config.head_epochs,
        verbose=0,
    )
    network.get_layer("logits").set_weights(head.get_weights())


def put_prior_back(network: keras.Model, part: Part, config: Config) -> None:
    """Add a share of the log of how common each class is to the bias of its logit.

    Trained to ignore that naevi are common, the network overstates what is rare; on the
    validation part half of the prior gave the best balanced accuracy and calibration error.
    """
    counts = np.bincount(part.targets, minlength=len(config.labels))
    kernel, bias = network.get_layer("logits").get_weights()
    shifted = bias + config.prior * np.log(counts / counts.sum())
    network.get_layer("logits").set_weights([kernel, shifted.astype(np.float32)])


def _trainee(network: keras.Model, config: Config) -> keras.Model:
    """Pictures -> logits, with dropout before the dense layer and the statistics held."""
    pixels = keras.Input((config.train_side, config.train_side, 3))
    pooled = network(pixels, training=False)["embedding"]
    pooled = keras.layers.Dropout(config.dropout, seed=config.seed, name=DROPOUT)(pooled)
    return keras.Model(pixels, network.get_layer("logits")(pooled))


def fine_tune(network: keras.Model, part: Part, config: Config, run: Path, held: Part) -> None:
    """Stage two: train every layer; ``held`` is only looked at, once an epoch.

    Killed and started again with the same ``run`` it goes on from the last whole epoch.
    """
    shares = drawing_shares(part.targets, config.labels, config.balance)
    small = at_side(network, config.arch, len(config.labels), config.train_side)
    freeze(small, config.freeze_until)
    trainee = _trainee(small, config)
    steps = max(1, len(part.targets) // config.batch)
    trainee.compile(
        optimizer=_optimizer(config, steps),
        loss=AdjustedCrossEntropy(shares, config),
        jit_compile=False,  # measured on CPU: 13 times slower with it
    )
    watch = _Watch(network, small, held)
    reseed = _Reseed(trainee.get_layer(DROPOUT), config.seed)
    keep = keras.callbacks.BackupAndRestore(str(run / BACKUP), delete_checkpoint=False)
    trainee.fit(
        batches(part, shares, config, first=_epochs_done(run) * steps),
        steps_per_epoch=steps,
        shuffle=False,
        epochs=config.epochs,
        callbacks=[reseed, watch, keep],
        verbose=2,
    )
    trainee.optimizer.finalize_variable_values(trainee.trainable_variables)
    network.set_weights(small.get_weights())


def _optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    """AdamW on a cosine after a warm-up, keeping a running average of the weights."""
    warmup = round(config.warmup_epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, config.epochs * steps - warmup),
        warmup_target=config.learning_rate,
        warmup_steps=max(1, warmup),
        alpha=0.01,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        use_ema=True,
        ema_momentum=config.ema,
        global_clipnorm=1.0,
    )


def freeze(network: keras.Model, until: str | None) -> None:
    """Hold the layers up to ``until``; raises :class:`TrainingError` where there is none such.

    The first blocks see edges and colours, which ImageNet taught well enough, and they cost half
    of a step.
    """
    if until is None:
        return
    layers = list(_walk(network))
    names = [layer.name for layer in layers]
    if until not in names:
        raise TrainingError(f"The network {network.name!r} has no layer {until!r}.")
    for layer in layers[: names.index(until) + 1]:
        layer.trainable = False


def _walk(network: keras.Model) -> Iterator[keras.Layer]:
    """The layers in the order of computing, those of nested networks too."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _walk(layer)
        else:
            yield layer


def _epochs_done(run: Path) -> int:
    """What Keras's own backup says, so that a resumed run draws the pictures it would have."""
    try:
        noted = json.loads((run / BACKUP / "training_metadata.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    return int(noted["epoch"])


class _Reseed(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Starts every epoch's dropout from its number: Keras's backup does not keep the seed."""

    def __init__(self, dropout: keras.layers.Dropout, seed: int) -> None:
        super().__init__()
        self._state, self._seed = dropout.seed_generator.state, seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._state.assign((self._seed, epoch * 1_000_000))


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Prints the balanced accuracy of the averaged weights on the validation part, upright."""

    def __init__(self, network: keras.Model, small: keras.Model, held: Part) -> None:
        super().__init__()
        self._network, self._small, self._held = network, small, held
        self._logits = keras.Model(network.input, network.output["logits"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        self._network.set_weights(self._small.get_weights())
        self.model.set_weights(now)
        guesses = self._logits.predict(self._held.pictures, batch_size=64, verbose=0).argmax(1)
        recall = recall_score(self._held.targets, guesses, average="macro", zero_division=0)
        loss = (logs or {}).get("loss", float("nan"))
        print(f"epoch {epoch + 1}: loss {loss:.4f}, validation bmca {recall:.4f}", flush=True)
