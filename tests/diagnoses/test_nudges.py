"""Reminders: written with their cause, told by day and not too often, ended by what ends them."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts import people, reminders
from accounts.models import Clinic, Consent, User
from accounts.reminder_stop import Reminder, ReminderStop
from diagnoses import erasure, tasks, workflow
from diagnoses.models import Case, Nudge, Review
from diagnoses.workflow import Answer, reminding
from notifications import delivery, ledger
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")

State, Why = Nudge.State, Nudge.Why
LATER = Answer("nv", Review.Plan.RECHECK, "A mole. Photograph it again.", recheck_days=90)
IN_PERSON = Answer("bcc", Review.Plan.SEE, "Please have it looked at.")
AT_ONCE = Answer("mel", Review.Plan.REFER_URGENT, "You are referred urgently.")
CALM = Answer("nv", Review.Plan.REASSURE, "A mole.")


@pytest.fixture(autouse=True)
def it_is_day(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour of the test's own run must not matter."""
    settings.UNDO_SIGNATURE = timedelta(0)
    monkeypatch.setattr(reminding, "DAY_BEGINS", time.min)
    monkeypatch.setattr(reminding, "DAY_ENDS", time.max)


def answered(patient: User, doctor: User, answer: Answer, **sent: Any) -> Case:
    """A case that ``doctor`` signed without waiting for the computer."""
    case = cases.submitted(patient, computer_check=False, **sent)
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, answer)
    return case


def days_go_by(days: float) -> None:
    """Everything about reminders happened that much earlier."""
    gone = timedelta(days=days)
    moments = ("due_at", "not_before", "told_at", "opened_at", "acted_at", "stopped_at", "held_at")
    Nudge.objects.update(**{name: F(name) - gone for name in moments})


def sweep() -> list[str]:
    """One sweep; the kinds that were told in it."""
    before = set(Nudge.objects.filter(told_at__isnull=False).values_list("pk", flat=True))
    while workflow.tell_next():
        pass
    told = Nudge.objects.filter(told_at__isnull=False).exclude(pk__in=before)
    return sorted(told.values_list("kind", flat=True))


def the(kind: str, **which: Any) -> Nudge:
    return Nudge.objects.get(kind=kind, **which)


def became(kind: str, **which: Any) -> tuple[str, str]:
    nudge = the(kind, **which)
    return nudge.state, nudge.why


def told(event: Event) -> list[str]:
    rows = Message.objects.filter(event=event).exclude(state=Message.State.CANCELLED)
    return [row.recipient.email for row in rows if row.recipient]


