"""The doctor's viewer in a real browser, judged by its stage: coloured squares at known places."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, Route, expect

from diagnoses.intake import clean
from diagnoses.models import Case, Photo
from diagnoses.workflow import NewPhoto
from mlservice.packs import load_pack
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in
from tests.cases import submitted
from tests.cast import PASSWORD, build_cast
from tests.test_accessibility import against_wcag

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIDE = 60  # of a square
# Red and green lie 600 pixels apart, blue 450 above red.
RED, GREEN, BLUE = (700, 1000), (1300, 1000), (700, 550)
COLOURS = {"red": (220, 30, 30), "green": (30, 170, 50), "blue": (40, 60, 220)}


def marked(ground: tuple[int, int, int] = (205, 180, 160)) -> NewPhoto:
    """2400 × 1800 pixels with three squares."""
    image = Image.new("RGB", (2400, 1800), ground)
    pen = ImageDraw.Draw(image)
    for (x, y), colour in zip((RED, GREEN, BLUE), COLOURS.values(), strict=True):
        half = SIDE // 2
        pen.rectangle((x - half, y - half, x + half, y + half), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    buffer.seek(0)
    return NewPhoto("dermoscopic", clean(buffer, load_pack("skin").glance), sent_anyway=True)


class Bench:
    """One case on the workbench, and where its squares are on the screen."""

    def __init__(self, page: Page, url: str, case: Case) -> None:
        self.page, self.case = page, case
        self.address = f"{url}/worklist/{case.pk}/"
        self.stage = page.locator("[data-stage]").first
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self) -> None:
        self.page.goto(self.address)
        self.shown()

    def shown(self, number: int = 0) -> Locator:
        """The stage, once its picture has arrived."""
        stage = self.page.locator("[data-stage]").nth(number)
        expect(stage.locator("img").first).to_be_visible()
        stage.locator("img").first.evaluate("image => image.decode()")
        return stage

    def squares(self, stage: Locator | None = None) -> dict[str, tuple[float, float]]:
        """The middle of each colour that is seen whole, in CSS pixels of the window."""
        stage = stage or self.stage
        box = stage.bounding_box()
        assert box is not None
        stage.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        shot = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
        pixels = np.asarray(shot, dtype=int)
        found = {}
        for name, colour in COLOURS.items():
            rows, columns = np.nonzero(np.abs(pixels - colour).sum(axis=2) < 90)
            if len(rows) > 12:
                found[name] = (box["x"] + columns.mean() + 0.5, box["y"] + rows.mean() + 0.5)
        return found

    def apart(self, one: str, other: str) -> float:
        squares = self.squares()
        return float(np.hypot(*np.subtract(squares[one], squares[other])))

    def size(self) -> float:
        """Dots of the screen to a pixel of the picture, as the stage says."""
        said = self.page.locator("[data-size]").first.inner_text()
        return float(said.replace(",", "").rstrip("%")) / 100

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=5)
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def bench(live_stack: Stack, open_browser: Opened) -> Callable[..., Bench]:
    """``bench(PHONE, has_touch=True)``: logged in; the mark has an earlier case, too."""

    def made(viewport: Any = DESKTOP, **options: Any) -> Bench:
        live_stack.start("web")
        cast = build_cast()
        earlier = submitted(cast.ana, photos=[marked((170, 200, 210))])
        case = submitted(cast.ana, lesion=earlier.lesion, photos=[marked()])
        page = open_browser(viewport, **options)
        log_in(page, live_stack.url, cast.ruth.email, PASSWORD)
        return Bench(page, live_stack.url, case)

    return made


def test_a_picture_is_zoomed_to_the_pixel_moved_turned_and_lit(
    bench: Callable[..., Bench],
) -> None:
    desk = bench()
    desk.open()
    page, photo = desk.page, Photo.objects.get(case=desk.case)
    assert desk.apart("red", "green") == pytest.approx(600 * desk.size(), rel=0.02)
    assert not [url for url in desk.asked if url.endswith(f"/photos/{photo.pk}/")]
    published = re.compile(r"/viewer/pane\.[0-9a-f]{12}\.js$")
    assert any(published.search(url) for url in desk.asked), "one module finds another's version"

    # The wheel zooms where the mouse is, and only then the whole picture is fetched.
    at = desk.squares()["red"]
    page.mouse.move(*at)
    with page.expect_response(re.compile(f"/photos/{photo.pk}/$")):
        page.mouse.wheel(0, -300)
    assert desk.squares()["red"] == pytest.approx(at, abs=3)
    assert desk.apart("red", "blue") == pytest.approx(450 * desk.size(), rel=0.02)

    desk.drag(at, (at[0] + 60, at[1] - 40))
    assert desk.squares()["red"] == pytest.approx((at[0] + 60, at[1] - 40), abs=3)

    desk.press("z", "x", "d")  # the whole window, one pixel on one dot
    assert desk.size() == 1
    assert desk.apart("red", "green") == pytest.approx(600, abs=3)
    before = desk.squares()["red"]
    desk.press("ArrowRight")
    assert desk.squares()["red"][0] == pytest.approx(before[0] - 60, abs=3)
    for _ in range(20):
        desk.press("+")
    assert desk.size() == 16
    assert page.locator(".crisp img").first.evaluate("i => getComputedStyle(i).imageRendering") == (
        "pixelated"
    )
    desk.press("x", "e")  # as it was, and a quarter to the right
    squares = desk.squares()
    assert squares["green"][1] > squares["red"][1] + 100, "what was right of it is below it"
    assert squares["green"][0] == pytest.approx(squares["red"][0], abs=3)
    desk.press("q")
    assert desk.squares()["green"][1] == pytest.approx(desk.squares()["red"][1], abs=3)
    desk.press("Escape")
    expect(page.locator("#decision")).to_be_visible()

    def lightness() -> float:
        shot = Image.open(io.BytesIO(desk.stage.screenshot())).convert("L")
        return float(np.asarray(shot).mean())

    plain = lightness()
    desk.press("i")
    expect(page.get_by_role("slider", name="Brightness")).to_be_focused()
    desk.press(*["ArrowLeft"] * 10)
    assert lightness() < plain * 0.75
    desk.press("Tab", *["ArrowLeft"] * 10)
    assert page.get_by_role("slider", name="Contrast").input_value() == "50"
    desk.press("x", "Escape")
    assert lightness() == pytest.approx(plain, abs=1)

    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # paper gets the figures
    expect(page.locator(".bench-photo img")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(desk.stage.locator("img").first).to_be_visible()


def test_the_ruler_measures_by_a_typed_scale_and_says_pixels_without_one(
    bench: Callable[..., Bench],
) -> None:
    desk = bench()
    desk.open()
    page = desk.page
    lines = page.locator(".viewer-lines li")

    def measured(number: int) -> float:
        said = re.search(r"Line \d: ([\d.,]+) mm", lines.nth(number - 1).inner_text())
        assert said is not None, lines.nth(number - 1).inner_text()
        return float(said[1].replace(",", ""))

    desk.press("z", "m")
    whole = desk.squares()
    desk.drag(whole["red"], whole["green"])
    pixels = re.match(r"Line 1: (\d+) pixels", lines.first.inner_text())
    assert pixels is not None
    assert int(pixels[1]) == pytest.approx(600, rel=0.02)
    assert "mm" not in lines.first.inner_text(), "no scale was typed"

    field = page.get_by_label("Length of line 1 in millimetres")
    for wrong in ("", "ten", "0", "-3"):
        field.fill(wrong)
        field.press("Enter")
        expect(page.get_by_text("Type a length in millimetres")).to_be_visible()
        expect(field).to_have_value(wrong)
    field.fill("12,0")
    field.press("Enter")
    expect(page.get_by_text("The scale is line 1, 12 mm.")).to_be_visible()

    # Turned and zoomed it is the same picture: 450 pixels are 9 mm.
    desk.press("e", "+", "+")
    squares = desk.squares()
    desk.drag(squares["red"], squares["blue"])
    assert measured(2) == pytest.approx(9, rel=0.02)
    desk.press("x")
    page.mouse.click(*whole["green"])  # with two taps
    page.mouse.click(*whole["blue"])
    assert measured(3) == pytest.approx(15, rel=0.02)  # 3, 4, 5

    # An end is taken and moved, but not one of the scale.
    moved = (whole["blue"][0], whole["blue"][1] + 40)
    desk.drag(whole["blue"], moved)
    assert measured(2) < 8.5
    desk.drag(moved, whole["blue"])
    assert measured(2) == pytest.approx(9, rel=0.02)

    desk.press("Enter", *["ArrowRight"] * 5, "Enter")  # by keyboard alone, from the middle
    assert measured(4) == pytest.approx(12 * 60 / desk.size() / 600, rel=0.04)
    page.reload()  # as after committing a reading
    desk.shown()
    desk.press("m")
    assert measured(2) == pytest.approx(9, rel=0.02)
    page.get_by_role("button", name="Remove line 1").click()
    expect(lines.first).to_contain_text("pixels")
    assert re.search(r"\bmm\b", page.locator(".ruled").first.text_content() or "") is None


def test_two_times_stand_side_by_side_and_move_together_or_not(
    bench: Callable[..., Bench],
) -> None:
    desk = bench()
    desk.open()
    page = desk.page
    desk.press("b")
    right = desk.shown(1)
    expect(page.get_by_role("link", name="Open that case")).to_be_visible()
    expect(page.locator("[data-view][aria-pressed=true]")).to_have_count(2)

    def spans() -> list[float]:
        both = [desk.squares(stage) for stage in (desk.stage, right)]
        return [each["green"][0] - each["red"][0] for each in both]

    first = spans()
    assert first[0] == pytest.approx(first[1], rel=0.03)
    desk.stage.click()
    desk.press("+", "+")
    nearer = spans()
    assert nearer[0] > first[0] * 1.3
    assert nearer[1] == pytest.approx(nearer[0], rel=0.03)
    desk.press("y", "x")  # each for itself
    assert spans()[0] == pytest.approx(first[0], rel=0.03)
    assert spans()[1] == pytest.approx(nearer[1], rel=0.03)
    # The one beside is chosen: they change places.
    left = desk.stage.get_attribute("aria-label")
    page.get_by_role("group", name="Choose a picture").get_by_role("button").last.click()
    expect(right).to_have_attribute("aria-label", str(left))
    for stage in (desk.stage, right):
        expect(stage.locator("img").first).to_be_visible()
    right.click()
    desk.press("b")
    expect(right).to_be_hidden()
    expect(desk.stage).to_have_attribute("aria-label", str(left))  # the one looked at last stays
    expect(desk.stage.locator("img").first).to_be_visible()
    expect(page.locator("[data-view][aria-pressed=true]")).to_have_count(1)


def test_what_is_laid_over_a_picture_goes_on_and_off(bench: Callable[..., Bench]) -> None:
    desk = bench()
    over = "/static/portal/icon-512.png"

    def with_overlay(route: Route) -> None:
        answer = route.fetch()
        page = answer.text().replace(
            "<figure data-picture", f'<figure data-overlay="{over}" data-picture', 1
        )
        route.fulfill(response=answer, body=page)

    desk.page.route(desk.address, with_overlay)
    desk.open()
    laid = desk.page.locator(".sheet-over")
    expect(laid).to_have_count(0)
    assert not [url for url in desk.asked if over in url], "fetched only when it is asked for"
    with desk.page.expect_response(f"**{over}"):
        desk.press("h")
    expect(laid).to_be_visible()
    photo, heat = desk.stage.locator("img").first.bounding_box(), laid.bounding_box()
    assert heat == pytest.approx(photo), "it covers the photo, pixel by pixel"
    desk.page.get_by_role("slider", name="How much of the heatmap shows").fill("20")
    assert laid.evaluate("image => getComputedStyle(image).opacity") == "0.2"
    desk.press("h")
    expect(laid).to_be_hidden()


def test_on_a_phone_one_part_at_a_time_and_fingers_zoom(bench: Callable[..., Bench]) -> None:
    desk = bench(PHONE, has_touch=True, is_mobile=True)
    desk.open()
    page = desk.page
    expect(page.locator("#decision")).to_be_hidden()
    assert fits(page)
    assert desk.stage.evaluate("e => getComputedStyle(e).touchAction") == "pan-y"

    desk.stage.scroll_into_view_if_needed()
    box = desk.stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = desk.apart("red", "green")
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, apart: float | None = None) -> None:
        points = [] if apart is None else [{"x": x - apart, "y": y}, {"x": x + apart, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 40)
    for apart in (50, 60, 70, 80):
        fingers("touchMove", apart)
    fingers("touchEnd")
    assert desk.apart("red", "green") == pytest.approx(2 * before, rel=0.05)
    assert desk.stage.evaluate("e => getComputedStyle(e).touchAction") == "none"

    for button in page.locator(".viewer-tools .tool:visible").all():
        size = button.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 44
    page.get_by_role("link", name="Decision").click()
    expect(page.locator("#pictures")).to_be_hidden()
    page.get_by_role("button", name="Commit reading").click()
    expect(page.get_by_text("Choose a plan.").first).to_be_visible()  # the part with the error
    page.get_by_role("link", name="Pictures").click()
    expect(page.locator("#decision")).to_be_hidden()
    assert fits(page)


def test_without_javascript_the_pictures_stand_as_they_are(bench: Callable[..., Bench]) -> None:
    desk = bench(PHONE, java_script_enabled=False)
    desk.page.goto(desk.address)
    page, photo = desk.page, Photo.objects.get(case=desk.case)
    expect(page.locator(".bench-photo img")).to_be_visible()
    expect(page.locator(".bench-photo figcaption").get_by_role("link")).to_have_attribute(
        "href", f"/photos/{photo.pk}/"
    )
    expect(page.locator(".viewer")).to_be_hidden()
    expect(page.get_by_text("The same mark at other times")).to_be_visible()
    expect(page.get_by_role("button", name="Commit reading")).to_be_visible()
    page.get_by_role("link", name="Decision").click()
    assert page.url.endswith("#decision")
    assert fits(page)


@pytest.mark.parametrize(
    ("viewport", "colours"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"]
)
def test_axe_finds_nothing_with_everything_open(
    bench: Callable[..., Bench], viewport: dict[str, int], colours: str
) -> None:
    desk = bench(viewport, color_scheme=colours)
    desk.open()
    desk.press("b", "i")
    desk.shown(1)
    desk.press("m")
    squares = desk.squares()
    desk.drag(squares["red"], squares["green"])
    found = against_wcag(desk.page)
    desk.press("z")
    found += against_wcag(desk.page)
    desk.press("?")
    expect(desk.page.get_by_role("dialog")).to_be_visible()
    assert found + against_wcag(desk.page) == []
