"""A labelled folder: a csv with ``image_id,dx`` and the pictures it names.

Nothing is dropped silently: a missing picture, an unknown class or a missing column stops the
command with its name. ``dx_type`` is never read: how a diagnosis was confirmed follows the
diagnosis and is not known when a new picture arrives.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mlservice.engine.bundle import file_sha256
from training.errors import TrainingError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
REQUIRED = ("image_id", "dx")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture. ``lesion_id`` is the picture's own id where the csv does not give one."""

    image_id: str
    dx: str
    lesion_id: str
    path: Path
    age: float | None = None
    sex: str = ""
    localization: str = ""


def read_folder(data: Path, labels: Sequence[str], *, without: Collection[str] = ()) -> list[Row]:
    """The rows of the one csv in ``data`` that has ``image_id`` and ``dx``; pictures below it.

    Pictures named in ``without`` are left out and need not exist: a part that stays closed.
    """
    if not data.is_dir():
        raise TrainingError(f"There is no folder {str(data)!r}.")
    tables = [path for path in sorted(data.glob("*.csv")) if set(REQUIRED) <= set(_header(path))]
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise TrainingError(
            f"{str(data)!r} must hold one csv with the columns image_id and dx; found: {found}."
        )
    return read_table(tables[0], data, labels, without=without)


def read_table(
    table: Path, images: Path, labels: Sequence[str], *, without: Collection[str] = ()
) -> list[Row]:
    """The rows of ``table``, each with its picture found by name anywhere below ``images``.

    Pictures named in ``without`` are left out and need not exist.
    """
    header = _header(table)
    for column in REQUIRED:
        if column not in header:
            raise TrainingError(
                f"{table.name!r} has no column {column!r}; it has {', '.join(header) or 'none'}."
            )
    paths = _index(images)
    with table.open(newline="", encoding="utf-8-sig") as opened:
        rows = [
            _row(line, number, table.name, paths, labels)
            for number, line in enumerate(csv.DictReader(opened), start=2)
            if line["image_id"] not in without
        ]
    if not rows:
        raise TrainingError(f"{table.name!r} has no rows.")
    return rows


def _header(table: Path) -> list[str]:
    if not table.is_file():
        raise TrainingError(f"There is no file {str(table)!r}.")
    with table.open(newline="", encoding="utf-8-sig") as opened:
        return next(csv.reader(opened), [])


def _index(images: Path) -> dict[str, Path]:
    """Picture files by name without suffix; those below ``masks`` are outlines, not pictures."""
    if not images.is_dir():
        raise TrainingError(f"There is no folder {str(images)!r}.")
    found: dict[str, Path] = {}
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in SUFFIXES and "masks" not in path.parts:
            if path.stem in found:
                raise TrainingError(f"Two pictures are called {path.stem!r}: {found[path.stem]}.")
            found[path.stem] = path
    return found


def _row(
    line: dict[str, str], number: int, table: str, paths: dict[str, Path], labels: Sequence[str]
) -> Row:
    image, dx = line["image_id"], line["dx"]
    where = f"line {number} of {table!r}"
    if dx not in labels:
        raise TrainingError(f"The class {dx!r} ({where}) is not one of {', '.join(labels)}.")
    path = paths.get(image) or paths.get(Path(image or "").stem)
    if path is None:
        raise TrainingError(f"The picture {image!r} ({where}) is not in the folder.")
    try:
        age = float(line["age"]) if line.get("age") else None
    except ValueError:
        raise TrainingError(f"The age {line['age']!r} ({where}) is not a number.") from None
    return Row(
        image_id=image,
        dx=dx,
        lesion_id=line.get("lesion_id") or image,
        path=path,
        age=age,
        sex=line.get("sex") or "",
        localization=line.get("localization") or "",
    )


def file_hashes(rows: Iterable[Row]) -> dict[str, str]:
    """``image_id`` -> SHA-256 of the picture's file."""
    return {row.image_id: file_sha256(row.path) for row in tqdm(list(rows), "hash", leave=False)}


def data_hash(rows: Sequence[Row], hashes: dict[str, str]) -> str:
    """SHA-256 (hex) over every picture's name, class, lesion and bytes, whatever their order."""
    lines = sorted(f"{r.image_id},{r.dx},{r.lesion_id},{hashes[r.image_id]}" for r in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
