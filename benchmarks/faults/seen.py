"""What the database shows from outside, for whoever breaks things. Import once Django is set up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from django.db.models import Min, QuerySet

from benchmarks.faults.house import House
from benchmarks.faults.outcome import Outcome
from diagnoses.models import Prediction, Scoring
from diagnoses.worker import LOCK_CLASS

MOVES_WITHIN = 30.0  # seconds until a standstill is a failure of its own


def moment(seconds: float) -> datetime:
    """A time of ``time.time()`` as the database tells it; both read one clock."""
    return datetime.fromtimestamp(seconds, UTC)


def leased() -> QuerySet[Scoring]:
    return Scoring.objects.waiting().filter(token__isnull=False)


def held() -> dict[int, object]:
    """The token of every leased row, by the row's key."""
    return dict(leased().values_list("pk", "token"))


def orphans() -> set[int]:
    """Rows whose worker is gone, seen before the next worker frees them."""
    locked = "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
    rows = leased().filter(holder__isnull=False)
    gone = rows.extra(where=[f"holder NOT IN ({locked})"], params=[LOCK_CLASS])  # noqa: S610 - no value of ours in it
    return set(gone.values_list("pk", flat=True))


def everything_settled() -> bool:
    return not Scoring.objects.waiting().exists()


def everything_settled_of(rows: Iterable[int]) -> Callable[[], bool]:
    """Whether these rows are settled, to be waited for."""
    waiting = Scoring.objects.waiting().filter(pk__in=list(rows))
    return lambda: not waiting.all().exists()


def first_after(at: float) -> float | None:
    """When the first prediction after ``at`` was made."""
    made = Prediction.objects.filter(created_at__gt=moment(at)).aggregate(first=Min("created_at"))
    first: datetime | None = made["first"]
    return first.timestamp() if first else None


def moves_again(house: House, outcome: Outcome, at: float) -> None:
    """Wait for the first prediction after the fault at ``at``; count the fault and its recovery."""
    house.until(
        lambda: first_after(at) is not None, MOVES_WITHIN, f"{outcome.fault}: a prediction follows"
    )
    first = first_after(at)
    outcome.n += 1
    outcome.recovery.append((first or at) - at)


def taken_over(outcome: Outcome, at_by_row: dict[int, float]) -> None:
    """How long each orphaned row waited for its prediction; call once everything is settled."""
    made = Prediction.objects.filter(scoring__in=at_by_row).values_list("scoring", "created_at")
    outcome.taken_over += [when.timestamp() - at_by_row[row] for row, when in made]
