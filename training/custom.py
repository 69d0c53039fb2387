"""Our own network, from scratch: convolution, pooling, dense, and nothing borrowed.

Small enough (1.5 million weights) to learn from a few thousand pictures and random weights. Every
convolution is followed by batch normalisation; each stage halves the picture by pooling, widens
it with one convolution, and adds what a second one finds to what it was given (He et al., CVPR
2016), so that the first layers learn as fast as the last.
"""

from __future__ import annotations

import keras

STEM = 32
STAGES = (64, 96, 160, 256)  # filters


def custom(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """RGB of 0..255 ``(n, h, w, 3)`` -> feature map ``(n, h/32, w/32, 256)``, never negative."""
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pixels)
    maps = _convolved(maps, STEM, "stem", stride=2)
    for number, filters in enumerate(STAGES, start=1):
        maps = keras.layers.MaxPooling2D(2, name=f"stage{number}_pool")(maps)
        maps = _convolved(maps, filters, f"stage{number}_widen")
        found = _convolved(maps, filters, f"stage{number}_look")
        maps = keras.layers.Add(name=f"stage{number}_add")([maps, found])
    return maps


def _convolved(
    maps: keras.KerasTensor, filters: int, name: str, stride: int = 1
) -> keras.KerasTensor:
    maps = keras.layers.Conv2D(
        filters,
        3,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(maps)
    maps = keras.layers.BatchNormalization(name=f"{name}_bn")(maps)
    return keras.layers.ReLU(name=f"{name}_relu")(maps)
