"""Where reminders lead to, how they are stopped, and what doctors and admins see of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import reminders
from accounts.models import AuditEntry, User
from accounts.reminder_stop import Reminder
from diagnoses import everything, workflow
from diagnoses.models import Case, Nudge, Remark
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import Response, errors_of, text_of
from tests.diagnoses.test_nudges import AT_ONCE, IN_PERSON, LATER, answered
from tests.portal.test_design import hold_to_the_house_rules

pytestmark = pytest.mark.usefixtures("media")

COUNTS = reverse("admin:diagnoses_nudge_counts")
State = Nudge.State


@pytest.fixture(autouse=True)
def no_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


def told(patient: User, kind: str, **which: object) -> Nudge:
    """The reminder, as the sweep leaves it."""
    Nudge.objects.filter(patient=patient, kind=kind, **which).update(
        state=State.TOLD, told_at=Now(), due_at=Now(), not_before=Now()
    )
    return Nudge.objects.get(patient=patient, kind=kind, **which)


def asked(cast: Cast, answer: workflow.Answer = IN_PERSON) -> tuple[Case, Nudge]:
    case = answered(cast.ana, cast.ruth, answer)
    return case, told(cast.ana, "see_doctor")


def the_sun(cast: Cast) -> Nudge:
    now = timezone.now()
    Nudge.objects.create(
        patient=cast.ana, clinic=cast.north, kind="sun", year=2026, due_at=now, not_before=now
    )
    return told(cast.ana, "sun")


def page(client: Client, nudge: Nudge) -> Response:
    return client.get(reverse("reminder", args=[nudge.pk]))


def say(client: Client, nudge: Nudge, reply: str, words: str = "") -> Response:
    return client.post(reverse("reminder", args=[nudge.pk]), {"reply": reply, "words": words})


# --- The pages -----------------------------------------------------------------------------------
def test_each_kind_has_a_page_with_the_next_step_and_a_way_out(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    pages = {
        told(cast.ana, "recheck"): f'/cases/new/?about={case.pk}"',
        asked(cast)[1]: 'value="no_appointment"',
        the_sun(cast): f'href="{reverse("learn_lesson")}"',
    }
    client = cast.client(cast.ana)
    for nudge, step in pages.items():
        content = page(client, nudge).content.decode()
        assert step in content
        assert f'action="{reverse("account_reminder", args=[nudge.kind])}"' in content
        hold_to_the_house_rules(content)
        nudge.refresh_from_db()
        assert nudge.state == State.OPENED
        assert nudge.opened_at is not None


def test_the_page_is_its_patients_alone_and_there_once_it_was_told(cast: Cast) -> None:
    answered(cast.ana, cast.ruth, LATER)
    waiting = Nudge.objects.get()
    assert page(cast.client(cast.ana), waiting).status_code == 404
    nudge = told(cast.ana, "recheck")
    for other in (cast.bo, cast.ruth, cast.ada):
        assert page(cast.client(other), nudge).status_code == 404
    assert page(cast.client(), nudge).status_code == 302
    assert say(cast.client(cast.ana), nudge, "yes").status_code == 404, "it asks nothing"
    nudge.refresh_from_db()
    assert nudge.state == State.TOLD


def test_what_is_over_says_so_and_why(cast: Cast) -> None:
    case, nudge = asked(cast)
    workflow.amend(case, cast.ruth, LATER, after=case.reviews.get())
    client = cast.client(cast.ana)
    assert "Your doctor has changed the answer since" in text_of(page(client, nudge))
    refused = say(client, nudge, "yes")
    assert refused.status_code == 409
    assert "Please read it" in refused.content.decode()


def test_after_a_new_photo_nothing_more_is_asked(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    nudge = told(cast.ana, "recheck")
    cases.submitted(cast.ana, lesion=case.lesion)
    assert "You have sent a new photo" in text_of(page(cast.client(cast.ana), nudge))


def test_a_reminder_that_waits_stands_above_ones_marks(cast: Cast) -> None:
    case = answered(cast.ana, cast.ruth, LATER)
    client, marks = cast.client(cast.ana), reverse("lesion_list")
    assert "A reminder for you" not in text_of(client.get(marks))
    nudge = told(cast.ana, "recheck")
    assert reverse("reminder", args=[nudge.pk]) in client.get(marks).content.decode()
    reminders.stop(cast.ana, Reminder.RECHECK)
    assert "A reminder for you" not in text_of(client.get(marks))
    reminders.resume(cast.ana, Reminder.RECHECK)
    cases.submitted(cast.ana, lesion=case.lesion)
    assert "A reminder for you" not in text_of(client.get(marks))


@pytest.mark.parametrize("kind", ["recheck", "see_doctor", "sun"])
def test_a_reminders_page_costs_little(cast: Cast, kind: str) -> None:
    answered(cast.ana, cast.ruth, LATER)
    asked(cast)
    the_sun(cast)
    nudge, client = told(cast.ana, kind), cast.client(cast.ana)
    with CaptureQueriesContext(connection) as queries:
        assert page(client, nudge).status_code == 200
    assert len(queries) <= 8, [query["sql"][:80] for query in queries]


# --- Did you see the doctor? ---------------------------------------------------------------------
def test_the_answer_is_read_by_the_doctor_and_stands_in_the_history(cast: Cast) -> None:
    case, nudge = asked(cast)
    client = cast.client(cast.ana)
    done = client.post(
        reverse("reminder", args=[nudge.pk]),
        {"reply": "yes", "words": "It was cut out.\r\nResults next week."},
        follow=True,
    )
    assert "Thank you" in text_of(done)
    assert "You answered: Yes" in text_of(done)
    desk = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "The patient has seen the doctor" in desk
    assert "It was cut out." in desk
    own = text_of(client.get(reverse("case", args=[case.pk])))
    assert "You told us that you saw the doctor." in own
    assert "Results next week." in own
    assert AuditEntry.objects.filter(action="case.visit_told").count() == 1
    assert not Remark.objects.exists()


def test_a_double_click_answers_once_and_another_answer_counts(cast: Cast) -> None:
    case, nudge = asked(cast)
    client = cast.client(cast.ana)
    for _ in range(2):
        assert say(client, nudge, "not_yet", "Next month").status_code == 302
    assert case.events.filter(kind="visit_not_yet").count() == 1
    say(client, nudge, "yes")
    nudge.refresh_from_db()
    assert (nudge.reply, nudge.state) == ("yes", State.ACTED)
    assert case.events.filter(kind__startswith="visit_").count() == 2


def test_not_yet_is_asked_once_more_and_not_a_third_time(cast: Cast) -> None:
    _, nudge = asked(cast)
    client = cast.client(cast.ana)
    say(client, nudge, "not_yet")
    assert "We ask you once more in two weeks." in text_of(page(client, nudge))
    second = Nudge.objects.get(round=2)
    wait = second.due_at - timezone.now()
    assert timedelta(days=13.9) < wait < timedelta(days=14.1)
    say(client, nudge, "yes")
    second.refresh_from_db()
    assert (second.state, second.why) == (State.STOPPED, Nudge.Why.ANSWERED)
    say(client, nudge, "not_yet")
    second = told(cast.ana, "see_doctor", round=2)
    say(client, second, "not_yet")
    assert "once more" not in text_of(page(client, second))
    assert Nudge.objects.count() == 2


def test_who_got_no_appointment_stands_on_the_doctors_list(cast: Cast) -> None:
    case, nudge = asked(cast, AT_ONCE)
    client = cast.client(cast.ana)
    for _ in range(2):
        say(client, nudge, "no_appointment", "They said in May.")
    words = text_of(page(client, nudge))
    assert "We have told your clinic’s doctors." in words
    assert "call your clinic: your referral is urgent" in words
    listed = cast.client(cast.ruth).get(reverse("worklist") + "?show=asked").content.decode()
    assert case.reference in listed
    assert Message.objects.filter(event=Event.PATIENT_WROTE, recipient=cast.ruth).count() == 1
    remark = Remark.objects.get()
    assert remark.text == "I could not get an appointment.\nThey said in May."
    desk = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "Ana Silva has written to you" in desk
    assert "They said in May." in desk


def test_who_decided_not_to_is_not_asked_again(cast: Cast) -> None:
    case, nudge = asked(cast)
    say(cast.client(cast.ana), nudge, "decided_not")
    words = text_of(page(cast.client(cast.ana), nudge))
    assert "please see a doctor soon" in words
    assert Nudge.objects.count() == 1
    assert case.events.filter(kind="visit_decided_not").count() == 1


def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(cast: Cast) -> None:
    _, nudge = asked(cast)
    client = cast.client(cast.ana)
    answer = say(client, nudge, "", "The road is closed.")
    assert errors_of(answer) == {"reply": ["Choose one of the four."]}
    assert "The road is closed." in answer.content.decode()
    long = say(client, nudge, "yes", "x" * 501)
    assert errors_of(long) == {"words": ["Please write 500 letters at most."]}
    assert "x" * 501 in long.content.decode()
    assert say(client, nudge, "yes", "x\r\n" * 250).status_code == 302


# --- Stopping them -------------------------------------------------------------------------------
def test_one_press_on_the_page_stops_this_kind_and_the_account_page_undoes_it(cast: Cast) -> None:
    nudge, client = the_sun(cast), cast.client(cast.ana)
    stop = reverse("account_reminder", args=[nudge.kind])
    for _ in range(2):
        done = client.post(stop, {"answer": "stop"}, follow=True)
    words = text_of(done)
    assert "no more reminders of this kind" in words
    assert words.count("Stop these reminders") == 2
    assert words.count("Remind me again") == 1
    assert not reminders.wanted(cast.ana, "sun")
    assert reminders.wanted(cast.ana, "recheck")
    assert reminders.wanted(cast.bo, "sun")
    client.post(stop, {"answer": "resume"})
    assert reminders.wanted(cast.ana, "sun")
    trail = AuditEntry.objects.filter(action__startswith="reminders.").order_by("pk")
    assert [row.action for row in trail] == ["reminders.stopped", "reminders.resumed"]


def test_staff_have_no_reminders_to_stop(cast: Cast) -> None:
    doctor = cast.client(cast.ruth)
    assert "Reminders" not in text_of(doctor.get(reverse("account")))
    stop = reverse("account_reminder", args=["sun"])
    assert doctor.post(stop, {"answer": "stop"}).status_code == 404
    assert cast.client(cast.ana).get(stop).status_code == 405
    other = reverse("account_reminder", args=["everything"])
    assert cast.client(cast.ana).post(other, {"answer": "stop"}).status_code == 404


def test_they_are_part_of_the_copy_of_everything(cast: Cast) -> None:
    case, nudge = asked(cast)
    say(cast.client(cast.ana), nudge, "yes")
    reminders.stop(cast.ana, Reminder.SUN)
    record = everything.gather(cast.ana).record
    [mine] = record["reminders"]
    assert (mine["about_case"], mine["answer"]) == (str(case.pk), "yes")
    assert [stop["what"] for stop in record["reminders_stopped"]] == ["sun"]


# --- What admins see -----------------------------------------------------------------------------
def rows(cast: Cast, kind: str, number: int, **fields: object) -> None:
    """So many reminders that were due this minute; each of its own answer."""
    case = answered(cast.ana, cast.ruth, LATER)
    review, now = case.reviews.get(), timezone.now()
    Nudge.objects.filter(case=case).delete()
    common = {
        "patient": cast.ana, "clinic": case.clinic, "case": case, "kind": kind,
        "due_at": now, "not_before": now,
    }  # fmt: skip
    Nudge.objects.bulk_create(
        Nudge(**common, review=review, round=place, **fields) for place in range(number)
    )


def test_an_admin_sees_how_they_fare(cast: Cast) -> None:
    now = timezone.now()
    seen = {"told_at": now, "opened_at": now}
    rows(cast, "recheck", 20, state="acted", acted_at=now, **seen)
    rows(cast, "recheck", 10, state="acted", acted_at=now + timedelta(days=31), **seen)
    rows(cast, "recheck", 10, state="told", told_at=now, held_at=now)
    after, before = now + timedelta(minutes=5), now - timedelta(hours=1)
    rows(cast, "recheck", 2, state="stopped", why="opted_out", stopped_at=after)
    rows(cast, "see_doctor", 29, state="told", told_at=now)
    rows(cast, "see_doctor", 3, state="stopped", why="new_photo", stopped_at=before)
    reminders.stop(cast.bo, Reminder.RECHECK)
    client = cast.client(cast.ada)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(COUNTS)
    assert len(queries) <= 8
    recheck, visit = answer.context["lines"]
    assert (recheck.due, recheck.told, recheck.opened, recheck.acted) == (42, 40, 30, 20)
    assert (recheck.held, recheck.stops, recheck.acted_percent) == (10, 1, 50)
    assert (visit.due, visit.told, visit.acted, visit.stops) == (29, 29, 0, 0)
    content = answer.content.decode()
    assert 'aria-label="30 opened and 20 acted upon, of 40"' in content
    assert content.count("<rect") == 3
    assert content.count("not enough cases") == 1
    assert " style=" not in content.split("nudge-counts")[1]


def test_another_clinics_are_not_counted(cast: Cast) -> None:
    rows(cast, "recheck", 1)
    Nudge.objects.update(clinic=cast.south)
    reminders.stop(cast.xu, Reminder.SUN)
    assert cast.client(cast.ada).get(COUNTS).context["lines"] == []
    assert "No reminder was due yet" in cast.client(cast.ada).get(COUNTS).content.decode()
    assert len(cast.client(cast.root).get(COUNTS).context["lines"]) == 2
    for other in (cast.ruth, cast.ana):
        assert cast.client(other).get(COUNTS).status_code == 404


def test_the_rows_are_to_look_at_and_hold_no_answer(cast: Cast) -> None:
    _, nudge = asked(cast)
    say(cast.client(cast.ana), nudge, "decided_not", "For Ruth's eyes only.")
    client = cast.client(cast.ada)
    listed = client.get(reverse("admin:diagnoses_nudge_changelist"))
    assert "How they fare" in listed.content.decode()
    row = client.get(reverse("admin:diagnoses_nudge_change", args=[nudge.pk]))
    assert row.status_code == 200
    assert "decided" not in row.content.decode()
    assert 'name="_save"' not in row.content.decode()
