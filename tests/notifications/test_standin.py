"""The stand-in itself: as strict as Twilio, and a page that shows what people would get."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import requests
from django.core.management import call_command
from pytest_django import Settings

from notifications import twilio_api
from portal.standin import mailbox
from portal.standin.api import Account
from portal.standin.content import our_sids, our_templates, sid_of
from portal.standin.server import StandIn
from portal.standin.store import FINAL, Message, Store
from tests.notifications.conftest import ON_A_PHONE

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


# --- Text messages -------------------------------------------------------------------------------
def test_a_phone_gets_both_and_twilio_lists_them_apart(alone: StandIn) -> None:
    assert send(alone, GOOD).status_code == send(alone, SMS).status_code == 201
    url = f"{alone.url}/2010-04-01/Accounts/AC1/Messages.json"
    for form in (GOOD, SMS):
        rows = requests.get(url, {"To": form["To"]}, auth=("AC1", "secret"), timeout=5).json()
        assert [row["to"] for row in rows["messages"]] == [form["To"]]
        assert rows["messages"][0]["from"] == form["From"]
    page = requests.get(alone.url, timeout=5).text
    assert page.count('<section class="phone"') == 1
    assert page.count("</time> SMS") == 1
    assert '<option value="+15005550007">SMS</option>' in page


def test_after_a_stop_by_sms_twilio_sends_no_sms_and_whatsapp_as_before(alone: StandIn) -> None:
    assert send(alone, SMS).status_code == 201
    reply = {"number": SMS["To"], "body": "stop", "to": SMS["From"]}
    requests.post(f"{alone.url}/reply", reply, timeout=15)
    refused = send(alone, SMS)
    assert (refused.status_code, refused.json()["code"]) == (400, 21610)
    assert send(alone, GOOD).status_code == 201
    assert "successfully been unsubscribed" in requests.get(alone.url, timeout=5).text
    requests.post(f"{alone.url}/reply", reply | {"body": "START"}, timeout=15)
    assert send(alone, SMS).status_code == 201


def test_a_stop_by_whatsapp_is_for_the_portal_to_heed_and_a_restart_forgets_no_stop(
    alone: StandIn, tmp_path: Path
) -> None:
    send(alone, GOOD)
    reply = {"number": SMS["To"], "body": "STOP", "to": GOOD["From"]}
    requests.post(f"{alone.url}/reply", reply, timeout=15)
    assert send(alone, SMS).status_code == 201
    requests.post(f"{alone.url}/reply", reply | {"to": SMS["From"]}, timeout=15)
    assert Store(tmp_path / "phones.jsonl").stopped == {SMS["To"]}


# --- The Content API -----------------------------------------------------------------------------
def content(stand_in: StandIn, path: str = "", body: str | None = None) -> requests.Response:
    url, auth = f"{stand_in.url}/v1/Content{path}", ("AC1", "secret")
    if body is None:
        return requests.get(url, auth=auth, timeout=5)
    return requests.post(url, body, auth=auth, timeout=5)


def test_a_message_with_a_template_shows_the_templates_words(alone: StandIn) -> None:
    sent = send(alone, GOOD | TEMPLATE).json()
    assert sent["body"] == ON_A_PHONE.replace("{{1}}", "http://x/l/t/")
    spanish = TEMPLATE | {"ContentSid": sid_of("case_checked", "es")}
    assert send(alone, SMS | spanish).json()["body"].startswith("Su clínica tiene novedades")
    assert set(our_sids().values()) == {template.sid for template in our_templates()}


@pytest.mark.parametrize("value", ["two\nlines", "tab\there", "many    spaces"])
def test_whatsapp_refuses_a_variable_that_is_not_one_line_afterwards(
    alone: StandIn, value: str
) -> None:
    alone.faults.pace = 0
    form = TEMPLATE | {"ContentVariables": json.dumps({"1": value})}
    whatsapp, text = send(alone, GOOD | form), send(alone, SMS | form)
    assert (whatsapp.status_code, text.status_code) == (201, 201)
    assert fates(alone, whatsapp, text) == [63013, None]


@pytest.mark.parametrize(
    ("status", "code"),
    [("rejected", 63040), ("paused", 63041), ("disabled", 63042), ("pending", 63016)],
)
def test_a_template_that_is_not_approved_does_not_arrive(
    alone: StandIn, status: str, code: int
) -> None:
    order = json.dumps({"templates": {CHECKED: status}, "window": True, "pace": 0})
    requests.post(f"{alone.url}/_control", order, timeout=5)
    assert fates(alone, send(alone, GOOD | TEMPLATE)) == [code]


def fates(alone: StandIn, *answers: requests.Response) -> list[int | None]:
    """The error codes of these messages, once each has arrived or failed."""
    sids = [answer.json()["sid"] for answer in answers]
    for _ in range(200):
        rows = [row for row in map(alone.store.get, sids) if row and row.status in FINAL]
        if len(rows) == len(sids) and all(row.status != "delivered" for row in rows):
            break
        requests.get(alone.url, timeout=5)
    return [row.error_code for row in rows]


def test_twilios_own_client_reads_templates_and_what_whatsapp_thinks_of_them(
    alone: StandIn, settings: Settings
) -> None:
    settings.TWILIO_API_BASE = alone.url
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT.sid, ACCOUNT.token
    client = twilio_api.client()
    listed = list(client.content.v1.contents.stream(page_size=5))
    assert {row.sid for row in listed} == set(our_sids().values())
    one = client.content.v1.contents(CHECKED)
    assert one.fetch().types == {"twilio/text": {"body": ON_A_PHONE}}
    assert one.approval_fetch().fetch().whatsapp["status"] == "approved"
    both = list(client.content.v1.content_and_approvals.stream())
    assert {row.approval_requests["category"] for row in both} == {
        "UTILITY",
        "MARKETING",
        "AUTHENTICATION",
    }


def test_a_template_can_be_made_and_waits_for_approval(alone: StandIn) -> None:
    wish = {"friendly_name": "x", "language": "en", "types": {"twilio/text": {"body": "Hi {{1}}!"}}}
    made = content(alone, body=json.dumps(wish))
    assert made.status_code == 201
    sid = made.json()["sid"]
    approval = f"/{sid}/ApprovalRequests"
    assert content(alone, approval).json()["whatsapp"]["status"] == "unsubmitted"
    asked = content(alone, f"{approval}/whatsapp", json.dumps({"name": "x", "category": "UTILITY"}))
    assert (asked.status_code, asked.json()["status"]) == (201, "received")
    assert content(alone, f"/{sid}").json()["types"] == wish["types"]
    form = GOOD | {"ContentSid": sid, "ContentVariables": '{"1": "Ana"}'}
    assert send(alone, form).json()["body"] == "Hi Ana!"


@pytest.mark.parametrize("body", ["News: {{1}}", "{{1}} is here", "{{ name }} wrote"])
def test_whatsapp_approves_nothing_that_begins_or_ends_with_a_variable(
    alone: StandIn, body: str
) -> None:
    wish = {"friendly_name": "x", "language": "en", "types": {"twilio/text": {"body": body}}}
    sid = content(alone, body=json.dumps(wish)).json()["sid"]
    approval = f"/{sid}/ApprovalRequests/whatsapp"
    asked = content(alone, approval, json.dumps({"name": "x", "category": "UTILITY"}))
    assert (asked.json()["status"], asked.json()["rejection_reason"]) == (
        "rejected",
        "INVALID_FORMAT",
    )


def test_our_own_templates_as_the_command_prints_them_can_be_made_and_are_not_turned_down(
    alone: StandIn, db: None
) -> None:
    printed = StringIO()
    call_command("message_templates", "--json", "--full", stdout=printed)
    wishes = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert len(wishes) == len({wish["friendly_name"] for wish in wishes}) == len(our_sids()) - 2
    for wish in wishes:
        sid = content(alone, body=json.dumps(wish)).json()["sid"]
        code = wish["friendly_name"].startswith("number_code")
        category = "AUTHENTICATION" if code else "UTILITY"
        approval = f"/{sid}/ApprovalRequests/whatsapp"
        name = wish["friendly_name"]
        asked = content(alone, approval, json.dumps({"name": name, "category": category}))
        assert asked.json()["status"] == "received", wish
        assert set(content(alone, f"/{sid}").json()["variables"]) == set(wish["variables"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/HX" + "0" * 32, None, 404),
        ("/HX" + "0" * 32 + "/ApprovalRequests", None, 404),
        ("", "no json", 400),
        ("", "{}", 400),
        ("/HX" + "0" * 32 + "/ApprovalRequests/whatsapp", "{}", 404),
    ],
)
def test_what_is_not_there_or_not_right_is_refused(
    alone: StandIn, path: str, body: str | None, status: int
) -> None:
    assert content(alone, path, body).status_code == status


def test_the_content_api_asks_for_the_credentials_too(alone: StandIn) -> None:
    assert requests.get(f"{alone.url}/v1/Content", timeout=5).status_code == 401
    assert requests.post(f"{alone.url}/v1/Content", "{}", timeout=5).status_code == 401
