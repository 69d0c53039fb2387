"""X-rays of chests drawn by code, for demos, tests and golden images.

They have no clinical meaning: nothing may be trained, measured or judged on them. They exist
because no picture of a patient may ship with the code. The same arguments give the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.floating[Any]]

KINDS = ("pneumonia", "normal")
CANVAS = 480  # larger pictures are drawn at this width and enlarged: detail costs time
RIBS = 9


def draw(
    seed: int,
    *,
    kind: str = "normal",
    size: tuple[int, int] = (600, 600),
    blur: float = 0.0,
    phone: bool = False,
) -> Image.Image:
    """A grey RGB picture of ``size`` (width, height): a chest from the front.

    ``kind`` is a label's name. ``blur`` is a Gaussian radius in pixels of a 450-pixel-high
    picture. ``phone`` draws a photo of a screen: tinted, darker to its corners, with a margin.
    Raises :class:`ValueError` for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"Unknown kind {kind!r}; known: {', '.join(KINDS)}.")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    shrink = min(1.0, CANVAS / max(size))
    canvas = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
    x, y = _grid(canvas, 1.15 if phone else 1.0)
    lungs = _lungs(rng, x, y)
    film = _body(x, y) * (1 - 0.62 * lungs)
    film += 0.13 * _ribs(rng, x, y) * (0.3 + 0.7 * lungs)
    film += 0.4 * _between(rng, x, y)
    if kind == "pneumonia":
        film += _patches(rng, canvas, x, y) * lungs
    film += rng.normal(0, 0.015, film.shape) + 0.03 * _noise(rng, canvas, 12)
    image = Image.fromarray((film.clip(0, 1) * 255).astype(np.uint8)).convert("RGB")
    if phone:
        image = _photographed(image, x, y)
    image = image.filter(ImageFilter.GaussianBlur((0.6 + blur) * canvas[1] / 450))
    return image if canvas == size else image.resize(size, Image.Resampling.BICUBIC)


def draw_cast(n: int, seed: int, *, phone: bool = False) -> Iterator[tuple[str, Image.Image]]:
    """``n`` pairs of kind and picture for a demo worklist, one in four with signs of pneumonia."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(KINDS, size=n, p=(0.25, 0.75))
    for kind, each in zip(kinds, rng.integers(2**31, size=n), strict=True):
        yield str(kind), draw(int(each), kind=str(kind), phone=phone)


def _grid(size: tuple[int, int], margin: float) -> tuple[Array, Array]:
    """Places across and down, -1 to 1 over the chest, each ``(height, width)``."""
    across = np.linspace(-margin, margin, size[0])
    down = np.linspace(-margin, margin, size[1])
    x, y = np.meshgrid(across, down)
    return x, y


def _soft(inside: Array, width: float = 0.06) -> Array:
    """1 where ``inside`` is positive, 0 where it is not, soft at the edge."""
    soft: Array = 1 / (1 + np.exp(-np.clip(inside / width * 4, -40, 40)))
    return soft


def _body(x: Array, y: Array) -> Array:
    """The trunk, grey on black; the shoulders leave the corners dark."""
    wide = 0.86 - 0.5 * np.clip(-y - 0.6, 0, 1) ** 1.2
    body: Array = 0.1 + 0.58 * _soft(wide - np.abs(x), 0.12) * (0.9 + 0.1 * y)
    return body


def _lungs(rng: Generator, x: Array, y: Array) -> Array:
    lungs = np.zeros_like(x)
    for side in (-1, 1):
        middle, reach = rng.uniform(0.36, 0.42), rng.uniform(0.24, 0.3)
        top, bottom = -rng.uniform(0.68, 0.78), rng.uniform(0.42, 0.56)
        tall = (bottom - top) / 2
        narrow = reach * (0.72 + 0.28 * np.clip((y - top) / (2 * tall), 0, 1))
        round_ = 1 - ((x - side * middle) / narrow) ** 2 - ((y - top - tall) / tall) ** 4
        lungs = np.maximum(lungs, _soft(round_, 0.45))
    return lungs


def _ribs(rng: Generator, x: Array, y: Array) -> Array:
    ribs = np.zeros_like(x)
    drop = rng.uniform(0.35, 0.5)
    for number in range(RIBS):
        height = -0.85 + number * 0.175 + drop * x**2
        ribs = np.maximum(ribs, np.exp(-(((y - height) / 0.028) ** 2)))
    bounded: Array = ribs * _soft(0.8 - np.abs(x))
    return bounded


def _between(rng: Generator, x: Array, y: Array) -> Array:
    """Spine, heart and the arch below: what lies between and under the lungs."""
    spine = _soft(0.1 - np.abs(x), 0.08)
    left, low = rng.uniform(0.08, 0.16), rng.uniform(0.12, 0.24)
    heart = _soft(1 - ((x - left) / 0.3) ** 2 - ((y - low) / 0.32) ** 2, 0.3)
    belly = _soft(y - 0.55 - 0.12 * x**2, 0.1)
    whole: Array = np.maximum(np.maximum(0.7 * spine, 0.85 * heart), 0.75 * belly)
    return whole


def _patches(rng: Generator, size: tuple[int, int], x: Array, y: Array) -> Array:
    """One to three cloudy patches within the lungs."""
    total = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 4))):
        across = float(rng.choice((-1, 1)) * rng.uniform(0.28, 0.46))
        down, wide = rng.uniform(-0.35, 0.35), rng.uniform(0.14, 0.26)
        cloud = np.exp(-((x - across) ** 2 + (y - down) ** 2) / wide**2)
        total = np.maximum(total, cloud)
    clouded: Array = 0.42 * total * (0.8 + 0.4 * _noise(rng, size, 30))
    return clouded


def _noise(rng: Generator, size: tuple[int, int], cell: float) -> Array:
    """Smooth noise, about -1 to 1, with spots about ``cell`` pixels across."""
    grid = [max(2, int(length / cell) + 2) for length in size[::-1]]
    spots = Image.fromarray(rng.uniform(-1, 1, grid).astype(np.float32))
    smooth: Array = np.asarray(spots.resize(size, Image.Resampling.BICUBIC))
    return smooth


def _photographed(image: Image.Image, x: Array, y: Array) -> Image.Image:
    shade = (1 - 0.25 * (x**2 + y**2) / 2)[..., None]
    tint = np.array((0.9, 0.98, 1.0))
    film = np.asarray(image, np.float32) * shade * tint
    film[np.maximum(np.abs(x), np.abs(y)) > 1.02] = (28, 28, 32)
    return Image.fromarray(film.clip(0, 255).astype(np.uint8))
