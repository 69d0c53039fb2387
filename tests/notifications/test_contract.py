"""Our requests, and the stand-in's answers, against what Twilio publishes of its API.

Nothing is typed anew: the official client sends to the stand-in, and what went over the wire is
held against ``contract``.
"""

from __future__ import annotations

import inspect
import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from jsonschema import Draft202012Validator
from pytest_django import Settings
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance, MessageList

from notifications import settling, twilio_api
from notifications.errors import CODES
from notifications.models import Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast, build_cast
from tests.notifications import contract
from tests.notifications.conftest import deliver_all, now, pass_time, tell
from tests.notifications.wire import Wire

HX = "HX" + "0123456789abcdef" * 2


def against(schema: contract.Schema, given: Any) -> list[str]:
    """Where ``given`` does not hold to the description, in words."""
    found = Draft202012Validator(schema).iter_errors(given)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


# --- The description and the client that is made of it --------------------------------------------
def test_the_official_client_knows_the_names_we_hold_our_requests_against() -> None:
    """Twilio makes its client from the same description."""
    known = {name.removesuffix("_") for name in inspect.signature(MessageList.create).parameters}
    ours = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in contract.MAY_BE_SENT}
    assert ours <= known
    assert len(known) >= 24, "the client takes far more than we send"


def test_the_official_client_knows_the_same_states_and_the_same_fields() -> None:
    states = {value for name, value in vars(MessageInstance.Status).items() if name.isupper()}
    assert states == set(contract.STATUS)
    payload: dict[str, Any] = dict.fromkeys(contract.MESSAGE["properties"])
    fields = set(vars(MessageInstance(Client("AC", "x").api.v2010, payload, account_sid="AC")))
    assert {"from_" if name == "from" else name for name in payload} <= fields


def test_every_state_a_message_of_ours_may_have_means_something_to_us() -> None:
    assert set(settling.STATUS) == set(contract.STATUS) - contract.INCOMING


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"To": "whatsapp:+447700900101", "From": "whatsapp:+15005550006", "Body": "x"}, False),
        ({"From": "whatsapp:+15005550006", "Body": "x"}, True),
        ({"To": "447700900101", "From": "whatsapp:+15005550006", "Body": "x"}, True),
        ({"To": "+447700900101", "Body": "x"}, True),
        ({"To": "+447700900101", "From": "+15005550006"}, True),
        ({"To": "+447700900101", "From": "+15005550006", "Body": "x", "Cc": "x"}, True),
        ({"To": "+447700900101", "From": "+15005550006", "Body": "x", "ContentSid": HX}, True),
        ({"To": "+447700900101", "From": "+15005550006", "ContentSid": "HXshort"}, True),
        ({"To": "+447700900101", "From": "+15005550006", "Body": "", "ContentVariables": ""}, True),
    ],
)  # fmt: skip
def test_the_description_finds_what_is_wrong(given: dict[str, str], wrong: bool) -> None:
    assert bool(against(contract.REQUEST, given)) is wrong


# --- What we send --------------------------------------------------------------------------------
def test_a_text_is_sent_as_the_description_has_it(cast: Cast, twilio: StandIn, wire: Wire) -> None:
    message = tell(cast.ana)
    deliver_all()
    [sent] = wire.sent()
    assert against(contract.REQUEST, sent.form) == []
    assert set(sent.form) == {"To", "From", "Body", "StatusCallback"}
    assert re.fullmatch(contract.PATH, sent.path)
    assert sent.form["To"] == f"whatsapp:{ANAS_NUMBER}"
    assert str(message.pk) in sent.form["StatusCallback"]


def test_it_is_sent_as_a_form_with_the_credentials_and_nowhere_else(
    cast: Cast, twilio: StandIn, wire: Wire
) -> None:
    tell(cast.ana)
    deliver_all()
    [sent] = wire.sent()
    headers = sent.request.headers
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert str(headers["Authorization"]).startswith("Basic ")
    assert sent.query == {}
    token = django_settings.TWILIO_AUTH_TOKEN
    assert token not in f"{sent.request.url} {sent.request.body!r}"


def test_a_template_is_sent_as_the_description_has_it(
    cast: Cast, twilio: StandIn, settings: Settings, wire: Wire
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"case_checked": HX}
    tell(cast.ana)
    deliver_all()
    [sent] = wire.sent()
    assert against(contract.REQUEST, sent.form) == []
    assert set(sent.form) == {
        "To", "From", "ContentSid", "ContentVariables", "StatusCallback",
    }  # fmt: skip
    variables = json.loads(sent.form["ContentVariables"])
    assert set(variables) == {"1"}
    assert all(value and "\n" not in value and "  " not in value for value in variables.values())


