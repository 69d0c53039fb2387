"""The page where messages are set up: what is there, what is missing, what happened when tried."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts import languages, people
from accounts.models import AuditEntry, Clinic, Consent
from notifications import errors
from notifications.models import BY_STAFF, Channel, Event, Inbound, Message, SetupCheck
from notifications.setup import looking, templates, trying, webhook
from notifications.setup.webhook import Tried
from portal import navigation
from portal.standin.server import StandIn
from tests.cast import Cast, build_cast, confirmed_number, logged_in
from tests.notifications.conftest import ON_A_PHONE, bodies, deliver_all, tell
from tests.notifications.content_api import ContentApi

PAGE = reverse("message_setup")
ADAS_NUMBER = "+447700900401"
HX, HX_ES, HX_OTHER = ("HX" + digit * 32 for digit in "abc")
State = Message.State


def press(browser: Client, kind: str) -> Any:
    return browser.post(reverse("message_setup_check", args=[kind]), follow=True)


def text_of(page: Any) -> str:
    """A page's words, without its tags."""
    assert page.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


@pytest.fixture
def ada(cast: Cast) -> Client:
    return cast.client(cast.ada)


@pytest.fixture
def content(settings: Settings) -> Iterator[ContentApi]:
    api = ContentApi()
    settings.TWILIO_API_BASE = api.url
    yield api
    api.stop()


# --- Who may look --------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["ana", "bo", "ruth", "uma", "xu"])
def test_for_everyone_but_admins_there_is_no_such_page(cast: Cast, who: str) -> None:
    browser = cast.client(cast.everyone()[who])
    assert browser.get(PAGE).status_code == 404
    for kind in ("templates", "webhook", "mail", "message"):
        assert browser.post(reverse("message_setup_check", args=[kind])).status_code == 404
    assert not SetupCheck.objects.exists()
    assert not Message.objects.exists()


def test_who_is_not_logged_in_is_asked_to(cast: Cast) -> None:
    assert cast.client().get(PAGE)["Location"] == f"{reverse('account_login')}?next={PAGE}"


def test_admins_find_it_from_every_page_of_theirs(cast: Cast, ada: Client) -> None:
    above = reverse("staff_messages")
    links = {link.url: link.here for link in navigation.for_user(cast.ada, PAGE)}
    assert links[above] == "true"
    assert f'href="{PAGE}"' in ada.get(above).content.decode()
    assert f'href="{above}"' in ada.get(reverse("admin:index")).content.decode()
    assert cast.client(cast.root).get(PAGE).status_code == 200


def test_nothing_is_done_by_looking_and_no_other_check_exists(ada: Client) -> None:
    assert ada.get(reverse("message_setup_check", args=["mail"])).status_code == 405
    assert ada.post(reverse("message_setup_check", args=["everything"])).status_code == 404
    assert ada.post(PAGE).status_code == 405


def test_a_check_needs_the_forms_token(cast: Cast) -> None:
    browser = logged_in(cast.ada, enforce_csrf_checks=True)
    assert browser.post(reverse("message_setup_check", args=["mail"])).status_code == 403


# --- What is there -------------------------------------------------------------------------------
def test_a_secret_is_never_shown(ada: Client) -> None:
    page = ada.get(PAGE).content.decode()
    assert django_settings.TWILIO_AUTH_TOKEN not in page
    assert django_settings.TWILIO_ACCOUNT_SID not in page
    assert "+15005550006" in page, "the sender is no secret"


@pytest.mark.parametrize(
    "name", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_FROM"]
)
def test_what_is_missing_is_named(ada: Client, settings: Settings, name: str) -> None:
    assert f"Missing: set {name}." not in text_of(ada.get(PAGE))
    setattr(settings, name, "")
    assert f"To mend Missing: set {name}." in text_of(ada.get(PAGE))


def test_without_an_sms_sender_it_says_so(ada: Client, settings: Settings) -> None:
    settings.TWILIO_SMS_FROM = ""
    assert "no text messages are sent" in text_of(ada.get(PAGE))
    settings.TWILIO_SMS_FROM = "+15005550009"
    assert "+15005550009" in text_of(ada.get(PAGE))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:8000", "Only this machine can reach it"),
        ("http://clinic.example.org", "Set PUBLIC_URL to an https address."),
        ("https://clinic.example.org", "https://clinic.example.org/twilio/inbound/"),
    ],
)
def test_the_public_address_is_judged(ada: Client, settings: Settings, url: str, said: str) -> None:
    settings.PUBLIC_URL, settings.SECURE = url, url.startswith("https")
    assert said in text_of(ada.get(PAGE))


