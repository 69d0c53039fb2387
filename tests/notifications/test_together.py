"""Where the parts meet: doubt and staff, the night and the pace and a dead worker, what arrives
late, what waited long, and what the staff's pages say of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.db import connections, transaction
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import languages
from notifications import again, delivery, ledger, links, settling
from notifications.channels import SENDERS
from notifications.errors import NIGHT, TURN, DeliveryError, Kind
from notifications.models import Channel, Event, Link, Message
from notifications.setup import looking, trying
from notifications.texts import render
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import Cast, build_cast
from tests.diagnoses.pages import text_of
from tests.notifications.conftest import bodies, deliver_all, now, pass_time, tell
from tests.notifications.test_quiet import in_london
from tests.notifications.test_webhooks import report

State = Message.State


def doubted(cast: Cast, twilio: StandIn, kind: str) -> Message:
    """Ana's message, in doubt: "drop" for taken, "reset" for never taken."""
    twilio.faults.next.append(Fault(kind))  # type: ignore[arg-type]  # both are kinds of fault
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    return message


# --- Sent again by staff, while nobody knew ------------------------------------------------------
@pytest.mark.parametrize("kind", ["reset", "drop"])
def test_what_staff_sent_again_is_never_sent_by_itself_too(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], kind: str
) -> None:
    message = doubted(cast, twilio, kind)
    newer = again.resend(message, cast.ada)
    deliver_all(rounds=4)
    assert now(newer).state == State.SENT
    lost = kind == "reset"
    assert now(message).state == (State.FAILED if lost else State.SENT), "the history is true"
    assert len(bodies(twilio)) == (1 if lost else 2), "two only where the first had been taken"
    assert not mailoutbox
    assert Message.objects.count() == 2


