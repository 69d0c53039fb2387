"""An urgent answer that its patient has not opened: they are told once more, then somebody calls.

It ends when they open the case, or when somebody of the clinic says that they have told them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Clinic, User
from diagnoses.models import Case, Escalation, Opened, Review
from diagnoses.states import Status, WorkflowError
from diagnoses.workflow.moves import about_case, about_review, note
from diagnoses.workflow.telling import reading_here
from notifications import ledger
from notifications.again import FALLBACK
from notifications.ledger import Notice
from notifications.models import Channel, Event, Message

Step, How = Escalation.Step, Opened.How
# So long after the answer its patient is told once more, and so long after that somebody calls.
AGAIN_AFTER, CALL_AFTER = timedelta(hours=24), timedelta(hours=24)
# An answer older than this when it is first looked at is from before anybody asked.
LAPSES_AFTER = timedelta(days=30)
AT_ONCE = 500
EVENTS = (Event.URGENT_UNREAD, Event.ANSWER_UNREAD, Event.URGENT_CALL)


def is_urgent(review: Review) -> bool:
    """Whether somebody asks after it until its patient knows it."""
    return review.plan == Review.Plan.REFER_URGENT


# --- What ends it --------------------------------------------------------------------------------


def open_answer(review: Review, reader: User) -> None:
    """``reader``, the patient or their carer, has the answer before them."""
    if getattr(review, "opened", None) is None:
        _know(review, reader, How.PAGE)


def told_by_doctor(case: Case, doctor: User) -> None:
    """A doctor of the clinic has told the patient what the answer says."""
    with transaction.atomic():
        review = case.reviews.standing().last()
        may = Case.objects.readable_by_doctor(doctor).filter(pk=case.pk).exists()
        if not may or review is None or not case.is_signed:
            raise WorkflowError(_("There is no answer to tell of."))
        if _know(review, doctor, How.TOLD):
            note(case, "told_in_person", doctor)
            audit.record("case.told_in_person", actor=doctor, about=about_case(case))


def amended(case: Case, before: Review, now: Review) -> None:
    """A calmer answer than before need not be read today; an urgent one goes on being asked for."""
    if is_urgent(before) and not is_urgent(now):
        _take_back(case)


def _know(review: Review, person: User, how: Opened.How) -> bool:
    """Whether this was the first time. The case is held: a sweep comes before it, or after."""
    with transaction.atomic():
        case = Case.objects.select_for_update(no_key=True).get(pk=review.case_id)
        if Opened.objects.filter(review=review).exists():
            return False
        Opened.objects.create(review=review, person=person, how=how)
        if is_urgent(review):
            _take_back(case)
    return True


def _take_back(case: Case) -> None:
    """What has not left stays here, and nobody need call any more."""
    for about in {taken.about for taken in case.escalations.filter(review__isnull=False)}:
        for event in EVENTS:
            ledger.withdraw(event, about)


# --- The sweep -----------------------------------------------------------------------------------


def tell_of_unread(clinic: Clinic) -> int:
    """Take every step that urgent answers of ``clinic`` have come to; how many were taken.

    Inside a transaction that holds the clinic. An account nobody can log in with is not written to:
    its patient is called.
    """
    told = _tell_patients(clinic, _first(clinic))
    return told + _tell_clinic(clinic, _second(clinic))


def _unread(clinic: Clinic) -> QuerySet[Review]:
    newer = Review.objects.standing().filter(case=OuterRef("case"), pk__gt=OuterRef("pk"))
    urgent = Review.objects.standing().filter(plan=Review.Plan.REFER_URGENT, opened=None)
    return urgent.filter(
        ~Exists(newer),
        case__clinic=clinic,
        case__status__in=(Status.FINAL, Status.AMENDED),
        case__patient__erased_at=None,
    ).order_by("pk")


def _taken(step: str) -> QuerySet[Escalation]:
    return Escalation.objects.filter(review=OuterRef("pk"), step=step)


def _first(clinic: Clinic) -> QuerySet[Review]:
    old_enough = Q(effective_at__lte=Now() - AGAIN_AFTER, effective_at__gt=Now() - LAPSES_AFTER)
    return _unread(clinic).filter(old_enough, ~Exists(_taken(Step.AGAIN)))


def _second(clinic: Clinic) -> QuerySet[Review]:
    again = _taken(Step.AGAIN).filter(
        Q(told_at__lte=Now() - CALL_AFTER)
        | Q(case__patient__carer=None, case__patient__is_active=False)
        | Q(case__patient__carer__is_active=False)
    )
    return _unread(clinic).filter(Exists(again), ~Exists(_taken(Step.CALL)))


def _tell_patients(clinic: Clinic, unread: QuerySet[Review]) -> int:
    found = _held(unread)
    if not found:
        return 0
    said = _said(found)
    _take(clinic, Step.AGAIN, found)
    ledger.tell(
        *(
            Notice(
                Event.URGENT_UNREAD,
                review.case.patient,
                _about(review),
                f"/cases/{review.case_id}/",
                channel=_next_way(said[_about(review)]),
            )
            for review in found
            if review.case.patient.reader.is_active and not _task(said[_about(review)])
        )
    )
    return len(found)


def _tell_clinic(clinic: Clinic, unread: QuerySet[Review]) -> int:
    """The doctor who signed, while they read here, else all of them; and a task to call."""
    found = _held(unread)
    if not found:
        return 0
    said, doctors = _said(found), reading_here(clinic)
    _take(clinic, Step.CALL, found)
    notices = []
    for review in found:
        about, task = _about(review), _task(said[_about(review)])
        if task is not None and task.state == Message.State.DELIVERED:
            continue  # somebody has told them
        own = [doctor for doctor in doctors if doctor.pk == review.doctor_id]
        page = f"/worklist/{review.case_id}/"
        notices += [Notice(Event.ANSWER_UNREAD, who, about, page) for who in own or doctors]
        if task is None:
            patient, page = review.case.patient, f"/cases/{review.case_id}/"
            notices.append(Notice(Event.URGENT_CALL, patient, about, page, channel=Channel.STAFF))
    ledger.tell(*notices)
    return len(found)


def _held(unread: QuerySet[Review]) -> list[Review]:
    """With their cases held where nobody has them: looked at again then, so that an answer opened
    a moment ago is not told of."""
    cases = dict(unread.values_list("pk", "case")[:AT_ONCE])
    if not cases:
        return []
    rows = Case.objects.filter(pk__in=set(cases.values())).order_by("pk")
    held = rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
    wanted = unread.filter(pk__in=list(cases), case__in=list(held))
    return list(wanted.select_related("case__patient__carer"))


def _take(clinic: Clinic, step: str, reviews: Iterable[Review]) -> None:
    Escalation.objects.bulk_create(
        Escalation(clinic=clinic, case=review.case, review=review, step=step, about=_about(review))
        for review in reviews
    )


def _about(review: Review) -> str:
    return about_review(review.case, review)


def _said(reviews: Iterable[Review]) -> dict[str, list[Message]]:
    """What its patient was told of each answer, the last way last."""
    said: dict[str, list[Message]] = {_about(review): [] for review in reviews}
    to_patients = (Event.CASE_SIGNED, Event.CASE_AMENDED, Event.URGENT_UNREAD, Event.URGENT_CALL)
    rows = Message.objects.filter(about__in=said, event__in=to_patients)
    for row in rows.order_by("created_at", "pk"):
        said[row.about].append(row)
    return said


def _task(said: Iterable[Message]) -> Message | None:
    """That a person of the clinic is to tell them, or has: the last way of any message to them."""
    return next((row for row in said if row.channel == Channel.STAFF), None)


def _next_way(said: list[Message]) -> Channel | None:
    """After what was tried. The last way that is no person is tried once more."""
    if not said:
        return None
    onward = FALLBACK.get(said[-1].channel)
    return Channel.EMAIL if onward in (None, Channel.STAFF) else onward
