"""The networks: one forward pass gives logits, pooled embedding and the last feature map.

Input is RGB as :func:`mlservice.engine.prepare` gives it, 0..255; normalisation is a layer.
Global average pooling and one dense layer follow the backbone, so class-activation maps are
exact and need no gradients. Plain Keras 3: nothing here names a backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from mlservice.engine.types import Floats, Picture
from training.architectures import Weights, architecture, take_weights
from training.errors import TrainingError

Doubles = NDArray[np.float64]


def build(arch: str, labels: int, side: int | None, weights: Weights = None) -> keras.Model:
    """A Keras model ``(n, side, side, 3) -> {"logits", "embedding", "feature_map"}``.

    With ``side`` ``None`` it takes squares of any side that 32 divides. ``weights`` are the
    backbone's; without them it starts from random ones. Raises :class:`TrainingError` when they
    cannot be had or are another architecture's.
    """
    pixels = keras.Input((side, side, 3), name="picture")
    maps = architecture(arch).body(pixels)
    if weights is not None:
        take_weights(arch, keras.Model(pixels, maps), weights)
    pooled = keras.layers.GlobalAveragePooling2D(name="embedding")(maps)
    # In full precision also where the rest is not: a probability hangs on their differences.
    logits = keras.layers.Dense(labels, name="logits", dtype="float32")(pooled)
    outputs = {"logits": logits, "embedding": pooled, "feature_map": maps}
    return keras.Model(pixels, outputs, name=arch)


def at_side(network: keras.Model, arch: str, labels: int, side: int | None) -> keras.Model:
    """The same network with the same weights for pictures of another side."""
    other = build(arch, labels, side)
    other.set_weights(network.get_weights())
    return other


def norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The batch normalisation layers, in the order of computing."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in network.layers if isinstance(layer, kind)]


def rescale_norms(network: keras.Model, pictures: Picture, chunk: int = 16) -> None:
    """Give every batch normalisation the mean and variance it meets on ``pictures``.

    Scale and offset are changed along, so that the network computes what it computed before.
    Weights whose normalisation had been folded away, or came from other pictures, are thereby
    made fit for training with the statistics of each batch. ``pictures`` is ``(n, side, side, 3)``
    of the fitting part. A normalisation without a scale of its own (Inception's) cannot make up
    for another variance and stays as it is.
    """
    layers = [layer for layer in norms(network) if layer.scale and layer.center]
    if not layers:
        return
    probe = keras.Model(network.input, [layer.input for layer in layers])
    sums = [np.zeros(layer.input.shape[-1]) for layer in layers]
    squares = [np.zeros_like(total) for total in sums]
    counts = [0] * len(layers)
    for start in range(0, len(pictures), chunk):
        batch = pictures[start : start + chunk].astype(np.float32)
        for number, found in enumerate(probe.predict_on_batch(batch)):
            flat = np.asarray(found, np.float64).reshape(-1, found.shape[-1])
            sums[number] += flat.sum(0)
            squares[number] += (flat**2).sum(0)
            counts[number] += len(flat)
    for layer, total, square, count in zip(layers, sums, squares, counts, strict=True):
        mean = total / count
        _rescale(layer, mean, np.maximum(square / count - mean**2, 0.0))


def _rescale(layer: keras.layers.BatchNormalization, mean: Doubles, variance: Doubles) -> None:
    gamma, beta, old_mean, old_variance = layer.get_weights()
    slope = gamma / np.sqrt(old_variance + layer.epsilon)
    layer.set_weights(
        [
            slope * np.sqrt(variance + layer.epsilon),
            beta + slope * (mean - old_mean),
            mean,
            variance,
        ]
    )


def settle_norms(network: keras.Model, batches: Iterable[Floats]) -> None:
    """Average the statistics of batch normalisation over ``batches`` for the weights as they are.

    The running averages of training belong to weights that have moved on since, and to smaller
    pictures. Each batch counts the same, whatever the layers' momentum.
    """
    layers = norms(network)
    momenta = [layer.momentum for layer in layers]
    for number, batch in enumerate(batches):
        for layer in layers:
            layer.momentum = number / (number + 1)
        network(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def freeze(network: keras.Model, until: str | None) -> None:
    """Hold the layers up to ``until``; raises :class:`TrainingError` where there is none such.

    The first blocks see edges and colours, which ImageNet taught well enough, and they cost half
    of a step.
    """
    if until is None:
        return
    layers = list(walk(network))
    names = [layer.name for layer in layers]
    if until not in names:
        raise TrainingError(f"The network {network.name!r} has no layer {until!r}.")
    for layer in layers[: names.index(until) + 1]:
        layer.trainable = False


def walk(network: keras.Model) -> Iterator[keras.Layer]:
    """The layers in the order of computing, those of nested networks too."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from walk(layer)
        else:
            yield layer
