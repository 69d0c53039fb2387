"""A doctor of another clinic is asked about one case: by the clinic, with the patient's yes.

The consent to care speaks of a doctor of the clinic, so nothing opens before the patient has agreed
to this very doctor. What it opens, and until when, is ``CaseShareQuerySet.in_force_for``.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Least, Now
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import AuditEntry, User
from diagnoses.models import SHARED_AFTER_READING, SHARED_FOR, Case, CaseShare, SecondReading
from diagnoses.states import Moved, WorkflowError
from diagnoses.workflow.moves import about_case, note, too_late
from diagnoses.workflow.telling import about_again, tell_reader_of, tell_to_read
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event

Why = CaseShare.Why
# Of the sentences a patient agrees to, in templates/cases/_asked_to_share.html.
WORDING = "2026-11"
MOST_MISSES, MISSES_SINCE = 10, timedelta(days=1)


def doctor_at(case: Case, doctor: User, address: str) -> User | None:
    """The verified doctor who logs in with this e-mail address; ``None`` for anybody else.

    For a patient's address, an admin's, an unverified doctor's and one nobody has the answer is the
    same. Misses are counted, so that nobody tries a list of addresses.
    """
    missed = AuditEntry.objects.filter(
        actor=doctor, action="case.share_missed", at__gt=Now() - MISSES_SINCE
    )
    if missed.count() >= MOST_MISSES:
        raise WorkflowError(
            _("You have tried many addresses that are no doctor’s. Please try again tomorrow.")
        )
    found = User.objects.reading_doctors().filter(email=address.strip().lower()).first()
    if found is None:
        audit.record("case.share_missed", actor=doctor, about=about_case(case))
    return found


def share(case: Case, doctor: User, other: User, question: str) -> CaseShare:
    """``doctor`` wants the reading of ``other``, of another clinic; the patient is asked first.

    Asking the same again while it waits gives what there is.
    """
    _may_share(case, doctor, other)
    with transaction.atomic():
        case = Case.objects.select_for_update(of=("self",), no_key=True).get(pk=case.pk)
        if not case.is_open:
            raise too_late(case)
        end_lapsed(case)
        if known := case.shares.filter(doctor=other, ended_at=None).first():
            if known.is_read:
                raise Moved(_("%(name)s has read this case already.") % {"name": other})
            same = known.asked is not None and known.asked.question == question
            if known.shared_by != doctor or not same:
                raise asked_already()
            return known
        if case.second_readings.filter(why=SecondReading.Why.ASKED, asked_by=doctor, read_at=None):
            raise asked_already()
        asked = SecondReading.objects.create(
            case=case,
            why=SecondReading.Why.ASKED,
            asked_by=doctor,
            doctor=other,
            question=question,
        )
        new = CaseShare.objects.create(
            case=case,
            asked=asked,
            doctor=other,
            shared_by=doctor,
            ends_at=timezone.now() + SHARED_FOR,
        )
        note(case, "share_asked", doctor, share=str(new.pk), of=other.pk)
        audit.record("case.share_asked", actor=doctor, about=about_case(case), share=str(new.pk))
        notice = Notice(Event.DOCTOR_WROTE, case.patient, _about(new), f"/cases/{case.pk}/")
        ledger.tell(notice)
    return new


def asked_already() -> Moved:
    return Moved(_("Somebody is asked about this case already. There is no answer yet."))


def agree_to_share(share: CaseShare, patient: User) -> CaseShare:
    """The patient's yes: from now on the other doctor may look, and is told."""
    with transaction.atomic():
        held = _locked(share)
        case = Case.objects.select_related("patient__carer").get(pk=held.case_id)
        other = held.doctor  # who may have been suspended, or have moved, since they were named
        if held.is_over or held.asked is None or not _is_elsewhere(case, other):
            raise WorkflowError(_("Your doctor no longer asks for this."))
        if held.agreed_at is not None:
            return held  # the other click of a double click
        if not case.is_open:
            raise too_late(case)
        held.agreed_at, held.agreed_by = timezone.now(), patient.reader
        held.ends_at = held.agreed_at + SHARED_FOR
        held.save(update_fields=["agreed_at", "agreed_by", "ends_at"])
        note(case, "share_agreed", patient, share=str(held.pk))
        audit.record(
            "case.share_agreed",
            actor=patient,
            about=about_case(case),
            share=str(held.pk),
            version=WORDING,
            language=get_language(),
        )
        tell_to_read(held.asked, [held.doctor])
    return held


