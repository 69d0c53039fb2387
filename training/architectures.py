"""Every architecture `fit` knows; one entry here makes another one known.

An entry makes the layers from pixels (RGB, 0..255, as :func:`mlservice.engine.prepare` gives
them) to the last feature map, normalisation included. What follows, pooling and one dense layer,
is the same for all and in :mod:`training.network`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from training.efficientnet_lite import efficientnet_lite0, load_folded
from training.errors import TrainingError

Body = Callable[[keras.KerasTensor], keras.KerasTensor]
Loader = Callable[[keras.Model, Path], None]


def _load_keras(network: keras.Model, path: Path) -> None:
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise TrainingError(f"{path.name!r} does not fit the network: {error}.") from error


@dataclass(frozen=True, slots=True)
class Architecture:
    body: Body
    load: Loader = _load_keras  # reads a file of pretrained weights


def _mobilenet_v2(pixels: keras.KerasTensor) -> keras.KerasTensor:
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)
    body = keras.applications.MobileNetV2(
        weights=None, include_top=False, alpha=1.0, input_tensor=scaled
    )
    return body.output


def _tiny(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """A few thousand weights, for tests of the whole path."""
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)
    for number, filters in enumerate((8, 16, 32)):
        maps = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}"
        )(maps)
        maps = keras.layers.BatchNormalization(name=f"bn{number}")(maps)
        maps = keras.layers.ReLU(name=f"relu{number}")(maps)
    return maps


ARCHITECTURES: dict[str, Architecture] = {
    "mobilenet_v2": Architecture(_mobilenet_v2),
    "efficientnet_lite0": Architecture(efficientnet_lite0, load_folded),
    "tiny": Architecture(_tiny),
}


def architecture(name: str) -> Architecture:
    """The entry called ``name``; raises :class:`TrainingError` naming those there are."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise TrainingError(f"The architecture {name!r} is not one of {known}.") from None
