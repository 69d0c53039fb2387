"""What a lesion may look like on another day: turned, nearer, in other light, saved worse."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from mlservice.engine.types import Floats, Picture


def augment(picture: Picture, rng: np.random.Generator, side: int) -> Picture:
    """One random view of a prepared picture: ``uint8`` of shape ``(side, side, 3)``."""
    image = _turn(picture, rng, side)
    if rng.random() < 0.1:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
    image = Image.fromarray(_relight(np.asarray(image, np.float32), rng))
    if rng.random() < 0.25:
        image = _save_worse(image, int(rng.integers(40, 90)))
    return np.asarray(image, np.uint8)


def _turn(picture: Picture, rng: np.random.Generator, side: int) -> Image.Image:
    """Any rotation, a flip, up to a quarter nearer or farther, a little stretch, a small shift."""
    border = picture.shape[0] // 3  # mirrored, so that a turned picture has no black corners
    padded = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="reflect")
    angle, zoom, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.25), rng.uniform(0.9, 1.1)
    flip = rng.choice((-1.0, 1.0))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([flip * zoom * stretch, zoom / stretch])
    centre = padded.shape[0] / 2 + rng.uniform(-0.08, 0.08, 2) * picture.shape[0]
    offset = centre - matrix @ np.array([side / 2, side / 2])
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return Image.fromarray(padded).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )


def _relight(pixels: Floats, rng: np.random.Generator) -> Picture:
    """Brightness, contrast, saturation and the colour of the light."""
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3).astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(rng.uniform(0.8, 1.2))
    mean = pixels.mean()
    pixels = (mean + (pixels - mean) * np.float32(rng.uniform(0.85, 1.15))) * gain
    bounded: Picture = np.clip(pixels, 0, 255).astype(np.uint8)
    return bounded


def _save_worse(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
