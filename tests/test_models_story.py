"""Admins in real browsers: a bundle comes in, passes the gate, serves, goes back; cases flow."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role, User
from diagnoses.models import Case, CaseEvent, Prediction, Scoring
from mlservice import registry
from mlservice.models import ModelVersion
from portal.machine.stack import Stack
from tests.browser import DESKTOP, Opened, fits, log_in
from tests.cases import submitted
from tests.cast import PASSWORD, Cast, build_cast
from tests.mlservice.bundles import variant, zipped
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 320, "height": 640}
PROVED = 60_000  # milliseconds; three seconds on a quiet machine


def bring_in(page: Page, base: str, bundle: Path) -> None:
    """From the list to the page of the version, by a file; with or without JavaScript."""
    packed = bundle.with_suffix(".zip")
    packed.write_bytes(zipped(bundle).getvalue())
    page.goto(f"{base}/models/")
    page.get_by_role("link", name="Register a bundle").click()
    page.get_by_label("A file").set_input_files(packed)
    assert fits(page)
    page.get_by_role("button", name="Check and register").click(no_wait_after=True)
    expect(page.get_by_text("Its golden pictures came out right")).to_be_visible(timeout=PROVED)
    assert fits(page)
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_text("Balanced accuracy").first).to_be_visible()
    assert fits(page)


def flow(cast: Cast, sent: dict[Case, ModelVersion]) -> None:
    """Two more cases, and the version that serves at this moment."""
    for _ in range(2):
        version = registry.active("skin")
        assert version is not None
        sent[submitted(cast.ana)] = version


def serves(version: str) -> bool:
    active = registry.active("skin")
    return active is not None and active.version == version


def test_register_gate_activate_roll_back_while_cases_flow(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    live_stack.start("web", "inference", "io")
    cast, sent = build_cast(), dict[Case, ModelVersion]()
    root = open_browser(DESKTOP)
    log_in(root, live_stack.url, cast.root.email, PASSWORD)
    flow(cast, sent)

    bring_in(root, live_stack.url, variant(tmp_path, "3", bmca=0.79, green_malignant=2))
    flow(cast, sent)
    root.get_by_role("link", name="Put into service …").click()
    expect(root.get_by_text("The gate lets it pass")).to_be_visible()
    expect(root.get_by_text("instead of skin 2.1, in every clinic")).to_be_visible()
    assert fits(root)
    assert serves("2.1"), "nothing happens before it was asked"
    root.get_by_role("button", name="Put into service").click()
    expect(root.get_by_text("skin 3 scores new cases now.")).to_be_visible()
    assert serves("3")
    flow(cast, sent)
    # A pause gives what waits to the doctors: without this a busy machine had scored none by then.
    eventually(
        lambda: Prediction.objects.filter(model_version__version="3").exists(), 120, "scored"
    )

    root.get_by_role("button", name="Back to skin 2.1").click()
    expect(root.get_by_text("skin 2.1 scores new cases again.")).to_be_visible()
    assert serves("2.1")
    flow(cast, sent)

    root.get_by_role("link", name="Pause …").click()
    root.get_by_label("Why").fill("It is looked into.")
    root.get_by_role("button", name="Pause the computer").click()
    expect(root.get_by_text("Cases go straight to the doctors.").first).to_be_visible()
    unseen = submitted(cast.ana)
    root.get_by_role("button", name="Let the computer look again").click()
    expect(root.get_by_text("The computer looks at new cases again.")).to_be_visible()
    flow(cast, sent)

    eventually(lambda: not Scoring.objects.waiting().exists(), 60, "everything is scored or passed")
    views = {view.case_id: view for view in Prediction.objects.select_related("model_version")}
    given_up = set(CaseEvent.objects.filter(kind="unscored").values_list("case", flat=True))
    for case, version in sent.items():
        case.refresh_from_db()
        assert case.status == "partial", "it is with the doctors"
        if case.pk not in given_up:  # a pause sends what waits at this moment to them unscored
            assert views[case.pk].model_version == version
            assert views[case.pk].receipt["manifest_sha256"] == version.manifest_hash
    unseen.refresh_from_db()
    assert (unseen.status, unseen.tier, unseen.pk in views) == ("partial", None, False)
    assert {view.model_version.version for view in views.values()} == {"2.1", "3"}


def test_a_worse_model_is_refused_on_a_phone_without_javascript(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    live_stack.start("web", "inference")
    cast = build_cast()
    vera = User.objects.create_user(
        "vera@example.org", PASSWORD, name="Vera Ek", role=Role.ADMIN, is_staff=True
    )
    root = open_browser(NARROW, java_script_enabled=False)
    log_in(root, live_stack.url, cast.root.email, PASSWORD)
    bring_in(root, live_stack.url, variant(tmp_path, "4", bmca=0.60))

    root.get_by_role("link", name="Put into service …").click()
    expect(root.get_by_text("The gate does not let it pass")).to_be_visible()
    expect(root.get_by_role("button", name="Put into service")).to_have_count(0)
    root.get_by_label("Why it should serve all the same").fill("Ours are like its pictures.")
    root.get_by_role("button", name="Ask a second admin").click()
    expect(root.get_by_text("Nothing has changed yet.")).to_be_visible()
    assert serves("2.1")

    second = open_browser(NARROW, java_script_enabled=False)
    log_in(second, live_stack.url, vera.email, PASSWORD)
    second.goto(f"{live_stack.url}/models/")
    second.get_by_role("link", name="Look and decide").click()
    expect(second.get_by_text("Ours are like its pictures.")).to_be_visible()
    second.get_by_role("button", name="Agree: put it into service").click()
    expect(second.get_by_text("skin 4 scores new cases now.")).to_be_visible()
    assert serves("4")
    for path in ("/models/", "/models/compare/"):
        second.goto(live_stack.url + path)
        second.wait_for_load_state()
        width = second.locator("main").bounding_box()
        assert width is not None
        assert width["width"] <= NARROW["width"]
