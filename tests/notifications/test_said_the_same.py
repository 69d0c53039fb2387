"""Whatever is known of a person, their message has the same words: a property, not a list of words.

The live counterpart, with real logs, addresses and Valkey, is ``tests/test_traces.py``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Clinic, User
from notifications import delivery, twilio_api
from notifications.models import Event, Invitation, Link, Message, NumberCode
from notifications.texts import Words, render
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import tell

LANGUAGES = sorted({code.partition("-")[0] for code, _ in settings.LANGUAGES})
UNTIL = datetime(2030, 5, 7, 9, 0, tzinfo=UTC)
TOKEN, CODE = "R" * 22, uuid.UUID(int=7)
# What a request to Twilio may carry besides the two numbers.
MAY_TRAVEL = {"To", "From", "Body", "ContentSid", "ContentVariables", "StatusCallback"}


@dataclass(frozen=True)
class Known:
    """All that the rows around a message say of people and of what it is about."""

    name: str
    email: str
    number: str
    clinic: str
    about: str
    path: str


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
    )


def message_about(known: Known, event: Event, language: str) -> Message:
    """A message none of whose rows is saved, so that a thousand of them take no time."""
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
        recipient=person,
        address=known.number,
        error=known.name,
        language=language,
        **carries,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", Event.values)
@given(one=knowledge(), other=knowledge())
def test_two_people_are_told_in_the_same_words(
    event: str, language: str, one: Known, other: Known
) -> None:
    told = [render(message_about(who, Event(event), language)) for who in (one, other)]
    assert told[0] == told[1]


def test_the_languages_do_differ_and_so_do_links() -> None:
    """The property is not held by saying nothing."""
    known = Known("a", "a@example.org", "+4477009001", "b", "c", "/d")
    said = {name: render(message_about(known, Event.CASE_SIGNED, name)).text for name in LANGUAGES}
    assert len(set(said.values())) == len(LANGUAGES) > 1
    assert all(TOKEN in text for text in said.values())


@pytest.mark.parametrize("event", Event.values)
@pytest.mark.parametrize("with_template", [True, False])
@given(one=knowledge(), other=knowledge())
def test_twilio_is_told_the_same_of_two_people_but_their_number(
    event: str, with_template: bool, one: Known, other: Known
) -> None:
    sent: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twilio_api, "client", lambda: Recorder(sent))
        sids = {event: "HX" + "0" * 32} if with_template else {}
        patch.setattr(settings, "TWILIO_CONTENT_SIDS", sids)
        for who in (one, other):
            message = message_about(who, Event(event), "en")
            words = render(message)
            twilio_api.by_whatsapp(message, words.text, words.variable)
    assert [form.pop("to") for form in sent] == [f"whatsapp:{who.number}" for who in (one, other)]
    assert sent[0] == sent[1]


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
    known = Known("a", "a@example.org", "+4477009001", "b", "c", "/d")
    words: Words = render(message_about(known, Event.NUMBER_CODE, "en"))
    assert words.code in words.text
    assert (words.link, words.email) == ("", "")
