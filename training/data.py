"""A labelled folder: a csv with ``image_id,dx`` and the pictures it names.

Nothing is dropped silently: a missing picture, an unknown class or a missing column stops the
command with its name; pictures without a row are counted on standard error. ``dx_type`` is never
read: how a diagnosis was confirmed follows the diagnosis and is not known when a new picture
arrives.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mlservice.engine.bundle import file_sha256
from mlservice.engine.judging.subgroups import age_band
from mlservice.packs.records import metadata_of
from training.errors import TrainingError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
REQUIRED = ("image_id", "dx")
UNKNOWN = ("", "unknown", "nan", "na", "n/a", "none", "null")  # what stands for a missing age
OLDEST = 120
SPLIT_FIRST = "split first; oversampling happens inside `fit`, on the fitting part alone."


@dataclass(frozen=True, slots=True)
class Row:
    """One picture. ``lesion_id`` is the picture's own id where the csv does not give one;
    ``patient_id`` is "" there."""

    image_id: str
    dx: str
    lesion_id: str
    path: Path
    age: float | None = None
    sex: str = ""
    localization: str = ""
    patient_id: str = ""

    @property
    def groups(self) -> Mapping[str, str]:
        """What subgroups are made by."""
        return {
            "sex": self.sex or "unknown",
            "age": age_band(self.age),
            "site": self.localization or "unknown",
        }

    @property
    def metadata(self) -> Mapping[str, str]:
        """What is known beside the picture, in the words of patients' answers; "" where not."""
        return metadata_of(age_band(self.age), self.localization)


def read_folder(data: Path, labels: Sequence[str], *, without: Collection[str] = ()) -> list[Row]:
    """The rows of the one csv in ``data`` that has ``image_id`` and ``dx``; pictures below it.

    Pictures named in ``without`` are left out and need not exist: a part that stays closed.
    """
    if not data.is_dir():
        raise TrainingError(f"There is no folder {str(data)!r}.")
    every = sorted(data.glob("*.csv"))
    if len(every) == 1:  # then what is wrong with it can be said exactly
        return read_table(every[0], data, labels, without=without)
    tables = [path for path in every if set(REQUIRED) <= set(_header(path))]
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables or every) or "none"
        raise TrainingError(
            f"{str(data)!r} must hold one csv with the columns image_id and dx; found: {found}."
        )
    return read_table(tables[0], data, labels, without=without)


def read_table(
    table: Path, images: Path, labels: Sequence[str], *, without: Collection[str] = ()
) -> list[Row]:
    """The rows of ``table``, each with its picture found by name anywhere below ``images``.

    Pictures named in ``without`` are left out and need not exist. Commas, semicolons or tabs
    separate. Pictures without a row are left out too, and standard error says so. Raises
    :class:`TrainingError` with line and name for anything else that is wrong.
    """
    header = _header(table)
    for column in REQUIRED:
        if column not in header:
            raise TrainingError(
                f"{table.name!r} has no column {column!r}; it has {', '.join(header) or 'none'}."
            )
    paths = _index(images)
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for number, cells in _cells(table):
        where = f"line {number} of {table.name!r}"
        line = _named(header, cells, where)
        image = _stem(line["image_id"], paths)
        if image in lines:
            raise TrainingError(
                f"The picture {image!r} is listed twice in {table.name!r} (lines {lines[image]} "
                f"and {number}). List each once; if this is oversampling: {SPLIT_FIRST}"
            )
        lines[image] = number
        if image not in without:
            rows.append(_row(line, image, where, paths, labels))
    if not rows:
        raise TrainingError(f"{table.name!r} has no rows.")
    _say_spare([path for stem, path in paths.items() if stem not in lines], len(paths), table)
    return rows


def _say_spare(spare: Sequence[Path], of: int, table: Path) -> None:
    if spare:
        print(
            f"note: {len(spare)} of {of} pictures have no row in {table.name!r} and are left out, "
            f"such as {spare[0].name!r}",
            file=sys.stderr,
        )


def _header(table: Path) -> list[str]:
    header = next(_cells(table, start=0), (1, []))[1]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TrainingError(f"{table.name!r} has the column {twice[0]!r} twice.")
    return header


def _cells(table: Path, start: int = 1) -> Iterator[tuple[int, list[str]]]:
    """Line number and trimmed cells of each line that is not blank, from the ``start``-th."""
    if not table.is_file():
        raise TrainingError(f"There is no file {str(table)!r}.")
    try:
        text = table.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
        for place, cells in enumerate(cells for cells in reader if cells):
            if place >= start:
                yield reader.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(
            f"{table.name!r} is not a csv in UTF-8 ({error}); save it again as 'CSV UTF-8'."
        ) from error


def _named(header: Sequence[str], cells: Sequence[str], where: str) -> dict[str, str]:
    if len(cells) != len(header):
        raise TrainingError(f"There are {len(cells)} cells for {len(header)} columns ({where}).")
    return dict(zip(header, cells, strict=True))


def _index(images: Path) -> dict[str, Path]:
    """Picture files by name without suffix; those below ``masks`` are outlines, not pictures."""
    if not images.is_dir():
        raise TrainingError(f"There is no folder {str(images)!r}.")
    found: dict[str, Path] = {}
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if "masks" not in path.relative_to(images).parts:
            other = found.setdefault(path.stem, path)
            if other != path:
                raise TrainingError(f"Two pictures are called {path.stem!r}: {other} and {path}.")
    return found


def _stem(named: str, paths: dict[str, Path]) -> str:
    """The picture's id: its name in the csv, without the suffix if it is given with one."""
    suffixed = named not in paths and Path(named).suffix.lower() in SUFFIXES
    return Path(named).stem if suffixed else named


def _row(
    line: dict[str, str], image: str, where: str, paths: dict[str, Path], labels: Sequence[str]
) -> Row:
    dx = line["dx"]
    if dx not in labels:
        what = f"The class {dx!r}" if dx else f"The blank dx of the picture {image!r}"
        raise TrainingError(f"{what} ({where}) is not one of {', '.join(labels)}.")
    path = paths.get(image)
    if path is None:
        raise TrainingError(f"The picture {image!r} ({where}) is not in the folder.")
    if not path.stat().st_size:
        raise TrainingError(f"The picture {path.name!r} ({where}) is an empty file.")
    return Row(
        image_id=image,
        dx=dx,
        lesion_id=line.get("lesion_id") or image,
        path=path,
        age=_age(line.get("age", ""), where),
        sex=line.get("sex", ""),
        localization=line.get("localization", ""),
        patient_id=line.get("patient_id", ""),
    )


def _age(text: str, where: str) -> float | None:
    if text.lower() in UNKNOWN:
        return None
    try:
        age = float(text)
    except ValueError:
        raise TrainingError(f"The age {text!r} ({where}) is not a number.") from None
    if not 0 <= age <= OLDEST:
        raise TrainingError(f"The age {text!r} ({where}) is not between 0 and {OLDEST}.")
    return age


def file_hashes(rows: Iterable[Row]) -> dict[str, str]:
    """``image_id`` -> SHA-256 of the picture's file."""
    return {row.image_id: file_sha256(row.path) for row in tqdm(list(rows), "hash", leave=False)}


def data_hash(rows: Sequence[Row], hashes: dict[str, str]) -> str:
    """SHA-256 (hex) over every picture's name, class, lesion and bytes, whatever their order."""
    lines = sorted(f"{r.image_id},{r.dx},{r.lesion_id},{hashes[r.image_id]}" for r in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
