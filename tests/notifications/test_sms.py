"""Text messages: the second way, for whom WhatsApp does not reach and who agreed to them."""

from __future__ import annotations

import time

import pytest
from django.core.mail import EmailMessage
from pytest_django import Settings

from accounts import languages, people
from accounts.models import Consent, ContactNumber
from notifications import again, delivery, invitations, verification
from notifications.channels import SmsChannel
from notifications.models import Channel, Event, Message
from notifications.texts import render
from notifications.verification import Typed
from portal.standin.content import our_sids
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import SMS_SENDER, bodies, deliver_all, now, pass_time, tell
from tests.notifications.test_verification import NUMBER, code_sent, gave

pytestmark = pytest.mark.usefixtures("sms")
State = Message.State
# What GSM-7 can say; with any other letter a message is in UCS-2.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def no_whatsapp(twilio: StandIn, code: int = 63003) -> None:
    twilio.faults.next.append(Fault("refuse", status=400, code=code))


def steps() -> list[tuple[str, str]]:
    """The ledger's rows, oldest first: the channel and what became of it."""
    return list(Message.objects.order_by("created_at").values_list("channel", "state"))


@pytest.mark.parametrize("code", [63003, 63024, 63016, 63013, 63041, 99999])
def test_what_whatsapp_refuses_goes_by_sms_in_words_that_say_how_to_stop_it(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], code: int
) -> None:
    no_whatsapp(twilio, code)
    first = tell(cast.ana)
    deliver_all()
    [sent] = twilio.store.accepted()
    second = Message.objects.get(channel=Channel.SMS)
    assert second.link is not None
    assert (sent.number, sent.sender, sent.template) == (ANAS_NUMBER, SMS_SENDER, "")
    assert sent.body.startswith("Your clinic has an update for you: http://localhost:8000/l/")
    assert sent.body.endswith("/ Reply STOP to end these messages.")
    assert steps() == [("whatsapp", "failed"), ("sms", "sent")]
    assert second.link_id != first.link_id
    assert not mailoutbox


def test_a_template_is_of_whatsapp_alone_and_a_text_message_is_its_words(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_CONTENT_SIDS = our_sids()
    no_whatsapp(twilio)
    tell(cast.ana)
    deliver_all()
    assert [one.template for one in twilio.store.accepted()] == [""]


@pytest.mark.parametrize("code", [30006, 21610, 30007, 99999])
def test_what_sms_refuses_too_goes_by_email_and_each_step_is_a_row(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], code: int
) -> None:
    no_whatsapp(twilio)
    no_whatsapp(twilio, code)
    tell(cast.ana)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "failed"), ("email", "sent")]
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("code", [21211, 21614, 21635, 63014, 21610, 63038, 20003])
def test_where_sms_would_fail_as_well_or_is_not_wanted_it_is_passed_over(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], code: int
) -> None:
    twilio.faults.always = Fault("refuse", status=400, code=code)
    tell(cast.ana)
    deliver_all(rounds=4)
    assert steps() == [("whatsapp", "failed"), ("email", "sent")]


def test_without_a_sender_of_sms_it_goes_straight_to_email(
    cast: Cast, twilio: StandIn, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.TWILIO_SMS_FROM = ""
    no_whatsapp(twilio)
    tell(cast.ana)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("email", "sent")]


def test_who_agreed_to_whatsapp_before_sms_was_in_the_words_gets_no_sms(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    Consent.objects.filter(user=cast.ana, kind="messages").update(version="2026-11")
    no_whatsapp(twilio)
    assert tell(cast.ana).channel == Channel.WHATSAPP
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("email", "sent")]
    assert tell(cast.ana, "case:2").channel == Channel.WHATSAPP


def test_a_consent_taken_back_while_a_text_message_waits_stops_it(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    no_whatsapp(twilio)
    tell(cast.ana)
    delivery.deliver_due(limit=1)
    assert steps() == [("whatsapp", "failed"), ("sms", "pending")]
    people.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "failed"), ("email", "sent")]
    assert not bodies(twilio)


def test_a_number_known_to_have_no_whatsapp_is_texted_at_once_for_thirty_days(
    cast: Cast, twilio: StandIn
) -> None:
    no_whatsapp(twilio)
    tell(cast.ana)
    deliver_all()
    assert tell(cast.ana, "case:2").channel == Channel.SMS
    deliver_all()
    assert len(twilio.store.accepted()) == 2
    Message.objects.update(created_at="2026-01-01T00:00Z")
    assert tell(cast.ana, "case:3").channel == Channel.WHATSAPP


