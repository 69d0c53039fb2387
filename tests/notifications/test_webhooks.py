"""Twilio's webhooks: only signed ones count, and a report never moves a message backwards."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.mail import EmailMessage
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from twilio import request_validator
from twilio.request_validator import RequestValidator

from accounts import languages, people
from accounts.models import Consent
from accounts.people import reachable_number
from notifications import delivery
from notifications.models import Channel, Inbound, Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast, build_cast
from tests.notifications.conftest import deliver_all, now, pass_time, tell

State = Message.State


class Answer(NamedTuple):
    status_code: int
    content: str


def signed(path: str, fields: dict[str, str], *, token: str | None = None, **more: str) -> Answer:
    """POST as Twilio does, signed for our public address."""
    url = django_settings.PUBLIC_URL + path
    key = django_settings.TWILIO_AUTH_TOKEN if token is None else token
    signature = RequestValidator(key).compute_signature(url, fields)
    headers = {"X-Twilio-Signature": signature, **more}
    response = Client().post(path, fields, headers=headers)
    return Answer(response.status_code, response.content.decode())


def report(message: Message, status: str, sid: str = "SM1", **more: str) -> int:
    """A status callback for the message's last try."""
    attempt = int(more.pop("attempt", str(now(message).attempts)))
    path = reverse("twilio_status", args=[message.pk, attempt])
    return signed(path, {"MessageSid": sid, "MessageStatus": status, **more}).status_code


@pytest.fixture
def sent(cast: Cast, twilio: StandIn) -> Message:
    message = tell(cast.ana)
    deliver_all()
    return now(message)


# --- Who is believed ------------------------------------------------------------------------------
def test_a_signed_report_counts(sent: Message) -> None:
    assert report(sent, "delivered", sent.provider_id) == 204
    assert now(sent).state == State.DELIVERED
    assert now(sent).settled_at is not None


