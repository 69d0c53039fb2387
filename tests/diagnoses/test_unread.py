"""An urgent answer nobody opened: its patient is told again, then called; what ends that."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts import audit, people
from accounts.models import AuditEntry, Consent, User
from diagnoses import workflow
from diagnoses.models import Case, Escalation, Opened, Review
from diagnoses.workflow import Answer
from notifications import again
from notifications.models import Channel, Event, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import page, text_of

pytestmark = pytest.mark.usefixtures("media")

Step = Escalation.Step
URGENT = Answer("mel", Review.Plan.REFER_URGENT, "Please come this week.")
CALM = Answer("nv", Review.Plan.REASSURE, "Harmless.")


@pytest.fixture(autouse=True)
def nothing_to_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


def answered(patient: User, doctor: User, answer: Answer = URGENT) -> Case:
    case = cases.submitted(patient, computer_check=False)
    workflow.read_first(case, doctor, diagnosis="mel", confidence="sure", plan="refer_urgent")
    workflow.sign(case, doctor, answer)
    return case


def hours_go_by(hours: float) -> None:
    """Everything happened that much earlier. Answers are written once, but for the test's owner."""
    gone = timedelta(hours=hours)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE diagnoses_review DISABLE TRIGGER USER")
        Review.objects.update(effective_at=F("effective_at") - gone)
        cursor.execute("ALTER TABLE diagnoses_review ENABLE TRIGGER USER")
    Escalation.objects.update(told_at=F("told_at") - gone)
    Message.objects.update(created_at=F("created_at") - gone)


def delivered(event: Event) -> None:
    """By the way they left on."""
    rows = Message.objects.filter(event=event).exclude(channel=Channel.STAFF)
    rows.update(state=Message.State.DELIVERED, sent_at=Now(), settled_at=Now(), run_after=None)


def ways(event: Event) -> list[tuple[str, str]]:
    """To whom, by first name, and how; what was withdrawn does not count."""
    rows = Message.objects.filter(event=event).exclude(state=Message.State.CANCELLED)
    return sorted(
        (str(email).partition("@")[0], channel)
        for email, channel in rows.values_list("recipient__email", "channel")
    )


def steps(case: Case) -> list[str]:
    return sorted(case.escalations.values_list("step", flat=True))


# --- The steps -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sender", "next_way"), [("+15005550007", Channel.SMS), ("", Channel.EMAIL)]
)
def test_after_a_day_the_patient_is_told_again_by_the_next_way(
    cast: Cast, settings: Settings, sender: str, next_way: Channel
) -> None:
    settings.TWILIO_SMS_FROM = sender
    case = answered(cast.ana, cast.ruth)
    delivered(Event.CASE_SIGNED)
    assert ways(Event.CASE_SIGNED) == [("ana", "whatsapp")]
    hours_go_by(24 - 1 / 60)
    workflow.escalate()
    assert steps(case) == []
    hours_go_by(2 / 60)
    workflow.escalate()
    assert steps(case) == [Step.AGAIN]
    assert ways(Event.URGENT_UNREAD) == [("ana", next_way)]
    workflow.escalate()
    assert len(ways(Event.URGENT_UNREAD)) == 1, "and never again"


def test_after_a_text_message_the_next_way_is_an_e_mail(cast: Cast, settings: Settings) -> None:
    settings.TWILIO_SMS_FROM = "+15005550007"
    answered(cast.ana, cast.ruth)
    again.fall_back(Message.objects.get(event=Event.CASE_SIGNED), "63003")
    hours_go_by(25)
    workflow.escalate()
    assert ways(Event.URGENT_UNREAD) == [("ana", "email")]


def test_a_day_later_the_signer_is_told_and_staff_are_asked_to_call(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth)
    hours_go_by(25)
    workflow.escalate()
    hours_go_by(24 - 1 / 60)
    workflow.escalate()
    assert steps(case) == [Step.AGAIN]
    hours_go_by(2 / 60)
    workflow.escalate()
    assert steps(case) == [Step.AGAIN, Step.CALL]
    assert [who for who, _way in ways(Event.ANSWER_UNREAD)] == ["ruth"]
    assert ways(Event.URGENT_CALL) == [("ana", "staff")]
    task = Message.objects.get(event=Event.URGENT_CALL)
    assert (task.state, task.run_after) == (Message.State.PENDING, None)
    hours_go_by(500)
    workflow.escalate()
    assert len(steps(case)) == 2


