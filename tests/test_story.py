"""The whole story in a real browser, on real servers and workers, with the shipped model.

Only Twilio's own servers are not the real ones: the stand-in speaks their API.
"""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from diagnoses.models import Case
from notifications.models import Event, Message
from portal.machine.stack import Stack
from portal.standin import mailbox
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in, picture
from tests.cases import jpeg
from tests.cast import PASSWORD, Cast, build_cast
from tests.signing import code_in
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW_PASSWORD = "seven quiet lentils in a row"


@pytest.fixture
def portal(live_stack: Stack) -> Stack:
    live_stack.start("standin", "web", "inference", "io", "beat")
    return live_stack


def sign_up(page: Page, portal: Stack) -> None:
    page.goto(portal.url)
    page.get_by_role("link", name="Make an account").first.click()
    page.get_by_label("Your name").fill("Nadia Bright")
    page.get_by_label("E-mail").fill("Nadia@Example.org")
    page.locator("input[type=password]").first.fill(NEW_PASSWORD)
    page.get_by_label("Your clinic", exact=True).select_option(label="North")
    page.locator("input[name=care]").check()
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/signup/code/")
    [letter] = mailbox.read(portal.folder.parent / "mail")
    page.get_by_label("Code").fill(code_in(letter.body).lower())
    page.get_by_role("button", name="Make my account").click()
    page.wait_for_url("**/lesions/")


def go_on(page: Page, to: str) -> None:
    page.get_by_role("button", name="Next").click()
    page.wait_for_url(re.compile(f"/{to}/"))


def fill_case(page: Page, portal: Stack, photo: Path) -> None:
    """The whole way: a photo, a tap on the figure, past the questions but one, the number."""
    page.goto(f"{portal.url}/cases/new/")
    page.locator("input[name=main_photo]").set_input_files(photo)
    page.get_by_label("Through a dermatoscope").check()
    go_on(page, "views")
    go_on(page, "place")
    page.locator("input[name=back]").click(position={"x": 140, "y": 170})
    expect(page.locator("select[name=site]")).to_have_value("back")
    go_on(page, "duration")
    assert fits(page)
    page.get_by_label("More than a year").check()
    go_on(page, "change_size")
    page.get_by_role("link", name="Skip the questions").click()
    page.get_by_role("link", name=re.compile("Change.*How to reach you")).click()
    page.locator("input[name=contact]").fill("07700 900555")
    page.locator("input[name=messages]").check()
    page.get_by_role("button", name="Save").click()
    page.locator("input[name=computer_check]").check()


def read_and_sign(doctor: Page, advice: str) -> None:
    doctor.locator("input[name=diagnosis][value=nv]").check()
    doctor.locator("input[name=confidence][value=sure]").check()
    doctor.locator("input[name=plan][value=reassure]").check()
    doctor.get_by_role("button", name="Commit reading").click()
    expect(doctor.get_by_text("The computer's view").first).to_be_visible()
    doctor.locator("input[name=diagnosis][value=nv]").check()
    doctor.locator("input[name=agrees][value=yes]").check()
    doctor.locator("input[name=plan][value=reassure]").check()
    doctor.locator("textarea[name=advice]").fill(advice)
    doctor.get_by_role("button", name=re.compile("^Sign")).click()


def test_a_patient_submits_a_doctor_signs_both_are_told(
    portal: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    cast = build_cast()
    patient = open_browser(PHONE)
    sign_up(patient, portal)
    fill_case(patient, portal, picture(tmp_path, jpeg(5)))
    assert fits(patient)
    patient.get_by_role("button", name="Send to the doctor").click()
    patient.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}/"))
    started = time.monotonic()
    # It appears by itself: nobody loads the page again.
    expect(patient.get_by_text("From the computer, not yet seen by a doctor")).to_be_visible()
    assert time.monotonic() - started < 10
    assert fits(patient)
    assert "%" not in patient.locator("main").inner_text().replace("under 80 %", "")
    case = Case.objects.get()
    assert case.patient.email == "nadia@example.org"
    assert case.prediction is not None
    confirm_number(patient, portal, open_browser)

    doctor = open_browser(DESKTOP)
    log_in(doctor, portal.url, cast.ruth.email, PASSWORD)
    doctor.get_by_role("link", name=re.compile("Back")).first.click()
    doctor.wait_for_url(re.compile(str(case.pk)))
    hidden = doctor.content()
    assert f"{case.prediction.confidence:.3f}"[:5] not in hidden, "blind until the own reading"
    read_and_sign(doctor, "This is a common mole. Nothing needs to be done.")
    expect(doctor.get_by_role("button", name=re.compile("Undo")).first).to_be_visible()

    eventually(lambda: Case.objects.get().status == "final", what="the signature")
    eventually(lambda: sent(Event.CASE_SIGNED) == 1, 40, "telling the patient")
    patient.reload()
    expect(patient.get_by_text("This is a common mole.").first).to_be_visible()
    assert_both_phones_were_told(portal, open_browser)


