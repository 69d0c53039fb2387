"""In real browsers: a doctor of another clinic is asked, the patient agrees, and it ends again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from diagnoses import workflow
from diagnoses.models import SecondReading
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in
from tests.cases import scored, submission
from tests.cast import PASSWORD, Cast, build_cast
from tests.diagnoses.sharing import SEEN

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(live_stack: Stack) -> Cast:
    live_stack.start("web")
    cast = build_cast()
    User.objects.filter(pk=cast.xu.pk).update(name="Dr Mei Tan")
    return cast


def read(page: Page, diagnosis: str, plan: str) -> None:
    for name, value in (("diagnosis", diagnosis), ("confidence", "sure"), ("plan", plan)):
        page.locator(f"[name={name}][value={value}]").check()
    page.get_by_role("button", name="Commit reading").click()


def decision(page: Page, viewport: dict[str, int], tab: str = "Decision") -> None:
    """On a phone the parts of a case stand behind tabs."""
    if viewport is PHONE:
        page.get_by_role("link", name=tab, exact=True).click()


def ruth_asks(page: Page, here: str, address: str) -> None:
    """With an address that is nobody's first; what was typed stays."""
    page.goto(here + "ask/")
    page.get_by_label("Your question").fill("Would you biopsy it?")
    for typed in ("mei@example.org", address):
        page.get_by_label("Or a doctor of another clinic").fill(typed)
        page.get_by_role("button", name="Ask", exact=True).click()
        if typed != address:
            expect(page.get_by_role("alert")).to_contain_text("No verified doctor logs in here")
            assert fits(page)
    expect(page.get_by_text("We ask Ana Silva first whether Dr Mei Tan, South")).to_be_visible()


def ana_agrees(page: Page, here: str) -> None:
    page.goto(here)
    expect(page.get_by_text("would like a second opinion from Dr Mei Tan of South")).to_be_visible()
    assert fits(page)
    page.get_by_role("button", name="Yes, they may look").click()
    expect(page.get_by_text("Dr Mei Tan of South was asked for a second opinion.")).to_be_visible()
    assert fits(page)


def mei_reads(page: Page, viewport: dict[str, int], again: str) -> None:
    """Blind and without a name; then she sees what the computer said."""
    page.reload()
    page.get_by_role("link", name="A colleague asks").click()
    expect(page.get_by_text("Would you biopsy it?")).to_be_visible()
    for closed in ("Ana Silva", "Calibrated probabilities"):
        expect(page.get_by_text(closed)).to_have_count(0)
    assert fits(page)
    decision(page, viewport)
    page.get_by_label("Words to your colleague").fill("I would.")
    read(page, "mel", "refer_urgent")
    expect(page.get_by_text("Your reading is kept.")).to_be_visible()
    page.goto(again)
    decision(page, viewport, "Reading")
    expect(page.get_by_text("Calibrated probabilities")).to_be_visible()
    expect(page.get_by_text("Signed cases that look alike")).to_have_count(0)
    assert fits(page)


def ruth_sees_the_answer(page: Page, viewport: dict[str, int], here: str) -> None:
    """Once her own reading is in."""
    page.goto(here)
    decision(page, viewport)
    expect(page.get_by_text("I would.")).to_have_count(0)
    read(page, "nv", "see")
    expect(page.get_by_text("Dr Mei Tan read it blind")).to_be_visible()
    expect(page.get_by_text("I would.")).to_be_visible()
    assert fits(page)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_case_is_shared_read_and_taken_back(
    live_stack: Stack, cast: Cast, open_browser: Opened, viewport: dict[str, int]
) -> None:
    case = scored(workflow.submit(cast.ana, submission()), **SEEN)
    here, patients = f"{live_stack.url}/worklist/{case.pk}/", f"{live_stack.url}/cases/{case.pk}/"
    ruth, mei, ana = (open_browser(viewport) for _ in range(3))
    for page, who in ((ruth, cast.ruth), (mei, cast.xu), (ana, cast.ana)):
        log_in(page, live_stack.url, who.email, PASSWORD)

    ruth_asks(ruth, here, cast.xu.email)
    mei.goto(f"{live_stack.url}/worklist/again/")
    expect(mei.get_by_text("Nothing is to be read again")).to_be_visible()
    ana_agrees(ana, patients)
    again = f"{live_stack.url}/worklist/again/{SecondReading.objects.get().pk}/"
    mei_reads(mei, viewport, again)
    ruth_sees_the_answer(ruth, viewport, here)

    ruth.get_by_role("button", name="Take back").click()
    expect(ruth.get_by_text("The case is closed to the doctor of the other clinic")).to_be_visible()
    for closed in (again, f"{live_stack.url}/photos/{case.photos.get().pk}/"):
        assert mei.request.get(closed).status == 404
    mei.goto(f"{live_stack.url}/worklist/again/")
    expect(mei.get_by_text("Nothing is to be read again")).to_be_visible()
    ana.goto(patients)
    expect(ana.get_by_text("They can no longer see this case.")).to_be_visible()
    assert fits(ana)
