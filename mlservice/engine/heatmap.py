"""Where in a picture the network finds what speaks for a class: class-activation maps.

The network ends in the mean of its last feature map and one dense layer, so a class's logit is the
mean of a map of its own, and a constant: :func:`class_maps`. No gradient and no second forward are
needed. What is kept of a picture is its *heat*, made of several views of it by :func:`heat_of`;
:func:`overlay` lays one class of it over the photo it came from.

It says where the network looked, not where a disease is.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlservice.engine.types import Floats, Heat

GRID = 20  # cells along each side of the square that is kept
# Upright and upside down. Padding moves what a cell of the feature map sees by half a cell, to the
# right and down in either; turned back, the two make up for each other.
QUARTERS = (0, 2)

LOW = 0.3  # of the strongest: what is weaker is not shown
STRONGEST_ALPHA = 0.7
LONGEST = 480  # pixels of an overlay; it is smooth, and a browser makes it larger
# Viridis (van der Walt and Smith, CC0), evenly spaced: told apart without red and green, and
# unlike skin. Lightness alone orders it too.
COLOURS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
SHOWN_COLOURS = COLOURS[math.ceil(LOW * (len(COLOURS) - 1)) :]  # weak to strong


def class_maps(features: Floats, kernel: Floats) -> Floats:
    """``features`` ``(h, w, d)`` and the dense layer's ``kernel`` ``(d, c)`` -> ``(h, w, c)``.

    The mean over the first two is the logits without their bias.
    """
    height, width, size = features.shape
    maps: Floats = features.reshape(-1, size) @ kernel
    return maps.reshape(height, width, -1)


def views_mapped(fields: int) -> tuple[int, ...]:
    """Which views of a picture (see ``assess.views``) its heat is made of."""
    return tuple(quarter * fields + field for quarter in QUARTERS for field in range(fields))


def heat_of(maps: Sequence[Floats], fields: Sequence[float]) -> Heat:
    """The heat of one picture from the maps ``(h, w, c)`` of its :func:`views_mapped`.

    Turned back, laid where each view looked, averaged. Of each place it keeps how far a class
    stands above the mean of all: what moves a probability. 255 is the strongest place of any class,
    so the classes of one picture can be compared, and those of two pictures cannot.
    """
    height, width, labels = maps[0].shape
    turned = np.stack(maps).reshape(len(QUARTERS), len(fields), height, width, labels)
    upright = [np.rot90(of, -quarter, (1, 2)) for quarter, of in zip(QUARTERS, turned, strict=True)]
    by_field = np.mean(upright, axis=0).transpose(0, 3, 1, 2)
    total, weights = np.zeros((labels, GRID, GRID)), np.zeros((GRID, GRID))
    for field, of in zip(fields, by_field, strict=True):
        down, weight = _placed(height, field, field < max(fields))
        across, _ = _placed(width, field, field < max(fields))
        total += (down @ of @ across.T) * weight
        weights += weight
    seen = total / np.maximum(weights, 1e-9)
    above = np.maximum(seen - seen.mean(0), 0.0)
    heat: Heat = (above * (255 / max(above.max(), 1e-9))).astype(np.uint8)
    return heat


@lru_cache(maxsize=32)
def _placed(
    cells: int, field: float, fades: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How a view's cells are read at the places of the grid, and how much it counts at each.

    ``(GRID, cells)``, linear between the cells' centres, and ``(GRID, GRID)``. A nearer view
    counts fully from one cell inside its edge, so that its frame is not seen in the mean.
    """
    places = ((np.arange(GRID) + 0.5) / GRID - (1 - field) / 2) / field  # 0..1 in the view
    at = np.clip(places * cells - 0.5, 0, cells - 1)
    across = np.maximum(1 - np.abs(at[:, None] - np.arange(cells)), 0.0)
    inside = np.minimum(places, 1 - places)
    weight = np.clip(inside * cells, 0.0, 1.0) if fades else (inside >= 0).astype(np.float64)
    return across, weight[:, None] * weight


def overlay(heat: Heat, size: tuple[int, int]) -> bytes:
    """A PNG to lay over a whole photo of ``size``, from the heat ``(GRID, GRID)`` of one class.

    It has the photo's proportions; the heat covers the centre square, which is what the network
    was shown, and everything else is clear.
    """
    shrink = min(1.0, LONGEST / max(size))
    width, height = (max(1, round(edge * shrink)) for edge in size)
    edge = min(width, height)
    square = Image.fromarray(heat).resize((edge, edge), Image.Resampling.BICUBIC)
    photo = Image.new("L", (width, height), 0)
    photo.paste(square, ((width - edge) // 2, (height - edge) // 2))
    photo.putpalette(_palette())  # an "L" picture becomes "P", value by value
    buffer = io.BytesIO()
    photo.save(buffer, "PNG", transparency=_clearness(), optimize=True)
    return buffer.getvalue()


def _palette() -> bytes:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in COLOURS], np.float64)
    at = np.linspace(0, 1, len(COLOURS))
    steps = np.linspace(0, 1, 256)
    mixed = [np.interp(steps, at, anchors[:, channel]) for channel in range(3)]
    return np.stack(mixed, axis=1).round().astype(np.uint8).tobytes()


def _clearness() -> bytes:
    """The alpha of each value: nothing below :data:`LOW`."""
    strength = np.clip((np.linspace(0, 1, 256) - LOW) / (1 - LOW), 0, 1)
    return (strength * STRONGEST_ALPHA * 255).round().astype(np.uint8).tobytes()
