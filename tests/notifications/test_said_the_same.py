"""Whatever is known of a person, their message has the same words: a property, not a list of words.

The live counterpart, with real logs, addresses and Valkey, is ``tests/test_traces.py``.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st

from accounts.models import Clinic, User
from notifications import delivery, full_report, twilio_api
from notifications.models import Channel, Event, Invitation, Link, Message, NumberCode
from notifications.texts import Words, render
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import tell

LANGUAGES = sorted({code.partition("-")[0] for code, _ in settings.LANGUAGES})
UNTIL = datetime(2030, 5, 7, 9, 0, tzinfo=UTC)
TOKEN, CODE = "R" * 22, uuid.UUID(int=7)
# What a request to Twilio may carry besides the two numbers.
MAY_TRAVEL = {"To", "From", "Body", "ContentSid", "ContentVariables", "StatusCallback"}
# Pairs of people for each event, language and way: there are more than a hundred of those.
# How long one takes says nothing here, and a busy machine takes long.
FEW = drawn(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The events that an answer may come with whole.
WITH_ANSWER = [Event.CASE_SIGNED, Event.CASE_AMENDED]


@dataclass(frozen=True)
class Known:
    """All that the rows around a message say of people and of what it is about."""

    name: str
    email: str
    number: str
    clinic: str
    about: str
    path: str
    answer: str  # a doctor's words, wherever they were left waiting


SOMEBODY = Known("a", "a@example.org", "+4477009001", "b", "c", "/d", "e")


def knowledge() -> st.SearchStrategy[Known]:
    words = st.text(min_size=1, max_size=40)
    return st.builds(
        Known,
        name=words,
        email=st.emails(),
        number=st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
        clinic=words,
        about=words,
        path=words.map(lambda said: f"/{said}"),
        answer=words,
    )


def message_about(
    known: Known, event: Event, language: str, channel: Channel = Channel.WHATSAPP
) -> Message:
    """A message none of whose rows is saved, so that a thousand of them take no time.

    Its clinic has not asked for whole answers: the words that wait in the row must not matter.
    """
    clinic = Clinic(name=known.clinic)
    person = User(pk=1, name=known.name, email=known.email, clinic=clinic, language=language)
    carries: dict[str, Any] = {}
    if event == Event.INVITATION:
        carries["invitation"] = Invitation(
            token=TOKEN, name=known.name, clinic=clinic, e164=known.number, email=known.email,
            invited_by=person, expires_at=UNTIL,
        )  # fmt: skip
    elif event == Event.NUMBER_CODE:
        carries["code"] = NumberCode(pk=CODE, user=person, e164=known.number, expires_at=UNTIL)
    else:
        carries["link"] = Link(token=TOKEN, path=known.path, recipient=person, expires_at=UNTIL)
    return Message(
        pk=CODE,
        event=event,
        about=known.about,
        channel=channel,
        recipient=person,
        address=known.email if channel == Channel.EMAIL else known.number,
        error=known.name,
        language=language,
        words=known.answer,
        **carries,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", Event.values)
@FEW
@given(one=knowledge(), other=knowledge())
def test_two_people_are_told_in_the_same_words(
    event: str, language: str, one: Known, other: Known
) -> None:
    told = [render(message_about(who, Event(event), language)) for who in (one, other)]
    assert told[0] == told[1]


def test_the_languages_do_differ_and_so_do_links() -> None:
    """The property is not held by saying nothing."""
    said = {
        name: render(message_about(SOMEBODY, Event.CASE_SIGNED, name)).text for name in LANGUAGES
    }
    assert len(set(said.values())) == len(LANGUAGES) > 1
    assert all(TOKEN in text for text in said.values())


@pytest.mark.parametrize("event", Event.values)
@pytest.mark.parametrize("way", ["template", "text", "sms"])
@FEW
@given(one=knowledge(), other=knowledge())
def test_twilio_is_told_the_same_of_two_people_but_their_number(
    event: str, way: str, one: Known, other: Known
) -> None:
    channel = Channel.SMS if way == "sms" else Channel.WHATSAPP
    sent: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twilio_api, "client", lambda: Recorder(sent))
        sids = {event: "HX" + "0" * 32} if way == "template" else {}
        patch.setattr(settings, "TWILIO_CONTENT_SIDS", sids)
        for who in (one, other):
            message = message_about(who, Event(event), "en", channel)
            SENDERS_OF_TWILIO[channel](message, render(message))
    before = "" if way == "sms" else "whatsapp:"
    assert [form.pop("to") for form in sent] == [f"{before}{who.number}" for who in (one, other)]
    assert sent[0] == sent[1]


@pytest.mark.parametrize("event", WITH_ANSWER)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("way", ["template", "text", "sms", "email"])
@FEW
@given(one=knowledge(), other=knowledge())
def test_a_whole_answer_differs_in_its_words_and_goes_by_whatsapp_alone(
    event: Event, language: str, way: str, one: Known, other: Known
) -> None:
    """As if both had asked for it: nothing else of theirs comes along, and no other way opens."""
    channel = Channel(way) if way in ("sms", "email") else Channel.WHATSAPP
    sent: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full_report, "wanted", lambda _reader: True)
        patch.setattr(full_report, "_wrote_lately", lambda _number: way == "text")
        patch.setattr(twilio_api, "client", lambda: Recorder(sent))
        sids = {f"{event}.full": "HX" + "1" * 32} if way == "template" else {}
        patch.setattr(settings, "TWILIO_CONTENT_SIDS", sids)
        said = []
        for who in (one, other):
            message = message_about(who, event, language, channel)
            said.append(render(message))
            if channel != Channel.EMAIL:
                SENDERS_OF_TWILIO[channel](message, said[-1])
    for form in sent:
        form.pop("to")
    if channel != Channel.WHATSAPP:
        assert said[0] == said[1]
        assert sent == sent[::-1]
        return
    assert [words.whole for words in said] == [one.answer, other.answer]
    same = {(words.link, words.subject, words.email, words.sms, words.variable) for words in said}
    assert len(same) == 1
    name = "content_variables" if way == "template" else "body"
    carried = [form.pop(name) for form in sent]
    assert sent[0] == sent[1]
    if way == "template":
        assert [json.loads(values) for values in carried] == [
            {"1": said[0].link, "2": who.answer} for who in (one, other)
        ]
    else:
        before, after = around(render_with("|", event, language), "|")
        assert carried == [f"{before}{who.answer}{after}" for who in (one, other)]


def render_with(answer: str, event: Event, language: str) -> str:
    """The text of a message with ``answer`` whole in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full_report, "words_of", lambda _message: answer)
        return render(message_about(SOMEBODY, event, language)).text


