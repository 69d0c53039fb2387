"""Taking the photo in a real browser: the camera in the page, and a network that breaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from diagnoses.models import DraftPhoto
from mlservice.packs.skin.drawing import draw
from portal.machine.stack import Stack
from tests.browser import PHONE, Opened, log_in, picture
from tests.cases import encoded, jpeg, submitted
from tests.cast import PASSWORD, Cast, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(live_stack: Stack) -> Cast:
    live_stack.start("web")
    return build_cast()


def at_the_photo(cast: Cast, page: Page, stack: Stack, query: str = "") -> Page:
    log_in(page, stack.url, cast.ana.email, PASSWORD)
    page.goto(f"{stack.url}/cases/new/{query}")
    return page


def test_the_camera_in_the_page_takes_a_photo_into_the_form(
    cast: Cast, live_stack: Stack, open_browser: Opened
) -> None:
    """Chromium's own test camera films a green pie; that no skin is in it is another matter."""
    earlier = submitted(cast.ana)
    page = open_browser(PHONE, permissions=["camera"])
    at_the_photo(cast, page, live_stack, f"?about={earlier.pk}")
    page.get_by_role("button", name="Camera with a guide").click()
    shutter = page.get_by_role("button", name="Take the photo")
    expect(shutter).to_be_enabled()
    assert page.evaluate("document.querySelector('video').videoWidth") > 0
    expect(page.locator("[data-ghost]")).to_be_hidden()
    page.get_by_label("Show the last photo as a shadow").check()
    expect(page.locator("[data-ghost]")).to_be_visible()
    shutter.click()
    expect(page.locator("[data-kept] img")).to_be_visible()
    assert DraftPhoto.objects.filter(patient=cast.ana).count() == 1
    assert page.evaluate("document.querySelector('video').srcObject") is None  # the lamp is off


def test_a_photo_chosen_before_the_script_came_is_looked_at_all_the_same(
    cast: Cast, live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    page = open_browser(PHONE)
    log_in(page, live_stack.url, cast.ana.email, PASSWORD)
    held: list[Route] = []

    def hold(route: Route) -> None:  # the library wants a function of its own
        held.append(route)

    page.route(re.compile(r"/cases/photos\.[^/]*js"), hold)
    page.goto(f"{live_stack.url}/cases/new/", wait_until="commit")
    blurred = picture(tmp_path, jpeg(5, blur=8))
    page.locator("input[name=main_photo]").set_input_files(blurred)
    for _ in range(400):  # twenty seconds, for a browser that is slow to ask
        if not held:
            page.wait_for_timeout(50)
    [script] = held
    assert not DraftPhoto.objects.exists()
    script.continue_()
    expect(page.get_by_text("We can't judge this photo")).to_be_visible()


def test_a_network_that_breaks_costs_one_piece(
    cast: Cast, live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    page = open_browser(PHONE)
    at_the_photo(cast, page, live_stack)
    sent: list[str] = []

    def break_the_second(route: Route) -> None:
        start = (route.request.post_data_buffer or b"").split(b'name="start"\r\n\r\n')[1]
        sent.append(start.split(b"\r\n")[0].decode())
        if len(sent) == 2:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route(re.compile(r"/cases/new/photo/\?of=new"), break_the_second)
    photo = encoded(draw(5).resize((4000, 3000)), "JPEG", quality=99).getvalue()
    assert len(photo) > 2 * 512 * 1024
    page.locator("input[name=main_photo]").set_input_files(picture(tmp_path, photo))
    expect(page.get_by_text("The network is gone.")).to_be_visible()
    expect(page.get_by_text("We have your photo").first).to_be_visible()
    assert sent[1] == sent[2] == str(512 * 1024)  # the lost piece once more, and nothing before it
    assert len(sent) == len(set(sent)) + 1


def test_who_sent_enough_today_reads_so_at_once_and_keeps_what_is_there(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    """Not an endless "the network is gone": tomorrow is what to wait for."""
    live_stack.start("web", UPLOADS_PER_DAY="1")
    page = open_browser(PHONE)
    at_the_photo(build_cast(), page, live_stack)
    choose = page.locator("input[name=main_photo]")
    choose.set_input_files(picture(tmp_path, jpeg(1)))
    expect(page.get_by_text("We have your photo").first).to_be_visible()
    choose.set_input_files(picture(tmp_path, jpeg(2), "IMG_0816.jpg"))
    expect(page.get_by_text("Please go on tomorrow")).to_be_visible()
    expect(page.get_by_text("We still have the photo from before.")).to_be_visible()
    expect(page.locator("[data-progress]")).to_be_hidden()
    assert DraftPhoto.objects.count() == 1
