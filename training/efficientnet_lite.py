"""EfficientNet-Lite0: EfficientNet-B0 without what phones and small servers run slowly.

No squeeze-and-excitation, ReLU6 instead of swish, stem and head of fixed width; 3.4 million
weights without the classifier. Tan & Le, ICML 2019 (arXiv 1905.11946), and the "lite" variants of
its reference implementation (Apache-2.0).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mlservice.engine.types import Floats

EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    kernel: int
    expansion: int
    filters: int
    blocks: int
    stride: int  # of the first block; the others keep the size


STEM, HEAD = 32, 1280
STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 6, 40, 2, 2),
    Stage(3, 6, 80, 3, 2),
    Stage(5, 6, 112, 3, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1),
)


def efficientnet_lite0(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """RGB of 0..255 ``(n, h, w, 3)`` -> feature map ``(n, h/32, w/32, 1280)``."""
    maps = keras.layers.Rescaling(1.0, offset=-127.0, name="normalise")(pixels)
    maps = _normed(_conv(STEM, 3, "stem", stride=2)(maps), "stem")
    for number, stage in enumerate(STAGES, start=1):
        for block in range(stage.blocks):
            stride = stage.stride if block == 0 else 1
            maps = _block(maps, stage, stride, f"block_{number}{'abcd'[block]}")
    return _normed(_conv(HEAD, 1, "head")(maps), "head")


def _conv(filters: int, kernel: int, name: str, stride: int = 1) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
    )


def _normed(maps: keras.KerasTensor, name: str, *, active: bool = True) -> keras.KerasTensor:
    maps = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(maps)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(maps) if active else maps


def _block(maps: keras.KerasTensor, stage: Stage, stride: int, name: str) -> keras.KerasTensor:
    """Inverted residual: widen, look around in each channel, narrow, add."""
    before, width = maps, maps.shape[-1]
    if stage.expansion > 1:
        maps = _normed(_conv(stage.expansion * width, 1, f"{name}_expand")(maps), f"{name}_expand")
    maps = keras.layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(maps)
    maps = _normed(maps, f"{name}_depthwise")
    maps = _normed(
        _conv(stage.filters, 1, f"{name}_project")(maps), f"{name}_project", active=False
    )
    if stride == 1 and width == stage.filters:
        maps = keras.layers.Add(name=f"{name}_add")([before, maps])
    return maps


def load_folded(body: keras.Model, path: Path) -> None:
    """Take over weights whose batch normalisation is folded into kernel and bias.

    ``path`` is an ``.npz`` with ``000_w``, ``000_b``, ``001_w``, … in the order of the
    convolutions; what follows them, a classifier, is left out. The normalisation layers are set
    to add the bias and change nothing else. Raises :class:`ValueError` saying why when a kernel
    is missing or of another shape.
    """
    convolutions = [layer for layer in body.layers if layer.name.endswith("_conv")]
    try:
        with np.load(path, allow_pickle=False) as stored:
            for number, layer in enumerate(convolutions):
                _take(body, layer, stored[f"{number:03}_w"], stored[f"{number:03}_b"])
    except (KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error


def _take(body: keras.Model, layer: keras.layers.Conv2D, kernel: Floats, bias: Floats) -> None:
    size = len(bias)
    one = np.sqrt(np.full(size, 1.0 + EPSILON))
    layer.set_weights([kernel])
    norm = body.get_layer(layer.name.removesuffix("_conv") + "_bn")
    norm.set_weights([one, bias, np.zeros(size), np.ones(size)])
