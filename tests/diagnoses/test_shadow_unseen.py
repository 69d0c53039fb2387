"""What a candidate says in the shadow is shown nowhere: every surface is what it was before."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from django.urls import reverse
from pypdf import PdfReader
from pytest_django import Settings

from accounts.models import AuditEntry, User
from diagnoses import workflow
from diagnoses.everything import gather
from diagnoses.models import Case, CaseEvent, Comparison, Precedent, Prediction, Scoring
from diagnoses.states import Answer
from mlservice.engine.heatmap import GRID
from notifications.models import Message
from tests.cases import a_model_version, claimed, in_the_shadow, prediction, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
ROOT = Path(__file__).resolve().parents[2]
# Of another tier, another label, another place in the photo, and nothing like the live one.
OTHERWISE = {
    "risk": 0.97,
    "picture_tier": "red",
    "reasons": ["risk_r95"],
    "top_label": "mel",
    "label": "mel",
    "confidence": 0.97,
    "probabilities": {"mel": 0.97, "nv": 0.03},
    "conformal_set": ["mel"],
    "stable": False,
    "out_of_distribution": True,
    "distance": 0.1,
    "embedding": np.array([0.0, 1.0, 0.0, 0.0], "<f4").tobytes(),
    "heat": b"\xff" * (2 * GRID * GRID),
}
SEEN = {
    "embedding": np.array([1.0, 0.1, 0.0, 0.0], "<f4").tobytes(),
    "heat": b"\x80" * (7 * GRID * GRID),
}
# What differs between two looks at the same page.
OF_THE_MOMENT = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]*"|nonce="?[\w+/=-]+|name="(?:key|alive)" value="[^"]*"'
)


@pytest.fixture(autouse=True)
def no_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


@pytest.fixture
def case(cast: Cast) -> Case:
    """A scored case that a candidate is to look at, with a signed one beside it that is alike."""
    a_model_version()
    before = scored(submitted(cast.ana), **SEEN)
    signed(before, cast.sam)
    in_the_shadow(a_model_version(version="the next", state="registered"), cast.root)
    case = scored(submitted(cast.ana, lesion=before.lesion), **SEEN)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    return case


def signed(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, Answer(diagnosis="nv", plan="reassure", advice="Harmless."))


def in_the_dark(case: Case) -> None:
    """The candidate's view is filed."""
    row = claimed(case)
    assert row.purpose == "shadow"
    assert workflow.attach((row, prediction(row, **OTHERWISE)))


def surfaces(cast: Cast, case: Case) -> dict[str, Any]:
    """Everything that anybody who reads a case or asked about one can look at, by name."""
    of_case = [case.pk]
    doctor = [
        "/worklist/",
        "/worklist/state/",
        "/worklist/done/",
        "/worklist/numbers/",
        f"/worklist/?q={case.reference}",
        reverse("reading", args=of_case),
        reverse("reading_heatmap", args=[case.pk, case.photos.get().pk]),
    ]
    patient = [
        "/cases/",
        reverse("case", args=of_case),
        reverse("case_state", args=of_case),
        "/lesions/",
        reverse("lesion", args=[case.lesion_id]),
    ]
    api = [reverse("api-cases"), reverse("api-case", args=of_case)]
    record = gather(User.objects.get(pk=cast.ana.pk)).record
    found: dict[str, Any] = {}
    found["everything"] = {name: kept for name, kept in record.items() if name != "made_at"}
    with transaction.atomic():  # so that nobody has looked before
        for who in (cast.ruth, cast.ana):
            browser, caller = cast.client(who), cast.api(who)
            for address in doctor if who == cast.ruth else patient:
                found[f"{who} {address}"] = words(browser.get(address))
            for address in api:
                found[f"{who} {address}"] = words(caller.get(address))
            paper = PdfReader(io.BytesIO(browser.get(reverse("case_report", args=of_case)).content))
            text = "".join(page.extract_text() for page in paper.pages)
            found[f"{who} report"] = re.sub(r"\d\d:\d\d", "", text)
        transaction.set_rollback(True)
    return found | kept_of(case)


def words(answer: Any) -> tuple[int, str]:
    return answer.status_code, OF_THE_MOMENT.sub("", answer.content.decode("utf-8", "replace"))


