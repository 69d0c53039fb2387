"""The slider of the 80 % rule in a real browser: its figures, and two admins who change it."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import Role, User
from mlservice import price, registry
from mlservice.engine.rule import place_of
from mlservice.models import ThresholdChange
from portal.machine.stack import Stack
from tests.browser import DESKTOP, Opened, fits, log_in
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 320, "height": 640}


def slide(page: Page, to: str) -> None:
    page.locator("[data-slider]").evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", to
    )


def test_the_slider_tells_what_was_measured_and_two_admins_change_it(
    live_stack: Stack, open_browser: Opened
) -> None:
    live_stack.start("web")
    cast = build_cast()
    vera = User.objects.create_user(
        "vera@example.org", PASSWORD, name="Vera Ek", role=Role.ADMIN, is_staff=True
    )
    version = registry.active("skin")
    assert version is not None
    measured = price.of_version(version)
    root = open_browser(NARROW)
    log_in(root, live_stack.url, cast.root.email, PASSWORD)
    root.goto(live_stack.url + reverse("model_rule", args=[version.pk]))
    expect(root.get_by_role("button", name="Show what it would change")).to_be_hidden()
    assert fits(root)
    table = root.get_by_role("table", name="What the rule does to the frozen test pictures")
    for at in ("0.3", "0.62", "0.99", "0.7"):
        slide(root, at)
        place = place_of(float(at))
        assert place is not None
        harmful = measured.totals(place, measured.harmful)
        expect(root.locator("output")).to_have_text(f"{round(100 * float(at))} %")
        expect(table).to_contain_text(price.with_interval(harmful.no_disease, harmful.n))
        for label in measured.harmful:
            expect(root.get_by_role("main")).to_contain_text(
                price.with_interval(label.no_disease[place], label.n)
            )

    root.get_by_label("Why").fill("Too few get a name.")
    root.get_by_role("button", name="Ask a second admin").click()
    expect(root.get_by_text("Nothing has changed yet.")).to_be_visible()
    expect(root.get_by_role("button", name="Agree")).to_have_count(0)
    assert fits(root)
    assert ThresholdChange.objects.get().after == 0.7

    second = open_browser(DESKTOP, java_script_enabled=False)
    log_in(second, live_stack.url, vera.email, PASSWORD)
    second.goto(f"{live_stack.url}/models/")
    second.get_by_role("link", name="Look and decide").click()
    expect(second.get_by_text("Too few get a name.")).to_be_visible()
    second.get_by_role("button", name="Agree: change the threshold").click()
    expect(second.get_by_text("names a disease from 70 % on now")).to_be_visible()
    version.refresh_from_db()
    assert version.threshold == 0.7
