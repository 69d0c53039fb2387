"""The page of the 80 % rule's price: its figures, the reader's own cases, and two admins."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role, User
from diagnoses import inference
from diagnoses.flips import LAST, flips
from diagnoses.models import Case, Prediction
from mlservice import price, registry
from mlservice.engine import shipped
from mlservice.engine.rule import THRESHOLDS, place_of
from mlservice.models import ModelVersion, ThresholdChange
from mlservice.serving import Shelf
from tests.cases import InThisProcess, a_model_version, score_next, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def version(cast: Cast) -> ModelVersion:
    found = registry.register(shipped("skin"))
    registry.activate(found, None)
    found.refresh_from_db()
    return found


@pytest.fixture
def vera(cast: Cast) -> Client:
    who = User.objects.create_user(
        "vera@example.org", name="Vera Ek", role=Role.ADMIN, is_staff=True
    )
    return cast.client(who)


def page_of(version: ModelVersion) -> str:
    return reverse("model_rule", args=[version.pk])


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    body = answer.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


# --- What it says --------------------------------------------------------------------------------


def test_the_plain_sentence_is_the_shipped_numbers(cast: Cast, version: ModelVersion) -> None:
    metrics = version.metrics
    said = text_of(cast.client(cast.root).get(page_of(version)))
    assert (
        f"Of {metrics['n_malignant']} harmful pictures of the frozen test set, the rule alone "
        f"calls {metrics['rule_no_disease_malignant']} “no disease”, at 80 %."
    ) in said
    assert "None of them ends GREEN" in said
    assert "It never sets the tier" in said
    assert "Not enough cases" in said


def test_without_javascript_the_address_shows_another_threshold(
    cast: Cast, version: ModelVersion
) -> None:
    measured = price.of_version(version)
    place = place_of(0.55)
    assert place is not None
    harmful = measured.totals(place, measured.harmful)
    answer = cast.client(cast.ada).get(page_of(version), {"at": "0.55"})
    shown = answer.context["price"]
    assert [figure.series.tried for figure in shown.figures[:2]] == [
        price.with_interval(harmful.no_disease, harmful.n),
        price.part_of(harmful.no_disease_green, harmful.no_disease),
    ]
    for row, label in zip(shown.rows[:3], measured.harmful, strict=True):
        assert row.missed.tried.startswith(f"{label.no_disease[place]} of {label.n} (")
    assert shown.figures[0].series.tried in text_of(answer)


def test_the_slider_has_every_figure_that_was_measured(cast: Cast, version: ModelVersion) -> None:
    """What the page's script shows is written out by the server, one for each threshold."""
    measured = price.of_version(version)
    content = cast.client(cast.root).get(page_of(version)).content.decode()
    written = [unescape(one).split("|") for one in re.findall(r'data-at="([^"]*)"', content)]
    assert {len(words) for words in written} == {len(THRESHOLDS)}
    for label in measured.labels:
        expected = [price.with_interval(count, label.n) for count in label.no_disease]
        assert expected in written, label.name


@pytest.mark.parametrize("at", ["0.2", "1", "nan", "0.755", "much", ""])
def test_a_threshold_beside_the_scale_gets_a_sentence(
    cast: Cast, version: ModelVersion, at: str
) -> None:
    answer = cast.client(cast.root).get(page_of(version), {"at": at})
    assert "Choose a threshold from 30 % to 99 %." in text_of(answer)
    assert answer.context["price"].tried == 80


def test_a_version_nobody_measured_says_so_and_cannot_be_changed(cast: Cast) -> None:
    version = a_model_version()
    client = cast.client(cast.root)
    said = text_of(client.get(page_of(version)))
    assert "Not measured" in said
    assert "Ask a second admin" not in said
    data = {"at": "0.70", "seen": "0.8", "reason": "Blind"}
    assert "was not measured" in text_of(client.post(page_of(version), data), 409)
    assert not ThresholdChange.objects.exists()


# --- One's own cases -----------------------------------------------------------------------------


def filed(cast: Cast, sure: float, threshold: float = 0.8) -> Case:
    nameless = sure < threshold
    return scored(
        submitted(cast.ana),
        confidence=sure,
        threshold=threshold,
        no_disease=nameless,
        label="" if nameless else "nv",
    )


def test_ones_own_cases_are_held_against_what_was_said_of_them(
    cast: Cast, version: ModelVersion
) -> None:
    for sure in (0.45, 0.799, 0.80, 0.85, 0.95):
        filed(cast, sure)
    filed(cast, 0.70, threshold=0.6)  # named when the threshold was lower
    scored(submitted(cast.ana), modality="not_skin", label="")  # nothing to be named in it
    found = flips(cast.root, version)
    assert found.n == 6
    at = {share: place_of(share) for share in (0.3, 0.45, 0.46, 0.7, 0.8, 0.81, 0.86, 0.99)}
    lost = {share: found.lost[place] for share, place in at.items() if place is not None}
    gained = {share: found.gained[place] for share, place in at.items() if place is not None}
    assert lost == {0.3: 0, 0.45: 0, 0.46: 0, 0.7: 0, 0.8: 1, 0.81: 2, 0.86: 3, 0.99: 4}
    assert gained == {0.3: 2, 0.45: 2, 0.46: 1, 0.7: 1, 0.8: 0, 0.81: 0, 0.86: 0, 0.99: 0}


