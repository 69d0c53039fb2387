"""Every architecture `fit` knows; one entry here makes another one known.

An entry makes the layers from pixels (RGB, 0..255, as :func:`mlservice.engine.prepare` gives
them) to the last feature map, normalisation included, and knows where its pretrained weights
come from. What follows, pooling and one dense layer, is the same for all and in
:mod:`training.network`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras

from training.custom import custom
from training.efficientnet_lite import efficientnet_lite0, load_folded
from training.errors import TrainingError
from training.pretrained import IMAGENET, Source, download, load_keras

Body = Callable[[keras.KerasTensor], keras.KerasTensor]
Weights = Path | Literal["imagenet"] | None  # a file, what Keras downloads, or random ones

STRIDE = 32  # pixels of the picture to one of the feature map, at most
# Means of ImageNet's pictures, as Caffe's networks were trained: blue, green, red.
CAFFE_MEANS = (103.939, 116.779, 123.68)


@dataclass(frozen=True, slots=True)
class Architecture:
    body: Body
    load: Callable[[keras.Model, Path], None] | None = load_keras  # None: never pretrained
    source: Source | None = None  # where Keras has ImageNet weights for it
    least_side: int = STRIDE  # of a picture, in pixels


def _symmetric(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """-1..1."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)


def _caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Blue first, less the means, not scaled."""
    bgr = keras.ops.flip(pixels, axis=-1)
    layer = keras.layers.Normalization(mean=CAFFE_MEANS, variance=(1, 1, 1), name="normalise")
    return layer(bgr)


def _inside(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """For networks whose own first layers normalise."""
    return pixels


def _application(make: Source, normalise: Body, **options: Any) -> Architecture:
    """One of keras.applications; ``options`` go to :class:`Architecture`."""

    def body(pixels: keras.KerasTensor) -> keras.KerasTensor:
        return make(weights=None, include_top=False, input_tensor=normalise(pixels)).output

    return Architecture(body, source=make, **options)


def _tiny(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """A few thousand weights, for tests of the whole path."""
    maps = _symmetric(pixels)
    for number, filters in enumerate((8, 16, 32)):
        maps = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}"
        )(maps)
        maps = keras.layers.BatchNormalization(name=f"bn{number}")(maps)
        maps = keras.layers.ReLU(name=f"relu{number}")(maps)
    return maps


def _load_lite(body: keras.Model, path: Path) -> None:
    (load_folded if path.suffix == ".npz" else load_keras)(body, path)


ARCHITECTURES: dict[str, Architecture] = {
    "custom": Architecture(custom, load=None),
    "mobilenet_v2": _application(keras.applications.MobileNetV2, _symmetric),
    "mobilenet_v3_small": _application(keras.applications.MobileNetV3Small, _inside),
    "resnet50": _application(keras.applications.ResNet50, _caffe),
    "vgg16": _application(keras.applications.VGG16, _caffe),
    "inception_v3": _application(keras.applications.InceptionV3, _symmetric, least_side=96),
    "efficientnet_v2b0": _application(keras.applications.EfficientNetV2B0, _inside),
    "efficientnet_lite0": Architecture(efficientnet_lite0, load=_load_lite),
    "tiny": Architecture(_tiny, load=None),
}


def architecture(name: str) -> Architecture:
    """The entry called ``name``; raises :class:`TrainingError` naming those there are."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise TrainingError(f"The architecture {name!r} is not one of {known}.") from None


def choose_weights(name: str, given: str | None) -> Weights:
    """What ``--weights`` means for the architecture ``name``; ``given`` is ``None`` without it.

    ``none`` is random weights, ``imagenet`` what Keras downloads, anything else a file. Raises
    :class:`TrainingError` where the architecture has no such weights or the file is missing.
    """
    entry = architecture(name)
    if given == "none" or (given is None and entry.load is None):
        return None
    if entry.load is None:
        raise TrainingError(
            f"The architecture {name!r} starts from random weights and reads none: "
            f"leave out --weights {given}."
        )
    if given in (None, IMAGENET):
        if entry.source is None:
            raise TrainingError(
                f"Keras has no weights to download for {name!r}: give --weights PATH, or "
                "--weights none for random ones."
            )
        return IMAGENET
    return existing(Path(given))


def existing(path: Path) -> Path:
    if not path.is_file():
        raise TrainingError(f"There is no weights file {str(path)!r}.")
    return path


def take_weights(name: str, body: keras.Model, weights: Path | Literal["imagenet"]) -> None:
    """Give ``body``, pixels to feature map, its pretrained weights.

    Raises :class:`TrainingError` when they cannot be had or are another architecture's.
    """
    entry = architecture(name)
    if isinstance(weights, Path):
        if entry.load is None:
            raise TrainingError(f"The architecture {name!r} reads no weights file.")
        try:
            entry.load(body, existing(weights))
        except ValueError as error:
            raise TrainingError(
                f"{weights.name!r} does not hold weights of {name!r}: {error}"
            ) from error
    elif entry.source is None:
        raise TrainingError(f"Keras has no weights to download for {name!r}.")
    else:
        download(name, body, entry.source)


def check_side(name: str, side: int) -> None:
    """Raises :class:`TrainingError` for pictures of a side the architecture cannot take."""
    least = architecture(name).least_side
    if side % STRIDE or side < least:
        raise TrainingError(
            f"The architecture {name!r} takes pictures whose side is a multiple of {STRIDE} and "
            f"at least {least} pixels, not {side}."
        )
