"""An admin in a real browser: an export is asked for, its worker dies, another makes it."""

from __future__ import annotations

import re
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from diagnoses import workflow
from diagnoses.learning.asking import MAKE
from diagnoses.models import TrainingExport
from notifications.wake import wake
from portal.machine.stack import Stack
from tests.browser import PHONE, Opened, fits, log_in
from tests.cast import PASSWORD, build_cast
from tests.diagnoses import learnt
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MADE = 60_000  # milliseconds


def test_asked_for_killed_made_downloaded_withdrawn(
    live_stack: Stack, open_browser: Opened, settings: Settings
) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    live_stack.start("web")
    cast = build_cast()
    learnt.agreed(cast.ana)
    for seed in range(1, 5):
        learnt.answered(cast.ana, cast.ruth, seed)
    ada = open_browser(PHONE, accept_downloads=True)
    log_in(ada, live_stack.url, cast.ada.email, PASSWORD)
    ada.goto(f"{live_stack.url}/manage/")
    ada.get_by_role("link", name="Learning from the clinic").click()
    expect(ada.get_by_role("row", name="Together Pictures 4 Marks 4 People 1")).to_be_visible()
    assert fits(ada)
    ada.get_by_role("button", name="Export these pictures").click()
    expect(ada.get_by_text("It waits for a worker").first).to_be_visible()
    assert fits(ada)

    # The worker dies with two of the four written; the next one need not wait for the lease here.
    live_stack.begin("io", FAILPOINT="in_export:3")
    eventually(lambda: TrainingExport.objects.filter(token__isnull=False).exists(), 40)
    eventually(lambda: not live_stack.children["io"].running, 40, "the worker's death")
    TrainingExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    live_stack.start("io-2")
    wake(MAKE)  # as beat does every 30 seconds
    expect(ada.get_by_role("link", name="Download")).to_be_visible(timeout=MADE)
    assert fits(ada)
    assert TrainingExport.objects.get().attempts == 2

    ada.get_by_role("link", name="Download").click()
    ada.get_by_label(re.compile("password", re.IGNORECASE)).fill(PASSWORD)
    with ada.expect_download() as downloading:
        ada.keyboard.press("Enter")
    with zipfile.ZipFile(downloading.value.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4 + 3

    workflow.withdraw_consent(cast.ana, learnt.RESEARCH)
    ada.goto(f"{live_stack.url}/learning/")
    ada.get_by_role("link", name="See which, and who has a copy").click()
    expect(ada.get_by_text("4 pictures have to go from every copy")).to_be_visible()
    assert fits(ada)
    ada.get_by_role("button", name="All copies are rid of them").click()
    expect(ada.get_by_text("It is written down")).to_be_visible()
    assert not TrainingExport.objects.to_clean().exists()
