"""Counting a labelled folder: pure, nothing drawn and nothing read from disk.

``dx_type`` is not among a row's columns (see :mod:`training.data`), so it cannot be counted here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mlservice.packs import Pack
from training.data import UNKNOWN, Row
from training.errors import TrainingError
from training.explore.files import Files
from training.explore.shapes import (
    Age,
    AgeBin,
    ClassAge,
    ClassCount,
    Column,
    Exploration,
    Group,
    Harmful,
    Imbalance,
    Lesions,
    Missing,
    Pile,
    Quartiles,
)

FORMAT = 1
AGE_BIN = 5  # years


def recorded(value: str) -> bool:
    """Whether a text of the table says something."""
    return value.lower() not in UNKNOWN


def explore(
    rows: Sequence[Row], pack: Pack, data: str = "", files: Files | None = None
) -> Exploration:
    """Count ``rows``, whose classes are ``pack``'s labels. ``data`` is the folder's name.

    Raises :class:`TrainingError` where there is nothing to count.
    """
    if not rows:
        raise TrainingError("There are no pictures to explore.")
    harmful = frozenset(label.name for label in pack.labels if label.harmful)
    classes = _classes(rows, pack)
    sick = [row for row in rows if row.dx in harmful]
    return Exploration(
        format=FORMAT,
        data=data,
        pack=pack.name,
        pack_title=pack.title,
        pictures=len(rows),
        classes=classes,
        imbalance=_imbalance(classes),
        harmful=Harmful(len(sick), _lesion_count(sick), len(sick) / len(rows)),
        lesions=_lesions(rows),
        sex=_column(rows, lambda row: row.sex, harmful, by_sex=False),
        age=_age(rows, [count.name for count in classes], harmful),
        localization=_column(rows, lambda row: row.localization, harmful, by_sex=True),
        missing=_missing(rows, [count.name for count in classes]),
        files=files,
    )


def _lesion_count(rows: Iterable[Row]) -> int:
    return len({row.lesion_id for row in rows})


def _classes(rows: Sequence[Row], pack: Pack) -> tuple[ClassCount, ...]:
    """Every label of the pack in its order, also those without a picture."""
    pictures = Counter(row.dx for row in rows)
    largest = max(pictures.values())
    return tuple(
        ClassCount(
            name=label.name,
            title=label.title,
            harmful=label.harmful,
            pictures=pictures[label.name],
            lesions=_lesion_count(row for row in rows if row.dx == label.name),
            share=pictures[label.name] / len(rows),
            times_rarer=largest / pictures[label.name] if pictures[label.name] else None,
        )
        for label in pack.labels
    )


def _imbalance(classes: Sequence[ClassCount]) -> Imbalance:
    present = [count for count in classes if count.pictures]
    largest = max(present, key=lambda count: count.pictures)
    smallest = min(reversed(present), key=lambda count: count.pictures)  # of equals not the same
    absent = tuple(count.name for count in classes if not count.pictures)
    return Imbalance(largest.name, smallest.name, largest.pictures / smallest.pictures, absent)


def _lesions(rows: Sequence[Row]) -> Lesions:
    pictures = Counter(row.lesion_id for row in rows)
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        classes[row.lesion_id].add(row.dx)
    piles = Counter(pictures.values())
    several = [number for number in pictures.values() if number > 1]
    return Lesions(
        count=len(pictures),
        several=len(several),
        pictures_of_several=sum(several),
        most=max(piles),
        per_lesion=tuple(Pile(number, piles[number]) for number in sorted(piles)),
        several_classes=tuple(sorted(name for name in classes if len(classes[name]) > 1)),
    )


def _column(
    rows: Sequence[Row], value: Callable[[Row], str], harmful: frozenset[str], *, by_sex: bool
) -> Column:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if recorded(value(row)):
            groups[value(row)].append(row)
    known = sum(map(len, groups.values()))
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return Column(
        recorded=known,
        not_recorded=len(rows) - known,
        groups=tuple(
            Group(
                name=name,
                pictures=len(group),
                lesions=_lesion_count(group),
                harmful=sum(row.dx in harmful for row in group),
                share=len(group) / len(rows),
                by_sex=_sexes(group) if by_sex else {},
                sex_not_recorded=sum(not recorded(row.sex) for row in group) if by_sex else 0,
            )
            for name, group in ordered
        ),
    )


def _sexes(rows: Iterable[Row]) -> dict[str, int]:
    return dict(sorted(Counter(row.sex for row in rows if recorded(row.sex)).items()))


def _known_ages(rows: Iterable[Row]) -> list[tuple[str, float]]:
    """Class and age of every row that gives an age."""
    return [(row.dx, row.age) for row in rows if row.age is not None]


def _age(rows: Sequence[Row], names: Sequence[str], harmful: frozenset[str]) -> Age:
    ages = _known_ages(rows)
    years = [age for _, age in ages]
    by_class = {name: [age for dx, age in ages if dx == name] for name in names}
    sick = _quartiles([age for dx, age in ages if dx in harmful])
    well = _quartiles([age for dx, age in ages if dx not in harmful])
    return Age(
        recorded=len(ages),
        not_recorded=len(rows) - len(ages),
        step=_step(years),
        quartiles=_quartiles(years),
        median_harmful=sick.median if sick else None,
        median_harmless=well.median if well else None,
        bins=_bins(ages, harmful),
        by_class=tuple(ClassAge(name, len(a), _quartiles(a)) for name, a in by_class.items()),
    )


def _step(ages: Sequence[float]) -> int | None:
    """The coarsest rounding that explains every age; one age alone explains nothing."""
    if len(set(ages)) < 2:
        return None
    return next((step for step in (10, 5, 1) if not any(age % step for age in ages)), None)


def _quartiles(ages: Sequence[float]) -> Quartiles | None:
    if not ages:
        return None
    return Quartiles(*(float(value) for value in np.quantile(ages, (0, 0.25, 0.5, 0.75, 1))))


def _bins(ages: Sequence[tuple[str, float]], harmful: frozenset[str]) -> tuple[AgeBin, ...]:
    if not ages:
        return ()
    pictures = Counter(int(age // AGE_BIN) for _, age in ages)
    sick = Counter(int(age // AGE_BIN) for dx, age in ages if dx in harmful)
    return tuple(
        AgeBin(number * AGE_BIN, (number + 1) * AGE_BIN, pictures[number], sick[number])
        for number in range(min(pictures), max(pictures) + 1)
    )


def _missing(rows: Sequence[Row], names: Sequence[str]) -> tuple[Missing, ...]:
    absent: dict[str, Callable[[Row], bool]] = {
        "age": lambda row: row.age is None,
        "sex": lambda row: not recorded(row.sex),
        "localization": lambda row: not recorded(row.localization),
        "lesion_id": lambda row: row.lesion_id == row.image_id,
    }
    found = []
    for column, is_absent in absent.items():
        counted = Counter(row.dx for row in rows if is_absent(row))
        total = counted.total()
        by_class = {name: counted[name] for name in names}
        found.append(Missing(column, total, total / len(rows), by_class))
    return tuple(found)
