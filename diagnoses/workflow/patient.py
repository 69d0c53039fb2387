"""What a patient does with a case: submit it, tell more, take it back."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from dataclasses import asdict

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, people
from accounts.models import Clinic, Consent, User
from diagnoses import failpoints, intake, learning
from diagnoses.models import (
    Case,
    CaseImport,
    CaseShare,
    ExportedPhoto,
    Lesion,
    Nudge,
    Photo,
    Scoring,
    photo_path,
)
from diagnoses.states import Brought, NewPhoto, Status, Submission, WorkflowError
from diagnoses.triage import Answers, by_answers
from diagnoses.workflow.computer import SCORE_DUE, why_none
from diagnoses.workflow.late import waits_no_more
from diagnoses.workflow.moves import about_case, answer_within, move, note, too_late
from diagnoses.workflow.nudges import photo_came, photo_taken_back, stop_all_of
from diagnoses.workflow.sharing import end_shares_of, end_shares_of_case
from diagnoses.workflow.telling import pass_to_doctors, tell_doctors
from mlservice import registry
from mlservice.engine.types import Tier
from mlservice.packs import Pack, PackError, load_pack
from notifications import full_report, invitations
from notifications.models import Invitation
from notifications.wake import wake

logger = logging.getLogger(__name__)


def submit(patient: User, submission: Submission) -> Case:
    """A new case; the same ``submit_key`` again gives the case that is already there.

    The files are on the disk before the rows exist, so an acknowledged case is a whole case.
    Raises :class:`WorkflowError` when the form does not hold together, ``intake.Refusal`` as
    :func:`stored`.
    """
    if existing := _already_submitted(patient, submission):
        return existing
    pack = _checked(patient, submission)
    case_id = submission.case_id
    photos: list[Photo] = []
    try:
        for new in submission.photos:
            photos.append(stored(case_id, new))
        failpoints.reach("after_files")
        with transaction.atomic():
            case = _register(case_id, patient, pack, submission, photos)
    except BaseException as error:
        forget_files(photos)
        if isinstance(error, IntegrityError):
            # The other click of a double click may have come first.
            return _first_click(patient, submission, error)
        raise
    failpoints.reach("after_submit")
    return case


def forget_files(photos: list[Photo]) -> None:
    """Delete the pictures whose rows were not made.

    A commit whose answer got lost did make them. Where the database cannot be asked the files
    stay: one without a row does no harm.
    """
    try:
        made = Photo.objects.filter(pk__in=[photo.pk for photo in photos]).exists()
    except DatabaseError:
        return
    if made:
        return
    for photo in photos:
        with suppress(OSError):  # whoever calls tells of another trouble already
            default_storage.delete(photo_path(photo, ""))


def _first_click(patient: User, submission: Submission, error: IntegrityError) -> Case:
    if existing := _already_submitted(patient, submission):
        return existing
    raise error


def _already_submitted(patient: User, submission: Submission) -> Case | None:
    return Case.objects.filter(patient=patient, submit_key=submission.submit_key).first()


def _checked(patient: User, submission: Submission) -> Pack:
    """The submission's pack, once everything in the form fits it."""
    if not people.has_consent(patient, Consent.Kind.CARE):
        raise WorkflowError(_("Please agree that a doctor may look at your photos first."))
    if not submission.photos:
        raise WorkflowError(_("Please add a photo."))
    doctor, clinic = submission.doctor, _clinic_of(patient)
    if doctor and not (doctor.is_reading_doctor and doctor.clinic_id == clinic.pk):
        raise WorkflowError(_("This doctor cannot be chosen. Please choose another one."))
    if submission.named_doctor and submission.named_doctor[1] in _own_numbers(patient, submission):
        raise WorkflowError(_("The doctor's number is your own. Please write the doctor's."))
    return _pack_that_fits(submission)


def _pack_that_fits(submission: Submission) -> Pack:
    """The pack it names, which knows every place, kind of photo and answer in it."""
    try:
        pack = load_pack(submission.pack_name)
        pack.site(submission.site)
        if submission.spot:
            pack.body_view(submission.spot.view)
        for new in submission.photos:
            pack.photo_kind(new.kind)
        for name, values in submission.answers.items():
            if pack.question(name).kind != "text":
                for value in [values] if isinstance(values, str) else values:
                    pack.question(name).choice(value)
    except PackError as error:
        raise WorkflowError(str(error)) from error
    return pack


