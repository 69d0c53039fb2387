"""A doctors' day in real browsers: ten cases by keyboard alone, and two doctors on one case."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from accounts.models import Clinic
from diagnoses import workflow
from diagnoses.models import Case, Outcome, Review, SecondReading
from mlservice.packs import load_pack
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fill_in_login, fits, log_in
from tests.cases import RED, scored, submitted
from tests.cast import PASSWORD, Cast, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(live_stack: Stack) -> Cast:
    live_stack.start("web")
    return build_cast()


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state()  # the keys come with the last script
    for key in keys:
        page.keyboard.press(key)


def read(page: Page, diagnosis: str, plan: str = "reassure") -> None:
    for name, value in (("diagnosis", diagnosis), ("confidence", "sure"), ("plan", plan)):
        page.locator(f"[name={name}][value={value}]").check()
    page.get_by_role("button", name="Commit reading").click()


def sign(page: Page, words: str) -> None:
    page.locator("[name=agrees][value=yes]").check()
    page.locator("[name=advice]").fill(words)
    page.get_by_role("button", name="Sign", exact=True).click()


def test_ten_cases_one_after_the_other_by_keyboard_alone(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    risks = [0.95 - n / 50 for n in range(10)]
    cases = [scored(submitted(cast.ana), **RED | {"risk": risk}) for risk in risks]
    page = open_browser(DESKTOP)
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(f"{live_stack.url}/worklist/{cases[0].pk}/")
    harmful = [number for number, label in enumerate(load_pack("skin").labels) if label.harmful]
    for number, case in enumerate(cases):
        page.wait_for_url(f"**/worklist/{case.pk}/**")
        press(page, str(number % 7 + 1), "c", "p", "s", "Enter")
        page.wait_for_url("**#computer")
        press(page, "a", "w")
        page.keyboard.type(f"Answer {number}.")
        press(page, "Escape", "s", "Enter")
        if number % 7 in harmful:  # and left alone all the same: one is asked once more
            expect(page.get_by_role("alert")).to_contain_text("Tick the box if you mean that")
            press(page, "y", "s", "Enter")
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        press(page, "j")
    answers = Review.objects.order_by("pk").values_list("case", "advice", "agrees")
    assert list(answers) == [(case.pk, f"Answer {n}.", True) for n, case in enumerate(cases)]
    assert len(set(Review.objects.values_list("diagnosis", flat=True))) == 7


def test_leaving_and_coming_back_loses_nothing_typed(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    case, other = (scored(submitted(cast.ana), **RED | {"risk": risk}) for risk in (0.9, 0.8))
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    here = f"{live_stack.url}/worklist/{case.pk}/"
    page = open_browser(DESKTOP)
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(here)
    advice, because = (page.locator(f"[name={name}]") for name in ("advice", "differs_because"))
    press(page, "o", "1", "u")
    because.fill("A blue veil.")
    advice.fill("Please come in")
    press(page, "Escape", "j")
    page.wait_for_url(f"**/worklist/{other.pk}/**")
    press(page, "k")
    page.wait_for_url(here)
    expect(page.get_by_text("What you had typed here is back.")).to_be_visible()
    expect(advice).to_have_value("Please come in")
    expect(because).to_have_value("A blue veil.")
    expect(page.locator("[name=agrees][value=no]")).to_be_checked()
    expect(page.locator("[name=diagnosis][value=mel]")).to_be_checked()

    # The session runs out while one types, and what is sent meets the log-in.
    advice.fill("Please come in on Monday.")
    Session.objects.all().delete()
    page.get_by_role("button", name="Sign", exact=True).click()
    fill_in_login(page, cast.ruth.email, PASSWORD)
    page.wait_for_url(f"**/worklist/{case.pk}/**")
    expect(advice).to_have_value("Please come in on Monday.")
    page.locator("[name=text]").fill("Never sent.")
    press(page, "Escape")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_role("button", name="Undo").click()
    expect(advice).to_have_value("Please come in on Monday.")
    expect(page.locator("[name=text]")).to_have_value("Never sent.")
    assert Review.objects.get().diagnosis == "mel"

    # On the same screen the next doctor finds nothing of it.
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(lambda url: "/worklist/" not in url)
    assert page.evaluate("sessionStorage.length") == 0


def test_of_two_doctors_at_once_the_second_is_told_and_loses_no_word(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    case = scored(submitted(cast.ana), **RED)
    ruth, sam = open_browser(DESKTOP), open_browser(DESKTOP)
    for page, doctor in ((ruth, cast.ruth), (sam, cast.sam)):
        log_in(page, live_stack.url, doctor.email, PASSWORD)
        page.goto(f"{live_stack.url}/worklist/{case.pk}/")
        read(page, "nv")
        expect(page.get_by_text("Calibrated probabilities")).to_be_visible()
    expect(sam.get_by_text("Ruth Okafor is reading this case")).to_be_visible()
    sign(ruth, "It is even in shape and colour.")
    expect(ruth.get_by_role("button", name="Undo")).to_be_visible()
    sign(sam, "My own long words about it.")
    expect(sam.get_by_role("heading", name="This was not recorded")).to_be_visible()
    expect(sam.get_by_text("Ruth Okafor signed this case")).to_be_visible()
    assert "My own long words about it." in sam.locator("textarea").first.input_value()
    assert Review.objects.get().doctor == cast.ruth


def test_a_colleague_is_asked_on_a_phone_and_the_answer_is_amended(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    case = scored(submitted(cast.ana), **RED)
    here = f"{live_stack.url}/worklist/{case.pk}/"
    ruth, sam = open_browser(DESKTOP), open_browser(PHONE)
    log_in(ruth, live_stack.url, cast.ruth.email, PASSWORD)
    log_in(sam, live_stack.url, cast.sam.email, PASSWORD)
    ruth.goto(here)
    read(ruth, "nv")
    press(ruth, "g")
    ruth.get_by_label("Your question").fill("Would you biopsy it?")
    ruth.get_by_role("button", name="Ask", exact=True).click()
    expect(ruth.get_by_text("There is no answer yet.")).to_be_visible()

    sam.get_by_role("link", name="Second readings").click()
    sam.get_by_role("link", name="A colleague asks").click()
    expect(sam.get_by_text("Would you biopsy it?")).to_be_visible()
    assert fits(sam)
    sam.get_by_role("link", name="Decision").click()
    sam.get_by_label("Words to your colleague").fill("I would.")
    read(sam, "mel", "refer_urgent")
    expect(sam.get_by_text("Your reading is kept.")).to_be_visible()

    ruth.goto(here)
    expect(ruth.get_by_text("I would.")).to_be_visible()
    sign(ruth, "It can wait.")
    expect(ruth.get_by_role("button", name="Undo")).to_be_visible()
    Review.objects.get()
    ruth.goto(here + "amend/")
    ruth.locator("#amend-form [name=diagnosis][value=mel]").check()
    ruth.locator("#amend-form [name=plan][value=refer_urgent]").check()
    ruth.locator("#amend-form [name=advice]").fill("Please come in this week.")
    ruth.get_by_role("button", name="Sign the amended answer").click()
    expect(ruth.get_by_text("Please come in this week.").first).to_be_visible()
    assert [one.advice for one in Review.objects.order_by("pk")] == [
        "It can wait.",
        "Please come in this week.",
    ]
    case.refresh_from_db()
    assert case.status == Case.Status.AMENDED


def test_a_drawn_case_is_read_twice_and_its_outcome_is_kept(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    Clinic.objects.update(double_reading_percent=100)
    case = scored(submitted(cast.ana), **RED)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, workflow.Answer("nv", "reassure", "It is harmless."))
    Review.objects.get()
    sam = open_browser(DESKTOP)
    log_in(sam, live_stack.url, cast.sam.email, PASSWORD)
    second = SecondReading.objects.get()
    # Once it can no longer be undone it is on the list; until then nobody finds it.
    sam.goto(f"{live_stack.url}/worklist/again/")
    expect(sam.get_by_text("Nothing is to be read again")).to_be_visible()
    sam.wait_for_timeout(10_500)
    sam.reload()
    sam.get_by_role("link", name="Drawn to be read twice").click()
    expect(sam.get_by_text("It is harmless.")).to_have_count(0)
    read(sam, "mel", "see")
    expect(sam.get_by_text("Your reading is kept.")).to_be_visible()
    second.refresh_from_db()
    assert second.read_by == cast.sam

    ruth = open_browser(DESKTOP)
    log_in(ruth, live_stack.url, cast.ruth.email, PASSWORD)
    ruth.goto(f"{live_stack.url}/worklist/{case.pk}/")
    expect(ruth.get_by_text("This differs from the signed answer.")).to_be_visible()
    ruth.get_by_text("Record the outcome").click()
    ruth.locator("#outcome [name=diagnosis]").select_option("mel")
    ruth.locator("#outcome [name=source][value=histology]").check()
    ruth.locator("#outcome [name=found_on]").fill("2026-11-20")
    ruth.get_by_role("button", name="Keep the outcome").click()
    expect(ruth.get_by_text("The outcome is kept.")).to_be_visible()
    assert Outcome.objects.get().diagnosis == "mel"