def refuse_share(share: CaseShare, patient: User) -> None:
    """The patient says no, or takes their yes back; whoever asked is told."""
    with transaction.atomic():
        why = Why.REFUSED if _locked(share).agreed_at is None else Why.PATIENT
        if _end(share, why, patient):
            tell_reader_of(share.case, share.shared_by, f"share{share.pk}")


def take_back_share(share: CaseShare, doctor: User) -> None:
    """Any doctor of the case's clinic closes it to the other doctor, at once."""
    if not Case.objects.readable_by_doctor(doctor).filter(pk=share.case_id).exists():
        raise WorkflowError(_("This case is not yours to read."))
    with transaction.atomic():
        _end(share, Why.CLINIC, doctor)


def end_shares_of(patient: User, why: CaseShare.Why) -> None:
    """All there are of this patient's cases: consent or account are gone."""
    with transaction.atomic():
        for one in CaseShare.objects.filter(case__patient=patient, ended_at=None):
            _end(one, why, patient)


def end_shares_of_case(case: Case, patient: User) -> None:
    """The patient has withdrawn the case. Joins that transaction."""
    for one in case.shares.filter(ended_at=None):
        _end(one, Why.WITHDRAWN, patient)


def end_lapsed(case: Case) -> None:
    """Make room for another question. Nothing was open through these any more."""
    for one in case.shares.filter(ended_at=None, ends_at__lte=Now()):
        _end(one, Why.OVER, None)


def end_soon(read: SecondReading) -> None:
    """It is read: the share ends some days later, and never after the day that was told."""
    soon = Now() + SHARED_AFTER_READING
    CaseShare.objects.filter(asked=read).update(ends_at=Least("ends_at", soon))


def _may_share(case: Case, doctor: User, other: User) -> None:
    if not Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists():
        raise WorkflowError(_("This case is not yours to read."))
    if not _is_elsewhere(case, other):
        raise WorkflowError(_("This doctor cannot be asked. Please choose another one."))


def _is_elsewhere(case: Case, other: User) -> bool:
    """Whether they read cases, in another clinic than the case's."""
    return other.is_reading_doctor and other.clinic_id != case.clinic_id


def _end(share: CaseShare, why: CaseShare.Why, by: User | None) -> bool:
    """Close it, with the question nobody has answered; whether it was open until now."""
    held = _locked(share)
    if held.ended_at is not None:
        return False
    case, asked = held.case, held.asked
    held.ended_at, held.ended_by, held.why_ended = timezone.now(), by and by.reader, why
    held.save(update_fields=["ended_at", "ended_by", "why_ended"])
    ledger.withdraw(Event.DOCTOR_WROTE, _about(held))
    if asked is not None and not asked.is_read:
        ledger.withdraw(Event.CASE_TO_READ, about_again(asked))
        asked.delete()
    if why is not Why.OVER:  # its time was told from the start
        kind = "share_refused" if why is Why.REFUSED else "share_ended"
        note(case, kind, by, share=str(held.pk), why=why)
    audit.record(
        "case.share_ended", actor=by, about=about_case(case), share=str(held.pk), why=why.value
    )
    return True


def _locked(share: CaseShare) -> CaseShare:
    """Held, with its question; the question first, as whoever reads it holds that."""
    SecondReading.objects.select_for_update(of=("self",)).filter(share=share).first()
    shares = CaseShare.objects.select_for_update(of=("self",))
    return shares.select_related("asked", "doctor", "case__patient__carer").get(pk=share.pk)


def _about(share: CaseShare) -> str:
    return f"{about_case(share.case)}#share{share.pk}"
