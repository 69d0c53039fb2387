"""Cases that wait too long: their doctors are told, later the admins; once per case and step.

What is due is asked of the rows and not of timers, so hours in which nothing ran lose nothing, and
bring no flood: many late cases are one message to each doctor, which leads to their list. The
number of statements does not grow with the cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef
from django.db.models.functions import Now

from accounts.models import Clinic, Role, User
from diagnoses.models import DUE_SOON, Case, CaseQuerySet, Escalation
from diagnoses.states import Status
from diagnoses.workflow.moves import about_case
from diagnoses.workflow.reminding import is_day
from diagnoses.workflow.telling import reading_here
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event, Message

Step = Escalation.Step
OPEN = (Status.REGISTERED, Status.PARTIAL)
# How long before its time an urgent case is told of; of a shorter time only half goes by in peace.
URGENT_BEFORE = DUE_SOON
# How long after the doctors the admins are told.
ADMINS_AFTER, ADMINS_AFTER_URGENT = timedelta(hours=24), timedelta(hours=4)
# More urgent cases than this at once are told of together.
MOST_ONE_BY_ONE = 5
# One sweep's cases of a clinic; the next one is a minute later.
AT_ONCE = 2000
LATE_LIST, DUE_LIST = "/worklist/?show=late", "/worklist/?show=today"
ADMINS_LIST = "/admin/diagnoses/case/?late=yes"
EVENTS = {Step.DUE: Event.CASE_DUE, Step.LATE: Event.CASE_LATE, Step.ADMINS: Event.CASE_LATE}

Whom = Callable[[Case], list[User]]


@dataclass(slots=True)
class Batch:
    """Cases that come to a step together, and who is told of them in one message each."""

    cases: list[Case] = field(default_factory=list)
    whom: dict[UUID, list[User]] = field(default_factory=dict)  # by case

    def add(self, case: Case, people: Iterable[User]) -> None:
        self.cases.append(case)
        self.whom[case.pk] = list(people)

    @property
    def people(self) -> set[int]:
        return {person.pk for people in self.whom.values() for person in people}

    def told(self, cases: Iterable[Case]) -> dict[User, bool]:
        """Whom these of its cases concern, and whether an urgent one is among theirs."""
        found: dict[User, bool] = {}
        for case in cases:
            for person in self.whom[case.pk]:
                found[person] = found.get(person, False) or case.tier_rank == 0
        return found


def tell_of_late(clinic: Clinic, now: datetime) -> int:
    """Take every step that cases of ``clinic`` have come to; how many were taken.

    Inside a transaction that holds the clinic, so that no other sweep is at it. ``now`` is the
    database's.
    """
    # One that is past its time as well is told of as late, and only that.
    late = _waiting(clinic, Step.LATE).filter(answer_due_at__lte=Now())
    due = _waiting(clinic, Step.DUE).filter(
        answer_due_at__gt=Now(), answer_due_at__lte=Now() + URGENT_BEFORE, tier_rank=0
    )
    due = due.alias(
        gone=ExpressionWrapper(Now() - F("submitted_at"), DurationField()),
        left=ExpressionWrapper(F("answer_due_at") - Now(), DurationField()),
    ).filter(gone__gte=F("left"))
    told = _tell_of_due(clinic, due)
    told += _tell_together(clinic, now, Step.LATE, late)
    told += _tell_together(clinic, now, Step.ADMINS, _for_admins(clinic))
    return told


def waits_no_more(case: Case) -> None:
    """It waits no more: what was to say so and has not left stays here.

    The caller holds the case. A step that told nobody in the end is forgotten, so that a signature
    taken back finds the case waiting as before.
    """
    for taken in Escalation.objects.filter(case=case, review=None):
        others = Escalation.objects.filter(about=taken.about, case__status__in=OPEN)
        if others.exclude(case=case).exists():
            continue
        if ledger.withdraw(EVENTS[Step(taken.step)], taken.about):
            taken.delete()


def _waiting(clinic: Clinic, step: str) -> CaseQuerySet:
    taken = Escalation.objects.filter(case=OuterRef("pk"), review=None, step=step)
    waiting = Case.objects.filter(~Exists(taken), clinic=clinic, status__in=OPEN)
    # Urgent ones first: whoever waits for the morning must not stand in their way.
    return waiting.select_related("doctor", "invitation__accepted_by").order_by(
        "tier_rank", "answer_due_at"
    )


def _for_admins(clinic: Clinic) -> CaseQuerySet:
    told = Escalation.objects.filter(case=OuterRef("pk"), review=None, step=Step.LATE)
    long_ago = told.filter(told_at__lte=Now() - ADMINS_AFTER)
    urgent = told.filter(told_at__lte=Now() - ADMINS_AFTER_URGENT, case__tier_rank=0)
    return _waiting(clinic, Step.ADMINS).filter(Exists(long_ago) | Exists(urgent))


def _tell_of_due(clinic: Clinic, due: CaseQuerySet) -> int:
    """Each by itself, with a link to it; where there are many, to the list of what is due."""
    found = list(due[:AT_ONCE])
    if not found:
        return 0
    whom = _doctors(clinic)
    if len(found) > MOST_ONE_BY_ONE:
        batch = Batch()
        for case in found:
            batch.add(case, whom(case))
        return _tell(clinic, Step.DUE, batch, DUE_LIST)
    taken = [_row(clinic, case, Step.DUE) for case in _held(found)]
    for row in taken:
        row.about = f"{about_case(row.case)}#due-{row.pk}"
    Escalation.objects.bulk_create(taken)
    ledger.tell(
        *(
            Notice(Event.CASE_DUE, person, row.about, f"/worklist/{row.case_id}/", urgent=True)
            for row in taken
            for person in whom(row.case)
        )
    )
    return len(taken)


def _tell_together(clinic: Clinic, now: datetime, step: Step, late: CaseQuerySet) -> int:
    """One message a day to each person, by day; what is urgent waits for neither."""
    found = list(late[:AT_ONCE])
    if not found:
        return 0
    whom = _admins(clinic) if step == Step.ADMINS else _doctors(clinic)
    batch = Batch()
    for case in found:
        if case.tier_rank == 0:
            batch.add(case, whom(case))
    told_today = _told_today(clinic, now, {p for case in found for p in whom(case)})
    daytime = is_day(clinic, now)
    for case in found:
        if case.tier_rank:
            people = whom(case)
            fresh = [person for person in people if person.pk not in told_today]
            together = [person for person in people if person.pk in batch.people]
            if together or (daytime and fresh):
                batch.add(case, together or fresh)
    path = ADMINS_LIST if step == Step.ADMINS else LATE_LIST
    return _tell(clinic, step, batch, path) if batch.people else 0


def _tell(clinic: Clinic, step: Step, batch: Batch, path: str) -> int:
    taken = [_row(clinic, case, step) for case in _held(batch.cases)]
    if not taken:
        return 0
    about = f"clinic:{clinic.pk}#{step}-{taken[0].pk}"
    for row in taken:
        row.about = about
    Escalation.objects.bulk_create(taken)
    # Of those in hand: whose only case is just being signed has nothing to be told.
    told = batch.told(row.case for row in taken)
    ledger.tell(
        *(
            Notice(EVENTS[step], person, about, path, urgent=urgent)
            for person, urgent in told.items()
        )
    )
    return len(taken)


def _row(clinic: Clinic, case: Case, step: Step) -> Escalation:
    return Escalation(clinic=clinic, case=case, step=step)


def _held(cases: Sequence[Case]) -> list[Case]:
    """Those that still wait and that nobody is just moving, held until the transaction ends.

    Whoever signs one of them afterwards waits for it, and finds what was told.
    """
    rows = Case.objects.filter(pk__in=[case.pk for case in cases], status__in=OPEN)
    held = set(
        rows.select_for_update(skip_locked=True, no_key=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return [case for case in cases if case.pk in held]


def _doctors(clinic: Clinic) -> Whom:
    """The doctor asked for, while they read here; else every reading doctor, else the admins."""
    doctors = reading_here(clinic)
    if not doctors:
        return _admins(clinic)

    def whom(case: Case) -> list[User]:
        asked = case.asked_doctor
        return [asked] if asked is not None and asked in doctors else doctors

    return whom


def _admins(clinic: Clinic) -> Whom:
    """The clinic's; where it has none, those who look after all of them."""
    admins = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk")
    found = list(admins.filter(clinic=clinic)) or list(admins.filter(clinic=None))
    return lambda _case: found


def _told_today(clinic: Clinic, now: datetime, people: set[User]) -> set[int]:
    morning = now.astimezone(clinic.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    told = Message.objects.filter(
        event=Event.CASE_LATE, recipient__in=people, created_at__gte=morning
    ).exclude(state=Message.State.CANCELLED)
    return set(told.values_list("recipient", flat=True))
