"""The drawing paper under :mod:`mlservice.packs.skin.drawing`: noise, soft edges, blending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.floating[Any]]
Colour = tuple[float, float, float]


@dataclass(slots=True)
class Sheet:
    """The picture while it is drawn: ``rgb`` of shape (height, width, 3), 0 to 1.

    Colours are given as they look on light skin; ``tint`` is what the skin's own colour makes
    of them, a factor for each channel. ``texture`` (height, width), about 1, is the skin's fine
    relief; it shows through everything painted on it.
    """

    size: tuple[int, int]  # width, height
    rgb: Array
    tint: Array
    texture: Array

    @property
    def unit(self) -> float:
        """Pixels of this sheet per pixel of a 450-pixel-high picture."""
        return self.size[1] / 450

    def noise(self, rng: Generator, cell: float, octaves: int = 1) -> Array:
        """Smooth noise, mean 0, about -1 to 1, with spots about ``cell`` units across."""
        total = np.zeros(self.size[::-1], np.float32)
        for octave in range(octaves):
            step = cell * self.unit / 2**octave
            grid = [max(2, int(length / step) + 2) for length in self.size[::-1]]
            spots = Image.fromarray(rng.uniform(-1, 1, grid).astype(np.float32))
            total += np.asarray(spots.resize(self.size, Image.Resampling.BICUBIC)) / 2**octave
        return total

    def blend(self, colour: Colour | Array, alpha: Array) -> None:
        """Lay ``colour`` over the sheet where ``alpha`` (height, width) is near 1."""
        paint = np.asarray(colour, np.float32) * self.tint * self.texture[..., None]
        self.rgb += alpha[..., None] * (paint - self.rgb)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the mark is. All arrays have shape (height, width)."""

    inside: Array  # 1 in the mark, 0 outside, soft at its edge
    depth: Array  # 1 at the centre, 0 at the edge, below 0 outside
    radius: float  # in pixels
    centre: tuple[float, float]  # x, y in pixels


def grid(sheet: Sheet) -> tuple[Array, Array]:
    y, x = np.mgrid[: sheet.size[1], : sheet.size[0]].astype(np.float32)
    return x, y


def disc(sheet: Sheet, x: float, y: float, radius: float, soft: float) -> Array:
    xs, ys = grid(sheet)
    return rise(1 - np.hypot(xs - x, ys - y) / radius, soft)


def rise(values: Array, soft: float) -> Array:
    """0 below, 1 above zero, with a ramp ``soft`` wide between."""
    t = np.asarray(values / soft + 0.5, np.float32).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t))
