"""After the answer: what it turned out to be, and a letter to whoever sees the patient next."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from diagnoses.models import Case, Letter, Outcome
from diagnoses.states import WorkflowError
from diagnoses.workflow.moves import about_case, note


def record_outcome(
    case: Case, doctor: User, *, source: str, diagnosis: str, words: str, found_on: date
) -> Outcome:
    """What histology or time has shown. The same again is the same; another one counts instead."""
    _may_write(case, doctor)
    if diagnosis:
        case.pack.label(diagnosis)
    elif not words:
        raise WorkflowError(_("Say in a few words what it is, if it is none of these."))
    if found_on > timezone.localdate():
        raise WorkflowError(_("This day is still to come."))
    said = {"source": source, "diagnosis": diagnosis, "words": words, "found_on": found_on}
    with transaction.atomic():
        held = Case.objects.select_for_update(of=("self",)).get(pk=case.pk)
        if not held.is_signed:
            raise WorkflowError(_("Sign an answer first; the outcome is kept beside it."))
        newest = held.outcomes.last()
        if newest and all(getattr(newest, name) == value for name, value in said.items()):
            return newest
        outcome = Outcome.objects.create(case=held, recorded_by=doctor, **said)
        note(held, "outcome_recorded", doctor, outcome=outcome.pk)
        audit.record(
            "case.outcome_recorded", actor=doctor, about=about_case(held), outcome=outcome.pk
        )
    return outcome


def write_letter(
    case: Case, doctor: User, *, addressee: str, words: str, with_photos: bool
) -> Letter:
    """A referral letter about the answer that stands. Kept as written."""
    _may_write(case, doctor)
    with transaction.atomic():
        held = Case.objects.select_for_update(of=("self",)).get(pk=case.pk)
        review = held.reviews.standing().last()
        if not held.is_signed or review is None:
            raise WorkflowError(_("Sign an answer first; the letter refers to it."))
        said = {"addressee": addressee, "words": words, "with_photos": with_photos}
        newest = held.letters.filter(review=review, doctor=doctor).last()
        if newest and all(getattr(newest, name) == value for name, value in said.items()):
            return newest
        letter = Letter.objects.create(case=held, review=review, doctor=doctor, **said)
        note(held, "letter_written", doctor, letter=str(letter.pk))
        audit.record(
            "case.letter_written", actor=doctor, about=about_case(held), letter=str(letter.pk)
        )
    return letter


def _may_write(case: Case, doctor: User) -> None:
    if not Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists():
        raise WorkflowError(_("This case is not yours to read."))