def test_the_last_message_from_a_phone_is_shown_without_its_number(ada: Client) -> None:
    assert "None yet. Write something to our number" in text_of(ada.get(PAGE))
    Inbound.objects.create(provider_id="SM1", e164="+447700900123", word="other")
    page = text_of(ada.get(PAGE))
    assert "None yet" not in page
    assert "7700900123" not in page


def test_where_mail_goes_nowhere_it_says_so(ada: Client, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Lentigo <no-reply@localhost>"
    page = text_of(ada.get(PAGE))
    assert "No mail server is set" in page
    assert "Set DEFAULT_FROM_EMAIL" in page
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "mail.example.org", 587
    settings.DEFAULT_FROM_EMAIL = "North <news@example.org>"
    page = text_of(ada.get(PAGE))
    assert "Leaves by mail.example.org:587." in page
    assert "news@example.org" in page
    assert "Set DEFAULT_FROM_EMAIL" not in page


def test_the_page_costs_the_same_however_much_there_is(
    cast: Cast, ada: Client, settings: Settings
) -> None:
    costs = []
    for round_ in range(2):
        for number in range(5 * round_):
            message = tell(cast.ana, about=f"case:{number}")
            Message.objects.filter(pk=message.pk).update(
                state=State.FAILED, error_code=str(63000 + number)
            )
        settings.TWILIO_CONTENT_SIDS = dict.fromkeys(map(str, Event), HX) if round_ else {}
        with CaptureQueriesContext(connection) as queries:
            assert ada.get(PAGE).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 12


# --- Templates -----------------------------------------------------------------------------------
def test_every_event_in_every_language_is_listed_with_our_words(ada: Client) -> None:
    page = text_of(ada.get(PAGE))
    for event in set(Event) - set(BY_STAFF):
        for language in ("en", "es"):
            assert f"{event}.{language} " in page
    assert f"{Event.URGENT_CALL}." not in page, "a task never travels by WhatsApp"
    assert ON_A_PHONE in page
    assert "Su clínica tiene novedades para usted: {{1}} Responda STOP" in page
    assert "{{1}} is your verification code." in page
    assert "case_signed.full" not in page


def test_answers_sent_whole_need_templates_of_their_own(cast: Cast, ada: Client) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(full_report=True)
    page = text_of(ada.get(PAGE))
    assert "case_signed.full.en" in page
    assert "case_amended.full.es" in page
    whole = "Your doctor has answered. {{2}} To read it with your photos, log in here: {{1}} "
    assert f"{whole}Reply STOP to end these messages." in page


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("approved", "Good Approved by WhatsApp. Its text is ours."),
        ("unsubmitted", "To mend Not sent to WhatsApp for approval yet."),
        ("pending", "Look WhatsApp is looking at it."),
        ("received", "Look WhatsApp is looking at it."),
        ("rejected", "To mend WhatsApp has rejected it. TAG_CONTENT_MISMATCH"),
        ("paused", "To mend WhatsApp has paused it"),
        ("disabled", "To mend WhatsApp has switched it off."),
        ("something new", "Look something new"),
    ],
)
def test_twilio_is_asked_what_whatsapp_thinks(
    ada: Client, content: ContentApi, settings: Settings, state: str, said: str
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"case_checked.en": HX}
    content.has(HX, ON_A_PHONE.replace(": ", ":  "), state)
    assert "Set. Twilio has not been asked yet." in text_of(ada.get(PAGE))
    assert said in text_of(press(ada, "templates"))
    assert {path for path in content.asked if HX in path} == {
        f"/v1/Content/{HX}",
        f"/v1/Content/{HX}/ApprovalRequests",
    }


def test_words_that_are_not_ours_are_shown_beside_ours(
    ada: Client, content: ContentApi, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"case_checked": HX}
    content.has(HX, ON_A_PHONE)
    page = text_of(press(ada, "templates"))
    assert "Approved by WhatsApp. Its text is ours." in page, "in English"
    assert "Approved by WhatsApp. Its text is not ours." in page, "and for Spanish it is not"
    assert "Twilio has: Your clinic has an update for you: {{1}}" in page


