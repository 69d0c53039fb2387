"""What a doctor does with a case: read it, sign it, take the signature back, amend."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from diagnoses.models import Case, FirstReading, Review, ReviewUndo
from diagnoses.states import Answer, Moved, NotYet, Status, WorkflowError
from diagnoses.workflow.again import draw, draw_back
from diagnoses.workflow.computer import catch_up
from diagnoses.workflow.late import waits_no_more
from diagnoses.workflow.moves import about_case, about_review, move, note, on, too_late
from diagnoses.workflow.nudges import forget, remind_of
from diagnoses.workflow.precedents import remember
from diagnoses.workflow.telling import tell_signed
from diagnoses.workflow.unread import amended
from notifications import ledger
from notifications.models import Event


def read_first(
    case: Case, doctor: User, *, diagnosis: str, confidence: str, plan: str
) -> FirstReading:
    """The doctor's own reading, before the computer's view opens. Kept, never edited."""
    _may_read(case, doctor)
    if diagnosis:
        case.pack.label(diagnosis)
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if not case.is_open:
            raise too_late(case)
        reading, created = FirstReading.objects.get_or_create(
            case=case,
            doctor=doctor,
            defaults={"diagnosis": diagnosis, "confidence": confidence, "plan": plan},
        )
        if created:
            note(case, "read_first", doctor)
        return reading


def sign(case: Case, doctor: User, answer: Answer, *, saw: int | None = None) -> Review:
    """The doctor's answer. It leaves for the patient when the seconds to undo are over.

    Raises :class:`Moved` when another doctor signed first, :class:`NotYet` when the clinic reads
    blind and this doctor has not. ``saw`` is the newest retake (its primary key; 0 for none) on
    the page that was signed: a photo that came since is looked at first.
    """
    _may_read(case, doctor)
    if case.clinic.blind_reading and not case.first_readings.filter(doctor=doctor).exists():
        raise NotYet(_("Please record your own reading first; the computer's view opens then."))
    now = timezone.now()
    with transaction.atomic():
        case.refresh_from_db()
        if case.status == Status.REGISTERED:
            # The computer is not back yet, and a doctor need not wait for it.
            move(case, Status.PARTIAL, "unscored", None, reason="late")
        move(case, Status.FINAL, "signed", doctor, signed_at=now, signed_by=doctor)
        if saw is not None:  # after the move, which waits for a photo that is just coming in
            _has_seen_the_newest_photo(case, saw)
        waits_no_more(case)
        review = _review(case, doctor, answer, effective_at=now + settings.UNDO_SIGNATURE)
        remember(case)
        remind_of(case, review)
        draw(review)
        tell_signed(case, review, Event.CASE_SIGNED)
    return review


def undo_signature(case: Case, doctor: User) -> None:
    """Take one's own signature back, within seconds; the answer has not left yet."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        review = case.reviews.standing().last()
        if case.status != Status.FINAL or review is None or case.signed_by_id != doctor.pk:
            raise WorkflowError(_("There is no signature of yours to undo."))
        if timezone.now() >= review.effective_at:
            raise WorkflowError(_("The answer has been sent. You can amend it."))
        move(case, Status.PARTIAL, "signature_undone", doctor, signed_at=None, signed_by=None)
        ReviewUndo.objects.create(review=review, doctor=doctor)
        ledger.withdraw(Event.CASE_SIGNED, about_review(case, review))
        forget(review)
        draw_back(review)
        catch_up(case)


def amend(case: Case, doctor: User, answer: Answer, *, after: Review) -> Review:
    """Another answer beside the earlier ones; nothing is overwritten."""
    _may_read(case, doctor)
    now = timezone.now()
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        newest = case.reviews.standing().last()
        if newest is None or not case.is_signed:
            raise WorkflowError(_("This case has no signed answer to amend."))
        if newest.pk != after.pk:
            raise Moved(
                _("%(name)s amended this answer in the meantime. Please read it first.")
                % {"name": newest.doctor},
                newest.doctor,
                newest.signed_at,
            )
        # The patient reads the newest answer; one that has not left yet need not.
        ledger.withdraw(Event.CASE_SIGNED, about_review(case, newest))
        move(case, Status.AMENDED, "amended", doctor, signed_at=now, signed_by=doctor)
        review = _review(case, doctor, answer, effective_at=now)
        remind_of(case, review)
        amended(case, newest, review)
        tell_signed(case, review, Event.CASE_AMENDED)
    return review


def _has_seen_the_newest_photo(case: Case, saw: int) -> None:
    newest = case.retakes.filter(pk__gt=saw).last()
    if newest is not None:
        raise Moved(
            _("The patient sent a new photo on %(day)s. Please look at it first.")
            % {"day": on(newest.created_at)},
            case.patient,
            newest.created_at,
        )


def _may_read(case: Case, doctor: User) -> None:
    """Surfaces answer 404 before this; here it is the last line of defence."""
    if not Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists():
        raise WorkflowError(_("This case is not yours to read."))


def _review(case: Case, doctor: User, answer: Answer, *, effective_at: datetime) -> Review:
    if answer.diagnosis:
        case.pack.label(answer.diagnosis)
    if answer.agrees is False and not answer.differs_because.strip():
        raise WorkflowError(_("Please say why you differ from the computer's view."))
    review = Review.objects.create(
        case=case,
        doctor=doctor,
        diagnosis=answer.diagnosis,
        plan=answer.plan,
        advice=answer.advice,
        note=answer.note,
        recheck_days=answer.recheck_days,
        agrees=answer.agrees,
        differs_because=answer.differs_because,
        effective_at=effective_at,
    )
    audit.record("case.signed", actor=doctor, about=about_case(case), review=review.pk)
    return review
