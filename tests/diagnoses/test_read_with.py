"""Age and place move the names, by the real worker, and everybody who reads them can see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import translation

from diagnoses import telling, workflow
from diagnoses.models import Case, Prediction
from diagnoses.workflow import NewPhoto
from mlservice.engine import Bundle, shipped
from mlservice.engine.reading import in_order, informed, weight_of
from mlservice.serving import Shelf
from tests.cases import ALL_ANSWERED, a_model_version, photo, score_next, scored, submitted
from tests.cast import Cast
from tests.diagnoses import fhir
from tests.diagnoses.pages import text_of

pytestmark = pytest.mark.usefixtures("media")
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
KNOWN = {"age": "from_70", "site": "face"}
ALONE = {
    "nv": 0.50, "bkl": 0.30, "mel": 0.08, "bcc": 0.04, "akiec": 0.04, "df": 0.02, "vasc": 0.02,
}  # fmt: skip


def send(cast: Cast, age: str = "", site: str = "face") -> Case:
    answers = ALL_ANSWERED | ({"age": age} if age else {})
    photos = [NewPhoto("dermoscopic", photo(3, kind="mel"))]
    return submitted(cast.ana, site=site, answers=answers, photos=photos)


def real_view(case: Case) -> Prediction:
    assert score_next(Shelf()) == 1
    case.refresh_from_db()
    return Prediction.objects.get(case=case)


@pytest.fixture
def bundle() -> Bundle:
    call_command("register_model", verbosity=0)
    return Bundle.load(shipped())


def test_the_worker_reads_the_names_with_what_the_patient_said(cast: Cast, bundle: Bundle) -> None:
    view = real_view(send(cast, age="from_70"))
    [own] = view.photos
    evidence = bundle.manifest.metadata
    assert evidence is not None
    assert view.receipt["metadata"] == KNOWN
    told = weight_of(evidence, KNOWN, bundle.labels)
    assert np.abs(told).max() > 0.1
    expected = informed(in_order(own["by_picture"], bundle.labels), told)
    np.testing.assert_allclose(in_order(view.probabilities, bundle.labels), expected, rtol=1e-9)
    assert view.confidence == max(view.probabilities.values())


def test_what_was_not_said_is_not_made_up_and_the_urgency_hears_nothing(
    cast: Cast, bundle: Bundle
) -> None:
    told, silent = real_view(send(cast, age="from_70")), real_view(send(cast, site="unknown"))
    assert "metadata" not in silent.receipt
    assert "by_picture" not in silent.photos[0]
    assert silent.probabilities == told.photos[0]["by_picture"]
    assert (silent.risk, silent.tier, silent.picture_tier) == (
        told.risk,
        told.tier,
        told.picture_tier,
    )
    assert silent.photos[0]["rotation_risks"] == told.photos[0]["rotation_risks"]


def test_an_answer_that_says_nothing_is_no_metadata(cast: Cast, bundle: Bundle) -> None:
    """ "I would rather not say" is a choice of the question, not an age."""
    view = real_view(send(cast, age="not_sure"))
    assert view.receipt["metadata"] == {"site": "face"}


@pytest.fixture
def case(cast: Cast) -> Case:
    """Named a keratosis because of age and place; the picture alone had named a naevus."""
    a_model_version(metrics={"ece": 0.0486, "n": 1004})
    case = send(cast, age="from_70")
    seen = case.photos.get()
    receipt = {"r95": 0.0425, "r99": 0.0243, "risk_temperature": 0.57, "metadata": KNOWN}
    shares = ALONE | {"nv": 0.35, "bkl": 0.45}
    return scored(
        case,
        probabilities=shares,
        top_label="bkl",
        confidence=0.45,
        no_disease=True,
        label="",
        risk=0.031,
        receipt=receipt,
        photos=[{"photo": str(seen.pk), "by_picture": ALONE}],
    )


def page(cast: Cast, case: Case) -> str:
    workflow.read_first(case, cast.ruth, **READING)
    return text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))


def test_doctors_read_what_was_heard_and_what_the_picture_alone_says(
    cast: Cast, case: Case
) -> None:
    said = page(cast, case)
    assert "read with what the patient said (Age: 70 or older; Place on the body: Face)" in said
    assert "By the picture alone the top class is Melanocytic naevus, with 50.0 %." in said
    assert "Risk of harm, read apart 3.1 %" in said
    assert "red from 4.2 %, amber from 2.4 %" in said
    assert "Harmful classes together" not in said


def test_a_question_that_is_asked_no_more_breaks_no_page(case: Case) -> None:
    old = {"risk_temperature": 0.57, "metadata": {"smoker": "yes", "site": "elbow"}}
    said = telling.read_with(Prediction(receipt=old), case.pack)
    assert said == "smoker: yes; site: elbow"


def test_it_is_said_in_spanish_too(cast: Cast, case: Case) -> None:
    cast.ruth.language = "es"
    cast.ruth.save(update_fields=["language"])
    with translation.override("es"):
        said = page(cast, case)
    assert "Por la imagen sola, la primera clase es" in said


def test_an_earlier_version_reads_as_before(cast: Cast) -> None:
    a_model_version(metrics={})
    case = scored(submitted(cast.ana), receipt={"r95": 0.1, "r99": 0.03})
    said = page(cast, case)
    assert "Harmful classes together" in said
    assert "read with what the patient said" not in said


def test_other_programs_read_it_too(cast: Cast, case: Case) -> None:
    address = reverse("api-case", args=[case.pk])
    closed = cast.api(cast.sam).get(address).json()
    assert closed["computer_view"] is None
    workflow.read_first(case, cast.ruth, **READING)
    view: dict[str, Any] = cast.api(cast.ruth).get(address).json()["computer_view"]
    assert view["by_picture"] == ALONE
    assert view["receipt"]["metadata"] == KNOWN
    check = fhir.the(fhir.bundle(cast.api(cast.ruth), case), "Observation", "-check")
    [told] = [
        one["valueString"]
        for one in check["component"]
        if one["code"]["text"] == "The probabilities were read with"
    ]
    assert told == "Age: 70 or older; Place on the body: Face"
