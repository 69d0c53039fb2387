"""STOP and START on every channel: WhatsApp, text messages, e-mail."""

from __future__ import annotations

import re

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from accounts import care, languages, people, reminders
from accounts.models import AuditEntry, Consent, ContactNumber, Relation, SuspensionReason, User
from accounts.people import reachable_number
from accounts.reminder_stop import Reminder
from notifications import delivery, forgetting, invitations, verification
from notifications.models import Channel, Event, Inbound, Message
from portal.standin import keywords
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast, build_cast
from tests.notifications.conftest import SMS_SENDER, bodies, deliver_all, now, tell
from tests.notifications.test_webhooks import Answer, report, signed, write

State = Message.State


def text(body: str, sid: str = "SMt1", **more: str) -> Answer:
    """Ana writes an SMS."""
    fields = {"MessageSid": sid, "From": ANAS_NUMBER, "To": SMS_SENDER, "Body": body, **more}
    return signed(reverse("twilio_inbound"), fields)


def wants(cast: Cast) -> bool:
    return reachable_number(cast.ana) is not None


# --- Words ---------------------------------------------------------------------------------------
def test_a_stop_by_sms_or_whatsapp_stops_both(cast: Cast, sms: None) -> None:
    for word in [*sorted(keywords.STOP), "PARAR", "Baja", "alto", "¡Cancelar!"]:
        text(word, f"SMt1 {word}")
        assert not wants(cast), word
        assert tell(cast.ana, f"case:{word}").channel == Channel.EMAIL, word
        write("INICIAR", f"SMt2 {word}")
        assert wants(cast), word
        write(word, f"SMt3 {word}")
        assert not wants(cast), word
        text("ALTA", f"SMt4 {word}")
        assert wants(cast), word


@pytest.mark.parametrize("word", ["no alto", "STOP PLEASE", "bajar", "parada", "yes", "sí"])
def test_a_sentence_and_other_words_stop_nothing(cast: Cast, word: str) -> None:
    write(word)
    text(word)
    assert wants(cast)
    assert set(Inbound.objects.values_list("word", flat=True)) == {"other"}


def test_twilio_answers_its_own_words_in_text_messages_and_we_all_others(cast: Cast) -> None:
    assert "<Message>" not in text("STOP", "SMt1").content
    assert "<Message>" not in text("START", "SMt2").content
    assert "<Message>" not in text("Arrêt", "SMt3", OptOutType="STOP").content
    assert "<Message>" not in text("UNSTOP", "SMt4").content
    languages.choose(cast.ana, "es")
    assert "No recibirá más mensajes aquí." in text("PARAR", "SMt5").content
    assert "No recibirá más mensajes aquí." in write("STOP", "SMt6").content


def test_yes_lifts_a_stop_where_twilio_lifts_it_and_is_nothing_else(cast: Cast) -> None:
    write("YES", "SMt1")
    people.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    text("YES", "SMt2")
    assert {row.word for row in Inbound.objects.all()} == {"other"}
    text("STOP", "SMt3")
    assert not wants(cast)
    write("YES", "SMt4")
    assert not wants(cast), "on WhatsApp it may answer anything"
    text("YES", "SMt5")
    assert wants(cast)


# --- What Twilio knows and we do not --------------------------------------------------------------
def test_a_stop_that_only_twilio_heard_stops_the_phone_for_both(
    cast: Cast, twilio: StandIn, sms: None, mailoutbox: list[EmailMessage]
) -> None:
    twilio.store.stopped.add(ANAS_NUMBER)
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    tell(cast.ana)
    deliver_all()
    failed = Message.objects.get(channel=Channel.SMS)
    assert (failed.state, failed.error_code) == (State.FAILED, "21610")
    assert people.stopped(ANAS_NUMBER)
    assert AuditEntry.objects.filter(action="number.opted_out").count() == 1
    assert tell(cast.ana, "case:2").channel == Channel.EMAIL
    deliver_all()
    assert len(mailoutbox) == 2


def test_whoever_came_back_on_whatsapp_is_not_stopped_again_by_twilios_block_of_sms(
    cast: Cast, twilio: StandIn, sms: None, mailoutbox: list[EmailMessage]
) -> None:
    text("STOP", "SMt1")
    write("START", "SMt2")
    twilio.store.stopped.add(ANAS_NUMBER)
    twilio.faults.next.append(Fault("refuse", status=400, code=63016))
    tell(cast.ana)
    deliver_all()
    assert now(Message.objects.get(channel=Channel.SMS)).error_code == "21610"
    assert not people.stopped(ANAS_NUMBER)
    assert tell(cast.ana, "case:2").channel == Channel.WHATSAPP
    assert len(mailoutbox) == 1


