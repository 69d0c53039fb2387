"""A photo in which the computer finds no mark: a reason to take it again, and no all-clear."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from diagnoses import inference, presenting, workflow
from diagnoses.models import Case
from diagnoses.states import NewPhoto
from diagnoses.workflow import Answer
from mlservice import registry
from mlservice.engine import (
    Bundle,
    Modality,
    PictureAssessment,
    Tier,
    assess,
    open_predictor,
    shipped,
)
from mlservice.packs import load_pack
from mlservice.serving import Served, Shelf
from tests.cases import a_model_version, photo, score_next, scored, submitted
from tests.cast import Cast
from tests.diagnoses.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

EMPTY = {
    "modality": "no_lesion",
    "label": "",
    "picture_tier": "amber",
    "reasons": ["no_lesion"],
}
URGENT = {"bleeding": "bleeds", "change_size": "yes"}


@pytest.fixture(scope="module")
def network() -> Served:
    """The shipped network, with a gate that finds a mark in no photo whatever."""
    bundle = Bundle.load(shipped("skin"))
    size = bundle.manifest.embedding_size
    statistics = replace(
        bundle.statistics,
        no_lesion_weights=np.zeros(size, np.float32),
        no_lesion_bias=np.array([9], np.float32),
    )
    nowhere = Bundle(bundle.folder, replace(bundle.manifest, no_lesion_cut=0.9), statistics)
    return Served(nowhere, open_predictor(bundle))


@pytest.fixture
def shelf(network: Served) -> Shelf:
    version = registry.register(shipped("skin"))
    registry.activate(version, None)
    return Shelf({version.pk: network})


@pytest.mark.parametrize("kind", ["dermoscopic", "close_up"])
def test_from_the_worker_to_the_patients_page(cast: Cast, shelf: Shelf, kind: str) -> None:
    case = submitted(cast.ana, photos=[NewPhoto(kind, photo(7, kind="mel"))])
    assert score_next(shelf) == 1
    case.refresh_from_db()
    view = case.prediction
    assert view is not None, "kept, for the record"
    assert (view.modality, view.label, view.names_a_class) == ("no_lesion", "", False)
    assert "no_lesion" in view.reasons
    assert view.tier != "green"
    assert (case.status, case.tier, case.risk) == ("partial", None, None), "unscored, on top"
    words = text_of(cast.client(cast.ana).get(reverse("case", args=[case.pk])))
    assert "The computer finds no mark in this photo" in words
    assert "Take it again with the mark in the middle, filling about a third" in words
    assert "will look at your photo as it is" in words
    pack = load_pack("skin")
    assert [label.name for label in pack.labels if label.plain in words] == []
    shown = words.split("What this is, and what it is not")[0]
    assert not re.search("healthy|harmless|no disease", shown, re.IGNORECASE)


def test_it_can_be_taken_again_or_left_with_the_doctor(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana), **EMPTY)
    page = cast.client(cast.ana).get(reverse("case", args=[case.pk])).content.decode()
    again = reverse("case_photo", args=[case.pk])
    assert again in page
    assert cast.client(cast.ana).get(again).status_code == 200
    first = Case.objects.readable_by_doctor(cast.ruth).awaiting_review().urgent_first().first()
    assert first == case, "sent as it is: unscored, before everything that is calm"
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, Answer(diagnosis="nv", plan="reassure", advice="A mole."))
    case.refresh_from_db()
    assert case.status == "final"


def test_no_retake_is_offered_where_a_mark_was_found(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    page = cast.client(cast.ana).get(reverse("case", args=[case.pk])).content.decode()
    assert 'id="retake"' not in page


def test_the_doctor_reads_why_and_that_the_numbers_mean_nothing(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana), **EMPTY)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    words = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "No class" in words
    assert "Finds no mark in the photo. It can miss one" in words
    assert "mean nothing" in words


def test_urgent_answers_keep_their_headline(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana, answers=URGENT), **EMPTY)
    card = presenting.patient_card(case)
    assert card.key == "red"
    assert "it finds no mark in this photo" in card.label_line
    assert not card.asks_for_a_retake, "no errand before the doctor of an urgent case"


@pytest.mark.parametrize("modality", ["no_lesion", "not_skin"])
def test_the_database_refuses_a_class_for_a_photo_without_a_mark(cast: Cast, modality: str) -> None:
    a_model_version()
    with pytest.raises(IntegrityError, match="80_percent"), transaction.atomic():
        scored(submitted(cast.ana), **EMPTY | {"modality": modality, "label": "nv"})
    unsure = {"confidence": 0.5, "no_disease": True}
    assert scored(submitted(cast.ana), **EMPTY | {"modality": modality} | unsure).tier is None


def test_a_second_photo_without_a_mark_hides_nothing_of_the_first(
    cast: Cast, network: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The empty photo has the higher risk; the one with a mark decides all the same."""

    def one_is_empty(*given: object, **options: object) -> Sequence[PictureAssessment]:
        mark, empty = assess(*given, **options)  # type: ignore[arg-type]  # passed through
        return [
            replace(mark, modality=Modality.DERMOSCOPIC, risk=0.4, tier=Tier.RED, reasons=()),
            replace(empty, risk=0.9, tier=Tier.AMBER, reasons=("no_lesion",)),
        ]

    version = registry.register(shipped("skin"))
    registry.activate(version, None)
    monkeypatch.setattr(inference, "assess", one_is_empty)
    photos = [NewPhoto("dermoscopic", photo(7, kind="mel")), NewPhoto("dermoscopic", photo(8))]
    case = submitted(cast.ana, photos=photos)
    score_next(Shelf({version.pk: network}))
    case.refresh_from_db()
    view = case.prediction
    assert view is not None
    assert view.names_a_class
    assert (case.tier, view.risk) == ("red", 0.4)
    assert "no_lesion" in view.reasons