def _own_numbers(patient: User, submission: Submission) -> set[str]:
    """The patient's, those on file and the one given with this case."""
    on_file = patient.reader.numbers.values_list("e164", flat=True)
    return {submission.contact_e164, *on_file} - {""}


def _clinic_of(patient: User) -> Clinic:
    return patient.clinic or people.default_clinic()


def stored(case_id: uuid.UUID, new: NewPhoto) -> Photo:
    """The picture on the disk, its row not yet saved. Raises ``intake.Refusal`` on a full one."""
    photo = Photo(
        case_id=case_id,
        kind=new.kind,
        width=new.photo.width,
        height=new.photo.height,
        sha256=new.photo.sha256,
        quality=new.photo.quality.as_dict(),
        sent_anyway=new.sent_anyway,
        created_at=timezone.now(),  # one by one, so that the first sent stays the first shown
    )
    path, content = photo_path(photo, ""), ContentFile(new.photo.content)
    try:
        photo.file.name = default_storage.save(path, content)
    except OSError as error:
        logger.exception("A photo could not be kept")
        raise intake.Refusal(intake.NOT_KEPT) from error
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
        side=submission.side,
        spot=asdict(submission.spot) if submission.spot else None,
        answers=answers,
        contact_e164=submission.contact_e164,
        doctor=submission.doctor or _named_and_here(clinic, submission),
        invitation=_invite(patient, clinic, submission),
        computer_check=agreed,
        submit_key=submission.submit_key,
        answer_due_at=timezone.now() + answer_within(clinic, urgency.tier),
    )
    Photo.objects.bulk_create(photos)
    if submission.brought is None:
        note(case, "submitted", patient, photos=len(photos), urgency=urgency.tier)
        audit.record("case.submitted", actor=patient, about=about_case(case))
    else:
        _came_along(case, submission.brought, photos=len(photos), urgency=urgency.tier)
    photo_came(case)
    _queue(case, photos, urgent=urgency.tier is Tier.RED)
    return case


def _came_along(case: Case, brought: Brought, **detail: object) -> None:
    """What the other portal had on it is kept beside it. It signs nothing and scores nothing."""
    note(case, "imported", brought.by, **detail)
    audit.record("case.imported", actor=brought.by, about=about_case(case))
    CaseImport.objects.create(
        case=case,
        portal=brought.portal,
        source_case=brought.source_case,
        written_at=brought.written_at,
        digest=brought.digest,
        by=brought.by,
        record=brought.record,
    )


def _named_and_here(clinic: Clinic, submission: Submission) -> User | None:
    """The doctor named by a number that a reading doctor of the clinic has: no one to invite."""
    if submission.named_doctor is None:
        return None
    here = User.objects.reading_doctors().filter(clinic=clinic)
    return here.filter(numbers__e164=submission.named_doctor[1]).first()


def _invite(patient: User, clinic: Clinic, submission: Submission) -> Invitation | None:
    if submission.named_doctor is None or _named_and_here(clinic, submission):
        return None
    name, e164 = submission.named_doctor
    return invitations.invite(name=name, clinic=clinic, invited_by=patient, e164=e164)


def _queue(case: Case, photos: list[Photo], *, urgent: bool) -> None:
    """A row for the worker, or straight to the doctors where there is nothing to score."""
    version = registry.scoring(case.pack_name)
    scored = [photo for photo in photos if case.pack.photo_kind(photo.kind).scored]
    scorable = [photo for photo in scored if not photo.sent_anyway]
    reason = (
        "no_consent"
        if not case.computer_check
        else "no_close_view"
        if not scored
        else "photo_quality"
        if not scorable
        else why_none(case.pack_name)
        if version is None
        else ""
    )
    if reason or version is None:
        pass_to_doctors(case, reason)
        return
    Scoring.objects.create(case=case, model_version=version, priority=0 if urgent else 1)
    wake(SCORE_DUE)


