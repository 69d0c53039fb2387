"""How much one person may send in on one day: counted here, and nowhere else.

Every photo counts that is given to intake, taken or refused, for it is the opening that costs; it
counts for who sends it, whoever it is about: a patient, or a doctor who brings a case from another
portal. What an operator does on the command line is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from math import ceil

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from diagnoses.intake import Refusal
from diagnoses.models import UploadTally


class QuotaSpent(Refusal):
    """No more today; ``wait`` is how many seconds of the day are left."""

    def __init__(self) -> None:
        super().__init__("quota")
        self.wait = ceil((_tomorrow() - timezone.now()).total_seconds())


def spend(person: User, sizes: Sequence[int]) -> None:
    """Count photos of so many bytes, all of them or none. Raises :class:`QuotaSpent`.

    One statement decides and counts: of two at once for the last place, one gets it.
    """
    if not settings.UPLOADS_PER_DAY and not settings.UPLOAD_MB_PER_DAY:
        return
    if _counted(person, sizes):
        return
    if UploadTally.objects.filter(person=person, day=timezone.localdate()).exists():
        raise QuotaSpent
    # The day's first. Somebody else may be making the same row.
    first = [UploadTally(person=person, day=timezone.localdate())]
    UploadTally.objects.bulk_create(first, ignore_conflicts=True)
    if not _counted(person, sizes):
        raise QuotaSpent


def sweep() -> None:
    """Forget the days before yesterday; a clock that is set back gives nobody a second day."""
    yesterday = timezone.localdate() - timedelta(days=1)
    UploadTally.objects.filter(day__lt=yesterday).delete()


def _counted(person: User, sizes: Sequence[int]) -> bool:
    room = Q()
    if settings.UPLOADS_PER_DAY:
        room &= Q(photos__lte=settings.UPLOADS_PER_DAY - len(sizes))
    if settings.UPLOAD_MB_PER_DAY:
        room &= Q(size__lte=(settings.UPLOAD_MB_PER_DAY << 20) - sum(sizes))
    today = UploadTally.objects.filter(room, person=person, day=timezone.localdate())
    return bool(today.update(photos=F("photos") + len(sizes), size=F("size") + sum(sizes)))


def _tomorrow() -> datetime:
    """When the clinic's next day begins."""
    return timezone.make_aware(datetime.combine(timezone.localdate() + timedelta(days=1), time()))
