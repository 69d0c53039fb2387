"""The whole story with both phones on screen: what rings, in which words, and where it leads.

Real browsers, servers and workers. Only Twilio is played: its stand-in shows everyone's phone on a
page, and takes what is typed on it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from accounts import people
from accounts.models import User
from diagnoses.models import Case
from notifications.models import Channel, Event, Message
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fill_in_login, fits, log_in, picture
from tests.cases import jpeg
from tests.cast import ANAS_NUMBER, PASSWORD, RUTHS_NUMBER, SAMS_NUMBER, build_cast
from tests.notifications.conftest import SMS_SENDER, tell
from tests.stack import eventually
from tests.test_accessibility import against_wcag
from tests.test_story import read_and_sign

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

UPDATE, WORK = "Your clinic has an update for you:", "Your clinic has work waiting for you:"
WROTE = "Your clinic has a message for you:"
STOPPED, STARTED = "You will get no more messages here.", "You will get messages here again."
CASE = re.compile(r"/cases/[0-9a-f-]{36}/$")
SECONDS = 40_000  # in milliseconds, until a message has gone its whole way


@pytest.fixture
def portal(live_stack: Stack) -> Stack:
    texts = {"TWILIO_SMS_FROM": SMS_SENDER, "TWILIO_SMS_RATE": "0"}
    live_stack.start("standin", "web", "inference", "io", "beat", **texts)
    return live_stack


@pytest.fixture
def phones(portal: Stack, open_browser: Opened) -> Page:
    page = open_browser(DESKTOP)
    page.goto(portal.phones)
    return page


def phone(phones: Page, number: str) -> Locator:
    """The whole phone on the page, once it has rung."""
    return phones.locator("section.phone", has=phones.locator(f"#p{number.lstrip('+')}"))


def bubbles(phones: Page, number: str, words: str) -> Locator:
    return phone(phones, number).locator(".bubble", has_text=words)


def submit(patient: Page, portal: Stack, photo: Path) -> None:
    patient.goto(f"{portal.url}/cases/new/")
    patient.locator("input[name=main_photo]").set_input_files(photo)
    patient.get_by_label("Through a dermatoscope").check()
    for step in ("views", "place"):
        patient.get_by_role("button", name="Next").click()
        patient.wait_for_url(re.compile(f"/{step}/"))
    patient.locator("select[name=site]").select_option("back")
    patient.get_by_role("button", name="Next").click()
    patient.get_by_role("link", name="Skip the questions").click()
    patient.get_by_role("button", name="Send to the doctor").click()
    patient.wait_for_url(CASE)


def follow(page: Page, bubble: Locator, who: User) -> None:
    """Open the link of a message where nobody is logged in."""
    page.goto(str(bubble.get_by_role("link").get_attribute("href")))
    expect(page.get_by_label("E-mail")).to_be_visible()
    fill_in_login(page, who.email, PASSWORD)


def test_both_phones_ring_and_their_links_lead_to_the_case_past_the_login(
    portal: Stack, phones: Page, open_browser: Opened, tmp_path: Path
) -> None:
    cast = build_cast()
    expect(phones.get_by_text("A phone appears here with the first message to it.")).to_be_visible()
    patient = open_browser(PHONE)
    log_in(patient, portal.url, cast.ana.email, PASSWORD)
    submit(patient, portal, picture(tmp_path, jpeg(5)))

    # The page of phones is not loaded again.
    expect(bubbles(phones, ANAS_NUMBER, UPDATE)).to_have_count(1, timeout=SECONDS)
    for number in (RUTHS_NUMBER, SAMS_NUMBER):
        expect(bubbles(phones, number, WORK)).to_have_count(1, timeout=SECONDS)
    expect(bubbles(phones, ANAS_NUMBER, UPDATE)).to_contain_text("read", timeout=SECONDS)
    expect(bubbles(phones, ANAS_NUMBER, UPDATE).locator(".ticks.seen")).to_be_visible()
    first = Message.objects.filter(event=Event.CASE_CHECKED)
    eventually(lambda: first.get().state == Message.State.READ, what="the report that it was read")

    case = Case.objects.get()
    again, stranger, doctor = open_browser(PHONE), open_browser(PHONE), open_browser(DESKTOP)
    follow(again, bubbles(phones, ANAS_NUMBER, UPDATE), cast.ana)
    assert again.url == f"{portal.url}/cases/{case.pk}/"
    log_in(stranger, portal.url, cast.bo.email, PASSWORD)
    link = bubbles(phones, ANAS_NUMBER, UPDATE).get_by_role("link").get_attribute("href")
    assert stranger.context.request.get(str(link)).status == 404
    follow(doctor, bubbles(phones, RUTHS_NUMBER, WORK), cast.ruth)
    assert doctor.url == f"{portal.url}/worklist/{case.pk}/"

    read_and_sign(doctor, "This is a common mole. Nothing needs to be done.")
    expect(bubbles(phones, ANAS_NUMBER, UPDATE)).to_have_count(2, timeout=SECONDS)
    text = phones.locator("main").inner_text()
    for word in ("mole", "melanoma", "Nothing needs", "Silva"):
        assert word not in text, f"a message says {word!r}"
    last = bubbles(phones, ANAS_NUMBER, UPDATE).last.get_by_role("link")
    again.goto(str(last.get_attribute("href")))
    expect(again.get_by_text("This is a common mole.").first).to_be_visible()


def test_stop_typed_on_the_phone_ends_its_messages_and_start_brings_them_back(
    portal: Stack, phones: Page
) -> None:
    cast = build_cast()
    tell(cast.ana, about="case:1")
    expect(bubbles(phones, ANAS_NUMBER, UPDATE)).to_have_count(1, timeout=SECONDS)
    box = phone(phones, ANAS_NUMBER).get_by_label("Reply")
    box.fill("Stop")
    box.press("Enter")
    expect(bubbles(phones, ANAS_NUMBER, STOPPED)).to_be_visible(timeout=SECONDS)
    assert people.stopped(ANAS_NUMBER)

    tell(cast.ana, about="case:2", event=Event.DOCTOR_WROTE)
    mails = phones.get_by_role("region", name="E-mails")
    subject = mails.get_by_text("Your clinic has a message for you", exact=True)
    expect(subject).to_be_visible(timeout=SECONDS)
    expect(bubbles(phones, ANAS_NUMBER, WROTE)).to_have_count(0)

    phone(phones, ANAS_NUMBER).get_by_role("button", name="START").click()
    expect(bubbles(phones, ANAS_NUMBER, STARTED)).to_be_visible(timeout=SECONDS)
    tell(cast.ana, about="case:3", event=Event.DOCTOR_WROTE)
    expect(bubbles(phones, ANAS_NUMBER, WROTE)).to_have_count(1, timeout=SECONDS)
    assert against_wcag(phones) == []


def test_a_number_without_whatsapp_gets_a_text_message(portal: Stack, phones: Page) -> None:
    cast = build_cast()
    refusal: dict[str, str | int] = {"kind": "refuse", "status": 400, "code": 63003}
    requests.post(f"{portal.phones}/_control", json={"next": [refusal]}, timeout=10)
    tell(cast.ana, about="case:1")
    mine = phone(phones, ANAS_NUMBER)
    expect(bubbles(phones, ANAS_NUMBER, "Reply STOP to end these messages.")).to_have_count(
        1, timeout=SECONDS
    )
    expect(mine.get_by_text("SMS", exact=True)).to_be_visible()
    expect(mine.get_by_text("SMS read")).to_be_visible(timeout=SECONDS)
    rows = dict(Message.objects.filter(recipient=cast.ana).values_list("channel", "error_code"))
    assert rows == {Channel.WHATSAPP: "63003", Channel.SMS: ""}

    # Twilio itself heeds STOP in text messages, and says so; ours is not said beside it.
    mine.get_by_role("button", name="STOP").click()
    expect(mine.get_by_text("You have successfully been unsubscribed.")).to_be_visible()
    expect(bubbles(phones, ANAS_NUMBER, STOPPED)).to_have_count(0)
    eventually(lambda: people.stopped(ANAS_NUMBER), what="STOP")
    phones.set_viewport_size({"width": 320, "height": 640})
    assert fits(phones)