def confirm_number(patient: Page, portal: Stack, open_browser: Opened) -> None:
    """The case went its way without it; now she reads the code on her phone and types it."""
    phone = open_browser(PHONE)
    phone.goto(portal.phones)
    message = phone.get_by_text(re.compile("is your verification code")).first
    expect(message).to_be_visible(timeout=15_000)
    code = re.search(r"[0-9]{6}", message.inner_text())
    assert code is not None
    patient.get_by_role("link", name="Confirm").click()
    patient.get_by_label("The code from the message").fill(code[0])
    assert fits(patient)
    patient.get_by_role("button", name="Confirm").click()
    expect(patient.get_by_text("This number is confirmed.")).to_be_visible()
    assert re.search(r"/cases/[0-9a-f-]{36}/$", patient.url)


def sent(event: Event) -> int:
    return Message.objects.filter(event=event, sent_at__isnull=False, channel="whatsapp").count()


def assert_both_phones_were_told(portal: Stack, open_browser: Opened) -> None:
    """On the phones page: the patient, whose number is confirmed by now, the doctors, and no
    clinical word."""
    phones = open_browser(DESKTOP)
    phones.goto(portal.phones)
    text = phones.locator("body").inner_text()
    assert "+447700900555" in text.replace(" ", "")
    assert text.count("/l/") >= 3
    for word in ("mole", "melanoma", "Nadia", "naevus"):
        assert word not in text, f"a message says {word!r}"


def test_the_same_without_javascript(portal: Stack, open_browser: Opened, tmp_path: Path) -> None:
    cast = build_cast()
    patient = open_browser(PHONE, java_script_enabled=False)
    sign_up(patient, portal)
    fill_case(patient, portal, picture(tmp_path, jpeg(6)))
    patient.get_by_role("button", name="Send to the doctor").click()
    patient.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}/"))
    expect(patient.get_by_text("From the computer, not yet seen by a doctor")).to_be_visible()

    doctor = open_browser(PHONE, java_script_enabled=False)
    log_in(doctor, portal.url, cast.sam.email, PASSWORD)
    doctor.get_by_role("link", name=re.compile("Back")).first.click()
    read_and_sign(doctor, "A harmless mole.")
    expect(doctor.get_by_role("button", name=re.compile("Undo")).first).to_be_visible()
    assert Case.objects.get().signed_by == cast.sam


def test_a_poor_photo_is_said_at_once_and_nothing_is_lost(
    portal: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    cast = build_cast()
    page = open_browser(PHONE)
    log_in(page, portal.url, cast.ana.email, PASSWORD)
    page.goto(f"{portal.url}/cases/new/")
    page.get_by_label("Through a dermatoscope").check()
    page.locator("input[name=main_photo]").set_input_files(
        picture(tmp_path, jpeg(5, blur=8), "blurred.jpg")
    )
    expect(page.get_by_text("it is blurred").first).to_be_visible()
    page.locator("input[name=main_photo]").set_input_files(
        picture(tmp_path, b"not a picture at all", "letter.jpg")
    )
    expect(page.get_by_text("not a photo we can read").first).to_be_visible()
    assert page.get_by_label("Through a dermatoscope").is_checked()
    assert Case.objects.count() == 0


def test_a_session_lost_in_the_middle_of_the_form_costs_nothing(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    live_stack.start("web")
    cast = build_cast()
    page = open_browser(PHONE)
    log_in(page, live_stack.url, cast.ana.email, PASSWORD)
    page.goto(f"{live_stack.url}/cases/new/")
    page.locator("input[name=main_photo]").set_input_files(picture(tmp_path, jpeg(5)))
    expect(page.get_by_text("We have your photo").first).to_be_visible()
    go_on(page, "views")
    go_on(page, "place")
    page.locator("select[name=site]").select_option("face")
    go_on(page, "duration")
    page.goto(re.sub("/duration/.*", "/note/", page.url))
    page.locator("textarea").fill("It was smaller in spring.")
    page.context.clear_cookies(name="session")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("E-mail").fill(cast.ana.email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/note/**")
    expect(page.locator("textarea")).to_have_value("It was smaller in spring.")
    go_on(page, "doctor")
    go_on(page, "contact")
    go_on(page, "check")
    expect(page.get_by_text("It was smaller in spring.")).to_be_visible()
    page.get_by_role("button", name="Send to the doctor").click()
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}/$"))
    case = Case.objects.get()
    assert (case.site, case.answers) == ("face", {"note": "It was smaller in spring."})
    assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_pages_fit_every_screen(live_stack: Stack, open_browser: Opened, width: int) -> None:
    live_stack.start("web")
    cast: Cast = build_cast()
    from tests.cases import submitted

    case, key = submitted(cast.ana), uuid.uuid4()
    submitted(cast.ana, lesion=case.lesion)
    marks = [f"/lesions/{case.lesion_id}/", f"/lesions/{case.lesion_id}/name/"]
    screens = [f"/cases/new/{key}/{step}/" for step in ("photo", "place", "skin_type", "check")]
    pages = {
        None: ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"],
        cast.ana: ["/lesions/", *marks, "/cases/", *screens, f"/cases/{case.pk}/", "/account/"],
        cast.ruth: ["/worklist/", f"/worklist/{case.pk}/", "/worklist/done/"],
    }
    wide = []
    for person, paths in pages.items():
        page = open_browser({"width": width, "height": 780})
        if person is not None:
            log_in(page, live_stack.url, person.email, PASSWORD)
        for path in paths:
            page.goto(live_stack.url + path)
            if not fits(page):
                wide.append(path)
    assert wide == []
