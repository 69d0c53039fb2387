"""Whose number is it: a code goes to the phone and comes back, and no case waits for it."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.core.mail import EmailMessage
from django.db import IntegrityError
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import people
from accounts.models import AuditEntry, Consent, ContactNumber, User
from notifications import again, tokens, verification, wake
from notifications.models import Channel, Event, Message, NumberCode
from notifications.tasks import deliver_due
from notifications.verification import Typed
from portal.standin.content import our_sids, sid_of
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import bodies, deliver_all, now, tell

NUMBER = "+447700900555"


def gave(who: User, e164: str = NUMBER) -> ContactNumber:
    """They asked for messages on a number."""
    people.give_consent(who, Consent.Kind.MESSAGES)
    return people.add_number(who, e164, opt_in=True)


def code_sent(twilio: StandIn) -> str:
    """What the phone shows: the digits of its newest message."""
    found = re.match(r"([0-9]{6}) is your verification code\.", bodies(twilio)[-1])
    assert found is not None
    return found[1]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def later(minutes: float) -> None:
    """As if the codes had been sent so long ago."""
    span = timedelta(minutes=minutes)
    NumberCode.objects.update(created_at=F("created_at") - span, expires_at=F("expires_at") - span)


def page_of(number: ContactNumber) -> str:
    return reverse("number_confirm", args=[number.pk])


def type_in(browser: Client, number: ContactNumber, code: str, **more: str) -> Any:
    return browser.post(page_of(number), {"code": code} | more)


# --- The way it goes -----------------------------------------------------------------------------
def test_bo_gives_a_number_gets_a_code_types_it_and_is_told_there(
    cast: Cast, twilio: StandIn
) -> None:
    browser = cast.client(cast.bo)
    given = browser.post(
        reverse("account_number_add"), {"number": "07700 900 555", "messages": "on"}
    )
    number = cast.bo.numbers.get()
    assert given["Location"] == page_of(number)
    assert "on its way" in browser.get(page_of(number)).content.decode()
    deliver_due()
    code = code_sent(twilio)
    page = browser.get(page_of(number)).content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    assert code not in page

    assert tell(cast.bo, "case:1").channel == Channel.EMAIL
    assert type_in(browser, number, f" {code[:3]} {code[3:]} ")["Location"] == reverse("account")
    number.refresh_from_db()
    assert (number.proof, number.verified_at is not None) == (ContactNumber.Proof.CODE, True)
    assert tell(cast.bo, "case:2").address == NUMBER
    assert type_in(browser, number, code).status_code == 302  # the double click's second
    trail = AuditEntry.objects.filter(action="number.confirmed", about=f"user:{cast.bo.pk}")
    assert [entry.detail for entry in trail] == [{"number": number.pk, "proof": "code"}]


def test_the_first_code_is_sent_once_and_only_where_messages_are_wanted(
    cast: Cast, twilio: StandIn
) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=False)
    people.add_number(cast.uma, "+447700900556", opt_in=True)  # but she agreed to no messages
    assert verification.send_awaited() == 0
    gave(cast.bo)
    assert [verification.send_awaited(), verification.send_awaited()] == [1, 0]
    deliver_due()
    assert [message.number for message in twilio.store.accepted()] == [NUMBER]


def test_a_number_without_messages_is_confirmed_by_a_press(cast: Cast, twilio: StandIn) -> None:
    browser, number = cast.client(cast.bo), people.add_number(cast.bo, NUMBER, opt_in=False)
    assert "Send me a code" in browser.get(page_of(number)).content.decode()
    assert browser.post(page_of(number), {"send": "1"}).status_code == 302
    deliver_all()
    type_in(browser, number, code_sent(twilio))
    number.refresh_from_db()
    assert number.verified_at is not None
    assert tell(cast.bo).channel == Channel.EMAIL


def test_one_comes_back_to_where_one_was_and_to_no_other_site(cast: Cast, twilio: StandIn) -> None:
    browser, number = cast.client(cast.bo), gave(cast.bo)
    deliver_due()
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        page = browser.get(page_of(number), {"next": elsewhere}).content.decode()
        assert f'="{elsewhere}"' not in page  # neither a link nor where a form leads back to
    assert type_in(browser, number, code_sent(twilio), next="/cases/")["Location"] == "/cases/"


# --- What is typed -------------------------------------------------------------------------------
def test_a_wrong_code_is_told_beside_the_field_and_stays_in_it(cast: Cast, twilio: StandIn) -> None:
    browser, number = cast.client(cast.bo), gave(cast.bo)
    deliver_due()
    wrong = other_than(code_sent(twilio))
    answer = type_in(browser, number, wrong)
    assert answer.status_code == 422
    assert "This is not the code we sent last" in answer.content.decode()
    assert f'value="{wrong}"' in answer.content.decode()
    assert type_in(browser, number, "12 34").status_code == 422
    assert NumberCode.objects.get().tries == 1  # what cannot be a code is no try
    assert type_in(browser, number, code_sent(twilio)).status_code == 302


def test_after_five_tries_even_the_right_code_is_wrong(cast: Cast, twilio: StandIn) -> None:
    number = gave(cast.bo)
    deliver_due()
    code = code_sent(twilio)
    typed = [verification.confirm(cast.bo, number, other_than(code)) for _ in range(5)]
    assert typed == [Typed.WRONG] * 4 + [Typed.TOO_OFTEN]
    assert verification.confirm(cast.bo, number, code) is Typed.TOO_OFTEN
    answer = type_in(cast.client(cast.bo), number, code)
    assert "this code has ended" in answer.content.decode()
    number.refresh_from_db()
    assert number.verified_at is None


def test_after_ten_minutes_a_code_has_ended(cast: Cast, twilio: StandIn) -> None:
    number = gave(cast.bo)
    deliver_due()
    later(minutes=10)
    assert verification.confirm(cast.bo, number, code_sent(twilio)) is Typed.ENDED


def test_a_new_code_ends_the_old_one(cast: Cast, twilio: StandIn) -> None:
    number = gave(cast.bo)
    deliver_due()
    old = code_sent(twilio)
    later(minutes=1.1)
    verification.send(cast.bo, number)
    deliver_all()
    assert verification.confirm(cast.bo, number, old) is Typed.WRONG
    assert verification.confirm(cast.bo, number, code_sent(twilio)) is Typed.RIGHT


def test_a_code_that_waited_too_long_to_leave_does_not_leave(cast: Cast, twilio: StandIn) -> None:
    verification.send(cast.bo, gave(cast.bo))
    later(minutes=10)
    deliver_all()
    assert not bodies(twilio)
    assert Message.objects.get().state == Message.State.CANCELLED


# --- Whose ---------------------------------------------------------------------------------------
def test_nobody_confirms_someone_elses_number(cast: Cast, twilio: StandIn) -> None:
    """Bo writes Ana's number on his account. Only who holds the phone can say that it is theirs."""
    people.add_number(cast.ana, "+447700900102", opt_in=True)
    deliver_due()
    anas = cast.ana.numbers.get(e164="+447700900102")
    assert cast.client(cast.bo).get(page_of(anas)).status_code == 404
    assert type_in(cast.client(cast.bo), anas, code_sent(twilio)).status_code == 404
    later(minutes=2)
    bos = gave(cast.bo, "+447700900102")
    assert verification.confirm(cast.bo, bos, code_sent(twilio)) is Typed.ENDED
    assert verification.confirm(cast.ana, anas, code_sent(twilio)) is Typed.RIGHT
    bos.refresh_from_db()
    assert bos.verified_at is None
    assert tell(cast.bo).channel == Channel.EMAIL


