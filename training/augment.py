"""What a lesion may look like on another day: turned, nearer, in other light, saved worse."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mlservice.engine.types import Picture

# Batches are made in threads of our own; OpenCV's would fight with the network's.
cv2.setNumThreads(0)

Pixels = NDArray[np.integer[Any] | np.floating[Any]]  # what OpenCV says it returns

FIELD = (0.65, 1.15)  # how much of the picture's side a view shows
WHOLE = (1.0, 1.0)  # as it is served
LUMA = np.array([0.299, 0.587, 0.114])


def augment(
    picture: Picture,
    rng: np.random.Generator,
    side: int,
    field: tuple[float, float] = FIELD,
) -> Picture:
    """One random view of a prepared picture: ``uint8`` of shape ``(side, side, 3)``.

    ``field`` bounds how much of the picture's side it shows.
    """
    turned = cv2.warpAffine(
        picture,
        _turn(picture.shape[0], rng, side, field),
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,  # so that a turned picture has no black corners
    )
    view: Pixels = cv2.transform(turned, _light(float(turned.mean()), rng))
    if rng.random() < 0.1:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.25:
        view = _save_worse(view, rng)
    return view.astype(np.uint8, copy=False)


def _turn(
    size: int, rng: np.random.Generator, side: int, field: tuple[float, float]
) -> NDArray[np.float64]:
    """View -> picture, ``(2, 3)``: any rotation, a flip, nearer or farther, a little stretch."""
    angle, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.1)
    scale = np.exp(rng.uniform(*np.log(field))) * size / side
    flip = rng.choice((-1.0, 1.0))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([flip * scale * stretch, scale / stretch])
    middle = (size - 1) / 2 + rng.uniform(-0.08, 0.08, 2) * size
    offset = middle - matrix @ np.full(2, (side - 1) / 2)
    return np.column_stack([matrix, offset])


def _light(mean: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(3, 4)``: saturation, contrast about the mean, brightness and the colour of the light."""
    saturation, contrast = rng.uniform(0.75, 1.25), rng.uniform(0.8, 1.2)
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    colours = saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA, (3, 1))
    matrix = gain[:, None] * contrast * colours
    return np.column_stack([matrix, gain * (1 - contrast) * mean])


def _save_worse(view: Pixels, rng: np.random.Generator) -> Pixels:
    """As a phone or a messenger would store it."""
    kind, option = (
        (".jpg", cv2.IMWRITE_JPEG_QUALITY)
        if rng.random() < 0.5
        else (".webp", cv2.IMWRITE_WEBP_QUALITY)
    )
    stored = cv2.imencode(kind, view, [option, int(rng.integers(40, 90))])[1]
    worse = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    return view if worse is None else worse