def test_where_the_signer_reads_here_no_more_every_doctor_is_told(cast: Cast) -> None:
    answered(cast.ana, cast.ruth)
    User.objects.filter(pk=cast.ruth.pk).update(is_active=False)
    hours_go_by(25)
    workflow.escalate()
    hours_go_by(25)
    workflow.escalate()
    assert [who for who, _way in ways(Event.ANSWER_UNREAD)] == ["sam"]


def test_who_has_only_an_address_is_written_to_once_more(cast: Cast) -> None:
    answered(cast.bo, cast.ruth)
    hours_go_by(25)
    workflow.escalate()
    assert ways(Event.URGENT_UNREAD) == [("bo", "email")]


def test_an_answer_that_is_not_urgent_is_left_to_its_reader(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, CALM)
    hours_go_by(100)
    workflow.escalate()
    assert steps(case) == []


def test_an_account_nobody_can_log_in_with_is_called_at_once(cast: Cast) -> None:
    answered(cast.bo, cast.ruth)
    User.objects.filter(pk=cast.bo.pk).update(is_active=False)
    hours_go_by(25)
    workflow.escalate()
    assert ways(Event.URGENT_UNREAD) == []
    assert ways(Event.URGENT_CALL) == [("bo", "staff")]


def test_two_days_without_workers_skip_no_step(cast: Cast) -> None:
    case = answered(cast.bo, cast.ruth)
    hours_go_by(24 + 48)
    workflow.escalate()
    workflow.escalate()
    assert steps(case) == [Step.AGAIN], "their day to read it begins now"
    hours_go_by(24.1)
    workflow.escalate()
    assert steps(case) == [Step.AGAIN, Step.CALL]


def test_answers_from_before_anybody_asked_are_left_alone(cast: Cast) -> None:
    case = answered(cast.bo, cast.ruth)
    hours_go_by(31 * 24)
    workflow.escalate()
    assert steps(case) == []


def test_many_unread_answers_cost_no_more_statements_than_two(cast: Cast) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            workflow.escalate()
        return len(captured)

    def both_steps(number: int) -> list[int]:
        for _ in range(number):
            answered(cast.ana, cast.ruth)
        costs = []
        for _ in range(2):
            hours_go_by(25)
            costs.append(statements())
        return costs

    few = both_steps(2)
    assert both_steps(12) == few
    assert len(ways(Event.URGENT_CALL)) == 14


# --- What ends it --------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["page", "fragment", "api", "report"])
def test_opening_the_answer_ends_it(cast: Cast, where: str) -> None:
    case = answered(cast.ana, cast.ruth)
    if where == "api":
        assert cast.api(cast.ana).get(f"/api/v1/cases/{case.pk}").status_code == 200
    elif where == "report":
        assert cast.client(cast.ana).get(f"/cases/{case.pk}/report.pdf").status_code == 200
    else:
        query = "?fragment=1" if where == "fragment" else ""
        assert "Please come this week." in text_of(page(cast.client(cast.ana), case, query))
    opened = Opened.objects.get()
    assert (opened.person, opened.how) == (cast.ana, Opened.How.PAGE)
    hours_go_by(100)
    workflow.escalate()
    assert steps(case) == []


def test_looking_at_the_case_before_the_answer_is_not_reading_it(
    cast: Cast, settings: Settings
) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    case = answered(cast.ana, cast.ruth)
    assert "Please come this week." not in text_of(page(cast.client(cast.ana), case))
    assert not Opened.objects.exists()


def test_a_doctor_or_an_admin_does_not_open_it_for_them(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth)
    cast.client(cast.sam).get(f"/worklist/{case.pk}/")
    cast.client(cast.sam).get(f"/cases/{case.pk}/report.pdf")
    cast.api(cast.sam).get(f"/api/v1/cases/{case.pk}")
    assert not Opened.objects.exists()


def test_opening_it_takes_back_what_waits_and_nobody_need_call(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth)
    for _ in range(2):
        hours_go_by(25)
        workflow.escalate()
    assert ways(Event.URGENT_CALL) == [("ana", "staff")]
    page(cast.client(cast.ana), case)
    for event in (Event.URGENT_UNREAD, Event.ANSWER_UNREAD, Event.URGENT_CALL):
        assert ways(event) == [], event
    page(cast.client(cast.ana), case)
    assert Opened.objects.count() == 1


def test_a_staff_member_who_told_them_ends_it(cast: Cast) -> None:
    """E-mail had failed, and somebody called before the day was over."""
    case = answered(cast.bo, cast.ruth)
    message = Message.objects.get(event=Event.CASE_SIGNED)
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED, run_after=None)
    message.refresh_from_db()
    task = again.fall_back(message)
    assert task is not None
    again.done_by_hand(task, cast.ada)
    for _ in range(2):
        hours_go_by(25)
        workflow.escalate()
    assert ways(Event.URGENT_UNREAD) == []
    assert ways(Event.URGENT_CALL) == []
    assert ways(Event.ANSWER_UNREAD) == []
    assert steps(case) == [Step.AGAIN, Step.CALL], "looked at, and nobody told"