def around(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    assert found
    return before, after


SENDERS_OF_TWILIO = {
    Channel.WHATSAPP: lambda message, words: twilio_api.by_whatsapp(
        message, words.text, words.variable, words.whole
    ),
    Channel.SMS: lambda message, words: twilio_api.by_sms(message, words.sms),
}


class Recorder:
    """In the place of Twilio's client: takes what would be posted."""

    def __init__(self, sent: list[dict[str, str]]) -> None:
        self.messages = self
        self._sent = sent

    def create(self, **form: str) -> Any:
        self._sent.append(form)
        return type("Sent", (), {"sid": "SM1"})()


def test_no_other_field_travels_over_the_wire(
    cast: Cast, twilio: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the client really posts it, whatever it adds by itself."""
    posted: list[dict[str, Any]] = []
    request = twilio_api._SettableAddress.request

    def spied(self: Any, method: str, uri: str, **more: Any) -> Any:
        posted.append(dict(more.get("data") or {}))
        assert not [word for word in (cast.ana.name, cast.ana.email) if word in uri]
        return request(self, method, uri, **more)

    monkeypatch.setattr(twilio_api._SettableAddress, "request", spied)
    tell(cast.ana)
    delivery.deliver_due()
    [form] = posted
    assert {name for name, value in form.items() if value} <= MAY_TRAVEL
    assert form["To"].endswith(ANAS_NUMBER)


def test_words_that_hold_a_code_hold_nothing_else() -> None:
    words: Words = render(message_about(SOMEBODY, Event.NUMBER_CODE, "en"))
    assert words.code in words.text
    assert (words.link, words.email) == ("", "")
