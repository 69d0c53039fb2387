"""A doctor's own numbers: how much, how fast, how often as the computer, and how often right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import F, OuterRef, Subquery

from accounts.models import User
from diagnoses.models import FirstReading, Outcome, Prediction, Review, SecondReading
from diagnoses.models.scoring import UNJUDGED
from diagnoses.workflow import differs

# Below it a share says more about chance than about a doctor.
ENOUGH = 30


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``n``. ``percent`` is None while there are not enough."""

    hits: int
    n: int

    @classmethod
    def of(cls, rows: Iterable[Any], hit: Callable[[Any], bool]) -> Share:
        found = [hit(row) for row in rows]
        return cls(sum(found), len(found))

    @property
    def percent(self) -> int | None:
        return round(100 * self.hits / self.n) if self.n >= ENOUGH else None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of one doctor since a day. Shares count answers that were signed and not taken back."""

    seen: int  # own readings committed
    signed: int
    from_arrival: timedelta | None  # median, from the case's arrival to the signature
    from_reading: timedelta | None  # median, from the own reading to the signature
    as_computer_before: Share  # the own reading names what the computer put first
    as_computer_after: Share  # the signed answer does
    changed: Share  # the signed answer is not the own reading
    right_before: Share  # of cases whose outcome is known: the own reading
    right_after: Share  # the signed answer
    right_computer: Share  # what the computer put first
    read_again: int  # cases of colleagues read a second time
    held: Share  # own answers read again, and read as signed


def numbers_of(doctor: User, since: datetime) -> Numbers:
    """In three statements, however much was signed."""
    rows = list(_signed(doctor, since))
    with_view = [row for row in rows if row.top is not None and row.first is not None]
    known = [row for row in rows if row.truth is not None]
    again = _read_again(doctor, since)
    own = [one for one in again if one.review and one.review.doctor_id == doctor.pk]
    return Numbers(
        seen=FirstReading.objects.filter(doctor=doctor, created_at__gte=since).count(),
        signed=len(rows),
        from_arrival=_median(row.signed_at - row.arrived for row in rows),
        from_reading=_median(row.signed_at - row.read_at for row in rows if row.read_at),
        as_computer_before=Share.of(with_view, lambda row: row.first == row.top),
        as_computer_after=Share.of(with_view, lambda row: row.diagnosis == row.top),
        changed=Share.of(
            [row for row in rows if row.first is not None], lambda row: row.first != row.diagnosis
        ),
        right_before=Share.of(
            [row for row in known if row.first is not None], lambda row: row.first == row.truth
        ),
        right_after=Share.of(known, lambda row: row.diagnosis == row.truth),
        right_computer=Share.of(
            [row for row in known if row.top is not None], lambda row: row.top == row.truth
        ),
        read_again=sum(one.read_by_id == doctor.pk for one in again),
        held=Share.of(own, lambda one: not differs(one, one.review)),
    )


def _signed(doctor: User, since: datetime) -> Iterable[Any]:
    """The standing answers of this doctor, with what was known of each case."""
    first = FirstReading.objects.filter(case=OuterRef("case"), doctor=doctor)
    live = Prediction.objects.live().filter(scoring__case=OuterRef("case"))
    view = live.exclude(modality__in=UNJUDGED).order_by("-pk")
    truth = Outcome.objects.filter(case=OuterRef("case")).order_by("-pk")
    standing = Review.objects.standing().filter(doctor=doctor, signed_at__gte=since)
    found: Any = standing.annotate(
        arrived=F("case__submitted_at"),
        first=Subquery(first.values("diagnosis")[:1]),
        read_at=Subquery(first.values("created_at")[:1]),
        top=Subquery(view.values("top_label")[:1]),
        truth=Subquery(truth.values("diagnosis")[:1]),
    )
    return found.only("signed_at", "diagnosis", "case_id")  # type: ignore[no-any-return]


def _read_again(doctor: User, since: datetime) -> Sequence[SecondReading]:
    """What this doctor read again, and what was read again of theirs."""
    done = SecondReading.objects.filter(read_at__gte=since).select_related("review")
    return [*done.filter(read_by=doctor), *done.filter(review__doctor=doctor, why="drawn")]


def _median(spans: Iterable[timedelta]) -> timedelta | None:
    seconds = [span.total_seconds() for span in spans]
    return timedelta(seconds=median(seconds)) if seconds else None
