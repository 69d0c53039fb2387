"""The same photograph under two names, whatever was done to the file in between.

Pictures that look alike (:mod:`training.sketch`) need not be the same: two small dark moles on
plain skin have like sketches. So each such pair is laid one on the other (ECC: Evangelidis and
Psarakis 2008) and their texture is compared, the local contrast that hairs, pores and skin lines
make all over a photograph. It agrees in copies, and in hardly anything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from training import sketch
from training.data import Row
from training.errors import TrainingError
from training.sketch import Affine, Grey, Pair, Real, alike, shrunk, turned, warp

VERSION = 3  # of the search: what an older one found is not read
SIDE = 96  # of a thumbnail: the whole picture, squeezed to a square
HOPELESS = 0.25  # agreement of small thumbnails below which a pair is given up
SAME = 0.75  # agreement from which two pictures are one photograph: others reach 0.72, most 0.5
SAME_COARSE = 0.95  # the same of coarse texture, all that poor JPEG leaves: others reach 0.942

# Pairs are compared in threads of our own; OpenCV's would only be in their way.
cv2.setNumThreads(0)
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)


@dataclass(frozen=True, slots=True)
class Twins:
    """Two pictures of different lesions that are one photograph; ``likeness`` up to 1."""

    one: str
    other: str
    likeness: float


def find_twins(
    rows: Sequence[Row],
    others: Sequence[Row],
    hashes: Mapping[str, str],
    cache: Path | None = None,
) -> list[Twins]:
    """Every pair of one of ``rows`` and one of ``others`` that is one photograph.

    Pictures of one lesion are not compared: they belong together anyway. Give the same rows twice
    to search a folder. ``hashes`` (the SHA-256 of the files, by image id) name the file in the
    folder ``cache`` that keeps the answer, since the search takes about a minute for 10,000
    pictures. Raises :class:`TrainingError` with the name of a picture that cannot be read.
    """
    rows, others = (sorted(each, key=lambda row: row.image_id) for each in (rows, others))
    path = cache / f"twins-{_key(rows, others, hashes)}.json" if cache else None
    if path and path.is_file():
        return [Twins(*pair) for pair in json.loads(path.read_text(encoding="utf-8"))]
    twins = _search(rows, others)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([astuple(pair) for pair in twins]), encoding="utf-8")
        part.replace(path)
    return twins


def _key(rows: Sequence[Row], others: Sequence[Row], hashes: Mapping[str, str]) -> str:
    lists = [
        [(row.image_id, row.lesion_id, hashes[row.image_id]) for row in each]
        for each in (rows, others)
    ]
    return hashlib.sha256(json.dumps([VERSION, *lists]).encode()).hexdigest()[:16]


def _search(rows: Sequence[Row], others: Sequence[Row]) -> list[Twins]:
    mine = thumbnails(rows)
    theirs = mine if rows == others else thumbnails(others)
    names = [row.lesion_id for row in (*rows, *others)]
    lesions = np.unique(names, return_inverse=True)[1]
    pairs = alike(mine, theirs, lesions[: len(rows)], lesions[len(rows) :])
    found: list[Twins] = []
    with ThreadPoolExecutor() as pool:
        scores = pool.map(lambda pair: likeness(mine[pair.one], theirs[pair.other], pair), pairs)
        shown = tqdm(zip(pairs, scores, strict=True), "compare", len(pairs), leave=False)
        for pair, score in shown:
            if score >= SAME:
                one, other = rows[pair.one].image_id, others[pair.other].image_id
                if rows == others:
                    one, other = min(one, other), max(one, other)
                found.append(Twins(one, other, round(score, 3)))
    return sorted(found, key=lambda twins: (twins.one, twins.other))


def thumbnails(rows: Sequence[Row]) -> Grey:
    """``(n, SIDE, SIDE)``: the whole pictures, upright and grey."""
    with ThreadPoolExecutor() as pool:
        made = tqdm(pool.map(_thumbnail, rows), "thumbnails", len(rows), leave=False)
        return np.stack(list(made))


def _thumbnail(row: Row) -> Grey:
    try:
        with Image.open(row.path) as opened:
            opened.draft("L", (2 * SIDE, 2 * SIDE))
            upright = ImageOps.exif_transpose(opened).convert("L")
            return np.asarray(upright.resize((SIDE, SIDE), Image.Resampling.BOX))
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise TrainingError(
            f"The picture {row.path.name!r} (image_id {row.image_id!r}) cannot be read: {error}."
        ) from error


def likeness(one: Grey, other: Grey, pair: Pair) -> float:
    """How far the textures of two thumbnails agree, laid one on the other: -1 to 1.

    Small first, where the alignment catches from afar; then at full size.
    """
    one = turned(one, pair.turn)
    start = _onto(pair)
    a, b = (shrunk(x).astype(np.float32) for x in (one, other))
    near, far = texture(a, 3), texture(b, 3)
    fits = [start, _align(a, b, start, 5), _align(near, far, start, 5)]
    scores = [_agreement(near, far, fit) for fit in fits]
    best = int(np.argmax(scores))
    if scores[best] < HOPELESS:
        return scores[best]
    a, b = one.astype(np.float32), other.astype(np.float32)
    near, far = texture(a, 4), texture(b, 4)
    rough = _doubled(fits[best])
    fit = max(rough, _align(near, far, rough, 3), key=lambda each: _agreement(near, far, each))
    fine = _agreement(near, far, fit)
    if fine >= SAME:
        return fine
    near, far = (texture(_softer(x), 6) for x in (a, b))
    coarse = _agreement(near, far, fit)
    return coarse if coarse >= SAME_COARSE else fine


def _onto(pair: Pair) -> Affine:
    """From a pixel of the first small thumbnail to the second's."""
    base, window = (np.vstack([x.matrix(sketch.SIDE), (0, 0, 1)]) for x in (pair.base, pair.window))
    return np.asarray((window @ np.linalg.inv(base))[:2], np.float32)


