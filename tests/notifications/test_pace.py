"""The pace of a sender holds for all workers together, and costs no message a try."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from pytest_django import Settings

from notifications import delivery, pace, tasks
from notifications.models import Channel, Message, Pace
from portal.standin.server import StandIn
from tests.cast import Cast, build_cast
from tests.notifications.conftest import bodies, deliver_all, now, tell
from tests.together import at_once

State = Message.State
RATE = 40.0


@pytest.mark.django_db(transaction=True)
def test_six_threads_that_ask_without_rest_never_get_more_than_rate_and_burst() -> None:
    taken: list[float] = []
    began = time.monotonic()

    def ask() -> None:
        while time.monotonic() < began + 2:
            if pace.take("+1", RATE):
                taken.append(time.monotonic())

    at_once(*[ask] * 6)
    taken.sort()
    # In every window, however short: so many at most. 5 ms for what passes after the database's.
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            window = taken[last] - taken[first] + 0.05
            assert last - first + 1 <= pace.most(RATE) + RATE * window + 1
    assert len(taken) > RATE, "and what it allows is used"


@pytest.mark.django_db(transaction=True)
def test_four_workers_send_no_faster_than_one_sender_may_and_lose_nothing(
    twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_WHATSAPP_RATE = RATE
    cast = build_cast()
    told = [tell(cast.ana, about=f"case:{number}") for number in range(60)]
    began = time.monotonic()

    def work() -> None:
        while Message.objects.filter(state=State.PENDING).exists():
            if not delivery.deliver_due():
                time.sleep(0.01)

    at_once(*[work] * 4)
    took = time.monotonic() - began
    assert len(bodies(twilio)) == len(set(bodies(twilio))) == len(told)
    assert took >= (len(told) - pace.most(RATE) - 1) / RATE
    rows = [now(message) for message in told]
    assert {(row.state, row.attempts, row.error_code) for row in rows} == {(State.SENT, 1, "")}


def test_who_gets_no_token_is_put_back_uncounted_in_its_place_with_the_reason(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_WHATSAPP_RATE = 0.001
    first, second = tell(cast.ana, "case:1"), tell(cast.ana, "case:2")
    due = now(second).run_after
    deliver_all()
    assert now(first).state == State.SENT
    waits = now(second)
    assert (waits.state, waits.attempts, waits.token) == (State.PENDING, 0, None)
    assert (waits.run_after, waits.error_code) == (due, "pace")
    assert waits.tried_at is None
    settings.TWILIO_WHATSAPP_RATE = 1000
    deliver_all()
    assert (now(second).state, now(second).error_code) == (State.SENT, "")


def test_a_slow_sender_holds_up_no_other_channel(
    cast: Cast, twilio: StandIn, settings: Settings, mailoutbox: list[object], sms: None
) -> None:
    settings.TWILIO_WHATSAPP_RATE = 0.001
    for number in range(5):
        tell(cast.ana, f"case:{number}")
    tell(cast.bo)
    dry: delivery.Dry = {}
    while delivery.deliver_due(dry=dry):
        pass
    assert len(bodies(twilio)) == 1
    assert len(mailoutbox) == 1
    assert dry == {Channel.WHATSAPP: 1000}


def test_each_sender_has_a_bucket_of_its_own_and_looking_up_needs_no_token(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    assert pace.take("+1", 0.001)
    assert not pace.take("+1", 0.001)
    assert pace.take("+2", 0.001)
    assert set(Pace.objects.values_list("sender", flat=True)) == {"+1", "+2"}
    message = tell(cast.ana)
    deliver_all()
    settings.TWILIO_WHATSAPP_RATE = 0.001
    pace.wait_for(Channel.WHATSAPP)
    twilio.store.report(now(message).provider_id, "delivered")
    deliver_all(rounds=2)
    assert now(message).state == State.DELIVERED


@pytest.mark.django_db
def test_a_clock_set_back_gives_and_takes_no_tokens() -> None:
    assert pace.take("+1", 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifications_pace SET at = at + interval '1 hour'")
    assert not pace.take("+1", 1)
    assert [row.tokens for row in Pace.objects.all()] == [0]


def test_without_a_limit_nothing_is_counted(cast: Cast, twilio: StandIn) -> None:
    tell(cast.ana)
    deliver_all()
    assert not Pace.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_waits_for_its_sender_and_sends_all_without_another_call(
    twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_WHATSAPP_RATE = 20
    cast = build_cast()
    told = [tell(cast.ana, about=f"case:{number}") for number in range(12)]
    tasks.deliver_due()
    assert {now(message).state for message in told} == {State.SENT}


@pytest.mark.django_db(transaction=True)
def test_one_thread_of_a_process_waits_and_the_others_are_free(
    twilio: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TWILIO_WHATSAPP_RATE = 0.5
    monkeypatch.setattr(tasks, "ROUND_SECONDS", 1.5)
    cast = build_cast()
    for number in range(3):
        tell(cast.ana, about=f"case:{number}")
    took: list[float] = []

    def run() -> None:
        began = time.monotonic()
        tasks.deliver_due()
        took.append(time.monotonic() - began)

    at_once(*[run] * 3)
    assert sorted(seconds > 1 for seconds in took) == [False, False, True]
