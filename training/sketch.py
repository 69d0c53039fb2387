"""Which pictures look alike: a sketch of each, every turn and flip, through several windows.

A sketch is the low frequencies of a small grey thumbnail, higher ones weighted up (pictures have
less of them), its length made one: blind to brightness and contrast, hardly moved by compression
and size. The cosine of two sketches says how alike two pictures are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from tqdm import tqdm

SIDE = 48  # of the thumbnail a sketch is made of
WAVES = 10  # frequencies of a sketch in each direction
ALIKE = 0.9  # cosine from which two pictures are worth a closer look,
NEIGHBOURS = 10  # at most so many for one picture,
LOOKS = 10_000  # and at most so many in all: the most alike, about a minute's work
BLOCK = 64  # pictures at a time, so that their scores stay in the processor's cache

Grey: TypeAlias = NDArray[np.uint8]
Real: TypeAlias = NDArray[np.float32]
Affine: TypeAlias = NDArray[np.float32]  # (2, 3): from a pixel of the result to one of the source

_RADIUS = np.hypot(*np.mgrid[:WAVES, :WAVES]).astype(np.float32)
_KEPT = (_RADIUS > 0) & (_RADIUS < WAVES)
_SIGNS = (-1.0) ** np.arange(WAVES, dtype=np.float32)


@dataclass(frozen=True)
class Window:
    """What is looked at: shares cut from the four sides, the rest turned by some degrees."""

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    degrees: float = 0.0

    def matrix(self, side: int) -> Affine:
        """From the window, drawn ``side`` pixels wide and high, to the picture of that side."""
        across, down = 1 - self.left - self.right, 1 - self.top - self.bottom
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        turn = np.array([[cos * across, -sin * down], [sin * across, cos * down]])
        centre = np.array([self.left + across / 2, self.top + down / 2]) * side - 0.5
        onto = np.column_stack([turn, centre - turn @ np.full(2, side / 2 - 0.5)])
        return np.asarray(onto, np.float32)


def _even(cut: float, degrees: float = 0.0) -> Window:
    return Window(cut, cut, cut, cut, degrees)


def _beside(cut: float) -> tuple[Window, ...]:
    """Windows with something cut from one corner."""
    one, none = cut, 0.0
    return (
        Window(one, one, none, none),
        Window(none, one, one, none),
        Window(one, none, none, one),
        Window(none, none, one, one),
    )


WHOLE, INNER = Window(), _even(0.12)
EDGES = (Window(left=0.1), Window(top=0.1), Window(right=0.1), Window(bottom=0.1))
SQUARE = Window(left=0.125, right=0.125)  # the middle of a picture of 4:3
# A picture through the window at the left is held against others through each at the right. The
# inner ones are blind to frames and to the black corners of a turned picture. A window off by 3 %
# of the side or by 4 degrees still finds its picture.
VIEWS = (
    (
        WHOLE,
        (
            *(WHOLE, _even(0.05), _even(0.1), SQUARE),
            *(*EDGES, *_beside(0.05), *_beside(0.1)),
            *(_even(0.05, 5), _even(0.05, -5), _even(0.08, 9), _even(0.08, -9)),
        ),
    ),
    (
        INNER,
        (_even(0.07), INNER, *(_even(0.12, degrees) for degrees in (5, -5, 10, -10))),
    ),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Picture ``one``, turned, seen through ``base`` is like ``other`` seen through ``window``."""

    one: int
    other: int
    turn: int  # as `turned` counts
    base: Window
    window: Window
    cosine: float