def first_difference(one: object, other: object) -> str:
    a, b = str(one), str(other)
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    return f"{a[max(0, at - 80) : at + 80]} | {b[max(0, at - 80) : at + 80]}"


def kept_of(case: Case) -> dict[str, Any]:
    """What the pages are made of, row by row."""
    return {
        "case": Case.objects.filter(pk=case.pk).values().get(),
        "events": list(CaseEvent.objects.order_by("pk").values()),
        "messages": list(Message.objects.order_by("pk").values()),
        "trail": list(AuditEntry.objects.order_by("pk").values()),
        "precedents": list(Precedent.objects.order_by("pk").values("case", "prediction")),
    }


def test_nothing_of_a_shadow_shows_while_the_case_is_open(cast: Cast, case: Case) -> None:
    before = surfaces(cast, case)
    in_the_dark(case)
    assert Comparison.objects.get(case=case).seriousness == 3
    after = surfaces(cast, case)
    for name, shown in before.items():
        assert after[name] == shown, f"{name}: {first_difference(shown, after[name])}"


def test_nothing_of_a_shadow_shows_after_the_signature(cast: Cast, case: Case) -> None:
    signed_before = Case.objects.get(pk=case.pk)
    workflow.sign(
        signed_before, cast.ruth, Answer(diagnosis="nv", plan="reassure", advice="Harmless.")
    )
    before = surfaces(cast, signed_before)
    in_the_dark(case)
    after = surfaces(cast, signed_before)
    for name, shown in before.items():
        assert after[name] == shown, f"{name}: {first_difference(shown, after[name])}"


def test_a_view_of_the_same_kind_would_be_seen(cast: Cast, case: Case) -> None:
    """So that the two tests above cannot be blind: filed as a live one it changes the surfaces."""
    before = surfaces(cast, case)
    row = claimed(case)
    Scoring.objects.filter(pk=row.pk).update(purpose="live", priority=1)
    row.refresh_from_db()
    assert workflow.attach((row, prediction(row, **OTHERWISE)))
    after = surfaces(cast, case)
    changed = {name for name in before if after[name] != before[name]}
    for who, what in (
        ("Ruth Okafor", "/worklist/"),
        ("Ruth Okafor", reverse("reading", args=[case.pk])),
        ("Ruth Okafor", reverse("api-case", args=[case.pk])),
        ("Ruth Okafor", "report"),
        ("Ana Silva", reverse("case", args=[case.pk])),
        ("Ana Silva", "report"),
    ):
        assert f"{who} {what}" in changed
    assert {"everything", "case", "events"} <= changed


# --- Whoever reads predictions says which --------------------------------------------------------

READS = re.compile(r"(?:\bPrediction\.objects|\.predictions)\b(?!\.(?:live|shadow)\(\))")
WRITES = re.compile(r"Prediction\.objects\.bulk_create\(")
FETCHES = re.compile(
    r"(?<!related_name=)[\"']predictions(?:__\w+)?[\"'](?!,\s*\w[^,\n]*,\s*to_attr=)"
)


def readers() -> list[Path]:
    rooms = ("accounts", "notifications", "mlservice", "diagnoses", "portal")
    found = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


@pytest.mark.parametrize("wrong", [READS, FETCHES])
def test_whoever_reads_predictions_says_whether_live_or_in_the_shadow(
    wrong: re.Pattern[str],
) -> None:
    assert len(readers()) > 100, "the rule looks at nothing"
    for path in readers():
        text = WRITES.sub("", path.read_text())
        found = wrong.search(text)
        assert found is None, f"{path.name} reads candidates' views, too: {found and found[0]}"


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("Prediction.objects.filter(case=case)", True),
        ("Prediction.objects.live().filter(case=case)", False),
        ("case.predictions.order_by('pk')", True),
        ("case.predictions.shadow()", False),
        ("version.predictions.count()", True),
    ],
)
def test_the_rule_sees_what_it_should(line: str, is_wrong: bool) -> None:
    assert bool(READS.search(line)) is is_wrong


def test_the_case_itself_knows_live_views_alone(cast: Cast, case: Case) -> None:
    live = case.prediction
    in_the_dark(case)
    assert case.prediction == live
    assert list(case.live_predictions()) == [live]
    assert Prediction.objects.filter(case=case).count() == 2
