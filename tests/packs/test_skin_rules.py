"""What the skin pack decides: harm, points, urgency. Checked against its published sources."""

from __future__ import annotations

import csv
import os
from itertools import groupby
from pathlib import Path

import pytest

from mlservice.engine.types import Modality
from mlservice.packs import load_pack
from mlservice.packs.read import OUTCOMES, REASONS

SKIN = load_pack("skin")
DATA = Path(os.environ.get("LENTIGO_DATA", Path(__file__).parents[2] / "../shared/data"))
METADATA = DATA / "ham10000" / "HAM10000_metadata.csv"


def test_the_seven_labels_and_which_of_them_harm() -> None:
    assert {label.name for label in SKIN.labels if label.harmful} == {"mel", "bcc", "akiec"}
    assert {label.name for label in SKIN.labels if not label.harmful} == {"nv", "bkl", "df", "vasc"}
    assert sorted(label.key for label in SKIN.labels) == list("1234567")


def test_a_class_that_pools_diagnoses_carries_no_code() -> None:
    codes = {label.name: dict(label.codes) for label in SKIN.labels}
    assert codes["mel"] == {"icd10": "C43.9", "snomed": "93655004"}
    assert codes["bkl"] == codes["vasc"] == {}
    assert codes["akiec"] == {"snomed_among": "201101007"}, "one of them, and not the class's"


def test_labels_and_sites_are_those_of_the_data_set() -> None:
    if not METADATA.exists():
        pytest.skip("HAM10000 is not here: set LENTIGO_DATA to the folder that holds ham10000.")
    with METADATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {label.name for label in SKIN.labels} == {row["dx"] for row in rows}
    places = {row["localization"].replace(" ", "_") for row in rows}
    assert {site.name for site in SKIN.sites} == places


def test_the_sites_of_a_group_stand_together_and_not_sure_comes_last() -> None:
    groups = [group for group, _ in groupby(SKIN.sites, key=lambda site: site.group)]
    assert len(groups) == len(set(groups))
    assert all(groups)
    assert SKIN.sites[-1].name == "unknown"


def test_an_overview_is_never_scored_and_a_close_up_is_the_default() -> None:
    assert SKIN.photo_kinds[0].name == "close_up"
    assert {kind.name: (kind.scored, kind.modality) for kind in SKIN.photo_kinds} == {
        "close_up": (True, "phone"),
        "dermoscopic": (True, "dermoscopic"),
        "overview": (False, "phone"),
        "angle": (False, "phone"),
    }


def test_the_seven_points_are_weighted_as_in_ng12() -> None:
    assert SKIN.points is not None
    most = {name: max(values.values()) for name, values in SKIN.points.weights.items()}
    assert most == {
        "change_size": 2,
        "irregular_shape": 2,
        "irregular_colour": 2,
        "diameter": 1,
        "inflamed": 1,
        "bleeding": 1,
        "sensation": 1,
    }
    assert SKIN.points.urgent_from == 3


def test_no_and_not_sure_give_no_points() -> None:
    assert SKIN.points is not None
    for values in SKIN.points.weights.values():
        assert not {"no", "not_sure"} & set(values)


def test_a_question_that_could_raise_the_case_is_a_safety_question_and_no_other_is() -> None:
    assert SKIN.points is not None
    raising = {name for rule in SKIN.urgency for name in rule.when} | set(SKIN.points.weights)
    assert {question.name for question in SKIN.questions if question.safety} == raising


def test_not_sure_is_offered_everywhere_and_counts_as_no_answer() -> None:
    for question in SKIN.questions:
        if question.kind == "text":
            continue
        unknown = [choice.value for choice in question.choices if choice.unknown]
        assert unknown == ["not_sure"], question.name


def test_the_urgency_rules() -> None:
    rules = {rule.code: (rule.tier, dict(rule.when)) for rule in SKIN.urgency}
    assert rules == {
        "bleeding_and_growing": ("red", {"bleeding": ("bleeds",), "change_size": ("yes",)}),
        "skin_type_v_vi": ("amber", {"skin_type": ("v", "vi")}),
    }


def test_every_reason_has_words_for_doctors() -> None:
    codes = REASONS | {rule.code for rule in SKIN.urgency}
    assert set(SKIN.reasons) == codes
    assert all(words.endswith(".") for words in SKIN.reasons.values())


def test_everything_the_engine_takes_a_picture_for_has_words() -> None:
    radiographs = Modality.RADIOGRAPH.value  # the engine's, and nothing that skin takes
    assert set(SKIN.modalities) == {modality.value for modality in Modality} - {radiographs}


def test_every_outcome_and_every_fault_of_a_photo_is_worded() -> None:
    assert set(SKIN.outcomes) == set(OUTCOMES)
    assert {"blurred", "too_dark", "too_bright", "too_small"} <= set(SKIN.quality)


def test_few_questions_each_saying_why_it_is_asked() -> None:
    assert len(SKIN.questions) <= 15
    assert len({question.why for question in SKIN.questions}) >= len(SKIN.questions) - 1
    assert all(question.short for question in SKIN.questions)
