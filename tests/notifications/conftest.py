"""A stand-in for Twilio over HTTP, and short ways to tell someone something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import delivery, ledger
from notifications.ledger import Notice
from notifications.models import Event, Message
from portal.standin.api import Account
from portal.standin.server import StandIn
from tests.notifications.wire import Exchange, Wire

Tell = Callable[..., Message]
SMS_SENDER = "+15005550007"
# What most messages say, as the template that WhatsApp approves.
ON_A_PHONE = "Your clinic has an update for you: {{1}} Reply STOP to end these messages."


def make_stand_in(portal: str) -> StandIn:
    account = Account(
        sid=django_settings.TWILIO_ACCOUNT_SID,
        token=django_settings.TWILIO_AUTH_TOKEN,
        sender=django_settings.TWILIO_WHATSAPP_FROM,
        sms=SMS_SENDER,
    )
    stand_in = StandIn(account, portal=portal, control=True)
    stand_in.faults.pace = 0.01
    stand_in.start()
    return stand_in


@pytest.fixture
def twilio(settings: Settings) -> Iterator[StandIn]:
    """Twilio, which keeps what it took in its queue and sends no callbacks."""
    stand_in = make_stand_in(settings.PUBLIC_URL)
    stand_in.faults.callbacks, stand_in.faults.pace = "none", 1000
    settings.TWILIO_API_BASE = stand_in.url
    yield stand_in
    stand_in.stop()


@pytest.fixture
def sms(settings: Settings) -> None:
    """The portal has a number of its own for text messages."""
    settings.TWILIO_SMS_FROM = SMS_SENDER
    settings.TWILIO_SMS_RATE = 0


@pytest.fixture
def reporting_twilio(settings: Settings, live_server: object) -> Iterator[StandIn]:
    """Twilio that reports back to a portal that really listens."""
    settings.PUBLIC_URL = str(live_server)
    stand_in = make_stand_in(settings.PUBLIC_URL)
    settings.TWILIO_API_BASE = stand_in.url
    yield stand_in
    stand_in.stop()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Listens in, and changes nothing."""
    heard = Wire()
    send = requests.Session.send

    def listened(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        response = send(session, request, **options)
        heard.all.append(Exchange(request, response))
        return response

    monkeypatch.setattr(requests.Session, "send", listened)
    return heard


def tell(who: User, about: str = "case:1", event: Event = Event.CASE_CHECKED) -> Message:
    """Tell ``who`` that something happened, as a workflow would."""
    with transaction.atomic():
        [message] = ledger.tell(Notice(event, who, about, "/cases/1/"))
    return message


def bodies(twilio: StandIn) -> list[str]:
    """What Twilio accepted, in the order it did."""
    return [message.body for message in twilio.store.accepted()]


def now(message: Message) -> Message:
    """The row as it is now."""
    return Message.objects.select_related("link", "invitation").get(pk=message.pk)


def pass_time(minutes: float = 6) -> None:
    """Let time pass for every message: leases run out, and what was to wait is due."""
    span = timedelta(minutes=minutes)
    Message.objects.filter(lease_until__isnull=False).update(lease_until=F("lease_until") - span)
    Message.objects.filter(tried_at__isnull=False).update(tried_at=F("tried_at") - span)
    Message.objects.filter(run_after__isnull=False).update(run_after=timezone.now())


def deliver_all(rounds: int = 1) -> None:
    """Deliver until nothing is due; ``rounds`` times, with time passing between."""
    for done in range(rounds):
        if done:
            pass_time()
        while delivery.deliver_due():
            pass
