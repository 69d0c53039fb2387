"""What patient and doctors say to each other about a case. It moves nothing but what is unanswered.

One notice for each side, however many remarks: the next one leaves when somebody has read, or when
the link of the last one has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from diagnoses.models import MOST_SAID, Case, ReadMark, Remark
from diagnoses.states import Moved, Status, WorkflowError
from diagnoses.workflow.moves import about_case, note, on, too_late
from diagnoses.workflow.telling import tell_doctors, tell_patient
from notifications.links import LIFETIME
from notifications.models import Event


def ask(case: Case, author: User, text: str, key: uuid.UUID) -> Remark:
    """A word of the patient or of a doctor of the clinic, before the answer and after it.

    The same ``key`` again gives the remark that is already there.
    """
    text = _checked(text)
    if not text:
        raise WorkflowError(_("Write your message first."))
    with transaction.atomic():
        case = _locked(case, author)
        if existing := _said_before(case, author, key):
            return existing
        if case.status == Status.CANCELLED:
            raise too_late(case)
        return _say(case, author, key, text=text)


def request_retake(
    case: Case, doctor: User, reasons: Sequence[str], text: str, key: uuid.UUID
) -> Remark:
    """A doctor asks for a new photo, for ``reasons`` (of the pack's ``quality``) and in own words.

    One request at a time: a second doctor is told who asked first.
    """
    text = _checked(text)
    with transaction.atomic():
        case = _locked(case, doctor)
        if existing := _said_before(case, doctor, key):
            return existing
        if doctor.pk == case.patient_id:
            raise WorkflowError(_("Only a doctor asks for a new photo."))
        if not case.is_open:
            raise too_late(case)
        if unknown := set(reasons) - set(case.pack.quality):
            raise WorkflowError(f"{case.pack.name} knows no {', '.join(sorted(unknown))}")
        if asked := open_request(case):
            raise _asked_already(asked)
        return _say(
            case, doctor, key, text=text, reasons=list(reasons), kind=Remark.Kind.RETAKE_REQUEST
        )


def no_answer_needed(case: Case, doctor: User) -> None:
    """The patient's last word was no question, or was answered elsewhere: off the list."""
    with transaction.atomic():
        case = _locked(case, doctor)
        if doctor.pk == case.patient_id:
            raise WorkflowError(_("Only a doctor says that."))
        if case.question_since is not None:
            _question(case, None)
            note(case, "question_closed", doctor)
            audit.record("case.question_closed", actor=doctor, about=about_case(case))


def read_up_to(case: Case, person: User, remark: int) -> None:
    """``person`` has seen everything up to this remark (its primary key). Never goes back."""
    own = ReadMark.objects.filter(case=case, person=person)
    if own.filter(upto__lt=remark).update(upto=remark, at=Now()):
        return
    # Two tabs at once: the other one's mark will do.
    ReadMark.objects.bulk_create(
        [ReadMark(case=case, person=person, upto_id=remark)], ignore_conflicts=True
    )


def open_request(case: Case) -> Remark | None:
    """The request for a new photo that nobody has answered yet."""
    asked = case.remarks.filter(kind=Remark.Kind.RETAKE_REQUEST, retake=None)
    return asked.select_related("author").last()


def _locked(case: Case, author: User) -> Case:
    """The case, held. Surfaces answer 404 before this; here it is the last line of defence."""
    cases = Case.objects.visible_to(author)
    if not (author.is_patient or author.is_reading_doctor):
        cases = cases.none()
    held = cases.select_for_update(of=("self",)).filter(pk=case.pk).first()
    if held is None:
        raise WorkflowError(_("This case is not yours."))
    return held


def _checked(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MOST_SAID:
        raise WorkflowError(
            _("This is longer than %(most)s characters. Please send it in two parts.")
            % {"most": number_format(MOST_SAID, force_grouping=True)}
        )
    return text


def _said_before(case: Case, author: User, key: uuid.UUID) -> Remark | None:
    return case.remarks.filter(author=author, key=key).first()


def _say(case: Case, author: User, key: uuid.UUID, **said: object) -> Remark:
    """The remark with its event, its line in the audit and its notice, in the caller's transaction.

    The case is locked, so of two at once the second sees the first.
    """
    by_patient = author.pk == case.patient_id
    told = not _told_and_unread(case, by_patient=by_patient)
    remark = Remark.objects.create(case=case, author=author, key=key, told=told, **said)
    wants_photo = remark.kind == Remark.Kind.RETAKE_REQUEST
    kind = "retake_asked" if wants_photo else "wrote"
    note(case, kind, author, remark=remark.pk)
    audit.record(f"case.{kind}", actor=author, about=about_case(case), remark=remark.pk)
    if by_patient and case.question_since is None:
        _question(case, remark)
    elif not by_patient and case.question_since is not None:
        _question(case, None)
    if told:
        about = f"{about_case(case)}#talk{remark.pk}"
        if by_patient:
            tell_doctors(case, about, Event.PATIENT_WROTE)
        else:
            event = Event.RETAKE_ASKED if wants_photo else Event.DOCTOR_WROTE
            tell_patient(case, about, event)
    return remark


def _told_and_unread(case: Case, *, by_patient: bool) -> bool:
    """Whether the other side has a notice it has not followed yet, whose link still works."""
    said = case.remarks.by_patient() if by_patient else case.remarks.by_doctors()
    readers = ReadMark.objects.filter(case=case)
    own = {"person": case.patient_id}
    readers = readers.exclude(**own) if by_patient else readers.filter(**own)
    read = readers.aggregate(upto=Max("upto"))["upto"] or 0
    return said.filter(told=True, pk__gt=read, created_at__gt=timezone.now() - LIFETIME).exists()


def _question(case: Case, remark: Remark | None) -> None:
    since = timezone.now() if remark is not None else None
    Case.objects.filter(pk=case.pk).update(question_since=since)
    case.question_since = since


def _asked_already(asked: Remark) -> Moved:
    sentence = _("%(doctor)s asked for a new photo on %(day)s. It has not come yet.") % {
        "doctor": asked.author,
        "day": on(asked.created_at),
    }
    return Moved(sentence, asked.author, asked.created_at)
