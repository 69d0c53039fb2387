"""Who is told what of a case; the ledger does the telling, in the transaction of the move."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from accounts.models import Clinic, User
from diagnoses.models import Case, Review
from diagnoses.states import Status
from diagnoses.workflow.moves import about_case, about_review, move
from notifications import ledger
from notifications.models import Event


def tell_checked(case: Case) -> None:
    if case.clinic.release_policy == Clinic.Release.AT_ONCE:
        _tell_patient(case, Event.CASE_CHECKED, about_case(case))
    tell_doctors(case, about_case(case))


def _tell_patient(case: Case, event: Event, about: str, not_before: datetime | None = None) -> None:
    ledger.tell(
        event,
        recipient=case.patient,
        about=about,
        path=f"/cases/{case.pk}/",
        not_before=not_before,
    )


def tell_doctors(case: Case, about: str) -> None:
    """The doctor asked for; else every reading doctor of the clinic, so that none is missed."""
    for doctor in doctors_of(case):
        ledger.tell(Event.CASE_TO_READ, recipient=doctor, about=about, path=f"/worklist/{case.pk}/")


def doctors_of(case: Case) -> QuerySet[User]:
    """The doctor asked for, while they read here; else every reading doctor of the clinic."""
    doctors = User.objects.reading_doctors().filter(clinic=case.clinic_id)
    asked = case.asked_doctor
    own = doctors.filter(pk=asked.pk) if asked else doctors.none()
    return own if own.exists() else doctors


def tell_signed(case: Case, review: Review, event: Event) -> None:
    _tell_patient(case, event, about_review(case, review), not_before=review.effective_at)


def pass_to_doctors(case: Case, reason: str) -> None:
    """Unscored to the doctors; everybody is told all the same."""
    move(case, Status.PARTIAL, "unscored", None, reason=reason)
    tell_checked(case)
