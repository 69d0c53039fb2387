"""Four parts, split by lesion before anything else is done to a picture.

``fit`` trains, ``validation`` stops and chooses, ``calibration`` sets the temperature and the
cuts, ``test`` is opened once per release. Oversampling and augmentation happen later and in
``fit`` only; :func:`guard` refuses a split in which a lesion, a picture's bytes or a photograph
(changed as a file: smaller, lighter, turned) cross. Where the csv says whose pictures they are
(``patient_id``), nobody's are in two parts either.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training.data import SPLIT_FIRST, Row, data_hash, file_hashes
from training.duplicates import Twins, find_twins
from training.errors import LeakError, TrainingError

PARTS = ("fit", "validation", "calibration", "test")
SHARES = (0.65, 0.10, 0.15, 0.10)
HELD = ("validation", "calibration", "test")
COPIED = 0.05  # share of a class's pictures from which file copies are no accident
STRAY = 0.02  # share of the pictures up to which those in crossing photographs are strays


@dataclass(frozen=True)
class Split:
    """Which picture is in which part."""

    seed: int
    shares: tuple[float, ...]
    data_hash: str
    parts: Mapping[str, tuple[str, ...]]  # part -> image ids, sorted
    photographs: bool = True  # whether the same photograph in two files was searched for

    @property
    def hash(self) -> str:
        said = asdict(self)
        if self.photographs:  # as splits were hashed before there was a choice
            del said["photographs"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

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
            searched = bool(raw.get("photographs", True))
            split = cls(raw["seed"], tuple(raw["shares"]), raw["data_hash"], parts, searched)
        except FileNotFoundError:
            raise TrainingError(
                f"There is no split file {str(path)!r}; make it with `python -m training split`."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path.name!r} is not a split file: {error}.") from error
        if split.hash != raw["hash"]:
            raise TrainingError(f"{path.name!r} was altered after it was made: its hash differs.")
        return split


def make_split(
    rows: Sequence[Row],
    seed: int,
    shares: Sequence[float] = SHARES,
    cache: Path | None = None,
    *,
    photographs: bool = True,
) -> Split:
    """Split by lesion, stratified by class, the same for the same seed whatever the row order.

    Lesions of one patient end in one part, and so do those that share a file or a photograph. A
    few strays go to the earliest of their parts, ``fit`` if one of them is there, and everything
    else stays where it is; where they are many, such lesions are dealt out together. ``cache`` is
    a folder that keeps what the search for copies found; without ``photographs`` only the same
    file is a copy. Raises :class:`TrainingError` for a lesion with two classes and
    :class:`LeakError` for rows that were oversampled already.
    """
    hashes = file_hashes(rows)
    _check_lesions(rows)
    _refuse_oversampled(rows, hashes)
    twins = find_twins(rows, rows, hashes, cache) if photographs else []
    alike = [*_copies(rows, hashes), *_of_one_patient(rows)]
    same = [(pair.one, pair.other) for pair in twins]
    parts = _deal(_groups(rows, alike), seed, shares)
    joined = _groups(rows, [*alike, *same])
    crossing = [group for group in joined.values() if len(_parts_of(parts, group)) > 1]
    if sum(len(group) for group in crossing) > STRAY * len(rows):
        parts = _deal(joined, seed, shares)
    else:
        parts = _mended(parts, crossing)
    split = Split(seed, tuple(shares), data_hash(rows, hashes), parts, photographs)
    guard(split, rows, hashes, twins)
    return split


_Parts = dict[str, tuple[str, ...]]


def _deal(groups: Mapping[str, Sequence[Row]], seed: int, shares: Sequence[float]) -> _Parts:
    """Shuffle the groups of each class and cut them by the shares; image ids, sorted."""
    strata: defaultdict[str, list[str]] = defaultdict(list)
    for group in sorted(groups):
        strata[min(row.dx for row in groups[group])].append(group)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    shuffler = random.Random(seed)  # noqa: S311 - a split wants a seed, not a secret
    for label in sorted(strata):
        shuffler.shuffle(strata[label])
        for part, chosen in zip(PARTS, _cut(strata[label], shares), strict=True):
            parts[part] += [row.image_id for group in chosen for row in groups[group]]
    return {part: tuple(sorted(images)) for part, images in parts.items()}


def _parts_of(parts: Mapping[str, Sequence[str]], group: Iterable[Row]) -> list[str]:
    """The parts in which a group has pictures, in the order of ``PARTS``."""
    images = {row.image_id for row in group}
    return [part for part in PARTS if not images.isdisjoint(parts[part])]


def _mended(parts: _Parts, crossing: Iterable[Sequence[Row]]) -> _Parts:
    """Each crossing group whole in the earliest of its parts."""
    sets = {part: set(images) for part, images in parts.items()}
    for group in crossing:
        images = {row.image_id for row in group}
        home = _parts_of(parts, group)[0]
        for part in PARTS:
            sets[part] -= images
        sets[home] |= images
    return {part: tuple(sorted(images)) for part, images in sets.items()}


def check_classes(
    split: Split, rows: Sequence[Row], labels: Sequence[str], absent: Collection[str] = ()
) -> None:
    """Raises :class:`TrainingError` when a class is empty, or has no lesion in one of the parts.

    ``absent`` are classes the folder is known not to have.
    """
    for label in labels:
        lesions = len({row.lesion_id for row in rows if row.dx == label})
        if not lesions and label not in absent:
            raise TrainingError(
                f"The class {label!r} has no picture. Add some, or say that it is meant: "
                f"`--absent {label}`."
            )
        for part in PARTS:
            if lesions and not any(row.dx == label for row in split.rows(rows, part)):
                raise TrainingError(
                    f"The class {label!r} has {lesions} lesion(s), too few for four parts: none "
                    f"is in {part!r}. Ten are enough."
                )


def _check_lesions(rows: Sequence[Row]) -> None:
    known: dict[str, Row] = {}
    for row in rows:
        other = known.setdefault(row.lesion_id, row)
        if other.dx != row.dx:
            raise TrainingError(
                f"The lesion {row.lesion_id!r} has two classes: {other.dx!r} ({other.image_id!r}) "
                f"and {row.dx!r} ({row.image_id!r}). Correct the csv, or name two lesions."
            )


def _refuse_oversampled(rows: Sequence[Row], hashes: Mapping[str, str]) -> None:
    """A file copied now and then is an accident and stays together; many are oversampling."""
    names = [row.image_id for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LeakError(f"The picture {twice!r} is listed more than once: {SPLIT_FIRST}")
    classes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    copies: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.image_id):
        first = classes[row.dx].setdefault(hashes[row.image_id], row.image_id)
        if first != row.image_id:
            copies[row.dx].append((first, row.image_id))
    for label, found in sorted(copies.items()):
        if len(found) > COPIED * (len(classes[label]) + len(found)):
            raise LeakError(
                f"{len(found)} pictures of the class {label!r} are copies of other files in it, "
                f"such as {found[0][0]!r} and {found[0][1]!r}. This folder was oversampled: "
                f"keep one of each and {SPLIT_FIRST}"
            )


def _copies(rows: Sequence[Row], hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of pictures that are the same file: each with the first of them by name."""
    first: dict[str, str] = {}
    ordered = sorted(row.image_id for row in rows)
    return [(first.setdefault(hashes[image], image), image) for image in ordered]


