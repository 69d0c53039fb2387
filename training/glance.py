"""The signs of a pack's glance, fitted on the numbers of :mod:`mlservice.engine.glance`.

*Strange*: the pictures of the labelled folder against ordinary photos. *Misplaced*: the same
pictures against pieces of them with the mark on the edge, cut by its outline. Whole lesions fit,
place the cut or judge, each for good (:func:`part_of`); of the ordinary photos the half that
taught the network's own gate fits (:func:`training.gate.halves`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from mlservice.engine import Picture
from mlservice.engine.glance import colours_of, copy_of, palettes, placement, score
from mlservice.engine.types import Floats
from mlservice.packs import Sign
from training.data import Row
from training.errors import TrainingError
from training.skin_crops import Bits, read_mask

PARTS = ("fit", "fit", "cut", "held out")
# Of the pictures that place the cut, the share that may be found though nothing is wrong: a retake
# costs trust and time, a hint a look.
MOST_STRANGE = 0.0005
MOST_MISPLACED = 0.03
# Fair skin is nearly all there is to learn from: the same pictures in the tones of others.
TONES = {"as it is": (1.0, 1.0, 1.0), "V": (0.55, 0.43, 0.34), "VI": (0.41, 0.32, 0.27)}
NEAR = 0.49  # of a picture's sides: a piece with the mark on its edge
LARGEST = 0.2  # of the picture: a larger mark is on every edge anyway
LIGHTS = 3  # of each phone photo: a phone's white is anything
_SOFT = {"strange": 0.03, "misplaced": 0.1}  # C of the regressions

Doubles = NDArray[np.float64]
Measured = Mapping[str, float]


def part_of(name: str) -> str:
    """What the lesion or picture called ``name`` is for: half fit, a quarter places the cut."""
    return PARTS[zlib.crc32(name.encode()) % len(PARTS)]


def toned(picture: Picture, tone: str) -> Picture:
    """``picture`` as if its skin had that tone; a sum, not a photo of anybody."""
    return np.asarray(picture * np.array(TONES[tone]), dtype=np.uint8)


def off_centre(image: Image.Image, mask: Bits, name: str) -> Image.Image | None:
    """A piece of ``image`` with the mark's middle on an edge; ``None`` where there is no room."""
    if not 0.005 < mask.mean() < LARGEST:
        return None
    rows, columns = np.nonzero(mask)
    return piece_beside(image, float(columns.mean()), float(rows.mean()), name)


def piece_beside(image: Image.Image, x: float, y: float, name: str) -> Image.Image | None:
    """A piece of ``image`` with the point on an edge or a corner: which one goes by ``name``."""
    wide, high = round(image.width * NEAR), round(image.height * NEAR)
    starts = [
        (round(x - across * wide), round(y - down * high))
        for across in (0, 0.5, 1)
        for down in (0, 0.5, 1)
        if (across, down) != (0.5, 0.5)
    ]
    fitting = [
        (left, top)
        for left, top in starts
        if 0 <= left <= image.width - wide and 0 <= top <= image.height - high
    ]
    if not fitting:
        return None
    left, top = fitting[zlib.crc32(name.encode()) % len(fitting)]
    return image.crop((left, top, left + wide, top + high))


@dataclass
class Examples:
    """What was measured of each picture, tone by tone, by the part its lesion is in."""

    subject: dict[str, list[tuple[Measured, Measured]]] = field(default_factory=dict)
    placed: dict[str, list[Measured]] = field(default_factory=dict)
    beside: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, row: Row, image: Image.Image, masks: Path | None) -> None:
        part, copy = part_of(row.lesion_id), copy_of(image)
        tones = [colours_of(toned(copy, tone)) for tone in TONES]
        self.subject.setdefault(part, []).extend(palettes(each) for each in tones)
        self.placed.setdefault(part, []).extend(placement(each) for each in tones)
        if masks is None:
            return
        piece = off_centre(image, read_mask(masks, row, image.size), row.image_id)
        if piece is not None:
            self.beside.setdefault(part, []).append(placement(seen(piece)))


