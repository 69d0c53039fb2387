"""In real browsers, on real workers: a doctor asks for a new photo, and gets it with a new view."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from diagnoses.models import Case
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in, picture
from tests.cases import jpeg, photo, submission
from tests.cast import PASSWORD, build_cast
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_doctor_asks_for_a_new_photo_the_patient_sends_it_and_both_see_it(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    from diagnoses import workflow

    live_stack.start("web", "inference")
    cast = build_cast()
    poor = workflow.NewPhoto("close_up", photo(5, blur=8), sent_anyway=True)
    case = workflow.submit(cast.ana, submission(photos=[poor]))
    here = f"{live_stack.url}/cases/{case.pk}/"

    patient = open_browser(PHONE)
    log_in(patient, live_stack.url, cast.ana.email, PASSWORD)
    patient.goto(here)
    patient.get_by_role("link", name="Write to your doctor").click()
    patient.get_by_label("Your message").fill("Is it bad that it itches?")
    patient.get_by_role("button", name="Send the message").click()
    patient.wait_for_url(f"{here}#talk")

    doctor = open_browser(DESKTOP)
    log_in(doctor, live_stack.url, cast.ruth.email, PASSWORD)
    doctor.get_by_role("link", name=re.compile("With a question")).click()
    doctor.get_by_role("link", name=re.compile("Question")).click()
    expect(doctor.get_by_text("Is it bad that it itches?")).to_be_visible()
    expect(doctor.get_by_role("group", name="Picture viewer")).to_be_visible()  # the page listens
    doctor.keyboard.press("r")
    expect(doctor.get_by_label("It is blurred")).to_be_checked()
    doctor.get_by_label("In your own words").fill("With a coin beside it.")
    doctor.get_by_role("button", name="Ask for a new photo").click()
    expect(doctor.get_by_text("A new photo is asked for")).to_be_visible()
    assert fits(doctor)

    # It appears by itself: nobody loads the page again.
    expect(patient.get_by_role("heading", name="Your doctor asks for a new photo")).to_be_visible()
    expect(patient.get_by_text("With a coin beside it.").first).to_be_visible()
    assert fits(patient)
    patient.get_by_role("link", name="Take a new photo").click()
    patient.locator("input[name=main_photo]").set_input_files(
        picture(tmp_path, jpeg(5, blur=8), "blurred.jpg")
    )
    expect(patient.get_by_text("We can't judge this photo")).to_be_visible()
    patient.locator("input[name=main_photo]").set_input_files(picture(tmp_path, jpeg(5)))
    expect(patient.get_by_text("We have your photo")).to_be_visible()
    assert fits(patient)
    patient.get_by_role("button", name="Send the new photo").click()
    patient.wait_for_url(here)
    eventually(lambda: Case.objects.get().prediction is not None, what="the new view")
    expect(patient.get_by_text("From the computer, not yet seen by a doctor")).to_be_visible()

    doctor.get_by_role("link", name="Worklist").first.click()
    doctor.get_by_role("link", name=re.compile("All waiting")).click()
    doctor.get_by_role("link", name=re.compile("New photo")).click()
    views = doctor.get_by_role("group", name="Choose a picture").get_by_role("button")
    expect(views).to_have_text(["Close-up, new", "Close-up"])
    doctor.locator("input[name=diagnosis][value=nv]").check()
    doctor.locator("input[name=confidence][value=sure]").check()
    doctor.locator("input[name=plan][value=reassure]").check()
    doctor.get_by_role("button", name="Commit reading").click()
    expect(doctor.get_by_text("Calibrated probabilities")).to_be_visible()
    expect(doctor.get_by_text("This view is from before the new photo.")).to_have_count(0)
