"""Cases that wait too long: told once and step by step, by the rows and the database's clock."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Clinic, User
from diagnoses import tasks, workflow
from diagnoses.models import Case, Escalation
from diagnoses.workflow import Answer, late, reminding
from notifications import delivery
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")

HOUR, MOMENT = timedelta(hours=1), timedelta(seconds=30)
Step = Escalation.Step
CALM = Answer("nv", "reassure", "Harmless.")


@pytest.fixture(autouse=True)
def it_is_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour of the test's own run must not matter."""
    monkeypatch.setattr(reminding, "DAY_BEGINS", time.min)
    monkeypatch.setattr(reminding, "DAY_ENDS", time.max)


def waiting(patient: User, tier: str | None, left: timedelta, **sent: Any) -> Case:
    """A case with a doctor to come, sent three days ago and due in ``left``."""
    case = cases.submitted(patient, computer_check=False, **sent)
    Case.objects.filter(pk=case.pk).update(
        tier=tier, answer_due_at=Now() + left, submitted_at=Now() - timedelta(days=3)
    )
    case.refresh_from_db()
    return case


def many_late(cast: Cast, number: int, tier: str = "amber") -> None:
    due = timezone.now() - HOUR
    Case.objects.bulk_create(
        Case(
            pack_name="skin", patient=cast.ana, clinic=cast.north, site="back",
            status=Case.Status.PARTIAL, tier=tier, answer_due_at=due,
        )
        for _ in range(number)
    )  # fmt: skip


def told(event: Event) -> list[str]:
    """Who was told of it, by first name; what was withdrawn does not count."""
    rows = Message.objects.filter(event=event).exclude(state=Message.State.CANCELLED)
    names = rows.values_list("recipient__email", flat=True)
    return sorted(str(name).partition("@")[0] for name in names)


def taken(case: Case) -> list[str]:
    return sorted(case.escalations.values_list("step", flat=True))


def hours_go_by(hours: float) -> None:
    """Everything happened that much earlier."""
    gone = timedelta(hours=hours)
    Case.objects.update(
        answer_due_at=F("answer_due_at") - gone, submitted_at=F("submitted_at") - gone
    )
    Escalation.objects.update(told_at=F("told_at") - gone)
    Message.objects.update(created_at=F("created_at") - gone)


def sign(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, CALM)


def test_of_a_batch_only_those_are_told_whose_cases_are_in_hand(cast: Cast) -> None:
    batch = late.Batch()
    urgent, calm = waiting(cast.bo, "red", -MOMENT), waiting(cast.ana, "amber", -MOMENT)
    batch.add(urgent, [cast.sam])
    batch.add(calm, [cast.sam, cast.ruth])
    assert batch.told([urgent, calm]) == {cast.sam: True, cast.ruth: False}
    assert batch.told([calm]) == {cast.sam: False, cast.ruth: False}
    assert batch.told([urgent]) == {cast.sam: True}


# --- Urgent ones, before their time --------------------------------------------------------------
def test_an_urgent_case_is_told_of_four_hours_before_its_time(cast: Cast) -> None:
    case = waiting(cast.bo, "red", 4 * HOUR + MOMENT)
    workflow.escalate()
    assert told(Event.CASE_DUE) == []
    Case.objects.update(answer_due_at=Now() + 4 * HOUR - MOMENT)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"]
    assert taken(case) == [Step.DUE]
    link = Message.objects.filter(event=Event.CASE_DUE).first().link  # type: ignore[union-attr]
    assert link is not None
    assert link.path == f"/worklist/{case.pk}/"
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"], "and never again"


def test_the_doctor_asked_for_is_told_alone_while_they_read_here(cast: Cast) -> None:
    waiting(cast.bo, "red", HOUR, doctor=cast.sam)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["sam"]
    waiting(cast.ana, "red", HOUR, doctor=cast.sam)
    User.objects.filter(pk=cast.sam.pk).update(is_active=False)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"]


