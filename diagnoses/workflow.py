"""Every change of a case's state, and nothing else changes state.

Each move is a compare-and-set: ``filter(pk=…, status=old).update(status=new)``. No row changed
means somebody else was first. The same transaction writes the event and the messages.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit, people
from accounts.models import Clinic, Consent, Role, User
from diagnoses.models import (
    Case,
    CaseEvent,
    FirstReading,
    Lesion,
    Photo,
    Prediction,
    Review,
    ReviewUndo,
    Scoring,
    photo_path,
)
from diagnoses.states import (
    MOVES,
    Answer,
    Moved,
    NewPhoto,
    NotYet,
    Status,
    Submission,
    WorkflowError,
)
from diagnoses.triage import Answers, by_answers
from mlservice import registry
from mlservice.engine.types import Tier
from mlservice.packs import Pack, PackError, load_pack
from notifications import invitations, ledger
from notifications.models import Event
from notifications.wake import wake

__all__ = [
    "Answer",
    "Moved",
    "NewPhoto",
    "NotYet",
    "Submission",
    "WorkflowError",
    "amend",
    "attach",
    "give_up",
    "raise_urgency",
    "read_first",
    "requeue",
    "sign",
    "submit",
    "undo_signature",
    "withdraw",
]

SCORE_DUE = "diagnoses.score_due"


# --- The patient ---------------------------------------------------------------------------------


def submit(patient: User, submission: Submission) -> Case:
    """A new case; the same ``submit_key`` again gives the case that is already there.

    The files are on the disk before the rows exist, so an acknowledged case is a whole case.
    Raises :class:`WorkflowError` when the form does not hold together.
    """
    if existing := _already_submitted(patient, submission):
        return existing
    pack = _checked(patient, submission)
    case_id = uuid.uuid4()
    photos = [_stored(case_id, new) for new in submission.photos]
    try:
        with transaction.atomic():
            return _register(case_id, patient, pack, submission, photos)
    except BaseException as error:
        for photo in photos:
            default_storage.delete(photo_path(photo, ""))
        if isinstance(error, IntegrityError):
            # The other click of a double click may have come first.
            return _first_click(patient, submission, error)
        raise


def _first_click(patient: User, submission: Submission, error: IntegrityError) -> Case:
    if existing := _already_submitted(patient, submission):
        return existing
    raise error


def _already_submitted(patient: User, submission: Submission) -> Case | None:
    return Case.objects.filter(patient=patient, submit_key=submission.submit_key).first()


def _checked(patient: User, submission: Submission) -> Pack:
    """The submission's pack, once everything in the form fits it."""
    if not people.has_consent(patient, Consent.Kind.CARE):
        raise WorkflowError("Please agree that a doctor may look at your photos first.")
    if not submission.photos:
        raise WorkflowError("Please add a photo.")
    doctor, clinic = submission.doctor, _clinic_of(patient)
    if doctor and not (doctor.is_reading_doctor and doctor.clinic_id == clinic.pk):
        raise WorkflowError("This doctor cannot be chosen. Please choose another one.")
    try:
        pack = load_pack(submission.pack_name)
        pack.site(submission.site)
        for new in submission.photos:
            pack.photo_kind(new.kind)
        for name, values in submission.answers.items():
            if pack.question(name).kind != "text":
                for value in [values] if isinstance(values, str) else values:
                    pack.question(name).choice(value)
    except PackError as error:
        raise WorkflowError(str(error)) from error
    return pack


def _clinic_of(patient: User) -> Clinic:
    return patient.clinic or people.default_clinic()


def _stored(case_id: uuid.UUID, new: NewPhoto) -> Photo:
    """The picture on the disk, its row not yet saved."""
    photo = Photo(
        case_id=case_id,
        kind=new.kind,
        width=new.photo.width,
        height=new.photo.height,
        sha256=new.photo.sha256,
        quality=new.photo.quality.as_dict(),
        sent_anyway=new.sent_anyway,
    )
    photo.file.name = default_storage.save(photo_path(photo, ""), ContentFile(new.photo.content))
    return photo


