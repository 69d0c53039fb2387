"""Doubt: what may have left is found out, and sent again only when it certainly did not."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django import Settings

from notifications import delivery, settling, twilio_api
from notifications.models import Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import Cast, build_cast
from tests.notifications.conftest import bodies, deliver_all, now, pass_time, tell
from tests.together import at_once

State = Message.State


@pytest.mark.parametrize(
    "fault",
    [Fault("drop"), Fault("slow", seconds=0.8), Fault("break", status=503), Fault("break")],
    ids=["answer lost", "too slow", "503", "500"],
)
def test_accepted_but_never_answered_is_in_doubt_then_found_and_sent_once(
    cast: Cast, twilio: StandIn, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(twilio_api, "READ_SECONDS", 0.3)
    twilio.faults.next.append(fault)
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    deliver_all(rounds=2)
    found = now(message)
    assert (found.state, found.attempts) == (State.SENT, 1)
    assert [found.provider_id] == [one.sid for one in twilio.store.accepted()]


@pytest.mark.parametrize(
    "fault", [Fault("reset"), Fault("refuse", status=500)], ids=["reset", "500"]
)
def test_in_doubt_and_not_there_is_sent_again_but_only_after_the_grace(
    cast: Cast, twilio: StandIn, fault: Fault
) -> None:
    twilio.faults.next.append(fault)
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    pass_time(minutes=2)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    assert not bodies(twilio)
    deliver_all(rounds=3)
    assert (now(message).state, now(message).attempts) == (State.SENT, 2)
    assert len(bodies(twilio)) == 1


def test_doubt_is_not_resolved_while_twilio_cannot_be_asked(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    twilio.faults.next.append(Fault("drop"))
    message = tell(cast.ana)
    deliver_all()
    settings.TWILIO_API_BASE = "http://127.0.0.1:9"
    deliver_all(rounds=4)
    assert now(message).state == State.UNKNOWN
    assert len(bodies(twilio)) == 1


class Killed(BaseException):
    """Nothing catches it, as nothing catches kill -9."""


def killed(*_args: object, **_more: object) -> NoReturn:
    raise Killed


def test_a_worker_killed_after_sending_leaves_doubt_and_no_double(
    cast: Cast, twilio: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = tell(cast.ana)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "accepted", killed)
        with pytest.raises(Killed):
            delivery.deliver_due()
    assert delivery.claim() is None, "the lease still holds"
    deliver_all(rounds=3)
    assert now(message).state == State.SENT
    assert len(bodies(twilio)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_killed_while_twilio_thinks_loses_and_doubles_nothing(
    twilio: StandIn,
) -> None:
    """kill -9, after Twilio has accepted the message and before it has said so."""
    message = tell(build_cast().ana)
    twilio.faults.next.append(Fault("slow", seconds=30))
    database = urlsplit(os.environ["DATABASE_URL"])
    env = os.environ | {
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "TWILIO_API_BASE": twilio.url,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    code = "import django; django.setup(); from notifications import delivery as d; d.deliver_due()"
    worker = subprocess.Popen([sys.executable, "-c", code], env=env)
    deadline = time.monotonic() + 60
    while not twilio.store.accepted() and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    left = now(message)
    assert (left.state, left.attempts, left.provider_id) == (State.PENDING, 1, "")
    assert left.lease_until is not None
    assert delivery.claim() is None
    deliver_all(rounds=3)
    assert (now(message).state, now(message).attempts) == (State.SENT, 1)
    assert [now(message).provider_id] == [one.sid for one in twilio.store.accepted()]


def test_a_worker_killed_before_sending_loses_nothing(cast: Cast, twilio: StandIn) -> None:
    message = tell(cast.ana)
    assert delivery.claim() == message
    pass_time(minutes=2)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    deliver_all(rounds=3)
    assert now(message).state == State.SENT
    assert len(bodies(twilio)) == 1


def test_a_worker_whose_lease_ran_out_settles_nothing(cast: Cast, twilio: StandIn) -> None:
    tell(cast.ana)
    slow = delivery.claim()
    assert slow is not None
    pass_time(minutes=2)
    quick = delivery.claim()
    assert quick is not None
    assert quick.token != slow.token
    assert not settling.accepted(slow, "SMlate", token=slow.token)
    assert now(slow).provider_id == ""


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_send_each_message_once(twilio: StandIn) -> None:
    cast = build_cast()
    told = [tell(cast.ana, about=f"case:{number}") for number in range(24)]

    def work() -> None:
        while delivery.deliver_due():
            pass

    at_once(*[work] * 4)
    assert len(bodies(twilio)) == len(set(bodies(twilio))) == len(told)
    assert {now(message).attempts for message in told} == {1}


def test_under_a_random_mix_of_faults_each_arrives_exactly_once(
    cast: Cast, twilio: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_api, "READ_SECONDS", 0.2)
    dice = random.Random(15)  # noqa: S311 - the same faults in every run
    choices = [
        Fault("refuse", status=429, code=20429),
        Fault("refuse", status=500),
        Fault("break", status=502),
        Fault("drop"),
        Fault("reset"),
    ]
    told = [tell(cast.ana, about=f"case:{number}") for number in range(60)]
    tokens = [message.link.token for message in told if message.link]
    faults = [dice.choice(choices) for _ in range(45)] + [Fault("slow", seconds=0.4)] * 2
    twilio.faults.next.extend(faults)
    for _ in range(12):
        deliver_all()
        if not Message.objects.exclude(state=State.SENT).exists():
            break
        pass_time()
    assert not twilio.faults.next
    assert Counter(body.rsplit("/", 2)[1] for body in bodies(twilio)) == Counter(tokens)
    assert {now(message).state for message in told} == {State.SENT}