def test_of_what_staff_sent_again_a_late_failure_takes_no_other_way(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    message = doubted(cast, twilio, "drop")
    again.resend(message, cast.ada)
    for code in ("63018", "63016"):  # one that is tried again, and one that never is
        report(message, "failed", "SMdropped", ErrorCode=code)
    deliver_all()
    assert (now(message).state, now(message).error_code) == (State.FAILED, "63018")
    assert len(bodies(twilio)) == 2
    assert not mailoutbox


@pytest.mark.parametrize("still_claimed", [True, False])
def test_beside_one_that_may_have_arrived_the_failed_one_is_not_sent_again(
    cast: Cast, twilio: StandIn, still_claimed: bool
) -> None:
    """The mail was written, and its worker died before it could say so."""
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    failed = tell(cast.ana)
    delivery.deliver_due(limit=1)
    mail = delivery.claim()
    assert mail is not None
    assert mail.channel == Channel.EMAIL
    Message.objects.filter(pk=mail.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    if not still_claimed:
        deliver_all()
        assert (now(mail).state, now(mail).run_after) == (State.UNKNOWN, None)
    with pytest.raises(again.NotAgain):
        again.resend(failed, cast.ada)
    assert Message.objects.count() == 2
    if not still_claimed:
        assert again.resend(mail, cast.ada).resend == 1, "of that one staff are asked first"


def test_what_arrives_after_it_was_sent_again_keeps_the_newer_one_here(
    cast: Cast, twilio: StandIn
) -> None:
    message = doubted(cast, twilio, "drop")
    newer = again.resend(message, cast.ada)
    report(message, "delivered", "SMdropped")
    deliver_all()
    assert (now(message).state, now(newer).state) == (State.DELIVERED, State.CANCELLED)
    assert len(bodies(twilio)) == 1


def test_who_has_it_by_one_way_is_not_told_by_the_next_when_another_fails(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    first = tell(cast.ana)
    delivery.deliver_due(limit=1)
    settling.failed(now(first), DeliveryError(Kind.FINAL, "", "63024"), token=None)
    Message.objects.filter(channel=Channel.EMAIL).update(
        channel=Channel.SMS, state=State.SENT, run_after=None, sent_at=timezone.now()
    )
    second = Message.objects.get(channel=Channel.SMS)
    report(first, "delivered", "SM1")
    settling.failed(second, DeliveryError(Kind.FINAL, "", "30003"), token=None)
    deliver_all()
    assert (now(first).state, now(second).state) == (State.DELIVERED, State.FAILED)
    assert Message.objects.count() == 2
    assert not mailoutbox


def test_what_is_said_of_one_try_settles_no_later_one(cast: Cast, twilio: StandIn) -> None:
    message = tell(cast.ana)
    deliver_all()
    at_the_first = now(message)
    report(message, "failed", "SM1", ErrorCode="63018")
    pass_time()
    deliver_all()
    assert (now(message).attempts, now(message).state) == (2, State.SENT)
    late = DeliveryError(Kind.FINAL, "", "63024")
    assert not settling.failed(at_the_first, late, token=None)
    assert now(message).state == State.SENT
    assert Message.objects.count() == 1


def test_another_try_is_not_looked_up_by_the_last_ones_id(cast: Cast, twilio: StandIn) -> None:
    """The first was reported as failed before its answer came, so its id came last."""
    message = tell(cast.ana)
    Message.objects.filter(pk=message.pk).update(attempts=1, provider_id="SMfirst")
    claimed = delivery.claim()
    assert claimed is not None
    assert (claimed.attempts, claimed.provider_id) == (2, "")


@pytest.mark.django_db(transaction=True)
def test_sent_again_at_the_moment_its_fate_is_learnt_it_is_sent_once(twilio: StandIn) -> None:
    """Somebody presses the button while the look-up finds nothing: who holds the row decides."""
    cast = build_cast()
    message = doubted(cast, twilio, "reset")
    lost = DeliveryError(Kind.RETRY, "Twilio never got it.")
    settled = threading.Event()

    def settle() -> None:
        settling.failed(now(message), lost, token=None)
        settled.set()
        connections.close_all()

    worker = threading.Thread(target=settle)
    with transaction.atomic():
        newer = again.resend(message, cast.ada)
        worker.start()
        assert not settled.wait(0.3), "it waits for whoever sends it again"
    worker.join(10)
    deliver_all(rounds=2)
    assert (now(message).state, now(newer).state) == (State.FAILED, State.SENT)
    assert len(bodies(twilio)) == 1


@pytest.mark.django_db(transaction=True)
def test_sent_again_at_the_moment_the_next_way_is_written_that_way_goes_alone(
    twilio: StandIn, mailoutbox: list[EmailMessage], sms: None
) -> None:
    """The SMS fails, and an e-mail follows it, while staff press the button on the WhatsApp
    message that came before it: who waited for the SMS sees the e-mail."""
    cast = build_cast()
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    whatsapp = tell(cast.ana)
    delivery.deliver_due(limit=1)
    text = Message.objects.get(channel=Channel.SMS)
    Message.objects.filter(pk=text.pk).update(
        state=State.SENT, run_after=None, sent_at=timezone.now()
    )
    pressed = threading.Event()
    refused: list[str] = []

    def press() -> None:
        try:
            again.resend(whatsapp, cast.ada)
        except again.NotAgain as error:
            refused.append(str(error))
        pressed.set()
        connections.close_all()

    staff = threading.Thread(target=press)
    with transaction.atomic():
        settling.failed(now(text), DeliveryError(Kind.FINAL, "", "30003"), token=None)
        staff.start()
        assert not pressed.wait(0.5), "it waits for whoever settles the SMS"
    staff.join(10)
    assert refused == ["Another message about this is on its way to them."]
    deliver_all()
    assert len(mailoutbox) == 1
    assert not Message.objects.filter(resend=1).exists()


def test_what_is_being_sent_once_more_by_itself_is_not_sent_again_by_staff(
    cast: Cast, twilio: StandIn
) -> None:
    message = doubted(cast, twilio, "reset")
    stale = now(message)
    pass_time()
    deliver_all()
    assert now(message).state == State.PENDING
    with pytest.raises(again.NotAgain):
        again.resend(stale, cast.ada)


# --- Arrived after all ---------------------------------------------------------------------------
def test_what_arrives_after_all_takes_back_the_next_way(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.ana)
    deliver_all()
    sid = now(message).provider_id
    report(message, "undelivered", sid, ErrorCode="63024")
    mail = Message.objects.get(channel=Channel.EMAIL)
    report(message, "delivered", sid)
    assert now(message).state == State.DELIVERED
    assert (now(mail).state, now(mail).error) == (
        State.CANCELLED,
        "It arrived the first way after all.",
    )
    assert Link.objects.filter(messages=mail, revoked_at__isnull=False).exists()
    deliver_all()
    assert not mailoutbox


def test_what_went_the_next_way_already_stays_sent(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    message = tell(cast.ana)
    deliver_all()
    sid = now(message).provider_id
    report(message, "undelivered", sid, ErrorCode="63024")
    deliver_all()
    report(message, "delivered", sid)
    assert Message.objects.get(channel=Channel.EMAIL).state == State.SENT
    assert len(mailoutbox) == 1


# --- The night, the pace of a sender, and workers that die ---------------------------------------
def test_night_pace_and_dead_workers_together_leave_nothing_unsent_and_double_nothing(
    cast: Cast, twilio: StandIn, settings: Settings, sms: None
) -> None:
    dead = [tell(cast.ana, "case:taken"), tell(cast.ana, "case:not taken")]
    assert delivery.claim() == dead[0]
    taken = Message.objects.select_related("link", "recipient").get(pk=dead[0].pk)
    SENDERS[Channel.WHATSAPP].send(taken, render(taken))  # and then its worker was killed
    assert delivery.claim() == dead[1]  # and this one's before it sent anything

    settings.TWILIO_WHATSAPP_RATE = 0.001
    told = [tell(cast.ana, f"case:{number}") for number in range(3)]
    deliver_all()  # one leaves: that is the token there was
    settings.QUIET_HOURS = f"{in_london(-1)}-{in_london(5)}"
    told += [tell(cast.ruth, "case:at night")]
    deliver_all(rounds=3)  # the leases run out at night; what never left waits for the morning
    rows = [now(message) for message in (*dead, *told)]
    assert {row.error_code for row in rows if row.state == State.PENDING} == {NIGHT}
    assert [row.state for row in rows].count(State.SENT) == 2
    assert len(bodies(twilio)) == 2

    settings.QUIET_HOURS = ""
    for _ in range(8):  # the morning comes with four waiting, and one token at a time
        pass_time()
        settings.TWILIO_WHATSAPP_RATE = 0.001
        delivery.deliver_due()
        settings.TWILIO_WHATSAPP_RATE = 0
        delivery.deliver_due(limit=1)
    rows = [now(message) for message in (*dead, *told)]
    assert {row.state for row in rows} == {State.SENT}
    assert {row.error_code for row in rows} == {""}
    assert len(bodies(twilio)) == len(set(bodies(twilio))) == len(rows)


def test_after_days_in_which_nothing_ran_a_link_has_its_three_days_all_the_same(
    cast: Cast, twilio: StandIn
) -> None:
    message = tell(cast.ana)
    late = timezone.now() - timedelta(hours=60)
    Link.objects.filter(messages=message).update(expires_at=late)
    deliver_all()
    link = now(message).link
    assert link is not None
    assert timedelta(hours=71) < link.expires_at - timezone.now() <= timedelta(hours=72)
    links.revoke([link.pk])
    links.begin(Link.objects.get(pk=link.pk), timezone.now() + timedelta(hours=200))
    assert Link.objects.get(pk=link.pk).expires_at == link.expires_at, "what ended stays ended"


def test_what_leaves_at_once_costs_no_statement_for_its_link(cast: Cast) -> None:
    link = tell(cast.ana).link
    assert link is not None
    before = Link.objects.get(pk=link.pk).expires_at
    delivery.claim()
    assert Link.objects.get(pk=link.pk).expires_at == before


# --- What the pages for staff say of it ----------------------------------------------------------
def test_what_waits_says_so_in_words_to_staff_and_is_no_error(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.TWILIO_WHATSAPP_RATE = 0.001
    for number in range(2):
        tell(cast.ana, f"case:{number}")
    deliver_all()
    [turn] = Message.objects.filter(error_code=TURN)
    morning = in_london(5)
    settings.QUIET_HOURS = f"{in_london(-1)}-{morning}"
    night = tell(cast.ruth)
    deliver_all(rounds=2)
    Message.objects.filter(pk=turn.pk).update(error_code=TURN)
    admin = cast.client(cast.ada)
    page = text_of(admin.get(reverse("staff_messages"), {"show": "waiting"}))
    assert f"It is night there: it leaves at {morning}." in page
    assert "It waits its turn: its sender sends as fast as it may." in page
    assert "Nothing: it leaves by itself." in page
    assert NIGHT not in page
    assert f"({TURN})" not in page
    assert not looking.failing(cast.ada)
    ledger.withdraw(Event.CASE_CHECKED, night.about)
    assert "night" not in text_of(admin.get(reverse("staff_message", args=[night.pk])))


def test_in_spanish_it_says_so_in_spanish(cast: Cast, twilio: StandIn, settings: Settings) -> None:
    settings.QUIET_HOURS = f"{in_london(-1)}-{in_london(5)}"
    message = tell(cast.ana)
    deliver_all()
    languages.choose(cast.ada, "es")
    page = text_of(cast.client(cast.ada).get(reverse("staff_message", args=[message.pk])))
    assert "Allí es de noche" in page


def test_a_test_message_rings_at_night_too(cast: Cast, twilio: StandIn, settings: Settings) -> None:
    settings.QUIET_HOURS = f"{in_london(-1)}-{in_london(5)}"
    message = trying.message_to(cast.ruth)
    deliver_all()
    assert now(message).state == State.SENT


def test_a_task_for_the_staff_needs_no_template(cast: Cast) -> None:
    rows = {row.key for row in looking.template_rows(None)}
    assert "urgent_unread.es" in rows
    assert not {key for key in rows if key.startswith("urgent_call")}