def test_an_invited_doctor_has_shown_whose_phone_it_is(cast: Cast) -> None:
    from tests.notifications.test_invitations import invite, join

    invitation = invite(cast)
    join(invitation.token, messages="on")
    number = ContactNumber.objects.get(user__email="vera@example.org")
    assert number.proof == ContactNumber.Proof.INVITATION
    assert verification.send_awaited() == 0


# --- How often -----------------------------------------------------------------------------------
def test_a_code_a_minute_and_five_a_day_whoever_asks(cast: Cast, twilio: StandIn) -> None:
    number, browser = gave(cast.bo), cast.client(cast.bo)
    verification.send(cast.bo, number)
    browser.post(page_of(number), {"send": "1"})
    assert "wait a minute" in browser.get(page_of(number)).content.decode()
    anas = people.add_number(cast.ana, NUMBER, opt_in=True)
    with pytest.raises(verification.TooSoon):  # the same phone, asked for by somebody else
        verification.send(cast.ana, anas)
    for _ in range(4):
        later(minutes=2)
        verification.send(cast.bo, number)
    later(minutes=2)
    with pytest.raises(verification.TooSoon, match="tomorrow"):
        verification.send(cast.bo, number)
    people.remove_number(cast.bo, number)
    with pytest.raises(verification.TooSoon, match="tomorrow"):  # removing it forgets no limit
        verification.send(cast.bo, gave(cast.bo))
    later(minutes=24 * 60)
    assert verification.send(cast.bo, cast.bo.numbers.get())
    assert NumberCode.objects.count() == 6


