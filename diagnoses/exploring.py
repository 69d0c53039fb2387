"""A clinic's own cases in numbers, beside what the model was trained on.

Small counts name people: one woman with a mark on her ear is somebody. So a count below
:data:`FEWEST` is never shown, nor one that follows from the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import OuterRef, Subquery

from accounts.models import User
from diagnoses.models import Case, Review
from diagnoses.numbers import ENOUGH

LAST: Final = 5000
FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Own:
    """The last signed cases that a reader may see, counted in cases.

    ``lesions`` and ``lesions_of_several`` count marks; of a case without one nothing is counted.
    """

    n: int
    lesions: int
    lesions_of_several: int
    classes: Counter[str]  # as signed; "" for none of the labels
    sites: Counter[str]

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


def own_cases(user: User, pack_name: str) -> Own:
    """The last :data:`LAST` signed cases of the pack. One statement, whatever there is."""
    answer = Review.objects.standing().filter(case=OuterRef("pk")).order_by("-pk")
    signed = Case.objects.visible_to(user).filter(pack_name=pack_name, signed_at__isnull=False)
    newest = signed.order_by("-signed_at", "id").annotate(
        answer=Subquery(answer.values("diagnosis")[:1])
    )
    rows = list(newest.values_list("lesion_id", "site", "answer")[:LAST])
    marks = Counter(lesion for lesion, _, _ in rows if lesion is not None)
    return Own(
        len(rows),
        len(marks),
        sum(count > 1 for count in marks.values()),
        Counter(answer or "" for _, _, answer in rows),
        Counter(site for _, site, _ in rows),
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A count as it may be read: ``count`` is ``None`` where it is withheld, because it is small
    (``few``) or because a small one would follow from it."""

    count: int | None
    few: bool
    share: float  # of all; 0 where it is withheld

    @property
    def percent(self) -> float:
        return round(100 * self.share, 1)


def guarded(counts: Mapping[str, int], names: Iterable[str]) -> dict[str, Cell]:
    """The counts by name, without those that would tell of single people.

    The total is known to everybody. So next larger counts are withheld as well until each small
    one could be anything from 1 to below :data:`FEWEST`.
    """
    shown = {name: counts.get(name, 0) for name in names}
    total = sum(shown.values())
    few = {name for name, count in shown.items() if 0 < count < FEWEST}
    larger = sorted((name for name in shown if shown[name] >= FEWEST), key=lambda n: shown[n])
    also = 0
    while few and also < len(larger) and not _left_open(shown, few, larger[:also]):
        also += 1
    withheld = few.union(larger[:also])
    return {
        name: Cell(None, name in few, 0.0)
        if name in withheld
        else Cell(count, few=False, share=count / total if total else 0.0)
        for name, count in shown.items()
    }


def _left_open(counts: Mapping[str, int], few: Collection[str], also: Collection[str]) -> bool:
    """Whether the sum of what is withheld says nothing of any one of the ``few``."""
    hidden = sum(counts[name] for name in (*few, *also))
    others = len(few) - 1
    at_most = hidden - FEWEST * len(also) - others
    at_least = 1 if also else hidden - (FEWEST - 1) * others
    return at_most >= FEWEST - 1 and at_least <= 1
