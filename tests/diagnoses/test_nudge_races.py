"""Reminders when two are at it at once: on real connections, with real commits."""

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
from pytest_django import Settings

from diagnoses import workflow
from diagnoses.models import Nudge
from diagnoses.workflow import reminding
from notifications import ledger
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast, build_cast
from tests.diagnoses.test_nudges import IN_PERSON, LATER, answered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]


@pytest.fixture
def due(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """Two reminders of Ana's and then one of Bo's, all due; telling takes its time."""
    settings.UNDO_SIGNATURE = timedelta(0)
    monkeypatch.setattr(reminding, "DAY_BEGINS", hour.min)
    monkeypatch.setattr(reminding, "DAY_ENDS", hour.max)
    tell = ledger.tell

    def slowly(*notices: Any) -> Any:
        time.sleep(0.3)
        return tell(*notices)

    monkeypatch.setattr(ledger, "tell", slowly)
    cast = build_cast()
    answered(cast.ana, cast.ruth, LATER)
    answered(cast.ana, cast.ruth, IN_PERSON)
    answered(cast.bo, cast.ruth, LATER)
    Nudge.objects.update(due_at=Now(), not_before=Now())
    Nudge.objects.filter(patient=cast.bo).update(not_before=Now())
    return cast


def sweep() -> None:
    while workflow.tell_next():
        pass


def started(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def told() -> list[str]:
    events = [Event.REMIND_RECHECK, Event.REMIND_SEE_DOCTOR]
    rows = Message.objects.filter(event__in=events)
    return sorted(rows.values_list("recipient__email", flat=True))


def test_two_sweeps_at_once_tell_each_person_once(due: Cast) -> None:
    both = threading.Barrier(2)

    def together() -> None:
        both.wait(10)
        sweep()

    for thread in [started(together) for _ in range(2)]:
        thread.join(30)
    sweep()
    assert told() == [due.ana.email, due.bo.email]
    assert Nudge.objects.filter(told_at__isnull=False).count() == 2
    assert Nudge.objects.filter(held_at__isnull=False).count() == 1


def test_a_sweep_waits_for_nobody_who_has_a_reminder_in_hand(due: Cast) -> None:
    """A photo is just coming in: the sweep leaves its reminder alone, and tells the others."""
    mark = Nudge.objects.get(patient=due.ana, kind="recheck").case
    assert mark is not None
    Nudge.objects.filter(kind="see_doctor").delete()
    with transaction.atomic():
        cases.submitted(due.ana, lesion=mark.lesion, computer_check=False)
        thread = started(sweep)
        thread.join(20)
        assert not thread.is_alive()
        assert told() == [due.bo.email]
    sweep()
    assert told() == [due.bo.email]
    assert Nudge.objects.get(patient=due.ana).why == Nudge.Why.NEW_PHOTO