def test_where_twilio_could_not_call_back_it_is_not_asked_to(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    message = tell(cast.ana)
    settings.TWILIO_API_BASE = ""
    settings.PUBLIC_URL = "http://localhost:8000"
    assert twilio_api.status_callback(message) == ""
    settings.PUBLIC_URL = "https://clinic.example.org"
    callback = twilio_api.status_callback(message)
    assert against(contract.ADDRESS, callback) == []
    assert callback.startswith("https://clinic.example.org/twilio/status/")


def test_looking_for_a_message_asks_as_the_description_has_it(
    cast: Cast, twilio: StandIn, wire: Wire
) -> None:
    twilio.faults.next.append(Fault("drop"))
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == Message.State.UNKNOWN
    pass_time(1)
    deliver_all()
    asked = list(wire.asked("/Messages.json"))
    assert len(asked) == 2, "those sent since, then the newest"
    for one in asked:
        assert against(contract.LIST_QUERY, one.query) == []
        assert against(contract.LISTING, one.answer) == []
    assert "DateSent>" in asked[0].query
    assert now(message).state == Message.State.SENT


# --- What the stand-in answers --------------------------------------------------------------------
def test_the_stand_ins_answers_are_twilios(cast: Cast, twilio: StandIn, wire: Wire) -> None:
    message = tell(cast.ana)
    deliver_all()
    pass_time(2)
    deliver_all()  # and asks what became of it
    [sent], [asked] = wire.sent(), wire.asked(now(message).provider_id)
    assert sent.response.status_code == 201
    assert asked.response.status_code == 200
    for answer in (sent.answer, asked.answer):
        assert against(contract.MESSAGE, answer) == []
        assert parsedate_to_datetime(answer["date_created"]).tzinfo is not None
    assert sent.answer["date_sent"] is None, "queued, so not sent yet"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("refuse", status=429, code=20429), 429),
        (Fault("refuse", status=400, code=63016), 400),
        (Fault("break", status=503), 503),
    ],
)
def test_the_stand_ins_refusals_are_twilios(
    cast: Cast, twilio: StandIn, wire: Wire, fault: Fault, status: int
) -> None:
    twilio.faults.next.append(fault)
    tell(cast.ana)
    deliver_all()
    sent = next(wire.sent())
    assert sent.response.status_code == status
    assert against(contract.ERROR, sent.answer) == []
    assert sent.answer["status"] == status


def test_what_it_refuses_itself_has_the_same_shape(twilio: StandIn) -> None:
    account = django_settings.TWILIO_ACCOUNT_SID
    url = f"{twilio.url}/2010-04-01/Accounts/{account}/Messages.json"
    right = (account, django_settings.TWILIO_AUTH_TOKEN)
    for auth, form in ((right, {}), (right, {"To": "x", "From": "y"}), (("AC", "no"), {})):
        answer = requests.post(url, form, auth=auth, timeout=5)
        assert against(contract.ERROR, answer.json()) == []
        assert answer.json()["status"] == answer.status_code


def test_every_code_we_know_has_words_for_what_to_do() -> None:
    for code, meant in CODES.items():
        assert 10_000 <= code <= 99_999
        assert str(meant.reason).endswith(".")
        assert str(meant.to_do).strip()


# --- What it posts to us --------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails_with", [0, 63016])
def test_its_reports_are_twilios(reporting_twilio: StandIn, wire: Wire, fails_with: int) -> None:
    reporting_twilio.faults.fails_with = fails_with
    cast = build_cast()
    message = tell(cast.ana)
    deliver_all()
    last = "failed" if fails_with else "read"
    reported = eventually(wire, f"/twilio/status/{message.pk}/", last)
    for one in reported:
        assert against(contract.CALLBACK, one) == []
        assert one["To"] == f"whatsapp:{ANAS_NUMBER}"
    assert ("ErrorCode" in reported[-1]) is bool(fails_with)


@pytest.mark.django_db(transaction=True)
def test_what_it_passes_on_from_a_phone_is_twilios(reporting_twilio: StandIn, wire: Wire) -> None:
    build_cast()
    reporting_twilio.portal.reply(ANAS_NUMBER, "STOP", "whatsapp:+15005550006")
    [heard] = wire.told("/twilio/inbound/")
    assert against(contract.INCOMING_MESSAGE, heard.form) == []
    assert heard.response.status_code == 200


def eventually(wire: Wire, path: str, last: str) -> list[dict[str, str]]:
    """The forms posted to ``path`` until one says ``last``."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        told = [one.form for one in wire.told(path)]
        if any(form["MessageStatus"] == last for form in told):
            return told
        time.sleep(0.05)
    raise AssertionError(f"no report says {last}")
