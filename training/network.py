"""The networks: one forward pass gives logits, pooled embedding and the last feature map.

Input is RGB as :func:`mlservice.engine.prepare` gives it, 0..255; normalisation is a layer.
Global average pooling and one dense layer follow the backbone, so class-activation maps are
exact and need no gradients. Plain Keras 3: nothing here names a backend.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras

from training.errors import TrainingError

# Images of 0..255 -> feature map. One entry makes an architecture known to the command line.
Backbone = Callable[[keras.KerasTensor, Path | None], keras.KerasTensor]


def _mobilenet_v2(pixels: keras.KerasTensor, weights: Path | None) -> keras.KerasTensor:
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)
    body = keras.applications.MobileNetV2(
        weights=None, include_top=False, alpha=1.0, input_shape=tuple(pixels.shape[1:])
    )
    if weights is not None:
        _load(body, weights)
    return body(scaled)


def _tiny(pixels: keras.KerasTensor, weights: Path | None) -> keras.KerasTensor:
    """A few thousand weights, for tests of the whole path."""
    if weights is not None:
        raise TrainingError("The architecture 'tiny' starts from random weights.")
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)
    for number, filters in enumerate((8, 16, 32)):
        maps = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu", name=f"conv{number}"
        )(maps)
    return maps


ARCHITECTURES: dict[str, Backbone] = {"mobilenet_v2": _mobilenet_v2, "tiny": _tiny}


def _load(body: keras.Model, weights: Path) -> None:
    if not weights.is_file():
        raise TrainingError(f"There is no weights file {str(weights)!r}.")
    try:
        body.load_weights(weights)
    except (ValueError, OSError) as error:
        raise TrainingError(f"{weights.name!r} does not fit the network: {error}.") from error


def build(arch: str, labels: int, side: int, weights: Path | None = None) -> keras.Model:
    """A Keras model ``(n, side, side, 3) -> {"logits", "embedding", "feature_map"}``."""
    if arch not in ARCHITECTURES:
        raise TrainingError(f"The architecture {arch!r} is not one of {', '.join(ARCHITECTURES)}.")
    pixels = keras.Input((side, side, 3), name="picture")
    maps = ARCHITECTURES[arch](pixels, weights)
    pooled = keras.layers.GlobalAveragePooling2D(name="embedding")(maps)
    logits = keras.layers.Dense(labels, name="logits")(pooled)
    outputs = {"logits": logits, "embedding": pooled, "feature_map": maps}
    return keras.Model(pixels, outputs, name=arch)


def at_side(network: keras.Model, arch: str, labels: int, side: int) -> keras.Model:
    """The same network with the same weights for pictures of another side."""
    other = build(arch, labels, side)
    other.set_weights(network.get_weights())
    return other