def test_a_case_without_the_computers_view_counts_as_urgent_and_a_calmer_one_does_not(
    cast: Cast,
) -> None:
    unscored, amber = waiting(cast.bo, None, HOUR), waiting(cast.bo, "amber", HOUR)
    workflow.escalate()
    assert (taken(unscored), taken(amber)) == ([Step.DUE], [])


def test_where_the_clinic_promises_an_answer_within_two_hours_the_first_goes_by_in_peace(
    cast: Cast,
) -> None:
    case = waiting(cast.bo, "red", 2 * HOUR)
    Case.objects.update(submitted_at=Now())
    workflow.escalate()
    assert taken(case) == []
    hours_go_by(0.99)
    workflow.escalate()
    assert taken(case) == []
    hours_go_by(0.02)
    workflow.escalate()
    assert taken(case) == [Step.DUE]


def test_many_urgent_cases_at_once_are_one_message_to_each_doctor(cast: Cast) -> None:
    for _ in range(late.MOST_ONE_BY_ONE + 1):
        waiting(cast.bo, "red", HOUR)
    waiting(cast.bo, "amber", HOUR)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"]
    assert Escalation.objects.count() == late.MOST_ONE_BY_ONE + 1
    paths = set(Message.objects.filter(event=Event.CASE_DUE).values_list("link__path", flat=True))
    assert paths == {late.DUE_LIST}


# --- Past their time -----------------------------------------------------------------------------
def test_the_doctors_are_told_once_when_a_case_is_past_its_time(cast: Cast) -> None:
    case = waiting(cast.bo, "green", MOMENT)
    workflow.escalate()
    assert told(Event.CASE_LATE) == []
    Case.objects.update(answer_due_at=Now() - MOMENT)
    workflow.escalate()
    assert told(Event.CASE_LATE) == ["ruth", "sam"]
    assert taken(case) == [Step.LATE]
    hours_go_by(20)
    workflow.escalate()
    assert told(Event.CASE_LATE) == ["ruth", "sam"], "and never again"


def test_after_a_further_day_the_clinics_admins_are_told(cast: Cast) -> None:
    case = waiting(cast.bo, "amber", -MOMENT)
    workflow.escalate()
    hours_go_by(24 - 1 / 60)
    workflow.escalate()
    assert taken(case) == [Step.LATE]
    hours_go_by(2 / 60)
    workflow.escalate()
    assert taken(case) == [Step.ADMINS, Step.LATE]
    assert told(Event.CASE_LATE) == ["ada", "ruth", "sam"]
    hours_go_by(100)
    workflow.escalate()
    assert told(Event.CASE_LATE) == ["ada", "ruth", "sam"]


def test_of_an_urgent_case_the_admins_are_told_after_four_hours(cast: Cast) -> None:
    case = waiting(cast.bo, "red", -MOMENT)
    workflow.escalate()
    hours_go_by(3.99)
    workflow.escalate()
    assert taken(case) == [Step.LATE]
    hours_go_by(0.02)
    workflow.escalate()
    assert taken(case) == [Step.ADMINS, Step.LATE]


def test_the_admins_link_leads_to_the_cases_past_their_time(cast: Cast) -> None:
    slow = waiting(cast.bo, "amber", -HOUR)
    intime = waiting(cast.bo, "amber", HOUR)
    page = cast.client(cast.ada).get(late.ADMINS_LIST).content.decode()
    assert slow.reference in page
    assert intime.reference not in page


def test_a_clinic_without_doctors_or_admins_of_its_own_still_finds_somebody(cast: Cast) -> None:
    User.objects.filter(pk__in=[cast.ruth.pk, cast.sam.pk, cast.ada.pk]).update(is_active=False)
    waiting(cast.bo, "amber", -MOMENT)
    workflow.escalate()
    assert told(Event.CASE_LATE) == ["root"]


def test_another_clinics_people_hear_nothing(cast: Cast) -> None:
    waiting(cast.bo, "red", -MOMENT)
    workflow.escalate()
    hours_go_by(30)
    workflow.escalate()
    assert "xu" not in told(Event.CASE_LATE)