def test_a_task_that_waits_already_is_not_doubled(cast: Cast) -> None:
    answered(cast.bo, cast.ruth)
    message = Message.objects.get(event=Event.CASE_SIGNED)
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED, run_after=None)
    message.refresh_from_db()
    again.fall_back(message)
    for _ in range(2):
        hours_go_by(25)
        workflow.escalate()
    waiting = Message.objects.filter(channel=Channel.STAFF, state=Message.State.PENDING)
    assert [row.event for row in waiting] == [Event.CASE_SIGNED]
    assert [who for who, _way in ways(Event.ANSWER_UNREAD)] == ["ruth"]


def test_a_doctor_says_that_they_told_them(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth)
    here = f"/worklist/{case.pk}/"
    assert "has not opened this answer yet" in text_of(cast.client(cast.sam).get(here))
    told = reverse("reading_told", args=[case.pk])
    for _ in range(2):
        assert cast.client(cast.sam).post(told).status_code == 302
    opened = Opened.objects.get()
    assert (opened.person, opened.how) == (cast.sam, Opened.How.TOLD)
    assert AuditEntry.objects.filter(action="case.told_in_person").count() == 1
    assert [event.actor for event in case.events.filter(kind="told_in_person")] == [cast.sam]
    text = text_of(cast.client(cast.ruth).get(here))
    assert "Told by Sam Patel" in text
    assert "has not opened this answer yet" not in text
    hours_go_by(100)
    workflow.escalate()
    assert steps(case) == []


def test_only_a_doctor_of_the_clinic_says_so_and_only_of_an_answer(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth)
    told = reverse("reading_told", args=[case.pk])
    for who in (cast.ana, cast.ada, cast.xu):
        assert cast.client(who).post(told).status_code == 404
    with pytest.raises(workflow.WorkflowError):
        workflow.told_by_doctor(case, cast.xu)
    waiting = cases.submitted(cast.ana, computer_check=False)
    with pytest.raises(workflow.WorkflowError):
        workflow.told_by_doctor(waiting, cast.ruth)
    assert not Opened.objects.exists()


def test_a_calmer_answer_ends_it_and_another_urgent_one_does_not(cast: Cast) -> None:
    calmer, still = answered(cast.ana, cast.ruth), answered(cast.bo, cast.ruth)
    for _ in range(2):
        hours_go_by(25)
        workflow.escalate()
    assert [who for who, _way in ways(Event.URGENT_CALL)] == ["ana", "bo"]
    workflow.amend(calmer, cast.ruth, CALM, after=calmer.reviews.get())
    workflow.amend(still, cast.ruth, URGENT, after=still.reviews.get())
    assert [who for who, _way in ways(Event.URGENT_CALL)] == ["bo"]
    page(cast.client(cast.bo), still)
    assert ways(Event.URGENT_CALL) == []


def test_who_has_been_erased_is_asked_after_no_more(cast: Cast) -> None:
    case = answered(cast.bo, cast.ruth)
    people.erase(cast.bo)
    hours_go_by(100)
    workflow.escalate()
    assert steps(case) == []


def test_whoever_said_stop_is_told_by_e_mail(cast: Cast) -> None:
    answered(cast.ana, cast.ruth)
    people.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    hours_go_by(25)
    workflow.escalate()
    assert ways(Event.URGENT_UNREAD) == [("ana", "email")]


def test_the_message_names_nothing(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    from notifications import delivery

    answered(cast.bo, cast.ruth)
    hours_go_by(25)
    workflow.escalate()
    delivery.deliver_due(100)
    [mail] = [mail for mail in mailoutbox if "Please read" in mail.subject]
    assert not any(word in mail.body.lower() for word in ("urgent", "bo berg", "ruth", "come"))


def test_answers_opened_before_this_began_are_taken_from_the_trail(cast: Cast) -> None:
    seen, unseen, by_doctor = (answered(cast.ana, cast.ruth) for _ in range(3))
    audit.record("case.viewed", actor=cast.ana, about=f"case:{seen.pk}")
    audit.record("case.viewed", actor=cast.sam, about=f"case:{by_doctor.pk}")
    migration = import_module("diagnoses.migrations.0015_escalation")
    with connection.cursor() as cursor:
        cursor.execute(migration.FROM_THE_TRAIL)
    assert [opened.review.case for opened in Opened.objects.all()] == [seen]
    assert unseen.reviews.exists()
