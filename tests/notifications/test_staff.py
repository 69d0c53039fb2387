"""The admins' pages: they see everything of their clinic's, and change it through actions."""

from __future__ import annotations

import pytest
from django.core.mail import EmailMessage
from django.urls import reverse

from accounts.models import AuditEntry, User
from notifications import again, ledger
from notifications.models import Channel, Event, Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import Cast
from tests.notifications.conftest import deliver_all, now, pass_time, tell

LEDGER = reverse("admin:notifications_message_changelist")
State = Message.State


def act(cast: Cast, who: User, action: str, *rows: Message, **more: str) -> bytes:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
    return bytes(cast.client(who).post(LEDGER, data, follow=True).content)


@pytest.fixture
def failed(cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]) -> Message:
    """A message to Ruth that neither WhatsApp nor the staff's colleague of e-mail delivered."""
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    message = tell(cast.ruth)
    deliver_all()
    return now(message)


def test_an_admin_sees_the_messages_of_her_clinic_with_the_reason(
    cast: Cast, failed: Message
) -> None:
    tell(cast.xu)
    page = cast.client(cast.ada).get(LEDGER).content.decode()
    assert "63003" in page
    assert "not on WhatsApp" in page
    assert "Ruth Okafor" in page
    assert "Xu Lin" not in page
    assert "Xu Lin" in cast.client(cast.root).get(LEDGER).content.decode()


def test_nobody_else_has_such_a_page(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth, cast.uma):
        assert cast.client(who).get(LEDGER).status_code == 404


def test_the_page_of_a_message_shows_no_token(cast: Cast) -> None:
    message = tell(cast.ana)
    url = reverse("admin:notifications_message_change", args=[message.pk])
    page = cast.client(cast.ada).get(url).content.decode()
    assert message.link is not None
    assert message.address in page
    assert message.link.token not in page


def test_the_list_can_be_narrowed_to_what_needs_someone(cast: Cast, failed: Message) -> None:
    tell(cast.ana)
    page = cast.client(cast.ada).get(LEDGER, {"needs": "yes"}).content.decode()
    assert "Ruth Okafor" in page
    assert "Ana Silva" not in page


def test_what_failed_can_be_sent_again_and_the_history_stays(
    cast: Cast, twilio: StandIn, failed: Message
) -> None:
    Message.objects.filter(channel=Channel.EMAIL).update(state=State.FAILED)
    assert b"Sent again: 1" in act(cast, cast.ada, "send_again", failed)
    assert b"on its way" in act(cast, cast.ada, "send_again", failed)
    deliver_all()
    assert len(twilio.store.accepted()) == 1
    assert now(failed).state == State.FAILED
    new = Message.objects.get(resend=1)
    assert (new.state, new.recipient, new.event) == (State.SENT, cast.ruth, failed.event)
    assert AuditEntry.objects.get(action="message.resent").actor == cast.ada


def test_what_arrived_or_is_on_its_way_is_not_sent_again(
    cast: Cast, twilio: StandIn, failed: Message
) -> None:
    assert Message.objects.get(channel=Channel.EMAIL).state == State.SENT
    with pytest.raises(again.NotAgain):
        again.resend(failed, cast.ada)
    assert not Message.objects.filter(resend=1).exists()


def test_what_was_withdrawn_with_its_reason_is_not_sent_again(cast: Cast) -> None:
    message = tell(cast.ana)
    ledger.withdraw(Event.CASE_CHECKED, "case:1")
    assert b"it was withdrawn" in act(cast, cast.ada, "send_again", message)
    assert Message.objects.count() == 1


def test_what_is_in_doubt_is_sent_again_only_after_a_question(cast: Cast, twilio: StandIn) -> None:
    twilio.faults.next.append(Fault("drop"))
    message = tell(cast.ana)
    deliver_all()
    assert now(message).state == State.UNKNOWN
    assert b"may get it twice" in act(cast, cast.ada, "send_again", message)
    assert Message.objects.count() == 1
    act(cast, cast.ada, "send_again", message, answered="yes", sure="on")
    deliver_all()
    assert len(twilio.store.accepted()) == 2
    pass_time()
    deliver_all()
    assert now(message).state == State.SENT


def test_a_task_for_the_staff_is_ticked_off_once(
    cast: Cast, twilio: StandIn, failed: Message
) -> None:
    task = again.fall_back(Message.objects.get(channel=Channel.EMAIL))
    assert task is not None
    assert b"Told by hand: 1" in act(cast, cast.ada, "told_by_hand", task)
    assert now(task).state == State.DELIVERED
    assert b"not waiting for a person" in act(cast, cast.ada, "told_by_hand", task)
    assert AuditEntry.objects.filter(action="message.told_by_hand").count() == 1


def test_another_clinics_admin_cannot_reach_it(cast: Cast, failed: Message) -> None:
    stranger = User.objects.create_user(
        "eve@example.org", None, name="Eve", role="admin", is_staff=True, clinic=cast.south
    )
    act(cast, stranger, "send_again", failed)
    url = reverse("admin:notifications_message_change", args=[failed.pk])
    assert cast.client(stranger).get(url, follow=True).redirect_chain
    assert not Message.objects.filter(resend=1).exists()


def test_inbound_words_are_listed_without_the_number(cast: Cast) -> None:
    from notifications.models import Inbound

    Inbound.objects.create(provider_id="SM1", e164="+447700900101", word=Inbound.Word.STOP)
    page = cast.client(cast.ada).get(reverse("admin:notifications_inbound_changelist"))
    assert b"Asks to stop" in page.content
    assert b"+447700900101" not in page.content
