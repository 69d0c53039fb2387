"""How reminders fare, month by month: counted for admins, and for nobody in particular."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now, TruncMonth
from django.utils import timezone

from accounts.models import User
from accounts.reminder_stop import Reminder, ReminderStop
from diagnoses.models import Nudge
from diagnoses.workflow.nudges import EFFECT

# Of fewer a share says nothing.
ENOUGH = 30
MONTHS = 12
WIDTH = 100  # of the bar, in its own units


@dataclass(frozen=True, slots=True)
class Line:
    """One kind in one month: those that were due in it, and what became of them since.

    ``acted``: a new photo within 30 days, or the question answered. ``stops`` is how many people
    stopped this kind in that month.
    """

    month: datetime
    kind: Reminder
    due: int = 0
    told: int = 0
    opened: int = 0
    acted: int = 0
    held: int = 0
    stops: int = 0

    @property
    def enough(self) -> bool:
        return self.told >= ENOUGH

    @property
    def acted_percent(self) -> int:
        """Of those told; rounded down."""
        return 100 * self.acted // self.told if self.told else 0

    @property
    def opened_width(self) -> int:
        return WIDTH * self.opened // self.told if self.told else 0

    @property
    def acted_width(self) -> int:
        return WIDTH * self.acted // self.told if self.told else 0


def counts(admin: User) -> list[Line]:
    """The last months, newest first, of the clinics ``admin`` looks after. Two statements."""
    since = _months_ago(timezone.localtime(), MONTHS - 1)
    nudges, stops = Nudge.objects.all(), ReminderStop.objects.all()
    if admin.clinic_id is not None:
        nudges = nudges.filter(clinic=admin.clinic_id)
        stops = stops.filter(user__clinic=admin.clinic_id)
    found: dict[tuple[datetime, str], dict[str, int]] = {}
    for row in (*_fates(nudges, since), *_stops(stops, since)):
        found.setdefault((row.pop("month"), row.pop("kind")), {}).update(row)
    order = list(Reminder)
    lines = [Line(month, Reminder(kind), **numbers) for (month, kind), numbers in found.items()]
    return sorted(lines, key=lambda line: (-line.month.timestamp(), order.index(line.kind)))


def _fates(nudges: QuerySet[Nudge], since: datetime) -> Iterable[Any]:
    """What was due, without what had ended before its day."""
    ended_before = Q(told_at=None, stopped_at__lt=F("due_at"))
    due = nudges.filter(due_at__gte=since, due_at__lte=Now()).exclude(ended_before)
    in_time = Q(acted_at__lte=F("told_at") + EFFECT)
    return (
        due.annotate(month=TruncMonth("due_at"))
        .values("month", "kind")
        .order_by()
        .annotate(
            due=Count("pk"),
            told=Count("told_at"),
            opened=Count("opened_at"),
            acted=Count("pk", filter=in_time),
            held=Count("held_at"),
        )
    )


def _stops(stops: QuerySet[ReminderStop], since: datetime) -> Iterable[Any]:
    by_month = stops.filter(stopped_at__gte=since).annotate(month=TruncMonth("stopped_at"))
    return by_month.values("month", "kind").order_by().annotate(stops=Count("user", distinct=True))


def _months_ago(moment: datetime, months: int) -> datetime:
    """The first moment of the month that many before ``moment``'s."""
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    first = datetime(years, month + 1, 1)  # noqa: DTZ001 - made aware in the line below
    return timezone.make_aware(first)