def test_what_becomes_late_after_the_days_message_waits_for_the_next_day(cast: Cast) -> None:
    noon = timezone.localtime().replace(hour=12)
    waiting(cast.bo, "amber", -MOMENT)
    assert late.tell_of_late(cast.north, noon) == 1
    Message.objects.update(created_at=noon)
    second = waiting(cast.ana, "amber", -MOMENT)
    assert late.tell_of_late(cast.north, noon + 11 * HOUR) == 0
    assert taken(second) == []
    assert late.tell_of_late(cast.north, noon + 13 * HOUR) == 1
    assert told(Event.CASE_LATE) == ["ruth", "ruth", "sam", "sam"]


def test_each_doctor_has_their_own_day(cast: Cast) -> None:
    """Ruth was told this morning; the case asked of Sam is told to Sam all the same."""
    waiting(cast.bo, "amber", -MOMENT, doctor=cast.ruth)
    workflow.escalate()
    waiting(cast.bo, "amber", -MOMENT, doctor=cast.sam)
    workflow.escalate()
    assert told(Event.CASE_LATE) == ["ruth", "sam"]


def test_an_urgent_case_waits_neither_for_the_next_day_nor_for_the_morning(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(cast.bo, "amber", -MOMENT)
    workflow.escalate()
    monkeypatch.setattr(reminding, "DAY_ENDS", time.min)
    red, calm = waiting(cast.ana, "red", -MOMENT), waiting(cast.ana, "green", -MOMENT)
    workflow.escalate()
    assert taken(red) == [Step.LATE]
    assert taken(calm) == [Step.LATE], "told with it: the same message leads to both"
    assert told(Event.CASE_LATE) == ["ruth", "ruth", "sam", "sam"]


def test_at_night_what_is_not_urgent_waits_for_the_morning_where_the_clinic_is(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminding, "DAY_BEGINS", time(9))
    monkeypatch.setattr(reminding, "DAY_ENDS", time(19))
    Clinic.objects.filter(pk=cast.north.pk).update(time_zone="Europe/Madrid")
    cast.north.refresh_from_db()
    case = waiting(cast.bo, "amber", -MOMENT)
    night = datetime(2027, 1, 5, 7, 59, 59, tzinfo=timezone.get_fixed_timezone(0))
    assert late.tell_of_late(cast.north, night) == 0
    assert late.tell_of_late(cast.north, night + MOMENT) == 1, "nine o'clock in Madrid"
    assert taken(case) == [Step.LATE]


# --- Nothing ran for two days, and nothing is a flood --------------------------------------------
def test_after_two_days_without_workers_each_doctor_gets_one_message(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    many_late(cast, 200)
    for _ in range(8):
        waiting(cast.bo, "red", -HOUR)
    hours_go_by(48)
    tasks.sweep_escalations()
    assert told(Event.CASE_LATE) == ["ruth", "sam"]
    assert told(Event.CASE_DUE) == [], "it is too late for that"
    assert Escalation.objects.filter(step=Step.LATE).count() == 208
    tasks.sweep_escalations()
    assert Message.objects.filter(event=Event.CASE_LATE).count() == 2
    hours_go_by(25)
    tasks.sweep_escalations()
    assert told(Event.CASE_LATE) == ["ada", "ruth", "sam"]
    delivery.deliver_due(100)
    [mail] = [mail for mail in mailoutbox if mail.to == [cast.ada.email]]
    assert not any(character.isdigit() for character in str(mail.subject))


def test_a_thousand_late_cases_cost_no_more_statements_than_ten(
    cast: Cast, settings: Settings
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            workflow.escalate()
        assert not Case.objects.filter(escalations=None, status="partial").exists()
        return len(captured)

    many_late(cast, 10)
    few = statements()
    Message.objects.update(created_at=F("created_at") - timedelta(days=1))
    many_late(cast, 1000)
    assert statements() == few
    hours_go_by(25)
    with CaptureQueriesContext(connection) as captured:
        workflow.escalate()
    assert Escalation.objects.filter(step=Step.ADMINS).count() == 1010
    assert len(captured) <= few + 2
    with CaptureQueriesContext(connection) as idle:
        workflow.escalate()
    assert len(idle) <= 20, "two clinics with nothing to tell"


# --- What ends it --------------------------------------------------------------------------------
def test_a_case_that_is_signed_or_withdrawn_is_told_of_no_more(cast: Cast) -> None:
    signed, withdrawn = waiting(cast.bo, "red", HOUR), waiting(cast.ana, "red", HOUR)
    sign(signed, cast.ruth)
    workflow.withdraw(withdrawn, cast.ana)
    hours_go_by(200)
    workflow.escalate()
    assert not Escalation.objects.exists()


def test_what_has_not_left_yet_stays_here_when_the_case_is_signed(cast: Cast) -> None:
    case = waiting(cast.bo, "red", HOUR)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"]
    sign(case, cast.ruth)
    assert told(Event.CASE_DUE) == []
    links = [row.link for row in Message.objects.filter(event=Event.CASE_DUE)]
    assert all(link is not None and link.revoked_at is not None for link in links)


def test_the_message_of_many_is_withdrawn_with_the_last_of_them(cast: Cast) -> None:
    first, last = waiting(cast.bo, "amber", -MOMENT), waiting(cast.ana, "amber", -MOMENT)
    workflow.escalate()
    workflow.withdraw(first, cast.bo)
    assert told(Event.CASE_LATE) == ["ruth", "sam"]
    sign(last, cast.ruth)
    assert told(Event.CASE_LATE) == []


def test_a_signature_taken_back_finds_the_case_waiting_as_before(cast: Cast) -> None:
    case = waiting(cast.bo, "red", HOUR)
    workflow.escalate()
    sign(case, cast.ruth)
    workflow.undo_signature(case, cast.ruth)
    workflow.escalate()
    assert told(Event.CASE_DUE) == ["ruth", "sam"]


def test_a_signature_taken_back_repeats_nothing_that_had_left(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    case = waiting(cast.bo, "red", HOUR)
    workflow.escalate()
    Message.objects.filter(event=Event.CASE_DUE).update(
        state=Message.State.SENT, sent_at=Now(), run_after=None
    )
    sign(case, cast.ruth)
    workflow.undo_signature(case, cast.ruth)
    workflow.escalate()
    assert Message.objects.filter(event=Event.CASE_DUE).count() == 2


# --- The rows, the page, the sweep ---------------------------------------------------------------
def test_a_step_is_taken_once_whatever_runs(cast: Cast) -> None:
    case = waiting(cast.bo, "amber", -MOMENT)
    workflow.escalate()
    with pytest.raises(IntegrityError), transaction.atomic():
        Escalation.objects.create(clinic=cast.north, case=case, step=Step.LATE, about="again")


def test_one_clinics_trouble_keeps_no_other_waiting(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from diagnoses.workflow import escalating

    waiting(cast.bo, "amber", -MOMENT)
    User.objects.filter(pk=cast.bo.pk).update(clinic=cast.south)
    cast.bo.refresh_from_db()
    waiting(cast.bo, "amber", -MOMENT)
    real = late.tell_of_late

    def fails_in_the_north(clinic: Clinic, now: datetime) -> int:
        if clinic == cast.north:
            raise RuntimeError("no such luck")
        return real(clinic, now)

    monkeypatch.setattr(escalating, "tell_of_late", fails_in_the_north)
    assert workflow.escalate() == 1
    assert told(Event.CASE_LATE) == ["xu"]
    assert "clinic" in caplog.text


def test_the_link_leads_a_doctor_to_the_late_list(cast: Cast) -> None:
    case = waiting(cast.bo, "amber", -MOMENT)
    workflow.escalate()
    message = Message.objects.get(event=Event.CASE_LATE, recipient=cast.ruth)
    assert message.link is not None
    opened = cast.client(cast.ruth).get(reverse("link", args=[message.link.token]))
    assert opened.status_code == 302
    assert case.reference in cast.client(cast.ruth).get(opened["Location"]).content.decode()
