"""The workbench by keyboard alone: whole cases, nothing decided unseen, nothing while one types."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from diagnoses import claims, workflow
from diagnoses.models import Case, FirstReading
from portal.machine.stack import Stack
from tests.browser import Opened, log_in
from tests.cases import RED, scored, submitted
from tests.cast import PASSWORD, Cast, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(live_stack: Stack) -> Cast:
    live_stack.start("web")
    return build_cast()


@pytest.fixture
def doctor(live_stack: Stack, cast: Cast, open_browser: Opened) -> Page:
    """Ruth at her desk, logged in; her hands stay on the keyboard from here on."""
    page = open_browser()
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    return page


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state()  # the keys come with the last script
    for key in keys:
        page.keyboard.press(key)


def chosen(page: Page, name: str) -> str | None:
    checked = "name => document.querySelector(`[name=${name}]:checked`)?.value ?? null"
    value: str | None = page.evaluate(checked, name)
    return value


def test_two_cases_are_read_signed_undone_and_signed_by_keyboard_alone(
    live_stack: Stack, doctor: Page, cast: Cast
) -> None:
    page = doctor
    first, second = (scored(submitted(cast.ana), **RED | {"risk": r}) for r in (0.9, 0.8))
    page.goto(f"{live_stack.url}/worklist/{first.pk}/")
    press(page, "4", "c", "c", "p", "p")
    assert (chosen(page, "diagnosis"), chosen(page, "confidence")) == ("nv", "fairly")
    assert chosen(page, "plan") == "recheck"
    press(page, "u", "s", "Enter")
    page.wait_for_url("**#computer")
    kept = FirstReading.objects.get(case=first)
    assert (kept.diagnosis, kept.confidence, kept.plan) == ("nv", "fairly", "refer_urgent")

    press(page, "o", "a", "w")
    page.keyboard.type("Please come in: 1 of 7 signs, say j, k or z.")
    assert (chosen(page, "diagnosis"), chosen(page, "agrees")) == ("nv", "yes")
    expect(page.locator(".viewer-large")).to_have_count(0)
    assert str(first.pk) in page.url
    press(page, "Escape", "s", "Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    press(page, "Backspace")
    expect(page.get_by_text("Your signature is taken back.")).to_be_visible()
    expect(page.locator("[name=advice]")).to_have_value(re.compile("1 of 7 signs"))
    press(page, "s", "Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    press(page, "j")
    page.wait_for_url(f"**/worklist/{second.pk}/")

    press(page, "r")  # what is folded away opens, and Tab goes on inside
    expect(page.get_by_role("button", name="Ask for a new photo")).to_be_visible()
    press(page, "n")
    page.keyboard.type("Is it the left arm?")
    press(page, "Tab", "Enter")
    expect(page.locator("#talk").get_by_text("Is it the left arm?")).to_be_visible()
    press(page, "0", "c", "p", "s", "Enter")
    page.wait_for_url("**#computer")
    press(page, "t", "ArrowDown", "Tab", "Enter")
    assert page.locator("[name=advice]").input_value()
    press(page, "Escape", "0", "o", "Tab")
    page.keyboard.type("It is a scar.")
    press(page, "Escape", "s", "Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    signed = Case.objects.get(pk=second.pk).reviews.get()
    assert (signed.diagnosis, signed.agrees, signed.differs_because) == ("", False, "It is a scar.")
    press(page, "l")
    page.wait_for_url("**/worklist/")


def test_behind_the_filled_window_no_key_decides(
    live_stack: Stack, doctor: Page, cast: Cast
) -> None:
    page, case = doctor, submitted(cast.ana)
    page.goto(f"{live_stack.url}/worklist/{case.pk}/")
    press(page, "z", "1", "u", "s", "j")
    expect(page.locator(".viewer-large")).to_be_visible()
    assert chosen(page, "diagnosis") is None
    assert chosen(page, "plan") is None
    assert page.evaluate("document.querySelector('#decision').inert")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press(page, "Escape", "Escape", "1")
    assert chosen(page, "diagnosis") == "mel"
    assert not page.evaluate("document.querySelector('#decision').inert")

    press(page, "f")
    page.wait_for_function("document.fullscreenElement?.matches('[data-viewer]')")
    press(page, "2")
    assert chosen(page, "diagnosis") == "mel"
    press(page, "f")
    page.wait_for_function("!document.fullscreenElement")
    expect(page.locator(".viewer-large")).to_have_count(0)


def test_the_list_of_keys_says_what_there_is_and_turns_them_off(
    live_stack: Stack, doctor: Page, cast: Cast
) -> None:
    page, case = doctor, submitted(cast.ana)
    page.goto(f"{live_stack.url}/worklist/{case.pk}/")
    press(page, "?")
    listed = page.get_by_role("dialog").locator("dt").all_inner_texts()
    assert listed == [*"L?-+DQEIMXZF12345670CPUSNR"], "only what can be had now"
    page.get_by_role("checkbox", name=re.compile("Keys are on")).press("Space")
    press(page, "Escape", "1")
    assert chosen(page, "diagnosis") is None
    page.reload()
    press(page, "1")
    assert chosen(page, "diagnosis") is None
    page.get_by_role("button", name=re.compile("^Keys")).press("Enter")
    page.get_by_role("checkbox", name=re.compile("Keys are on")).press("Space")
    press(page, "Escape", "1")
    assert chosen(page, "diagnosis") == "mel"


def test_what_a_key_chooses_or_opens_is_seen(live_stack: Stack, doctor: Page, cast: Cast) -> None:
    page, case = doctor, scored(submitted(cast.ana), **RED)
    page.goto(f"{live_stack.url}/worklist/{case.pk}/")
    press(page, "7")
    expect(page.locator("[name=diagnosis][value=vasc]")).to_be_in_viewport()
    press(page, "r")
    expect(page.locator("#ask").get_by_role("button")).to_be_in_viewport()


def test_on_a_desktop_the_parts_scroll_and_the_page_does_not(
    live_stack: Stack, doctor: Page, cast: Cast
) -> None:
    page, case = doctor, scored(submitted(cast.ana), **RED)
    claims.keep(case, cast.sam)
    workflow.read_first(case, cast.ruth, diagnosis="mel", confidence="sure", plan="see")
    workflow.sign(case, cast.ruth, workflow.Answer("mel", "see", "Please come in.", agrees=True))
    page.goto(f"{live_stack.url}/worklist/{case.pk}/amend/#amend-form")
    expect(page.get_by_role("heading", name="Amend")).to_be_in_viewport()
    expect(page.get_by_text("Sam Patel is reading this case")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    back, title = (page.locator(f".bench-head {part}").bounding_box() for part in ("a", "h1"))
    assert back
    assert title
    assert title["x"] < back["x"] + back["width"] + 40, "the title stays left"