def test_a_phone_that_said_stop_gets_no_code(cast: Cast, twilio: StandIn) -> None:
    number = gave(cast.bo)
    verification.send(cast.bo, number)
    people.opt_out(NUMBER)
    deliver_due()
    assert not bodies(twilio)
    later(minutes=2)
    with pytest.raises(verification.TooSoon, match="STOP"):
        verification.send(cast.bo, number)


# --- Where it goes, and where not ----------------------------------------------------------------
def test_a_code_that_cannot_arrive_goes_nowhere_else(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    twilio.faults.always = Fault("refuse", status=400, code=63003)
    number = gave(cast.bo)
    deliver_due()
    message = Message.objects.get()
    assert message.state == Message.State.FAILED
    assert not mailoutbox
    with pytest.raises(again.NotAgain):
        again.resend(message, cast.ada)
    page = cast.client(cast.bo).get(page_of(number)).content.decode()
    assert "did not reach this phone" in page


def test_a_code_in_doubt_is_looked_up_by_its_digits(cast: Cast, twilio: StandIn) -> None:
    twilio.faults.next.append(Fault("drop"))
    gave(cast.bo)
    deliver_due()
    message = Message.objects.get()
    assert message.state == Message.State.UNKNOWN
    deliver_all(rounds=2)
    assert now(message).state == Message.State.SENT
    assert len(bodies(twilio)) == 1


def test_a_code_that_never_left_is_not_sent_minutes_later(cast: Cast, twilio: StandIn) -> None:
    twilio.faults.next.append(Fault("reset"))
    gave(cast.bo)
    deliver_due()
    deliver_all(rounds=3)
    assert Message.objects.get().state == Message.State.FAILED
    assert not bodies(twilio)


def test_an_authentication_template_gets_the_code_alone(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = our_sids()
    code = verification.send(cast.bo, gave(cast.bo))
    deliver_due()
    [sent] = twilio.store.accepted()
    assert sent.template == sid_of("number_code", "en")
    assert code_sent(twilio) == tokens.digits(code.pk)


def test_the_code_leaves_no_trace_but_on_the_phone(
    cast: Cast,
    twilio: StandIn,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Not in a row, a log line, a task's arguments or an address."""
    calls: list[object] = []
    monkeypatch.setattr(current_app, "send_task", lambda *a, **k: calls.append((a, k)))
    caplog.set_level(logging.DEBUG)
    browser = cast.client(cast.bo)
    with django_capture_on_commit_callbacks(execute=True):
        number = gave(cast.bo)
        assert browser.get(page_of(number)).status_code == 200
        deliver_due()
        code = code_sent(twilio)
        type_in(browser, number, other_than(code))
        type_in(browser, number, code)
    assert wake.flush(5)  # what leaves after the commit is on its way only now
    number.refresh_from_db()
    assert number.verified_at is not None
    assert calls
    rows = [*Message.objects.values(), *NumberCode.objects.values(), *AuditEntry.objects.values()]
    traces = [str(row) for row in rows] + [str(call) for call in calls]
    traces += [
        record.getMessage() for record in caplog.records if record.name != "django.db.backends"
    ]
    traces += [message.callback for message in twilio.store.accepted()]
    assert not [trace for trace in traces if code in trace]


# --- Who had a number before ---------------------------------------------------------------------
def test_the_newest_confirmed_number_is_told_until_a_newer_one_is(
    cast: Cast, twilio: StandIn
) -> None:
    people.add_number(cast.ana, NUMBER, opt_in=True)
    assert tell(cast.ana, "case:1").address == ANAS_NUMBER
    deliver_due()
    verification.confirm(cast.ana, cast.ana.numbers.get(e164=NUMBER), code_sent(twilio))
    assert tell(cast.ana, "case:2").address == NUMBER


def test_the_database_lets_no_code_go_by_email(cast: Cast) -> None:
    verification.send(cast.bo, gave(cast.bo))
    assert Message.objects.get().event == Event.NUMBER_CODE
    with pytest.raises(IntegrityError, match="message_code_goes_to_the_phone"):
        Message.objects.update(channel=Channel.EMAIL)
