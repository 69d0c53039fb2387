"""What must have become of everything, kept beside the portal and apart from its code.

``Story`` is the plain account of what has happened: a dozen fields, no database. ``Seen`` is what
the portal has on record. ``tests.diagnoses.must_hold`` compares the two.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from diagnoses.models import Case, CaseEvent, Photo, Prediction, Review, ReviewUndo, Scoring
from diagnoses.workflow import Submission
from notifications.models import Message

LATE_AFTER, LEASE = 10, 60  # minutes; the house's own, and what the machine sets it to


@dataclass
class Told:
    """One case."""

    patient: int
    form: Submission
    status: str
    age: int = 0  # minutes
    viewed: bool = False  # a live view is in
    standing: list[Review] = field(default_factory=list)  # signed and not undone

    @property
    def is_open(self) -> bool:
        return self.status in {"registered", "partial"}


@dataclass
class Work:
    """One queue row."""

    case: uuid.UUID
    live: bool
    tries: int = 0
    token: uuid.UUID | None = None
    holder: int | None = None
    lease: int = 0  # minutes left of it
    resting: bool = False  # given back moments ago: it may be taken again, and need not
    settled: bool = False

    def let_go(self) -> None:
        self.token, self.holder, self.lease = None, None, 0

    @property
    def is_free(self) -> bool:
        return not self.settled and (self.token is None or self.lease <= 0)

    @property
    def is_spent(self) -> bool:
        return self.tries >= settings.SCORING_ATTEMPTS


@dataclass
class Story:
    cases: dict[uuid.UUID, Told] = field(default_factory=dict)
    queue: dict[int, Work] = field(default_factory=dict)
    claims: dict[int, Scoring] = field(default_factory=dict)  # the newest of each row

    def queued(self, rows: Iterable[Scoring]) -> None:
        for row in rows:
            self.queue.setdefault(row.pk, Work(row.case_id, row.purpose == "live"))

    def waiting(self, case: uuid.UUID) -> list[Work]:
        return [work for work in self.queue.values() if work.case == case and not work.settled]

    def free(self, *, spent: bool) -> dict[int, Work]:
        """What may be claimed, or given up where it was tried often enough."""
        return {
            pk: work for pk, work in self.queue.items() if work.is_free and work.is_spent is spent
        }

    def claimed(self, row: Scoring, holder: int | None) -> None:
        work = self.queue[row.pk]
        work.tries += 1
        work.token, work.holder, work.lease, work.resting = row.token, holder, LEASE, False
        self.claims[row.pk] = row

    def settled(self, pk: int) -> None:
        work, case = self.queue[pk], self.cases[self.queue[pk].case]
        work.let_go()
        work.settled = True
        if work.live and case.status == "registered":
            case.status = "partial"

    def is_current(self, row: Scoring) -> bool:
        """Whether this claim is the newest one of a row that still waits."""
        work = self.queue[row.pk]
        return not work.settled and work.token == row.token

    def held(self) -> list[Scoring]:
        """The claims whose answers count."""
        return [row for row in self.claims.values() if self.is_current(row)]

    @property
    def is_unsettled(self) -> bool:
        """Whether anybody still waits for the computer."""
        return any(not work.settled for work in self.queue.values())

    def minutes_pass(self, minutes: int) -> None:
        for case in self.cases.values():
            case.age += minutes
        for work in self.queue.values():
            work.lease -= minutes
            work.resting &= minutes == 0


Rows = dict[Any, dict[str, Any]]


@dataclass(frozen=True)
class Seen:
    """Everything on record, by primary key; in the order it was written where that counts."""

    cases: Rows
    photos: Rows
    queue: Rows
    predictions: Rows
    events: Rows
    reviews: Rows
    undos: Rows
    messages: Rows

    @classmethod
    def now(cls) -> Seen:
        return cls(
            cases=_rows(Case.objects.all()),
            photos=_rows(Photo.objects.all()),
            queue=_rows(Scoring.objects.order_by("pk")),
            predictions=_rows(Prediction.objects.order_by("pk")),
            events=_rows(CaseEvent.objects.order_by("pk")),
            reviews=_rows(Review.objects.order_by("pk")),
            undos=_rows(ReviewUndo.objects.all()),
            messages=_rows(Message.objects.all()),
        )

    def of(self, case: uuid.UUID, rows: Rows) -> list[dict[str, Any]]:
        return [row for row in rows.values() if row["case_id"] == case]

    def standing(self, case: uuid.UUID) -> list[dict[str, Any]]:
        """Signed and not undone, oldest first."""
        undone = {undo["review_id"] for undo in self.undos.values()}
        return [review for review in self.of(case, self.reviews) if review["id"] not in undone]


def _rows(table: QuerySet[Any]) -> Rows:
    return {row["id"]: row for row in table.values()}
