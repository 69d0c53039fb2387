"""The patient's whole way on every screen: with and without JavaScript, and by keyboard alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from diagnoses.conversation import CHECK, steps
from diagnoses.models import Case
from mlservice.packs import load_pack
from portal.machine.stack import Stack
from tests.browser import Opened, fits, log_in, picture
from tests.cases import jpeg
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# On the element itself, or on the card around a radio button.
RING = """() => [document.activeElement, document.activeElement.closest(".choice")]
  .some((one) => one && getComputedStyle(one).outlineStyle !== "none")"""
CASE = re.compile(r"/cases/[0-9a-f-]{36}/$")
STEPS = [step.name for step in steps(load_pack("skin"))]


@pytest.fixture
def portal(live_stack: Stack) -> Stack:
    live_stack.start("web", "inference")
    return live_stack


@dataclass(frozen=True)
class Tongue:
    """The words of the way's buttons."""

    code: str
    next: str
    send: str
    answer: str


ENGLISH = Tongue(
    "en-gb", "Next", "Send to the doctor", "From the computer, not yet seen by a doctor"
)
SPANISH = Tongue(
    "es", "Siguiente", "Enviar al médico", "De la computadora; ningún médico la ha visto todavía"
)


@pytest.mark.parametrize(
    ("width", "script", "tongue"),
    [
        (320, True, SPANISH),
        (320, False, ENGLISH),
        (390, True, ENGLISH),
        (1280, False, SPANISH),
    ],
)
def test_every_question_is_asked_and_the_answer_appears(
    portal: Stack, open_browser: Opened, tmp_path: Path, width: int, script: bool, tongue: Tongue
) -> None:
    cast = build_cast()
    User.objects.filter(pk=cast.ana.pk).update(language=tongue.code)
    page = open_browser({"width": width, "height": 780}, java_script_enabled=script)
    log_in(page, portal.url, cast.ana.email, PASSWORD)
    page.goto(f"{portal.url}/cases/new/")
    for name in STEPS[:-1]:
        page.wait_for_url(re.compile(f"/{name}/"))
        assert fits(page), name
        if name == "photo":
            page.locator("input[name=main_photo]").set_input_files(picture(tmp_path, jpeg(5)))
        elif name == "place":
            page.locator("select[name=site]").select_option("back")
        elif page.locator("main input[type=radio][value=no]").count():
            page.locator("main input[type=radio][value=no]").check()
        page.get_by_role("button", name=tongue.next).click()
    assert fits(page)
    page.get_by_role("button", name=tongue.send).click()
    page.wait_for_url(CASE)
    expect(page.get_by_text(tongue.answer)).to_be_visible()
    assert fits(page)


def move_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, and see that it can be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            seen = page.evaluate(RING)
            assert seen, f"no ring around {selector}"
            return
    raise AssertionError(f"{selector} cannot be reached by keyboard on {page.url}")


def test_by_keyboard_alone(portal: Stack, open_browser: Opened, tmp_path: Path) -> None:
    cast = build_cast()
    page = open_browser({"width": 390, "height": 780})
    page.goto(f"{portal.url}/accounts/login/")
    move_to(page, "[name=login]")
    page.keyboard.type(cast.ana.email)
    move_to(page, "[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(f"{portal.url}/cases/new/")
    move_to(page, "input[name=main_photo]")
    # The window in which one picks a file is the browser's own.
    page.locator("input[name=main_photo]").set_input_files(picture(tmp_path, jpeg(5)))
    expect(page.get_by_text("We have your photo").first).to_be_visible()
    for name in STEPS[:-1]:
        page.wait_for_url(re.compile(f"/{name}/"))
        if name == "place":
            move_to(page, "select[name=site]")
            page.keyboard.type("Back")
        elif name == "bleeding":
            move_to(page, "input[name=q_bleeding]")
            page.keyboard.press("ArrowDown")
        move_to(page, "main .actions .button")
        page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/{CHECK}/"))
    move_to(page, "main form .actions .button")
    page.keyboard.press("Enter")
    page.wait_for_url(CASE)
    case = Case.objects.get()
    assert (case.site, list(case.answers)) == ("back", ["bleeding"])
