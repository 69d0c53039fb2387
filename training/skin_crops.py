"""Plain skin and marks, cut from the same pictures in the same way, to teach "no lesion".

Every picture of the data shows a mark, so plain skin has to be cut from around it, and a piece is
smaller than a picture: scaled up it is soft, and plain skin alone would teach "this is soft". So
every square of plain skin has a twin from the same picture, of the same side, with a mark in it;
and both are shown at two scales: near (scaled up to the network's input) and wide (mirrored until
they fill a picture's frame, with the grain a real picture has).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from mlservice.engine import Picture, prepare
from training.data import Row
from training.errors import TrainingError

Content = Literal["skin", "mark"]
View = Literal["near", "wide"]
Bits = NDArray[np.bool_]
Places = NDArray[np.int64]  # (n, 2): left and top

# Shares of the picture's short side, so that reduced copies and originals are cut alike.
SIDES = (0.33, 0.60)  # of a square
MARGIN = 0.04  # between the outline and plain skin, on every side: outlines are drawn tight
GRAIN = 0.035  # hairs and pores are smaller than this, freckles and vignettes are not
STEP = 0.015  # between the places that are tried
EVEN = (0.80, 1.30)  # plain skin's light, in shares of its median: no vignette, no second mark
MARKED = 0.04  # the least share of a square that its mark covers


@dataclass(frozen=True, slots=True)
class Square:
    """Where a picture is cut: ``left, top`` and ``side`` in its own pixels."""

    row: Row
    content: Content
    left: int
    top: int
    side: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.left + self.side, self.top + self.side


def find_pairs(
    rows: Sequence[Row], masks: Path, seed: int, most: int
) -> list[tuple[Square, Square]]:
    """At most ``most`` pairs of plain skin and its twin with a mark, one pair a lesion.

    Looks through the lesions of ``rows`` in an order that ``seed`` decides; a picture without
    enough plain skin gives none. Raises :class:`TrainingError` when a picture that was looked at
    has no outline in ``masks``.
    """
    one_each = {row.lesion_id: row for row in sorted(rows, key=lambda row: row.image_id)}
    order = np.random.default_rng(seed).permutation(sorted(one_each))
    found: list[tuple[Square, Square]] = []
    with tqdm(total=most, desc="cut skin") as bar:
        for lesion in order:
            if len(found) == most:
                break
            if pair := _pair(one_each[str(lesion)], masks, seed):
                found.append(pair)
                bar.update()
    return found


def cut(squares: Sequence[Square], side: int, view: View) -> Picture:
    """The squares as the network would see them, ``(n, side, side, 3)``."""
    cuts = []
    for square in squares:
        picture = _opened(square.row.path)
        piece = picture.crop(square.box)
        if view == "wide":
            piece = _mirrored(piece, min(picture.size))
        cuts.append(prepare(piece, side))
    return np.stack(cuts) if cuts else np.empty((0, side, side, 3), np.uint8)


def read_mask(masks: Path, row: Row, size: tuple[int, int]) -> Bits:
    """Where the mark is, ``(height, width)``; ``size`` is the picture's, width first."""
    names = (f"{row.image_id}.png", f"{row.image_id}_segmentation.png")
    path = next((masks / name for name in names if (masks / name).is_file()), None)
    if path is None:
        raise TrainingError(
            f"The picture {row.image_id!r} has no outline {names[0]!r} in {str(masks)!r}: "
            "name the folder of outlines with --masks, or leave them all out."
        )
    mask: Bits = np.asarray(_opened(path).convert("L")) > 127
    if mask.shape != (size[1], size[0]):
        raise TrainingError(
            f"The outline {path.name!r} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture "
            f"{size[0]}x{size[1]}."
        )
    return mask


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise TrainingError(f"The picture {path.name!r} cannot be read: {error}.") from error


def _mirrored(piece: Image.Image, side: int) -> Image.Image:
    """``piece`` in the middle, its mirror images around it, ``side`` pixels each way."""
    before = (side - piece.width) // 2
    around = (before, side - piece.width - before)
    return Image.fromarray(np.pad(np.asarray(piece), (around, around, (0, 0)), mode="symmetric"))


def _pair(row: Row, masks: Path, seed: int) -> tuple[Square, Square] | None:
    """A square of plain skin and one with a mark, of one side; ``None`` where either is missing.

    The side is drawn at random, and the smallest is taken where that one finds no plain skin.
    """
    image = _opened(row.path)
    mask = read_mask(masks, row, image.size)
    rng = np.random.default_rng((seed, zlib.crc32(row.image_id.encode())))
    short = min(image.size)
    step = max(1, round(STEP * short))
    spoiled = spoiled_skin(np.asarray(image), mask)
    for share in (rng.uniform(*SIDES), SIDES[0]):
        side = round(short * share)
        plain = _places(spoiled, side, 0, 0, step)
        marked = _places(mask, side, MARKED * side**2, side**2, step)
        if len(plain) and len(marked):
            skin, mark = rng.choice(plain), rng.choice(marked)
            return (
                Square(row, "skin", int(skin[0]), int(skin[1]), side),
                Square(row, "mark", int(mark[0]), int(mark[1]), side),
            )
    return None


def spoiled_skin(picture: Picture, mask: Bits) -> Bits:
    """Every pixel that is not plain skin: the mark and its margin, vignettes, other marks."""
    short = min(mask.shape)
    reach = 2 * round(MARGIN * short) + 1
    spoiled: Bits = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    if spoiled.all():
        return spoiled
    grain = max(1, round(GRAIN * short))
    light = cv2.blur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (grain, grain)).astype(np.float64)
    middle = float(np.median(light[~spoiled]))
    return spoiled | (light < EVEN[0] * middle) | (light > EVEN[1] * middle)


def _places(bits: Bits, side: int, least: float, most: float, step: int) -> Places:
    """Where a square of ``side`` holds from ``least`` to ``most`` set pixels, tried every step."""
    if side > min(bits.shape):
        return np.empty((0, 2), np.int64)
    sums = cv2.integral(bits.astype(np.uint8))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    tried = inside[::step, ::step]
    tops, lefts = np.nonzero((tried >= least) & (tried <= most))
    return np.column_stack([lefts, tops]).astype(np.int64) * step
