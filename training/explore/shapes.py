"""What an exploration is made of. The field names are the keys of ``explore.json``: they stay.

Unless a name says otherwise a number counts pictures; a share is a number from 0 to 1 of all
pictures. Nothing is filled in: what the table leaves open is counted as ``not_recorded``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from training.explore.files import Files


@dataclass(frozen=True, slots=True)
class ClassCount:
    """``times_rarer``: the largest class divided by this one; ``None`` without pictures."""

    name: str
    title: str
    harmful: bool
    pictures: int
    lesions: int
    share: float
    times_rarer: float | None


@dataclass(frozen=True, slots=True)
class Imbalance:
    """``ratio`` is ``largest`` to ``smallest`` by pictures; ``absent`` classes have none at all."""

    largest: str
    smallest: str
    ratio: float
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Harmful:
    """What the pack calls harmful."""

    pictures: int
    lesions: int
    share: float


@dataclass(frozen=True, slots=True)
class Pile:
    """``lesions`` lesions have exactly ``pictures`` pictures each."""

    pictures: int
    lesions: int


@dataclass(frozen=True, slots=True)
class Lesions:
    """``several`` lesions have more than one picture, ``pictures_of_several`` together.

    A picture without a lesion id of its own counts as a lesion.
    ``several_classes`` names lesions whose pictures carry different classes: a contradiction.
    """

    count: int
    several: int
    pictures_of_several: int
    most: int
    per_lesion: tuple[Pile, ...]
    several_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One value of a column as the table writes it; ``by_sex`` is empty for sex itself."""

    name: str
    pictures: int
    lesions: int
    harmful: int
    share: float
    by_sex: dict[str, int]
    sex_not_recorded: int


@dataclass(frozen=True, slots=True)
class Column:
    """``groups`` by falling number of pictures."""

    recorded: int
    not_recorded: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Years; interpolated linearly between neighbours, as ``numpy.quantile`` does."""

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float


@dataclass(frozen=True, slots=True)
class AgeBin:
    """Ages from ``start`` to below ``end``; ``harmful`` of the ``pictures``."""

    start: int
    end: int
    pictures: int
    harmful: int


@dataclass(frozen=True, slots=True)
class ClassAge:
    name: str
    recorded: int
    quartiles: Quartiles | None


@dataclass(frozen=True, slots=True)
class Age:
    """``step`` is the largest of 10, 5 and 1 years that divides every age; ``None`` if none does or
    there are fewer than two different ages.
    """

    recorded: int
    not_recorded: int
    step: int | None
    quartiles: Quartiles | None
    median_harmful: float | None
    median_harmless: float | None
    bins: tuple[AgeBin, ...]
    by_class: tuple[ClassAge, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """``column`` is empty, or as good as empty, for ``pictures`` pictures."""

    column: str
    pictures: int
    share: float
    by_class: dict[str, int]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Everything the page shows.

    ``files`` is ``None`` where the pictures themselves were not looked at.
    """

    format: int
    data: str
    pack: str
    pack_title: str
    pictures: int
    classes: tuple[ClassCount, ...]
    imbalance: Imbalance
    harmful: Harmful
    lesions: Lesions
    sex: Column
    age: Age
    localization: Column
    missing: tuple[Missing, ...]
    files: Files | None

    def missing_in(self, column: str) -> Missing:
        """What is missing in ``age``, ``sex``, ``localization`` or ``lesion_id``."""
        return next(missing for missing in self.missing if missing.column == column)

    def as_dict(self) -> dict[str, Any]:
        """What ``explore.json`` holds."""
        return asdict(self)
