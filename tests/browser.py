"""A real Chromium for the stories. Skipped with a sentence where there is none, never in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests import factor

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
# No sandbox: tests also run as root. The rest keeps the browser from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that is always there and films a test picture.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PATIENCE = 20_000  # milliseconds: a busy machine is slow, and what is asked for still comes
PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1280, "height": 800}

Opened = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM:
        sentence = "there is no Chromium on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    # Playwright's loop lives in this thread; the tests' own queries between its calls are fine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_browser(chromium: Browser) -> Iterator[Opened]:
    """``open_browser(PHONE, java_script_enabled=False)``: a fresh profile and its page.

    Errors in any page's console fail the test: a blocked script is a broken page.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        # A refusal (4xx of these) is an answer, and a test may break the network: all is reported.
        words = ("422", "409", "410", "429", "ERR_INTERNET_DISCONNECTED")
        meant = any(word in message.text for word in words)
        if message.type == "error" and not meant:
            complaints.append(f"{message.page and message.page.url}: {message.text}")

    def opened(viewport: Any = DESKTOP, **options: Any) -> Page:
        context = chromium.new_context(viewport=viewport, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", complain)
        return page

    yield opened
    if folder := os.environ.get("SCREENSHOTS"):  # what each page looked like when the test ended
        for number, context in enumerate(contexts):
            for page in context.pages:
                page.screenshot(path=f"{folder}/{number}.png", full_page=True)
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page, base: str, email: str, password: str) -> None:
    page.goto(f"{base}/accounts/login/")
    fill_in_login(page, email, password)


def fill_in_login(page: Page, email: str, password: str) -> None:
    """The login page that is open, and the code after it, of who needs one."""
    page.get_by_label("E-mail").fill(email)
    page.locator("input[name=password]").fill(password)
    secret = factor.app_of(email)
    page.locator("main form[action='/accounts/login/'] button").click()
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    if secret:
        page.get_by_label("Code").fill(factor.code_of(email))
        page.locator("main form[action='/accounts/2fa/authenticate/'] button").first.click()
        page.wait_for_url(lambda url: "/accounts/2fa/" not in url)


def set_up_an_app(page: Page) -> list[str]:
    """From the page on which staff choose a second factor to their recovery codes."""
    page.get_by_role("link", name="Set up an app").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code").fill(factor.code_with(secret))
    page.get_by_role("button", name="Set it up").click()
    page.wait_for_url("**/recovery-codes/")
    return page.locator(".codes code").all_inner_texts()


def fits(page: Page) -> bool:
    """Nothing sticks out to the side."""
    page.wait_for_load_state()
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def picture(folder: Path, content: bytes, name: str = "IMG_0815.jpg") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
