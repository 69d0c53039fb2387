"""What admins see of cases and models, and the few things they may do."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from diagnoses import workflow
from diagnoses.models import Case, CaseEvent, Prediction, Review, Scoring
from mlservice import engine, registry
from mlservice.models import ModelVersion
from tests.cases import a_model_version, claimed, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
VERSIONS = "admin:mlservice_modelversion_changelist"


@pytest.fixture
def version(db: None) -> ModelVersion:
    return a_model_version()


def act(client: Client, page: str, action: str, row: object, **answers: object) -> str:
    """Choose an action for one row; with answers, also what it asks before."""
    data = {"action": action, "_selected_action": str(row), **answers}
    if answers:
        data["answered"] = "yes"
    return client.post(reverse(page), data, follow=True).content.decode()


@pytest.mark.parametrize("model", [Case, Scoring, Prediction, Review, CaseEvent])
def test_everything_about_cases_is_to_look_at(
    cast: Cast, version: ModelVersion, model: type
) -> None:
    case = scored(submitted(cast.ana))
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, workflow.Answer("nv", "reassure", "For Ana's eyes only."))
    row = model.objects.latest("pk")  # type: ignore[attr-defined]  # each of them is a model
    name = f"admin:diagnoses_{model.__name__.lower()}"
    client = cast.client(cast.root)

    assert client.get(reverse(f"{name}_changelist")).status_code == 200
    page = client.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert "For Ana" not in page.content.decode()
    assert client.get(reverse(f"{name}_add")).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    for person in (cast.ruth, cast.ana):
        assert cast.client(person).get(reverse(f"{name}_changelist")).status_code == 404


def test_an_admin_of_one_clinic_sees_its_cases_only(cast: Cast, version: ModelVersion) -> None:
    case = scored(submitted(cast.ana))
    page = reverse("admin:diagnoses_case_changelist")
    assert case.reference in cast.client(cast.ada).get(page).content.decode()
    Case.objects.update(clinic=cast.south)
    assert case.reference not in cast.client(cast.ada).get(page).content.decode()
    assert case.reference in cast.client(cast.root).get(page).content.decode()


def test_a_case_the_computer_failed_is_sent_to_it_again(cast: Cast, version: ModelVersion) -> None:
    case = submitted(cast.ana)
    workflow.give_up(claimed(case), "the network broke")
    client = cast.client(cast.ada)
    page = act(client, "admin:diagnoses_case_changelist", "requeue", case.pk)
    assert "Sent to the computer: 1" in page
    assert Scoring.objects.waiting().get(case=case).round == 2

    again = act(client, "admin:diagnoses_case_changelist", "requeue", case.pk)
    assert "This case is waiting for the computer already." in again


def test_the_threshold_is_not_changed_among_the_raw_tables(
    cast: Cast, version: ModelVersion
) -> None:
    """That takes two people and has its own page."""
    for person in (cast.root, cast.ada):
        act(
            cast.client(person),
            VERSIONS,
            "change_threshold",
            version.pk,
            threshold="0.5",
            reason="Mine",
        )
    version.refresh_from_db()
    assert version.threshold == 0.80


def test_a_versions_page_shows_its_card(cast: Cast) -> None:
    version = registry.register(engine.shipped("skin"))
    page = cast.client(cast.root).get(f"/admin/mlservice/modelversion/{version.pk}/change/")
    assert "balanced accuracy" in page.content.decode()
    assert "Release gate" in page.content.decode()


def test_the_admin_puts_nothing_into_service(cast: Cast, version: ModelVersion) -> None:
    """That has its own pages, with the gate before it."""
    ModelVersion.objects.update(state=ModelVersion.State.REGISTERED)
    act(cast.client(cast.root), VERSIONS, "activate", version.pk, reason="Why not")
    version.refresh_from_db()
    assert version.state == ModelVersion.State.REGISTERED


def test_every_page_of_the_admin_is_registered_read_only() -> None:
    from accounts.admin_base import ReadOnlyAdmin

    for model in (Case, Scoring, Prediction, Review, CaseEvent, ModelVersion):
        assert isinstance(admin.site.get_model_admin(model), ReadOnlyAdmin)
