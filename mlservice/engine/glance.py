"""What a picture shows at a glance: NumPy and Pillow on a copy of 64 by 64 pixels, no network.

Two sets of numbers are measured. The *palette* says what the picture is made of: its colours, and
how much there is of edges, fine and coarse. The *placement* says where something stands out from
its surroundings. What they mean for a disease area is its pack's: weights that
``python -m training glance`` fits, over the names given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from PIL import Image

from mlservice.engine.types import Floats, Picture

SIDE = 64  # every picture alike, so that no camera's sharpness is learned
HALF = SIDE // 2  # enough to say where something is
_LARGE, _SAMPLED = 16 * SIDE, 8 * SIDE  # pixels of a side
MIDDLE = 0.6  # of each side: what the sender meant to show is there
_DARK = 8.0  # lightness; a dermatoscope's rim lies below it, no skin does
_ROUNDS = 4  # of fitting the ground, each time without what stands out of it
_GROUND = 0.7  # the share of the picture that is taken for ground
_WEIGH = np.array((0.7, 1, 1), np.float32)  # light differs most without meaning anything
_BAND = 4  # pixels along each side
_RINGS = (0.0, 0.25, 0.45, 0.65, 0.85, 1.01)  # from the middle to the edge, the edge being 1
_WITHIN = 0.45

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
_TO_XYZ = np.array(  # of D65, as shares of its white
    [
        [0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505],
        [0.2126, 0.7152, 0.0722],
        [0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089],
    ],
    np.float32,
)
_Y, _X = np.mgrid[-1 : 1 : HALF * 1j, -1 : 1 : HALF * 1j].astype(np.float32)
_FAR = np.maximum(np.abs(_X), np.abs(_Y))
_SURFACE = np.stack([np.ones_like(_X), _X, _Y, _X * _X, _Y * _Y, _X * _Y], -1).reshape(-1, 6)
_RIDGE = 1e-3 * np.eye(_SURFACE.shape[1], dtype=np.float32)  # where nothing is lit


def copy_of(image: Image.Image) -> Picture:
    """The copy that is looked at, ``(SIDE, SIDE, 3)``; sides of any length become one.

    Of a large picture it is the mean of some of its pixels: all twelve million would take as long
    as everything else that is judged.
    """
    if max(image.size) > _LARGE:
        image = image.resize((_SAMPLED, _SAMPLED), Image.Resampling.NEAREST)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.uint8)


def colours_of(picture: Picture) -> Floats:
    """A copy's colours in CIE Lab."""
    white = _LINEAR[picture] @ _TO_XYZ.T
    x, y, z = np.moveaxis(np.cbrt(np.maximum(white, np.float32(0.008856))), -1, 0)
    colours: Floats = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
    return colours


def score(measured: Mapping[str, float], weights: Mapping[str, float], bias: float) -> float:
    """The sum of ``weights`` times what was measured. Raises ``KeyError`` for an unknown name."""
    return bias + sum(weight * measured[name] for name, weight in weights.items())


def palettes(colours: Floats) -> tuple[dict[str, float], dict[str, float]]:
    """:func:`palette` of the whole copy and of its middle.

    A photo is what either of them is: on a hand's photo the table around it may be most of it.
    """
    edge = round(SIDE * (1 - MIDDLE) / 2)
    return palette(colours), palette(colours[edge : SIDE - edge, edge : SIDE - edge])


