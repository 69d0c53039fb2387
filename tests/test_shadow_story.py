"""An admin in a real browser lets a candidate look along while cases flow; nobody else sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from diagnoses.models import Case, CaseEvent, Comparison, Prediction, Scoring
from mlservice import registry
from mlservice.models import ModelVersion, Shadow
from portal.machine.stack import Stack
from tests.browser import Opened, fits, log_in
from tests.cases import submitted
from tests.cast import PASSWORD, build_cast
from tests.mlservice.bundles import variant
from tests.stack import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 320, "height": 640}


def test_a_candidate_looks_along_unseen_while_cases_flow(
    live_stack: Stack, open_browser: Opened, tmp_path: Path
) -> None:
    live_stack.start("web", "inference", "io")
    cast = build_cast()
    active = registry.active("skin")
    assert active is not None
    candidate = registry.register(variant(tmp_path, "3"))
    root = open_browser(NARROW, java_script_enabled=False)
    log_in(root, live_stack.url, cast.root.email, PASSWORD)
    root.goto(f"{live_stack.url}/models/{candidate.pk}/")
    root.get_by_role("link", name="Let it look along …").click()
    expect(root.get_by_text("nothing it says is shown to patients or doctors")).to_be_visible()
    assert fits(root)
    root.get_by_role("button", name="Let it look along").click()
    expect(root.get_by_text("skin 3 looks along now, unseen.")).to_be_visible()

    cases = [submitted(cast.ana) for _ in range(6)]
    eventually(lambda: Comparison.objects.count() == len(cases), 90, "the candidate's looks")
    for case in cases:
        seen_by(case, active, candidate)

    root.reload()
    expect(root.get_by_text("6 cases seen by both since")).to_be_visible()
    expect(root.get_by_text("Not enough cases: 6 of the 30 it takes.").first).to_be_visible()
    expect(root.get_by_text("They do not differ on any case.")).to_be_visible()  # the same network
    assert fits(root)
    root.get_by_role("button", name="Stop it").click()
    expect(root.get_by_text("skin 3 looks along no more.")).to_be_visible()
    assert Shadow.objects.get().ended == "stopped"

    after = submitted(cast.ana)
    eventually(lambda: Prediction.objects.live().filter(case=after).exists(), 30, "its view")
    assert not Scoring.objects.waiting().exists()
    assert not Scoring.objects.shadow().filter(case=after).exists()


def seen_by(case: Case, active: ModelVersion, candidate: ModelVersion) -> None:
    """Once by each; what shows of it is of the one in service."""
    case.refresh_from_db()
    live = Prediction.objects.live().get(case=case)
    shadow = Prediction.objects.shadow().get(case=case)
    assert (live.model_version, shadow.model_version) == (active, candidate)
    for view in (live, shadow):
        assert view.receipt["manifest_sha256"] == view.model_version.manifest_hash
    assert case.prediction == live
    assert (case.status, case.tier) == ("partial", live.tier)
    assert CaseEvent.objects.filter(case=case, kind="checked").count() == 1