@pytest.mark.django_db(transaction=True)
def test_over_the_wire_a_text_message_says_stop_and_start(
    reporting_twilio: StandIn, sms: None
) -> None:
    cast = build_cast()
    reporting_twilio.portal.reply(ANAS_NUMBER, "STOP", SMS_SENDER)
    assert not wants(cast)
    assert ANAS_NUMBER in reporting_twilio.store.stopped
    assert bodies(reporting_twilio) == [keywords.STOPPED]
    reporting_twilio.portal.reply(ANAS_NUMBER, "START", SMS_SENDER)
    assert wants(cast)
    assert bodies(reporting_twilio) == [keywords.STOPPED, keywords.STARTED]
    reporting_twilio.portal.reply(ANAS_NUMBER, "PARAR", SMS_SENDER)
    assert not wants(cast)
    assert "no more messages here" in bodies(reporting_twilio)[-1]
    assert ANAS_NUMBER not in reporting_twilio.store.stopped, "that word Twilio does not know"


# --- E-mail --------------------------------------------------------------------------------------
def stop_page(mail: EmailMessage) -> str:
    """Where a mail program would POST to."""
    header = mail.extra_headers["List-Unsubscribe"]
    found = re.fullmatch(r"<http://localhost:8000(/messages/stop/.+/)>", header)
    assert found is not None
    return found[1]


@pytest.fixture
def reminded(cast: Cast, mailoutbox: list[EmailMessage]) -> EmailMessage:
    """The e-mail that reminds Bo of the sun."""
    tell(cast.bo, event=Event.REMIND_SUN)
    deliver_all()
    return mailoutbox[0]