def measure(rows: Sequence[Row], masks: Path | None) -> Examples:
    """Every picture of ``rows``, and a piece of each whose outline is in ``masks``."""
    examples = Examples()
    for row in tqdm(rows, "look", disable=None):
        examples.add(row, opened(row.path), masks)
    return examples


def by_phone(paths: Sequence[Path]) -> Examples:
    """Photos too few to be split again: they fit and place the cut, in several lights."""
    rng = np.random.default_rng(0)
    plain = [copy_of(opened(path)) for path in paths]
    lit = [
        (copy * np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.12, 3))).clip(0, 255).astype(np.uint8)
        for copy in plain
        for _ in range(LIGHTS)
    ]
    fit: list[tuple[Measured, Measured]] = [
        palettes(colours_of(toned(copy, tone))) for copy in plain for tone in TONES
    ]
    fit += [palettes(colours_of(copy)) for copy in lit]
    cut: list[tuple[Measured, Measured]] = [palettes(colours_of(copy)) for copy in plain]
    return Examples({"fit": fit, "cut": cut})


def seen(image: Image.Image) -> Floats:
    return colours_of(copy_of(image))


def opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise TrainingError(f"The picture {path.name!r} cannot be read: {error}.") from error


def fit_strange(sets: Sequence[Examples], ordinary: Sequence[Path], code: str) -> Sign:
    """The sign that a picture does not show the pack's subject; each of ``sets`` weighs the same.

    The cut lies where :data:`MOST_STRANGE` of each set's pictures at most are found.
    """
    usual = [[view for both in one.subject["fit"] for view in both] for one in sets]
    others = [view for path in ordinary for view in palettes(seen(opened(path)))]
    sign = _fitted(usual, others, code, _SOFT["strange"])
    asked = [
        np.quantile([strangeness(sign, both) for both in one.subject["cut"]], 1 - MOST_STRANGE)
        for one in sets
    ]
    return _cut_at(sign, max(0.0, *asked))


def fit_misplaced(sets: Sequence[Examples], code: str) -> Sign:
    """The sign that what a picture shows is not in the middle."""
    usual = [one.placed["fit"] for one in sets]
    beside = [each for one in sets for each in one.beside.get("fit", [])]
    if not beside:
        raise TrainingError("No outline left room for a piece beside its mark: give --masks.")
    sign = _fitted(usual, beside, code, _SOFT["misplaced"])
    asked = [
        np.quantile(
            [
                score(each, sign.weights, sign.bias)
                for each in one.placed["cut"][:: len(TONES)]  # as they are
            ],
            1 - MOST_MISPLACED,
        )
        for one in sets
    ]
    return _cut_at(sign, max(0.0, *asked))


def strangeness(sign: Sign, both: tuple[Measured, Measured]) -> float:
    """Of whichever looks less strange, the whole or its middle."""
    return min(score(view, sign.weights, sign.bias) for view in both)


def _fitted(
    usual: Sequence[Sequence[Measured]], found: Sequence[Measured], code: str, soft: float
) -> Sign:
    """Logistic regression over standardised numbers; both sides weigh the same."""
    names = sorted(found[0])
    table = np.array([[one[name] for name in names] for one in _all(usual, found)])
    wanted = np.repeat([0, 1], [len(table) - len(found), len(found)])
    shares = [np.full(len(one), 0.5 / len(usual) / len(one)) for one in usual]
    weights = np.concatenate([*shares, np.full(len(found), 0.5 / len(found))]) * len(table)
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(C=soft, max_iter=5000)
    model.fit(scaler.transform(table), wanted, sample_weight=weights)
    slopes: Doubles = model.coef_[0] / scaler.scale_
    bias = float(model.intercept_[0] - scaler.mean_ @ slopes)
    return Sign(code, bias, dict(zip(names, map(float, slopes), strict=True)))


def _all(usual: Sequence[Sequence[Measured]], found: Sequence[Measured]) -> Iterator[Measured]:
    for one in usual:
        yield from one
    yield from found


def _cut_at(sign: Sign, cut: float) -> Sign:
    """The same sign, found from a score of ``cut`` on."""
    return Sign(sign.code, sign.bias - float(cut), sign.weights)
