"""The real pictures that the gates are measured on, as people would send them, and spoilt ones.

Nothing that fitted a gate is among them: of HAM10000 and ISIC 2017 the lesions that
``python -m training glance`` holds out, of the phone and the ordinary photos the halves that it
and the network's own gate never saw. (The network was trained on most of HAM10000's lesions; its
own test part is in its card.)
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.measuring import ROOT
from training.data import Row, read_folder
from training.gate import halves
from training.glance import off_centre, opened, part_of, piece_beside, toned
from training.labels import pack_labels
from training.skin_crops import read_mask

SEED = 7
ORIGINAL = (600, 450)  # HAM10000's own size; the copies here are smaller
BLUR = 4.0  # pixels at 600x450
DARK, BRIGHT = 0.2, 2.4  # of the light
SHRUNK = 160  # pixels on the long side: a picture out of a chat
SCENE = (800, 600)
FIELD = 0.65  # of a scene's sides: skin in the middle of an ordinary photo

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Photos:
    """A row of the table: what it is, and its photos as bytes, made when they are asked for.

    ``good``: photos that should be taken as they are.
    """

    name: str
    good: bool
    files: Sequence[Callable[[], bytes]]


def data_folder() -> Path | None:
    """Where the real pictures are; ``None`` where they are not on this machine."""
    folder = Path(os.environ.get("LENTIGO_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "ham10000").is_dir() else None


def every_set(folder: Path, count: int) -> Iterator[Photos]:
    """The rows of the table; at most ``count`` pictures in each."""
    ham, isic = (_held_out(folder / name, count) for name in ("ham10000", "isic2017"))
    phone = halves(folder / "phone", SEED)
    yield _whole("HAM10000 at 600x450", [row.path for row in ham])
    yield _whole("ISIC 2017", [row.path for row in isic])
    yield _whole("phone", phone[1])
    yield _whole("phone, also those that taught", [*phone[0], *phone[1]])
    for tone in ("V", "VI"):
        yield _changed(f"HAM10000, skin toned to {tone}", ham, _to_tone(tone), good=True)
        yield _changed(f"phone, skin toned to {tone}", phone[1], _to_tone(tone), good=True)
    ordinary = halves(folder / "ood", SEED)
    yield _scenes("phone, in the middle of a scene", phone[1], ordinary[1][:count])
    yield _whole("ordinary photos", ordinary[1][:count], good=False)
    yield _whole("ordinary, also those that taught", [*ordinary[0], *ordinary[1]], good=False)
    films = sorted((folder / "chest_xray" / "test").rglob("*.webp"))
    yield _whole("chest X-rays", films[:: max(1, len(films) // count)], good=False)
    for name, change in SPOILT.items():
        yield _changed(f"HAM10000, {name}", ham, change, good=False)
        yield _changed(f"phone, {name}", phone[1], change, good=False)
    yield _beside("HAM10000, mark on the edge", ham, folder / "ham10000" / "masks")
    yield Photos(
        "phone, mark on the edge",
        good=False,
        files=[_cut_beside(path) for path in phone[1]],
    )


def _held_out(folder: Path, count: int) -> list[Row]:
    """``count`` pictures of lesions that fitted nothing, always the same ones."""
    rows = read_folder(folder, pack_labels("skin")[0])
    rows = sorted((r for r in rows if part_of(r.lesion_id) == "held out"), key=lambda r: r.image_id)
    order = np.random.default_rng(SEED).permutation(len(rows))
    return [rows[place] for place in order[:count]]


def _to_tone(tone: str) -> Change:
    return lambda image: Image.fromarray(toned(np.asarray(image), tone))


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(BLUR * image.height / ORIGINAL[1]))


def _shrunk(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((SHRUNK, SHRUNK), Image.Resampling.LANCZOS)
    return small


SPOILT: dict[str, Change] = {
    "blurred": _blurred,
    "darkened": lambda image: image.point(lambda level: level * DARK),
    "overexposed": lambda image: image.point(lambda level: min(255, level * BRIGHT)),
    "shrunk": _shrunk,
}


def _sent(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _at_its_size(path: Path) -> Image.Image:
    """The dermoscopic copies enlarged to what a user would have, others as they are."""
    image = opened(path)
    return image.resize(ORIGINAL, Image.Resampling.LANCZOS) if image.width == 384 else image


def _one(path: Path, change: Change | None = None) -> Callable[[], bytes]:
    def made() -> bytes:
        image = _at_its_size(path)
        return _sent(change(image) if change else image)

    return made


def _whole(name: str, paths: Sequence[Path], *, good: bool = True) -> Photos:
    return Photos(name, good, [_one(path) for path in paths])


def _changed(name: str, of: Sequence[Row | Path], change: Change, *, good: bool) -> Photos:
    paths = [one.path if isinstance(one, Row) else one for one in of]
    return Photos(name, good, [_one(path, change) for path in paths])


def _beside(name: str, rows: Sequence[Row], masks: Path) -> Photos:
    """Pieces with the mark's middle on an edge, by its outline; where there is room for one."""
    files: list[Callable[[], bytes]] = []
    for row in rows:
        image = opened(row.path)
        piece = off_centre(image, read_mask(masks, row, image.size), row.image_id)
        if piece is not None:
            files.append(lambda piece=piece: _sent(piece.resize(ORIGINAL)))  # type: ignore[misc]
    return Photos(name, good=False, files=files)


def _cut_beside(path: Path) -> Callable[[], bytes]:
    """There are no outlines of the phone photos: what they show is taken to be in the middle."""

    def made() -> bytes:
        image = opened(path)
        piece = piece_beside(image, image.width / 2, image.height / 2, path.stem)
        return _sent((piece or image).resize(ORIGINAL))

    return made


def _scenes(name: str, skin: Sequence[Path], around: Sequence[Path]) -> Photos:
    """Skin in the middle of an ordinary photo, as a hand on a table is."""

    def scene(inside: Path, outside: Path) -> Callable[[], bytes]:
        def made() -> bytes:
            ground = opened(outside).resize(SCENE)
            wide, high = (round(side * FIELD) for side in SCENE)
            place = ((SCENE[0] - wide) // 2, (SCENE[1] - high) // 2)
            ground.paste(opened(inside).resize((wide, high)), place)
            return _sent(ground)

        return made

    pairs = [(skin[number % len(skin)], other) for number, other in enumerate(around)]
    return Photos(name, good=True, files=[scene(*pair) for pair in pairs])
