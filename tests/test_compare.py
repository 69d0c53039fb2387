"""Two photos of a mark over each other in a real browser: by key, by tap, and without a script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from portal.machine.stack import Stack
from tests.browser import PHONE, Opened, fits, log_in
from tests.cases import submitted
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_line_moves_by_key_and_tap_and_without_a_script_they_stand_side_by_side(
    live_stack: Stack, open_browser: Opened
) -> None:
    live_stack.start("web")
    cast = build_cast()
    case = submitted(cast.ana)
    for _ in range(2):
        submitted(cast.ana, lesion=case.lesion)
    address = f"{live_stack.url}/lesions/{case.lesion_id}/"

    page = open_browser(PHONE, has_touch=True)
    log_in(page, live_stack.url, cast.ana.email, PASSWORD)
    page.goto(address)
    line = page.get_by_role("slider", name="Move the line between the two photos")
    stage = page.locator("[data-stage]")
    line.press("Home")
    line.press("ArrowRight")
    expect(line).to_have_attribute("aria-valuetext", re.compile("^Line at 1 of 100. Left of it: "))
    clip = "getComputedStyle(document.querySelector('.compare-right img')).clipPath"
    assert page.evaluate(clip) == "inset(0px 0px 0px 1%)"
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] * 0.25, box["y"] + 150)
    expect(line).to_have_value("25")
    assert stage.evaluate("e => getComputedStyle(e).touchAction") == "pan-y pinch-zoom"
    for target in (line, page.get_by_role("button", name="Side by side")):
        size = target.bounding_box()
        assert size is not None
        assert size["height"] >= 44
    page.get_by_role("button", name="Side by side").press("Enter")
    expect(line).to_be_hidden()
    assert page.evaluate(clip) == "none"

    plain = open_browser(PHONE, java_script_enabled=False)
    log_in(plain, live_stack.url, cast.ana.email, PASSWORD)
    plain.goto(address)
    first, second = (image.bounding_box() for image in plain.locator(".compare img").all())
    assert first is not None
    assert second is not None
    assert second["y"] == first["y"]
    assert second["x"] >= first["x"] + first["width"]
    expect(plain.get_by_role("slider")).to_have_count(0)
    oldest = plain.locator("select[name=left] option").last
    value = oldest.get_attribute("value") or ""
    plain.get_by_label("Left photo").select_option(value)
    plain.get_by_role("button", name="Compare these two").click()
    expect(plain.locator(".compare img").first).to_have_attribute(
        "src", f"/photos/{value}/?size=medium"
    )
    assert fits(plain)