def _of_one_patient(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Pairs of pictures of the same person: each with the first of them by name."""
    first: dict[str, str] = {}
    ordered = sorted((row.image_id, row.patient_id) for row in rows if row.patient_id)
    return [(first.setdefault(patient, image), image) for image, patient in ordered]


def _groups(rows: Sequence[Row], pairs: Iterable[tuple[str, str]]) -> dict[str, list[Row]]:
    """Lesions, joined where a pair of pictures says so (union-find), by their first name."""
    lesion_of = {row.image_id: row.lesion_id for row in rows}
    parent = {row.lesion_id: row.lesion_id for row in rows}

    def root(lesion: str) -> str:
        while parent[lesion] != lesion:
            lesion = parent[lesion]
        return lesion

    for pair in pairs:
        one, two = sorted(root(lesion_of[image]) for image in pair)
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


def guard(
    split: Split,
    rows: Sequence[Row],
    hashes: Mapping[str, str],
    twins: Sequence[Twins] | None = None,
) -> None:
    """Raises :class:`LeakError` when a lesion, a patient, a file or a photograph is in two parts.

    ``twins`` are the copies among ``rows``; left out, they are searched for.
    """
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
    _guard_patients(rows, part_of)
    for pair in _searched(split, rows, hashes) if twins is None else twins:
        there, here = part_of[pair.one], part_of[pair.other]
        if there != here:
            raise LeakError(
                f"The pictures {pair.one!r} ({there}) and {pair.other!r} ({here}) are the same "
                f"photograph (likeness {pair.likeness})."
            )


def _guard_patients(rows: Sequence[Row], part_of: Mapping[str, str]) -> None:
    known: dict[str, str] = {}
    for row in rows:
        here = part_of[row.image_id]
        there = known.setdefault(row.patient_id, here) if row.patient_id else here
        if there != here:
            raise LeakError(
                f"Pictures of the patient {row.patient_id!r} are in {there} and {here}."
            )


def _searched(split: Split, rows: Sequence[Row], hashes: Mapping[str, str]) -> Sequence[Twins]:
    return find_twins(rows, rows, hashes) if split.photographs else ()


def guard_also(
    split: Split,
    rows: Sequence[Row],
    also: Sequence[Row],
    held: Collection[str] = HELD,
    cache: Path | None = None,
) -> None:
    """Raises :class:`LeakError` when ``also``, pictures to train on too, show a held part again.

    ``rows`` are those the split was made of, ``held`` the parts that nothing may be learnt from.
    A name of a picture or a lesion, a file or a photograph in common is a leak.
    """
    kept = [row for part in held for row in split.rows(rows, part)]
    part_of = {image: part for part in held for image in split.parts[part]}
    hashes, others = file_hashes(kept), file_hashes(also)
    names = {row.image_id: row for row in kept}
    lesions = {row.lesion_id: row for row in kept}
    files = {hashes[row.image_id]: row for row in kept}
    for row in also:
        for what, known in (
            ("have the same image_id", names.get(row.image_id)),
            ("have the same lesion_id", lesions.get(row.lesion_id)),
            ("are the same file", files.get(others[row.image_id])),
        ):
            if known is not None:
                raise LeakError(
                    f"The picture {row.image_id!r} of the second folder and {known.image_id!r} "
                    f"({part_of[known.image_id]}) {what}."
                )
    for pair in find_twins(kept, also, hashes | others, cache):
        raise LeakError(
            f"The picture {pair.other!r} of the second folder and {pair.one!r} "
            f"({part_of[pair.one]}) are the same photograph (likeness {pair.likeness})."
        )


def open_split(path: Path, rows: Sequence[Row], cache: Path | None = None) -> Split:
    """Load a split and hold it against the data: same data, nothing crossing.

    What the search for copies found is kept in ``cache``, a folder beside the split by default.
    """
    split = Split.load(path)
    hashes = file_hashes(rows)
    if split.data_hash != data_hash(rows, hashes):
        raise TrainingError(f"The split {path.name!r} was made from other data than this folder.")
    kept = cache or path.parent / "cache"
    guard(split, rows, hashes, find_twins(rows, rows, hashes, kept) if split.photographs else ())
    return split
