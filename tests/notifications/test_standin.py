"""The stand-in itself: as strict as Twilio, and a page that shows what people would get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from portal.standin import mailbox
from portal.standin.api import Account
from portal.standin.content import sid_of
from portal.standin.server import StandIn
from portal.standin.store import Message, Store

ACCOUNT = Account(sid="AC1", token="secret", sender="+15005550006", sms="+15005550007")
GOOD = {
    "To": "whatsapp:+447700900101",
    "From": "whatsapp:+15005550006",
    "Body": "News: http://x/l/t/",
}
SMS = GOOD | {"To": "+447700900101", "From": "+15005550007"}
CHECKED = sid_of("case_checked", "en")
TEMPLATE = {"ContentSid": CHECKED, "ContentVariables": '{"1": "http://x/l/t/"}'}


@pytest.fixture
def alone(tmp_path: Path) -> StandIn:
    """A stand-in with nobody to report to."""
    stand_in = StandIn(
        ACCOUNT,
        portal="http://127.0.0.1:9",
        state=tmp_path / "phones.jsonl",
        mail=tmp_path,
        names={"+447700900101": "Ana <b>"},
        control=True,
    )
    stand_in.start()
    return stand_in


def send(stand_in: StandIn, form: dict[str, str], token: str = ACCOUNT.token) -> requests.Response:
    url = f"{stand_in.url}/2010-04-01/Accounts/AC1/Messages.json"
    return requests.post(url, form, auth=("AC1", token), timeout=5)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"To": ""}, 400, 21604),
        ({"From": ""}, 400, 21603),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"To": "+447700900101"}, 400, 21910),
        ({"From": "+15005550007"}, 400, 21910),
        ({"To": "whatsapp:07700900101"}, 400, 21211),
        ({"From": "whatsapp:+15005550007"}, 400, 63007),
        ({"StatusCallback": "nowhere"}, 400, 21609),
        (SMS | {"To": "+44770"}, 400, 21211),
        (SMS | {"To": "+442079460958"}, 400, 21614),
        (SMS | {"From": "+15005550009"}, 400, 21606),
        (SMS | {"From": "", "MessagingServiceSid": "MG" + "0" * 32}, 404, 21701),
        ({"ContentVariables": "{}"}, 400, 21654),
        (TEMPLATE | {"ContentSid": "HX1"}, 400, 21655),
        (TEMPLATE | {"ContentSid": "HX" + "0" * 32}, 400, 21655),
        (TEMPLATE | {"ContentVariables": "{"}, 400, 21656),
        (TEMPLATE | {"ContentVariables": "{}"}, 400, 21656),
        (TEMPLATE | {"ContentVariables": '{"1": ""}'}, 400, 21656),
        (TEMPLATE | {"ContentVariables": '{"1": null}'}, 400, 21656),
        (TEMPLATE | {"ContentVariables": '["x"]'}, 400, 21656),
    ],
)
def test_it_refuses_what_twilio_refuses(
    alone: StandIn, change: dict[str, str], status: int, code: int
) -> None:
    answer = send(alone, GOOD | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not alone.store.accepted()


def test_it_asks_for_the_credentials(alone: StandIn) -> None:
    assert send(alone, GOOD, token="guess").json()["code"] == 20003
    url = f"{alone.url}/2010-04-01/Accounts/AC1/Messages.json"
    assert requests.get(url, timeout=5).status_code == 401
    assert not alone.store.accepted()


def test_what_it_took_it_lists_page_by_page(alone: StandIn) -> None:
    for _ in range(3):
        assert send(alone, GOOD).status_code == 201
    url = f"{alone.url}/2010-04-01/Accounts/AC1/Messages.json"
    query = {"To": GOOD["To"], "PageSize": "2"}
    first = requests.get(url, query, auth=("AC1", "secret"), timeout=5).json()
    assert len(first["messages"]) == 2
    rest = requests.get(
        alone.url + first["next_page_uri"], auth=("AC1", "secret"), timeout=5
    ).json()
    assert (len(rest["messages"]), rest["next_page_uri"]) == (1, None)
    elsewhere = requests.get(url, {"To": "whatsapp:+44"}, auth=("AC1", "secret"), timeout=5).json()
    assert elsewhere["messages"] == []


def test_outside_its_window_only_templates_pass(alone: StandIn) -> None:
    alone.faults.window, alone.faults.pace = True, 0
    plain = send(alone, GOOD).json()["sid"]
    template = send(alone, GOOD | TEMPLATE).json()
    alone.store.add(Message(number="+447700900101", body="hi", inbound=True))
    inside = send(alone, GOOD).json()["sid"]
    wanted = {plain: 63016, template["sid"]: None, inside: None}
    for _ in range(100):
        rows = {sid: alone.store.get(sid) for sid in wanted}
        if all(row and row.status in ("failed", "read") for row in rows.values()):
            break
        requests.get(alone.url, timeout=5)
    assert {sid: row.error_code if row else 0 for sid, row in rows.items()} == wanted


def test_the_page_shows_phones_replies_and_mails_and_escapes_them(
    alone: StandIn, tmp_path: Path
) -> None:
    send(alone, GOOD)
    alone.store.add(Message(number="+447700900101", body="<script>STOP", inbound=True))
    (tmp_path / "1.log").write_text(
        "Subject: Your clinic has an update\nTo: bo@example.org\n\nLook: http://x/l/u/\n"
        f"\n{'-' * 79}\n"
    )
    answer = requests.get(alone.url, timeout=5)
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert '<a href="http://x/l/t/">http://x/l/t/</a>' in answer.text
    assert '<a href="http://x/l/u/">' in answer.text
    assert "Ana &lt;b&gt;" in answer.text
    assert "&lt;script&gt;STOP" in answer.text
    assert "bo@example.org" in answer.text
    for asset in ("/phones.css", "/phones.js"):
        assert asset in answer.text
        assert requests.get(alone.url + asset, timeout=5).status_code == 200


def test_started_again_it_still_has_everything(alone: StandIn, tmp_path: Path) -> None:
    send(alone, GOOD)
    path = tmp_path / "phones.jsonl"
    with path.open("a") as file:
        file.write('{"message": {"number": "+44')  # cut short by a kill
    again = Store(path)
    assert [message.body for message in again.accepted()] == [GOOD["Body"]]


def test_faults_can_be_ordered_from_outside_where_that_is_allowed(alone: StandIn) -> None:
    order = json.dumps({"next": [{"kind": "refuse", "status": 429, "code": 20429}]})
    requests.post(f"{alone.url}/_control", order, timeout=5)
    assert send(alone, GOOD).status_code == 429
    assert send(alone, GOOD).status_code == 201
    counted = requests.get(f"{alone.url}/_control", timeout=5).json()
    assert (counted["requests"], len(counted["accepted"])) == (2, 1)
    alone.control = False
    assert requests.get(f"{alone.url}/_control", timeout=5).status_code == 401


def test_djangos_own_mail_files_are_read(tmp_path: Path) -> None:
    from django.core.mail import EmailMessage
    from django.core.mail.backends.filebased import EmailBackend

    backend = EmailBackend(file_path=str(tmp_path))
    for number in range(2):
        mail = EmailMessage(f"Ünder {number}", "Línea\nzwei", "a@example.org", ["b@example.org"])
        backend.send_messages([mail])
    mails = mailbox.read(tmp_path)
    assert {mail.subject for mail in mails} == {"Ünder 0", "Ünder 1"}
    assert mails[0].body.strip() == "Línea\nzwei"
