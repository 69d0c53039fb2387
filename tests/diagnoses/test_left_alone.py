"""Something harmful is named and nothing is to follow: asked about once more before signing."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from diagnoses import workflow
from diagnoses.doctor_forms import AnswerForm
from diagnoses.models import Case
from mlservice.packs import load_pack
from tests.cases import a_model_version, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
LEFT_ALONE = {"diagnosis": "mel", "plan": "reassure", "advice": "It is harmless."}


def form(**said: Any) -> AnswerForm:
    return AnswerForm(said, pack=load_pack("skin"), view_open=False)


@pytest.fixture
def case(cast: Cast) -> Case:
    a_model_version()
    case = submitted(cast.ana, computer_check=False)
    workflow.read_first(case, cast.ruth, diagnosis="mel", confidence="sure", plan="see")
    return case


def test_it_is_signed_only_when_it_is_said_twice(cast: Cast, case: Case) -> None:
    ruth, at = cast.client(cast.ruth), reverse("reading_sign", args=[case.pk])
    refused = ruth.post(at, LEFT_ALONE)
    assert refused.status_code == 422
    page = refused.content.decode()
    assert "Melanoma, and the plan is “No further action”." in page
    assert "It is harmless." in page, "what was typed stays"
    assert 'name="sure_mel"' in page
    assert not case.reviews.exists()
    assert ruth.post(at, LEFT_ALONE | {"sure_mel": "on"}).status_code == 302
    assert case.reviews.get().plan == "reassure"


def test_an_answer_is_amended_so_only_when_it_is_said_twice(cast: Cast, case: Case) -> None:
    first = workflow.sign(case, cast.ruth, workflow.Answer("mel", "see", "Please come."))
    ruth, at = cast.client(cast.ruth), reverse("reading_amend", args=[case.pk])
    assert ruth.post(at, LEFT_ALONE | {"after": first.pk}).status_code == 422
    assert case.reviews.count() == 1


@pytest.mark.parametrize(
    ("diagnosis", "plan"), [("nv", "reassure"), ("-", "reassure"), ("mel", "see"), ("", "reassure")]
)
def test_nothing_else_is_asked_about(diagnosis: str, plan: str) -> None:
    said = form(diagnosis=diagnosis, plan=plan, advice="Words.")
    assert not [name for name in said.fields if name.startswith("sure")]


def test_a_box_ticked_for_one_answer_does_not_stay_for_another() -> None:
    """Neither for a plan that needs no second word, nor for another harmful diagnosis."""
    seen = form(diagnosis="mel", plan="see", advice="Please come.", sure_mel="on")
    assert seen.is_valid()
    assert "sure_mel" not in seen.cleaned_data
    other = form(diagnosis="bcc", plan="reassure", advice="It is harmless.", sure_mel="on")
    assert list(other.errors) == ["sure_bcc"]