def _register(
    case_id: uuid.UUID, patient: User, pack: Pack, submission: Submission, photos: list[Photo]
) -> Case:
    clinic, answers = _clinic_of(patient), dict(submission.answers)
    urgency = by_answers(pack, answers)
    agreed = submission.computer_check and people.has_consent(patient, Consent.Kind.COMPUTER_CHECK)
    case = Case.objects.create(
        id=case_id,
        pack_name=pack.name,
        patient=patient,
        clinic=clinic,
        lesion=submission.lesion
        or Lesion.objects.create(patient=patient, pack=pack.name, site=submission.site),
        site=submission.site,
        answers=answers,
        contact_e164=submission.contact_e164,
        doctor=submission.doctor,
        invitation=_invite(patient, clinic, submission),
        computer_check=agreed,
        submit_key=submission.submit_key,
        answer_due_at=timezone.now() + _answer_within(clinic, urgency.tier),
    )
    Photo.objects.bulk_create(photos)
    _note(case, "submitted", patient, photos=len(photos), urgency=urgency.tier)
    audit.record("case.submitted", actor=patient, about=_about(case))
    _queue(case, photos, urgent=urgency.tier is Tier.RED)
    return case


def _invite(patient: User, clinic: Clinic, submission: Submission) -> invitations.Invitation | None:
    if submission.named_doctor is None:
        return None
    name, e164 = submission.named_doctor
    return invitations.invite(name=name, clinic=clinic, invited_by=patient, e164=e164)


def _answer_within(clinic: Clinic, tier: Tier) -> timedelta:
    hours = {
        Tier.RED: clinic.red_answer_hours,
        Tier.AMBER: clinic.amber_answer_hours,
        Tier.GREEN: clinic.green_answer_hours,
    }
    return timedelta(hours=hours[tier])


def _queue(case: Case, photos: list[Photo], *, urgent: bool) -> None:
    """A row for the worker, or straight to the doctors where there is nothing to score."""
    version = registry.active(case.pack_name)
    scorable = [p for p in photos if case.pack.photo_kind(p.kind).scored and not p.sent_anyway]
    reason = (
        "no_consent"
        if not case.computer_check
        else "photo_quality"
        if not scorable
        else "no_model"
        if version is None
        else ""
    )
    if reason or version is None:
        _pass_to_doctors(case, reason)
        return
    Scoring.objects.create(case=case, model_version=version, priority=0 if urgent else 1)
    wake(SCORE_DUE)


def raise_urgency(case: Case, patient: User, what: str, answers: Answers | None = None) -> Tier:
    """ "Tell us now": what changed since. Triaged again, upward only; returns the tier now."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if not case.is_open:
            raise _too_late(case)
        merged = dict(case.answers) | dict(answers or {})
        urgency = by_answers(case.pack, merged)
        before = Tier(case.tier) if case.tier else None
        tier = urgency.tier if before is None else before.raised_to(urgency.tier)
        due = min(case.answer_due_at, timezone.now() + _answer_within(case.clinic, tier))
        Case.objects.filter(pk=case.pk).update(
            answers=merged, answer_due_at=due, tier=tier.value if before else None
        )
        Scoring.objects.waiting().filter(case=case).update(priority=0 if tier is Tier.RED else 1)
        event = _note(case, "told_more", patient, what=what[:1000], tier=tier.value)
        if tier is not before:
            _tell_doctors(case, f"{_about(case)}#{event.pk}")
        return tier


def withdraw(case: Case, patient: User) -> None:
    """The patient takes the question back, while nobody has answered it."""
    with transaction.atomic():
        _move(case, Status.CANCELLED, "withdrawn", patient)
        Scoring.objects.waiting().filter(case=case).update(
            settled_at=timezone.now(), lease_until=None, token=None, holder=None, error="withdrawn"
        )


# --- The computer --------------------------------------------------------------------------------


def attach(scoring: Scoring, prediction: Prediction) -> bool:
    """The computer's view is in: file it, raise it by the answers, tell patient and doctor.

    ``prediction`` is unsaved and carries the picture's tier and reasons. Returns ``False``, and
    files nothing, when the scoring's token is no longer the one in the database: the lease ran
    out and somebody else has the row.
    """
    with transaction.atomic():
        if not _settle(scoring, error=""):
            return False
        case = Case.objects.select_for_update().get(pk=scoring.case_id)
        urgency = by_answers(case.pack, case.answers).joined_with(
            Tier(prediction.picture_tier), tuple(prediction.reasons)
        )
        prediction.tier, prediction.reasons = urgency.tier.value, list(urgency.reasons)
        prediction.points = urgency.points
        prediction.scoring, prediction.case = scoring, case
        prediction.save(force_insert=True)
        _note(case, "checked", None, tier=urgency.tier.value)
        if case.is_open and scoring.purpose == Scoring.Purpose.LIVE:
            _show(case, prediction, urgency.tier)
    return True


def _show(case: Case, prediction: Prediction, tier: Tier) -> None:
    """The case takes the prediction's tier and goes to the doctors."""
    due = min(case.answer_due_at, case.submitted_at + _answer_within(case.clinic, tier))
    Case.objects.filter(pk=case.pk).update(tier=tier.value, risk=prediction.risk, answer_due_at=due)
    if case.status == Status.REGISTERED:
        _move(case, Status.PARTIAL, "to_doctors", None)
        _tell_checked(case)


