"""The words: a message says that there is news, and nothing else, anywhere it leaves a trace."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.core.mail import EmailMessage
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Clinic, User
from notifications import invitations, wake
from notifications.models import Event, Message
from notifications.texts import render
from portal.standin.content import our_sids, sid_of
from portal.standin.server import StandIn
from tests.cast import Cast
from tests.notifications.conftest import ON_A_PHONE, deliver_all, now, tell

TEMPLATES = Path(settings.BASE_DIR) / "templates" / "notifications"
# Planted wherever a person, a clinic or a case could be named.
MARKERS = ("Zorblatt", "Quuxley", "Melanomarker")


@pytest.fixture
def marked(cast: Cast) -> Cast:
    User.objects.filter(pk__in=[cast.ana.pk, cast.ruth.pk, cast.bo.pk]).update(name=MARKERS[0])
    Clinic.objects.filter(pk=cast.north.pk).update(name=MARKERS[1])
    for person in (cast.ana, cast.ruth, cast.bo, cast.north):
        person.refresh_from_db()
    return cast


def all_messages(cast: Cast) -> list[Message]:
    told = [
        tell(who, about=f"case:{MARKERS[2]}", event=event)
        for who in (cast.ana, cast.ruth, cast.bo)
        for event in Event
        if event not in (Event.INVITATION, Event.NUMBER_CODE)
    ]
    for e164, email in (("+447700900777", ""), ("", "new@example.org")):
        invitations.invite(
            name=MARKERS[0], clinic=cast.north, invited_by=cast.ada, e164=e164, email=email
        )
    return [*told, *Message.objects.filter(event=Event.INVITATION)]


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_event_has_its_words_in_every_language(language: str) -> None:
    assert {path.stem for path in (TEMPLATES / language).glob("*.txt")} == {
        *Event.values,
        "email",
        "phone",
    }


@pytest.mark.parametrize("language", ["en", "es", "xx"])
def test_no_message_holds_a_name_a_clinic_a_case_or_a_number(marked: Cast, language: str) -> None:
    for message in all_messages(marked):
        message.language = language
        words = render(message)
        for part in (words.subject, words.text, words.sms, words.email):
            assert not any(marker in part for marker in MARKERS)
            assert "%" not in part
            assert "{" not in part
        assert words.text.count(words.link) == 1
        assert "\n" not in words.text
        assert words.link in words.email
        assert "\n" not in words.subject


def test_no_trace_of_sending_holds_them_either(
    marked: Cast,
    twilio: StandIn,
    caplog: pytest.LogCaptureFixture,
    mailoutbox: list[EmailMessage],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Bodies, callback addresses, mails, logs and task arguments, of sends that work and fail."""
    calls: list[object] = []
    monkeypatch.setattr(current_app, "send_task", lambda *a, **k: calls.append((a, k)))
    caplog.set_level(logging.DEBUG)
    with django_capture_on_commit_callbacks(execute=True):
        told = all_messages(marked)
        assert wake.flush(5)
    twilio.faults.set({"next": [{"kind": "refuse", "status": 400, "code": 63016}]})
    deliver_all(rounds=2)

    assert len(twilio.store.accepted()) >= 8
    assert len(mailoutbox) >= 5
    traces = [f"{one.body} {one.callback}" for one in twilio.store.accepted()]
    traces += [f"{mail.subject} {mail.body}" for mail in mailoutbox]
    traces += [record.getMessage() for record in caplog.records]
    traces += [str(call) for call in calls]
    numbers = [message.address for message in told]
    assert calls
    assert not [trace for trace in traces for marker in MARKERS if marker in trace]
    logged = "\n".join(record.getMessage() for record in caplog.records if record.levelno > 10)
    assert not [number for number in numbers if number in logged]
    assert settings.TWILIO_AUTH_TOKEN not in caplog.text


def test_an_approved_template_gets_the_link_alone(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = our_sids()
    link = render(tell(cast.ana)).link
    message = tell(cast.ana, about="case:2")
    Message.objects.filter(pk=message.pk).update(language="es")
    deliver_all()
    sent = {one.template: one.body for one in twilio.store.accepted()}
    english, spanish = (sid_of("case_checked", language) for language in ("en", "es"))
    assert sent[english] == ON_A_PHONE.replace("{{1}}", link)
    assert sent[spanish].startswith("Su clínica tiene novedades para usted: http")
    assert set(sent) == {english, spanish}


def test_the_token_is_forgotten_once_nothing_more_is_to_be_sent(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.bo)
    deliver_all()
    sent = now(message)
    assert sent.state == Message.State.SENT
    assert sent.link is not None
    assert sent.link.token == ""
    assert sent.link.token_sha256
    assert len(mailoutbox) == 1