def warp(picture: NDArray[Any], matrix: Affine) -> NDArray[Any]:
    """A square picture seen through ``matrix``; beyond its edge, the edge goes on."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        picture, matrix, picture.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def turned(picture: NDArray[Any], turn: int) -> NDArray[Any]:
    """One of the eight quarter turns and flips of a square: bits transpose, up-down, left-right."""
    picture = picture.T if turn & 4 else picture
    picture = picture[::-1] if turn & 2 else picture
    return np.ascontiguousarray(picture[:, ::-1] if turn & 1 else picture)


def shrunk(picture: NDArray[Any], side: int = SIDE) -> NDArray[Any]:
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def alike(
    ours: Grey, theirs: Grey, lesions: NDArray[np.int64], their_lesions: NDArray[np.int64]
) -> list[Pair]:
    """The pairs that look alike; never two pictures of one lesion.

    ``ours`` and ``theirs`` are square thumbnails ``(n, side, side)``; the lesions are numbers.
    Given the same array twice, each two pictures come once. The work is bounded: where very many
    look alike, only the most alike are named, ``NEIGHBOURS`` for a picture and ``LOOKS`` in all.
    """
    views = _views(ours, theirs)
    found: dict[tuple[int, int], float] = {}
    for start in tqdm(range(0, len(ours), BLOCK), "look alike", leave=False):
        block = slice(start, start + BLOCK)
        scores = np.full((len(ours[block]), len(theirs)), -1, np.float32)
        for _, _, _, mine, yours in views:
            np.maximum(scores, mine[block] @ yours.T, out=scores)
        scores[lesions[block, None] == their_lesions] = -1
        for row, column in _nearest(scores):
            one, score = start + row, float(scores[row, column])
            if ours is theirs and (column, one) in found:
                if found[column, one] >= score:
                    continue
                del found[column, one]
            found[one, column] = score
    best = sorted(found, key=lambda pair: (-found[pair], pair))[:LOOKS]
    return [_pair(views, one, other) for one, other in best]


def _nearest(scores: Real) -> list[tuple[int, int]]:
    """Row and column of each row's ``NEIGHBOURS`` highest scores, if above ``ALIKE``."""
    kept = min(NEIGHBOURS, scores.shape[1])
    best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
    rows, ranks = np.nonzero(np.take_along_axis(scores, best, 1) > ALIKE)
    return list(zip(rows.tolist(), best[rows, ranks].tolist(), strict=True))


_View: TypeAlias = tuple[int, Window, Window, Real, Real]


def _views(ours: Grey, theirs: Grey) -> list[_View]:
    """Turn, window of ours, window of theirs, and the sketches of both."""
    small, others = (np.stack([shrunk(x) for x in each]) for each in (ours, theirs))
    views: list[_View] = []
    for base, windows in VIEWS:
        waves = _waves(small, base)
        turns = [_sketch(_turned_waves(waves, turn)) for turn in range(8)]
        for window in windows:
            seen = _sketch(_waves(others, window))
            views += [(turn, base, window, mine, seen) for turn, mine in enumerate(turns)]
    return views


def _pair(views: list[_View], one: int, other: int) -> Pair:
    cosines = [float(mine[one] @ yours[other]) for _, _, _, mine, yours in views]
    best = int(np.argmax(cosines))
    turn, base, window, _, _ = views[best]
    return Pair(one, other, turn, base, window, cosines[best])


def _waves(pictures: Grey, window: Window) -> Real:
    matrix = window.matrix(SIDE)
    seen = np.stack([warp(picture, matrix) for picture in pictures]).astype(np.float32)
    waves: Real = dctn(seen, axes=(1, 2), norm="ortho")[:, :WAVES, :WAVES] * _RADIUS
    return waves


def _turned_waves(waves: Real, turn: int) -> Real:
    """The frequencies of :func:`turned` pictures: a flip changes the sign of the odd ones."""
    waves = waves.transpose(0, 2, 1) if turn & 4 else waves
    waves = waves * _SIGNS[:, None] if turn & 2 else waves
    return waves * _SIGNS if turn & 1 else waves


def _sketch(waves: Real) -> Real:
    flat = waves[:, _KEPT]
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)
    return np.asarray(flat / length, np.float32)