def give_up(scoring: Scoring, error: str) -> bool:
    """The computer failed for good: the case goes to the doctors unscored, on top."""
    with transaction.atomic():
        if not _settle(scoring, error=error[:300]):
            return False
        case = Case.objects.select_for_update().get(pk=scoring.case_id)
        if case.status == Status.REGISTERED and scoring.purpose == Scoring.Purpose.LIVE:
            _pass_to_doctors(case, "failed")
    return True


def _settle(scoring: Scoring, *, error: str) -> bool:
    """Close the queue row if it is still ours by its fencing token."""
    return bool(
        Scoring.objects.waiting()
        .filter(pk=scoring.pk, token=scoring.token)
        .update(settled_at=timezone.now(), lease_until=None, token=None, holder=None, error=error)
    )


def _pass_to_doctors(case: Case, reason: str) -> None:
    """Unscored to the doctors; everybody is told all the same."""
    _move(case, Status.PARTIAL, "unscored", None, reason=reason)
    _tell_checked(case)


def requeue(case: Case, by: User) -> None:
    """Have the active model version look (again) at a case that has no view of its own."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        version = registry.active(case.pack_name)
        if version is None:
            raise WorkflowError("No model version is active, so nothing can be scored.")
        if not case.is_open or case.prediction is not None or not case.computer_check:
            raise WorkflowError("Only open cases without a view of the computer are scored again.")
        rows = Scoring.objects.filter(case=case, purpose=Scoring.Purpose.LIVE)
        if rows.waiting().exists():
            raise WorkflowError("This case is waiting for the computer already.")
        Scoring.objects.create(case=case, model_version=version, round=rows.count() + 1)
        _note(case, "requeued", by)
        audit.record("case.requeued", actor=by, about=_about(case))
        wake(SCORE_DUE)


# --- The doctor ----------------------------------------------------------------------------------


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
            raise _too_late(case)
        reading, created = FirstReading.objects.get_or_create(
            case=case,
            doctor=doctor,
            defaults={"diagnosis": diagnosis, "confidence": confidence, "plan": plan},
        )
        if created:
            _note(case, "read_first", doctor)
        return reading


def sign(case: Case, doctor: User, answer: Answer) -> Review:
    """The doctor's answer. It leaves for the patient when the seconds to undo are over.

    Raises :class:`Moved` when another doctor signed first, :class:`NotYet` when the clinic reads
    blind and this doctor has not.
    """
    _may_read(case, doctor)
    if case.clinic.blind_reading and not case.first_readings.filter(doctor=doctor).exists():
        raise NotYet("Please record your own reading first; the computer's view opens then.")
    now = timezone.now()
    with transaction.atomic():
        case.refresh_from_db()
        if case.status == Status.REGISTERED:
            # Still unscored after ten minutes: the doctor does not wait for the computer.
            _move(case, Status.PARTIAL, "unscored", None, reason="late")
        _move(case, Status.FINAL, "signed", doctor, signed_at=now, signed_by=doctor)
        review = _review(case, doctor, answer, effective_at=now + settings.UNDO_SIGNATURE)
        _tell_signed(case, review, Event.CASE_SIGNED)
    return review


def undo_signature(case: Case, doctor: User) -> None:
    """Take one's own signature back, within seconds; the answer has not left yet."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        review = case.reviews.standing().last()
        if case.status != Status.FINAL or review is None or case.signed_by_id != doctor.pk:
            raise WorkflowError("There is no signature of yours to undo.")
        if timezone.now() >= review.effective_at:
            raise WorkflowError("The answer has been sent. You can amend it.")
        _move(case, Status.PARTIAL, "signature_undone", doctor, signed_at=None, signed_by=None)
        ReviewUndo.objects.create(review=review, doctor=doctor)
        ledger.withdraw(Event.CASE_SIGNED, _about_review(case, review))


