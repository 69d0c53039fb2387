"""What must have become of everything, kept beside the portal and apart from its code.

``Story`` is the plain account of what has happened: a dozen fields, no database. ``Seen`` is what
the portal has on record. ``tests.diagnoses.must_hold`` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Model

from diagnoses.models import (
    Case,
    CaseEvent,
    Photo,
    Prediction,
    Remark,
    Retake,
    Review,
    ReviewUndo,
    Scoring,
)
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
    photos: int = 1
    photo_wanted: bool = False  # a doctor asked for another one, and it has not come
    asked_last: bool = False  # the last word is the patient's

    @property
    def is_open(self) -> bool:
        return self.status in {"registered", "partial"}


@dataclass
class Work:
    """One queue row."""

    case: str
    live: bool
    tries: int = 0
    token: str | None = None
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
        return self.tries >= (settings.SCORING_ATTEMPTS if self.live else 1)


@dataclass
class Story:
    """Keys and tokens are text, as in what is seen."""

    doctors: set[int]  # who read in the clinic of them all
    cases: dict[str, Told] = field(default_factory=dict)
    queue: dict[int, Work] = field(default_factory=dict)
    claims: dict[int, Scoring] = field(default_factory=dict)  # the newest of each row

    def queued(self, rows: Iterable[Scoring]) -> None:
        for row in rows:
            self.queue.setdefault(row.pk, Work(str(row.case_id), row.purpose == "live"))

    def waiting(self, case: str) -> list[Work]:
        return [work for work in self.queue.values() if work.case == case and not work.settled]

    def free(self, *, spent: bool) -> dict[int, Work]:
        """What may be claimed, or given up where it was tried often enough."""
        return {
            pk: work for pk, work in self.queue.items() if work.is_free and work.is_spent is spent
        }

    def claimed(self, row: Scoring, holder: int | None) -> None:
        work = self.queue[row.pk]
        work.tries += 1
        work.token, work.holder, work.lease, work.resting = str(row.token), holder, LEASE, False
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
        return not work.settled and work.token == str(row.token)

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
TABLES: dict[str, type[Model]] = {
    "cases": Case,
    "photos": Photo,
    "queue": Scoring,
    "predictions": Prediction,
    "events": CaseEvent,
    "reviews": Review,
    "undos": ReviewUndo,
    "remarks": Remark,
    "retakes": Retake,
    "messages": Message,
}
# In one go, whole, and as the database writes it: asked a thousand times, tables one by one are
# what takes longest.
ALL = "SELECT json_build_object({})".format(
    ", ".join(
        f"'{name}', (SELECT json_agg(t ORDER BY t.id) FROM {model._meta.db_table} t)"  # noqa: S608 - names of ours
        for name, model in TABLES.items()
    )
)


@dataclass(frozen=True)
class Seen:
    """Everything on record, by primary key, in its order."""

    cases: Rows
    photos: Rows
    queue: Rows
    predictions: Rows
    events: Rows
    reviews: Rows
    undos: Rows
    remarks: Rows
    retakes: Rows
    messages: Rows

    @classmethod
    def now(cls) -> Seen:
        with connection.cursor() as cursor:
            cursor.execute(ALL)
            [tables] = cursor.fetchall()[0]
        return cls(**{name: {row["id"]: row for row in tables[name] or []} for name in TABLES})

    def of(self, case: str, rows: Rows) -> list[dict[str, Any]]:
        return [row for row in rows.values() if row["case_id"] == case]

    def standing(self, case: str) -> list[dict[str, Any]]:
        """Signed and not undone, oldest first."""
        undone = {undo["review_id"] for undo in self.undos.values()}
        return [review for review in self.of(case, self.reviews) if review["id"] not in undone]
