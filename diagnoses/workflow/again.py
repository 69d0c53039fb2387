"""A second pair of eyes: a colleague who is asked, a reading that was drawn, a third that settles.

Whoever reads again reads blind: neither the computer nor what was signed is on their page. Nothing
here moves the case: a signed answer is only ever amended by a doctor who decides so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from diagnoses.models import Case, CaseShare, FirstReading, Review, SecondReading
from diagnoses.states import Moved, WorkflowError
from diagnoses.workflow.moves import about_case, note, on
from diagnoses.workflow.sharing import asked_already, doctor_at, end_lapsed, end_soon, share
from diagnoses.workflow.telling import tell_reader_of, tell_to_read

Why = SecondReading.Why
# Plans after which somebody sees the patient; the others leave them at home.
IN_PERSON = frozenset({Review.Plan.SEE, Review.Plan.REFER_URGENT, Review.Plan.TREAT})


def ask_here_or_elsewhere(
    case: Case, doctor: User, *, colleague: User | None, elsewhere: str, question: str
) -> SecondReading | CaseShare | None:
    """Ask ``colleague``, or the doctor who logs in with the address ``elsewhere``.

    Of a doctor of another clinic it is the share that the patient answers first; ``None`` where no
    doctor has this address.
    """
    if elsewhere:
        colleague = doctor_at(case, doctor, elsewhere)
        if colleague is None:
            return None
        if colleague.clinic_id != case.clinic_id:
            return share(case, doctor, colleague, question)
    return ask_colleague(case, doctor, colleague, question)


def ask_colleague(case: Case, doctor: User, colleague: User | None, question: str) -> SecondReading:
    """``doctor`` wants another reading before they sign: of ``colleague``, or of anybody.

    One question at a time: asking the same again gives the one that waits.
    """
    if not Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists():
        raise WorkflowError(_("This case is not yours to read."))
    if colleague is not None and not (
        colleague.is_reading_doctor and colleague.clinic_id == case.clinic_id
    ):
        raise WorkflowError(_("This doctor cannot be asked. Please choose another one."))
    if colleague == doctor:
        raise WorkflowError(_("Choose a colleague: this is yourself."))
    if not _colleagues(case, doctor):
        raise WorkflowError(_("No other doctor of your clinic reads cases."))
    with transaction.atomic():
        case = Case.objects.select_for_update(of=("self",)).get(pk=case.pk)
        if not case.is_open:
            raise Moved(_("This case is answered. You can amend the answer."))
        end_lapsed(case)
        waiting = case.second_readings.filter(why=Why.ASKED, asked_by=doctor, read_at=None)
        if known := waiting.first():
            if (known.doctor, known.question) != (colleague, question):
                raise asked_already()
            return known
        asked = SecondReading.objects.create(
            case=case, why=Why.ASKED, asked_by=doctor, doctor=colleague, question=question
        )
        note(case, "opinion_asked", doctor, of=colleague.pk if colleague else None)
        audit.record("case.opinion_asked", actor=doctor, about=about_case(case))
        tell_to_read(asked, [colleague] if colleague else _colleagues(case, doctor))
    return asked


def read_again(
    asked: SecondReading,
    doctor: User,
    *,
    diagnosis: str,
    confidence: str,
    plan: str,
    words: str = "",
) -> SecondReading:
    """The second reading. Written once; where it differs from the signed answer, a third is due."""
    with transaction.atomic():
        held = SecondReading.objects.select_for_update(of=("self",)).filter(pk=asked.pk).first()
        if held is None:
            raise WorkflowError(_("This question was taken back in the meantime."))
        case = held.case
        if held.read_by is not None and held.read_at is not None:
            if held.read_by == doctor:
                return held  # the other click of a double click
            raise Moved(
                _("%(name)s has read this case on %(when)s.")
                % {"name": held.read_by, "when": on(held.read_at)},
                held.read_by,
                held.read_at,
            )
        if not SecondReading.objects.to_read_by(doctor).filter(pk=held.pk).exists():
            _answered_meanwhile(held, doctor)
            raise WorkflowError(_("This case is not yours to read."))
        if diagnosis:
            case.pack.label(diagnosis)
        said = {"diagnosis": diagnosis, "confidence": confidence, "plan": plan}
        SecondReading.objects.filter(pk=held.pk).update(
            read_by=doctor, read_at=Now(), words=words, **said
        )
        held.refresh_from_db()
        end_soon(held)
        _as_first_reading(case, doctor, said)
        note(case, "read_again", doctor, why=held.why)
        audit.record("case.read_again", actor=doctor, about=about_case(case), why=held.why)
        _go_on(held)
    return held


def _answered_meanwhile(held: SecondReading, doctor: User) -> None:
    """Raises :class:`Moved` where only that keeps ``doctor`` from reading it."""
    theirs = SecondReading.objects.open_to(doctor).filter(pk=held.pk).exists()
    if theirs and held.why == Why.ASKED and not held.case.is_open:
        raise Moved(_("This case was answered in the meantime. Your reading is not needed."))


def _as_first_reading(case: Case, doctor: User, said: Mapping[str, Any]) -> None:
    """Of an open case it is this doctor's own reading as well: the computer's view opens."""
    if case.is_open:
        FirstReading.objects.get_or_create(case=case, doctor=doctor, defaults=said)


def _go_on(done: SecondReading) -> None:
    """The asker is told; a difference goes to a third doctor, what that one says to the signer."""
    if done.why == Why.ASKED and done.asked_by is not None:
        tell_reader_of(done.case, done.asked_by, f"opinion{done.pk}")
    elif done.why == Why.DRAWN and done.review is not None and differs(done, done.review):
        others = _colleagues(done.case, done.review.doctor, done.read_by)
        if others:
            third = SecondReading.objects.create(case=done.case, why=Why.DIFFER, review=done.review)
            tell_to_read(third, others)
        else:  # nobody is left to settle it: who signed decides
            tell_reader_of(done.case, done.review.doctor, f"again{done.pk}")
    elif done.why == Why.DIFFER and done.review is not None and differs(done, done.review):
        tell_reader_of(done.case, done.review.doctor, f"again{done.pk}")


def differs(reading: SecondReading, review: Review) -> bool:
    """Another diagnosis, or the one sends the patient to somebody and the other does not."""
    return reading.diagnosis != review.diagnosis or (
        (reading.plan in IN_PERSON) != (review.plan in IN_PERSON)
    )


# --- The draw ------------------------------------------------------------------------------------


def draw(review: Review) -> SecondReading | None:
    """Whether this signature is read twice: by chance, the same chance whoever asks again.

    Not where the clinic has no other doctor. Joins the transaction of the signature.
    """
    case = review.case
    if not _is_drawn(case) or not _colleagues(case, review.doctor):
        return None
    if case.second_readings.filter(why=Why.DRAWN).exists():
        return None
    try:
        with transaction.atomic():
            return SecondReading.objects.create(case=case, why=Why.DRAWN, review=review)
    except IntegrityError:
        return None


def draw_back(review: Review) -> None:
    """The signature was taken back before anybody could read it again."""
    SecondReading.objects.filter(review=review, read_at=None).delete()


def _is_drawn(case: Case) -> bool:
    lot = salted_hmac("diagnoses.double_reading", str(case.pk), algorithm="sha256").digest()
    return int.from_bytes(lot[:4]) % 10_000 < case.clinic.double_reading_percent * 100


def _colleagues(case: Case, *besides: User | None) -> list[User]:
    keys = [doctor.pk for doctor in besides if doctor is not None]
    here = User.objects.reading_doctors().filter(clinic=case.clinic_id)
    return list(here.exclude(pk__in=keys).order_by("pk"))
