"""A folder for each class becomes a labelled folder: a csv, and links to the pictures.

Many published sets come as ``train/CLASS/picture``. Nothing is copied: the made folder holds the
table, a link to each picture, and the list of those that were set apart for judging.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data import SUFFIXES
from training.errors import TrainingError

TABLE, TEST = "labels.csv", "test.txt"


@dataclass(frozen=True, slots=True)
class Found:
    """One picture. ``part`` is the folder its class stands in, "" where that is the top."""

    path: Path
    part: str
    dx: str
    lesion: str

    @property
    def image_id(self) -> str:
        return _joined(self.part, self.path.stem)

    @property
    def lesion_id(self) -> str:
        """Numbers of two parts are not the same lesion's: published sets begin again at 1."""
        return _joined(self.part, self.lesion)


def find(data: Path, classes: Mapping[str, str], lesion: str) -> list[Found]:
    """The pictures below ``data`` whose folder is one of ``classes`` (folder -> label), sorted.

    ``lesion`` is a regular expression: what it finds in a picture's name is whose it is; where it
    finds nothing, a picture stands alone. Raises :class:`TrainingError` for a folder without
    pictures of one of the classes, and for two pictures that would bear one name.
    """
    if not data.is_dir():
        raise TrainingError(f"There is no folder {str(data)!r}.")
    try:
        pattern = re.compile(lesion) if lesion else None
    except re.error as error:
        raise TrainingError(f"--lesion {lesion!r} is not a regular expression: {error}.") from error
    found = [
        Found(path, path.parent.parent.relative_to(data).as_posix().strip("."), label, own)
        for folder, label in classes.items()
        for path in sorted(data.rglob(f"{folder}/*"))
        if path.suffix.lower() in SUFFIXES
        for own in (_lesion(pattern, path.stem),)
    ]
    for folder, label in classes.items():
        if not any(one.dx == label for one in found):
            raise TrainingError(f"There is no picture in a folder {folder!r} below {str(data)!r}.")
    known: dict[str, Path] = {}
    for one in found:
        if known.setdefault(one.image_id, one.path) != one.path:
            raise TrainingError(
                f"Two pictures would be called {one.image_id!r}: {known[one.image_id]} and "
                f"{one.path}."
            )
    return sorted(found, key=lambda one: one.image_id)


def first_of_each(found: list[Found], test: str) -> list[Found]:
    """The first picture of each lesion, and all of the part called ``test``: time saved in
    training, where many pictures of one lesion teach little more."""
    seen: set[str] = set()
    kept = []
    for one in found:
        if one.part == test or one.lesion_id not in seen:
            kept.append(one)
        seen.add(one.lesion_id)
    return kept


def gather(found: list[Found], out: Path, test: str) -> dict[str, int]:
    """Make the folder ``out``; how many pictures of each class, and ``test`` of them.

    Pictures of the part called ``test`` are listed in ``test.txt``, for ``split --test``.
    """
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{str(out)!r} is not empty.")
    out.mkdir(parents=True, exist_ok=True)
    with (out / TABLE).open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(("image_id", "dx", "lesion_id"))
        for one in found:
            table.writerow((one.image_id, one.dx, one.lesion_id))
            (out / f"{one.image_id}{one.path.suffix}").symlink_to(one.path.resolve())
    apart = [one.image_id for one in found if one.part == test]
    if apart:
        (out / TEST).write_text("".join(f"{name}\n" for name in apart), encoding="utf-8")
    counts = {label: sum(one.dx == label for one in found) for label in {o.dx for o in found}}
    return {**dict(sorted(counts.items())), TEST: len(apart)}


def _joined(part: str, name: str) -> str:
    return f"{part.replace('/', '-')}-{name}" if part else name


def _lesion(pattern: re.Pattern[str] | None, stem: str) -> str:
    match = pattern.search(stem) if pattern else None
    return match[0] if match else stem