def palette(colours: Floats) -> dict[str, float]:
    """Colours and edges of ``colours``, ``(height, width, 3)`` in CIE Lab."""
    light, red, yellow = (colours[..., i] for i in range(3))
    chroma = np.hypot(red, yellow)
    low, middle, high = _at(light, 0.25, 0.5, 0.75)
    blue_end, yellow_end = _at(yellow, 0.05, 0.95)
    measured = {
        "light": middle,
        "light_range": high - low,
        "red": _at(red, 0.5)[0],
        "yellow": _at(yellow, 0.5)[0],
        "yellow_range": yellow_end - blue_end,
        "warm": float(((red > 2) & (yellow > -4) & (yellow < 2.2 * red + 24)).mean()),
        "grey": float((chroma < 6).mean()),
        "vivid": float((chroma > 50).mean()),
    }
    coarser = colours
    for scale in (1, 2, 4):
        steps = _steps(coarser)
        measured[f"edges_{scale}"] = _log(steps[..., 0].mean())
        measured[f"edges_{scale}_strong"] = _log(_at(steps[..., 0], 0.95)[0])
        measured[f"edges_{scale}_colour"] = _log(np.hypot(steps[..., 1], steps[..., 2]).mean())
        coarser = _halved(coarser)
    rim = np.concatenate([coarser[0], coarser[-1], coarser[1:-1, 0], coarser[1:-1, -1]])
    measured["rim_colour"] = _log(rim[:, 1:].std(0).sum())
    measured["rim_range"] = _log(np.median(np.linalg.norm(rim - np.median(rim, 0), axis=1)))
    return measured


def placement(colours: Floats) -> dict[str, float]:
    """How far things stand out from the ground, ring by ring from the middle, and at the sides."""
    out = standing_out(colours)
    measured = {}
    for ring, (inner, outer) in enumerate(pairwise(_RINGS)):
        usual, most = _at(out[(inner <= _FAR) & (outer > _FAR)], 0.5, 0.9)
        measured[f"ring_{ring}"], measured[f"ring_{ring}_usual"] = _log(most), _log(usual)
    bands = (out[:_BAND], out[-_BAND:], out[:, :_BAND], out[:, -_BAND:])
    sides = sorted(_at(band, 0.85)[0] for band in bands)
    for place, name in ((3, "side_most"), (2, "side_second"), (1, "side_third")):
        measured[name] = _log(sides[place])
    within, around = (_at(out[where], 0.9)[0] for where in (_FAR < _WITHIN, _FAR >= _WITHIN))
    measured["within"] = _log(within) - _log(around)
    weight = out**2
    total = float(weight.sum()) or 1.0
    measured["off_centre"] = float(np.hypot((weight * _X).sum(), (weight * _Y).sum()) / total)
    return measured


def standing_out(colours: Floats) -> Floats:
    """How far each colour is from the ground's there, ``(HALF, HALF)``; 0 in a dark rim.

    The ground is a curved surface through most of the picture: light from a side is part of it.
    """
    seen = _halved(colours).reshape(-1, 3)
    lit = seen[:, 0] > _DARK
    if lit.mean() < 0.1:
        lit[:] = True
    ground, away = lit, np.zeros(len(seen), np.float32)
    for _ in range(_ROUNDS):
        surface = _SURFACE[ground]
        steady = surface.T @ surface + _RIDGE
        fitted = np.linalg.solve(steady, surface.T @ seen[ground])
        away = np.linalg.norm((seen - _SURFACE @ fitted) * _WEIGH, axis=1)
        ground = lit & (away <= _at(away[lit], _GROUND)[0])
    return _smoothed(np.where(lit, away, 0).reshape(HALF, HALF))


def _at(values: Floats, *shares: float) -> list[float]:
    """The values below which those shares of all lie."""
    places = [int(share * (values.size - 1)) for share in shares]
    ordered = np.partition(values, places, axis=None)
    return [float(ordered[place]) for place in places]


def _steps(colours: Floats) -> Floats:
    """Between neighbours, of each channel: ``(height - 1, width - 1, 3)``."""
    across = colours[:-1, 1:] - colours[:-1, :-1]
    down = colours[1:, :-1] - colours[:-1, :-1]
    steps: Floats = np.hypot(across, down)
    return steps


def _halved(colours: Floats) -> Floats:
    height, width = (side // 2 * 2 for side in colours.shape[:2])
    four = colours[:height, :width]
    sums = four[::2, ::2] + four[1::2, ::2] + four[::2, 1::2] + four[1::2, 1::2]
    return np.asarray(sums / 4, dtype=np.float32)


def _smoothed(values: Floats) -> Floats:
    """The mean of each pixel and its eight neighbours."""
    wide = np.pad(values, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9, dtype=np.float32)


def _log(value: float | np.floating) -> float:
    """A measure over several magnitudes, so that no picture's is beyond all others'."""
    return float(np.log(value + 0.5))
