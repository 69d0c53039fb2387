"""Twilio's webhooks: only signed ones count, and a report never moves a message backwards."""

from __future__ import annotations

import time
from itertools import permutations
from typing import NamedTuple
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from accounts import languages
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


def test_other_methods_and_unknown_messages_find_nothing(sent: Message) -> None:
    path = reverse("twilio_status", args=[sent.pk, 1])
    assert Client().get(path).status_code == 405
    unknown = reverse("twilio_status", args=[uuid4(), 1])
    assert signed(unknown, {"MessageStatus": "read"}).status_code == 404


# --- Only forward ---------------------------------------------------------------------------------
@pytest.mark.parametrize("order", list(permutations(["queued", "sent", "delivered", "read"])))
def test_in_any_order_and_twice_it_ends_read(sent: Message, order: tuple[str, ...]) -> None:
    seen = []
    for status in order + order:
        assert report(sent, status, sent.provider_id) == 204
        seen.append([State.SENT, State.DELIVERED, State.READ].index(State(now(sent).state)))
    assert seen == sorted(seen)
    assert now(sent).state == State.READ


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


@pytest.mark.parametrize(
    "word",
    [
        "STOP",
        " stop ",
        "Stop.",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
    ],
)
def test_stop_ends_messages_and_start_brings_them_back(cast: Cast, word: str) -> None:
    assert "no more messages" in write(word).content
    assert reachable_number(cast.ana) is None
    assert tell(cast.ana).channel == Channel.EMAIL
    assert "messages here again" in write("start", "SMin2").content
    assert reachable_number(cast.ana) is not None


def test_the_phones_owner_is_answered_in_their_language(cast: Cast) -> None:
    languages.choose(cast.ana, "es")
    assert "No recibirá más mensajes aquí." in write("STOP").content
    assert "Volverá a recibir mensajes aquí." in write("START", "SMin2").content


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
