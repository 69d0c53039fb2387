"""Which words a patient reads, for every result there can be."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Clinic
from diagnoses import presenting, workflow
from diagnoses.models import Case
from tests.cases import AMBER, NOT_SURE, RED, a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def card_of(cast: Cast, **result: Any) -> presenting.Card:
    a_model_version()
    return presenting.patient_card(scored(submitted(cast.ana), **result))


@pytest.mark.parametrize(
    ("result", "key", "says"),
    [
        ({}, "harmless_green", "probably a common harmless growth"),
        (AMBER, "harmless_amber", "a doctor will decide"),
        (NOT_SURE, "no_disease_green", "No disease found by the automatic check"),
        (NOT_SURE | AMBER, "no_disease_amber", "could not decide, so a doctor will"),
        (RED, "red", "A doctor should look at this soon"),
        (NOT_SURE | RED, "red", "A doctor should look at this soon"),
        (AMBER | {"label": "mel", "top_label": "mel"}, "harmful_named_amber", "A doctor should"),
    ],
)
def test_every_result_has_its_words(
    cast: Cast, result: dict[str, Any], key: str, says: str
) -> None:
    card = card_of(cast, **result)
    assert card.key == key
    assert says in card.headline


def test_the_words_name_the_threshold_that_was_in_force(cast: Cast) -> None:
    result = {"threshold": 0.9, "confidence": 0.85, "no_disease": True, "label": ""}
    assert "(under 90 %)" in " ".join(card_of(cast, **result).body)
    assert (
        "under 90 % sure"
        in presenting.patient_card(scored(submitted(cast.ana), **RED | result)).label_line
    )


def test_the_usual_threshold_reads_as_eighty(cast: Cast) -> None:
    assert "(under 80 %)" in " ".join(card_of(cast, **NOT_SURE).body)


def test_a_held_result_says_nothing_of_it(cast: Cast) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    assert {card_of(cast).key, presenting.patient_card(scored(submitted(cast.ana), **RED)).key} == {
        "held"
    }


def test_a_clinic_that_holds_results_promises_none_while_the_computer_is_at_work(
    cast: Cast,
) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    a_model_version()
    case = Case.objects.get(pk=submitted(cast.ana).pk)
    assert presenting.patient_card(case).key == "held"


def test_waiting_withdrawn_and_unscored(cast: Cast) -> None:
    assert presenting.patient_card(submitted(cast.ana)).key == "unscored", "no model is there"
    a_model_version()
    case = submitted(cast.ana)
    assert presenting.patient_card(case).key == "waiting"
    workflow.withdraw(case, cast.ana)
    assert presenting.patient_card(Case.objects.get(pk=case.pk)).key == "withdrawn"


def test_the_doctor_asked_for_is_named_and_otherwise_a_doctor(cast: Cast) -> None:
    a_model_version()
    named = scored(submitted(cast.ana, doctor=cast.ruth))
    anyone = scored(submitted(cast.ana))
    assert "Ruth Okafor will look" in " ".join(presenting.patient_card(named).body)
    assert "A doctor will look" in " ".join(presenting.patient_card(anyone).body)
