"""What the database says of how the portal is doing, in a fixed number of statements.

No statement reads a table that grows with the years: each walks a partial index of what is open,
or a bounded period, and stops counting at :data:`COUNT_UP_TO`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import CharField, Count, Exists, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now, TruncHour

from diagnoses.models import Case, Scoring
from mlservice.models import BundleCheck, ModelVersion, Pause, WorkerReport
from mlservice.reports import SILENT_AFTER
from notifications.models import Channel, Message
from portal.models import Pulse

# A count stops here and then reads "10,000+".
COUNT_UP_TO = 10_000
MOST_NAMED = 100  # workers, and sweeps
HOURS = 24
# An io worker reports every five seconds.
PULSE_SILENT_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows that wait for the computer. ``oldest`` is since when the oldest claimable one waits."""

    waiting: int
    due: int
    leased: int
    retried: int
    shadow: int
    oldest: datetime | None

    @property
    def later(self) -> int:
        """Given back by a worker, and to be tried again in a few seconds."""
        return self.waiting - self.due - self.leased


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many, and since when the oldest."""

    n: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """An inference worker that was heard of lately."""

    report: WorkerReport
    serves: Sequence[ModelVersion]
    refuses: Sequence[tuple[ModelVersion, str]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who serves: ``unserved`` are active versions that no worker has, of packs not paused."""

    workers: Sequence[Worker]
    unserved: Sequence[ModelVersion]
    paused: Sequence[str]


@dataclass(frozen=True, slots=True)
class Signs:
    """Who gave a sign of life: io workers heard of lately, and the others by name."""

    io: Sequence[Pulse]
    beat: Pulse | None
    sweeps: Mapping[str, Pulse]
    storage: Pulse | None


@dataclass(frozen=True, slots=True)
class Hour:
    """What failed in one hour."""

    at: datetime
    scorings: int
    messages: int