# --- A new photo later ---------------------------------------------------------------------------
def test_a_new_photo_is_asked_for_on_the_day_the_doctor_named(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    case = answered(cast.bo, cast.ruth, LATER)
    days_go_by(89.9)
    assert sweep() == []
    days_go_by(0.2)
    assert sweep() == ["recheck"]
    assert sweep() == [], "and never again"
    nudge = the("recheck")
    assert (nudge.case, nudge.state) == (case, State.TOLD)
    delivery.deliver_due(100)
    [mail] = [mail for mail in mailoutbox if "reminder" in mail.subject]
    assert mail.to == [cast.bo.email]
    assert not any(word in mail.body.lower() for word in ("photo", "mark", "mole", "bo berg"))
    link = Message.objects.get(event=Event.REMIND_RECHECK).link
    assert link is not None
    assert link.path == f"/reminders/{nudge.pk}/"


def test_a_new_photo_before_the_day_makes_it_needless(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    cases.submitted(cast.ana)
    assert became("recheck") == (State.PENDING, ""), "that was another mark"
    cases.submitted(cast.ana, lesion=case.lesion)
    assert became("recheck") == (State.STOPPED, Why.NEW_PHOTO)
    days_go_by(91)
    assert sweep() == []


def test_a_new_photo_that_is_withdrawn_is_as_if_it_had_not_come(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    days_go_by(89)
    again = cases.submitted(cast.ana, lesion=case.lesion)
    workflow.withdraw(again, cast.ana)
    assert became("recheck") == (State.PENDING, "")
    days_go_by(2)
    assert sweep() == ["recheck"]


def test_a_new_photo_after_it_is_what_it_was_for(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    days_go_by(91)
    sweep()
    cases.submitted(cast.ana, lesion=case.lesion)
    nudge = the("recheck")
    assert (nudge.state, nudge.why) == (State.ACTED, "")
    assert nudge.acted_at is not None
    assert told(Event.REMIND_RECHECK) == [], "what had not left yet stays here"


def test_a_photo_sent_again_for_an_open_case_of_the_mark_counts_as_well(cast: Cast) -> None:
    first = cases.submitted(cast.ana, computer_check=False)
    answered(cast.ana, cast.ruth, LATER, lesion=first.lesion)
    photo = cases.submission().photos
    workflow.retake(first, cast.ana, photo, uuid.uuid4())
    assert became("recheck") == (State.STOPPED, Why.NEW_PHOTO)


def test_the_newest_case_of_a_mark_is_the_one_that_counts(cast: Cast) -> None:
    """Ruth amends March's answer when June's has been given: June's says what comes next."""
    march = answered(cast.ana, cast.ruth, CALM)
    answered(cast.ana, cast.ruth, CALM, lesion=march.lesion)
    standing = march.reviews.get()
    workflow.amend(march, cast.ruth, LATER, after=standing)
    days_go_by(91)
    assert sweep() == []
    assert became("recheck") == (State.STOPPED, Why.NEW_PHOTO)


def test_nobody_is_reminded_while_a_doctor_looks_at_the_mark_anyway(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, IN_PERSON)
    again = cases.submitted(cast.ana, lesion=case.lesion, computer_check=False)
    days_go_by(15)
    assert sweep() == []
    assert became("see_doctor") == (State.PENDING, "")
    workflow.withdraw(again, cast.ana)
    days_go_by(2)
    assert sweep() == ["see_doctor"]
    assert the("see_doctor").held_at is None, "that was not the cap"


# --- What a doctor does --------------------------------------------------------------------------
def test_what_an_answer_is_reminded_of_is_what_it_says(cast: Cast) -> None:
    both = Answer("bcc", Review.Plan.TREAT, "It needs treatment.", recheck_days=30)
    for answer, kinds in (
        (CALM, {}),
        (LATER, {"recheck": 90}),
        (IN_PERSON, {"see_doctor": 14}),
        (AT_ONCE, {"see_doctor": 7}),
        (both, {"recheck": 30, "see_doctor": 14}),
    ):
        case = answered(cast.ana, cast.ruth, answer)
        due = {
            nudge.kind: (nudge.due_at - nudge.review.effective_at).days  # type: ignore[union-attr]  # they have one
            for nudge in case.nudges.select_related("review")
        }
        assert due == kinds


def test_taking_a_signature_back_takes_its_reminders_along(cast: Cast, settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=60)
    case = answered(cast.ana, cast.ruth, LATER)
    assert Nudge.objects.count() == 1
    workflow.undo_signature(case, cast.ruth)
    assert not Nudge.objects.exists()
    case.refresh_from_db()
    workflow.sign(case, cast.ruth, AT_ONCE)
    assert [nudge.kind for nudge in case.nudges.all()] == ["see_doctor"]


def test_an_amended_answer_brings_its_own(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    days_go_by(91)
    sweep()
    workflow.amend(case, cast.ruth, IN_PERSON, after=case.reviews.get())
    assert became("recheck") == (State.STOPPED, Why.AMENDED), "told or not"
    assert became("see_doctor") == (State.PENDING, "")
    assert told(Event.REMIND_RECHECK) == []


def test_of_one_case_nobody_is_reminded_a_third_time(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    for number in range(3):
        days_go_by(91)
        assert sweep() == (["recheck"] if number < 2 else [])
        newest = case.reviews.last()
        assert newest is not None
        if number < 2:
            workflow.amend(case, cast.ruth, LATER, after=newest)
    assert Nudge.objects.filter(why=Why.ENOUGH).count() == 1


def test_an_urgent_referral_is_asked_about_however_often_the_case_was_before(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, IN_PERSON)
    for answer in (IN_PERSON, AT_ONCE):
        days_go_by(30)
        assert sweep() == ["see_doctor"]
        newest = case.reviews.last()
        assert newest is not None
        workflow.amend(case, cast.ruth, answer, after=newest)
    days_go_by(30)
    assert sweep() == ["see_doctor"], "the third, and the first that is urgent"


# --- The cap, the hours, the wish ----------------------------------------------------------------
def test_one_in_seven_days_the_weightier_first(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    days_go_by(89)  # its day comes together with the question's
    answered(cast.ana, cast.ruth, AT_ONCE)
    days_go_by(8)
    assert sweep() == ["see_doctor"]
    held = the("recheck")
    assert held.held_at is not None
    assert held.state == State.PENDING
    days_go_by(6.9)
    assert sweep() == []
    days_go_by(0.2)
    assert sweep() == ["recheck"]
    assert the("see_doctor").held_at is None


def test_somebody_elses_reminder_holds_nobody_back(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    answered(cast.bo, cast.ruth, LATER)
    days_go_by(91)
    assert sweep() == ["recheck", "recheck"]


def test_what_could_not_be_told_for_a_month_is_told_no_more(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    days_go_by(90 + 31)
    assert sweep() == []
    assert became("recheck") == (State.STOPPED, Why.LAPSED)


@pytest.mark.parametrize(
    ("zone", "hour", "leaves"),
    [
        ("Europe/London", 8, (1, 9)),
        ("Europe/London", 9, None),
        ("Europe/London", 18, None),
        ("Europe/London", 19, (2, 9)),
        ("Asia/Tokyo", 9, None),
        ("America/Lima", 23, (2, 9)),
    ],
)
def test_by_day_where_the_clinic_is(
    monkeypatch: pytest.MonkeyPatch, zone: str, hour: int, leaves: tuple[int, int] | None
) -> None:
    monkeypatch.undo()
    clinic = Clinic(name="Here", time_zone=zone)
    now = datetime(2027, 3, 1, hour, 30, tzinfo=clinic.zone)
    later = reminding._by_day(clinic, now)
    if leaves is None:
        assert later is None
    else:
        assert later is not None
        local = later.until.astimezone(clinic.zone)
        assert (local.day, local.hour, local.minute) == (*leaves, 0)
        assert not later.held


def test_at_night_it_waits_for_the_morning(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the clinic, not of the portal: in one of the three it is always night."""
    monkeypatch.setattr(reminding, "DAY_BEGINS", time(9))
    monkeypatch.setattr(reminding, "DAY_ENDS", time(19))
    zones = ("Europe/London", "America/Los_Angeles", "Asia/Tokyo")
    hours = {zone: timezone.now().astimezone(ZoneInfo(zone)).hour for zone in zones}
    night = next(zone for zone, hour in hours.items() if not 9 <= hour < 19)
    Clinic.objects.filter(pk=cast.north.pk).update(time_zone=night)
    answered(cast.ana, cast.ruth, LATER)
    days_go_by(91)
    assert sweep() == []
    waits = the("recheck").not_before - timezone.now()
    assert timedelta(0) < waits < timedelta(hours=15)


def test_a_kind_nobody_wants_is_not_sent_and_the_others_are(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    answered(cast.ana, cast.ruth, IN_PERSON)
    reminders.stop(cast.ana, Reminder.RECHECK)
    days_go_by(91)
    Nudge.objects.filter(kind="see_doctor").update(due_at=Now())
    assert sweep() == ["see_doctor"]
    assert became("recheck") == (State.STOPPED, Why.OPTED_OUT)


def test_who_wants_them_again_has_missed_none_that_was_to_come(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    reminders.stop(cast.ana, Reminder.RECHECK)
    reminders.stop(cast.ana, Reminder.RECHECK)
    days_go_by(50)
    reminders.resume(cast.ana, Reminder.RECHECK)
    days_go_by(50)
    assert sweep() == ["recheck"]
    assert ReminderStop.objects.count() == 1


def test_a_phone_that_said_stop_gets_none(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    answered(cast.ana, cast.ruth, LATER)
    people.opt_out(cast.ana.numbers.get().e164)
    days_go_by(91)
    sweep()
    reminder = Message.objects.get(event=Event.REMIND_RECHECK)
    assert (reminder.channel, reminder.address) == ("email", cast.ana.email)


# --- The end -------------------------------------------------------------------------------------
def test_the_consent_to_care_ends_them_all(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    workflow.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    assert became("recheck") == (State.PENDING, "")
    workflow.withdraw_consent(cast.ana, Consent.Kind.CARE)
    assert became("recheck") == (State.STOPPED, Why.CONSENT)


def test_a_suspended_person_is_reminded_of_nothing(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    people.suspend(cast.ana, cast.ada, "asked")
    days_go_by(91)
    assert sweep() == []
    assert became("recheck") == (State.STOPPED, Why.SUSPENDED)


def test_an_account_that_is_about_to_end_is_left_in_peace(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    days_go_by(91)
    erasure.ask(cast.ana, after_answers=False)
    assert sweep() == []
    people.keep_account(cast.ana)
    days_go_by(1.1)
    assert sweep() == ["recheck"], "they stayed"
    workflow.amend(the("recheck").case, cast.ruth, LATER, after=Review.objects.get())  # type: ignore[arg-type]  # it has one
    erasure.ask(cast.ana, after_answers=False)
    User.objects.filter(pk=cast.ana.pk).update(erase_asked_at=Now() - timedelta(days=8))
    assert erasure.sweep() == 1
    assert {nudge.why for nudge in Nudge.objects.all()} == {Why.AMENDED, Why.ERASED}


# --- The sunny season ----------------------------------------------------------------------------
@pytest.fixture
def north_in_may(cast: Cast) -> Cast:
    """It is the month in which summer begins in the north, and so ends in the south."""
    month = timezone.localtime().month
    Clinic.objects.filter(pk=cast.north.pk).update(sun_month=month)
    Clinic.objects.filter(pk=cast.south.pk).update(sun_month=(month + 5) % 12 + 1)
    return cast


def test_the_season_begins_in_each_hemisphere_by_itself(north_in_may: Cast) -> None:
    cast = north_in_may
    User.objects.filter(pk=cast.bo.pk).update(clinic=cast.south)
    cast.bo.refresh_from_db()
    for patient in (cast.ana, cast.bo):
        cases.submitted(patient, computer_check=False)
    assert workflow.begin_sun_season() == 1
    assert the("sun").patient == cast.ana
    assert sweep() == ["sun"]
    Clinic.objects.update(sun_month=None)
    assert workflow.begin_sun_season() == 0


def test_once_a_year_however_often_the_sweep_runs(north_in_may: Cast) -> None:
    cases.submitted(north_in_may.ana, computer_check=False)
    for _ in range(2):
        tasks.sweep_reminders()
    assert told(Event.REMIND_SUN) == [north_in_may.ana.email]
    Nudge.objects.update(year=F("year") - 1)
    days_go_by(365)
    tasks.sweep_reminders()
    assert len(told(Event.REMIND_SUN)) == 2


def test_it_concerns_those_who_sent_a_case_in_two_years(north_in_may: Cast) -> None:
    cast = north_in_may
    case = cases.submitted(cast.ana, computer_check=False)
    Case.objects.update(submitted_at=Now() - timedelta(days=731))
    assert workflow.begin_sun_season() == 0
    Case.objects.update(submitted_at=Now() - timedelta(days=729))
    workflow.withdraw(case, cast.ana)
    assert workflow.begin_sun_season() == 0, "nobody looked at that one"
    other = cases.submitted(cast.bo, computer_check=False)
    workflow.withdraw_consent(cast.bo, Consent.Kind.CARE)
    assert workflow.begin_sun_season() == 0
    people.give_consent(other.patient, Consent.Kind.CARE)
    assert workflow.begin_sun_season() == 1


def test_the_sun_makes_way_for_what_matters_more(north_in_may: Cast) -> None:
    answered(north_in_may.ana, north_in_may.ruth, AT_ONCE)
    days_go_by(2)  # the question is due in five days
    tasks.sweep_reminders()
    assert (the("sun").state, the("see_doctor").state) == (State.PENDING, State.PENDING)
    assert the("sun").held_at is not None
    days_go_by(6)
    assert sweep() == ["see_doctor"]
    days_go_by(7.1)
    assert sweep() == ["sun"]


def test_a_photo_soon_after_it_is_counted_as_its_effect(north_in_may: Cast) -> None:
    cases.submitted(north_in_may.ana, computer_check=False)
    tasks.sweep_reminders()
    days_go_by(31)
    cases.submitted(north_in_may.ana, computer_check=False)
    assert the("sun").state == State.TOLD, "too late to be one"
    days_go_by(-2)
    cases.submitted(north_in_may.ana, computer_check=False)
    assert the("sun").state == State.ACTED


# --- Whatever happens ----------------------------------------------------------------------------
def test_switched_off_nothing_is_sent_and_nothing_is_lost(
    north_in_may: Cast, settings: Settings
) -> None:
    settings.REMINDERS = False
    answered(north_in_may.ana, north_in_may.ruth, LATER)
    days_go_by(91)
    tasks.sweep_reminders()
    assert became("recheck") == (State.PENDING, "")
    settings.REMINDERS = True
    assert sweep() == ["recheck"]


def test_a_reminder_and_its_message_are_written_together_or_not_at_all(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(cast.ana, cast.ruth, LATER)
    days_go_by(91)

    def broken(*_: object) -> None:
        raise RuntimeError("the ledger is closed")

    monkeypatch.setattr(ledger, "tell", broken)
    with pytest.raises(RuntimeError):
        workflow.tell_next()
    monkeypatch.undo()
    monkeypatch.setattr(reminding, "DAY_ENDS", time.max)
    monkeypatch.setattr(reminding, "DAY_BEGINS", time.min)
    assert sweep() == ["recheck"]


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"state": "told"}, "nudge_told_has_a_time"),
        ({"state": "stopped"}, "nudge_stopped_says_why"),
        ({"told_at": Now()}, "nudge_pending_was_not_told"),
        ({"reply": "yes"}, "nudge_reply_to_a_question"),
        ({"case": None}, "nudge_has_its_cause"),
    ],
)
def test_the_database_refuses_what_cannot_be(
    cast: Cast, changes: dict[str, Any], constraint: str
) -> None:
    answered(cast.ana, cast.ruth, LATER)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Nudge.objects.update(**changes)