def test_anything_not_signed_for_this_very_request_is_403(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    right = RequestValidator(django_settings.TWILIO_AUTH_TOKEN)
    url = django_settings.PUBLIC_URL + path
    forged = {
        "no signature": "",
        "nonsense": "AAAA",
        "another token": RequestValidator("guess").compute_signature(url, fields),
        "another body": right.compute_signature(url, fields | {"MessageStatus": "sent"}),
        "another address": right.compute_signature(url.replace("/1/", "/2/"), fields),
        "another host": right.compute_signature("http://testserver" + path, fields),
        "a query more": right.compute_signature(url + "?x=1", fields),
    }
    for name, signature in forged.items():
        answer = Client().post(path, fields, headers={"X-Twilio-Signature": signature})
        assert answer.status_code == 403, name
    assert now(sent).state == State.SENT


def test_without_a_token_of_our_own_nobody_can_sign(sent: Message, settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    path = reverse("twilio_status", args=[sent.pk, 1])
    assert signed(path, {"MessageStatus": "delivered"}, token="").status_code == 403
    assert now(sent).state == State.SENT


def test_a_lying_host_header_changes_nothing(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = {"MessageSid": sent.provider_id, "MessageStatus": "read"}
    assert signed(path, fields, Host="localhost").status_code == 204
    assert now(sent).state == State.READ


def test_a_huge_body_is_not_read(sent: Message) -> None:
    assert report(sent, "delivered", Padding="x" * 40_000) == 413


@pytest.mark.parametrize(
    "public",
    [
        "https://clinic.example.org",
        "https://clinic.example.org:8443",
        "https://clinic.example.org/portal",
    ],
)
@pytest.mark.parametrize("query", ["", "?a=1&b=%20two", "?a=%C3%A9&a=2"])
def test_behind_a_proxy_the_public_address_is_what_was_signed(
    sent: Message, settings: Settings, public: str, query: str
) -> None:
    """What arrives names another host and plain HTTP; only ``PUBLIC_URL`` says what Twilio saw."""
    settings.PUBLIC_URL = public
    path = reverse("twilio_status", args=[sent.pk, 1]) + query
    fields = {"MessageSid": sent.provider_id, "MessageStatus": "delivered"}
    proxied = {"Host": "localhost", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    for wrong in (
        f"{public}/",
        f"{public}.evil.example",
        "http://localhost",
        "http://evil.example",
    ):
        signature = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(
            wrong + path, fields
        )
        headers = {"X-Twilio-Signature": signature, **proxied}
        assert Client().post(path, fields, headers=headers).status_code == 403, wrong
    assert now(sent).state == State.SENT
    assert signed(path, fields, **proxied).status_code == 204
    assert now(sent).state == State.DELIVERED


def test_the_port_that_goes_without_saying_may_be_said(sent: Message, settings: Settings) -> None:
    """Twilio signs with the port at times; no other port will do."""
    settings.PUBLIC_URL = "https://clinic.example.org"
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = {"MessageSid": sent.provider_id, "MessageStatus": "delivered"}
    sign = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature
    for port, status in (("80", 403), ("8443", 403), ("443", 204)):
        signature = sign(f"https://clinic.example.org:{port}{path}", fields)
        answer = Client().post(path, fields, headers={"X-Twilio-Signature": signature})
        assert answer.status_code == status, port


@pytest.mark.parametrize("name", ["twilio_status", "twilio_inbound", "twilio_check"])
def test_every_webhook_takes_signed_posts_to_its_own_address_and_nothing_else(
    sent: Message, name: str
) -> None:
    path = reverse(name, args=[sent.pk, 1] if name == "twilio_status" else [])
    fields = {"MessageSid": "SM1", "MessageStatus": "sent", "From": "whatsapp:+1", "Nonce": "x"}
    assert Client().post(path, fields).status_code == 403
    for method in ("get", "head", "put", "patch", "delete", "options"):
        assert getattr(Client(), method)(path).status_code == 405, method
    assert signed(path, fields | {"Padding": "x" * 40_000}).status_code == 413
    # A slash less is another address: nothing happens there, signed or not.
    assert signed(path.rstrip("/"), fields).status_code in (301, 404)
    assert not Inbound.objects.exists()
    assert signed(path, fields).status_code in (200, 204)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"MessageStatus": "delivered"}'),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("multipart/form-data", b"no boundary"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(2_000))),
        ("application/x-www-form-urlencoded", b"\xff\xfe=%ff%zz&=&&"),
        ("", b""),
    ],
)
def test_a_body_that_is_none_of_twilios_is_403(sent: Message, kind: str, body: bytes) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    signature = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(
        django_settings.PUBLIC_URL + path, {"MessageStatus": "delivered"}
    )
    for headers in ({}, {"X-Twilio-Signature": signature}):
        answer = Client().post(path, body, content_type=kind, headers=headers)
        assert answer.status_code == 403
    assert now(sent).state == State.SENT


@pytest.mark.parametrize("length", ["abc", "-1", "", "1e9", "٣"])
def test_a_length_that_is_no_number_breaks_nothing(sent: Message, length: str) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    answer = Client().generic("POST", path, b"MessageStatus=delivered", CONTENT_LENGTH=length)
    assert answer.status_code in (403, 413), "unsigned, or refused before it is read"
    assert now(sent).state == State.SENT


def test_a_parameter_more_or_twice_was_not_signed(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = {"MessageSid": sent.provider_id, "MessageStatus": "queued"}
    signature = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(
        django_settings.PUBLIC_URL + path, fields
    )
    right = urlencode(fields)
    for more, status in (
        ("&MessageStatus=read", 403),
        ("&ErrorCode=63016", 403),
        ("&MessageStatus=", 403),
        # The same words twice are the same words: as Twilio's own validator has it.
        ("&MessageStatus=queued", 204),
        ("", 204),
    ):
        answer = Client().post(
            path,
            right + more,
            content_type="application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": signature},
        )
        assert answer.status_code == status, more
    assert now(sent).state == State.SENT


def test_parameters_that_came_twice_are_signed_with_both(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = QueryDict(f"MessageSid={sent.provider_id}&MessageStatus=delivered&Tag=b&Tag=a")
    signature = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(
        django_settings.PUBLIC_URL + path, fields
    )
    answer = Client().post(
        path,
        fields.urlencode(),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 204
    assert now(sent).state == State.DELIVERED


def test_the_whole_signature_is_compared_wherever_it_differs(
    sent: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many letters are looked at for a wrong first one as for a wrong last one."""
    path = reverse("twilio_status", args=[sent.pk, 1])
    fields = {"MessageSid": sent.provider_id, "MessageStatus": "delivered"}
    right = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(
        django_settings.PUBLIC_URL + path, fields
    )
    looked: list[int] = []

    def counted(one: str, other: str) -> bool:
        pairs = Counted(zip(one, other, strict=True))
        monkeypatch.setattr(request_validator, "zip", lambda *_: pairs, raising=False)
        try:
            return bool(compare(one, other))
        finally:
            looked.append(pairs.count)

    compare = request_validator.compare
    monkeypatch.setattr(request_validator, "compare", counted)
    for wrong in ("!" + right[1:], right[:14] + "!" + right[15:], right[:-1] + "!"):
        answer = Client().post(path, fields, headers={"X-Twilio-Signature": wrong})
        assert answer.status_code == 403
    assert looked == [len(right)] * 6, "with the port and without"


class Counted:
    """Pairs of letters, and how many were taken."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = list(pairs)
        self.count = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for pair in self._pairs:
            self.count += 1
            yield pair


def test_replayed_whatever_it_says_changes_nothing_more(sent: Message) -> None:
    """An old report, signed and all, sent again after the next try and after the end."""
    path = reverse("twilio_status", args=[sent.pk, 1])
    failing = {"MessageSid": sent.provider_id, "MessageStatus": "failed", "ErrorCode": "63018"}
    assert signed(path, failing).status_code == 204
    assert now(sent).state == State.PENDING
    pass_time()
    deliver_all()
    again = now(sent)
    assert (again.state, again.attempts) == (State.SENT, 2)
    for _ in range(3):
        assert signed(path, failing).status_code == 204
    assert (now(sent).state, now(sent).attempts) == (State.SENT, 2)
    report(sent, "read", again.provider_id)
    for _ in range(3):
        assert signed(path, failing).status_code == 204
    assert (now(sent).state, now(sent).error_code) == (State.READ, "")
    assert Message.objects.filter(about=sent.about).count() == 1


def test_other_methods_and_unknown_messages_find_nothing(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    assert Client().get(path).status_code == 405
    unknown = reverse("twilio_status", args=[uuid4(), 1])
    assert signed(unknown, {"MessageStatus": "read"}).status_code == 404


# --- Only forward ---------------------------------------------------------------------------------
def test_in_any_order_and_twice_it_ends_read(sent: Message) -> None:
    for order in permutations(["queued", "sent", "delivered", "read"]):
        Message.objects.filter(pk=sent.pk).update(state=State.SENT, settled_at=None)
        seen = []
        for status in order + order:
            assert report(sent, status, sent.provider_id) == 204
            seen.append([State.SENT, State.DELIVERED, State.READ].index(State(now(sent).state)))
        assert seen == sorted(seen), order
        assert now(sent).state == State.READ, order


def test_a_report_faster_than_the_answer_to_our_own_request(cast: Cast, twilio: StandIn) -> None:
    message = tell(cast.ana)
    assert delivery.claim() == message
    assert report(message, "delivered", "SMearly") == 204
    assert (now(message).state, now(message).provider_id) == (State.DELIVERED, "SMearly")
    pass_time()
    deliver_all()
    assert now(message).state == State.DELIVERED
    assert not twilio.store.accepted()


def test_failed_for_good_goes_by_email_once_however_often_it_is_reported(
    sent: Message, mailoutbox: list[EmailMessage]
) -> None:
    for _ in range(3):
        report(sent, "undelivered", sent.provider_id, ErrorCode="63016")
        report(sent, "sent", sent.provider_id)
    deliver_all()
    assert (now(sent).state, now(sent).error_code) == (State.FAILED, "63016")
    assert Message.objects.filter(channel=Channel.EMAIL).count() == len(mailoutbox) == 1


def test_slowed_down_by_whatsapp_it_is_sent_again_and_old_reports_do_not_count(
    sent: Message, twilio: StandIn
) -> None:
    report(sent, "failed", sent.provider_id, ErrorCode="63018")
    assert now(sent).state == State.PENDING
    report(sent, "sent", sent.provider_id)
    assert now(sent).state == State.PENDING, "a late word about the try that failed"
    pass_time()
    deliver_all()
    assert (now(sent).state, now(sent).attempts) == (State.SENT, 2)
    report(sent, "failed", "SMfirst", ErrorCode="63016", attempt="1")
    assert now(sent).state == State.SENT
    assert len(twilio.store.accepted()) == 2


def test_a_message_in_doubt_is_settled_by_its_report(cast: Cast, twilio: StandIn) -> None:
    twilio.faults.next.append(Fault("drop"))
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    report(message, "sent", "SMdropped")
    assert (now(message).state, now(message).provider_id) == (State.SENT, "SMdropped")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", ["normal", "doubled", "reversed", "shuffled"])
def test_over_the_wire_however_the_reports_travel(reporting_twilio: StandIn, order: str) -> None:
    reporting_twilio.faults.set({"callbacks": order})
    cast = build_cast()
    message = tell(cast.ana)
    deliver_all()
    deadline = time.monotonic() + 10
    while now(message).state != State.READ and time.monotonic() < deadline:
        time.sleep(0.05)
    settled = now(message)
    assert (settled.state, settled.error) == (State.READ, "")
    assert [settled.provider_id] == [one.sid for one in reporting_twilio.store.accepted()]


# --- What people write ----------------------------------------------------------------------------
def write(body: str, sid: str = "SMin1", sender: str = ANAS_NUMBER) -> Answer:
    fields = {"MessageSid": sid, "From": f"whatsapp:{sender}", "To": "whatsapp:+1", "Body": body}
    return signed(reverse("twilio_inbound"), fields)


WORDS = [
    " stop ",
    "Stop.",
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
]


def test_stop_ends_messages_and_start_brings_them_back(cast: Cast) -> None:
    for word in WORDS:
        assert "no more messages" in write(word, f"SMin1 {word}").content, word
        assert reachable_number(cast.ana) is None, word
        assert tell(cast.ana, f"case:{word}").channel == Channel.EMAIL, word
        assert "messages here again" in write("start", f"SMin2 {word}").content, word
        assert reachable_number(cast.ana) is not None, word


def test_the_phones_owner_is_answered_in_their_language(cast: Cast) -> None:
    languages.choose(cast.ana, "es")
    assert "No recibirá más mensajes aquí." in write("STOP").content
    assert "Volverá a recibir mensajes aquí." in write("START", "SMin2").content


def test_a_start_of_who_took_the_consent_back_promises_nothing(cast: Cast) -> None:
    people.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    assert "please also agree to them on your account page" in write("START").content
    assert tell(cast.ana).channel == Channel.EMAIL
    people.give_consent(cast.ana, Consent.Kind.MESSAGES)
    assert "messages here again" in write("START", "SMin2").content
    assert tell(cast.ana, "case:2").channel == Channel.WHATSAPP


def test_a_replayed_stop_does_not_undo_a_later_start(cast: Cast) -> None:
    write("STOP", "SMin1")
    write("START", "SMin2")
    assert "<Message>" not in write("STOP", "SMin1").content
    assert reachable_number(cast.ana) is not None
    assert Inbound.objects.count() == 2


def test_other_words_change_nothing_and_are_not_kept(cast: Cast) -> None:
    words = "please stop worrying, it itches"
    assert write(words).status_code == 200
    assert reachable_number(cast.ana) is not None
    kept = Inbound.objects.get()
    assert kept.word == Inbound.Word.OTHER
    assert words not in str(vars(kept))


def test_an_unsigned_stop_is_refused(cast: Cast) -> None:
    fields = {"MessageSid": "SM1", "From": f"whatsapp:{ANAS_NUMBER}", "Body": "STOP"}
    assert Client().post(reverse("twilio_inbound"), fields).status_code == 403
    assert reachable_number(cast.ana) is not None


def test_twilio_may_say_itself_that_it_was_a_stop(cast: Cast) -> None:
    fields = {"MessageSid": "SM1", "From": f"whatsapp:{ANAS_NUMBER}", "Body": "Arrêt"}
    fields["OptOutType"] = "STOP"
    assert signed(reverse("twilio_inbound"), fields).status_code == 200
    assert reachable_number(cast.ana) is None