def queue() -> Queue:
    """One statement over what waits, as far as :data:`COUNT_UP_TO` goes."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = free & Q(run_after__lte=Now())
    rows = Scoring.objects.waiting().order_by("priority", "run_after")[:COUNT_UP_TO]
    found = rows.aggregate(
        waiting=Count("pk"),
        due=Count("pk", filter=due),
        leased=Count("pk", filter=Q(lease_until__gte=Now())),
        retried=Count("pk", filter=Q(attempts__gt=0, lease_until=None)),
        shadow=Count("pk", filter=Q(purpose=Scoring.Purpose.SHADOW)),
        oldest=Min("run_after", filter=due),
    )
    return Queue(**found)


def unscored() -> Waiting:
    """Cases that neither the computer nor a doctor has come to."""
    rows = Case.objects.filter(status=Case.Status.REGISTERED).order_by("submitted_at")
    return _waiting(rows, "submitted_at")


def checks() -> Waiting:
    """Bundles on their way into the registry; few, and deleted by nobody."""
    return _waiting(BundleCheck.objects.filter(state=BundleCheck.State.WAITING), "asked_at")


def messages() -> dict[str, Waiting]:
    """By state: those that have not left, and those whose fate is not known."""
    open_ones = (Message.State.PENDING, Message.State.UNKNOWN)
    # Staff tasks wait for people, and are on the staff's own list.
    rows = Message.objects.filter(state__in=open_ones).exclude(channel=Channel.STAFF)
    capped = rows.order_by("state", "created_at")[: 2 * COUNT_UP_TO]
    asked: dict[str, Any] = {}
    for state in open_ones:
        # What waits for the morning is well, however old: only what could leave now counts.
        since = Q(state=state) & (Q(run_after=None) | Q(run_after__lte=Now()))
        asked[f"{state}_n"] = Count("pk", filter=Q(state=state))
        asked[f"{state}_oldest"] = Min("created_at", filter=since)
    found = capped.aggregate(**asked)
    return {one: Waiting(found[f"{one}_n"], found[f"{one}_oldest"]) for one in open_ones}


def _waiting(rows: QuerySet[Any], since: str) -> Waiting:
    return Waiting(**rows[:COUNT_UP_TO].aggregate(n=Count("pk"), oldest=Min(since)))


def fleet() -> Fleet:
    """Two statements: the reports, and every version that somebody should or could serve."""
    heard = WorkerReport.objects.filter(heard_at__gt=Now() - SILENT_AFTER)
    reports = list(heard.order_by("name", "worker")[:MOST_NAMED])
    said = {int(pk) for one in reports for pk in (*one.serves, *one.refuses)}
    paused = Pause.objects.filter(pack=OuterRef("pack"), ended_at=None)
    of_interest = Q(pk__in=said) | Q(state=ModelVersion.State.ACTIVE)
    rows = ModelVersion.objects.filter(of_interest).annotate(is_paused=Exists(paused))
    versions: dict[int, Any] = {row.pk: row for row in rows}
    workers = [_worker(one, versions) for one in reports]
    served = {version.pk for one in workers for version in one.serves}
    active = [row for row in versions.values() if row.state == ModelVersion.State.ACTIVE]
    return Fleet(
        workers,
        [row for row in active if row.pk not in served and not row.is_paused],
        sorted({row.pack for row in active if row.is_paused}),
    )


def _worker(report: WorkerReport, versions: Mapping[int, ModelVersion]) -> Worker:
    refused = {int(pk): why for pk, why in report.refuses.items()}
    return Worker(
        report,
        [versions[pk] for pk in report.serves if pk in versions],
        [(versions[pk], why) for pk, why in refused.items() if pk in versions],
    )


def signs() -> Signs:
    """One statement. Who has said nothing for long is not listed among the io workers."""
    rows = list(Pulse.objects.exclude(Q(kind=Pulse.Kind.IO) & _silent())[: 2 * MOST_NAMED])
    by_kind: dict[str, list[Pulse]] = {kind: [] for kind in Pulse.Kind.values}
    for row in rows:
        by_kind[row.kind].append(row)
    return Signs(
        io=by_kind[Pulse.Kind.IO],
        beat=next(iter(by_kind[Pulse.Kind.BEAT]), None),
        sweeps={row.name: row for row in by_kind[Pulse.Kind.SWEEP]},
        storage=next(iter(by_kind[Pulse.Kind.STORAGE]), None),
    )


def _silent() -> Q:
    return Q(heard_at__lt=Now() - PULSE_SILENT_AFTER)


def database_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def failures(now: datetime | None = None) -> list[Hour]:
    """What was given up and what did not arrive, in each of the last 24 hours; the oldest first."""
    this = (now or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    first = this - timedelta(hours=HOURS - 1)
    found: dict[tuple[str, datetime], int] = {
        (row["what"], row["hour"]): row["n"]
        for row in _hourly(Scoring.objects.given_up(), first, "scorings").union(
            _hourly(Message.objects.filter(state=Message.State.FAILED), first, "messages"), all=True
        )
    }
    hours = [first + timedelta(hours=n) for n in range(HOURS)]
    return [
        Hour(hour, found.get(("scorings", hour), 0), found.get(("messages", hour), 0))
        for hour in hours
    ]


def _hourly(rows: QuerySet[Any], since: datetime, what: str) -> Any:
    """A queryset of "what", "hour" and "n"."""
    hour = TruncHour("settled_at", tzinfo=UTC)
    grouped = rows.filter(settled_at__gte=since).annotate(hour=hour).order_by()
    counted = grouped.values("hour").annotate(n=Count("pk"))
    return counted.annotate(what=Value(what, output_field=CharField())).values("what", "hour", "n")


def counted(number: int) -> str:
    """ "7", or "10,000+" where counting stopped."""
    return f"{COUNT_UP_TO:,}+" if number >= COUNT_UP_TO else str(number)
