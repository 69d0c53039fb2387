"""Who is told what of a case; the ledger does the telling, in the transaction of the move."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import Clinic, User
from diagnoses.models import Case, Review, SecondReading
from diagnoses.states import Status
from diagnoses.workflow.in_full import answer_in_full
from diagnoses.workflow.moves import about_case, about_review, move
from mlservice.engine.types import Tier
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event


def tell_checked(*cases: Case) -> None:
    """These cases wait for a doctor now; a patient hears of it where the clinic does not hold it.

    All together: every statement costs the worker as much as a piece of the network.
    """
    doctors = _doctors_of(cases)
    notices = []
    for case in cases:
        if case.clinic.release_policy == Clinic.Release.AT_ONCE:
            path = f"/cases/{case.pk}/"
            notices.append(Notice(Event.CASE_CHECKED, case.patient, about_case(case), path))
        notices += _to_read(case, doctors[case.clinic_id], about_case(case))
    ledger.tell(*notices)


def tell_doctors(case: Case, about: str, event: Event = Event.CASE_TO_READ) -> None:
    """The doctor asked for; else every reading doctor of the clinic, so that none is missed."""
    ledger.tell(*_to_read(case, _doctors_of([case])[case.clinic_id], about, event))


def _to_read(
    case: Case, doctors: list[User], about: str, event: Event = Event.CASE_TO_READ
) -> list[Notice]:
    """To the doctor who signed or was asked for, while they read here; else to all ``doctors``."""
    asked = case.signed_by or case.asked_doctor
    own = [doctor for doctor in doctors if doctor == asked]
    path = f"/worklist/{case.pk}/"
    # Unscored counts as red, as in the worklist.
    urgent = event == Event.CASE_TO_READ and case.tier in (None, Tier.RED)
    return [Notice(event, doctor, about, path, urgent=urgent) for doctor in own or doctors]


def tell_patient(case: Case, about: str, event: Event) -> None:
    """Something of the clinic's waits on the case's page."""
    ledger.tell(Notice(event, case.patient, about, f"/cases/{case.pk}/"))


def _doctors_of(cases: Iterable[Case]) -> dict[int, list[User]]:
    """The reading doctors of each case's clinic."""
    doctors: dict[int, list[User]] = {case.clinic_id: [] for case in cases}
    for doctor in User.objects.reading_doctors().filter(clinic__in=doctors):
        if doctor.clinic_id is not None:
            doctors[doctor.clinic_id].append(doctor)
    return doctors


def reading_here(clinic: Clinic) -> list[User]:
    """The doctors who read the cases of this clinic."""
    return list(User.objects.reading_doctors().filter(clinic=clinic).order_by("pk"))


def tell_signed(case: Case, review: Review, event: Event) -> None:
    """Told when the seconds to undo are over; the words themselves where all asked for them."""
    path, about = f"/cases/{case.pk}/", about_review(case, review)
    notice = Notice(
        event,
        case.patient,
        about,
        path,
        not_before=review.effective_at,
        urgent=review.plan == Review.Plan.REFER_URGENT,
        words=answer_in_full(case, review),
    )
    ledger.tell(notice)


def pass_to_doctors(case: Case, reason: str) -> None:
    """Unscored to the doctors; everybody is told all the same."""
    move(case, Status.PARTIAL, "unscored", None, reason=reason)
    tell_checked(case)


def about_again(asked: SecondReading) -> str:
    return f"{about_case(asked.case)}#again{asked.pk}"


def tell_to_read(asked: SecondReading, doctors: list[User]) -> None:
    """A case is to be read again, by one of these."""
    path, about = f"/worklist/again/{asked.pk}/", about_again(asked)
    ledger.tell(*(Notice(Event.CASE_TO_READ, doctor, about, path) for doctor in doctors))


def tell_reader_of(case: Case, doctor: User, what: str) -> None:
    """Something stands on the case's page for a doctor who has read it before; for all who read
    here, once that one does not any more."""
    about, path = f"{about_case(case)}#{what}", f"/worklist/{case.pk}/"
    here = reading_here(case.clinic)
    whom = [doctor] if doctor in here else here
    ledger.tell(*(Notice(Event.CASE_TO_READ, who, about, path) for who in whom))
