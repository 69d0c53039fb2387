"""Four parts, split by lesion before anything else is done to a picture.

``fit`` trains, ``validation`` stops and chooses, ``calibration`` sets the temperature and the
cuts, ``test`` is opened once per release. Oversampling and augmentation happen later and in
``fit`` only; :func:`guard` refuses a split in which a lesion or a picture's bytes cross.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training.data import Row, data_hash, file_hashes
from training.errors import LeakError, TrainingError

PARTS = ("fit", "validation", "calibration", "test")
SHARES = (0.65, 0.10, 0.15, 0.10)


@dataclass(frozen=True)
class Split:
    """Which picture is in which part."""

    seed: int
    shares: tuple[float, ...]
    data_hash: str
    parts: Mapping[str, tuple[str, ...]]  # part -> image ids, sorted

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def rows(self, rows: Sequence[Row], part: str) -> list[Row]:
        """The rows of one part, in the order of ``rows``."""
        wanted = set(self.parts[part])
        return [row for row in rows if row.image_id in wanted]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**asdict(self), "hash": self.hash}, indent=1)
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read a split file; raises :class:`TrainingError` when missing or altered."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            parts = {name: tuple(raw["parts"][name]) for name in PARTS}
            split = cls(raw["seed"], tuple(raw["shares"]), raw["data_hash"], parts)
        except FileNotFoundError:
            raise TrainingError(
                f"There is no split file {str(path)!r}; make it with `python -m training split`."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path.name!r} is not a split file: {error}.") from error
        if split.hash != raw["hash"]:
            raise TrainingError(f"{path.name!r} was altered after it was made: its hash differs.")
        return split


def make_split(rows: Sequence[Row], seed: int, shares: Sequence[float] = SHARES) -> Split:
    """Split by lesion, stratified by class, the same for the same seed whatever the row order.

    Lesions that share a byte-identical picture are kept together.
    """
    hashes = file_hashes(rows)
    groups = _groups(rows, hashes)
    strata: defaultdict[str, list[str]] = defaultdict(list)
    for group in sorted(groups):
        strata[min(row.dx for row in groups[group])].append(group)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    shuffler = random.Random(seed)  # noqa: S311 - a split wants a seed, not a secret
    for label in sorted(strata):
        shuffler.shuffle(strata[label])
        for part, chosen in zip(PARTS, _cut(strata[label], shares), strict=True):
            parts[part] += [row.image_id for group in chosen for row in groups[group]]
    split = Split(
        seed,
        tuple(shares),
        data_hash(rows, hashes),
        {part: tuple(sorted(images)) for part, images in parts.items()},
    )
    guard(split, rows, hashes)
    return split


def _groups(rows: Sequence[Row], hashes: Mapping[str, str]) -> dict[str, list[Row]]:
    """Lesions, joined where they share a byte-identical picture (union-find)."""
    parent = {row.lesion_id: row.lesion_id for row in rows}

    def root(lesion: str) -> str:
        while parent[lesion] != lesion:
            lesion = parent[lesion]
        return lesion

    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.image_id):
        other = first.setdefault(hashes[row.image_id], row.lesion_id)
        one, two = sorted((root(row.lesion_id), root(other)))
        parent[two] = one
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[root(row.lesion_id)].append(row)
    return dict(groups)


def _cut(groups: Sequence[str], shares: Sequence[float]) -> list[Sequence[str]]:
    edges, reached = [0], 0.0
    for share in shares:
        reached += share
        edges.append(round(reached * len(groups)))
    return [groups[start:stop] for start, stop in itertools.pairwise(edges)]


def guard(split: Split, rows: Sequence[Row], hashes: Mapping[str, str]) -> None:
    """Raises :class:`LeakError` when a picture, a lesion or a picture's bytes are in two parts."""
    part_of: dict[str, str] = {}
    for part, images in split.parts.items():
        for image in images:
            if part_of.setdefault(image, part) != part:
                raise LeakError(f"The picture {image!r} is in {part_of[image]} and in {part}.")
    lesions: dict[str, str] = {}
    contents: dict[str, tuple[str, str]] = {}
    for row in rows:
        here = part_of.get(row.image_id)
        if here is None:
            raise LeakError(f"The picture {row.image_id!r} is in no part of the split.")
        there = lesions.setdefault(row.lesion_id, here)
        if there != here:
            raise LeakError(f"Pictures of the lesion {row.lesion_id!r} are in {there} and {here}.")
        twin, there = contents.setdefault(hashes[row.image_id], (row.image_id, here))
        if there != here:
            raise LeakError(
                f"The pictures {twin!r} ({there}) and {row.image_id!r} ({here}) are the same file."
            )


def open_split(path: Path, rows: Sequence[Row]) -> Split:
    """Load a split and hold it against the data: same data, nothing crossing."""
    split = Split.load(path)
    hashes = file_hashes(rows)
    guard(split, rows, hashes)
    if split.data_hash != data_hash(rows, hashes):
        raise TrainingError(f"The split {path.name!r} was made from other data than this folder.")
    return split
