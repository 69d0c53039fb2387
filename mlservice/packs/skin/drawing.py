"""Pictures of skin marks drawn by code, for demos, tests and golden images.

They have no clinical meaning: nothing may be trained, measured or judged on them. They exist
because no picture of a patient may ship with the code. The same arguments give the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from mlservice.packs.skin.marks import LOOKS, Look
from mlservice.packs.skin.sheet import Colour, Mark, Sheet, disc, grid, rise

CANVAS = 900  # larger pictures are drawn at this width and enlarged: detail costs time
TONES: tuple[Colour, ...] = (  # Fitzpatrick I to VI
    (0.91, 0.77, 0.73),
    (0.87, 0.70, 0.63),
    (0.80, 0.62, 0.52),
    (0.69, 0.49, 0.38),
    (0.50, 0.33, 0.25),
    (0.37, 0.25, 0.20),
)
HOW_OFTEN = {
    "nv": 0.5,
    "bkl": 0.14,
    "mel": 0.1,
    "bcc": 0.09,
    "akiec": 0.07,
    "vasc": 0.05,
    "df": 0.05,
}


def draw(
    seed: int,
    *,
    kind: str = "nv",
    size: tuple[int, int] = (600, 450),
    hair: int | None = None,
    blur: float = 0.0,
    skin_tone: int | None = None,
    phone: bool = False,
) -> Image.Image:
    """An RGB picture of ``size`` (width, height) showing a mark of ``kind`` on skin.

    ``kind`` is a label's name. ``hair`` is the number of hairs and ``skin_tone`` a Fitzpatrick
    type from 1 to 6; left out, the seed picks them. ``blur`` is a Gaussian radius in pixels of a
    450-pixel-high picture. ``phone`` draws an ordinary photo: a smaller mark, relief and side
    light instead of the dermatoscope's flat light and dark rim. Hair and blur leave the mark
    beneath as it is. Raises :class:`ValueError` for an unknown kind or skin type.
    """
    if kind not in LOOKS:
        raise ValueError(f"Unknown kind {kind!r}; known: {', '.join(sorted(LOOKS))}.")
    if skin_tone is not None and not 1 <= skin_tone <= len(TONES):
        raise ValueError(f"A skin type is from 1 to {len(TONES)}, not {skin_tone}.")
    skin_rng, mark_rng, hair_rng, light_rng = np.random.default_rng(
        [seed, sorted(LOOKS).index(kind)]
    ).spawn(4)
    shrink = min(1.0, CANVAS / max(size))
    canvas = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
    usual = int(skin_rng.choice(6, p=(0.25, 0.3, 0.2, 0.12, 0.08, 0.05))) + 1
    tone = usual if skin_tone is None else skin_tone
    sheet = _skin(skin_rng, canvas, TONES[tone - 1], phone)
    mark = _mark(mark_rng, sheet, LOOKS[kind], phone)
    LOOKS[kind].paint(mark_rng, sheet, mark)
    if phone:
        _relief(sheet, mark, LOOKS[kind].height)
    count = int(hair_rng.poisson(5)) if hair is None else hair
    _hairs(hair_rng, sheet, count, tone)
    _light(light_rng, sheet, phone)
    image = Image.fromarray((sheet.rgb.clip(0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur((0.7 + blur) * canvas[1] / 450))
    return image if canvas == size else image.resize(size, Image.Resampling.BICUBIC)


def draw_cast(n: int, seed: int, *, phone: bool = False) -> Iterator[tuple[str, Image.Image]]:
    """``n`` pairs of kind and picture for a demo worklist, most of them naevi as in a clinic."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(HOW_OFTEN), size=n, p=list(HOW_OFTEN.values()))
    for kind, each in zip(kinds, rng.integers(2**31, size=n), strict=True):
        yield str(kind), draw(int(each), kind=str(kind), phone=phone)


def _skin(rng: Generator, size: tuple[int, int], tone: Colour, phone: bool) -> Sheet:
    """Bare skin of that colour: flushes, skin lines, grain, a few freckles."""
    base = np.array(tone, np.float32) * rng.uniform(0.95, 1.05, 3).astype(np.float32)
    tint = np.power(base / np.array(TONES[0], np.float32), np.float32(0.75))
    blank = np.ones(size[::-1], np.float32)
    sheet = Sheet(size, blank[..., None] * base, tint, blank)
    sheet.rgb *= 1 + sheet.noise(rng, 120, 3)[..., None] * np.array((0.013, -0.019, -0.012))
    sheet.rgb *= 1 + sheet.noise(rng, 45, 2)[..., None] * np.array((0.014, 0.018, 0.022))
    # Skin lines: the ridges of two noises that cross each other.
    lines = np.abs(sheet.noise(rng, 7)) + np.abs(sheet.noise(rng, 14, 2)) - 0.9
    grain = rng.normal(0, 0.018, size[::-1]) + 0.015 * sheet.noise(rng, 5)
    sheet.texture = 1 + lines * (0.05 if phone else 0.03) + grain
    sheet.rgb *= sheet.texture[..., None]
    for _ in range(rng.poisson(5)):
        x, y = rng.uniform((0, 0), size)
        freckle = disc(sheet, x, y, rng.uniform(2, 7) * sheet.unit, 0.9)
        sheet.blend((0.66, 0.46, 0.36), rng.uniform(0.1, 0.4) * freckle)
    return sheet


