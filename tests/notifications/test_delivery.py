"""Delivery against a Twilio that refuses, stalls and breaks: once, or another way, never twice."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import NoReturn

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.db.models.functions import Now
from pytest_django import Settings

from accounts import people
from accounts.models import SuspensionReason
from notifications import delivery
from notifications.channels import EmailChannel, WhatsAppChannel
from notifications.models import Channel, Message
from notifications.texts import Words
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import bodies, deliver_all, now, tell

State = Message.State


def test_ana_gets_her_message(cast: Cast, twilio: StandIn) -> None:
    message = tell(cast.ana)
    token = message.link.token if message.link else ""
    assert delivery.deliver_due() == 1
    sent = now(message)
    assert (sent.state, sent.attempts, sent.token) == (State.SENT, 1, None)
    assert bodies(twilio) == [
        f"Your clinic has an update for you: http://localhost:8000/l/{token}/"
        " Reply STOP to end these messages."
    ]
    assert sent.provider_id == twilio.store.accepted()[0].sid
    assert delivery.deliver_due() == 0


@pytest.mark.parametrize("code", [20429, 63018, 63012, 63038])
def test_asked_to_slow_down_we_try_again_later(cast: Cast, twilio: StandIn, code: int) -> None:
    twilio.faults.next.append(Fault("refuse", status=429, code=code))
    message = tell(cast.ana)
    deliver_all()
    waiting = now(message)
    assert (waiting.state, waiting.error_code) == (State.PENDING, str(code))
    assert waiting.run_after is not None
    assert waiting.run_after > waiting.created_at
    assert not bodies(twilio)
    deliver_all(rounds=2)
    assert now(message).state == State.SENT
    assert len(bodies(twilio)) == 1


@pytest.mark.parametrize(
    "code",
    [63016, 63040, 63041, 63042, 63013, 63003, 63024, 63014, 21610, 21211, 21614, 21635, 99999],
)
def test_refused_for_good_goes_by_email(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], code: int
) -> None:
    twilio.faults.next.append(Fault("refuse", status=400, code=code))
    message = tell(cast.ana)
    deliver_all()
    assert (now(message).state, now(message).error_code) == (State.FAILED, str(code))
    assert now(message).error
    assert [mail.to for mail in mailoutbox] == [[cast.ana.email]]
    other = Message.objects.get(channel=Channel.EMAIL)
    assert (other.state, other.about, other.event) == (State.SENT, message.about, message.event)
    assert other.link_id != message.link_id
    deliver_all(rounds=3)
    assert len(mailoutbox) == 1
    assert not bodies(twilio)


def test_a_refusal_that_twilio_tells_only_later_goes_by_email_too(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    """With every callback lost: we ask after a minute."""
    twilio.faults.fails_with = 63016
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.SENT
    twilio.store.report(now(message).provider_id, "failed", 63016)
    deliver_all(rounds=2)
    assert (now(message).state, now(message).error_code) == (State.FAILED, "63016")
    assert len(mailoutbox) == 1


def test_a_refused_connection_was_never_sent_and_is_tried_again(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_API_BASE = "http://127.0.0.1:9"
    message = tell(cast.ana)
    deliver_all(rounds=2)
    assert (now(message).state, now(message).attempts) == (State.PENDING, 2)
    settings.TWILIO_API_BASE = twilio.url
    deliver_all(rounds=2)
    assert now(message).state == State.SENT
    assert len(bodies(twilio)) == 1


def test_a_name_that_does_not_resolve_was_never_sent_either(cast: Cast, settings: Settings) -> None:
    settings.TWILIO_API_BASE = "http://twilio.invalid"
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.PENDING


def test_after_twenty_minutes_without_twilio_it_goes_by_email(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.ana)
    deliver_all(rounds=WhatsAppChannel.attempts)
    assert (now(message).state, now(message).attempts) == (State.FAILED, 8)
    assert len(mailoutbox) == 1


# --- Who is not to be told any more ---------------------------------------------------------------
def test_after_stop_what_waits_goes_by_email(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.ana)
    people.opt_out(ANAS_NUMBER)
    deliver_all()
    assert (now(message).state, now(message).error_code) == (State.FAILED, "opted-out")
    assert not bodies(twilio)
    assert len(mailoutbox) == 1


def test_a_suspended_person_is_not_told(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.ruth)
    people.suspend(cast.ruth, cast.root, SuspensionReason.LEFT)
    deliver_all()
    assert now(message).state == State.CANCELLED
    assert not bodies(twilio)
    assert not mailoutbox


def test_without_credentials_staff_see_why_and_the_person_gets_an_email(
    cast: Cast, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    message = tell(cast.ana)
    deliver_all()
    assert (now(message).state, now(message).error_code) == (State.FAILED, "not-configured")
    assert "TWILIO_ACCOUNT_SID" in now(message).error
    assert len(mailoutbox) == 1


# --- E-mail ---------------------------------------------------------------------------------------
def break_mail(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    def broken(*_args: object) -> NoReturn:
        raise error

    monkeypatch.setattr(EmailBackend, method, broken)


def test_a_mail_server_that_is_away_is_tried_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.bo)
    with monkeypatch.context() as patch:
        break_mail(patch, "open", ConnectionRefusedError())
        deliver_all(rounds=2)
    assert (now(message).state, now(message).attempts) == (State.PENDING, 2)
    deliver_all(rounds=2)
    assert now(message).state == State.SENT
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (smtplib.SMTPRecipientsRefused({"x": (451, b"later")}), State.PENDING),
        (smtplib.SMTPRecipientsRefused({"x": (550, b"nobody")}), State.FAILED),
        (smtplib.SMTPDataError(452, b"full"), State.PENDING),
        (smtplib.SMTPDataError(554, b"spam"), State.FAILED),
        (smtplib.SMTPServerDisconnected("gone"), State.UNKNOWN),
        (TimeoutError(), State.UNKNOWN),
    ],
)
def test_what_the_mail_server_says_decides(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, error: Exception, state: Message.State
) -> None:
    message = tell(cast.bo)
    break_mail(monkeypatch, "send_messages", error)
    deliver_all()
    assert now(message).state == state
    tasks = Message.objects.filter(channel=Channel.STAFF)
    assert tasks.count() == (1 if state == State.FAILED else 0)


def test_a_mail_in_doubt_is_never_sent_again_by_itself(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.bo)
    with monkeypatch.context() as patch:
        break_mail(patch, "send_messages", TimeoutError())
        deliver_all()
    deliver_all(rounds=5)
    assert now(message).state == State.UNKNOWN
    assert not mailoutbox


def test_a_mail_whose_worker_was_killed_is_left_for_staff(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.bo)
    delivery.claim()
    deliver_all(rounds=4)
    assert now(message).state == State.UNKNOWN
    assert now(message).error
    assert now(message).run_after is None
    assert not mailoutbox


def test_a_mail_that_outlasted_its_lease_is_not_in_doubt_once_it_was_taken(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.bo)
    real = EmailChannel.send

    def slow(self: EmailChannel, held: Message, words: Words) -> str:
        Message.objects.filter(pk=held.pk).update(lease_until=Now() - timedelta(seconds=1))
        delivery.claim()  # another worker, for whom this one has died
        assert now(message).state == State.UNKNOWN
        return real(self, held, words)

    monkeypatch.setattr(EmailChannel, "send", slow)
    delivery.deliver_due(limit=1)
    assert now(message).state == State.SENT
    assert now(message).provider_id
    assert len(mailoutbox) == 1


def test_when_nothing_works_a_person_is_asked_to_tell_them(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(cast.bo)
    break_mail(monkeypatch, "open", OSError())
    deliver_all(rounds=EmailChannel.attempts + 1)
    task = Message.objects.get(channel=Channel.STAFF)
    assert (task.state, task.run_after) == (State.PENDING, None)
    assert task.recipient == cast.bo
