"""The worklist in a real browser: narrowed with and without scripts, and it grows by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from diagnoses import workflow
from diagnoses.worklist import PAGE
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in
from tests.cases import RED, scored, submitted
from tests.cast import PASSWORD, Cast, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(live_stack: Stack) -> Cast:
    live_stack.start("web")
    return build_cast()


def look_again(page: Page) -> None:
    """As when the doctor comes back to the tab: it need not wait for its next five seconds."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_narrowed_list_grows_by_itself_and_counts_what_came(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    first = scored(submitted(cast.ana, site="hand"))
    scored(submitted(cast.ana, site="back"))
    page = open_browser(DESKTOP)
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(f"{live_stack.url}/worklist/?site=hand&q=ana")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-arrivals]")).to_be_empty()

    urgent = scored(submitted(cast.ana, site="hand"), **RED)
    look_again(page)
    expect(page.locator("[data-row]")).to_have_count(2)
    rows = page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")
    assert rows == [str(urgent.pk), str(first.pk)]
    expect(page.locator("[data-arrivals]")).to_have_text("New since you opened this page: 1")

    # What does not belong on this list shows where it belongs: in the number on its tab.
    page.goto(f"{live_stack.url}/worklist/?show=late")
    everything = page.locator("[data-live=count-1]")
    expect(everything).to_have_text("3")
    submitted(cast.bo)
    look_again(page)
    expect(everything).to_have_text("4")
    expect(page.locator("[data-arrivals]")).to_be_empty()


def test_what_comes_up_from_the_next_page_is_not_called_new(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    cases = [scored(submitted(cast.ana), risk=0.09 - n / 1000) for n in range(PAGE + 1)]
    page = open_browser(DESKTOP)
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(f"{live_stack.url}/worklist/")
    workflow.withdraw(cases[0], cast.ana)
    look_again(page)
    expect(page.locator(f"[data-row='{cases[-1].pk}']")).to_be_visible()
    expect(page.locator("[data-arrivals]")).to_be_empty()


def test_a_site_is_chosen_without_scripts_on_a_phone(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    hand = scored(submitted(cast.ana, site="hand"))
    scored(submitted(cast.ana, site="back"))
    page = open_browser(PHONE, java_script_enabled=False)
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(f"{live_stack.url}/worklist/")
    page.get_by_label("Body site", exact=True).select_option("Hand")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.get_by_text(hand.reference)).to_be_visible()
    expect(page.get_by_text("Body site: Hand.")).to_be_visible()
    page.get_by_role("link", name="Show all", exact=True).click()
    expect(page.locator("[data-row]")).to_have_count(2)


def test_the_narrowed_list_fits_every_phone(
    live_stack: Stack, cast: Cast, open_browser: Opened
) -> None:
    scored(submitted(cast.ana, site="trunk"), **RED)
    page = open_browser({"width": 320, "height": 640})
    log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
    page.goto(f"{live_stack.url}/worklist/?site=trunk&q=an")
    expect(page.locator("[data-row]")).to_have_count(1)
    for width in (320, 360, 390, 430, 600):
        page.set_viewport_size({"width": width, "height": 640})
        assert fits(page), width
