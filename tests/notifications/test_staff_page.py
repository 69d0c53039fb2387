"""The staff's page of messages: found, understood, sent again, told by hand; and by whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import directory, people
from accounts.models import AuditEntry, User
from notifications import again, invitations, ledger, staff
from notifications.ledger import Notice
from notifications.models import Channel, Event, Message
from notifications.staff import Filters, Show
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import deliver_all, now, tell

LIST = "/messages/"
CASE = "case:0123abcd-0000-4000-8000-000000000000"
State = Message.State


def at(message: Message, what: str = "") -> str:
    return reverse("staff_message", args=[message.pk]) + what


def read(cast: Cast, address: str = LIST, who: User | None = None) -> str:
    """What an admin of North can read there."""
    response = cast.client(who or cast.ada).get(address)
    assert response.status_code == 200
    return text_of(response)


def text_of(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def became(message: Message, state: str, **more: Any) -> Message:
    """As if the workers had got so far with it."""
    moment = {"sent_at": Now()} if state in ("sent", "delivered", "read") else {}
    fields = {"state": state, "run_after": None, **moment, **more}
    Message.objects.filter(pk=message.pk).update(**fields)
    return now(message)


def failed(who: User, about: str = CASE, **more: Any) -> Message:
    return became(tell(who, about), State.FAILED, error_code="63003", **more)


def task(who: User, about: str = CASE) -> Message:
    with transaction.atomic():
        notice = Notice(Event.URGENT_CALL, who, about, "/cases/1/", channel=Channel.STAFF)
        [message] = ledger.tell(notice)
    return message


# --- Who sees what -------------------------------------------------------------------------------
def test_only_admins_have_such_a_page(cast: Cast) -> None:
    message = failed(cast.ana)
    for who in (cast.ana, cast.bo, cast.ruth, cast.uma):
        client = cast.client(who)
        assert client.get(LIST).status_code == 404
        assert client.get(at(message)).status_code == 404
        assert client.get(at(message, "again/")).status_code == 404
        assert client.post(at(message, "again/")).status_code == 404
        assert client.post(at(message, "told/")).status_code == 404
    assert cast.client().get(LIST).status_code == 302
    assert Message.objects.count() == 1


def test_an_admin_sees_her_clinics_messages_and_no_others(cast: Cast) -> None:
    theirs, ours = failed(cast.xu), failed(cast.ruth)
    page = read(cast)
    assert "Ruth Okafor" in page
    assert "Xu Lin" not in page
    client = cast.client(cast.ada)
    assert client.get(at(theirs)).status_code == 404
    assert client.post(at(theirs, "again/")).status_code == 404
    assert client.post(at(theirs, "told/")).status_code == 404
    assert client.get(at(ours)).status_code == 200
    assert "Xu Lin" in read(cast, who=cast.root)


def test_numbers_and_addresses_are_masked_in_the_list_and_the_story(cast: Cast) -> None:
    message, mail = failed(cast.ana), failed(cast.bo, "case:2")
    for page in (read(cast), read(cast, at(message)), read(cast, at(mail))):
        assert ANAS_NUMBER not in page
        assert cast.bo.email not in page
    assert "+44…01" in read(cast, at(message))
    assert "b…@example.org" in read(cast, at(mail))


def test_looking_at_a_message_is_recorded(cast: Cast) -> None:
    message = failed(cast.ana)
    read(cast, at(message))
    entry = AuditEntry.objects.get(action="message.viewed")
    assert (entry.actor, entry.about) == (cast.ada, f"message:{message.pk}")


# --- What is on the list -------------------------------------------------------------------------
def test_each_list_holds_what_it_says(cast: Cast) -> None:
    tell(cast.ana, "case:waits")
    failed(cast.bo, "case:failed")
    became(tell(cast.ruth, "case:doubt"), State.UNKNOWN)
    became(tell(cast.sam, "case:arrived"), State.DELIVERED)
    names = {"Ana Silva", "Bo Berg", "Ruth Okafor", "Sam Patel"}
    lists = {
        "": {"Bo Berg", "Ruth Okafor"},
        "?show=doubt": {"Ruth Okafor"},
        "?show=failed": {"Bo Berg"},
        "?show=waiting": {"Ana Silva"},
        "?show=all": names,
        "?show=nonsense": {"Bo Berg", "Ruth Okafor"},
    }
    for query, expected in lists.items():
        page = read(cast, LIST + query)
        assert {name for name in names if name in page} == expected, query


def test_what_went_another_way_after_it_failed_needs_nobody(cast: Cast) -> None:
    message = failed(cast.ana)
    mail = again.fall_back(message)
    assert mail is not None
    assert "Nothing needs you" in read(cast)
    became(mail, State.FAILED, error="The mail server refuses this message.")
    page = read(cast)
    assert page.count("Ana Silva") == 1, "the last way, not every way"
    assert "E-mail" in page


def test_what_arrived_late_after_all_needs_nobody(cast: Cast) -> None:
    message = failed(cast.ana)
    mail = again.fall_back(message)
    assert mail is not None
    staff_task = again.fall_back(became(mail, State.FAILED))
    assert staff_task is not None
    assert staff.open_tasks(cast.ada).count() == 1
    became(message, State.DELIVERED)
    assert staff.open_tasks(cast.ada).count() == 0
    assert "Nothing needs you" in read(cast)


def test_what_is_long_past_needs_nobody_but_a_task_stays(cast: Cast) -> None:
    failed(cast.ana)
    task(cast.bo)
    Message.objects.update(created_at=F("created_at") - timedelta(days=31))
    page = read(cast)
    assert "Ana Silva" not in page
    assert "Bo Berg" in page


def test_a_code_or_the_sun_that_did_not_arrive_needs_nobody(cast: Cast) -> None:
    became(tell(cast.ana, "nudge:1", Event.REMIND_SUN), State.FAILED)
    people.add_number(cast.bo, "+447700900888", opt_in=True)
    from notifications import verification

    verification.send(cast.bo, cast.bo.numbers.get())
    Message.objects.filter(event=Event.NUMBER_CODE).update(state=State.FAILED, run_after=None)
    assert "Nothing needs you" in read(cast)


@pytest.mark.parametrize(
    "words",
    ["ana s", "ana@example.org", "+447700900101", "07700 900 101", "63003", "0123ABCD", CASE[5:]],
)
def test_a_message_is_found_by_person_number_code_and_reference(cast: Cast, words: str) -> None:
    message = failed(cast.ana)
    Message.objects.filter(pk=message.pk).update(address=ANAS_NUMBER)
    became(tell(cast.ruth, "case:99999999"), State.READ)
    address = "ana@example.org" if "@" in words else ANAS_NUMBER
    Message.objects.filter(pk=message.pk).update(address=address)
    page = read(cast, f"{LIST}?q={quote(words)}")
    assert "Ana Silva" in page
    assert "Ruth Okafor" not in page


def test_a_search_looks_everywhere_and_finds_nothing_strange(cast: Cast) -> None:
    became(tell(cast.ana), State.READ)
    assert "Ana Silva" in read(cast, f"{LIST}?q=Ana")
    for strange in ("%25", "_", "'; drop", "zzzz", "(", "%2B()"):
        assert "Nothing found" in read(cast, f"{LIST}?q={strange}"), strange
    assert "Nothing needs you" in read(cast, f"{LIST}?q=%00")


def test_an_invited_person_is_found_too(cast: Cast) -> None:
    invitations.invite(
        name="Vera Novak", clinic=cast.north, invited_by=cast.ada, e164="+4930123456"
    )
    page = read(cast, f"{LIST}?q=Vera")
    assert "A doctor is invited" in page
    assert "Vera" not in read(cast, f"{LIST}?show=all", who=_south(cast))


def _south(cast: Cast) -> User:
    fields = {"role": "admin", "is_staff": True, "clinic": cast.south}
    return User.objects.create_user("eve@example.org", None, name="Eve", **fields)


def test_pages_follow_each_other_without_a_gap_or_a_repetition(cast: Cast) -> None:
    told = [failed(cast.ana, f"case:{number}") for number in range(2 * staff.PAGE + 3)]
    Message.objects.filter(pk__in=[row.pk for row in told[:7]]).update(created_at=Now())
    seen, after, pages = [], None, 0
    while True:
        page = staff.page(cast.ada, Filters(Show.ALL), after=after)
        seen += [line.message.pk for line in page.lines]
        pages += 1
        if page.after is None:
            break
        after = page.after
    assert pages == 3
    assert len(seen) == len(set(seen)) == len(told)
    client = cast.client(cast.ada)
    second = client.get(f"{LIST}?{client.get(LIST).context['next_page']}")
    assert "Back to the newest" in text_of(second)
    assert client.get(f"{LIST}?after=nonsense").status_code == 200


def test_the_list_and_a_message_cost_the_same_for_one_and_for_many(cast: Cast) -> None:
    client = cast.client(cast.ada)

    def costs(message: Message) -> list[int]:
        found = []
        for address in (LIST, f"{LIST}?show=all", f"{LIST}?q=ana", at(message)):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address).status_code == 200
            found.append(len(captured))
        return found

    one = failed(cast.ana)
    few = costs(one)
    for number in range(40):
        failed(cast.ana, f"case:{number}")
        task(cast.bo, f"case:{number}")
    for _ in range(6):
        one = became(again.resend(one, cast.ada), State.FAILED)
    assert costs(one) == few
    assert max(few) <= 8, few


# --- What can be done about it -------------------------------------------------------------------
def test_what_nobody_is_to_be_told_any_more_is_not_offered_again(cast: Cast) -> None:
    message = failed(cast.ana)
    assert "Send again" in read(cast, at(message))
    User.objects.filter(pk=cast.ana.pk).update(is_active=False)
    assert "Send again" not in read(cast, at(message))
    answer = cast.client(cast.ada).post(at(message, "again/"), follow=True)
    assert "Nobody is to be told any more" in text_of(answer)
    assert Message.objects.count() == 1


def test_an_invitation_that_ended_is_not_sent_again(cast: Cast) -> None:
    invited = invitations.invite(
        name="Ivo Rey", clinic=cast.north, invited_by=cast.ada, email="ivo@example.org"
    )
    message = became(invited.messages.get(), State.FAILED)
    invitations.revoke(invited, cast.ada)
    with pytest.raises(again.NotAgain, match="the invitation has ended"):
        again.resend(message, cast.ada)


def test_a_message_says_why_what_to_do_and_every_way_that_was_tried(cast: Cast) -> None:
    message = failed(cast.ana)
    mail = again.fall_back(message)
    assert mail is not None
    waiting = again.fall_back(
        became(mail, State.FAILED, error="The mail server refuses this message.")
    )
    assert waiting is not None
    page = read(cast, at(message))
    assert "This number is not on WhatsApp. (63003)" in page
    assert "Ask the person for another way" in page
    assert page.index("WhatsApp") < page.index("E-mail") < page.index("Staff task")
    assert "The mail server refuses this message." in page
    assert "Somebody has to tell them" in page
    assert message.link is not None
    assert message.link.token not in page


def test_what_failed_is_sent_again_once_however_often_the_button_is_pressed(
    cast: Cast, twilio: StandIn
) -> None:
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    message = tell(cast.ruth)
    deliver_all()
    Message.objects.filter(channel=Channel.EMAIL).update(state=State.FAILED, run_after=None)
    client = cast.client(cast.ada)
    first = client.post(at(message, "again/"))
    new = Message.objects.get(resend=1)
    assert first["Location"] == at(new)
    second = client.post(at(message, "again/"), follow=True)
    assert "Another message about this is on its way" in text_of(second)
    assert Message.objects.filter(resend__gt=0).count() == 1
    deliver_all()
    assert len(twilio.store.accepted()) == 1
    assert now(message).state == State.FAILED, "the history stays"
    assert AuditEntry.objects.get(action="message.resent").actor == cast.ada
    assert "Sent again by staff" in read(cast, at(message))


def test_what_is_in_doubt_is_sent_again_only_after_a_question(cast: Cast) -> None:
    message = became(tell(cast.ana), State.UNKNOWN)
    client = cast.client(cast.ada)
    assert "they may get it twice" in text_of(client.get(at(message, "again/")))
    asked = client.post(at(message, "again/"))
    assert asked.status_code == 409
    assert "they may get it twice" in text_of(asked)
    assert Message.objects.count() == 1
    assert client.post(at(message, "again/"), {"sure": "yes"}).status_code == 302
    assert Message.objects.filter(resend=1).count() == 1


def test_what_arrived_waits_or_was_withdrawn_has_no_such_button(cast: Cast) -> None:
    for state in (State.PENDING, State.SENT, State.DELIVERED, State.READ, State.CANCELLED):
        message = became(tell(cast.ana, f"case:{state}"), state)
        assert "Send again" not in read(cast, at(message))
        cast.client(cast.ada).post(at(message, "again/"))
    assert not Message.objects.filter(resend=1).exists()


def test_a_task_shows_how_to_reach_them_and_is_ticked_off_once(cast: Cast) -> None:
    message = task(cast.ana)
    client = cast.client(cast.ada)
    page = client.get(at(message)).content.decode()
    assert f"tel:{ANAS_NUMBER}" in page
    assert "+44 7700 900101" in page
    assert "Call the patient" in page
    assert client.post(at(message, "told/")).status_code == 302
    assert now(message).state == State.DELIVERED
    twice = text_of(client.post(at(message, "told/"), follow=True))
    assert "not waiting for a person" in twice
    assert "Told by hand" in twice
    assert ANAS_NUMBER not in client.get(at(message)).content.decode(), "no longer needed"
    assert AuditEntry.objects.filter(action="message.told_by_hand").count() == 1


def test_only_pressing_the_button_changes_anything(cast: Cast) -> None:
    message = task(cast.ana)
    client = cast.client(cast.ada)
    assert client.get(at(message, "told/")).status_code == 405
    client.get(at(failed(cast.bo), "again/"))
    assert now(message).state == State.PENDING
    assert not Message.objects.filter(resend=1).exists()


# --- The number beside the menu ------------------------------------------------------------------
def test_the_menu_counts_the_tasks_of_the_clinic(cast: Cast) -> None:
    client = cast.client(cast.ada)
    assert "to be told by hand" not in client.get(LIST).content.decode()
    for number in range(3):
        task(cast.ana, f"case:{number}")
    task(cast.xu, "case:1")
    header = client.get(LIST).content.decode().partition("<main")[0]
    assert re.search(r'class="count">3<span', header)
    admin = client.get(reverse("admin:index")).content.decode()
    assert f'<a href="{LIST}">Messages (3)</a>' in admin
    assert LIST not in cast.client(cast.ruth).get("/worklist/").content.decode()


def test_a_count_stops_somewhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "COUNT_UP_TO", 2)
    said = []
    for number in range(4):
        said.append(directory.counted(staff.open_tasks(cast.ada)))
        task(cast.ana, f"case:{number}")
    assert said == ["", "1", "2", "2+"]


def test_the_page_is_spanish_for_who_reads_spanish(cast: Cast) -> None:
    message = failed(cast.ana)
    client = cast.client(cast.ada)
    client.cookies["language"] = "es"
    User.objects.filter(pk=cast.ada.pk).update(language="es")
    page = text_of(client.get(at(message)))
    assert "Este número no está en WhatsApp." in page
    assert "What to do" not in page
