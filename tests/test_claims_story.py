"""Two doctors in real browsers: one has a case open, the other is told, and told when it ends."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from diagnoses import workflow
from diagnoses.models import Claim
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in
from tests.cases import RED, scored, submission
from tests.cast import PASSWORD, build_cast
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_page_says_that_it_is_open_and_that_it_closes(
    live_stack: Stack, open_browser: Opened
) -> None:
    live_stack.start("web")
    cast = build_cast()
    case = scored(workflow.submit(cast.ana, submission()), **RED)
    here = f"{live_stack.url}/worklist/{case.pk}/"
    ruth, sam = open_browser(DESKTOP), open_browser(PHONE)
    log_in(ruth, live_stack.url, cast.ruth.email, PASSWORD)
    log_in(sam, live_stack.url, cast.sam.email, PASSWORD)

    ruth.goto(here)
    sam.goto(f"{live_stack.url}/worklist/")
    expect(sam.get_by_text("Ruth Okafor is reading it")).to_be_visible()
    assert fits(sam)
    sam.goto(here)
    expect(sam.get_by_text("Ruth Okafor is reading this case")).to_be_visible()
    assert fits(sam)

    # From one page of the case to another, nothing ends: not even for the moment between them.
    since = Claim.objects.get(doctor=cast.ruth).since
    left: list[str] = []

    def listens(route: Route) -> None:
        left.append(route.request.post_data or "")
        route.continue_()

    ruth.route("**/open/", listens)
    ruth.locator("input[name=diagnosis][value=nv]").check()
    ruth.locator("input[name=confidence][value=sure]").check()
    ruth.locator("input[name=plan][value=reassure]").check()
    ruth.get_by_role("button", name="Commit reading").click()
    expect(ruth.get_by_text("Calibrated probabilities")).to_be_visible()
    assert Claim.objects.get(doctor=cast.ruth).since == since
    assert not any('name="left"' in said for said in left)

    # The page is heard from again as soon as it is looked at, and says who came since.
    ruth.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(ruth.get_by_text("Sam Patel is reading this case")).to_be_visible()

    # What the page says as it closes must not wait here to be let through.
    ruth.unroute("**/open/")
    ruth.get_by_role("link", name="Worklist").first.click()
    eventually(lambda: not Claim.objects.filter(doctor=cast.ruth).exists(), what="the end of it")
    assert Claim.objects.filter(doctor=cast.sam).exists()