def _doubled(fit: Affine) -> Affine:
    """The same for thumbnails of twice the side."""
    double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    onto = double @ np.vstack([fit, (0, 0, 1)]) @ np.linalg.inv(double)
    return np.asarray(onto[:2], np.float32)


def texture(picture: Real, radius: float) -> Real:
    """Detail finer than ``radius``, equally strong everywhere: no lesion outweighs the skin."""
    detail = picture - cv2.GaussianBlur(picture, (0, 0), radius)
    strength = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * radius))
    return np.asarray(detail / (strength + 1.5), np.float32)  # 1.5 grey levels: the rest is noise


def _softer(picture: Real) -> Real:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.float32)


def _align(one: Real, other: Real, start: Affine, blur: int) -> Affine:
    """A better fit than ``start``, or ``start`` where none is found or it blows up or shrinks."""
    everywhere = np.ones(other.shape, np.uint8)
    try:
        _, found = cv2.findTransformECC(
            one, other, start.copy(), cv2.MOTION_AFFINE, _STOP, everywhere, blur
        )
    except cv2.error:  # did not converge: these two have nothing in common
        return start
    fit = np.asarray(found, np.float32)
    return fit if 0.5 < np.linalg.det(fit[:, :2]) < 2 else start


def _agreement(one: Real, other: Real, fit: Affine) -> float:
    """Correlation over what both pictures show; 0 when that is less than half of the first."""
    side = len(one)
    edge = side // 24
    inside = np.zeros_like(one)
    inside[edge:-edge, edge:-edge] = 1
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shared = (cv2.warpAffine(inside, fit, (side, side), flags=flags) > 0.99) & (inside > 0)
    if shared.mean() < 0.5:
        return 0.0
    a, b = one[shared], warp(other, fit)[shared]
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1e-6))
