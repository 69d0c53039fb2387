"""A doctor's first log-in: an app with codes, then a passkey, in a real browser."""

from __future__ import annotations

import pytest

from accounts import second_factor
from accounts.models import AuditEntry
from portal.machine.stack import Stack
from tests.browser import PHONE, Opened, set_up_an_app
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
A_KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_an_app_then_a_passkey(live_stack: Stack, open_browser: Opened) -> None:
    ruth = build_cast().ruth
    live_stack.start("web")
    page, base = open_browser(PHONE), live_stack.url
    key = page.context.new_cdp_session(page)
    key.send("WebAuthn.enable")
    key.send("WebAuthn.addVirtualAuthenticator", {"options": A_KEY})

    page.goto(f"{base}/worklist/")
    page.get_by_label("E-mail").fill(ruth.email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form[action='/accounts/login/'] button").click()
    page.wait_for_url("**/accounts/2fa/")
    assert "a password alone is not enough" in page.locator("main").inner_text()
    codes = set_up_an_app(page)
    with page.expect_download() as saved:
        page.get_by_text("Save them as a file").click()
    assert saved.value.path().read_text().split() == codes
    assert len(set(codes)) == 10
    page.get_by_role("link", name="I have them; go on").click()
    page.wait_for_url("**/worklist/")

    page.goto(f"{base}/accounts/2fa/webauthn/add/")
    page.get_by_label("What do you call it?").fill("My phone")
    page.get_by_label("Log in with it alone").check()
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url("**/accounts/2fa/")
    page.goto(f"{base}/accounts/2fa/webauthn/")
    assert page.get_by_role("heading", name="My phone").is_visible()
    page.goto(f"{base}/accounts/logout/")
    page.locator("main form button").click()
    page.goto(f"{base}/accounts/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/worklist/")
    added = AuditEntry.objects.filter(actor=ruth, action="factor.added").order_by("pk")
    assert [line.detail["type"] for line in added] == ["totp", "webauthn"]
    assert second_factor.has_factor(ruth)