def test_a_text_message_in_doubt_is_found_among_the_text_messages_and_sent_once(
    cast: Cast, twilio: StandIn
) -> None:
    no_whatsapp(twilio)
    twilio.faults.next.append(Fault("drop"))
    tell(cast.ana)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "unknown")]
    deliver_all(rounds=2)
    assert steps() == [("whatsapp", "failed"), ("sms", "sent")]
    assert len(twilio.store.accepted()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_text_message_reports_back_like_any_other(reporting_twilio: StandIn) -> None:
    from tests.cast import build_cast

    cast = build_cast()
    no_whatsapp(reporting_twilio)
    tell(cast.ana)
    deliver_all()
    sent = Message.objects.get(channel=Channel.SMS)
    for _ in range(200):
        if now(sent).state == State.READ:
            break
        time.sleep(0.05)
    assert now(sent).state == State.READ


def test_a_messaging_service_picks_the_number_itself(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    service = "MG" + "0" * 32
    settings.TWILIO_SMS_FROM = service
    object.__setattr__(twilio.account, "sms", service)
    no_whatsapp(twilio)
    tell(cast.ana)
    deliver_all()
    assert [one.number for one in twilio.store.accepted()] == [ANAS_NUMBER]


def test_twilio_out_of_reach_by_sms_is_tried_as_often_as_whatsapp_then_email(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    no_whatsapp(twilio)
    tell(cast.ana)
    delivery.deliver_due(limit=1)
    twilio.faults.always = Fault("refuse", status=429, code=20429)
    deliver_all(rounds=SmsChannel.attempts)
    assert steps() == [("whatsapp", "failed"), ("sms", "failed"), ("email", "sent")]


def test_staff_send_again_by_the_way_that_is_right_today(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    no_whatsapp(twilio)
    no_whatsapp(twilio, 30008)
    tell(cast.ana)
    deliver_all()
    mail = Message.objects.get(channel=Channel.EMAIL)
    Message.objects.filter(pk=mail.pk).update(state=State.UNKNOWN)
    assert again.resend(mail, cast.ada).channel == Channel.SMS


# --- An invitation and a code, which may go to a phone before its owner agreed -------------------
def test_an_invitation_to_a_number_without_whatsapp_is_texted_and_confirms_the_phone(
    cast: Cast, twilio: StandIn
) -> None:
    from tests.notifications.test_invitations import invite, join

    no_whatsapp(twilio)
    invitation = invite(cast)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "sent")]
    assert "Reply STOP" in bodies(twilio)[0]
    join(invitation.token, messages="on")
    number = ContactNumber.objects.get(user__email="vera@example.org")
    assert number.proof == ContactNumber.Proof.INVITATION


def test_an_invitation_to_a_stopped_phone_is_not_texted(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    people.opt_out(NUMBER)
    invitations.invite(
        name="Vera", clinic=cast.north, invited_by=cast.ada, e164=NUMBER, email="v@example.org"
    )
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("email", "sent")]


@pytest.mark.parametrize("code", [63003, 63024, 63016])
def test_a_number_without_whatsapp_gets_its_code_by_sms_and_is_confirmed_with_it(
    cast: Cast, twilio: StandIn, code: int
) -> None:
    no_whatsapp(twilio, code)
    number = gave(cast.bo)
    verification.send(cast.bo, number)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "sent")]
    assert "STOP" not in bodies(twilio)[0]
    page = cast.client(cast.bo).get(f"/account/numbers/{number.pk}/confirm/").content.decode()
    assert "by SMS" in page
    assert "did not reach" not in page
    assert verification.confirm(cast.bo, number, code_sent(twilio)) is Typed.RIGHT
    if code != 63016:
        assert tell(cast.bo, "case:1").channel == Channel.SMS


def test_the_next_code_of_such_a_number_is_texted_at_once(cast: Cast, twilio: StandIn) -> None:
    from tests.notifications.test_verification import later

    no_whatsapp(twilio)
    number = gave(cast.bo)
    verification.send(cast.bo, number)
    deliver_all()
    later(minutes=2)
    verification.send(cast.bo, number)
    assert Message.objects.latest("created_at").channel == Channel.SMS


def test_a_code_that_was_in_doubt_and_lost_is_not_texted_minutes_later(
    cast: Cast, twilio: StandIn
) -> None:
    twilio.faults.next.append(Fault("reset"))
    verification.send(cast.bo, gave(cast.bo))
    deliver_all(rounds=3)
    assert steps() == [("whatsapp", "failed")]


def test_a_code_that_cannot_be_texted_either_goes_nowhere_else(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    twilio.faults.always = Fault("refuse", status=400, code=63003)
    verification.send(cast.bo, gave(cast.bo))
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "failed")]
    assert not mailoutbox


def test_a_code_goes_out_before_everything_that_waits(cast: Cast, twilio: StandIn) -> None:
    for number in range(3):
        tell(cast.ana, f"case:{number}")
    verification.send(cast.bo, gave(cast.bo))
    delivery.deliver_due(limit=1)
    assert code_sent(twilio)


# --- How long ------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_text_message_is_two_parts_at_most_and_news_is_one(
    cast: Cast, settings: Settings, language: str
) -> None:
    """In the alphabet of text messages, which has no "í", with an address of 30 letters."""
    settings.PUBLIC_URL = "https://portal.hospital.org.uk"
    languages.choose(cast.ana, language)
    parts = {}
    for event in Event:
        if event not in (Event.INVITATION, Event.NUMBER_CODE):
            words = render(tell(cast.ana, event=event))
            assert set(words.sms) <= GSM
            assert words.link in words.sms
            parts[event] = 1 if len(words.sms) <= 160 else -(-len(words.sms) // 153)
    assert max(parts.values()) <= 2
    assert parts[Event.CASE_CHECKED] == parts[Event.CASE_SIGNED] == 1


def test_after_the_lease_of_a_killed_worker_a_text_message_is_looked_up_too(
    cast: Cast, twilio: StandIn
) -> None:
    no_whatsapp(twilio)
    tell(cast.ana)
    delivery.deliver_due(limit=1)
    assert delivery.claim() is not None
    pass_time(minutes=2)
    deliver_all()
    assert steps() == [("whatsapp", "failed"), ("sms", "unknown")]
    deliver_all(rounds=3)
    assert steps() == [("whatsapp", "failed"), ("sms", "sent")]
    assert len(bodies(twilio)) == 1
