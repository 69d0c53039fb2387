"""Pictures that are no longer kept: of cases that have long been closed, where a clinic's law or
rule says how long. The rest of a case stays: answers, signatures, who looked.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from accounts import audit
from diagnoses.models import (
    Case,
    CaseEvent,
    CaseShare,
    Hold,
    Lesion,
    Nudge,
    Photo,
    Precedent,
    SecondReading,
)

logger = logging.getLogger(__name__)

SWEPT_FOR = timedelta(days=30)  # a bucket is asked about each file
CLOSED = (Case.Status.FINAL, Case.Status.AMENDED, Case.Status.CANCELLED)


def closed_before(moment: datetime) -> QuerySet[Case]:
    """Cases whose pictures may go: nothing has happened to them since ``moment``, and nothing
    about them waits. One that is open, asked about, shared, to be looked at again, to be read by a
    second doctor, on hold, or of a mark that another case is open about keeps them.
    """
    mine = OuterRef("pk")
    later = CaseEvent.objects.filter(case=mine, at__gte=moment)
    still = Lesion.objects.filter(
        pk=OuterRef("lesion"), cases__status__in=[Case.Status.REGISTERED, Case.Status.PARTIAL]
    )
    # What a colleague asked before the signature waits for nobody after it.
    unread = SecondReading.objects.filter(case=mine, read_at=None).exclude(
        why=SecondReading.Why.ASKED
    )
    kept = (
        Exists(later),
        Exists(unread),
        Exists(Hold.objects.filter(case=mine)),
        Exists(CaseShare.objects.filter(case=mine, ended_at=None, ends_at__gt=Now())),
        Exists(Nudge.objects.filter(case=mine, state=Nudge.State.PENDING)),
        Exists(still),
    )
    found = Case.objects.filter(
        Exists(Photo.objects.filter(case=mine)),
        Q(signed_at=None) | Q(signed_at__lt=moment),
        status__in=CLOSED,
        submitted_at__lt=moment,
        question_since=None,
    )
    for reason in kept:
        found = found.exclude(reason)
    return found


@transaction.atomic
def let_go_of(case: UUID, moment: datetime) -> int:
    """Delete the pictures of one of :func:`closed_before`; how many. None, if it has moved on.

    The files go once that is certain; :func:`sweep` deletes what a process that died here left.
    """
    # A signature, a question, a retake take the same row first.
    if not Case.objects.select_for_update().filter(pk=case).exists():
        return 0
    if not closed_before(moment).filter(pk=case).exists():
        return 0
    photos = list(Photo.objects.filter(case=case))
    Photo.objects.filter(case=case).update(purged_at=Now())
    # Nobody finds it as a similar one any more. What the computer said stays as it was receipted.
    Precedent.objects.filter(case=case).delete()
    audit.record("case.photos_purged", actor=None, about=f"case:{case}", photos=len(photos))
    for photo in photos:
        _delete_files(photo)
    return len(photos)


def sweep() -> int:
    """Files of the last :data:`SWEPT_FOR` that should be gone and are not; how many there were."""
    left = 0
    for photo in Photo.everything.filter(purged_at__gt=Now() - SWEPT_FOR).iterator():
        try:
            there = any(default_storage.exists(name) for name in _files(photo))
        except OSError as error:  # the next one looks again
            logger.warning("Whether photo %s is gone is not known: %s", photo.pk, error)
            continue
        if there:
            left += 1
            _delete_files(photo)
    return left


def _files(photo: Photo) -> tuple[str, str]:
    """The picture, and its small copy."""
    name = str(photo.file.name)
    return name, str(PurePosixPath(name).with_suffix(".thumb.jpg"))


def _delete_files(photo: Photo) -> None:
    def delete() -> None:
        for name in _files(photo):
            default_storage.delete(name)

    transaction.on_commit(delete, robust=True)


@transaction.atomic
def hold(case: Case) -> bool:
    """Keep everything of it until :func:`release`; whether it was not kept already."""
    Case.objects.select_for_update().get(pk=case.pk)
    _, new = Hold.objects.get_or_create(case=case)
    if new:
        audit.record("case.held", actor=None, about=f"case:{case.pk}")
    return new


@transaction.atomic
def release(case: Case) -> bool:
    gone, _ = Hold.objects.filter(case=case).delete()
    if gone:
        audit.record("case.released", actor=None, about=f"case:{case.pk}")
    return bool(gone)