def test_a_reminder_by_email_is_stopped_by_one_press_of_the_mail_program(
    cast: Cast, reminded: EmailMessage
) -> None:
    assert reminded.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert stop_page(reminded) in reminded.body
    browser = Client(enforce_csrf_checks=True)
    for _ in range(2):
        answer = browser.post(stop_page(reminded), {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert "These reminders are stopped" in answer.content.decode()
    assert not reminders.wanted(cast.bo, Reminder.SUN)
    assert reminders.wanted(cast.bo, Reminder.RECHECK), "that kind alone"
    assert AuditEntry.objects.filter(action="reminders.stopped").count() == 1


def test_looking_at_the_page_stops_nothing_and_its_button_does(
    cast: Cast, reminded: EmailMessage
) -> None:
    """Programs that look for viruses open every link of a mail."""
    page = Client().get(stop_page(reminded)).content.decode()
    assert "Stop these reminders?" in page
    assert '<form class="actions" method="post">' in page
    assert reminders.wanted(cast.bo, Reminder.SUN)
    assert cast.bo.name not in page


def test_news_by_email_cannot_be_stopped_by_a_press(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    """It is the last way before a person has to call."""
    for event in Event:
        if event not in (Event.NUMBER_CODE, Event.INVITATION):
            tell(cast.bo, event=event)
    deliver_all()
    optional = [mail for mail in mailoutbox if "List-Unsubscribe" in mail.extra_headers]
    assert len(optional) == 3
    assert all("eminder" in mail.subject or "question" in mail.subject for mail in optional)
    assert len(mailoutbox) > 6


@pytest.mark.parametrize("event", [Event.REMIND_SUN, Event.REMIND_RECHECK])
def test_what_was_stopped_since_it_was_written_does_not_leave(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], event: Event
) -> None:
    message = tell(cast.bo, event=event)
    reminders.stop(cast.bo, Reminder(event.value.removeprefix("remind_")))
    deliver_all()
    assert now(message).state == State.CANCELLED
    assert not mailoutbox


def test_a_token_of_somebody_elses_making_or_of_nobody_is_no_page(
    cast: Cast, reminded: EmailMessage
) -> None:
    path = stop_page(reminded)
    assert Client().post(path[:-3] + "x/").status_code == 404
    assert Client().get(reverse("email_stop", args=["WzEsInN1biJd:forged"])).status_code == 404
    people.suspend(cast.bo, cast.root, SuspensionReason.ASKED)
    assert Client().post(path).status_code == 404
    assert reminders.wanted(cast.bo, Reminder.SUN)


# --- Whose phone it was, and who else is told there ----------------------------------------------
def test_who_has_two_numbers_is_told_by_the_one_that_did_not_say_stop(
    cast: Cast, twilio: StandIn, sms: None, mailoutbox: list[EmailMessage]
) -> None:
    second = confirmed(cast.ana, "+447700900199")
    waits = tell(cast.ana, "case:1")
    assert waits.address == second, "the number given last"
    write("STOP", "SMt1", sender=second)
    deliver_all()
    assert now(waits).error_code == "opted-out"
    assert len(mailoutbox) == 1, "what waited for it goes to nobody's other phone"
    assert tell(cast.ana, "case:2").address == ANAS_NUMBER
    write("STOP", "SMt2")
    assert tell(cast.ana, "case:3").channel == Channel.EMAIL
    write("START", "SMt3", sender=second)
    assert tell(cast.ana, "case:4").address == second
    deliver_all()
    assert {one.number for one in twilio.store.accepted()} == {second}


def test_a_stop_of_the_other_number_changes_nothing_for_this_one(cast: Cast) -> None:
    second = confirmed(cast.ana, "+447700900199")
    write("STOP", "SMt1")
    assert tell(cast.ana).address == second


def test_a_phone_two_people_share_is_stopped_and_started_for_both(
    cast: Cast, twilio: StandIn
) -> None:
    people.give_consent(cast.bo, Consent.Kind.MESSAGES)
    confirmed(cast.bo, ANAS_NUMBER)
    assert {tell(who).channel for who in (cast.ana, cast.bo)} == {Channel.WHATSAPP}
    write("STOP", "SMt1")
    deliver_all()
    assert not bodies(twilio)
    assert {tell(who, "case:2").channel for who in (cast.ana, cast.bo)} == {Channel.EMAIL}
    write("START", "SMt2")
    assert {tell(who, "case:3").channel for who in (cast.ana, cast.bo)} == {Channel.WHATSAPP}


def test_a_carers_stop_is_for_the_childs_news_too_and_so_is_their_start(
    cast: Cast, twilio: StandIn, sms: None, mailoutbox: list[EmailMessage]
) -> None:
    child = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    waits = tell(child)
    assert (waits.recipient, waits.address) == (cast.ana, ANAS_NUMBER)
    text("STOP")
    deliver_all()
    assert not bodies(twilio)
    assert [mail.to for mail in mailoutbox] == [[cast.ana.email]]
    assert tell(child, "case:2").channel == Channel.EMAIL
    write("START", "SMt2")
    assert tell(child, "case:3").address == ANAS_NUMBER


@pytest.mark.parametrize("when", ["before it is refused", "after, while the text message waits"])
@pytest.mark.parametrize("who", ["a patient", "a patient with two numbers", "somebody invited"])
def test_the_next_way_never_rings_a_phone_that_said_stop(
    cast: Cast, twilio: StandIn, sms: None, mailoutbox: list[EmailMessage], who: str, when: str
) -> None:
    phone = ANAS_NUMBER if who == "a patient" else "+447700900199"
    if who == "a patient with two numbers":
        confirmed(cast.ana, phone)
    if who == "somebody invited":
        invitations.invite(name="Vera", clinic=cast.north, invited_by=cast.ada,
            e164=phone, email="vera@example.org")  # fmt: skip
    else:
        tell(cast.ana)
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    if when == "before it is refused":
        # Their STOP arrives while Twilio thinks: nobody has asked for it before the sending.
        twilio.faults.next[0] = Fault("drop")
        deliver_all()
        write("STOP", "SMt1", sender=phone)
        message = Message.objects.get()
        report(message, "undelivered", "SMdropped", ErrorCode="63003")
    else:
        assert delivery.deliver_due(limit=1) == 1
        assert Message.objects.get(channel=Channel.SMS).address == phone
        write("STOP", "SMt1", sender=phone)
    deliver_all()
    rung = [one for one in twilio.store.accepted() if not one.by_whatsapp]
    if who == "a patient with two numbers" and when == "before it is refused":
        assert [one.number for one in rung] == [ANAS_NUMBER], "the other one did not say so"
        assert not mailoutbox
    else:
        assert not rung
        assert len(mailoutbox) == 1


def test_a_code_asked_for_before_the_stop_is_not_texted_after_it(
    cast: Cast, twilio: StandIn, sms: None
) -> None:
    number = people.add_number(cast.bo, "+447700900199", opt_in=False)
    verification.send(cast.bo, number)
    write("STOP", "SMt1", sender=number.e164)
    deliver_all()
    assert not bodies(twilio)


def test_a_start_that_is_played_again_after_the_account_is_gone_opens_nothing(cast: Cast) -> None:
    """Twilio's signature has no time in it: who kept an old request could send it again."""
    write("START", "SMt1")
    write("STOP", "SMt2")
    forgetting.forget(cast.ana)
    people.erase(cast.ana)
    assert not Inbound.objects.filter(e164=ANAS_NUMBER)
    write("START", "SMt1")
    assert people.stopped(ANAS_NUMBER)


def confirmed(user: User, e164: str) -> str:
    """A number of theirs on which they want messages."""
    number = people.add_number(user, e164, opt_in=True)
    people.confirm_number(user, number, ContactNumber.Proof.CODE)
    return e164
