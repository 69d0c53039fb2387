"""Erasing a patient's account: asked for, undone within days, or done for good.

Names, addresses, numbers and unsent photos go. What was sent to a doctor stays, as the law of many
countries asks, under a pseudonym: the tombstone that ``people.erase`` leaves.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts import people
from accounts.models import Role, User
from diagnoses import drafts, learning, workflow
from diagnoses.archive import came
from diagnoses.models import Case, CaseShare, ExportedPhoto, Lesion, Nudge, Review
from notifications import forgetting, ledger
from notifications.ledger import Notice
from notifications.models import Event

logger = logging.getLogger(__name__)
# To think again, and to read what came last.
GRACE = timedelta(days=7)
OPEN = (Case.Status.REGISTERED, Case.Status.PARTIAL)


def open_cases(patient: User) -> QuerySet[Case]:
    """Those no doctor has answered yet; of whom they look after as well: these go with them."""
    theirs = User.objects.answered_for_by(patient)
    return Case.objects.filter(patient__in=theirs, status__in=OPEN)


@transaction.atomic
def ask(patient: User, *, after_answers: bool) -> None:
    """Erase the account in some days; who owns it is told how to keep it.

    ``after_answers``: not before every open case is answered, and the answer could be read. Else
    the cases that are still open then are withdrawn.
    """
    people.ask_to_erase(patient, after_answers=after_answers)
    if patient.carer_id is not None:
        return  # the words of the message are about the reader's own account
    asked_at = patient.erase_asked_at
    about = f"user:{patient.pk}#{asked_at:%Y%m%d%H%M%S%f}"
    ledger.tell(Notice(Event.ACCOUNT_ENDS, patient, about, "/account/erase/"))


def not_before(patient: User) -> datetime | None:
    """When it is done; None if nobody asked for it, or while it waits for an answer."""
    if patient.erase_asked_at is None:
        return None
    day = patient.erase_asked_at + GRACE
    if not patient.erase_after_answers:
        return day
    if open_cases(patient).exists():
        return None
    theirs = User.objects.answered_for_by(patient)
    answers = Review.objects.standing().filter(case__patient__in=theirs)
    last = answers.aggregate(last=Max("effective_at"))["last"]
    return day if last is None else max(day, last + GRACE)


def due() -> list[User]:
    """Whose days are over."""
    asked = User.objects.get_queryset().filter(
        role=Role.PATIENT, erased_at=None, erase_asked_at__lt=Now() - GRACE
    )
    return [patient for patient in asked.order_by("erase_asked_at") if _is_due(patient)]


def _is_due(patient: User) -> bool:
    day = not_before(patient)
    return day is not None and day <= timezone.now() and not forgetting.in_hand(patient)


def erase(patient: User) -> bool:
    """Do it, if it is due; False if it was undone or put off a moment ago.

    Whom they look after is erased with them: nobody else could reach those records.
    """
    with transaction.atomic():
        # Logging in and keeping the account waits for this, or comes first.
        patient = User.objects.select_for_update(no_key=True).get(pk=patient.pk)
        if not _is_due(patient):
            return False
        for person in (*patient.cared_for.all(), patient):
            _erase(person)
    return True


def _erase(patient: User) -> None:
    for case in open_cases(patient):
        workflow.withdraw(case, patient)
    workflow.end_shares_of(patient, CaseShare.Why.ERASED)
    workflow.stop_all_of(patient, Nudge.Why.ERASED)
    drafts.forget_all_of(patient)
    Case.objects.filter(patient=patient).update(contact_e164="")
    Lesion.objects.filter(patient=patient).update(name="")
    came.forget_names(patient)
    forgetting.forget(patient)
    people.erase(patient)
    learning.take_out([patient.pk], ExportedPhoto.Why.ERASED)


def sweep() -> int:
    """Erase everybody whose days are over; how many there were."""
    done = 0
    for patient in due():
        try:
            done += erase(patient)
        except workflow.WorkflowError:
            # A doctor signed one of the cases at this moment: the next sweep sees it signed.
            logger.info("an erasure was put off: user %s", patient.pk)
    return done
