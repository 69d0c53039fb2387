"""The sweep of the reminders: whose turn has come is told, waits, or is told no more.

One reminder at a time, each in a transaction of its own that holds the reminder and its person: of
two sweeps at once the second finds the next one, and nobody is told twice or too often. All times
are the database's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce, Now

from accounts import reminders
from accounts.models import Clinic, Consent, Role, User
from accounts.reminder_stop import Reminder
from diagnoses.models import Case, Nudge, NudgeQuerySet, Review
from diagnoses.states import Status
from diagnoses.workflow.nudges import EVENTS, about
from notifications import ledger
from notifications.ledger import Notice

State, Why = Nudge.State, Nudge.Why
# The cap: a person is reminded once in so long, of a case not more often than this of a kind. An
# urgent referral is asked about all the same: an amended answer may be the first to say it.
REST = timedelta(days=7)
MOST_OF_A_CASE = 2
# What could not be told by then is told no more: it would come as a surprise.
LAPSES_AFTER = timedelta(days=30)
LOOK_AGAIN = timedelta(days=1)
# People are told things by day, where their clinic is.
DAY_BEGINS, DAY_ENDS = time(9), time(19)
# Whom the sunny season concerns: who has sent a case in the last two years.
STILL_WITH_US = timedelta(days=730)
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Later:
    """Look at it again then. ``held``: the cap holds it back, and not the hour."""

    until: datetime
    held: bool = False


def begin_sun_season() -> int:
    """Write this year's reminder of the sun, where its month has come; how many were new."""
    if not settings.REMINDERS:
        return 0
    written = 0
    for clinic in Clinic.objects.filter(sun_month__isnull=False).annotate(now=Now()):
        seen: Any = clinic
        today = seen.now.astimezone(clinic.zone)
        if today.month == clinic.sun_month:
            written += _season(clinic, today.year, seen.now)
    return written


def _season(clinic: Clinic, year: int, now: datetime) -> int:
    lately = Case.objects.filter(patient=OuterRef("pk"), submitted_at__gt=now - STILL_WITH_US)
    here = lately.filter(clinic=clinic).exclude(status=Status.CANCELLED)
    agreed = Consent.objects.in_force().filter(user=OuterRef("pk"), kind=Consent.Kind.CARE)
    had = Nudge.objects.filter(patient=OuterRef("pk"), kind=Reminder.SUN, year=year)
    people = User.objects.get_queryset().filter(
        Exists(here), Exists(agreed), ~Exists(had), role=Role.PATIENT, is_active=True
    )
    rows = [
        Nudge(
            patient=patient,
            clinic=clinic,
            kind=Reminder.SUN,
            year=year,
            due_at=now,
            not_before=now,
        )
        for patient in people.order_by("pk")[:AT_ONCE]
    ]
    Nudge.objects.bulk_create(rows, ignore_conflicts=True)  # another sweep at the same moment
    return len(rows)


def tell_next() -> bool:
    """Judge the reminder whose turn it is; False if there is none. Safe to run doubled."""
    if not settings.REMINDERS:
        return False
    with transaction.atomic():
        due = Nudge.objects.due().select_related("patient__carer", "clinic", "case")
        nudge = due.select_for_update(skip_locked=True, no_key=True, of=("self", "patient")).first()
        if nudge is None:
            return False
        seen: Any = nudge
        now: datetime = seen.now
        row = Nudge.objects.filter(pk=nudge.pk)
        if why := _over(nudge, now):
            row.update(state=State.STOPPED, why=why, stopped_at=Now())
        elif later := _waits(nudge, now):
            held = {"held_at": Coalesce("held_at", Now())} if later.held else {}
            row.update(not_before=later.until, **held)
        else:
            row.update(state=State.TOLD, told_at=Now())
            ledger.tell(_notice(nudge))
    return True


def _notice(nudge: Nudge) -> Notice:
    path = f"/reminders/{nudge.pk}/"
    return Notice(EVENTS[nudge.kind], nudge.patient, about(nudge), path)


def _over(nudge: Nudge, now: datetime) -> str:
    """Why it is not to be told at all; empty if it is."""
    if not nudge.patient.reader.is_active:
        return Why.SUSPENDED
    if not reminders.wanted(nudge.patient.reader, nudge.kind):
        return Why.OPTED_OUT
    if now > nudge.due_at + LAPSES_AFTER:
        return Why.LAPSED
    if nudge.case is None:
        return ""
    if nudge.kind == Reminder.RECHECK and _of_the_mark(nudge.case, nudge.case.submitted_at):
        return Why.NEW_PHOTO
    return Why.ENOUGH if _told_often(nudge) else ""


def _told_often(nudge: Nudge) -> bool:
    if nudge.review is not None and nudge.review.plan == Review.Plan.REFER_URGENT:
        return False
    told = Nudge.objects.filter(case=nudge.case, kind=nudge.kind, told_at__isnull=False)
    return told.count() >= MOST_OF_A_CASE


def _of_the_mark(case: Case, since: datetime) -> bool:
    """Whether another case about it was sent after that: the newest one is what counts."""
    same = Case.objects.filter(lesion=case.lesion_id, lesion__isnull=False, submitted_at__gt=since)
    return same.exclude(status=Status.CANCELLED).exclude(pk=case.pk).exists()


def _waits(nudge: Nudge, now: datetime) -> Later | None:
    """Until when it has to wait; None if it may be told now."""
    if nudge.patient.erase_asked_at is not None or _is_open(nudge.case):
        return Later(now + LOOK_AGAIN)
    mine = Nudge.objects.filter(patient=nudge.patient_id)
    last = mine.filter(told_at__gt=now - REST).order_by("told_at").last()
    if last is not None and last.told_at is not None:
        return Later(last.told_at + REST, held=True)
    if nudge.kind == Reminder.SUN and (other := _comes_first(mine, now)):
        return Later(other + REST, held=True)
    return _by_day(nudge.clinic, now)


def _is_open(case: Case | None) -> bool:
    """Whether a doctor is to answer about that mark anyway."""
    if case is None:
        return False
    waiting = Case.objects.filter(status__in=(Status.REGISTERED, Status.PARTIAL))
    return waiting.filter(lesion=case.lesion_id, lesion__isnull=False).exists()


def _comes_first(mine: NudgeQuerySet, now: datetime) -> datetime | None:
    """When something is due that matters more than the season and would have to wait for it."""
    soon = mine.filter(state=State.PENDING, not_before__lt=now + REST).exclude(kind=Reminder.SUN)
    return soon.order_by("not_before").values_list("not_before", flat=True).last()


def is_day(clinic: Clinic, now: datetime) -> bool:
    """Whether it is day where the clinic is."""
    return _by_day(clinic, now) is None


def _by_day(clinic: Clinic, now: datetime) -> Later | None:
    """Not before the morning, where it is night."""
    local = now.astimezone(clinic.zone)
    if DAY_BEGINS <= local.time() < DAY_ENDS:
        return None
    day = local.date() + timedelta(days=local.time() >= DAY_ENDS)
    return Later(datetime.combine(day, DAY_BEGINS, tzinfo=clinic.zone))
