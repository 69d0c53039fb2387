"""What waits too long when two are at it at once: on real connections, with real commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import time as hour
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from diagnoses import workflow
from diagnoses.models import Case, Escalation, Opened
from diagnoses.workflow import Answer, reminding, unread
from notifications import ledger
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast, build_cast
from tests.together import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

URGENT = Answer("mel", "refer_urgent", "Please come this week.")


@pytest.fixture
def cast(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """By day, and no time to undo a signature."""
    settings.UNDO_SIGNATURE = timedelta(0)
    monkeypatch.setattr(reminding, "DAY_BEGINS", hour.min)
    monkeypatch.setattr(reminding, "DAY_ENDS", hour.max)
    return build_cast()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A sweep's telling takes its time; set once it has begun."""
    begun, tell = threading.Event(), ledger.tell

    def slowly(*notices: Any) -> Any:
        if any(notice.event in (Event.CASE_LATE, Event.URGENT_UNREAD) for notice in notices):
            begun.set()
            time.sleep(0.5)
        return tell(*notices)

    monkeypatch.setattr(ledger, "tell", slowly)
    return begun


def started(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def late(cast: Cast) -> Case:
    case = cases.submitted(cast.bo, computer_check=False)
    workflow.read_first(case, cast.ruth, diagnosis="mel", confidence="sure", plan="refer_urgent")
    Case.objects.update(tier="amber", answer_due_at=timezone.now())
    return case


def unread_answer(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(unread, "AGAIN_AFTER", timedelta(0))
    case = late(cast)
    workflow.sign(case, cast.ruth, URGENT)
    return case


def standing(event: Event) -> int:
    return Message.objects.filter(event=event).exclude(state=Message.State.CANCELLED).count()


def test_two_sweeps_at_once_tell_once(cast: Cast, slow: threading.Event) -> None:
    late(cast)
    at_once(*[workflow.escalate] * 2)
    assert standing(Event.CASE_LATE) == 2, "Ruth and Sam"
    assert Escalation.objects.count() == 1


def test_a_signature_during_the_sweep_takes_the_message_back(
    cast: Cast, slow: threading.Event
) -> None:
    case = late(cast)
    sweep = started(workflow.escalate)
    assert slow.wait(10)
    workflow.sign(case, cast.ruth, URGENT)  # waits for the sweep, which holds the case
    sweep.join(30)
    assert Message.objects.filter(event=Event.CASE_LATE).count() == 2
    assert standing(Event.CASE_LATE) == 0
    assert not Escalation.objects.exists()


def test_a_sweep_during_the_signature_waits_for_nobody_and_tells_nothing(cast: Cast) -> None:
    case = late(cast)
    with transaction.atomic():
        workflow.sign(case, cast.ruth, URGENT)
        sweep = started(workflow.escalate)
        sweep.join(20)
        assert not sweep.is_alive()
    workflow.escalate()
    assert standing(Event.CASE_LATE) == 0


def test_a_withdrawal_during_the_sweep_takes_the_message_back(
    cast: Cast, slow: threading.Event
) -> None:
    case = late(cast)
    sweep = started(workflow.escalate)
    assert slow.wait(10)
    workflow.withdraw(case, cast.bo)
    sweep.join(30)
    assert standing(Event.CASE_LATE) == 0


def test_an_answer_opened_during_the_sweep_takes_the_message_back(
    cast: Cast, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = unread_answer(cast, monkeypatch)
    sweep = started(workflow.escalate)
    assert slow.wait(10)
    cast.client(cast.bo).get(f"/cases/{case.pk}/")
    sweep.join(30)
    assert Message.objects.filter(event=Event.URGENT_UNREAD).count() == 1
    assert standing(Event.URGENT_UNREAD) == 0


def test_an_answer_being_opened_is_not_told_of(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    case = unread_answer(cast, monkeypatch)
    with transaction.atomic():
        workflow.open_answer(case.reviews.get(), cast.bo)
        sweep = started(workflow.escalate)
        sweep.join(20)
        assert not sweep.is_alive()
    workflow.escalate()
    assert standing(Event.URGENT_UNREAD) == 0


def test_two_tabs_open_an_answer_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    case = unread_answer(cast, monkeypatch)
    client = cast.client(cast.bo)
    answers = at_once(*[lambda: client.get(f"/cases/{case.pk}/")] * 2)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert Opened.objects.count() == 1


def test_the_clinic_held_by_a_sweep_takes_new_cases_all_the_same(cast: Cast) -> None:
    from accounts.models import Clinic

    with transaction.atomic():
        Clinic.objects.select_for_update(no_key=True).get(pk=cast.north.pk)
        thread = started(lambda: cases.submitted(cast.ana, computer_check=False))
        thread.join(20)
        assert not thread.is_alive()
    assert Case.objects.filter(submitted_at__lte=Now()).count() == 1
