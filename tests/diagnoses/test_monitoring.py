"""How a version fares with the clinics' cases: what the pages count, and where they say nothing."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from diagnoses import workflow
from diagnoses.models import Case, Prediction
from diagnoses.monitoring.drift import LAST, drift, stability_index
from diagnoses.monitoring.flow import flow
from diagnoses.monitoring.scope import Scope
from diagnoses.monitoring.truth import rights
from diagnoses.numbers import ENOUGH
from diagnoses.workflow import Answer
from mlservice.models import ModelVersion, Shadow
from mlservice.packs import load_pack
from tests.cases import (
    ALL_ANSWERED,
    AMBER,
    NOT_SURE,
    RED,
    a_model_version,
    claimed,
    prediction,
    scored,
    submitted,
)
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
READING = {"confidence": "sure", "plan": "reassure"}


@pytest.fixture
def version(db: None, settings: Settings) -> ModelVersion:
    """Every signature is for good at once."""
    settings.UNDO_SIGNATURE = timedelta(0)
    return a_model_version()


def many(case: Case, count: int, **changes: Any) -> list[Prediction]:
    """Views of copies of ``case``: a hundred are there in a moment."""
    fields = ("pack_name", "patient_id", "clinic_id", "site", "answers", "answer_due_at")
    shared = {name: getattr(case, name) for name in fields}
    cases = Case.objects.bulk_create(Case(id=uuid.uuid4(), **shared) for _ in range(count))
    version, photo = ModelVersion.objects.get(), case.photos.get()
    photos, rows = [], []
    for one in cases:
        copy = type(photo)(case=one, kind=photo.kind, width=9, height=9, sha256="0" * 64)
        copy.quality, copy.file = photo.quality, photo.file.name
        photos.append(copy)
        rows.append(one.scorings.model(case=one, model_version=version, settled_at=timezone.now()))
    type(photo).objects.bulk_create(photos)
    rows[0].__class__.objects.bulk_create(rows)
    views = []
    for row, own in zip(rows, photos, strict=True):
        view = prediction(row, **{"photo": own, "tier": "amber", "picture_tier": "amber"} | changes)
        view.scoring, view.case = row, row.case
        views.append(view)
    return Prediction.objects.bulk_create(views)


def signed(case: Case, doctor: User, diagnosis: str, first: str = "") -> Case:
    workflow.read_first(case, doctor, diagnosis=first or diagnosis, **READING)
    says = case.prediction.top_label if case.prediction else ""
    same = diagnosis == says
    because = "" if same else "I see it otherwise."
    answer = Answer(diagnosis, "reassure", "Fine.", agrees=same, differs_because=because)
    workflow.sign(case, doctor, answer)
    return case


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    body = answer.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def at(version: ModelVersion, name: str = "model_monitoring") -> str:
    return reverse(name, args=[version.pk])


# --- Who -----------------------------------------------------------------------------------------


def test_admins_see_these_pages_and_nobody_else_does(cast: Cast, version: ModelVersion) -> None:
    for name in ("model_monitoring", "model_truth"):
        for who in (cast.ana, cast.ruth, cast.uma):
            assert cast.client(who).get(at(version, name)).status_code == 404
        for who in (cast.ada, cast.root):
            assert cast.client(who).get(at(version, name)).status_code == 200


def test_an_admin_of_one_clinic_sees_that_clinics_cases_whatever_they_ask(
    cast: Cast, version: ModelVersion
) -> None:
    scored(submitted(cast.ana))
    ada, root = cast.client(cast.ada), cast.client(cast.root)
    User.objects.filter(pk=cast.ada.pk).update(clinic=cast.south)
    assert "No case in this time" in text_of(ada.get(at(version)))
    assert "No case in this time" in text_of(ada.get(at(version), {"clinic": cast.north.pk}))
    assert "Cases looked at 1" in text_of(root.get(at(version)))
    assert "Cases looked at 1" in text_of(root.get(at(version), {"clinic": cast.north.pk}))
    assert "No case in this time" in text_of(root.get(at(version), {"clinic": cast.south.pk}))
    assert root.get(at(version), {"clinic": "999999"}).status_code == 404
    assert root.get(at(version), {"clinic": "x"}).status_code == 404


# --- How it goes ---------------------------------------------------------------------------------


def test_days_and_the_whole_period_are_counted_by_tier(cast: Cast, version: ModelVersion) -> None:
    scored(submitted(cast.ana), **RED, distance=0.5)
    scored(submitted(cast.ana), **AMBER, **NOT_SURE, out_of_distribution=True, distance=0.3)
    scored(submitted(cast.ana), modality="phone", distance=0.1)
    whole, days, failed = flow(Scope(version, "7"))
    assert [day.n for day in days] == [3]
    assert whole.tiers == days[0].tiers == {"green": 1, "amber": 1, "red": 1}
    assert (whole.no_disease, whole.far, whole.modalities["phone"]) == (1, 1, 1)
    assert whole.distance == pytest.approx(0.3)
    assert whole.confidence == pytest.approx((0.95 + 0.7999 + 0.95) / 3)
    assert whole.wait is not None
    assert 0 <= whole.wait <= (whole.wait_long or 0) < 60
    assert whole.no_disease_share is None, "three cases are no share"
    assert (failed.tried, failed.failed, failed.share) == (3, 0, None)


def test_shadows_and_older_views_do_not_count(
    cast: Cast, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = submitted(cast.ana)
    row = claimed(case)
    Shadow.objects.create(version=version, pack=version.pack, share=100, started_by=cast.root)
    row.purpose, row.priority = "shadow", 9
    row.save(update_fields=["purpose", "priority"])
    assert workflow.attach((row, prediction(row)))
    assert Prediction.objects.shadow().count() == 1
    assert flow(Scope(version, "all"))[0].n == 0
    scored(submitted(cast.ana))
    in_eight_days = timezone.now() + timedelta(days=8)
    monkeypatch.setattr("diagnoses.monitoring.scope.timezone.now", lambda: in_eight_days)
    assert flow(Scope(version, "7"))[0].n == 0
    assert flow(Scope(version, "30"))[0].n == 1


def test_shares_are_shown_from_thirty_cases_on(cast: Cast, version: ModelVersion) -> None:
    case = scored(submitted(cast.ana))
    root = cast.client(cast.root)
    many(case, ENOUGH - 2)
    assert "by the 80 % rule not enough cases" in text_of(root.get(at(version)))
    many(case, 1, **NOT_SURE)
    assert "by the 80 % rule 0.033 (1)" in text_of(root.get(at(version)))


# --- Whether it changed --------------------------------------------------------------------------


def test_the_stability_index_is_none_of_the_same_and_much_of_another() -> None:
    rng = np.random.default_rng(1)
    first, same, other = (rng.normal(mean, 1, 1000) for mean in (0, 0, 2))
    assert stability_index(first, first) == pytest.approx(0, abs=0.001)
    assert stability_index(first, same) < 0.1
    assert stability_index(first, other) > 1


def test_the_last_views_are_held_against_the_first_once_there_are_enough(
    cast: Cast, version: ModelVersion
) -> None:
    case = scored(submitted(cast.ana), confidence=0.95)
    for step in range(10):
        many(case, 20 - (step == 0), confidence=0.80 + 0.015 * step)
    many(case, LAST - 1, confidence=0.99)
    assert not drift(Scope(version)).enough, "one is missing"
    assert "Not enough cases" in text_of(cast.client(cast.root).get(at(version)))
    many(case, 1, confidence=0.99, out_of_distribution=True)
    found = drift(Scope(version))
    levels = {shift.name: shift.level for shift in found.shifts}
    assert levels == {
        "confidence": "much", "risk": "", "distance": "", "brightness": "", "focus": "",
    }  # fmt: skip
    assert found.far == pytest.approx(0.01)


# --- How right it is -----------------------------------------------------------------------------


def test_a_case_counts_once_with_the_answer_that_stands(cast: Cast, version: ModelVersion) -> None:
    case = signed(scored(submitted(cast.ana)), cast.ruth, "nv", first="mel")
    found = rights(Scope(version), load_pack("skin"))
    assert (found.signed.n, found.signed.nameless, found.histology.n) == (1, 0, 0)
    assert (found.agreement.blind, found.agreement.signed) == (1, 1)
    assert (found.agreement.shares["blind"], found.agreement.shares["signed"]) == (0, 1)
    newest = case.reviews.get()
    workflow.amend(case, cast.ruth, Answer("", "reassure", "None of them."), after=newest)
    found = rights(Scope(version), load_pack("skin"))
    assert (found.signed.n, found.signed.nameless) == (0, 1)
    workflow.record_outcome(
        case, cast.ruth, source="histology", diagnosis="bcc", words="",
        found_on=timezone.localdate(),
    )  # fmt: skip
    workflow.record_outcome(
        case, cast.ruth, source="follow_up", diagnosis="nv", words="",
        found_on=timezone.localdate(),
    )  # fmt: skip
    assert rights(Scope(version), load_pack("skin")).histology.n == 1


def thirty(cast: Cast) -> Iterator[Case]:
    for number in range(ENOUGH):
        answers = ALL_ANSWERED | {"skin_type": "ii" if number else "v", "sex": "male"}
        case = scored(submitted(cast.ana, answers=answers), **(RED if number % 2 else {}))
        yield signed(case, cast.ruth, "mel" if number % 3 == 0 else "nv")


def test_too_few_are_no_number_and_a_group_says_so(cast: Cast, version: ModelVersion) -> None:
    root = cast.client(cast.root)
    cases = thirty(cast)
    for _ in range(ENOUGH - 1):
        next(cases)
    early = text_of(root.get(at(version, "model_truth")))
    assert "Not enough cases: 29 of the 30 it takes." in early
    next(cases)
    said = text_of(root.get(at(version, "model_truth")))
    assert "30 cases of 30 marks, 10 harmful." in said
    assert "Right at first place 0.667 (" in said
    assert "Harmful pictures in RED not enough cases n = 10" in said
    assert "Balanced accuracy" in said
    assert "Male n = 30" in said
    assert "Fair skin: burns easily, tans a little n = 29 not enough cases" in said
    assert "not answered n = 30" in said, "nobody was asked their age"


def test_statements_do_not_grow_with_cases(cast: Cast, version: ModelVersion) -> None:
    def counts() -> list[int]:
        found = []
        for name in ("model_monitoring", "model_truth"):
            client = cast.client(cast.root)
            client.get(at(version, name))
            with CaptureQueriesContext(connection) as queries:
                assert client.get(at(version, name)).status_code == 200
            found.append(len(queries))
        return found

    signed(scored(submitted(cast.ana)), cast.ruth, "nv")
    few = counts()
    list(thirty(cast))
    assert counts() == few
    assert few == [8, 6]