def test_an_admin_of_one_clinic_counts_its_own_cases(cast: Cast, version: ModelVersion) -> None:
    filed(cast, 0.9)
    away = filed(cast, 0.9)
    Case.objects.filter(pk=away.pk).update(clinic=cast.south)
    assert flips(cast.ada, version).n == 1
    assert flips(cast.root, version).n == 2
    other = a_model_version(state=ModelVersion.State.REGISTERED)
    assert flips(cast.root, other).n == 0, "another version's views are no guide"


def test_from_thirty_cases_on_the_page_counts_them(cast: Cast, version: ModelVersion) -> None:
    for _ in range(30):
        filed(cast, 0.85)
    client = cast.client(cast.ada)
    answer = client.get(page_of(version), {"at": "0.90"})
    assert answer.context["own"]["lost"].tried == "30"
    assert f"last 30 views of {version}" in text_of(answer)
    assert LAST == 1000
    with CaptureQueriesContext(connection) as captured:
        client.get(page_of(version))
    few = len(captured)
    for _ in range(5):
        filed(cast, 0.5)
    with CaptureQueriesContext(connection) as captured:
        client.get(page_of(version))
    assert len(captured) == few <= 8


# --- Two admins ----------------------------------------------------------------------------------


def test_two_admins_change_it_and_a_case_after_it_carries_it(
    cast: Cast, version: ModelVersion, vera: Client
) -> None:
    shelf, root = Shelf(), cast.client(cast.root)
    before = submitted(cast.ana)
    score_next(shelf)
    data = {"at": "0.99", "seen": "0.8", "reason": "Name only what is sure."}
    asked = root.post(page_of(version), data, follow=True)
    assert "Nothing has changed yet." in text_of(asked)
    assert "Take it back" in text_of(asked)
    change = ThresholdChange.objects.get()
    address = reverse("model_threshold", args=[change.pk])
    alone = root.post(address, {"said": "yes"}, follow=True)
    assert "a second admin decides" in text_of(alone)
    version.refresh_from_db()
    assert version.threshold == 0.80

    assert "99 % instead of 80 %" in text_of(vera.get("/models/"))
    agreed = vera.post(address, {"said": "yes"}, follow=True)
    assert "names a disease from 99 % on now" in text_of(agreed)
    after = submitted(cast.ana)
    score_next(shelf)
    said = {view.case_id: view for view in Prediction.objects.all()}
    assert said[before.pk].threshold == 0.80
    assert said[after.pk].threshold == 0.99
    assert said[after.pk].no_disease is (said[after.pk].confidence < 0.99)
    assert "Agreed" in text_of(root.get(page_of(version)))


def test_one_in_the_network_at_that_moment_keeps_the_threshold_it_was_taken_with(
    cast: Cast, version: ModelVersion
) -> None:
    shelf, case = Shelf(), submitted(cast.ana)
    inference.load_wanted(shelf)
    batch = inference.take(shelf, InThisProcess())
    assert batch is not None
    ModelVersion.objects.filter(pk=version.pk).update(threshold=0.99)
    inference.settle(batch, inference.predict(batch))
    view = Prediction.objects.get(case=case)
    assert view.threshold == 0.80
    assert view.no_disease is (view.confidence < 0.80)


def test_a_refused_question_keeps_what_was_typed(cast: Cast, version: ModelVersion) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(threshold=0.85)
    client = cast.client(cast.root)
    data = {"at": "0.70", "seen": "0.8", "reason": "Typed with care."}
    answer = client.post(page_of(version), data)
    said = text_of(answer, 409)
    assert "changed in the meantime" in said
    assert "Typed with care." in said
    assert answer.context["price"].tried == 70


def test_the_only_admin_of_all_clinics_is_told(
    cast: Cast, version: ModelVersion, vera: Client
) -> None:
    assert "only admin of all clinics" not in text_of(cast.client(cast.root).get(page_of(version)))
    User.objects.filter(email="vera@example.org").update(is_active=False)
    assert "only admin of all clinics" in text_of(cast.client(cast.root).get(page_of(version)))


def test_every_admin_looks_and_only_those_of_no_clinic_ask(
    cast: Cast, version: ModelVersion
) -> None:
    data = {"at": "0.70", "seen": "0.8", "reason": "Mine"}
    assert Client().get(page_of(version)).status_code == 302
    for person in (cast.ana, cast.ruth, cast.uma):
        assert cast.client(person).get(page_of(version)).status_code == 404
    ada = cast.client(cast.ada)
    assert "Ask a second admin" not in text_of(ada.get(page_of(version)))
    assert ada.post(page_of(version), data).status_code == 404
    root = cast.client(cast.root)
    root.post(page_of(version), data)
    address = reverse("model_threshold", args=[ThresholdChange.objects.get().pk])
    for method in (ada.get, ada.post):
        assert method(address, {"said": "yes"}).status_code == 404
    assert root.post(address, {"said": "perhaps"}).status_code == 404
    assert "Taken back" in text_of(root.post(address, {"said": "no"}, follow=True))