def _mark(rng: Generator, sheet: Sheet, look: Look, phone: bool) -> Mark:
    width, height = sheet.size
    radius = min(width, height) * float(rng.uniform(*((0.12, 0.2) if phone else (0.2, 0.33))))
    centre = (width * float(rng.uniform(0.42, 0.58)), height * float(rng.uniform(0.42, 0.58)))
    x, y = grid(sheet)
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
    dx, dy = x - centre[0], y - centre[1]
    along = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch
    across = (dy * np.cos(turn) - dx * np.sin(turn)) * np.sqrt(stretch)
    angle = np.arctan2(across, along)
    outline = np.ones_like(angle)
    for wave in range(2, 6):
        size = look.uneven * rng.uniform(0.4, 1.0) / (wave - 1)
        outline += np.float32(size) * np.cos(wave * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    depth = 1 - np.hypot(along, across) / (radius * outline)
    depth += look.ragged * sheet.noise(rng, 40, 4)
    return Mark(rise(depth, look.soft), depth.astype(np.float32), radius, centre)


def _relief(sheet: Sheet, mark: Mark, height: float) -> None:
    """Light from the upper left on a mark that stands out, with a gleam where it is steep."""
    bump = Image.fromarray((mark.depth.clip(0, 0.6) * mark.radius * height).astype(np.float32))
    small = bump.resize((sheet.size[0] // 12 or 1, sheet.size[1] // 12 or 1), Image.Resampling.BOX)
    slope_y, slope_x = np.gradient(np.asarray(small.resize(sheet.size, Image.Resampling.BICUBIC)))
    facing = (slope_x + slope_y).clip(-1, 1)
    sheet.rgb *= 1 + 0.4 * facing[..., None]
    sheet.rgb += 0.2 * rise(facing - 0.45, 0.5)[..., None]


def _light(rng: Generator, sheet: Sheet, phone: bool) -> None:
    width, height = sheet.size
    x, y = grid(sheet)
    across, down = x / width - 0.5, y / height - 0.5
    if phone:
        angle = rng.uniform(0, 2 * np.pi)
        slope = (np.cos(angle) * across + np.sin(angle) * down) * rng.uniform(0.2, 0.5)
        sheet.rgb *= (1 + slope)[..., None] * np.array((1.0, 0.97, rng.uniform(0.86, 0.96)))
        return
    far = np.hypot(x - width / 2, y - height / 2) / (height / 2)
    sheet.rgb *= (1.04 - rng.uniform(0.06, 0.16) * far**2)[..., None]
    if rng.random() < 0.35:  # the round edge of the dermatoscope
        inside = 1 - rise(far - rng.uniform(1.12, 1.3), 0.06)
        sheet.rgb *= 0.03 + 0.97 * inside[..., None]


def _hairs(rng: Generator, sheet: Sheet, count: int, tone: int) -> None:
    width, height = sheet.size
    mask = Image.new("L", (2 * width, 2 * height))  # drawn at twice the size for smooth edges
    pen = ImageDraw.Draw(mask)
    lean = rng.uniform(0, 2 * np.pi)
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(count):
        start = rng.uniform((0, 0), (2 * width, 2 * height))
        angle, length = lean + rng.normal(0, 0.5), height * rng.uniform(0.4, 1.3)
        end = start + length * np.array((np.cos(angle), np.sin(angle)))
        bend = (start + end) / 2 + rng.normal(0, 0.18 * length, 2)
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        wide = max(1, round(rng.uniform(1.6, 3.4) * height / 450))
        pen.line([(float(px), float(py)) for px, py in curve], int(rng.integers(140, 235)), wide)
    ink = np.array((0.12, 0.09, 0.07) if tone > 2 else (0.26, 0.18, 0.13), np.float32)
    alpha = np.asarray(mask.resize(sheet.size, Image.Resampling.BOX), np.float32) / 255
    sheet.rgb += alpha[..., None] * (ink - sheet.rgb)