def raise_urgency(
    case: Case, patient: User, what: str, answers: Answers | None = None, *, key: str = ""
) -> Tier:
    """ "Tell us now": what changed since. Triaged again, upward only; returns the tier now.

    With a ``key`` the same news, sent twice, is one event.
    """
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if not case.is_open:
            raise too_late(case)
        told = case.events.filter(kind="told_more", detail__key=key) if key else None
        if told and (first := told.first()):
            return Tier(first.detail["tier"])
        known = by_answers(case.pack, case.answers)
        kept = _only_more_urgent(case.pack, case.answers, answers or {})
        urgency = by_answers(case.pack, kept)
        before = Tier(case.tier) if case.tier else None
        tier = urgency.tier if before is None else before.raised_to(urgency.tier)
        due = min(case.answer_due_at, timezone.now() + answer_within(case.clinic, tier))
        Case.objects.filter(pk=case.pk).update(
            answers=kept, answer_due_at=due, tier=tier.value if before else None
        )
        waiting = Scoring.objects.waiting().live().filter(case=case)
        waiting.update(priority=0 if tier is Tier.RED else 1)
        said = {"what": what[:1000], "answers": dict(answers or {}), "tier": tier}
        event = note(case, "told_more", patient, **said, **({"key": key} if key else {}))
        if tier.rank > (before or known.tier).rank:
            tell_doctors(case, f"{about_case(case)}#{event.pk}")
        return tier


def _only_more_urgent(pack: Pack, known: Answers, told: Answers) -> Answers:
    """``known`` with every new answer that does not make the case look calmer.

    What was said first is not unsaid by a later "no"; the event keeps what was told.
    """
    kept = dict(known)
    for question, value in told.items():
        tried = kept | {question: value}
        old, new = by_answers(pack, kept), by_answers(pack, tried)
        if (new.tier.rank, new.points or 0) >= (old.tier.rank, old.points or 0):
            kept = tried
    return kept


def withdraw(case: Case, patient: User) -> None:
    """The patient takes the question back, while nobody has answered it."""
    with transaction.atomic():
        move(case, Status.CANCELLED, "withdrawn", patient)
        _out_of_the_queue(case, "withdrawn")
        waits_no_more(case)
        photo_taken_back(case)
        end_shares_of_case(case, patient)


def withdraw_consent(patient: User, kind: Consent.Kind) -> None:
    """The patient takes a consent back, and what waits because of it stops at once.

    Cases that wait for the computer go to the doctors without it; a worker that is looking at one
    this moment finds that its row is no longer its own, and files nothing. Messages that wait are
    stopped by the ledger when their turn comes.
    """
    with transaction.atomic():
        people.withdraw_consent(patient, kind)
        if kind == Consent.Kind.COMPUTER_CHECK:
            _without_the_computer(patient)
        elif kind == Consent.Kind.CARE:
            stop_all_of(patient, Nudge.Why.CONSENT)
            end_shares_of(patient, CaseShare.Why.CONSENT)
        elif kind == Consent.Kind.FULL_REPORT:
            full_report.blank(patient)
        elif kind == Consent.Kind.RESEARCH:
            learning.take_out([patient.pk], ExportedPhoto.Why.CONSENT)


def _without_the_computer(patient: User) -> None:
    waiting = Scoring.objects.waiting().filter(case__patient=patient)
    cases = Case.objects.select_for_update(of=("self",)).select_related("clinic", "patient__carer")
    for case in cases.filter(pk__in=waiting.values("case")).order_by("pk"):
        _out_of_the_queue(case, "consent taken back")
        if case.status == Status.REGISTERED:
            pass_to_doctors(case, "no_consent")


def _out_of_the_queue(case: Case, why: str) -> None:
    """Nobody scores it any more, and whoever is doing so has lost the row."""
    Scoring.objects.waiting().filter(case=case).update(
        settled_at=Now(), lease_until=None, token=None, holder=None, error=why
    )


def name_mark(lesion: Lesion, patient: User, name: str) -> None:
    """Give it a name of the patient's own, or take it away. The trail keeps that, not the words."""
    if Lesion.objects.filter(pk=lesion.pk).exclude(name=name).update(name=name):
        audit.record("lesion.named", actor=patient, about=f"lesion:{lesion.pk}", named=bool(name))
