"""Reminders as the moves of a case make them: written with an answer, ended with what ends them.

Whoever calls holds the case, and so two moves of one case come in turn; the sweep
(:mod:`diagnoses.workflow.reminding`) takes a reminder only where nobody holds it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.reminder_stop import Reminder
from diagnoses.models import Case, Nudge, NudgeQuerySet, Review
from diagnoses.states import WorkflowError
from diagnoses.workflow.moves import about_case, note
from diagnoses.workflow.talk import ask
from notifications import ledger
from notifications.models import Event

State, Why, Reply = Nudge.State, Nudge.Why, Nudge.Reply
# When to ask "did you see the doctor?" after an answer with this plan.
IN_PERSON: Mapping[str, timedelta] = {
    Review.Plan.REFER_URGENT: timedelta(days=7),
    Review.Plan.SEE: timedelta(days=14),
    Review.Plan.TREAT: timedelta(days=14),
}
ASK_AGAIN = timedelta(days=14)
# For so long what somebody does is taken for an effect of the reminder.
EFFECT = timedelta(days=30)
LIVE = (State.PENDING, State.TOLD, State.OPENED)
EVENTS: Mapping[str, Event] = {
    Reminder.RECHECK: Event.REMIND_RECHECK,
    Reminder.SEE_DOCTOR: Event.REMIND_SEE_DOCTOR,
    Reminder.SUN: Event.REMIND_SUN,
}


def about(nudge: Nudge) -> str:
    return f"nudge:{nudge.pk}"


# --- A doctor answers ----------------------------------------------------------------------------


def remind_of(case: Case, review: Review) -> None:
    """What this answer is to be reminded of. Those of an answer before it end."""
    stop(Nudge.objects.filter(case=case), Why.AMENDED)
    after = {}
    if review.recheck_days is not None:
        after[Reminder.RECHECK] = timedelta(days=review.recheck_days)
    if review.plan in IN_PERSON:
        after[Reminder.SEE_DOCTOR] = IN_PERSON[review.plan]
    Nudge.objects.bulk_create(
        _of(case, review, kind, review.effective_at + wait) for kind, wait in after.items()
    )


def forget(review: Review) -> None:
    """The signature was taken back: as if there had never been an answer to remind of."""
    Nudge.objects.filter(review=review, told_at=None).delete()


# --- A patient does something --------------------------------------------------------------------


def photo_came(case: Case) -> None:
    """A new case about a mark, or a new photo of one: nobody need be reminded of it any more.

    Who was reminded before has done what was asked; of the sunny season it counts for some weeks.
    """
    wanted = Q(kind=Reminder.SUN, told_at__gt=Now() - EFFECT)
    if case.lesion_id:
        wanted |= Q(kind=Reminder.RECHECK, case__lesion=case.lesion_id)
    mine = Nudge.objects.filter(wanted, patient=case.patient_id, state__in=LIVE)
    rows = list(mine.select_for_update(of=("self",)).order_by("pk"))
    told = [row for row in rows if row.state != State.PENDING]
    for row in told:
        ledger.withdraw(EVENTS[row.kind], about(row))
    _those(told).update(state=State.ACTED, acted_at=Now())
    _those([row for row in rows if row not in told]).update(
        state=State.STOPPED, why=Why.NEW_PHOTO, stopped_at=Now()
    )


def photo_taken_back(case: Case) -> None:
    """A withdrawn case is looked at by nobody: what its photo had ended is due again."""
    stop(Nudge.objects.filter(case=case), Why.WITHDRAWN)
    if case.lesion_id:
        ended = Nudge.objects.filter(why=Why.NEW_PHOTO, stopped_at__gte=case.submitted_at)
        same = ended.filter(case__lesion=case.lesion_id).order_by("pk")
        _those(list(same.select_for_update(of=("self",)))).update(
            state=State.PENDING,
            why="",
            stopped_at=None,
            not_before=Greatest("due_at", Now()),
        )


def open_reminder(nudge: Nudge) -> None:
    """Its page was opened."""
    told = Nudge.objects.filter(pk=nudge.pk, state=State.TOLD)
    told.update(state=State.OPENED, opened_at=Now())


def tell_of_visit(nudge: Nudge, patient: User, reply: str, words: str) -> None:
    """The answer to "did you see the doctor?"; the same one again is the same click.

    "Not yet" is asked once more. Who got no appointment has a question to the doctors, and stands
    on their list until one of them has said something to it.
    """
    with transaction.atomic():
        asked_about = Case.objects.select_for_update(of=("self",)).filter(nudges=nudge)
        case = asked_about.first()
        mine = Nudge.objects.visible_to(patient).filter(kind=Reminder.SEE_DOCTOR)
        held = mine.select_for_update(of=("self",)).filter(pk=nudge.pk).first()
        if case is None or held is None:
            raise WorkflowError(_("This question is not yours."))
        if held.state == State.STOPPED:
            raise WorkflowError(_("Your doctor has changed the answer since. Please read it."))
        if _said_before(case, held, reply, words):
            return
        Nudge.objects.filter(pk=held.pk).update(
            state=State.ACTED, reply=reply, acted_at=Coalesce("acted_at", Now())
        )
        note(case, f"visit_{reply}", patient, what=words, nudge=str(held.pk))
        audit.record("case.visit_told", actor=patient, about=about_case(case), reply=reply)
        _ask_again(held, reply)
        if reply == Reply.NO_APPOINTMENT:
            said = _("I could not get an appointment.")
            ask(case, patient, f"{said}\n{words}".strip(), uuid.uuid5(held.pk, words))


def _said_before(case: Case, nudge: Nudge, reply: str, words: str) -> bool:
    last = case.events.filter(detail__nudge=str(nudge.pk)).last()
    return last is not None and nudge.reply == reply and last.detail.get("what") == words


def _ask_again(nudge: Nudge, reply: str) -> None:
    """Once, some days after "not yet"; any other answer ends it."""
    if nudge.round > 1 or nudge.case is None or nudge.review is None:
        return
    second = Nudge.objects.filter(review=nudge.review, kind=nudge.kind, round=2)
    if reply != Reply.NOT_YET:
        stop(second, Why.ANSWERED)
        return
    second.filter(told_at=None).delete()
    if not second.exists():
        due = timezone.now() + ASK_AGAIN
        _of(nudge.case, nudge.review, nudge.kind, due, number=2).save(force_insert=True)


# --- What ends them ------------------------------------------------------------------------------


def stop(nudges: NudgeQuerySet, why: Nudge.Why) -> None:
    """Those that are still to be told, or wait for an answer, end; what has not left stays here."""
    rows = list(nudges.filter(state__in=LIVE).select_for_update(of=("self",)).order_by("pk"))
    for row in rows:
        if row.told_at is not None:
            ledger.withdraw(EVENTS[row.kind], about(row))
    _those(rows).update(state=State.STOPPED, why=why, stopped_at=Now())


def stop_all_of(patient: User, why: Nudge.Why) -> None:
    """Nobody reminds this person of anything written until now."""
    stop(Nudge.objects.filter(patient=patient), why)


def _those(rows: list[Nudge]) -> NudgeQuerySet:
    return Nudge.objects.filter(pk__in=[row.pk for row in rows])


def _of(case: Case, review: Review, kind: str, due: datetime, *, number: int = 1) -> Nudge:
    return Nudge(
        patient=case.patient,
        clinic=case.clinic,
        case=case,
        review=review,
        kind=kind,
        round=number,
        due_at=due,
        not_before=due,
    )