def amend(case: Case, doctor: User, answer: Answer, *, after: Review) -> Review:
    """Another answer beside the earlier ones; nothing is overwritten."""
    _may_read(case, doctor)
    now = timezone.now()
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        newest = case.reviews.standing().last()
        if newest is None or not case.is_signed:
            raise WorkflowError("This case has no signed answer to amend.")
        if newest.pk != after.pk:
            raise Moved(
                f"{newest.doctor} amended this answer in the meantime. Please read it first.",
                newest.doctor,
                newest.signed_at,
            )
        _move(case, Status.AMENDED, "amended", doctor, signed_at=now, signed_by=doctor)
        review = _review(case, doctor, answer, effective_at=now)
        _tell_signed(case, review, Event.CASE_AMENDED)
    return review


def _may_read(case: Case, doctor: User) -> None:
    """Surfaces answer 404 before this; here it is the last line of defence."""
    if not Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists():
        raise WorkflowError("This case is not yours to read.")


def _review(case: Case, doctor: User, answer: Answer, *, effective_at: datetime) -> Review:
    if answer.diagnosis:
        case.pack.label(answer.diagnosis)
    if answer.agrees is False and not answer.differs_because.strip():
        raise WorkflowError("Please say why you differ from the computer's view.")
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
    audit.record("case.signed", actor=doctor, about=_about(case), review=review.pk)
    return review


# --- Common --------------------------------------------------------------------------------------


def _move(case: Case, to: str, kind: str, actor: User | None, **changes: object) -> None:
    """One legal move as a compare-and-set; raises :class:`Moved` when somebody was first.

    ``changes`` that are columns of the case are written with it, the others go to the event.
    """
    columns = {k: v for k, v in changes.items() if k in {"signed_at", "signed_by"}}
    old = case.status
    legal = to in MOVES[old]
    moved = legal and Case.objects.filter(pk=case.pk, status=old).update(status=to, **columns)
    if not moved:
        case.refresh_from_db()
        raise _too_late(case)
    case.status = to
    for name, value in columns.items():
        setattr(case, name, value)
    detail = {k: v for k, v in changes.items() if k not in columns}
    _note(case, kind, actor, **detail)


def _too_late(case: Case) -> Moved:
    if case.is_signed and case.signed_at:
        when = timezone.localtime(case.signed_at)
        sentence = f"{case.signed_by} signed this case on {when:%d %B at %H:%M}."
        return Moved(sentence, case.signed_by, case.signed_at)
    if case.status == Status.CANCELLED:
        return Moved("The patient has withdrawn this case.", case.patient)
    return Moved("This case has moved on in the meantime. Please load the page again.")


def _note(case: Case, kind: str, actor: User | None, **detail: object) -> CaseEvent:
    return CaseEvent.objects.create(case=case, kind=kind, actor=actor, detail=detail)


def _about(case: Case) -> str:
    return f"case:{case.pk}"


def _about_review(case: Case, review: Review) -> str:
    return f"{_about(case)}#{review.pk}"


def _tell_checked(case: Case) -> None:
    if case.clinic.release_policy == Clinic.Release.AT_ONCE:
        _tell_patient(case, Event.CASE_CHECKED, _about(case))
    _tell_doctors(case, _about(case))


def _tell_patient(case: Case, event: Event, about: str, not_before: datetime | None = None) -> None:
    ledger.tell(
        event,
        recipient=case.patient,
        about=about,
        path=f"/cases/{case.pk}/",
        not_before=not_before,
    )


def _tell_doctors(case: Case, about: str) -> None:
    """The doctor asked for; else every reading doctor of the clinic, so that none is missed."""
    for doctor in _doctors_of(case):
        ledger.tell(Event.CASE_TO_READ, recipient=doctor, about=about, path=f"/worklist/{case.pk}/")


def _doctors_of(case: Case) -> QuerySet[User]:
    doctors = User.objects.filter(
        role=Role.DOCTOR, is_active=True, verified_at__isnull=False, clinic=case.clinic_id
    )
    return doctors.filter(pk=case.doctor_id) if case.doctor_id else doctors


def _tell_signed(case: Case, review: Review, event: Event) -> None:
    _tell_patient(case, event, _about_review(case, review), not_before=review.effective_at)
