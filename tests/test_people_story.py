"""In real browsers: a doctor is invited, joins, is verified, reads; and is out once suspended."""

from __future__ import annotations

import re

import pytest
from django.core.mail import EmailMessage
from playwright.sync_api import Page, expect

from accounts import languages
from accounts.models import AuditEntry, User
from diagnoses import workflow
from notifications import delivery
from portal.machine.stack import Stack
from tests.browser import DESKTOP, PHONE, Opened, fits, log_in, set_up_an_app
from tests.cases import RED, scored, submission
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def link_in(outbox: list[EmailMessage]) -> str:
    """What the last letter leads to, as its reader finds it."""
    while delivery.deliver_due():
        pass
    found = re.search(r"https?://[^/]+(/invitations/[\w-]+/)", str(outbox[-1].body))
    assert found is not None
    return found[1]


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def joins(invited: Page, address: str) -> None:
    """By the invitation's link to the page where a doctor waits to be verified."""
    invited.goto(address)
    expect(
        invited.get_by_role("heading", name="North asks you to join as a doctor")
    ).to_be_visible()
    invited.locator("input[name=password]").fill(PASSWORD)
    press(invited, "Join the clinic")
    set_up_an_app(invited)
    invited.get_by_role("link", name="I have them; go on").click()
    expect(invited.get_by_role("heading", name="We are checking who you are")).to_be_visible()


@pytest.mark.parametrize(
    ("viewport", "scripts"), [(DESKTOP, True), ({**PHONE, "width": 320}, False)],
    ids=["desktop", "phone, without scripts"],
)  # fmt: skip
def test_from_the_invitation_to_the_end_of_the_last_session(
    live_stack: Stack,
    open_browser: Opened,
    mailoutbox: list[EmailMessage],
    viewport: dict[str, int],
    scripts: bool,
) -> None:
    live_stack.start("web")
    cast = build_cast()
    case = scored(workflow.submit(cast.ana, submission()), **RED)
    ada = open_browser(viewport, java_script_enabled=scripts)
    log_in(ada, live_stack.url, cast.ada.email, PASSWORD)
    expect(ada.get_by_role("heading", name="Overview")).to_be_visible()

    # Invited.
    ada.goto(f"{live_stack.url}/manage/people/")
    ada.get_by_role("link", name="Invite somebody").click()
    ada.get_by_label("Their name").fill("Vera Novak")
    ada.get_by_label("E-mail address").fill("vera@example.org")
    press(ada, "Send the invitation")
    expect(ada.get_by_text("Vera Novak is invited.")).to_be_visible()
    assert not scripts or fits(ada)

    # She joins, and sees nothing.
    vera = open_browser(DESKTOP)
    joins(vera, live_stack.url + link_in(mailoutbox))
    vera_row = User.objects.get(email="vera@example.org")

    # Verified.
    ada.goto(f"{live_stack.url}/manage/")
    ada.get_by_role("link", name=re.compile("^Vera Novak")).click()
    expect(ada.get_by_text("No case, no photo and no name")).to_be_visible()
    ada.get_by_role("link", name="Verify as a doctor …").click()
    assert not scripts or fits(ada)
    press(ada, "Verify as a doctor")
    expect(ada.get_by_text("Vera Novak is a verified doctor.")).to_be_visible()
    expect(ada.get_by_text("Every case of North")).to_be_visible()
    assert not scripts or fits(ada)

    # She reads.
    vera.goto(f"{live_stack.url}/")
    expect(vera.get_by_role("heading", name="Worklist")).to_be_visible()
    vera.goto(f"{live_stack.url}/worklist/{case.pk}/")
    expect(vera.get_by_role("button", name="Commit reading")).to_be_visible()

    # Suspended: asked for the reason, and the page she has open leads nowhere any more.
    ada.get_by_role("link", name="Suspend …").click()
    press(ada, "Suspend")
    expect(ada.get_by_text("Choose why. It stands in the audit trail.").first).to_be_visible()
    ada.get_by_label("Has left the clinic").check()
    press(ada, "Suspend")
    expect(ada.get_by_text("Every session of theirs has ended.")).to_be_visible()
    vera.goto(f"{live_stack.url}/worklist/{case.pk}/")
    expect(vera.get_by_role("button", name="Log in")).to_be_visible()
    vera.get_by_label("E-mail").fill("vera@example.org")
    vera.locator("input[name=password]").fill(PASSWORD)
    vera.locator("main button[type=submit]").click()
    vera.wait_for_load_state()
    assert "/worklist/" not in vera.url
    trail = AuditEntry.objects.filter(about=f"user:{vera_row.pk}").order_by("pk")
    assert [one for one in trail.values_list("action", flat=True) if "viewed" not in one] == [
        *("doctor.joined", "factor.added", "doctor.verified", "person.suspended"),
    ]


def test_the_admins_pages_fit_a_small_phone_in_spanish(
    live_stack: Stack, open_browser: Opened
) -> None:
    live_stack.start("web")
    cast = build_cast()
    languages.choose(cast.root, "es")
    page = open_browser({**PHONE, "width": 320})
    log_in(page, live_stack.url, cast.root.email, PASSWORD)
    expect(page.get_by_role("heading", name="Resumen")).to_be_visible()
    for path in (
        *("", "people/", f"people/{cast.ruth.pk}/", f"people/{cast.ruth.pk}/suspend/"),
        *("clinics/", f"clinics/{cast.north.pk}/", "invitations/", "invitations/new/"),
    ):
        page.goto(f"{live_stack.url}/manage/{path}")
        assert fits(page), path
