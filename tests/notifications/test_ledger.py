"""The ledger: what is to be said is written with its cause, once, or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import people
from accounts.models import Consent
from notifications import delivery, ledger
from notifications.ledger import Notice
from notifications.models import Channel, Event, Link, Message
from tests.cast import ANAS_NUMBER, Cast, build_cast
from tests.notifications.conftest import now, tell
from tests.together import at_once


def test_ana_who_agreed_is_told_by_whatsapp_with_a_link_for_three_days(cast: Cast) -> None:
    message = tell(cast.ana)
    assert (message.channel, message.address) == (Channel.WHATSAPP, ANAS_NUMBER)
    assert message.link is not None
    assert message.link.recipient == cast.ana
    left = message.link.expires_at - timezone.now()
    assert timedelta(hours=71, minutes=59) < left <= timedelta(hours=72)


def test_bo_who_gave_no_number_is_told_by_email(cast: Cast) -> None:
    message = tell(cast.bo)
    assert (message.channel, message.address) == (Channel.EMAIL, cast.bo.email)


def test_ana_who_took_her_consent_back_is_told_by_email(cast: Cast) -> None:
    people.withdraw_consent(cast.ana, Consent.Kind.MESSAGES)
    assert tell(cast.ana).channel == Channel.EMAIL


def test_told_twice_is_told_once_even_after_the_way_changed(cast: Cast) -> None:
    first = tell(cast.ana)
    people.opt_out(ANAS_NUMBER)
    assert tell(cast.ana) == first
    assert Message.objects.count() == Link.objects.count() == 1


def test_another_person_event_or_round_is_another_message(cast: Cast) -> None:
    tell(cast.ana)
    tell(cast.ruth)
    tell(cast.ana, event=Event.CASE_SIGNED)
    tell(cast.ana, about="case:1#2")
    assert Message.objects.count() == 4


def test_many_are_told_with_as_many_statements_as_one(cast: Cast) -> None:
    one = Notice(Event.CASE_TO_READ, cast.ruth, "case:0", "/")
    more = [
        Notice(Event.CASE_TO_READ, who, f"case:{number}", "/")
        for number in range(1, 4)
        for who in (cast.ruth, cast.sam, cast.bo, cast.ruth)  # the doctor twice: told once
    ]
    with CaptureQueriesContext(connection) as for_one:
        [first] = ledger.tell(one)
    with CaptureQueriesContext(connection) as for_many:
        messages = ledger.tell(one, *more)
    assert len(for_many) == len(for_one)
    assert messages[0] == first, "told before"
    assert [(m.recipient_id, m.about) for m in messages[1:]] == [
        (notice.recipient.pk, notice.about) for notice in more
    ]
    assert messages[1] == messages[4]
    assert Message.objects.count() == Link.objects.count() == 1 + 9
    assert {m.channel for m in messages if m.recipient != cast.bo} == {Channel.WHATSAPP}
    assert {m.address for m in messages if m.recipient == cast.bo} == {cast.bo.email}


def test_nothing_is_told_of_what_did_not_happen(cast: Cast) -> None:
    with transaction.atomic():
        tell(cast.ana)
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not Link.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_telling_outside_a_transaction_is_refused() -> None:
    cast = build_cast()
    with pytest.raises(RuntimeError):
        ledger.tell(Notice(Event.CASE_SIGNED, cast.ana, "case:1", "/cases/1/"))
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_tell_at_the_same_moment_write_one_row() -> None:
    cast = build_cast()
    told = at_once(*[lambda: tell(cast.ana)] * 4)
    assert len({message.pk for message in told}) == Message.objects.count() == 1


def test_what_may_not_leave_yet_waits_and_its_link_lives_three_days_from_then(cast: Cast) -> None:
    later = timezone.now() + timedelta(hours=1)
    with transaction.atomic():
        [message] = ledger.tell(
            Notice(Event.CASE_SIGNED, cast.ana, "case:1", "/", not_before=later)
        )
    assert delivery.claim() is None
    assert message.link is not None
    assert message.link.expires_at == later + timedelta(hours=72)


def test_what_has_not_left_can_be_taken_back_and_its_link_ends(cast: Cast) -> None:
    kept = tell(cast.ana, about="case:2")
    message = tell(cast.ana)
    assert ledger.withdraw(Event.CASE_CHECKED, "case:1") == 1
    assert now(message).state == Message.State.CANCELLED
    assert Link.objects.get(messages=message).revoked_at is not None
    assert now(kept).state == Message.State.PENDING
    assert ledger.withdraw(Event.CASE_CHECKED, "case:1") == 0


def test_what_is_in_a_workers_hands_is_not_taken_back(cast: Cast) -> None:
    message = tell(cast.ana)
    assert delivery.claim() == message
    assert ledger.withdraw(Event.CASE_CHECKED, "case:1") == 0
    assert now(message).state == Message.State.PENDING


@pytest.mark.parametrize("path", ["https://elsewhere.example/", "//elsewhere.example/", "cases/"])
def test_a_link_leads_to_a_page_of_ours_only(cast: Cast, path: str) -> None:
    with pytest.raises(ValueError, match="a page of ours"), transaction.atomic():
        ledger.tell(Notice(Event.CASE_SIGNED, cast.ana, "case:1", path))
