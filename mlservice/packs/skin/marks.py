"""How each kind of mark is painted, after textbook words and no picture of a patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from mlservice.packs.skin.sheet import Array, Colour, Mark, Sheet, disc, grid, rise


@dataclass(frozen=True, slots=True)
class Look:
    """How marks of one kind differ: outline, height over the skin, and what is painted inside."""

    paint: Callable[[Generator, Sheet, Mark], None]
    uneven: float  # how far the outline leaves a circle
    ragged: float  # how rough its edge is
    soft: float  # how wide its edge is
    height: float  # for the relief of an ordinary photo


def _network(rng: Generator, sheet: Sheet, cell: float) -> Array:
    """Thin meshes, 1 on the lines: the pigment network of a naevus."""
    lines = 1 - 3.2 * np.abs(sheet.noise(rng, cell) + 0.25 * sheet.noise(rng, 3 * cell))
    return np.asarray(lines.clip(0, 1))


def _paint_naevus(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    brown = np.array((0.55, 0.36, 0.26)) * rng.uniform(0.8, 1.2) * rng.uniform(0.94, 1.06, 3)
    sheet.blend(brown, 0.85 * mark.inside * (1 + 0.12 * sheet.noise(rng, 35, 3)).clip(0, 1.1))
    mesh = _network(rng, sheet, 9) * mark.inside * (0.35 + 0.6 * sheet.noise(rng, 60, 2)).clip(0, 1)
    sheet.blend(0.62 * brown, 0.6 * mesh)
    sheet.blend(0.6 * brown, 0.6 * rise(mark.depth - 0.55 + 0.12 * sheet.noise(rng, 30, 3), 0.8))


def _paint_melanoma(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    sheet.blend((0.53, 0.35, 0.25), 0.88 * mark.inside)
    colours = (
        (0.40, 0.24, 0.17),
        (0.70, 0.45, 0.42),
        (0.29, 0.17, 0.13),
        (0.60, 0.42, 0.28),
        (0.15, 0.10, 0.11),
    )
    for colour in colours:
        patch = rise(sheet.noise(rng, 100, 4) - 0.35, 0.7)
        sheet.blend(colour, 0.85 * patch * mark.inside)
    mesh = _network(rng, sheet, 12) * mark.inside * sheet.noise(rng, 90, 2).clip(0, 1)
    sheet.blend((0.20, 0.12, 0.09), 0.55 * mesh)
    x, y = np.array(mark.centre) + rng.normal(0, 0.3, 2) * mark.radius
    veil = disc(sheet, x, y, mark.radius * 0.55, 1.4) * (0.6 + 0.4 * sheet.noise(rng, 30, 3))
    sheet.blend((0.45, 0.44, 0.54), (0.7 * veil * mark.inside).clip(0, 1))
    _dots(rng, sheet, mark, 12, (1.2, 4), (0.12, 0.08, 0.09), reach=1.0)


def _paint_carcinoma(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    sheet.blend((0.83, 0.56, 0.55), 0.6 * mark.inside)
    pearl = rise(sheet.noise(rng, 60, 4) - 0.2, 1.2) * mark.inside
    sheet.blend((0.93, 0.80, 0.80), 0.5 * pearl)
    vessels = Image.new("L", sheet.size)
    for _ in range(6):
        angle = rng.uniform(0, 2 * np.pi)
        x = mark.centre[0] + mark.radius * np.cos(angle)
        y = mark.centre[1] + mark.radius * np.sin(angle)
        _vessel(rng, ImageDraw.Draw(vessels), (x, y), angle + np.pi, 2.2 * sheet.unit, mark.radius)
    soft = vessels.filter(ImageFilter.GaussianBlur(0.9 * sheet.unit))
    sheet.blend((0.70, 0.25, 0.26), np.asarray(soft, np.float32) / 255 * 0.75)
    nests = disc(sheet, *mark.centre, mark.radius * 0.9, 0.5)
    nests *= rise(sheet.noise(rng, 26, 2) - 0.85, 0.35)
    sheet.blend((0.45, 0.41, 0.47), 0.75 * nests)
    sore = rise(sheet.noise(rng, 45, 3) + mark.depth - 1.6, 0.4)
    sheet.blend((0.55, 0.20, 0.15), 0.7 * sore)


def _vessel(
    rng: Generator,
    pen: ImageDraw.ImageDraw,
    start: tuple[float, float],
    angle: float,
    width: float,
    length: float,
) -> None:
    """A wandering line that gets thinner and branches, as the vessels of a carcinoma do."""
    x, y = start
    for _ in range(8):
        angle += rng.normal(0, 0.35)
        end = (x + length / 8 * np.cos(angle), y + length / 8 * np.sin(angle))
        pen.line((x, y, *end), fill=230, width=max(1, round(width)))
        x, y = end
        if width > 1 and rng.random() < 0.3:
            _vessel(rng, pen, (x, y), angle + rng.choice((-0.8, 0.8)), width * 0.6, length * 0.5)


def _dots(
    rng: Generator,
    sheet: Sheet,
    mark: Mark,
    count: int,
    radii: tuple[float, float],
    colour: Colour,
    reach: float = 0.85,
) -> None:
    """Round dots strewn over the mark; ``radii`` in units, ``reach`` in radii of the mark."""
    dots = Image.new("L", sheet.size)
    pen = ImageDraw.Draw(dots)
    for _ in range(count):
        angle, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * reach * mark.radius
        x, y = mark.centre[0] + far * np.cos(angle), mark.centre[1] + far * np.sin(angle)
        r = rng.uniform(*radii) * sheet.unit
        pen.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.integers(150, 240)))
    soft = dots.filter(ImageFilter.GaussianBlur(1.2 * sheet.unit))
    sheet.blend(colour, np.asarray(soft, np.float32) / 255)


def _paint_keratosis(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    waxy = np.array((0.62, 0.46, 0.32)) * rng.uniform(0.7, 1.1)
    sheet.blend(waxy, 0.85 * mark.inside * (1 + 0.15 * sheet.noise(rng, 45, 3)).clip(0, 1.1))
    folds = np.abs(sheet.noise(rng, 26, 3))
    sheet.blend(0.66 * waxy, 0.5 * rise(0.2 - folds, 0.5) * mark.inside)
    sheet.blend(1.25 * waxy, 0.35 * rise(folds - 0.7, 0.7) * mark.inside)
    _dots(rng, sheet, mark, 12, (1.5, 3.5), (0.87, 0.77, 0.63), reach=0.75)
    _dots(rng, sheet, mark, 12, (1.5, 4), (0.30, 0.19, 0.13), reach=0.75)


def _paint_fibroma(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    sheet.blend((0.70, 0.50, 0.41), 0.7 * mark.inside)
    sheet.blend((0.55, 0.37, 0.29), 0.35 * _network(rng, sheet, 10) * mark.inside)
    scar = rise(mark.depth - 0.5 + 0.12 * sheet.noise(rng, 30, 3), 0.6)
    sheet.blend((0.91, 0.81, 0.78), 0.75 * scar)
    sheet.blend((0.80, 0.58, 0.56), 0.35 * scar * rise(np.abs(sheet.noise(rng, 20, 2)) - 0.4, 0.6))


def _paint_vascular(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    x, y = grid(sheet)
    x, y = (axis + 7 * sheet.unit * sheet.noise(rng, 40, 3) for axis in (x, y))
    nearest = second = np.full(x.shape, np.inf, np.float32)
    shade, total = np.zeros_like(x), np.full_like(x, 1e-9)
    for tone in rng.uniform(0, 1, 14):
        px, py = np.array(mark.centre) + rng.normal(0, 0.5, 2) * mark.radius
        away = np.hypot(x - np.float32(px), y - np.float32(py))
        second = np.minimum(second, np.maximum(nearest, away))
        nearest = np.minimum(nearest, away)
        near = np.exp(-away / np.float32(9 * sheet.unit))
        shade, total = shade + np.float32(tone) * near, total + near
    red, purple = np.array((0.70, 0.16, 0.20)), np.array((0.38, 0.12, 0.22))
    lobes = purple + (shade / total)[..., None] * (red - purple)
    sheet.blend(lobes, 0.92 * mark.inside)
    septa = 1 - rise(second - nearest - 4 * sheet.unit, 12 * sheet.unit)
    sheet.blend((0.72, 0.42, 0.44), 0.4 * septa * mark.inside)


def _paint_actinic(rng: Generator, sheet: Sheet, mark: Mark) -> None:
    sheet.blend((0.80, 0.44, 0.40), 0.7 * mark.inside)
    pale = rise(sheet.noise(rng, 18, 2) - 0.35, 0.9) * mark.inside
    sheet.blend((0.88, 0.64, 0.58), 0.5 * pale)
    scales = rise(sheet.noise(rng, 12, 3) + 0.9 * sheet.noise(rng, 80, 2) - 1.0, 0.7)
    sheet.blend((0.95, 0.89, 0.80), 0.8 * scales * rise(mark.depth - 0.1, 0.4))
    _dots(rng, sheet, mark, 22, (0.8, 1.8), (0.68, 0.24, 0.23), reach=0.9)


LOOKS = {
    "akiec": Look(_paint_actinic, uneven=0.15, ragged=0.16, soft=0.55, height=0.2),
    "bcc": Look(_paint_carcinoma, uneven=0.10, ragged=0.08, soft=0.50, height=0.45),
    "bkl": Look(_paint_keratosis, uneven=0.14, ragged=0.12, soft=0.18, height=0.4),
    "df": Look(_paint_fibroma, uneven=0.05, ragged=0.08, soft=0.65, height=0.3),
    "mel": Look(_paint_melanoma, uneven=0.26, ragged=0.13, soft=0.24, height=0.2),
    "nv": Look(_paint_naevus, uneven=0.06, ragged=0.05, soft=0.26, height=0.2),
    "vasc": Look(_paint_vascular, uneven=0.10, ragged=0.06, soft=0.15, height=0.5),
}
"""Every kind that can be drawn, by the label's name."""
