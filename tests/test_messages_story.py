"""In a real browser: an admin finds a message that failed, sends it again, and sees it arrive."""

from __future__ import annotations

import re

import pytest
from django.db import transaction
from playwright.sync_api import expect

from accounts.models import User
from notifications import delivery, ledger
from notifications.ledger import Notice
from notifications.models import Channel, Event, Message
from portal.machine.stack import Stack
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in
from tests.cast import PASSWORD, Cast, build_cast
from tests.notifications.conftest import pass_time, twilio  # noqa: F401 - one is a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def told(cast: Cast, who: User, event: Event, channel: Channel | None = None) -> Message:
    about = "case:0123abcd-0000-4000-8000-000000000000"
    with transaction.atomic():
        [message] = ledger.tell(Notice(event, who, about, "/cases/", channel=channel))
    return message


def deliver() -> None:
    while delivery.deliver_due():
        pass


def failed_on_every_way(cast: Cast, stand_in: StandIn) -> Message:
    stand_in.faults.next.append(Fault("refuse", status=400, code=63003))
    message = told(cast, cast.ana, Event.CASE_SIGNED)
    deliver()
    Message.objects.filter(recipient=cast.ana, channel=Channel.EMAIL).update(
        state=Message.State.FAILED, run_after=None, error="The mail server refuses this message."
    )
    return message


def test_a_failed_message_is_found_sent_again_and_seen_to_arrive(
    live_stack: Stack,
    open_browser: Opened,
    twilio: StandIn,  # noqa: F811 - the fixture
) -> None:
    live_stack.start("web")
    cast = build_cast()
    failed_on_every_way(cast, twilio)
    page = open_browser(DESKTOP)
    log_in(page, live_stack.url, cast.ada.email, PASSWORD)
    page.goto(live_stack.url + "/admin/")
    page.get_by_role("link", name="Messages", exact=True).first.click()
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    page.get_by_label("Person, whole number, code or reference").fill("63003")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("This number is not on WhatsApp.")).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name=re.compile("WhatsApp")).click()
    expect(page.get_by_text("Ask the person for another way")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is sent once more.")).to_be_visible()
    expect(page.get_by_text("Waiting to be sent").first).to_be_visible()
    deliver()
    [accepted] = twilio.store.accepted()
    assert "/l/" in accepted.body
    page.reload()
    expect(page.get_by_text("Sent, not yet reported as delivered").first).to_be_visible()
    twilio.store.report(accepted.sid, "delivered")
    pass_time()  # and it is asked what became of it
    deliver()
    page.reload()
    expect(page.get_by_text("Delivered", exact=True).first).to_be_visible()
    page.goto(live_stack.url + "/messages/")
    expect(page.get_by_role("heading", name="Nothing needs you")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_task_is_done_on_a_phone(live_stack: Stack, open_browser: Opened, scripts: bool) -> None:
    live_stack.start("web")
    cast = build_cast()
    told(cast, cast.ana, Event.URGENT_CALL, Channel.STAFF)
    page = open_browser({**PHONE, "width": 320}, java_script_enabled=scripts)
    log_in(page, live_stack.url, cast.ada.email, PASSWORD)
    page.goto(live_stack.url + "/messages/")
    header = page.get_by_role("banner")
    expect(header.get_by_text("1 to be told by hand")).to_be_visible()
    assert not scripts or fits(page)
    page.get_by_role("link", name=re.compile("Call the patient")).click()
    expect(page.get_by_role("link", name="+44 7700 900101")).to_be_visible()
    page.get_by_role("button", name="I have told them myself").click()
    expect(page.get_by_text("Thank you. This task is done.")).to_be_visible()
    expect(header.get_by_text("to be told by hand")).to_have_count(0)
    assert Message.objects.get().state == Message.State.DELIVERED