def test_a_template_for_codes_has_no_text_to_compare(
    ada: Client, content: ContentApi, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"number_code": HX}
    content.has(HX, "")
    assert "It has no text of its own to compare." in text_of(press(ada, "templates"))


def test_slips_of_the_pen_are_found_without_asking(
    ada: Client, content: ContentApi, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"case_cheked": HX, "case_signed.fr": HX, "case_signed": "HX12"}
    page = text_of(press(ada, "templates"))
    assert "Names in TWILIO_CONTENT_SIDS that no message uses: case_cheked, case_signed.fr" in page
    assert "This is no ContentSid: HX and 32 digits." in page
    assert not [path for path in content.asked if "Content" in path]


def test_a_template_twilio_does_not_have(
    ada: Client, content: ContentApi, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = {"case_checked": HX}
    assert "Twilio has no such template in this account." in text_of(press(ada, "templates"))


@pytest.mark.parametrize("sids", [{}, {"case_checked": HX}])
def test_credentials_twilio_does_not_take(
    ada: Client, content: ContentApi, settings: Settings, sids: dict[str, str]
) -> None:
    settings.TWILIO_CONTENT_SIDS = sids
    content.broken = 401
    page = text_of(press(ada, "templates"))
    assert "Twilio does not accept our credentials." in page
    content.broken = 0
    content.has(HX, "x")
    assert "Twilio does not accept our credentials." not in text_of(press(ada, "templates"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """A check gives up after half a second; what it really may take is held at the end."""
    for module in (templates, trying, webhook):
        monkeypatch.setattr(module, "SECONDS", 0.5)
    return 3.0  # by then, on a machine that has other things to do


@pytest.mark.parametrize("trouble", ["slow", "500", "503", "nonsense", "a list", "nobody"])
def test_a_twilio_in_trouble_could_not_be_asked_in_time_and_breaks_nothing(
    ada: Client, content: ContentApi, settings: Settings, impatient: float, trouble: str
) -> None:
    settings.TWILIO_CONTENT_SIDS = {str(event): f"HX{n:032x}" for n, event in enumerate(Event)}
    if trouble == "slow":
        content.wait = impatient
    elif trouble.isdigit():
        content.broken = int(trouble)
    elif trouble == "nobody":
        settings.TWILIO_API_BASE = "http://127.0.0.1:9"
    else:
        content.words = "<html>" if trouble == "nonsense" else "[]"
        content.bodies = dict.fromkeys(settings.TWILIO_CONTENT_SIDS.values(), "x")
        content.states = dict.fromkeys(settings.TWILIO_CONTENT_SIDS.values(), "approved")
    began = time.monotonic()
    page = press(ada, "templates")
    assert time.monotonic() - began < impatient
    assert "Twilio could not be asked." in text_of(page)
    content.asked.clear()
    assert "Twilio could not be asked." in text_of(ada.get(PAGE))
    assert trouble == "slow" or not content.asked, "the page itself asks nobody"


def test_without_credentials_nobody_is_asked(
    ada: Client, content: ContentApi, settings: Settings
) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert "Set the account, the token and the sender first." in text_of(press(ada, "templates"))
    assert not content.asked
    assert not SetupCheck.objects.exists()


def test_each_check_is_kept_once_with_its_time_and_written_down(
    cast: Cast, ada: Client, content: ContentApi
) -> None:
    for _ in range(2):
        press(ada, "templates")
    kept = SetupCheck.objects.get()
    assert (kept.kind, kept.by) == ("templates", cast.ada)
    lines = AuditEntry.objects.filter(action="messages.checked", about="setup:templates")
    assert lines.count() == 2
    assert django_settings.TWILIO_AUTH_TOKEN not in str(kept.found)
    assert "by Ada Moss" in text_of(ada.get(PAGE))


# --- The way back to us ---------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_our_webhook_is_tried_through_the_public_address(
    live_server: object, settings: Settings
) -> None:
    cast = build_cast()
    settings.PUBLIC_URL = str(live_server)
    page = text_of(press(cast.client(cast.ada), "webhook"))
    assert "Good It arrived, signed and whole. HTTP 200 after" in page
    assert SetupCheck.objects.get().found["outcome"] == "ok"
    assert AuditEntry.objects.get(action="messages.checked").detail == {"outcome": "ok"}


@pytest.mark.django_db(transaction=True)
def test_a_proxy_that_shows_us_another_address_is_found(
    live_server: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed for the public address, checked against what arrives: a path that was added."""
    settings.PUBLIC_URL = str(live_server)
    post = requests.Session.post

    def through_a_proxy(session: requests.Session, url: str, **more: Any) -> requests.Response:
        return post(session, f"{url}?through=proxy", **more)

    monkeypatch.setattr(requests.Session, "post", through_a_proxy)
    assert (webhook.try_it().outcome, webhook.try_it().status) == ("not signed", 403)


@pytest.mark.django_db(transaction=True)
def test_a_proxy_that_does_not_pass_the_path_on_is_found(
    live_server: object, settings: Settings
) -> None:
    settings.PUBLIC_URL = f"{live_server}/portal"
    assert webhook.try_it().outcome == "not found"


@pytest.mark.parametrize(
    ("url", "outcome"),
    [("http://127.0.0.1:9", "refused"), ("https://no-such-host.invalid", "no host")],
)
def test_nobody_there(settings: Settings, url: str, outcome: str) -> None:
    settings.PUBLIC_URL = url
    assert webhook.try_it() == Tried(outcome)


def test_somebody_elses_server_does_not_pass_for_ours(
    content: ContentApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLIC_URL = content.url
    assert webhook.try_it().outcome == "failing", "it knows no POST"
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"hello"
    monkeypatch.setattr(requests.Session, "post", lambda *_a, **_k: answer)
    assert webhook.try_it().outcome == "another"
    answer.status_code, answer.headers["Location"] = 301, "/elsewhere/"
    assert webhook.try_it().outcome == "redirected"


def test_a_proxy_that_does_not_answer_is_given_up(
    ada: Client, monkeypatch: pytest.MonkeyPatch, impatient: float
) -> None:
    def hangs(*_args: object, **_options: object) -> HttpResponse:
        time.sleep(impatient + 1)
        raise AssertionError("waited for")

    monkeypatch.setattr(requests.Session, "post", hangs)
    began = time.monotonic()
    page = press(ada, "webhook")
    assert time.monotonic() - began < impatient
    assert "No answer in five seconds." in text_of(page)


def test_without_a_token_nothing_can_be_signed(settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert webhook.try_it() == Tried("no token")


# --- E-mail and a message to oneself -------------------------------------------------------------
def test_a_test_mail_goes_to_oneself(
    cast: Cast, ada: Client, mailoutbox: list[EmailMessage]
) -> None:
    assert "The mail server took it." in text_of(press(ada, "mail"))
    assert [mail.to for mail in mailoutbox] == [[cast.ada.email]]
    assert SetupCheck.objects.get().found == {"outcome": "ok"}


@pytest.mark.parametrize(
    ("error", "outcome", "said"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), "login", "does not accept the name"),
        (smtplib.SMTPRecipientsRefused({}), "address", "refuses the sender or your address"),
        (smtplib.SMTPDataError(554, b"spam"), "refused", "The mail server refused it. 554"),
        (ConnectionRefusedError(), "unreachable", "cannot be reached"),
        (TimeoutError(), "too slow", "could not be asked"),
    ],
)
def test_what_the_mail_server_says_is_said(
    ada: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str, said: str
) -> None:
    def broken(*_args: object) -> None:
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", broken)
    assert said in text_of(press(ada, "mail"))
    assert SetupCheck.objects.get().found["outcome"] == outcome


def test_a_mail_server_that_hangs_is_given_up(
    ada: Client, monkeypatch: pytest.MonkeyPatch, impatient: float
) -> None:
    monkeypatch.setattr(EmailBackend, "send_messages", lambda *_args: time.sleep(impatient + 1))
    began = time.monotonic()
    assert "no answer in five seconds" in text_of(press(ada, "mail"))
    assert time.monotonic() - began < impatient


def with_a_number(cast: Cast) -> None:
    people.give_consent(cast.ada, Consent.Kind.MESSAGES)
    confirmed_number(cast.ada, ADAS_NUMBER)


def test_a_test_message_goes_through_the_ledger_to_ones_own_number(
    cast: Cast, ada: Client, twilio: StandIn
) -> None:
    with_a_number(cast)
    assert "Ready to go to +44…01." in text_of(ada.get(PAGE))
    assert "A test message is on its way" in text_of(press(ada, "message"))
    press(ada, "message")
    deliver_all()
    [body] = bodies(twilio)
    assert body.startswith("This is a test, from the page where messages are set up: http")
    assert [one.number for one in twilio.store.accepted()] == [ADAS_NUMBER]
    assert "It has left." in text_of(ada.get(PAGE))
    assert AuditEntry.objects.filter(action="messages.tested").count() == 1


def test_who_has_no_confirmed_number_is_told_so(
    cast: Cast, ada: Client, mailoutbox: list[EmailMessage]
) -> None:
    assert "You have no confirmed number" in text_of(press(ada, "message"))
    deliver_all()
    assert not mailoutbox
    assert not Message.objects.exists()


def test_a_test_message_that_fails_says_why_and_what_to_do(
    cast: Cast, ada: Client, twilio: StandIn
) -> None:
    with_a_number(cast)
    twilio.faults.set({"next": [{"kind": "refuse", "status": 400, "code": 63016}]})
    press(ada, "message")
    deliver_all()
    page = text_of(ada.get(PAGE))
    assert (
        "It did not arrive. 63016: Outside 24 hours WhatsApp takes only approved templates" in page
    )
    assert "Make a template for this event and language" in page


def test_another_admins_test_is_not_mine(cast: Cast, twilio: StandIn) -> None:
    with_a_number(cast)
    press(cast.client(cast.ada), "message")
    assert trying.last_message(cast.ada) is not None
    assert trying.last_message(cast.root) is None


# --- What went wrong -----------------------------------------------------------------------------
def failed(cast: Cast, code: str, who: str = "ana", channel: str = Channel.WHATSAPP) -> Message:
    message = tell(cast.everyone()[who], about=f"case:{Message.objects.count()}")
    changes = {"state": State.FAILED, "error_code": code, "channel": channel}
    Message.objects.filter(pk=message.pk).update(**changes)
    return message


def test_the_last_codes_with_how_often_and_what_to_do(cast: Cast, ada: Client) -> None:
    assert "Nothing in the last 30 days." in text_of(ada.get(PAGE))
    for code in ("63016", "63016", "63003", "not-configured"):
        failed(cast, code)
    failed(cast, "550", channel=Channel.EMAIL)
    found = {one.code: one for one in looking.failing(cast.ada)}
    assert {code: one.count for code, one in found.items()} == {
        "63016": 2, "63003": 1, "not-configured": 1, "550": 1,
    }  # fmt: skip
    page = text_of(ada.get(PAGE))
    for code in ("63016", "63003"):
        assert str(errors.CODES[int(code)].to_do) in page
    assert "The mail server refuses this message." in page
    assert "This way of sending is not set up." in page


def test_an_admin_of_one_clinic_counts_its_own_peoples(cast: Cast) -> None:
    failed(cast, "63016", "ana")
    failed(cast, "63003", "xu")
    assert [one.code for one in looking.failing(cast.ada)] == ["63016"]
    assert {one.code for one in looking.failing(cast.root)} == {"63016", "63003"}


def test_what_is_long_ago_is_not_counted(cast: Cast) -> None:
    old = failed(cast, "63016")
    when = Message.objects.get(pk=old.pk).created_at - looking.ERRORS_SINCE
    Message.objects.filter(pk=old.pk).update(created_at=when)
    assert looking.failing(cast.root) == []


@pytest.mark.parametrize("code", ["63016", "99999", "503", "429", "401", "opted-out", "x", ""])
@pytest.mark.parametrize("mail", [False, True])
def test_of_any_code_there_is_something_to_say(code: str, mail: bool) -> None:
    meant = errors.known(code, mail=mail)
    assert str(meant.reason)
    assert str(meant.to_do)


# --- In Spanish ----------------------------------------------------------------------------------
def test_it_is_all_there_in_spanish(cast: Cast, ada: Client) -> None:
    languages.choose(cast.ada, "es")
    failed(cast, "63016")
    page = text_of(ada.get(PAGE))
    for english in ("Setting up messages", "Missing", "To mend", "Nothing", "Outside 24 hours"):
        assert english not in page
    assert "Fuera de las 24 horas" in page
